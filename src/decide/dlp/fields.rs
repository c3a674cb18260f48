//! Fields of a head, or of what stands behind a body: which of them are looked into, and what becomes of one in which something
//! was found.
//!
//! What frames a message is left to those who frame it. A field whose value others have to be able to read keeps its form, and one
//! that would say something wrong with other characters in it is gone. Names carry as much as values do. Looks for nothing
//! itself. Read next: `passing.rs`.

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::form::Form;
use super::inspect::{Findings, Inspector, Location, Match};
use super::redact::redact;

/// Fields by which messages are framed, and by which connections are kept and changed: the gateway itself judges and writes them.
const FRAMING: [&str; 7] = [
    "connection",
    "content-length",
    "host",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "transfer-encoding",
    "upgrade",
];
/// Fields that are dates or small numbers where they are what they should be (RFC 9110, sections 5.6.7 and 14.4).
const MEASURES: [&str; 7] =
    ["age", "content-range", "date", "expires", "last-modified", "max-forwards", "retry-after"];
/// A date as servers write it (RFC 9110, section 5.6.7): letters and digits stand for any.
const DATE: &[u8] = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
/// Bytes of the longest measure that is no date.
const MEASURE_BYTES: usize = 12;
/// Fields whose value stands for bytes of which nobody shows any: the version of a body, and sums of it (RFC 1864, RFC 3230,
/// RFC 9530).
const SUMS: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];
/// Bytes of the shortest name that is looked into.
const NAME_BYTES: usize = 8;

/// Whether a field of an answer says how it is framed, or measures it, and nothing else.
pub(super) fn is_framing(name: &str, value: &[u8]) -> bool {
    FRAMING.contains(&name) || MEASURES.contains(&name) && is_measure(value)
}

fn is_measure(value: &[u8]) -> bool {
    let alike = |(byte, sign): (&u8, &u8)| match sign {
        b'A'..=b'Z' => byte.is_ascii_uppercase(),
        b'a'..=b'z' => byte.is_ascii_lowercase(),
        b'0' => byte.is_ascii_digit(),
        _ => byte == sign,
    };
    let is_date = || value.len() == DATE.len() && value.iter().zip(DATE).all(alike);
    value.len() <= MEASURE_BYTES && value.iter().all(u8::is_ascii_digit) || is_date()
}

/// Takes out what sums up a body: it is wrong for another one.
pub fn forget_sums(headers: &mut HeaderMap) {
    SUMS.iter().for_each(|name| drop(headers.remove(*name)));
}

/// The value of a field with other characters in the place of what was found; nothing where it has to go as a whole.
pub fn redacted(form: Form<'_>, value: &HeaderValue, matches: &[Match]) -> Option<HeaderValue> {
    let (Form::Field(name) | Form::Trailer(name)) = form else { return None };
    // Of bytes in base64 nobody could read the rest, and no other version than the one that is named is meant.
    if name == "etag" || name.ends_with("-bin") || SUMS.contains(&name) {
        return None;
    }
    HeaderValue::from_bytes(&redact(value.as_bytes(), form, matches)).ok()
}

/// The names of fields, as a text to look into.
#[derive(Debug, Default)]
pub struct Names {
    text: Vec<u8>,
    list: Vec<(Range<usize>, HeaderName)>,
}

