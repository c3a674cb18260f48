//! Endings are read back by the readers that read answers, and by what SDKs look for.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::super::answer::AnswerReader;
use super::super::dialect::Fault;
use super::*;
use crate::model::types::Provider;
use crate::perceive::protocol::event_stream::{Kind, Messages};
use crate::perceive::protocol::events::{self, Events};

const REFUSED: Refused<'static> = Refused {
    fault: Fault::UsedUp,
    status: 429,
    code: "quota.tokens",
    message: "The budget \"red\" is used up.",
    request_id: "0199c0de",
};

fn endpoint(provider: Provider, path: &str) -> Endpoint {
    Endpoint::read(provider, &Method::POST, path)
}

fn fields(kind: &str) -> HeaderMap {
    [("content-type".parse().unwrap(), kind.parse().unwrap())].into_iter().collect()
}

/// Shows an ending what has passed, and ends there.
fn ended((provider, path): (Provider, &str), kind: &str, passed: &[u8]) -> Vec<u8> {
    let mut ending = Ending::of(&endpoint(provider, path), &fields(kind)).unwrap();
    let length = ending.feed(passed).unwrap_or(0);
    assert!(ending.is_between() && length == passed.len(), "{path}");
    ending.bytes(REFUSED)
}

#[derive(Default)]
struct Seen(Vec<(String, String)>, Vec<u8>);

impl Events for Seen {
    fn data(&mut self, piece: &[u8]) {
        self.1.extend_from_slice(piece);
    }

    fn over(&mut self, name: &str) {
        let data = String::from_utf8(std::mem::take(&mut self.1)).unwrap();
        self.0.push((name.to_owned(), data));
    }
}

fn events(bytes: &[u8]) -> Vec<(String, String)> {
    let (mut stream, mut seen) = (events::Stream::default(), Seen::default());
    stream.feed(bytes, &mut seen);
    stream.finish(&mut seen);
    seen.0
}

const EVENTS: &str = "text/event-stream; charset=utf-8";
const DELTA: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"Knock\"}}]}\n\n";

#[test]
fn a_chat_of_openai_ends_with_an_error_and_the_word_that_ends_every_stream() {
    for provider in [Provider::OpenAi, Provider::AzureOpenAi, Provider::Custom] {
        let events = events(&ended((provider, "/v1/chat/completions"), EVENTS, DELTA));
        let error: Value = serde_json::from_str(&events[0].1).unwrap();
        assert_eq!(error["error"]["type"], "insufficient_quota");
        assert_eq!(error["error"]["message"], REFUSED.message);
        assert_eq!(events[1], (String::new(), "[DONE]".to_owned()));
    }
}

#[test]
fn a_response_of_openai_ends_with_its_own_event_for_errors() {
    let events = events(&ended((Provider::OpenAi, "/v1/responses"), EVENTS, b"data: {}\n\n"));
    let [(name, data)] = &events[..] else { panic!("{events:?}") };
    let error: Value = serde_json::from_str(data).unwrap();
    assert_eq!((name.as_str(), &error["type"]), ("error", &json!("error")));
    assert_eq!(error["code"], "insufficient_quota");
    assert_eq!(error["error"]["message"], error["message"]);
}

#[test]
fn a_message_of_anthropic_ends_with_its_event_for_errors() {
    for (provider, path) in
        [(Provider::Anthropic, "/v1/messages"), (Provider::AzureOpenAi, "/anthropic/v1/messages")]
    {
        let events = events(&ended((provider, path), EVENTS, b"event: ping\ndata: {}\n\n"));
        let [(name, data)] = &events[..] else { panic!("{events:?}") };
        let error: Value = serde_json::from_str(data).unwrap();
        assert_eq!((name.as_str(), &error["error"]["type"]), ("error", &json!("rate_limit_error")));
        assert_eq!(error["request_id"], "0199c0de");
    }
}

