//! Which agent was given which address for which name, and until when that is believed.
//!
//! Every agent has a memory of its own: what one was told is never believed of another. Bounded per address, per
//! agent and in the number of agents; past a bound the oldest belief goes first. Reads no clock: time is an argument.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::model::types::limits::{
    DNS_AGENTS, DNS_BELIEF_CEILING, DNS_BELIEF_FLOOR, DNS_NAMES_PER_ADDRESS, DNS_NAMES_PER_AGENT,
};
use crate::model::types::{HostName, Timestamp};

/// Agents are spread over this many locks.
const SHARDS: usize = 16;

/// The memory of all agents; shared by all workers.
#[derive(Debug, Default)]
pub struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

type Shard = HashMap<Arc<str>, Beliefs>;

/// One name for one address.
#[derive(Debug, Clone)]
struct Belief {
    name: HostName,
    given: Timestamp,
    until: Timestamp,
    /// Grows whenever the belief is given anew or renewed: tells its place in the order of forgetting.
    turn: u64,
}

/// What one agent was given.
#[derive(Debug, Default)]
struct Beliefs {
    /// Oldest first.
    by_address: HashMap<IpAddr, SmallVec<[Belief; 1]>>,
    count: usize,
    turn: u64,
    last: Timestamp,
    /// Oldest turn first; an entry whose belief has moved on to a later turn means nothing any more.
    order: VecDeque<(u64, IpAddr)>,
}

impl Memory {
    /// An empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers that `agent` was given `addresses` for `name` at `now`, each believed for its TTL, but at least
    /// [`DNS_BELIEF_FLOOR`] and at most [`DNS_BELIEF_CEILING`].
    pub fn remember(
        &self,
        agent: &Arc<str>,
        name: &HostName,
        addresses: &[(IpAddr, Duration)],
        now: Timestamp,
    ) {
        if addresses.is_empty() {
            return;
        }
        let mut shard = self.shard(agent);
        if !shard.contains_key(agent) {
            if shard.len() >= DNS_AGENTS / SHARDS {
                let idle =
                    shard.iter().min_by_key(|(_, beliefs)| beliefs.last).map(|(agent, _)| agent.clone());
                idle.map(|agent| shard.remove(&agent));
            }
            shard.insert(agent.clone(), Beliefs::default());
        }
        let Some(beliefs) = shard.get_mut(agent) else { return };
        beliefs.last = now;
        for &(address, ttl) in addresses {
            let until = now.plus(ttl.clamp(DNS_BELIEF_FLOOR, DNS_BELIEF_CEILING));
            beliefs.give(
                address.to_canonical(),
                Belief { name: name.clone(), given: now, until, turn: 0 },
                now,
            );
        }
        beliefs.forget(now);
    }

    /// The names that `agent` was given `address` for, newest first.
    pub fn names(&self, agent: &str, address: IpAddr, now: Timestamp) -> SmallVec<[HostName; 2]> {
        let shard = self.shard(agent);
        let Some(beliefs) = shard.get(agent) else { return SmallVec::new() };
        let named = beliefs.by_address.get(&address.to_canonical());
        let alive = named.into_iter().flatten().rev().filter(|belief| belief.until > now);
        alive.map(|belief| belief.name.clone()).collect()
    }

    /// Whether `agent` was given `address` for `name`. Allocates nothing.
    pub fn knows(&self, agent: &str, address: IpAddr, name: &HostName, now: Timestamp) -> bool {
        let shard = self.shard(agent);
        let named = shard.get(agent).and_then(|beliefs| beliefs.by_address.get(&address.to_canonical()));
        named.is_some_and(|named| named.iter().any(|belief| belief.until > now && belief.name == *name))
    }

    /// Believes for [`DNS_BELIEF_FLOOR`] from `now` what is still believed, and no longer than [`DNS_BELIEF_CEILING`]
    /// after it was given: for clients that keep to an address while they use it. Tells whether it was believed.
    pub fn renew(&self, agent: &str, address: IpAddr, name: &HostName, now: Timestamp) -> bool {
        let mut shard = self.shard(agent);
        let Some(beliefs) = shard.get_mut(agent) else { return false };
        let address = address.to_canonical();
        let Some(named) = beliefs.by_address.get_mut(&address) else { return false };
        let Some(belief) = named.iter_mut().find(|belief| belief.until > now && belief.name == *name) else {
            return false;
        };
        let latest = belief.given.plus(DNS_BELIEF_CEILING);
        belief.until = belief.until.max(latest.min(now.plus(DNS_BELIEF_FLOOR)));
        beliefs.turn += 1;
        belief.turn = beliefs.turn;
        beliefs.order.push_back((belief.turn, address));
        beliefs.tidy();
        true
    }

    /// The addresses that `agent` was given for `name`. Looks through all beliefs of the agent: not for the road.
    pub fn addresses(&self, agent: &str, name: &HostName, now: Timestamp) -> SmallVec<[IpAddr; 4]> {
        let shard = self.shard(agent);
        let Some(beliefs) = shard.get(agent) else { return SmallVec::new() };
        let known = |named: &[Belief]| named.iter().any(|belief| belief.until > now && belief.name == *name);
        let named = beliefs.by_address.iter();
        named.filter(|(_, named)| known(named)).map(|(address, _)| *address).collect()
    }

    /// Forgets agents that no longer exist.
    pub fn keep_agents(&self, exists: impl Fn(&str) -> bool) {
        for shard in &self.shards {
            locked(shard).retain(|agent, _| exists(agent));
        }
    }

    fn shard(&self, agent: &str) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(agent) % SHARDS as u64).unwrap_or(0);
        locked(&self.shards[at])
    }
}

/// A panic elsewhere leaves at worst one belief half given, and never a false one: the memory stays in use.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Beliefs {
    fn give(&mut self, address: IpAddr, mut belief: Belief, now: Timestamp) {
        self.turn += 1;
        belief.turn = self.turn;
        let named = self.by_address.entry(address).or_default();
        let before = named.len();
        if let Some(at) = named.iter().position(|known| known.name == belief.name) {
            let known = named.remove(at);
            // A shorter TTL does not take back what the client may still be using.
            if known.until > now {
                belief.until = belief.until.max(known.until);
            }
        } else if before >= DNS_NAMES_PER_ADDRESS {
            named.remove(0);
        }
        named.push(belief);
        self.count = self.count - before + named.len();
        self.order.push_back((self.turn, address));
        self.tidy();
    }

    /// Drops what has expired from the old end, and the oldest while there are too many.
    fn forget(&mut self, now: Timestamp) {
        while let Some(&(turn, address)) = self.order.front() {
            let named = self.by_address.get_mut(&address);
            let at = named.as_ref().and_then(|named| named.iter().position(|belief| belief.turn == turn));
            if let (Some(named), Some(at)) = (named, at) {
                if self.count <= DNS_NAMES_PER_AGENT && named[at].until > now {
                    return;
                }
                named.remove(at);
                self.count -= 1;
                if named.is_empty() {
                    self.by_address.remove(&address);
                }
            }
            self.order.pop_front();
        }
    }

    /// Keeps the order no longer than twice what it is about.
    fn tidy(&mut self) {
        if self.order.len() <= 2 * self.count + 64 {
            return;
        }
        let by_address = &self.by_address;
        self.order.retain(|(turn, address)| {
            by_address.get(address).is_some_and(|named| named.iter().any(|belief| belief.turn == *turn))
        });
    }
}

#[cfg(test)]
mod tests;
