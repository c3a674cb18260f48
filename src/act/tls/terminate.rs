//! TLS towards the workload, opened with our own leaf for the name that policy agreed to.
//!
//! Server configurations are made once per name and ALPN set and kept with the leaf. There are no session tickets
//! and no session cache: a workload's handshake is cheap here, and nothing has to be kept for it. It never looks at
//! the upstream; which protocol to offer is an argument.
//!
//! What an idle session costs, measured with rustls 0.23: 8 KiB, of which 4 KiB are the read buffer and 1.2 KiB the
//! connection. rustls grows that buffer to 18 KiB for whole records and gives it back when the next read finds it
//! empty, so an idle connection must have a read pending (hyper always has). What waits to be written is held in
//! chunks that go when they are sent, 64 KiB at most: there back-pressure begins. Smaller records would save nothing.

use std::io;
use std::sync::Arc;

use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::authority::AuthorityError;
use super::leaf::{Leaves, TlsName};
use super::rotation::Authorities;
use crate::act::dial::Protocol;
use crate::decide::policy::Passage;
use crate::model::types::{Denial, HostName, Reason, Timestamp, limits};
use crate::platform::sys::clock;

/// What is offered to the client in ALPN (RFC 7301). A client that sends no ALPN is served HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlpnChoice {
    /// `http/1.1` alone.
    Http11,
    /// `h2` alone.
    H2,
    /// `h2`, then `http/1.1`: where no upstream binds us, as for refusals.
    Either,
}

impl AlpnChoice {
    fn protocols(self) -> Vec<Vec<u8>> {
        let (h2, http11) = (|| Protocol::H2.id().to_vec(), || Protocol::Http11.id().to_vec());
        match self {
            Self::Http11 => vec![http11()],
            Self::H2 => vec![h2()],
            Self::Either => vec![h2(), http11()],
        }
    }
}

impl From<Protocol> for AlpnChoice {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::H2 => Self::H2,
            Protocol::Http11 => Self::Http11,
        }
    }
}

/// Proof that a workload's TLS is open under the name its passage is for. Made by [`Terminator::accept`] alone.
#[derive(Debug)]
#[must_use]
pub struct Opened<S> {
    stream: TlsStream<S>,
    protocol: Protocol,
    name: TlsName,
}

impl<S> Opened<S> {
    /// What the client will speak.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The name on which policy, SNI and our certificate agree.
    pub fn name(&self) -> &TlsName {
        &self.name
    }

    /// The stream of plain text, and what will be spoken on it.
    pub fn into_parts(self) -> (TlsStream<S>, Protocol) {
        (self.stream, self.protocol)
    }
}

/// A workload's TLS that was opened only to say no in HTTP: no passage stands behind it.
#[derive(Debug)]
#[must_use]
pub struct OpenedForRefusal<S> {
    stream: TlsStream<S>,
    protocol: Protocol,
}

impl<S> OpenedForRefusal<S> {
    /// What the client will speak.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The stream on which the denial is written, and what is spoken on it.
    pub fn into_parts(self) -> (TlsStream<S>, Protocol) {
        (self.stream, self.protocol)
    }
}

/// Opens TLS for workloads. One per process, shared by all workers.
pub struct Terminator {
    leaves: Leaves,
    template: ServerConfig,
}

impl Terminator {
    /// A terminator that signs with whichever of these signs. Fails only where the system gives no keys or random numbers.
    pub fn new(authorities: Arc<Authorities>) -> Result<Self, AuthorityError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let leaves = Leaves::new(authorities, Arc::clone(&provider))?;
        let versions = [&version::TLS13, &version::TLS12];
        let mut template = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .expect("invariant: the provider has suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoCertificate));
        template.session_storage = Arc::new(NoServerSessionStorage {});
        template.send_tls13_tickets = 0;
        Ok(Self { leaves, template })
    }

