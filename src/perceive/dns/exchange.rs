//! One query of a workload, from the question to the bytes of the reply.
//!
//! The pipeline has parsed the query and asked identity and policy before it comes here, and records what comes of
//! it. Here the answer is found, cleaned of what this agent may not be given, remembered for it, and fitted to the client.
//! There is always a reply: a failure is SERVFAIL, with its reason for a client that speaks EDNS.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::model::types::Timestamp;
use crate::model::types::limits::DNS_IN_FLIGHT_PER_AGENT;

use super::cache::{Cache, Looked};
use super::canonical::Canonical;
use super::forward::{ForwardError, Forwarder};
use super::found::{self, Address};
use super::hygiene::{self, Removed};
use super::memory::Memory;
use super::message::Query;
use super::reply::{ExtendedError, Transport, fitted, refused};
use super::wire::{Malformed, Rcode};

/// Forwarder, cache and memory together: the resolver that workloads talk to.
#[derive(Debug)]
pub struct Exchange {
    forwarder: Arc<Forwarder>,
    cache: Arc<Cache>,
    memory: Arc<Memory>,
    /// Queries in flight per agent; an agent without any is absent.
    shares: Mutex<HashMap<Arc<str>, usize>>,
}

/// Who is to be answered, and how.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    /// The agent that the answer is remembered for, where there is one.
    pub agent: Option<&'a Arc<str>>,
    /// How it asked.
    pub transport: Transport,
    /// Which addresses it may be given: as they are written in the answer, embedded ones not unpacked.
    pub keep: &'a dyn Fn(IpAddr) -> bool,
}

/// What became of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The reply for the client, under its id.
    pub reply: Vec<u8>,
    /// The response code with its extended bits; 2 (SERVFAIL) where there was no response.
    pub rcode: u16,
    /// How many addresses the answer gives for the name.
    pub addresses: usize,
    /// What was taken out of it. Where `emptied` is set, the reply is without addresses, and `reply::emptied` says why.
    pub removed: Removed,
    /// Bytes of the answer before it was fitted to how the client asked.
    pub length: usize,
    /// The upstream that was asked and answered; absent where the answer was there already.
    pub upstream: Option<SocketAddr>,
    /// Why none did.
    pub failure: Option<ForwardError>,
    /// Whether a query left for this very question, as far as is known.
    pub left: bool,
    /// Time spent waiting for upstreams.
    pub elapsed: Duration,
}

impl Exchange {
    /// One per worker; cache and memory are shared by all.
    pub fn new(forwarder: Arc<Forwarder>, cache: Arc<Cache>, memory: Arc<Memory>) -> Self {
        Self { forwarder, cache, memory, shares: Mutex::default() }
    }

    /// Finds the answer and remembers for the agent, if there is one, which addresses it is now given. Takes at most
    /// `DNS_QUERY_TIME`; past the bounds on queries in flight it fails at once with `Busy`. The query is of class IN:
    /// policy refuses the others.
    pub async fn answer(&self, query: &Query, to: Recipient<'_>, now: Timestamp) -> Answered {
        let Some(_share) = Share::take(&self.shares, to.agent) else {
            return failed(query, ForwardError::Busy);
        };
        let begun = Instant::now();
        let looked = self.cache.look_up(&Canonical::of(query), &self.forwarder).await;
        let elapsed = begun.elapsed();
        let given = looked.and_then(|looked| {
            give(&looked, query, to).map_err(|Malformed| ForwardError::Malformed).map(|given| (looked, given))
        });
        let (looked, given) = match given {
            Ok(found) => found,
            Err(failure) => return Answered { elapsed, ..failed(query, failure) },
        };
        // Remembered before the reply can reach the client, so that its connection finds the name known.
        if let (Some(agent), Some(name)) = (to.agent, query.host()) {
            self.memory.remember(agent, name, &given.addresses, now);
        }
        Answered {
            reply: given.reply,
            rcode: looked.answer.found.rcode,
            addresses: given.addresses.len(),
            removed: given.removed,
            length: given.length,
            upstream: (!looked.cached).then_some(looked.answer.upstream),
            failure: None,
            left: looked.left,
            elapsed,
        }
    }

    /// The memory.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }
}

/// An answer as one client gets it.
struct Given {
    reply: Vec<u8>,
    addresses: SmallVec<[Address; 4]>,
    removed: Removed,
    length: usize,
}

/// Cleans an answer and fits it to the client.
fn give(looked: &Looked, query: &Query, to: Recipient<'_>) -> Result<Given, Malformed> {
    let (answer, age) = (&looked.answer, looked.age);
    let mut reply = answer.reply(query, age);
    let mut addresses = answer.given(age);
    let mut removed = Removed::default();
    // Most answers have nothing to be removed, and that was seen when they were read.
    if answer.suspect || !answer.addresses.iter().all(|address| (to.keep)(*address)) {
        let cleaned = hygiene::clean(&reply, to.keep)?;
        if let Some(message) = cleaned.message {
            // TTLs in the message have counted down already.
            addresses = found::read(&message, (query.kind(), query.class()))?.addresses;
            reply = message;
        }
        removed = cleaned.removed;
    }
    let length = reply.len();
    Ok(Given { reply: fitted(answer.close(reply, query), query, to.transport), addresses, removed, length })
}

/// One agent's place among the queries in flight; given back when dropped.
struct Share<'a> {
    shares: &'a Mutex<HashMap<Arc<str>, usize>>,
    agent: Option<&'a Arc<str>>,
}

impl<'a> Share<'a> {
    fn take(shares: &'a Mutex<HashMap<Arc<str>, usize>>, agent: Option<&'a Arc<str>>) -> Option<Self> {
        if let Some(agent) = agent {
            let mut shares = locked(shares);
            match shares.get_mut(agent) {
                Some(taken) if *taken >= DNS_IN_FLIGHT_PER_AGENT => return None,
                Some(taken) => *taken += 1,
                None => {
                    shares.insert(agent.clone(), 1);
                }
            }
        }
        Some(Self { shares, agent })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let Some(agent) = self.agent else { return };
        let mut shares = locked(self.shares);
        match shares.get_mut(agent) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => {
                shares.remove(agent);
            }
        }
    }
}

/// Counting cannot panic half way, so a poisoned lock holds true counts.
fn locked(shares: &Mutex<HashMap<Arc<str>, usize>>) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SERVFAIL, and why.
fn failed(query: &Query, failure: ForwardError) -> Answered {
    let code = match failure {
        ForwardError::Busy => ExtendedError::OTHER,
        ForwardError::NoUpstream | ForwardError::Silent => ExtendedError::NO_REACHABLE_AUTHORITY,
        ForwardError::Unreachable | ForwardError::Malformed => ExtendedError::NETWORK_ERROR,
    };
    let text = failure.to_string();
    let reply = refused(query, Rcode::ServFail, Some(ExtendedError { code, text: &text }));
    Answered {
        reply,
        rcode: Rcode::ServFail.number(),
        addresses: 0,
        removed: Removed::default(),
        length: 0,
        upstream: None,
        failure: Some(failure),
        left: failure.has_left(),
        elapsed: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
