//! The resolver that stands in every workload's way: who is answered, what is on record, and which names are believed
//! afterwards.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hostile::query;
use super::probes::{AT_ONCE, BOB, LISTENERS, at, call, lab, refused, route_to, who_is_there};
use crate::lab::backends::Wire;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{
    ALICE_V4, ALICE_V6, BOB_V4, Daemon, Family, GATEWAY_V4, GATEWAY_V6, Lab, Namespace, RESOLVER_V4,
    RESOLVER_V6, UPSTREAM_V4, UPSTREAM_V6, Zone,
};

/// The port of the service behind `db.example`.
const DB: u16 = 5432;

/// A daemon with alice and bob, both allowed to `db.example`, `alias.example` and their like on any port, and to
/// `www.shop.example` on one where nobody is.
fn start(lab: &Lab) -> Daemon<'_> {
    let names = ["db.example", "alias.example", "short.example", "private.example", "mixed.example"];
    // It is looked up, and opens another port than all of these.
    let shop = route_to(&["www.shop.example"])
        .replace("by-name", "shop")
        .replace("[www.shop.example]", "[www.shop.example], ports: [{port: 9}]");
    let all = [alice_and_gateway(LISTENERS), BOB.to_owned(), route_to(&names), shop].join("---\n");
    lab.daemon(&json!({}), &[("all.yaml", &all)])
}

/// `db.example` stands at the upstream, `alias.example` leads there.
fn zone() -> Zone {
    Zone::new().host("db.example", &[UPSTREAM_V4, UPSTREAM_V6]).alias("alias.example", "db.example")
}

fn dig(space: &Namespace, arguments: &[&str]) -> String {
    space.command("dig").args(["+tries=1", "+time=5"]).args(arguments).run().succeeded()
}

/// The connection records to this host's port.
fn connections(daemon: &Daemon<'_>, agent: &str) -> Vec<Value> {
    daemon.records(&["--kind", "connection", "--agent", agent])
}

#[test]
fn queries_to_any_address_are_answered_by_the_gateway_from_the_address_that_was_asked() {
    let lab = lab();
    let resolver = lab.resolver(zone());
    let daemon = start(&lab);
    // Its own addresses, the lab's resolver, and addresses where nobody is.
    let servers =
        [GATEWAY_V4, GATEWAY_V6, RESOLVER_V4, RESOLVER_V6, "203.0.113.99", "2001:db8:99::99", "192.0.2.1"];
    for server in servers {
        let source = if server.contains(':') { ALICE_V6 } else { ALICE_V4 };
        for (transport, protocol) in [("+notcp", "dns-udp"), ("+tcp", "dns-tcp")] {
            // dig takes no answer that comes from another address than the one it asked.
            let kind = if transport == "+tcp" { "AAAA" } else { "A" };
            let expected = if kind == "A" { UPSTREAM_V4 } else { UPSTREAM_V6 };
            let said = dig(lab.workload(), &[&format!("@{server}"), transport, "+short", "db.example", kind]);
            assert_eq!(said.trim(), expected, "{server} {transport}");
            daemon.record(&json!({
                "kind": "dns", "agent_id": "alice", "source_address": source, "decision": "allow", "status": 0,
                "query_name": "db.example", "query_type": kind, "destination_host": "db.example",
                "protocol": protocol, "phase": "complete", "policy_id": "EgressL4Route/by-name", "rule": "rules[0]",
            }));
        }
    }
    assert!(
        resolver.asked().iter().all(|query| query.from.to_string() == "192.0.2.1"),
        "asked past the gateway"
    );
    assert_eq!(daemon.records(&["--kind", "dns"]).len(), 2 * servers.len());
}

#[test]
fn a_name_that_does_not_exist_is_told_and_recorded() {
    let lab = lab();
    let _resolver = lab.resolver(zone());
    let daemon = start(&lab);
    assert!(dig(lab.workload(), &["short.example", "TXT"]).contains("NXDOMAIN"));
    daemon.record(&json!({
        "kind": "dns", "query_name": "short.example", "query_type": "TXT", "decision": "allow", "status": 3,
    }));
}

