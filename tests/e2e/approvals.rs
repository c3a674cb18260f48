//! Approvals: what a denial quotes is opened for one agent and for a time, and what lives by it ends with it. Read next:
//! `quarantine`.

use std::fs;
use std::io::{ErrorKind, Read, Write};

use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::dialogue::{connect, over_tls};
use super::http2::Http2;
use super::world::{BASE, Heard, Line, World, curl};
use crate::lab::Daemon;
use crate::lab::backends::eventually;
use crate::lab::daemon::{attempt, prepare};
use crate::lab::services::Feed;

/// Bob, beside alice: what is opened for her is not opened for him.
pub const BOB: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: bob}
spec: {sources: {addresses: [10.77.0.3/32, 'fd77::3/128']}}
";
/// Where `site.example` is, for each family what curl is told and what a connection names.
pub const SITE: [(&str, &str, &str); 2] =
    [("-4", "192.0.2.10", "192.0.2.10:443"), ("-6", "[2001:db8:1::10]", "[2001:db8:1::10]:443")];
/// More than all buffers between the ends hold.
pub const BULK: usize = 64 << 20;

/// Approves as an operator does; the answer.
fn approve(daemon: &Daemon<'_>, arguments: &[&str]) -> Value {
    let finished = daemon.cli(&[&["approve", "-o", "json", "--reason", "INC-1: debug"], arguments].concat());
    finished.succeeded();
    finished.json()
}

fn name_of(approval: &Value) -> &str {
    approval["name"].as_str().expect("a name")
}

fn small(world: &World, daemon: &Daemon<'_>, family: &str) -> Heard {
    world.ask(daemon, &[family, "https://site.example/small"])
}

/// A download that has begun, and is far from its end.
pub fn download(world: &World, daemon: &Daemon<'_>, place: &str) -> Line {
    let mut line = Line::tls(world, daemon, "site.example", place);
    line.send("GET", &format!("/download/{BULK}"));
    assert_eq!(line.head().status, 200, "{place}");
    line.bytes(1 << 20);
    line
}

/// Reads on until the line ends, which has to be before the download does.
pub fn is_cut(line: &mut Line, place: &str) {
    let mut received = 1 << 20;
    while let Some(some) = line.some() {
        received += some;
        assert!(received < BULK, "{place}: the download came to its end");
    }
}

