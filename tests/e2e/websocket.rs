//! Connections that leave HTTP: WebSocket, upgrades that are declined, and switches that nobody asked for.

use std::sync::mpsc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dialogue::{NAME, PATIENCE, fields, opening_gateway, plain, zone};
use super::frames::{Peer, headers};
use super::origin::{Origin, Taken};
use super::streaming::{PLAIN, TLS, get, serve_both, servers, talks};
use super::world::{ROUTES, World};
use crate::lab::backends::{Wire, eventually};
use crate::lab::frames::{self, CANCEL, DATA, END_STREAM, GOAWAY, RST_STREAM, greeting};
use crate::lab::{Lab, UPSTREAM_V4, websocket};

/// One frame of a client, masked as RFC 6455 (section 5.3) asks.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short as u8),
        Ok(middle) => {
            frame.push(0x80 | 126);
            frame.extend(middle.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A request for WebSocket.
pub fn upgrade(path: &str) -> String {
    // The key of RFC 6455, section 1.3, whose answer is worked out there.
    format!(
        "GET {path} HTTP/1.1\r\nHost: {NAME}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The beginning of a switch.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";

/// What answers the key in a head.
fn proof(head: &str) -> String {
    websocket::proof(fields(head, "sec-websocket-key").next().expect("a key").as_bytes())
}

#[apply(over_both)]
fn a_websocket_passes_both_ways_with_its_close_handshake_and_is_counted(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let long = vec![b'l'; 100_000];
    for mut talk in talks(&lab, &daemon) {
        talk.say(upgrade("/ws"));
        let head = talk.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        let lower = head.to_ascii_lowercase();
        assert!(
            lower.contains("connection: upgrade\r\n") && lower.contains("upgrade: websocket\r\n"),
            "{head}"
        );
        talk.say(frame(1, b"hello"));
        assert_eq!(talk.bytes(7), b"\x81\x05hello");
        talk.say(frame(2, &long));
        assert_eq!(talk.bytes(10), [&[0x82, 127][..], &100_000_u64.to_be_bytes()].concat());
        assert!(talk.bytes(100_000) == long);
        talk.say(frame(8, &1000_u16.to_be_bytes()));
        assert_eq!(talk.bytes(4), b"\x88\x02\x03\xe8");
        assert_eq!(talk.rest().expect("an orderly end"), b"");
        talk.finish();
    }
    // Masked frames out: 11, 100,014 and 8 bytes; unmasked ones back: 7, 100,010 and 4.
    for port in [80, 443] {
        let row = daemon.record(&json!({
            "kind": "request", "decision": "allow", "destination_host": NAME, "destination_port": port,
            "path": "/ws", "status": 101, "bytes_out": 100_033, "bytes_in": 100_021,
        }));
        assert_eq!(row.get("end"), None, "{row}");
    }
}

#[apply(over_both)]
fn a_websocket_whose_tls_ends_without_a_farewell_ended_in_order(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    for mut talk in talks(&lab, &daemon) {
        talk.say(upgrade("/ws"));
        talk.head();
        talk.say(frame(8, &1000_u16.to_be_bytes()));
        assert_eq!(talk.bytes(4), b"\x88\x02\x03\xe8");
        // Closes the socket and says nothing in TLS, as many clients do.
        talk.tcp().shutdown(std::net::Shutdown::Write).expect("closed");
    }
    for port in [80, 443] {
        let wanted = json!({"kind": "request", "path": "/ws", "status": 101, "bytes_out": 8, "bytes_in": 4,
                            "destination_port": port});
        let row = daemon.record(&wanted);
        assert_eq!(row.get("end"), None, "{row}");
    }
}

#[apply(over_both)]
fn a_declined_upgrade_goes_on_as_http_and_what_was_sent_early_is_judged_as_such(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    let origins =
        [Origin::ok(&lab, PLAIN, Wire::Plain), Origin::ok(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]))];
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let heard = talk.ask(upgrade("/declined"));
        assert_eq!((heard.status, heard.text().as_str()), (200, "ok /declined"));
        assert_eq!(talk.ask(get("/after")).text(), "ok /after");
        // A request behind the upgrade is a request like any other: it has its own decision.
        talk.say(format!("{}{}", upgrade("/declined"), get("/behind")));
        assert_eq!(talk.hear().text(), "ok /declined");
        assert_eq!(talk.hear().text(), "ok /behind");
        // What is no request does not reach the upstream in any other guise.
        let message = frame(1, b"hello");
        talk.say([upgrade("/declined").as_bytes(), &message, b"\r\n", get("/smuggled").as_bytes()].concat());
        assert_eq!(talk.hear().text(), "ok /declined");
        talk.hear().is_refusal(400, "protocol.malformed");
        let lines: Vec<String> = origin.taken().iter().map(|taken| taken.line().to_owned()).collect();
        let expected = ["/declined", "/after", "/declined", "/behind", "/declined"];
        assert_eq!(lines, expected.map(|path| format!("GET {path} HTTP/1.1")));
        let whole: usize = origin.taken().iter().map(|taken| taken.head.len()).sum();
        assert_eq!(origin.received().iter().map(Vec::len).sum::<usize>(), whole);
    }
    for (path, number) in [("/declined", 6), ("/after", 2), ("/behind", 2)] {
        eventually(path, || {
            let rows = daemon.records(&[]);
            let allowed = rows.iter().filter(|row| row["path"] == path && row["status"] == 200);
            (allowed.count() == number).then_some(())
        });
    }
    daemon.record(&json!({"kind": "request", "decision": "deny", "reason": "protocol.malformed"}));
}

#[apply(over_both)]
fn bytes_sent_early_behind_an_upgrade_wait_for_the_switch_and_are_no_request(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let (tell, told) = mpsc::channel();
    serve_both(&lab, move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut head = vec![0; 16 * 1024];
            let mut length = 0;
            while !head[..length].ends_with(b"\r\n\r\n") {
                length += stream.read(&mut head[length..]).await?;
            }
            head.truncate(length);
            let proof = proof(&String::from_utf8_lossy(&head));
            tell.send(head).expect("the test waits");
            stream.write_all(format!("{SWITCH}Sec-WebSocket-Accept: {proof}\r\n\r\nnow").as_bytes()).await?;
            stream.flush().await?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            tell.send(rest).expect("the test waits");
            Ok(())
        }
    });
    let early = get("/smuggled");
    for mut talk in talks(&lab, &daemon) {
        talk.say(format!("{}{early}", upgrade("/switch")));
        let head = told.recv_timeout(PATIENCE).expect("a head");
        let head = String::from_utf8(head).expect("ASCII");
        assert!(head.starts_with("GET /switch ") && !head.contains("smuggled"), "{head}");
        assert!(talk.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(talk.bytes(3), b"now");
        talk.finish();
        let rest = told.recv_timeout(PATIENCE).expect("what follows");
        assert_eq!(String::from_utf8_lossy(&rest), early);
        let _ = talk.rest();
    }
    eventually("both on record", || {
        let rows = daemon.records(&[]);
        let switched = rows.iter().filter(|row| row["path"] == "/switch" && row["status"] == 101);
        (switched.count() == 2).then_some(())
    });
    assert!(daemon.records(&[]).iter().all(|row| row["path"] != "/smuggled"));
}

