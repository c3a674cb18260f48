//! HTTP/2 by the clock: what has been begun must be finished in `HEAD_TIME`, half a minute; and by nghttp2, whose
//! client asks and whose load generator asks many times at once.

use std::time::Duration;

use serde_json::json;

use super::tools;
use crate::e2e::dialogue::{opening_gateway, zone};
use crate::e2e::frames::{Peer, headers, request};
use crate::e2e::hostile::{many, recorded};
use crate::e2e::streaming::servers;
use crate::e2e::world::{ROUTES, World};
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

#[test]
fn nghttp_asks_and_posts() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let body = world.lab.file("body", vec![b'x'; 300_000]);
    let nghttp = |arguments: &[&str]| {
        let program = world.lab.workload().command("nghttp").args(arguments);
        tools::trusting(&daemon, program, "SSL_CERT_FILE").run()
    };
    let small = nghttp(&["https://site.example/small"]);
    assert_eq!(small.succeeded(), "hello from upstream\n");
    // It warns, and asks all the same, where it does not trust.
    assert!(!small.to_string().contains("WARNING"), "{small}");
    let sent = nghttp(&["--data", body.to_str().expect("text"), "https://site.example/upload"]);
    assert_eq!(sent.succeeded(), "300000");
    daemon.record(&json!({
        "kind": "request", "path": "/upload", "protocol": "http/2", "status": 200, "bytes_out": 300_000,
    }));
    let frames = nghttp(&["-nv", "--multiply=50", "--window-bits=10", "https://site.example/1MiB"]);
    assert_eq!(frames.succeeded().matches(":status: 200").count(), 50);
    assert!(nghttp(&["https://paste.example/"]).succeeded().contains("policy.no-route"));
    assert!(world.paste.untouched());
}

#[test]
fn h2load_gets_an_answer_to_everything_it_asks() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let count = many(500);
    let load =
        world.lab.workload().command("h2load").args(["-c", "10", "-m", "50", "-n", &count.to_string()]);
    let said = load.arg("https://site.example/small").deadline(Duration::from_secs(300)).run();
    let expected = format!("{count} done, {count} succeeded, 0 failed, 0 errored, 0 timeout");
    assert!(said.succeeded().contains(&expected), "{said}");
    let row =
        json!({"kind": "request", "path": "/small", "protocol": "http/2", "status": 200, "bytes_in": 20});
    recorded(&daemon, count, &row);
}
