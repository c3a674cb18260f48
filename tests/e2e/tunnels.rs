//! A real tunnel through DNS, iodine: it comes up where nobody watches, and not through this gateway. And one made of names
//! that are known already: it carries what the bounds let through, by the count of the resolver upstream.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::lab::backends::within;
use crate::lab::program::{Finished, Program, Running};
use crate::lab::{Daemon, GATEWAY_V4, GATEWAY_V6, Lab, Namespace, UPSTREAM_V4, UPSTREAM_V6, Zone};

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
    lab.daemon(&json!({"dns": {"upstreams": [SERVER]}}), &[("all.yaml", &documents(default, routes))])
}

/// Alice, a gateway and these routes.
fn documents(default: &str, routes: &str) -> String {
    format!(
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
    )
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
        assert!(row["evidence"].as_str().is_some_and(|seen| seen.starts_with("example: ")), "{row}");
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

/// Asks all these questions, one after the other, and says how many are refused.
fn refused(lab: &Lab, transport: &str, questions: &[String]) -> usize {
    let list = lab.folder().join("questions");
    std::fs::write(&list, questions.join("\n")).expect("the list of questions");
    let list = list.to_str().expect("a path in plain text");
    let dig = lab.workload().command("dig").args(["+tries=1", "+time=5", "+noall", "+comments", transport]);
    let said = dig.args(["-f", list]).deadline(Duration::from_secs(50)).run().succeeded();
    said.matches("status: NXDOMAIN").count()
}

#[apply(over_both)]
fn known_names_in_any_order_reach_the_world_no_more_often_than_the_bound_says(lab: Lab) {
    let zone = (0..16).fold(Zone::new().ttl(0), |zone, host| {
        zone.host(&format!("a{host}.t.example"), &[UPSTREAM_V4, UPSTREAM_V6])
    });
    let resolver = lab.resolver(zone.host("www.t.org", &[UPSTREAM_V4]));
    let routes = WILDCARD.replace("['*.t.example']", "['*.t.example', '*.t.org']");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &documents("deny-all", &routes))]);
    // Two bits of types and two of flags, with four of names: a byte for each query.
    let kinds = ["A", "AAAA", "HTTPS", "SVCB"].into_iter().cycle();
    let flags = ["+nodnssec", "+dnssec", "+dnssec +cdflag"].into_iter().cycle();
    let questions: Vec<_> = (0..700)
        .zip(kinds.zip(flags))
        .map(|(number, (kind, flag))| format!("a{}.t.example {kind} {flag}", number / 3 % 16))
        .collect();
    assert_eq!(refused(&lab, "+notcp", &questions), 100);
    assert_eq!(resolver.asked().len(), 600);
    let row = daemon.record(&json!({"kind": "dns", "decision": "deny", "reason": "dns.tunnel", "status": 3}));
    assert_eq!(row["evidence"], "example: 601 queries that left within 60 s, 600 are allowed");
    assert_eq!(refused(&lab, "+notcp", &["www.t.org A".to_owned()]), 0, "another zone");
}

#[apply(over_both)]
fn a_name_whose_answer_holds_is_asked_for_as_often_as_one_likes(lab: Lab) {
    let resolver = lab
        .resolver(Zone::new().ttl(300).denial(300, 300).host("www.t.example", &[UPSTREAM_V4, UPSTREAM_V6]));
    let _daemon = lab.daemon(&json!({}), &[("all.yaml", &documents("deny-all", WILDCARD))]);
    let questions: Vec<_> =
        (0..350).flat_map(|_| ["A", "AAAA"]).map(|kind| format!("www.t.example {kind}")).collect();
    assert_eq!(refused(&lab, "+notcp", &questions), 0);
    assert_eq!(resolver.asked().len(), 2);
}

#[apply(over_both)]
fn one_known_name_brings_in_no_more_bytes_than_the_bound_says(lab: Lab) {
    let text: Vec<u8> = std::iter::once(255).chain([b'D'; 255]).collect::<Vec<u8>>().repeat(200);
    let resolver = lab.resolver(Zone::new().ttl(0).raw("dl.t.example", 16, &text));
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &documents("deny-all", WILDCARD))]);
    let questions = vec!["dl.t.example TXT".to_owned(); 10];
    // Five of 51,200 bytes and their heads are 256 KiB, about.
    assert_eq!(refused(&lab, "+tcp", &questions), 5);
    let asked = resolver.asked().iter().filter(|query| query.transport == "tcp").count();
    assert_eq!(asked, 6, "the last one's answer was withheld");
    let row = daemon
        .record(&json!({"kind": "dns", "decision": "deny", "reason": "dns.tunnel", "query_type": "TXT"}));
    let seen = row["evidence"].as_str().expect("evidence");
    assert!(
        seen.starts_with("example: ") && seen.contains(" bytes of answers within 60 s, 262144 are allowed"),
        "{seen}"
    );
}

#[apply(over_both)]
fn names_under_a_suffix_that_no_list_knows_are_counted(lab: Lab) {
    let resolver = lab.resolver(Zone::new());
    let routes = WILDCARD.replace("*.t.example", "*.lan");
    let _daemon = lab.daemon(&json!({}), &[("all.yaml", &documents("deny-all", &routes))]);
    let questions: Vec<_> = (0..300_u128)
        .map(|number| format!("{:024x}.lan A", (number + 1) * 0x0001_9e37_79b9_7f4a_7c15_9d01))
        .collect();
    refused(&lab, "+notcp", &questions);
    assert_eq!(resolver.asked().len(), 10);
}
