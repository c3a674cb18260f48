//! Which agent was given which address for which name, and until when that is believed.
//!
//! Every agent has a memory of its own: what one was told is never believed of another. A belief that is in use does not
//! end; one that has expired is kept for a while as *stale*, which is no more than a claim. Bounded per address, per agent
//! and in the number of agents; past a bound what is stale goes first, then the oldest. Time is an
//! argument; whoever holds a belief brings the clock that is read when its use ends.

mod kept;

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::model::types::limits::{
    DNS_AGENTS, DNS_BELIEF_CEILING, DNS_BELIEF_FLOOR, DNS_NAMES_PER_ADDRESS, DNS_NAMES_PER_AGENT,
    DNS_STALE_TIME,
};
use crate::model::types::{HostName, Timestamp};

pub use kept::Remembered;

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
    /// Grows whenever the belief is given anew or its use ends: tells its place in the order of forgetting.
    /// [`IN_USE`] while it has none.
    turn: u64,
    /// Connections and UDP flows that live by it.
    uses: u32,
}

/// The turn of a belief that cannot be forgotten now.
const IN_USE: u64 = 0;

impl Belief {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.uses > 0 || self.until > now
    }

    /// Expired so long ago that it is not even a claim.
    fn is_past(&self, now: Timestamp) -> bool {
        !self.is_fresh(now) && now >= self.given.plus(DNS_STALE_TIME)
    }
}

/// What one agent was given.
#[derive(Debug, Default)]
struct Beliefs {
    /// Oldest first.
    by_address: HashMap<IpAddr, SmallVec<[Belief; 1]>>,
    count: usize,
    /// How many of them are in use: they do not count against the bound.
    used: usize,
    turn: u64,
    /// The turn before which it is of no use to look for what has expired.
    barren: u64,
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
                let idle = shard.iter().filter(|(_, beliefs)| beliefs.used == 0);
                let oldest = idle.min_by_key(|(_, beliefs)| beliefs.last).map(|(agent, _)| agent.clone());
                oldest.map(|agent| shard.remove(&agent));
            }
            shard.insert(agent.clone(), Beliefs::default());
        }
        let Some(beliefs) = shard.get_mut(agent) else { return };
        beliefs.last = now;
        for &(address, ttl) in addresses {
            let until = now.plus(ttl.clamp(DNS_BELIEF_FLOOR, DNS_BELIEF_CEILING));
            beliefs.give(
                address.to_canonical(),
                Belief { name: name.clone(), given: now, until, turn: IN_USE, uses: 0 },
                now,
            );
        }
        beliefs.forget(now);
    }

    /// The names that `agent` was given `address` for, newest first.
    pub fn names(&self, agent: &str, address: IpAddr, now: Timestamp) -> SmallVec<[HostName; 2]> {
        self.all(agent, address, |belief| belief.is_fresh(now))
    }

    /// The names that `agent` was given `address` for within [`DNS_STALE_TIME`] and that are believed no more, newest
    /// first. Each is a claim that has to be resolved anew.
    pub fn stale(&self, agent: &str, address: IpAddr, now: Timestamp) -> SmallVec<[HostName; 2]> {
        self.all(agent, address, |belief| !belief.is_fresh(now) && !belief.is_past(now))
    }

    fn all(&self, agent: &str, address: IpAddr, wanted: impl Fn(&Belief) -> bool) -> SmallVec<[HostName; 2]> {
        let shard = self.shard(agent);
        let Some(beliefs) = shard.get(agent) else { return SmallVec::new() };
        let named = beliefs.by_address.get(&address.to_canonical());
        let found = named.into_iter().flatten().rev().filter(|belief| wanted(belief));
        found.map(|belief| belief.name.clone()).collect()
    }

    /// Whether `agent` was given `address` for `name`. Allocates nothing.
    pub fn knows(&self, agent: &str, address: IpAddr, name: &HostName, now: Timestamp) -> bool {
        let shard = self.shard(agent);
        let named = shard.get(agent).and_then(|beliefs| beliefs.by_address.get(&address.to_canonical()));
        named.is_some_and(|named| named.iter().any(|belief| belief.is_fresh(now) && belief.name == *name))
    }

    /// Holds a belief for a connection or flow that lives by it: until the value is dropped the name stays believed for
    /// the address, whatever its TTL and the bounds, and then for [`DNS_BELIEF_FLOOR`] more, but no longer than
    /// [`DNS_BELIEF_CEILING`] after it was given. `clock` tells when that is. Nothing where it is not believed.
    pub fn hold(
        self: &Arc<Self>,
        agent: &Arc<str>,
        (address, name): (IpAddr, &HostName),
        clock: fn() -> Timestamp,
    ) -> Option<Held> {
        let (address, now) = (address.to_canonical(), clock());
        let mut shard = self.shard(agent);
        let beliefs = shard.get_mut(agent)?;
        let named = beliefs.by_address.get_mut(&address)?;
        let belief = named.iter_mut().find(|belief| belief.is_fresh(now) && belief.name == *name)?;
        belief.uses += 1;
        belief.turn = IN_USE;
        beliefs.used += usize::from(belief.uses == 1);
        Some(Held { memory: self.clone(), agent: agent.clone(), address, name: name.clone(), clock })
    }

    /// One use of a belief has ended.
    fn release(&self, held: &Held) {
        let now = (held.clock)();
        let mut shard = self.shard(&held.agent);
        let Some(beliefs) = shard.get_mut(&held.agent) else { return };
        let Some(named) = beliefs.by_address.get_mut(&held.address) else { return };
        // The agent may have been removed and come back meanwhile, with beliefs that nobody uses.
        let Some(belief) = named.iter_mut().find(|belief| belief.uses > 0 && belief.name == held.name) else {
            return;
        };
        belief.uses -= 1;
        let latest = belief.given.plus(DNS_BELIEF_CEILING);
        belief.until = belief.until.max(latest.min(now.plus(DNS_BELIEF_FLOOR)));
        if belief.uses > 0 {
            return;
        }
        beliefs.turn += 1;
        belief.turn = beliefs.turn;
        beliefs.used -= 1;
        beliefs.order.push_back((beliefs.turn, held.address));
        beliefs.tidy();
    }

    /// The addresses that `agent` was given for `name`. Looks through all beliefs of the agent: not for the road.
    pub fn addresses(&self, agent: &str, name: &HostName, now: Timestamp) -> SmallVec<[IpAddr; 4]> {
        let shard = self.shard(agent);
        let Some(beliefs) = shard.get(agent) else { return SmallVec::new() };
        let known =
            |named: &[Belief]| named.iter().any(|belief| belief.is_fresh(now) && belief.name == *name);
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

/// A belief in use. Given back when dropped, however its connection ends.
#[derive(Debug)]
#[must_use = "the name stays believed as long as this lives"]
pub struct Held {
    memory: Arc<Memory>,
    agent: Arc<str>,
    address: IpAddr,
    name: HostName,
    clock: fn() -> Timestamp,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.release(self);
    }
}

