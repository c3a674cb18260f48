//! What an agent holds in the place of a secret: `clawgress:NAME`, or `clawgress:NAME/KEY`.
//!
//! Where a policy binds that secret to the request, the placeholder is swapped in header fields and in parameters of the
//! query, alone or behind a scheme, and inside `Basic`. Nowhere else: what stands in a body or a path reaches readers of its
//! own, who could make the secret come back in a form that nobody recognises. Read next: `inject.rs`.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Uri};
use zeroize::Zeroizing;

use super::places::{field_value, with_query};
use super::signature::{decoded, encoded};
use crate::model::types::field::reads_alike;
use crate::model::types::{CredentialPlace, Injection, PLACEHOLDER};

/// The value of a secret by its name and key; nothing where it is not bound here.
pub type Look<'l> = dyn FnMut(&str, Option<&str>) -> Option<Zeroizing<Vec<u8>>> + 'l;

/// The credential of these whose value a placeholder stands for; nothing where none goes out as a value.
pub fn bound<'c>(
    credentials: &'c [Arc<Injection>],
    name: &str,
    key: Option<&str>,
) -> Option<&'c Arc<Injection>> {
    credentials.iter().find(|one| {
        let goes_out = matches!(
            one.place,
            CredentialPlace::Header { .. } | CredentialPlace::Basic { .. } | CredentialPlace::Query(_)
        );
        goes_out && *one.secret == *name && (key.is_none() || one.key.is_none() || one.key.as_deref() == key)
    })
}

/// Whether what this field holds, or the query where there is no field, leaves with no placeholder in it: swapped, or taken out
/// with whatever the agent sent in a credential's place.
pub fn is_taken(credentials: &[Arc<Injection>], field: Option<&HeaderName>, value: &[u8]) -> bool {
    let mut look =
        |name: &str, key: Option<&str>| bound(credentials, name, key).map(|_| Zeroizing::default());
    let Some(field) = field else {
        let values =
            value.split(|byte| *byte == b'&').filter_map(|one| one.splitn(2, |byte| *byte == b'=').nth(1));
        let decode = |value: &[u8]| decoded(&String::from_utf8_lossy(value));
        let mut held = values.map(decode).filter(|value| value.starts_with(PLACEHOLDER.as_bytes()));
        return held.all(|value| in_text(&value, &mut look).is_some());
    };
    let fills = |one: &Arc<Injection>| match &one.place {
        CredentialPlace::Header { name, .. } | CredentialPlace::Basic { name, .. } => {
            reads_alike(name.as_str(), field.as_str())
        }
        CredentialPlace::Query(_) => false,
        CredentialPlace::Aws(_) => *field == AUTHORIZATION || field.as_str().starts_with("x-amz-"),
        CredentialPlace::Google(_) => *field == AUTHORIZATION,
    };
    credentials.iter().any(fills) || in_field(value, &mut look).is_some()
}

/// Swaps every placeholder that is known; whether there was one. Nothing where that makes no request.
pub fn swap(headers: &mut HeaderMap, uri: &mut Uri, look: &mut Look<'_>) -> Option<bool> {
    let mut swapped = false;
    for value in headers.values_mut() {
        if let Some(new) = in_field(value.as_bytes(), look) {
            *value = field_value(&[&new]).ok()?;
            value.set_sensitive(true);
            swapped = true;
        }
    }
    with_query(uri, |query| {
        let one = |one: &str| {
            let (name, value) = one.split_once('=')?;
            let new = in_text(&decoded(value), look)?;
            swapped = true;
            Some(format!("{name}={}", encoded(&new, |_| false)))
        };
        let mut one = one;
        let all = query.split('&').map(|part| one(part).unwrap_or_else(|| part.to_owned()));
        all.collect::<Vec<_>>().join("&")
    })?;
    Some(swapped)
}

fn in_field(value: &[u8], look: &mut Look<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let beginning = value.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
    let Some(beginning) = beginning else { return in_text(value, look) };
    let plain = Zeroizing::new(BASE64_STANDARD.decode(value[6..].trim_ascii()).ok()?);
    let parts = plain.split(|byte| *byte == b':').count();
    // `clawgress:NAME` has a colon of its own: what stands before or behind it is the other half.
    let swapped = match parts {
        2.. => halves(&plain, look)?,
        _ => return None,
    };
    let coded = Zeroizing::new(BASE64_STANDARD.encode(&*swapped));
    Some(Zeroizing::new([beginning, coded.as_bytes()].concat()))
}

