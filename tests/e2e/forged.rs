//! What datagrams bring upon the agent in whose name they come: a rule that quarantines heeds those alone whose source is
//! proved. Read next: `quarantine`, and `kernel` for the proof.

use serde_json::json;

use super::hostile::query;
use super::probes::{BOB, OPEN, UPSTREAM, ask, at, lab};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::packets::Packet;
use crate::lab::{ALICE_V4, ALICE_V6, Daemon, Family, GATEWAY_V4, GATEWAY_V6, Lab};

const ALICE: [&str; 2] = [ALICE_V4, ALICE_V6];
const GATEWAY: [&str; 2] = [GATEWAY_V4, GATEWAY_V6];

/// UDP to port `OPEN` of everything outside, and two traps: a name, and that port.
const TRAPS: &str = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: flows}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{protocol: UDP, destinationCIDRs: [192.0.2.0/24, '2001:db8:1::/64'], ports: [{port: 4000}]}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {name: traps}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules:
    - {name: canary, when: 'destination.host == \"canary.example\"', action: Quarantine, for: 1h}
    - {name: port, when: 'destination.port == 4000', action: Quarantine, for: 1h}
";

/// A daemon with alice, bob and the traps; `more` stands beside alice's addresses.
fn start<'lab>(lab: &'lab Lab, more: &str) -> Daemon<'lab> {
    let agents = alice_and_gateway("{name: tcp, protocol: TCP}, {name: udp, protocol: UDP}")
        .replace("\"fd77::2/128\"]", &format!("\"fd77::2/128\"]{more}"));
    lab.daemon(&json!({}), &[("all.yaml", &format!("{agents}---\n{BOB}{TRAPS}"))])
}

/// Asks for the trap as alice, over UDP, and hears what `dig` is told.
fn look_up(lab: &Lab, server: &str, option: &str) -> String {
    let asked = [&format!("@{server}"), option, "+tries=1", "canary.example"];
    lab.workload().command("dig").args(asked).run().succeeded()
}

fn release(daemon: &Daemon<'_>) {
    daemon.cli(&["agent", "release", "alice"]).succeeded();
}

#[test]
fn a_datagram_that_another_workload_may_have_sent_is_refused_and_quarantines_nobody() {
    let lab = lab();
    let daemon = start(&lab, "");
    for ((source, gateway), to) in ALICE.into_iter().zip(GATEWAY).zip(UPSTREAM) {
        Packet::udp(source, gateway, 53, &query(Family::V4, "canary.example", 7)).send(lab.bob());
        Packet::udp(source, to, OPEN, b"in alice's name").send(lab.bob());
        for (kind, rule) in [("dns", "canary"), ("connection", "port")] {
            let row = daemon.record(&json!({
                "kind": kind, "agent_id": "alice", "source_address": source, "decision": "deny",
                "reason": "policy.denied", "policy_id": "EgressPolicy/traps", "rule": rule,
            }));
            assert!(row["evidence"].as_str().is_some_and(|seen| seen.contains("no card proves")), "{row}");
        }
    }
    let shown = daemon.cli(&["agent", "show", "alice"]).succeeded();
    assert!(shown.contains("active") && !shown.contains("quarantined"), "{shown}");
}

#[test]
fn who_looks_a_trap_up_is_asked_to_do_so_over_tcp_and_is_quarantined_there() {
    let lab = lab();
    let daemon = start(&lab, "");
    for (source, server) in ALICE.into_iter().zip(GATEWAY) {
        let told = look_up(&lab, server, "+ignore");
        assert!(told.contains("flags: qr tc rd") && told.contains("ANSWER: 0"), "{told}");
        let told = look_up(&lab, server, "+noignore");
        assert!(told.contains("NXDOMAIN") && told.contains("identity.quarantined"), "{told}");
        daemon.record(&json!({
            "kind": "dns", "protocol": "dns-tcp", "source_address": source, "decision": "quarantine",
            "reason": "identity.quarantined", "rule": "canary",
        }));
        release(&daemon);
    }
}

#[test]
fn a_datagram_from_the_agents_own_card_quarantines_it() {
    let lab = lab();
    let daemon = start(&lab, ", mac: \"02:00:00:00:00:02\"");
    for ((source, server), to) in ALICE.into_iter().zip(GATEWAY).zip(UPSTREAM) {
        let told = look_up(&lab, server, "+ignore");
        assert!(told.contains("NXDOMAIN") && told.contains("identity.quarantined"), "{told}");
        release(&daemon);
        ask(lab.workload(), &at(to, OPEN)).expect_err("a trap");
        for (protocol, rule) in [("dns-udp", "canary"), ("udp", "port")] {
            daemon.record(&json!({
                "protocol": protocol, "source_address": source, "decision": "quarantine",
                "reason": "identity.quarantined", "rule": rule,
            }));
        }
        release(&daemon);
    }
}
