//! Checked resources to the compiled plan. Pure and total: a valid set always compiles.

mod services;

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::amounts::Amounts;
use super::credentials::Credentials;
use super::encrypted_dns::EncryptedDns;
use super::http_index::HttpIndex;
use super::index::Map;
use super::inspections::Inspections;
use super::l4_index::L4Index;
use super::labels::Labels;
use super::passage::Route;
use super::plan::{Agents, Effect, GatewayPlan, HttpEntry, L4Entry, Listeners, PolicySet};
use super::query::Names;
use super::rules::Rules;
use super::services::Services;
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
    agents: Map<Arc<str>, usize>,
    labels: Labels<'a>,
    /// Equal selectors share one bit set.
    selected: HashMap<&'a Selector, Arc<[u64]>>,
    /// The first deny policy by name for each route that has one.
    denied: HashMap<&'a DenyTarget, Effect>,
}

impl<'a> Compiler<'a> {
    fn new(resources: &'a Resources) -> Self {
        let agents = resources.agents.keys().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        let labels = Labels::of(resources.agents.values().map(|agent| &agent.profile.labels));
        let mut denied = HashMap::new();
        for (name, policy) in &resources.deny_policies {
            denied.entry(&policy.target).or_insert_with(|| Effect::Deny {
                policy: PolicyRef::new("EgressDenyPolicy", name),
                response: policy.response.clone(),
            });
        }
        Self { resources, agents, labels, selected: HashMap::new(), denied }
    }

    fn run(mut self, resolvers: Arc<EncryptedDns>) -> PolicySet {
        let mut gateways: Map<_, _> = (self.resources.gateways.iter())
            .map(|(name, gateway)| (name.clone(), empty_plan(name, gateway)))
            .collect();
        let resources = self.resources;
        for (name, route) in &resources.l4_routes {
            self.add_l4(&mut gateways, name, route);
        }
        for (name, route) in &resources.http_routes {
            self.add_http(&mut gateways, name, route);
        }
        for (name, route) in &resources.ai_routes {
            self.add_ai(&mut gateways, name, route);
        }
        for (name, route) in &resources.mcp_routes {
            self.add_mcp(&mut gateways, name, route);
        }
        for (name, server) in &resources.mcp_servers {
            self.add_server(&mut gateways, name, server);
        }
        for plan in gateways.values_mut() {
            plan.index(self.agents.len());
        }
        let opens_tls = gateways.values().any(|plan| plan.listeners.has(ListenerProtocol::TlsTerminate));
        let rules = Rules::compile(self.resources);
        let amounts = Amounts::compile(self.resources);
        let credentials = Credentials::compile(self.resources);
        let inspections = Inspections::compile(self.resources, rules.ask_findings());
        let udp_ports = udp_ports::decided(gateways.values(), rules.allow_something());
        PolicySet {
            digest: self.resources.digest.clone(),
            agents: self.agents,
            gateways,
            opens_tls,
            rules,
            amounts,
            credentials,
            inspections,
            udp_ports,
            resolvers,
        }
    }

    fn add_l4(&mut self, gateways: &mut Map<Arc<str>, GatewayPlan>, name: &Arc<str>, route: &'a L4Route) {
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
                        cidrs: IpNet::aggregate(&one.cidrs),
                        ports: one.ports.clone(),
                    };
                    plan.l4.push(entry);
                }
            }
        }
    }

    fn add_http(&mut self, gateways: &mut Map<Arc<str>, GatewayPlan>, name: &Arc<str>, route: &'a HttpRoute) {
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
                plan.http.push(entry);
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
        // A selector without requirements selects every agent (Kubernetes).
        let Some(selector) = selector.filter(|selector| !selector.requirements.is_empty()) else {
            return Agents::All;
        };
        let bits = self.selected.entry(selector).or_insert_with(|| self.labels.selected_by(selector));
        Agents::Some(bits.clone())
    }

    /// Deny where a deny policy targets the route; the first by name speaks where several do.
    fn effect(&self, target: &DenyTarget) -> Effect {
        self.denied.get(target).cloned().unwrap_or(Effect::Allow)
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

impl GatewayPlan {
    /// Makes the rules that are there easy to find, for so many agents.
    pub(super) fn index(&mut self, agents: usize) {
        self.tcp = L4Index::of(&self.l4, L4Protocol::Tcp, agents);
        self.udp = L4Index::of(&self.l4, L4Protocol::Udp, agents);
        self.http_index = HttpIndex::of(&self.http, agents);
        self.names = Names::of(self, agents);
    }
}

pub(super) fn empty_plan(name: &str, gateway: &Gateway) -> GatewayPlan {
    GatewayPlan {
        policy: PolicyRef::new("EgressGateway", name),
        default: gateway.default_policy,
        listeners: gateway.listeners.iter().fold(Listeners::default(), Listeners::with_listener),
        default_route: Route {
            policy: PolicyRef::new("EgressGateway", name),
            rule: Some("defaultPolicy".into()),
        },
        l4: Vec::new(),
        tcp: L4Index::of(&[], L4Protocol::Tcp, 0),
        udp: L4Index::of(&[], L4Protocol::Udp, 0),
        http: Vec::new(),
        http_index: HttpIndex::of(&[], 0),
        services: Services::default(),
        names: Names::default(),
    }
}
