//! Fields that belong to one connection and are not forwarded (RFC 9110, section 7.6.1), in both directions.
//!
//! Strip a request's head before it is read as a [`super::Request`]: then policy judges exactly the fields that are
//! sent on. Never touches bodies, and never lets `Connection` name a field away that matters at the other end.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TE, UPGRADE};
use http::request::Parts;
use http::{Method, Version};
use smallvec::SmallVec;

use super::guard::HEAD_ONLY;
use crate::model::types::limits::CONNECTION_OPTIONS;

/// Fields that `Connection` cannot name away: they say whom a message is for, who sends it, how long it is, how it is
/// read or how it is cached. RFC 9110, section 7.6.1, forbids senders to list such fields; a gateway that obeyed
/// would let an agent show it a field and hide it from the destination, or the other way round.
const PROTECTED: [&str; 26] = [
    "accept",
    "accept-encoding",
    "api-key",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "forwarded",
    "host",
    "location",
    "origin",
    "range",
    "set-cookie",
    "trailer",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-api-key",
    "x-forwarded-for",
];

/// Families of fields that are protected as a whole.
const PROTECTED_PREFIXES: [&str; 6] = ["sec-", "x-amz-", "x-goog-", "anthropic-", "openai-", "grpc-"];

/// Whether a request asks for WebSocket, the one protocol that a connection may change to (RFC 6455, section 4.1).
/// An upgrade to anything else is not forwarded: what follows it would be judged by nobody. In HTTP/2 no workload can
/// say so (RFC 9113, section 8.2.2): there it stands for an extended CONNECT (RFC 8441).
pub fn is_websocket(head: &Parts) -> bool {
    head.version >= Version::HTTP_11
        && head.method == Method::GET
        && single(&head.headers, &UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && options(&head.headers).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// Makes a request's head fit to be forwarded. `Upgrade` stays where [`is_websocket`] holds.
pub fn strip_request(head: &mut Parts) {
    let upgrade = is_websocket(head);
    strip(&mut head.headers, upgrade);
}

/// Makes a response's head fit to be forwarded. `switching` for the 101 that answers a WebSocket request.
pub fn strip_response(headers: &mut HeaderMap, switching: bool) {
    strip(headers, switching);
}

/// Makes a request's trailers fit to be forwarded: what belongs in a head does not count there (RFC 9110, section
/// 6.5.1). The guard refuses such trailers in HTTP/1; in HTTP/2 the request is on its way already.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    for name in HEAD_ONLY {
        if let Ok(name) = HeaderName::from_bytes(name) {
            trailers.remove(name);
        }
    }
}

fn strip(headers: &mut HeaderMap, keep_upgrade: bool) {
    let mut gone: SmallVec<[HeaderName; 8]> = SmallVec::new();
    for option in options(headers).take(CONNECTION_OPTIONS) {
        if let Ok(name) = HeaderName::from_bytes(option)
            && !is_protected(name.as_str())
            && headers.contains_key(&name)
        {
            gone.push(name);
        }
    }
    gone.extend(headers.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned());
    let upgrade = if keep_upgrade { headers.get(&UPGRADE).cloned() } else { None };
    let trailers =
        headers.get_all(TE).iter().any(|value| tokens(value).any(|t| t.eq_ignore_ascii_case(b"trailers")));
    for name in gone {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = upgrade {
        headers.insert(UPGRADE, upgrade);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// `Trailer` is not among them: trailers are forwarded, and the field announces them (RFC 9110, section 6.6.2).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "transfer-encoding" | "upgrade" | "http2-settings")
        || name.starts_with("proxy-")
}

fn is_protected(name: &str) -> bool {
    PROTECTED.binary_search(&name).is_ok() || PROTECTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// All options of all `Connection` fields.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(CONNECTION).iter().flat_map(tokens)
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().map(HeaderValue::as_bytes).filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Parts {
        let mut builder = http::Request::builder().uri("/");
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn stripped(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut head = head(fields);
        strip_request(&mut head);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        head.headers.iter().map(text).collect()
    }

    #[test]
    fn fields_of_one_connection_are_not_forwarded() {
        let left = stripped(&[
            ("host", "a"),
            ("connection", "keep-alive, X-Mine"),
            ("connection", "x-other"),
            ("x-mine", "1"),
            ("x-other", "1"),
            ("keep-alive", "300"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("trailer", "x-sum"),
        ]);
        assert_eq!(left, [("host".to_owned(), "a".to_owned()), ("trailer".to_owned(), "x-sum".to_owned())]);
    }

    #[test]
    fn connection_cannot_name_away_what_matters_at_the_other_end() {
        for name in PROTECTED.iter().copied().chain(["sec-websocket-key", "x-amz-date", "anthropic-version"])
        {
            let left = stripped(&[("connection", &name.to_uppercase()), (name, "1")]);
            assert_eq!(left, [(name.to_owned(), "1".to_owned())]);
        }
        assert!(PROTECTED.is_sorted(), "it is searched in halves");
    }

    #[test]
    fn what_belongs_in_a_head_does_not_count_among_trailers() {
        let mut trailers = head(&[("x-sum", "1"), ("grpc-status", "0")]).headers;
        for name in HEAD_ONLY {
            trailers.insert(HeaderName::from_bytes(name).unwrap(), HeaderValue::from_static("1"));
        }
        strip_trailers(&mut trailers);
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-sum", "grpc-status"]);
    }

    #[test]
    fn te_keeps_trailers_alone() {
        assert_eq!(
            stripped(&[("te", "gzip, Trailers"), ("connection", "te")]),
            [("te".into(), "trailers".into())]
        );
    }

    #[test]
    fn only_a_websocket_upgrade_is_forwarded() {
        let websocket = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
        let mut left = stripped(&websocket);
        left.sort();
        assert_eq!(left, [("connection".into(), "upgrade".into()), ("upgrade".into(), "WebSocket".into())]);
        for other in [
            &[("connection", "upgrade"), ("upgrade", "h2c")][..],
            &[("connection", "upgrade"), ("upgrade", "websocket, h2c")],
            &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")],
            &[("connection", "close"), ("upgrade", "websocket")],
        ] {
            assert_eq!(stripped(other), [], "{other:?}");
        }
        let mut old = head(&websocket);
        old.version = Version::HTTP_10;
        assert!(!is_websocket(&old));
    }
}
