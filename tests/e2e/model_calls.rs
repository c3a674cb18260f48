//! Calls of models: the record says what was asked and what it has cost, and the agent gets every byte as it came. Read
//! next: `records`.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::dialogue::{Talk, over_tls, plain};
use super::origin::{Origin, Taken};
use super::streaming::{PLAIN, TLS};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_is_read;
use crate::lab::{Daemon, Lab, Resolver, Zone};

/// What is said of alice's requests.
const POLICY: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: models}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames:
    - api.openai.com
    - api.anthropic.com
    - generativelanguage.googleapis.com
    - bedrock-runtime.us-east-1.amazonaws.com
    - models.example
  rules: [{}]
";

const OPENAI: &str = "api.openai.com";
const ANTHROPIC: &str = "api.anthropic.com";
const GOOGLE: &str = "generativelanguage.googleapis.com";
const BEDROCK: &str = "bedrock-runtime.us-east-1.amazonaws.com";
/// In no table.
const NOBODY: &str = "models.example";
const CHAT: &str = "/v1/chat/completions";

/// What records say of a call.
const FIELDS: [&str; 11] = [
    "provider",
    "model",
    "model_requested",
    "token_estimate",
    "tokens_input",
    "tokens_output",
    "tokens_cache_read",
    "tokens_cache_write",
    "tokens_reasoning",
    "usage_estimated",
    "tool_calls",
];

const QUESTION: &str =
    r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Tell me a joke"}]}"#;
const A_JOKE: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"A joke"}]}"#;
const WHOLE: &str = concat!(
    r#"{"id":"c1","object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":"#,
    r#"{"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function","function":"#,
    r#"{"name":"get_joke","arguments":"{\"usage\":{\"prompt_tokens\":1}}"}}]},"finish_reason":"tool_calls"}],"#,
    r#""usage":{"prompt_tokens":1117,"completion_tokens":46,"total_tokens":1163,"#,
    r#""prompt_tokens_details":{"cached_tokens":1024},"completion_tokens_details":{"reasoning_tokens":20}}}"#
);
const PIECES: &str = concat!(
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Knock, \"}}],\"usage\":null}\n\n",
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"knöck.\"}}],\"usage\":null}\n\n",
);
const STOPPED: &str = concat!(
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],",
    "\"usage\":null}\n\n",
);
const FIGURES: &str = concat!(
    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[],\"usage\":",
    "{\"prompt_tokens\":11,\"completion_tokens\":6,\"total_tokens\":17}}\n\n",
);
const DONE: &str = "data: [DONE]\n\n";
const MESSAGES: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5-20250929\",",
    "\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":10,\"cache_read_input_tokens\":100,",
    "\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,",
    "\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"get_joke\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,",
    "\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},",
    "\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

/// Thoughts stand beside the candidates.
const GENERATED: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Knock, \"}]}}],",
    "\"usageMetadata\":{\"promptTokenCount\":8,\"totalTokenCount\":8},\"modelVersion\":\"gemini-2.5-flash-001\"}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"knock.\"}]},\"finishReason\":\"STOP\"}],",
    "\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":40,",
    "\"totalTokenCount\":53},\"modelVersion\":\"gemini-2.5-flash-001\"}\r\n\r\n",
);
/// Its figures stand in the head alone.
const INVOKED: &str = r#"{"outputs":[{"text":"Knock, knock.","stop_reason":"stop"}]}"#;

/// An exchange: what is asked, what is answered, and what is on record then.
struct Exchange {
    host: &'static str,
    path: &'static str,
    question: &'static str,
    /// Fields of the answer.
    fields: &'static str,
    body: Vec<u8>,
    told: Value,
}

