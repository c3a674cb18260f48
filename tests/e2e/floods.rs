//! Floods of HTTP/2 frames: each ends its connection, is recorded with its reason, takes bounded memory, and another
//! workload on the same worker is served meanwhile.

use serde_json::json;

use super::dialogue::{opening_gateway, zone};
use super::frames::{Peer, headers, request};
use super::hostile::resident;
use super::streaming::servers;
use crate::lab::Lab;
use crate::lab::frames::*;

/// What the daemon's memory may grow by in all floods together.
const GROWTH: u64 = 48 << 20;
/// More frames than anybody needs.
const MANY: u32 = 40_000;

/// Flood by flood, what is sent first and then what is sent again and again, each time with the next stream.
type Flood = (&'static str, fn() -> Vec<u8>, fn(u32) -> Vec<u8>);

fn nothing() -> Vec<u8> {
    Vec::new()
}

fn open() -> Vec<u8> {
    headers(1, 0, &request("POST", "/upload", &[]))
}

fn get(stream: u32) -> Vec<u8> {
    headers(stream, END_STREAM, &request("GET", "/events", &[]))
}

/// A whole request, as short as can be, so that much fits into one read.
fn short(stream: u32) -> Vec<u8> {
    // `:method: GET`, `:scheme: https` and `:path: /` of the static table, and the authority.
    headers(stream, END_STREAM, &[&[0x82, 0x87, 0x84, 0x01][..], &text(b"site.example")].concat())
}

const FLOODS: [Flood; 15] = [
    ("PING (CVE-2019-9512)", nothing, |_| frame(PING, 0, 0, [0; 8])),
    ("answers to no PING", nothing, |_| frame(PING, ACK, 0, [0; 8])),
    ("SETTINGS (CVE-2019-9515)", nothing, |_| settings(&[(INITIAL_WINDOW_SIZE, 65_535)])),
    ("empty SETTINGS", nothing, |_| frame(SETTINGS, 0, 0, [])),
    ("PRIORITY (CVE-2019-9513)", nothing, |stream| frame(PRIORITY, 0, stream, [0, 0, 0, 0, 7])),
    ("WINDOW_UPDATE", nothing, |_| frame(WINDOW_UPDATE, 0, 0, [0, 0, 0, 1])),
    ("WINDOW_UPDATE on a stream", open, |_| frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1])),
    ("empty DATA (CVE-2019-9518)", open, |_| frame(DATA, 0, 1, [])),
    ("DATA of padding alone", open, |_| frame(DATA, PADDED, 1, [4, 0, 0, 0, 0])),
    ("unknown frames", nothing, |_| frame(0xfa, 0, 0, [])),
    ("rapid reset (CVE-2023-44487)", nothing, |stream| {
        [short(stream), frame(RST_STREAM, 0, stream, CANCEL.to_be_bytes())].concat()
    }),
    ("resets that we are made to send (CVE-2025-8671)", nothing, |stream| {
        [short(stream), frame(WINDOW_UPDATE, 0, stream, 0x7fff_ffff_u32.to_be_bytes())].concat()
    }),
    ("messages that are malformed", nothing, |stream| {
        headers(stream, END_STREAM, &request("GET", "/bad", &[("connection", "close")]))
    }),
    ("headers without a name (CVE-2019-9516)", nothing, |stream| {
        headers(stream, END_STREAM, &[0_u8, 0, 0].repeat(500))
    }),
    (
        "CONTINUATION (CVE-2024-27316)",
        || frame(HEADERS, END_STREAM, 1, request("GET", "/bad", &[])),
        |_| frame(CONTINUATION, 0, 1, []),
    ),
];

