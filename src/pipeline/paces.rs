//! The paces of all agents under all Throttle rules, so that everything of one agent under one rule shares them.
//!
//! A pace that is at rest says nothing, and is forgotten when there are many. Decides nothing: which rules hold stands in
//! the `Clearance` or the `Passage`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::act::upstream::Tempo;
use crate::decide::policy::{Obligations, Throttle};
use crate::decide::quota::Pace;
use crate::model::manifest::resources::Rates;
use crate::model::types::limits::{PACES_KEPT, THROTTLE_WAIT};
use crate::model::types::{Denial, Reason, Sequel};

/// Agent, policy, rule.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// See the module.
#[derive(Debug)]
pub struct Paces {
    begun: Instant,
    kept: Mutex<HashMap<Key, Kept>>,
}

/// What one agent has under one rule.
#[derive(Debug, Clone)]
struct Kept {
    rates: Rates,
    bytes: Option<Arc<Pace>>,
    requests: Option<Arc<Pace>>,
}

impl Kept {
    fn new(rates: Rates) -> Self {
        let pace = |rate: Option<u64>| rate.map(|rate| Arc::new(Pace::new(rate)));
        Self { rates, bytes: pace(rates.bytes), requests: pace(rates.requests) }
    }

    /// Whether a new one would say the same, and nobody holds this one.
    fn is_idle(&self, now: Duration) -> bool {
        let idle = |pace: &Arc<Pace>| Arc::strong_count(pace) == 1 && pace.is_at_rest(now);
        self.bytes.iter().chain(&self.requests).all(idle)
    }
}

impl Default for Paces {
    fn default() -> Self {
        Self { begun: Instant::now(), kept: Mutex::default() }
    }
}

impl Paces {
    /// Charges one request; answers how long it has to wait before it goes.
    ///
    /// # Errors
    /// `quota.requests` where it would wait for longer than `THROTTLE_WAIT`. Nothing is charged then.
    pub fn charge(&self, agent: &Arc<str>, bound: Option<&Obligations>) -> Result<Duration, Denial> {
        let mut longest = Duration::ZERO;
        let mut charged: Vec<Arc<Pace>> = Vec::new();
        for throttle in bound.map_or(&[][..], Obligations::throttles) {
            let Some(pace) = self.under(agent, throttle).requests else { continue };
            match pace.reserve(1, self.begun.elapsed(), THROTTLE_WAIT) {
                Ok(wait) => longest = longest.max(wait),
                Err(excess) => {
                    charged.iter().for_each(|pace| pace.give_back(1));
                    return Err(too_many(agent, throttle, excess));
                }
            }
            charged.push(pace);
        }
        Ok(longest)
    }

    /// How fast bytes may move that are bound like this.
    pub fn tempo(&self, agent: &Arc<str>, bound: Option<&Obligations>) -> Tempo {
        let throttles = bound.map_or(&[][..], Obligations::throttles);
        Tempo::new(throttles.iter().filter_map(|throttle| self.under(agent, throttle).bytes), self.begun)
    }

    fn under(&self, agent: &Arc<str>, throttle: &Throttle) -> Kept {
        let key = (agent.clone(), throttle.policy.0.clone(), throttle.rule.clone());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= PACES_KEPT && !kept.contains_key(&key) {
            let now = self.begun.elapsed();
            kept.retain(|_, one| !one.is_idle(now));
        }
        let one = kept.entry(key).or_insert_with(|| Kept::new(throttle.rates));
        // Other documents may bound it in another way.
        if one.rates != throttle.rates {
            *one = Kept::new(throttle.rates);
        }
        one.clone()
    }
}

/// A request past the pace.
fn too_many(agent: &str, throttle: &Throttle, excess: Duration) -> Denial {
    let whole = excess.as_secs() + u64::from(excess.subsec_nanos() > 0);
    let after = u32::try_from(whole).unwrap_or(u32::MAX);
    let detail = format!(
        "Agent {agent} sends more requests than a policy lets it. The next may be sent in {} s.",
        after
    );
    let (policy, rule) = (throttle.policy.clone(), throttle.rule.clone());
    let seen = format!("it would have waited for more than {} s", THROTTLE_WAIT.as_secs());
    let denial = Denial::by(Reason::QuotaRequests, policy, Some(rule), detail).seen(seen);
    Denial { sequel: Some(Sequel::Retry(after)), ..denial }
}
