//! The rules, chain by chain, in the order in which a packet meets them.
//!
//! Pure. The reasons stand in `nftables/clawgress.nft`, which has the same rules with a comment to each. Expressions are
//! written the way the kernel lists them back. No expression asks connection tracking.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use nftables::expr::{Expression, MetaKey};
use nftables::schema::NfListObject;
use nftables::stmt::{Operator, Statement};
use nftables::types::{NfHook, RejectCode};

use super::protocol::{FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, IGMP, STEERING, TCP, UDP};
use super::words::{
    Rate, accept, address_type, any_of, at_most, base_chain, beyond, chain, count, differs, discard, each,
    equals, extension, flow_errors, goto, hand_over, in_parts, jump, l4proto, leave, meta, new_connection,
    no_way_back, noted, number, numbers, payload, prefix, protocol, protocols, reject_icmpx,
    reject_tcp_reset, rule, set_mark, source_and_card, source_type, tell, text, tproxy, tproxy_of, within,
};
use super::{DNS_PORT, MARK, PARTS_MARK, PASSED_MARK, PROXY_PORT, UDP_PORT};
use crate::model::types::FailMode;
use crate::model::types::limits::{
    DROPS_BURST, DROPS_BURST_ALL, DROPS_PER_SECOND, DROPS_PER_SECOND_ALL, ECHO_BYTES, FORGED_BURST,
    FORGED_PER_SECOND, PARTS_BURST, PARTS_PER_SECOND, STRANGERS_BURST, STRANGERS_PER_SECOND,
};

/// Before fragments are put together, which is at -400 (`NF_IP_PRI_CONNTRACK_DEFRAG`, Linux `netfilter_ipv4.h`).
const PRIORITY_BEFORE_REASSEMBLY: i32 = -450;
/// Before routing, where packets may still be marked: the priority named `mangle`.
const PRIORITY_MANGLE: i32 = -150;
/// Before the host's own filter rules (`filter` is 0), so that what they accept does not matter.
const PRIORITY_BEFORE_FILTER: i32 = -10;
/// Every IPv6 workload has such an address too (RFC 4291, section 2.5.6).
const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
/// Bytes of an IPv6 header, which its own length does not count (RFC 8200, section 3).
const IPV6_HEADER: u16 = 40;
/// How IPv4 counts its header: words of four bytes, five without options (RFC 791, section 3.1).
const NO_OPTIONS: u16 = 5;

/// The word under which a dropped packet is told.
pub(super) const REFUSED: &str = "refused";
/// The same where its source address is not the sender's.
pub(super) const FORGED: &str = "forged";
/// An echo request that was let pass.
pub(super) const ECHO: &str = "echo";

/// The chains themselves; a rule may only lead to one that is there.
pub(super) fn chains() -> Vec<NfListObject<'static>> {
    vec![
        base_chain("arrive", NfHook::Prerouting, PRIORITY_BEFORE_REASSEMBLY),
        chain("card"),
        chain("forged"),
        chain("odd"),
        chain("fragment"),
        chain("extension"),
        base_chain("prerouting", NfHook::Prerouting, PRIORITY_MANGLE),
        chain("intercept"),
        chain("onward"),
        base_chain("forward", NfHook::Forward, PRIORITY_BEFORE_FILTER),
        base_chain("input", NfHook::Input, PRIORITY_BEFORE_FILTER),
        chain("gateway"),
        chain("echo"),
        chain("pass"),
        chain("refuse"),
        chain("tell"),
        chain("strangers"),
    ]
}

/// The rules of all of them. `echoes` is how many echo requests of one address pass each second.
pub(super) fn rules(fail_mode: FailMode, echoes: u32) -> Vec<NfListObject<'static>> {
    let mut all = arrive_rules();
    all.extend(odd_rules());
    all.extend(prerouting_rules());
    all.extend(intercept_rules(fail_mode));
    all.extend(onward_rules());
    all.extend(forward_rules(fail_mode));
    all.extend(input_rules());
    all.extend(gateway_rules());
    all.extend(echo_rules(echoes));
    all.extend(refuse_rules());
    all.extend(tell_rules());
    all.extend(strangers_rules());
    all
}

fn elsewhere(chain: &'static str) -> NfListObject<'static> {
    let elsewhere = differs(meta(MetaKey::Iifname), text("@interfaces"));
    noted(chain, "not a workload-facing interface", vec![elsewhere, accept()])
}

fn from_workloads() -> Statement<'static> {
    equals(meta(MetaKey::Iifname), text("@interfaces"))
}

fn source_in(protocol: &'static str, set: &'static str) -> Statement<'static> {
    equals(payload(protocol, "saddr"), text(set))
}

