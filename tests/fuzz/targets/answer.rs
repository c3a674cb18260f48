//! The byte guard in front of upstreams: the same verdict however an answer is cut, and what passes is read alike by
//! strict and by lenient readers of HTTP/1.

use clawgress::perceive::response::{Asked, Guard, State};

use super::guard::{HeadRead, body, lenient_answer};

/// The first byte says how the rest is cut, the second what was asked.
pub fn check(bytes: &[u8]) {
    let Some((&[step, asked], bytes)) = bytes.split_first_chunk() else { return };
    let asked = [Asked::Plainly, Asked::Head, Asked::Upgrade][usize::from(asked % 3)];
    let (state, passed) = pass([bytes], asked);
    let whole = readers_agree(&passed, asked, state);
    for size in [1, usize::from(step % 61) + 1, usize::from(step) + 1] {
        let cut = pass(bytes.chunks(size), asked);
        assert_eq!(cut.0, state, "in pieces of {size}");
        assert_eq!(
            readers_agree(&cut.1, asked, cut.0),
            whole,
            "in pieces of {size} the same answer is whole"
        );
        let refused = matches!(state, State::Refused(_));
        assert!(cut.1 == passed || refused && cut.1.starts_with(&passed), "in pieces of {size}");
    }
}

fn pass<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, asked: Asked) -> (State, Vec<u8>) {
    let mut guard = Guard::default();
    guard.ask(asked);
    let (mut held, mut passed) = (Vec::new(), Vec::new());
    let mut state = State::Idle;
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let advance = guard.advance(&held);
            passed.extend(held.drain(..advance.pass));
            state = advance.state;
            if advance.pass == 0 {
                break;
            }
        }
    }
    (state, passed)
}

/// Where the final answer ends, and its body, where it is whole; the same for both readers.
fn readers_agree(passed: &[u8], asked: Asked, state: State) -> Option<(usize, Vec<u8>)> {
    let strict = answer(passed, asked, strict_head);
    let lenient = answer(passed, asked, |bytes| lenient_answer(bytes).map(|head| (status(bytes), head)));
    assert_eq!(strict, lenient, "{:?} in {state:?}", String::from_utf8_lossy(passed));
    if let Some((end, _)) = &strict {
        assert_eq!(*end, passed.len(), "nothing passes behind an answer");
        assert!(
            matches!(state, State::Idle | State::Head | State::Refused(_) | State::Body | State::Opaque),
            "{state:?}"
        );
    }
    strict
}

fn answer(
    bytes: &[u8],
    asked: Asked,
    head: impl Fn(&[u8]) -> Option<(u16, HeadRead)>,
) -> Option<(usize, Vec<u8>)> {
    let mut at = 0;
    loop {
        let (status, read) = bytes.get(at..).filter(|rest| !rest.is_empty()).and_then(&head)?;
        at += read.end;
        return match status {
            101 => Some((bytes.len(), bytes[at..].to_vec())),
            100..200 => continue,
            204 | 304 => Some((at, Vec::new())),
            _ if asked == Asked::Head => Some((at, Vec::new())),
            _ if !read.chunked && read.length.is_none() => Some((bytes.len(), bytes[at..].to_vec())),
            _ => body(bytes, &mut at, &read).map(|body| (at, body)),
        };
    }
}

fn status(bytes: &[u8]) -> u16 {
    let digits = bytes.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    std::str::from_utf8(digits.get(..3).unwrap_or_default())
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// What the HTTP library behind the guard reads.
fn strict_head(bytes: &[u8]) -> Option<(u16, HeadRead)> {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut response = httparse::Response::new(&mut fields);
    let read = response.parse(bytes);
    let httparse::Status::Complete(end) = read.expect("httparse takes every head that passed") else {
        return None;
    };
    let find = |name: &str| response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let length = find("content-length").map(|field| std::str::from_utf8(field.value).expect("a length"));
    let length = length.map(|text| text.parse().expect("a length"));
    let chunked = find("transfer-encoding").is_some();
    assert!(!chunked || length.is_none(), "two lengths");
    Some((response.code.expect("a status"), HeadRead { end, chunked, length }))
}