#[test]
fn what_a_denial_quotes_is_approved_by_its_id_is_used_and_ends_with_its_revocation() {
    let world = World::new();
    let daemon = world.gateway(BOB);
    for (family, address, place) in SITE {
        let resolve = format!("site.example:443:{address}");
        let refused = world.ask(&daemon, &[family, "--resolve", &resolve, "https://site.example/small"]);
        assert_eq!((refused.status, refused.reason()), (403, "policy.no-route"), "{family}");
        let problem = refused.json();
        let detail = problem["detail"].as_str().expect("a sentence");
        assert!(detail.contains("ask an operator to approve it"), "{detail}");
        // What the sentence quotes is what the command takes.
        let quoted = detail.rsplit_once("request ").expect("a request").1.trim_end_matches('.');
        daemon.record(&json!({"request_id": problem["request_id"], "decision": "deny"}));

        let approval = approve(&daemon, &[quoted, "--ttl", "2h", "--ticket", "INC-1"]);
        assert_eq!(approval["hosts"], json!(["site.example:443"]), "{approval}");
        assert_eq!((&approval["agent"], &approval["state"]), (&json!("alice"), &json!("active")));
        let name = name_of(&approval);
        assert_eq!(small(&world, &daemon, family).status, 200, "{family}: looked up, and reached");
        let policy = format!("EgressApproval/{name}");
        for kind in ["connection", "request"] {
            daemon.record(
                &json!({"kind": kind, "decision": "allow", "policy_id": policy, "agent_id": "alice"}),
            );
        }
        // Another port is not open, and neither is it for another agent.
        let plain = world.ask(&daemon, &[family, "http://site.example/small"]);
        assert_eq!(plain.reason(), "policy.no-route", "{family}");
        let bob = curl(world.lab.bob(), &daemon).args(["-i", family, "--resolve", &resolve]);
        let bob = Heard::of(&bob.arg("https://site.example/small").run());
        assert_eq!((bob.status, bob.reason()), (403, "policy.no-route"), "{family}: bob");

        let mut running = download(&world, &daemon, place);
        let mut idle = Line::tls(&world, &daemon, "site.example", place);
        assert_eq!(idle.ask("GET", "/small").status, 200);
        let shown = daemon.cli(&["approvals"]).succeeded();
        assert!(
            shown.contains(name) && shown.contains("site.example:443") && shown.contains("active"),
            "{shown}"
        );
        let revoked = daemon.cli(&["revoke", name]).succeeded();
        assert!(revoked.contains("is revoked"), "{revoked}");
        is_cut(&mut running, place);
        assert!(idle.ended(), "{place}: nobody speaks on it, and it ends too");
        daemon.record(&json!({
            "kind": "request", "path": format!("/download/{BULK}"), "decision": "deny", "reason": "policy.no-route",
            "policy_id": policy, "end": "lapsed",
        }));
        let again = world.ask(&daemon, &[family, "--resolve", &resolve, "https://site.example/small"]);
        assert_eq!((again.status, again.reason()), (403, "policy.no-route"), "{family}: as before");
        daemon.record(&json!({"kind": "system", "action": "approval-granted", "object": name}));
        daemon.record(&json!({"kind": "system", "action": "approval-revoked", "object": name}));
        daemon.record(
            &json!({"kind": "admin", "action": "revoke", "object": name, "decision": "allow", "status": 200}),
        );
        let asked = json!({"kind": "admin", "action": "approve", "object": format!("request {quoted}")});
        let evidence = daemon.record(&asked)["evidence"].as_str().expect("who asked").to_owned();
        let done = format!("alice may reach site.example:443 until {}", approval["until"].as_str().unwrap());
        assert!(evidence.starts_with("by root") && evidence.contains(&done), "{evidence}");
        assert!(evidence.ends_with("; ttl 2h, ticket INC-1, reason: INC-1: debug"), "{evidence}");
    }
    let asked = daemon.cli(&["approvals"]);
    asked.succeeded();
    assert!(asked.errors().contains("no approval is in force"), "{asked}");
    let all = daemon.cli(&["approvals", "--all", "-o", "json"]);
    let states: Vec<Value> =
        all.json().as_array().expect("a list").iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["revoked", "revoked"], "history stays");
}

#[test]
fn a_refused_command_stands_in_the_record_with_the_status_and_the_sentence_that_its_caller_got() {
    let world = World::new();
    let mut daemon = world.gateway(BOB);
    let long = ["approve", "alice", "--host", "site.example", "--reason", "forever", "--ttl", "30d"];
    let said = daemon.cli(&long).failed_with(1);
    let sentence = "30d is longer than an approval may last, which is 1d";
    assert!(said.contains(sentence), "{said}");
    let row = daemon.record(&json!({"kind": "admin", "action": "approve", "object": "alice site.example"}));
    let told = (&row["decision"], &row["reason"], &row["status"], &row["phase"]);
    assert_eq!(told, (&json!("deny"), &json!("admin.refused"), &json!(400), &json!("complete")), "{row}");
    let evidence = row["evidence"].as_str().expect("who asked, and what was said");
    assert!(
        evidence.starts_with("by root")
            && evidence.ends_with(&format!(": {sentence}; ttl 30d, reason: forever")),
        "{evidence}"
    );
    daemon.cli(&["agent", "quarantine", "zoe", "--reason", "loud", "--for", "2h"]).failed_with(1);
    let row = daemon.record(&json!({"kind": "admin", "action": "agent quarantine", "object": "zoe"}));
    assert_eq!((&row["status"], &row["decision"]), (&json!(404), &json!("deny")), "{row}");
    assert!(row["evidence"].as_str().is_some_and(|text| text.ends_with("; for 2h, reason: loud")), "{row}");
    // What its caller has heard is written: a crash forgets none of it.
    daemon.cli(&["agent", "release", "zoe"]).failed_with(1);
    daemon.kill9();
    daemon.start_again();
    let found = daemon.cli(&["audit", "search", "--kind", "admin", "--deny"]).succeeded();
    assert_eq!(found.lines().filter(|line| line.contains("admin.refused")).count(), 3, "{found}");
}

