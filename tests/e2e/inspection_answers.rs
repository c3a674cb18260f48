//! What is found in answers: heads, trailers, and what frames them. Read first: `inspection_streams`.

use serde_json::{Value, json};

use super::dialogue::{Heard, NAME};
use super::inspection::{OPEN, policy};
use super::origin::{Origin, Taken};
use super::streaming::{PLAIN, TLS, get, talks};
use super::websocket::upgrade;
use crate::lab::backends::Wire;
use crate::lab::{Daemon, Lab, Resolver, Zone, websocket};

/// Of each action one word, in answers.
const ANSWERS: &str = "{custom: [
  {name: bird, words: [Bluebird], action: Block, direction: Inbound},
  {name: river, words: [Whitewater], action: Redact, direction: Inbound},
  {name: stone, words: [Greystone], action: Alert, direction: Both},
  {name: tree, words: [Blackthorn], action: HashLog, direction: Inbound}]}";

/// A gateway under these documents, and a site in the open and over TLS that answers each path with what stands for it.
fn answering<'a>(
    lab: &'a Lab,
    documents: &str,
    answer: fn(&Taken) -> String,
) -> (Resolver, Daemon<'a>, [Origin; 2]) {
    let resolver = lab.resolver(Zone::new().host(NAME, &["192.0.2.11"]));
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &[OPEN, documents].concat())]);
    let leaf = lab.pki().leaf(&[NAME]);
    let origins = [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))].map(|(address, wire)| {
        Origin::start(lab, address, wire, move |taken: &Taken| answer(taken).into_bytes())
    });
    (resolver, daemon, origins)
}

fn last(daemon: &Daemon<'_>) -> Value {
    daemon.records(&["--kind", "request"]).pop().expect("a record")
}

/// What stands for this path: its last part is a field of the answer, and what is in front of that how it is framed.
fn told(taken: &Taken) -> String {
    const FRAME: &str = "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nAge: 3600\r\nETag: \"33a64df5\"\r\n";
    let target = taken.line().split(' ').nth(1).unwrap_or_default();
    let text = match target.rsplit('/').next().unwrap_or_default() {
        "bird" => "of Bluebird",
        "river" => "at Whitewater, twice Whitewater",
        "stone" => "on Greystone",
        "tree" => "under Blackthorn",
        _ => "of nothing",
    };
    match target.split('/').nth(1).unwrap_or_default() {
        "head" => format!("HTTP/1.1 200 OK\r\n{FRAME}X-Note: {text}\r\nContent-Length: 4\r\n\r\nbody"),
        "phrase" => format!("HTTP/1.1 200 {text}\r\n{FRAME}Content-Length: 4\r\n\r\nbody"),
        "name" => {
            let name = text.split([' ', ',']).nth(1).unwrap_or_default();
            format!("HTTP/1.1 200 OK\r\n{FRAME}X-Of-{name}-x: 1\r\nContent-Length: 4\r\n\r\nbody")
        }
        "bare" => format!("HTTP/1.1 304 Not Modified\r\n{FRAME}X-Note: {text}\r\n\r\n"),
        "moved" => format!(
            "HTTP/1.1 302 Found\r\n{FRAME}Location: https://{NAME}/?q={}&n=1\r\nContent-Length: 0\r\n\r\n",
            text.split([' ', ',']).nth(1).unwrap_or_default()
        ),
        "behind" => format!(
            "HTTP/1.1 200 OK\r\n{FRAME}Transfer-Encoding: chunked\r\nTrailer: X-Note\r\n\r\n\
             4\r\nbody\r\n0\r\nX-Note: {text}\r\n\r\n"
        ),
        "switch" => {
            let key =
                super::dialogue::fields(&taken.head, "sec-websocket-key").next().expect("a key").to_owned();
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Note: {text}\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                websocket::proof(key.as_bytes())
            )
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    }
}

