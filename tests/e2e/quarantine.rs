//! Quarantine: nothing of the agent goes out, by whatever way, and what it has open ends; others do not notice.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use serde_json::{Value, json};

use super::approvals::{BOB, SITE, download, is_cut};
use super::dialogue::{PATIENCE, connect, over_tls};
use super::world::{Heard, Line, World, curl};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{Daemon, GATEWAY_V4, GATEWAY_V6, Lab};

/// Everything to the site, and an echo over TCP and UDP in both families, for everybody.
const OPEN: &str = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: site}
spec: {parentRefs: [{name: default}], hostnames: [site.example], rules: [{}]}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: echo}
spec:
  parentRefs: [{name: default}]
  rules: [{matches: [{destinationCIDRs: [192.0.2.13/32, '2001:db8:1::13/128'], ports: [{port: 7000}]}]}]
";
const ECHO: [&str; 2] = ["192.0.2.13:7000", "[2001:db8:1::13]:7000"];

fn quarantine(daemon: &Daemon<'_>, arguments: &[&str]) -> String {
    let command = ["agent", "quarantine", "alice", "--reason", "it shouts"];
    daemon.cli(&[&command, arguments].concat()).succeeded()
}

fn small(world: &World, daemon: &Daemon<'_>, (family, address): (&str, &str)) -> Heard {
    let resolve = format!("site.example:443:{address}");
    world.ask(daemon, &[family, "--resolve", &resolve, "https://site.example/small"])
}