impl Names {
    /// Of these fields.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut names = Self::default();
        for name in headers.keys().filter(|name| name.as_str().len() >= NAME_BYTES) {
            let start = names.text.len();
            names.text.extend_from_slice(name.as_str().as_bytes());
            names.list.push((start..names.text.len(), name.clone()));
            names.text.push(b'\n');
        }
        names
    }

    /// What is found in them. In which case they were sent nobody knows any more, so both are looked at.
    pub fn inspect(&self, inspector: &Inspector) -> Findings {
        if self.text.is_empty() {
            return Findings::default();
        }
        let look = |text: &[u8]| {
            let mut found = inspector.inspect(text, Form::Text);
            found.unreadable = None;
            for one in &mut found.matches {
                one.location = Location::from("header".to_owned());
            }
            found
        };
        let found = look(&self.text);
        if found.matches.is_empty() { look(&self.text.to_ascii_uppercase()) } else { found }
    }

    /// Those in which one of these stands.
    pub fn with(&self, matches: &[Match]) -> Vec<HeaderName> {
        let is_in = |range: &Range<usize>| {
            matches.iter().any(|found| found.range.start < range.end && range.start < found.range.end)
        };
        self.list.iter().filter(|(range, _)| is_in(range)).map(|(_, name)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inspector;
    use super::*;
    use crate::model::types::FindingClasses;

    #[test]
    fn what_frames_and_measures_is_left_alone_where_it_is_no_more_than_that() {
        for (name, value) in [
            ("content-length", "12"),
            ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("age", "3600"),
            ("upgrade", "websocket"),
        ] {
            assert!(is_framing(name, value.as_bytes()), "{name}: {value}");
        }
        for (name, value) in [
            ("date", "AKIAQ3EGTRNB7ZK5XJ2W 0:00 GMT"),
            ("age", "4539718203645188"),
            ("etag", "\"1\""),
            ("x-note", "12"),
        ] {
            assert!(!is_framing(name, value.as_bytes()), "{name}: {value}");
        }
    }

    #[test]
    fn a_field_keeps_its_form_or_is_gone() {
        let value = HeaderValue::from_static("https://a.example/?k=swordfish-and-chips-0815&n=1");
        let found = inspector().inspect(value.as_bytes(), Form::Field("location")).matches;
        let other = redacted(Form::Field("location"), &value, &found).expect("a value");
        assert_eq!(other, "https://a.example/?k=%5Bredacted%3Avault%3Adinner%5D&n=1");
        let other = redacted(Form::Field("x-note"), &value, &found).expect("a value");
        assert_eq!(other, "https://a.example/?k=[redacted:vault:dinner]&n=1");
        for name in ["etag", "grpc-status-details-bin", "content-digest"] {
            assert!(redacted(Form::Field(name), &value, &found).is_none(), "{name}");
        }
    }

    #[test]
    fn names_carry_something_in_any_case_and_usual_ones_nothing() {
        let names = |list: &[&'static str]| {
            let fields =
                list.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")));
            Names::of(&fields.collect())
        };
        let carrying = names(&["x-first", "x-swordfish-and-chips-0815", "x-last"]);
        let found = carrying.inspect(&inspector());
        assert_eq!(found.matches[0].location.as_str(), "header");
        assert_eq!(carrying.with(&found.matches), ["x-swordfish-and-chips-0815"]);
        let all = Inspector { wanted: FindingClasses::all(), ..inspector() };
        let key = names(&["x-akiaq3egtrnb7zk5xj2w"]);
        assert_eq!(key.with(&key.inspect(&all).matches), ["x-akiaq3egtrnb7zk5xj2w"]);
        let usual = names(&[
            "accept-encoding",
            "access-control-allow-credentials",
            "access-control-expose-headers",
            "anthropic-ratelimit-input-tokens-remaining",
            "authorization",
            "cf-cache-status",
            "content-disposition",
            "content-security-policy",
            "cross-origin-resource-policy",
            "grpc-status-details-bin",
            "idempotency-key",
            "openai-organization",
            "openai-processing-ms",
            "proxy-authorization",
            "sec-ch-ua-platform",
            "sec-fetch-dest",
            "sec-websocket-protocol",
            "strict-transport-security",
            "traceparent",
            "user-agent",
            "www-authenticate",
            "x-amz-content-sha256",
            "x-amz-security-token",
            "x-api-key",
            "x-auth-token",
            "x-client-secret",
            "x-content-type-options",
            "x-csrf-token",
            "x-github-request-id",
            "x-goog-api-client",
            "x-password",
            "x-ratelimit-remaining-requests",
            "x-request-id",
            "x-stainless-runtime-version",
            "x-xsrf-token",
        ]);
        assert_eq!(usual.inspect(&all).matches, []);
    }
}
