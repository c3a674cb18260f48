//! Agents that rules have just shut out: consulted by the next decision, taken up by the operator's side.
//!
//! A decision cannot wait for a database. So what a rule imposes stands here, in memory, until whoever looks after the
//! registry has written it down. Bounded; where it is full, everything that waits stays, and the rule still refuses by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::decide::policy::{Quarantine, Standing};
use crate::model::types::limits::IMPOSED_WAITING;
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
    waiting: Mutex<Vec<Imposed>>,
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
        let known =
            |one: &Imposed| one.agent == *agent && one.quarantine.until.is_none_or(|end| until <= end);
        if waiting.len() >= IMPOSED_WAITING || waiting.iter().any(known) {
            return;
        }
        waiting.push(Imposed { agent: agent.clone(), quarantine: Quarantine { until: Some(until), cause } });
        self.fresh.store(true, Ordering::Release);
        drop(waiting);
        self.imposed.send_replace(());
    }

    /// Those that wait, oldest first.
    pub fn waiting(&self) -> Vec<Imposed> {
        self.locked().clone()
    }

    /// Lets the oldest go, once the [`Standing`] in force has them.
    pub fn taken(&self, count: usize) {
        let mut waiting = self.locked();
        let count = count.min(waiting.len());
        waiting.drain(..count);
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
        for one in &*waiting {
            standing.quarantine(&one.agent, one.quarantine.clone());
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Imposed>> {
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
        quarantines.taken(1);
        assert!(quarantines.waiting().is_empty());
    }

    #[test]
    fn those_that_wait_are_bounded() {
        let quarantines = Quarantines::default();
        for number in 0..=IMPOSED_WAITING {
            quarantines.impose(&format!("agent-{number}").into(), Timestamp(1), cause());
        }
        assert_eq!(quarantines.waiting().len(), IMPOSED_WAITING);
    }
}
