//! Look-alikes of the providers of models, made from what they publish of their APIs: each answers a well-formed question with
//! a fixed joke and fixed figures, whole or as a stream. What they were asked is kept as it stood on the wire.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::origin::{Origin, Taken};
use super::streaming::{PLAIN, TLS};
use crate::lab::backends::Wire;
use crate::lab::{Lab, Resolver, Zone};

/// OpenAI's host.
pub const OPENAI: &str = "api.openai.com";
/// Anthropic's host.
pub const ANTHROPIC: &str = "api.anthropic.com";
/// The host of Google's Gemini API.
pub const GOOGLE: &str = "generativelanguage.googleapis.com";
/// One of Amazon Bedrock's hosts.
pub const BEDROCK: &str = "bedrock-runtime.us-east-1.amazonaws.com";
/// A host of Azure's.
pub const AZURE: &str = "team.openai.azure.com";
/// A host that documents may name as they like.
pub const CUSTOM: &str = "models.example";
/// All of them.
pub const HOSTS: [&str; 6] = [OPENAI, ANTHROPIC, GOOGLE, BEDROCK, AZURE, CUSTOM];

/// What every model answers.
pub const JOKE: &str = "Knock, knöck.";
/// Tokens of every question, as the providers count them.
pub const INPUT: u64 = 11;
/// Tokens of every answer.
pub const OUTPUT: u64 = 7;

/// The providers, and the names by which alice finds them.
pub struct Providers {
    /// What came over TLS.
    pub tls: Origin,
    /// What came in the open.
    pub plain: Origin,
    _resolver: Resolver,
}

impl Providers {
    /// Starts all of them.
    pub fn start(lab: &Lab) -> Self {
        Self::answering(lab, answer)
    }

    /// The same, with other answers.
    pub fn answering(lab: &Lab, answer: impl Fn(&Taken) -> Vec<u8> + Send + Sync + Clone + 'static) -> Self {
        let leaf = lab.pki().leaf(&HOSTS);
        let tls = Origin::start(lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), answer.clone());
        let plain = Origin::start(lab, PLAIN, Wire::Plain, answer);
        let zone = HOSTS.into_iter().fold(Zone::new(), |zone, name| zone.host(name, &["192.0.2.11"]));
        Self { tls, plain, _resolver: lab.resolver(zone) }
    }

    /// How many whole requests reached any of them.
    pub fn asked(&self) -> usize {
        self.tls.taken().len() + self.plain.taken().len()
    }
}

/// What the provider of this path answers.
pub fn answer(taken: &Taken) -> Vec<u8> {
    let path = taken.line().split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let asked: Value = serde_json::from_slice(&taken.body).unwrap_or_default();
    let stream = asked["stream"] == json!(true);
    let last = path.rsplit(['/', ':']).next().unwrap_or_default();
    match (last, stream) {
        ("completions", false) => whole(&chat()),
        ("completions", true) => {
            events(&chat_events(asked["stream_options"]["include_usage"] == json!(true)))
        }
        ("responses", false) => whole(&response("completed", true)),
        ("responses", true) => events(&response_events()),
        ("embeddings", _) => whole(&embeddings()),
        ("messages", false) | ("invoke", _) => whole(&message()),
        ("messages", true) => events(&named(&message_events())),
        ("count_tokens", _) => whole(&json!({"input_tokens": INPUT})),
        ("generateContent", _) => whole(&generated(JOKE, true)),
        ("streamGenerateContent", _) => events(&generated_events()),
        ("converse", _) => whole(&conversed()),
        ("converse-stream", _) => amazon(&conversed_events()),
        ("invoke-with-response-stream", _) => amazon(&invoked_events()),
        _ => reply("404 Not Found", "application/json", b"{}"),
    }
}

/// A whole answer with its length.
pub fn reply(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn whole(body: &Value) -> Vec<u8> {
    reply("200 OK", "application/json", body.to_string().as_bytes())
}

/// An answer in chunks of seven bytes, which cut characters, events and JSON.
pub fn pieces(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut out =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(7) {
        out.extend(format!("{:x}\r\n", piece.len()).bytes());
        out.extend(piece);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}

fn events(text: &str) -> Vec<u8> {
    pieces("text/event-stream", text.as_bytes())
}

/// Events with the name of their type beside the data.
fn named(events: &[Value]) -> String {
    events.iter().fold(String::new(), |mut all, event| {
        let name = event["type"].as_str().expect("a type");
        write!(all, "event: {name}\ndata: {event}\n\n").expect("memory");
        all
    })
}

fn unnamed(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn chat() -> Value {
    json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": JOKE}, "finish_reason": "stop", "logprobs": null,
        }],
        "usage": counted(),
    })
}

fn counted() -> Value {
    json!({
        "prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT,
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
    })
}

