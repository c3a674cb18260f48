//! Where in a message something stands, in the words of its form: `body/messages/0/content`, `query/token`.
//!
//! Names come from whoever sent the message, so they are cut and cleaned before they stand in a record, and a name that is
//! itself a finding is not shown. A message that is not what it says has places all the same, if coarser ones. Read next:
//! `inspect.rs`.

use std::ops::Range;

use super::form::Form;
use super::unhide::parts;
use crate::model::types::limits::{DLP_LOCATION_BYTES, DLP_LOCATION_DEPTH};

/// The place of each of these ranges, which are in order.
pub fn places(bytes: &[u8], form: Form<'_>, ranges: &[Range<usize>]) -> Vec<String> {
    if ranges.is_empty() {
        return Vec::new();
    }
    let names = Names { bytes, hidden: ranges };
    let mut places = match form {
        Form::Path => vec!["path".to_owned(); ranges.len()],
        Form::Host => vec!["host".to_owned(); ranges.len()],
        Form::Field(name) => vec![format!("header/{}", name.to_ascii_lowercase()); ranges.len()],
        Form::Query => names.in_pairs("query"),
        Form::UrlEncoded => names.in_pairs("body"),
        Form::Multipart(boundary) => names.in_parts(boundary),
        Form::Json | Form::JsonLines | Form::Events => names.in_documents(form),
        Form::Text | Form::Xml | Form::Grpc => vec!["body".to_owned(); ranges.len()],
    };
    for place in &mut places {
        if place.len() > DLP_LOCATION_BYTES {
            place.truncate(DLP_LOCATION_BYTES);
        }
    }
    places
}

/// Names in a message, none of which may show a finding.
struct Names<'a> {
    bytes: &'a [u8],
    hidden: &'a [Range<usize>],
}

impl Names<'_> {
    /// A name as it may be shown: ASCII without anything that could be taken for part of a record.
    fn show(&self, range: Range<usize>) -> String {
        let first = self.hidden.partition_point(|hidden| hidden.end <= range.start);
        // Those before it in order may still reach further.
        let is_hidden = self.hidden[first..].iter().take_while(|hidden| hidden.start < range.end).count() > 0
            || self.hidden[..first].iter().any(|hidden| hidden.end > range.start);
        if is_hidden {
            return "[redacted]".to_owned();
        }
        let name = &self.bytes[range];
        let shown = name.iter().take(NAME_BYTES).map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'$' | b'@' => char::from(*byte),
            _ => '_',
        });
        shown.collect()
    }

    /// By the name in front of the equals sign.
    fn in_pairs(&self, root: &str) -> Vec<String> {
        self.hidden
            .iter()
            .map(|range| {
                let start = memchr::memrchr(b'&', &self.bytes[..range.start]).map_or(0, |at| at + 1);
                let pair = &self.bytes[start..];
                match pair.iter().position(|byte| matches!(byte, b'=' | b'&')) {
                    Some(name) if pair[name] == b'=' && start + name < range.start => {
                        format!("{root}/{}", self.show(start..start + name))
                    }
                    _ => root.to_owned(),
                }
            })
            .collect()
    }

    /// By the part, and its own form.
    fn in_parts(&self, boundary: &[u8]) -> Vec<String> {
        let list = parts(self.bytes, boundary).unwrap_or_default();
        let place = |range: &Range<usize>| {
            let nth = list.iter().position(|part| part.content.contains(&range.start));
            let Some((nth, part)) = nth.map(|nth| (nth, &list[nth])) else { return "body".to_owned() };
            let name = match part.name.and_then(|name| subrange(self.bytes, name.as_bytes())) {
                Some(name) => self.show(name),
                None => nth.to_string(),
            };
            format!("body/{name}")
        };
        self.hidden.iter().map(place).collect()
    }

    /// By the names and numbers that lead there in JSON, each document of a stream by its own number.
    fn in_documents(&self, form: Form<'_>) -> Vec<String> {
        let mut walk = Walk { names: self, places: Vec::new(), stack: Vec::new(), root: "body".to_owned() };
        if form == Form::Json {
            walk.document(0..self.bytes.len());
        } else {
            let (mut nth, mut start) = (0, 0);
            while start < self.bytes.len() && !walk.is_over() {
                let end =
                    memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |at| start + at);
                let line = &self.bytes[start..end];
                let is_document = form == Form::JsonLines || line.starts_with(b"data:");
                let skipped = if is_document && form == Form::Events { 5 } else { 0 };
                walk.root = if is_document { format!("body/{nth}") } else { "body".to_owned() };
                nth += usize::from(is_document);
                walk.document(start + skipped..end);
                start = end + 1;
            }
        }
        walk.places.resize(self.hidden.len(), "body".to_owned());
        walk.places
    }
}

/// Bytes shown of one name.
const NAME_BYTES: usize = 48;

