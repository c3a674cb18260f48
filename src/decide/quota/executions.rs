//! Which execution is asking: what one source address of an agent does without a long pause.
//!
//! An execution goes on with whatever is asked before its pause is over, and another begins after it. Of one agent so many are
//! told apart; while all of them go on, further addresses belong to the one that began last, and share what it may use.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::types::limits::EXECUTIONS_PER_AGENT;
use crate::model::types::{RequestId, Timestamp};

/// One execution, as it is kept beyond a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The agent's name.
    pub agent: Arc<str>,
    /// The workload's address.
    pub source: IpAddr,
    /// Its id, a UUIDv7.
    pub id: RequestId,
    /// When it last did something.
    pub last: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub struct Executions {
    idle: Duration,
    /// Whether there was ever one: who counts nothing takes no lock.
    any: AtomicBool,
    agents: Mutex<HashMap<Arc<str>, Vec<Running>, foldhash::fast::RandomState>>,
}

#[derive(Debug)]
struct Running {
    source: IpAddr,
    id: RequestId,
    last: Timestamp,
}

impl Executions {
    /// Without any; each ends after a pause of `idle`.
    pub fn new(idle: Duration) -> Self {
        Self { idle, any: AtomicBool::new(false), agents: Mutex::default() }
    }

    /// The execution of this source address at this moment, in the time of accounts. `fresh` makes the id of a new one.
    pub fn of(
        &self,
        agent: &Arc<str>,
        source: IpAddr,
        now: Timestamp,
        fresh: impl FnOnce() -> RequestId,
    ) -> RequestId {
        self.any.store(true, Ordering::Relaxed);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match agents.get_mut(agent) {
            Some(running) => running,
            None => agents.entry(agent.clone()).or_default(),
        };
        let goes_on = |one: &Running| now.since(one.last) <= self.idle;
        if let Some(one) = running.iter_mut().find(|one| one.source == source) {
            if !goes_on(one) {
                one.id = fresh();
            }
            one.last = one.last.max(now);
            return one.id;
        }
        if running.len() >= EXECUTIONS_PER_AGENT {
            running.retain(goes_on);
        }
        if running.len() >= EXECUTIONS_PER_AGENT
            && let Some(newest) = running.last_mut()
        {
            newest.last = newest.last.max(now);
            return newest.id;
        }
        let id = fresh();
        running.push(Running { source, id, last: now });
        id
    }

    /// The execution that this source address goes on with, which this does not prolong; none where it has begun none, or paused for
    /// too long.
    pub fn going_on(
        &self,
        agent: &Arc<str>,
        source: IpAddr,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<RequestId> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let running = agents.get(agent)?;
        let known = running.iter().find(|one| one.source == source);
        // Beyond those that are told apart it is the newest one's, as in `of`.
        let shared = || running.last().filter(|_| running.len() >= EXECUTIONS_PER_AGENT);
        let (one, now) = (known.or_else(shared)?, now());
        (now.since(one.last) <= self.idle).then_some(one.id)
    }

    /// Takes up what a restart left.
    pub fn restore(&self, executions: impl IntoIterator<Item = Execution>) {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        for Execution { agent, source, id, last } in executions {
            self.any.store(true, Ordering::Relaxed);
            let running = agents.entry(agent).or_default();
            let has_room = running.len() < EXECUTIONS_PER_AGENT;
            match running.iter_mut().find(|one| one.source == source) {
                Some(one) if one.last < last => (one.id, one.last) = (id, last),
                Some(_) => {}
                None if has_room => running.push(Running { source, id, last }),
                None => {}
            }
        }
    }

