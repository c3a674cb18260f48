//! Side doors of connections: shut whatever routes say, at once, and on record with a reason of their own.

use std::io::{ErrorKind, Read, Write};

use bytes::Bytes;
use serde_json::json;

use super::dialogue::{NAME, OPENED, client_hello, connect, opening_gateway, over_tls, plain, zone};
use super::http::{BOTH, get, ok, recorded};
use super::http2::Http2;
use super::origin::{Origin, Taken};
use super::terminate::curl;
use crate::lab::backends::Wire;
use crate::lab::{Daemon, Lab, Resolver};

/// Opens whatever a route can open.
const EVERYTHING: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: everything}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationCIDRs: [0.0.0.0/0, '::/0']}]}]
";

/// SSH to `raw.example` on the port of TLS, for whoever means it.
const MEANT: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: ssh-over-443}
spec:
  parentRefs: [{kind: EgressGateway, name: default, sectionName: tcp}]
  rules: [{matches: [{destinationHostnames: [raw.example], ports: [{port: 443}]}]}]
";

fn wide_open<'lab>(lab: &'lab Lab, more: &str) -> (Resolver, Daemon<'lab>) {
    let resolver = lab.resolver(zone().host(NAME, &["2001:db8:1::11"]));
    (resolver, lab.daemon(&json!({}), &[("all.yaml", OPENED), ("more.yaml", more)]))
}

#[test]
fn dns_over_tls_is_refused_on_its_port_in_the_way_of_whatever_is_spoken_there() {
    let lab = Lab::new();
    let (_resolver, daemon) = wide_open(&lab, EVERYTHING);
    let hello = client_hello(&lab.pki().authority(), NAME);
    for (address, host) in [("192.0.2.11", "192.0.2.11"), ("2001:db8:1::11", "[2001:db8:1::11]")] {
        let touched = lab.backends().raw(&format!("{host}:853"), Wire::Plain, b"x");
        // A resolver's client that speaks in plain text, one that waits, and one that never comes to its end.
        for said in [&b"\0\x1d\x12\x34\x01\0"[..], b"", b"x"] {
            let mut stream = connect(lab.workload(), &format!("{host}:853"));
            stream.write_all(said).expect("sent");
            assert_eq!(stream.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
        }
        // TLS is opened, so that even a browser can read why.
        let place = format!("{NAME}:853:{address}");
        let url = format!("https://{NAME}:853/");
        let heard = curl(&lab, daemon.authority(), &["--resolve", &place, &url]).succeeded();
        assert!(
            heard.contains("protocol.encrypted-dns") && heard.contains("this gateway's resolver"),
            "{heard}"
        );
        // One without a name gets an alert.
        let refused = curl(&lab, daemon.authority(), &[&format!("https://{host}:853/")]);
        assert_eq!(refused.code(), 35, "{refused}");
        let mut stream = connect(lab.workload(), &format!("{host}:853"));
        stream.write_all(&hello).expect("sent");
        assert_eq!(stream.read(&mut [0; 1]).expect("our handshake"), 1);
        assert!(touched.untouched());
        daemon.record(&json!({
            "kind": "connection", "decision": "deny", "reason": "protocol.encrypted-dns", "agent_id": "alice",
            "destination_address": address, "destination_port": 853,
        }));
    }
    daemon.record(&json!({"kind": "request", "reason": "protocol.encrypted-dns", "status": 403, "destination_host": NAME}));
}

#[apply(over_both)]
fn dns_over_https_to_any_host_is_known_by_its_own_words(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        let query = "dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
        for request in [
            format!(
                "GET /dns-query?{query} HTTP/1.1\r\nHost: {NAME}\r\nAccept: application/dns-message\r\n\r\n"
            ),
            format!("GET /resolve?{query} HTTP/1.1\r\nHost: {NAME}\r\n\r\n"),
            format!(
                "GET /resolve?name=a.example HTTP/1.1\r\nHost: {NAME}\r\nAccept: application/dns-json\r\n\r\n"
            ),
            format!(
                "POST / HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: Application/DNS-Message\r\nContent-Length: 4\r\n\r\nabcd"
            ),
            format!(
                "POST /proxy HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/oblivious-dns-message\r\n\
                 Content-Length: 4\r\n\r\nabcd"
            ),
        ] {
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            talk.ask(&request).is_refusal(403, "protocol.encrypted-dns");
            // A kept connection stays good for what is no query.
            assert_eq!(talk.ask(get("/page?dns=8.8.8.8")).status, 200);
        }
        let other = format!("GET /any HTTP/1.1\r\nHost: {NAME}\r\nAccept: application/json, */*\r\n\r\n");
        assert_eq!(way.talk(lab.workload(), NAME, &daemon).ask(other).status, 200);
        assert_eq!(origin.taken().len(), 6);
    }
    recorded(
        &daemon,
        10,
        &json!({"kind": "request", "decision": "deny", "reason": "protocol.encrypted-dns", "status": 403}),
    );
}

