//! Fields that belong to one connection and are not forwarded (RFC 9110, section 7.6.1), in both directions; those of
//! alternative services (RFC 7838), which name other hosts, ports and protocols for the same names; and those by which a
//! front end tells its own server that another host or path is meant.
//!
//! Strip a request's head before it is read as a [`super::Request`]: then policy judges exactly the fields that are
//! sent on. Never touches bodies, and never lets `Connection` name a field away that matters at the other end.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};
use smallvec::SmallVec;

use super::cookies;
use super::guard::HEAD_ONLY;
use crate::model::types::field::{OTHER_METHODS, OTHER_PLACES, reads_alike};
use crate::model::types::limits::CONNECTION_OPTIONS;

/// Fields that `Connection` cannot name away: they say whom a message is for, who sends it, how long it is, how it is
/// read or how it is cached. RFC 9110, section 7.6.1, forbids senders to list such fields; a gateway that obeyed
/// would let an agent show it a field and hide it from the destination, or the other way round.
const PROTECTED: [&str; 25] = [
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
/// say so (RFC 9113, section 8.2.2): there it stands for an extended CONNECT (RFC 8441). It has no body: a server that
/// switches in front of one would take the rest for frames.
pub fn is_websocket(head: &Parts) -> bool {
    head.version >= Version::HTTP_11
        && head.method == Method::GET
        && !head.headers.contains_key(TRANSFER_ENCODING)
        && head.headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
        && single(&head.headers, &UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && options(&head.headers).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// Makes a request's head fit to be forwarded. `Upgrade` stays where [`is_websocket`] holds; `Expect` goes, because the
/// gateway itself answers it (RFC 9110, section 10.1.1). The crumbs of a cookie become one field.
pub fn strip_request(head: &mut Parts) {
    let upgrade = is_websocket(head);
    strip(&mut head.headers, upgrade, true);
    cookies::join(&mut head.headers);
}

/// Makes a response's head fit to be forwarded. `switching` for the 101 that answers a WebSocket request.
pub fn strip_response(headers: &mut HeaderMap, switching: bool) {
    strip(headers, switching, false);
}

/// Makes a request's trailers fit to be forwarded: what belongs in a head does not count there (RFC 9110, section
/// 6.5.1), and blanks around a value make the whole request malformed to some upstreams of HTTP/2 (RFC 9113, section
/// 8.2.1), which then end the connection. The guard refuses such trailers in HTTP/1; in HTTP/2 the request is on its way
/// already. Nor do names that rules set or remove pass, `withheld`: many servers put trailers among the fields.
pub fn strip_trailers(trailers: &mut HeaderMap, withheld: &[HeaderName]) {
    for name in HEAD_ONLY {
        if let Ok(name) = HeaderName::from_bytes(name) {
            trailers.remove(name);
        }
    }
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let blank = |value: &HeaderValue| is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last());
    let leaves = |(name, value): &(&HeaderName, &HeaderValue)| {
        let is_withheld = |own: &HeaderName| reads_alike(own.as_str(), name.as_str());
        let of_method = || OTHER_METHODS.iter().any(|own| reads_alike(own, name.as_str()));
        blank(value) || withheld.iter().any(is_withheld) || is_override(name.as_str()) || of_method()
    };
    let gone: SmallVec<[HeaderName; 4]> =
        trailers.iter().filter(leaves).map(|(name, _)| name.clone()).collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// The other fields keep their order.
fn strip(headers: &mut HeaderMap, keep_upgrade: bool, request: bool) {
    let named: SmallVec<[HeaderName; 4]> = options(headers)
        .take(CONNECTION_OPTIONS)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| !is_protected(name.as_str()))
        .collect();
    let te = te(headers);
    let leaves = |name: &HeaderName| match name.as_str() {
        "te" => te != Te::Trailers,
        "upgrade" => !keep_upgrade,
        "expect" => request,
        known if request && is_override(known) => true,
        known => is_hop_by_hop(known) || named.contains(name),
    };
    let all = headers.keys_len();
    let gone: SmallVec<[HeaderName; 8]> = headers.keys().filter(|name| leaves(name)).cloned().collect();
    // A removed field leaves its place to the last one: at the end nothing is moved.
    let at_the_end = headers.keys().skip(all - gone.len()).all(&leaves);
    if at_the_end && !keep_upgrade && te != Te::Mixed {
        for name in gone {
            headers.remove(name);
        }
        return;
    }
    let mut left = HeaderMap::with_capacity(all);
    let mut last = TE;
    for (name, value) in std::mem::take(headers) {
        // Further values of a field come without its name.
        let first = name.is_some();
        let name = name.unwrap_or(last);
        if !leaves(&name) {
            left.append(&name, value);
        } else if first && name == TE && te == Te::Mixed {
            left.insert(TE, HeaderValue::from_static("trailers"));
        } else if first && name == CONNECTION && keep_upgrade {
            left.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        last = name;
    }
    *headers = left;
}

/// What `TE` says: of all transfer codings it may name, only `trailers` is handed on.
#[derive(PartialEq)]
enum Te {
    Absent,
    Trailers,
    Mixed,
}

fn te(headers: &HeaderMap) -> Te {
    let Some(only) = single(headers, &TE) else {
        let trailers = headers.get_all(TE).iter().any(names_trailers);
        return if trailers { Te::Mixed } else { Te::Absent };
    };
    match only {
        b"trailers" => Te::Trailers,
        _ if headers.get(TE).is_some_and(names_trailers) => Te::Mixed,
        _ => Te::Absent,
    }
}

fn names_trailers(value: &HeaderValue) -> bool {
    tokens(value).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

/// `Trailer` is not among them: trailers are forwarded, and the field announces them (RFC 9110, section 6.6.2).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "transfer-encoding" | "upgrade" | "http2-settings")
        || name.starts_with("proxy-")
        || is_of_alternatives(name)
}

/// Whether some server believes it more than what is judged.
fn is_override(name: &str) -> bool {
    name.starts_with('x') && OTHER_PLACES.iter().any(|known| reads_alike(known, name))
}

/// An alternative service stands at a place that was not looked up here, and most often speaks QUIC.
fn is_of_alternatives(name: &str) -> bool {
    matches!(name, "alt-svc" | "alt-used")
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
    fn the_crumbs_of_a_cookie_are_one_field_before_anybody_looks_at_them() {
        let left = stripped(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]);
        let one = ("cookie".to_owned(), "a=1; b=2; c=3; d=4".to_owned());
        assert_eq!(left, [one, ("x-a".to_owned(), "1".to_owned())]);
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
            ("alt-used", "other.example"),
            ("trailer", "x-sum"),
        ]);
        assert_eq!(left, [("host".to_owned(), "a".to_owned()), ("trailer".to_owned(), "x-sum".to_owned())]);
    }

    #[test]
    fn what_would_tell_a_server_of_another_host_or_path_is_not_forwarded() {
        for name in OTHER_PLACES.into_iter().chain(["x_original_url", "x_forwarded-host", "x.rewrite.url"]) {
            assert_eq!(stripped(&[(name, "/admin"), ("connection", "te")]), [], "{name}");
        }
        let others =
            [("forwarded", "host=other.example"), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded", "1")];
        let kept = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(stripped(&others), kept, "they tell where a message comes from");
    }

    #[test]
    fn alternative_services_are_not_told_of_in_either_direction() {
        let mut answer = head(&[("alt-svc", "h3=\":443\""), ("x-a", "1"), ("alt-svc", "clear")]).headers;
        strip_response(&mut answer, false);
        assert_eq!(answer.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-a"]);
        assert_eq!(stripped(&[("alt-used", "other.example"), ("connection", "te")]), []);
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
    fn what_belongs_in_a_head_is_withheld_or_has_blanks_around_it_does_not_count_among_trailers() {
        let blank = [("x-before", " 1"), ("x-behind", "1\t"), ("x-blank", " ")];
        let blank = [&blank[..], &[("x_original_url", "/admin"), ("x-http-method", "PUT")]].concat();
        let mut trailers =
            head(&[&[("x-sum", "1"), ("x_note", "1"), ("grpc-status", "0")][..], &blank].concat()).headers;
        for name in HEAD_ONLY {
            trailers.insert(HeaderName::from_bytes(name).unwrap(), HeaderValue::from_static("1"));
        }
        strip_trailers(&mut trailers, &[HeaderName::from_static("x-note")]);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-sum"]);
    }

    #[test]
    fn the_fields_that_are_forwarded_keep_their_order() {
        let fields =
            [("host", "a"), ("x-1", "1"), ("x-2", "2"), ("x-1", "3"), ("te", "trailers"), ("x-3", "4")];
        for gone in ["connection", "keep-alive", "expect", "te2"] {
            for at in 0..=fields.len() {
                let mut sent = fields.to_vec();
                sent.insert(at, (gone, "te2"));
                let names: Vec<String> =
                    stripped(&sent).into_iter().map(|(name, value)| name + value.as_str()).collect();
                let mut expected = vec!["hosta", "x-11", "x-13", "x-22", "tetrailers", "x-34"];
                if gone == "te2" {
                    // Nobody named it away: values of one field stand together, and nothing else moves.
                    expected.insert([0, 1, 3, 4, 4, 5, 6][at], "te2te2");
                }
                assert_eq!(names, expected, "{gone} at {at}");
            }
        }
    }

    #[test]
    fn te_keeps_trailers_alone() {
        assert_eq!(
            stripped(&[("te", "gzip, Trailers"), ("connection", "te")]),
            [("te".into(), "trailers".into())]
        );
        assert_eq!(
            stripped(&[("te", "gzip"), ("te", "trailers"), ("x", "1")]),
            [("te".into(), "trailers".into()), ("x".into(), "1".into())]
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
            &[("connection", "upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(stripped(other), [], "{other:?}");
        }
        let with_length =
            |length| is_websocket(&head(&[&websocket[..], &[("content-length", length)]].concat()));
        assert_eq!(["0", "5"].map(with_length), [true, false]);
        let mut old = head(&websocket);
        old.version = Version::HTTP_10;
        assert!(!is_websocket(&old));
    }
}