    /// Those that go on at this moment; the others are forgotten.
    pub fn running(&self, now: Timestamp) -> HashSet<RequestId> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.retain(|_, running| {
            running.retain(|one| now.since(one.last) <= self.idle);
            !running.is_empty()
        });
        agents.values().flatten().map(|one| one.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const START: Timestamp = Timestamp(1_795_867_200_000_000);

    fn id(number: u128) -> RequestId {
        RequestId(uuid::Uuid::from_u128(number))
    }

    fn v6(last: u32) -> IpAddr {
        IpAddr::V6(std::net::Ipv6Addr::from_bits(0xfd77 << 112 | u128::from(last)))
    }

    #[test]
    fn an_execution_goes_on_until_its_source_pauses_for_too_long() {
        let executions = Executions::new(HOUR);
        let alice: Arc<str> = "alice".into();
        let of =
            |source, after: Duration, fresh| executions.of(&alice, source, START.plus(after), || id(fresh));
        assert_eq!(of(v6(1), Duration::ZERO, 1), id(1));
        assert_eq!(of(v6(2), HOUR, 2), id(2), "another address is another execution");
        assert_eq!(of(v6(1), HOUR, 3), id(1));
        assert_eq!(of(v6(1), HOUR * 2, 4), id(1));
        assert_eq!(of(v6(1), HOUR * 3 + Duration::from_micros(1), 5), id(5));
        let bob: Arc<str> = "bob".into();
        assert_eq!(executions.of(&bob, v6(1), START.plus(HOUR * 3), || id(6)), id(6));
        assert_eq!(executions.running(START.plus(HOUR * 4)), HashSet::from([id(5), id(6)]));
        assert_eq!(executions.running(START.plus(HOUR * 9)), HashSet::new());
    }

    #[test]
    fn what_goes_on_is_told_without_being_prolonged() {
        let executions = Executions::new(HOUR);
        let alice: Arc<str> = "alice".into();
        let going_on = |agent: &Arc<str>, source, now| executions.going_on(agent, source, || now);
        assert_eq!(going_on(&alice, v6(1), START), None, "it has begun none");
        executions.of(&alice, v6(1), START, || id(1));
        assert_eq!(going_on(&alice, v6(1), START.plus(HOUR)), Some(id(1)));
        assert_eq!(going_on(&alice, v6(2), START), None, "another address");
        assert_eq!(going_on(&"bob".into(), v6(1), START), None, "another agent");
        let later = START.plus(HOUR + Duration::from_micros(1));
        assert_eq!(going_on(&alice, v6(1), later), None);
        for number in 2..=EXECUTIONS_PER_AGENT as u32 {
            executions.of(&alice, v6(number), START, || id(u128::from(number)));
        }
        let newest = id(EXECUTIONS_PER_AGENT as u128);
        assert_eq!(going_on(&alice, v6(0), START), Some(newest), "it shares the newest one");
    }

    #[test]
    fn an_agent_with_more_addresses_than_are_told_apart_gets_no_further_budget() {
        let executions = Executions::new(HOUR);
        let alice: Arc<str> = "alice".into();
        let most = EXECUTIONS_PER_AGENT as u32;
        for number in 0..most {
            executions.of(&alice, v6(number), START, || id(u128::from(number)));
        }
        let more = executions.of(&alice, v6(most), START, || panic!("no further one"));
        assert_eq!(more, id(u128::from(most) - 1));
        let later = START.plus(HOUR + HOUR);
        assert_eq!(executions.of(&alice, v6(most), later, || id(99_999)), id(99_999));
    }

    #[test]
    fn an_execution_survives_a_restart() {
        let executions = Executions::new(HOUR);
        let alice: Arc<str> = "alice".into();
        let one = |source, number, after| Execution {
            agent: alice.clone(),
            source,
            id: id(number),
            last: START.plus(after),
        };
        executions.restore([
            one(v6(1), 2, HOUR),
            one(v6(1), 1, Duration::ZERO),
            one(v6(2), 3, Duration::ZERO),
        ]);
        assert_eq!(executions.of(&alice, v6(1), START.plus(HOUR * 2), || id(7)), id(2));
        assert_eq!(executions.of(&alice, v6(2), START.plus(HOUR * 2), || id(8)), id(8));
    }
}
