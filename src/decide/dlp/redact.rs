//! Puts a mark where a finding stood, so that the message stays one of its form.
//!
//! JSON keeps its structure: a string keeps its quotes, a number becomes `0`, and of a value that was split the first piece
//! becomes the mark and the others are emptied. Forms, queries and paths keep their separators, XML its tags, parts of a message
//! their boundaries. Protocol buffers and host names keep their lengths: there, stars or letters stand in place of the mark. An
//! encoding that hid a value is replaced whole. Nothing here looks for findings. Read next: `marks.rs`.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::form::Form;
use super::inspect::Match;
use super::marks::mark;
use super::unhide::{Transfer, frames, parts};

/// A message with marks in place of these findings in it.
pub fn redact(bytes: &[u8], form: Form<'_>, matches: &[Match]) -> Vec<u8> {
    let spans = spans(matches, bytes.len());
    let mut edits = Edits::default();
    edits.message(bytes, 0..bytes.len(), form, &spans);
    let redacted = edits.apply(bytes);
    let is_whole = form != Form::Json || is_json(&redacted) || !is_json(bytes);
    if is_whole {
        return redacted;
    }
    // A piece of a string that cannot be cut out goes with the whole string.
    let mut edits = Edits { takes_whole_strings: true, ..Edits::default() };
    edits.message(bytes, 0..bytes.len(), form, &spans);
    edits.apply(bytes)
}

/// Where a mark has to stand, and which.
#[derive(Debug, Clone)]
struct Span {
    range: Range<usize>,
    mark: String,
}