#[test]
fn an_answer_of_gemini_ends_with_a_candidate_that_is_over_and_an_error_in_events_and_in_a_list() {
    let call = (Provider::Google, "/v1beta/models/g:streamGenerateContent");
    let events = events(&ended(call, EVENTS, b"data: {\"candidates\":[]}\r\n\r\n"));
    let error: Value = serde_json::from_str(&events[0].1).unwrap();
    assert!(events[0].1.starts_with("{\"error\":"), "Python's SDK looks for nothing behind it");
    assert_eq!(error["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(error["candidates"][0]["finishReason"], "OTHER");
    for (passed, items) in [(&b""[..], 1), (&b"[{\"a\":\"]\"}"[..], 2)] {
        let mut ending = Ending::of(&endpoint(call.0, call.1), &fields("application/json")).unwrap();
        ending.feed(passed);
        assert!(ending.is_between());
        let whole = [passed, &ending.bytes(REFUSED)].concat();
        let list: Vec<Value> = serde_json::from_slice(&whole).unwrap();
        assert_eq!((list.len(), &list[items - 1]["error"]["code"]), (items, &json!(429)));
    }
}

#[derive(Default)]
struct Told(Vec<(Kind, Vec<u8>)>, bool);

impl Messages for Told {
    fn begin(&mut self, kind: &Kind) {
        self.0.push((kind.clone(), Vec::new()));
    }

    fn payload(&mut self, piece: &[u8]) {
        self.0.last_mut().unwrap().1.extend_from_slice(piece);
    }

    fn over(&mut self) {
        self.1 = true;
    }
}

#[test]
fn a_stream_of_bedrock_ends_with_an_exception_whose_checksums_fit() {
    let before = event_stream::message(&[(":event-type", "chunk"), (":message-type", "event")], b"{}");
    let call = (Provider::Bedrock, "/model/m/converse-stream");
    let bytes = ended(call, "application/vnd.amazon.eventstream", &before);
    let (mut stream, mut told) = (event_stream::Stream::default(), Told::default());
    stream.feed(&[before, bytes].concat(), &mut told).unwrap();
    stream.finish().unwrap();
    let (kind, payload) = told.0.last().unwrap();
    assert!(told.1);
    assert_eq!((kind.message.as_str(), kind.event.as_str()), ("exception", "throttlingException"));
    let payload: Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(payload, json!({"message": REFUSED.message}));
}

#[test]
fn lines_of_ollama_end_with_a_line_that_is_an_error() {
    let bytes = ended((Provider::Custom, "/api/chat"), "application/x-ndjson", b"{\"done\":false}\n");
    assert_eq!(bytes, b"{\"error\":\"The budget \\\"red\\\" is used up.\"}\n");
}

#[test]
fn what_was_said_before_an_ending_is_counted_as_without_it() {
    let endpoint = endpoint(Provider::OpenAi, "/v1/chat/completions");
    let ending = Ending::of(&endpoint, &fields(EVENTS)).unwrap();
    let mut usages = [DELTA.to_vec(), [DELTA, &ending.bytes(REFUSED)].concat()].map(|bytes| {
        let mut reader = AnswerReader::new(&endpoint, 200, &fields(EVENTS), 7);
        reader.feed(&bytes);
        reader.finish().usage
    });
    assert!(usages[0].is_some());
    assert_eq!(usages[0].take(), usages[1].take());
}

#[test]
fn one_document_and_a_coded_stream_cannot_be_ended() {
    let chat = endpoint(Provider::OpenAi, "/v1/chat/completions");
    assert!(Ending::of(&chat, &fields("application/json")).is_none());
    let mut coded = fields(EVENTS);
    coded.insert("content-encoding", "gzip".parse().unwrap());
    assert!(Ending::of(&chat, &coded).is_none());
    let whole = endpoint(Provider::Google, "/v1beta/models/g:generateContent");
    assert!(Ending::of(&whole, &fields("application/json")).is_none());
}
