//! Reach an upstream: resolve, classify, connect, verify.
//!
//! Where a passage leads is judged here a last time, on the very addresses that are dialled, and a TLS upstream must
//! prove its name against the configured anchors before anybody may write to it. It keeps no connections; pooling is
//! `upstream`'s. Read next: `candidates.rs` for what may be dialled, `verify.rs` for which certificates
//! are believed, `words.rs` for how failures are told.

pub mod alpn;
pub mod anchors;
mod candidates;
mod chain;
mod staple;
mod verify;
mod words;
pub mod stream;
mod datagrams;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, version};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::decide::ledger::Entry;
use crate::decide::policy::{Mode, NameSource, Passage};
use crate::model::types::address::{AddressClass, classify, embedded};
use crate::model::types::{Denial, HostName, limits};
use crate::perceive::hello::Alpn;
use crate::platform::sys::clock;
use candidates::{Candidates, Wanted};
use verify::Verifier;
use words::Attempt;

pub use alpn::{Protocol, choose_client_alpn};
pub use anchors::{AnchorError, TrustAnchors};
pub use candidates::IsOwn;
pub use datagrams::{DialledDatagrams, unreachable};
pub use stream::UpstreamStream;

/// Proof that an upstream is connected, and, where TLS is spoken, that it has proven its name. Made by
/// [`Dialler::connect`] alone.
#[derive(Debug)]
#[must_use]
pub struct Dialled {
    stream: UpstreamStream,
    address: SocketAddr,
    protocol: Option<Protocol>,
}

impl Dialled {
    /// The address that was really dialled.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was negotiated over TLS; absent on a plain connection.
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// The stream, the address that was dialled, and what was negotiated.
    pub fn into_parts(self) -> (UpstreamStream, SocketAddr, Option<Protocol>) {
        (self.stream, self.address, self.protocol)
    }
}

/// Dials upstreams. One per process and set of trust anchors, shared by all workers.
///
/// TLS sessions are resumed, from one bounded store: a full handshake costs two to three signature checks and a
/// round trip that no client asked for. Only a server that has proven its name can resume, the store dies with the
/// anchors it was filled under, and the remembered certificates must still be in their time.
pub struct Dialler {
    tls: TlsConnector,
    for_resolvers: TlsConnector,
    is_own: IsOwn,
}

impl Dialler {
    /// A dialler that trusts `anchors` and nothing else. `is_own` tells the addresses of this gateway, which are
    /// never dialled.
    pub fn new(anchors: &TrustAnchors, is_own: IsOwn) -> Self {
        let tls = connector(anchors, Resumption::in_memory_sessions(limits::UPSTREAM_SESSIONS));
        Self { tls, for_resolvers: connector(anchors, Resumption::disabled()), is_own }
    }

    /// TLS towards the gateway's own resolvers, judged as upstreams are. Their connections are kept, so no session is
    /// resumed, and each handshake sees a certificate.
    pub fn for_resolvers(&self) -> &TlsConnector {
        &self.for_resolvers
    }

    /// TLS for questions of the gateway's own, judged as upstreams are.
    pub fn own_tls(&self) -> &TlsConnector {
        &self.for_resolvers
    }

    /// Those of the addresses that are public and not this gateway's own, for questions of its own.
    pub fn public(&self, found: &[IpAddr]) -> Vec<IpAddr> {
        let may =
            |ip: IpAddr| classify(ip) == AddressClass::Public && (self.is_own)(ip).is_ok_and(|own| !own);
        let found = found.iter().map(IpAddr::to_canonical);
        found.filter(|ip| may(*ip) && embedded(*ip).into_iter().all(|inner| may(inner.into()))).collect()
    }

    /// Connects to where the passage leads; under `Mode::Terminate` with TLS, verified for the passage's name.
    ///
    /// `offer` is the client's own ALPN offer. `resolve` is the gateway's own resolution, asked only for names that
    /// the agent merely claims; an empty answer means there is none. Bounds: `CONNECT_TIME` for one address,
    /// `DIAL_TIME` for resolution and all addresses, `TLS_HANDSHAKE_TIME` for each handshake, of which there are two
    /// at most. Denials: `destination.private`, `destination.metadata`, `upstream.unreachable`, `upstream.timeout`,
    /// `upstream.failed`, `tls.untrusted-upstream`, `overload`.
    pub async fn connect<R>(
        &self,
        passage: &Passage,
        _entry: &Entry,
        offer: &[Alpn],
        resolve: R,
    ) -> Result<Dialled, Denial>
    where
        R: AsyncFn(&HostName) -> Vec<IpAddr>,
    {
        let wanted = Wanted::from(passage);
        let deadline = Instant::now() + limits::DIAL_TIME;
        let candidates = self.candidates(&wanted, resolve, deadline).await?;
        match passage.mode() {
            Mode::Terminate => self.dial_tls(&wanted, &candidates, offer, deadline).await,
            Mode::PassThrough | Mode::PlainHttp | Mode::Relay => {
                dial_plain(&wanted, &candidates, deadline).await
            }
            Mode::Datagrams => Err(Denial::internal("a UDP flow was to be dialled as a stream")),
        }
    }

