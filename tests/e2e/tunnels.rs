//! A real tunnel through DNS, iodine: it comes up where nobody watches, and not through this gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::lab::backends::within;
use crate::lab::program::{Finished, Program, Running};
use crate::lab::{Daemon, GATEWAY_V4, GATEWAY_V6, Lab, Namespace};

/// The zone that the tunnel's server answers for.
const ZONE: &str = "t.example";
/// Where that server is: the resolver that the gateway asks.
const SERVER: &str = "192.0.2.19";
/// What the client says once bytes can pass.
const UP: &str = "Connection setup complete";

/// The types of records that the client can use, with long names and with short ones.
const TYPES: [&str; 7] = ["NULL", "PRIVATE", "TXT", "CNAME", "MX", "SRV", "A"];

/// Waits until a program has said this.
fn says(log: &Path, text: &str) {
    within(Duration::from_secs(20), text, || {
        std::fs::read_to_string(log).ok().filter(|said| said.contains(text))
    });
}

/// The tunnel's server in the outside world, ready.
fn server(lab: &Lab) -> Running {
    let log = lab.folder().join("iodined.log");
    let program = lab.upstream().command("iodined").args(["-f", "-c", "-P", "secret", "-l", SERVER]);
    let running = program.args(["-d", "dns0", "10.99.0.1/27", ZONE]).start_logged(&log);
    says(&log, "Listening to dns for domain");
    running
}

/// The tunnel's client, which asks this resolver.
fn client(space: &Namespace, resolver: &str, arguments: &[&str]) -> Program {
    let program = space.command("iodine").args(["-f", "-r", "-P", "secret"]);
    program.args(arguments).args([resolver, ZONE]).deadline(Duration::from_secs(30))
}

/// A gateway whose upstream resolver is the tunnel's server.
fn gateway<'lab>(lab: &'lab Lab, default: &str, routes: &str) -> Daemon<'lab> {
    let base = format!(
        "apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {{name: alice}}
spec: {{sources: {{addresses: [10.77.0.2/32, 'fd77::2/128']}}}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {{name: default}}
spec: {{defaultPolicy: {default}, listeners: [{{name: tls, protocol: TLS, tls: {{mode: Terminate}}}}, {{name: tcp, protocol: TCP}}]}}
{routes}"
    );
    lab.daemon(&json!({"dns": {"upstreams": [SERVER]}}), &[("all.yaml", &base)])
}

const WILDCARD: &str = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: zone}
spec: {parentRefs: [{name: default}], hostnames: ['*.t.example'], rules: [{}]}
";

fn did_not_come_up(what: &str, finished: &Finished) {
    let said = finished.text() + &finished.errors();
    assert!(!said.contains(UP), "{what}: {said}");
    // It got as far as asking: what stopped it is not a client that does not run.
    assert!(said.contains("Sending DNS queries for t.example to"), "{what}: {said}");
}

#[test]
fn the_tunnel_comes_up_where_nobody_watches() {
    let lab = Lab::new();
    let _server = server(&lab);
    // All at once: each has a device of its own.
    let clients: Vec<(Running, PathBuf)> = TYPES
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            let log = lab.folder().join(format!("iodine-{kind}.log"));
            let device = format!("dns{number}");
            (client(lab.gateway(), SERVER, &["-T", kind, "-d", &device]).start_logged(&log), log)
        })
        .collect();
    for (_client, log) in &clients {
        says(log, UP);
    }
}

/// Runs the client in every way, each time with a guard that has seen nothing.
fn never_comes_up(default: &str, routes: &str, more: &[&str]) {
    let lab = Lab::new();
    let _server = server(&lab);
    let mut daemon = gateway(&lab, default, routes);
    for (turn, kind) in TYPES.into_iter().enumerate() {
        if turn > 0 {
            daemon.terminate();
            daemon.start_again();
        }
        let resolver = if turn % 2 == 0 { GATEWAY_V4 } else { GATEWAY_V6 };
        let finished = client(lab.workload(), resolver, &[&["-T", kind], more].concat()).run();
        did_not_come_up(kind, &finished);
        let refused = json!({"kind": "dns", "agent_id": "alice", "decision": "deny", "reason": "dns.tunnel", "status": 3});
        let row = daemon.record(&refused);
        assert!(row["evidence"].as_str().is_some_and(|seen| seen.starts_with("t.example: ")), "{row}");
    }
}

#[test]
fn it_does_not_come_up_through_allow_all() {
    never_comes_up("allow-all", "", &[]);
}

#[test]
fn it_does_not_come_up_through_a_wildcard() {
    never_comes_up("deny-all", WILDCARD, &[]);
}

#[test]
fn it_does_not_come_up_with_short_names_and_without_probing() {
    never_comes_up("allow-all", "", &["-M", "60", "-m", "100", "-O", "base32", "-L", "0"]);
}