#[test]
fn an_unregistered_source_is_refused_with_nxdomain_and_its_reason() {
    let lab = lab();
    let resolver = lab.resolver(zone());
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_and_gateway(LISTENERS))]);
    for (server, transport, protocol) in [
        (GATEWAY_V4, "+notcp", "dns-udp"),
        ("192.0.2.53", "+tcp", "dns-tcp"),
        (GATEWAY_V6, "+notcp", "dns-udp"),
        ("2001:db8:99::99", "+tcp", "dns-tcp"),
    ] {
        let said = dig(lab.bob(), &[&format!("@{server}"), transport, "db.example", "AAAA"]);
        assert!(said.contains("status: NXDOMAIN") && said.contains("AUTHORITY: 0"), "{said}");
        let told =
            said.lines().find(|line| line.contains("EDE: 15")).unwrap_or_else(|| panic!("no EDE: {said}"));
        let source = if server.contains(':') { "fd77::3" } else { BOB_V4 };
        let row = daemon.record(&json!({
            "kind": "dns", "decision": "deny", "reason": "identity.unknown", "source_address": source,
            "query_name": "db.example", "query_type": "AAAA", "protocol": protocol, "status": 3,
        }));
        assert!(row.get("agent_id").is_none(), "{row}");
        let id = row["request_id"].as_str().expect("an id");
        assert!(told.contains(&format!("identity.unknown {id}")), "{told} / {row}");
    }
    // Without EDNS the reason has no place.
    let plain = dig(lab.bob(), &["+noedns", "db.example"]);
    assert!(plain.contains("NXDOMAIN") && !plain.contains("EDE"), "{plain}");
    assert!(resolver.asked().is_empty(), "the outside heard of it: {:?}", resolver.asked());
}

#[test]
fn a_hostname_route_opens_raw_tcp_after_the_lookup_and_not_before() {
    let lab = lab();
    let _resolver = lab.resolver(zone());
    who_is_there(&lab, DB);
    let daemon = start(&lab);
    for (to, kind, gateway) in [(UPSTREAM_V4, "A", "192.0.2.1"), (UPSTREAM_V6, "AAAA", "2001:db8:1::1")] {
        refused("not looked up", || call(lab.workload(), &at(to, DB)));
        daemon.record(&json!({
            "kind": "connection", "agent_id": "alice", "destination_address": to, "destination_port": DB,
            "decision": "deny", "reason": "policy.no-route",
        }));
        dig(lab.workload(), &["db.example", kind]);
        assert_eq!(call(lab.workload(), &at(to, DB)).expect("given to alice"), gateway);
        daemon.record(&json!({
            "kind": "connection", "agent_id": "alice", "destination_address": to, "destination_port": DB,
            "decision": "allow", "destination_host": "db.example", "policy_id": "EgressL4Route/by-name",
        }));
    }
}

#[test]
fn a_name_given_to_one_agent_opens_nothing_for_another() {
    let lab = lab();
    let _resolver = lab.resolver(zone());
    who_is_there(&lab, DB);
    let daemon = start(&lab);
    for kind in ["A", "AAAA"] {
        dig(lab.workload(), &["db.example", kind]);
    }
    for to in [UPSTREAM_V4, UPSTREAM_V6] {
        refused("given to alice", || call(lab.bob(), &at(to, DB)));
        daemon.record(&json!({
            "kind": "connection", "agent_id": "bob", "destination_address": to, "decision": "deny",
            "reason": "policy.no-route",
        }));
        call(lab.workload(), &at(to, DB)).expect("given to alice");
    }
    for kind in ["A", "AAAA"] {
        dig(lab.bob(), &["db.example", kind]);
    }
    for to in [UPSTREAM_V4, UPSTREAM_V6] {
        call(lab.bob(), &at(to, DB)).expect("given to bob, too");
    }
    assert!(connections(&daemon, "alice").iter().all(|row| row["decision"] == "allow"));
}

