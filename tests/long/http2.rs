//! HTTP/2 by the clock: what has been begun must be finished in `HEAD_TIME`, half a minute.

use std::time::Duration;

use serde_json::json;

use crate::e2e::dialogue::{opening_gateway, zone};
use crate::e2e::frames::{Peer, headers, request};
use crate::e2e::http::recorded;
use crate::e2e::streaming::servers;
use crate::lab::Lab;
use crate::lab::frames::*;

#[test]
fn what_is_begun_and_not_finished_ends_its_connection_and_a_slow_body_does_not() {
    let lab = Lab::new();
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let half = [
        PREFACE[..20].to_vec(),
        [greeting(), frame(HEADERS, END_STREAM, 1, request("GET", "/bad", &[]))].concat(),
        [greeting(), frame(PING, 0, 0, [0; 8])[..12].to_vec()].concat(),
        [greeting(), vec![0, 0]].concat(),
    ];
    let slow: Vec<Peer> = half
        .iter()
        .map(|bytes| {
            let mut peer = Peer::silent(&lab, &daemon);
            peer.wait_for(Duration::from_secs(60));
            peer.say(bytes);
            peer
        })
        .collect();
    let mut body = Peer::new(&lab, &daemon);
    let upload = headers(1, 0, &request("POST", "/upload", &[("content-length", "4")]));
    body.say([upload, frame(DATA, END_STREAM, 1, b"four")[..11].to_vec()].concat());
    for mut peer in slow {
        assert_eq!(peer.until(|frame| frame.kind <= HEADERS), None);
    }
    body.say(b"ur");
    assert_eq!(body.answer(1).0, "200");
    recorded(
        &daemon,
        half.len(),
        &json!({
            "kind": "connection", "decision": "deny", "reason": "protocol.malformed", "end": "malformed",
            "evidence": "http/2: too slow",
        }),
    );
    assert!(server.seen().iter().all(|seen| seen.path == "/upload"));
}
