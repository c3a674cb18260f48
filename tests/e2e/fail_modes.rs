//! What passes when the daemon, or one of its sockets, is gone: nothing with `failMode: closed`, and with `open` what
//! the daemon would have taken.

use socket2::Type;

use super::probes::{
    OPEN, SHUT, UPSTREAM, alice_with_network, ask, at, call, fail_mode, lab, packet, refused, unplug,
    who_is_there,
};
use crate::lab::{ALICE_V4, ALICE_V6, Daemon, Lab, RESOLVER_V4, RESOLVER_V6, Resolver, Zone};

/// The upstream with the workload's and the gateway's address as it sees them, and a resolver, for each family.
const FAMILIES: [(&str, &str, &str, &str); 2] = [
    (UPSTREAM[0], ALICE_V4, "192.0.2.1", RESOLVER_V4),
    (UPSTREAM[1], ALICE_V6, "2001:db8:1::1", RESOLVER_V6),
];

/// The port of the TCP listeners, and that of the DNS sockets.
const PROXY: u16 = 13_128;
const DNS: u16 = 13_053;

/// Services that answer whoever reaches them, and a resolver.
fn outside(lab: &Lab) -> Resolver {
    who_is_there(lab, OPEN);
    who_is_there(lab, SHUT);
    lab.resolver(Zone::new().host("model.example", &[UPSTREAM[0]]))
}

fn start<'lab>(lab: &'lab Lab, mode: &str) -> Daemon<'lab> {
    lab.daemon(&fail_mode(mode), &[("all.yaml", &alice_with_network())])
}

/// A query by dig; the answer, or what went wrong.
fn lookup(lab: &Lab, resolver: &str, tcp: bool) -> Result<String, String> {
    let server = format!("@{resolver}");
    let how = if tcp { "+tcp" } else { "+notcp" };
    let dig =
        lab.workload().command("dig").args(["+short", "+tries=1", "+time=1", how, &server, "model.example"]);
    let finished = dig.run();
    let text = finished.text().trim().to_owned();
    if finished.code() == 0 && text == UPSTREAM[0] { Ok(text) } else { Err(finished.to_string()) }
}

/// Who asked the lab's resolver so far.
fn askers(resolver: &Resolver) -> Vec<String> {
    resolver.asked().iter().map(|query| query.from.to_string()).collect()
}

/// The daemon does its work: TCP goes through it, DNS is answered by it, all else is refused.
pub fn assert_governed(lab: &Lab) {
    for (to, _, gateway, resolver) in FAMILIES {
        assert_eq!(call(lab.workload(), &at(to, OPEN)).expect("an open road"), gateway);
        refused("TCP without a route", || call(lab.workload(), &at(to, SHUT)));
        refused("UDP", || ask(lab.workload(), &at(to, OPEN)));
        for tcp in [false, true] {
            lookup(lab, resolver, tcp).expect("an answer of the gateway");
        }
    }
}

/// Nothing passes, and everything fails at once.
pub fn assert_shut(lab: &Lab, what: &str) {
    for (to, _, _, resolver) in FAMILIES {
        for port in [OPEN, SHUT] {
            refused(what, || call(lab.workload(), &at(to, port)));
            refused(what, || ask(lab.workload(), &at(to, port)));
        }
        refused(what, || call(lab.workload(), &at(resolver, 53)));
        refused(what, || ask(lab.workload(), &at(resolver, 53)));
        let own = if to.contains(':') { "fd77::1" } else { "10.77.0.1" };
        refused(what, || ask(lab.workload(), &at(own, 53)));
        refused(what, || call(lab.workload(), &at(own, 53)));
        refused(what, || packet(lab.workload(), 132, to));
    }
}

#[test]
fn closed_lets_nothing_pass_when_the_daemon_is_killed_and_everything_works_again_after_a_restart() {
    let lab = lab();
    let resolver = outside(&lab);
    let mut daemon = start(&lab, "closed");
    assert_governed(&lab);
    daemon.kill9();
    let asked = resolver.asked().len();
    assert_shut(&lab, "killed");
    assert_eq!(resolver.asked().len(), asked, "a query passed");
    daemon.start_again();
    assert_governed(&lab);
    assert_eq!(daemon.status()["interception"]["rules"], "in-place");
    assert_eq!(daemon.terminate(), 0);
    assert_shut(&lab, "stopped in an orderly way");
    assert_eq!(askers(&resolver).iter().filter(|from| *from != "192.0.2.1").count(), 0);
}

