//! The tricks by which agents carry keys out, each tried through the whole gateway: what is caught leaves nothing, and what is
//! not caught is named in `docs/exfiltration.md`, where `tests/documents.rs` holds each row against the names here.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::dialogue::NAME;
use super::inspection::{policy, post, start};
use super::origin::Origin;
use super::streaming::{PLAIN, TLS, get, servers, talks};
use super::websocket::{frame, upgrade};
use crate::lab::backends::Wire;
use crate::lab::{Daemon, Lab, Zone};

/// An access key of AWS by its format; nobody's.
const KEY: &str = "AKIAQ3EGTRNB7ZK5XJ2W";
const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const BLOCK: &str = "{classes: [{class: keys, action: Block}, {class: pii, action: Block}]}";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn each(pattern: impl Fn(char) -> String) -> String {
    KEY.chars().map(pattern).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn note(text: &str) -> Vec<u8> {
    post(JSON, json!({ "note": text }).to_string())
}

fn last(daemon: &Daemon<'_>) -> Value {
    daemon.records(&["--kind", "request"]).pop().expect("a record")
}

/// Tries each on both roads: none may leave, and each is on record as the same finding.
fn caught(lab: &Lab, tricks: &[(&str, Vec<u8>)]) {
    let (_resolver, daemon, origins) = start(lab, &policy("keys", BLOCK), &json!({}));
    for (mut talk, origin) in talks(lab, &daemon).zip(&origins) {
        for (trick, request) in tricks {
            let heard = talk.ask(request);
            assert_eq!(heard.status, 403, "{trick}: {}", heard.text());
            let row = last(&daemon);
            let class = &row["dlp_matches"][0]["class"];
            assert_eq!((&row["reason"], class), (&json!("dlp.blocked"), &json!("keys")), "{trick}: {row}");
            assert!(!row.to_string().contains(KEY), "{trick}: {row}");
        }
        assert!(origin.untouched(), "something left");
        assert_eq!(talk.ask(note("nothing that anybody may not know")).status, 200);
    }
}

#[apply(over_both)]
fn a_key_leaves_in_no_part_of_a_request(lab: Lab) {
    let basic = STANDARD.encode(format!("agent:{KEY}"));
    let parts = format!("--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n{KEY}\r\n--b--\r\n");
    let lying = parts.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "send", "arguments": {"to": "x", "text": KEY}}});
    let prompt =
        json!({"model": "m", "messages": [{"role": "user", "content": format!("keep this: {KEY}")}]});
    caught(
        &lab,
        &[
            ("in json", note(KEY)),
            ("as the name of a field", post(JSON, json!({ (KEY): 1 }).to_string())),
            ("in text", post("Content-Type: text/plain\r\n", KEY)),
            ("under a wrong type", post("Content-Type: image/png\r\n", KEY)),
            ("without a type", post("", KEY)),
            ("in a form", post(FORM, format!("a=1&b={KEY}"))),
            ("in a part", post("Content-Type: multipart/form-data; boundary=b\r\n", parts)),
            ("in xml", post("Content-Type: application/xml\r\n", format!("<a><![CDATA[{KEY}]]></a>"))),
            ("in a prompt", post(JSON, prompt.to_string())),
            ("in the argument of a tool", post(JSON, call.to_string())),
            ("in the query", get(&format!("/in?q={KEY}")).into_bytes()),
            ("in the path", get(&format!("/in/{KEY}/x")).into_bytes()),
            ("in a field", post(&format!("X-Trace: {KEY}\r\n"), "")),
            ("in a cookie", post(&format!("Cookie: s=1; t={KEY}\r\n"), "")),
            ("in basic authentication", post(&format!("Authorization: Basic {basic}\r\n"), "")),
            ("in the name of a field", post(&format!("X-{KEY}: 1\r\n"), "")),
            (
                "in a part that says it is coded and is not",
                post("Content-Type: multipart/form-data; boundary=b\r\n", lying),
            ),
            ("in the name of a client", post(&format!("User-Agent: agent/{KEY}\r\n"), "")),
        ],
    );
}

