//! The tricks by which agents carry keys out, each tried through the whole gateway: what is caught leaves nothing, and what is
//! not caught is named in `docs/exfiltration.md`, where `tests/documents.rs` holds each row against the names here.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::dialogue::NAME;
use super::inspection::{policy, post, start};
use super::origin::Origin;
use super::streaming::{get, talks};
use crate::lab::{Daemon, Lab};

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
