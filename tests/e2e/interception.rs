//! From the workload's packet to the gateway: what is intercepted, what is refused at once, and what is let alone.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use super::dialogue::plain;
use super::probes::{
    OPEN, SHUT, UPSTREAM, alice_with_network, ask, ask_as, at, call, call_as, counted, lab, packet, refused,
    second_interface, who_is_there,
};
use crate::lab::backends::eventually;
use crate::lab::topology::ip;
use crate::lab::{ALICE_V4, ALICE_V6, GATEWAY_V4, GATEWAY_V6, Lab, Namespace, Zone};

/// The gateway's own addresses, on the workloads' side and outside.
const OWN: [&str; 4] = [GATEWAY_V4, GATEWAY_V6, "192.0.2.1", "2001:db8:1::1"];

fn no_settings() -> Value {
    json!({})
}

#[test]
fn tcp_of_every_port_reaches_the_gateway_and_its_destination_is_on_record() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    for (upstream, source) in UPSTREAM.into_iter().zip([ALICE_V4, ALICE_V6]) {
        let gateway = if upstream.contains(':') { "2001:db8:1::1" } else { "192.0.2.1" };
        assert_eq!(call(lab.workload(), &at(upstream, OPEN)).expect("an open road"), gateway);
        daemon.record(&json!({
            "kind": "connection", "agent_id": "alice", "source_address": source, "decision": "allow",
            "destination_address": upstream, "destination_port": OPEN, "policy_id": "EgressL4Route/outside",
            "protocol": "tcp", "phase": "complete",
        }));
        for port in [1, 22, 80, 443, 853, 3306, 13_053, 13_128, 65_535] {
            refused("no route", || call(lab.workload(), &at(upstream, port)));
            let reason = match port {
                443 => "protocol.not-tls",
                853 => "protocol.encrypted-dns",
                _ => "policy.no-route",
            };
            daemon.record(&json!({
                "kind": "connection", "agent_id": "alice", "source_address": source, "decision": "deny",
                "reason": reason, "destination_address": upstream, "destination_port": port,
            }));
        }
    }
}

#[test]
fn only_the_configured_interfaces_are_intercepted() {
    let lab = lab();
    who_is_there(&lab, SHUT);
    second_interface(&lab, "office0");
    let daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    for (source, to) in ["10.88.0.2", "fd88::2"].into_iter().zip(UPSTREAM) {
        let space = lab.bob();
        assert_eq!(call_as(space, source, &at(to, SHUT)).expect("forwarded by the kernel"), source);
        assert_eq!(ask_as(space, source, &at(to, SHUT)).expect("forwarded by the kernel"), source);
    }
    let rows = daemon.records(&["--kind", "connection"]);
    assert!(rows.is_empty(), "a record of traffic that is none of ours: {rows:?}");
    assert_eq!(counted(&lab, "refused_udp"), 0);
}

#[test]
fn a_source_outside_the_subnets_is_neither_intercepted_nor_forwarded_and_is_recorded_as_unknown() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    // A way back for the refusals: without it nobody could tell a refusal from silence.
    ip(Some(lab.gateway()), "route add 10.99.0.0/24 dev agents0\nroute add fd99::/64 dev agents0\n");
    ip(Some(lab.upstream()), "route add 10.99.0.0/24 via 192.0.2.1\nroute add fd99::/64 via 2001:db8:1::1\n");
    ip(Some(lab.workload()), "addr add 10.99.0.2/32 dev eth0\naddr add fd99::2/128 dev eth0 nodad\n");
    let daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    for (source, to) in ["10.99.0.2", "fd99::2"].into_iter().zip(UPSTREAM) {
        refused(source, || call_as(lab.workload(), source, &at(to, OPEN)));
        refused(source, || ask_as(lab.workload(), source, &at(to, OPEN)));
        refused(source, || ask_as(lab.workload(), source, &at(to, 53)));
    }
    assert_eq!((counted(&lab, "refused_tcp"), counted(&lab, "refused_udp")), (2, 4));
    daemon.record(&json!({"source_address": "fd99::2", "protocol": "udp", "destination_port": 53}));
    let rows = daemon.records(&[]);
    let seen: Vec<_> = rows.iter().filter(|row| row["kind"] != "system").collect();
    assert_eq!(seen.len(), 6, "one record for each: {seen:?}");
    assert!(
        seen.iter().all(|row| row["reason"] == "identity.unknown" && row["kind"] == "connection"),
        "{seen:?}"
    );
}

