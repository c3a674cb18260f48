//! What a Transform rule sets or removes: in the head and behind the body, in every spelling that some server takes for it.

use serde_json::{Value, json};

use super::dialogue::{NAME, OPENED, plain, zone};
use super::frames::{Peer, headers, request};
use super::origin::Origin;
use super::streaming::{PLAIN, TLS, servers, talks};
use crate::lab::backends::Wire;
use crate::lab::frames::*;
use crate::lab::{Daemon, Lab};

/// `X-Team` is set and `X-Note` removed, whatever alice sends.
const TAGS: &str = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {name: tags}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules: [{name: tag, action: Transform, setHeaders: {X-Team: red}, removeHeaders: [X-Note]}]
";

/// A gateway that opens everything, with that rule.
fn tagging(lab: &Lab) -> Daemon<'_> {
    lab.daemon(&json!({}), &[("all.yaml", OPENED), ("tags.yaml", TAGS)])
}

/// A request in HTTP/2 with a body and these trailers, and what the server saw of it.
fn asked(peer: &mut Peer, stream: u32, trailers: &[(&str, &str)]) -> Value {
    let head = request("POST", "/headers", &[("trailer", "x-note, x-team, x-kept")]);
    let parts = [
        headers(stream, 0, &head),
        frame(DATA, 0, stream, b"body"),
        headers(stream, END_STREAM, &block(trailers)),
    ];
    peer.say(parts.concat());
    let mut body = Vec::new();
    loop {
        let frame = peer.until(|frame| frame.stream == stream && frame.kind <= HEADERS).expect("an answer");
        let ends = frame.flags & END_STREAM != 0;
        if frame.kind == DATA {
            body.extend(frame.payload);
        }
        if ends {
            return serde_json::from_slice(&body).expect("what the server saw");
        }
    }
}

#[apply(over_both)]
fn what_a_transform_sets_or_removes_goes_out_behind_no_body(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let daemon = tagging(&lab);
    let leaf = lab.pki().leaf(&[NAME]);
    let origins =
        [Origin::ok(&lab, PLAIN, Wire::Plain), Origin::ok(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]))];
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let heard = talk.ask(format!(
            "POST /up HTTP/1.1\r\nHost: {NAME}\r\nTrailer: X-Note, X-Team, X-Kept\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Note: secret\r\nX-Team: blue\r\nX-Kept: 1\r\n\r\n"
        ));
        assert_eq!(heard.status, 200);
        let [taken] = &origin.taken()[..] else { panic!("{:?}", origin.taken()) };
        let body = String::from_utf8_lossy(&taken.body).to_ascii_lowercase();
        assert_eq!(body, "2\r\nhi\r\n0\r\nx-kept: 1\r\n\r\n");
        assert!(taken.head.to_ascii_lowercase().contains("\r\nx-team: red\r\n"), "{}", taken.head);
    }
    // From HTTP/2 to HTTP/1.1.
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(
        [
            headers(1, 0, &request("POST", "/two", &[("trailer", "x-note, x-team, x-kept")])),
            frame(DATA, 0, 1, b"hi"),
            headers(1, END_STREAM, &block(&[("x-note", "secret"), ("x-team", "blue"), ("x-kept", "1")])),
        ]
        .concat(),
    );
    assert_eq!(peer.answer(1).0, "200");
    let taken = origins[1].taken();
    let body = String::from_utf8_lossy(&taken.last().expect("a request").body).to_ascii_lowercase();
    assert_eq!(body, "2\r\nhi\r\n0\r\nx-kept: 1\r\n\r\n");
    daemon.record(&json!({"kind": "request", "path": "/two", "decision": "transform", "rule": "tag"}));
}

#[apply(over_both)]
fn the_same_holds_from_http2_to_http2(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let daemon = tagging(&lab);
    servers(&lab, &["h2"]);
    let mut peer = Peer::new(&lab, &daemon);
    let seen = asked(&mut peer, 1, &[("x-note", "secret"), ("x-team", "blue"), ("x-kept", "1")]);
    assert_eq!((&seen["version"], &seen["body_bytes"]), (&json!("HTTP/2.0"), &json!(4)));
    assert_eq!(seen["trailers"], json!([["x-kept", "1"]]));
    // Nor does a field by which servers are told of another path.
    let seen = asked(&mut peer, 3, &[("x-original-url", "/admin"), ("x-kept", "1")]);
    assert_eq!(seen["trailers"], json!([["x-kept", "1"]]));
}

#[apply(over_both)]
fn a_transform_changes_a_field_in_every_spelling_that_servers_take_for_it(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let _daemon = tagging(&lab);
    let origin = Origin::ok(&lab, PLAIN, Wire::Plain);
    let mut talk = plain(lab.workload(), PLAIN);
    let heard = talk.ask(format!(
        "POST /up HTTP/1.1\r\nHost: {NAME}\r\nX_Team: blue\r\nX.Note: secret\r\nx_note: secret\r\nX-Kept: yes\r\n\
         Trailer: X_Note, X-Kept\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX_Note: secret\r\nX-Kept: 1\r\n\r\n"
    ));
    assert_eq!(heard.status, 200);
    let [taken] = &origin.taken()[..] else { panic!("{:?}", origin.taken()) };
    let head = taken.head.to_ascii_lowercase();
    assert!(head.contains("\r\nx-team: red\r\n") && head.contains("\r\nx-kept: yes\r\n"), "{head}");
    assert!(!head.contains("blue") && !head.contains("secret"), "{head}");
    assert_eq!(String::from_utf8_lossy(&taken.body).to_ascii_lowercase(), "0\r\nx-kept: 1\r\n\r\n");
}

#[apply(over_both)]
fn a_route_for_post_carries_no_other_method_in_a_field(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let posts = OPENED.replace("rules: [{}]", "rules: [{matches: [{method: POST}]}]");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &posts)]);
    let origin = Origin::ok(&lab, PLAIN, Wire::Plain);
    let mut talk = plain(lab.workload(), PLAIN);
    let with =
        |field: &str| format!("POST /x HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 0\r\n{field}\r\n\r\n");
    for field in ["X-HTTP-Method-Override: DELETE", "x_http_method: put", "X-Method-Override: POST, PATCH"] {
        talk.ask(with(field)).is_refusal(403, "policy.no-route");
    }
    assert!(origin.untouched());
    assert_eq!(talk.ask(with("X-HTTP-Method-Override: POST")).status, 200);
    let denied = json!({"kind": "request", "http_method": "POST", "reason": "policy.no-route",
                        "evidence": "the request line says POST, a field or parameter asks for DELETE"});
    daemon.record(&denied);
}
