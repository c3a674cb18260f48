//! What rules say of a name that is looked up: nothing is known yet but who asks, for which name, and when.
//!
//! A name that documents write out is looked up though a rule denies it: the agent shall hear the administrator's words,
//! which have no place in an answer of DNS. What the agent chose itself carries something out, and is refused here.

use super::Rules;
use super::findings::Concerned;
use crate::decide::policy::query::{Chooser, Leave};
use crate::decide::policy::words;
use crate::model::condition::{Destination, Facts};
use crate::model::manifest::resources::RuleAction;
use crate::model::types::Denial;

impl Rules {
    /// What lets a name be looked up, by routes and rules together. `leave` is what routes say.
    ///
    /// # Errors
    /// As for connections, where the name alone is enough to tell.
    pub(in crate::decide::policy) fn judge_name(
        &self,
        agent: usize,
        concerned: &Concerned<'_>,
        leave: Option<Leave>,
    ) -> Result<Option<Leave>, Denial> {
        if self.none_for(agent) || concerned.host.is_none() {
            return Ok(leave);
        }
        let facts = Facts {
            agent: concerned.known.agent(),
            destination: Destination { host: concerned.host, ..Destination::default() },
            request: None,
            content: None,
            usage: concerned.circumstances.usage.as_ref(),
            at: concerned.circumstances.at,
        };
        let found = self.look(agent, &facts);
        found.quarantine(concerned)?;
        found.failure(concerned)?;
        let denies = found.first(|action| matches!(action, RuleAction::Deny { .. }));
        match (leave, denies) {
            (Some(leave), Some(_)) if leave.chooser() == Chooser::Documents => Ok(Some(leave)),
            (_, Some(rule)) => Err(words::denied_by_rule(concerned.known, rule)),
            (Some(leave), None) => Ok(Some(leave)),
            (None, None) => {
                let opener = self.opener(agent, &facts);
                Ok(opener.map(|rule| Leave { chooser: Chooser::Agent, route: rule.place() }))
            }
        }
    }
}
