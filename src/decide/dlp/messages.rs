//! Takes messages apart by their form: which texts there are in one, and how each is meant.
//!
//! The label of a message is believed only so far as it adds a reading: a body that is called JSON and is none is read as
//! what its bytes are, and as plain text. Read next: `unhide/mod.rs` for what is undone in each text.

use std::ops::Range;

use super::descent::{Descent, Fresh, Reading, Seen};
use super::form::Form;
use super::unhide::{
    Chain, Joined, Mapped, Patches, Transfer, Unreadable, base32_label, base64, delimited, form_escapes,
    frames, json_escapes, labels, markup, parts, quoted, quoted_printable, strings, unpack, unreadable, wide,
};
use crate::model::types::limits::{DLP_DEPTH, DLP_MESSAGE_BYTES};

/// Bytes at the beginning of a message that say whether it is text.
const BEGINNING: usize = 512;
/// Bytes of the longest value of a form that is read with its name in front.
const VALUE: usize = 128;

impl Descent<'_> {
    /// Reads a whole message.
    pub fn read(mut self, bytes: &[u8], form: Form<'_>) -> (Vec<Seen>, Option<Unreadable>) {
        let chain = Chain::at(0);
        let most = bytes.len().min(DLP_MESSAGE_BYTES);
        if most < bytes.len() {
            self.note(Unreadable::TooDeep);
        }
        let bytes = &bytes[..most];
        self.message(Reading { text: bytes, chain, depth: 0, fresh: Fresh::All, is_joined: false }, form);
        self.finish()
    }

    /// Reads a message, or a part of one, of this form.
    fn message(&mut self, reading: Reading<'_>, form: Form<'_>) {
        match form {
            Form::Multipart(boundary) if self.multipart(reading, boundary) => {}
            Form::Grpc => self.grpc(reading),
            Form::Field(name) | Form::Trailer(name) => self.field(reading, name),
            Form::Host => self.host(reading),
            Form::Path => {
                self.descend(reading);
                self.join(reading, &delimited(reading.text, b'/', false));
            }
            Form::UrlEncoded | Form::Query => self.pairs(reading),
            _ => self.body(reading, form),
        }
    }

    /// Reads a body that is text, or should be.
    fn body(&mut self, reading: Reading<'_>, form: Form<'_>) {
        if let Some(boundary) = first_boundary(reading.text)
            && reading.depth < DLP_DEPTH
            && self.multipart(reading, boundary)
        {
            return;
        }
        if let Some(what) = unreadable(reading.text) {
            self.note(what);
        } else if is_binary(reading.text) {
            self.binary(reading);
        }
        let escapes = if form.has_json() { json_escapes(reading.text) } else { Patches::default() };
        if escapes.is_empty() {
            self.text(reading);
        } else {
            let plain = escapes.apply(reading.text);
            self.text(Reading {
                text: &plain.text,
                chain: self.through(&reading.chain, &plain.map),
                ..reading
            });
        }
    }

    /// Reads a text with all that may be split in it.
    fn text(&mut self, reading: Reading<'_>) {
        self.descend(reading);
        for joined in quoted(reading.text) {
            self.join(reading, &joined);
        }
        if reading.text.trim_ascii_start().starts_with(b"<") {
            self.join(reading, &markup(reading.text));
        }
    }

    /// Reads the parts of a message. Whether it has any.
    fn multipart(&mut self, reading: Reading<'_>, boundary: &[u8]) -> bool {
        let Some(list) = parts(reading.text, boundary) else { return false };
        let mut small = Vec::new();
        for part in list {
            let at = |range: &Range<usize>| Reading {
                text: &reading.text[range.clone()],
                chain: reading.chain.from(range.start),
                ..reading
            };
            self.descend(at(&part.head));
            let inner = Reading { depth: reading.depth + 1, ..at(&part.content) };
            let form = Form::of_content_type(part.kind, inner.text);
            let form = if inner.depth < DLP_DEPTH { form } else { Form::Text };
            // Many servers pass over what forms say of their encoding: so it is read as it is in any case.
            match part.name.filter(|_| part.kind.is_none() && is_value(inner.text)) {
                Some(name) => self.field(inner, name),
                None => self.message(inner, form),
            }
            match part.transfer {
                Transfer::Plain => {}
                Transfer::Base64 => self.replaced(inner, form, &base64(inner.text)),
                Transfer::Quoted => {
                    let plain = quoted_printable(inner.text, |_, _| true).apply(inner.text);
                    let chain = self.through(&inner.chain, &plain.map);
                    self.message(Reading { text: &plain.text, chain, ..inner }, form);
                }
            }
            small.push(part.content);
        }
        self.join(reading, &Joined::of(reading.text, small));
        true
    }

    /// Reads what stands for all of a text.
    fn replaced(&mut self, reading: Reading<'_>, form: Form<'_>, plain: &[u8]) {
        if !self.take(plain.len()) {
            return;
        }
        let mut mapped = Mapped::default();
        mapped.put(0..reading.text.len(), plain);
        let chain = self.through(&reading.chain, &mapped.map);
        self.message(Reading { text: &mapped.text, chain, ..reading }, form);
    }

    /// Reads the messages of a stream of gRPC.
    fn grpc(&mut self, reading: Reading<'_>) {
        let (list, rest) = frames(reading.text);
        for frame in list {
            let chain = reading.chain.from(frame.message.start);
            let inner = Reading { text: &reading.text[frame.message.clone()], chain, ..reading };
            match unpack(inner.text, self.room).filter(|_| frame.is_packed) {
                Some(plain) if self.take(plain.len()) => {
                    let mut mapped = Mapped::default();
                    mapped.put(0..inner.text.len(), &plain);
                    let chain = self.through(&inner.chain, &mapped.map);
                    self.protobuf(Reading { text: &mapped.text, chain, ..inner });
                }
                _ if frame.is_packed => self.note(Unreadable::Archive("grpc")),
                _ => self.protobuf(inner),
            }
        }
        if !rest.is_empty() {
            let chain = reading.chain.from(rest.start);
            self.body(Reading { text: &reading.text[rest], chain, ..reading }, Form::Text);
        }
    }

    /// Reads a message of protocol buffers, or whatever it is.
    fn protobuf(&mut self, reading: Reading<'_>) {
        match strings(reading.text) {
            Some(list) => self.lines(reading, &list),
            None => self.text(reading),
        }
    }

    /// Reads these pieces of a text, a line each.
    fn lines(&mut self, reading: Reading<'_>, list: &[Range<usize>]) {
        let mut mapped = Mapped::default();
        for range in list {
            mapped.copy(reading.text, range.clone());
            mapped.put(range.end..range.end, b"\n");
        }
        let chain = self.through(&reading.chain, &mapped.map);
        self.descend(Reading { text: &mapped.text, chain, ..reading });
        self.join(reading, &Joined::of(reading.text, list.to_vec()));
    }

    /// Reads bytes that are no text for what text there is in them, beside what plain reading shows.
    fn binary(&mut self, reading: Reading<'_>) {
        if reading.depth >= DLP_DEPTH {
            return;
        }
        let inner = Reading { depth: reading.depth + 1, ..reading };
        if let Some(plain) = unpack(reading.text, self.room).or_else(|| wide(reading.text)) {
            self.replaced(inner, Form::Text, &plain);
        } else if let Some(list) = strings(reading.text) {
            self.lines(inner, &list);
        } else {
            self.note(Unreadable::Binary);
        }
    }

    /// Reads names and values of a form or a query.
    fn pairs(&mut self, reading: Reading<'_>) {
        self.descend(reading);
        let escapes = form_escapes(reading.text);
        if memchr::memchr(b'+', reading.text).is_some() && reading.depth < DLP_DEPTH {
            self.undo(reading, &escapes);
        }
        let plain = escapes.apply(reading.text);
        let chain = self.through(&reading.chain, &plain.map);
        self.join(Reading { text: &plain.text, chain, ..reading }, &delimited(&plain.text, b'&', true));
    }

    /// Reads the value of a field, with its name in front: it says what the value is.
    fn field(&mut self, reading: Reading<'_>, name: &str) {
        let value = reading.text;
        let mut named = Mapped::default();
        named.put(0..0, format!("{}: ", name.to_ascii_lowercase()).as_bytes());
        let is_authorization =
            name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("proxy-authorization");
        // RFC 7617: however short, this is base64.
        match value.get(..6).filter(|scheme| is_authorization && scheme.eq_ignore_ascii_case(b"basic ")) {
            Some(_) => {
                named.copy(value, 0..6);
                named.put(6..value.len(), &base64(value[6..].trim_ascii()));
            }
            None => named.copy(value, 0..value.len()),
        }
        let chain = self.through(&reading.chain, &named.map);
        self.descend(Reading { text: &named.text, chain, ..reading });
        self.join(reading, &delimited(value, b';', true));
    }

    /// Reads a host name, and what its labels stand for.
    fn host(&mut self, reading: Reading<'_>) {
        self.descend(reading);
        let joined = labels(reading.text);
        self.join(reading, &joined);
        let mut start = 0;
        let mut mapped = Mapped::default();
        let mut letters = Vec::new();
        for label in reading.text.split(|byte| *byte == b'.') {
            let range = start..start + label.len();
            start = range.end + 1;
            if let Some(plain) = base32_label(label) {
                mapped.put(range.clone(), &plain);
                mapped.put(range.end..range.end, b"\n");
            }
            letters.extend_from_slice(label);
            // Long values go on in the next labels.
            if range.start > 0
                && let Some(plain) = base32_label(&letters)
            {
                mapped.put(0..range.end, &plain);
                mapped.put(range.end..range.end, b"\n");
            }
        }
        if !mapped.text.is_empty() && self.take(mapped.text.len()) {
            let chain = self.through(&reading.chain, &mapped.map);
            self.descend(Reading { text: &mapped.text, chain, depth: reading.depth + 1, ..reading });
        }
    }
}

/// Whether a part of a form is no document but a value, of which its name says what it is.
fn is_value(content: &[u8]) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"{[<".contains(byte);
    content.len() <= VALUE && content.iter().all(is_plain)
}

/// Whether bytes are no text: text has no zeros, and hardly anything that controls.
fn is_binary(bytes: &[u8]) -> bool {
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    let controls = beginning.iter().filter(|byte| **byte < b' ' && !byte.is_ascii_whitespace()).count();
    controls * 20 > beginning.len() || memchr::memchr(0, bytes).is_some()
}

/// The boundary that a message begins with as a multipart one does.
pub(super) fn first_boundary(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"--")?;
    let line = &rest[..memchr::memchr(b'\n', &rest[..rest.len().min(256)])?];
    let fields = &rest[line.len()..rest.len().min(BEGINNING)];
    let is_multipart = fields.to_ascii_lowercase().windows(9).any(|word| word == b"\ncontent-");
    Some(line.trim_ascii_end()).filter(|line| is_multipart && !line.is_empty())
}
