//! Amounts, as agents meet them: requests in a window, bytes in a day, requests in a day, and what a rule says of them. What is
//! used stays used, whatever becomes of the daemon. Tokens and money stand in `spending`.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dialogue::{NAME, OPENED, Talk, connect, over_tls, plain, zone};
use super::streaming::{PLAIN, TLS, get, servers, talks};
use super::websocket::{frame, upgrade};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{Daemon, Lab, Namespace};

/// Where bytes come: without end, or half a million of them and then silence.
const RAW: &str = "192.0.2.13:7000";
const HALF: usize = 500_000;
/// How to ask for them: by what is the beginning of no protocol that is read.
const SOME: &[u8; 1] = b"\0";
const ENDLESS: &[u8; 1] = b"\x01";

/// A document of this kind with this name.
fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn raw(lab: &Lab) {
    lab.backends().serve(RAW, Wire::Plain, |mut stream, _| async move {
        let mut asked = [0];
        stream.read_exact(&mut asked).await?;
        if asked == *SOME {
            stream.write_all(&[0; HALF]).await?;
            stream.read_exact(&mut asked).await?;
        }
        loop {
            stream.write_all(&[0; 64 * 1024]).await?;
        }
    });
}

/// A relayed connection on which something was asked for.
fn relay(space: &Namespace, asked: &[u8]) -> TcpStream {
    space.command("getent").args(["ahosts", "raw.example"]).run().succeeded();
    let mut relay = connect(space, RAW);
    relay.write_all(asked).expect("a relay");
    relay
}

/// Reads until nothing more comes.
fn drained(stream: &mut impl Read) -> usize {
    let (mut buffer, mut all) = (vec![0; 64 * 1024], 0);
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        all += length;
    }
    all
}

/// Whether a relay ends without a byte.
fn is_shut(space: &Namespace) -> bool {
    !matches!(relay(space, ENDLESS).read(&mut [0]), Ok(1))
}

fn status(talk: &mut Talk, path: &str) -> (u16, Option<u64>) {
    let heard = talk.ask(get(path));
    (heard.status, heard.field("retry-after").map(|after| after.parse().expect("seconds")))
}

/// Puts a document in force in the place of the one before.
fn put(daemon: &Daemon<'_>, document: &str) {
    daemon.write_policy("amounts.yaml", document);
    daemon.reload();
}

#[apply(over_both)]
fn requests_past_a_rate_hear_when_the_next_may_be_sent_and_relays_count_as_well(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    raw(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED)]);
    // Whether bob has requests of his own, and what brings one back: an hour for two.
    for (scope, apart) in [("PerAgent", true), ("PerExecution", true), ("PerRoute", false)] {
        let name = scope.to_lowercase();
        put(
            &daemon,
            &document("RateLimitPolicy", &name, &format!("{{requests: 2, window: 1h, scope: {scope}}}")),
        );
        let (mut alice, mut bob) = (plain(lab.workload(), PLAIN), plain(lab.bob(), PLAIN));
        assert_eq!([(); 2].map(|()| status(&mut alice, "/download/10").0), [200; 2], "{scope}");
        let (refused, after) = status(&mut alice, "/download/10");
        assert_eq!(refused, 429, "{scope}");
        assert!((1700..=1800).contains(&after.expect("when")), "{scope}: {after:?}");
        assert_eq!(status(&mut bob, "/download/10").0, if apart { 200 } else { 429 }, "{scope}");
        daemon.record(&json!({
            "kind": "request", "agent_id": "alice", "decision": "deny", "reason": "quota.requests", "status": 429,
            "policy_id": format!("RateLimitPolicy/{name}"),
        }));
        assert_eq!(is_shut(lab.workload()), apart, "{scope}: a route of its own");
    }
    daemon.record(&json!({"kind": "connection", "protocol": "tcp", "reason": "quota.requests"}));
}

