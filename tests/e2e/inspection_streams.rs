//! What is found in what passes: bodies that are longer than what is held, messages of gRPC and WebSocket, names that are looked
//! up, answers. Read first: `inspection`.

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::dialogue::NAME;
use super::http2::data;
use super::inspection::{WORDS, policy, post, start};
use super::origin::Origin;
use super::streaming::{PLAIN, TLS, get, http2, servers, talks};
use super::websocket::{frame, upgrade};
use crate::lab::backends::Wire;
use crate::lab::services::Feed;
use crate::lab::{Daemon, GATEWAY_V4, GATEWAY_V6, Lab, Resolver, Zone};

/// A few kilobytes are held.
fn short() -> Value {
    json!({"dlp": {"holdBytes": "4KiB"}})
}

fn last(daemon: &Daemon<'_>) -> Value {
    daemon.records(&["--kind", "request"]).pop().expect("a record")
}

/// So many bytes before a word, and as many behind it.
fn around(word: &str, bytes: usize) -> String {
    let line = "nothing to see on this line\n";
    let filler = line.repeat(bytes / line.len());
    format!("{filler}{word}\n{filler}")
}

#[apply(over_both)]
fn a_longer_body_is_broken_off_before_what_may_not_leave(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &short());
    let body = around("of Bluebird", 30_000);
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let refused = talk.ask(post("", &body));
        refused.is_refusal(403, "dlp.blocked");
        assert!(refused.text().contains("It was broken off before that"), "{}", refused.text());
        let row = daemon
            .record(&json!({"kind": "request", "reason": "dlp.blocked", "policy_id": "DLPPolicy/words"}));
        let sent = row["bytes_out"].as_u64().expect("a number");
        assert!(sent > 0 && sent < 31_000, "{row}");
        assert_eq!(row["dlp_matches"][0]["detector"], "bird", "{row}");
        let received = origin.received().concat();
        assert!(!String::from_utf8_lossy(&received).contains("luebird"), "it left");
        assert!(origin.taken().is_empty(), "a whole request left");
    }
}

#[apply(over_both)]
fn a_longer_body_is_redacted_as_it_passes_and_keeps_its_length(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &short());
    let body = around("at Whitewater", 30_000);
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        assert_eq!(talk.ask(post("", &body)).status, 200);
        let taken = origin.taken().pop().expect("a request");
        let text = String::from_utf8(taken.body).expect("text");
        assert_eq!(text.len(), body.len());
        assert!(
            !text.contains("hitewater") && text.starts_with("nothing to see") && text.ends_with("line\n")
        );
        assert_eq!(last(&daemon)["dlp_matches"][0]["action"], "Redact");
    }
}

#[apply(over_both)]
fn a_longer_body_is_refused_where_the_policy_says_so(lab: Lab) {
    let spec = WORDS.replace("{custom", "{overHold: Block, custom");
    let (_resolver, daemon, origins) = start(&lab, &policy("words", &spec), &short());
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let refused = talk.ask(post("", around("nothing", 5_000)));
        refused.is_refusal(403, "dlp.blocked");
        assert!(refused.text().contains("more than 4096 bytes"), "{}", refused.text());
        assert!(origin.untouched());
        assert_eq!(talk.ask(post("", "short")).status, 200);
    }
}

/// A message of gRPC.
fn message(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    [&[0, 0, 0, 0, length + 2, 0x0a, length][..], text.as_bytes()].concat()
}

#[apply(over_both)]
fn each_message_of_a_call_is_looked_into_by_itself_and_none_waits_for_the_next(lab: Lab) {
    let zone = Zone::new().host(NAME, &["192.0.2.11"]);
    let (_resolver, daemon) = (lab.resolver(zone), gateway(&lab, &policy("words", WORDS)));
    servers(&lab, &["h2"]);
    let mut talk = http2(&lab, &daemon);
    let (sender, body) = Feed::by_hand();
    let request =
        Request::post(format!("https://{NAME}/lab.Echo/Chat")).header("content-type", "application/grpc");
    sender.try_send(data(message("hello"))).expect("room");
    let mut answer = talk.send(request.body(body).expect("a request")).into_body();
    let mut next = || talk.run(answer.frame());
    let heard = next().expect("a frame").expect("an answer").into_data().expect("data");
    assert_eq!(heard, message("hello"));
    sender.try_send(data(message("at Whitewater"))).expect("room");
    let heard = next().expect("a frame").expect("an answer").into_data().expect("data");
    assert_eq!(heard.len(), message("at Whitewater").len());
    assert!(!String::from_utf8_lossy(&heard).contains("hitewater"), "{heard:?}");
    sender.try_send(data(message("of Bluebird"))).expect("room");
    let end = next();
    assert!(!matches!(&end, Some(Ok(frame)) if frame.is_data()), "{end:?}");
    let row = daemon.record(&json!({"kind": "request", "reason": "dlp.blocked"}));
    assert!(!row.to_string().contains("luebird"), "{row}");
}

fn gateway<'a>(lab: &'a Lab, documents: &str) -> Daemon<'a> {
    let all = [super::inspection::OPEN, documents].concat();
    lab.daemon(&json!({}), &[("all.yaml", &all)])
}

