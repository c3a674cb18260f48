//! An answer as it passes: whole, as server-sent events, as lines, as a list, or as an AWS event stream.
//!
//! The reader is shown a copy of the decoded bytes. It never fails: what it cannot read makes the usage an estimate, marked
//! so, and the traffic goes its way. Read next: `facts.rs`, `usage.rs`, then `../events.rs` and `../event_stream.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use memchr::memchr;

use super::endpoint::Endpoint;
use super::facts::Facts;
use super::tokens::BYTES_PER_TOKEN;
use super::usage::Usage;
use crate::model::types::Provider;
use crate::perceive::protocol::event_stream::{self, Kind, Messages};
use crate::perceive::protocol::events::{self, Events};
use crate::perceive::protocol::json::{self, Event, Scanner, Visitor, Word};

/// Characters of base64 that are decoded at a time: whole groups of four.
const BASE64_STEP: usize = 1024;

/// What an answer has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The figures: the provider's own, or an estimate where it sent none. Nothing where nothing was to be paid.
    pub usage: Option<Usage>,
    /// The model that answered, in the provider's words; for Bedrock the one that was asked.
    pub model: Option<Box<str>>,
    /// Why the model stopped, in the provider's words.
    pub stop: Option<Box<str>>,
    /// The tools that the model wants called, in order; at most `TOOL_NAMES`.
    pub tools: Vec<Box<str>>,
    /// How many there are.
    pub tools_called: u64,
}

/// Reads one answer.
#[derive(Debug)]
pub struct AnswerReader {
    framing: Framing,
    layers: Layers,
    model: Option<Box<str>>,
    /// Whether the answer is to be paid for although it should bring no figures, and how many tokens were asked with.
    estimates: bool,
    generates: bool,
    input_estimate: u64,
}

/// How the documents of an answer are told apart.
#[derive(Debug)]
enum Framing {
    /// Nothing says, and nothing has come.
    Undecided,
    Whole,
    Lines,
    Events(Box<events::Stream>),
    Messages(Box<event_stream::Stream>),
    /// Not to be read on.
    Lost,
}

/// A document, and the one that Bedrock wraps in it.
#[derive(Debug, Default)]
struct Layers {
    outer: Document,
    inner: Document,
    /// The beginning of a group of base64.
    base64: Vec<u8>,
    facts: Facts,
}

#[derive(Debug, Default)]
struct Document {
    scanner: Scanner,
    is_broken: bool,
}

impl AnswerReader {
    /// For the answer to a request to this endpoint that was estimated at so many tokens of input; with its status and
    /// its fields.
    pub fn new(endpoint: &Endpoint, status: u16, headers: &HeaderMap, input_estimate: u64) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let count = |name: &str| text(name).and_then(|value| json::count(value.trim()));
        let (input, output) =
            (count("x-amzn-bedrock-input-token-count"), count("x-amzn-bedrock-output-token-count"));
        let mut layers = Layers::default();
        layers.facts.figures.take_head(input, output);
        let is_bedrock = endpoint.provider == Provider::Bedrock;
        Self {
            framing: Framing::of(text("content-type").unwrap_or_default()),
            layers,
            model: endpoint.model.clone().filter(|_| is_bedrock),
            estimates: (200..300).contains(&status) && endpoint.operation.spends(),
            generates: endpoint.operation.generates(),
            input_estimate,
        }
    }

    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Framing::Undecided = self.framing {
            let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else { return };
            self.framing = match first {
                b'{' | b'[' => Framing::Whole,
                _ => Framing::Events(Box::default()),
            };
        }
        match &mut self.framing {
            Framing::Undecided | Framing::Lost => {}
            Framing::Whole => self.layers.feed(bytes),
            Framing::Lines => self.layers.lines(bytes),
            Framing::Events(stream) => stream.feed(bytes, &mut self.layers),
            Framing::Messages(stream) => {
                if stream.feed(bytes, &mut self.layers).is_err() {
                    self.framing = Framing::Lost;
                    self.layers.facts.figures.doubt();
                }
            }
        }
    }

    /// So many bytes have come that nobody here can read: they are taken for text.
    pub fn unread(&mut self, length: usize) {
        self.layers.facts.said = self.layers.facts.said.saturating_add(length as u64);
        self.layers.facts.figures.doubt();
    }

    /// What the request is estimated at, where that was not known before.
    pub fn estimate_input(&mut self, tokens: u64) {
        self.input_estimate = tokens;
    }

    /// What is to be paid for so far: for an answer that may have to be cut short.
    pub fn usage_so_far(&self) -> Option<Usage> {
        let said = self.layers.facts.said.div_ceil(BYTES_PER_TOKEN);
        self.layers.facts.figures.usage(said).or_else(|| {
            let mut estimate = Usage::estimate(self.input_estimate, said);
            estimate.output = estimate.output.filter(|_| self.generates);
            self.estimates.then_some(estimate)
        })
    }

    /// The answer is over, or was broken off.
    pub fn finish(mut self) -> Answer {
        match &mut self.framing {
            Framing::Whole | Framing::Lines => self.layers.document_end(),
            Framing::Events(stream) => stream.finish(&mut self.layers),
            Framing::Undecided | Framing::Messages(_) | Framing::Lost => {}
        }
        let usage = self.usage_so_far();
        let facts = self.layers.facts;
        Answer {
            usage,
            model: facts.model.map(Into::into).or(self.model),
            stop: facts.stop.or(facts.status).map(Into::into),
            tools: facts.tools,
            tools_called: facts.tools_called,
        }
    }
}

