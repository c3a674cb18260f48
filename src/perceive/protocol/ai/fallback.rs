//! The same question to another model of the same provider, for where the first one fails: in the path or in the body, whichever
//! names it. Every other byte stays as it is.
//!
//! Pure; who asks again, and when, is decided elsewhere. Read next: `endpoint.rs`.

use std::fmt::Write as _;
use std::ops::Range;

use http::{HeaderMap, header};

use super::endpoint::Endpoint;
use crate::perceive::protocol::json::{Event, Scanner, Visitor, Word};

/// Where a model is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Another {
    /// In the target, which becomes this one.
    Target(String),
    /// In the body: these bytes become these.
    Body(Range<usize>, Vec<u8>),
}

/// Whether the client vouches for the bytes of a request with this target: by a signature (AWS Signature Version 4; RFC 9421), or by
/// a digest of its body (RFC 9530, RFC 1864). Another model would make it void.
pub fn is_signed(target: &str, headers: &HeaderMap) -> bool {
    const VOUCHING: [&str; 6] =
        ["signature-input", "content-digest", "repr-digest", "digest", "content-md5", "x-amz-content-sha256"];
    let by_aws =
        headers.get_all(header::AUTHORIZATION).iter().any(|value| value.as_bytes().starts_with(b"AWS4-"));
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let in_query = query.split('&').any(|part| {
        let name = part.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("X-Amz-Signature")
    });
    by_aws || in_query || VOUCHING.iter().any(|name| headers.contains_key(*name))
}

/// How a request to this endpoint, with this target (path and query, as it is sent) and this body in plain JSON, asks another
/// model. Nothing where it names none, or names it in a way that leaves doubt.
pub fn another(endpoint: &Endpoint, target: &str, body: &[u8], model: &str) -> Option<Another> {
    if endpoint.model.is_some() {
        return in_target(target, model).map(Another::Target);
    }
    let value = in_body(body)?;
    let quoted = serde_json::to_vec(model).ok()?;
    Some(Another::Body(value, quoted))
}

/// The segment behind `models` or `model` up to its verb, or behind `deployments`.
fn in_target(target: &str, model: &str) -> Option<String> {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut begin = 0;
    let mut named = None;
    let mut before = "";
    for segment in path.split('/') {
        let is_named =
            ["models", "model", "deployments"].iter().any(|name| before.eq_ignore_ascii_case(name));
        if is_named && !segment.is_empty() {
            let verb = if before.eq_ignore_ascii_case("models") { segment.rfind(':') } else { None };
            named = Some(begin..begin + verb.unwrap_or(segment.len()));
        }
        if !segment.is_empty() {
            before = segment;
        }
        begin += segment.len() + 1;
    }
    let named = named?;
    let mut escaped = String::with_capacity(model.len());
    for byte in model.bytes() {
        // RFC 3986, section 3.3: what a segment may hold as it is, without what parts of paths are told apart by.
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                escaped.push(char::from(byte));
            }
            // Cannot fail: it is memory.
            _ => write!(escaped, "%{byte:02X}").ok()?,
        }
    }
    Some(format!("{}{escaped}{}{query}", &path[..named.start], &path[named.end..]))
}

/// Bytes of a body that are looked at one by one to find the end of a string in them.
const STEP: usize = 4096;

/// The value of the one `model` that the document itself has, quotation marks included.
fn in_body(body: &[u8]) -> Option<Range<usize>> {
    let (mut scanner, mut seen) = (Scanner::default(), Place::default());
    let mut end = None;
    for (number, step) in body.chunks(STEP).enumerate() {
        let mut before = (scanner.clone(), seen);
        scanner.feed(step, &mut seen).ok()?;
        if seen.is_over && end.is_none() {
            let is_end = |byte: &u8| {
                // It was read without a fault already.
                let read = before.0.feed(std::slice::from_ref(byte), &mut before.1);
                read.is_ok() && before.1.is_over
            };
            end = step.iter().position(is_end).map(|at| number * STEP + at + 1);
        }
    }
    scanner.finish(&mut seen).ok()?;
    // What stands behind was read as well: it may name another.
    let end = end.filter(|_| !seen.is_doubtful)?;
    opening(&body[..end]).map(|begin| begin..end)
}

/// Where the string begins that ends with these bytes.
fn opening(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.len().checked_sub(1)?;
    while let Some(before) = at.checked_sub(1) {
        at = before;
        let escapes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if bytes[at] == b'"' && escapes % 2 == 0 {
            return Some(at);
        }
    }
    None
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    is_over: bool,
    is_doubtful: bool,
}

