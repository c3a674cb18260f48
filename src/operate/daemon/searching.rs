//! Questions to the ledger: from words of the wire to its own, and back.

use super::backend::failed;
use crate::decide::ledger;
use crate::decide::ledger::record::{Decision, Kind};
use crate::operate::api::{AuditFilter, Fault, Page, Window};

/// A filter as the ledger takes it.
pub fn ledger_filter(filter: &AuditFilter) -> Result<ledger::Filter, Fault> {
    let word = |text: &str| Fault::invalid(format!("`{text}` is nothing that is recorded"));
    Ok(ledger::Filter {
        agent: filter.agent.clone(),
        decision: filter
            .decision
            .as_deref()
            .map(|text| Decision::parse(text).ok_or_else(|| word(text)))
            .transpose()?,
        reason: filter.reason.clone(),
        kind: filter.kind.as_deref().map(|text| Kind::parse(text).ok_or_else(|| word(text))).transpose()?,
        host: filter.host.clone(),
        since: filter.since,
        until: filter.until,
        request_id: None,
        limit: None,
    })
}

/// A window as the ledger takes it.
pub fn ledger_window(window: &Window) -> ledger::Window {
    ledger::Window {
        last: window.last,
        after: window.after,
        through: window.through,
        limit: window.limit.unwrap_or(1000),
    }
}

/// A page as the wire carries it.
pub fn page(found: ledger::Page) -> Result<Page, Fault> {
    let rows = found
        .rows
        .into_iter()
        .map(|row| serde_json::to_value(row).map_err(failed))
        .collect::<Result<_, _>>()?;
    Ok(Page { rows, next: found.next, through: found.through, more: found.more })
}
