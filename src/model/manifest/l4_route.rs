//! `kind: EgressL4Route`: destinations by host name, network, port and transport.

use super::fields::Item;
use super::header::{Header, Index};
use super::references::{Needs, parents, selector};
use super::resources::{DOMAIN_PORT, ENCRYPTED_DNS_PORT, L4Match, L4Protocol, L4Route, PortRange, QUIC_PORT};
use super::values;

/// Reads one route.
pub fn read(header: &Header<'_>, index: &Index) -> Option<L4Route> {
    let fields = header.spec?.fields(&["parentRefs", "sourceAgents", "rules"])?;
    let source_agents = fields.get("sourceAgents").and_then(|item| selector(&item));
    let rules: Vec<_> = fields.required_list("rules").iter().map(rule).collect();
    let parents = parents(&fields, index, &needs(&rules));
    Some(L4Route { parents, rules, source_agents, origin: header.origin() })
}

/// The listeners that these rules need, by their transports.
fn needs(rules: &[Vec<L4Match>]) -> Vec<Needs> {
    let has = |protocol| rules.iter().flatten().any(|one| one.protocol == protocol);
    let all = [(L4Protocol::Tcp, Needs::Connections), (L4Protocol::Udp, Needs::Datagrams)];
    all.into_iter().filter(|(protocol, _)| has(*protocol)).map(|(_, need)| need).collect()
}

fn rule(item: &Item<'_>) -> Vec<L4Match> {
    let Some(fields) = item.fields(&["name", "matches", "sourceAgents", "filters", "backendRefs"]) else {
        return Vec::new();
    };
    if let Some(agents) = fields.get("sourceAgents") {
        let hint = "put it beside `rules`, in a route of its own";
        agents.scope.mistake(
            agents.key_span(),
            "`sourceAgents` is not yet enforced for one rule",
            Some(hint.into()),
        );
    }
    fields.not_yet(&["filters", "backendRefs"]);
    fields.get("name").and_then(|item| values::name(&item));
    fields.required_list("matches").iter().filter_map(one_match).collect()
}

fn one_match(item: &Item<'_>) -> Option<L4Match> {
    let fields = item.fields(&["destinationHostnames", "destinationCIDRs", "ports", "protocol"])?;
    let destinations = ["destinationHostnames", "destinationCIDRs", "ports"];
    if !destinations.iter().any(|name| item.node().entry(name).is_some()) {
        let hint = "name hosts, networks or ports; `0.0.0.0/0` and `\"::/0\"` are all addresses";
        item.mistake_hint("this match names no destination", hint);
    }
    let protocol = match fields.get("protocol") {
        Some(item) => item.choice(&[("TCP", L4Protocol::Tcp), ("UDP", L4Protocol::Udp)])?,
        None => L4Protocol::default(),
    };
    Some(L4Match {
        protocol,
        hostnames: fields.list("destinationHostnames").iter().filter_map(values::host_pattern).collect(),
        cidrs: fields.list("destinationCIDRs").iter().filter_map(values::network).collect(),
        ports: fields.list("ports").iter().filter_map(|item| ports(item, protocol)).collect(),
    })
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

/// `{port}` or `{startPort, endPort}`, the end included.
fn ports(item: &Item<'_>, protocol: L4Protocol) -> Option<PortRange> {
    let range = range(item)?;
    check_relayed(item, range, protocol);
    Some(range)
}

fn range(item: &Item<'_>) -> Option<PortRange> {
    let fields = item.fields(&["port", "startPort", "endPort"])?;
    let has = |name: &str| item.node().entry(name).is_some();
    if has("port") {
        if has("startPort") || has("endPort") {
            item.mistake_hint("both a port and a range of ports are given", "write two entries");
            return None;
        }
        let port = fields.get("port")?.port()?;
        return Some(PortRange { start: port, end: port });
    }
    if !has("startPort") && !has("endPort") {
        item.mistake_hint("this entry names no port", "write `port`, or `startPort` and `endPort`");
        return None;
    }
    let start = fields.required("startPort").and_then(|item| item.port());
    let last = fields.required("endPort");
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
