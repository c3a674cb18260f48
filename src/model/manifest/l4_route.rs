//! `kind: EgressL4Route`: destinations by host name, network, port and transport.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fields::Item;
use super::header::{Header, Index};
use super::references::{Needs, parents};
use super::resources::{DOMAIN_PORT, ENCRYPTED_DNS_PORT, L4Match, L4Protocol, L4Route, PortRange, QUIC_PORT};
use super::route::{PARENT_REFS, RULE_NAME, SOURCE_AGENTS, rule_name, rules, rules_of, source_agents};
use super::schema::{AnyOf, Field, Object, PORT, Shape, words};
use super::values;

const PROTOCOLS: [(&str, L4Protocol); 2] = [("TCP", L4Protocol::Tcp), ("UDP", L4Protocol::Udp)];

/// `spec` of an L4 route.
pub static SPEC: Object = Object::new(
    "Lets through connections and UDP by host name, network and port.",
    &[PARENT_REFS, SOURCE_AGENTS, rules_of(&Shape::Object(&RULE))],
);

static RULE: Object = Object::new(
    "Destinations that a route lets through.",
    &[
        RULE_NAME,
        Field::required("matches", Shape::List(&Shape::Object(&MATCH)), "Its destinations, one of these."),
        Field::refused(
            "sourceAgents",
            "`sourceAgents` is not yet enforced for one rule",
            "put it beside `rules`, in a route of its own",
        ),
        Field::not_yet("filters", "What is changed on the way."),
        Field::not_yet("backendRefs", "Where connections are sent instead."),
    ],
);

static MATCH: Object = Object::new(
    "Destinations: host and network must both hold where both are given.",
    &[
        Field::optional("protocol", Shape::choice(&words(&PROTOCOLS)), "The transport.").by_default("TCP"),
        Field::optional(
            "destinationHostnames",
            Shape::List(&Shape::Text(&values::HOST)),
            "Hosts, by the name that the gateway's own resolver vouches for.",
        ),
        Field::optional(
            "destinationCIDRs",
            Shape::List(&Shape::Text(&values::NETWORK)),
            "Networks; private addresses are reached only where one is named.",
        ),
        Field::optional("ports", Shape::List(&Shape::Object(&PORTS)), "Ports; without it every one."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["destinationHostnames", "destinationCIDRs", "ports"],
    lacking: "this match names no destination",
    hint: "name hosts, networks or ports; `0.0.0.0/0` and `\"::/0\"` are all addresses",
}]);

static PORTS: Object = Object::new(
    "A port, or a range of them.",
    &[
        Field::optional("port", PORT, "One port."),
        Field::optional("startPort", PORT, "The first of a range."),
        Field::optional("endPort", PORT, "The last of a range."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["port", "startPort", "endPort"],
    lacking: "this entry names no port",
    hint: "write `port`, or `startPort` and `endPort`",
}]);

/// Reads one route.
pub fn read(header: &Header<'_>, index: &Index) -> Option<L4Route> {
    let fields = header.spec?.object(&SPEC)?;
    let source_agents = source_agents(&fields);
    let rules = rules(&fields, rule);
    let parents = parents(&fields, index, &needs(&rules));
    Some(L4Route { parents, rules, source_agents, origin: header.origin() })
}

/// The listeners that these rules need, by their transports.
fn needs(rules: &[Vec<L4Match>]) -> Vec<Needs> {
    let has = |protocol| rules.iter().flatten().any(|one| one.protocol == protocol);
    let all = [(L4Protocol::Tcp, Needs::Connections), (L4Protocol::Udp, Needs::Datagrams)];
    all.into_iter().filter(|(protocol, _)| has(*protocol)).map(|(_, need)| need).collect()
}

fn rule(item: &Item<'_>, names: &mut BTreeSet<Arc<str>>) -> Vec<L4Match> {
    let Some(fields) = item.object(&RULE) else { return Vec::new() };
    rule_name(&fields, names);
    fields.required_list("matches").iter().filter_map(one_match).collect()
}

fn one_match(item: &Item<'_>) -> Option<L4Match> {
    let fields = item.object(&MATCH)?;
    let protocol = match fields.get("protocol") {
        Some(item) => item.choice(&PROTOCOLS),
        None => Some(L4Protocol::default()),
    };
    let hostnames = fields.list("destinationHostnames").iter().filter_map(values::host_pattern).collect();
    let cidrs = fields.list("destinationCIDRs").iter().filter_map(values::network).collect();
    let ports = fields.list("ports").iter().filter_map(|item| ports(item, protocol)).collect();
    Some(L4Match { protocol: protocol?, hostnames, cidrs, ports })
}

/// Refuses an entry that names nothing but a port which no route can open: it would never do anything.
fn check_relayed(item: &Item<'_>, range: PortRange, protocol: L4Protocol) {
    if range.start != range.end {
        return;
    }
    let (what, hint) = match (range.start, protocol) {
        (QUIC_PORT, L4Protocol::Udp) => (
            "is QUIC, which is always refused",
            "remove it: clients fall back to TCP, where requests can be judged",
        ),
        (DOMAIN_PORT, L4Protocol::Udp) => {
            ("is DNS, which the gateway answers itself", "remove it: every agent may ask")
        }
        (ENCRYPTED_DNS_PORT, _) => (
            "is encrypted DNS, which is always refused",
            "remove it: the gateway answers DNS itself, and a resolver of your own is one of its upstreams",
        ),
        _ => return,
    };
    let transport = if protocol == L4Protocol::Udp { "UDP" } else { "TCP" };
    item.mistake_hint(format!("{transport} port {} {what}", range.start), hint);
}

/// `{port}` or `{startPort, endPort}`, the end included. Without a transport nothing can be said of what it opens.
fn ports(item: &Item<'_>, protocol: Option<L4Protocol>) -> Option<PortRange> {
    let range = range(item)?;
    if let Some(protocol) = protocol {
        check_relayed(item, range, protocol);
    }
    Some(range)
}

fn range(item: &Item<'_>) -> Option<PortRange> {
    let fields = item.object(&PORTS)?;
    let has = |name: &str| item.node().entry(name).is_some();
    if has("port") {
        if has("startPort") || has("endPort") {
            item.mistake_hint("both a port and a range of ports are given", "write two entries");
            return None;
        }
        let port = fields.get("port")?.port()?;
        return Some(PortRange { start: port, end: port });
    }
    if has("startPort") != has("endPort") {
        item.lacks(if has("startPort") { "endPort" } else { "startPort" });
    }
    let start = fields.get("startPort").and_then(|item| item.port());
    let last = fields.get("endPort");
    let end = last.and_then(|item| item.port())?;
    let start = start?;
    if end < start {
        last?.mistake_hint(
            format!("the range ends at {end}, before it starts at {start}"),
            "exchange the two",
        );
        return None;
    }
    Some(PortRange { start, end })
}
