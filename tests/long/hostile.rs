//! The bounds of time in real time: every kind of slowness is ended by the daemon itself, at its bound, with its reason
//! on record. Unit tests prove the same with a clock that jumps.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::e2e::dialogue::{NAME, client_hello, opening_gateway, over_tls, plain, zone};
use crate::e2e::hostile::{Bystander, is_ended, narrow, opened, recorded};
use crate::e2e::streaming::{PLAIN, TLS, get, servers};
use crate::lab::Lab;

/// How long after its bound an end may come on a busy machine.
const LATE: Duration = Duration::from_secs(20);

/// Waits for the end of every connection, and says when the last one came.
fn ends(streams: &mut [TcpStream], begun: Instant) -> Duration {
    for stream in streams {
        stream.set_read_timeout(Some(Duration::from_secs(400))).expect("a socket option");
        assert!(is_ended(stream));
    }
    begun.elapsed()
}

#[test]
fn what_is_begun_and_not_finished_is_ended_at_its_bound_with_its_reason() {
    let lab = Lab::new();
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let hello = client_hello(daemon.authority(), NAME);
    let begun = Instant::now();
    // Ten seconds: a first message, a handshake, a message of DNS.
    let mut first = Vec::new();
    for (address, said) in [
        (PLAIN, &b"GET / HTTP/1.1\r\nHost: "[..]),
        (TLS, &hello[..100]),
        (TLS, &hello),
        ("10.77.0.1:53", &[0, 40, 1]),
    ] {
        first.extend(opened(lab.workload(), address, 10, said));
    }
    // Thirty: the head of a later request. Two minutes: a body.
    let mut heads: Vec<_> = (0..10)
        .map(|_| {
            let mut talk = over_tls(lab.workload(), TLS, NAME, daemon.authority());
            assert_eq!(talk.ask(get("/status/200")).status, 200);
            talk.say("GET / HTTP/1.1\r\nHost: ");
            talk
        })
        .collect();
    let mut bodies: Vec<_> = (0..10)
        .map(|_| {
            let mut talk = plain(lab.workload(), PLAIN);
            talk.say(format!("POST /upload HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000000\r\n\r\n"));
            talk
        })
        .collect();
    let took = ends(&mut first, begun);
    assert!(took < Duration::from_secs(10) + LATE, "{took:?}");
    bob.is_served(5);
    let malformed = json!({"kind": "connection", "decision": "deny", "reason": "protocol.malformed"});
    recorded(&daemon, 20, &malformed);
    recorded(&daemon, 10, &json!({"decision": "deny", "reason": "tls.handshake"}));
    recorded(&daemon, 10, &json!({"kind": "dns", "decision": "deny", "reason": "protocol.malformed"}));
    for talk in &mut heads {
        talk.tcp().set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
        talk.hear().is_refusal(400, "protocol.malformed");
    }
    assert!(begun.elapsed() < Duration::from_secs(30) + LATE, "{:?}", begun.elapsed());
    // A byte each second does not help.
    for _ in 0..60 {
        for talk in &mut bodies {
            talk.say("x");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    for talk in &mut bodies {
        talk.tcp().set_read_timeout(Some(Duration::from_secs(200))).expect("a socket option");
        talk.hear().is_refusal(400, "protocol.malformed");
    }
    assert!(begun.elapsed() < Duration::from_secs(120) + 2 * LATE, "{:?}", begun.elapsed());
    recorded(
        &daemon,
        10,
        &json!({"kind": "request", "path": "/upload", "decision": "deny", "reason": "protocol.malformed"}),
    );
    bob.is_served(5);
}

#[test]
fn an_answer_that_nobody_takes_is_given_up_after_five_minutes() {
    let lab = Lab::new();
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut stream = narrow(lab.workload(), PLAIN);
    stream.write_all(get("/download/1000000000").as_bytes()).expect("a request");
    stream.read_exact(&mut [0; 15]).expect("an answer begins");
    let begun = Instant::now();
    loop {
        let rows = daemon.records(&["--kind", "connection", "--agent", "alice"]);
        if rows.iter().any(|row| row["end"] == "client-stalled") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(400), "{rows:?}");
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(begun.elapsed() > Duration::from_secs(250), "{:?}", begun.elapsed());
    recorded(&daemon, 1, &json!({"kind": "request", "end": "client-closed", "status": 200}));
}

#[test]
fn a_kept_connection_may_pause_for_longer_than_a_head_may_take() {
    let lab = Lab::new();
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut talks = [plain(lab.workload(), PLAIN), over_tls(lab.workload(), TLS, NAME, daemon.authority())];
    for pause in [Duration::ZERO, Duration::from_secs(35)] {
        // The pause itself is what is tested.
        std::thread::sleep(pause);
        for talk in &mut talks {
            assert_eq!(talk.ask(get("/status/200")).status, 200, "after {pause:?}");
        }
    }
}
