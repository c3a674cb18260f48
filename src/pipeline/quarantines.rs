//! Agents that a rule has put away: in force at once, and wished for to last.
//!
//! What stands here is lost with the process. Whoever keeps the registry takes the wishes, writes them down and puts them
//! into `Standing`; until then this is what holds. At most one for each agent, and each ends by itself.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::model::types::{Denial, PolicyRef, Reason, Timestamp};

/// Why an agent is put away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// `EgressPolicy/NAME`.
    pub policy: PolicyRef,
    /// The rule's name.
    pub rule: Arc<str>,
}

/// One agent put away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imposed {
    /// The agent's name.
    pub agent: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub cause: Cause,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Quarantines {
    held: RwLock<HashMap<Arc<str>, Held>>,
    wished: Notify,
}

#[derive(Debug)]
struct Held {
    imposed: Imposed,
    /// Nobody has taken the wish yet.
    fresh: bool,
}

impl Quarantines {
    /// Puts an agent away, at once. Of two for the same agent the longer holds; true where this one is it.
    pub fn impose(&self, agent: &Arc<str>, (since, until): (Timestamp, Timestamp), cause: Cause) -> bool {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, one| one.imposed.until > since);
        if held.get(agent).is_some_and(|one| one.imposed.until >= until) {
            return false;
        }
        let imposed = Imposed { agent: agent.clone(), since, until, cause };
        held.insert(agent.clone(), Held { imposed, fresh: true });
        drop(held);
        self.wished.notify_one();
        true
    }

    /// Whether an agent may speak at this moment.
    ///
    /// # Errors
    /// `identity.quarantined`.
    pub fn check(&self, agent: &str, at: Timestamp) -> Result<(), Denial> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        match held.get(agent).map(|one| &one.imposed).filter(|imposed| imposed.until > at) {
            Some(imposed) => Err(refused(imposed)),
            None => Ok(()),
        }
    }

    /// Waits until something was imposed, and takes all wishes that nobody has taken. They stay in force until
    /// [`Quarantines::lift`].
    pub async fn wishes(&self) -> Vec<Imposed> {
        loop {
            let fresh = self.take();
            if !fresh.is_empty() {
                return fresh;
            }
            self.wished.notified().await;
        }
    }

    fn take(&self) -> Vec<Imposed> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let taken = |one: &mut Held| std::mem::take(&mut one.fresh).then(|| one.imposed.clone());
        held.values_mut().filter_map(taken).collect()
    }

    /// Ends what is held of an agent here: an operator has lifted it, or `Standing` has it now.
    pub fn lift(&self, agent: &str) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).remove(agent);
    }
}

fn refused(imposed: &Imposed) -> Denial {
    let Imposed { agent, until, cause, .. } = imposed;
    let detail = format!("Agent {agent} is quarantined until {until}. Nothing it sends goes out until then.");
    let denial =
        Denial::by(Reason::IdentityQuarantined, cause.policy.clone(), Some(cause.rule.clone()), detail);
    denial.seen(format!("quarantined since {}", imposed.since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn cause(rule: &str) -> Cause {
        Cause { policy: PolicyRef::new("EgressPolicy", "trap"), rule: rule.into() }
    }

    #[test]
    fn a_quarantine_holds_at_once_until_its_end_and_the_longer_of_two_holds() {
        let quarantines = Quarantines::default();
        let alice: Arc<str> = "alice".into();
        assert!(quarantines.impose(&alice, (at(0), at(60)), cause("first")));
        assert!(!quarantines.impose(&alice, (at(1), at(30)), cause("shorter")));
        assert!(quarantines.impose(&alice, (at(2), at(90)), cause("longer")));
        let denial = quarantines.check("alice", at(89)).unwrap_err();
        assert_eq!((denial.reason, denial.rule.as_deref()), (Reason::IdentityQuarantined, Some("longer")));
        assert_eq!(denial.quarantine, None, "it was imposed by an earlier decision");
        assert_eq!(quarantines.check("alice", at(90)), Ok(()));
        assert_eq!(quarantines.check("bob", at(3)), Ok(()));
        quarantines.lift("alice");
        assert_eq!(quarantines.check("alice", at(3)), Ok(()));
    }

    #[tokio::test]
    async fn a_wish_is_taken_once_and_holds_on() {
        let quarantines = Quarantines::default();
        quarantines.impose(&"alice".into(), (at(0), at(60)), cause("a"));
        quarantines.impose(&"bob".into(), (at(0), at(60)), cause("b"));
        let mut wishes = quarantines.wishes().await;
        wishes.sort_by(|a, b| a.agent.cmp(&b.agent));
        assert_eq!(wishes.iter().map(|wish| &*wish.agent).collect::<Vec<_>>(), ["alice", "bob"]);
        assert_eq!(quarantines.take(), []);
        assert!(quarantines.check("alice", at(1)).is_err());
    }
}
