//! UDP: what an L4 route allows is relayed flow by flow and recorded; all else is refused at once, and says why.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use serde_json::{Value, json};

use super::probes::{
    AT_ONCE, BOB, OPEN, SHUT, UPSTREAM, ask, at, call, counted, fail_mode, lab, refused, who_is_there,
};
use crate::lab::backends::eventually;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::packets::Packet;
use crate::lab::{
    ALICE_V4, ALICE_V6, BOB_V4, Daemon, Family, GATEWAY_V4, Lab, Namespace, UPSTREAM_V4, UPSTREAM_V6, Zone,
};

/// The gateway as the upstream sees it, in both families.
const OUTSIDE: [&str; 2] = ["192.0.2.1", "2001:db8:1::1"];

const LISTENERS: &str = "{name: tcp, protocol: TCP}, {name: udp, protocol: UDP}";

/// `OPEN` of everything outside.
const NETWORKS: &str = "destinationCIDRs: [192.0.2.0/24, \"2001:db8:1::/64\"], ports: [{port: 4000}]";

/// `alice`, and one UDP route.
fn policies(one: &str) -> String {
    alice_and_gateway(LISTENERS) + "---\n" + &route("flows", "", one)
}

fn route(name: &str, agents: &str, one: &str) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: {name}}}\nspec:\n  \
         parentRefs: [{{kind: EgressGateway, name: default, sectionName: udp}}]\n  {agents}\n  \
         rules: [{{matches: [{{protocol: UDP, {one}}}]}}]\n"
    )
}

fn start<'lab>(lab: &'lab Lab, one: &str) -> Daemon<'lab> {
    lab.daemon(&json!({}), &[("all.yaml", &policies(one))])
}

/// A socket of a workload, connected: it hears errors, and answers of that address alone.
fn socket(space: &Namespace, to: &str) -> UdpSocket {
    let to: SocketAddr = space.family().twin(to).parse().expect("an address with a port");
    space.enter(|| {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).expect("a socket");
        socket.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
        socket.connect(to).expect("a route");
        socket
    })
}

/// One datagram and its answer.
fn exchange(socket: &UdpSocket, datagram: &[u8]) -> io::Result<Vec<u8>> {
    socket.send(datagram)?;
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn flows(daemon: &Daemon<'_>) -> Vec<Value> {
    daemon.records(&["--kind", "connection"])
}

#[test]
fn what_a_network_route_allows_is_relayed_and_its_bytes_are_on_record_when_it_ends() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let mut daemon = start(&lab, NETWORKS);
    let mut sockets = Vec::new();
    for ((upstream, source), outside) in UPSTREAM.into_iter().zip([ALICE_V4, ALICE_V6]).zip(OUTSIDE) {
        let flow = socket(lab.workload(), &at(upstream, OPEN));
        for datagram in [&b"ping"[..], b"", b"again"] {
            assert_eq!(exchange(&flow, datagram).expect("an answer"), outside.as_bytes());
        }
        let open = daemon.record(&json!({
            "kind": "connection", "protocol": "udp", "decision": "allow", "agent_id": "alice",
            "source_address": source, "destination_address": upstream, "destination_port": OPEN,
            "policy_id": "EgressL4Route/flows", "rule": "rules[0]", "phase": "decision",
        }));
        assert!(open.get("bytes_out").is_none(), "it lives: {open}");
        sockets.push(flow);
    }
    assert_eq!(daemon.terminate(), 0);
    daemon.start_again();
    for (upstream, outside) in UPSTREAM.into_iter().zip(OUTSIDE) {
        daemon.record(&json!({
            "destination_address": upstream, "phase": "complete", "end": "shutdown",
            "bytes_out": 9, "datagrams_out": 3, "bytes_in": 3 * outside.len(), "datagrams_in": 3,
        }));
    }
    assert_eq!(flows(&daemon).len(), 2, "one record for each flow");
    assert_eq!(exchange(&sockets[0], b"anew").expect("a new flow"), OUTSIDE[0].as_bytes());
}

