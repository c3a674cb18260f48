//! What is found in what passes: bodies that are longer than what is held, messages of gRPC and WebSocket, names that are looked
//! up, answers. Read first: `inspection`.

use std::io::{self, Write as _};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;

use super::dialogue::NAME;
use super::http2::{Http2, data};
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
    let sums = "Content-MD5: x\r\nDigest: x\r\nContent-Digest: x\r\nRepr-Digest: x\r\n";
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        assert_eq!(talk.ask(post(sums, &body)).status, 200);
        let taken = origin.taken().pop().expect("a request");
        let head = taken.head.to_ascii_lowercase();
        assert!(!head.contains("digest") && !head.contains("md5"), "sums of another body: {head}");
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

/// A call of gRPC that goes on, message by message.
struct Chat<'t> {
    talk: &'t mut Http2,
    sender: Sender<io::Result<Frame<Bytes>>>,
    answer: Incoming,
}

impl<'t> Chat<'t> {
    /// Calls, with the first message.
    fn begin(talk: &'t mut Http2, encoding: &str, first: Vec<u8>) -> Self {
        let (sender, body) = Feed::by_hand();
        let request = Request::post(format!("https://{NAME}/lab.Echo/Chat"))
            .header("content-type", "application/grpc")
            .header("grpc-encoding", encoding);
        sender.try_send(data(first)).expect("room");
        let answer = talk.send(request.body(body).expect("a request")).into_body();
        Self { talk, sender, answer }
    }

    fn say(&self, message: Vec<u8>) {
        self.sender.try_send(data(message)).expect("room");
    }

    /// What is sent back next; nothing where the call has ended.
    fn hear(&mut self) -> Option<Bytes> {
        self.talk.run(self.answer.frame())?.ok()?.into_data().ok()
    }
}

#[apply(over_both)]
fn each_message_of_a_call_is_looked_into_by_itself_and_none_waits_for_the_next(lab: Lab) {
    let zone = Zone::new().host(NAME, &["192.0.2.11"]);
    let (_resolver, daemon) = (lab.resolver(zone), gateway(&lab, &policy("words", WORDS)));
    servers(&lab, &["h2"]);
    let mut talk = http2(&lab, &daemon);
    let mut chat = Chat::begin(&mut talk, "identity", message("hello"));
    assert_eq!(chat.hear().expect("an answer"), message("hello"));
    chat.say(message("at Whitewater"));
    let heard = chat.hear().expect("an answer");
    assert_eq!(heard.len(), message("at Whitewater").len());
    assert!(!String::from_utf8_lossy(&heard).contains("hitewater"), "{heard:?}");
    chat.say(message("of Bluebird"));
    assert_eq!(chat.hear(), None);
    let row = daemon.record(&json!({"kind": "request", "reason": "dlp.blocked"}));
    assert!(!row.to_string().contains("luebird"), "{row}");
}

/// A rule that asks for findings, and names itself.
const TREES: &str = "apiVersion: clawgress.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: rules}\nspec:\n  targetRef: {kind: EgressGateway, name: default}\n  rules:\n    - {name: trees, when: \"dlp.matches.filter(m, m.detector == 'tree').size() > 1\", action: Deny, message: One tree is enough.}\n---\n";

/// Whoever calls waits for an answer to each message before the next: a rule about findings must not wait for the end.
#[apply(over_both)]
fn a_rule_about_findings_is_asked_about_each_message_of_a_call_and_nothing_stands_still(lab: Lab) {
    let zone = Zone::new().host(NAME, &["192.0.2.11"]);
    let hash = "{custom: [{name: tree, words: [Blackthorn], action: HashLog}]}";
    let (_resolver, daemon) = (lab.resolver(zone), gateway(&lab, &[&policy("words", hash), TREES].concat()));
    servers(&lab, &["h2"]);
    let mut talk = http2(&lab, &daemon);
    let mut chat = Chat::begin(&mut talk, "identity", message("hello"));
    assert_eq!(chat.hear().expect("an answer"), message("hello"));
    chat.say(message("one Blackthorn"));
    assert_eq!(chat.hear().expect("an answer"), message("one Blackthorn"), "the rule does not hold yet");
    chat.say(message("another Blackthorn"));
    assert_eq!(chat.hear(), None);
    let row = daemon.record(&json!({"reason": "policy.denied", "policy_id": "EgressPolicy/rules"}));
    assert_eq!((&row["rule"], &row["end"]), (&json!("trees"), &json!("ended")), "{row}");
    assert_eq!(row["dlp_matches"].as_array().map(Vec::len), Some(2), "{row}");
    // By its head alone it is refused at once, and told why.
    let (_sender, body) = Feed::by_hand();
    let request = Request::post(format!("https://{NAME}/lab.Echo/Chat"))
        .header("content-type", "application/grpc")
        .header("x-one", "Blackthorn")
        .header("x-two", "Blackthorn");
    let head = talk.send(request.body(body).expect("a request")).into_parts().0;
    assert_eq!(head.headers["x-clawgress-reason"], "policy.denied");
}

#[apply(over_both)]
fn a_rule_about_findings_is_asked_about_each_message_of_a_websocket(lab: Lab) {
    let zone = Zone::new().host(NAME, &["192.0.2.11"]);
    let hash = "{custom: [{name: tree, words: [Blackthorn], action: HashLog}]}";
    let (_resolver, daemon) = (lab.resolver(zone), gateway(&lab, &[&policy("words", hash), TREES].concat()));
    servers(&lab, &["http/1.1"]);
    for mut talk in talks(&lab, &daemon) {
        talk.say(upgrade("/ws"));
        assert!(talk.head().starts_with("HTTP/1.1 101 "));
        talk.say(frame(1, b"a Blackthorn"));
        assert_eq!(talk.bytes(14), b"\x81\x0ca Blackthorn");
        talk.say(frame(1, b"a Blackthorn"));
        let close = talk.bytes(4);
        assert_eq!((close[0], &close[2..4]), (0x88, &1008_u16.to_be_bytes()[..]));
    }
    let row = daemon.record(&json!({"kind": "request", "path": "/ws", "reason": "policy.denied"}));
    assert_eq!(row["rule"], "trees", "{row}");
}