#[test]
fn a_quarantined_agent_is_refused_everywhere_what_it_has_open_ends_and_a_release_lets_it_in() {
    let world = World::new();
    world.lab.backends().echo(ECHO[1], Wire::Plain);
    let daemon = world.gateway(&format!("{BOB}{OPEN}"));
    let mut downloads = SITE.map(|(_, _, place)| (download(&world, &daemon, place), place));
    let mut idle = SITE.map(|(_, _, place)| {
        let mut line = Line::tls(&world, &daemon, "site.example", place);
        assert_eq!(line.ask("GET", "/small").status, 200, "{place}");
        line
    });
    let mut sockets = SITE.map(|(_, _, place)| {
        let mut talk = over_tls(world.lab.workload(), place, "site.example", daemon.authority());
        talk.say(
            "GET /ws HTTP/1.1\r\nHost: site.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        assert!(talk.head().starts_with("HTTP/1.1 101 "), "{place}");
        talk
    });
    let relayed = ECHO.map(|place| {
        let mut stream = connect(world.lab.workload(), place);
        stream.write_all(b"\x01hi").expect("sent");
        stream.read_exact(&mut [0; 3]).expect("an echo");
        stream
    });

    let said = quarantine(&daemon, &[]);
    assert_eq!(said, "alice is quarantined until released\nto end it: clawgress agent release alice\n");
    for (line, place) in &mut downloads {
        is_cut(line, place);
    }
    assert!(idle.iter_mut().all(Line::ended), "nobody speaks on them, and they end too");
    for talk in &mut sockets {
        assert_eq!(talk.some().unwrap_or_default(), b"", "the tunnel is over");
    }
    for mut stream in relayed {
        assert_eq!(stream.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }
    for (family, address, _) in SITE {
        let heard = small(&world, &daemon, (family, address));
        assert_eq!((heard.status, heard.reason()), (403, "identity.quarantined"), "{family}");
        let detail = heard.json()["detail"].as_str().expect("a sentence").to_owned();
        assert!(detail.starts_with("Agent alice is quarantined until an operator releases it."), "{detail}");
        assert!(!detail.contains("shouts"), "why is for operators: {detail}");
        let resolve = format!("site.example:443:{address}");
        let bob = curl(world.lab.bob(), &daemon).args(["-i", family, "--resolve", &resolve]);
        assert_eq!(Heard::of(&bob.arg("https://site.example/small").run()).status, 200, "{family}: bob");
    }
    for place in ECHO {
        let mut stream = connect(world.lab.workload(), place);
        let _ = stream.write_all(b"\x01hi");
        assert_eq!(
            stream.read(&mut [0; 1]).expect_err("a reset").kind(),
            ErrorKind::ConnectionReset,
            "{place}"
        );
    }
    for server in [GATEWAY_V4, GATEWAY_V6] {
        let dig = world.lab.workload().command("dig").args([&format!("@{server}"), "site.example"]);
        let told = dig.run().succeeded();
        assert!(told.contains("NXDOMAIN") && told.contains("identity.quarantined"), "{told}");
    }
    for kind in ["connection", "dns"] {
        let row = daemon.record(&json!({"kind": kind, "decision": "deny", "reason": "identity.quarantined"}));
        assert_eq!(row["evidence"], "it shouts", "{row}");
    }
    daemon
        .record(&json!({"kind": "request", "path": "/ws", "status": 101, "reason": "identity.quarantined"}));
    daemon.record(&json!({"kind": "admin", "action": "agent quarantine", "object": "alice"}));
    daemon.record(&json!({"kind": "system", "action": "agent-quarantined", "object": "alice"}));
    let shown = daemon.cli(&["status"]).succeeded();
    assert!(shown.contains("1 active, 1 quarantined (alice)"), "{shown}");
    let told = daemon.cli(&["explain", "--agent", "alice", "https://site.example/", "-o", "json"]).json();
    let last = told["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
    assert_eq!((&last["stage"], &last["verdict"]), (&json!("identity"), &json!("deny")), "{told}");

    daemon.cli(&["agent", "release", "alice"]).succeeded();
    for (family, address, _) in SITE {
        assert_eq!(small(&world, &daemon, (family, address)).status, 200, "{family}: let in again");
    }
    daemon.record(&json!({"kind": "system", "action": "quarantine-ended", "object": "alice"}));
    let again = daemon.cli(&["agent", "release", "alice"]).failed_with(1);
    assert!(again.contains("is not quarantined"), "{again}");
}

#[test]
fn a_connection_on_which_nobody_has_said_anything_ends_with_a_quarantine_and_with_its_route() {
    let world = World::new();
    world.lab.backends().echo(ECHO[1], Wire::Plain);
    let daemon = world.gateway(&format!("{BOB}{OPEN}"));
    let silent = || {
        ECHO.map(|place| {
            let stream = connect(world.lab.workload(), place);
            let place: SocketAddr = place.parse().expect("an address with a port");
            eventually("it is let through", || {
                let (rows, address) = (daemon.records(&["--kind", "connection"]), place.ip().to_string());
                let lives = |row: &Value| row["destination_address"] == address && row["phase"] == "decision";
                rows.iter().any(lives).then_some(())
            });
            (stream, place)
        })
    };
    let are_cut = |streams: [(TcpStream, SocketAddr); 2], reason: &str| {
        for (mut stream, place) in streams {
            let heard = stream.read(&mut [0; 1]).expect_err("a reset");
            assert_eq!(heard.kind(), ErrorKind::ConnectionReset, "{place}");
            daemon.record(&json!({
                "kind": "connection", "destination_address": place.ip().to_string(), "decision": "deny",
                "reason": reason, "end": "lapsed",
            }));
        }
    };
    let streams = silent();
    quarantine(&daemon, &[]);
    are_cut(streams, "identity.quarantined");
    daemon.cli(&["agent", "release", "alice"]).succeeded();
    let streams = silent();
    daemon.write_policy("routes.yaml", BOB);
    daemon.reload();
    are_cut(streams, "policy.no-route");
}

#[test]
fn a_quarantine_for_a_time_ends_by_itself_and_a_shorter_one_does_not_shorten_it() {
    let world = World::new();
    let daemon = world.gateway(&format!("{BOB}{OPEN}"));
    quarantine(&daemon, &["--for", "3s"]);
    quarantine(&daemon, &["--for", "1s"]);
    let ended = |detail: &str| {
        let rows = daemon.records(&["--kind", "system"]);
        rows.iter().filter(|row| row["action"] == detail).count()
    };
    let site = (SITE[0].0, SITE[0].1);
    crate::lab::backends::within(std::time::Duration::from_secs(10), "both are over", || {
        (ended("quarantine-ended") == 2).then_some(())
    });
    assert_eq!(small(&world, &daemon, site).status, 200);
    let told = daemon.cli(&["agent", "show", "alice"]).succeeded();
    assert!(told.contains("active") && !told.contains("quarantined"), "{told}");
}

#[test]
fn a_quarantine_outlives_a_restart_and_a_crash() {
    let world = World::new();
    let mut daemon = world.gateway(&format!("{BOB}{OPEN}"));
    quarantine(&daemon, &["--for", "1h"]);
    for crash in [false, true] {
        if crash {
            daemon.kill9();
        } else {
            daemon.terminate();
        }
        daemon.start_again();
        for (family, address, _) in SITE {
            let heard = small(&world, &daemon, (family, address));
            assert_eq!(heard.reason(), "identity.quarantined", "crash: {crash}, {family}");
        }
    }
    let unknown = daemon.cli(&["agent", "quarantine", "carol", "--reason", "x"]).failed_with(1);
    assert!(unknown.contains("no agent is named `carol`"), "{unknown}");
}

#[test]
fn a_udp_flow_of_a_quarantined_agent_ends() {
    let lab = Lab::new();
    let places = ["192.0.2.13:4000", "[2001:db8:1::13]:4000"];
    places.iter().for_each(|place| lab.backends().udp_echo(place));
    let route = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: flows}
spec:
  parentRefs: [{name: default}]
  rules: [{matches: [{protocol: UDP, destinationCIDRs: [192.0.2.13/32, '2001:db8:1::13/128'], ports: [{port: 4000}]}]}]
";
    let policies = alice_and_gateway("{name: udp, protocol: UDP}") + route;
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &policies)]);
    let flows = places.map(|place| {
        let to: SocketAddr = place.parse().expect("an address with a port");
        let flow = lab.workload().enter(|| {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let flow = UdpSocket::bind(any).expect("a socket");
            flow.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            flow.connect(to).expect("a route");
            flow
        });
        flow.send(b"ping").expect("sent");
        flow.recv(&mut [0; 64]).expect("an answer");
        flow
    });
    quarantine(&daemon, &[]);
    for (flow, address) in flows.iter().zip(["192.0.2.13", "2001:db8:1::13"]) {
        daemon.record(&json!({
            "kind": "connection", "protocol": "udp", "destination_address": address, "decision": "deny",
            "reason": "identity.quarantined", "datagrams_out": 1, "end": "lapsed",
        }));
        // It hears so by ICMP, now or when it sends again.
        let heard =
            flow.recv(&mut [0; 64]).or_else(|_| flow.send(b"ping").and_then(|_| flow.recv(&mut [0; 64])));
        assert!(heard.is_err(), "{address}: {heard:?}");
    }
}
