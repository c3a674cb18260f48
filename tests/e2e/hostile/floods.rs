//! Floods: connections that come and go, that are never finished, requests by the thousand on one line, frames that
//! nobody reads, heads without measure.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{
    Bystander, besieged, held, is_ended, many, narrow, opened, place, recorded, resident, stayed_small,
};
use crate::e2e::dialogue::{NAME, client_hello, opening_gateway, plain, zone};
use crate::e2e::streaming::{PLAIN, TLS, get, servers};
use crate::lab::Lab;
use crate::lab::backends::eventually;

#[apply(over_both)]
fn connections_that_come_and_go_without_end_leave_nothing_behind(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let (before, files) = (resident(&daemon), super::descriptors(&daemon));
    let hello = client_hello(daemon.authority(), NAME);
    let [open, secure] = [PLAIN, TLS].map(|address| place(lab.workload(), address));
    let attack = || {
        // Closed, reset, and reset behind a hello.
        for (at, said, linger) in [
            (open, &b""[..], None),
            (secure, b"", Some(Duration::ZERO)),
            (secure, &hello, Some(Duration::ZERO)),
        ] {
            if let Ok(mut stream) = TcpStream::connect_timeout(&at, Duration::from_secs(5)) {
                let _ = SockRef::from(&stream).set_linger(linger);
                let _ = stream.write_all(said);
            }
        }
    };
    let turns = besieged(lab.workload(), attack, || bob.is_served(many(20)));
    assert!(turns > 10, "{turns}");
    stayed_small(&daemon, before, 50);
    recorded(&daemon, 10, &json!({"kind": "connection", "decision": "deny", "reason": "protocol.unspoken"}));
    // Upstream connections that were made for nothing wait for a request; they are few, and shared.
    eventually("the files are given back", || (super::descriptors(&daemon) < files + 300).then_some(()));
}

#[apply(over_both)]
fn connections_that_are_never_finished_take_no_place(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    // Her kernel swallows what would finish the handshake (RFC 9293, section 3.5).
    let rules = "table inet mute {\n chain out {\n type filter hook output priority 0;\n\
                 tcp flags & (syn | ack) == ack drop\n tcp flags & rst == rst drop\n }\n}\n";
    lab.workload().command("nft").args(["-f", "-"]).input(rules).run().succeeded();
    let secure = place(lab.workload(), TLS);
    let half: Vec<Socket> = lab.workload().enter(|| {
        let one = |_| {
            let socket =
                Socket::new(Domain::for_address(secure), Type::STREAM.nonblocking(), Some(Protocol::TCP))
                    .expect("a socket");
            let _ = socket.connect(&secure.into());
            socket
        };
        (0..held(1000, 1)).map(one).collect()
    });
    bob.is_served(20);
    stayed_small(&daemon, before, 1);
    assert!(
        daemon.records(&["--agent", "alice"]).is_empty(),
        "a connection that was never made is on record"
    );
    drop(half);
}

#[apply(over_both)]
fn requests_by_the_thousand_on_one_line_wait_for_their_turn(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let mut flood = narrow(lab.workload(), PLAIN);
    flood.set_write_timeout(Some(Duration::from_secs(1))).expect("a socket option");
    let requests = get("/download/10000").repeat(1000);
    let mut written = 0;
    // Until the gateway takes no more, because nobody takes its answers.
    let filled = (0..many(200)).find_map(|_| match flood.write(requests.as_bytes()) {
        Ok(length) => {
            written += length;
            None
        }
        Err(_) => Some(()),
    });
    assert!(filled.is_some(), "{written} bytes of requests were taken");
    bob.is_served(10);
    stayed_small(&daemon, before, 4);
    drop(flood);
    recorded(&daemon, 1, &json!({"kind": "request", "path": "/download/10000", "decision": "allow"}));
}

#[apply(over_both)]
fn a_websocket_that_is_flooded_and_never_read_is_held_back(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let mut talk = plain(lab.workload(), PLAIN);
    talk.tcp().set_write_timeout(Some(Duration::from_secs(1))).expect("a socket option");
    talk.say(format!(
        "GET /ws HTTP/1.1\r\nHost: {NAME}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert!(talk.head().starts_with("HTTP/1.1 101"));
    // One binary message of 60,000 bytes, masked with zeros (RFC 6455, section 5.2), sent back by the echo.
    let mut frame = vec![0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0];
    frame.resize(8 + 60_000, b'w');
    let mut written = 0;
    while talk.try_say(&frame).is_ok() {
        written += frame.len();
        assert!(written < 256 << 20, "{written} bytes were taken of which none came back");
    }
    bob.is_served(10);
    stayed_small(&daemon, before, 4);
    drop(talk);
    recorded(&daemon, 1, &json!({"kind": "request", "path": "/ws", "status": 101, "phase": "complete"}));
}

#[apply(over_both)]
fn heads_without_measure_are_refused_at_their_bound(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let many_fields = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n{}\r\n", "A: b\r\n".repeat(300));
    let long_line = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let endless = format!(
        "GET / HTTP/1.1\r\nHost: {NAME}\r\n{}",
        "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(4000)
    );
    for head in [&many_fields, &long_line, &endless] {
        // As the first head, and behind another one.
        for first in ["", &get("/status/200")] {
            let mut talk = plain(lab.workload(), PLAIN);
            if !first.is_empty() {
                assert_eq!(talk.ask(first).status, 200);
            }
            // It may be refused before the last byte is written.
            let _ = talk.try_say(head);
            talk.hear().is_refusal(400, "protocol.malformed");
        }
    }
    let alice = lab.workload();
    let attack = || {
        for mut stream in opened(alice, PLAIN, 1, b"") {
            let _ = stream.write_all(endless.as_bytes());
            assert!(is_ended(&mut stream));
        }
    };
    besieged(lab.workload(), attack, || bob.is_served(10));
    stayed_small(&daemon, before, 50);
    recorded(&daemon, 7, &json!({"decision": "deny", "reason": "protocol.malformed"}));
}
