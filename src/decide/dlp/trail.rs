//! The way through documents to where a text stands: names and numbers of JSON, documents of a stream, names of pairs.
//!
//! Walks byte by byte and holds no more than the names that lead there, so that of a message that passes in pieces the place of
//! a finding is known long after its beginning has gone. Believes no document: whatever the bytes are, there is a place, if a
//! coarser one. Read next: `places.rs`, `window.rs`.

use std::ops::Range;

use super::form::Form;
use crate::model::types::limits::DLP_LOCATION_DEPTH;

/// Bytes shown of one name.
const NAME_BYTES: usize = 48;
/// What stands for a name that is a finding.
const HIDDEN: &str = "[redacted]";
/// The first part of every place in a body.
const BODY: &str = "body";
/// What documents stand behind in a stream of events.
const EVENT: &[u8] = b"data:";

/// A walk, and where it is.
#[derive(Debug, Clone)]
pub struct Trail {
    kind: Kind,
    /// What stands in front of every place.
    root: &'static str,
    /// Documents that have begun in a stream, and how much of what stands in front of the next has passed.
    documents: usize,
    label: Label,
    steps: Vec<Step>,
    /// Further steps, which no place shows.
    deeper: usize,
    /// The name or text in which the walk is.
    text: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// There are no places in it.
    Plain,
    /// One document.
    Json,
    /// A document on each line.
    Lines,
    /// A document on each line behind [`EVENT`].
    Events,
    /// Names and values of a form or a query.
    Pairs,
}

/// Where on its line the walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    /// At its beginning, so much of the label having come.
    Coming(usize),
    /// In a document.
    Document,
    /// In something else.
    Other,
}

/// One thing on the way down.
#[derive(Debug, Clone)]
enum Step {
    /// An object, and the name whose value is read.
    Object(Option<Box<str>>),
    /// An array, and how many of its elements have passed.
    Array(usize),
}

/// A string that has begun.
#[derive(Debug, Clone, Default)]
struct Text {
    is_name: bool,
    /// Its beginning, as it is shown.
    shown: String,
    /// Whether something of it was found.
    is_hidden: bool,
    is_escaped: bool,
}

/// What was found in bytes that are walked through: what is still to come, and how far goes what has.
#[derive(Debug)]
struct Found<'a> {
    list: &'a [Range<usize>],
    until: usize,
}

impl Trail {
    /// Through a message of this form, from its beginning.
    pub fn of(form: Form<'_>) -> Self {
        let (kind, root) = match form {
            Form::Json => (Kind::Json, BODY),
            Form::JsonLines => (Kind::Lines, BODY),
            Form::Events => (Kind::Events, BODY),
            Form::UrlEncoded => (Kind::Pairs, BODY),
            Form::Query => (Kind::Pairs, "query"),
            _ => (Kind::Plain, BODY),
        };
        let text = (kind == Kind::Pairs).then(|| Text { is_name: true, ..Text::default() });
        let label = if kind == Kind::Json { Label::Document } else { Label::Coming(0) };
        Self { kind, root, documents: 0, label, steps: Vec::new(), deeper: 0, text }
    }

    /// The place of each of these ranges of the bytes that come next, in order; the walk ends at the last.
    pub fn places(&mut self, bytes: &[u8], ranges: &[Range<usize>]) -> Vec<String> {
        let (mut at, mut found) = (0, Found { list: ranges, until: 0 });
        let place = |range: &Range<usize>| {
            let end = (range.start + 1).min(bytes.len()).max(at);
            self.walk(bytes, at..end, &mut found);
            at = end;
            self.place()
        };
        ranges.iter().map(place).collect()
    }

    /// Walks on through these of some bytes, in which this was found, in order.
    pub fn pass(&mut self, bytes: &[u8], through: Range<usize>, found: &[Range<usize>]) {
        self.walk(bytes, through, &mut Found { list: found, until: 0 });
    }

