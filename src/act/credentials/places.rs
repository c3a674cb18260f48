//! Header fields and query parameters of a request that goes out: what the agent sent in the place of a credential is taken
//! out, in every spelling that some server takes for it, and the credential stands there alone.
//!
//! Never looks at what stands elsewhere. Read next: `inject.rs`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use smallvec::SmallVec;

use super::signature::{decoded, encoded};
use crate::model::types::field::reads_alike;
use crate::platform::sys::locked::LockedBytes;

/// Fields in which the providers of models take a key. Beside a key of ours none of the agent's own goes to them.
const KEY_FIELDS: [&str; 6] =
    ["anthropic-api-key", "api-key", "authorization", "x-amz-security-token", "x-api-key", "x-goog-api-key"];
/// The scheme in front of a user and a password.
const BASIC: &[u8] = b"Basic ";
/// Parameters in which they take one.
const KEY_PARAMETERS: [&str; 4] = ["access_token", "api-key", "api_key", "key"];

/// Takes a field out, in every spelling that some server takes for it.
pub fn remove_field(headers: &mut HeaderMap, name: &str) {
    let alike: SmallVec<[HeaderName; 2]> =
        headers.keys().filter(|sent| reads_alike(name, sent.as_str())).cloned().collect();
    for name in alike {
        headers.remove(name);
    }
}

/// A value of a header field, of these parts, in memory that stays out of swap.
pub fn field_value(parts: &[&[u8]]) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from_owner(LockedBytes::of(parts)))
}

/// `Basic` with a user and a password (RFC 7617, section 2); nothing where the password has control characters.
pub fn basic(user: &str, password: &[u8]) -> Option<HeaderValue> {
    if password.iter().any(u8::is_ascii_control) {
        return None;
    }
    let pair = LockedBytes::of(&[user.as_bytes(), b":", password]);
    let mut coded = LockedBytes::zeroed(BASIC.len() + pair.len().div_ceil(3) * 4);
    coded[..BASIC.len()].copy_from_slice(BASIC);
    BASE64_STANDARD.encode_slice(&*pair, &mut coded[BASIC.len()..]).ok()?;
    HeaderValue::from_maybe_shared(Bytes::from_owner(coded)).ok()
}

/// Puts a value in the place of whatever the agent sent there. It is never shown in a log, and no table of HTTP/2 keeps it
/// (RFC 7541, section 7.1.3).
pub fn set_field(headers: &mut HeaderMap, name: &HeaderName, mut value: HeaderValue) {
    remove_field(headers, name.as_str());
    value.set_sensitive(true);
    headers.insert(name, value);
}

/// Takes out every key that the agent sent to a provider of models.
pub fn remove_keys(headers: &mut HeaderMap, uri: &mut Uri) -> Option<()> {
    for name in KEY_FIELDS {
        remove_field(headers, name);
    }
    with_query(uri, |query| KEY_PARAMETERS.iter().fold(query.to_owned(), |query, name| without(&query, name)))
}

/// Puts a parameter in the place of whatever the agent sent under its name; nothing where that makes no URI.
pub fn set_parameter(uri: &mut Uri, name: &str, value: &[u8]) -> Option<()> {
    let own = format!("{}={}", encoded(name.as_bytes(), |_| false), encoded(value, |_| false));
    with_query(uri, |query| match without(query, name) {
        others if others.is_empty() => own,
        others => others + "&" + &own,
    })
}

/// The same URI with another query.
pub fn with_query(uri: &mut Uri, change: impl FnOnce(&str) -> String) -> Option<()> {
    let before = uri.query().unwrap_or_default();
    let query = change(before);
    if query != before {
        let path = uri.path();
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        *uri = target.parse().ok()?;
    }
    Some(())
}

/// A query without a parameter: by its decoded name in any case, as an entry of a list too, and behind both signs that
/// servers part parameters with.
pub fn without(query: &str, name: &str) -> String {
    let is_other = |one: &&str| {
        let sent = one.split_once('=').map_or(*one, |(sent, _)| sent);
        let sent = decoded(&sent.replace('+', " "));
        let sent = sent.trim_ascii();
        let plain = sent.iter().position(|byte| *byte == b'[').map_or(sent, |at| &sent[..at]);
        !plain.eq_ignore_ascii_case(name.as_bytes())
    };
    let part = |one: &str| {
        let kept: Vec<&str> = one.split(';').filter(is_other).collect();
        (!kept.is_empty()).then(|| kept.join(";"))
    };
    query.split('&').filter_map(part).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let one = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut all = HeaderMap::new();
        for (name, value) in fields.iter().map(one) {
            all.append(name, value);
        }
        all
    }

    #[test]
    fn what_the_agent_sent_in_a_field_is_gone_in_every_spelling() {
        let mut fields = headers(&[
            ("x-api-key", "a"),
            ("x-api-key", "b"),
            ("x_api_key", "c"),
            ("x.api.key", "d"),
            ("x-api-keys", "e"),
        ]);
        set_field(&mut fields, &HeaderName::from_static("x-api-key"), HeaderValue::from_static("ours"));
        let mut left: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(left, [("x-api-key", "ours"), ("x-api-keys", "e")]);
        assert!(fields["x-api-key"].is_sensitive());
    }

    #[test]
    fn a_user_and_a_password_are_written_as_the_standard_has_them() {
        // The examples of RFC 7617, sections 2 and 2.1.
        for (user, password, value) in [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
            ("", "x:y", "Basic Ong6eQ=="),
        ] {
            assert_eq!(basic(user, password.as_bytes()).unwrap(), value);
        }
        assert_eq!(basic("user", b"two\nlines"), None);
    }

    #[test]
    fn a_parameter_stands_once_whatever_was_sent_under_its_name() {
        for (sent, goes) in [
            ("/x", "/x?key=k%2F1"),
            ("/x?a=1", "/x?a=1&key=k%2F1"),
            ("/x?key=mine&a=1&key=again", "/x?a=1&key=k%2F1"),
            ("/x?%6bey=mine&KEY=2&k%65%79", "/x?key=k%2F1"),
            ("/x?a=1;key=mine;b=2", "/x?a=1;b=2&key=k%2F1"),
            ("/x?key[]=mine&key%5B0%5D=2&+key=3", "/x?key=k%2F1"),
            ("/x?keys=1&monkey=2", "/x?keys=1&monkey=2&key=k%2F1"),
        ] {
            let mut uri: Uri = sent.parse().unwrap();
            set_parameter(&mut uri, "key", b"k/1").unwrap();
            assert_eq!(uri, goes, "{sent}");
        }
    }

    #[test]
    fn keys_of_the_agents_own_go_to_no_provider() {
        let mut fields =
            headers(&[("authorization", "Bearer mine"), ("x_goog_api_key", "mine"), ("accept", "*/*")]);
        let mut uri: Uri = "/v1?alt=sse&key=mine&API_KEY=2".parse().unwrap();
        remove_keys(&mut fields, &mut uri).unwrap();
        assert_eq!((fields.len(), uri.to_string()), (1, "/v1?alt=sse".to_owned()));
    }
}