    /// The addresses to try, every one of them allowed.
    async fn candidates<R>(
        &self,
        wanted: &Wanted<'_>,
        resolve: R,
        deadline: Instant,
    ) -> Result<Candidates, Denial>
    where
        R: AsyncFn(&HostName) -> Vec<IpAddr>,
    {
        let found = match (wanted.name_source, wanted.host) {
            (NameSource::Resolve, Some(host)) => timeout_at(deadline, resolve(host))
                .await
                .map_err(|_| words::timed_out(wanted, "resolution", "no answer"))?,
            (NameSource::Resolve, None) => {
                return Err(Denial::internal("a passage to be resolved has no name"));
            }
            (NameSource::Given | NameSource::None, _) => vec![wanted.destination.ip()],
        };
        if found.is_empty() {
            return Err(words::no_address(wanted));
        }
        let allowed = candidates::allowed(wanted, &found, self.is_own)?;
        Ok(candidates::interleave(&allowed, wanted.destination.port()))
    }

    /// Connects and verifies. An upstream that refuses what it is offered in ALPN is asked once more, over a new
    /// connection to the same address, for the version that was not offered.
    async fn dial_tls(
        &self,
        wanted: &Wanted<'_>,
        candidates: &[SocketAddr],
        offer: &[Alpn],
        deadline: Instant,
    ) -> Result<Dialled, Denial> {
        let (tcp, address) = reach(wanted, candidates, deadline).await?;
        let first = alpn::first_offer(offer);
        let error = match self.handshake(wanted, address, tcp, first).await? {
            Ok(stream) => return verified(wanted, address, stream),
            Err(error) => error,
        };
        let Some(second) = alpn::second_offer(first).filter(|_| words::refused_alpn(&error)) else {
            return Err(words::tls_failed(wanted, address, &error));
        };
        let (tcp, address) = reach(wanted, &[address], deadline).await?;
        match self.handshake(wanted, address, tcp, second).await? {
            Ok(stream) => verified(wanted, address, stream),
            Err(error) => Err(words::tls_failed(wanted, address, &error)),
        }
    }

    /// One handshake. The outer error is that it took too long.
    async fn handshake(
        &self,
        wanted: &Wanted<'_>,
        address: SocketAddr,
        tcp: TcpStream,
        offer: &[Protocol],
    ) -> Result<io::Result<TlsStream<TcpStream>>, Denial> {
        let name = server_name(wanted)?;
        let alpn = offer.iter().map(|protocol| protocol.id().to_vec()).collect();
        let handshake = self.tls.with_alpn(alpn).connect(name, tcp);
        timeout(limits::TLS_HANDSHAKE_TIME, handshake)
            .await
            .map_err(|_| words::timed_out(wanted, "TLS handshake", address.to_string()))
    }
}

/// TLS that believes what leads to `anchors` and nothing else.
fn connector(anchors: &TrustAnchors, resumption: Resumption) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier::new(Arc::clone(&anchors.roots), provider.signature_verification_algorithms);
    let versions = [&version::TLS13, &version::TLS12];
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .expect("invariant: the provider has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = resumption;
    TlsConnector::from(Arc::new(config))
}

/// The name the upstream must prove: it is sent as SNI where it is a host (RFC 6066 knows no addresses).
fn server_name(wanted: &Wanted<'_>) -> Result<ServerName<'static>, Denial> {
    match wanted.host {
        Some(host) => ServerName::try_from(host.as_str().to_owned())
            .map_err(|_| Denial::internal(format!("{host} cannot be sent as a TLS server name"))),
        None => Ok(ServerName::IpAddress(wanted.destination.ip().into())),
    }
}

/// The verifier has accepted the handshake; of a resumed one it saw no certificate, so those remembered are looked at.
fn verified(
    wanted: &Wanted<'_>,
    address: SocketAddr,
    stream: TlsStream<TcpStream>,
) -> Result<Dialled, Denial> {
    let session = stream.get_ref().1;
    if session.handshake_kind() == Some(HandshakeKind::Resumed) {
        let remembered = session.peer_certificates().unwrap_or_default();
        if let Some((short, seen)) = words::out_of_time(remembered, clock::now()) {
            return Err(words::untrusted(
                wanted,
                short,
                format!("certificate of {address}, session resumed: {seen}"),
            ));
        }
    }
    let protocol = Some(Protocol::of(session.alpn_protocol()));
    Ok(Dialled { stream: UpstreamStream::Tls(Box::new(stream)), address, protocol })
}

async fn dial_plain(
    wanted: &Wanted<'_>,
    candidates: &[SocketAddr],
    deadline: Instant,
) -> Result<Dialled, Denial> {
    let (tcp, address) = reach(wanted, candidates, deadline).await?;
    Ok(Dialled { stream: UpstreamStream::Plain(tcp), address, protocol: None })
}

/// Tries the candidates one after the other. Below the classification: whoever calls it has checked them.
async fn reach(
    wanted: &Wanted<'_>,
    candidates: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Denial> {
    let mut attempts = Vec::new();
    for &address in candidates {
        let until = deadline.min(Instant::now() + limits::CONNECT_TIME);
        let outcome = timeout_at(until, TcpStream::connect(address)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        // A proxy writes whole messages: waiting for more would only add latency.
        match outcome.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => return Ok((tcp, address)),
            Err(error) => attempts.push(Attempt { address, error }),
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    Err(words::unreached(wanted, &attempts))
}

#[cfg(test)]
mod tests;
