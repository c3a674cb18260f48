//! What is counted and paced for all workers together: requests by rates and Throttle rules, bytes by bandwidths and Throttle
//! rules, each for whoever it counts together.
//!
//! A pace or a rate that is at rest says nothing, and is forgotten when there are many. Decides nothing: what holds stands in
//! the `Clearance` or the `Passage`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::act::upstream::Tempo;
use crate::decide::policy::{Bound, Clearance, Obligations, Passage, Throttle};
use crate::decide::quota::{Excess, Pace, Rates};
use crate::model::types::limits::{PACES_KEPT, THROTTLE_WAIT};
use crate::model::types::{
    BandwidthHold, Denial, Direction, Holds, PolicyRef, RateHold, Reason, RequestId, Sequel, Subject,
};

/// Who asks, as far as it matters for whose amounts count together.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The agent's name.
    pub agent: &'a Arc<str>,
    /// The address that it speaks from.
    pub source: IpAddr,
    /// Its execution, where that is known; otherwise an execution is what one agent does from one address.
    pub execution: Option<RequestId>,
}

/// What binds a request or a flow.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    rules: Option<&'a Obligations>,
    holds: Option<&'a Holds>,
}

impl<'a> From<&'a Clearance> for Bounds<'a> {
    fn from(clearance: &'a Clearance) -> Self {
        Self { rules: clearance.obligations(), holds: clearance.holds() }
    }
}

impl<'a> From<&'a Bound> for Bounds<'a> {
    fn from(bound: &'a Bound) -> Self {
        Self { rules: bound.obligations(), holds: bound.holds() }
    }
}

impl<'a> From<&'a Passage> for Bounds<'a> {
    fn from(passage: &'a Passage) -> Self {
        Self { rules: passage.obligations(), holds: passage.holds() }
    }
}

impl<'a> Bounds<'a> {
    fn throttles(self) -> &'a [Throttle] {
        self.rules.map_or(&[], Obligations::throttles)
    }

    fn rates(self) -> &'a [RateHold] {
        self.holds.map_or(&[], |holds| &holds.rates)
    }

    fn bandwidths(self) -> &'a [BandwidthHold] {
        self.holds.map_or(&[], |holds| &holds.bandwidths)
    }
}

/// Whose amounts count together, under one document.
type Key = (PolicyRef, Whose);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    /// One agent's, under one rule.
    Rule { agent: Arc<str>, rule: Arc<str> },
    /// Those of all that these words name.
    Named(Arc<str>),
    /// One execution's.
    Execution { agent: Arc<str>, source: IpAddr, id: Option<RequestId> },
}

