//! Calls of models that a rule has to hear of: the body is held until it is decided, and goes out as it came. Read next:
//! `model_calls`.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::dialogue::{Talk, over_tls, plain};
use super::origin::Origin;
use super::streaming::{PLAIN, TLS};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_is_read;
use crate::lab::{Daemon, Lab, Resolver, Zone};

/// What is said of alice's requests.
const POLICY: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: models}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [api.openai.com, files.example]
  rules: [{}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {name: models}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules:
    - {name: none-but-small, when: \"ai.model != 'gpt-4o-mini'\", action: Deny, message: Another model.}
";

const OPENAI: &str = "api.openai.com";
const FILES: &str = "files.example";
const CHAT: &str = "/v1/chat/completions";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// An allowed call, in a spelling that no writer of JSON would give back.
const SMALL: &str = " { \"model\" :\t\"gpt-4o-m\\u0069ni\" ,\"n\":1e0,\"messages\":[ ]}\n";

fn start<'a>(lab: &'a Lab) -> (Resolver, Daemon<'a>, [Origin; 2]) {
    let names = [OPENAI, FILES];
    let leaf = lab.pki().leaf(&names);
    let origins = [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))]
        .map(|(address, wire)| Origin::start(lab, address, wire, |_| OK.to_vec()));
    let zone = names.into_iter().fold(Zone::new(), |zone, name| zone.host(name, &["192.0.2.11"]));
    (lab.resolver(zone), lab.daemon(&json!({}), &[("all.yaml", &alice_is_read(POLICY))]), origins)
}

fn talks(lab: &Lab, daemon: &Daemon<'_>, host: &str) -> [Talk; 2] {
    [plain(lab.workload(), PLAIN), over_tls(lab.workload(), TLS, host, daemon.authority())]
}

fn head(host: &str, path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{fields}\r\n")
}

fn sized(host: &str, path: &str, body: &[u8]) -> Vec<u8> {
    [head(host, path, &format!("Content-Length: {}\r\n", body.len())).as_bytes(), body].concat()
}

fn chunked(pieces: impl Iterator<Item = impl AsRef<[u8]>>, trailers: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    for piece in pieces {
        framed.extend(format!("{:x}\r\n", piece.as_ref().len()).bytes());
        framed.extend(piece.as_ref());
        framed.extend(b"\r\n");
    }
    framed.extend(format!("0\r\n{trailers}\r\n").bytes());
    framed
}

/// What chunks carry.
fn unchunked(mut framed: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = framed.windows(2).position(|window| window == b"\r\n").expect("a line");
        let size = std::str::from_utf8(&framed[..end]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return body;
        }
        body.extend(&framed[end + 2..end + 2 + size]);
        framed = &framed[end + 4 + size..];
    }
}

fn last(daemon: &Daemon<'_>) -> Value {
    daemon.records(&["--kind", "request"]).pop().expect("a record")
}

#[apply(over_both)]
fn a_held_body_goes_out_byte_for_byte_however_it_was_framed(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab);
    let long =
        format!("{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"content\":\"{}\"}}]}}", "ü ".repeat(100_000));
    for (mut talk, origin) in talks(&lab, &daemon, OPENAI).into_iter().zip(&origins) {
        assert_eq!(talk.ask(sized(OPENAI, CHAT, SMALL.as_bytes())).status, 200);
        assert_eq!(talk.ask(sized(OPENAI, CHAT, long.as_bytes())).status, 200);
        let fields = "Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n";
        let pieces = chunked(SMALL.as_bytes().chunks(3), "X-Sum: 7\r\n");
        assert_eq!(talk.ask([head(OPENAI, CHAT, fields).into_bytes(), pieces].concat()).status, 200);
        let taken = origin.taken();
        assert!(taken[0].body == SMALL.as_bytes() && taken[1].body == long.as_bytes());
        assert!(taken[0].head.contains(&format!("Content-Length: {}\r\n", SMALL.len())), "{}", taken[0].head);
        assert_eq!(unchunked(&taken[2].body), SMALL.as_bytes());
        let trailers = String::from_utf8_lossy(&taken[2].body).to_ascii_lowercase();
        assert!(trailers.contains("x-sum: 7\r\n"), "{trailers}");
        let row = eventually("the outcome", || Some(last(&daemon)).filter(|row| row["status"] == json!(200)));
        assert_eq!(row["model_requested"], "gpt-4o-mini", "{row}");
        assert_eq!(row["bytes_out"], json!(SMALL.len()));
    }
}