#[apply(over_both)]
fn a_name_counts_where_the_resolver_gave_it_and_an_ntp_client_gets_its_answer(lab: Lab) {
    let _resolver = lab.resolver(Zone::new().host("time.example", &[UPSTREAM_V4]));
    let server = lab.backends().udp(&at(UPSTREAM_V4, 123));
    lab.backends().spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = server.recv_from(&mut packet).await {
            // Mode 4, server; stratum 1 (RFC 5905, section 7.3).
            let mut answer = packet[..length].to_vec();
            answer[..2].copy_from_slice(&[0x24, 1]);
            let _ = server.send_to(&answer, from).await;
        }
    });
    let daemon = start(&lab, "destinationHostnames: [time.example], ports: [{port: 123}]");
    refused("not looked up", || ask(lab.workload(), &at(UPSTREAM_V4, 123)));
    daemon.record(&json!({"protocol": "udp", "decision": "deny", "reason": "policy.no-route"}));
    let client = "import socket\n\
                  to = socket.getaddrinfo('time.example', 123, 0, socket.SOCK_DGRAM)[0]\n\
                  s = socket.socket(*to[:3]); s.settimeout(5)\n\
                  s.sendto(b'\\x23' + bytes(47), to[4])\n\
                  answer, sender = s.recvfrom(512)\n\
                  print(len(answer), answer[0], answer[1], sender == to[4])";
    let said = lab.workload().command("python3").args(["-c", client]).run().succeeded();
    assert_eq!(said.trim(), "48 36 1 True");
    daemon.record(&json!({
        "protocol": "udp", "decision": "allow", "destination_host": "time.example", "destination_port": 123,
    }));
}

#[apply(over_both)]
fn what_no_route_allows_is_refused_at_once_and_recorded_once_for_each_flow(lab: Lab) {
    who_is_there(&lab, OPEN);
    who_is_there(&lab, SHUT);
    let daemon =
        start(&lab, "destinationCIDRs: [192.0.2.10/32, \"2001:db8:1::10/128\"], ports: [{port: 4000}]");
    for to in ["192.0.2.11", "192.0.2.12"] {
        let flow = socket(lab.workload(), &at(to, OPEN));
        for _ in 0..5 {
            refused(to, || exchange(&flow, b"ping"));
        }
        let row = daemon.record(&json!({
            "kind": "connection", "protocol": "udp", "decision": "deny", "reason": "policy.no-route",
            "destination_address": lab.twin(to), "agent_id": "alice", "policy_id": "EgressGateway/default",
        }));
        assert_eq!(row["phase"], "complete", "{row}");
    }
    assert_eq!(counted(&lab, "refused_udp"), 0, "the daemon refused them");
    refused("a source nobody registered", || ask(lab.bob(), &at(UPSTREAM_V4, OPEN)));
    daemon.record(
        &json!({"reason": "identity.unknown", "protocol": "udp", "source_address": lab.twin(BOB_V4)}),
    );
    assert_eq!(flows(&daemon).len(), 3);
    assert_eq!(counted(&lab, "refused_udp"), 1, "the kernel refused it");
    refused("a port that no rule names", || ask(lab.workload(), &at(UPSTREAM_V4, SHUT)));
    assert_eq!(counted(&lab, "refused_udp"), 2, "the kernel refused it");
    daemon.record(&json!({
        "protocol": "udp", "reason": "policy.no-route", "destination_port": SHUT, "policy_id": "EgressGateway/default",
    }));
    assert_eq!(flows(&daemon).len(), 4);
}

#[apply(over_both)]
fn addresses_that_are_not_public_are_refused_as_for_tcp(lab: Lab) {
    let daemon = start(&lab, "ports: [{port: 4000}]");
    for (to, reason) in [("169.254.169.254", "destination.metadata"), ("10.9.9.9", "destination.private")] {
        refused(to, || ask(lab.workload(), &at(to, OPEN)));
        daemon.record(&json!({"protocol": "udp", "destination_address": lab.twin(to), "reason": reason}));
    }
    // The gateway itself is the kernel's to refuse: DHCP and the like must not come to a relay.
    refused("itself", || ask(lab.workload(), &at(GATEWAY_V4, OPEN)));
    refused("itself", || ask(lab.workload(), &at(OUTSIDE[0], OPEN)));
    assert_eq!(counted(&lab, "refused_gateway"), 2);
    for own in [GATEWAY_V4, OUTSIDE[0]] {
        daemon.record(&json!({
            "protocol": "udp", "destination_address": lab.twin(own), "reason": "destination.private", "agent_id": "alice",
        }));
    }
}

