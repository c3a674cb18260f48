//! Agents that rules have just shut out: consulted by the next decision, taken up by the operator's side.
//!
//! A decision cannot wait for a database. So what a rule imposes stands here, in memory, until whoever looks after the
//! registry has taken it up. Of each agent the longest waits: there are no more than documents have agents, and none is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::decide::policy::{Quarantine, Standing};
use crate::model::types::{Cause, Timestamp};

/// An agent that a rule has shut out.
#[derive(Debug, Clone)]
pub struct Imposed {
    /// The agent.
    pub agent: Arc<str>,
    /// Until when, and why.
    pub quarantine: Quarantine,
}

/// Those that wait.
#[derive(Debug)]
pub struct Quarantines {
    waiting: Mutex<BTreeMap<Arc<str>, Quarantine>>,
    /// Whether some of them are in no snapshot yet.
    fresh: AtomicBool,
    imposed: watch::Sender<()>,
}

impl Default for Quarantines {
    fn default() -> Self {
        Self { waiting: Mutex::default(), fresh: AtomicBool::new(false), imposed: watch::Sender::new(()) }
    }
}

impl Quarantines {
    /// Shuts an agent out until this moment: every decision from now on hears of it.
    pub fn impose(&self, agent: &Arc<str>, until: Timestamp, cause: Cause) {
        let mut waiting = self.locked();
        if waiting.get(agent).is_some_and(|one| one.until.is_none_or(|end| until <= end)) {
            return;
        }
        waiting.insert(agent.clone(), Quarantine { until: Some(until), cause });
        self.fresh.store(true, Ordering::Release);
        drop(waiting);
        self.imposed.send_replace(());
    }

    /// Those that wait.
    pub fn waiting(&self) -> Vec<Imposed> {
        let waiting = self.locked();
        let imposed = |(agent, quarantine): (&Arc<str>, &Quarantine)| Imposed {
            agent: agent.clone(),
            quarantine: quarantine.clone(),
        };
        waiting.iter().map(imposed).collect()
    }

    /// Lets these go, once the [`Standing`] in force has them. A longer one that came meanwhile stays.
    pub fn taken(&self, those: &[Imposed]) {
        let mut waiting = self.locked();
        for Imposed { agent, quarantine } in those {
            if waiting.get(agent).is_some_and(|one| one.until == quarantine.until) {
                waiting.remove(agent);
            }
        }
    }

    /// Hears of every further one.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.imposed.subscribe()
    }

    /// Whether some are in no snapshot yet.
    pub(super) fn wait(&self) -> bool {
        self.fresh.load(Ordering::Acquire)
    }

    /// Adds those that wait.
    pub(super) fn add_to(&self, standing: &mut Standing) {
        let waiting = self.locked();
        self.fresh.store(false, Ordering::Release);
        for (agent, quarantine) in &*waiting {
            standing.quarantine(agent, quarantine.clone());
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Quarantine>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause() -> Cause {
        Cause { policy: None, rule: None, reason: "loud".into() }
    }

    #[test]
    fn what_is_imposed_stands_at_once_and_waits_until_it_is_taken_up() {
        let quarantines = Quarantines::default();
        let mut heard = quarantines.watch();
        let alice: Arc<str> = "alice".into();
        assert!(!quarantines.wait());
        quarantines.impose(&alice, Timestamp(10), cause());
        assert!(quarantines.wait() && heard.has_changed().unwrap());
        heard.mark_unchanged();
        quarantines.impose(&alice, Timestamp(9), cause());
        assert!(!heard.has_changed().unwrap(), "a shorter one says nothing new");
        let mut standing = Standing::new();
        quarantines.add_to(&mut standing);
        assert!(standing.quarantined("alice", Timestamp(9)).is_some());
        assert!(!quarantines.wait(), "it is in a snapshot");
        assert_eq!(quarantines.waiting().len(), 1, "and still to be written down");
        quarantines.taken(&quarantines.waiting());
        assert!(quarantines.waiting().is_empty());
    }

    #[test]
    fn of_each_agent_the_longest_waits_and_none_is_lost() {
        let quarantines = Quarantines::default();
        let agents: Vec<Arc<str>> = (0..5000).map(|number| format!("agent-{number}").into()).collect();
        for until in [1, 3, 2] {
            agents.iter().for_each(|agent| quarantines.impose(agent, Timestamp(until), cause()));
        }
        let waiting = quarantines.waiting();
        assert_eq!(waiting.len(), agents.len());
        assert!(waiting.iter().all(|one| one.quarantine.until == Some(Timestamp(3))));
        quarantines.impose(&agents[7], Timestamp(4), cause());
        quarantines.taken(&waiting);
        let left = quarantines.waiting();
        assert_eq!((left.len(), &left[0].agent), (1, &agents[7]), "it came while the others were taken up");
    }
}
