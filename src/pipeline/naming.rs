//! Names are looked into before anything is done about them: whoever resolves one, or says it in TLS, carries it out as a path is
//! carried out.
//!
//! What is found there refuses, whatever a policy would have redacted: another name would be another place. Records have the name
//! without what was found. Read next: `decide/dlp/inspected.rs`, then `dns/names.rs` and `connection.rs`.

use super::road::{Shared, Snapshot};
use crate::decide::dlp::{Changeable, Form, Inspected, Judgement, redact};
use crate::model::types::{Denial, Direction, Sightings};
use crate::perceive::identity::Known;

/// What was found in a name.
pub struct Named {
    /// Whether it may be used.
    ///
    /// # Errors
    /// `dlp.blocked` where a policy stops what was found.
    pub inspected: Result<Inspected, Denial>,
    /// For the record: what was found, and the name without it. Nothing where nothing was.
    pub found: Option<(Sightings, String)>,
}

/// Looks into a name that an agent says.
pub fn look(shared: &Shared, snapshot: &Snapshot, known: &Known, name: &str) -> Named {
    let agent = &known.agent().name;
    let plan = snapshot.policy.lookup_inspection(known);
    let wanted = plan.as_ref().map(|plan| plan.wanted(Direction::Up)).unwrap_or_default();
    let Some(plan) = plan.filter(|_| !wanted.is_empty()) else {
        return Named { inspected: Judgement::new(None, Direction::Up).finish(agent), found: None };
    };
    let mut found = shared.finder.inspector(&plan, wanted).inspect(name.as_bytes(), Form::Host);
    // A name is no file of any format.
    found.unreadable = None;
    let mut judgement = Judgement::new(Some(plan), Direction::Up);
    judgement.add(&found, Changeable::No);
    let told = (!judgement.sightings().is_empty()).then(|| {
        let shown = redact(name.as_bytes(), Form::Host, &found.matches);
        (judgement.sightings().clone(), String::from_utf8_lossy(&shown).into_owned())
    });
    Named { inspected: judgement.finish(agent), found: told }
}
