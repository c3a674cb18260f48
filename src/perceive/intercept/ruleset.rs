//! What is intercepted and what is refused, as a typed nftables ruleset.
//!
//! Pure: settings in, objects out. `nftables/clawgress.nft` is the same ruleset with a comment to every rule; a test
//! keeps the two equal, so the reasons stand there. Expressions are written the way the kernel lists them back, so
//! that `listing` can compare. No expression asks connection tracking.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use nftables::expr::{Expression, MetaKey};
use nftables::schema::{Element, FlushObject, NfCmd, NfListObject, NfObject, Nftables, Set, SetType};
use nftables::stmt::{Operator, Statement};
use nftables::types::{NfHook, RejectCode};

use super::words::{
    accept, any_of, base_chain, chain, count, counter, differs, equals, flow_errors, goto, hand_over,
    l4proto, meta, new_connection, noted, number, numbers, payload, ports, prefix, reject_icmpx,
    reject_tcp_reset, rule, set, table, text, to_address, tproxy,
};
use super::{DNS_PORT, MARK, PROXY_PORT, UDP_PORT};
use crate::model::manifest::resources::PortRange;
use crate::model::types::FailMode;

/// The counters of what was refused, by protocol, and of what was meant for this host.
pub const COUNTERS: [&str; 6] =
    ["refused_tcp", "refused_udp", "refused_quic", "refused_icmp", "refused_other", "refused_gateway"];

/// Before routing, where packets may still be marked: the priority named `mangle`.
const PRIORITY_MANGLE: i32 = -150;
/// Before the host's own filter rules (`filter` is 0), so that what they accept does not matter.
const PRIORITY_BEFORE_FILTER: i32 = -10;
/// Every IPv6 workload has such an address too (RFC 4291, section 2.5.6).
const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// Protocol numbers (IANA), for `meta l4proto`.
pub(super) const ICMP: u16 = 1;
pub(super) const TCP: u16 = 6;
pub(super) const UDP: u16 = 17;
pub(super) const ICMPV6: u16 = 58;

/// `spec.intercept`, and the ports of this daemon's sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interception {
    /// Workload-facing interfaces, by name. They need not exist yet.
    pub interfaces: Vec<String>,
    /// Addresses of workloads on them.
    pub subnets: Vec<IpNet>,
    /// Ports of this host, TCP and UDP, that workloads may reach.
    pub allow_local: Vec<u16>,
    /// What happens while the daemon is not there.
    pub fail_mode: FailMode,
    /// UDP ports about which policy has something to decide: apart, neither touching nor overlapping.
    pub udp_ports: Vec<PortRange>,
}

/// The commands that put the table in place of whatever table of that name is there, in one transaction.
pub fn replacement(wanted: &Interception) -> Nftables<'static> {
    let mut commands = vec![NfCmd::Add(table()), NfCmd::Delete(table())];
    commands.extend(objects(wanted).into_iter().map(NfCmd::Add));
    commands_of(commands)
}

/// The commands that change the UDP ports alone, in one transaction: counters go on.
pub fn adjustment(wanted: &Interception) -> Nftables<'static> {
    let mut commands = Vec::new();
    if let NfListObject::Set(set) = udp_ports(wanted) {
        let elements = set.elem.clone();
        commands.push(NfCmd::Flush(FlushObject::Set(Box::new(Set { elem: None, ..*set.clone() }))));
        commands.extend(elements.map(|elem| {
            let (family, table, name) = (set.family, set.table.clone(), set.name.clone());
            NfCmd::Add(NfListObject::Element(Element { family, table, name, elem }))
        }));
    }
    commands_of(commands)
}

/// The commands that remove the table, also where there is none.
pub fn removal() -> Nftables<'static> {
    commands_of(vec![NfCmd::Add(table()), NfCmd::Delete(table())])
}

fn commands_of(commands: Vec<NfCmd<'static>>) -> Nftables<'static> {
    Nftables { objects: Cow::Owned(commands.into_iter().map(NfObject::CmdObject).collect()) }
}

/// The table and everything in it, in an order that can be loaded.
pub fn objects(wanted: &Interception) -> Vec<NfListObject<'static>> {
    let mut all = vec![table()];
    all.extend(sets(wanted));
    all.extend(COUNTERS.map(counter));
    all.extend([
        base_chain("prerouting", NfHook::Prerouting, PRIORITY_MANGLE),
        chain("intercept"),
        base_chain("forward", NfHook::Forward, PRIORITY_BEFORE_FILTER),
        base_chain("input", NfHook::Input, PRIORITY_BEFORE_FILTER),
        chain("gateway"),
        chain("refuse"),
    ]);
    all.extend(prerouting_rules());
    all.extend(intercept_rules(wanted.fail_mode));
    all.extend(forward_rules(wanted.fail_mode));
    all.extend(input_rules());
    all.extend(gateway_rules());
    all.extend(refuse_rules());
    all
}

/// The name of the set of UDP ports, which changes with policy.
pub const UDP_PORTS: &str = "udp_ports";

