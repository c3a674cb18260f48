//! What records show of a request that nobody has looked into, because it was refused first or goes no further than here: its
//! path has marks in the place of what a policy of the set would find there.
//!
//! A record is read by more people than a secret is meant for. Nothing is decided here. Read next: `case.rs`.

use super::road::{Shared, Snapshot};
use crate::decide::dlp::{Changeable, Form, Judgement, redact};
use crate::decide::ledger::record::{Asked, Opening};
use crate::model::types::Direction;
use crate::perceive::identity::Known;

/// What stands for a method in which something was found.
pub const HIDDEN: &str = "[redacted]";

/// Has the record of a request tell what was found in its path, as it stood in the request, and not show it.
pub fn hush(shared: &Shared, (snapshot, known): (&Snapshot, Option<&Known>), path: &str, asked: &mut Asked) {
    let Some(plan) = snapshot.policy.record_inspection() else { return };
    let inspector = shared.finder.inspector(plan, plan.wanted(Direction::Up));
    let inspect = |text: &str, form| {
        let mut found = inspector.inspect(text.as_bytes(), form);
        found.unreadable = None;
        found.matches.retain(|one| plan.action(one, Direction::Up).is_some());
        found
    };
    if asked.method.as_ref().is_some_and(|method| !inspect(method, Form::Method).matches.is_empty()) {
        asked.method = Some(HIDDEN.to_owned());
    }
    let found = inspect(path, Form::Path);
    if found.matches.is_empty() {
        return;
    }
    let shown = redact(path.as_bytes(), Form::Path, &found.matches);
    asked.path = Some(String::from_utf8_lossy(&shown).into_owned());
    // What it is called, and what would have become of it, is said by the agent's own policies.
    if let Some(own) = known.and_then(|known| snapshot.policy.lookup_inspection(known)) {
        let mut judgement = Judgement::new(Some(own), Direction::Up);
        judgement.add(&found, Changeable::No);
        asked.findings = judgement.sightings().clone();
    }
}

/// Has the record of what is refused tell nothing of a name in which a policy of the set would find something; where it has no
/// path, that shows what is left of the name.
pub fn hush_name(shared: &Shared, (snapshot, known): (&Snapshot, Option<&Known>), opening: &mut Opening) {
    let (Some(plan), Some(host)) = (snapshot.policy.record_inspection(), &opening.subject.host) else {
        return;
    };
    let name = host.as_str().as_bytes();
    let wanted = plan.wanted(Direction::Up);
    let mut found = shared.finder.inspector(plan, wanted).inspect(name, Form::Host);
    found.unreadable = None;
    found.matches.retain(|one| plan.action(one, Direction::Up).is_some());
    if found.matches.is_empty() {
        return;
    }
    let shown = || String::from_utf8_lossy(&redact(name, Form::Host, &found.matches)).into_owned();
    opening.asked.path.get_or_insert_with(shown);
    if let Some(own) = known.and_then(|known| snapshot.policy.lookup_inspection(known)) {
        let mut judgement = Judgement::new(Some(own), Direction::Up);
        judgement.add(&found, Changeable::No);
        judgement.tell(&mut opening.asked.findings);
    }
    opening.subject.host = None;
}