#[apply(over_both)]
fn a_switch_of_protocols_that_nobody_asked_for_is_a_failure_of_the_upstream(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    lab.backends().raw(
        PLAIN,
        Wire::Plain,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    );
    let mut talk = plain(lab.workload(), PLAIN);
    talk.ask(get("/unasked")).is_refusal(502, "upstream.malformed");
    daemon.record(&json!({
        "kind": "request", "path": "/unasked", "decision": "deny", "reason": "upstream.malformed", "status": 502,
    }));
}

/// A site that can be made to say 101, and whose server goes on to read requests.
fn reflecting(taken: &Taken) -> Vec<u8> {
    let target = taken.line().split(' ').nth(1).unwrap_or_default();
    let answer = match target {
        "/status/101" => format!("{SWITCH}\r\n"),
        // The answer to the workload's own key.
        "/reflected" => format!("{SWITCH}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
    };
    answer.into_bytes()
}

#[apply(over_both)]
fn a_101_that_does_not_answer_our_key_opens_no_way_around_policy(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    let origins = [
        Origin::start(&lab, PLAIN, Wire::Plain, reflecting),
        Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), reflecting),
    ];
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        for path in ["/status/101", "/reflected"] {
            talk.say(format!("{}{}", upgrade(path), get("/behind")));
            talk.hear().is_refusal(502, "upstream.failed");
            assert_eq!(talk.hear().text(), "ok", "it is a request, and has its own decision");
        }
        // On another connection: nothing goes out behind the upgrade.
        for received in origin.received() {
            let text = String::from_utf8_lossy(&received);
            let behind = text.split_once("Upgrade").map_or("", |(_, behind)| behind);
            assert!(!behind.contains("GET "), "{text}");
        }
    }
    for path in ["/status/101", "/reflected"] {
        daemon.record(&json!({
            "kind": "request", "path": path, "decision": "deny", "reason": "upstream.failed", "status": 502,
        }));
    }
    daemon.record(&json!({"kind": "request", "path": "/behind", "decision": "allow", "status": 200}));
}