#[apply(over_both)]
fn a_flood_ends_its_connection_and_is_recorded_while_others_are_served(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let mut other = Peer::new(&lab, &daemon);
    other.exchange(1, "/headers");
    let (before, mut wrong) = (resident(&daemon), Vec::new());
    for (number, (what, first, again)) in FLOODS.iter().enumerate() {
        let mut peer = Peer::new(&lab, &daemon);
        peer.say(first());
        // In lots, as a peer does that wants many in one read.
        for lot in 0..MANY / 1000 {
            let frames = (0..1000).flat_map(|frame| again(2 * (1000 * lot + frame) + 3));
            if !peer.say(frames.collect::<Vec<u8>>()) {
                break;
            }
        }
        let end = peer.until(|frame| frame.kind == GOAWAY).map(|frame| frame.code());
        // Without one it was reset: the GOAWAY is lost where frames that nobody reads any more come after it.
        if end.is_some_and(|code| ![ENHANCE_YOUR_CALM, PROTOCOL_ERROR, COMPRESSION_ERROR].contains(&code)) {
            wrong.push(format!("{what}: {end:?}"));
        }
        other.exchange(2 * number as u32 + 3, "/headers");
        let ended = || {
            let rows = daemon.records(&["--limit", "10000"]);
            rows.into_iter().filter(|row| row["kind"] == "connection" && row["decision"] == "deny").count()
        };
        crate::lab::backends::eventually(what, || (ended() == number + 1).then_some(()));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let growth = resident(&daemon).saturating_sub(before);
    assert!(growth < GROWTH, "{} MiB", growth >> 20);
    assert!(server.seen().iter().all(|seen| !seen.path.contains("bad")));
    let rows = daemon.records(&["--limit", "10000"]);
    let reasons: Vec<_> = rows
        .iter()
        .filter(|row| row["kind"] == "connection" && row["decision"] == "deny")
        .map(|row| (row["reason"].as_str().unwrap_or_default(), row["evidence"].as_str().unwrap_or_default()))
        .collect();
    let floods = reasons.iter().filter(|(reason, _)| *reason == "protocol.flood").count();
    assert!(floods >= FLOODS.len() - 1, "{reasons:#?}");
    assert!(reasons.contains(&("protocol.flood", "http/2: too many PING frames")), "{reasons:#?}");
}

#[apply(over_both)]
fn requests_that_are_heard_and_then_taken_back_are_bounded_too(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let mut peer = Peer::new(&lab, &daemon);
    let mut resets = 0;
    // Each has been answered in part when it is reset, so that it is no rapid reset in the library's eyes.
    let ended = (0..MANY).map(|number| 2 * number + 1).find(|stream| {
        if !peer.say(get(*stream)) {
            return true;
        }
        let heard =
            peer.until(|frame| (frame.kind == HEADERS && frame.stream == *stream) || frame.kind == GOAWAY);
        if heard.is_none_or(|frame| frame.kind == GOAWAY) {
            return true;
        }
        resets += 1;
        !peer.say(frame(RST_STREAM, 0, *stream, CANCEL.to_be_bytes()))
    });
    assert!(ended.is_some_and(|_| resets < 20_000), "{resets} resets");
    daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "protocol.flood", "end": "flood",
        "evidence": "http/2: too many RST_STREAM frames",
    }));
    crate::lab::backends::eventually("the upstream is let go", || (server.listeners() == 0).then_some(()));
}

#[apply(over_both)]
fn a_header_block_that_unpacks_to_far_more_than_it_is_ends_the_connection(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let before = resident(&daemon);
    let mut peer = Peer::new(&lab, &daemon);
    // One field of 4,000 bytes into the table, and then that field by its index again and again (RFC 7541, 7.3).
    let big = [&[0x40][..], &text(b"x-big"), &text(&[b'b'; 4000])].concat();
    peer.say(headers(1, END_STREAM, &[&request("GET", "/bad", &[])[..], &big, &[0xbe; 10_000]].concat()));
    let end = peer.until(|frame| frame.kind == GOAWAY).expect("a GOAWAY");
    assert_eq!(end.code(), ENHANCE_YOUR_CALM);
    assert!(server.untouched());
    daemon.record(
        &json!({"kind": "connection", "decision": "deny", "reason": "protocol.flood", "end": "flood"}),
    );
    assert!(resident(&daemon).saturating_sub(before) < GROWTH);
}

#[apply(over_both)]
fn many_answers_that_nobody_reads_stay_with_the_upstream(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _servers = servers(&lab, &["h2", "http/1.1"]);
    let before = resident(&daemon);
    // CVE-2019-9517 and 9511: no window, and many large answers.
    let mut peer = Peer::silent(&lab, &daemon);
    peer.say([&PREFACE[..], &settings(&[(HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, 0)])].concat());
    for number in 0..100 {
        peer.say(headers(2 * number + 1, END_STREAM, &request("GET", "/download/100000000", &[])));
    }
    for _ in 0..100 {
        peer.until(|frame| frame.kind == HEADERS).expect("a head");
    }
    // Beside them, one that is read.
    let mut other = Peer::new(&lab, &daemon);
    other.exchange(1, "/headers");
    let growth = resident(&daemon).saturating_sub(before);
    assert!(growth < GROWTH, "{} MiB", growth >> 20);
    drop(peer);
    crate::lab::backends::eventually("all are closed on record", || {
        let rows = daemon.records(&["--limit", "1000"]);
        let closed = rows.iter().filter(|row| row["end"] == "client-closed" && row["status"] == 200);
        (closed.count() == 100).then_some(())
    });
}
