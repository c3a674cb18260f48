//! `setHeaders` and `removeHeaders` of a Transform rule: which fields an administrator may change, and which are the
//! gateway's own.
//!
//! What decides where a message ends, whom it is for or by which connection it goes is never a rule's to change, and
//! credentials have no place in a file.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};

use super::fields::Item;
use super::report::quoted;
use super::resources::Transform;
use super::schema::Form;
use crate::model::types::field::{OTHER_METHODS, OTHER_PLACES, reads_alike};
use crate::model::types::limits::{TRANSFORM_FIELDS, TRANSFORM_VALUE_BYTES};

/// A field value (RFC 9110, section 5.5).
pub static HEADER_VALUE: Form = Form { words: "header value", pattern: "", longest: TRANSFORM_VALUE_BYTES };

/// Fields that the gateway itself removes, sets or relies on, in order: framing (RFC 9112), connections (RFC 9110,
/// section 7.6.1), switched protocols (RFC 6455) and alternatives (RFC 7838). Beside them stand those by which a server is
/// told of another host, path or method than was judged.
const OWN: [&str; 13] = [
    "alt-svc",
    "alt-used",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];
/// Families of such fields.
const OWN_PREFIXES: [&str; 3] = ["proxy-", "sec-websocket-", "x-clawgress-"];

/// Fields by which a proxy tells servers how the request came to it: with another scheme, port or host than was judged
/// (RFC 7239, and what was in use before it). They may be removed.
const TOLD: [&str; 8] = [
    "forwarded",
    "front-end-https",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-url-scheme",
];

/// Fields that carry credentials.
const CREDENTIALS: [&str; 9] = [
    "api-key",
    "authorization",
    "cookie",
    "private-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
    "x-vault-token",
];

/// Reads both fields of a Transform rule.
pub fn read(set: Option<Item<'_>>, remove: Option<Item<'_>>) -> Option<Transform> {
    let mut seen = HashSet::new();
    let before = set.or(remove).map(|item| item.scope.mistakes());
    let mut transform = Transform::default();
    if let Some(item) = set {
        let entries = item.entries().unwrap_or_default();
        bounded(&item, entries.len());
        transform.set.extend(entries.iter().filter_map(|entry| value(entry, &mut seen)));
    }
    if let Some(item) = remove {
        let entries = item.list().unwrap_or_default();
        bounded(&item, entries.len());
        transform.remove.extend(entries.iter().filter_map(|entry| removed(entry, &mut seen)));
    }
    let mistaken = before != set.or(remove).map(|item| item.scope.mistakes());
    (!mistaken).then_some(transform)
}

fn bounded(item: &Item<'_>, count: usize) {
    if count > TRANSFORM_FIELDS {
        item.mistake(format!("{} has {count} entries, more than {TRANSFORM_FIELDS}", quoted(item.name)));
    } else if count == 0 && item.node().value == super::tree::Value::Map(Vec::new()) {
        item.mistake_hint(
            format!("{} is empty", quoted(item.name)),
            "name at least one, or remove the field",
        );
    }
}

/// `NAME: VALUE`.
fn value(entry: &Item<'_>, seen: &mut HashSet<HeaderName>) -> Option<(HeaderName, HeaderValue)> {
    let refuse = |message: String, hint: &str| {
        entry.scope.mistake(entry.key_span(), message, Some(hint.into()));
    };
    let name = name(entry.name, seen, refuse);
    let text = entry.text()?;
    if text.len() > TRANSFORM_VALUE_BYTES {
        entry.mistake(format!(
            "the value of {} is longer than {TRANSFORM_VALUE_BYTES} bytes",
            quoted(entry.name)
        ));
        return None;
    }
    // RFC 9110, section 5.5: blanks around a value are no part of it, and readers differ on what is not ASCII.
    let fits = text.is_ascii() && text.trim() == text;
    let value = HeaderValue::from_str(text).ok().filter(|_| fits);
    if value.is_none() {
        entry.mistake_hint(
            format!("the value of {} cannot be sent", quoted(entry.name)),
            "write visible ASCII, without blanks around it",
        );
    }
    let name = name?;
    if TOLD.iter().any(|known| reads_alike(known, name.as_str())) {
        refuse(
            format!("{} tells servers of another request than was judged", quoted(name.as_str())),
            "a rule may remove this field, not set it",
        );
        return None;
    }
    if CREDENTIALS.iter().any(|known| reads_alike(known, name.as_str())) {
        refuse(
            format!("{} carries credentials, which have no place in a policy file", quoted(name.as_str())),
            "a rule may remove this field, not set it",
        );
        return None;
    }
    Some((name, value?))
}

fn removed(entry: &Item<'_>, seen: &mut HashSet<HeaderName>) -> Option<HeaderName> {
    let text = entry.text()?;
    name(text, seen, |message, hint| entry.mistake_hint(message, hint))
}

/// Whether a field is the gateway's own to send or remove.
pub(super) fn is_own(name: &HeaderName) -> bool {
    let begins = |prefix: &&str| {
        name.as_str().get(..prefix.len()).is_some_and(|beginning| reads_alike(beginning, prefix))
    };
    let mut own = OWN.iter().chain(&OTHER_PLACES).chain(&OTHER_METHODS);
    own.any(|own| reads_alike(own, name.as_str())) || OWN_PREFIXES.iter().any(begins)
}

fn name(text: &str, seen: &mut HashSet<HeaderName>, refuse: impl Fn(String, &str)) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        refuse(format!("{} is not a header name", quoted(text)), "write letters, digits and `-`");
        return None;
    };
    if is_own(&name) {
        refuse(
            format!("{} is the gateway's own to send or remove", quoted(text)),
            "rules change what servers read of a request, not how it gets there",
        );
        return None;
    }
    if !seen.insert(name.clone()) {
        refuse(format!("header {} is named twice", quoted(name.as_str())), "set it or remove it, once");
        return None;
    }
    Some(name)
}
