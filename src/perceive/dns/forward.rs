//! Asks the configured upstreams, each over its own transport, until one answers.
//!
//! What is asked is written by the gateway (`canonical`) and an answer must match it: operation, id and question, byte for
//! byte. Upstreams are tried in their order; one that is away rests behind the others. Never remembers an answer and
//! never decides who may ask. Read next: `forward/link.rs` for the transports, `forward/health.rs` for who is away.

mod link;
mod datagram;
mod kept;
mod line;
mod web;
mod health;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::model::config::DnsServer;
use crate::model::types::limits::{DNS_IN_FLIGHT, DNS_QUERY_TIME, DNS_TRIES, DNS_TRY_TIME};

use super::answer::Answer;
use super::canonical::Canonical;
use super::wire::{Malformed, Rcode};
use crate::platform::telemetry::Seldom;
pub use health::Upstreams;
use link::Link;

/// The port of DNS.
const PORT: u16 = 53;
/// Resolvers taken from `resolv.conf`, as many as libc takes (resolv.conf(5), `MAXNS`).
const HOST_RESOLVERS: usize = 3;

/// The upstreams of one worker.
#[derive(Debug)]
pub struct Forwarder {
    upstreams: Arc<Upstreams>,
    links: Vec<Arc<Link>>,
    in_flight: AtomicUsize,
    bounds: Bounds,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    in_flight: usize,
    each: Duration,
    all: Duration,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ForwardError {
    /// [`DNS_IN_FLIGHT`] queries are on their way already.
    #[error("too many queries are in flight")]
    Busy,
    /// None is configured and the host has none.
    #[error("no upstream resolver is known")]
    NoUpstream,
    /// No upstream answered in time.
    #[error("no upstream resolver answered in time")]
    Silent,
    /// The upstreams could not be reached or did not prove who they are.
    #[error("no upstream resolver could be reached")]
    Unreachable,
    /// What they answered cannot be read, or has more records than one answer may have.
    #[error("no upstream resolver gave an answer that can be read")]
    Malformed,
}

impl ForwardError {
    /// Whether somebody may have heard the question all the same.
    pub fn has_left(self) -> bool {
        match self {
            Self::Silent | Self::Unreachable | Self::Malformed => true,
            Self::Busy | Self::NoUpstream => false,
        }
    }
}

impl Forwarder {
    /// A forwarder to `upstreams`, which are asked in their order; `tls` judges those that must prove themselves. One per
    /// worker: its bounds and its connections are the worker's.
    pub fn new(upstreams: Arc<Upstreams>, tls: &TlsConnector) -> Self {
        let links = (0..upstreams.len()).map(|at| Arc::new(Link::new(&upstreams.at(at).server, tls)));
        Self {
            links: links.collect(),
            upstreams,
            in_flight: AtomicUsize::new(0),
            bounds: Bounds { in_flight: DNS_IN_FLIGHT, each: DNS_TRY_TIME, all: DNS_QUERY_TIME },
        }
    }

    /// Asks the upstreams until one answers. An upstream that keeps silent is asked again after the others, at most
    /// [`DNS_TRIES`] tries in [`DNS_QUERY_TIME`] in all; one that answers FORMERR, SERVFAIL, NOTIMP or REFUSED is not,
    /// and its answer counts only where no other has a better one.
    pub async fn forward(&self, asked: &Canonical) -> Result<Answer, ForwardError> {
        let _slot = Slot::take(&self.in_flight, self.bounds.in_flight).ok_or(ForwardError::Busy)?;
        let deadline = Instant::now() + self.bounds.all;
        let mut open = self.order();
        let mut worse = None;
        let mut error = ForwardError::NoUpstream;
        let mut at = 0;
        for _ in 0..DNS_TRIES {
            if open.is_empty() || Instant::now() >= deadline {
                break;
            }
            at %= open.len();
            let upstream = open[at];
            let health = self.upstreams.at(upstream);
            let begun = Instant::now();
            let tried = timeout_at(deadline.min(begun + self.bounds.each), self.ask(upstream, asked)).await;
            match tried.unwrap_or(Err(Trouble::Silent)) {
                Ok(answer) if is_failure(answer.found.rcode) => {
                    worse.get_or_insert(answer);
                    open.remove(at);
                }
                Ok(answer) => {
                    health.answered();
                    return Ok(answer);
                }
                Err(trouble) => {
                    error = trouble.of_all();
                    trouble.tell(&health.server);
                    health.failed(&trouble);
                    match trouble {
                        Trouble::Silent => {
                            self.links[upstream].forget(begun);
                            at += 1;
                        }
                        Trouble::Unreached(_) | Trouble::Malformed(_) => {
                            open.remove(at);
                        }
                    }
                    // What an answer holds is the name's doing, not the upstream's.
                    if !matches!(trouble, Trouble::Malformed(_)) {
                        self.examine(upstream);
                    }
                }
            }
        }
        worse.ok_or(error)
    }

