//! What belongs to the link between workloads and gateway: neighbour discovery, groups, what the gateway's own host says
//! there, and the errors of routers on it. Never asserts what policy says of flows.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};

use super::probes::{AT_ONCE, OPEN, UPSTREAM, alice_with_network, at, counted, lab};
use crate::lab::backends::eventually;
use crate::lab::packets::{Packet, send_all};
use crate::lab::topology::ip;
use crate::lab::{ALICE_V4, ALICE_V6, GATEWAY_V4, GATEWAY_V6, Lab, Namespace};

const ALICE: [&str; 2] = [ALICE_V4, ALICE_V6];
/// Alice's address on the link.
const ALICE_ON_LINK: &str = "fe80::ff:fe00:2";

/// An error as a router sends it that could not pass on a packet from `far` to alice's port (RFC 792; RFC 4443, section 3):
/// fragmentation needed, packet too big.
fn too_big(router: &str, far: (&str, u16), alice: (&str, u16), protocol: u8) -> Packet {
    let mut header = [far.1, alice.1].map(u16::to_be_bytes).concat();
    header.extend([0; 16]);
    let quoted = Packet::new(far.0, alice.0, protocol, &header);
    let (kind, code) = if router.contains(':') { (2, 0) } else { (3, 4) };
    Packet::icmp_error(router, far.0, kind, code, &quoted)
}

/// How many ICMP errors the gateway's TCP was given that were about one of its connections, but not about anything under
/// way in it (`OutOfWindowIcmps` of netstat).
fn given_to_tcp(lab: &Lab) -> u64 {
    let all = lab.gateway().enter(|| std::fs::read_to_string("/proc/thread-self/net/netstat"));
    let all = all.expect("counters of TCP");
    let mut rows = all.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    let found = names.zip(values).find(|(name, _)| *name == "OutOfWindowIcmps");
    found.expect("a counter").1.parse().expect("a number")
}

#[test]
fn a_routers_error_about_an_intercepted_flow_is_believed_though_its_link_is_no_workloads_subnet() {
    let lab = lab();
    ip(Some(lab.gateway()), "addr add 172.16.0.1/30 dev agents0\naddr add fd16::1/64 dev agents0 nodad\n");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    for ((router, to), alice) in ["172.16.0.2", "fd16::2"].into_iter().zip(UPSTREAM).zip(ALICE) {
        let far: SocketAddr = at(to, OPEN).parse().expect("an address");
        let stream = lab.workload().enter(|| TcpStream::connect_timeout(&far, AT_ONCE)).expect("intercepted");
        let port = stream.local_addr().expect("an address").port();
        let before = given_to_tcp(&lab);
        too_big(router, (to, OPEN), (alice, port), 6).send(lab.workload());
        eventually("the flow is told", || (given_to_tcp(&lab) == before + 1).then_some(()));
        assert_eq!(counted(&lab, "refused_icmp"), u64::from(router.contains(':')), "{router}");
        // About no flow it is nobody's.
        too_big(router, (to, OPEN), (alice, port ^ 1), 6).send(lab.workload());
        daemon.record(&json!({"decision": "deny", "reason": "identity.unknown", "source_address": router}));
        assert_eq!(given_to_tcp(&lab), before + 1);
    }
    assert_eq!(counted(&lab, "refused_icmp"), 2);
}

#[test]
fn an_error_about_a_port_of_the_gateways_listeners_is_about_no_flow() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let listeners = [(6, 13_128), (6, 13_053), (17, 13_053), (17, 13_129)];
    for (to, alice) in UPSTREAM.into_iter().zip(ALICE) {
        for (protocol, port) in listeners {
            too_big(alice, (to, port), (alice, 9), protocol).send(lab.workload());
        }
        daemon.record(&json!({"reason": "protocol.icmp", "agent_id": "alice", "destination_address": to}));
    }
    assert_eq!(counted(&lab, "refused_icmp"), 8);
}

/// Groups of the site, one of each family.
const GROUPS: [&str; 2] = ["239.1.2.3", "ff05::1:2:3"];
/// The port at which the gateway's own host listens to them.
const HEARD: u16 = 5353;

/// The number of an interface of the namespace that the calling thread is in, and its link-local address (proc(5)).
fn link(interface: &str) -> (u32, Option<Ipv6Addr>) {
    let all = std::fs::read_to_string("/proc/thread-self/net/if_inet6").expect("addresses");
    let rows = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|row| row.last() == Some(&interface)).collect();
    let hex = |text: &str| u128::from_str_radix(text, 16).expect("a number");
    let on_link = rows.iter().find(|row| row[3] == "20").map(|row| Ipv6Addr::from(hex(row[0])));
    let row = rows.first().unwrap_or_else(|| panic!("no interface `{interface}`"));
    (u32::try_from(hex(row[1])).expect("an index"), on_link)
}

/// A socket in the gateway's host that hears a group on the workloads' interface.
fn listener(group: &str, interface: u32) -> UdpSocket {
    let v4 = !group.contains(':');
    let here = if v4 { at("0.0.0.0", HEARD) } else { at("::", HEARD) };
    let socket = UdpSocket::bind(here).expect("a socket");
    socket.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
    match v4 {
        true => socket.join_multicast_v4(&group.parse().expect("a group"), &[10, 77, 0, 1].into()),
        false => socket.join_multicast_v6(&group.parse().expect("a group"), interface),
    }
    .expect("a group");
    socket
}

