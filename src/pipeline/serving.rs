//! HTTP towards the workload: hyper's servers with our bounds, on one stream.
//!
//! It knows nothing of requests: it hands each to the function it was given, and watches time.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::anew::Again;
use super::departure::Wire;
use super::framed::{Broken, Framed};
use super::guarded::Guarded;
use super::road::Road;
use super::shift::{Stage, reached};
use super::underway::Underway;
use super::watch::{Busy, Watch};
use crate::act::dial::Protocol;
use crate::act::upstream::gathered::Gathered;
use crate::act::upstream::{BodyError, LAPSED, LocalExecutor, ReplyBody};
use crate::model::types::limits::{
    FLOW_IDLE_TIME, HEAD_BYTES, HEAD_FIELDS, HTTP2_RESETS, HTTP2_STREAMS, KEEP_ALIVE_TIME, REFUSAL_LINGER,
};
use crate::model::types::{Denial, Reason};
use crate::perceive::request::guard::Refusal;

/// HTTP/2 window of one stream towards the workload; what one stream may hold in memory.
const STREAM_WINDOW: u32 = 64 * 1024;
/// HTTP/2 window of one connection towards the workload. Many times that of a stream: frames of less than 256 bytes
/// that wait for the upstream may lack half of this in all, or the library takes them for a flood.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes of one response that may wait for a slow workload on one HTTP/2 stream.
const SEND_BUFFER: usize = 64 * 1024;

/// What a request's answerer knows of the connection.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Counters and refusals of the stream.
    pub watch: Arc<Watch>,
    /// The number of this request on its connection, from 0.
    pub number: u64,
}

impl Watched {
    /// Why this request was refused before hyper saw it: what is being answered is our stand-in.
    pub fn refusal(&self) -> Option<Denial> {
        self.watch.refusal(self.number)
    }

    /// Why the rest of this request was refused after its head had passed.
    pub fn refusal_in_body(&self) -> Option<Refusal> {
        self.watch.refusal_in_body(self.number)
    }
}

/// How a connection ended.
#[derive(Debug)]
pub struct Ended {
    /// Counters of the stream.
    pub watch: Arc<Watch>,
    /// The word for the record, where it was not the orderly way.
    pub how: Option<&'static str>,
    /// Why we ended it, where the workload broke the protocol or flooded it.
    pub denial: Option<Denial>,
}

/// The body of an answer.
#[allow(
    clippy::large_enum_variant,
    reason = "one lives for each request, and a box would cost each an allocation"
)]
#[derive(Debug)]
pub enum Answer {
    /// Relayed from an upstream; the connection is busy as long as it lives.
    Reply {
        /// What is relayed.
        body: ReplyBody,
        /// Held for its end.
        _busy: Busy,
        /// What it is known by while it is underway; held for its end.
        _underway: Rc<Underway>,
    },
    /// Made here.
    Own(Option<Bytes>),
}

/// Serves requests until either side ends it, the daemon drains, or nothing has moved for too long. `unheard` is told
/// of each HTTP/2 stream of which no request came, because it was malformed or taken back at once; `renewed` says why the
/// connection may go on no longer, whenever something else is in force, and when to ask it next.
pub async fn requests<S, H, F>(
    road: &Road,
    stream: S,
    protocol: Protocol,
    answer: H,
    (unheard, renewed): (impl Fn(), impl Fn() -> Result<Again, Denial>),
) -> Ended
where
    S: AsyncRead + AsyncWrite + Wire + Unpin + Send + 'static,
    H: Fn(Request<Incoming>, Watched) -> F,
    F: Future<Output = Response<Answer>> + 'static,
{
    let watch = Watch::new(protocol == Protocol::Http11);
    let (how, denial) = match serve(road, stream, protocol, (&answer, &unheard, &renewed), &watch).await {
        End::Orderly => (None, None),
        End::Cut => (Some("shutdown"), None),
        End::Lapsed(denial) => (Some(LAPSED), Some(denial)),
        End::Idle => (Some("idle"), None),
        End::Failed(error) => failed(&error, None),
        End::Broken(error, broken) => failed(&error, Some(broken)),
    };
    Ended { watch, how, denial }
}

