//! A workload that speaks HTTP/2 alone, and an upstream that speaks HTTP/1.1 alone: what each gets is good in its own
//! version.

use serde_json::json;

use super::dialogue::{NAME, opening_gateway, zone};
use super::frames::{Peer, headers, request};
use super::http::recorded;
use super::origin::{Origin, Taken};
use super::streaming::TLS;
use crate::lab::Lab;
use crate::lab::backends::{Wire, eventually};
use crate::lab::frames::*;

fn answer(taken: &Taken) -> Vec<u8> {
    let target = taken.line().split(' ').nth(1).unwrap_or_default();
    let answer: &[u8] = match target {
        "/none" => b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
        "/unchanged" => b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 100\r\n\r\n",
        "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        "/early" => b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "/trailers" => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"
        }
        "/hops" => {
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n\
              Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Theirs: 1\r\nContent-Length: 2\r\n\r\nok"
        }
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    };
    answer.to_vec()
}

/// Fields, body and trailers of an answer.
type Answer = (Vec<(String, String)>, Vec<u8>, Vec<(String, String)>);

fn heard(peer: &mut Peer, stream: u32) -> Answer {
    let head = peer.until(|frame| frame.kind == HEADERS && frame.stream == stream).expect("a head");
    let (mut body, mut trailers, mut ended) = (Vec::new(), Vec::new(), head.flags & END_STREAM != 0);
    while !ended {
        let frame = peer.until(|frame| frame.stream == stream && frame.kind <= HEADERS).expect("the rest");
        ended = frame.flags & END_STREAM != 0;
        if frame.kind == DATA { body.extend(frame.payload) } else { trailers = frame.fields() }
    }
    (head.fields(), body, trailers)
}

fn has(fields: &[(String, String)], name: &str, value: &str) -> bool {
    fields.iter().any(|(found, held)| (found.as_str(), held.as_str()) == (name, value))
}

fn begun(lab: &Lab) -> Origin {
    let leaf = lab.pki().leaf(&[NAME]);
    Origin::start(lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), answer)
}

#[apply(over_both)]
fn a_request_in_http2_reaches_an_upstream_of_http1_in_good_http1(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = begun(&lab);
    let mut peer = Peer::new(&lab, &daemon);
    let crumbs = [("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("te", "trailers")];
    peer.say(headers(1, END_STREAM, &request("GET", "/fields?q=1", &crumbs)));
    assert_eq!(heard(&mut peer, 1).1, b"ok");
    let upload = [("content-length", "5"), ("content-type", "text/plain")];
    peer.say(
        [headers(3, 0, &request("POST", "/long", &upload)), frame(DATA, END_STREAM, 3, b"fives")].concat(),
    );
    assert_eq!(heard(&mut peer, 3).1, b"ok");
    let parts = [frame(DATA, 0, 5, b"one"), frame(DATA, END_STREAM, 5, b"two")].concat();
    peer.say([headers(5, 0, &request("POST", "/chunked", &[])), parts].concat());
    assert_eq!(heard(&mut peer, 5).1, b"ok");
    let [get, long, chunked] = &origin.taken()[..] else { panic!("{:?}", origin.taken()) };
    let head = get.head.to_ascii_lowercase();
    assert!(head.starts_with("get /fields?q=1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\nhost: site.example\r\n") && head.contains("\r\ncookie: a=1; b=2\r\n"),
        "{head}"
    );
    assert_eq!((head.matches("cookie").count(), head.matches("host").count()), (1, 1), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    let head = long.head.to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-length: 5\r\n") && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(long.body, b"fives");
    let head = chunked.head.to_ascii_lowercase();
    assert!(
        head.contains("\r\ntransfer-encoding: chunked\r\n") && !head.contains("content-length"),
        "{head}"
    );
    assert!(chunked.body.ends_with(b"0\r\n\r\n"), "{:?}", chunked.body);
    recorded(
        &daemon,
        3,
        &json!({"kind": "request", "protocol": "http/2", "decision": "allow", "status": 200}),
    );
}

#[apply(over_both)]
fn an_answer_in_http1_reaches_a_workload_in_good_http2(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _origin = begun(&lab);
    let mut peer = Peer::new(&lab, &daemon);
    let mut ask = |stream: u32, method: &str, path: &str| {
        peer.say(headers(stream, END_STREAM, &request(method, path, &[("te", "trailers")])));
        heard(&mut peer, stream)
    };
    let (fields, body, _) = ask(1, "GET", "/none");
    assert!(has(&fields, ":status", "204") && has(&fields, "x-a", "1") && body.is_empty(), "{fields:?}");
    let (fields, body, _) = ask(3, "GET", "/unchanged");
    assert!(has(&fields, ":status", "304") && body.is_empty(), "{fields:?}");
    let (fields, body, _) = ask(5, "HEAD", "/head");
    assert!(
        has(&fields, ":status", "200") && has(&fields, "content-length", "100") && body.is_empty(),
        "{fields:?}"
    );
    let (fields, body, _) = ask(7, "GET", "/early");
    assert!(has(&fields, ":status", "200") && body == b"ok", "{fields:?}");
    let (fields, body, trailers) = ask(9, "GET", "/trailers");
    assert!(has(&fields, ":status", "200") && body == b"ok" && has(&trailers, "x-sum", "7"), "{trailers:?}");
    assert!(fields.iter().all(|(name, _)| name != "transfer-encoding"), "{fields:?}");
    let (fields, body, _) = ask(11, "GET", "/hops");
    assert_eq!(body, b"ok");
    for name in ["connection", "keep-alive", "proxy-connection", "upgrade", "x-mine"] {
        assert!(fields.iter().all(|(found, _)| found != name), "{name}: {fields:?}");
    }
    assert!(has(&fields, "x-theirs", "1"), "{fields:?}");
}

#[apply(over_both)]
fn a_body_that_the_workload_breaks_off_is_no_failure_of_the_upstream(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = begun(&lab);
    let mut peer = Peer::new(&lab, &daemon);
    for stream in (1..60).step_by(2) {
        let body = format!("body {stream}.");
        peer.say(headers(stream, 0, &request("POST", "/cut", &[("content-length", "30")])));
        peer.say(frame(DATA, 0, stream, &body));
        eventually("the beginning is there", || {
            let arrived = |bytes: &Vec<u8>| bytes.ends_with(body.as_bytes());
            origin.received().iter().any(arrived).then_some(())
        });
        // Shorter than announced; the stream is reset for it.
        peer.say(frame(DATA, END_STREAM, stream, "end"));
        peer.until(|frame| frame.stream == stream && frame.kind == RST_STREAM).expect("RFC 9113, 8.1.1");
    }
    let cut = eventually("all of them are closed on record", || {
        let rows = daemon.records(&[]);
        let cut: Vec<_> = rows.into_iter().filter(|row| row["path"] == "/cut").collect();
        (cut.len() == 30 && cut.iter().all(|row| row["phase"] == "complete")).then_some(cut)
    });
    for row in cut {
        let said = (row["reason"].as_str(), row["end"].as_str());
        let known =
            [(Some("protocol.malformed"), None), (None, Some("client-closed")), (None, Some("abandoned"))];
        assert!(known.contains(&said), "{row}");
    }
}