/// Sends to a group from an address of this host.
fn speak(source: &str, group: &str, interface: u32) {
    let (source, to) = (at(source, 0), at(group, HEARD));
    let (mut source, to): (SocketAddr, SocketAddr) =
        (source.parse().expect("an address"), to.parse().expect("an address"));
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP)).expect("a socket");
    match &mut source {
        SocketAddr::V4(_) => socket.set_multicast_if_v4(&Ipv4Addr::new(10, 77, 0, 1)),
        SocketAddr::V6(source) => {
            source.set_scope_id(interface);
            socket.set_multicast_if_v6(interface)
        }
    }
    .expect("an interface");
    socket.bind(&source.into()).expect("its own address");
    socket.send_to(b"own", &to.into()).expect("it is sent");
}

#[test]
fn what_the_gateways_host_says_to_a_group_reaches_its_own_listeners_and_what_poses_as_it_does_not() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let (interface, on_link) = lab.gateway().enter(|| link("agents0"));
    let on_link = on_link.expect("a link-local address").to_string();
    let own = [(GATEWAY_V4, GROUPS[0]), (GATEWAY_V6, GROUPS[1]), (&on_link, GROUPS[1])];
    for (source, group) in own {
        let socket = lab.gateway().enter(|| listener(group, interface));
        Packet::udp(source, group, HEARD, b"forged").send(lab.workload());
        daemon.record(&json!({
            "reason": "identity.invalid", "source_address": source, "destination_address": group,
        }));
        lab.gateway().enter(|| speak(source, group, interface));
        let mut buffer = [0; 16];
        let (length, from) =
            socket.recv_from(&mut buffer).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!((&buffer[..length], from.ip().to_string()), (&b"own"[..], source.to_owned()));
    }
    assert_eq!(counted(&lab, "refused_gateway"), 0);
    let rows = daemon.records(&["--kind", "connection"]);
    assert!(rows.iter().all(|row| row["reason"] == "identity.invalid"), "{rows:?}");
}

fn refused_nothing_as_forged(lab: &Lab, what: &str) {
    assert_eq!(counted(lab, "refused_forged"), 0, "{what}");
}

#[test]
fn neighbours_find_each_other_where_the_gateway_has_no_link_local_address() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let flush = ["-6", "addr", "flush", "dev", "agents0", "scope", "link"];
    lab.gateway().command("ip").args(flush).run().succeeded();
    let on_link = |to: &str, kind: u8, rest: &[u8]| Packet::icmp(ALICE_ON_LINK, to, kind, 0, rest);
    let report = [0, 0, 0, 0];
    let target: Ipv6Addr = GATEWAY_V6.parse().expect("an address");
    let about = [&[0; 4][..], &target.octets()].concat();
    let packets = [
        on_link("ff02::2", 133, &[0; 4]),
        on_link("ff02::1:ff00:1", 135, &about),
        on_link(GATEWAY_V6, 135, &about),
        on_link("ff02::1", 136, &about),
        on_link("ff02::16", 143, &report).behind(0, [0, 0, 5, 2, 0, 0, 1, 0]),
    ];
    send_all(lab.workload(), &packets);
    refused_nothing_as_forged(&lab, "what neighbours say");
    // And they are answered: alice finds the gateway, asking from that address.
    ip(Some(lab.workload()), "neigh flush dev eth0\n");
    lab.workload().enter(|| {
        let mut here: std::net::SocketAddrV6 = "[fe80::ff:fe00:2]:0".parse().expect("an address");
        here.set_scope_id(link("eth0").0);
        let socket = UdpSocket::bind(SocketAddr::V6(here)).expect("her own address");
        socket.send_to(b"anybody?", at(GATEWAY_V6, OPEN)).expect("it is sent");
    });
    let reached = |space: &Namespace| {
        let listed = space.command("ip").args(["-j", "-6", "neigh", "show", GATEWAY_V6, "dev", "eth0"]).run();
        listed.json()[0]["lladdr"].as_str().map(str::to_owned)
    };
    eventually("a neighbour", || reached(lab.workload()));
    // All else from there is as forged as ever, and so are these with what they must not have.
    let before = counted(&lab, "refused_forged");
    Packet::udp(ALICE_ON_LINK, UPSTREAM[1], OPEN, b"one way").send(lab.workload());
    daemon.record(
        &json!({"reason": "identity.invalid", "source_address": ALICE_ON_LINK, "destination_port": OPEN}),
    );
    assert!(counted(&lab, "refused_forged") > before);
    on_link(GATEWAY_V6, 135, &about).behind(43, [0; 8]).send(lab.workload());
    daemon.record(&json!({"reason": "identity.unknown", "source_address": ALICE_ON_LINK}));
    assert_eq!(counted(&lab, "refused_extension"), 1);
}

#[test]
fn a_group_is_no_resolver() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x05model\x07example\0\0\x01\0\x01";
    // The broadcast address, and groups that everybody is in; others vanish where nobody here is.
    let groups = [(ALICE_V4, "224.0.0.1"), (ALICE_V4, "10.77.0.255"), (ALICE_V4, "255.255.255.255")];
    for (alice, group) in groups.into_iter().chain([(ALICE_V6, "ff02::1")]) {
        Packet::udp(alice, group, 53, query).send(lab.workload());
        daemon.record(&json!({
            "kind": "connection", "decision": "deny", "agent_id": "alice", "destination_address": group,
            "destination_port": 53, "protocol": "udp",
        }));
    }
    assert_eq!(counted(&lab, "refused_gateway"), 4);
    assert_eq!(daemon.records(&["--kind", "dns"]), [json!(null); 0]);
}
