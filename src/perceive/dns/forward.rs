//! Asks the configured upstreams: over UDP, and over TCP where an answer does not fit.
//!
//! An answer is hard to forge (RFC 5452): every try has a socket of its own, so the kernel picks a random port and,
//! the socket being connected, drops what does not come from the upstream's address and port; the id is fresh and
//! random; and the question must come back byte for byte, in the client's own spelling. What does not fit is
//! ignored and the wait goes on. Never remembers anything and never decides who may ask.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::Message;
use smallvec::SmallVec;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use crate::model::types::limits::{
    DNS_IN_FLIGHT, DNS_QUERY_TIME, DNS_REST_TIME, DNS_TRIES, DNS_TRY_TIME, DNS_UDP_BYTES,
};

use super::found::{self, Found};
use super::frame::{Frames, write_message};
use super::message::Query;
use super::wire::{HEADER, Header};

/// The port of DNS.
const PORT: u16 = 53;
/// Resolvers taken from `resolv.conf`, as many as libc takes (resolv.conf(5), `MAXNS`).
const HOST_RESOLVERS: usize = 3;

/// The upstreams of one worker.
#[derive(Debug)]
pub struct Forwarder {
    upstreams: Vec<Upstream>,
    in_flight: AtomicUsize,
    start: Instant,
    bounds: Bounds,
}

#[derive(Debug)]
struct Upstream {
    address: SocketAddr,
    /// Microseconds after `Forwarder::start` until which it is asked last, because it kept silent.
    rests_until: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    in_flight: usize,
    each: Duration,
    all: Duration,
}

/// A response that belongs to the query, under the client's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The message.
    pub bytes: Vec<u8>,
    /// What it says.
    pub found: Found,
    /// Who said it.
    pub upstream: SocketAddr,
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
    /// The upstreams could not be reached, or their answers were malformed.
    #[error("no upstream resolver could be reached")]
    Unreachable,
}

impl Forwarder {
    /// A forwarder to `upstreams`, which are asked in this order. One per worker: its bounds are the worker's.
    pub fn new(upstreams: impl IntoIterator<Item = SocketAddr>) -> Self {
        let upstreams =
            upstreams.into_iter().map(|address| Upstream { address, rests_until: AtomicU64::new(0) });
        Self {
            upstreams: upstreams.collect(),
            in_flight: AtomicUsize::new(0),
            start: Instant::now(),
            bounds: Bounds { in_flight: DNS_IN_FLIGHT, each: DNS_TRY_TIME, all: DNS_QUERY_TIME },
        }
    }

    /// The upstreams in their order.
    pub fn upstreams(&self) -> impl Iterator<Item = SocketAddr> {
        self.upstreams.iter().map(|upstream| upstream.address)
    }

    /// Asks the upstreams until one answers. An upstream that keeps silent is asked again after the others, at most
    /// [`DNS_TRIES`] tries in [`DNS_QUERY_TIME`] in all; one that answers SERVFAIL, NOTIMP or REFUSED is not, and
    /// its answer counts only where no other has a better one.
    pub async fn forward(&self, query: &Query) -> Result<Forwarded, ForwardError> {
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
            let until = deadline.min(Instant::now() + self.bounds.each);
            match timeout_at(until, attempt(upstream.address, query)).await {
                Ok(Ok(answer)) if matches!(answer.found.rcode, 2 | 4 | 5) => {
                    worse.get_or_insert(answer);
                    open.remove(at);
                }
                Ok(Ok(answer)) => {
                    upstream.rests_until.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(_)) => {
                    error = ForwardError::Unreachable;
                    open.remove(at);
                }
                Err(_) => {
                    error = ForwardError::Silent;
                    upstream.rests_until.store(self.micros() + as_micros(DNS_REST_TIME), Ordering::Relaxed);
                    at += 1;
                }
            }
        }
        worse.ok_or(error)
    }

    /// The upstreams in their order, those that kept silent lately behind the others.
    fn order(&self) -> SmallVec<[&Upstream; 4]> {
        let now = self.micros();
        let mut order: SmallVec<[&Upstream; 4]> = self.upstreams.iter().collect();
        order.sort_by_key(|upstream| upstream.rests_until.load(Ordering::Relaxed) > now);
        order
    }

    fn micros(&self) -> u64 {
        as_micros(self.start.elapsed())
    }
}

fn as_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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

/// One try at one upstream; the caller bounds its time.
async fn attempt(upstream: SocketAddr, query: &Query) -> io::Result<Forwarded> {
    let mut asked = query.bytes().to_vec();
    // The id of a fresh message comes from a cryptographic generator.
    asked[..2].copy_from_slice(&Message::query().metadata.id.to_be_bytes());
    let mut bytes = match ask_udp(upstream, query, &asked).await? {
        Some(bytes) => bytes,
        None => ask_tcp(upstream, query, &asked).await?,
    };
    bytes[..2].copy_from_slice(&query.id().to_be_bytes());
    let found =
        found::read(&bytes, query).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Forwarded { bytes, found, upstream })
}

/// `None` where the answer does not fit into a datagram.
async fn ask_udp(upstream: SocketAddr, query: &Query, asked: &[u8]) -> io::Result<Option<Vec<u8>>> {
    if asked.len() > DNS_UDP_BYTES {
        return Ok(None);
    }
    let any: IpAddr =
        if upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    socket.send(asked).await?;
    let room = query.payload();
    // One byte more, to see that an answer was cut.
    let mut answer = Vec::with_capacity(room + 1);
    loop {
        answer.clear();
        socket.recv_buf(&mut answer).await?;
        if let Some(header) = belongs(&answer, asked, query) {
            let fits = answer.len() <= room && !header.truncated();
            return Ok(fits.then_some(answer));
        }
    }
}

async fn ask_tcp(upstream: SocketAddr, query: &Query, asked: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    write_message(&mut stream, asked).await?;
    let mut frames = Frames::new(stream);
    let answer = frames.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    match belongs(answer, asked, query) {
        Some(header) if !header.truncated() => Ok(answer.to_vec()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not the answer to the question")),
    }
}

/// The header of a response to `asked`: QR, id, operation and question agree.
fn belongs(answer: &[u8], asked: &[u8], query: &Query) -> Option<Header> {
    let header = Header::read(answer)?;
    let question = answer.get(HEADER..HEADER + query.question().len())?;
    let agrees = header.is_response()
        && answer[..2] == asked[..2]
        && header.opcode() == 0
        && header.questions == 1
        && question == query.question();
    agrees.then_some(header)
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
    /// With short waits, for tests.
    pub(super) fn hasty(upstreams: &[SocketAddr]) -> Self {
        let bounds =
            Bounds { in_flight: 2, each: Duration::from_millis(250), all: Duration::from_millis(1200) };
        Self { bounds, ..Self::new(upstreams.iter().copied()) }
    }
}

#[cfg(test)]
mod tests;
