//! Calls over HTTP/2 that do not end as they should: cancelled, refused, left out, or broken off, by either side. The
//! upstream is written frame by frame.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dialogue::{NAME, opening_gateway, zone};
use super::frames::{Peer, headers, request};
use super::http::recorded;
use super::streaming::TLS;
use crate::lab::Lab;
use crate::lab::backends::{Wire, eventually};
use crate::lab::frames::*;

/// Every frame that an upstream received, with the number of its connection.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(usize, Frame)>>>);

impl Seen {
    fn of(&self, kind: u8) -> Vec<(usize, Frame)> {
        let all = self.0.lock().expect("no test thread panics here").clone();
        all.into_iter().filter(|(_, frame)| frame.kind == kind).collect()
    }

    /// Connection and stream of each request so far.
    fn requests(&self) -> Vec<(usize, u32)> {
        self.of(HEADERS).into_iter().map(|(connection, frame)| (connection, frame.stream)).collect()
    }

    /// Waits for a reset, and says of which stream and with which code.
    fn reset(&self) -> (u32, u32) {
        eventually("a reset at the upstream", || {
            self.of(RST_STREAM).first().map(|(_, frame)| (frame.stream, frame.code()))
        })
    }
}

/// An HTTP/2 upstream that answers the head of each request with these bytes: by its connection and stream.
fn upstream(lab: &Lab, answer: fn(usize, u32) -> Vec<u8>) -> Seen {
    let seen = Seen::default();
    let kept = seen.clone();
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let leaf = lab.pki().leaf(&[NAME]);
    lab.backends().serve(TLS, Wire::Tls(&leaf, &["h2"]), move |mut stream, _| {
        let kept = kept.clone();
        let connection = connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            stream.write_all(&settings(&[])).await?;
            stream.flush().await?;
            let mut bytes = Vec::new();
            let mut begun = false;
            while stream.read_buf(&mut bytes).await? > 0 {
                if !begun && bytes.len() >= PREFACE.len() {
                    begun = bytes.drain(..PREFACE.len()).eq(*PREFACE);
                }
                while let Some(frame) = Frame::take(&mut bytes).filter(|_| begun) {
                    let reply = match frame.kind {
                        SETTINGS if frame.flags & ACK == 0 => self::frame(SETTINGS, ACK, 0, []),
                        PING if frame.flags & ACK == 0 => self::frame(PING, ACK, 0, &frame.payload),
                        HEADERS => answer(connection, frame.stream),
                        _ => Vec::new(),
                    };
                    kept.0.lock().expect("no test thread panics here").push((connection, frame));
                    stream.write_all(&reply).await?;
                    stream.flush().await?;
                }
            }
            Ok(())
        }
    });
    seen
}

/// `:status: 200` of the static table.
const OK: &[u8] = &[0x88];

fn ok(stream: u32) -> Vec<u8> {
    headers(stream, END_STREAM, OK)
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, [&last.to_be_bytes()[..], &[0; 4]].concat())
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, END_STREAM, &request("GET", path, &[]))
}

/// A call whose messages are still to come.
fn call(stream: u32) -> Vec<u8> {
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "10S")];
    let message = frame(DATA, 0, stream, [0, 0, 0, 0, 2, b'h', b'i']);
    [headers(stream, 0, &request("POST", "/lab.Echo/Chat", &fields)), message].concat()
}

#[apply(over_both)]
fn a_call_that_is_cancelled_is_cancelled_upstream_at_once_and_recorded(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    // Nothing is answered on the first connection; on the others a head.
    let seen = upstream(&lab, |_, stream| if stream == 1 { Vec::new() } else { headers(stream, 0, OK) });
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(call(1));
    eventually("a message at the upstream", || (!seen.of(DATA).is_empty()).then_some(()));
    peer.say(frame(RST_STREAM, 0, 1, CANCEL.to_be_bytes()));
    assert_eq!(seen.reset(), (1, CANCEL));
    daemon.record(
        &json!({"kind": "request", "path": "/lab.Echo/Chat", "decision": "allow", "end": "client-closed"}),
    );
    peer.say(call(3));
    assert_eq!(peer.answer(3).0, "200");
    peer.say(frame(RST_STREAM, 0, 3, CANCEL.to_be_bytes()));
    eventually("a second reset", || {
        let resets = seen.of(RST_STREAM);
        resets.iter().any(|(_, frame)| (frame.stream, frame.code()) == (3, CANCEL)).then_some(())
    });
    daemon.record(&json!({
        "kind": "request", "path": "/lab.Echo/Chat", "status": 200, "end": "client-closed", "bytes_out": 7,
    }));
    // The upstream's connection serves on.
    peer.say(get(5, "/after"));
    assert_eq!(peer.answer(5).0, "200");
    assert_eq!(seen.requests().iter().map(|(connection, _)| *connection).max(), Some(0));
}