/// A call whose messages are coded, and longer than what is held.
#[apply(over_both)]
fn messages_of_a_call_are_read_whatever_their_coding_and_length(lab: Lab) {
    let zone = Zone::new().host(NAME, &["192.0.2.11"]);
    let all = [super::inspection::OPEN, &policy("words", WORDS)].concat();
    let (_resolver, daemon) = (lab.resolver(zone), lab.daemon(&short(), &[("all.yaml", &all)]));
    servers(&lab, &["h2"]);
    let framed = |flag: u8, bytes: &[u8]| {
        [&[flag][..], &u32::try_from(bytes.len()).expect("a message").to_be_bytes(), bytes].concat()
    };
    let coded = |text: &str| {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        coder.write_all(&message(text)[5..]).expect("memory");
        framed(1, &coder.finish().expect("memory"))
    };
    let mut talk = http2(&lab, &daemon);
    let call = |method: &str, encoding: &str| {
        let request = Request::post(format!("https://{NAME}/lab.Echo/{method}"));
        request.header("content-type", "application/grpc+proto").header("grpc-encoding", encoding)
    };
    let mut chat = Chat::begin(&mut talk, "gzip", coded("hello"));
    assert_eq!(chat.hear().expect("an answer"), coded("hello"), "it goes on as it came");
    let long = framed(0, around("at Whitewater", 10_000).as_bytes());
    chat.say(long.clone());
    let mut heard = Vec::new();
    while heard.len() < long.len() {
        heard.extend(chat.hear().expect("an answer"));
    }
    assert_eq!((heard.len(), &heard[..5]), (long.len(), &long[..5]));
    assert!(!String::from_utf8_lossy(&heard).contains("hitewater"));
    chat.say(coded("of Bluebird"));
    assert_eq!(chat.hear(), None);
    let row = daemon.record(&json!({"kind": "request", "reason": "dlp.blocked"}));
    let places: Vec<&str> = row["dlp_matches"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|one| one["location"].as_str())
        .collect();
    assert_eq!(places, ["body", "body/1"], "{row}");
    for (what, encoding, bytes) in [
        ("an unknown coding", "lzma", framed(1, b"whatever")),
        ("a coded message that is too long", "gzip", framed(1, &[7; 8000])),
    ] {
        let (sender, body) = Feed::by_hand();
        sender.try_send(data(bytes)).expect("room");
        let head = talk.send(call("Say", encoding).body(body).expect("a request")).into_parts().0;
        let reason =
            head.headers.get("x-clawgress-reason").map(|value| value.to_str().expect("a code").to_owned());
        assert_eq!(reason.as_deref(), Some("dlp.unscannable"), "{what}");
    }
}

#[apply(over_both)]
fn the_parts_of_a_longer_body_are_read_as_each_says_and_their_places_are_told(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &short());
    let coded = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
    let lines: String = coded(&around("of Bluebird", 20_000))
        .as_bytes()
        .chunks(61)
        .fold(String::new(), |all, line| all + "~" + &String::from_utf8_lossy(line) + "\r\n");
    let soft: String = "at Whitewater".chars().map(|letter| format!("{letter}=\r\n")).collect();
    let form = |fields: &str, content: &str| {
        let filler = "nothing to see on this line\n".repeat(400);
        post(
            "Content-Type: multipart/form-data; boundary=b\r\n",
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"first\"\r\n\r\n{filler}\r\n--b\r\nContent-Disposition: form-data; name=\"second\"\r\n{fields}\r\n{content}\r\n--b--\r\n"
            ),
        )
    };
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        assert_eq!(talk.ask(form("Content-Transfer-Encoding: quoted-printable\r\n", &soft)).status, 200);
        let text = String::from_utf8(origin.taken().pop().expect("a request").body).expect("text");
        assert!(!text.replace("=\r\n", "").contains("hitewater") && text.ends_with("--b--\r\n"), "{text}");
        let row = last(&daemon);
        assert_eq!(
            (&row["dlp_matches"][0]["detector"], &row["dlp_matches"][0]["location"]),
            (&json!("river"), &json!("body/second")),
            "{row}"
        );
    }
    for mut talk in talks(&lab, &daemon) {
        let refused = talk.ask(form("Content-Transfer-Encoding: base64\r\n", &lines));
        refused.is_refusal(403, "dlp.blocked");
        let row = last(&daemon);
        assert_eq!(
            (&row["dlp_matches"][0]["detector"], &row["dlp_matches"][0]["location"]),
            (&json!("bird"), &json!("body/second")),
            "{row}"
        );
    }
    for mut talk in talks(&lab, &daemon) {
        let list = "{\"role\":\"user\",\"content\":\"nothing to see\"},".repeat(400);
        let body = format!("{{\"messages\":[{list}{{\"content\":\"at Whitewater\"}}]}}");
        assert_eq!(talk.ask(post("Content-Type: application/json\r\n", body)).status, 200);
        let row = last(&daemon);
        assert_eq!(row["dlp_matches"][0]["location"], "body/messages/400/content", "{row}");
    }
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
