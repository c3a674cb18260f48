//! Checked resources to the compiled plan. Pure and total: a valid set always compiles.

use std::collections::HashMap;
use std::sync::Arc;

use super::encrypted_dns::EncryptedDns;
use super::index::HostIndex;
use super::passage::Route;
use super::plan::{Agents, Effect, GatewayPlan, HttpEntry, L4Entry, Listeners, PolicySet};
use super::query::Names;
use super::rules::Rules;
use super::udp_ports;
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{
    DenyTarget, Gateway, HttpMatch, HttpRoute, L4Protocol, L4Route, ListenerProtocol, Parent, PathMatch,
    Selector,
};
use crate::model::types::PolicyRef;
use crate::model::types::path::canonical_path;

impl PolicySet {
    /// Compiles a valid set, for a gateway that refuses these encrypted resolvers.
    pub fn compile(resources: &Resources, resolvers: Arc<EncryptedDns>) -> Self {
        Compiler::new(resources).run(resolvers)
    }
}

struct Compiler<'a> {
    resources: &'a Resources,
    agents: HashMap<Arc<str>, usize>,
    /// Equal selectors share one bit set.
    selected: Vec<(&'a Selector, Arc<[u64]>)>,
}

impl<'a> Compiler<'a> {
    fn new(resources: &'a Resources) -> Self {
        let agents = resources.agents.keys().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        Self { resources, agents, selected: Vec::new() }
    }

    fn run(mut self, resolvers: Arc<EncryptedDns>) -> PolicySet {
        let mut gateways: HashMap<_, _> = (self.resources.gateways.iter())
            .map(|(name, gateway)| (name.clone(), empty_plan(name, gateway)))
            .collect();
        let resources = self.resources;
        for (name, route) in &resources.l4_routes {
            self.add_l4(&mut gateways, name, route);
        }
        for (name, route) in &resources.http_routes {
            self.add_http(&mut gateways, name, route);
        }
        for plan in gateways.values_mut() {
            plan.names = Names::of(plan);
        }
        let opens_tls = gateways.values().any(|plan| plan.listeners.has(ListenerProtocol::TlsTerminate));
        let rules = Rules::compile(self.resources);
        let udp_ports = udp_ports::decided(gateways.values(), rules.allow_something());
        PolicySet {
            digest: self.resources.digest.clone(),
            agents: self.agents,
            gateways,
            opens_tls,
            rules,
            udp_ports,
            resolvers,
        }
    }

    fn add_l4(&mut self, gateways: &mut HashMap<Arc<str>, GatewayPlan>, name: &Arc<str>, route: &'a L4Route) {
        let agents = self.select(route.source_agents.as_ref());
        let effect = self.effect(&DenyTarget::L4(name.clone()));
        let tcp = self.attachments(&route.parents, L4_LISTENERS);
        // The same gateways in the same order, each with the listeners for the other transport.
        let udp = self.attachments(&route.parents, UDP_LISTENERS);
        for ((gateway, of_tcp), (_, of_udp)) in tcp.into_iter().zip(udp) {
            let Some(plan) = gateways.get_mut(gateway) else { continue };
            for (number, matches) in route.rules.iter().enumerate() {
                for one in matches {
                    let listeners = if one.protocol == L4Protocol::Tcp { of_tcp } else { of_udp };
                    let entry = L4Entry {
                        route: rule_of("EgressL4Route", name, number),
                        effect: effect.clone(),
                        agents: agents.clone(),
                        listeners,
                        protocol: one.protocol,
                        hosts: one.hostnames.clone(),
                        cidrs: one.cidrs.clone(),
                        ports: one.ports.clone(),
                    };
                    plan.add_l4(entry);
                }
            }
        }
    }

    fn add_http(
        &mut self,
        gateways: &mut HashMap<Arc<str>, GatewayPlan>,
        name: &Arc<str>,
        route: &'a HttpRoute,
    ) {
        let agents = self.select(route.source_agents.as_ref());
        let effect = self.effect(&DenyTarget::Http(name.clone()));
        for (gateway, listeners) in self.attachments(&route.parents, HTTP_LISTENERS) {
            let Some(plan) = gateways.get_mut(gateway) else { continue };
            for (number, matches) in route.rules.iter().enumerate() {
                let entry = HttpEntry {
                    route: rule_of("EgressHTTPRoute", name, number),
                    effect: effect.clone(),
                    agents: agents.clone(),
                    listeners,
                    hosts: route.hostnames.clone(),
                    matches: matches.iter().map(canonical).collect(),
                };
                plan.add_http(entry);
            }
        }
    }