#[test]
fn a_chain_of_aliases_counts_for_the_name_that_was_asked_for() {
    let lab = lab();
    let zone = zone().alias("shop.example", "alias.example").alias("www.shop.example", "shop.example");
    let _resolver = lab.resolver(zone);
    who_is_there(&lab, DB);
    let daemon = start(&lab);
    // The whole chain leads to the same address, and no route opens this port to where it begins.
    let said = dig(lab.workload(), &["+short", "www.shop.example", "A"]);
    assert!(said.contains(UPSTREAM_V4), "{said}");
    refused("an alias is not the name", || call(lab.workload(), &at(UPSTREAM_V4, DB)));
    daemon.record(
        &json!({"kind": "connection", "reason": "policy.no-route", "destination_host": "www.shop.example"}),
    );
    dig(lab.workload(), &["alias.example", "A"]);
    call(lab.workload(), &at(UPSTREAM_V4, DB)).expect("the alias is allowed by name");
    daemon.record(&json!({"kind": "connection", "decision": "allow", "destination_host": "alias.example"}));
}

#[test]
fn a_time_to_live_that_is_over_at_once_refuses_nobody_who_still_uses_the_address() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new().ttl(0).host("short.example", &[UPSTREAM_V4]));
    who_is_there(&lab, DB);
    let daemon = start(&lab);
    dig(lab.workload(), &["short.example", "A"]);
    call(lab.workload(), &at(UPSTREAM_V4, DB)).expect("still believed");
    daemon.record(&json!({"kind": "connection", "decision": "allow", "destination_host": "short.example"}));
}

#[test]
fn a_silent_or_missing_upstream_resolver_is_servfail_in_good_time_and_recorded() {
    let lab = lab();
    // Bound, and never read.
    let silent = lab.upstream().enter(|| UdpSocket::bind((RESOLVER_V4, 53))).expect("a socket");
    let daemon = start(&lab);
    // Clients give up after five seconds: the answer must come before.
    let begun = Instant::now();
    let said = lab.workload().command("dig").args(["+tries=1", "+time=5", "db.example"]).run().succeeded();
    assert!(said.contains("status: SERVFAIL") && said.contains("EDE: 22"), "{said}");
    assert!(begun.elapsed() < Duration::from_millis(4500), "{:?}", begun.elapsed());
    let failed = json!({
        "kind": "dns", "query_name": "db.example", "query_type": "A", "decision": "allow", "status": 2,
        "end": "upstream-failed",
    });
    let row = daemon.record(&failed);
    let seen = row["evidence"].as_str().expect("which upstream, and why");
    assert_eq!(seen, format!("no upstream resolver answered in time: {RESOLVER_V4}:53: no answer in time"));
    drop(silent);
    let begun = Instant::now();
    let said = dig(lab.workload(), &["short.example"]);
    assert!(said.contains("status: SERVFAIL") && begun.elapsed() < AT_ONCE, "{:?} {said}", begun.elapsed());
    daemon.record(
        &json!({"kind": "dns", "query_name": "short.example", "status": 2, "end": "upstream-failed"}),
    );
}

#[test]
fn a_private_address_for_a_public_name_is_refused_where_it_is_used() {
    let lab = lab();
    let zone = Zone::new()
        .host("private.example", &["10.99.0.7", "fd99::7"])
        .host("mixed.example", &[UPSTREAM_V4, "127.0.0.1"]);
    let _resolver = lab.resolver(zone);
    who_is_there(&lab, 80);
    // Somebody is there: without the refusal they would be reached.
    lab.upstream().add_address("10.99.0.7/32");
    lab.upstream().add_address("fd99::7/128");
    let raws = ["10.99.0.7:80", "[fd99::7]:80", "10.99.0.7:5432", "[fd99::7]:5432"]
        .map(|place| lab.backends().raw(place, Wire::Plain, b"reached"));
    let daemon = start(&lab);
    for kind in ["A", "AAAA"] {
        dig(lab.workload(), &["private.example", kind]);
    }
    for to in ["10.99.0.7", "fd99::7"] {
        refused("raw TCP", || call(lab.workload(), &at(to, DB)));
        daemon.record(&json!({
            "kind": "connection", "destination_address": to, "destination_port": DB, "decision": "deny",
            "reason": "destination.private",
        }));
    }
    // By the name alone: the gateway resolves it itself, and looks at its own answer.
    assert_eq!(http_reason(&lab, "private.example", UPSTREAM_V4), "destination.private");
    daemon.record(&json!({
        "kind": "request", "destination_host": "private.example", "decision": "deny",
        "reason": "destination.private",
    }));
    // Of an answer that holds both, only the public address is dialled; who is there speaks no HTTP.
    assert_eq!(http_reason(&lab, "mixed.example", UPSTREAM_V6), "upstream.malformed");
    daemon.record(&json!({
        "kind": "request", "destination_host": "mixed.example", "destination_address": UPSTREAM_V4,
        "reason": "upstream.malformed",
    }));
    assert!(raws.iter().all(crate::lab::backends::Raw::untouched), "a private address was reached");
}