fn exchange(
    (host, path, question): (&'static str, &'static str, &'static str),
    (fields, body): (&'static str, impl Into<Vec<u8>>),
    told: Value,
) -> Exchange {
    Exchange { host, path, question, fields, body: body.into(), told }
}

const JSON: &str = "Content-Type: application/json\r\n";
const EVENTS: &str = "Content-Type: text/event-stream\r\n";
const COUNTED: &str = "Content-Type: application/json\r\nX-Amzn-Bedrock-Input-Token-Count: 12\r\n\
    X-Amzn-Bedrock-Output-Token-Count: 7\r\n";
const CODED_EVENTS: &str = "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n";

fn of_openai() -> Vec<Exchange> {
    let chat = (OPENAI, CHAT, QUESTION);
    let asked = json!({"provider": "openai", "model_requested": "gpt-4o", "token_estimate": 11});
    let answered = |more: Value| with(&with(&asked, json!({"model": "gpt-4o-2024-08-06"})), more);
    let figures = answered(json!({"tokens_input": 11, "tokens_output": 6}));
    let stream = format!("{PIECES}{STOPPED}{FIGURES}{DONE}");
    vec![
        exchange(
            chat,
            (JSON, WHOLE),
            answered(json!({
                "tokens_input": 1117, "tokens_output": 46, "tokens_cache_read": 1024, "tokens_reasoning": 20,
                "tool_calls": ["get_joke"],
            })),
        ),
        exchange(chat, (EVENTS, stream.clone()), figures.clone()),
        exchange(chat, (CODED_EVENTS, gzip(&stream)), figures),
        exchange(
            chat,
            (EVENTS, format!("{PIECES}{STOPPED}{DONE}")),
            answered(json!({"tokens_input": 11, "tokens_output": 4, "usage_estimated": true})),
        ),
        exchange(
            chat,
            (JSON, "{\"error\":{\"message\":\"No.\",\"code\":null}}"),
            with(&asked, json!({"tokens_input": 11, "tokens_output": 0, "usage_estimated": true})),
        ),
    ]
}

fn of_others() -> Vec<Exchange> {
    vec![
        exchange(
            (ANTHROPIC, "/v1/messages", A_JOKE),
            (EVENTS, MESSAGES),
            json!({
                "provider": "anthropic", "model_requested": "claude-sonnet-4-5", "token_estimate": 9,
                "model": "claude-sonnet-4-5-20250929", "tokens_input": 25, "tokens_output": 15,
                "tokens_cache_read": 100, "tokens_cache_write": 10, "tool_calls": ["get_joke"],
            }),
        ),
        exchange(
            (
                GOOGLE,
                "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
                r#"{"contents":[{"role":"user","parts":[{"text":"Tell me a joke"}]}]}"#,
            ),
            (EVENTS, GENERATED),
            json!({
                "provider": "google", "model_requested": "gemini-2.5-flash", "token_estimate": 11,
                "model": "gemini-2.5-flash-001", "tokens_input": 8, "tokens_output": 5, "tokens_reasoning": 40,
            }),
        ),
        exchange(
            (
                BEDROCK,
                "/model/mistral.mixtral-v0%3A1/invoke",
                r#"{"prompt":"Tell me a joke","max_tokens":64}"#,
            ),
            (COUNTED, INVOKED),
            json!({
                "provider": "bedrock", "model_requested": "mistral.mixtral-v0:1", "token_estimate": 7,
                "model": "mistral.mixtral-v0:1", "tokens_input": 12, "tokens_output": 7,
            }),
        ),
        exchange((OPENAI, "/v1/files", QUESTION), (JSON, r#"{"id":"file-1","object":"file"}"#), json!({})),
        exchange((NOBODY, CHAT, QUESTION), (JSON, WHOLE), json!({})),
    ]
}

fn with(told: &Value, more: Value) -> Value {
    let mut told = told.clone();
    told.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
    told
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// In chunks of seven bytes, which cut characters, events and JSON.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    for piece in body.chunks(7) {
        framed.extend(format!("{:x}\r\n", piece.len()).bytes());
        framed.extend(piece);
        framed.extend(b"\r\n");
    }
    framed
}

/// The gateway, and the look-alikes of providers on both ports: `X-Exchange` says which of the exchanges it is.
fn start<'a>(lab: &'a Lab, bodies: Vec<Vec<u8>>) -> (Resolver, Daemon<'a>) {
    let names = [OPENAI, ANTHROPIC, GOOGLE, BEDROCK, NOBODY];
    let leaf = lab.pki().leaf(&names);
    for (address, wire) in [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))] {
        let bodies = bodies.clone();
        Origin::start(lab, address, wire, move |taken| bodies[number(taken)].clone());
    }
    let zone = names.into_iter().fold(Zone::new(), |zone, name| zone.host(name, &["192.0.2.11"]));
    (lab.resolver(zone), lab.daemon(&json!({}), &[("all.yaml", &alice_is_read(POLICY))]))
}