#[apply(over_both)]
fn a_call_that_a_rule_refuses_reaches_nobody_and_says_so_to_the_sdk(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(br#"{"model":"gpt-4o"}"#).expect("memory");
    let coded = encoder.finish().expect("memory");
    for mut talk in talks(&lab, &daemon, OPENAI) {
        let heard = talk.ask(sized(OPENAI, CHAT, br#"{"model":"gpt-4o"}"#));
        heard.is_refusal(403, "policy.denied");
        let told: Value = serde_json::from_slice(&heard.body).expect("JSON");
        assert_eq!(
            (&told["error"]["code"], &told["code"]),
            (&json!("policy.denied"), &json!("policy.denied"))
        );
        assert_eq!(heard.field("x-should-retry"), Some("false"));
        let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", coded.len());
        let asked = [head(OPENAI, CHAT, &fields).into_bytes(), coded.clone()].concat();
        talk.ask(asked).is_refusal(403, "policy.denied");
        talk.ask(sized(OPENAI, CHAT, b"{\"model\":\"gpt-4o-mini\",\"model\":\"gpt-4o\"}"))
            .is_refusal(400, "protocol.malformed");
        talk.ask(sized(OPENAI, CHAT, b"{\"model\":")).is_refusal(400, "protocol.malformed");
        let row = last(&daemon);
        assert_eq!(
            (&row["decision"], &row["reason"]),
            (&json!("deny"), &json!("protocol.malformed")),
            "{row}"
        );
    }
    assert!(origins.iter().all(Origin::untouched));
}

#[apply(over_both)]
fn what_is_no_call_of_a_model_passes_as_it_comes_and_is_never_held(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab);
    for (mut talk, origin) in talks(&lab, &daemon, FILES).into_iter().zip(&origins) {
        let body = b"no JSON, and {\"model\":\"gpt-4o\"} in it";
        talk.say(head(FILES, CHAT, &format!("Content-Length: {}\r\n", body.len()))).say(&body[..5]);
        eventually("the beginning, before the end is sent", || {
            origin.received().iter().any(|bytes| bytes.ends_with(b"no JS")).then_some(())
        });
        talk.say(&body[5..]);
        assert_eq!(talk.hear().status, 200);
    }
}

#[apply(over_both)]
fn a_body_over_the_bound_is_refused_before_it_is_sent_and_where_it_says_nothing_of_its_length(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab);
    const TOO_MANY: usize = (32 << 20) + 1;
    for mut talk in talks(&lab, &daemon, OPENAI) {
        let fields = format!("Content-Length: {TOO_MANY}\r\nExpect: 100-continue\r\n");
        talk.ask(head(OPENAI, CHAT, &fields)).is_refusal(413, "protocol.too-large");
    }
    let mut talk = plain(lab.workload(), PLAIN);
    talk.say(head(OPENAI, CHAT, "Transfer-Encoding: chunked\r\n"));
    let piece = chunked([b" ".repeat(1 << 20)].iter(), "");
    let piece = &piece[..piece.len() - 5];
    for _ in 0..=32 {
        // The gateway may have answered already, and then takes no more than it has to.
        if talk.try_say(piece).is_err() {
            break;
        }
    }
    talk.hear().is_refusal(413, "protocol.too-large");
    assert!(origins.iter().all(Origin::untouched));
}

#[apply(over_both)]
fn a_body_that_waits_to_be_asked_for_is_asked_for(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab);
    for (mut talk, origin) in talks(&lab, &daemon, OPENAI).into_iter().zip(&origins) {
        let fields = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", SMALL.len());
        let interim = talk.say(head(OPENAI, CHAT, &fields)).head();
        assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
        assert_eq!(talk.ask(SMALL).status, 200);
        let taken = origin.taken();
        assert!(taken[0].body == SMALL.as_bytes());
        assert!(!taken[0].head.to_ascii_lowercase().contains("expect"), "{}", taken[0].head);
    }
}

#[apply(over_both)]
fn a_workload_that_leaves_while_its_body_is_held_is_on_record(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab);
    for mut talk in talks(&lab, &daemon, OPENAI) {
        let before = daemon.records(&["--kind", "request"]).len();
        talk.say(head(OPENAI, CHAT, "Content-Length: 100\r\n")).say("{\"model\":");
        socket2::SockRef::from(talk.tcp()).set_linger(Some(Duration::ZERO)).expect("a socket option");
        drop(talk);
        let row = eventually("the record of the request", || {
            let mut rows = daemon.records(&["--kind", "request"]);
            if rows.len() > before { rows.pop() } else { None }
        });
        assert_eq!(
            (&row["decision"], &row["reason"]),
            (&json!("deny"), &json!("protocol.malformed")),
            "{row}"
        );
        assert_eq!(row["path"], CHAT, "{row}");
    }
    assert!(origins.iter().all(Origin::untouched));
}
