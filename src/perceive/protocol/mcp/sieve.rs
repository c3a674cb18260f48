//! The answers of a server, in which lists of tools are made shorter as they pass.
//!
//! A stream of events goes on event by event, an answer of any other form once it is whole; both are bounded. Every byte
//! that belongs to no list of tools stays, but for a content coding, which is undone. Read next: `sifting.rs`.

use std::sync::Arc;

use http::{HeaderMap, Method, header};
use memchr::memchr2;

use super::message::{Id, Message, Messages};
pub use super::sifting::Broken;
use super::sifting::{Terms, sifted};
use crate::model::types::ToolSieve;
use crate::model::types::limits::MCP_ANSWER_BYTES;
use crate::perceive::protocol::decoding::Decoder;

/// Fields of an answer that tell of bytes which may be others when they go on.
const OF_THE_BYTES: [&str; 9] = [
    "content-length",
    "content-encoding",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "etag",
    "last-modified",
    "accept-ranges",
];

/// What may stand before the first line of a stream.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// For one answer. After an error nothing more may be fed, and nothing more goes on.
#[derive(Debug)]
pub struct Sieve {
    decoder: Decoder,
    form: Form,
}

impl Sieve {
    /// Whether the answer to this may list tools: to a POST that asks for a list, and to every GET, whose stream may bring
    /// what was asked for before.
    pub fn is_needed(method: &Method, asked: Option<&Messages>) -> bool {
        match asked {
            Some(asked) => asked.messages.iter().any(Message::lists_tools),
            None => method == Method::GET,
        }
    }

    /// Makes a request have an answer that can be read: whole, and in no coding.
    pub fn prepare(request: &mut HeaderMap) {
        for field in [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE] {
            request.remove(field);
        }
    }