impl Framing {
    /// By the media type; where that says nothing, the first byte will tell.
    fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "text/event-stream" => Self::Events(Box::default()),
            "application/vnd.amazon.eventstream" => Self::Messages(Box::default()),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Self::Lines,
            _ => Self::Undecided,
        }
    }
}

impl Document {
    fn feed(&mut self, bytes: &[u8], visitor: &mut impl Visitor) {
        self.is_broken = self.is_broken || self.scanner.feed(bytes, visitor).is_err();
    }

    /// The document is over; whether it was whole.
    fn end(&mut self, visitor: &mut impl Visitor) -> bool {
        let whole = !std::mem::take(&mut self.is_broken) && self.scanner.finish(visitor).is_ok();
        self.scanner.restart();
        whole
    }
}

impl Layers {
    fn feed(&mut self, bytes: &[u8]) {
        self.outer.feed(bytes, &mut self.facts);
    }

    fn document_end(&mut self) {
        if !self.outer.end(&mut self.facts) {
            self.facts.broken_off();
        }
    }

    fn lines(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            self.feed(&rest[..end]);
            self.document_end();
            rest = &rest[end + 1..];
        }
        self.feed(rest);
    }
}

impl Events for Layers {
    #[inline]
    fn data(&mut self, piece: &[u8]) {
        self.feed(piece);
    }

    fn over(&mut self, _name: &str) {
        self.document_end();
    }
}

impl Messages for Layers {
    fn begin(&mut self, _kind: &Kind) {}

    fn payload(&mut self, piece: &[u8]) {
        let Self { outer, inner, base64, facts } = self;
        outer.feed(piece, &mut Wrapped { inner, base64, facts });
    }

    fn over(&mut self) {
        self.document_end();
    }
}

/// A document of Bedrock: what it tells itself, and what it holds in base64 under `bytes`.
struct Wrapped<'l> {
    inner: &'l mut Document,
    base64: &'l mut Vec<u8>,
    facts: &'l mut Facts,
}

impl Visitor for Wrapped<'_> {
    fn wants(&self, path: &[Word]) -> bool {
        self.facts.wants(path)
    }

    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        match (path, event) {
            ([Word::Bytes], Event::Text(piece)) => self.decode(piece.as_bytes()),
            ([Word::Bytes], Event::TextEnd) => {
                self.inner.is_broken |= !self.base64.is_empty();
                self.base64.clear();
                if !self.inner.end(self.facts) {
                    self.facts.broken_off();
                }
            }
            _ => self.facts.visit(path, event),
        }
    }
}

impl Wrapped<'_> {
    fn decode(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let (taken, rest) = piece.split_at(piece.len().min(BASE64_STEP - self.base64.len()));
            self.base64.extend_from_slice(taken);
            piece = rest;
            let groups = self.base64.len() / 4 * 4;
            let mut decoded = [0; BASE64_STEP / 4 * 3];
            match STANDARD.decode_slice(&self.base64[..groups], &mut decoded) {
                Ok(length) => self.inner.feed(&decoded[..length], self.facts),
                Err(_) => self.inner.is_broken = true,
            }
            self.base64.drain(..groups);
        }
    }
}
