//! Requests that are DNS queries by their own words, whatever host they go to.
//!
//! By media type, and by the `dns` parameter where it holds the header of a query. A wildcard in `Accept` says nothing,
//! and neither does a parameter that merely has that name. Bodies are not looked into.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::query;

/// RFC 8484, section 6; RFC 9230, section 9; and what public resolvers call their JSON form.
const TYPES: [&[u8]; 3] =
    [b"application/dns-message", b"application/oblivious-dns-message", b"application/dns-json"];
/// Characters of base64url that hold the header of a DNS message.
const HEADER: usize = 16;

/// Whether a request with these fields and this query asks DNS.
pub(super) fn is_query(headers: &HeaderMap, query: Option<&str>) -> bool {
    let fields = [CONTENT_TYPE, ACCEPT].into_iter().flat_map(|name| headers.get_all(name));
    let mut types = fields.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    types.any(names_dns)
        || query::pairs(query.unwrap_or_default()).any(|(name, value)| name == "dns" && carries_dns(&value))
}

/// One media type, whatever its parameters.
fn names_dns(range: &[u8]) -> bool {
    let end = memchr::memchr(b';', range).unwrap_or(range.len());
    let kind = range[..end].trim_ascii();
    TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind))
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
            assert!(is_query(&fields(&[(name, value)]), None), "{name}: {value}");
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
            assert!(is_query(&HeaderMap::new(), Some(query)), "{query}");
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
            assert!(!is_query(&fields(&[(name, value)]), None), "{name}: {value}");
        }
        for query in
            ["dns=8.8.8.8", "dns=", "dns=1", "dns=aaaaaaaaaaaaaaaa", "name=dns", "dns=AAABAAACAAAAAAAA"]
        {
            assert!(!is_query(&HeaderMap::new(), Some(query)), "{query}");
        }
    }
}
