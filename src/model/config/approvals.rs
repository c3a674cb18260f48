//! How long approvals may last.

use std::time::Duration;

use crate::model::manifest::fields::Item;
use crate::model::manifest::schema::{Field, Object, Shape};
use crate::model::manifest::values;
use crate::model::types::limits::{APPROVAL_TTL, APPROVAL_TTL_DEFAULT};

pub(super) static SPEC: Object = Object::new(
    "How long approvals may last.",
    &[Field::optional(
        "maxTtl",
        Shape::Text(&values::DURATION),
        "The longest that an approval lasts, at most 7 days; of more it gets this.",
    )
    .by_default("1d")],
);

/// `spec.approvals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approvals {
    /// The longest that an approval lasts, at most `APPROVAL_TTL`. Documents that ask for more get this.
    pub max_ttl: Duration,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { max_ttl: APPROVAL_TTL_DEFAULT }
    }
}

pub(super) fn read(item: &Item<'_>) -> Option<Approvals> {
    let fields = item.object(&SPEC)?;
    let Some(item) = fields.get("maxTtl") else { return Some(Approvals::default()) };
    let max_ttl = values::duration(&item)?;
    if max_ttl > APPROVAL_TTL {
        let days = APPROVAL_TTL.as_secs() / 86_400;
        item.mistake_hint(
            format!("maxTtl `{}` is more than {days} days", item.written()),
            "what shall last longer is a route",
        );
        return None;
    }
    Some(Approvals { max_ttl })
}