    fn walk(&mut self, bytes: &[u8], through: Range<usize>, found: &mut Found<'_>) {
        if self.kind == Kind::Plain {
            return;
        }
        let mut at = through.start;
        while at < through.end {
            if self.kind == Kind::Pairs {
                self.pair(bytes[at], at, found);
            } else if let Some(text) = self.text.as_mut().filter(|text| !text.is_name && !text.is_escaped) {
                // What stands in a value leads nowhere.
                let rest = &bytes[at..through.end];
                let next = memchr::memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len());
                text.is_escaped = rest.get(next) == Some(&b'\\');
                at += next;
                match rest.get(next) {
                    Some(b'"') => self.text = None,
                    Some(b'\n') => self.byte(b'\n', at, found),
                    _ => {}
                }
            } else {
                self.byte(bytes[at], at, found);
            }
            at += 1;
        }
    }

    /// The place where the walk is.
    fn place(&self) -> String {
        let mut place = self.root.to_owned();
        if matches!(self.kind, Kind::Lines | Kind::Events) && self.label == Label::Document {
            place.push('/');
            place.push_str(&self.documents.saturating_sub(1).to_string());
        }
        for step in &self.steps {
            match step {
                Step::Object(Some(name)) => {
                    place.push('/');
                    place.push_str(name);
                }
                Step::Object(None) => {}
                Step::Array(count) => {
                    place.push('/');
                    place.push_str(&count.to_string());
                }
            }
        }
        match &self.text {
            // What was found stands in the name itself.
            Some(text) if text.is_name && self.kind != Kind::Pairs => {
                place.push('/');
                place.push_str(HIDDEN);
            }
            Some(text) if !text.is_name && self.kind == Kind::Pairs => {
                place.push('/');
                place.push_str(text.name());
            }
            _ => {}
        }
        place
    }

    /// One byte of names and values.
    fn pair(&mut self, byte: u8, at: usize, found: &mut Found<'_>) {
        let text = self.text.get_or_insert_default();
        match byte {
            b'&' => *text = Text { is_name: true, ..Text::default() },
            b'=' => text.is_name = false,
            byte if text.is_name => text.add(byte, at, found),
            _ => {}
        }
    }

    /// One byte of documents.
    fn byte(&mut self, byte: u8, at: usize, found: &mut Found<'_>) {
        if byte == b'\n' && self.kind != Kind::Json {
            self.label = Label::Coming(0);
            return self.begin();
        }
        match self.label {
            Label::Document => {}
            Label::Other => return,
            Label::Coming(_) if self.kind == Kind::Lines => self.document(),
            Label::Coming(count) => {
                let is_label = EVENT.get(count) == Some(&byte);
                self.label = if is_label { Label::Coming(count + 1) } else { Label::Other };
                if is_label && count + 1 == EVENT.len() {
                    self.document();
                }
                return;
            }
        }
        match &mut self.text {
            Some(text) if text.is_escaped => {
                text.is_escaped = false;
                text.add(byte, at, found);
            }
            Some(_) if byte == b'"' => self.end_text(),
            Some(text) => {
                text.is_escaped = byte == b'\\';
                text.add(byte, at, found);
            }
            None => self.token(byte),
        }
    }

    /// One byte outside of strings.
    fn token(&mut self, byte: u8) {
        match byte {
            b'{' => self.push(Step::Object(None)),
            b'[' => self.push(Step::Array(0)),
            b'}' | b']' if self.deeper > 0 => self.deeper -= 1,
            b'}' | b']' => drop(self.steps.pop()),
            b',' if self.deeper == 0 => match self.steps.last_mut() {
                Some(Step::Array(count)) => *count += 1,
                Some(Step::Object(name)) => *name = None,
                None => {}
            },
            b'"' => {
                let is_name = self.deeper == 0 && matches!(self.steps.last(), Some(Step::Object(None)));
                self.text = Some(Text { is_name, ..Text::default() });
            }
            _ => {}
        }
    }

    fn push(&mut self, step: Step) {
        if self.steps.len() < DLP_LOCATION_DEPTH { self.steps.push(step) } else { self.deeper += 1 }
    }

    fn end_text(&mut self) {
        if let Some(text) = self.text.take().filter(|text| text.is_name)
            && let Some(Step::Object(name)) = self.steps.last_mut()
        {
            *name = Some(text.name().into());
        }
    }

    /// Another document of a stream begins.
    fn document(&mut self) {
        self.documents += 1;
        self.label = Label::Document;
    }

    /// Another line begins, on which nothing of the last one goes on.
    fn begin(&mut self) {
        (self.deeper, self.text) = (0, None);
        self.steps.clear();
    }
}

