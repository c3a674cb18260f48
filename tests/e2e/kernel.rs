//! What the kernel refuses by itself: refused at once, on record with its reason, and nothing of it leaves. Forged
//! sources, odd packets, pings, floods, and the answers under load.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};

use super::probes::{
    AT_ONCE, BOB, OPEN, SHUT, UPSTREAM, ask, ask_as, at, counted, lab, packet, refused, second_interface,
    who_is_there,
};
use crate::lab::backends::eventually;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::packets::{Packet, send_all};
use crate::lab::topology::ip;
use crate::lab::{ALICE_V4, ALICE_V6, BOB_V4, BOB_V6, Daemon, GATEWAY_V4, GATEWAY_V6, Lab, Namespace};

const ALICE: [&str; 2] = [ALICE_V4, ALICE_V6];
const GATEWAY: [&str; 2] = [GATEWAY_V4, GATEWAY_V6];

/// A gateway and UDP to port `OPEN` of everything outside, for everybody.
fn flows() -> String {
    gateway() + FLOWS
}

/// `alice` and a gateway that takes TCP and UDP.
fn gateway() -> String {
    alice_and_gateway("{name: tcp, protocol: TCP}, {name: udp, protocol: UDP}") + "---\n"
}

const FLOWS: &str = "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: flows}\nspec:\n  \
     parentRefs: [{kind: EgressGateway, name: default}]\n  \
     rules: [{matches: [{protocol: UDP, destinationCIDRs: [192.0.2.0/24, \"2001:db8:1::/64\"], ports: [{port: 4000}]}]}]\n";

/// The same with a card for alice.
fn with_card(mac: &str) -> String {
    flows().replace("\"fd77::2/128\"]", &format!("\"fd77::2/128\"], mac: \"{mac}\""))
}

fn start<'lab>(lab: &'lab Lab, policy: &str) -> Daemon<'lab> {
    lab.daemon(&json!({}), &[("all.yaml", policy)])
}

/// Counts what reaches the upstream, but for neighbour discovery and the like.
fn tap(lab: &Lab) {
    let table = "table inet tap { counter heard { }; chain c { type filter hook prerouting priority -500; \
                 icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 143 } accept; ip protocol 2 accept; \
                 iifname eth0 counter name heard; }; }";
    lab.upstream().command("nft").arg(table).run().succeeded();
}

fn heard(lab: &Lab) -> u64 {
    let listed = lab.upstream().command("nft").args(["-j", "list", "counter", "inet", "tap", "heard"]).run();
    listed.succeeded();
    listed.json()["nftables"][1]["counter"]["packets"].as_u64().expect("a count")
}

/// What arrives in datagrams at port `OPEN` of both upstream addresses.
fn datagrams(lab: &Lab) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    for here in UPSTREAM {
        let (socket, all) = (lab.backends().udp(&at(here, OPEN)), all.clone());
        lab.backends().spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                all.lock().expect("no panic").push(buffer[..length].to_vec());
                let _ = socket.send_to(&buffer[..length], from).await;
            }
        });
    }
    all
}

fn connections(daemon: &Daemon<'_>) -> Vec<Value> {
    daemon.records(&["--kind", "connection", "--limit", "10000"])
}

/// Waits until a counter of the gateway's rules stands there.
fn until_counted(lab: &Lab, name: &str, packets: u64) {
    eventually(&format!("{packets} in {name}"), || (counted(lab, name) >= packets).then_some(()));
    assert_eq!(counted(lab, name), packets, "{name}");
}