/// The findings in order, those that meet as one.
fn spans(matches: &[Match], end: usize) -> Vec<Span> {
    let mut list: Vec<&Match> = matches.iter().filter(|found| found.range.end <= end).collect();
    list.sort_by_key(|found| found.range.start);
    let mut spans: Vec<Span> = Vec::new();
    for found in list {
        match spans.last_mut() {
            Some(last) if found.range.start < last.range.end => {
                last.range.end = last.range.end.max(found.range.end);
            }
            _ => spans.push(Span { range: found.range.clone(), mark: mark(&found.detector) }),
        }
    }
    spans
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// What is replaced by what, in order.
#[derive(Debug, Default)]
struct Edits {
    list: Vec<(Range<usize>, Vec<u8>)>,
    takes_whole_strings: bool,
}

impl Edits {
    fn apply(mut self, bytes: &[u8]) -> Vec<u8> {
        self.list.sort_by_key(|(range, _)| range.start);
        let mut redacted = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for (range, text) in self.list {
            redacted.extend_from_slice(&bytes[at..range.start.max(at)]);
            redacted.extend_from_slice(&text);
            at = range.end.max(at);
        }
        redacted.extend_from_slice(&bytes[at..]);
        redacted
    }

    fn put(&mut self, range: Range<usize>, text: impl Into<Vec<u8>>) {
        self.list.push((range, text.into()));
    }

    /// Replaces what of these spans is within this message.
    fn message(&mut self, bytes: &[u8], within: Range<usize>, form: Form<'_>, spans: &[Span]) {
        let spans = inside(spans, &within);
        if spans.is_empty() {
            return;
        }
        match form {
            Form::Json => self.document(bytes, within, &spans),
            Form::JsonLines | Form::Events => self.lines(bytes, within, form, &spans),
            Form::Multipart(boundary) => self.parts(bytes, within, boundary, &spans),
            Form::UrlEncoded | Form::Query => self.pieces(bytes, &spans, b"&=;", true),
            Form::Path => self.pieces(bytes, &spans, b"/", true),
            Form::Xml => self.between_tags(bytes, &spans),
            Form::Grpc => self.messages(bytes, within, &spans),
            Form::Host => {
                for span in spans {
                    let letters =
                        bytes[span.range.clone()].iter().map(|byte| if *byte == b'.' { b'.' } else { b'x' });
                    self.put(span.range.clone(), letters.collect::<Vec<u8>>());
                }
            }
            Form::Field("content-location" | "link" | "location" | "referer" | "refresh") => {
                for span in spans {
                    self.put(span.range, percent(&span.mark));
                }
            }
            Form::Text | Form::Control | Form::Method | Form::Field(_) | Form::Trailer(_) => {
                for span in spans {
                    self.put(span.range, span.mark);
                }
            }
        }
    }

    /// In one document of JSON; in what is none, as in text.
    fn document(&mut self, bytes: &[u8], within: Range<usize>, spans: &[Span]) {
        if !is_json(&bytes[within.clone()]) {
            return self.message(bytes, within, Form::Text, spans);
        }
        let mut tokens = Tokens { bytes, at: within.start, end: within.end }.peekable();
        for span in spans {
            let mut is_first = true;
            while let Some(token) = tokens.next_if(|token| token.start < span.range.end) {
                if token.end <= span.range.start {
                    continue;
                }
                let goes_on = token.end > span.range.end;
                self.token(bytes, token.clone(), span, std::mem::take(&mut is_first));
                if goes_on {
                    // The next span may be in the same string.
                    tokens = Tokens { bytes, at: token.start, end: within.end }.peekable();
                    break;
                }
            }
        }
    }

    /// In one string or number of JSON.
    fn token(&mut self, bytes: &[u8], token: Range<usize>, span: &Span, is_first: bool) {
        if bytes[token.start] != b'"' {
            return self.put(token, *b"0");
        }
        let is_name = bytes[token.end..].trim_ascii_start().first() == Some(&b':');
        if is_name && !is_first {
            // What was split is in values.
            return;
        }
        let inner = token.start + 1..token.end - 1;
        let piece = match self.takes_whole_strings {
            true => inner,
            false => span.range.start.max(inner.start)..span.range.end.min(inner.end),
        };
        if piece.start >= piece.end || self.list.last().is_some_and(|(last, _)| last.end > piece.start) {
            return;
        }
        let text = if !is_first {
            Vec::new()
        } else if is_number_within(bytes, &piece) {
            b"0".to_vec()
        } else {
            span.mark.clone().into_bytes()
        };
        self.put(piece, text);
    }

    /// In documents of JSON, a line each.
    fn lines(&mut self, bytes: &[u8], within: Range<usize>, form: Form<'_>, spans: &[Span]) {
        let mut start = within.start;
        while start < within.end {
            let line = &bytes[start..within.end];
            let end = memchr::memchr(b'\n', line).map_or(within.end, |at| start + at);
            let label = if form == Form::Events && line.starts_with(b"data:") { 5 } else { 0 };
            let spans = inside(spans, &(start + label..end));
            if !spans.is_empty() {
                self.document(bytes, start + label..end, &spans);
            }
            start = end + 1;
        }
    }

    /// In the parts of a message, each by its own form.
    fn parts(&mut self, bytes: &[u8], within: Range<usize>, boundary: &[u8], spans: &[Span]) {
        let inner = &bytes[within.clone()];
        let Some(list) = parts(inner, boundary) else {
            return self.message(bytes, within, Form::Text, spans);
        };
        for part in list {
            let at = |range: &Range<usize>| within.start + range.start..within.start + range.end;
            self.message(bytes, at(&part.head), Form::Text, spans);
            let content = at(&part.content);
            let form = Form::of_content_type(part.kind, &inner[part.content.clone()]);
            match part.transfer {
                Transfer::Plain => self.message(bytes, content, form, spans),
                Transfer::Quoted => self.message(bytes, content, Form::Text, spans),
                Transfer::Base64 => {
                    if let Some(span) = inside(spans, &content).first() {
                        self.put(
                            content,
                            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &span.mark),
                        );
                    }
                }
            }
        }
    }

    /// In text whose separators have to stay.
    fn pieces(&mut self, bytes: &[u8], spans: &[Span], separators: &[u8], is_percent: bool) {
        for span in spans {
            let mark = if is_percent { percent(&span.mark) } else { span.mark.clone() };
            let mut mark = Some(mark);
            let mut start = span.range.start;
            for piece in bytes[span.range.clone()].split(|byte| separators.contains(byte)) {
                let end = start + piece.len();
                let is_name = bytes.get(end) == Some(&b'=') && mark.is_none();
                if !piece.is_empty() && !is_name {
                    self.put(start..end, mark.take().unwrap_or_default());
                }
                start = end + 1;
            }
        }
    }

    /// In XML: whole tags within a finding stay.
    fn between_tags(&mut self, bytes: &[u8], spans: &[Span]) {
        for span in spans {
            let mut mark = Some(span.mark.clone());
            let mut start = span.range.start;
            while start < span.range.end {
                let rest = &bytes[start..span.range.end];
                let open = memchr::memchr(b'<', rest).unwrap_or(rest.len());
                let tag = if rest[open..].starts_with(b"<![CDATA[") {
                    Some(open + 9)
                } else {
                    memchr::memchr(b'>', &rest[open..]).map(|close| open + close + 1)
                };
                // Half a tag is text.
                let end = if tag.is_some() { start + open } else { span.range.end };
                if end > start {
                    let kept = if bytes[start..end].ends_with(b"]]>") { 3 } else { 0 };
                    self.put(start..end - kept, mark.take().unwrap_or_default());
                }
                start = tag.map_or(end, |tag| start + tag);
            }
        }
    }

    /// In messages of gRPC: stars, so that all lengths stay right; a packed message becomes an empty one.
    fn messages(&mut self, bytes: &[u8], within: Range<usize>, spans: &[Span]) {
        let (list, _) = frames(&bytes[within.clone()]);
        let packed: Vec<Range<usize>> = list
            .into_iter()
            .filter(|frame| frame.is_packed)
            .map(|frame| within.start + frame.message.start..within.start + frame.message.end)
            .filter(|message| !inside(spans, message).is_empty())
            .collect();
        for message in &packed {
            self.put(message.start - 5..message.end, [0; 5]);
        }
        for span in spans {
            let is_gone =
                |message: &Range<usize>| message.start < span.range.end && span.range.start < message.end;
            if !packed.iter().any(is_gone) {
                self.put(span.range.clone(), vec![b'*'; span.range.len()]);
            }
        }
    }
}