#[test]
fn an_approval_ends_by_itself_with_all_that_lives_by_it() {
    let world = World::new();
    let daemon = world.gateway(BOB);
    let approval = approve(&daemon, &["alice", "--host", "site.example", "--ttl", "4s"]);
    let mut running = SITE.map(|(_, _, place)| (download(&world, &daemon, place), place));
    daemon.record(&json!({"kind": "system", "action": "approval-expired", "object": approval["name"]}));
    for (line, place) in &mut running {
        is_cut(line, place);
    }
    for (family, address, _) in SITE {
        let resolve = format!("site.example:443:{address}");
        let refused = world.ask(&daemon, &[family, "--resolve", &resolve, "https://site.example/small"]);
        assert_eq!(refused.reason(), "policy.no-route", "{family}");
    }
    let all = daemon.cli(&["approvals", "--all", "-o", "json"]).json();
    assert_eq!(all[0]["state"], "expired", "{all}");
}

#[test]
fn a_websocket_and_a_relayed_connection_end_with_the_approval_that_opened_them() {
    let world = World::new();
    world.lab.backends().echo("[2001:db8:1::13]:7000", crate::lab::backends::Wire::Plain);
    let daemon = world.gateway(BOB);
    let approval =
        approve(&daemon, &["alice", "--host", "site.example:443", "--host", "raw.example", "--ttl", "1h"]);
    let mut sockets = SITE.map(|(_, _, place)| {
        let mut talk = over_tls(world.lab.workload(), place, "site.example", daemon.authority());
        talk.say(
            "GET /ws HTTP/1.1\r\nHost: site.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        assert!(talk.head().starts_with("HTTP/1.1 101 "), "{place}");
        talk.say(b"\x81\x82\x00\x00\x00\x00hi");
        assert_eq!(talk.bytes(4), b"\x81\x02hi", "{place}");
        talk
    });
    // Its address is given to her with its name.
    let said = world.lab.workload().command("dig").args(["+short", "raw.example"]).run().succeeded();
    assert_eq!(said.trim(), "192.0.2.13");
    let mut relayed = connect(world.lab.workload(), "192.0.2.13:7000");
    relayed.write_all(b"\x01hi").expect("sent");
    relayed.read_exact(&mut [0; 3]).expect("an echo");
    daemon.cli(&["revoke", name_of(&approval)]).succeeded();
    for talk in &mut sockets {
        assert_eq!(talk.some().unwrap_or_default(), b"", "the tunnel is over");
    }
    assert_eq!(relayed.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    daemon.record(&json!({
        "kind": "request", "path": "/ws", "status": 101, "decision": "deny", "reason": "policy.no-route", "end": "lapsed",
    }));
    daemon.record(&json!({
        "kind": "connection", "destination_host": "raw.example", "decision": "deny", "reason": "policy.no-route",
        "end": "lapsed",
    }));
}

#[test]
fn a_download_over_http2_ends_with_the_approval_that_opened_it() {
    let world = World::new();
    let daemon = world.gateway(BOB);
    for (_, _, place) in SITE {
        let approval = approve(&daemon, &["alice", "--host", "site.example:443", "--ttl", "1h"]);
        let authority = (daemon.authority(), &["h2"][..]);
        let mut client = Http2::over_tls(world.lab.workload(), place, "site.example", authority);
        let request = Request::get(format!("https://site.example/download/{BULK}"));
        let request = request.body(Feed::by_hand().1).expect("a request");
        let mut body = client.send(request).into_body();
        client.run(body.frame()).expect("a frame").expect("the download has begun");
        daemon.cli(&["revoke", name_of(&approval)]).succeeded();
        let mut received = 0;
        while let Some(Ok(frame)) = client.run(body.frame()) {
            received += frame.data_ref().map_or(0, bytes::Bytes::len);
            assert!(received < BULK, "{place}: the download came to its end");
        }
        daemon.record(&json!({
            "kind": "request", "protocol": "http/2", "decision": "deny", "reason": "policy.no-route",
            "policy_id": format!("EgressApproval/{}", name_of(&approval)), "end": "lapsed",
        }));
    }
}

#[test]
fn an_approval_opens_nothing_that_a_rule_denies() {
    let world = World::new();
    let vault = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: vault}
spec: {parentRefs: [{name: default}], hostnames: [site.example], rules: [{matches: [{path: {value: /vault}}]}]}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressDenyPolicy
metadata: {name: closed}
spec: {targetRef: {kind: EgressHTTPRoute, name: vault}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: read}
spec: {parentRefs: [{name: default}], hostnames: [site.example], rules: [{matches: [{path: {value: /1MiB}}]}]}
";
    let daemon = world.gateway(&format!("{BOB}{vault}"));
    let ask =
        |family: &str, path: &str| world.ask(&daemon, &[family, &format!("https://site.example{path}")]);
    for (family, _, _) in SITE {
        assert_eq!(ask(family, "/small").reason(), "policy.no-route", "{family}: routes govern the host");
    }
    approve(&daemon, &["alice", "--host", "*.example", "--ttl", "1h"]);
    for (family, _, _) in SITE {
        assert_eq!(ask(family, "/small").status, 200, "{family}: every request to the host passes");
        assert_eq!(ask(family, "/vault").reason(), "policy.denied", "{family}: but for what is denied");
    }
    // A name that leads inside is not given, approved or not.
    let inside = world.lab.workload().command("dig").arg("private.example").run().succeeded();
    assert!(inside.contains("ANSWER: 0"), "{inside}");
    daemon.record(&json!({"kind": "dns", "query_name": "private.example", "reason": "destination.private"}));
}

#[test]
fn what_is_approved_outlives_a_restart_and_a_crash() {
    let world = World::new();
    let mut daemon = world.gateway(BOB);
    let approval = approve(&daemon, &["alice", "--host", "site.example", "--ttl", "1h"]);
    let gone = approve(&daemon, &["alice", "--host", "gone.example", "--ttl", "1h"]);
    daemon.cli(&["revoke", name_of(&gone)]).succeeded();
    for crash in [false, true] {
        if crash {
            daemon.kill9();
        } else {
            daemon.terminate();
        }
        daemon.start_again();
        let found = daemon.cli(&["approvals", "-o", "json"]).json();
        assert_eq!(found, json!([approval]), "crash: {crash}");
        for (family, _, _) in SITE {
            assert_eq!(small(&world, &daemon, family).status, 200, "crash: {crash}, {family}");
        }
    }
}

#[test]
fn a_document_counts_from_its_first_sight_and_neither_reload_nor_restart_begins_it_anew() {
    let world = World::new();
    let mut daemon = world.gateway(BOB);
    let document = |reason: &str| {
        format!(
            "apiVersion: kars.azure.com/v1alpha1\nkind: EgressApproval\nmetadata: {{name: debug, namespace: kars-system}}\n\
             spec: {{sandbox: alice, hosts: [{{host: site.example, port: 443}}], reason: \"{reason}\", ttl: PT2H}}\n"
        )
    };
    let stands = |daemon: &Daemon<'_>| {
        eventually("the document counts", || {
            let found = daemon.cli(&["approvals", "-o", "json"]).json();
            (found[0]["state"] == "active").then(|| found[0].clone())
        })
    };
    daemon.write_policy("debug.yaml", &document("INC-1"));
    daemon.reload();
    let first = stands(&daemon);
    assert!(first["made_by"].as_str().expect("a place").ends_with("policies.d/debug.yaml:1"), "{first}");
    for (family, _, _) in SITE {
        assert_eq!(small(&world, &daemon, family).status, 200, "{family}");
    }
    daemon.record(&json!({"kind": "request", "policy_id": "EgressApproval/debug", "decision": "allow"}));
    daemon.record(&json!({"kind": "system", "action": "approval-granted", "object": "debug"}));
    daemon.write_policy("debug.yaml", &format!("# seen before\n---\n{}", document("INC-1")));
    daemon.reload();
    daemon.terminate();
    daemon.start_again();
    assert_eq!(stands(&daemon)["until"], first["until"], "the same document");
    let refused = daemon.cli(&["revoke", "debug"]).failed_with(1);
    assert!(refused.contains("stands in a file") && refused.contains("debug.yaml"), "{refused}");
    daemon.write_policy("debug.yaml", &document("INC-2"));
    daemon.reload();
    assert_ne!(stands(&daemon)["until"], first["until"], "another one");
    let mut running = SITE.map(|(_, _, place)| (download(&world, &daemon, place), place));
    daemon.remove_policy("debug.yaml");
    daemon.reload();
    for (line, place) in &mut running {
        is_cut(line, place);
    }
}

