//! One request over one upstream connection.
//!
//! A kept connection may have died unseen: a request of which nothing was sent comes back, to be tried on a fresh one.
//! So does one of which an HTTP/2 upstream says that it has done nothing with it, where its body is empty or held. Any
//! other that may have been sent is never repeated.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::answers;
use super::body::RequestBody;
use super::counted::{Counted, Joint};
use super::executor::GatheringExecutor;
use super::faults;
use super::gathered::Gathered;
use super::pool::{Key, Lease, Line, Pool};
use super::redacted;
use super::reply::ReplyBody;
use crate::act::credentials::{Echo, Sealed};
use crate::act::dial::Protocol;
use crate::decide::ledger::Entry;
use crate::model::types::Denial;
use crate::model::types::limits::{HEAD_BYTES, HEAD_FIELDS, RESPONSE_HEAD_TIME};

/// An HTTP/2 connection with requests in flight is asked this often whether it still lives.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time it has to answer; after that its requests fail, and it serves no other.
const PING_TIME: Duration = Duration::from_secs(10);

/// Bytes a connection reads ahead and, for HTTP/2, the window of one stream.
const READ_AHEAD: usize = 64 * 1024;
/// HTTP/2 window of a stream: half a megabyte in flight keeps distant upstreams busy.
const STREAM_WINDOW: u32 = 512 * 1024;
/// HTTP/2 window of a connection. Many times that of a stream, so that a slow reader holds back no other, and so that
/// the small frames of an honest server that wait for it stay below what the library takes for a flood: frames of less
/// than 256 bytes that nobody has read may lack half of this window in all.
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;

/// One leg towards an upstream, ready for a request.
#[derive(Debug)]
#[must_use]
pub struct Sender {
    lease: Lease,
    fresh: bool,
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Reply {
    /// Status and fields.
    pub head: http::response::Parts,
    /// The body.
    pub body: ReplyBody,
    /// The connection itself, where the upstream switched protocols (101).
    pub upgraded: Option<hyper::upgrade::OnUpgrade>,
    /// What it may not repeat, for whoever reads on behind a switch of protocols.
    pub echo: Option<Arc<Echo>>,
}

impl Reply {
    /// The same, repeating no credential.
    fn covered(mut self, echo: Option<Arc<Echo>>) -> Self {
        let Some(echo) = echo else { return self };
        redacted::cover_head(&echo, &mut self.head);
        let coding = redacted::coding(&mut self.head.headers, self.head.status);
        Self { body: self.body.covered(&echo, coding), echo: Some(echo), ..self }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// Nothing was sent, or the upstream says that it has done nothing with it (RFC 9113, section 8.7): the request
    /// can be tried on another connection.
    Unsent(Box<Request<RequestBody>>),
    /// The upstream failed after something was sent.
    Broken(hyper::Error),
    /// What came from the upstream was refused: it is malformed, ambiguous or a flood, or it stands still.
    Refused(Denial),
    /// No response head within the bound.
    TimedOut,
}

impl Sender {
    /// Takes a kept connection.
    pub fn kept(pool: &Pool, key: &Rc<Key>) -> Option<Self> {
        pool.take(key).map(|lease| Self { lease, fresh: false })
    }

    /// Begins HTTP on a connection that was just dialled to the address `peer`.
    ///
    /// # Errors
    /// Where the upstream fails at once.
    pub async fn fresh<S>(
        pool: &Pool,
        key: &Rc<Key>,
        (io, peer): (S, SocketAddr),
        protocol: Protocol,
    ) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let lease = match protocol {
            Protocol::Http11 => {
                let (io, asker) = answers::guarded(io);
                let (sender, connection) = http1_builder().handshake(TokioIo::new(io)).await?;
                tokio::task::spawn_local(connection.with_upgrades());
                pool.lend(key, asker(sender), peer)
            }
            Protocol::H2 => {
                let joint = Rc::<Joint>::default();
                let io = Gathered::new(Counted::new(io, joint.clone()));
                let builder = http2_builder(GatheringExecutor::new(io.clone()));
                let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
                let connection = Rc::new(RefCell::new(connection));
                let asked = Rc::downgrade(&connection);
                joint.ask(move || {
                    let connection = asked.upgrade();
                    let connection = connection.as_ref().and_then(|connection| connection.try_borrow().ok());
                    connection.map_or(0, |connection| connection.current_max_send_streams())
                });
                tokio::task::spawn_local(poll_fn(move |cx| connection.borrow_mut().poll_unpin(cx)));
                pool.share(key, (sender, joint), peer)
            }
        };
        Ok(Self { lease, fresh: true })
    }

    /// What the connection speaks.
    pub fn protocol(&self) -> Protocol {
        match self.lease.line {
            Some(Line::Http2(..)) => Protocol::H2,
            _ => Protocol::Http11,
        }
    }

    /// The address that was really dialled.
    pub fn peer(&self) -> SocketAddr {
        self.lease.peer
    }

    /// Whether it was dialled for this request, so that trying again cannot help.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The same connection after a pause: it may have died unseen meanwhile, so failing to send on it is worth another
    /// try.
    pub fn aged(self) -> Self {
        Self { fresh: false, ..self }
    }

    /// Gives an unused connection back.
    pub fn shelve(self) {
        self.lease.give_back();
    }

