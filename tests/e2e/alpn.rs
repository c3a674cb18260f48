//! Which HTTP each side speaks, and how messages cross from one to the other.

use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::dialogue::{NAME, opening_gateway, over_tls, zone};
use super::http2::{Http2, data};
use super::terminate::{curl, server};
use crate::lab::services::Feed;
use crate::lab::{Daemon, Family, Lab};

/// Status, and the versions that the client and the upstream spoke.
fn versions(lab: &Lab, daemon: &Daemon<'_>, flag: &str) -> (String, String) {
    let url = format!("https://{NAME}/headers?q=1");
    let said =
        curl(lab, daemon.authority(), &[flag, "-d", "12345", "-w", "\n%{http_version}", &url]).succeeded();
    let (seen, client) = said.rsplit_once('\n').expect("two lines");
    let seen: Value = serde_json::from_str(seen).expect("JSON");
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["authority"], &seen["body_bytes"]),
        (&json!("POST"), &json!("/headers?q=1"), &json!(NAME), &json!(5)),
        "{seen}"
    );
    (client.to_owned(), seen["version"].as_str().expect("a version").to_owned())
}

#[apply(over_both)]
fn alpn_follows_what_the_upstream_offers(family: Family) {
    for (offered, client, expected) in [
        (&["h2", "http/1.1"][..], "--http2", ("2", "HTTP/2.0")),
        (&["http/1.1"], "--http2", ("1.1", "HTTP/1.1")),
        (&[], "--http2", ("1.1", "HTTP/1.1")),
        (&["h2", "http/1.1"], "--http1.1", ("1.1", "HTTP/1.1")),
        (&["h2", "http/1.1"], "--no-alpn", ("1.1", "HTTP/1.1")),
    ] {
        let lab = Lab::of(family);
        let (_resolver, daemon) = opening_gateway(&lab, zone());
        server(&lab, offered);
        let (seen, upstream) = versions(&lab, &daemon, client);
        assert_eq!((seen.as_str(), upstream.as_str()), expected, "{offered:?} {client}");
        let protocol = if expected.0 == "2" { "http/2" } else { "http/1.1" };
        daemon.record(&json!({
            "kind": "request", "decision": "allow", "protocol": protocol, "http_method": "POST",
            "path": "/headers", "status": 200, "bytes_out": 5,
        }));
    }
}

#[apply(over_both)]
fn an_http2_client_crosses_to_an_upstream_that_speaks_http1_alone(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let server = server(&lab, &["http/1.1"]);
    let mut client = Http2::over_tls(lab.workload(), "192.0.2.11:443", NAME, (daemon.authority(), &["h2"]));
    let (sender, body) = Feed::by_hand();
    let request = Request::post(format!("https://{NAME}/upload")).body(body).expect("a request");
    let fed = std::thread::spawn(move || {
        for _ in 0..40 {
            sender.blocking_send(data(vec![7; 10_000])).expect("taken");
        }
    });
    let (head, body) = client.send(request).into_parts();
    fed.join().expect("fed");
    let body = client.run(body.collect()).expect("a body").to_bytes();
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b"400000"[..]));

    let request = Request::get(format!("https://{NAME}/trailers"))
        .header("te", "trailers")
        .body(Feed::by_hand().1)
        .expect("a request");
    let body = client.send(request).into_body();
    let collected = client.run(body.collect()).expect("a body");
    assert_eq!(collected.trailers().and_then(|fields| fields.get("x-checksum")).expect("trailers"), "abc");
    assert_eq!(collected.to_bytes(), "body\n");
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.version == http::Version::HTTP_11 && seen.authority == NAME));
    daemon.record(&json!({
        "kind": "request", "protocol": "http/2", "path": "/upload", "status": 200, "bytes_out": 400_000,
        "bytes_in": 6,
    }));
}

#[apply(over_both)]
fn an_http1_client_crosses_to_an_upstream_that_speaks_http2_alone(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let server = server(&lab, &["h2"]);
    let mut talk = over_tls(lab.workload(), "192.0.2.11:443", NAME, daemon.authority());
    let body = vec![b'y'; 400_000];
    talk.say(format!("POST /upload HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {}\r\n\r\n", body.len()));
    let heard = talk.ask(&body);
    assert_eq!((heard.status, heard.text().as_str()), (200, "400000"), "{heard:?}");
    let heard = talk.ask(format!(
        "POST /upload HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    ));
    assert_eq!(heard.text(), "5");
    let heard = talk.ask(format!("GET /trailers HTTP/1.1\r\nHost: {NAME}\r\nTE: trailers\r\n\r\n"));
    assert_eq!((heard.text().as_str(), heard.trailers.trim()), ("body\n", "x-checksum: abc"), "{heard:?}");
    let heard = talk.ask(format!("GET /download/300000 HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    assert_eq!(heard.body.len(), 300_000);
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.version == http::Version::HTTP_2 && seen.authority == NAME));
    daemon.record(&json!({
        "kind": "request", "protocol": "http/1.1", "path": "/upload", "status": 200, "bytes_out": 400_000,
    }));
    daemon.record(&json!({"kind": "request", "path": "/trailers", "status": 200, "bytes_in": 5}));
}
