//! Names agree: SNI, `Host` and `:authority`, on each request of a connection and on each stream.

use serde_json::{Value, json};

use super::dialogue::{NAME, OTHER, opening_gateway, plain, zone};
use super::http::{Way, get, ok, recorded};
use super::http2::Http2;
use crate::lab::Lab;
use crate::lab::backends::Wire;

#[apply(over_both)]
fn every_request_of_a_connection_must_name_the_host_it_is_for(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for (way, port) in [(Way::Plain, 80), (Way::Tls, 443)] {
        let origin = way.origin(&lab, ok);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        assert_eq!(talk.ask(get("/first")).status, 200);
        let same = [
            NAME.to_owned(),
            format!("{NAME}."),
            "SITE.example".to_owned(),
            format!("{NAME}:{port}"),
            format!("Site.Example.:{port}"),
        ];
        for host in &same {
            let heard = talk.ask(format!("GET /same HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(heard.status, 200, "{way:?}, {host}: {heard:?}");
        }
        let others = [
            OTHER.to_owned(),
            format!("www.{NAME}"),
            format!("{NAME}:8443"),
            format!("{NAME}.attacker.example"),
            "192.0.2.11".to_owned(),
        ];
        for host in &others {
            let heard = talk.ask(format!("GET /other HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            heard.is_refusal(421, "name.mismatch");
            // The connection is still good for its own name.
            assert_eq!(talk.ask(get("/after")).status, 200, "{way:?}, after {host}");
        }
        assert!(origin.taken().iter().all(|taken| !taken.line().contains("/other")));
    }
    recorded(
        &daemon,
        10,
        &json!({"kind": "request", "decision": "deny", "reason": "name.mismatch", "path": "/other", "status": 421}),
    );
    for row in daemon.records(&[]).iter().filter(|row| row["reason"] == "name.mismatch") {
        assert!(row["evidence"].as_str().is_some_and(|seen| seen.contains(NAME)), "{row}");
    }
    recorded(&daemon, 10, &json!({"kind": "request", "decision": "allow", "path": "/same", "status": 200}));
}

#[apply(over_both)]
fn every_http2_stream_must_name_the_host_of_its_connection(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME, OTHER]);
    let server = lab.backends().http("192.0.2.11:443", Wire::Tls(&leaf, &["h2"]));
    let trust = (daemon.authority(), &["h2", "http/1.1"][..]);
    let mut client = Http2::over_tls(lab.workload(), "192.0.2.11:443", NAME, trust);
    for (authority, status) in [
        (NAME, 200),
        (OTHER, 421),
        ("SITE.example:443", 200),
        ("site.example:8443", 421),
        ("www.site.example", 421),
        (NAME, 200),
    ] {
        let (head, body) = client.get(&format!("https://{authority}/headers"));
        assert_eq!(head.status, status, "{authority}");
        if status == 421 {
            assert_eq!(head.headers["x-clawgress-reason"], "name.mismatch");
            let problem: Value = serde_json::from_slice(&body).expect("a problem in JSON");
            assert_eq!(problem["code"], "name.mismatch");
        }
    }
    assert_eq!(server.seen().len(), 3);
    recorded(&daemon, 3, &json!({"kind": "request", "reason": "name.mismatch", "protocol": "http/2"}));
    let row = daemon.record(&json!({"kind": "request", "reason": "name.mismatch"}));
    assert!(row["evidence"].as_str().is_some_and(|seen| seen.contains(OTHER)), "{row}");
    recorded(&daemon, 3, &json!({"kind": "request", "decision": "allow", "protocol": "http/2"}));
}

#[apply(over_both)]
fn two_names_at_one_address_need_a_plain_connection_each(lab: Lab) {
    let alternative = "alt.site.example";
    let (_resolver, daemon) = opening_gateway(&lab, zone().host(alternative, &["192.0.2.11"]));
    for name in [NAME, alternative] {
        lab.workload().command("getent").args(["ahosts", name]).run().succeeded();
    }
    let origin = Way::Plain.origin(&lab, ok);
    let request = |name: &str| format!("GET /{name} HTTP/1.1\r\nHost: {name}\r\n\r\n");
    let mut talk = plain(lab.workload(), "192.0.2.11:80");
    assert_eq!(talk.ask(request(NAME)).status, 200);
    talk.ask(request(alternative)).is_refusal(421, "name.mismatch");
    assert_eq!(plain(lab.workload(), "192.0.2.11:80").ask(request(alternative)).status, 200);
    assert_eq!(origin.taken().len(), 2);
    daemon.record(&json!({"kind": "request", "reason": "name.mismatch", "destination_host": NAME}));
    daemon.record(&json!({"kind": "request", "decision": "allow", "destination_host": alternative}));
}

#[apply(over_both)]
fn http2_with_prior_knowledge_passes_in_plain_text(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    lab.workload().command("getent").args(["ahosts", NAME]).run().succeeded();
    let server = lab.backends().http("192.0.2.11:80", Wire::PlainHttp2);
    let mut client = Http2::plain(lab.workload(), "192.0.2.11:80");
    for _ in 0..3 {
        let (head, body) = client.get(&format!("http://{NAME}/download/7"));
        assert_eq!((head.status.as_u16(), &body[..]), (200, &b"xxxxxxx"[..]));
    }
    let (head, _) = client.get(&format!("http://{OTHER}/download/7"));
    assert_eq!(
        (head.status.as_u16(), &head.headers["x-clawgress-reason"]),
        (421, &"name.mismatch".parse().expect("a value"))
    );
    assert!(server.seen().iter().all(|seen| seen.version == http::Version::HTTP_2 && seen.authority == NAME));
    recorded(
        &daemon,
        3,
        &json!({"kind": "request", "decision": "allow", "protocol": "http/2", "destination_host": NAME}),
    );
    daemon.record(&json!({"kind": "request", "reason": "name.mismatch", "protocol": "http/2"}));
}