#[test]
fn what_the_kernel_refuses_is_on_record_once_for_each_flow_with_its_reason() {
    let lab = lab();
    tap(&lab);
    let daemon = start(&lab, &flows());
    let mut rows = 0;
    for (to, source) in UPSTREAM.into_iter().zip(ALICE) {
        for (port, reason, policy) in [
            (SHUT, "policy.no-route", json!("EgressGateway/default")),
            (443, "protocol.quic", Value::Null),
            (853, "protocol.encrypted-dns", Value::Null),
        ] {
            let datagram = Packet::udp(source, to, port, b"ping");
            send_all(lab.workload(), &[datagram.clone(), datagram.clone(), datagram]);
            refused(reason, || ask(lab.workload(), &at(to, port)));
            let row = daemon.record(&json!({
                "kind": "connection", "decision": "deny", "reason": reason, "agent_id": "alice", "phase": "complete",
                "source_address": source, "destination_address": to, "destination_port": port, "protocol": "udp",
            }));
            assert_eq!(row.get("policy_id").cloned().unwrap_or_default(), policy, "{row}");
            rows += 2;
        }
        let icmp = if to.contains(':') { (58, "icmpv6") } else { (1, "icmp") };
        refused("ICMP", || packet(lab.workload(), icmp.0, to));
        daemon.record(&json!({
            "reason": "protocol.icmp", "agent_id": "alice", "destination_address": to, "protocol": icmp.1,
        }));
        let others = [(132, "sctp"), (47, "gre"), (50, "esp"), (136, "udplite"), (41, "ipv6"), (253, "ip")];
        for (number, word) in others {
            Packet::new(source, to, number, &[0; 64]).send(lab.workload());
            daemon.record(&json!({
                "reason": "protocol.other", "agent_id": "alice", "destination_address": to, "protocol": word,
                "evidence": format!("IP protocol {number}"),
            }));
        }
        rows += 1 + others.len();
    }
    // Three datagrams and the probe of each port are two flows: the probe has a port of its own.
    assert_eq!(connections(&daemon).len(), rows);
    assert_eq!(heard(&lab), 0);
}

#[test]
fn a_source_that_no_agent_has_is_unknown_whatever_it_sends() {
    let lab = lab();
    tap(&lab);
    let daemon = start(&lab, &flows());
    for (to, source) in UPSTREAM.into_iter().zip([BOB_V4, BOB_V6]) {
        refused("UDP", || ask(lab.bob(), &at(to, SHUT)));
        refused("ICMP", || packet(lab.bob(), if to.contains(':') { 58 } else { 1 }, to));
        for protocol in ["udp", if to.contains(':') { "icmpv6" } else { "icmp" }] {
            daemon.record(&json!({
                "reason": "identity.unknown", "source_address": source, "protocol": protocol, "decision": "deny",
            }));
        }
    }
    assert_eq!(connections(&daemon).len(), 4);
    assert_eq!(heard(&lab), 0);
}

