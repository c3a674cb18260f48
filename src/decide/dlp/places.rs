//! Where in a message something stands, in the words of its form: `body/messages/0/content`, `query/token`.
//!
//! Names come from whoever sent the message, so they are cut and cleaned before they stand in a record, and a name that is
//! itself a finding is not shown. A message that is not what it says has places all the same, if coarser ones. Read next:
//! `trail.rs`, which walks through documents, and `inspect.rs`.

use std::ops::Range;

use super::form::Form;
use super::trail::{Trail, shown};
use super::unhide::{frames, parts};
use crate::model::types::limits::DLP_LOCATION_BYTES;

/// The place of each of these ranges, which are in order, in a message from its beginning.
pub fn places(bytes: &[u8], form: Form<'_>, ranges: &[Range<usize>]) -> Vec<String> {
    if ranges.is_empty() {
        return Vec::new();
    }
    let mut places = match form {
        Form::Method => vec!["method".to_owned(); ranges.len()],
        Form::Path => vec!["path".to_owned(); ranges.len()],
        Form::Control => vec!["control".to_owned(); ranges.len()],
        Form::Host => vec!["host".to_owned(); ranges.len()],
        Form::Field(name) => vec![format!("header/{}", name.to_ascii_lowercase()); ranges.len()],
        Form::Trailer(name) => vec![format!("trailer/{}", name.to_ascii_lowercase()); ranges.len()],
        Form::Multipart(boundary) => in_parts(bytes, boundary, ranges),
        Form::Grpc => in_messages(bytes, ranges),
        form => Trail::of(form).places(bytes, ranges),
    };
    places.iter_mut().for_each(cut);
    places
}

/// The same in part of a message, in front of which this much was walked.
pub fn places_from(mut trail: Trail, bytes: &[u8], ranges: &[Range<usize>]) -> Vec<String> {
    let mut places = if ranges.is_empty() { Vec::new() } else { trail.places(bytes, ranges) };
    places.iter_mut().for_each(cut);
    places
}

fn cut(place: &mut String) {
    if place.len() > DLP_LOCATION_BYTES {
        place.truncate(DLP_LOCATION_BYTES);
    }
}

/// By the part, and its own form.
fn in_parts(bytes: &[u8], boundary: &[u8], ranges: &[Range<usize>]) -> Vec<String> {
    let list = parts(bytes, boundary).unwrap_or_default();
    let place = |range: &Range<usize>| {
        let nth = list.iter().position(|part| part.content.contains(&range.start));
        let Some((nth, part)) = nth.map(|nth| (nth, &list[nth])) else { return "body".to_owned() };
        let name = match part.name.and_then(|name| subrange(bytes, name.as_bytes())) {
            Some(name) => shown(bytes, name, ranges),
            None => nth.to_string(),
        };
        format!("body/{name}")
    };
    ranges.iter().map(place).collect()
}

/// By the number of the message.
fn in_messages(bytes: &[u8], ranges: &[Range<usize>]) -> Vec<String> {
    let (list, _) = frames(bytes);
    let place = |range: &Range<usize>| match list.iter().position(|frame| range.start < frame.message.end) {
        Some(nth) => format!("body/{nth}"),
        None => "body".to_owned(),
    };
    ranges.iter().map(place).collect()
}

/// Where a slice of some bytes stands in them.
fn subrange(bytes: &[u8], slice: &[u8]) -> Option<Range<usize>> {
    let start = (slice.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    (start + slice.len() <= bytes.len()).then_some(start..start + slice.len())
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
