//! How a running answer is ended before its model has ended it: in the provider's own grammar, so that its SDKs raise their
//! exception rather than stumble over an answer that breaks off.
//!
//! [`Ending`] follows an answer as it passes and knows where it can be ended, and with which bytes. It never decides that it
//! is. Read next: `boundary.rs`, `dialect.rs`.

use http::HeaderMap;
use serde_json::json;

use super::boundary::{Boundary, EmptyLine, List, Message};
use super::dialect::{Dialect, Refused};
use super::endpoint::{Endpoint, Operation};
use crate::perceive::protocol::event_stream;

/// See the module.
#[derive(Debug, Clone)]
pub struct Ending {
    boundary: Boundary,
    dialect: Dialect,
    operation: Operation,
}

impl Ending {
    /// Of an answer with these fields to a call of this endpoint. Nothing where it cannot be ended: it is one document, or its
    /// content coding hides where its events end.
    pub fn of(endpoint: &Endpoint, headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        if text("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return None;
        }
        let kind = text("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let boundary = match kind.as_str() {
            "text/event-stream" => Boundary::Events(EmptyLine::default()),
            "application/vnd.amazon.eventstream" => Boundary::Messages(Message::default()),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Boundary::Lines { within: false },
            // What Gemini streams as where nobody asks for events.
            _ if endpoint.operation == Operation::Generate && endpoint.streams == Some(true) => {
                Boundary::List(List::default())
            }
            _ => return None,
        };
        Some(Self { boundary, dialect: Dialect::of(endpoint), operation: endpoint.operation })
    }

    /// Follows the answer: shows it the bytes that pass; answers how many of them, from the first, belong to events that are over
    /// with them.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        self.boundary.feed(bytes)
    }

    /// The places behind each event that ends within the next bytes, which it follows.
    pub fn ends<'b>(&'b mut self, bytes: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
        self.boundary.ends(bytes)
    }

    /// Whether the answer may be ended where it stands.
    pub fn is_between(&self) -> bool {
        self.boundary.is_between()
    }

    /// The bytes that end it there.
    pub fn bytes(&self, refused: Refused<'_>) -> Vec<u8> {
        match &self.boundary {
            Boundary::Events(_) => self.event(refused).into_bytes(),
            Boundary::Lines { .. } => format!("{}\n", self.document(refused)).into_bytes(),
            Boundary::List(list) => format!("{}{}]", list.joint(), self.document(refused)).into_bytes(),
            Boundary::Messages(_) => exception(refused, &self.document(refused)),
        }
    }

    fn event(&self, refused: Refused<'_>) -> String {
        let document = self.document(refused);
        match (self.dialect, self.operation) {
            (Dialect::OpenAi, Operation::Responses) | (Dialect::Anthropic, _) => {
                format!("event: error\ndata: {document}\n\n")
            }
            // Python's and Node's SDKs raise at the error; those that know none in a stream end with the last.
            (Dialect::OpenAi, _) => format!("data: {document}\n\ndata: [DONE]\n\n"),
            _ => format!("data: {document}\n\n"),
        }
    }

    /// The error as a document: its members in their order, because some SDKs look for the first alone.
    fn document(&self, refused: Refused<'_>) -> String {
        let mut members = self.dialect.members(refused);
        match (self.dialect, self.operation) {
            (Dialect::OpenAi, Operation::Responses) => {
                // As its schema has the event, beside the member by which SDKs know an error.
                let error = members.first().map(|(_, error)| error.clone()).unwrap_or_default();
                let own = ["code", "message", "param"];
                members.push(("type", "error".into()));
                members.extend(own.map(|name| (name, error.get(name).cloned().unwrap_or_default())));
            }
            (Dialect::Google, _) => {
                // To SDKs that look for no error in a stream it is a candidate that is over.
                let over = json!({
                    "index": 0, "content": {"role": "model", "parts": []},
                    "finishReason": "OTHER", "finishMessage": refused.message,
                });
                members.push(("candidates", json!([over])));
            }
            _ => {}
        }
        let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// A message of an AWS event stream that is an exception (Amazon Bedrock Runtime, `ResponseStream`).
fn exception(refused: Refused<'_>, document: &str) -> Vec<u8> {
    let named = Dialect::Bedrock.exception(refused).unwrap_or_default();
    // A stream has no exception for what may not be asked; the names of its members begin with a small letter.
    let name = match named {
        "AccessDeniedException" => "validationException".to_owned(),
        name => format!("{}{}", name[..1].to_ascii_lowercase(), &name[1..]),
    };
    let headers = [
        (":exception-type", name.as_str()),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    event_stream::message(&headers, document.as_bytes())
}

#[cfg(test)]
mod tests;