fn chat_events(with_usage: bool) -> String {
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null,
        })
    };
    let mut all = vec![
        chunk(json!({"role": "assistant", "content": "Knock, "}), Value::Null),
        chunk(json!({"content": "knöck."}), Value::Null),
        chunk(json!({}), json!("stop")),
    ];
    if with_usage {
        let mut last = chunk(json!({}), Value::Null);
        (last["choices"], last["usage"]) = (json!([]), counted());
        all.push(last);
    }
    unnamed(&all) + "data: [DONE]\n\n"
}

fn response(status: &str, done: bool) -> Value {
    let output = json!([{
        "type": "message", "id": "m1", "status": status, "role": "assistant",
        "content": [{"type": "output_text", "text": JOKE, "annotations": []}],
    }]);
    let usage = json!({
        "input_tokens": INPUT, "input_tokens_details": {"cached_tokens": 3}, "output_tokens": OUTPUT,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": INPUT + OUTPUT,
    });
    json!({
        "id": "r1", "object": "response", "created_at": 1, "status": status, "model": "gpt-4o-2024-08-06",
        "output": if done { output } else { json!([]) }, "usage": if done { usage } else { Value::Null },
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [], "error": null, "incomplete_details": null,
        "instructions": null, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
    })
}

fn response_events() -> String {
    let place = json!({"item_id": "m1", "output_index": 0, "content_index": 0, "logprobs": []});
    let delta = |number: u64, text: &str| {
        let mut event = place.clone();
        (event["type"], event["delta"]) = (json!("response.output_text.delta"), json!(text));
        event["sequence_number"] = json!(number);
        event
    };
    named(&[
        json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", false)}),
        delta(1, "Knock, "),
        delta(2, "knöck."),
        json!({"type": "response.completed", "sequence_number": 3, "response": response("completed", true)}),
    ])
}

fn embeddings() -> Value {
    json!({
        "object": "list", "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 1.0]}],
        "usage": {"prompt_tokens": INPUT, "total_tokens": INPUT},
    })
}

fn spent(output: u64) -> Value {
    json!({
        "input_tokens": INPUT, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100,
        "output_tokens": output,
    })
}

fn message() -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": JOKE}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": spent(OUTPUT),
    })
}

fn message_events() -> Vec<Value> {
    let mut begun = message();
    (begun["content"], begun["stop_reason"], begun["usage"]) = (json!([]), Value::Null, spent(1));
    let delta = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    vec![
        json!({"type": "message_start", "message": begun}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        delta("Knock, "),
        delta("knöck."),
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": OUTPUT},
        }),
        json!({"type": "message_stop"}),
    ]
}

fn generated(text: &str, last: bool) -> Value {
    let mut usage = json!({"promptTokenCount": INPUT, "totalTokenCount": INPUT});
    if last {
        usage = json!({
            "promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "thoughtsTokenCount": 40,
            "totalTokenCount": INPUT + OUTPUT + 40,
        });
    }
    let mut candidate = json!({"content": {"role": "model", "parts": [{"text": text}]}, "index": 0});
    if last {
        candidate["finishReason"] = json!("STOP");
    }
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash-001"})
}

fn generated_events() -> String {
    [generated("Knock, ", false), generated("knöck.", true)]
        .iter()
        .map(|event| format!("data: {event}\r\n\r\n"))
        .collect()
}

fn conversed() -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": JOKE}]}}, "stopReason": "end_turn",
        "usage": conversed_usage(), "metrics": {"latencyMs": 1},
    })
}

fn conversed_usage() -> Value {
    json!({"inputTokens": INPUT, "outputTokens": OUTPUT, "totalTokens": INPUT + OUTPUT})
}

fn conversed_events() -> Vec<(&'static str, Value)> {
    let delta = |text: &str| json!({"contentBlockIndex": 0, "delta": {"text": text}});
    vec![
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", delta("Knock, ")),
        ("contentBlockDelta", delta("knöck.")),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        ("metadata", json!({"usage": conversed_usage(), "metrics": {"latencyMs": 1}})),
    ]
}

fn invoked_events() -> Vec<(&'static str, Value)> {
    let inner = message_events().into_iter();
    inner.map(|event| ("chunk", json!({"bytes": BASE64_STANDARD.encode(event.to_string())}))).collect()
}

/// Amazon's binary framing of events (AWS SDKs, "Event stream encoding").
fn amazon(events: &[(&str, Value)]) -> Vec<u8> {
    let frames: Vec<u8> = events.iter().flat_map(|(kind, payload)| frame(kind, payload)).collect();
    pieces("application/vnd.amazon.eventstream", &frames)
}

fn frame(kind: &str, payload: &Value) -> Vec<u8> {
    /// The type of a header's value: text.
    const TEXT: u8 = 7;
    let mut headers = Vec::new();
    for (name, value) in
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(u8::try_from(name.len()).expect("a short name"));
        headers.extend(name.bytes());
        headers.push(TEXT);
        headers.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
        headers.extend(value.bytes());
    }
    let payload = payload.to_string();
    let total = 12 + headers.len() + payload.len() + 4;
    let mut out = Vec::with_capacity(total);
    out.extend(u32::try_from(total).expect("a short message").to_be_bytes());
    out.extend(u32::try_from(headers.len()).expect("short headers").to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload.bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}
