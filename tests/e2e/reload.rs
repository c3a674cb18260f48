//! `reload`, SIGHUP and file change swap the set without dropping a connection; an invalid set leaves the old one in
//! force and says so.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::dialogue::connect;
use super::world::{BASE, Heard, Line, ROUTES, World};
use crate::lab::Daemon;
use crate::lab::backends::{Wire, eventually};

/// Bytes of the download that runs while sets are swapped: more than all buffers between the ends hold.
const BULK: usize = 64 << 20;

/// How a changed set is put in force.
type Swap = fn(&Daemon<'_>);

/// Waits until the set on disk is in force, whoever put it there.
fn taken(daemon: &Daemon<'_>) {
    eventually("the set on disk is in force", || {
        (daemon.status()["policy"]["on_disk"] == "same").then_some(())
    });
}

fn swapped(world: &World, name: &str, swap: Swap) {
    let daemon = world.gateway(ROUTES);
    let before = daemon.status()["policy"]["digest"].clone();
    let mut kept = Line::tls(world, &daemon, "site.example", "192.0.2.10:443");
    assert_eq!(kept.ask("GET", "/small").status, 200, "{name}");
    let mut download = Line::tls(world, &daemon, "site.example", "192.0.2.10:443");
    download.send("GET", &format!("/download/{BULK}"));
    assert_eq!(download.head().status, 200, "{name}");
    download.bytes(1 << 20);

    daemon.write_policy("routes.yaml", &ROUTES.replace("method: GET", "method: HEAD"));
    swap(&daemon);
    taken(&daemon);
    let after = daemon.status()["policy"]["digest"].clone();
    assert_ne!(before, after, "{name}");

    let heard = kept.ask("GET", "/small");
    assert_eq!((heard.status, heard.reason()), (403, "policy.no-route"), "{name}: the same connection");
    let id = heard.json()["request_id"].clone();
    let record = daemon.record(&json!({"request_id": id}));
    assert_eq!(record["policy_digest"], after, "{name}");
    let first = daemon.record(&json!({"kind": "request", "path": "/small", "decision": "allow"}));
    assert_eq!(first["policy_digest"], before, "{name}");
    assert_eq!(record["connection_id"], first["connection_id"], "{name}: one connection, two sets");

    assert_eq!(download.bytes(BULK - (1 << 20)).len(), BULK - (1 << 20), "{name}: what runs goes on");
    let path = format!("/download/{BULK}");
    daemon.record(&json!({"path": path, "status": 200, "bytes_in": BULK, "decision": "allow"}));
    daemon.record(&json!({"kind": "system", "action": "policy-loaded", "object": after}));

    daemon.write_policy("routes.yaml", ROUTES);
    swap(&daemon);
    taken(&daemon);
    assert_eq!(kept.ask("GET", "/small").status, 200, "{name}: back, on the same connection");
}

#[apply(over_both)]
fn reload_swaps_the_set_without_dropping_a_connection(world: World) {
    swapped(&world, "reload", |daemon| daemon.reload());
}

#[apply(over_both)]
fn sighup_swaps_the_set_without_dropping_a_connection(world: World) {
    swapped(&world, "SIGHUP", |daemon| daemon.hang_up());
}

#[apply(over_both)]
fn a_file_change_swaps_the_set_without_dropping_a_connection(world: World) {
    swapped(&world, "file change", |_| {});
}

#[apply(over_both)]
fn an_invalid_set_leaves_the_old_one_in_force_and_says_so_until_it_is_mended(world: World) {
    let daemon = world.gateway(ROUTES);
    let digest = daemon.status()["policy"]["digest"].clone();
    let mut line = Line::tls(&world, &daemon, "site.example", "192.0.2.10:443");
    assert_eq!(line.ask("GET", "/small").status, 200);
    let broken =
        ROUTES.replace("hostnames: [site.example]\n  rules:\n", "hostname: [site.example]\n  rules:\n");
    assert_ne!(broken, ROUTES);
    daemon.write_policy("routes.yaml", &broken);

    let reload = daemon.cli(&["reload"]);
    let said = reload.failed_with(1);
    assert!(said.contains("unknown field `hostname`"), "{reload}");
    assert!(said.contains("policies.d/routes.yaml:7:3"), "file, line and column: {reload}");
    assert!(said.contains("did you mean `hostnames`?"), "a hint: {reload}");
    assert!(reload.text().contains("unchanged"), "{reload}");

    let status = daemon.status();
    assert_eq!(status["policy"]["digest"], digest, "in force: the old set");
    let errors = status["policy"]["on_disk"]["errors"].as_array().expect("errors on disk");
    assert!(errors.iter().any(|one| (&one["line"], &one["column"]) == (&json!(7), &json!(3))), "{status}");
    let shown = daemon.cli(&["status"]).succeeded();
    let last = shown.lines().last().expect("a last line");
    assert!(last.starts_with("policies.d does not load (") && last.contains("clawgress validate"), "{shown}");
    daemon.record(&json!({"kind": "system", "action": "policy-refused"}));

    assert_eq!(line.ask("GET", "/small").status, 200, "the old set allows it");
    let fresh = world.ask(&daemon, &["-X", "PUT", "https://site.example/small"]);
    assert_eq!((fresh.status, fresh.reason()), (403, "policy.no-route"), "the old set refuses it");
    let record = daemon.record(&json!({"http_method": "PUT", "reason": "policy.no-route"}));
    assert_eq!(record["policy_digest"], digest);

    daemon.write_policy("routes.yaml", &ROUTES.replace("method: GET", "method: PUT"));
    taken(&daemon);
    let heard = line.ask("PUT", "/status/201");
    assert_eq!(heard.status, 201, "mended, and in force by itself");
    let shown = daemon.cli(&["status"]).succeeded();
    assert!(shown.ends_with("nothing needs you\n"), "{shown}");
}

#[test]
fn settings_that_changed_since_the_start_are_named_by_reload_and_by_status_until_they_are_in_force() {
    let world = World::new();
    let mut daemon = world.gateway(ROUTES);
    let as_started = std::fs::read_to_string(daemon.config()).expect("the settings");
    let written = |text: &str| std::fs::write(daemon.config(), text).expect("the settings");
    let said = |daemon: &Daemon<'_>| {
        let reload = daemon.cli(&["reload"]);
        reload.succeeded();
        let needs = daemon.status()["needs"].clone();
        (reload.errors(), needs[0].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(said(&daemon), (String::new(), String::new()), "nothing has changed");
    written(&format!("{as_started}\n"));
    assert_eq!(said(&daemon), (String::new(), String::new()), "the same settings in other bytes");

    let changed =
        as_started.replacen("\"dns\": {", "\"dns\": {\"denyResolvers\": [\"doh.corp.example\"], ", 1);
    assert_ne!(changed, as_started);
    written(&changed);
    let need = "clawgress.yaml has changed since the start: systemctl restart clawgressd";
    let (warned, needed) = said(&daemon);
    assert!(warned.contains(&format!("warning: {need}")), "{warned}");
    assert_eq!(needed, need);
    assert!(daemon.cli(&["status"]).succeeded().ends_with(&format!("{need}\n")));
    let json = daemon.cli(&["reload", "-o", "json"]).json();
    assert_eq!(json["diagnostics"][0]["severity"], "warning", "{json}");

    written(&as_started.replacen("\"dns\"", "\"dsn\"", 1));
    let (warned, needed) = said(&daemon);
    assert!(warned.contains("clawgress.yaml cannot be used as it is now"), "{warned}");
    assert!(needed.contains("clawgress validate --config"), "{needed}");

    written(&changed);
    daemon.terminate();
    daemon.start_again();
    assert_eq!(said(&daemon), (String::new(), String::new()), "in force");
}

#[apply(over_both)]
fn an_agent_removed_from_the_set_is_unknown_at_its_next_request(world: World) {
    let daemon = world.gateway(ROUTES);
    let mut line = Line::tls(&world, &daemon, "site.example", "192.0.2.10:443");
    let mut plain = Line::plain(&world, "site.example", "192.0.2.10:80");
    assert_eq!(line.ask("GET", "/small").status, 200);
    assert_eq!(plain.ask("GET", "/small").status, 200);
    daemon.write_policy(
        "base.yaml",
        &BASE
            .replace("name: alice", "name: carol")
            .replace("10.77.0.2/32", "10.77.0.9/32")
            .replace("fd77::2/128", "fd77::9/128"),
    );
    daemon.reload();
    for (line, place) in [(&mut line, "TLS"), (&mut plain, "plain HTTP")] {
        let heard = line.ask("GET", "/small");
        assert_eq!((heard.status, heard.reason()), (403, "identity.unknown"), "{place}");
        let id = heard.json()["request_id"].clone();
        let record = daemon.record(&json!({"request_id": id}));
        assert_eq!((&record["reason"], &record["decision"]), (&json!("identity.unknown"), &json!("deny")));
    }
    let fresh: Heard =
        world.ask(&daemon, &["--resolve", "site.example:443:192.0.2.10", "https://site.example/small"]);
    assert_eq!(fresh.reason(), "identity.unknown");
}

#[apply(over_both)]
fn a_daemon_that_starts_with_an_invalid_set_refuses_everything_until_it_is_mended(world: World) {
    let daemon = world.gateway("kind: Nonsense\n");
    let shown = daemon.cli(&["status"]).succeeded();
    assert!(shown.contains("does not load"), "{shown}");
    let ask =
        || world.ask(&daemon, &["--resolve", "site.example:80:192.0.2.10", "http://site.example/small"]);
    assert_eq!(ask().reason(), "identity.unknown");
    daemon.write_policy("routes.yaml", ROUTES);
    daemon.reload();
    assert_eq!(ask().status, 200);
    daemon.record(&json!({"kind": "admin", "action": "reload", "decision": "allow"}));
}

#[test]
fn what_a_network_opened_is_shut_with_its_route_on_living_connections_too() {
    let world = World::new();
    let network = "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: network}\nspec:\n  \
                   parentRefs: [{kind: EgressGateway, name: default}]\n  \
                   rules: [{matches: [{destinationCIDRs: [192.0.2.10/32, '2001:db8:1::10/128']}]}]\n";
    let policies = [("base.yaml", BASE), ("routes.yaml", ROUTES), ("network.yaml", network)];
    let daemon = world.lab.daemon(&json!({}), &policies);
    // A name that nobody looked up: the network alone lets it lead there.
    let mut lines =
        ["192.0.2.10:80", "[2001:db8:1::10]:80"].map(|to| Line::plain(&world, "site.example", to));
    for line in &mut lines {
        assert_eq!(line.ask("GET", "/small").status, 200);
    }
    daemon.remove_policy("network.yaml");
    daemon.reload();
    for line in &mut lines {
        let heard = line.ask("GET", "/small");
        assert_eq!((heard.status, heard.reason()), (421, "name.unverified"));
    }
}

#[test]
fn a_relayed_connection_ends_with_the_route_that_opened_it_and_no_other_does() {
    let world = World::new();
    let network = |name: &str, address: &str| {
        format!(
            "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: {name}}}\nspec:\n  \
             parentRefs: [{{kind: EgressGateway, name: default}}]\n  \
             rules: [{{matches: [{{destinationCIDRs: ['{address}'], ports: [{{port: 7000}}]}}]}}]\n"
        )
    };
    let second = ["192.0.2.17:7000", "[2001:db8:1::17]:7000"];
    let first = ["192.0.2.18:7000", "[2001:db8:1::18]:7000"];
    first.iter().chain(&second).for_each(|place| world.lab.backends().echo(place, Wire::Plain));
    let (going, staying) = (
        network("going", "192.0.2.18/32") + "---\n" + &network("going6", "2001:db8:1::18/128"),
        network("staying", "192.0.2.17/32") + "---\n" + &network("staying6", "2001:db8:1::17/128"),
    );
    let policies = [("base.yaml", BASE), ("going.yaml", going.as_str()), ("staying.yaml", staying.as_str())];
    let daemon = world.lab.daemon(&json!({}), &policies);
    let open = |place: &str| {
        let mut stream = connect(world.lab.workload(), place);
        echoed(&mut stream);
        stream
    };
    let (ending, mut living) = (first.map(open), second.map(open));
    daemon.remove_policy("going.yaml");
    daemon.reload();
    for mut stream in ending {
        assert_eq!(stream.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }
    living.iter_mut().for_each(echoed);
    for address in ["192.0.2.18", "2001:db8:1::18"] {
        daemon.record(&json!({
            "kind": "connection", "destination_address": address, "decision": "deny", "reason": "policy.no-route", "bytes_in": 3,
        }));
    }
}

fn echoed(stream: &mut TcpStream) {
    stream.write_all(b"\x01hi").expect("sent");
    let mut back = [0; 3];
    stream.read_exact(&mut back).expect("an echo");
    assert_eq!(&back, b"\x01hi");
}