#[test]
fn a_second_start_changes_no_rule_keeps_the_counters_and_touches_no_other_table() {
    let lab = lab();
    let nft = |arguments: &[&str]| lab.gateway().command("nft").args(arguments).run().succeeded();
    let other = "table inet firewall { chain c { type filter hook forward priority 5; policy accept; tcp dport 9 drop; }; }";
    nft(&["add table ip6 empty"]);
    nft(&[other]);
    // With handles: a table that was made anew shows new ones.
    let firewall =
        || nft(&["-a", "list", "table", "inet", "firewall"]) + &nft(&["list", "table", "ip6", "empty"]);
    let rules = || nft(&["-a", "-s", "list", "table", "inet", "clawgress"]);
    let routes = || {
        ["-4", "-6"].map(|family| {
            let list = |what: &[&str]| lab.gateway().command("ip").arg(family).args(what).run().succeeded();
            list(&["rule"]) + &list(&["route", "show", "table", "8385"])
        })
    };
    let before = firewall();
    let mut daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    refused("UDP", || ask(lab.workload(), &at(UPSTREAM[0], OPEN)));
    let first = (rules(), routes());
    assert!(first.1.iter().all(|listed| listed.contains("fwmark 0x20c1 lookup 8385")), "{first:?}");
    assert_eq!(daemon.terminate(), 0);
    assert_eq!(rules(), first.0, "closed rules stay when the daemon stops");
    daemon.start_again();
    assert_eq!((rules(), routes()), first);
    assert_eq!(counted(&lab, "refused_udp"), 1, "counters go on");
    assert_eq!(firewall(), before, "another table of the host");
}

#[test]
fn status_says_that_the_rules_are_in_place_and_shows_when_somebody_changed_them() {
    let lab = lab();
    let daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    let status = daemon.status();
    assert_eq!(status["interception"]["rules"], "in-place", "{status}");
    assert_eq!(status["needs"], json!([]), "{status}");
    let screen = daemon.cli(&["status"]).succeeded();
    assert!(
        screen.contains("rules in place, as written") && screen.contains("nothing needs you"),
        "{screen}"
    );

    let nft = |arguments: &[&str]| lab.gateway().command("nft").args(arguments).run().succeeded();
    let listed = nft(&["-a", "list", "chain", "inet", "clawgress", "forward"]);
    let rule = listed.lines().find(|line| line.contains("goto refuse")).expect("the rule that refuses");
    let handle = rule.split("# handle ").nth(1).expect("its handle").trim();
    nft(&["delete", "rule", "inet", "clawgress", "forward", "handle", handle]);
    let status = daemon.status();
    assert_eq!(status["interception"]["rules"], "differs", "{status}");
    assert!(status["needs"].to_string().contains("clawgressd"), "names the repair: {status}");
    nft(&["delete", "table", "inet", "clawgress"]);
    assert_eq!(daemon.status()["interception"]["rules"], "absent");
}

#[test]
fn a_policy_route_that_somebody_takes_away_shows_in_status_and_comes_back() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    assert_eq!(daemon.status()["interception"]["routes"], "in-place");
    for family in ["-4", "-6"] {
        let rule = [family, "rule", "del", "priority", "100"];
        lab.gateway().command("ip").args(rule).run().succeeded();
    }
    let status = daemon.status();
    assert_eq!(status["interception"]["routes"], "absent", "{status}");
    assert_ne!(status["needs"], json!([]), "{status}");
    daemon.record(&json!({"kind": "system", "action": "interception-restored", "object": "routes"}));
    assert_eq!(daemon.status()["interception"]["routes"], "in-place");
    for to in UPSTREAM {
        call(lab.workload(), &at(to, OPEN)).expect("an open road again");
    }
}

