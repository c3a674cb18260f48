//! What is ambiguous in HTTP/1 is refused, recorded and sent to nobody, over plain HTTP and inside opened TLS.

use clawgress::perceive::request::guard::Refusal;
use serde_json::json;

use super::dialogue::{Heard, NAME, OTHER, Talk, opening_gateway, zone};
use super::http::{BOTH, Way, get, ok, recorded};
use super::messages::{self, Verdict};
use super::origin::{Origin, Taken};
use crate::lab::Lab;
use crate::lab::backends::eventually;

/// Messages that readers of HTTP/1 take differently, each with what it does.
fn ambiguous() -> Vec<(&'static str, String)> {
    let post =
        |fields: &str, body: &str| format!("POST /bad HTTP/1.1\r\nHost: {NAME}\r\n{fields}\r\n\r\n{body}");
    let chunked = |body: &str| post("Transfer-Encoding: chunked", body);
    vec![
        ("both lengths", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        (
            "both lengths, the other order",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
        ),
        ("disagreeing lengths", post("Content-Length: 5\r\nContent-Length: 6", "hello!")),
        ("the same length twice", post("Content-Length: 5\r\nContent-Length: 5", "hello")),
        ("a list of lengths", post("Content-Length: 5, 5", "hello")),
        ("a signed length", post("Content-Length: +5", "hello")),
        ("a length in hexadecimal", post("Content-Length: 0x5", "hello")),
        ("a negative length", post("Content-Length: -1", "hello")),
        ("an empty length", post("Content-Length:", "hello")),
        ("obs-fold", post("X-A: 1\r\n 2", "")),
        ("obs-fold of a length", post("Content-Length:\r\n 5", "hello")),
        ("a space before the colon", post("Content-Length : 5", "hello")),
        ("a field without a colon", post("X-Nothing", "")),
        ("bare LF everywhere", format!("GET /bad HTTP/1.1\nHost: {NAME}\n\n")),
        ("bare LF in one field", post("X-A: 1\nX-B: 2", "")),
        ("a bare CR in a value", post("X-A: 1\rX-B: 2", "")),
        ("NUL in a value", post("X-A: 1\x002", "")),
        ("Host missing", "GET /bad HTTP/1.1\r\nAccept: */*\r\n\r\n".to_owned()),
        ("Host twice", post(&format!("Host: {NAME}"), "")),
        ("Host twice and different", post(&format!("Host: {OTHER}"), "")),
        ("two names in one Host", format!("GET /bad HTTP/1.1\r\nHost: {NAME}, {OTHER}\r\n\r\n")),
        ("user information in Host", format!("GET /bad HTTP/1.1\r\nHost: me@{NAME}\r\n\r\n")),
        ("absolute-form that disagrees", format!("GET http://{OTHER}/bad HTTP/1.1\r\nHost: {NAME}\r\n\r\n")),
        (
            "absolute-form whose port disagrees",
            format!("GET http://{NAME}:81/bad HTTP/1.1\r\nHost: {NAME}\r\n\r\n"),
        ),
        ("chunked twice", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n")),
        (
            "chunked in two fields",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ),
        ("another coding before chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
        ("identity", post("Transfer-Encoding: identity", "")),
        ("a coding that only looks like chunked", post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n")),
        (
            "chunked in HTTP/1.0",
            format!("POST /bad HTTP/1.0\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("no chunk size", chunked("\r\n\r\n")),
        ("a chunk size that is no number", chunked("zz\r\nhello\r\n0\r\n\r\n")),
        ("a negative chunk size", chunked("-5\r\nhello\r\n0\r\n\r\n")),
        ("a chunk size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n")),
        ("a chunk size that overflows", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")),
        ("a chunk size with a space", chunked("5 \r\nhello\r\n0\r\n\r\n")),
        ("a chunk size that ends with LF", chunked("5\nhello\r\n0\r\n\r\n")),
        ("a chunk that is longer than its size", chunked("5\r\nhello!\r\n0\r\n\r\n")),
        ("a length among the trailers", chunked("5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n")),
    ]
}

/// The answers of a connection until it ends: every byte counts, so a close that destroys an answer is a failure.
fn refused(talk: &mut Talk, what: &str) -> Heard {
    let heard = talk.hear();
    assert_eq!(heard.status, 400, "{what}: {heard:?}");
    heard.is_refusal(400, "protocol.malformed");
    assert!(talk.rest().is_ok_and(|rest| rest.is_empty()), "{what}: something follows the refusal");
    heard
}

#[apply(over_both)]
fn what_is_ambiguous_is_400_recorded_and_reaches_nobody(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for (what, bytes) in ambiguous() {
            // What follows must not be taken for a request either.
            let smuggled = format!("{bytes}{}", get("/smuggled"));
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            talk.say(smuggled);
            refused(&mut talk, what);
            assert!(origin.untouched(), "{way:?}, {what}: {:?}", origin.taken());
        }
    }
    let each = 2 * ambiguous().len();
    recorded(&daemon, each, &json!({"kind": "request", "decision": "deny", "reason": "protocol.malformed"}));
    recorded(&daemon, 0, &json!({"kind": "request", "decision": "allow"}));
    let row = daemon.record(&json!({"kind": "request", "reason": "protocol.malformed", "status": 400}));
    assert!(row["evidence"].is_string(), "{row}");
    // What could not be read is not told as if it had been.
    assert_eq!((row.get("http_method"), row.get("path")), (None, None), "{row}");
}

#[apply(over_both)]
fn a_good_request_in_front_of_an_ambiguous_one_is_answered_first(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for (number, (what, bytes)) in ambiguous().into_iter().enumerate() {
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            let good = get(&format!("/good-{number}"));
            talk.say(format!("{good}{bytes}{}", get("/smuggled")));
            let heard = talk.hear();
            assert_eq!((heard.status, heard.text()), (200, format!("ok /good-{number}")), "{way:?}, {what}");
            refused(&mut talk, what);
            assert!(
                origin.taken().iter().all(|taken| taken.line().starts_with("GET /good-")),
                "{way:?}, {what}: {:?}",
                origin.taken().last()
            );
        }
        let sent: usize = origin.taken().iter().map(|taken| taken.head.len()).sum();
        let received: usize = origin.received().iter().map(Vec::len).sum();
        assert_eq!(sent, received, "{way:?}: bytes of no good request have reached the upstream");
    }
    let each = 2 * ambiguous().len();
    recorded(&daemon, each, &json!({"kind": "request", "decision": "allow", "status": 200}));
    recorded(&daemon, each, &json!({"kind": "request", "decision": "deny", "reason": "protocol.malformed"}));
}

#[apply(over_both)]
fn a_bad_chunk_after_a_good_head_never_becomes_a_whole_request(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for bad in ["zz\r\nhello\r\n", "5\nhello\r\n", "-1\r\n", "5;\x00=1\r\nhello\r\n"] {
            let before = origin.received().len();
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            talk.say(format!(
                "POST /half HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
            ));
            eventually("the good part at the upstream", || {
                origin.received().iter().skip(before).any(|got| got.ends_with(b"hello\r\n")).then_some(())
            });
            let _ = talk.try_say(format!("{bad}0\r\n\r\n{}", get("/smuggled")));
            refused(&mut talk, bad);
            assert!(origin.taken().is_empty(), "{way:?}, {bad:?}: {:?}", origin.taken());
        }
    }
    recorded(
        &daemon,
        8,
        &json!({
            "kind": "request", "path": "/half", "decision": "deny", "reason": "protocol.malformed", "status": 400,
            "bytes_out": 5,
        }),
    );
}

/// The status of the first final answer, and its reason where it is a refusal.
fn first_answer(talk: &mut Talk) -> (u16, Option<String>) {
    let heard = talk.hear();
    (heard.status, heard.field("x-clawgress-reason").map(str::to_owned))
}

fn expected(verdict: Verdict) -> (u16, Option<String>) {
    let refused = |status: u16, reason: &str| (status, Some(reason.to_owned()));
    match verdict {
        Verdict::Passes(_) => (200, None),
        Verdict::Refused(Refusal::Expect) => refused(417, "protocol.expectation"),
        Verdict::Refused(Refusal::Connect) => refused(403, "protocol.connect"),
        Verdict::Refused(_) | Verdict::Path => refused(400, "protocol.malformed"),
        Verdict::Mismatch => refused(421, "name.mismatch"),
    }
}

#[apply(over_both)]
fn each_message_of_the_table_has_its_verdict_and_the_upstream_sees_the_same_boundaries(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = Way::Tls.origin(&lab, ok);
    let rows = messages::all();
    assert!(rows.len() >= 250, "{} messages", rows.len());
    let mut reasons = Vec::new();
    for row in rows {
        let (before, bytes) = (origin.taken().len(), received(&origin));
        let mut talk = Way::Tls.talk(lab.workload(), NAME, &daemon);
        talk.say(&row.bytes);
        talk.finish();
        assert_eq!(first_answer(&mut talk), expected(row.verdict), "{}", row.what);
        // hyper ends a connection on which an upgrade was declined without a farewell of TLS.
        let abrupt = row.what.starts_with("connection: an upgrade");
        assert!(talk.rest().is_ok() || abrupt, "{}: the answers are all read", row.what);
        let taken = &origin.taken()[before..];
        let lines: Vec<&str> = taken.iter().map(Taken::line).collect();
        match row.verdict {
            Verdict::Passes(wanted) => {
                let wanted: Vec<String> = wanted.iter().map(|line| format!("{line} HTTP/1.1")).collect();
                let cut = |line: &&str| line.chars().take(30).collect::<String>();
                assert!(lines == wanted, "{}: {:?}", row.what, lines.iter().map(cut).collect::<Vec<_>>());
            }
            _ => assert!(taken.is_empty(), "{}: {lines:?}", row.what),
        }
        let whole: usize = taken.iter().map(|taken| taken.head.chars().count() + taken.body.len()).sum();
        if is_long(&row) {
            continue;
        }
        assert_eq!(received(&origin) - bytes, whole, "{}: a byte that belongs to no request", row.what);
        if let Verdict::Refused(refusal) = row.verdict {
            let target = || String::from_utf8_lossy(&row.bytes).split(' ').nth(1).map(str::to_owned);
            reasons.push(match refusal {
                Refusal::Connect => format!("CONNECT {}", target().expect("a target")),
                _ => format!("http/1 guard: {refusal:?}"),
            });
        }
    }
    let told = || -> Vec<String> {
        let rows = daemon.records(&[]);
        let evidence =
            rows.iter().filter(|row| row["kind"] == "request").filter_map(|row| row["evidence"].as_str());
        // What follows a good request in a table's row may be refused too.
        let told = |text: &&str| text.starts_with("http/1 guard: ") || text.starts_with("CONNECT ");
        evidence.filter(told).map(str::to_owned).collect()
    };
    eventually("every reason on record", || {
        let told = told();
        let mut rest = told.iter();
        reasons.iter().all(|reason| rest.any(|found| found == reason)).then_some(())
    });
}

/// Whether a message arrives in pieces: then its good beginning may have been forwarded when its end is refused.
fn is_long(row: &messages::Row) -> bool {
    row.bytes.len() > 4096
}

fn received(origin: &Origin) -> usize {
    origin.received().iter().map(Vec::len).sum()
}

#[apply(over_both)]
fn behind_a_good_request_each_message_that_is_refused_reaches_nobody(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = Way::Plain.origin(&lab, ok);
    let refused = messages::all().into_iter().filter(|row| matches!(row.verdict, Verdict::Refused(_)));
    for row in refused.filter(|row| !is_long(row)) {
        let good = get("/good");
        let mut talk = Way::Plain.talk(lab.workload(), NAME, &daemon);
        let empty = if row.what == "in front: two empty lines" { "\r\n" } else { "" };
        talk.say([good.as_bytes(), empty.as_bytes(), &row.bytes, get("/smuggled").as_bytes()].concat());
        assert_eq!(talk.hear().text(), "ok /good", "{}", row.what);
        let (status, reason) = expected(row.verdict);
        assert_eq!(first_answer(&mut talk), (status, reason), "{}", row.what);
        assert!(talk.rest().is_ok_and(|rest| rest.is_empty()), "{}: something follows the refusal", row.what);
    }
    assert!(origin.taken().iter().all(|taken| taken.line() == "GET /good HTTP/1.1"));
    assert_eq!(received(&origin), origin.taken().iter().map(|taken| taken.head.len()).sum::<usize>());
    recorded(
        &daemon,
        origin.taken().len(),
        &json!({"kind": "request", "decision": "allow", "path": "/good"}),
    );
}