#[apply(over_both)]
fn a_deny_policy_holds_for_udp(lab: Lab) {
    who_is_there(&lab, OPEN);
    let deny = "apiVersion: clawgress.io/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {name: no-flows}\n\
                spec: {targetRef: {kind: EgressL4Route, name: some}}\n";
    let all = policies(NETWORKS)
        + "---\n"
        + &route("some", "", "destinationCIDRs: [192.0.2.11/32, \"2001:db8:1::11/128\"]")
        + "---\n"
        + deny;
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &all)]);
    assert_eq!(ask(lab.workload(), &at(UPSTREAM_V4, OPEN)).expect("an answer"), lab.twin(OUTSIDE[0]));
    refused("denied", || ask(lab.workload(), &at("192.0.2.11", OPEN)));
    daemon.record(&json!({
        "protocol": "udp", "reason": "policy.denied", "policy_id": "EgressDenyPolicy/no-flows",
    }));
}

#[apply(over_both)]
fn quic_and_dns_stay_what_they_are_under_a_route_to_everything(lab: Lab) {
    for port in [53, 443, OPEN] {
        who_is_there(&lab, port);
    }
    let _resolver = lab.resolver(Zone::new().host("site.example", &[UPSTREAM_V4]));
    let everything = policies("destinationCIDRs: [0.0.0.0/0, \"::/0\"]");
    let all =
        everything + "---\n" + &route("site", "", "destinationHostnames: [site.example], ports: [{port: 9}]");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &all)]);
    let to = lab.twin(UPSTREAM_V4);
    assert_eq!(ask(lab.workload(), &at(UPSTREAM_V4, OPEN)).expect("an answer"), lab.twin(OUTSIDE[0]));
    refused("QUIC", || ask(lab.workload(), &at(UPSTREAM_V4, 443)));
    assert_eq!(counted(&lab, "refused_quic"), 1);
    daemon.record(&json!({"protocol": "udp", "reason": "protocol.quic", "destination_address": to}));
    assert_eq!(flows(&daemon).len(), 2, "QUIC is refused by the kernel, and recorded");
    let dig = ["+short", "+tries=1", "+time=2", "@192.0.2.10", "site.example", lab.family().record()];
    assert_eq!(lab.workload().command("dig").args(dig).run().succeeded().trim(), to);
    daemon.record(&json!({"kind": "dns", "query_name": "site.example", "decision": "allow"}));

    let quic = ["explain", "--agent", "alice", "udp://192.0.2.10:443", "-o", "json"];
    let told = daemon.cli(&quic);
    assert_eq!((told.code(), told.json()["reason"].clone()), (1, json!("protocol.quic")));
    assert!(told.json()["steps"].to_string().contains("clients fall back to TCP"), "{told}");
    let other = ["explain", "--agent", "alice", "udp://192.0.2.10:4000", "-o", "json"];
    let told = daemon.cli(&other).json();
    assert_eq!((&told["allowed"], &told["policy"]), (&json!(true), &json!("EgressL4Route/flows")), "{told}");
    assert_eq!(told["request"], lab.twin("udp 192.0.2.10:4000"));
    let tcp = ["explain", "--agent", "alice", "192.0.2.10:4000", "-o", "json"];
    assert_eq!(daemon.cli(&tcp).json()["reason"], "policy.no-route", "a UDP rule opens no TCP");
    refused("TCP", || call(lab.workload(), &at(UPSTREAM_V4, OPEN)));
}

#[apply(over_both)]
fn a_reply_from_another_address_or_port_is_not_relayed(lab: Lab) {
    let [server, other_address, other_port] =
        ["192.0.2.10:4000", "192.0.2.11:4000", "192.0.2.10:4001"].map(|here| lab.backends().udp(here));
    lab.backends().spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((_, from)) = server.recv_from(&mut buffer).await {
            for (socket, says) in
                [(&other_address, &b"forged"[..]), (&other_port, b"forged too"), (&server, b"true")]
            {
                let _ = socket.send_to(says, from).await;
            }
        }
    });
    let mut daemon = start(&lab, NETWORKS);
    let flow = socket(lab.workload(), "192.0.2.10:4000");
    for _ in 0..3 {
        assert_eq!(exchange(&flow, b"who?").expect("an answer"), b"true");
    }
    daemon.terminate();
    daemon.start_again();
    daemon.record(&json!({"destination_address": lab.twin(UPSTREAM_V4), "bytes_in": 12, "datagrams_in": 3}));
}