#[test]
fn an_approval_whose_document_is_gone_is_over_when_the_reload_returns() {
    let world = World::new();
    let daemon = world.gateway(BOB);
    let document = "apiVersion: clawgress.io/v1alpha1\nkind: EgressApproval\nmetadata: {name: debug}\n\
                    spec: {agent: alice, hosts: [{host: site.example}], reason: INC-1, ttl: PT2H}\n";
    let file = "debug.yaml";
    daemon.write_policy(file, document);
    daemon.reload();
    let listed = || daemon.cli(&["approvals", "-o", "json"]).json();
    eventually("the document counts", || (listed()[0]["state"] == "active").then_some(()));
    // Something is to be written down, and cannot be.
    let other = rusqlite::Connection::open(daemon.state().join("registry.db")).expect("the registry");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    daemon.cli(&["agent", "quarantine", "bob", "--reason", "loud"]).failed_with(75);
    daemon.remove_policy(file);
    daemon.reload();
    for (family, address, _) in SITE {
        let resolve = format!("site.example:443:{address}");
        let refused = world.ask(&daemon, &[family, "--resolve", &resolve, "https://site.example/small"]);
        assert_eq!(refused.reason(), "policy.no-route", "{family}");
    }
    other.execute_batch("ROLLBACK").expect("the lock's end");
}

