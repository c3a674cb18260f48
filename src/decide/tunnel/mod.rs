//! The guard against tunnels in DNS: how much the names that an agent chooses may carry.
//!
//! A name that a wildcard, a route for every host or `allow-all` lets through is the agent's own, and whoever runs the
//! zone reads it. Names of one zone are counted for each agent: how many are new, how long, how random, what they are asked
//! for and what comes back. Names seen before stay allowed; how many queries for them leave is bounded, too. Reads no
//! clock: time is an argument. It makes a tunnel slow, never impossible (docs/names.md). Read next: `zone.rs`, `watch.rs`.

mod label;
mod zone;
mod counts;
mod traffic;
mod watch;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::watch::Watch;
use self::zone::Parts;
use crate::model::types::{Denial, HostName, RecordType, Timestamp};

/// Agents are spread over this many locks.
const SHARDS: usize = 16;

/// The counts of all agents; shared by all workers. There are as many agents as documents name.
#[derive(Debug, Default)]
pub struct Guard {
    shards: [Mutex<HashMap<Arc<str>, Watch>>; SHARDS],
    hasher: RandomState,
}

/// A name that an agent is about to look up, or has looked up.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The name.
    pub host: &'a HostName,
    /// What is asked for.
    pub kind: RecordType,
    /// Whether the agent chose the name, or a document.
    pub by_agent: bool,
    /// What stands behind the `*` of the wildcard that let it through, where one did.
    pub base: Option<&'a str>,
    /// Whether DO or CD is set: two bits more of the asker's choice, and another answer.
    pub flagged: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// Whether there were records.
    pub records: bool,
    /// Whether addresses were among them.
    pub addresses: bool,
    /// Whether a query left: what the cache answers costs nothing.
    pub left: bool,
    /// Bytes of the upstream's answer.
    pub bytes: u32,
}

/// What of a name is asked for: each is a name of its own, because it brings another answer.
#[derive(Hash)]
enum Aspect {
    Address,
    Records,
    /// A type that nobody asks for in earnest.
    Kind(RecordType),
}

impl<'a> Asked<'a> {
    /// The name taken apart.
    fn parts(&self) -> Parts<'a> {
        self.base.map_or_else(|| Parts::of(self.host), |base| Parts::below(base, self.host))
    }

    /// A name that a document writes out, asked for as everybody asks who connects there. Asked for in one of the other
    /// hundred ways, of types and flags, the way itself tells something.
    fn carries_nothing(&self) -> bool {
        !self.by_agent && self.kind.leads_to_an_address() && !self.flagged
    }

    /// Whether the name and its type are the agent's choice: one that a document writes out is not, and neither is a type
    /// that programs ask for in earnest.
    fn tells_by_its_name(&self) -> bool {
        self.by_agent || !self.kind.is_usual()
    }

    /// Whether the answer brings back more than an address. Records of zones, and names of addresses, are asked for by
    /// programs that check or show what they were told.
    fn wants_records(&self) -> bool {
        let shown = self.kind == RecordType::PTR && self.host.as_str().ends_with(".arpa");
        !self.kind.leads_to_an_address() && !shown && !self.kind.is_of_a_zone()
    }

    fn aspect(&self) -> Aspect {
        match self.wants_records() {
            _ if !self.kind.is_usual() => Aspect::Kind(self.kind),
            true => Aspect::Records,
            false => Aspect::Address,
        }
    }
}

impl Guard {
    /// A guard that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a name go out, and counts what it carries, and the query until `answered` takes it back.
    ///
    /// # Errors
    /// `dns.tunnel` where a bound is reached, with the bound and the number as evidence. Further new names of the zone are
    /// then refused for `DNS_TUNNEL_SHUT_TIME`, those of zones past `DNS_TUNNEL_ZONES_PER_AGENT` while so many are counted, and all
    /// names of the zone until the window is over where too much has left for them.
    pub fn admit(&self, agent: &Arc<str>, asked: &Asked<'_>, now: Timestamp) -> Result<(), Denial> {
        if asked.carries_nothing() {
            return Ok(());
        }
        let name = self.name_of(asked);
        let mut shard = self.shard(agent);
        let watch = match shard.get_mut(agent) {
            Some(watch) => watch,
            None => shard.entry(agent.clone()).or_default(),
        };
        watch.admit(asked, name, now).map_err(|trip| words::denial(agent, asked.host, &trip))
    }

    /// Hears what came back for a name that was let out.
    ///
    /// # Errors
    /// `dns.tunnel` where the agent must not hear the answer: too many bytes came for the zone's names, or an alias in place
    /// of an address for a name that looks like encoded data. It is of no use to anybody who wants to connect.
    pub fn answered(&self, agent: &str, asked: &Asked<'_>, heard: Heard) -> Result<(), Denial> {
        if asked.carries_nothing() {
            return Ok(());
        }
        let name = self.name_of(asked);
        let mut shard = self.shard(agent);
        let Some(watch) = shard.get_mut(agent) else { return Ok(()) };
        watch.answered(asked, name, heard).map_err(|trip| words::denial(agent, asked.host, &trip))
    }

    /// Forgets agents that no longer exist.
    pub fn keep_agents(&self, exists: impl Fn(&str) -> bool) {
        for shard in &self.shards {
            locked(shard).retain(|agent, _| exists(agent));
        }
    }

    /// What a name is known by. Agents cannot find two with the same: the key is made at random when the daemon starts.
    fn name_of(&self, asked: &Asked<'_>) -> u64 {
        self.hasher.hash_one((asked.host, asked.aspect()))
    }

    fn shard(&self, agent: &str) -> MutexGuard<'_, HashMap<Arc<str>, Watch>> {
        let at = usize::try_from(self.hasher.hash_one(agent) % SHARDS as u64).unwrap_or(0);
        locked(&self.shards[at])
    }
}

/// A panic elsewhere leaves at worst one name uncounted: the guard stays in use.
fn locked<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