fn number(taken: &Taken) -> usize {
    let field = taken.head.lines().find_map(|line| line.strip_prefix("X-Exchange: "));
    field.and_then(|number| number.parse().ok()).expect("a number")
}

fn talks(lab: &Lab, daemon: &Daemon<'_>, host: &str) -> [(&'static str, Talk); 2] {
    [
        ("http", plain(lab.workload(), PLAIN)),
        ("tls-terminate", over_tls(lab.workload(), TLS, host, daemon.authority())),
    ]
}

fn post((host, path, question): (&str, &str, &str), number: usize) -> String {
    let length = question.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nX-Exchange: {number}\r\n\
         Content-Length: {length}\r\n\r\n{question}"
    )
}

/// What a record says of a call.
fn told(record: &Value) -> Value {
    let fields = FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone())));
    Value::Object(fields.collect())
}

/// The record of the last request, once it has ended with an answer of so many bytes. Rows come oldest first.
fn ended(daemon: &Daemon<'_>, length: usize) -> Value {
    eventually("the record of the exchange", || {
        let mut rows = daemon.records(&["--kind", "request"]);
        rows.pop().filter(|row| row["bytes_in"] == json!(length))
    })
}

#[apply(over_both)]
fn the_record_of_a_call_says_what_was_asked_and_what_it_cost_and_no_byte_is_changed(lab: Lab) {
    let all: Vec<Exchange> = of_openai().into_iter().chain(of_others()).collect();
    let answer = |exchange: &Exchange| {
        let head = format!("HTTP/1.1 200 OK\r\n{}Transfer-Encoding: chunked\r\n\r\n", exchange.fields);
        [head.into_bytes(), chunked(&exchange.body), b"0\r\n\r\n".to_vec()].concat()
    };
    let (_resolver, daemon) = start(&lab, all.iter().map(answer).collect());
    for (number, exchange) in all.iter().enumerate() {
        let Exchange { host, path, question, body, .. } = exchange;
        for (way, mut talk) in talks(&lab, &daemon, host) {
            let heard = talk.ask(post((host, path, question), number));
            assert_eq!(heard.status, 200);
            assert!(heard.body == *body, "exchange {number} over {way} came as it was sent");
            let row = ended(&daemon, body.len());
            assert_eq!((&row["protocol"], &row["status"]), (&json!("http/1.1"), &json!(200)), "{row}");
            assert_eq!(told(&row), exchange.told, "exchange {number} over {way}: {row}");
        }
    }
    assert_eq!(daemon.records(&["--kind", "request"]).len(), 2 * all.len());
}

#[apply(over_both)]
fn a_stream_that_the_agent_leaves_is_on_record_with_what_had_come(lab: Lab) {
    let head = format!("HTTP/1.1 200 OK\r\n{EVENTS}Transfer-Encoding: chunked\r\n\r\n");
    let (_resolver, daemon) = start(&lab, vec![[head.into_bytes(), chunked(PIECES.as_bytes())].concat()]);
    for (_, mut talk) in talks(&lab, &daemon, OPENAI) {
        talk.say(post((OPENAI, CHAT, QUESTION), 0)).head();
        let mut came = Vec::new();
        while came.len() < PIECES.len() {
            came.extend(talk.chunk());
        }
        assert!(came == PIECES.as_bytes(), "no event is held back");
        // An end alone would be half a close, as of a client that still listens.
        socket2::SockRef::from(talk.tcp()).set_linger(Some(Duration::ZERO)).expect("a socket option");
        drop(talk);
        let row = ended(&daemon, PIECES.len());
        assert_eq!(row["end"], "client-closed", "{row}");
        let wanted = json!({
            "provider": "openai", "model_requested": "gpt-4o", "token_estimate": 11, "model": "gpt-4o-2024-08-06",
            "tokens_input": 11, "tokens_output": 4, "usage_estimated": true,
        });
        assert_eq!(told(&row), wanted, "{row}");
    }
}
