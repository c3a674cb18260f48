//! Requests that are DNS queries by their own words, whatever host they go to.
//!
//! By media type, and by the `dns` parameter where it holds the header of a query. A wildcard in `Accept` says nothing,
//! and neither does a parameter that merely has that name. Bodies are not looked into.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::query;

/// RFC 8484, section 6; RFC 9230, section 9; and what public resolvers call their JSON form.
const TYPES: [&str; 3] =
    ["application/dns-message", "application/oblivious-dns-message", "application/dns-json"];
/// Characters of base64url that hold the header of a DNS message.
const HEADER: usize = 16;

/// By what a request with these fields and this query asks DNS, such as `Accept: application/dns-message`; none where it
/// does not.
pub(super) fn words(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    for (title, field) in [("Content-Type", CONTENT_TYPE), ("Accept", ACCEPT)] {
        let values = headers.get_all(field).iter();
        let mut types = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        if let Some(kind) = types.find_map(named) {
            return Some(format!("{title}: {kind}"));
        }
    }
    let mut pairs = query::pairs(query.unwrap_or_default());
    let asks = pairs.any(|(name, value)| name == "dns" && carries_dns(&value));
    asks.then(|| "the parameter `dns`, which holds a query".to_owned())
}

/// The type of DNS that one media type is, whatever its parameters.
fn named(range: &[u8]) -> Option<&'static str> {
    let end = memchr::memchr(b';', range).unwrap_or(range.len());
    let kind = range[..end].trim_ascii();
    TYPES.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(kind))
}

/// The value of `dns`, decoded: a query with one question (RFC 8484, section 4.1; RFC 1035, section 4.1.1).
fn carries_dns(text: &str) -> bool {
    let Some(text) = text.as_bytes().first_chunk::<HEADER>() else { return false };
    let mut header = [0; HEADER / 4 * 3];
    for (four, three) in text.chunks_exact(4).zip(header.chunks_exact_mut(3)) {
        let mut bits = 0;
        for byte in four {
            let Some(sextet) = sextet(*byte) else { return false };
            bits = bits << 6 | sextet;
        }
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    let [_, _, flags, _, questions @ .., a, b, c, d, _, _] = header;
    let is_query = flags & 0xf8 == 0;
    is_query && questions == [0, 1] && [a, b, c, d] == [0; 4]
}

/// RFC 4648, section 5; the letters of section 4 too, because lenient servers take them.
fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(pair).collect()
    }

    #[test]
    fn a_request_with_a_media_type_of_dns_is_a_query() {
        for (name, value) in [
            ("content-type", "application/dns-message"),
            ("content-type", "Application/DNS-Message; charset=x"),
            ("accept", "application/dns-message"),
            ("accept", "text/html, application/dns-json;q=0.5"),
            ("content-type", "application/oblivious-dns-message"),
        ] {
            let words = words(&fields(&[(name, value)]), None).expect(value);
            let (title, kind) = words.split_once(": ").unwrap();
            assert!(title.eq_ignore_ascii_case(name), "{words}");
            assert!(value.to_ascii_lowercase().contains(kind), "{words}");
        }
    }

    #[test]
    fn a_parameter_that_holds_the_header_of_a_query_is_one() {
        for query in [
            "dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB",
            "ct=x&dns=q80BAAABAAAAAAABA3d3dwdleGFtcGxlA2NvbQAAAQAB",
            "dns=%41AABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB",
            "%64ns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB",
        ] {
            assert!(words(&HeaderMap::new(), Some(query)).is_some(), "{query}");
        }
    }

    #[test]
    fn what_merely_looks_like_it_is_no_query() {
        for (name, value) in [
            ("accept", "*/*"),
            ("accept", "application/*"),
            ("accept", "application/json, text/plain, */*"),
            ("content-type", "application/dns"),
            ("content-type", "application/dns-message-log"),
            ("content-type", "text/plain; type=application/dns-message"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(words(&fields(&[(name, value)]), None), None, "{name}: {value}");
        }
        for query in
            ["dns=8.8.8.8", "dns=", "dns=1", "dns=aaaaaaaaaaaaaaaa", "name=dns", "dns=AAABAAACAAAAAAAA"]
        {
            assert_eq!(words(&HeaderMap::new(), Some(query)), None, "{query}");
        }
    }
}