fn prohibited() -> Statement<'static> {
    reject_icmpx(RejectCode::AdminProhibited)
}

fn arrive_rules() -> Vec<NfListObject<'static>> {
    let whole =
        vec![equals(payload("ip", "hdrlength"), number(NO_OPTIONS)), in_parts(Operator::EQ), accept()];
    let link_local = equals(payload("ip6", "saddr"), prefix(IpNet::V6(LINK_LOCAL)));
    let on_link = vec![link_local, equals(payload("icmpv6", "type"), any_of(ON_LINK)), goto("odd")];
    let forged = Rate { burst: FORGED_BURST, per_second: FORGED_PER_SECOND };
    vec![
        elsewhere("arrive"),
        rule("arrive", vec![source_in("ip", "@bound4"), jump("card")]),
        rule("arrive", vec![source_in("ip6", "@bound6"), jump("card")]),
        noted("arrive", "neighbours and groups on the link", on_link),
        noted("arrive", "no way back to the source", vec![no_way_back(), goto("forged")]),
        noted("arrive", "ordinary", whole),
        noted(
            "arrive",
            "ordinary",
            vec![equals(payload("ip6", "nexthdr"), protocols([TCP, UDP, ICMPV6])), accept()],
        ),
        rule("arrive", vec![goto("odd")]),
        rule("card", vec![equals(source_and_card("ip"), text("@pairs4")), leave()]),
        rule("card", vec![equals(source_and_card("ip6"), text("@pairs6")), leave()]),
        noted("card", "another sender's address", vec![goto("forged")]),
        rule("forged", vec![within(forged), tell(FORGED)]),
        rule("forged", vec![count("refused_forged"), discard()]),
    ]
}

fn odd_rules() -> Vec<NfListObject<'static>> {
    let next = |value| equals(payload("ip6", "nexthdr"), protocol(value));
    let options = differs(payload("ip", "hdrlength"), number(NO_OPTIONS));
    let no_membership = differs(payload("ip", "protocol"), protocol(IGMP));
    let mld = equals(payload("icmpv6", "type"), any_of(LISTENERS));
    let direct =
        |header| equals(extension(header, "nexthdr"), protocol(if header == "hbh" { ICMPV6 } else { UDP }));
    let rate = Rate { burst: PARTS_BURST, per_second: PARTS_PER_SECOND };
    let datagrams = |family, agents, what, account| {
        let within = each(payload(family, "saddr"), account, within(rate));
        vec![source_in(family, agents), what, within, set_mark(PARTS_MARK), accept()]
    };
    let v4 = equals(payload("ip", "protocol"), protocol(UDP));
    vec![
        noted("odd", "IPv4 options", vec![options, no_membership, goto("extension")]),
        rule("odd", vec![in_parts(Operator::NEQ), goto("fragment")]),
        rule("odd", vec![next(FRAGMENT), goto("fragment")]),
        noted("odd", "MLD", vec![next(HOP_BY_HOP), direct("hbh"), mld, accept()]),
        noted(
            "odd",
            "IPv6 extension headers",
            vec![equals(payload("ip6", "nexthdr"), protocols(STEERING)), goto("extension")],
        ),
        rule("fragment", vec![count("seen_fragments")]),
        rule("fragment", datagrams("ip", "@agents4", v4, "parts4")),
        rule("fragment", datagrams("ip6", "@agents6", direct("frag"), "parts6")),
        rule("fragment", vec![jump("tell")]),
        rule("fragment", vec![jump("strangers")]),
        rule("fragment", vec![count("refused_fragment"), prohibited()]),
        rule("extension", vec![jump("tell")]),
        rule("extension", vec![count("refused_extension"), discard()]),
    ]
}

fn prerouting_rules() -> Vec<NfListObject<'static>> {
    let link_local = equals(payload("ip6", "saddr"), prefix(IpNet::V6(LINK_LOCAL)));
    vec![
        elsewhere("prerouting"),
        noted("prerouting", "errors of intercepted flows", flow_errors("icmp", &ICMP_ERRORS)),
        noted("prerouting", "errors of intercepted flows", flow_errors("icmpv6", &ICMPV6_ERRORS)),
        rule("prerouting", vec![source_in("ip", "@subnets4"), goto("intercept")]),
        rule("prerouting", vec![source_in("ip6", "@subnets6"), goto("intercept")]),
        noted("prerouting", "beyond the link", vec![link_local, goto("onward")]),
    ]
}

