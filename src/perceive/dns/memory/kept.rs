//! What is believed, taken out of one memory and put into the next: so a restart forgets no name.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Belief, IN_USE, Memory, locked};
use crate::model::types::limits::{DNS_BELIEF_CEILING, DNS_BELIEF_FLOOR, DNS_NAMES_KEPT};
use crate::model::types::{HostName, Timestamp};

/// One belief, outside any memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// Whom it was told.
    pub agent: Arc<str>,
    /// What was asked for.
    pub name: String,
    /// What was given.
    pub address: IpAddr,
    /// When.
    pub given: Timestamp,
    /// Until when it is believed.
    pub until: Timestamp,
}

impl Memory {
    /// What is believed now, at most [`DNS_NAMES_KEPT`] of it. What is in use counts as if its use ended now.
    pub fn remembered(&self, now: Timestamp) -> Vec<Remembered> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = locked(shard);
            for (agent, beliefs) in shard.iter() {
                let each = beliefs.by_address.iter().flat_map(|(address, named)| {
                    named.iter().filter(|belief| belief.is_fresh(now)).map(|belief| (*address, belief))
                });
                all.extend(each.map(|(address, belief)| belief.remembered(agent, address, now)));
            }
            if all.len() >= DNS_NAMES_KEPT {
                break;
            }
        }
        all.truncate(DNS_NAMES_KEPT);
        all
    }

    /// Believes again what was believed, as long as it would have been. What was given in the future, by a clock that has
    /// been set back since, and what is no name, is left out.
    pub fn restore(&self, all: Vec<Remembered>, now: Timestamp) {
        for one in all {
            let Ok(name) = HostName::parse(&one.name) else { continue };
            let until = one.until.min(one.given.plus(DNS_BELIEF_CEILING));
            if one.given > now || until <= now {
                continue;
            }
            // Given now for nothing makes room for it by the same rules; then it gets the times that it had.
            self.remember(&one.agent, &name, &[(one.address, Duration::ZERO)], now);
            let mut shard = self.shard(&one.agent);
            let address = one.address.to_canonical();
            let named = shard.get_mut(&*one.agent).and_then(|beliefs| beliefs.by_address.get_mut(&address));
            let found = named.and_then(|named| named.iter_mut().find(|belief| belief.name == name));
            if let Some(belief) = found.filter(|belief| belief.uses == 0) {
                (belief.given, belief.until) = (one.given, until);
            }
        }
    }
}

impl Belief {
    fn remembered(&self, agent: &Arc<str>, address: IpAddr, now: Timestamp) -> Remembered {
        let until = match self.turn {
            IN_USE => self.until.max(self.given.plus(DNS_BELIEF_CEILING).min(now.plus(DNS_BELIEF_FLOOR))),
            _ => self.until,
        };
        let (agent, name) = (agent.clone(), self.name.as_str().to_owned());
        Remembered { agent, name, address, given: self.given, until }
    }
}
