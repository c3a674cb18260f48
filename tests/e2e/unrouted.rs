//! Destinations for which the gateway's host has no route, or one that says no: refused and recorded like all else,
//! where the kernel alone would drop them unseen. Never asks who is right about the route.

use serde_json::json;

use super::probes::{OPEN, SHUT, UPSTREAM, ask, at, call, counted, fail_mode, lab, packet, refused};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::topology::ip;
use crate::lab::{Daemon, Lab};

/// Without a route at all, and with one of each kind that says no.
const NOWHERE: [[&str; 2]; 4] = [
    ["198.51.100.1", "2001:db8:99::1"],
    ["198.51.100.2", "2001:db8:99::2"],
    ["198.51.100.3", "2001:db8:99::3"],
    ["198.51.100.4", "2001:db8:99::4"],
];

fn all() -> impl Iterator<Item = &'static str> {
    NOWHERE.into_iter().flatten()
}

/// A lab with these routes.
fn nowhere() -> Lab {
    let lab = lab();
    ip(Some(lab.gateway()), "route del default\nroute del default via 2001:db8:1::10\n");
    for ([v4, v6], kind) in NOWHERE[1..].iter().zip(["blackhole", "unreachable", "prohibit"]) {
        ip(Some(lab.gateway()), &format!("route add {kind} {v4}/32\nroute add {kind} {v6}/128\n"));
    }
    lab
}

/// `alice`, who may send UDP to port `OPEN` of all these.
fn start<'lab>(lab: &'lab Lab, mode: &str) -> Daemon<'lab> {
    let policy = alice_and_gateway("{name: tcp, protocol: TCP}, {name: udp, protocol: UDP}")
        + "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: flows}\nspec:\n  \
           parentRefs: [{kind: EgressGateway, name: default}]\n  rules: [{matches: [{protocol: UDP, \
           destinationCIDRs: [198.51.100.0/24, \"2001:db8:99::/64\"], ports: [{port: 4000}]}]}]\n";
    lab.daemon(&fail_mode(mode), &[("all.yaml", &policy)])
}

fn icmp(to: &str) -> u8 {
    if to.contains(':') { 58 } else { 1 }
}

#[test]
fn what_this_host_has_no_route_for_is_refused_and_recorded_like_all_else() {
    let lab = nowhere();
    let mut daemon = start(&lab, "closed");
    for to in all() {
        refused(to, || ask(lab.workload(), &at(to, SHUT)));
        refused(to, || packet(lab.workload(), icmp(to), to));
        refused(to, || packet(lab.workload(), 132, to));
        for (reason, protocol) in [
            ("policy.no-route", "udp"),
            ("protocol.icmp", if to.contains(':') { "icmpv6" } else { "icmp" }),
            ("protocol.other", "sctp"),
        ] {
            daemon.record(&json!({
                "kind": "connection", "decision": "deny", "reason": reason, "agent_id": "alice",
                "destination_address": to, "protocol": protocol,
            }));
        }
    }
    for counter in ["refused_udp", "refused_icmp", "refused_other"] {
        assert_eq!(counted(&lab, counter), 8, "{counter}");
    }
    daemon.kill9();
    for to in all() {
        refused(to, || call(lab.workload(), &at(to, OPEN)));
        for port in [OPEN, SHUT, 53] {
            refused(to, || ask(lab.workload(), &at(to, port)));
        }
    }
    assert_eq!(counted(&lab, "refused_tcp"), 8);
}

#[test]
fn datagrams_that_policy_allows_to_where_no_route_leads_are_unreachable() {
    let lab = nowhere();
    let daemon = start(&lab, "closed");
    for to in all() {
        refused(to, || ask(lab.workload(), &at(to, OPEN)));
        daemon.record(&json!({
            "kind": "connection", "decision": "deny", "reason": "upstream.unreachable", "agent_id": "alice",
            "destination_address": to, "destination_port": OPEN, "protocol": "udp",
        }));
    }
    assert_eq!(counted(&lab, "refused_udp"), 0, "the daemon took all of them");
}

#[test]
fn open_refuses_there_what_it_refuses_elsewhere() {
    let lab = nowhere();
    let mut daemon = start(&lab, "open");
    for to in all() {
        refused(to, || ask(lab.workload(), &at(to, SHUT)));
        daemon.record(&json!({"reason": "policy.no-route", "destination_address": to, "protocol": "udp"}));
    }
    daemon.kill9();
    for to in all() {
        refused(to, || packet(lab.workload(), icmp(to), to));
        refused(to, || packet(lab.workload(), 132, to));
    }
    assert_eq!((counted(&lab, "refused_icmp"), counted(&lab, "refused_other")), (8, 8));
}

#[test]
fn what_comes_past_the_first_line_is_refused_where_it_would_be_forwarded() {
    let lab = lab();
    let daemon = start(&lab, "closed");
    lab.gateway().command("nft").args(["flush", "chain", "inet", "clawgress", "onward"]).run().succeeded();
    for to in UPSTREAM {
        refused(to, || ask(lab.workload(), &at(to, SHUT)));
        refused(to, || packet(lab.workload(), icmp(to), to));
        daemon.record(&json!({"reason": "policy.no-route", "destination_address": to}));
        daemon.record(&json!({"reason": "protocol.icmp", "destination_address": to}));
    }
    assert_eq!((counted(&lab, "refused_udp"), counted(&lab, "refused_icmp")), (2, 2));
}