#[apply(over_both)]
fn a_relay_ends_with_its_last_byte_and_what_was_used_stays_used_after_a_kill(lab: Lab) {
    const MOST: u64 = 2_000_000;
    let _resolver = lab.resolver(zone());
    raw(&lab);
    let cap = document(
        "BandwidthPolicy",
        "cap",
        "{targetRef: {kind: Agent, name: alice}, down: {maxBytes: 2000000, window: month}}",
    );
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED), ("cap.yaml", &cap)]);
    let mut first = relay(lab.workload(), SOME);
    first.read_exact(&mut [0; HALF]).expect("half a million");
    daemon.kill9();
    daemon.start_again();
    let heard = drained(&mut relay(lab.workload(), ENDLESS));
    let spent = daemon.record(&json!({
        "kind": "connection", "protocol": "tcp", "end": "spent", "reason": "quota.bytes",
        "policy_id": "BandwidthPolicy/cap",
    }));
    let moved = spent["bytes_in"].as_u64().expect("a number");
    // What was charged ahead when it was killed stays charged: as much as had moved, and no more.
    assert!(moved + HALF as u64 <= MOST && moved + 2 * HALF as u64 + 8192 >= MOST, "{spent}");
    assert!(heard as u64 <= moved);
    assert!(is_shut(lab.workload()), "nothing is left");
    daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "quota.bytes", "policy_id": "BandwidthPolicy/cap",
    }));
    assert_eq!(daemon.terminate(), 0);
    daemon.start_again();
    assert!(is_shut(lab.workload()), "nor after an orderly end");
    relay(lab.bob(), SOME).read_exact(&mut [0; HALF]).expect("bob has what he wants");
}

#[apply(over_both)]
fn tls_that_is_passed_through_ends_with_its_last_byte(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    let base = alice_and_gateway("{name: tls, protocol: TLS, tls: {mode: Passthrough}}");
    let all = [
        base,
        document(
            "EgressL4Route",
            "names",
            "{parentRefs: [{kind: EgressGateway, name: default}], rules: [{matches: [{destinationHostnames: [site.example]}]}]}",
        ),
        document(
            "BandwidthPolicy",
            "cap",
            "{targetRef: {kind: EgressL4Route, name: names}, down: {maxBytes: 200000, window: day}}",
        ),
    ];
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &all.join("---\n"))]);
    let mut talk = over_tls(lab.workload(), TLS, NAME, &lab.pki().authority());
    talk.say(get("/download/1000000"));
    let mut heard = 0;
    while let Ok(some) = talk.some()
        && !some.is_empty()
    {
        heard += some.len();
    }
    assert!(heard < 200_000, "{heard}");
    daemon.record(&json!({
        "kind": "connection", "protocol": "tls-passthrough", "end": "spent", "reason": "quota.bytes",
        "policy_id": "BandwidthPolicy/cap", "bytes_in": 200_000,
    }));
}

/// The record of a request that came to its end for want of bytes.
fn spent(daemon: &Daemon<'_>, path: &str) -> Value {
    daemon.record(&json!({"kind": "request", "path": path, "reason": "quota.bytes", "phase": "complete"}))
}

#[apply(over_both)]
fn bodies_end_with_their_last_byte_both_ways(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED)]);
    for (number, mut talk) in talks(&lab, &daemon).enumerate() {
        let cap = "{targetRef: {kind: Agent, name: alice}, down: {maxBytes: 100000, window: day}, up: {maxBytes: 50000, window: day}}";
        put(&daemon, &document("BandwidthPolicy", &format!("cap-{number}"), cap));
        // A body whose length is announced does not begin where there is no room for it.
        let length = 50_001;
        talk.say(format!("POST /announced HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {length}\r\n\r\n"));
        talk.say(vec![b'u'; length]);
        talk.hear().is_refusal(429, "quota.bytes");
        assert_eq!(status(&mut talk, "/download/40000").0, 200);
        let path = format!("/download/{}", 300_000 + number);
        talk.say(get(&path));
        assert!(talk.head().starts_with("HTTP/1.1 200 "));
        let mut heard = 0;
        while let Ok(some) = talk.some()
            && !some.is_empty()
        {
            heard += some.len();
        }
        assert!(heard <= 60_000, "{heard}");
        let row = spent(&daemon, &path);
        assert_eq!(
            (&row["bytes_in"], &row["policy_id"]),
            (&json!(60_000), &json!(format!("BandwidthPolicy/cap-{number}")))
        );
    }
}