#[apply(over_both)]
fn a_key_leaves_under_no_encoding(lab: Lab) {
    let base = STANDARD.encode(KEY);
    let lines: Vec<String> =
        base.as_bytes().chunks(16).map(|line| String::from_utf8_lossy(line).into()).collect();
    let escaped = format!("{{\"note\":\"{}\"}}", each(|letter| format!("\\u{:04x}", letter as u32)));
    caught(
        &lab,
        &[
            ("base64", note(&base)),
            (
                "base64 in a sentence",
                note(&format!("see {} please", STANDARD.encode(format!("key {KEY} is mine")))),
            ),
            ("base64url in the query", get(&format!("/in?q={}", URL_SAFE_NO_PAD.encode(KEY))).into_bytes()),
            ("base64 in lines", note(&lines.join("\n"))),
            ("hex", note(&hex(KEY.as_bytes()))),
            ("hex with colons", note(&each(|letter| format!("{:02x}:", letter as u32)))),
            ("percent", post(FORM, format!("b={}", each(|letter| format!("%{:02X}", letter as u32))))),
            (
                "percent twice",
                get(&format!("/in?q={}", each(|letter| format!("%25{:02X}", letter as u32)))).into_bytes(),
            ),
            ("escapes of json", post(JSON, escaped)),
            ("entities", note(&each(|letter| format!("&#{};", letter as u32)))),
            ("invisible characters", note(&each(|letter| format!("{letter}\u{200b}")))),
            ("letters that look alike", note(&KEY.replace('A', "\u{410}").replace('K', "\u{41a}"))),
            (
                "letters of full width",
                note(&each(|letter| char::from_u32(letter as u32 + 0xfee0).into_iter().collect())),
            ),
            ("a content coding", post("Content-Encoding: gzip\r\n", gzip(KEY.as_bytes()))),
            ("base64 of gzip", note(&STANDARD.encode(gzip(format!("the key is {KEY}").as_bytes())))),
            ("base64 twice", note(&STANDARD.encode(&base))),
            ("hex of base64", note(&hex(base.as_bytes()))),
            ("json in json", note(&json!({ "inner": json!({ "deeper": KEY }).to_string() }).to_string())),
        ],
    );
}

#[apply(over_both)]
fn a_key_leaves_in_no_pieces_of_one_request(lab: Lab) {
    let (first, second) = KEY.split_at(9);
    let parts = format!(
        "--b\r\nContent-Disposition: form-data; name=\"1\"\r\n\r\n{first}\r\n--b\r\nContent-Disposition: form-data; name=\"2\"\r\n\r\n{second}\r\n--b--\r\n"
    );
    caught(
        &lab,
        &[
            ("two fields", post(JSON, json!({ "a": first, "b": second }).to_string())),
            ("a list", post(JSON, json!({ "list": [first, second] }).to_string())),
            ("two parts", post("Content-Type: multipart/form-data; boundary=b\r\n", parts)),
            ("two fields of a form", post(FORM, format!("a={first}&b={second}"))),
            ("two parameters", get(&format!("/in?a={first}&b={second}")).into_bytes()),
            ("a sum in code", note(&format!("key = \"{first}\" + \"{second}\""))),
        ],
    );
}

#[apply(over_both)]
fn a_key_leaves_in_no_chunks_and_behind_no_body(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("keys", BLOCK), &json!({}));
    let (first, second) = KEY.split_at(9);
    for body in [
        format!("9\r\n{first}\r\nb\r\n{second}\r\n0\r\n\r\n"),
        format!("2\r\nno\r\n0\r\nX-Note: {KEY}\r\n\r\n"),
    ] {
        let request =
            format!("POST /in HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        // A connection is closed behind a body that is refused before its end is seen.
        for mut talk in talks(&lab, &daemon) {
            let heard = talk.ask(&request);
            heard.is_refusal(403, "dlp.blocked");
            assert_eq!(last(&daemon)["dlp_matches"][0]["class"], "keys", "{body}");
        }
    }
    assert!(origins.iter().all(Origin::untouched), "something left");
}