fn udp_ports(wanted: &Interception) -> NfListObject<'static> {
    let elements = wanted.udp_ports.iter().copied().map(ports).collect();
    set(UDP_PORTS, SetType::InetService, true, elements)
}

fn sets(wanted: &Interception) -> [NfListObject<'static>; 5] {
    // Overlapping prefixes are an error to nft, so they are merged first.
    let subnets = IpNet::aggregate(&wanted.subnets);
    let (v4, v6): (Vec<_>, Vec<_>) = subnets.into_iter().partition(|net| matches!(net, IpNet::V4(_)));
    let mut interfaces = wanted.interfaces.clone();
    interfaces.sort();
    interfaces.dedup();
    let mut local = wanted.allow_local.clone();
    local.sort_unstable();
    local.dedup();
    [
        set("interfaces", SetType::Ifname, false, interfaces.into_iter().map(text).collect()),
        set("subnets4", SetType::Ipv4Addr, true, v4.into_iter().map(prefix).collect()),
        set("subnets6", SetType::Ipv6Addr, true, v6.into_iter().map(prefix).collect()),
        set("allow_local", SetType::InetService, false, local.into_iter().map(number).collect()),
        udp_ports(wanted),
    ]
}

fn prerouting_rules() -> Vec<NfListObject<'static>> {
    vec![
        noted(
            "prerouting",
            "not a workload-facing interface",
            vec![differs(meta(MetaKey::Iifname), text("@interfaces")), accept()],
        ),
        rule("prerouting", vec![equals(payload("ip", "saddr"), text("@subnets4")), goto("intercept")]),
        rule("prerouting", vec![equals(payload("ip6", "saddr"), text("@subnets6")), goto("intercept")]),
    ]
}

fn intercept_rules(fail_mode: FailMode) -> Vec<NfListObject<'static>> {
    let mut rules = vec![
        noted("intercept", "DNS", hand_over(equals(payload("udp", "dport"), number(53)), DNS_PORT)),
        noted("intercept", "DNS over TCP", hand_over(equals(payload("tcp", "dport"), number(53)), DNS_PORT)),
        noted(
            "intercept",
            "allowLocal",
            vec![to_address("local"), equals(payload("th", "dport"), text("@allow_local")), accept()],
        ),
        noted("intercept", "TCP", hand_over(l4proto("tcp"), PROXY_PORT)),
        noted("intercept", "UDP that policy names", udp_flows()),
        noted("intercept", "errors of intercepted flows", flow_errors("icmp", &ICMP_ERRORS)),
        noted("intercept", "errors of intercepted flows", flow_errors("icmpv6", &ICMPV6_ERRORS)),
    ];
    if fail_mode == FailMode::Open {
        // Here `tproxy` only asks whether the daemon is there: without its UDP socket the rule ends before the
        // refusal, and the datagram is forwarded.
        let sentinel = |protocol, counter| {
            vec![
                to_address("unicast"),
                protocol,
                tproxy(DNS_PORT),
                count(counter),
                reject_icmpx(RejectCode::AdminProhibited),
            ]
        };
        let quic = equals(payload("udp", "dport"), number(443));
        rules.push(noted("intercept", "the daemon is there", sentinel(quic, "refused_quic")));
        rules.push(noted("intercept", "the daemon is there", sentinel(l4proto("udp"), "refused_udp")));
    }
    rules
}

fn udp_flows() -> Vec<Statement<'static>> {
    let named = hand_over(equals(payload("udp", "dport"), text("@udp_ports")), UDP_PORT);
    std::iter::once(to_address("unicast")).chain(named).collect()
}

fn forward_rules(fail_mode: FailMode) -> Vec<NfListObject<'static>> {
    let from_workloads = || equals(meta(MetaKey::Iifname), text("@interfaces"));
    let mut rules = Vec::new();
    if fail_mode == FailMode::Open {
        for (protocol, subnets) in [("ip", "@subnets4"), ("ip6", "@subnets6")] {
            let source = equals(payload(protocol, "saddr"), text(subnets));
            let protocols = equals(meta(MetaKey::L4proto), any_of(["tcp", "udp"]));
            rules.push(noted(
                "forward",
                "failMode: open",
                vec![from_workloads(), source, protocols, accept()],
            ));
        }
    }
    rules.push(rule("forward", vec![from_workloads(), goto("refuse")]));
    rules
}

fn input_rules() -> Vec<NfListObject<'static>> {
    let own_ports = numbers([DNS_PORT, PROXY_PORT]);
    let link_local = IpNet::V6(LINK_LOCAL);
    vec![
        noted(
            "input",
            "handed over by tproxy",
            vec![equals(meta(MetaKey::Mark), Expression::Number(MARK)), accept()],
        ),
        rule(
            "input",
            vec![
                equals(payload("tcp", "dport"), own_ports),
                new_connection(Operator::EQ),
                reject_tcp_reset(),
            ],
        ),
        rule(
            "input",
            vec![
                equals(payload("udp", "dport"), numbers([DNS_PORT, UDP_PORT])),
                reject_icmpx(RejectCode::AdminProhibited),
            ],
        ),
        rule("input", vec![differs(meta(MetaKey::Iifname), text("@interfaces")), accept()]),
        rule("input", vec![equals(payload("ip", "saddr"), text("@subnets4")), goto("gateway")]),
        rule("input", vec![equals(payload("ip6", "saddr"), text("@subnets6")), goto("gateway")]),
        rule("input", vec![equals(payload("ip6", "saddr"), prefix(link_local)), goto("gateway")]),
    ]
}