#[test]
fn another_agents_address_from_another_card_gains_nothing() {
    let lab = lab();
    tap(&lab);
    let received = datagrams(&lab);
    let daemon = start(&lab, &(with_card("02:00:00:00:00:02") + "---\n" + BOB));
    for (to, alice) in UPSTREAM.into_iter().zip(ALICE) {
        let one_way = Packet::udp(alice, to, OPEN, b"on alice's account");
        send_all(lab.bob(), &[one_way.clone(), one_way]);
        send_all(
            lab.bob(),
            &[
                Packet::udp(alice, to, 53, b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01"),
                Packet::syn(alice, to, OPEN),
                Packet::echo(alice, to, 1, 8),
            ],
        );
        for (port, protocol) in [(OPEN, "udp"), (53, "udp"), (OPEN, "tcp")] {
            let row = daemon.record(&json!({
                "kind": "connection", "decision": "deny", "reason": "identity.invalid", "protocol": protocol,
                "source_address": alice, "destination_address": to, "destination_port": port,
            }));
            assert_eq!(row["evidence"], json!(format!("{alice} came from 02:00:00:00:00:03")));
            assert_eq!(row.get("agent_id"), None, "nobody's account: {row}");
        }
    }
    until_counted(&lab, "refused_forged", 10);
    assert_eq!(heard(&lab), 0, "nothing leaves");
    let rows = daemon.records(&[]);
    let others = |row: &&Value| row["kind"] != "system" && row["reason"] != "identity.invalid";
    assert_eq!(rows.iter().filter(others).count(), 0, "{rows:?}");
    // Alice herself is served, and so is bob as himself.
    for to in UPSTREAM {
        ask(lab.workload(), &at(to, OPEN)).expect("alice is served");
        ask(lab.bob(), &at(to, OPEN)).expect("bob is served");
    }
    assert_eq!(*received.lock().expect("no panic"), vec![b"ping".to_vec(); 4]);
}

#[test]
fn the_card_follows_the_documents_while_rules_and_counters_stay() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let daemon = start(&lab, &with_card("02:00:00:00:00:99"));
    let silent = |to: &str| {
        let error = ask(lab.workload(), &at(to, OPEN)).expect_err("a card that is not alice's");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "dropped without a word: {error}");
    };
    UPSTREAM.into_iter().for_each(silent);
    let forged = counted(&lab, "refused_forged");
    assert!(forged >= 2);
    daemon.write_policy("all.yaml", &with_card("02:00:00:00:00:02"));
    daemon.reload();
    for to in UPSTREAM {
        ask(lab.workload(), &at(to, OPEN)).expect("her own card");
    }
    let status = daemon.status();
    assert_eq!(status["interception"]["rules"], "in-place", "{status}");
    assert_eq!(status["interception"]["refused"]["forged"], forged, "counters go on: {status}");
    // A pool with bob's card around alice, who names none: the longest prefix decides.
    let pool = "---\napiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {name: pool}\nspec:\n  sources: \
                {addresses: [10.77.0.0/24, \"fd77::/64\"], mac: \"02:00:00:00:00:03\"}\n";
    daemon.write_policy("all.yaml", &(flows() + pool));
    daemon.reload();
    for to in UPSTREAM {
        ask(lab.workload(), &at(to, OPEN)).expect("alice from any card");
        ask(lab.bob(), &at(to, OPEN)).expect("the pool from its card");
    }
    let status = daemon.status();
    assert_eq!(
        status["interception"]["rules"], "in-place",
        "a pool with a hole is listed as written: {status}"
    );
    ip(Some(lab.workload()), "addr add 10.77.0.9/24 dev eth0\naddr add fd77::9/64 dev eth0 nodad\n");
    for (source, to) in ["10.77.0.9", "fd77::9"].into_iter().zip(UPSTREAM) {
        ask_as(lab.workload(), source, &at(to, OPEN)).expect_err("the pool from alice's card");
        daemon.record(&json!({"reason": "identity.invalid", "source_address": source}));
    }
}

#[test]
fn an_address_to_which_no_way_leads_back_is_dropped_and_recorded_as_invalid() {
    let lab = lab();
    tap(&lab);
    let daemon = start(&lab, &flows());
    let forged = [
        ["192.0.2.77", "2001:db8:1::77"],
        ["198.51.100.7", "2001:db8:99::7"],
        GATEWAY,
        ["192.0.2.1", "2001:db8:1::1"],
        ["127.0.0.1", "::1"],
        ["224.0.0.9", "ff02::9"],
    ];
    let kernels_own = |source: &str| ["::1", "ff02::9"].contains(&source);
    let mut sent = 0;
    for [v4, v6] in forged {
        for (source, to) in [v4, v6].into_iter().zip(UPSTREAM) {
            for port in [OPEN, SHUT, 53] {
                Packet::udp(source, to, port, b"one way").send(lab.workload());
            }
            Packet::syn(source, to, 443).send(lab.workload());
            // The kernel drops these before any rule sees them (RFC 4291, sections 2.5.3 and 2.7).
            if !kernels_own(source) {
                sent += 4;
                daemon.record(&json!({
                    "decision": "deny", "reason": "identity.invalid", "source_address": source,
                    "destination_address": to, "destination_port": 443, "protocol": "tcp",
                }));
            }
        }
    }
    until_counted(&lab, "refused_forged", sent);
    assert_eq!(heard(&lab), 0, "neither a packet nor an answer to a forged one");
    assert!(connections(&daemon).iter().all(|row| row["reason"] == "identity.invalid"));
}

