//! Throttle rules, by what passes: what is underway when other documents come into force goes at their pace.
//!
//! At the pace of these tests nothing would be over in time: that it is, or that nothing of it is there while another
//! agent has all of it, tells how fast it went. UDP stands in `datagrams`, requests and relays in `rules`.

use std::io;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;

use super::dialogue::{NAME, OPENED, Talk, plain, zone};
use super::streaming::{PLAIN, get, get2, http2, servers, talks};
use super::websocket::{frame, upgrade};
use crate::lab::{Daemon, Lab, Namespace};

/// Alice at 1 KiB a second under a rule of this name, and all others as fast as they can. A pace remembers what it is
/// owed, so each test of a body begins with another.
fn slow(rule: &str) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {{name: pace}}
spec:
  targetRef: {{kind: Agent, name: alice}}
  rules: [{{name: {rule}, action: Throttle, bytesPerSecond: 1024}}]
"
    )
}

/// What fits into the buffers between the ends.
const MESSAGE: usize = 60_000;
/// What takes minutes at that pace.
const BODY: usize = 327_680;

fn gateway<'lab>(lab: &'lab Lab) -> Daemon<'lab> {
    lab.daemon(&json!({}), &[("all.yaml", OPENED)])
}

/// From now on alice is slow.
fn hold_back(daemon: &Daemon<'_>, rule: &str) {
    daemon.write_policy("pace.yaml", &slow(rule));
    daemon.reload();
}

/// Nobody is held back any more.
fn set_free(daemon: &Daemon<'_>) {
    daemon.remove_policy("pace.yaml");
    daemon.reload();
}

/// A WebSocket that sends back what it gets.
fn echo(space: &Namespace) -> Talk {
    let mut talk = plain(space, PLAIN);
    talk.say(upgrade("/ws"));
    assert!(talk.head().starts_with("HTTP/1.1 101 "));
    talk
}

fn say(talk: &mut Talk) {
    talk.say(frame(2, &[b'm'; MESSAGE]));
}

/// The echo, whole.
fn hear(talk: &mut Talk) {
    assert_eq!(talk.bytes(4 + MESSAGE)[4..], [b'm'; MESSAGE]);
}

/// Whether nothing has come.
fn is_silent(talk: &mut Talk) -> bool {
    let tcp = talk.tcp().try_clone().expect("a second handle");
    let bound = tcp.read_timeout().expect("a bound");
    tcp.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket option");
    let heard = talk.some();
    tcp.set_read_timeout(bound).expect("a socket option");
    matches!(heard, Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

#[apply(over_both)]
fn a_websocket_moves_at_the_pace_that_one_agent_has_and_no_other(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let daemon = gateway(&lab);
    hold_back(&daemon, "slow");
    servers(&lab, &["http/1.1"]);
    let (mut alice, mut bob) = (echo(lab.workload()), echo(lab.bob()));
    say(&mut alice);
    for _ in 0..3 {
        say(&mut bob);
        hear(&mut bob);
    }
    assert!(is_silent(&mut alice), "alice was as fast as bob");
    let slow = json!({"kind": "request", "path": "/ws", "agent_id": "alice", "decision": "throttle", "rule": "slow"});
    daemon.record(&slow);
    daemon.record(&json!({"kind": "request", "path": "/ws", "agent_id": "bob", "decision": "allow"}));
}

#[apply(over_both)]
fn a_living_websocket_goes_at_the_pace_of_the_documents_in_force(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let daemon = gateway(&lab);
    servers(&lab, &["http/1.1"]);
    let (mut alice, mut bob) = (echo(lab.workload()), echo(lab.bob()));
    say(&mut alice);
    hear(&mut alice);
    hold_back(&daemon, "added");
    say(&mut alice);
    for _ in 0..3 {
        say(&mut bob);
        hear(&mut bob);
    }
    assert!(is_silent(&mut alice), "the rule that was added holds");
    set_free(&daemon);
    hear(&mut alice);
}

#[apply(over_both)]
fn bodies_that_are_underway_go_at_the_pace_of_the_documents_in_force(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let daemon = gateway(&lab);
    servers(&lab, &["h2", "http/1.1"]);
    for (number, mut talk) in talks(&lab, &daemon).enumerate() {
        hold_back(&daemon, &format!("down-{number}"));
        talk.say(get(&format!("/download/{BODY}")));
        assert!(talk.head().starts_with("HTTP/1.1 200 "));
        talk.bytes(1);
        set_free(&daemon);
        talk.bytes(BODY - 1);
        hold_back(&daemon, &format!("up-{number}"));
        talk.say(format!("POST /upload HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {MESSAGE}\r\n\r\n"));
        talk.say([b'u'; MESSAGE]);
        daemon.record(&json!({"kind": "request", "path": "/upload", "rule": format!("up-{number}")}));
        set_free(&daemon);
        assert_eq!(talk.hear().text(), MESSAGE.to_string());
    }
    hold_back(&daemon, "streams");
    let mut client = http2(&lab, &daemon);
    let mut down = client.send(get2(&format!("/download/{BODY}"))).into_body();
    client.run(down.frame()).expect("a frame").expect("a frame");
    set_free(&daemon);
    client.run(down.collect()).expect("the rest");
    for rule in ["down-0", "up-1", "streams"] {
        daemon.record(&json!({"kind": "request", "decision": "throttle", "rule": rule, "status": 200}));
    }
}