/// How a connection ended.
enum End {
    Orderly,
    Cut,
    Idle,
    Lapsed(Denial),
    Failed(hyper::Error),
    Broken(hyper::Error, Broken),
}

/// Whose fault a failure was, and what the record says of it.
fn failed(error: &hyper::Error, broken: Option<Broken>) -> (Option<&'static str>, Option<Denial>) {
    let flood = |seen: String| {
        let detail = "The connection carried more HTTP/2 frames or resets than requests need.";
        (Some("flood"), Some(Denial::built_in(Reason::ProtocolFlood, detail).seen(seen)))
    };
    let malformed = |detail: &str, seen: String| {
        (Some("malformed"), Some(Denial::built_in(Reason::ProtocolMalformed, detail).seen(seen)))
    };
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    match (broken, cause) {
        (Some(Broken::Flood(kind)), _) => flood(format!("http/2: too many {kind} frames")),
        (Some(Broken::Slow), _) => {
            malformed("An HTTP/2 frame or header block was not finished in time.", "http/2: too slow".into())
        }
        (None, Some(cause)) if cause.is_library() => match cause.reason() {
            Some(h2::Reason::ENHANCE_YOUR_CALM) => flood(format!("http/2: {cause}")),
            _ => malformed("The connection broke the rules of HTTP/2.", format!("http/2: {cause}")),
        },
        _ => (Some(word(error)), None),
    }
}

/// Answers requests of a connection that may not live, for `REFUSAL_LINGER` at most; a workload that still sends gets
/// to read its answer, within the bounds for that.
pub async fn refusals<S, H, F>(road: &Road, stream: S, protocol: Protocol, answer: H)
where
    S: AsyncRead + AsyncWrite + Wire + Unpin + Send + 'static,
    H: Fn(Request<Incoming>, Watched) -> F,
    F: Future<Output = Response<Answer>> + 'static,
{
    let watch = Watch::new(protocol == Protocol::Http11);
    let mut served =
        pin!(serve(road, stream, protocol, (&answer, &|| (), &|| Ok(Again::WhenChanged)), &watch));
    if timeout(REFUSAL_LINGER, &mut served).await.is_err() && watch.lingers() {
        served.await;
    }
}

async fn serve<S, H, F>(
    road: &Road,
    stream: S,
    protocol: Protocol,
    (answer, unheard, renewed): (&H, &impl Fn(), &impl Fn() -> Result<Again, Denial>),
    watch: &Arc<Watch>,
) -> End
where
    S: AsyncRead + AsyncWrite + Wire + Unpin + Send + 'static,
    H: Fn(Request<Incoming>, Watched) -> F,
    F: Future<Output = Response<Answer>> + 'static,
{
    let respond = |request| {
        let answered = answer(request, Watched { watch: watch.clone(), number: watch.next_request() });
        let watch = watch.clone();
        // Not an async block: it would hold what it awaits twice, on every connection for as long as that lasts.
        answered.map(move |response| {
            let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            watch.answered(switches);
            Ok::<_, Infallible>(response)
        })
    };
    // Boxed: for HTTP/1 hyper keeps room for one answer as long as the connection lives, in use or not; for HTTP/2 it moves
    // each several times before it runs.
    let service = service_fn(|request| Box::pin(respond(request)));
    match protocol {
        Protocol::Http11 => {
            let io = TokioIo::new(Guarded::new(stream, watch.clone()));
            let mut connection = pin!(http1_builder().serve_connection(io, service).with_upgrades());
            let gracefully =
                |connection: Pin<&mut _>| http1::UpgradeableConnection::graceful_shutdown(connection);
            let settle = |_: &mut Context<'_>, _| ();
            drive(road, watch, (connection.as_mut(), settle), (gracefully, renewed)).await
        }
        Protocol::H2 => {
            let stream = Gathered::new(Framed::new(stream, watch.clone()));
            let mut connection =
                pin!(http2_builder().serve_connection(TokioIo::new(stream.clone()), service));
            let mut told = 0;
            let settle = |cx: &mut Context<'_>, ending: bool| {
                stream.settle(cx);
                // Whoever is told to go may be too late with a stream: that is nobody's fault.
                while !ending && stream.stream().unheard() > told {
                    told += 1;
                    unheard();
                }
            };
            let gracefully = |connection: Pin<&mut _>| http2::Connection::graceful_shutdown(connection);
            match drive(road, watch, (connection.as_mut(), settle), (gracefully, renewed)).await {
                End::Failed(error) => match stream.stream().broken() {
                    Some(broken) => End::Broken(error, broken),
                    None => End::Failed(error),
                },
                end => end,
            }
        }
    }
}