fn intercept_rules(fail_mode: FailMode) -> Vec<NfListObject<'static>> {
    let mut rules = vec![
        noted("intercept", "DNS", queries()),
        noted("intercept", "DNS over TCP", hand_over(equals(payload("tcp", "dport"), number(53)), DNS_PORT)),
        noted(
            "intercept",
            "allowLocal",
            vec![tcp_or_udp(), to_allowed_port(), equals(address_type(), text("local")), accept()],
        ),
        noted("intercept", "TCP", hand_over(l4proto("tcp"), PROXY_PORT)),
        noted("intercept", "UDP that policy names", udp_flows("ip", "@agents4")),
        noted("intercept", "UDP that policy names", udp_flows("ip6", "@agents6")),
    ];
    if fail_mode == FailMode::Open {
        // Here `tproxy` only asks whether the daemon is there: without its UDP socket the rule ends before the
        // refusal, and the datagram is forwarded.
        let sentinel = vec![beyond_this_host(), l4proto("udp"), tproxy(DNS_PORT), goto("refuse")];
        rules.push(noted("intercept", "the daemon is there", sentinel));
        rules.push(noted("intercept", "failMode: open", vec![tcp_or_udp(), accept()]));
    }
    rules.push(rule("intercept", vec![goto("onward")]));
    rules
}

/// Of groups nobody is one to answer, and an answer has to come from whom was asked.
fn queries() -> Vec<Statement<'static>> {
    let to_one = differs(address_type(), any_of(GROUPS));
    let dns = equals(payload("udp", "dport"), number(53));
    [vec![dns], hand_over(to_one, DNS_PORT)].concat()
}

/// Not by the type `unicast`: over IPv6 a destination without a route has a type of its own.
fn beyond_this_host() -> Statement<'static> {
    differs(address_type(), any_of(HERE))
}

fn udp_flows(protocol: &'static str, agents: &'static str) -> Vec<Statement<'static>> {
    vec![
        source_in(protocol, agents),
        beyond_this_host(),
        equals(payload("udp", "dport"), text("@udp_ports")),
        tproxy_of(protocol, UDP_PORT),
        set_mark(MARK),
        accept(),
    ]
}

fn to_allowed_port() -> Statement<'static> {
    equals(payload("th", "dport"), text("@allow_local"))
}

fn tcp_or_udp() -> Statement<'static> {
    equals(meta(MetaKey::L4proto), any_of(["tcp", "udp"]))
}

fn onward_rules() -> Vec<NfListObject<'static>> {
    let neighbours = equals(payload("icmpv6", "type"), any_of(NEIGHBOURS));
    vec![
        noted("onward", "to this host, or to a group", vec![equals(address_type(), any_of(HERE)), accept()]),
        noted("onward", "neighbour discovery", vec![neighbours, accept()]),
        rule("onward", vec![jump("echo")]),
        rule("onward", vec![goto("refuse")]),
    ]
}

fn forward_rules(fail_mode: FailMode) -> Vec<NfListObject<'static>> {
    let mut rules = Vec::new();
    if fail_mode == FailMode::Open {
        for (protocol, subnets) in [("ip", "@subnets4"), ("ip6", "@subnets6")] {
            let from = [from_workloads(), source_in(protocol, subnets), tcp_or_udp(), accept()];
            rules.push(noted("forward", "failMode: open", from.to_vec()));
        }
    }
    let passed = equals(meta(MetaKey::Mark), Expression::Number(PASSED_MARK));
    rules.push(noted("forward", "passed by echo", vec![from_workloads(), passed, accept()]));
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
        rule("input", vec![equals(payload("udp", "dport"), numbers([DNS_PORT, UDP_PORT])), prohibited()]),
        rule("input", vec![differs(meta(MetaKey::Iifname), text("@interfaces")), accept()]),
        noted("input", "what this host sends to groups", vec![from_this_host(), accept()]),
        rule("input", vec![source_in("ip", "@subnets4"), goto("gateway")]),
        rule("input", vec![source_in("ip6", "@subnets6"), goto("gateway")]),
        rule("input", vec![equals(payload("ip6", "saddr"), prefix(link_local)), goto("gateway")]),
    ]
}

fn from_this_host() -> Statement<'static> {
    equals(source_type(), text("local"))
}

fn gateway_rules() -> Vec<NfListObject<'static>> {
    let dhcp = numbers([67, 68, 546, 547]);
    let admit = |protocol, types: Expression<'static>| {
        rule("gateway", vec![equals(payload(protocol, "type"), types), accept()])
    };
    vec![
        noted("gateway", "not a new connection", vec![new_connection(Operator::NEQ), accept()]),
        noted("gateway", "allowLocal", vec![tcp_or_udp(), to_allowed_port(), accept()]),
        noted("gateway", "DHCP", vec![equals(payload("udp", "dport"), dhcp), accept()]),
        // No errors: those of intercepted flows have passed already, and any other could only be meant for sockets with
        // which this host speaks to somebody else, its resolver above all.
        admit("icmp", text("echo-reply")),
        admit("icmpv6", text("echo-reply")),
        admit("icmpv6", any_of(NEIGHBOURS)),
        admit("icmpv6", any_of(LISTENERS)),
        noted("gateway", "IGMP", vec![equals(payload("ip", "protocol"), protocol(IGMP)), accept()]),
        rule("gateway", vec![jump("echo")]),
        rule("gateway", vec![count("refused_gateway"), goto("refuse")]),
    ]
}