#[test]
fn what_is_neither_tcp_nor_dns_is_refused_at_once_and_counted() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    who_is_there(&lab, 443);
    let daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    for to in UPSTREAM {
        refused("UDP", || ask(lab.workload(), &at(to, OPEN)));
        refused("UDP 123", || ask(lab.workload(), &at(to, 123)));
        refused("QUIC", || ask(lab.workload(), &at(to, 443)));
        let ping = if to.contains(':') { 58 } else { 1 };
        refused("ICMP", || packet(lab.workload(), ping, to));
        for (protocol, name) in [(132, "SCTP"), (47, "GRE"), (50, "ESP")] {
            refused(name, || packet(lab.workload(), protocol, to));
        }
    }
    let counters =
        ["refused_udp", "refused_quic", "refused_icmp", "refused_other", "refused_tcp", "refused_gateway"];
    assert_eq!(counters.map(|name| counted(&lab, name)), [4, 2, 2, 6, 0, 0]);
    // And the operator sees it.
    let told = daemon.status()["interception"]["refused"].clone();
    assert_eq!((&told["udp"], &told["quic"], &told["other"]), (&json!(4), &json!(2), &json!(6)), "{told}");
}

#[test]
fn neighbour_discovery_keeps_working() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let _daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    let forget = |space: &Namespace| {
        for family in ["-4", "-6"] {
            space.command("ip").args([family, "neigh", "flush", "all"]).run().succeeded();
        }
    };
    forget(lab.workload());
    forget(lab.gateway());
    for to in UPSTREAM {
        call(lab.workload(), &at(to, OPEN)).expect("the workload finds its gateway");
    }
    forget(lab.gateway());
    // The other way: this host looks for a workload.
    let server =
        lab.workload().enter(|| TcpListener::bind("[fd77::2]:9000")).expect("a workload's own server");
    lab.gateway().enter(|| {
        let to = "[fd77::2]:9000".parse().expect("an address");
        std::net::TcpStream::connect_timeout(&to, Duration::from_secs(1)).expect("the workload is found");
    });
    drop(server);
    assert_eq!(counted(&lab, "refused_icmp"), 0);
}

/// Servers of the gateway's host on port 22 and 2222, TCP and UDP, as sshd would stand there.
fn own_services(lab: &Lab) -> Vec<TcpListener> {
    lab.gateway().enter(|| {
        let ports = [22, 2222].into_iter();
        let places = ports.flat_map(|port| OWN.map(|address| at(address, port)));
        let listen = |place: String| {
            let listener = TcpListener::bind(&place).unwrap_or_else(|error| panic!("{place}: {error}"));
            listener.set_nonblocking(true).expect("a listener");
            listener
        };
        places.map(listen).collect()
    })
}

#[test]
fn services_of_the_gateways_host_are_out_of_reach_unless_allow_local_names_them() {
    let lab = lab();
    let services = own_services(&lab);
    let settings = json!({"intercept": {"allowLocal": [2222]}});
    let daemon = lab.daemon(&settings, &[("all.yaml", &alice_with_network())]);
    let reached = || services.iter().filter(|service| service.accept().is_ok()).count();
    for own in OWN {
        refused("sshd", || call(lab.workload(), &at(own, 22)));
        refused("ntpd", || ask(lab.workload(), &at(own, 123)));
        // Outside, the gateway's address is one of many, and no route names it.
        let reason = if OWN[..2].contains(&own) { "destination.private" } else { "policy.no-route" };
        daemon.record(&json!({
            "kind": "connection", "destination_address": own, "destination_port": 22, "reason": reason,
        }));
    }
    assert_eq!(reached(), 0, "a service of the gateway was reached");
    for own in OWN {
        lab.workload().enter(|| {
            let to = at(own, 2222).parse().expect("an address");
            std::net::TcpStream::connect_timeout(&to, Duration::from_secs(1)).expect("allowLocal opens it");
        });
    }
    let mut connections = 0;
    eventually("the connections arrive", || {
        connections += reached();
        (connections == OWN.len()).then_some(())
    });
}