#[test]
fn an_agents_address_behind_another_interface_is_not_believed() {
    let lab = lab();
    tap(&lab);
    second_interface(&lab, "agents1");
    let two = json!({"intercept": {
        "interfaces": ["agents0", "agents1"],
        "subnets": ["10.77.0.0/24", "fd77::/64", "10.88.0.0/24", "fd88::/64"],
    }});
    let daemon = lab.daemon(&two, &[("all.yaml", &flows())]);
    for (alice, to) in ALICE.into_iter().zip(UPSTREAM) {
        Packet::udp(alice, to, OPEN, b"one way").send(lab.bob());
        let row = daemon.record(&json!({"reason": "identity.invalid", "source_address": alice}));
        assert_eq!(row.get("agent_id"), None, "{row}");
    }
    assert_eq!((heard(&lab), connections(&daemon).len()), (0, 2));
}

#[test]
fn a_link_local_source_leads_nowhere_and_is_recorded() {
    let lab = lab();
    tap(&lab);
    let daemon = start(&lab, &flows());
    let source = "fe80::ff:fe00:2";
    for port in [OPEN, 53] {
        Packet::udp(source, UPSTREAM[1], port, b"one way").send(lab.workload());
        daemon.record(&json!({
            "reason": "identity.unknown", "source_address": source, "destination_port": port, "protocol": "udp",
        }));
    }
    Packet::syn(source, UPSTREAM[1], OPEN).send(lab.workload());
    daemon.record(&json!({"reason": "identity.unknown", "source_address": source, "protocol": "tcp"}));
    assert_eq!(heard(&lab), 0);
}

#[test]
fn parts_of_anything_but_allowed_datagrams_are_refused_and_recorded() {
    let lab = lab();
    tap(&lab);
    let received = datagrams(&lab);
    let daemon = start(&lab, &flows());
    let mut parts = 0;
    for (to, alice) in UPSTREAM.into_iter().zip(ALICE) {
        for (whole, word) in [
            (Packet::syn(alice, to, OPEN), "tcp"),
            (Packet::udp(alice, to, SHUT, &[b'x'; 64]), "udp"),
            (Packet::udp(alice, to, 443, &[b'x'; 64]), "udp"),
            (Packet::echo(alice, to, 1, 64), if to.contains(':') { "icmpv6" } else { "icmp" }),
            (Packet::new(alice, to, 132, &[0; 64]), "sctp"),
        ] {
            send_all(lab.workload(), &whole.in_parts(16));
            parts += 2;
            daemon.record(&json!({
                "decision": "deny", "reason": "protocol.fragment", "agent_id": "alice", "protocol": word,
                "destination_address": to,
            }));
        }
        if to.contains(':') {
            Packet::syn(alice, to, OPEN + 1).atomic().send(lab.workload());
            parts += 1;
            daemon.record(
                &json!({"reason": "protocol.fragment", "destination_port": OPEN + 1, "protocol": "tcp"}),
            );
        }
        assert_eq!(heard(&lab), 0);
    }
    // Allowed datagrams arrive whole, in whatever order their parts come, and as one part too.
    for (to, alice) in UPSTREAM.into_iter().zip(ALICE) {
        let datagram = Packet::udp(alice, to, OPEN, &[b'y'; 64]);
        let [first, second] = datagram.in_parts(16);
        send_all(lab.workload(), &[second, first, datagram.atomic()]);
        parts += if to.contains(':') { 3 } else { 2 };
    }
    eventually("four datagrams", || (received.lock().expect("no panic").len() == 4).then_some(()));
    assert!(received.lock().expect("no panic").iter().all(|datagram| datagram == &[b'y'; 64]));
    assert_eq!(daemon.status()["interception"]["seen"]["fragments"], parts);
    assert!(
        connections(&daemon)
            .iter()
            .all(|row| row["decision"] == "allow" || row["reason"] == "protocol.fragment")
    );
}