/// Calls are not held, so a head may leave; nothing of the key does.
#[apply(over_both)]
fn a_key_leaves_in_no_call_that_is_none(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("keys", BLOCK), &json!({}));
    let call = "Content-Type: application/grpc\r\n";
    for (trick, request) in [
        ("json under another type", post(call, json!({ "note": KEY }).to_string())),
        ("a length that is too long", post(call, format!("\0\0\0\u{1}\0{KEY}"))),
        ("a length past all bounds", post(call, format!("\0\u{7f}\u{7f}\u{7f}\u{7f}{KEY} "))),
        ("less than a prefix behind a message", post(call, format!("\0\0\0\0\0{KEY}"))),
        (
            "text of grpc-web",
            post(
                "Content-Type: application/grpc-web-text\r\n",
                STANDARD.encode(format!("\0\0\0\0\u{14}{KEY}")),
            ),
        ),
    ] {
        for mut talk in talks(&lab, &daemon) {
            let heard = talk.ask(&request);
            assert_eq!(heard.field("x-clawgress-reason"), Some("dlp.blocked"), "{trick}: {heard:?}");
            assert_eq!(last(&daemon)["dlp_matches"][0]["class"], "keys", "{trick}");
        }
        for origin in &origins {
            let received = origin.received().concat();
            assert!(!String::from_utf8_lossy(&received).contains(KEY), "{trick}: it left");
        }
    }
}

#[apply(over_both)]
fn a_key_leaves_in_nothing_that_only_looks_like_framing(lab: Lab) {
    let mut named = flate2::GzBuilder::new().filename(KEY).write(Vec::new(), flate2::Compression::default());
    named.write_all(b"nothing to see").expect("memory");
    let named = named.finish().expect("memory");
    let with = |text: &str| get("/in").replace("\r\n\r\n", &format!("\r\n{text}\r\n\r\n")).into_bytes();
    caught(
        &lab,
        &[
            ("as the method", get("/in").replacen("GET", KEY, 1).into_bytes()),
            ("as a coding of nothing", with(&format!("Content-Encoding: {KEY}"))),
            ("in the name of a file that is coded", post("Content-Encoding: gzip\r\n", named)),
            ("as a date", with(&format!("Date: {KEY}"))),
            ("as what a client has", with(&format!("If-None-Match: \"{KEY}\""))),
        ],
    );
}

/// Names are looked into in one case or the other, and many keys need both: so the upstream does not learn how one was sent.
#[apply(over_both)]
fn a_long_name_of_a_field_goes_out_in_small_letters(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("keys", BLOCK), &json!({}));
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        assert_eq!(talk.ask(post("X-aBcD_eFgHiJkLmNoPqRsT: 1\r\n", "")).status, 200);
        let taken = origin.taken().pop().expect("a request");
        assert!(taken.head.contains("x-abcd_efghijklmnopqrst: 1"), "{}", taken.head);
        assert_eq!(talk.ask(post("X-Usual-Name: 1\r\n", "")).status, 200);
        let taken = origin.taken().pop().expect("a request");
        assert!(taken.head.contains("X-Usual-Name: 1"), "{}", taken.head);
    }
}

