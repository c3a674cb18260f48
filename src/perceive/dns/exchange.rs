//! One query of a workload, from the question to the bytes of the reply.
//!
//! The pipeline has parsed the query and asked identity and policy before it comes here, and records what comes of
//! it. Here it is forwarded, what it says is remembered for the agent that asked, and the reply is fitted to the
//! client. There is always a reply: a failure is SERVFAIL, with its reason for a client that speaks EDNS.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::types::Timestamp;
use crate::model::types::limits::DNS_IN_FLIGHT_PER_AGENT;

use super::forward::{ForwardError, Forwarder};
use super::found;
use super::memory::Memory;
use super::message::Query;
use super::reply::{ExtendedError, Transport, fitted, refused};
use super::wire::Rcode;

/// Forwarder and memory together: the resolver that workloads talk to.
#[derive(Debug)]
pub struct Exchange {
    forwarder: Arc<Forwarder>,
    memory: Arc<Memory>,
    /// Queries in flight per agent; an agent without any is absent.
    shares: Mutex<HashMap<Arc<str>, usize>>,
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
    /// The upstream that answered.
    pub upstream: Option<SocketAddr>,
    /// Why none did.
    pub failure: Option<ForwardError>,
    /// Time spent waiting for upstreams.
    pub elapsed: Duration,
}

impl Exchange {
    /// One per worker; the memory is shared by all.
    pub fn new(forwarder: Arc<Forwarder>, memory: Arc<Memory>) -> Self {
        Self { forwarder, memory, shares: Mutex::default() }
    }

    /// Asks the upstreams and remembers for `agent`, if there is one, which addresses it is now given. Takes at most
    /// `DNS_QUERY_TIME`; past the bounds on queries in flight it fails at once with `Busy`.
    pub async fn answer(
        &self,
        query: &Query,
        transport: Transport,
        agent: Option<&Arc<str>>,
        now: Timestamp,
    ) -> Answered {
        let begun = Instant::now();
        let share = Share::take(&self.shares, agent);
        let forwarded = match share {
            Some(_) => self.forwarder.forward(query).await,
            None => Err(ForwardError::Busy),
        };
        let elapsed = begun.elapsed();
        match forwarded {
            Ok(forwarded) => {
                let found = forwarded.found;
                // Remembered before the reply can reach the client, so that its connection finds the name known.
                if let (Some(agent), Some(name)) = (agent, found::believed_name(query)) {
                    self.memory.remember(agent, &name, &found.addresses, now);
                }
                Answered {
                    reply: fitted(forwarded.bytes, query, transport),
                    rcode: found.rcode,
                    addresses: found.addresses.len(),
                    upstream: Some(forwarded.upstream),
                    failure: None,
                    elapsed,
                }
            }
            Err(failure) => Answered {
                reply: failed(query, failure),
                rcode: u16::from(Rcode::ServFail.low()),
                addresses: 0,
                upstream: None,
                failure: Some(failure),
                elapsed,
            },
        }
    }

    /// The memory.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }
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
fn failed(query: &Query, failure: ForwardError) -> Vec<u8> {
    let code = match failure {
        ForwardError::Busy => ExtendedError::OTHER,
        ForwardError::NoUpstream | ForwardError::Silent => ExtendedError::NO_REACHABLE_AUTHORITY,
        ForwardError::Unreachable => ExtendedError::NETWORK_ERROR,
    };
    let text = failure.to_string();
    refused(query, Rcode::ServFail, Some(ExtendedError { code, text: &text }))
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, ResponseCode};

    use super::super::tests::lab::{self, Act, Upstream, a};
    use super::super::wire::kind;
    use super::*;
    use crate::model::types::HostName;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    struct Lab {
        upstream: Upstream,
        exchange: Exchange,
        alice: Arc<str>,
    }

    async fn lab(act: Act, tcp: Vec<lab::Record>) -> Lab {
        let upstream = Upstream::start(vec![act], tcp).await;
        let forwarder = Arc::new(Forwarder::hasty(&[upstream.address]));
        Lab { upstream, exchange: Exchange::new(forwarder, Arc::new(Memory::new())), alice: "alice".into() }
    }

    impl Lab {
        async fn answer(&self, query: &Query) -> Answered {
            self.exchange.answer(query, Transport::Udp, Some(&self.alice), NOW).await
        }