#[test]
fn the_largest_datagrams_pass_whole_in_both_families() {
    let lab = lab();
    let _daemon = start(&lab, NETWORKS);
    for (to, length) in UPSTREAM.into_iter().zip([65_507_u32, 65_000]) {
        lab.backends().udp_echo(&at(to, OPEN));
        let sent: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let flow = socket(lab.workload(), &at(to, OPEN));
        assert!(exchange(&flow, &sent).expect("an echo") == sent, "{to}: not what was sent");
    }
}

#[apply(over_both)]
fn a_burst_with_which_a_flow_begins_arrives_whole(lab: Lab) {
    const BURST: u8 = 100;
    lab.backends().udp_echo(&at(UPSTREAM_V4, OPEN));
    let _daemon = start(&lab, NETWORKS);
    let flow = socket(lab.workload(), &at(UPSTREAM_V4, OPEN));
    for number in 0..BURST {
        flow.send(&[number]).expect("it is sent");
    }
    let mut heard: Vec<u8> = (0..BURST)
        .map(|_| {
            let mut one = [0; 2];
            assert_eq!(flow.recv(&mut one).expect("an echo"), 1);
            one[0]
        })
        .collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..BURST).collect::<Vec<_>>());
}

#[test]
fn a_destination_where_nobody_listens_is_told_as_such() {
    let lab = lab();
    let daemon = start(&lab, NETWORKS);
    for to in UPSTREAM {
        let error = refused("nobody there", || ask(lab.workload(), &at(to, OPEN)));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{to}: {error}");
        let row = daemon.record(&json!({
            "protocol": "udp", "destination_address": to, "reason": "upstream.unreachable", "bytes_out": 4,
        }));
        assert!(row["evidence"].to_string().contains("connection refused"), "{row}");
    }
}

#[apply(over_both)]
fn a_reload_ends_the_flows_that_it_no_longer_allows_and_no_others(lab: Lab) {
    who_is_there(&lab, OPEN);
    who_is_there(&lab, SHUT);
    let both = policies(NETWORKS) + "---\n" + &route("more", "", "ports: [{port: 4001}]");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &both)]);
    let [kept, ended] = [OPEN, SHUT].map(|port| socket(lab.workload(), &at(UPSTREAM_V4, port)));
    for flow in [&kept, &ended] {
        exchange(flow, b"ping").expect("an answer");
    }
    // The port is still named, for others: the daemon refuses.
    let others = "sourceAgents: {matchLabels: {tier: prod}}";
    let for_others = policies(NETWORKS) + "---\n" + &route("more", others, "ports: [{port: 4001}]");
    daemon.write_policy("all.yaml", &for_others);
    daemon.reload();
    daemon.record(&json!({
        "destination_port": SHUT, "decision": "deny", "reason": "policy.no-route", "phase": "complete",
        "bytes_out": 4, "bytes_in": lab.twin(OUTSIDE[0]).len(),
    }));
    refused("taken away", || exchange(&ended, b"ping"));
    exchange(&kept, b"pong").expect("the other flow lives");
    assert_eq!(flows(&daemon).iter().filter(|row| row["destination_port"] == OPEN).count(), 1);
    // And now by nobody: the kernel refuses, and the living flow ends all the same.
    daemon.write_policy("all.yaml", &alice_and_gateway(LISTENERS));
    daemon.reload();
    daemon.record(&json!({
        "destination_port": OPEN, "decision": "deny", "reason": "policy.no-route", "bytes_out": 8,
    }));
    let before = counted(&lab, "refused_udp");
    refused("no route at all", || ask(lab.workload(), &at(UPSTREAM_V4, OPEN)));
    assert_eq!(counted(&lab, "refused_udp"), before + 1);
}

#[apply(over_both)]
fn udp_ports_follow_policy_while_rules_and_counters_stay(lab: Lab) {
    who_is_there(&lab, SHUT);
    let daemon = start(&lab, NETWORKS);
    // A table that was made anew has another handle.
    let table = || {
        let list = ["-a", "-s", "list", "table", "inet", "clawgress"];
        let listed = lab.gateway().command("nft").args(list).run().succeeded();
        listed.lines().next().expect("a table").to_owned()
    };
    let before = table();
    refused("not named", || ask(lab.workload(), &at(UPSTREAM_V4, SHUT)));
    daemon.write_policy("all.yaml", &policies("ports: [{startPort: 4001, endPort: 5000}, {port: 7}]"));
    daemon.reload();
    assert_eq!(ask(lab.workload(), &at(UPSTREAM_V4, SHUT)).expect("named now"), lab.twin(OUTSIDE[0]));
    let status = daemon.status();
    assert_eq!(status["interception"]["rules"], "in-place", "{status}");
    assert_eq!(counted(&lab, "refused_udp"), 1, "counters go on");
    assert!(before.contains("# handle ") && table() == before, "the table was left alone: {before}");
}

