//! What stood at a moment that is past, for explanations of recorded decisions. It changes nothing, and what is not
//! remembered any more it says in words.

use super::state::State;
use super::{Keeper, clock};
use crate::decide::policy::Standing;
use crate::model::manifest::Resources;
use crate::model::types::Timestamp;
use crate::platform::registry::Past;

/// What stood then.
#[derive(Debug, Default)]
pub struct Then {
    /// As decisions read it.
    pub standing: Standing,
    /// What of it is not known, one sentence each.
    pub gaps: Vec<String>,
}

impl Keeper {
    /// What stood at a moment under these documents, and what of it is not known that may concern this agent. Blocks.
    pub fn then(&self, resources: &Resources, agent: &str, at: Timestamp) -> Then {
        // What was imposed or ended a moment ago is written down first.
        self.take_up(clock::now());
        self.runtime.block_on(self.write());
        self.wake.notify_one();
        let past = match self.runtime.block_on(self.registry.past(at)) {
            Ok(past) => past,
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().next().unwrap_or_default();
                let gap = format!("which approvals and quarantines stood then is not known: {why}");
                return Then { gaps: vec![gap], ..Then::default() };
            }
        };
        let state = self.state();
        let mut gaps = gaps(&state, resources, agent, (&past, at));
        if !state.unwritten.is_empty() {
            gaps.push("the registry cannot be written: what ended since then may be missing here".to_owned());
        }
        let standing = state.then(past, at).standing(resources, at, self.max_ttl);
        Then { standing, gaps }
    }
}

/// What is not remembered.
pub(super) fn gaps(
    state: &State,
    resources: &Resources,
    agent: &str,
    (past, at): (&Past, Timestamp),
) -> Vec<String> {
    let forgotten = past.whole_since.filter(|since| at < *since).map(|since| {
        format!("of approvals and quarantines that ended before {since} not all are remembered: one may have stood then")
    });
    let own = resources.approvals.iter().filter(|(_, document)| &*document.grant.agent == agent);
    let unseen = own.filter(|(name, document)| !state.remembers(name, document)).map(|(name, _)| {
        format!(
            "when EgressApproval/{name} was first seen is not remembered: it is taken for not in force then"
        )
    });
    forgotten.into_iter().chain(unseen).collect()
}