#[apply(over_both)]
fn connect_inside_an_allowed_connection_leads_nowhere(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let connect_to = "CONNECT paste.example:443 HTTP/1.1\r\nHost: paste.example:443\r\n\r\n";
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        let mut first = way.talk(lab.workload(), NAME, &daemon);
        first.ask(connect_to).is_refusal(403, "protocol.connect");
        let mut kept = way.talk(lab.workload(), NAME, &daemon);
        assert_eq!(kept.ask(get("/page")).status, 200);
        kept.ask(connect_to).is_refusal(403, "protocol.connect");
        assert_eq!(origin.taken().len(), 1);
    }
    for row in daemon
        .records(&[])
        .iter()
        .filter(|row| row["reason"] == "protocol.connect" && row["kind"] == "request")
    {
        assert_eq!(row["evidence"], "CONNECT paste.example:443", "{row}");
    }
    let leaf = lab.pki().leaf(&[NAME]);
    lab.backends().http("192.0.2.12:443", Wire::Tls(&leaf, &["h2"]));
    let trust = (daemon.authority(), &["h2"][..]);
    let mut client = Http2::over_tls(lab.workload(), "192.0.2.12:443", "site.example", trust);
    let request = http::Request::connect("paste.example:443")
        .body(crate::lab::services::Feed::by_hand().1)
        .expect("one");
    let response = client.send(request);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-clawgress-reason"]),
        (403, &"protocol.connect".parse().expect("a value"))
    );
    daemon.record(
        &json!({"reason": "protocol.connect", "protocol": "http/2", "evidence": "CONNECT paste.example:443"}),
    );
}

#[apply(over_both)]
fn a_proxy_that_may_be_reached_is_no_way_to_a_third_host(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let proxy = lab.backends().raw("192.0.2.13:3128", Wire::Plain, b"HTTP/1.1 200 OK\r\n\r\n");
    let refused =
        curl(&lab, daemon.authority(), &["-x", "http://raw.example:3128", "https://paste.example/"]);
    assert!(refused.to_string().contains("response 403"), "{refused}");
    // What a lenient proxy would take for CONNECT is CONNECT.
    for line in ["connect paste.example:443 HTTP/1.1\r\n\r\n", "CONNECT paste.example:443 HTTP/1.1\n\n"] {
        plain(lab.workload(), "192.0.2.13:3128").ask(line).is_refusal(403, "protocol.connect");
    }
    assert!(proxy.untouched());
    let row = json!({
        "kind": "connection", "decision": "deny", "reason": "protocol.connect", "agent_id": "alice",
        "destination_address": lab.twin("192.0.2.13"), "destination_port": 3128, "evidence": "CONNECT paste.example:443",
    });
    recorded(&daemon, 3, &row);
}