#[apply(over_both)]
fn a_killed_daemon_lets_nothing_pass_and_its_flows_are_recorded_as_interrupted(lab: Lab) {
    who_is_there(&lab, OPEN);
    let mut daemon = start(&lab, NETWORKS);
    let flow = socket(lab.workload(), &at(UPSTREAM_V4, OPEN));
    exchange(&flow, b"ping").expect("an answer");
    daemon.kill9();
    refused("killed", || exchange(&flow, b"ping"));
    daemon.start_again();
    daemon.record(&json!({"protocol": "udp", "destination_port": OPEN, "end": "interrupted"}));
    assert_eq!(exchange(&flow, b"ping").expect("a new flow"), lab.twin(OUTSIDE[0]).as_bytes());
}

#[test]
fn open_forwards_udp_when_the_daemon_is_gone_and_relays_it_while_it_lives() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    who_is_there(&lab, SHUT);
    let mut daemon = lab.daemon(&fail_mode("open"), &[("all.yaml", &policies(NETWORKS))]);
    for ((to, alice), outside) in UPSTREAM.into_iter().zip([ALICE_V4, ALICE_V6]).zip(OUTSIDE) {
        assert_eq!(ask(lab.workload(), &at(to, OPEN)).expect("relayed"), outside);
        refused("not named", || ask(lab.workload(), &at(to, SHUT)));
        daemon.kill9();
        assert_eq!(ask(lab.workload(), &at(to, OPEN)).expect("forwarded"), alice);
        daemon.start_again();
    }
}

#[apply(over_both)]
fn one_source_has_its_bound_of_flows_and_others_are_served(lab: Lab) {
    who_is_there(&lab, OPEN);
    // Nobody answers there, not even with an error.
    let quiet =
        "table inet quiet { chain c { type filter hook input priority 0; udp dport 20000-40000 drop; }; }";
    lab.upstream().command("nft").arg(quiet).run().succeeded();
    let all = policies("destinationCIDRs: [192.0.2.0/24, \"2001:db8:1::/64\"]") + "---\n" + BOB;
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &all)]);
    let (to, any) =
        if lab.family() == Family::V6 { (UPSTREAM_V6, "[::]:0") } else { (UPSTREAM_V4, "0.0.0.0:0") };
    let greedy = lab.workload().enter(|| UdpSocket::bind(any).expect("a socket"));
    let mut ports = 20_000..40_000;
    eventually("a refusal for want of room", || {
        for port in ports.by_ref().take(400) {
            let _ = greedy.send_to(b"x", (to, port));
        }
        let rows = daemon.records(&["--reason", "overload", "--kind", "connection"]);
        rows.into_iter().find(|row| row["agent_id"] == "alice" && row["protocol"] == "udp")
    });
    assert_eq!(ask(lab.bob(), &at(UPSTREAM_V4, OPEN)).expect("bob is served"), lab.twin(OUTSIDE[0]));
}

#[apply(over_both)]
fn a_datagram_from_no_port_is_refused_and_takes_no_other_flow_with_it(lab: Lab) {
    let daemon = start(&lab, NETWORKS);
    let (alice, to) = (lab.twin(ALICE_V4), lab.twin(UPSTREAM_V4));
    Packet::udp(&alice, &to, OPEN, b"ping").leaving_by(0).send(lab.workload());
    daemon.record(&json!({
        "protocol": "udp", "destination_port": OPEN, "agent_id": "alice", "decision": "deny",
        "reason": "protocol.malformed",
    }));
    who_is_there(&lab, OPEN);
    assert_eq!(ask(lab.workload(), &at(UPSTREAM_V4, OPEN)).expect("an answer"), lab.twin(OUTSIDE[0]));
    assert_eq!(flows(&daemon).iter().filter(|row| row["decision"] == "allow").count(), 1);
}

