//! A look-alike of an MCP server over Streamable HTTP, as its SDKs make them: with sessions in the revisions that have
//! them, without in 2026-07-28, answering in JSON or in events.
//!
//! It is trusting: whatever it is sent it takes, so that what a test sees refused was refused before it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::backends::{Backends, Duplex, Wire};
use super::services::{Feed, Seen, whole};

/// Its tools, in the order in which it lists them.
pub const TOOLS: [&str; 3] = ["read_file", "send_mail", "delete_all"];

/// In which form it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    Json,
    /// `text/event-stream`: an event that tells of progress, and the answer.
    Events,
}

/// The running server and the test's hands on it.
///
/// | method | answer |
/// |---|---|
/// | `initialize` | the revision that was asked for, and a session |
/// | `server/discover` | revision 2026-07-28 alone |
/// | `tools/list` | [`TOOLS`], each with the schema of an object, and `nextCursor: "more"` |
/// | `tools/call` | the arguments as a text |
/// | any other | `{}` |
///
/// A notification gets 202, a batch a list, GET a stream of what `push` sends, DELETE 200. What names a session that there
/// is not gets 404.
#[derive(Clone)]
pub struct McpServer(Arc<State>);

struct State {
    form: Form,
    seen: Mutex<Vec<Seen>>,
    calls: Mutex<Vec<(String, Value)>>,
    sessions: AtomicU64,
    streams: Mutex<Vec<mpsc::Sender<io::Result<Frame<Bytes>>>>>,
}

impl Backends {
    /// An MCP server on every path of this address.
    pub fn mcp(&self, address: &str, wire: Wire<'_>, form: Form) -> McpServer {
        let server = McpServer(Arc::new(State {
            form,
            seen: Mutex::default(),
            calls: Mutex::default(),
            sessions: AtomicU64::new(0),
            streams: Mutex::default(),
        }));
        let inner = server.clone();
        self.serve(address, wire, move |stream, _| connection(inner.clone(), stream));
        server
    }
}

impl McpServer {
    /// Every request so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().expect("no test thread panics here").clone()
    }

    /// Every call of a tool so far: its name, and its arguments.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.0.calls.lock().expect("no test thread panics here").clone()
    }

    /// Sends a message to every stream that a GET has opened, and says how many there are.
    pub fn push(&self, message: &Value) -> usize {
        let mut streams = self.0.streams.lock().expect("no test thread panics here");
        streams.retain(|stream| stream.try_send(Ok(event(message))).is_ok());
        streams.len()
    }
}

async fn connection(server: McpServer, stream: Box<dyn Duplex>) -> io::Result<()> {
    let http2 = stream.agreed().as_deref() == Some(b"h2");
    let service = hyper::service::service_fn(move |request| {
        let server = server.clone();
        async move { answer(&server.0, request).await }
    });
    let stream = TokioIo::new(stream);
    let served = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await
    };
    served.map_err(io::Error::other)
}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<Feed>, hyper::Error> {
    state.seen.lock().expect("no test thread panics here").push(Seen::from(&request));
    let session = request.headers().get("mcp-session-id").and_then(|value| value.to_str().ok());
    let known = state.sessions.load(Ordering::Relaxed);
    let is_known = session.is_none_or(|id| id.parse().is_ok_and(|id: u64| (1..=known).contains(&id)));
    if !is_known {
        return Ok(status(StatusCode::NOT_FOUND));
    }
    match *request.method() {
        Method::POST => {}
        Method::GET => {
            let (sender, feed) = Feed::by_hand();
            state.streams.lock().expect("no test thread panics here").push(sender);
            return Ok(stream(feed));
        }
        Method::DELETE => return Ok(status(StatusCode::OK)),
        _ => return Ok(status(StatusCode::METHOD_NOT_ALLOWED)),
    }
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return Ok(status(StatusCode::BAD_REQUEST));
    };
    let answers: Vec<Value> = match &message {
        Value::Array(messages) => messages.iter().filter_map(|message| reply(state, message)).collect(),
        message => reply(state, message).into_iter().collect(),
    };
    let begins = message["method"] == "initialize";
    let answers = match (&answers[..], message.is_array()) {
        ([], _) => return Ok(status(StatusCode::ACCEPTED)),
        ([answer], false) => answer.clone(),
        _ => Value::Array(answers),
    };
    let mut response = match state.form {
        Form::Json => whole("application/json", answers.to_string()),
        Form::Events => {
            let (sender, feed) = Feed::by_hand();
            let progress =
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
            let _ = sender.try_send(Ok(event(&progress)));
            let _ = sender.try_send(Ok(event(&answers)));
            stream(feed)
        }
    };
    if begins {
        let session = state.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        response.headers_mut().insert("mcp-session-id", HeaderValue::from(session));
    }
    Ok(response)
}

/// The answer to one message, where it is a request.
fn reply(state: &State, message: &Value) -> Option<Value> {
    let params = &message["params"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let server = json!({"name": "look-alike", "version": "1"});
    // Revision 2026-07-28 says of each result how long it holds; others overlook it.
    let whole = |mut result: Value| {
        result["resultType"] = "complete".into();
        result["ttlMs"] = 0.into();
        result["cacheScope"] = "public".into();
        result
    };
    let result = match message["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": server,
        }),
        "server/discover" => whole(json!({
            "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "serverInfo": server,
        })),
        "tools/list" => {
            let tools = TOOLS.map(|name| json!({"name": name, "inputSchema": {"type": "object"}}));
            let mut result = whole(json!({"tools": tools}));
            if params["cursor"].is_null() {
                result["nextCursor"] = "more".into();
            } else {
                result["tools"] = json!([]);
            }
            result
        }
        "tools/call" => {
            let call = (text(&params["name"]), params["arguments"].clone());
            let said = call.1.to_string();
            state.calls.lock().expect("no test thread panics here").push(call);
            whole(json!({"content": [{"type": "text", "text": said}]}))
        }
        _ => json!({}),
    };
    let id = message.get("id")?;
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn event(message: &Value) -> Frame<Bytes> {
    Frame::data(Bytes::from(format!("event: message\ndata: {message}\n\n")))
}

fn stream(feed: Feed) -> Response<Feed> {
    let mut response = Response::new(feed);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn status(status: StatusCode) -> Response<Feed> {
    let mut response = whole("text/plain", String::new());
    *response.status_mut() = status;
    response
}
