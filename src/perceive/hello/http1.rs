//! Recognises HTTP/1 by its first line and finds the name in its head.
//!
//! A first line counts as HTTP wherever some lenient server might take it for HTTP: wrong case, odd spaces, bare line
//! feeds, HTTP/0.9. Such a line is still HTTP, without a host, and the guard refuses it; were it opaque, a relay could
//! carry a request that no rule has seen. Never judges a request and never guesses a host.

use memchr::memchr;

use super::{Hello, Http1Hello, Sniff};
use crate::model::types::limits::{CONNECT_TARGET_BYTES, METHOD_BYTES};
use crate::model::types::{Authority, HostName};

/// Whether an HTTP request may begin with this byte: a method's, or a line break that servers skip.
pub(super) fn may_begin(byte: u8) -> bool {
    is_method_byte(byte) || matches!(byte, b'\r' | b'\n')
}

/// `tchar` (RFC 9110, section 5.6.2), of which methods are made.
fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether there is nothing but one word.
pub(super) fn is_word(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_method_byte(*byte))
}

/// How far a head has been read.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the first line begins, behind line breaks.
    start: usize,
    /// Bytes that have been looked at.
    scanned: usize,
    /// Whether a blank has ended the first word.
    method_over: bool,
    /// Where the line that is being read begins.
    line: usize,
    /// Where the first line ends, once it is known to be a request line.
    request_line: Option<usize>,
}

impl Head {
    /// Reads on from where the call before stopped.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Sniff {
        while self.scanned == self.start {
            match bytes.get(self.start) {
                None => return Sniff::NeedMore,
                Some(b'\r' | b'\n') => self.start += 1,
                Some(&byte) if is_method_byte(byte) => break,
                Some(_) => return Sniff::Is(Hello::Opaque),
            }
            self.scanned = self.start;
            self.line = self.start;
        }
        let end = match self.request_line {
            Some(end) => end,
            None => match self.first_line(bytes) {
                Ok(end) => end,
                Err(verdict) => return verdict,
            },
        };
        self.fields(bytes, end)
    }

    /// Finds the end of a valid request line, or what the first line is instead.
    fn first_line(&mut self, bytes: &[u8]) -> Result<usize, Sniff> {
        for (index, &byte) in bytes.iter().enumerate().skip(self.scanned) {
            match byte {
                b'\n' => return self.end_first_line(bytes, index),
                b'\r' | b'\t' | b' ' => self.method_over = true,
                _ if self.method_over && byte >= b' ' && byte != 0x7f => {}
                // What is no method within its bound is none.
                _ if !self.method_over && is_method_byte(byte) && index - self.start < METHOD_BYTES => {}
                // Control characters are in no request line, and some servers take them for blanks or for letters.
                _ if begins_like_http(&bytes[self.start..index]) => {
                    let connect = connect(&bytes[self.start..index]);
                    return Err(Sniff::Is(Hello::Http1(Http1Hello { host: None, connect })));
                }
                _ => return Err(Sniff::Is(Hello::Opaque)),
            }
        }
        self.scanned = bytes.len();
        Err(Sniff::NeedMore)
    }

    fn end_first_line(&mut self, bytes: &[u8], newline: usize) -> Result<usize, Sniff> {
        let line = &bytes[self.start..newline];
        match classify(line) {
            FirstLine::Valid => {
                self.request_line = Some(newline);
                self.line = newline + 1;
                self.scanned = newline + 1;
                Ok(newline)
            }
            FirstLine::Doubtful => {
                Err(Sniff::Is(Hello::Http1(Http1Hello { host: None, connect: connect(line) })))
            }
            FirstLine::Foreign => Err(Sniff::Is(Hello::Opaque)),
        }
    }

    /// Looks for the empty line, by line feeds alone: how lines must end is the guard's affair.
    fn fields(&mut self, bytes: &[u8], request_line: usize) -> Sniff {
        while let Some(offset) = bytes.get(self.scanned..).and_then(|rest| memchr(b'\n', rest)) {
            let end = self.scanned + offset;
            if matches!(bytes[self.line..end], [] | [b'\r']) {
                let first_line = &bytes[self.start..request_line];
                let host = host(first_line, &bytes[request_line + 1..end]);
                return Sniff::Is(Hello::Http1(Http1Hello { host, connect: connect(first_line) }));
            }
            self.line = end + 1;
            self.scanned = end + 1;
        }
        self.scanned = bytes.len();
        Sniff::NeedMore
    }
}