#[apply(over_both)]
fn an_upload_without_an_announced_length_ends_with_its_last_byte(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    let cap = document(
        "BandwidthPolicy",
        "cap",
        "{targetRef: {kind: Agent, name: alice}, up: {maxBytes: 50000, window: day}}",
    );
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED), ("cap.yaml", &cap)]);
    let mut talk = plain(lab.workload(), PLAIN);
    talk.say(format!("POST /upload HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    talk.say("ea60\r\n").say([b'u'; 60_000]);
    talk.hear().is_refusal(429, "quota.bytes");
    assert_eq!(spent(&daemon, "/upload")["bytes_out"], 50_000);
    let refused = plain(lab.workload(), PLAIN).ask(get("/download/1"));
    refused.is_refusal(429, "quota.bytes");
}

#[apply(over_both)]
fn a_websocket_ends_with_its_last_byte_both_ways(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED)]);
    let message = frame(2, &[b'm'; 1000]);
    for (direction, field) in [("up", "bytes_out"), ("down", "bytes_in")] {
        for (number, mut talk) in talks(&lab, &daemon).enumerate() {
            let name = format!("cap-{direction}-{number}");
            let cap = format!(
                "{{targetRef: {{kind: Agent, name: alice}}, {direction}: {{maxBytes: 20000, window: day}}}}"
            );
            put(&daemon, &document("BandwidthPolicy", &name, &cap));
            talk.say(upgrade("/ws"));
            assert!(talk.head().starts_with("HTTP/1.1 101 "), "{name}");
            // It ends before the thirtieth message: what is said behind that finds nobody.
            for _ in 0..30 {
                let _ = talk.try_say(&message);
            }
            let mut echoed = 0;
            while let Ok(some) = talk.some()
                && !some.is_empty()
            {
                echoed += some.len();
            }
            assert!(echoed <= 20_000, "{name}: {echoed}");
            let row = daemon.record(&json!({
                "kind": "request", "path": "/ws", "reason": "quota.bytes", "end": "spent", "phase": "complete",
                "policy_id": format!("BandwidthPolicy/{name}"),
            }));
            assert_eq!(row[field], 20_000, "{row}");
        }
    }
}

#[apply(over_both)]
fn what_finds_no_room_under_a_throttling_budget_waits_for_it_whether_it_is_read_or_not(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    raw(&lab);
    let budget = "{targetRef: {kind: Agent, name: alice}, limits: [{unit: bytes, max: 5000, window: day}], mode: Throttle}";
    let files = [("all.yaml", OPENED), ("budget.yaml", &document("BudgetPolicy", "shared", budget))];
    let daemon = lab.daemon(&json!({}), &files);
    let reserved = |amount: u64| {
        eventually("the upload is reserved", || {
            let rows = daemon.cli(&["quota", "show", "shared", "-o", "json"]).json();
            (rows[0]["reserved"] == amount).then_some(())
        });
    };
    // An upload that takes all of it, and says nothing of it yet.
    let upload = || {
        let mut talk = plain(lab.workload(), PLAIN);
        talk.say(format!("POST /upload HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 5000\r\n\r\n"));
        reserved(5000);
        talk
    };
    let first = upload();
    let mut line = relay(lab.workload(), ENDLESS);
    drop(first);
    line.read_exact(&mut [0]).expect("it went as soon as there was room");
    drop(line);
    reserved(0);
    daemon.cli(&["quota", "reset", "shared", "--reason", "once more"]).succeeded();
    let second = upload();
    let mut talk = plain(lab.workload(), PLAIN);
    talk.say(get("/download/10"));
    drop(second);
    assert_eq!(talk.hear().status, 200);
}