#[test]
fn the_port_of_tls_takes_nothing_but_tls_unless_a_route_means_it() {
    let lab = Lab::new();
    let (_resolver, daemon) = wide_open(&lab, &format!("{EVERYTHING}---{MEANT}"));
    let said: [&[u8]; 4] = [b"SSH-2.0-OpenSSH_9.2\r\n", b"EHLO alice\r\n", b"\0\x01\x02", b"\x05\x01\x00"];
    for host in ["192.0.2.11", "[2001:db8:1::11]"] {
        let touched = lab.backends().raw(&format!("{host}:443"), Wire::Plain, b"x");
        for first in said {
            let mut stream = connect(lab.workload(), &format!("{host}:443"));
            stream.write_all(first).expect("sent");
            assert_eq!(stream.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
        }
        assert!(touched.untouched());
    }
    recorded(&daemon, 8, &json!({"decision": "deny", "reason": "protocol.not-tls", "destination_port": 443}));
    // Elsewhere the same bytes pass, and so they do here where a route of TCP alone names the host.
    lab.backends().echo("192.0.2.11:22", Wire::Plain);
    lab.backends().echo("192.0.2.13:443", Wire::Plain);
    lab.workload().command("getent").args(["ahosts", "raw.example"]).run().succeeded();
    for place in ["192.0.2.11:22", "192.0.2.13:443"] {
        let mut stream = connect(lab.workload(), place);
        stream.write_all(said[0]).expect("sent");
        let mut back = vec![0; said[0].len()];
        stream.read_exact(&mut back).expect("the bytes come back");
        assert_eq!(back, said[0], "{place}");
    }
    daemon
        .record(&json!({"decision": "allow", "destination_host": "raw.example", "destination_port": 443, "protocol": "tcp"}));
    let told = daemon.cli(&["explain", "--agent", "alice", "192.0.2.11:443", "-o", "json"]);
    let told = told.json();
    assert_eq!((&told["request"], &told["allowed"]), (&json!("tls 192.0.2.11:443"), &json!(true)), "{told}");
    let assumed = told["hints"][0].as_str().expect("what is taken for granted");
    assert!(assumed.starts_with("asked as TLS: ") && assumed.contains("sectionName"), "{told}");
}

/// An answer that invites to another place, in its head and in its trailers.
fn inviting(_: &Taken) -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"; ma=86400\r\nX-Kept: 1\r\nTransfer-Encoding: chunked\r\nTrailer: Alt-Svc, X-Sum\r\n\
      Alt-Svc: h2=\"other.example:443\"\r\n\r\n2\r\nok\r\n0\r\nAlt-Svc: h3=\":8443\"\r\nX-Sum: 1\r\n\r\n"
        .to_vec()
}

#[apply(over_both)]
fn alternative_services_are_told_to_nobody(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, inviting);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        let heard = talk.ask(format!(
            "GET / HTTP/1.1\r\nHost: {NAME}\r\nTE: trailers\r\nAlt-Used: other.example\r\n\r\n"
        ));
        assert_eq!(
            (heard.status, heard.field("alt-svc"), heard.field("x-kept")),
            (200, None, Some("1")),
            "{heard:?}"
        );
        assert_eq!(heard.trailers.to_ascii_lowercase(), "x-sum: 1\r\n");
        assert!(!origin.taken()[0].head.to_ascii_lowercase().contains("alt-used"));
    }
    let leaf = lab.pki().leaf(&["other.example"]);
    Origin::start(&lab, "192.0.2.12:443", Wire::Tls(&leaf, &["http/1.1"]), inviting);
    let trust = (daemon.authority(), &["h2"][..]);
    let mut client = Http2::over_tls(lab.workload(), "192.0.2.12:443", "other.example", trust);
    let (head, body) = client.get("https://other.example/");
    assert_eq!(
        (head.status.as_u16(), body, head.headers.get("alt-svc")),
        (200, Bytes::from_static(b"ok"), None)
    );
}

#[apply(over_both)]
fn a_client_hello_in_pieces_says_the_same_name(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = Origin::ok(&lab, "192.0.2.14:443", Wire::Plain);
    // As tools against censors send it: a forbidden name cut in two, over records and over segments.
    let hello = client_hello(daemon.authority(), "paste.example");
    let (header, handshake) = hello.split_at(5);
    let at = handshake.windows(5).position(|five| five == b"paste").expect("the name") + 2;
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).expect("short").to_be_bytes();
        [&header[..3], &length, part].concat()
    };
    let whole = [record(&handshake[..at]), record(&handshake[at..])];
    let cut = [hello[..at + 5].to_vec(), hello[at + 5..].to_vec()];
    let bytes: Vec<Vec<u8>> = whole.concat().chunks(1).map(<[u8]>::to_vec).collect();
    for pieces in [&whole[..], &cut, &bytes] {
        let mut stream = connect(lab.workload(), "192.0.2.14:443");
        for piece in pieces {
            stream.write_all(piece).expect("sent");
        }
        // The gateway answers with its own handshake, and would refuse in HTTP.
        assert_eq!(stream.read(&mut [0; 1]).expect("a ServerHello"), 1);
    }
    recorded(
        &daemon,
        3,
        &json!({"kind": "connection", "reason": "policy.no-route", "destination_host": "paste.example"}),
    );
    assert!(origin.untouched());
    drop(over_tls(lab.workload(), "192.0.2.14:443", NAME, daemon.authority()));
}