/// Of `USER:PASSWORD`, whichever half is a placeholder.
fn halves(plain: &[u8], look: &mut Look<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let colons = plain.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    for at in colons.collect::<Vec<_>>() {
        let (user, password) = (&plain[..at], &plain[at + 1..]);
        let new = (known(user, look), known(password, look));
        if new.0.is_some() || new.1.is_some() {
            let half = |new: &Option<Zeroizing<Vec<u8>>>, old: &[u8]| {
                Zeroizing::new(new.as_ref().map_or_else(|| old.to_vec(), |new| new.to_vec()))
            };
            let (user, password) = (half(&new.0, user), half(&new.1, password));
            return Some(Zeroizing::new([&user[..], b":", &password[..]].concat()));
        }
    }
    None
}

/// A text that is a placeholder, alone or as its last word.
fn in_text(text: &[u8], look: &mut Look<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let last = text.iter().rposition(|byte| *byte == b' ').map_or(0, |at| at + 1);
    let (before, word) = text.split_at(last);
    let value = known(word, look)?;
    Some(Zeroizing::new([before, &value[..]].concat()))
}

/// The value that a placeholder stands for.
fn known(word: &[u8], look: &mut Look<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let name = std::str::from_utf8(word).ok()?.strip_prefix(PLACEHOLDER)?;
    let (name, key) = name.split_once('/').map_or((name, None), |(name, key)| (name, Some(key)));
    look(name, key)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn swapped(field: &str, target: &str) -> (String, String, bool) {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(field).unwrap());
        let mut uri: Uri = target.parse().unwrap();
        let mut look = |name: &str, key: Option<&str>| match (name, key) {
            ("mail", None) => Some(Zeroizing::new(b"s3cret/value".to_vec())),
            ("mail", Some("user")) => Some(Zeroizing::new(b"robot".to_vec())),
            _ => None,
        };
        let swapped = swap(&mut headers, &mut uri, &mut look).unwrap();
        (headers["authorization"].to_str().unwrap().to_owned(), uri.to_string(), swapped)
    }

    #[test]
    fn a_placeholder_is_swapped_alone_behind_a_scheme_and_inside_basic() {
        for (sent, goes) in [
            ("clawgress:mail", "s3cret/value"),
            ("Bearer clawgress:mail", "Bearer s3cret/value"),
            ("token clawgress:mail/user", "token robot"),
        ] {
            assert_eq!(swapped(sent, "/"), (goes.into(), "/".into(), true));
        }
        for (sent, goes) in [
            ("me:clawgress:mail", "me:s3cret/value"),
            ("clawgress:mail/user:clawgress:mail", "robot:s3cret/value"),
            ("clawgress:mail:", "s3cret/value:"),
        ] {
            let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
            assert_eq!(swapped(&basic(sent), "/").0, basic(goes), "{sent}");
        }
        let (_, target, is_swapped) = swapped("x", "/a?key=clawgress%3Amail&b=clawgress:mail/user&c=1");
        assert_eq!((&*target, is_swapped), ("/a?key=s3cret%2Fvalue&b=robot&c=1", true));
    }

    #[test]
    fn what_is_swapped_or_taken_out_leaves_with_no_placeholder() {
        let injection = |secret: &str, place| {
            Arc::new(Injection {
                policy: crate::model::types::PolicyRef::new("CredentialInjectionPolicy", "a"),
                secret: secret.into(),
                key: None,
                place,
            })
        };
        let header =
            CredentialPlace::Header { name: HeaderName::from_static("x-api-key"), prefix: "".into() };
        let all = [injection("mail", header), injection("aws", CredentialPlace::Aws(Default::default()))];
        let taken = |field: &'static str, value: &str| {
            is_taken(&all, Some(&HeaderName::from_static(field)), value.as_bytes())
        };
        assert!(taken("x_api_key", "clawgress:other") && taken("x-other", "token clawgress:mail"));
        assert!(taken(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=clawgress:aws/20260101/r/s/aws4_request"
        ));
        assert!(!taken("x-other", "clawgress:other") && !taken("x-other", "clawgress:aws"));
        for (query, expected) in [("a=clawgress%3Amail", true), ("a=clawgress:mail&b=clawgress:other", false)]
        {
            assert_eq!(is_taken(&all, None, query.as_bytes()), expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_bound_here_and_what_only_looks_like_one_stays() {
        for sent in [
            "Bearer clawgress:other",
            "xclawgress:mail",
            "clawgress:mail,",
            "Basic !",
            "Basic bWU=",
            "clawgress:",
        ] {
            assert_eq!(
                swapped(sent, "/clawgress:mail?a&clawgress:mail=1"),
                (sent.into(), "/clawgress:mail?a&clawgress:mail=1".into(), false)
            );
        }
    }
}