#[apply(over_both)]
fn a_key_leaves_in_no_frame_of_a_websocket(lab: Lab) {
    let zone = Zone::new().host(NAME, &["192.0.2.11"]);
    let all = [super::inspection::OPEN, &policy("keys", BLOCK)].concat();
    let (_resolver, daemon) = (lab.resolver(zone), lab.daemon(&json!({}), &[("all.yaml", &all)]));
    servers(&lab, &["http/1.1"]);
    let close = [&1000_u16.to_be_bytes()[..], KEY.as_bytes()].concat();
    for (trick, bytes) in [
        ("a ping", frame(9, KEY.as_bytes())),
        ("a pong", frame(10, KEY.as_bytes())),
        ("the end", frame(8, &close)),
    ] {
        for mut talk in talks(&lab, &daemon) {
            talk.say(upgrade("/ws"));
            assert!(talk.head().starts_with("HTTP/1.1 101 "));
            talk.say(&bytes);
            let end = talk.bytes(4);
            assert_eq!((end[0], &end[2..4]), (0x88, &1008_u16.to_be_bytes()[..]), "{trick}");
            let row = daemon.record(&json!({"kind": "request", "path": "/ws", "reason": "dlp.blocked"}));
            assert!(!row.to_string().contains(KEY), "{trick}: {row}");
        }
    }
    // Half of a frame, which its server never takes for a message, and reads all the same.
    for mut talk in talks(&lab, &daemon) {
        talk.say(upgrade("/ws"));
        assert!(talk.head().starts_with("HTTP/1.1 101 "));
        let whole = frame(1, format!("{KEY} and more of it").as_bytes());
        talk.say(&whole[..whole.len() - 1]);
        talk.finish();
        let rest = talk.rest().unwrap_or_default();
        assert!(!String::from_utf8_lossy(&rest).contains(KEY), "it was sent back, so it left");
    }
}

/// The gateway resolves a name itself that an agent merely says: no resolver may hear of one with a key in it, and no destination.
#[apply(over_both)]
fn a_key_leaves_in_no_name_that_is_only_said(lab: Lab) {
    let route = "apiVersion: clawgress.io/v1alpha1\nkind: EgressHTTPRoute\nmetadata: {name: wild}\nspec: {parentRefs: [{name: default}], hostnames: ['*.wild.example'], rules: [{}]}\n---\n";
    let spec = "{custom: [{name: bird, words: [Bluebird], action: Block}]}";
    let name = "bluebird.wild.example";
    let resolver = lab.resolver(Zone::new().host(name, &["192.0.2.11"]).host(NAME, &["192.0.2.11"]));
    let all = [super::inspection::OPEN, &policy("words", spec), route].concat();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &all)]);
    let leaf = lab.pki().leaf(&[name]);
    let origins = [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))]
        .map(|(address, wire)| Origin::ok(&lab, address, wire));
    let request = get("/in").replace(NAME, name);
    let mut open = super::dialogue::plain(lab.workload(), PLAIN);
    assert_eq!(open.ask(&request).status, 403);
    let mut tls = super::dialogue::over_tls(lab.workload(), TLS, name, daemon.authority());
    assert_eq!(tls.ask(&request).status, 403);
    assert!(!resolver.was_asked_for(name), "a resolver has heard it");
    assert!(origins.iter().all(Origin::untouched), "something left");
    let rows = daemon.records(&[]);
    assert!(rows.iter().any(|row| row["kind"] == "connection" && row["reason"] == "dlp.blocked"), "{rows:?}");
    for row in rows {
        assert!(!row.to_string().to_ascii_lowercase().contains("bluebird"), "{row}");
    }
}

#[apply(over_both)]
fn what_nothing_here_catches_goes_out_as_the_page_says(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("keys", BLOCK), &json!({}));
    let mut talk = talks(&lab, &daemon).next().expect("a road");
    let turned: String = KEY.chars().rev().collect();
    let moved = each(|letter| char::from_u32(letter as u32 + 1).into_iter().collect());
    let mut ciphered = KEY.as_bytes().to_vec();
    ciphered.iter_mut().for_each(|byte| *byte ^= 0x15);
    for (trick, text) in
        [("backwards", turned), ("a cipher", moved), ("encrypted", STANDARD.encode(ciphered))]
    {
        assert_eq!(talk.ask(note(&text)).status, 200, "{trick}: it is caught; say so in the page");
    }
    for letter in KEY.chars() {
        assert_eq!(talk.ask(note(&letter.to_string())).status, 200, "a letter a request");
    }
    assert!(!origins[0].untouched());
}
