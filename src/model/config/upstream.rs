//! Whom the gateway trusts when it dials out.

use std::path::PathBuf;

use super::folders::{PATH, absolute};
use crate::model::manifest::fields::Item;
use crate::model::manifest::schema::{Field, Object, Shape};

/// The bundle of Debian and Ubuntu (package `ca-certificates`).
pub const DEFAULT_TRUST_ANCHORS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `spec.upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// PEM files with the certificates of trusted authorities, at least one.
    pub trust_anchors: Vec<PathBuf>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { trust_anchors: vec![PathBuf::from(DEFAULT_TRUST_ANCHORS)] }
    }
}

/// `spec.upstream`.
pub(super) static SPEC: Object = Object::new(
    "Whom the gateway trusts when it dials out.",
    &[Field::optional(
        "trustAnchors",
        Shape::List(&Shape::Text(&PATH)),
        "PEM files of trusted authorities; without it those of the host.",
    )],
);

pub(super) fn read(item: &Item<'_>) -> Option<Upstream> {
    let fields = item.object(&SPEC)?;
    if fields.get("trustAnchors").is_none() {
        return Some(Upstream::default());
    }
    Some(Upstream { trust_anchors: fields.list("trustAnchors").iter().filter_map(absolute).collect() })
}