/// What frames and measures an answer is there as it came.
fn is_framed(heard: &Heard) {
    assert_eq!(heard.field("date"), Some("Wed, 21 Oct 2015 07:28:00 GMT"), "{}", heard.head);
    assert_eq!(
        (heard.field("age"), heard.field("etag")),
        (Some("3600"), Some("\"33a64df5\"")),
        "{}",
        heard.head
    );
}

#[apply(over_both)]
fn fields_of_answers_are_stopped_masked_and_told_as_bodies_are_and_framing_stays(lab: Lab) {
    let (_resolver, daemon, _origins) = answering(&lab, &policy("words", ANSWERS), told);
    for mut talk in talks(&lab, &daemon) {
        for place in ["head", "phrase", "name", "bare", "moved"] {
            let heard = talk.ask(get(&format!("/{place}/river")));
            assert!(!heard.head.to_ascii_lowercase().contains("whitewater"), "{place}: {}", heard.head);
            is_framed(&heard);
            let row = last(&daemon);
            let found = &row["dlp_matches"][0];
            assert_eq!((&found["detector"], &found["action"]), (&json!("river"), &json!("Redact")), "{row}");
            let at = match place {
                "head" | "bare" => "header/x-note",
                "phrase" => "header/reason-phrase",
                "name" => "header",
                _ => "header/location",
            };
            assert_eq!(found["location"], at, "{row}");
        }
        assert_eq!(
            talk.ask(get("/head/river")).field("x-note"),
            Some("at [redacted:river], twice [redacted:river]")
        );
        assert!(talk.ask(get("/name/river")).field("x-of-whitewater-x").is_none());
        let moved = talk.ask(get("/moved/river"));
        let location = moved.field("location").expect("a place");
        assert_eq!(location, format!("https://{NAME}/?q=%5Bredacted%3Ariver%5D&n=1"));
        for (word, decision, action) in [("stone", "alert", "Alert"), ("tree", "allow", "HashLog")] {
            let heard = talk.ask(get(&format!("/head/{word}")));
            assert_eq!((heard.status, heard.text()), (200, "body".to_owned()));
            assert!(["on Greystone", "under Blackthorn"].contains(&heard.field("x-note").expect("a note")));
            let row = last(&daemon);
            assert_eq!(
                (&row["decision"], &row["dlp_matches"][0]["action"]),
                (&json!(decision), &json!(action)),
                "{row}"
            );
        }
    }
    for place in ["head", "phrase", "name", "bare", "moved"] {
        for mut talk in talks(&lab, &daemon) {
            let refused = talk.ask(get(&format!("/{place}/bird")));
            refused.is_refusal(403, "dlp.blocked");
            assert!(refused.text().contains("which may not reach it"), "{place}: {}", refused.text());
            let row = last(&daemon);
            assert_eq!(
                (&row["reason"], &row["policy_id"]),
                (&json!("dlp.blocked"), &json!("DLPPolicy/words")),
                "{row}"
            );
            assert!(
                !format!("{row}{}", refused.text()).to_ascii_lowercase().contains("bluebird"),
                "{place}: {row}"
            );
        }
    }
}

#[apply(over_both)]
fn trailers_of_answers_are_masked_and_an_answer_ends_before_what_may_not_come_behind_it(lab: Lab) {
    let (_resolver, daemon, _origins) = answering(&lab, &policy("words", ANSWERS), told);
    let asking = |path: &str| get(path).replace("\r\n\r\n", "\r\nTE: trailers\r\n\r\n");
    for mut talk in talks(&lab, &daemon) {
        let heard = talk.ask(asking("/behind/river"));
        assert_eq!(heard.text(), "body");
        assert!(
            heard.trailers.to_ascii_lowercase().contains("x-note: at [redacted:river]"),
            "{}",
            heard.trailers
        );
        assert!(!heard.trailers.contains("hitewater"), "{}", heard.trailers);
        assert_eq!(last(&daemon)["dlp_matches"][0]["location"], "trailer/x-note");
        talk.say(asking("/behind/bird"));
        let left = talk.rest().unwrap_or_default();
        let left = String::from_utf8_lossy(&left);
        assert!(!left.contains("luebird") && !left.ends_with("0\r\n\r\n"), "{left}");
        let row = daemon.record(&json!({"kind": "request", "path": "/behind/bird", "reason": "dlp.blocked"}));
        assert_eq!(
            (&row["end"], &row["dlp_matches"][0]["location"]),
            (&json!("ended"), &json!("trailer/x-note")),
            "{row}"
        );
    }
}