fn gateway_rules() -> Vec<NfListObject<'static>> {
    let dhcp = numbers([67, 68, 546, 547]);
    let icmp = ["echo-reply", "destination-unreachable", "time-exceeded", "parameter-problem"];
    let icmpv6 =
        ["destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem", "echo-reply"];
    let neighbours = ["nd-router-solicit", "nd-neighbor-solicit", "nd-neighbor-advert"];
    let listeners =
        ["mld-listener-query", "mld-listener-report", "mld-listener-done", "mld2-listener-report"];
    let admit = |protocol, types: Expression<'static>| {
        rule("gateway", vec![equals(payload(protocol, "type"), types), accept()])
    };
    vec![
        noted("gateway", "not a new connection", vec![new_connection(Operator::NEQ), accept()]),
        noted("gateway", "allowLocal", vec![equals(payload("th", "dport"), text("@allow_local")), accept()]),
        noted("gateway", "DHCP", vec![equals(payload("udp", "dport"), dhcp), accept()]),
        admit("icmp", any_of(icmp)),
        admit("icmpv6", any_of(icmpv6)),
        admit("icmpv6", any_of(neighbours)),
        admit("icmpv6", any_of(listeners)),
        rule("gateway", vec![count("refused_gateway"), goto("refuse")]),
    ]
}

fn refuse_rules() -> Vec<NfListObject<'static>> {
    let prohibited = || reject_icmpx(RejectCode::AdminProhibited);
    // By number: a host without /etc/protocols has no name for the second.
    let icmp = equals(meta(MetaKey::L4proto), numbers([ICMP, ICMPV6]));
    vec![
        rule("refuse", vec![l4proto("tcp"), count("refused_tcp"), reject_tcp_reset()]),
        rule(
            "refuse",
            vec![equals(payload("udp", "dport"), number(443)), count("refused_quic"), prohibited()],
        ),
        rule("refuse", vec![l4proto("udp"), count("refused_udp"), prohibited()]),
        rule("refuse", vec![icmp, count("refused_icmp"), prohibited()]),
        rule("refuse", vec![count("refused_other"), prohibited()]),
    ]
}

const ICMP_ERRORS: [&str; 3] = ["destination-unreachable", "time-exceeded", "parameter-problem"];
const ICMPV6_ERRORS: [&str; 4] =
    ["destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem"];

#[cfg(test)]
mod tests {
    use super::*;

    fn example(fail_mode: FailMode) -> Interception {
        Interception {
            interfaces: vec!["agents0".into()],
            subnets: vec!["10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().unwrap()],
            allow_local: vec![8080],
            fail_mode,
            udp_ports: vec![PortRange { start: 123, end: 123 }, PortRange { start: 3478, end: 3479 }],
        }
    }

    fn rendered(wanted: &Interception) -> String {
        serde_json::to_string(&objects(wanted)).unwrap()
    }

    #[test]
    fn equal_settings_in_another_order_give_the_same_rules() {
        let mut other = example(FailMode::Closed);
        other.subnets = ["fd77::/64", "10.77.0.128/25", "10.77.0.0/25", "10.77.0.7/32"]
            .map(|net| net.parse().unwrap())
            .into();
        other.interfaces.push("agents0".into());
        other.allow_local = vec![8080, 8080];
        assert_eq!(objects(&other), objects(&example(FailMode::Closed)));
    }

    #[test]
    fn nothing_is_forwarded_unless_open_is_asked_for() {
        let verdicts = |fail_mode| {
            let all = objects(&example(fail_mode));
            let forward: Vec<_> = all
                .iter()
                .filter_map(|object| match object {
                    NfListObject::Rule(rule) if rule.chain == "forward" => Some(rule),
                    _ => None,
                })
                .collect();
            forward.iter().filter(|rule| rule.expr.contains(&accept())).count()
        };
        assert_eq!(verdicts(FailMode::Closed), 0);
        assert_eq!(verdicts(FailMode::Open), 2);
    }

    #[test]
    fn no_rule_asks_connection_tracking() {
        for mode in [FailMode::Closed, FailMode::Open] {
            assert!(!rendered(&example(mode)).contains("\"ct"));
        }
    }

    #[test]
    fn a_replacement_names_no_other_table() {
        let commands = serde_json::to_value(replacement(&example(FailMode::Open))).unwrap();
        for command in commands["nftables"].as_array().unwrap() {
            let (_, object) = command.as_object().unwrap().iter().next().unwrap();
            let (kind, body) = object.as_object().unwrap().iter().next().unwrap();
            let table = if kind == "table" { &body["name"] } else { &body["table"] };
            assert_eq!((&body["family"], table), (&"inet".into(), &"clawgress".into()));
        }
    }
}