#[apply(over_both)]
fn budgets_of_requests_and_bytes_hold_for_what_is_read_and_for_what_is_not(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    raw(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED)]);
    let of_alice = |limit| format!("{{targetRef: {{kind: Agent, name: alice}}, limits: [{limit}]}}");
    put(&daemon, &document("BudgetPolicy", "few", &of_alice("{unit: requests, max: 3, window: day}")));
    let mut talk = plain(lab.workload(), PLAIN);
    assert_eq!([(); 2].map(|()| status(&mut talk, "/download/10").0), [200; 2]);
    relay(lab.workload(), SOME).read_exact(&mut [0; HALF]).expect("the third");
    let refused = talk.ask(get("/download/11"));
    refused.is_refusal(429, "quota.requests");
    assert!(is_shut(lab.workload()));
    let row = daemon.record(&json!({"kind": "request", "path": "/download/11"}));
    assert_eq!(row["policy_id"], "BudgetPolicy/few", "{row}");
    assert!(row["evidence"].as_str().is_some_and(|seen| seen.contains("Agent/alice")), "{row}");
    put(&daemon, &document("BudgetPolicy", "small", &of_alice("{unit: bytes, max: 100000, window: day}")));
    let mut talk = plain(lab.workload(), PLAIN);
    assert_eq!(status(&mut talk, "/download/60000").0, 200);
    let heard = drained(&mut relay(lab.workload(), ENDLESS));
    assert!(heard < 40_000, "{heard}");
    let row = daemon.record(&json!({
        "kind": "connection", "end": "spent", "reason": "quota.bytes", "policy_id": "BudgetPolicy/small",
    }));
    let both = [&row["bytes_in"], &row["bytes_out"]].map(|bytes| bytes.as_u64().expect("a number"));
    assert_eq!(both.iter().sum::<u64>(), 40_000, "both ways count together: {row}");
    let mut bob = plain(lab.bob(), PLAIN);
    assert_eq!(status(&mut bob, "/download/200000").0, 200, "the budget is not his");
}

#[apply(over_both)]
fn a_rule_may_ask_how_much_an_agent_has_used_today(lab: Lab) {
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    let rule = "{targetRef: {kind: Agent, name: alice}, rules: [{name: enough, when: usage.requests_today >= 3, action: Deny, message: Enough for today.}]}";
    let files = [("all.yaml", OPENED), ("rule.yaml", &document("EgressPolicy", "day", rule))];
    let mut daemon = lab.daemon(&json!({}), &files);
    let (mut alice, mut bob) = (plain(lab.workload(), PLAIN), plain(lab.bob(), PLAIN));
    for _ in 0..3 {
        assert_eq!(status(&mut alice, "/download/10").0, 200);
    }
    alice.ask(get("/download/11")).is_refusal(403, "policy.denied");
    daemon.record(&json!({"path": "/download/11", "policy_id": "EgressPolicy/day", "rule": "enough"}));
    for _ in 0..5 {
        assert_eq!(status(&mut bob, "/download/10").0, 200, "nobody counts what bob uses");
    }
    daemon.kill9();
    daemon.start_again();
    plain(lab.workload(), PLAIN).ask(get("/download/12")).is_refusal(403, "policy.denied");
}

#[apply(over_both)]
fn a_bandwidth_of_one_agent_holds_nobody_else_back(lab: Lab) {
    const BODY: usize = 327_680;
    let _resolver = lab.resolver(zone());
    servers(&lab, &["http/1.1"]);
    raw(&lab);
    let slow = document(
        "BandwidthPolicy",
        "slow",
        "{targetRef: {kind: Agent, name: alice}, down: {bytesPerSecond: 1KiB}}",
    );
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED), ("slow.yaml", &slow)]);
    // At this pace either takes minutes.
    let (mut alice, mut line, mut bob) =
        (plain(lab.workload(), PLAIN), relay(lab.workload(), ENDLESS), plain(lab.bob(), PLAIN));
    alice.say(get(&format!("/download/{BODY}")));
    assert!(alice.head().starts_with("HTTP/1.1 200 "));
    for _ in 0..3 {
        assert_eq!(bob.ask(get(&format!("/download/{BODY}"))).body.len(), BODY);
    }
    let mut tcp = alice.tcp().try_clone().expect("a second handle");
    for stream in [&mut tcp, &mut line] {
        stream.set_nonblocking(true).expect("a socket option");
        assert!(drained(stream) < BODY / 2, "alice was as fast as bob");
    }
    daemon.remove_policy("slow.yaml");
    daemon.reload();
    line.set_nonblocking(false).expect("a socket option");
    line.read_exact(&mut [0; BODY]).expect("as fast as it can");
}