#[test]
fn a_locked_database_slows_no_decision_opens_nothing_and_is_named() {
    let world = World::new();
    let mut daemon = world.gateway(BOB);
    approve(&daemon, &["alice", "--host", "site.example", "--ttl", "1h"]);
    let other = rusqlite::Connection::open(daemon.state().join("registry.db")).expect("the registry");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");

    let refused = daemon.cli(&["approve", "bob", "--host", "site.example", "--reason", "x", "--ttl", "1h"]);
    let said = refused.failed_with(75);
    assert!(said.contains("nothing was approved") && said.contains("locked"), "{said}");
    for (family, address, _) in SITE {
        assert_eq!(small(&world, &daemon, family).status, 200, "{family}: what stands counts");
        let resolve = format!("site.example:443:{address}");
        let bob = curl(world.lab.bob(), &daemon).args(["-i", family, "--resolve", &resolve]);
        let bob = Heard::of(&bob.arg("https://site.example/small").run());
        assert_eq!(bob.reason(), "policy.no-route", "{family}: what was not written opens nothing");
    }
    // What shuts out counts at once, and says that it is not written down.
    let shut = daemon.cli(&["agent", "quarantine", "alice", "--reason", "loud"]);
    let said = shut.failed_with(75);
    assert!(said.contains("quarantined from now on") && said.contains("cannot be written down"), "{said}");
    for (family, address, _) in SITE {
        let resolve = format!("site.example:443:{address}");
        let heard = world.ask(&daemon, &[family, "--resolve", &resolve, "https://site.example/small"]);
        assert_eq!(heard.reason(), "identity.quarantined", "{family}");
    }
    let kept = daemon.cli(&["agent", "release", "alice"]).failed_with(75);
    assert!(kept.contains("stays quarantined"), "{kept}");
    let shown = daemon.cli(&["status"]).succeeded();
    assert!(shown.contains("locked") && shown.contains("registry.db"), "{shown}");

    other.execute_batch("ROLLBACK").expect("the lock's end");
    eventually("it is written down", || {
        let status = daemon.status();
        status["registry"]["failure"].is_null().then_some(())
    });
    daemon.kill9();
    daemon.start_again();
    let shown = daemon.cli(&["agent", "show", "alice"]).succeeded();
    assert!(shown.contains("quarantined"), "{shown}");
}