#[test]
fn options_and_extension_headers_are_dropped_and_recorded_even_on_allowed_datagrams() {
    let lab = lab();
    tap(&lab);
    let daemon = start(&lab, &flows());
    // Record route, loose and strict source route, router alert, timestamp (RFC 791, RFC 2113), and mere padding.
    let options: [&[u8]; 6] = [
        &[7, 7, 4, 0, 0, 0, 0, 0],
        &[131, 7, 4, 192, 0, 2, 11, 0],
        &[137, 7, 4, 192, 0, 2, 11, 0],
        &[148, 4, 0, 0],
        &[68, 8, 5, 0, 0, 0, 0, 0],
        &[1, 1, 1, 0],
    ];
    let mut sent = 0;
    for (number, options) in options.into_iter().enumerate() {
        let host = format!("192.0.2.{}", 10 + number);
        Packet::udp(ALICE_V4, &host, OPEN, b"ping").options(options).send(lab.workload());
        daemon.record(&json!({
            "decision": "deny", "reason": "protocol.extension", "agent_id": "alice", "protocol": "udp",
            "destination_address": host, "destination_port": OPEN,
        }));
        sent += 1;
    }
    // Hop-by-hop, routing (type 0 and 4, RFC 5095 and RFC 8754), destination options, mobility, HIP, shim6.
    let padding = [0, 0, 1, 4, 0, 0, 0, 0];
    let headers = [
        (0, padding),
        (43, [0, 0, 0, 0, 0, 0, 0, 0]),
        (43, [0, 0, 4, 0, 0, 0, 0, 0]),
        (60, padding),
        (135, [0, 0, 0, 0, 0, 0, 0, 0]),
        (139, [0, 0, 0, 0, 0, 0, 0, 0]),
        (140, [0, 0, 0x80, 0, 0, 0, 0, 0]),
    ];
    for (number, (header, bytes)) in headers.into_iter().enumerate() {
        let host = format!("2001:db8:1::{}", 10 + number);
        Packet::udp(ALICE_V6, &host, OPEN, b"ping").behind(header, bytes).send(lab.workload());
        daemon.record(&json!({
            "decision": "deny", "reason": "protocol.extension", "agent_id": "alice", "protocol": "udp",
            "destination_address": host, "destination_port": OPEN,
        }));
        sent += 1;
    }
    // A first part without its transport header (RFC 7112), and options behind a fragment header.
    let hidden = Packet::udp(ALICE_V6, UPSTREAM[1], OPEN, b"ping").behind(60, padding).atomic();
    hidden.send(lab.workload());
    daemon.record(&json!({"reason": "protocol.fragment", "destination_address": UPSTREAM[1]}));
    // Authentication is another protocol, in both families.
    for (to, alice) in UPSTREAM.into_iter().zip(ALICE) {
        Packet::new(
            alice,
            to,
            51,
            &[17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        )
        .send(lab.workload());
        daemon.record(&json!({"reason": "protocol.other", "protocol": "ah", "destination_address": to}));
    }
    until_counted(&lab, "refused_extension", sent);
    assert_eq!(heard(&lab), 0);
    // What joins a group says so with options, in both families, and is let alone.
    lab.workload().enter(|| {
        let v4 = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
        v4.join_multicast_v4(&[239, 1, 2, 3].into(), &[10, 77, 0, 2].into()).expect("a group");
        let v6 = std::net::UdpSocket::bind("[::]:0").expect("a socket");
        v6.join_multicast_v6(&"ff05::1:3".parse().expect("a group"), 0).expect("a group");
    });
    refused("and what follows is judged", || ask(lab.workload(), &at(UPSTREAM[0], SHUT)));
    daemon.record(&json!({"reason": "policy.no-route", "destination_port": SHUT}));
    assert_eq!(counted(&lab, "refused_extension"), sent);
}

/// Settings under which a few may be pinged: one host outside, and the gateway.
fn echo() -> Value {
    json!({"intercept": {"echo": {
        "destinations": ["192.0.2.10/32", "2001:db8:1::10/128", "10.77.0.1/32", "fd77::1/128"], "packetsPerSecond": 5,
    }}})
}

fn ping(from: &Namespace, to: &str, data: &str) -> bool {
    from.command("ping").args(["-n", "-c", "1", "-W", "2", "-s", data, to]).run().code() == 0
}

#[test]
fn pings_pass_where_the_settings_name_the_network_and_nowhere_else() {
    let lab = lab();
    let mut daemon = start(&lab, &flows());
    for to in UPSTREAM.into_iter().chain(GATEWAY) {
        assert!(!ping(lab.workload(), to, "56"), "{to}: not configured");
        daemon.record(&json!({"reason": "protocol.icmp", "destination_address": to, "agent_id": "alice"}));
    }
    daemon.terminate();
    let policies = gateway() + FLOWS;
    let daemon = lab.daemon(&echo(), &[("all.yaml", &policies)]);
    for to in UPSTREAM.into_iter().chain(GATEWAY) {
        assert!(ping(lab.workload(), to, "56"), "{to}: configured");
        assert!(!ping(lab.workload(), to, "57"), "{to}: larger than a ping");
        assert!(!ping(lab.bob(), to, "56"), "{to}: of no agent");
        daemon.record(&json!({
            "decision": "allow", "destination_address": to, "agent_id": "alice", "evidence": "spec.intercept.echo",
        }));
        daemon.record(&json!({
            "reason": "identity.unknown", "destination_address": to,
            "protocol": if to.contains(':') { "icmpv6" } else { "icmp" },
        }));
    }
    for to in ["192.0.2.11", "2001:db8:1::11", "192.0.2.1", "2001:db8:1::1"] {
        assert!(!ping(lab.workload(), to, "56"), "{to}: not named");
        daemon.record(&json!({"reason": "protocol.icmp", "destination_address": to, "agent_id": "alice"}));
    }
    assert_eq!(daemon.status()["interception"]["passed"]["echo"], 4);
}

#[test]
fn pings_are_rationed_for_each_address() {
    let lab = lab();
    tap(&lab);
    let daemon = lab.daemon(&echo(), &[("all.yaml", &(flows() + "---\n" + BOB))]);
    for (to, alice) in UPSTREAM.into_iter().zip(ALICE) {
        let before = heard(&lab);
        let many: Vec<Packet> = (0..200).map(|number| Packet::echo(alice, to, number, 56)).collect();
        send_all(lab.workload(), &many);
        daemon
            .record(&json!({"reason": "protocol.icmp", "source_address": alice, "destination_address": to}));
        let passed = heard(&lab) - before;
        assert!((5..50).contains(&passed), "{passed} of 200");
        assert!(ping(lab.bob(), to, "56"), "bob has a ration of his own");
    }
}

/// Refused datagrams of one burst, and how many ICMP errors come back for them.
fn burst(lab: &Lab, to: &str, port: u16, count: usize) -> usize {
    lab.workload().enter(|| {
        let v4 = !to.contains(':');
        let (domain, protocol, kind, header) =
            if v4 { (Domain::IPV4, Protocol::ICMPV4, 3, 20) } else { (Domain::IPV6, Protocol::ICMPV6, 1, 0) };
        let errors = Socket::new(domain, Type::RAW, Some(protocol)).expect("a raw socket");
        errors.set_recv_buffer_size(4 << 20).expect("room");
        errors.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
        let any = if v4 { "0.0.0.0:0" } else { "[::]:0" };
        let sender = std::net::UdpSocket::bind(any).expect("a socket");
        for _ in 0..count {
            // Not connected, so that no error ends it.
            sender.send_to(b"ping", (to, port)).expect("it is sent");
        }
        let mut heard = 0;
        let mut buffer = [0; 2048];
        while heard < count {
            let Ok(length) = (&errors).read(&mut buffer) else { break };
            heard += usize::from(length > header && buffer[header] == kind);
        }
        heard
    })
}

#[test]
fn a_burst_of_200_refused_datagrams_gets_200_answers_with_the_setting_that_doctor_prints() {
    let lab = lab();
    for (key, default) in [("net/ipv4/icmp_ratemask", "6168"), ("net/ipv6/icmp/ratemask", "0-1,3-127")] {
        lab.gateway().set(key, default);
    }
    let daemon = start(
        &lab,
        &flows().replace(
            "destinationCIDRs: [192.0.2.0/24, \"2001:db8:1::/64\"]",
            "destinationCIDRs: [192.0.2.99/32]",
        ),
    );
    let check = || {
        let all = daemon.cli(&["doctor", "-o", "json"]).json();
        let found = all.as_array().expect("a list").iter().find(|check| check["name"] == "icmp-rate");
        found.unwrap_or_else(|| panic!("{all}")).clone()
    };
    let before = check();
    assert_eq!(before["state"], "warn", "{before}");
    let repair = before["repair"].as_str().expect("a command");
    assert_eq!(repair, "sysctl -w net.ipv4.icmp_ratemask=6160 net.ipv6.icmp.ratemask=0,3-127");
    lab.gateway().command("sh").args(["-c", repair]).run().succeeded();
    assert_eq!(check()["state"], "ok");
    for to in UPSTREAM {
        assert_eq!(burst(&lab, to, SHUT, 200), 200, "{to}: refused by the kernel");
        assert_eq!(burst(&lab, to, OPEN, 200), 200, "{to}: refused by the daemon");
    }
    assert_eq!((counted(&lab, "refused_udp"), connections(&daemon).len()), (400, 4));
}

#[test]
fn a_flood_of_refused_packets_hides_no_other_workloads_first_refusal() {
    let lab = lab();
    let daemon = start(&lab, &(flows() + "---\n" + BOB));
    for (family, (to, alice)) in UPSTREAM.into_iter().zip(ALICE).enumerate() {
        let port = |number: u32| u16::try_from(5000 + number % 50_000).expect("a port");
        let own: Vec<Packet> =
            (0..3000).map(|number| Packet::udp(alice, to, port(number), b"flood")).collect();
        // And from addresses that no agent has, on the same link: so many that it has room for their neighbours.
        let others: Vec<Packet> = (0..3000_u32)
            .map(|number| {
                let source = match family {
                    0 => format!("10.77.0.{}", 10 + number % 240),
                    _ => format!("fd77::1:{:x}", number % 240),
                };
                Packet::udp(&source, to, port(number), b"flood")
            })
            .collect();
        send_all(lab.workload(), &own);
        send_all(lab.workload(), &others);
        let bob = [BOB_V4, BOB_V6][family];
        refused("bob", || ask(lab.bob(), &at(to, SHUT)));
        daemon.record(&json!({
            "agent_id": "bob", "source_address": bob, "reason": "policy.no-route", "destination_port": SHUT,
        }));
        // The flood itself is on record up to its bound, which says so.
        daemon.record(&json!({"agent_id": "alice", "source_address": alice, "reason": "overload"}));
    }
    let of_alice = connections(&daemon).into_iter().filter(|row| row["agent_id"] == "alice").count();
    assert_eq!(of_alice, 2 * 257);
    let all = counted(&lab, "refused_udp") + counted(&lab, "refused_unanswered");
    assert_eq!(all, 12_002, "counters have them all");
    assert!(counted(&lab, "refused_unanswered") > 5000, "who is nobody's is not answered without end");
}

#[test]
fn without_the_log_group_a_start_warns_doctor_says_so_and_counters_go_on() {
    let lab = lab();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let gateway = lab.gateway();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            gateway.enter(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let _inside = runtime.enter();
                let other = clawgress::perceive::intercept::Drops::listen().expect("the group is free");
                ready.send(()).expect("somebody waits");
                let _ = stopped.recv();
                drop(other);
            });
        });
        is_ready.recv().expect("it listens");
        let daemon = start(&lab, &flows());
        daemon.logged("what the kernel drops is counted and not recorded: log group 8385");
        let doctor = daemon.cli(&["doctor", "-o", "json"]).json();
        let check = doctor.as_array().expect("a list").iter().find(|check| check["name"] == "drops").cloned();
        assert_eq!(check.expect("a check")["state"], "warn", "{doctor}");
        for to in UPSTREAM {
            refused("refused all the same", || ask(lab.workload(), &at(to, SHUT)));
        }
        assert_eq!((counted(&lab, "refused_udp"), connections(&daemon).len()), (2, 0));
        drop(stop);
    });
}
