//! The byte guard: the same verdict however the bytes are cut, and what passes is read alike by strict and by lenient
//! readers of HTTP/1, request by request and body by body.

use clawgress::perceive::request::guard::{Guard, State};

/// What came of a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// The state at the end.
    pub state: State,
    /// The bytes that passed.
    pub passed: Vec<u8>,
    /// Heads that passed.
    pub requests: u64,
}

/// Shows pieces to a guard as a connection would: what is withheld is shown again with the next piece.
pub fn pass<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Seen {
    let mut guard = Guard::default();
    let (mut held, mut passed) = (Vec::new(), Vec::new());
    let mut state = State::Idle;
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let advance = guard.advance(&held);
            let taken = advance.skip + advance.pass;
            passed.extend_from_slice(&held[advance.skip..taken]);
            held.drain(..taken);
            state = advance.state;
            if taken == 0 {
                break;
            }
        }
    }
    Seen { state, passed, requests: guard.requests() }
}

/// The first byte says how the rest is cut.
pub fn check(bytes: &[u8]) {
    let Some((&step, bytes)) = bytes.split_first() else { return };
    let whole = pass([bytes]);
    readers_agree(&whole);
    for size in [1, usize::from(step % 61) + 1, usize::from(step) + 1] {
        let cut = pass(bytes.chunks(size));
        readers_agree(&cut);
        assert_eq!(cut.state, whole.state, "in pieces of {size}");
        if matches!(whole.state, State::Refused(_)) {
            assert!(cut.passed.starts_with(&whole.passed), "in pieces of {size}");
            let complete = |seen: &Seen| messages(&seen.passed, strict_head).whole;
            assert_eq!(complete(&cut), complete(&whole), "in pieces of {size} the same requests are whole");
        } else {
            assert_eq!(cut, whole, "in pieces of {size}");
        }
    }
}

/// A strict reader and the most lenient one see the same requests in what passed, and as many as the guard counted.
fn readers_agree(seen: &Seen) {
    let strict = messages(&seen.passed, strict_head);
    let lenient = messages(&seen.passed, lenient_head);
    assert_eq!(strict, lenient, "{:?} in {:?}", String::from_utf8_lossy(&seen.passed), seen.state);
    assert_eq!(strict.heads as u64, seen.requests, "{:?}", String::from_utf8_lossy(&seen.passed));
    let between = matches!(seen.state, State::Idle | State::Paused | State::Ended);
    assert!(!between || strict.heads == strict.whole.len(), "a body is unfinished in {:?}", seen.state);
}

/// What a reader makes of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Messages {
    /// Heads it has seen.
    heads: usize,
    /// Where each whole message ends, and its body without framing.
    whole: Vec<(usize, Vec<u8>)>,
}

/// How a body is framed, and where the head ends.
pub(super) struct HeadRead {
    pub(super) end: usize,
    pub(super) chunked: bool,
    pub(super) length: Option<usize>,
}

fn messages(bytes: &[u8], head: fn(&[u8]) -> Option<HeadRead>) -> Messages {
    let mut seen = Messages::default();
    let mut at = 0;
    while let Some(read) = bytes.get(at..).filter(|rest| !rest.is_empty()).and_then(head) {
        seen.heads += 1;
        at += read.end;
        let Some(body) = body(bytes, &mut at, &read) else { break };
        seen.whole.push((at, body));
    }
    seen
}

/// The body that begins at `at`, without its framing, once it is whole; `at` is moved behind it.
pub(super) fn body(bytes: &[u8], at: &mut usize, read: &HeadRead) -> Option<Vec<u8>> {
    if read.chunked {
        return chunks(bytes, at);
    }
    let end = at.checked_add(read.length.unwrap_or(0))?;
    let body = bytes.get(*at..end)?.to_vec();
    *at = end;
    Some(body)
}

fn chunks(bytes: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((line, size)) = httparse::parse_chunk_size(bytes.get(*at..)?)
            .expect("httparse takes every chunk size that passed")
        else {
            return None;
        };
        // A reader that stops at the first byte that is no digit, and ends lines at LF alone, reads the same.
        let text = &bytes[*at..];
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let loose =
            std::str::from_utf8(&text[..digits]).ok().and_then(|hex| u64::from_str_radix(hex, 16).ok());
        assert_eq!(loose, Some(size), "a chunk size");
        assert_eq!(text.iter().position(|byte| *byte == b'\n'), Some(line - 1), "the end of a chunk size");
        *at += line;
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(*at..*at + size)?);
        *at += size;
        let end = bytes.get(*at..*at + 2)?;
        assert_eq!(end, b"\r\n", "the end of a chunk");
        *at += 2;
    }
    let mut trailers = [httparse::EMPTY_HEADER; 256];
    match httparse::parse_headers(bytes.get(*at..)?, &mut trailers).expect("trailers that passed") {
        httparse::Status::Complete((length, _)) => *at += length,
        httparse::Status::Partial => return None,
    }
    Some(body)
}

/// What the HTTP library behind the guard reads: it must take everything that passed.
fn strict_head(bytes: &[u8]) -> Option<HeadRead> {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut fields);
    let read = request.parse(bytes);
    let httparse::Status::Complete(end) = read.expect("httparse takes every head that passed") else {
        return None;
    };
    request.method.expect("a method").parse::<http::Method>().expect("a method");
    request.path.expect("a target").parse::<http::Uri>().expect("a target");
    for field in request.headers.iter() {
        http::HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        http::HeaderValue::from_bytes(field.value).expect("a value");
    }
    let find = |name: &str| request.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let length = find("content-length").map(|field| std::str::from_utf8(field.value).expect("a length"));
    let (chunked, length) =
        (find("transfer-encoding").is_some(), length.map(|text| text.parse().expect("a length")));
    assert!(!chunked || length.is_none(), "two lengths");
    Some(HeadRead { end, chunked, length })
}

/// As [`lenient_answer`], and takes `_` for `-`, as what stands behind CGI does.
fn lenient_head(bytes: &[u8]) -> Option<HeadRead> {
    lenient(bytes, |byte| if byte == b'_' { b'-' } else { byte })
}

/// Ends lines at CR, LF or both, ignores blanks around names, lets the last length count, and sees `chunked` anywhere.
pub(super) fn lenient_answer(bytes: &[u8]) -> Option<HeadRead> {
    lenient(bytes, |byte| byte)
}

fn lenient(bytes: &[u8], read: fn(u8) -> u8) -> Option<HeadRead> {
    let (mut at, mut lines) = (0, 0);
    let (mut chunked, mut length) = (false, None);
    loop {
        let rest = &bytes[at..];
        let stop = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        let line = &rest[..stop];
        at += stop + if rest[stop..].starts_with(b"\r\n") { 2 } else { 1 };
        if line.is_empty() {
            return (lines > 0).then_some(HeadRead { end: at, chunked, length });
        }
        lines += 1;
        let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|_| lines > 1) else { continue };
        let mut name = line[..colon].trim_ascii().to_ascii_lowercase();
        name.iter_mut().for_each(|byte| *byte = read(*byte));
        let value = String::from_utf8_lossy(&line[colon + 1..]).trim().to_ascii_lowercase();
        match name.as_slice() {
            b"transfer-encoding" => chunked = value.contains("chunked"),
            b"content-length" => length = value.parse().ok(),
            _ => {}
        }
    }
}