#[apply(over_both)]
fn a_switch_whose_head_has_what_may_not_come_does_not_happen(lab: Lab) {
    let (_resolver, daemon, _origins) = answering(&lab, &policy("words", ANSWERS), told);
    for mut talk in talks(&lab, &daemon) {
        talk.say(upgrade("/switch/river"));
        let head = talk.head();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("at [redacted:river]"), "{head}");
    }
    for mut talk in talks(&lab, &daemon) {
        talk.ask(upgrade("/switch/bird")).is_refusal(403, "dlp.blocked");
    }
}

#[apply(over_both)]
fn no_field_of_an_answer_tells_a_value_of_the_vault_where_a_policy_applies(lab: Lab) {
    let (_resolver, daemon, _origins) =
        answering(&lab, &policy("keys", "{classes: [{class: keys, action: Block}]}"), told);
    daemon.program(&["secret", "set", "motto"]).input("Whitewater, twice").run().succeeded();
    for mut talk in talks(&lab, &daemon) {
        let heard = talk.ask(get("/head/river"));
        assert_eq!((heard.status, heard.text()), (200, "body".to_owned()));
        assert!(
            heard.field("x-note").is_some_and(|note| note.starts_with("at [redacted:vault:motto")),
            "{}",
            heard.head
        );
        assert_eq!(last(&daemon)["dlp_matches"][0]["detector"], "vault:motto/value");
    }
}

/// A body with sums in its head and behind it.
fn summed(taken: &Taken) -> String {
    let sums = "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nDigest: SHA-256=x\r\nContent-Digest: sha-256=:x:\r\nRepr-Digest: sha-256=:x:\r\n";
    let trailers =
        if taken.line().contains("/behind") { "Content-Digest: sha-256=:x:\r\nX-Last: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 200 OK\r\n{sums}Trailer: Content-Digest, X-Last\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n{trailers}\r\n"
    )
}

#[apply(over_both)]
fn sums_of_answers_go_where_the_policy_may_change_them_and_stay_where_it_may_not(lab: Lab) {
    let (_resolver, daemon, _origins) = answering(&lab, &policy("words", ANSWERS), summed);
    let sums = ["content-md5", "digest", "content-digest", "repr-digest"];
    let request = || get("/behind").replace("\r\n\r\n", "\r\nTE: trailers\r\n\r\n");
    for mut talk in talks(&lab, &daemon) {
        let heard = talk.ask(request());
        assert!(sums.iter().all(|sum| heard.field(sum).is_none()), "{}", heard.head);
        let trailers = heard.trailers.to_ascii_lowercase();
        assert!(trailers.contains("x-last: 1") && !trailers.contains("digest"), "{trailers}");
    }
    let block = "{custom: [{name: bird, words: [Bluebird], action: Block, direction: Inbound}]}";
    daemon.write_policy("all.yaml", &[OPEN, &policy("words", block)].concat());
    daemon.reload();
    for mut talk in talks(&lab, &daemon) {
        let heard = talk.ask(request());
        assert!(sums.iter().all(|sum| heard.field(sum).is_some()), "{}", heard.head);
        assert!(heard.trailers.to_ascii_lowercase().contains("content-digest"), "{}", heard.trailers);
    }
}