#[cfg(feature = "long-tests")]
#[apply(over_both)]
fn a_flow_that_nobody_answers_ends_after_two_minutes_with_its_bytes_on_record(lab: Lab) {
    use std::time::{Duration, Instant};
    let _silent = lab.backends().udp(&at(UPSTREAM_V4, OPEN));
    let daemon = start(&lab, NETWORKS);
    let flow = socket(lab.workload(), &at(UPSTREAM_V4, OPEN));
    let begun = Instant::now();
    flow.send(b"hello?").expect("it is sent");
    let ended = loop {
        let row = daemon.record(&json!({"protocol": "udp", "destination_port": OPEN}));
        if row["phase"] == "complete" {
            break row;
        }
        assert!(begun.elapsed() < Duration::from_secs(180), "it lives on: {row}");
        std::thread::sleep(Duration::from_secs(1));
    };
    assert_eq!(
        (&ended["end"], &ended["bytes_out"], &ended["bytes_in"]),
        (&json!("idle"), &json!(6), &json!(0))
    );
    assert!(ended["latency_ms"].as_f64() >= Some(120_000.0), "{ended}");
}

#[apply(over_both)]
fn datagrams_past_an_agents_pace_are_lost_and_those_of_others_are_not(lab: Lab) {
    who_is_there(&lab, OPEN);
    let pace = "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: pace}\nspec:\n  \
                targetRef: {kind: Agent, name: alice}\n  rules: [{name: slow, action: Throttle, bytesPerSecond: 1024}]\n";
    let documents = policies(NETWORKS) + "---\n" + BOB + pace;
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &documents)]);
    let there = at(UPSTREAM_V4, OPEN);
    let alice = socket(lab.workload(), &there);
    for _ in 0..100 {
        alice.send(&[b'x'; 1000]).expect("sent");
    }
    let bob = socket(lab.bob(), &there);
    for _ in 0..20 {
        exchange(&bob, &[b'x'; 1000]).expect("an answer to each");
    }
    daemon.record(
        &json!({"kind": "connection", "protocol": "udp", "agent_id": "alice", "decision": "throttle",
                          "policy_id": "EgressPolicy/pace", "rule": "slow"}),
    );
    assert_eq!(daemon.terminate(), 0);
    daemon.start_again();
    daemon.record(&json!({"agent_id": "bob", "phase": "complete", "decision": "allow", "datagrams_out": 20, "bytes_out": 20_000}));
    let ended = daemon.record(&json!({"agent_id": "alice", "phase": "complete", "decision": "throttle"}));
    let passed = ended["datagrams_out"].as_u64().expect("a count");
    assert!((1..100).contains(&passed), "{ended}");
}

#[apply(over_both)]
fn a_flow_ends_with_the_last_datagram_for_which_there_is_room_and_what_was_used_stays_used(lab: Lab) {
    who_is_there(&lab, OPEN);
    let cap = "---\napiVersion: clawgress.io/v1alpha1\nkind: BandwidthPolicy\nmetadata: {name: cap}\nspec:\n  \
               targetRef: {kind: Agent, name: alice}\n  up: {maxBytes: 100, window: month}\n";
    let documents = policies(NETWORKS) + "---\n" + BOB + cap;
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &documents)]);
    let there = at(UPSTREAM_V4, OPEN);
    let flow = socket(lab.workload(), &there);
    for _ in 0..2 {
        exchange(&flow, &[b'x'; 40]).expect("an answer");
    }
    refused("the third", || exchange(&flow, &[b'x'; 40]));
    let spent = json!({"protocol": "udp", "agent_id": "alice", "reason": "quota.bytes", "policy_id": "BandwidthPolicy/cap"});
    let row = daemon.record(&spent);
    assert_eq!(
        (&row["end"], &row["bytes_out"], &row["datagrams_out"]),
        (&json!("spent"), &json!(80), &json!(2)),
        "{row}"
    );
    daemon.kill9();
    daemon.start_again();
    exchange(&socket(lab.workload(), &there), &[b'x'; 20]).expect("what is left");
    let shut = socket(lab.workload(), &there);
    refused("nothing is left", || exchange(&shut, b"x"));
    daemon.record(&json!({"protocol": "udp", "decision": "deny", "reason": "quota.bytes", "phase": "complete", "bytes_out": 0}));
    exchange(&socket(lab.bob(), &there), &[b'x'; 60]).expect("the limit is not bob's");
}
