//! An HTTP server of our own for what nginx does not do: events released one by one, answers that wait for the
//! test, bodies that break off, trailers, gRPC and WebSocket. HTTP/1.1 and HTTP/2, plain or TLS.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{Notify, broadcast, mpsc};

use super::backends::{Backends, Duplex, Wire};
use super::websocket;

/// Frames that a response may be ahead of its reader.
const AHEAD: usize = 4;

/// A response body that a task feeds.
pub struct Feed(mpsc::Receiver<io::Result<Frame<Bytes>>>);

impl Feed {
    /// A body and the hand that feeds it; dropping the hand ends the body.
    pub fn by_hand() -> (mpsc::Sender<io::Result<Frame<Bytes>>>, Self) {
        let (sender, receiver) = mpsc::channel(AHEAD);
        (sender, Self(receiver))
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// `Host`, or `:authority`.
    pub authority: String,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: HeaderMap,
}

/// The running server and the test's hands on it.
///
/// | path | answer |
/// |---|---|
/// | `/headers` | what arrived, as JSON: method, path, authority, version, headers, body bytes, trailers |
/// | `/download/N` | N bytes |
/// | `/upload` | the number of bytes received |
/// | `/events` | an event stream: what `event` sends, until `end_events` |
/// | `/wait` | 200 once `release` is called |
/// | `/cut` | 1,000 bytes announced, 10 sent, then broken off |
/// | `/trailers` | a body and the trailer `x-checksum: abc` |
/// | `/status/N` | that status |
/// | `/ws` | WebSocket, every message sent back |
/// | `/lab.Echo/Say` | gRPC: the message sent back, `grpc-status: 0` in the trailers |
/// | `/lab.Echo/Chat` | gRPC: every piece sent back as it comes, `grpc-status: 0` in the trailers |
/// | `/lab.Echo/Count` | gRPC: a hundred messages, `0` to `99`, `grpc-status: 0` in the trailers |
/// | `/lab.Echo/Silence` | gRPC: one message, `listen`, and nothing more until the caller leaves |
#[derive(Clone)]
pub struct HttpServer(Arc<State>);

struct State {
    seen: Mutex<Vec<Seen>>,
    events: broadcast::Sender<Option<String>>,
    release: Notify,
}

impl Backends {
    /// An HTTP server on this address, such as `192.0.2.11:8080`.
    pub fn http(&self, address: &str, wire: Wire<'_>) -> HttpServer {
        let state =
            State { seen: Mutex::default(), events: broadcast::channel(64).0, release: Notify::new() };
        let server = HttpServer(Arc::new(state));
        let inner = server.clone();
        let prior_knowledge = matches!(wire, Wire::PlainHttp2);
        self.serve(address, wire, move |stream, _| connection(inner.clone(), stream, prior_knowledge));
        server
    }
}

impl HttpServer {
    /// Every request so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().expect("no test thread panics here").clone()
    }

    /// Whether no request has arrived.
    pub fn untouched(&self) -> bool {
        self.seen().is_empty()
    }

    /// Sends an event to every open `/events` and says how many there are.
    pub fn event(&self, data: &str) -> usize {
        self.0.events.send(Some(data.to_owned())).unwrap_or(0)
    }

    /// How many `/events` streams are open.
    pub fn listeners(&self) -> usize {
        self.0.events.receiver_count()
    }

    /// Ends every open `/events`.
    pub fn end_events(&self) {
        let _ = self.0.events.send(None);
    }

    /// Lets one waiting `/wait` answer, or the next one.
    pub fn release(&self) {
        self.0.release.notify_one();
    }
}

async fn connection(server: HttpServer, stream: Box<dyn Duplex>, prior_knowledge: bool) -> io::Result<()> {
    let http2 = prior_knowledge || stream.agreed().as_deref() == Some(b"h2");
    let service = hyper::service::service_fn(move |request| {
        let server = server.clone();
        async move { answer(&server.0, request).await }
    });
    let stream = TokioIo::new(stream);
    let served = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).with_upgrades().await
    };
    served.map_err(io::Error::other)
}

