//! How much of a body is held and inspected before any of it leaves.

use crate::model::manifest::fields::Item;
use crate::model::manifest::schema::{Field, Object, Shape};
use crate::model::manifest::values;
use crate::model::types::limits::{DLP_HOLD_BYTES, DLP_HOLD_BYTES_LEAST, HELD_BODY_BYTES};

pub(super) static SPEC: Object = Object::new(
    "How messages are inspected.",
    &[Field::optional(
        "holdBytes",
        Shape::Size,
        "Bytes of a body that are held and inspected before any of it leaves, 4KiB to 32MiB.",
    )
    .by_default("1MiB")],
);

/// `spec.dlp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dlp {
    /// Bytes of a body that are held and inspected before any of it leaves.
    pub hold: u64,
}

impl Default for Dlp {
    fn default() -> Self {
        Self { hold: DLP_HOLD_BYTES }
    }
}

pub(super) fn read(item: &Item<'_>) -> Option<Dlp> {
    let fields = item.object(&SPEC)?;
    let Some(item) = fields.get("holdBytes") else { return Some(Dlp::default()) };
    let hold = values::size(&item)?;
    if !(DLP_HOLD_BYTES_LEAST..=HELD_BODY_BYTES).contains(&hold) {
        item.mistake_hint(
            format!("holdBytes `{}` is not between 4KiB and 32MiB", item.written()),
            "what is longer is inspected as it passes",
        );
        return None;
    }
    Some(Dlp { hold })
}