        fn knows(&self, agent: &str, address: &str, name: &str) -> bool {
            let name = HostName::parse(name).unwrap();
            self.exchange.memory().knows(agent, address.parse().unwrap(), &name, NOW)
        }
    }

    #[tokio::test]
    async fn the_agent_that_asked_and_no_other_is_believed_to_have_the_address() {
        let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
        let query = lab::query("A.example", kind::A, None);
        let answered = lab.answer(&query).await;
        assert_eq!((answered.rcode, answered.addresses, answered.failure), (0, 1, None));
        assert_eq!(answered.upstream, Some(lab.upstream.address));
        assert_eq!(Message::from_vec(&answered.reply).unwrap().answers.len(), 1);
        assert!(lab.knows("alice", "192.0.2.1", "a.example"));
        assert!(!lab.knows("bob", "192.0.2.1", "a.example"));
    }

    #[tokio::test]
    async fn a_query_of_nobody_is_answered_and_not_remembered() {
        let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
        let query = lab::query("a.example", kind::A, None);
        let answered = lab.exchange.answer(&query, Transport::Udp, None, NOW).await;
        assert_eq!(answered.addresses, 1);
        assert!(!lab.knows("alice", "192.0.2.1", "a.example"));
    }

    #[tokio::test]
    async fn a_name_that_no_host_can_have_is_forwarded_and_not_remembered() {
        let lab = lab(Act::Answer(Vec::new()), Vec::new()).await;
        let query = Query::parse(&lab::raw_query(&[b"\x00a", b"example"])).unwrap();
        let answered = lab.answer(&query).await;
        assert_eq!((answered.rcode, answered.addresses), (0, 0));
        assert_eq!(lab.upstream.seen()[0].0.text(), "\\000a.example");
    }

    #[tokio::test]
    async fn an_answer_too_long_for_the_client_is_cut_but_remembered_whole() {
        let many: Vec<_> = (0..100).map(|n| a("a.example", [192, 0, 2, n], 60)).collect();
        let lab = lab(Act::Truncate, many).await;
        let query = lab::query("a.example", kind::A, None);
        let answered = lab.answer(&query).await;
        assert!(answered.reply.len() <= 512);
        assert!(Message::from_vec(&answered.reply).unwrap().metadata.truncation);
        assert_eq!(answered.addresses, 100);
        assert!(lab.knows("alice", "192.0.2.99", "a.example"));
        let whole = lab.exchange.answer(&query, Transport::Tcp, Some(&lab.alice), NOW).await;
        assert_eq!(Message::from_vec(&whole.reply).unwrap().answers.len(), 100);
    }

    #[tokio::test]
    async fn a_silent_upstream_is_servfail_with_its_reason() {
        let lab = lab(Act::Silence, Vec::new()).await;
        let answered = lab.answer(&lab::query("a.example", kind::A, Some((1232, false)))).await;
        assert_eq!((answered.rcode, answered.failure), (2, Some(ForwardError::Silent)));
        let reply = Message::from_vec(&answered.reply).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
        let error = [&[0, 22], b"no upstream resolver answered in time".as_slice()].concat();
        assert!(answered.reply.ends_with(&error), "EDE 22");
    }

    #[tokio::test]
    async fn an_agent_past_its_share_fails_at_once_and_takes_nothing_from_others() {
        let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
        let query = lab::query("a.example", kind::A, None);
        let shares = &lab.exchange.shares;
        let taken: Vec<_> =
            (0..DNS_IN_FLIGHT_PER_AGENT).map(|_| Share::take(shares, Some(&lab.alice))).collect();
        assert!(taken.iter().all(Option::is_some));
        let answered = lab.answer(&query).await;
        assert_eq!((answered.rcode, answered.failure), (2, Some(ForwardError::Busy)));
        let bob = lab.exchange.answer(&query, Transport::Udp, Some(&"bob".into()), NOW).await;
        assert_eq!(bob.addresses, 1);
        drop(taken);
        assert_eq!(lab.answer(&query).await.addresses, 1);
        assert!(locked(shares).is_empty(), "places are given back");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_said_not_to() {
        let lab = lab(Act::Rcode(3), Vec::new()).await;
        let answered = lab.answer(&lab::query("a.example", kind::A, None)).await;
        assert_eq!((answered.rcode, answered.addresses, answered.failure), (3, 0, None));
    }
}
