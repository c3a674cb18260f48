//! The way to one upstream: which transport, and what of it is kept between queries.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::super::canonical::Canonical;
use super::datagram;
use super::kept::Kept;
use super::line::{self, Line};
use super::web::{self, Web};
use crate::model::config::{DnsServer, DnsTransport};
use crate::model::types::HostName;

/// A way to ask.
#[derive(Debug)]
pub(super) enum Link {
    /// Datagrams, and a stream for what does not fit.
    Plain(Kept<Line>),
    /// A stream, plain or TLS.
    Stream(Kept<Line>),
    /// HTTPS.
    Web(Kept<Web>),
}

impl Link {
    /// The way to a server, not yet gone.
    pub fn new(server: &DnsServer, tls: &TlsConnector) -> Self {
        let address = server.address;
        let subject = |name: &Option<HostName>| {
            let named = name.as_ref().and_then(|name| ServerName::try_from(name.as_str().to_owned()).ok());
            named.unwrap_or(ServerName::IpAddress(address.ip().into()))
        };
        match &server.transport {
            DnsTransport::Plain => Self::Plain(Kept::new(line::Way { address, tls: None })),
            DnsTransport::Tcp => Self::Stream(Kept::new(line::Way { address, tls: None })),
            DnsTransport::Tls(name) => {
                Self::Stream(Kept::new(line::Way { address, tls: Some((tls.clone(), subject(name))) }))
            }
            DnsTransport::Https(name, path) => {
                let host = name.as_ref().map_or(address.ip().to_string(), ToString::to_string);
                let authority = web::authority(&host, address.port());
                let way = web::Way {
                    address,
                    tls: tls.clone(),
                    subject: subject(name),
                    authority,
                    path: path.clone(),
                    streams: Arc::new(AtomicUsize::new(web::USUAL_STREAMS)),
                };
                Self::Web(Kept::new(way))
            }
        }
    }

    /// Asks, and gives what answers this very question, whole. The caller bounds its time.
    pub async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(line) => match datagram::ask(line.way().address, asked).await? {
                Some(answer) => Ok(answer),
                None => line.ask(asked).await,
            },
            Self::Stream(line) => line.ask(asked).await,
            Self::Web(web) => web.ask(asked).await,
        }
    }

    /// Lets a kept connection go on which nothing was heard since: it may have died unseen.
    pub fn forget(&self, since: Instant) {
        match self {
            Self::Plain(line) | Self::Stream(line) => line.forget(since),
            Self::Web(web) => web.forget(since),
        }
    }
}
