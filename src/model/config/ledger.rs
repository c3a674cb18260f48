//! How records are kept.

use crate::model::manifest::fields::Item;
use crate::model::manifest::schema::{Field, Object, Shape, words};
use crate::model::manifest::values;

/// Bytes the journal may take before records have to wait, unless told otherwise.
const DEFAULT_JOURNAL: u64 = 256 << 20;
/// Least bytes of a journal: room for some segments.
const LEAST_JOURNAL: u64 = 1 << 20;
/// Most bytes of a journal.
const MOST_JOURNAL: u64 = 1 << 40;

/// What a decision survives before its traffic goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A crash of the process. The default.
    #[default]
    Process,
    /// A loss of power.
    Power,
}

/// `spec.ledger`. A decision that cannot be recorded is always refused; records are kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    /// What a decision survives.
    pub durability: Durability,
    /// Bytes of the journal, 1 MiB to 1 TiB.
    pub journal: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { durability: Durability::default(), journal: DEFAULT_JOURNAL }
    }
}

const DURABILITIES: [(&str, Durability); 2] =
    [("process", Durability::Process), ("power", Durability::Power)];

const UNAVAILABLE: [(&str, ()); 1] = [("deny", ())];

/// `spec.ledger`.
pub(super) static SPEC: Object = Object::new(
    "How records are kept.",
    &[
        Field::optional(
            "durability",
            Shape::choice(&words(&DURABILITIES)),
            "What a decision's record survives: the end of the process, or of power.",
        )
        .by_default("process"),
        Field::refused(
            "retention",
            "`retention` is not yet enforced",
            "remove it: records are kept until someone deletes the ledger",
        ),
        Field::optional("journal", Shape::Size, "Bytes of the journal, 1MiB to 1024GiB.")
            .by_default("256MiB"),
        Field::optional(
            "onUnavailable",
            Shape::Choice { words: &words(&UNAVAILABLE), not_yet: &["allow"] },
            "What becomes of traffic that cannot be recorded.",
        )
        .by_default("deny"),
    ],
);

pub(super) fn read(item: &Item<'_>) -> Option<Ledger> {
    let fields = item.object(&SPEC)?;
    let durability = match fields.get("durability") {
        Some(item) => item.choice(&DURABILITIES),
        None => Some(Durability::default()),
    };
    fields.get("onUnavailable").and_then(|item| item.choice(&UNAVAILABLE));
    let journal = fields.get("journal").map_or(Some(DEFAULT_JOURNAL), |item| journal(&item));
    Some(Ledger { durability: durability?, journal: journal? })
}

fn journal(item: &Item<'_>) -> Option<u64> {
    let bytes = values::size(item)?;
    if !(LEAST_JOURNAL..=MOST_JOURNAL).contains(&bytes) {
        item.mistake(format!("journal `{}` is not between 1MiB and 1024GiB", item.written()));
        return None;
    }
    Some(bytes)
}