enum FirstLine {
    Valid,
    Doubtful,
    Foreign,
}

/// Tells a request line from one that only some servers accept, and from other protocols' greetings.
fn classify(line: &[u8]) -> FirstLine {
    let Some(strict) = line.strip_suffix(b"\r") else {
        return if is_like_http(line) { FirstLine::Doubtful } else { FirstLine::Foreign };
    };
    let mut parts = strict.split(|b| *b == b' ');
    if let (Some(method), Some(target), Some(b"HTTP/1.1" | b"HTTP/1.0"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    {
        let shouted = !method.is_empty() && !method.iter().any(u8::is_ascii_lowercase);
        if shouted && !target.is_empty() && target.iter().all(u8::is_ascii_graphic) {
            return FirstLine::Valid;
        }
    }
    if is_like_http(line) { FirstLine::Doubtful } else { FirstLine::Foreign }
}

/// A known method, or any word before a target. No method has digits (IANA HTTP Method Registry); what has is the length in
/// front of `git-upload-pack /name`.
fn begins_like_http(line: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];
    let word = line.iter().position(|byte| !is_method_byte(*byte)).unwrap_or(line.len());
    let rest = line[word..].trim_ascii_start();
    METHODS.iter().any(|method| method.eq_ignore_ascii_case(&line[..word]))
        || (rest.starts_with(b"/") && !line[..word].iter().any(u8::is_ascii_digit))
        || rest.windows(3).any(|bytes| bytes == b"://")
}

/// A version anywhere behind a blank, or the bare `GET /path` of HTTP/0.9.
fn is_like_http(line: &[u8]) -> bool {
    let versioned = line
        .windows(6)
        .any(|w| matches!(w[0], b' ' | b'\t' | b'\r') && w[1..].eq_ignore_ascii_case(b"HTTP/"));
    let old = line.get(..3).is_some_and(|method| method.eq_ignore_ascii_case(b"GET"))
        && line[3..].trim_ascii_start().starts_with(b"/")
        && line[3] != b'/';
    versioned || old
}

/// The target of CONNECT (RFC 9110, section 9.3.6). Lenient proxies take the method in any case and any blanks.
pub fn connect(line: &[u8]) -> Option<Box<str>> {
    let method = line.get(..7).filter(|method| method.eq_ignore_ascii_case(b"CONNECT"))?;
    let rest = &line[method.len()..];
    if rest.first().is_some_and(|byte| is_method_byte(*byte)) {
        return None;
    }
    let mut words = rest.split(|byte| !byte.is_ascii_graphic()).filter(|word| !word.is_empty());
    let target = words.next().unwrap_or_default();
    Some(target.iter().take(CONNECT_TARGET_BYTES).map(|byte| char::from(*byte)).collect())
}

/// The one name that the head gives: `Host`, and the absolute-form where there is one. Anything else is no name.
fn host(request_line: &[u8], fields: &[u8]) -> Option<HostName> {
    let mut found: Option<HostName> = None;
    for line in fields.split(|b| *b == b'\n') {
        let Some(colon) = memchr(b':', line) else { continue };
        if !line[..colon].trim_ascii().eq_ignore_ascii_case(b"host") {
            continue;
        }
        if found.is_some() {
            return None;
        }
        found = Some(Authority::parse(line[colon + 1..].trim_ascii()).ok()?.name()?.clone());
    }
    let host = found?;
    let target = request_line.split(|b| *b == b' ').nth(1)?;
    match absolute_authority(target) {
        Some(authority) if Authority::parse(authority).ok()?.name()? != &host => None,
        _ => Some(host),
    }
}

/// The authority of an absolute-form target (RFC 9112, section 3.2.2).
fn absolute_authority(target: &[u8]) -> Option<&[u8]> {
    let scheme = memchr(b':', target)?;
    if !target[..scheme].iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = target[scheme + 1..].strip_prefix(b"//")?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    Some(&rest[..end])
}