    /// Sends the request. Its URI is a path with a query, its authority stands in `Host`; it is put into the form that
    /// the protocol wants.
    ///
    /// # Errors
    /// A [`Failure`] that says whether anything was sent.
    pub async fn send(self, _entry: &Entry, sealed: Sealed<RequestBody>) -> Result<Reply, Failure> {
        let (request, traces) = sealed.open();
        if traces.has_credential() && !self.lease.tls() {
            let seen = "a credential was about to go out in the open";
            return Err(Failure::Refused(Denial::internal(seen)));
        }
        let echo = traces.echo().cloned();
        match self.dispatch(request).await {
            Ok(reply) => Ok(reply.covered(echo)),
            Err(Failure::Unsent(request)) => Err(Failure::Unsent(Box::new(traces.restore(*request)))),
            Err(failure) => Err(failure),
        }
    }

    /// The same, for whoever has shown the proofs.
    async fn dispatch(mut self, mut request: Request<RequestBody>) -> Result<Reply, Failure> {
        shape(&mut request, self.protocol(), self.lease.tls());
        let sent = request.body().sent();
        let spare = if self.fresh { None } else { spare(&request) };
        let answer = match &mut self.lease.line {
            Some(Line::Http1(sender)) => patiently(sender.try_send_request(request), &sent).await,
            Some(Line::Http2(sender, _)) => patiently(sender.try_send_request(request), &sent).await,
            None => return Err(Failure::Unsent(Box::new(request))),
        };
        match answer {
            Ok(Ok(response)) => Ok(self.reply(response)),
            Ok(Err(mut error)) => match (error.take_message(), self.lease.refused()) {
                (Some(_), Some(refusal)) if self.fresh => Err(Failure::Refused(refusal)),
                (Some(request), _) => Err(Failure::Unsent(Box::new(request))),
                (None, Some(refusal)) => Err(Failure::Refused(refusal)),
                (None, None) => Err(self.broken(error.into_error(), spare)),
            },
            Err(_) => {
                self.lease.retire();
                Err(Failure::TimedOut)
            }
        }
    }

    /// What became of a request that an upstream took and did not answer.
    fn broken(self, error: hyper::Error, spare: Option<Request<RequestBody>>) -> Failure {
        match spare.filter(|_| is_unprocessed(&error)) {
            Some(spare) => {
                self.lease.retire();
                Failure::Unsent(Box::new(spare))
            }
            None => match faults::violation(&error).or_else(|| faults::silence(&error)) {
                Some(denial) => Failure::Refused(denial),
                None => Failure::Broken(error),
            },
        }
    }

    fn reply(self, mut response: Response<Incoming>) -> Reply {
        let switches = response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
        let upgraded = switches.then(|| hyper::upgrade::on(&mut response));
        let (head, body) = response.into_parts();
        Reply { head, body: ReplyBody::new(body, self.lease), upgraded, echo: None }
    }
}

/// The same request again, for an HTTP/2 connection that has served others: it may be about to end in order. Only
/// where its body is empty or held.
fn spare(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if request.version() != Version::HTTP_2 {
        return None;
    }
    let mut again = Request::new(request.body().again()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// Whether an HTTP/2 upstream says that it has done nothing with a request: REFUSED_STREAM, or a GOAWAY that leaves
/// it out. Streams that a GOAWAY does not leave out fail with the connection, never with the GOAWAY.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_remote() && (cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// Waits for `RESPONSE_HEAD_TIME`, anew as long as the request's body is still moving.
async fn patiently<F: Future>(answer: F, sent: &Cell<u64>) -> Result<F::Output, Elapsed> {
    let mut answer = pin!(answer);
    loop {
        let before = sent.get();
        match timeout(RESPONSE_HEAD_TIME, &mut answer).await {
            Err(_) if sent.get() > before => {}
            outcome => return outcome,
        }
    }
}

/// Origin form and `Host` for HTTP/1; absolute form and no `Host` for HTTP/2 (RFC 9113, section 8.3.1). A request that
/// was shaped for one and not sent can be shaped for the other.
fn shape<B: Body>(request: &mut Request<B>, protocol: Protocol, tls: bool) {
    match protocol {
        Protocol::Http11 => {
            *request.version_mut() = Version::HTTP_11;
            if !request.headers().contains_key(header::HOST)
                && let Some(authority) = request.uri().authority()
                && let Ok(value) = HeaderValue::from_str(authority.as_str())
            {
                request.headers_mut().insert(header::HOST, value);
            }
            if let Some(target) = request.uri().path_and_query().cloned() {
                *request.uri_mut() = Uri::from(target);
            }
            // hyper leaves out a body of unknown length where the method rarely has one.
            if !request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_LENGTH) {
                request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        Protocol::H2 => {
            *request.version_mut() = Version::HTTP_2;
            request.headers_mut().remove(header::TRANSFER_ENCODING);
            let authority = request.headers_mut().remove(header::HOST);
            let authority = authority.and_then(|host| Authority::try_from(host.as_bytes()).ok());
            if let Some(authority) = authority {
                let mut parts = std::mem::take(request.uri_mut()).into_parts();
                parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
                parts.authority = Some(authority);
                // Cannot fail: all three parts are there. Without them nothing would be sent.
                *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
            }
        }
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.preserve_header_case(true).max_headers(HEAD_FIELDS).max_buf_size(HEAD_BYTES.max(READ_AHEAD));
    builder
}

fn http2_builder<S>(executor: GatheringExecutor<S>) -> http2::Builder<GatheringExecutor<S>> {
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIME)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX));
    builder
}

#[cfg(test)]
mod tests;
