//! What one workload sends takes nothing from another, nor from the gateway itself: room for parts, errors that are
//! believed, ports that are opened on purpose.

use std::io;
use std::net::UdpSocket;

use serde_json::json;

use super::probes::{AT_ONCE, BOB, OPEN, UPSTREAM, ask, at, counted, lab, refused, who_is_there};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::packets::{Packet, send_all};
use crate::lab::{ALICE_V4, ALICE_V6, BOB_V4, BOB_V6, GATEWAY_V4, GATEWAY_V6, Lab};

const ALICE: [&str; 2] = [ALICE_V4, ALICE_V6];
const GATEWAY: [&str; 2] = [GATEWAY_V4, GATEWAY_V6];

/// `alice`, and UDP to port `OPEN` of everything outside.
fn flows() -> String {
    alice_and_gateway("{name: tcp, protocol: TCP}, {name: udp, protocol: UDP}")
        + "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: flows}\nspec:\n  \
           parentRefs: [{kind: EgressGateway, name: default}]\n  rules: [{matches: [{protocol: UDP, \
           destinationCIDRs: [192.0.2.0/24, \"2001:db8:1::/64\"], ports: [{port: 4000}]}]}]\n"
}

#[test]
fn a_port_that_is_opened_on_purpose_is_none_of_icmp_messages() {
    let lab = lab();
    let echoes: Vec<Packet> =
        ALICE.into_iter().zip(GATEWAY).map(|(alice, gateway)| Packet::echo(alice, gateway, 1, 56)).collect();
    // Where TCP has its port ICMP has a checksum.
    let ports: Vec<u16> =
        echoes.iter().map(|echo| u16::from_be_bytes([echo.payload[2], echo.payload[3]])).collect();
    let daemon = lab.daemon(&json!({"intercept": {"allowLocal": ports}}), &[("all.yaml", &flows())]);
    echoes.iter().for_each(|echo| echo.send(lab.workload()));
    for gateway in GATEWAY {
        daemon
            .record(&json!({"reason": "protocol.icmp", "agent_id": "alice", "destination_address": gateway}));
    }
    assert_eq!(counted(&lab, "refused_gateway"), 2);
}

#[test]
fn an_error_about_what_this_host_sends_of_its_own_is_not_believed() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &flows())]);
    for (family, (alice, gateway)) in ALICE.into_iter().zip(GATEWAY).enumerate() {
        let (unreachable, port) = [(3, 3), (1, 4)][family];
        // As if a resolver beyond the gateway had no DNS.
        let quoted = Packet::udp(["192.0.2.1", "2001:db8:1::1"][family], UPSTREAM[family], 53, b"query");
        Packet::icmp_error(alice, gateway, unreachable, port, &quoted).send(lab.workload());
        daemon.record(&json!({
            "kind": "connection", "decision": "deny", "reason": "protocol.icmp", "agent_id": "alice",
            "source_address": alice, "destination_address": gateway,
        }));
    }
    assert_eq!(counted(&lab, "refused_gateway"), 2);
}

#[test]
fn datagrams_of_no_agent_are_refused_by_the_kernel_though_policy_names_their_port() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &flows())]);
    for (to, bob) in UPSTREAM.into_iter().zip([BOB_V4, BOB_V6]) {
        refused(to, || ask(lab.bob(), &at(to, OPEN)));
        daemon.record(&json!({
            "reason": "identity.unknown", "source_address": bob, "destination_port": OPEN, "protocol": "udp",
        }));
    }
    assert_eq!(counted(&lab, "refused_udp"), 2);
}

#[test]
fn parts_that_are_never_whole_take_no_room_of_another_agents() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &(flows() + "---\n" + BOB))]);
    for (family, (to, alice)) in UPSTREAM.into_iter().zip(ALICE).enumerate() {
        let halves: Vec<Packet> = (0..8000_u32)
            .map(|number| {
                let nobody = match family {
                    0 => format!("198.18.{}.{}", number / 250, 1 + number % 250),
                    _ => format!("2001:db8:99::{number:x}"),
                };
                let [first, _] = Packet::udp(alice, &nobody, OPEN, &[b'x'; 1200]).in_parts(1000);
                first
            })
            .collect();
        send_all(lab.workload(), &halves);
        daemon.record(&json!({"reason": "protocol.fragment", "agent_id": "alice", "source_address": alice}));
        let bob = [BOB_V4, BOB_V6][family];
        send_all(lab.bob(), &Packet::udp(bob, to, OPEN, &[b'y'; 64]).in_parts(16));
        daemon.record(&json!({
            "decision": "allow", "agent_id": "bob", "source_address": bob, "destination_address": to,
        }));
    }
}

/// Answers each datagram with the port from which the gateway sent it: each flow has one of its own.
fn which_flow(lab: &Lab) {
    for address in UPSTREAM {
        let socket = lab.backends().udp(&at(address, OPEN));
        lab.backends().spawn(async move {
            while let Ok((_, from)) = socket.recv_from(&mut [0; 64]).await {
                let _ = socket.send_to(from.port().to_string().as_bytes(), from).await;
            }
        });
    }
}

#[test]
fn a_forged_error_ends_no_flow_of_another_agent() {
    let lab = lab();
    which_flow(&lab);
    let _daemon = lab.daemon(&json!({}), &[("all.yaml", &flows())]);
    // Destination unreachable (protocol, port, fragmentation needed, prohibited, filtered) and parameter problem over IPv4;
    // all of destination unreachable, packet too big and parameter problem over IPv6.
    let errors: [&[(u8, u8)]; 2] = [
        &[(3, 2), (3, 3), (3, 4), (3, 6), (3, 10), (3, 13), (12, 0)],
        &[(1, 0), (1, 1), (1, 3), (1, 4), (1, 6), (2, 0), (4, 0)],
    ];
    for ((to, (alice, bob)), errors) in
        UPSTREAM.into_iter().zip(ALICE.into_iter().zip([BOB_V4, BOB_V6])).zip(errors)
    {
        let any = if to.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let flow = lab.workload().enter(|| UdpSocket::bind(any)).expect("a socket");
        flow.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
        flow.connect(at(to, OPEN)).expect("a socket");
        let ask = || -> io::Result<Vec<u8>> {
            flow.send(b"ping")?;
            let mut buffer = [0; 64];
            let length = flow.recv(&mut buffer)?;
            Ok(buffer[..length].to_vec())
        };
        let before = ask().expect("a flow");
        let port = flow.local_addr().expect("an address").port();
        let quoted = Packet::new(to, alice, 17, &[OPEN, port, 12, 0].map(u16::to_be_bytes).concat());
        for (kind, code) in errors {
            Packet::icmp_error(bob, to, *kind, *code, &quoted).send(lab.bob());
            assert_eq!(
                ask().unwrap_or_else(|error| panic!("{kind}/{code}: {error}")),
                before,
                "{kind}/{code}"
            );
        }
    }
    assert_eq!(counted(&lab, "refused_icmp"), 0, "they were about a flow");
}