    /// Opens the connection of a passage: for its name, or for the original address where it has none.
    ///
    /// The handshake must be over within `TLS_HANDSHAKE_TIME`. A client that breaks it off, or offers no protocol of
    /// `alpn`, is `tls.handshake`; one that breaks the rules is `protocol.malformed`; one whose SNI is not the
    /// passage's name is `name.mismatch`.
    pub async fn accept<S>(&self, passage: &Passage, alpn: AlpnChoice, io: S) -> Result<Opened<S>, Denial>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match passage.host() {
            Some(host) => TlsName::from(host),
            None => TlsName::from(passage.destination().ip()),
        };
        let (stream, protocol) = self.open(&name, alpn, io).await?;
        Ok(Opened { stream, protocol, name })
    }

    /// Opens a connection that will only be refused. `name` is what the client said it wants.
    pub async fn refuse_over_tls<S>(
        &self,
        name: &TlsName,
        alpn: AlpnChoice,
        io: S,
    ) -> Result<OpenedForRefusal<S>, Denial>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (stream, protocol) = self.open(name, alpn, io).await?;
        Ok(OpenedForRefusal { stream, protocol })
    }

    async fn open<S>(
        &self,
        name: &TlsName,
        alpn: AlpnChoice,
        io: S,
    ) -> Result<(TlsStream<S>, Protocol), Denial>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.config(name, alpn, clock::now()).map_err(|error| unsigned(name, &error))?;
        let stream = match timeout(limits::TLS_HANDSHAKE_TIME, TlsAcceptor::from(config).accept(io)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(broken(name, &error)),
            Err(_) => return Err(overdue(name)),
        };
        let session = stream.get_ref().1;
        if let Some(said) = session.server_name() {
            agree(name, said)?;
        }
        let protocol = Protocol::of(session.alpn_protocol());
        Ok((stream, protocol))
    }

    pub(super) fn config(
        &self,
        name: &TlsName,
        alpn: AlpnChoice,
        now: Timestamp,
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        let leaf = self.leaves.get(name, now)?;
        let config = leaf.configs[alpn as usize].get_or_init(|| {
            let mut config = self.template.clone();
            config.alpn_protocols = alpn.protocols();
            config.cert_resolver = Arc::new(SingleCertAndKey::from(Arc::clone(&leaf.certified)));
            Arc::new(config)
        });
        Ok(Arc::clone(config))
    }
}

/// Stands in the template, which serves nobody.
#[derive(Debug)]
struct NoCertificate;

impl rustls::server::ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
}

/// The name was agreed from the same hello that rustls has now read itself. Two readers of one message must not
/// come to two results.
pub(super) fn agree(name: &TlsName, said: &str) -> Result<(), Denial> {
    let agreed = match name {
        TlsName::Host(host) => HostName::parse(said).is_ok_and(|said| said == *host),
        // A name where policy saw none.
        TlsName::Address(_) => false,
    };
    if agreed {
        return Ok(());
    }
    Err(Denial::built_in(
        Reason::NameMismatch,
        format!("The TLS server name is not {name}, which was agreed to."),
    )
    .seen(format!("agreed name {name}, SNI {said}")))
}

fn unsigned(name: &TlsName, error: &AuthorityError) -> Denial {
    match error {
        AuthorityError::Expired { .. } => Denial::built_in(
            Reason::TlsAuthority,
            "The gateway's certificate authority has expired, so it opens no TLS. An operator has to renew it.",
        )
        .seen(format!("no certificate for {name}: {error}; clawgress ca show")),
        _ => Denial::internal(format!("no certificate for {name}: {error}")),
    }
}

fn overdue(name: &TlsName) -> Denial {
    let limit = limits::TLS_HANDSHAKE_TIME.as_secs();
    Denial::built_in(
        Reason::TlsHandshake,
        format!("The TLS handshake for {name} was not finished within {limit} s. Try again."),
    )
    .seen(format!("no end of the client's handshake after {limit} s"))
}

fn broken(name: &TlsName, error: &io::Error) -> Denial {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return Denial::built_in(
            Reason::TlsHandshake,
            format!("The connection for {name} ended during the TLS handshake."),
        )
        .seen(format!("the client's side ended during the handshake: {error}"));
    };
    match tls {
        rustls::Error::AlertReceived(alert) => {
            let hint = match alert {
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown => {
                    ": it does not trust this gateway's CA (`clawgress ca export` prints it)"
                }
                _ => "",
            };
            Denial::built_in(
                Reason::TlsHandshake,
                format!(
                    "The client broke the TLS handshake for {name} off. Trust the gateway's CA and try again."
                ),
            )
            .seen(format!("the client sent the alert {alert:?}{hint}"))
        }
        rustls::Error::NoApplicationProtocol | rustls::Error::PeerIncompatible(_) => Denial::built_in(
            Reason::TlsHandshake,
            format!("The client offers no TLS version, cipher or protocol that can be served for {name}."),
        )
        .seen(format!("no common ground with the client: {tls}")),
        _ => {
            Denial::built_in(Reason::ProtocolMalformed, "The TLS handshake broke the rules of the protocol.")
                .seen(format!("the client's handshake for {name}: {tls}"))
        }
    }
}
