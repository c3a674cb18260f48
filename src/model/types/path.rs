//! The canonical form of a request path: what policy compares, and what documents are brought into when they are
//! loaded, so that two spellings of one path never get two answers.
//!
//! RFC 3986, section 6.2.2: needless escapes are undone, the others are written in upper case, dot segments are
//! removed. Double slashes stay. A path that servers read in different ways is refused, never repaired.

use std::borrow::Cow;

/// Why a path has no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not begin with a slash.
    #[error("does not begin with `/`")]
    Relative,
    /// A byte that must be written as an escape: control, space, backslash, `#`, `?` or not ASCII.
    #[error("has a character that must be percent-encoded")]
    Character,
    /// `%` without two hexadecimal digits.
    #[error("has a `%` that no two hexadecimal digits follow")]
    Escape,
    /// `%00`.
    #[error("has an encoded NUL")]
    Nul,
    /// A dot segment that only some servers see: `..%2F`, `%5C..`, `..;x`.
    #[error(
        "hides a dot segment behind an encoded slash, a backslash, a parameter or an encoded end of the path"
    )]
    HiddenDots,
}

/// Escape needed nowhere in a path segment: `unreserved`, `:`, `@` and the sub-delimiters but for `;`, which some
/// servers cut off as a parameter (RFC 3986, section 3.3). Servers read both spellings of these as one.
const fn plain(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~'
        | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
}

/// Sent unescaped by real clients although RFC 3986 wants an escape; canonically escaped.
const fn tolerated(byte: u8) -> bool {
    matches!(byte, b'"' | b'[' | b']' | b'^' | b'{' | b'|' | b'}')
}

/// Whether a byte may stand in a path as a client sends it.
pub const fn is_path_byte(byte: u8) -> bool {
    plain(byte) || tolerated(byte) || matches!(byte, b'/' | b'%' | b';')
}

/// The canonical form of a path without its query. Borrowed where the path is canonical already.
///
/// An encoded slash stays `%2F` and never separates segments. Bytes that are not ASCII stay encoded. `..` at the
/// root is dropped (RFC 3986, section 5.2.4).
pub fn canonical_path(raw: &str) -> Result<Cow<'_, str>, PathError> {
    let bytes = raw.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(PathError::Relative);
    }
    let simple = |pair: &[u8]| plain(pair[1]) && pair != b"/." || pair[1] == b'/';
    if bytes.windows(2).all(simple) {
        return Ok(Cow::Borrowed(raw));
    }
    let decoded = normal_escapes(bytes)?;
    let segments = without_dots(&decoded)?;
    if segments == raw { Ok(Cow::Borrowed(raw)) } else { Ok(Cow::Owned(segments)) }
}

/// Whether a canonical path differs from the raw one in its segments, and not merely in how bytes are spelt.
/// Such a path must not be forwarded as it came: servers that resolve dots late would see another resource.
pub fn has_dot_segments(raw: &str) -> bool {
    raw.split('/').any(|segment| {
        let mut rest = segment.as_bytes();
        let mut dots = 0;
        while !rest.is_empty() {
            rest = match rest {
                [b'.', tail @ ..] | [b'%', b'2', b'e' | b'E', tail @ ..] => tail,
                _ => return false,
            };
            dots += 1;
        }
        dots == 1 || dots == 2
    })
}

/// Undoes needless escapes and writes the others in upper case.
fn normal_escapes(bytes: &[u8]) -> Result<String, PathError> {
    let mut out = String::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match *byte {
            b'%' => {
                let [high, low, after @ ..] = rest else { return Err(PathError::Escape) };
                let value = hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l).ok_or(PathError::Escape)?;
                rest = after;
                match value {
                    0 => return Err(PathError::Nul),
                    value if plain(value) => out.push(char::from(value)),
                    value => escape(&mut out, value),
                }
            }
            byte if plain(byte) || matches!(byte, b'/' | b';') => out.push(char::from(byte)),
            byte if tolerated(byte) => escape(&mut out, byte),
            _ => return Err(PathError::Character),
        }
    }
    Ok(out)
}

/// Removes dot segments (RFC 3986, section 5.2.4) and refuses hidden ones.
fn without_dots(path: &str) -> Result<String, PathError> {
    let mut kept: Vec<&str> = Vec::with_capacity(16);
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ if hides_dots(segment) => return Err(PathError::HiddenDots),
            _ => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    Ok(out)
}

/// Whether a server that decodes `%2F`, `%5C`, `%3B`, `%3F` or `%23` too early, or cuts off `;parameters`, sees a dot
/// segment here.
fn hides_dots(segment: &str) -> bool {
    if !segment.contains(['%', ';']) {
        return false;
    }
    let opened = segment.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    let opened = opened.replace("%3F", ";").replace("%23", ";");
    opened.split('/').any(|part| matches!(part.split(';').next(), Some("." | "..")))
}

fn escape(out: &mut String, value: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(value >> 4)]));
    out.push(char::from(DIGITS[usize::from(value & 15)]));
}

/// The value of one hexadecimal digit.
pub const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_paths_have_equal_text_whatever_their_spelling() {
        for (raw, canonical) in [
            ("/", "/"),
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/%76%31/ch%61t", "/v1/chat"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%c3%bc", "/a%C3%BC"),
            ("/a%ff", "/a%FF"),
            ("/m:generate%3agenerate", "/m:generate:generate"),
            ("/a{b}|%7c", "/a%7Bb%7D%7C%7C"),
            ("/a;b%3b", "/a;b%3B"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/c", "/c"),
            ("/a/.%2e", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/../../a", "/a"),
            ("/..", "/"),
            ("//a//b/", "//a//b/"),
            ("/a//../b", "/a/b"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a%25%32%65", "/a%252e"),
        ] {
            let got = canonical_path(raw).unwrap();
            assert_eq!(got, canonical, "{raw}");
            assert_eq!(canonical_path(&got).unwrap(), got, "canonical paths stay as they are: {raw}");
        }
    }

    #[test]
    fn a_path_that_servers_read_differently_is_refused() {
        for (raw, why) in [
            ("", PathError::Relative),
            ("a", PathError::Relative),
            ("/a\\b", PathError::Character),
            ("/a b", PathError::Character),
            ("/a?b", PathError::Character),
            ("/a#b", PathError::Character),
            ("/ü", PathError::Character),
            ("/a%", PathError::Escape),
            ("/a%2", PathError::Escape),
            ("/a%+1", PathError::Escape),
            ("/a%00", PathError::Nul),
            ("/public/..%2fadmin", PathError::HiddenDots),
            ("/public/a%2f..", PathError::HiddenDots),
            ("/public/x%5c%2e%2e%5cadmin", PathError::HiddenDots),
            ("/public/..;/admin", PathError::HiddenDots),
            ("/public/..%3bx/admin", PathError::HiddenDots),
            ("/public/..%3fx", PathError::HiddenDots),
            ("/public/..%23", PathError::HiddenDots),
        ] {
            assert_eq!(canonical_path(raw), Err(why), "{raw}");
        }
    }

    #[test]
    fn dot_segments_are_seen_in_every_spelling() {
        for raw in ["/a/../b", "/.", "/a/%2e%2E", "/a/.%2e/b"] {
            assert!(has_dot_segments(raw), "{raw}");
        }
        for raw in ["/", "/a.b/..c", "/...", "/%2e%2e%2e", "/a%2f..", "//"] {
            assert!(!has_dot_segments(raw), "{raw}");
        }
    }
}
