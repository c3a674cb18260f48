//! Questions over HTTPS (RFC 8484): POST over HTTP/2, many at once on one connection.
//!
//! The id of each is 0 and no field tells one client from another. Only a 200 with a DNS message that answers the question
//! is an answer; redirects are not followed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use tokio_rustls::TlsConnector;

use super::super::canonical::Canonical;
use super::kept::{Live, Pulse};
use crate::model::types::limits::{DNS_MESSAGE_BYTES, DNS_UPSTREAM_IDLE_TIME};

/// The media type of DNS messages (RFC 8484, section 6).
const MESSAGE: &str = "application/dns-message";
/// The id of ALPN for HTTP/2 over TLS.
const HTTP2: &[u8] = b"h2";
/// The port that is not written in an authority.
const PORT: u16 = 443;

/// Where a server is, who it must be, and what is asked for there.
pub(super) struct Way {
    pub address: SocketAddr,
    pub tls: TlsConnector,
    pub subject: ServerName<'static>,
    pub authority: String,
    pub path: Box<str>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way")
            .field("address", &self.address)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// `:authority` for a host and a port.
pub(super) fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == PORT { host } else { format!("{host}:{port}") }
}

/// A connection that takes questions.
#[derive(Debug, Clone)]
pub(super) struct Web {
    requests: SendRequest<Full<Bytes>>,
    uri: Uri,
    pulse: Arc<Pulse>,
}

impl Live for Web {
    type Way = Way;

    async fn dial(way: &Way, pulse: Arc<Pulse>) -> io::Result<Self> {
        let uri = Uri::builder().scheme("https").authority(way.authority.as_str()).path_and_query(&*way.path);
        let uri = uri.build().map_err(invalid)?;
        let tcp = TcpStream::connect(way.address).await?;
        tcp.set_nodelay(true)?;
        let stream = way.tls.with_alpn(vec![HTTP2.to_vec()]).connect(way.subject.clone(), tcp).await?;
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(invalid("the server does not speak HTTP/2"));
        }
        let builder = http2::Builder::new(TokioExecutor::new());
        let (requests, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        pulse.beat();
        tokio::spawn({
            let pulse = pulse.clone();
            async move {
                tokio::select! {
                    // How it ended is told to whoever waits on it.
                    _ = connection => {}
                    () = idle(&pulse) => {}
                }
            }
        });
        Ok(Self { requests, uri, pulse })
    }

    fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>> {
        let request = Request::post(self.uri.clone())
            .header(ACCEPT, MESSAGE)
            .header(CONTENT_TYPE, MESSAGE)
            .body(Full::new(asked.message(0, true).into()))
            .map_err(invalid)?;
        let mut requests = self.requests.clone();
        requests.ready().await.map_err(io::Error::other)?;
        let response = requests.send_request(request).await.map_err(io::Error::other)?;
        self.pulse.beat();
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_message = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(MESSAGE));
        if response.status() != StatusCode::OK || !is_message {
            return Err(invalid(format!("status {}, media type `{kind}`", response.status().as_u16())));
        }
        let body = Limited::new(response.into_body(), DNS_MESSAGE_BYTES)
            .collect()
            .await
            .map_err(io::Error::other)?;
        self.pulse.beat();
        let answer = body.to_bytes();
        match asked.answered_by(&answer, 0) {
            Some(header) if !header.truncated() => Ok(answer.into()),
            _ => Err(invalid("not the answer to the question")),
        }
    }
}

/// Ends once nothing was heard for a while. A query that is cut by it goes over a new connection.
async fn idle(pulse: &Pulse) {
    loop {
        let end = pulse.last() + DNS_UPSTREAM_IDLE_TIME;
        sleep_until(end).await;
        if pulse.last() + DNS_UPSTREAM_IDLE_TIME <= end {
            return;
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