    /// Gateways a route attaches to, each with the listeners it may use there.
    fn attachments(
        &self,
        parents: &'a [Parent],
        usable: &[ListenerProtocol],
    ) -> Vec<(&'a Arc<str>, Listeners)> {
        let mut found: Vec<(&Arc<str>, Listeners)> = Vec::new();
        for parent in parents {
            let Some(gateway) = self.resources.gateways.get(&parent.gateway) else { continue };
            let listeners = (gateway.listeners.iter())
                .filter(|listener| parent.section.as_ref().is_none_or(|section| *section == listener.name))
                .filter(|listener| usable.contains(&listener.protocol))
                .fold(Listeners::default(), Listeners::with_listener);
            match found.iter_mut().find(|(name, _)| **name == parent.gateway) {
                Some((_, known)) => *known = known.or(listeners),
                None => found.push((&parent.gateway, listeners)),
            }
        }
        found
    }

    fn select(&mut self, selector: Option<&'a Selector>) -> Agents {
        let Some(selector) = selector else { return Agents::All };
        if let Some((_, bits)) = self.selected.iter().find(|(known, _)| *known == selector) {
            return Agents::Some(bits.clone());
        }
        let mut bits = vec![0_u64; self.agents.len().div_ceil(64)];
        for (index, agent) in self.resources.agents.values().enumerate() {
            if selector.selects(&agent.profile.labels) {
                bits[index / 64] |= 1 << (index % 64);
            }
        }
        let bits: Arc<[u64]> = bits.into();
        self.selected.push((selector, bits.clone()));
        Agents::Some(bits)
    }

    /// Deny where a deny policy targets the route; the first by name speaks where several do.
    fn effect(&self, target: &DenyTarget) -> Effect {
        let denied = self.resources.deny_policies.iter().find(|(_, policy)| policy.target == *target);
        denied.map_or(Effect::Allow, |(name, policy)| Effect::Deny {
            policy: PolicyRef::new("EgressDenyPolicy", name),
            response: policy.response.clone(),
        })
    }
}

/// What an L4 route can open over UDP.
const UDP_LISTENERS: &[ListenerProtocol] = &[ListenerProtocol::Udp];

/// What an L4 route can open over TCP: all of it.
const L4_LISTENERS: &[ListenerProtocol] = &[
    ListenerProtocol::Tcp,
    ListenerProtocol::TlsPassthrough,
    ListenerProtocol::TlsTerminate,
    ListenerProtocol::Http,
];

/// What an HTTP route can open: only where requests can be read.
const HTTP_LISTENERS: &[ListenerProtocol] = &[ListenerProtocol::TlsTerminate, ListenerProtocol::Http];

fn rule_of(kind: &str, name: &str, number: usize) -> Route {
    Route { policy: PolicyRef::new(kind, name), rule: Some(format!("rules[{number}]").into()) }
}

/// The match with its path in the canonical form that requests are compared in. The loader refuses a path that has
/// none; should one come all the same, it stays as it is and equals no request's path.
fn canonical(one: &HttpMatch) -> HttpMatch {
    let form = |path: &str| canonical_path(path).map_or_else(|_| path.to_owned(), Into::into);
    let path = one.path.as_ref().map(|path| match path {
        PathMatch::Exact(path) => PathMatch::Exact(form(path)),
        PathMatch::Prefix(path) => PathMatch::Prefix(form(path)),
    });
    HttpMatch { path, ..one.clone() }
}

fn empty_plan(name: &str, gateway: &Gateway) -> GatewayPlan {
    GatewayPlan {
        policy: PolicyRef::new("EgressGateway", name),
        default: gateway.default_policy,
        listeners: gateway.listeners.iter().fold(Listeners::default(), Listeners::with_listener),
        l4: Vec::new(),
        l4_by_host: HostIndex::default(),
        l4_by_address: Vec::new(),
        http: Vec::new(),
        http_by_host: HostIndex::default(),
        names: Names::default(),
    }
}

impl GatewayPlan {
    fn add_l4(&mut self, entry: L4Entry) {
        let index = self.l4.len();
        for host in &entry.hosts {
            self.l4_by_host.insert(host, index);
        }
        if entry.hosts.is_empty() {
            self.l4_by_address.push(index);
        }
        self.l4.push(entry);
    }

    fn add_http(&mut self, entry: HttpEntry) {
        let index = self.http.len();
        for host in &entry.hosts {
            self.http_by_host.insert(host, index);
        }
        self.http.push(entry);
    }
}