    /// For the answer with this head to what was asked; without the fields that tell of bytes as they came.
    ///
    /// # Errors
    /// The answer cannot be read.
    pub fn new(
        tools: Arc<ToolSieve>,
        asked: Option<&Messages>,
        answer: &mut HeaderMap,
    ) -> Result<Self, Broken> {
        if answer.contains_key(header::CONTENT_RANGE) {
            return Err(Broken::Partial);
        }
        let codings: Vec<&str> =
            answer.get_all(header::CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
        let decoder = Decoder::new(&codings.join(",")).ok_or(Broken::Coding)?;
        let media = answer.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let is_stream = media.trim_ascii_start().to_ascii_lowercase().starts_with(b"text/event-stream");
        for field in OF_THE_BYTES {
            answer.remove(field);
        }
        let terms = Own { tools, others: asked.map(others).unwrap_or_default() };
        let held = Held { terms, bytes: Vec::new() };
        let form = if is_stream { Form::Stream(Stream::new(held)) } else { Form::Whole(held) };
        Ok(Self { decoder, form })
    }

    /// Whether it is a stream of events, of which each goes on by itself.
    pub fn is_stream(&self) -> bool {
        matches!(self.form, Form::Stream(_))
    }

    /// Takes the next bytes of the answer, and appends what goes on.
    ///
    /// # Errors
    /// The rest must not go on.
    pub fn feed(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Broken> {
        let Self { decoder, form } = self;
        let mut fed = Ok(());
        let decoded = decoder.feed(bytes, |piece| {
            if fed.is_ok() {
                fed = match form {
                    Form::Whole(held) => held.hold(piece),
                    Form::Stream(stream) => stream.feed(piece, on),
                };
            }
        });
        fed?;
        decoded.map_err(|_| Broken::Coding)
    }

    /// The answer is over: appends what was held.
    ///
    /// # Errors
    /// What was held must not go on.
    pub fn finish(self, on: &mut Vec<u8>) -> Result<(), Broken> {
        match self.form {
            Form::Whole(held) => {
                let left = sifted(&held.bytes, held.terms.borrowed())?;
                on.extend_from_slice(left.as_ref().unwrap_or(&held.bytes));
                Ok(())
            }
            Form::Stream(stream) => stream.finish(on),
        }
    }
}

/// Requests that asked for something else than a list of tools.
fn others(asked: &Messages) -> Vec<Id> {
    let others = asked.requests().filter(|(_, message)| !message.lists_tools());
    others.map(|(id, _)| id.clone()).collect()
}

#[derive(Debug)]
struct Own {
    tools: Arc<ToolSieve>,
    others: Vec<Id>,
}

impl Own {
    fn borrowed(&self) -> Terms<'_> {
        Terms { tools: &self.tools, others: &self.others }
    }
}

#[derive(Debug)]
enum Form {
    Whole(Held),
    Stream(Stream),
}

/// Bytes that wait until it is known what they are.
#[derive(Debug)]
struct Held {
    terms: Own,
    bytes: Vec<u8>,
}

impl Held {
    fn hold(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if self.bytes.len() + bytes.len() > MCP_ANSWER_BYTES {
            return Err(Broken::TooLong(MCP_ANSWER_BYTES));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Server-sent events (WHATWG HTML, section 9.2.6). Lines go on one by one, from the first one of data to the end of the
/// event together.
#[derive(Debug)]
struct Stream {
    held: Held,
    /// Where in what is held the present line begins.
    line: usize,
    /// Whether what is held before that has a line of data.
    has_data: bool,
    /// The last byte was a carriage return: a line feed behind it belongs to the same end.
    after_return: bool,
    is_first: bool,
}

impl Stream {
    fn new(held: Held) -> Self {
        Self { held, line: 0, has_data: false, after_return: false, is_first: true }
    }

    fn feed(&mut self, mut bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Broken> {
        if self.after_return
            && let Some((first, rest)) = bytes.split_first()
        {
            self.after_return = false;
            if *first == b'\n' {
                // Of what is held it ends the last line, and else one that has gone on.
                if self.has_data {
                    self.held.hold(b"\n")?;
                    self.line = self.held.bytes.len();
                } else {
                    on.push(b'\n');
                }
                bytes = rest;
            }
        }
        while let Some(end) = memchr2(b'\r', b'\n', bytes) {
            let behind = end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
            self.held.hold(&bytes[..behind])?;
            self.after_return = bytes.len() == behind && bytes.ends_with(b"\r");
            bytes = &bytes[behind..];
            self.line_is_over(on)?;
        }
        self.held.hold(bytes)
    }

    /// The line that has come last is over.
    fn line_is_over(&mut self, on: &mut Vec<u8>) -> Result<(), Broken> {
        self.mark_goes_on(on);
        let line = &self.held.bytes[self.line..];
        let is_blank = without_end(line).is_empty();
        self.has_data |= data(line).is_some();
        if !self.has_data || is_blank {
            return self.event_is_over(on);
        }
        self.line = self.held.bytes.len();
        Ok(())
    }

    /// Of the first line: a byte order mark before it is no part of it.
    fn mark_goes_on(&mut self, on: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_first) && self.held.bytes.starts_with(BYTE_ORDER_MARK) {
            on.extend_from_slice(BYTE_ORDER_MARK);
            self.held.bytes.drain(..BYTE_ORDER_MARK.len());
        }
    }

    /// What is held may go on, but for tools in it.
    fn event_is_over(&mut self, on: &mut Vec<u8>) -> Result<(), Broken> {
        let held = std::mem::take(&mut self.held.bytes);
        self.line = 0;
        if !std::mem::take(&mut self.has_data) {
            on.extend_from_slice(&held);
            return Ok(());
        }
        let said: Vec<&[u8]> = lines(&held).filter_map(data).collect();
        let Some(left) = sifted(&said.join(&b'\n'), self.held.terms.borrowed())? else {
            on.extend_from_slice(&held);
            return Ok(());
        };
        let mut left = Some(left);
        for line in lines(&held) {
            if data(line).is_none() {
                on.extend_from_slice(line);
            } else if let Some(left) = left.take() {
                let end = &line[without_end(line).len()..];
                for piece in left.split(|byte| *byte == b'\n') {
                    on.extend_from_slice(b"data: ");
                    on.extend_from_slice(piece);
                    on.extend_from_slice(if end.is_empty() { b"\n" } else { end });
                }
            }
        }
        Ok(())
    }

    /// What no empty line ends some clients read all the same.
    fn finish(mut self, on: &mut Vec<u8>) -> Result<(), Broken> {
        self.mark_goes_on(on);
        self.has_data |= data(&self.held.bytes[self.line..]).is_some();
        self.event_is_over(on)
    }
}

/// Lines, each with its end.
fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr2(b'\r', b'\n', text)
            .map_or(text.len(), |end| end + if text[end..].starts_with(b"\r\n") { 2 } else { 1 });
        let (line, rest) = text.split_at(end);
        text = rest;
        (!line.is_empty()).then_some(line)
    })
}

fn without_end(line: &[u8]) -> &[u8] {
    let end = memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    &line[..end]
}

/// The value of a line of data.
fn data(line: &[u8]) -> Option<&[u8]> {
    let rest = without_end(line).strip_prefix(b"data")?;
    let value = if rest.is_empty() { rest } else { rest.strip_prefix(b":")? };
    Some(value.strip_prefix(b" ").unwrap_or(value))
}
