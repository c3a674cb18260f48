//! HTTP/1 framing: messages that are nearly right, in any pieces. What passes is read alike by strict and by lenient
//! readers, and what is right passes unchanged.

use clawgress::perceive::request::guard::State;
use proptest::prelude::*;

use super::{damaged, holds};
use crate::seeds::targets::pass;

/// Bodies with the fields that frame them.
fn body() -> impl Strategy<Value = String> {
    let data =
        prop_oneof!["[a-z]{0,9}", Just("\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n".to_owned())];
    let chunk = (data.clone(), "(;[a-z]{1,3}(=(\"[a-z ;]{0,4}\"|[a-z]{1,3})){0,1}){0,2}", 0..3_usize);
    let chunks = prop::collection::vec(chunk, 0..4).prop_map(|chunks| {
        let chunks = chunks.into_iter().filter(|(data, ..)| !data.is_empty());
        let chunks = chunks.map(|(data, extension, zeros)| {
            format!("{}{:x}{extension}\r\n{data}\r\n", "0".repeat(zeros), data.len())
        });
        chunks.collect::<String>()
    });
    prop_oneof![
        2 => Just("\r\n".to_owned()),
        3 => data.prop_map(|data| format!("Content-Length: {}\r\n\r\n{data}", data.len())),
        3 => (chunks, "(X-[a-z]{1,3}: [a-z]{0,3}\r\n){0,2}")
            .prop_map(|(chunks, trailers)| format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n{trailers}\r\n")),
    ]
}

/// Requests that every reader takes alike.
fn right() -> impl Strategy<Value = String> {
    let line = "(GET|POST|PUT|M-SEARCH) (/[a-z?&=%20]{0,9}|http://a\\.example(:80){0,1}/) HTTP/1\\.1\r\n";
    let line = line.prop_filter("escapes are whole", |line: &String| !line.contains('%'));
    let fields = "(X-[A-Za-z]{1,4}: [ -~]{0,6}\r\n|Connection: keep-alive\r\n|Accept:\r\n){0,3}";
    (line, fields, body()).prop_map(|(line, fields, body)| format!("{line}Host: a.example\r\n{fields}{body}"))
}

/// Fields that readers take differently.
const DOUBTS: [&str; 16] = [
    "Content_Length: 3\r\n",
    "Transfer_encoding: chunked\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: +3\r\n",
    "Content-Length: 3, 3\r\n",
    "content-length:\t3\r\n",
    "Content-Length : 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding: chunked\n",
    "X: a\rTransfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: upgrade\r\nUpgrade: websocket\r\n",
    "Host: b\r\n",
    "Expect: 100-continue\r\n",
];

/// One or more requests, with a doubt put between two lines of some of them.
fn doubtful() -> impl Strategy<Value = Vec<u8>> {
    let one = (
        right(),
        prop::option::weighted(0.4, (any::<prop::sample::Index>(), prop::sample::select(&DOUBTS[..]))),
    );
    let one = one.prop_map(|(request, doubt)| match doubt {
        None => request,
        Some((place, doubt)) => {
            let lines: Vec<usize> = request.match_indices("\r\n").map(|(at, _)| at + 2).collect();
            let at = lines[place.index(lines.len())];
            format!("{}{doubt}{}", &request[..at], &request[at..])
        }
    });
    prop::collection::vec(one, 1..4).prop_map(|requests| requests.concat().into_bytes())
}

proptest! {
    #[test]
    fn what_passes_the_guard_is_read_alike_by_strict_and_lenient_readers(
        bytes in damaged(doubtful()), step in any::<u8>(),
    ) {
        holds("guard", &[&[step], &bytes[..]].concat());
    }

    #[test]
    fn right_requests_pass_unchanged_in_any_pieces(
        requests in prop::collection::vec(right(), 1..5), size in 1..300_usize,
    ) {
        let bytes = requests.concat().into_bytes();
        let seen = pass(bytes.chunks(size));
        prop_assert_eq!(seen.state, State::Idle, "{:?}", String::from_utf8_lossy(&bytes));
        prop_assert_eq!(seen.requests, requests.len() as u64);
        prop_assert_eq!(seen.passed, bytes);
    }
}