#[test]
fn closed_lets_no_tcp_pass_when_the_listener_alone_is_gone() {
    let lab = lab();
    let resolver = outside(&lab);
    let mut daemon = start(&lab, "closed");
    assert_governed(&lab);
    assert!(unplug(&daemon, Type::STREAM, PROXY) > 0, "no listener was found");
    for (to, _, _, resolver) in FAMILIES {
        for port in [OPEN, SHUT, 443] {
            refused("no listener", || call(lab.workload(), &at(to, port)));
        }
        refused("UDP", || ask(lab.workload(), &at(to, OPEN)));
        for tcp in [false, true] {
            lookup(&lab, resolver, tcp).expect("DNS has sockets of its own");
        }
    }
    assert!(unplug(&daemon, Type::STREAM, DNS) > 0 && unplug(&daemon, Type::DGRAM, DNS) > 0);
    let asked = resolver.asked().len();
    assert_shut(&lab, "no socket");
    assert_eq!(resolver.asked().len(), asked, "a query passed");
    assert!(daemon.runs(), "the daemon itself lives");
    daemon.kill9();
    daemon.start_again();
    assert_governed(&lab);
}

#[test]
fn open_forwards_tcp_udp_and_dns_when_the_daemon_is_killed_and_not_while_it_lives() {
    let lab = lab();
    let resolver = outside(&lab);
    let mut daemon = start(&lab, "open");
    assert_governed(&lab);
    assert!(askers(&resolver).iter().all(|from| from == "192.0.2.1"), "a workload asked past the gateway");
    daemon.kill9();
    for (to, alice, _, foreign) in FAMILIES {
        for port in [OPEN, SHUT] {
            assert_eq!(call(lab.workload(), &at(to, port)).expect("open"), alice);
            assert_eq!(ask(lab.workload(), &at(to, port)).expect("open"), alice);
        }
        for tcp in [false, true] {
            lookup(&lab, foreign, tcp).expect("open");
        }
        assert_eq!(askers(&resolver).iter().filter(|from| *from == alice).count(), 2);
        // Open is for TCP and UDP alone, and not for this host itself.
        refused("SCTP", || packet(lab.workload(), 132, to));
        let own = if to.contains(':') { "fd77::1" } else { "10.77.0.1" };
        refused("the gateway itself", || call(lab.workload(), &at(own, 22)));
    }
    daemon.start_again();
    assert_governed(&lab);
}

#[test]
fn open_forwards_what_the_missing_socket_would_have_taken_and_nothing_else() {
    let lab = lab();
    let resolver = outside(&lab);
    let daemon = start(&lab, "open");
    assert_governed(&lab);
    assert!(unplug(&daemon, Type::STREAM, PROXY) > 0, "no listener was found");
    for (to, alice, _, foreign) in FAMILIES {
        assert_eq!(call(lab.workload(), &at(to, SHUT)).expect("open"), alice);
        refused("UDP, while the daemon lives", || ask(lab.workload(), &at(to, OPEN)));
        lookup(&lab, foreign, false).expect("an answer of the gateway");
        lookup(&lab, foreign, true).expect("an answer of the gateway");
    }
    assert!(askers(&resolver).iter().all(|from| from == "192.0.2.1"), "a workload asked past the gateway");
    assert!(unplug(&daemon, Type::STREAM, DNS) > 0 && unplug(&daemon, Type::DGRAM, DNS) > 0);
    for (to, alice, _, foreign) in FAMILIES {
        assert_eq!(ask(lab.workload(), &at(to, OPEN)).expect("open"), alice);
        for tcp in [false, true] {
            lookup(&lab, foreign, tcp).expect("open");
        }
        assert_eq!(askers(&resolver).iter().filter(|from| *from == alice).count(), 2);
    }
}