fn echo_rules(echoes: u32) -> Vec<NfListObject<'static>> {
    let rate = Rate { burst: echoes, per_second: echoes };
    let request = |family: &'static str, icmp, sets: [&'static str; 3], longest| {
        let [agents, destinations, account] = sets;
        vec![
            source_in(family, agents),
            equals(payload(family, "daddr"), text(destinations)),
            equals(payload(icmp, "type"), text("echo-request")),
            at_most(payload(family, "length"), longest),
            each(payload(family, "saddr"), account, within(rate)),
            goto("pass"),
        ]
    };
    // The same message in a header that is 20 bytes longer and does not count itself.
    let longest = ECHO_BYTES + 20 - IPV6_HEADER;
    let told = Rate { burst: DROPS_BURST, per_second: DROPS_PER_SECOND };
    vec![
        rule("echo", request("ip", "icmp", ["@agents4", "@echo4", "pinged4"], ECHO_BYTES)),
        rule("echo", request("ip6", "icmpv6", ["@agents6", "@echo6", "pinged6"], longest)),
        rule("pass", vec![within(told), tell(ECHO)]),
        rule("pass", vec![count("passed_echo"), set_mark(PASSED_MARK), accept()]),
    ]
}

fn refuse_rules() -> Vec<NfListObject<'static>> {
    // By number: a host without /etc/protocols has no name for the second.
    let icmp = equals(meta(MetaKey::L4proto), protocols([ICMP, ICMPV6]));
    let in_parts = equals(meta(MetaKey::Mark), Expression::Number(PARTS_MARK));
    vec![
        rule("refuse", vec![jump("tell")]),
        rule("refuse", vec![jump("strangers")]),
        rule("refuse", vec![in_parts, count("refused_fragment"), prohibited()]),
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

fn strangers_rules() -> Vec<NfListObject<'static>> {
    let rate = Rate { burst: STRANGERS_BURST, per_second: STRANGERS_PER_SECOND };
    vec![
        rule("strangers", vec![source_in("ip", "@agents4"), leave()]),
        rule("strangers", vec![source_in("ip6", "@agents6"), leave()]),
        rule("strangers", vec![beyond(rate), count("refused_unanswered"), discard()]),
    ]
}

fn tell_rules() -> Vec<NfListObject<'static>> {
    let one = Rate { burst: DROPS_BURST, per_second: DROPS_PER_SECOND };
    let all = Rate { burst: DROPS_BURST_ALL, per_second: DROPS_PER_SECOND_ALL };
    let agents = |family, agents, account| {
        let beyond = each(payload(family, "saddr"), account, beyond(one));
        rule("tell", vec![source_in(family, agents), beyond, leave()])
    };
    let nobodys = |family, agents| {
        let others = differs(payload(family, "saddr"), text(agents));
        rule("tell", vec![others, beyond(one), leave()])
    };
    vec![
        agents("ip", "@agents4", "told4"),
        agents("ip6", "@agents6", "told6"),
        nobodys("ip", "@agents4"),
        nobodys("ip6", "@agents6"),
        rule("tell", vec![within(all), tell(REFUSED)]),
    ]
}

/// Destinations, as this host's routing sees them, that stay on it or are groups.
const HERE: [&str; 4] = ["local", "broadcast", "anycast", "multicast"];
/// Those that nobody is alone.
const GROUPS: [&str; 3] = ["broadcast", "anycast", "multicast"];
const NEIGHBOURS: [&str; 3] = ["nd-router-solicit", "nd-neighbor-solicit", "nd-neighbor-advert"];
const LISTENERS: [&str; 4] =
    ["mld-listener-query", "mld-listener-report", "mld-listener-done", "mld2-listener-report"];
/// Both: what holds on the link alone and has to be heard before this host has an address there.
const ON_LINK: [&str; 7] = [
    "mld-listener-query",
    "mld-listener-report",
    "mld-listener-done",
    "mld2-listener-report",
    "nd-router-solicit",
    "nd-neighbor-solicit",
    "nd-neighbor-advert",
];
const ICMP_ERRORS: [&str; 3] = ["destination-unreachable", "time-exceeded", "parameter-problem"];
const ICMPV6_ERRORS: [&str; 4] =
    ["destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem"];