/// What of these spans is within a range.
fn inside(spans: &[Span], within: &Range<usize>) -> Vec<Span> {
    let cut = |span: &Span| {
        let range = span.range.start.max(within.start)..span.range.end.min(within.end);
        (range.start < range.end).then(|| Span { range, mark: span.mark.clone() })
    };
    spans.iter().filter_map(cut).collect()
}

/// Whether a piece of a string is a whole number in JSON that the string holds.
fn is_number_within(bytes: &[u8], piece: &Range<usize>) -> bool {
    let before = bytes[..piece.start].trim_ascii_end();
    let behind = bytes[piece.end..].trim_ascii_start().first();
    bytes[piece.clone()].iter().all(u8::is_ascii_digit)
        && before.ends_with(b"\":")
        && matches!(behind, Some(b',' | b'}' | b']'))
}

/// A mark as it stands in an address.
fn percent(mark: &str) -> String {
    mark.replace('[', "%5B").replace(']', "%5D").replace(':', "%3A")
}

/// The strings and numbers of a document of JSON that is well formed.
struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let is_begin = |byte: &u8| matches!(byte, b'"' | b'-' | b'0'..=b'9');
        let start = self.at + self.bytes[self.at..self.end].iter().position(is_begin)?;
        let rest = &self.bytes[start..self.end];
        let len = if rest[0] == b'"' {
            string_bytes(rest)
        } else {
            let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
            rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len())
        };
        self.at = start + len;
        Some(start..self.at)
    }
}

/// Bytes of the string at the beginning, with its quotes.
fn string_bytes(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(next) = memchr::memchr2(b'"', b'\\', &text[at..]).map(|next| at + next) {
        if text[next] == b'"' {
            return next + 1;
        }
        at = (next + 2).min(text.len());
    }
    text.len()
}