impl Visitor for Place {
    fn wants(&self, path: &[Word]) -> bool {
        path == [Word::Model]
    }

    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        if path == [Word::Model] {
            match event {
                Event::Text(_) => {}
                Event::TextEnd => self.is_over = true,
                _ => self.is_doubtful = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Method};

    use super::*;
    use crate::model::types::Provider;

    #[test]
    fn what_the_client_vouches_for_is_known_by_its_fields_and_its_query() {
        let with = |name: &'static str, value: &str| {
            let headers = [(HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect();
            is_signed("/model/a/converse", &headers)
        };
        let aws = "AWS4-HMAC-SHA256 Credential=a/20261129/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0";
        assert!(with("authorization", aws) && with("authorization", "AWS4-ECDSA-P256-SHA256 Credential=a"));
        assert!(!with("authorization", "Bearer AWS4-x"));
        assert!(with("content-digest", "sha-256=:AA==:") && with("signature-input", "a=()"));
        let target = |target: &str| is_signed(target, &HeaderMap::new());
        assert!(target("/model/a/converse?x=1&X-Amz-Signature=0"));
        assert!(!target("/model/X-Amz-Signature=0") && !target("/m?a=X-Amz-Signature"));
    }

    fn asked(provider: Provider, target: &str, body: &str, model: &str) -> Option<String> {
        let path = target.split('?').next().unwrap();
        let endpoint = Endpoint::read(provider, &Method::POST, path);
        match another(&endpoint, target, body.as_bytes(), model)? {
            Another::Target(target) => {
                let path = target.split('?').next().unwrap();
                let read = Endpoint::read(provider, &Method::POST, path);
                assert_eq!(read.model.as_deref(), Some(model), "{target}");
                assert_eq!((read.operation, read.streams), (endpoint.operation, endpoint.streams));
                Some(target)
            }
            Another::Body(range, value) => {
                let body = [&body.as_bytes()[..range.start], &value, &body.as_bytes()[range.end..]].concat();
                Some(String::from_utf8(body).unwrap())
            }
        }
    }

    #[test]
    fn a_model_in_the_path_is_replaced_there() {
        use Provider::{AzureOpenAi, Bedrock, Google};
        for (provider, target, model, expected) in [
            (
                AzureOpenAi,
                "/openai/deployments/team%20a/chat/completions?api-version=1",
                "b",
                "/openai/deployments/b/chat/completions?api-version=1",
            ),
            (
                Google,
                "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
                "gemini-3-flash",
                "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse",
            ),
            (
                Google,
                "/v1/projects/p/locations/global/publishers/anthropic/models/c@1:rawPredict",
                "c@2",
                "/v1/projects/p/locations/global/publishers/anthropic/models/c@2:rawPredict",
            ),
            (
                Bedrock,
                "/model/anthropic.claude-v1:0/converse-stream",
                "arn:aws:bedrock:us-east-1:1:inference-profile/p",
                "/model/arn:aws:bedrock:us-east-1:1:inference-profile%2Fp/converse-stream",
            ),
        ] {
            assert_eq!(
                asked(provider, target, "{\"model\":\"not heard\"}", model).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn a_model_in_the_body_is_replaced_there_and_no_other_byte_is() {
        let chat = |body: &str| asked(Provider::OpenAi, "/v1/chat/completions", body, "b\"2");
        for (body, expected) in [
            (r#"{"model":"a"}"#, r#"{"model":"b\"2"}"#),
            (
                r#" {"messages":[{"model":"x"}], "model" : "a\\\"" , "n":1.0}"#,
                r#" {"messages":[{"model":"x"}], "model" : "b\"2" , "n":1.0}"#,
            ),
            (r#"{"mod\u0065l":"a","é":"ü"}"#, r#"{"mod\u0065l":"b\"2","é":"ü"}"#),
            (r#"{"model":""}"#, r#"{"model":"b\"2"}"#),
        ] {
            assert_eq!(chat(body).as_deref(), Some(expected));
        }
        for body in [
            r#"{"messages":[]}"#,
            r#"{"model":7}"#,
            r#"{"model":"a","model":"b"}"#,
            r#"{"Model":"a","model":"b"}"#,
            r#"{"model":"a""#,
        ] {
            assert_eq!(chat(body), None, "{body}");
        }
    }
}