#[apply(over_both)]
fn an_answer_of_trailers_alone_passes_as_such(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _seen = upstream(&lab, |_, stream| {
        headers(
            stream,
            END_STREAM,
            &[OK, &block(&[("grpc-status", "5"), ("grpc-message", "not here")])].concat(),
        )
    });
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(call(1));
    let head = peer.until(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!(head.flags & END_STREAM, END_STREAM);
    let fields = head.fields();
    assert!(fields.contains(&("grpc-status".to_owned(), "5".to_owned())), "{fields:?}");
    daemon.record(&json!({"kind": "request", "path": "/lab.Echo/Chat", "status": 200}));
}

#[apply(over_both)]
fn an_upstream_that_breaks_a_stream_off_breaks_off_that_stream_alone(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _seen = upstream(&lab, |_, stream| match stream {
        1 => [headers(1, 0, OK), frame(DATA, 0, 1, b"half"), frame(RST_STREAM, 0, 1, CANCEL.to_be_bytes())]
            .concat(),
        _ => ok(stream),
    });
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(get(1, "/half"));
    let end = peer.until(|frame| frame.stream == 1 && frame.kind == RST_STREAM).expect("a reset");
    assert_eq!(end.code(), CANCEL);
    peer.say(get(3, "/after"));
    assert_eq!(peer.answer(3).0, "200");
    daemon.record(&json!({"kind": "request", "path": "/half", "status": 200, "end": "upstream-failed"}));
}

#[apply(over_both)]
fn a_request_that_an_upstream_has_done_nothing_with_is_sent_once_more(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let refused: fn(usize, u32) -> Vec<u8> = |connection, stream| match (connection, stream) {
        (0, 3..) => frame(RST_STREAM, 0, stream, REFUSED_STREAM.to_be_bytes()),
        // RFC 9113, 6.8: what has a higher number than the last was not and will not be processed.
        (1, 3..) => goaway(1),
        _ => ok(stream),
    };
    let seen = upstream(&lab, refused);
    let mut peer = Peer::new(&lab, &daemon);
    for (number, expected) in [(0, vec![(0, 1)]), (1, vec![(0, 3), (1, 1)]), (2, vec![(1, 3), (2, 1)])] {
        let before = seen.requests().len();
        peer.say(get(2 * number + 1, &format!("/{number}")));
        assert_eq!(peer.answer(2 * number + 1).0, "200");
        assert_eq!(seen.requests()[before..], expected);
    }
    recorded(&daemon, 3, &json!({"kind": "request", "decision": "allow", "status": 200}));
}

#[apply(over_both)]
fn a_request_with_a_body_is_never_sent_twice(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let seen = upstream(&lab, |_, stream| match stream {
        1 => ok(1),
        _ => frame(RST_STREAM, 0, stream, REFUSED_STREAM.to_be_bytes()),
    });
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(get(1, "/first"));
    assert_eq!(peer.answer(1).0, "200");
    peer.say([headers(3, 0, &request("POST", "/once", &[])), frame(DATA, END_STREAM, 3, b"x")].concat());
    assert_eq!(peer.answer(3), ("502".to_owned(), "upstream.failed".to_owned()));
    assert_eq!(seen.requests(), [(0, 1), (0, 3)]);
    daemon.record(
        &json!({"kind": "request", "path": "/once", "decision": "deny", "reason": "upstream.failed"}),
    );
}

#[apply(over_both)]
fn an_upstream_that_goes_away_in_order_finishes_what_it_has_begun(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let seen = upstream(&lab, |connection, stream| match connection {
        0 => {
            [headers(1, 0, OK), goaway(1), frame(DATA, 0, 1, b"to the "), frame(DATA, END_STREAM, 1, b"end")]
                .concat()
        }
        _ => ok(stream),
    });
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(get(1, "/whole"));
    let mut body = Vec::new();
    while let Some(frame) = peer.until(|frame| frame.kind == DATA) {
        body.extend(frame.payload);
        if frame.flags & END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(body, b"to the end");
    peer.say(get(3, "/after"));
    assert_eq!(peer.answer(3).0, "200");
    assert_eq!(seen.requests(), [(0, 1), (1, 1)]);
    let row = daemon.record(&json!({"kind": "request", "path": "/whole", "status": 200, "bytes_in": 10}));
    assert_eq!(row.get("end"), None, "{row}");
}
