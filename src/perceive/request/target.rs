//! Which characters a method and a request target may hold, for HTTP/1 lines and HTTP/2 pseudo-fields alike.
//!
//! A subset of what `http::Uri` takes: nothing that is accepted here is later refused or cut by the HTTP library.

use std::ops::Range;

use crate::model::types::Scheme;
use crate::model::types::path::is_path_byte;

/// The form of a request target (RFC 9112, section 3.2). The authority-form belongs to CONNECT and is none of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// A path, and perhaps a query.
    Origin,
    /// `http://` or `https://`, and where its authority stands in the target.
    Absolute { scheme: Scheme, authority: Range<usize> },
    /// `*`.
    Asterisk,
}

/// The form of a target; nothing if it has none of them.
pub(super) fn form(raw: &[u8]) -> Option<Form> {
    if raw.first() == Some(&b'/') {
        return Some(Form::Origin);
    }
    if raw == b"*" {
        return Some(Form::Asterisk);
    }
    let begins =
        |prefix: &[u8]| raw.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let (scheme, start) = match () {
        () if begins(b"http://") => (Scheme::Http, 7),
        () if begins(b"https://") => (Scheme::Https, 8),
        () => return None,
    };
    let length = raw[start..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let end = length.map_or(raw.len(), |length| start + length);
    Some(Form::Absolute { scheme, authority: start..end })
}

/// Whether every byte of a path with its query may stand there. Empty, or a query alone, is what an absolute-form
/// may have behind its authority.
pub(super) fn is_path_and_query(raw: &[u8]) -> bool {
    let path = memchr::memchr(b'?', raw).unwrap_or(raw.len());
    raw[..path].iter().all(|byte| is_path_byte(*byte)) && raw[path..].iter().all(|byte| is_query_byte(*byte))
}

/// RFC 3986, section 3.4, and what real clients send unescaped: `[ ] ^ \ { | }` and the backtick. Never `#`, quotes,
/// angle brackets, blanks or what is not ASCII.
pub(super) fn is_query_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'~')
}

/// Whether this is a method: a token (RFC 9110, section 9.1) of capital letters, digits, `-`, `_` and `.` alone.
pub(super) fn is_method(raw: &[u8]) -> bool {
    !raw.is_empty() && raw.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}
