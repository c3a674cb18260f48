//! Names that are looked up are looked into, too: a label carries as much out as a path does.
//!
//! What is found there refuses the query before any resolver hears of it, whatever a policy would have redacted: another name
//! would be another question. Its record has the name without what was found. Read next: `decide/dlp/inspected.rs`.

use super::super::road::{Road, Snapshot};
use crate::decide::dlp::{Changeable, Form, Inspected, Judgement, redact};
use crate::decide::ledger::record::Opening;
use crate::model::types::{Denial, Direction};
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
    let agent = &known.agent().name;
    let plan = snapshot.policy.lookup_inspection(known);
    let wanted = plan.as_ref().map(|plan| plan.wanted(Direction::Up)).unwrap_or_default();
    let Some(plan) = plan.filter(|_| !wanted.is_empty()) else {
        return Judgement::new(None, Direction::Up).finish(agent);
    };
    let name = query.text();
    let mut found = road.shared.finder.inspector(&plan, wanted).inspect(name.as_bytes(), Form::Host);
    // A name is no file of any format.
    found.unreadable = None;
    let mut judgement = Judgement::new(Some(plan), Direction::Up);
    judgement.add(&found, Changeable::No);
    if !judgement.sightings().is_empty() {
        opening.asked.findings = judgement.sightings().clone();
        let shown = redact(name.as_bytes(), Form::Host, &found.matches);
        opening.asked.path = Some(String::from_utf8_lossy(&shown).into_owned());
        opening.subject.host = None;
    }
    judgement.finish(agent)
}