/// Runs a connection beside its clock, and settles it whenever it was polled: shutdown is graceful when the daemon
/// drains or nobody speaks for long, and abrupt when a request stands still or what the connection lives by has ended.
async fn drive<C, G>(
    road: &Road,
    watch: &Watch,
    (mut connection, mut settle): (Pin<&mut C>, impl FnMut(&mut Context<'_>, bool)),
    (gracefully, renewed): (G, &impl Fn() -> Result<Again, Denial>),
) -> End
where
    C: Future<Output = hyper::Result<()>>,
    G: Fn(Pin<&mut C>),
{
    let (mut stage, mut cut) = (road.stage.clone(), road.shifts.held());
    let mut policy = road.shared.watch();
    // What changed between the decision and now is looked at once.
    policy.mark_changed();
    let (mut ending, mut again) = (false, Again::WhenChanged);
    let mut clock = pin!(sleep_until(Instant::now() + KEEP_ALIVE_TIME));
    loop {
        tokio::select! {
            biased;
            ended = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                settle(cx, ending);
                polled
            }) => return ended.map_or_else(End::Failed, |()| End::Orderly),
            () = asked_to_end(&mut stage, watch), if !ending => {
                ending = true;
                gracefully(connection.as_mut());
            }
            _ = cut.wait_for(|cut| *cut) => {
                reset(watch, connection).await;
                return End::Cut;
            }
            () = again.due(&mut policy) => match renewed() {
                Ok(next) => again = next,
                Err(denial) => {
                    reset(watch, connection).await;
                    return End::Lapsed(denial);
                }
            },
            () = &mut clock => {
                let still = watch.still();
                let bound = if watch.busy() { FLOW_IDLE_TIME } else { KEEP_ALIVE_TIME };
                if still < bound {
                    clock.as_mut().reset(Instant::now() + (bound - still).max(Duration::from_secs(1)));
                } else if watch.busy() || ending {
                    return End::Idle;
                } else {
                    ending = true;
                    gracefully(connection.as_mut());
                    clock.as_mut().reset(Instant::now() + REFUSAL_LINGER);
                }
            }
        }
    }
}

/// Waits until the daemon drains and the connection has had a request: whoever has just come is served once.
async fn asked_to_end(stage: &mut watch::Receiver<Stage>, watch: &Watch) {
    reached(stage, Stage::Draining).await;
    // Requests come with the polling of the connection, in this same task.
    poll_fn(|_| if watch.begun() > 0 { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Ends a connection in the middle: an answer that ends where it was cut off must not look whole.
async fn reset<C: Future>(watch: &Watch, mut connection: Pin<&mut C>) {
    watch.cut();
    poll_fn(|cx| {
        // The reset leaves with this; what comes of it does not matter any more.
        let _ = connection.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// The word for a connection that broke: the kernel gives up on a workload that takes nothing, or is gone.
fn word(error: &hyper::Error) -> &'static str {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return "client-stalled";
        }
        cause = error.source();
    }
    "client-failed"
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // What passes is the upstream's: no Date of ours, and names keep their case where hyper can. An end of input that
    // hyper sees is an end: `Guarded` keeps it back as long as an answer is owed.
    builder.preserve_header_case(true).auto_date_header(false);
    // No timer of hyper's: it would cut an idle connection after 30 s. `Guarded` bounds a head that has begun, the clock
    // beside the connection a pause between requests.
    builder.max_headers(HEAD_FIELDS).max_buf_size(HEAD_BYTES + 16 * 1024);
    builder
}

fn http2_builder() -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(HTTP2_RESETS)
        .max_local_error_reset_streams(HTTP2_RESETS)
        .enable_connect_protocol();
    builder
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Reply { body, .. } => Pin::new(body).poll_frame(cx),
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Reply { body, .. } => body.is_end_stream(),
            Self::Own(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Reply { body, .. } => body.size_hint(),
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