impl Beliefs {
    fn give(&mut self, address: IpAddr, mut belief: Belief, now: Timestamp) {
        let named = self.by_address.entry(address).or_default();
        let before = named.len();
        if let Some(at) = named.iter().position(|known| known.name == belief.name) {
            let known = named.remove(at);
            belief.uses = known.uses;
            // A shorter TTL does not take back what the client may still be using.
            if known.until > now {
                belief.until = belief.until.max(known.until);
            }
        } else if before >= DNS_NAMES_PER_ADDRESS {
            let idle = |belief: &Belief| belief.uses == 0;
            let stale = named.iter().position(|known| !known.is_fresh(now));
            stale.or_else(|| named.iter().position(idle)).map(|at| named.remove(at));
        }
        if belief.uses == 0 {
            self.turn += 1;
            belief.turn = self.turn;
            self.order.push_back((self.turn, address));
        }
        named.push(belief);
        self.count = self.count - before + named.len();
        self.tidy();
    }

    /// Drops what is past from the old end, and makes room while there are too many.
    fn forget(&mut self, now: Timestamp) {
        while let Some(&(turn, address)) = self.order.front() {
            if self.find(turn, address).is_some_and(|belief| !belief.is_past(now)) {
                break;
            }
            self.order.pop_front();
            self.remove(turn, address);
        }
        if self.too_many() > 0 && self.turn >= self.barren {
            self.forget_stale(now);
            self.barren = self.turn + DNS_NAMES_PER_AGENT as u64 / 8;
        }
        while self.too_many() > 0 {
            let Some((turn, address)) = self.order.pop_front() else { return };
            self.remove(turn, address);
        }
    }

    /// Forgets what has expired, the oldest first, until a good part of the room is free: it is seldom looked for.
    fn forget_stale(&mut self, now: Timestamp) {
        let mut surplus = self.too_many() + DNS_NAMES_PER_AGENT / 8;
        let mut order = std::mem::take(&mut self.order);
        order.retain(|&(turn, address)| {
            let stale = surplus > 0 && self.find(turn, address).is_some_and(|belief| !belief.is_fresh(now));
            if stale {
                self.remove(turn, address);
                surplus -= 1;
            }
            !stale
        });
        self.order = order;
    }

    fn too_many(&self) -> usize {
        (self.count - self.used).saturating_sub(DNS_NAMES_PER_AGENT)
    }

    fn find(&self, turn: u64, address: IpAddr) -> Option<&Belief> {
        self.by_address.get(&address)?.iter().find(|belief| belief.turn == turn)
    }

    /// Removes a belief that has not moved on to a later turn.
    fn remove(&mut self, turn: u64, address: IpAddr) {
        let Some(named) = self.by_address.get_mut(&address) else { return };
        let Some(at) = named.iter().position(|belief| belief.turn == turn) else { return };
        named.remove(at);
        self.count -= 1;
        if named.is_empty() {
            self.by_address.remove(&address);
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