impl Found<'_> {
    /// Whether something was found at this place, which is behind all that were asked for before.
    fn has(&mut self, at: usize) -> bool {
        while let Some((first, rest)) = self.list.split_first().filter(|(first, _)| first.start <= at) {
            self.until = self.until.max(first.end);
            self.list = rest;
        }
        at < self.until
    }
}

impl Text {
    fn add(&mut self, byte: u8, at: usize, found: &mut Found<'_>) {
        self.is_hidden |= found.has(at);
        if self.is_name && self.shown.len() < NAME_BYTES {
            self.shown.push(clean(byte));
        }
    }

    fn name(&self) -> &str {
        if self.is_hidden { HIDDEN } else { &self.shown }
    }
}

/// A name as it may be shown: ASCII without anything that could be taken for part of a record, and nothing of what was found.
pub fn shown(bytes: &[u8], name: Range<usize>, found: &[Range<usize>]) -> String {
    if found.iter().any(|found| found.start < name.end && name.start < found.end) {
        return HIDDEN.to_owned();
    }
    bytes[name].iter().take(NAME_BYTES).map(|byte| clean(*byte)).collect()
}

fn clean(byte: u8) -> char {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'$' | b'@' => char::from(byte),
        _ => '_',
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    /// The place of a word, walked to in pieces of this size.
    fn place(text: &str, form: Form<'_>, size: usize) -> String {
        let at = text.find("XX").expect("the word");
        let mut trail = Trail::of(form);
        let gone = at / size * size;
        for start in (0..gone).step_by(size) {
            let piece = &text.as_bytes()[start..start + size];
            trail.pass(piece, 0..size, &[]);
        }
        trail
            .places(&text.as_bytes()[gone..], from_ref(&(at - gone..at - gone + 2)))
            .pop()
            .expect("one place")
    }

    #[test]
    fn a_place_is_the_same_however_much_of_the_message_has_gone() {
        let deep = format!("{}\"a\":\"XX\"", "{\"n\":[".repeat(40));
        for (text, form, expected) in [
            (
                r#"{"messages": [{"role": "user"}, {"content": "a \"b\" XX"}]}"#,
                Form::Json,
                "body/messages/1/content",
            ),
            (r#"{"a\"}": [1, {"b": 2}, [3, "XX"]]}"#, Form::Json, "body/a___/2/1"),
            (r#"{"a": 1, "XX": 2}"#, Form::Json, "body/[redacted]"),
            (&deep, Form::Json, "body/n/0/n/0/n/0/n/0/n/0/n/0/n/0/n/0"),
            ("{\"a\":1}\n{\"b\":\"XX\"}\n", Form::JsonLines, "body/1/b"),
            ("event: x\ndata: {\"a\":1}\n\n: {\ndata: {\"b\":[\"XX\"]}\n\n", Form::Events, "body/1/b/0"),
            ("a=1&to%20ken=1=XX&b=2", Form::UrlEncoded, "body/to_20ken"),
            ("a=1&XX&b=2", Form::Query, "query"),
            ("anything \"XX\"", Form::Text, "body"),
        ] {
            for size in 1..text.len() {
                assert_eq!(place(text, form, size), expected, "{text} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_name_that_was_found_is_not_shown_later_either() {
        let mut trail = Trail::of(Form::Json);
        let text = br#"{"a": {"the name": {"b": ["#;
        trail.pass(text, 0..text.len(), from_ref(&(11..15)));
        assert_eq!(trail.places(b"\"x\"", from_ref(&(1..2))), ["body/a/[redacted]/b/0"]);
    }

    #[test]
    fn a_deep_document_takes_no_more_room_than_a_flat_one() {
        let mut trail = Trail::of(Form::Json);
        for _ in 0..1000 {
            trail.pass(&[b'['; 1000], 0..1000, &[]);
        }
        assert_eq!((trail.steps.len(), trail.deeper), (DLP_LOCATION_DEPTH, 1_000_000 - DLP_LOCATION_DEPTH));
    }
}