/// Where a slice of some bytes stands in them.
fn subrange(bytes: &[u8], slice: &[u8]) -> Option<Range<usize>> {
    let start = (slice.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    (start + slice.len() <= bytes.len()).then_some(start..start + slice.len())
}

/// A walk through documents of JSON, past the ranges in their order.
struct Walk<'a> {
    names: &'a Names<'a>,
    places: Vec<String>,
    stack: Vec<Step>,
    root: String,
}

/// One thing on the way down.
enum Step {
    /// An object, and the name whose value is read.
    Object(Option<Range<usize>>),
    /// An array, and how many of its elements have passed.
    Array(usize),
}

impl Walk<'_> {
    /// Whether all ranges are behind.
    fn is_over(&self) -> bool {
        self.places.len() == self.names.hidden.len()
    }

    /// Walks through one document.
    fn document(&mut self, range: Range<usize>) {
        self.stack.clear();
        let bytes = self.names.bytes;
        let mut at = range.start;
        while at < range.end && !self.is_over() {
            let start = at;
            at += 1;
            match bytes[start] {
                b'{' => self.push(Step::Object(None)),
                b'[' => self.push(Step::Array(0)),
                b'}' | b']' => drop(self.stack.pop()),
                b',' => match self.stack.last_mut() {
                    Some(Step::Array(count)) => *count += 1,
                    Some(Step::Object(name)) => *name = None,
                    None => {}
                },
                b'"' => {
                    at = string_end(&bytes[..range.end], start);
                    let inner = start + 1..at.saturating_sub(1).max(start + 1);
                    let is_name = matches!(self.stack.last(), Some(Step::Object(None)));
                    if is_name && let Some(Step::Object(name)) = self.stack.last_mut() {
                        *name = Some(inner);
                    }
                }
                _ => {}
            }
            self.pass(at);
        }
        self.pass(range.end);
    }

    fn push(&mut self, step: Step) {
        self.stack.push(step);
    }

    /// Gives all ranges that begin before this byte the place where the walk is.
    fn pass(&mut self, at: usize) {
        while self.names.hidden.get(self.places.len()).is_some_and(|range| range.start < at) {
            let mut place = self.root.clone();
            for step in self.stack.iter().take(DLP_LOCATION_DEPTH) {
                let word = match step {
                    Step::Object(Some(name)) => self.names.show(name.clone()),
                    Step::Object(None) => continue,
                    Step::Array(count) => count.to_string(),
                };
                place.push('/');
                place.push_str(&word);
            }
            self.places.push(place);
        }
    }
}

/// Where the string ends that begins there, its closing quote included.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(next) = memchr::memchr2(b'"', b'\\', &bytes[at..]).map(|next| at + next) {
        if bytes[next] == b'"' {
            return next + 1;
        }
        at = (next + 2).min(bytes.len());
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places_of(text: &str, form: Form<'_>, words: &[&str]) -> Vec<String> {
        let ranges: Vec<Range<usize>> =
            words.iter().map(|word| text.find(word).map(|at| at..at + word.len()).unwrap()).collect();
        places(text.as_bytes(), form, &ranges)
    }

    #[test]
    fn a_place_in_json_is_the_way_to_it() {
        let text =
            r#"{"messages": [{"role": "user"}, {"content": "a \"b\" XX", "n": [1, 4111]}], "k": {"YY": 1}}"#;
        assert_eq!(
            places_of(text, Form::Json, &["XX", "4111", "YY"]),
            ["body/messages/1/content", "body/messages/1/n/1", "body/k/[redacted]"]
        );
    }

    #[test]
    fn documents_of_a_stream_are_numbered() {
        assert_eq!(places_of("{\"a\":1}\n{\"b\":\"XX\"}\n", Form::JsonLines, &["XX"]), ["body/1/b"]);
        let events = "event: x\ndata: {\"a\":1}\n\ndata: {\"b\":[\"XX\"]}\n\n";
        assert_eq!(places_of(events, Form::Events, &["XX"]), ["body/1/b/0"]);
    }

    #[test]
    fn pairs_and_parts_have_the_names_of_their_fields() {
        assert_eq!(
            places_of("a=1&to%20ken=XX&YY&ZZ=1", Form::Query, &["XX", "YY", "ZZ"]),
            ["query/to_20ken", "query", "query"]
        );
        let text = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nXX\r\n--x\r\n\r\nYY\r\n--x--";
        assert_eq!(places_of(text, Form::Multipart(b"x"), &["XX", "YY"]), ["body/key", "body/1"]);
        assert_eq!(places_of("XX", Form::Field("X-Api-Key"), &["XX"]), ["header/x-api-key"]);
    }

    #[test]
    fn places_of_broken_json_are_coarse_and_names_are_cleaned() {
        assert_eq!(places_of("{\"a\": \"x XX", Form::Json, &["XX"]), ["body/a"]);
        assert_eq!(places_of("}}] XX", Form::Json, &["XX"]), ["body"]);
        let long = format!("{{\"a\\n;{}\": \"XX\"}}", "n".repeat(100));
        assert_eq!(places_of(&long, Form::Json, &["XX"]), [format!("body/a_n_{}", "n".repeat(44))]);
    }
}