#[apply(over_both)]
fn each_message_of_a_websocket_is_looked_into_both_ways(lab: Lab) {
    let zone = Zone::new().host(NAME, &["192.0.2.11"]);
    let (_resolver, daemon) = (lab.resolver(zone), gateway(&lab, &policy("words", WORDS)));
    servers(&lab, &["http/1.1"]);
    for mut talk in talks(&lab, &daemon) {
        talk.say(
            upgrade("/ws").replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        );
        let head = talk.head();
        assert!(
            head.starts_with("HTTP/1.1 101 ") && !head.to_ascii_lowercase().contains("permessage"),
            "{head}"
        );
        talk.say(frame(1, b"hello"));
        assert_eq!(talk.bytes(7), b"\x81\x05hello");
        talk.say(frame(1, b"at Whitewater"));
        let heard = talk.bytes(2);
        let heard = talk.bytes(usize::from(heard[1]));
        assert!(
            heard.starts_with(b"at ") && !String::from_utf8_lossy(&heard).contains("hitewater"),
            "{heard:?}"
        );
        talk.say(frame(1, b"of Bluebird"));
        let close = talk.bytes(4);
        assert_eq!((close[0], &close[2..4]), (0x88, &1008_u16.to_be_bytes()[..]));
    }
    for port in [80, 443] {
        let row = daemon.record(
            &json!({"kind": "request", "path": "/ws", "reason": "dlp.blocked", "destination_port": port}),
        );
        assert_eq!(row["end"], "ended", "{row}");
        assert!(!row.to_string().contains("luebird"), "{row}");
    }
}

#[apply(over_both)]
fn a_name_that_carries_something_out_is_not_looked_up(lab: Lab) {
    let route = "apiVersion: clawgress.io/v1alpha1\nkind: EgressHTTPRoute\nmetadata: {name: wild}\nspec: {parentRefs: [{name: default}], hostnames: ['*.wild.example'], rules: [{}]}\n---\n";
    let resolver: Resolver = lab.resolver(Zone::new().host("www.wild.example", &["192.0.2.11"]));
    let daemon = gateway(&lab, &[&policy("words", WORDS), route].concat());
    let server = if lab.family().has(GATEWAY_V4) { GATEWAY_V4 } else { GATEWAY_V6 };
    let dig = |name: &str| {
        let at = format!("@{server}");
        lab.workload().command("dig").args(["+tries=1", "+time=5", &at, name]).run().succeeded()
    };
    let said = dig("bluebird.wild.example");
    assert!(said.contains("status: NXDOMAIN") && said.contains("dlp.blocked"), "{said}");
    let row = daemon.record(&json!({"kind": "dns", "reason": "dlp.blocked", "policy_id": "DLPPolicy/words"}));
    assert!(!row.to_string().contains("bluebird"), "{row}");
    assert!(!resolver.was_asked_for("bluebird.wild.example"));
    assert!(dig("www.wild.example").contains("status: NOERROR"));
}

#[apply(over_both)]
fn answers_are_looked_into_where_a_policy_says_so(lab: Lab) {
    let spec = "{custom: [{name: bird, words: [Bluebird], action: Block, direction: Inbound},
      {name: river, words: [Whitewater], action: Redact, direction: Both}]}";
    let (_resolver, daemon) =
        (lab.resolver(Zone::new().host(NAME, &["192.0.2.11"])), gateway(&lab, &policy("words", spec)));
    let leaf = lab.pki().leaf(&[NAME]);
    let answer = |taken: &super::origin::Taken| {
        let body = if taken.line().contains("/bird") { "of Bluebird" } else { "at Whitewater" };
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let _origins = [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))]
        .map(|(address, wire)| Origin::start(&lab, address, wire, answer));
    for mut talk in talks(&lab, &daemon) {
        let heard = talk.ask(get("/river"));
        assert_eq!((heard.status, heard.body.len()), (200, "at Whitewater".len()));
        assert!(heard.text().starts_with("at ") && !heard.text().contains("hitewater"), "{}", heard.text());
    }
    for mut talk in talks(&lab, &daemon) {
        assert_eq!(talk.ask(post("", "about Bluebird")).status, 200, "the other way it may go");
    }
    for mut talk in talks(&lab, &daemon) {
        let refused = talk.ask(get("/bird"));
        refused.is_refusal(403, "dlp.blocked");
        assert!(refused.text().contains("which may not reach it"), "{}", refused.text());
    }
}

#[apply(over_both)]
fn no_answer_tells_a_value_of_the_vault_where_a_policy_applies(lab: Lab) {
    let (_resolver, daemon) = (
        lab.resolver(Zone::new().host(NAME, &["192.0.2.11"])),
        gateway(&lab, &policy("keys", "{classes: [{class: keys, action: Block}]}")),
    );
    daemon.program(&["secret", "set", "motto"]).input("plain-words-of-nobody").run().succeeded();
    let answer = |_: &super::origin::Taken| {
        let body = r#"{"say":"it is plain-words-of-nobody, twice: plain-words-of-nobody"}"#;
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let _origin = Origin::start(&lab, PLAIN, Wire::Plain, answer);
    let mut talk = talks(&lab, &daemon).next().expect("a talk");
    let heard = talk.ask(get("/say"));
    assert_eq!(heard.status, 200);
    let text = heard.text();
    assert!(!text.contains("words-of") && text.starts_with(r#"{"say":"it is "#), "{text}");
    let row = last(&daemon);
    assert_eq!(row["dlp_matches"][0]["detector"], "vault:motto/value", "{row}");
}
