//! Questions over HTTPS (RFC 8484): POST over HTTP/2, many at once on one connection.
//!
//! The id of each is 0 and no field tells one client from another. Only a 200 with a DNS message that answers the question
//! is an answer; redirects are not followed.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

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
use tokio_rustls::client::TlsStream;

use super::super::canonical::Canonical;
use super::kept::{Live, Pulse};
use crate::model::types::limits::{DNS_MESSAGE_BYTES, DNS_UPSTREAM_IDLE_TIME};

/// The media type of DNS messages (RFC 8484, section 6).
const MESSAGE: &str = "application/dns-message";
/// The id of ALPN for HTTP/2 over TLS.
const HTTP2: &[u8] = b"h2";
/// The port that is not written in an authority.
const PORT: u16 = 443;
/// Streams that a server is taken to allow before it has said so: what it should at least (RFC 9113, section 6.5.2).
pub(super) const USUAL_STREAMS: usize = 100;

/// Where a server is, who it must be, and what is asked for there.
pub(super) struct Way {
    pub address: SocketAddr,
    pub tls: TlsConnector,
    pub subject: ServerName<'static>,
    pub authority: String,
    pub path: Box<str>,
    /// How many streams the server allowed on the last connection; the next one begins with that.
    pub streams: Arc<AtomicUsize>,
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
#[derive(Debug)]
pub(super) struct Web {
    requests: SendRequest<Full<Bytes>>,
    connection: Arc<Mutex<Option<Connection>>>,
    uri: Uri,
    pulse: Arc<Pulse>,
    streams: Arc<AtomicUsize>,
}

/// What drives the requests. A task owns it with those that ask how many it takes, and takes it away at its end.
type Connection = http2::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>, TokioExecutor>;

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
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_max_send_streams(way.streams.load(Ordering::Relaxed));
        let (requests, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        pulse.beat();
        let connection = Arc::new(Mutex::new(Some(connection)));
        tokio::spawn(drive(connection.clone(), pulse.clone()));
        Ok(Self { requests, connection, uri, pulse, streams: way.streams.clone() })
    }

    fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    fn allowed(&self) -> usize {
        let Some(streams) = locked(&self.connection).as_ref().map(Connection::current_max_send_streams)
        else {
            return 0;
        };
        self.streams.store(streams, Ordering::Relaxed);
        streams
    }

    async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>> {
        let request = Request::post(self.uri.clone())
            .header(ACCEPT, MESSAGE)
            .header(CONTENT_TYPE, MESSAGE)
            .body(Full::new(asked.message(0, true).into()))
            .map_err(invalid)?;
        let mut requests = self.requests.clone();
        requests.ready().await.map_err(io::Error::other)?;
        let response = requests.send_request(request).await.map_err(unsent)?;
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

/// Until the connection ends by itself, of which whoever waits on it is told, or nothing was heard on it for a while.
async fn drive(connection: Arc<Mutex<Option<Connection>>>, pulse: Arc<Pulse>) {
    let ended = poll_fn(|cx| match locked(&connection).as_mut() {
        Some(connection) => Pin::new(connection).poll(cx).map(drop),
        None => Poll::Ready(()),
    });
    tokio::select! {
        () = ended => {}
        () = idle(&pulse) => {}
    }
    *locked(&connection) = None;
}

/// A panic in the library ends the connection, and leaves nothing here half done.
fn locked(connection: &Mutex<Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A stream that the server refuses unread is one too many for now (RFC 9113, section 8.7).
fn unsent(error: hyper::Error) -> io::Error {
    let reason =
        error.source().and_then(|source| source.downcast_ref::<h2::Error>()).and_then(h2::Error::reason);
    match reason {
        Some(h2::Reason::REFUSED_STREAM) => io::Error::new(io::ErrorKind::ResourceBusy, error),
        _ => io::Error::other(error),
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