#[apply(over_both)]
fn an_upgrade_with_a_body_is_a_request_like_any_other(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = Origin::ok(&lab, PLAIN, Wire::Plain);
    for framing in
        ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
    {
        let mut talk = plain(lab.workload(), PLAIN);
        let head = upgrade("/with-body");
        let answer = talk.ask(format!("{}{framing}", head.strip_suffix("\r\n").expect("an empty line")));
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok /with-body"));
    }
    let taken = origin.taken();
    assert_eq!(taken.len(), 2);
    assert!(taken.iter().all(|taken| fields(&taken.head, "upgrade").next().is_none()), "{taken:?}");
    daemon.record(&json!({"kind": "request", "path": "/with-body", "status": 200, "bytes_out": 5}));
}

/// An extended CONNECT (RFC 8441, section 5).
fn extended(stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", path),
        (":authority", NAME),
        ("sec-websocket-version", "13"),
    ];
    headers(stream, 0, &frames::block(&[&own[..], more].concat()))
}

/// DATA with a masked frame.
fn message(stream: u32, flags: u8, opcode: u8, payload: &[u8]) -> Vec<u8> {
    frames::frame(DATA, flags, stream, frame(opcode, payload))
}

#[apply(over_both)]
fn websockets_over_http2_pass_both_ways_beside_each_other_and_are_counted(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let mut peer = Peer::new(&lab, &daemon);
    let field = ("sec-websocket-protocol", "chat");
    let heard = |peer: &mut Peer, stream: u32| {
        let frame =
            peer.until(|frame| frame.kind == DATA && frame.stream == stream && !frame.payload.is_empty());
        frame.expect("a message").payload
    };
    peer.say([extended(1, "/ws", &[field]), message(1, 0, 1, b"early")].concat());
    assert_eq!(peer.answer(1), ("200".to_owned(), String::new()));
    assert_eq!(heard(&mut peer, 1), b"\x81\x05early");
    peer.say(extended(3, "/ws", &[]));
    assert_eq!(peer.answer(3), ("200".to_owned(), String::new()));
    peer.say([message(3, 0, 1, b"three"), message(1, 0, 1, b"one")].concat());
    // Either may come first.
    let mut both = [(); 2].map(|()| {
        let frame = peer.until(|frame| frame.kind == DATA && !frame.payload.is_empty()).expect("a message");
        (frame.stream, frame.payload)
    });
    both.sort();
    assert_eq!(both, [(1, b"\x81\x03one".to_vec()), (3, b"\x81\x05three".to_vec())]);
    // A request passes beside them.
    peer.exchange(5, "/headers");
    peer.say(message(1, END_STREAM, 8, &1000_u16.to_be_bytes()));
    assert_eq!(heard(&mut peer, 1), b"\x88\x02\x03\xe8");
    peer.until(|frame| frame.stream == 1 && frame.flags & END_STREAM != 0).expect("an orderly end");
    peer.say(frames::frame(RST_STREAM, 0, 3, CANCEL.to_be_bytes()));
    let upgrades: Vec<_> = server.seen().into_iter().filter(|seen| seen.path == "/ws").collect();
    assert_eq!(upgrades[0].headers["sec-websocket-protocol"], "chat");
    for seen in &upgrades {
        assert_eq!((seen.method.as_str(), seen.authority.as_str()), ("GET", NAME));
        assert_eq!(seen.headers["upgrade"], "websocket");
    }
    // Masked frames out: 11, 9 and 8 bytes; unmasked ones back: 7, 5 and 4.
    let row = daemon.record(&json!({
        "kind": "request", "decision": "allow", "protocol": "http/2", "http_method": "GET", "path": "/ws",
        "status": 101, "bytes_out": 28, "bytes_in": 16,
    }));
    assert_eq!(row.get("end"), None, "{row}");
    daemon.record(&json!({"kind": "request", "path": "/ws", "bytes_out": 11, "bytes_in": 7, "end": "reset"}));
}