/// The `X-Clawgress-Reason` of a plain HTTP request for a host that is sent to this address.
fn http_reason(lab: &Lab, host: &str, to: &str) -> String {
    let resolve = format!("{host}:80:{to}");
    let url = format!("http://{host}/");
    let curl = lab.workload().command("curl").args(["-sS", "-o", "/dev/null", "--resolve", &resolve]);
    curl.args(["-w", "%header{x-clawgress-reason}", &url]).run().succeeded()
}

#[test]
fn what_is_no_query_is_recorded_as_malformed_and_never_hangs_others() {
    let lab = lab();
    let _resolver = lab.resolver(zone());
    let daemon = start(&lab);
    let answered = lab.workload().enter(|| -> io::Result<usize> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect((GATEWAY_V4, 53))?;
        socket.set_read_timeout(Some(AT_ONCE))?;
        // A header that promises a question, and no question.
        socket.send(&[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
        socket.recv(&mut [0; 512])
    });
    assert!(answered.expect("FORMERR") >= 12);
    daemon.record(
        &json!({"kind": "dns", "agent_id": "alice", "decision": "deny", "reason": "protocol.malformed"}),
    );
    assert_eq!(dig(lab.workload(), &["+short", "db.example", "A"]).trim(), UPSTREAM_V4);
}

#[test]
fn a_query_that_arrives_in_fragments_is_a_query_like_any_other() {
    /// An OPT record for answers of 4096 bytes, with padding (RFC 6891, RFC 7830).
    const PADDING: u16 = 3000;
    let lab = lab();
    let _resolver = lab.resolver(zone());
    let daemon = start(&lab);
    let [high, low] = PADDING.to_be_bytes();
    let [all_high, all_low] = (PADDING + 4).to_be_bytes();
    let option = [0, 0, 41, 16, 0, 0, 0, 0, 0, all_high, all_low, 0, 12, high, low];
    let mut query =
        [&query(Family::V4, "db.example", 7)[..], &option, &vec![0; usize::from(PADDING)]].concat();
    query[11] = 1;
    for (server, source) in
        [(RESOLVER_V4, ALICE_V4), (RESOLVER_V6, ALICE_V6), (GATEWAY_V4, ALICE_V4), (GATEWAY_V6, ALICE_V6)]
    {
        let answer = lab.workload().enter(|| {
            let socket = UdpSocket::bind((source, 0)).expect("a socket");
            socket.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
            socket.connect((server, 53)).expect("a route");
            assert_eq!(
                socket.send(&query).expect("fragments"),
                query.len(),
                "more than the link takes at once"
            );
            let mut answer = [0; 512];
            let length = socket.recv(&mut answer).unwrap_or_else(|error| panic!("{server}: {error}"));
            answer[..length].to_vec()
        });
        assert_eq!((answer[3] & 15, answer[7]), (0, 1), "{server}: one address");
    }
    for source in [ALICE_V4, ALICE_V6] {
        daemon.record(&json!({
            "kind": "dns", "source_address": source, "query_name": "db.example", "decision": "allow",
            "bytes_out": query.len(),
        }));
    }
}