impl Whose {
    fn of(subject: &Subject, asker: Asker<'_>) -> Self {
        match subject {
            Subject::Named(words) => Self::Named(words.clone()),
            Subject::Execution => {
                Self::Execution { agent: asker.agent.clone(), source: asker.source, id: asker.execution }
            }
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Paces {
    begun: Instant,
    kept: Mutex<Kept>,
    rates: Mutex<Rates<Key>>,
}

#[derive(Debug)]
struct Kept {
    paces: HashMap<Key, Set>,
    /// With so many, those at rest are forgotten.
    room: usize,
}

/// What documents bound, each in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Figures {
    requests: Option<u64>,
    /// Bytes in both directions.
    both: Option<u64>,
    up: Option<u64>,
    down: Option<u64>,
}

/// The paces of one subject under one document.
#[derive(Debug, Clone)]
struct Set {
    figures: Figures,
    requests: Option<Arc<Pace>>,
    both: Option<Arc<Pace>>,
    up: Option<Arc<Pace>>,
    down: Option<Arc<Pace>>,
}

impl Set {
    fn new(figures: Figures) -> Self {
        let even = |rate: Option<u64>| rate.map(|rate| Arc::new(Pace::even(rate)));
        let requests = figures.requests.map(|rate| Arc::new(Pace::new(rate)));
        let Figures { both, up, down, .. } = figures;
        Self { figures, requests, both: even(both), up: even(up), down: even(down) }
    }

    /// Whether a new one would say the same, and nobody holds this one.
    fn is_idle(&self, now: Duration) -> bool {
        let idle = |pace: &Arc<Pace>| Arc::strong_count(pace) == 1 && pace.is_at_rest(now);
        [&self.requests, &self.both, &self.up, &self.down].into_iter().flatten().all(idle)
    }

    /// The tempo, bound by these as well.
    fn bind(&self, tempo: Tempo) -> Tempo {
        use Direction::{Down, Up};
        let ways = [(&self.both, &[Up, Down][..]), (&self.up, &[Up]), (&self.down, &[Down])];
        let bind = |tempo: Tempo, (pace, directions): (&Option<Arc<Pace>>, &[Direction])| match pace {
            Some(pace) => tempo.bound(directions, pace),
            None => tempo,
        };
        ways.into_iter().fold(tempo, bind)
    }
}

impl Default for Paces {
    fn default() -> Self {
        let kept = Kept { paces: HashMap::new(), room: PACES_KEPT };
        Self { begun: Instant::now(), kept: Mutex::new(kept), rates: Mutex::default() }
    }
}

impl Paces {
    /// Charges one request; answers how long it has to wait before it goes.
    ///
    /// # Errors
    /// `quota.requests` where a rate has no room for it, or where it would wait for longer than `THROTTLE_WAIT`. Nothing is
    /// charged then.
    pub fn charge(&self, asker: Asker<'_>, bounds: Bounds<'_>) -> Result<Duration, Denial> {
        let mut longest = Duration::ZERO;
        let mut reserved: SmallVec<[Arc<Pace>; 1]> = SmallVec::new();
        for throttle in bounds.throttles() {
            let Some(pace) = self.under(asker.agent, throttle).requests else { continue };
            match pace.reserve(1, self.begun.elapsed(), THROTTLE_WAIT) {
                Ok(wait) => longest = longest.max(wait),
                Err(excess) => {
                    give_back(&reserved);
                    return Err(too_fast(asker.agent, throttle, excess));
                }
            }
            reserved.push(pace);
        }
        self.count(asker, bounds).inspect_err(|_| give_back(&reserved))?;
        Ok(longest)
    }

    /// Counts one request, or one connection or flow that is not read, by the rates that hold for it.
    ///
    /// # Errors
    /// `quota.requests` where one of them has no room for it. None of them is charged then.
    pub fn count(&self, asker: Asker<'_>, bounds: Bounds<'_>) -> Result<(), Denial> {
        let holds = bounds.rates();
        if holds.is_empty() {
            return Ok(());
        }
        let key = |hold: &RateHold| (hold.policy.clone(), Whose::of(&hold.subject, asker));
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let charged = rates.charge(holds.iter().map(|hold| (key(hold), hold)), self.begun.elapsed());
        charged.map_err(|Excess { which, wait }| too_many(asker.agent, &holds[which], wait))
    }

    /// How fast bytes may move that are bound like this.
    pub fn tempo(&self, asker: Asker<'_>, bounds: Bounds<'_>) -> Tempo {
        let mut tempo = Tempo::free(self.begun);
        for throttle in bounds.throttles() {
            tempo = self.under(asker.agent, throttle).bind(tempo);
        }
        for hold in bounds.bandwidths() {
            let figures = Figures { up: hold.up, down: hold.down, ..Figures::default() };
            tempo = self.set((hold.policy.clone(), Whose::of(&hold.subject, asker)), figures).bind(tempo);
        }
        tempo
    }

    fn under(&self, agent: &Arc<str>, throttle: &Throttle) -> Set {
        let whose = Whose::Rule { agent: agent.clone(), rule: throttle.rule.clone() };
        let (requests, both) = (throttle.rates.requests, throttle.rates.bytes);
        self.set((throttle.policy.clone(), whose), Figures { requests, both, ..Figures::default() })
    }

    fn set(&self, key: Key, figures: Figures) -> Set {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.paces.len() >= kept.room && !kept.paces.contains_key(&key) {
            forget(&mut kept, self.begun.elapsed());
        }
        let one = kept.paces.entry(key).or_insert_with(|| Set::new(figures));
        // Other documents may bound it in another way.
        if one.figures != figures {
            *one = Set::new(figures);
        }
        one.clone()
    }
}

/// Forgets what is at rest. What is left is in use; it is looked through again once there are twice as many.
fn forget(kept: &mut MutexGuard<'_, Kept>, now: Duration) {
    kept.paces.retain(|_, one| !one.is_idle(now));
    kept.room = PACES_KEPT.max(2 * kept.paces.len());
}

fn give_back(reserved: &[Arc<Pace>]) {
    reserved.iter().for_each(|pace| pace.give_back(1));
}

/// A request past the pace of a Throttle rule.
fn too_fast(agent: &str, throttle: &Throttle, excess: Duration) -> Denial {
    let seen = format!("it would have waited for more than {} s", THROTTLE_WAIT.as_secs());
    refused(agent, (throttle.policy.clone(), Some(throttle.rule.clone())), excess).seen(seen)
}

/// A request for which a rate has no room.
fn too_many(agent: &str, hold: &RateHold, wait: Duration) -> Denial {
    let RateHold { policy, subject, requests, window, burst } = hold;
    let whose = match subject {
        Subject::Named(words) => words,
        Subject::Execution => "this execution",
    };
    let seen = format!("{requests} requests of {whose} in {window:?}, {burst} at once");
    refused(agent, (policy.clone(), None), wait).seen(seen)
}

fn refused(agent: &str, (policy, rule): (PolicyRef, Option<Arc<str>>), wait: Duration) -> Denial {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let after = u32::try_from(whole).unwrap_or(u32::MAX);
    let detail = format!(
        "Agent {agent} sends more requests than a policy lets it. The next may be sent in {after} s."
    );
    let denial = Denial::by(Reason::QuotaRequests, policy, rule, detail);
    Denial { sequel: Some(Sequel::Retry(after)), ..denial }
}

#[cfg(test)]
mod tests;
