//! How records are kept.

use crate::model::manifest::fields::Item;
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

pub(super) fn read(item: &Item<'_>) -> Option<Ledger> {
    let fields = item.fields(&["durability", "retention", "journal", "onUnavailable"])?;
    let durability = match fields.get("durability") {
        Some(item) => item.choice(&[("process", Durability::Process), ("power", Durability::Power)]),
        None => Some(Durability::default()),
    };
    if let Some(retention) = fields.get("retention")
        && values::duration(&retention).is_some()
    {
        let message = format!("`retention: {}` is not yet enforced", retention.written());
        retention.mistake_hint(message, "remove it: records are kept until someone deletes the ledger");
    }
    if let Some(unavailable) = fields.get("onUnavailable")
        && unavailable.choice(&[("deny", true), ("allow", false)]) == Some(false)
    {
        unavailable.not_yet();
    }
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