async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Result<Response<Feed>, hyper::Error> {
    let seen = Seen::from(&request);
    let path = seen.path.clone();
    let path = path.split('?').next().unwrap_or_default();
    state.seen.lock().expect("no test thread panics here").push(seen.clone());
    let response = match path.split('/').collect::<Vec<_>>()[..] {
        ["", "headers"] => {
            let body = request.into_body().collect().await?;
            let trailers = body.trailers().map(listed).unwrap_or_default();
            whole("application/json", seen.describe(trailers, body.to_bytes().len()).to_string())
        }
        ["", "download", bytes] => download(bytes.parse().unwrap_or(0)),
        ["", "upload"] => {
            let mut body = request.into_body();
            let mut bytes = 0;
            while let Some(frame) = body.frame().await {
                bytes += frame?.data_ref().map_or(0, Bytes::len);
            }
            whole("text/plain", bytes.to_string())
        }
        ["", "events"] => events(state.events.subscribe()),
        ["", "wait"] => {
            state.release.notified().await;
            whole("text/plain", "released".to_owned())
        }
        ["", "cut"] => {
            let broken = io::Error::other("broken off as asked");
            let mut response = fed(vec![Ok(data("0123456789")), Err(broken)]);
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("1000"));
            response
        }
        ["", "trailers"] => fed(vec![Ok(data("body\n")), Ok(trailers("x-checksum", "abc"))]),
        ["", "status", code] => {
            let mut response = whole("text/plain", code.to_owned());
            *response.status_mut() = code.parse().unwrap_or(StatusCode::NOT_FOUND);
            response
        }
        ["", "ws"] => websocket::accept(request, fed(Vec::new())),
        ["", "lab.Echo", "Say"] => {
            let message = request.into_body().collect().await?.to_bytes();
            grpc(fed(vec![Ok(Frame::data(message)), Ok(trailers("grpc-status", "0"))]))
        }
        ["", "lab.Echo", "Chat"] => grpc(Response::new(chat(request.into_body()))),
        ["", "lab.Echo", "Count"] => {
            let messages = (0..100).map(|number| Ok(message(&number.to_string())));
            grpc(fed(messages.chain([Ok(trailers("grpc-status", "0"))]).collect()))
        }
        ["", "lab.Echo", "Silence"] => grpc(Response::new(silence())),
        _ => {
            let mut response = whole("text/plain", "no such path\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    Ok(response)
}

impl Seen {
    /// Of this request.
    pub fn from(request: &Request<Incoming>) -> Self {
        let host =
            request.headers().get("host").map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        Self {
            method: request.method().to_string(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            authority: request.uri().authority().map(ToString::to_string).or(host).unwrap_or_default(),
            version: request.version(),
            headers: request.headers().clone(),
        }
    }

    fn describe(&self, trailers: Vec<serde_json::Value>, body: usize) -> serde_json::Value {
        serde_json::json!({
            "method": self.method, "path": self.path, "authority": self.authority,
            "version": format!("{:?}", self.version), "headers": listed(&self.headers), "body_bytes": body,
            "trailers": trailers,
        })
    }
}

/// Names and values, in their order.
fn listed(fields: &HeaderMap) -> Vec<serde_json::Value> {
    let one = |(name, value): (&HeaderName, &HeaderValue)| {
        serde_json::json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
    };
    fields.iter().map(one).collect()
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

fn trailers(name: &'static str, value: &'static str) -> Frame<Bytes> {
    let mut fields = HeaderMap::new();
    fields.insert(name, HeaderValue::from_static(value));
    Frame::trailers(fields)
}

/// A response whose frames are known from the start.
fn fed(frames: Vec<io::Result<Frame<Bytes>>>) -> Response<Feed> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        for frame in frames {
            if sender.send(frame).await.is_err() {
                break;
            }
        }
    });
    let mut response = Response::new(Feed(receiver));
    response.headers_mut().insert("trailer", HeaderValue::from_static("x-checksum, grpc-status"));
    response
}

/// A response whose body is known from the start.
pub fn whole(kind: &'static str, text: String) -> Response<Feed> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let length = HeaderValue::from(text.len());
    let _ = sender.try_send(Ok(Frame::data(Bytes::from(text))));
    let mut response = Response::new(Feed(receiver));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

fn download(bytes: u64) -> Response<Feed> {
    const PIECE: usize = 64 * 1024;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let piece = Bytes::from(vec![b'x'; PIECE]);
    tokio::spawn(async move {
        let mut left = bytes;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            left -= length as u64;
            if sender.send(Ok(Frame::data(piece.slice(..length)))).await.is_err() {
                break;
            }
        }
    });
    let mut response = Response::new(Feed(receiver));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    response
}

fn chat(mut body: Incoming) -> Feed {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data()
                && sender.send(Ok(Frame::data(data))).await.is_err()
            {
                return;
            }
        }
        let _ = sender.send(Ok(trailers("grpc-status", "0"))).await;
    });
    Feed(receiver)
}

fn silence() -> Feed {
    let (sender, body) = Feed::by_hand();
    let _ = sender.try_send(Ok(message("listen")));
    tokio::spawn(async move { sender.closed().await });
    body
}

/// A message as gRPC frames it: not compressed, its length, itself.
fn message(text: &str) -> Frame<Bytes> {
    let length = u32::try_from(text.len()).expect("a short message").to_be_bytes();
    Frame::data([&[0], &length[..], text.as_bytes()].concat().into())
}

fn grpc(mut response: Response<Feed>) -> Response<Feed> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn events(mut source: broadcast::Receiver<Option<String>>) -> Response<Feed> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sender.closed() => break,
                event = source.recv() => {
                    let Ok(Some(event)) = event else { break };
                    let frame = Frame::data(Bytes::from(format!("data: {event}\n\n")));
                    if sender.send(Ok(frame)).await.is_err() {
                        break;
                    }
                }
            }
        }
    });
    let mut response = Response::new(Feed(receiver));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