#[apply(over_both)]
fn a_websocket_over_http2_is_judged_as_the_upgrade_it_stands_for(world: World) {
    let daemon = world.gateway(ROUTES);
    let mut peer = Peer::at(&world.lab, &daemon, &format!("{UPSTREAM_V4}:443"));
    peer.say([greeting(), extended(1, "/vault/door", &[])].concat());
    assert_eq!(peer.answer(1), ("451".to_owned(), "policy.denied".to_owned()));
    daemon.record(&json!({
        "kind": "request", "decision": "deny", "reason": "policy.denied", "http_method": "GET",
        "path": "/vault/door", "protocol": "http/2",
    }));
    peer.say(headers(
        3,
        0,
        &frames::block(&[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", "paste.example"),
        ]),
    ));
    assert_eq!(peer.answer(3), ("421".to_owned(), "name.mismatch".to_owned()));
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn an_upstream_that_does_not_switch_as_asked_opens_no_websocket_over_http2(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), |taken| {
        let target = taken.line().split(' ').nth(1).unwrap_or_default();
        let answer: &[u8] = match target {
            "/ok" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "/unproven" => {
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            }
            "/proven-wrong" => {
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            }
            _ => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
        };
        answer.to_vec()
    });
    let mut peer = Peer::new(&lab, &daemon);
    for (number, path) in ["/ok", "/unproven", "/proven-wrong"].into_iter().enumerate() {
        let stream = 2 * number as u32 + 1;
        peer.say(extended(stream, path, &[]));
        assert_eq!(peer.answer(stream), ("502".to_owned(), "upstream.failed".to_owned()), "{path}");
        daemon.record(&json!({
            "kind": "request", "path": path, "decision": "deny", "reason": "upstream.failed", "status": 502,
        }));
    }
    // What it declines is its own to say.
    peer.say(extended(7, "/declined", &[]));
    assert_eq!(peer.answer(7), ("403".to_owned(), String::new()));
    daemon.record(&json!({"kind": "request", "path": "/declined", "decision": "allow", "status": 403}));
}

#[apply(over_both)]
fn websockets_over_http2_end_with_their_connection_and_with_the_daemon(lab: Lab) {
    let (_resolver, mut daemon) = opening_gateway(&lab, zone());
    let _servers = servers(&lab, &["h2", "http/1.1"]);
    let mut gone = Peer::new(&lab, &daemon);
    gone.say(extended(1, "/ws", &[]));
    assert_eq!(gone.answer(1).0, "200");
    drop(gone);
    daemon.record(&json!({"kind": "request", "path": "/ws", "status": 101, "end": "reset"}));
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(extended(1, "/ws", &[]));
    assert_eq!(peer.answer(1).0, "200");
    assert_eq!(daemon.terminate(), 0);
    peer.until(|frame| frame.kind == GOAWAY).expect("RFC 9113, 6.8");
    daemon.start_again();
    daemon.record(&json!({"kind": "request", "path": "/ws", "status": 101, "end": "shutdown"}));
}
