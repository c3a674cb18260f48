//! A certificate authority that operators bring, in the place of the gateway's own.

use std::path::PathBuf;

use super::folders::{PATH, absolute};
use crate::model::manifest::fields::Item;
use crate::model::manifest::schema::{Field, Object, Shape};

/// `spec.authority`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Certificates in PEM: the issuing one, then those above it.
    pub chain: PathBuf,
    /// The private key of the first, in PEM.
    pub key: PathBuf,
}

/// `spec.authority`.
pub(super) static SPEC: Object = Object::new(
    "A certificate authority of your own, which signs what workloads are shown.",
    &[
        Field::required(
            "chainFile",
            Shape::Text(&PATH),
            "Certificates in PEM: the issuing one first, then those above it. Workloads trust the last.",
        ),
        Field::required("keyFile", Shape::Text(&PATH), "The private key of the first, in PEM."),
    ],
);

pub(super) fn read(item: &Item<'_>) -> Option<Authority> {
    let fields = item.object(&SPEC)?;
    let chain = fields.required("chainFile").and_then(|item| absolute(&item));
    let key = fields.required("keyFile").and_then(|item| absolute(&item));
    Some(Authority { chain: chain?, key: key? })
}
