//! Names that are looked up are looked into, too: a label carries as much out as a path does.
//!
//! What is found there refuses the query before any resolver hears of it. Its record has the name without what was found. Read
//! next: `../naming.rs`.

use super::super::naming::{self, Named};
use super::super::road::{Road, Snapshot};
use crate::decide::dlp::Inspected;
use crate::decide::ledger::record::Opening;
use crate::model::types::Denial;
use crate::perceive::dns::Query;
use crate::perceive::identity::Known;

/// Looks into the name that an agent asks for, and has its record tell of it.
///
/// # Errors
/// `dlp.blocked` where a policy stops what was found.
pub(super) fn look(
    road: &Road,
    snapshot: &Snapshot,
    known: &Known,
    query: &Query,
    opening: &mut Opening,
) -> Result<Inspected, Denial> {
    let Named { inspected, found } = naming::look(&road.shared, snapshot, known, query.text());
    if let Some((sightings, shown)) = found {
        opening.asked.findings = sightings;
        opening.asked.path = Some(shown);
        opening.subject.host = None;
    }
    inspected
}