#[test]
fn a_registry_that_is_lost_is_named_while_it_is_missed_and_no_start_forgets_it() {
    let world = World::new();
    let mut daemon = world.gateway(BOB);
    approve(&daemon, &["alice", "--host", "site.example", "--ttl", "1h"]);
    daemon.cli(&["agent", "quarantine", "bob", "--reason", "loud"]).succeeded();
    let kept = world.lab.folder().join("kept");
    fs::create_dir_all(&kept).expect("a folder");
    let files = ["registry.db", "registry.db-wal", "registry.db-shm"];
    for name in files {
        fs::rename(daemon.state().join(name), kept.join(name)).expect("a file of the registry");
    }
    let said = daemon
        .cli(&["approve", "alice", "--host", "paste.example", "--reason", "x", "--ttl", "1h"])
        .failed_with(75);
    assert!(said.contains("removed or replaced"), "{said}");
    for (family, _, _) in SITE {
        assert_eq!(small(&world, &daemon, family).status, 200, "{family}: what stands counts");
    }
    assert!(daemon.cli(&["status"]).succeeded().contains("removed or replaced"));
    daemon.terminate();

    let start = attempt(&world.lab, daemon.config());
    let said = start.failed_with(71);
    assert!(said.contains("is gone, and with it every approval, quarantine and secret"), "{said}");
    assert!(said.contains("registry.mark"), "what to do: {said}");
    fs::write(daemon.state().join("registry.db"), "nonsense".repeat(1000)).expect("nonsense");
    let said = attempt(&world.lab, daemon.config()).failed_with(71);
    assert!(said.contains("cannot use the registry"), "{said}");
    for name in files {
        fs::rename(kept.join(name), daemon.state().join(name)).expect("a file of the registry");
    }
    daemon.start_again();
    let agents = daemon.cli(&["agent", "list", "-o", "json"]).json();
    let states: Vec<_> = agents.as_array().expect("a list").iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["active", "quarantined"], "put back");
}

#[test]
fn what_cannot_be_approved_says_why_and_opens_nothing() {
    let world = World::new();
    let settings = json!({"approvals": {"maxTtl": "1h"}});
    let daemon = world.lab.daemon(&settings, &[("base.yaml", BASE), ("bob.yaml", BOB)]);
    for (arguments, why) in [
        (&["alice", "--host", "site.example", "--ttl", "2h"][..], "longer than an approval may last"),
        (&["alice", "--host", "192.0.2.10", "--ttl", "1h"], "is an IP address"),
        (&["alice", "--host", "site.example:0", "--ttl", "1h"], "port"),
        (&["alice", "--host", "*", "--ttl", "1h"], "host `*`"),
        (&["alice", "--host", "dns.google", "--ttl", "1h"], "encrypted DNS resolver"),
        (&["carol", "--host", "site.example", "--ttl", "1h"], "no agent is named `carol`"),
        (&["0199c0de-7a31", "--ttl", "1h"], "nothing on record"),
    ] {
        let said = daemon.cli(&[&["approve", "--reason", "x"], arguments].concat()).failed_with(1);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    assert_eq!(daemon.cli(&["approvals", "-o", "json"]).json(), json!([]));
    let config = prepare(&world.lab, &json!({"approvals": {"maxTtl": "8d"}}), &[]);
    let said = daemon.cli(&["validate", "--config", config.to_str().expect("a path")]);
    assert!(said.errors().contains("more than 7 days") || said.text().contains("more than 7 days"), "{said}");
}

#[test]
fn explain_tells_which_approval_opens_and_how_to_make_one() {
    let world = World::new();
    let daemon = world.gateway(BOB);
    let explain =
        || daemon.cli(&["explain", "--agent", "alice", "https://site.example/", "-o", "json"]).json();
    let told = explain();
    let last = told["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
    assert_eq!((&last["stage"], &last["verdict"]), (&json!("approvals"), &json!("deny")), "{told}");
    let hint = "clawgress approve alice --host site.example:443 --ttl 2h";
    assert!(told["hints"][1].as_str().expect("a hint").contains(hint), "{told}");
    let approval = approve(&daemon, &["alice", "--host", "site.example:443", "--ttl", "2h"]);
    let told = explain();
    let policy = format!("EgressApproval/{}", name_of(&approval));
    assert_eq!((&told["allowed"], &told["policy"]), (&json!(true), &json!(policy)), "{told}");
    let last = told["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
    assert_eq!((&last["stage"], &last["verdict"]), (&json!("approvals"), &json!("allow")), "{told}");
}