#[test]
fn services_of_the_gateways_host_are_out_of_reach_by_link_local_address_too() {
    let lab = lab();
    let listed =
        lab.gateway().command("ip").args(["-br", "-6", "addr", "show", "dev", "agents0"]).run().succeeded();
    let local = listed.split_whitespace().find(|word| word.starts_with("fe80:"));
    let local = local.unwrap_or_else(|| panic!("no link-local address: {listed}"));
    let (address, _) = local.split_once('/').expect("an address with its prefix");
    let reach = |port: u16| {
        let script = format!(
            "import socket; s=socket.socket(socket.AF_INET6); s.settimeout(0.3)\n\
             try: s.connect(('{address}',{port},0,socket.if_nametoindex('eth0'))); print('reached')\n\
             except OSError as e: print(type(e).__name__)"
        );
        lab.workload().command("python3").args(["-c", &script]).run().succeeded().trim().to_owned()
    };
    let _service = lab.gateway().enter(|| TcpListener::bind("[::]:2223")).expect("a service");
    assert_eq!(reach(2223), "reached", "without a daemon");
    let _daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    // The kernel sends no reset to a link-local address, so this is silence; nothing is reached all the same.
    for port in [2223, 13_128, 13_053] {
        assert_ne!(reach(port), "reached", "{port}");
    }
    assert_eq!(counted(&lab, "refused_gateway"), counted(&lab, "refused_tcp"));
    assert!(counted(&lab, "refused_tcp") > 0);
}

#[test]
fn a_workload_that_poses_as_a_router_turns_no_route_of_the_gateways_host() {
    /// A router advertisement (RFC 4861, section 4.2) from the workload's link-local address, for half an hour.
    const ADVERTISE: &str = "import socket, struct\n\
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)\n\
        link = socket.if_nametoindex('eth0')\n\
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)\n\
        s.sendto(struct.pack('>BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0), ('ff02::1', 0, 0, link))";
    let lab = lab();
    lab.gateway().set("net/ipv6/conf/agents0/accept_ra", "2");
    let advertise = || lab.workload().command("python3").args(["-c", ADVERTISE]).run().succeeded();
    let routes = |what: &str| {
        let told = lab.gateway().command("ip").args(["-6", "route", what, "proto", "ra"]).run();
        told.succeeded()
    };
    advertise();
    eventually("without rules it is believed", || routes("show").starts_with("default").then_some(()));
    routes("flush");
    let _daemon = lab.daemon(&no_settings(), &[("all.yaml", &alice_with_network())]);
    advertise();
    eventually("it is refused", || (counted(&lab, "refused_icmp") > 0).then_some(()));
    assert_eq!(routes("show"), "");
}

#[test]
fn dialling_the_gateway_itself_does_not_loop() {
    let lab = lab();
    let zone = Zone::new()
        .host("loop.example", &["192.0.2.1", "2001:db8:1::1"])
        .host("inner.example", &[GATEWAY_V4, GATEWAY_V6]);
    let _resolver = lab.resolver(zone);
    let policies =
        alice_with_network() + "---\n" + &super::probes::route_to(&["loop.example", "inner.example"]);
    let daemon = lab.daemon(&no_settings(), &[("all.yaml", &policies)]);
    for name in ["loop.example", "inner.example"] {
        for kind in ["A", "AAAA"] {
            lab.workload().command("dig").args(["+short", name, kind]).run().succeeded();
        }
    }
    for own in OWN {
        // The ports of interception, and one that a route by network opens.
        for port in [13_128, 13_053, OPEN] {
            refused("itself", || call(lab.workload(), &at(own, port)));
            daemon.record(&json!({
                "kind": "connection", "decision": "deny", "reason": "destination.private",
                "destination_address": own, "destination_port": port,
            }));
        }
    }
    // One connection, one record: nothing came back in.
    let rows = daemon.records(&["--kind", "connection"]);
    assert_eq!(rows.len(), OWN.len() * 3, "{rows:?}");
    let name_and_no_address = "GET / HTTP/1.1\r\nHost: loop.example:13128\r\n\r\n";
    for upstream in UPSTREAM {
        let mut talk = plain(lab.workload(), &at(upstream, 13_128));
        talk.ask(name_and_no_address).is_refusal(403, "destination.private");
    }
}