    /// One try; the caller bounds its time.
    async fn ask(&self, upstream: usize, asked: &Canonical) -> Result<Answer, Trouble> {
        let bytes = self.links[upstream].ask(asked).await?;
        Ok(Answer::read(bytes, asked, self.upstreams.at(upstream).server.address)?)
    }

    /// Finds out whether an upstream is away or has no answer for one name, while others go on. Where it is, it rests.
    fn examine(&self, upstream: usize) {
        if self.upstreams.at(upstream).begin_examination() {
            let (upstreams, link) = (self.upstreams.clone(), self.links[upstream].clone());
            tokio::spawn(
                async move { upstreams.at(upstream).examined(&health::about_the_root(&link).await) },
            );
        }
    }

    /// The upstreams in their order, those that are away behind the others.
    fn order(&self) -> SmallVec<[usize; 4]> {
        let mut order: SmallVec<[usize; 4]> = (0..self.links.len()).collect();
        order.sort_by_cached_key(|upstream| self.upstreams.at(*upstream).rests());
        order
    }
}

/// Whether the upstream says that it has no answer, where another may have one.
fn is_failure(rcode: u16) -> bool {
    [Rcode::FormErr, Rcode::ServFail, Rcode::NotImp, Rcode::Refused].iter().any(|code| code.number() == rcode)
}

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It kept silent.
    #[error("no answer in time")]
    Silent,
    /// It could not be spoken to.
    #[error(transparent)]
    Unreached(#[from] io::Error),
    /// What it said cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A workload can bring it about with every query: it does not fill the log with it.
static TROUBLES: Seldom = Seldom::every(Duration::from_secs(10));

impl Trouble {
    /// The failure where it is the last one's.
    fn of_all(&self) -> ForwardError {
        match self {
            Self::Silent => ForwardError::Silent,
            Self::Unreached(_) => ForwardError::Unreachable,
            Self::Malformed(_) => ForwardError::Malformed,
        }
    }

    fn tell(&self, upstream: &DnsServer) {
        if let Some(unsaid) = TROUBLES.due(std::time::Instant::now()) {
            tracing::warn!(%upstream, unsaid, error = %self, "a DNS upstream gave no answer");
        }
    }
}

/// One of the places for queries in flight; given back when dropped.
struct Slot<'a>(&'a AtomicUsize);

impl<'a> Slot<'a> {
    fn take(taken: &'a AtomicUsize, bound: usize) -> Option<Self> {
        if taken.fetch_add(1, Ordering::Relaxed) < bound {
            return Some(Self(taken));
        }
        taken.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The resolvers named in the text of a `resolv.conf` (resolv.conf(5)): the first three, port 53. Link-local ones
/// with a zone are left out.
pub fn host_resolvers(resolv_conf: &str) -> Vec<SocketAddr> {
    let mut resolvers = Vec::new();
    for line in resolv_conf.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        if let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) {
            resolvers.push(SocketAddr::new(address, PORT));
        }
        if resolvers.len() == HOST_RESOLVERS {
            break;
        }
    }
    resolvers
}

#[cfg(test)]
impl Forwarder {
    /// With short waits and plain DNS, for tests.
    pub(super) fn hasty(upstreams: &[SocketAddr]) -> Self {
        let servers: Vec<DnsServer> = upstreams.iter().copied().map(DnsServer::plain).collect();
        Self::hasty_to(&servers, &super::tests::encrypted::trusting_nobody())
    }

    pub(super) fn hasty_to(servers: &[DnsServer], tls: &TlsConnector) -> Self {
        let bounds =
            Bounds { in_flight: 2, each: Duration::from_millis(250), all: Duration::from_millis(1200) };
        Self { bounds, ..Self::new(Arc::new(Upstreams::new(servers.to_vec())), tls) }
    }
}

#[cfg(test)]
mod tests;
