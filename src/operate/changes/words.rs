//! One document as sentences. What a route lets through is told as permissions, one for each thing that may be done.

mod policies;
mod models;
mod quotas;
mod findings;
mod credentials;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::manifest::Resources;
use crate::model::manifest::kinds::{self, Kind, Standing};
use crate::model::manifest::resources::{
    DefaultPolicy, DenyTarget, Document, Ech, HttpMatch, L4Match, L4Protocol, Listener, ListenerProtocol,
    Parent, PathMatch, PortRange, Requirement, Selector,
};

/// What the document says, each thing once.
pub fn sentences(resources: &Resources, document: &Document) -> BTreeSet<String> {
    // Nothing else is in a set.
    let Some(Standing::Enforced(kind)) = kinds::standing(document.kind) else { return BTreeSet::new() };
    let name = &document.name;
    let found = match kind {
        Kind::Agent => agent(resources, name),
        Kind::EgressGateway => gateway(resources, name),
        Kind::EgressL4Route => l4_route(resources, name),
        Kind::EgressHttpRoute => http_route(resources, name),
        Kind::EgressDenyPolicy => deny_policy(resources, name),
        Kind::EgressPolicy => policies::policy(resources, name),
        Kind::EgressApproval => policies::approval(resources, name),
        Kind::AiProviderRoute => models::ai_route(resources, name),
        Kind::InferencePolicy => models::inference_policy(resources, name),
        Kind::McpRoute => models::mcp_route(resources, name),
        Kind::McpServer => models::mcp_server(resources, name),
        Kind::ToolPolicy => models::tool_policy(resources, name),
        Kind::BudgetPolicy => quotas::budget(resources, name),
        Kind::RateLimitPolicy => quotas::rate_limit(resources, name),
        Kind::BandwidthPolicy => quotas::bandwidth(resources, name),
        Kind::DlpPolicy => findings::dlp(resources, name),
        Kind::CredentialInjectionPolicy => credentials::policy(resources, name),
    };
    found.unwrap_or_default()
}

/// The names of an EgressPolicy's rules by what they do, each in the order in which they stand there.
pub fn order<'a>(resources: &'a Resources, document: &Document) -> BTreeMap<&'static str, Vec<&'a str>> {
    if document.kind == "EgressPolicy" { policies::order(resources, &document.name) } else { BTreeMap::new() }
}

/// Texts whose order means nothing.
fn ordered(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = texts.collect();
    all.sort();
    all
}

type Sentences = Option<BTreeSet<String>>;

fn agent(resources: &Resources, name: &str) -> Sentences {
    let agent = resources.agents.get(name)?;
    let profile = &agent.profile;
    let mut all: BTreeSet<String> = agent.sources.iter().map(|net| format!("is known by {net}")).collect();
    all.extend(agent.mac.map(|mac| format!("is believed from the card {mac} alone")));
    all.extend(profile.team.as_ref().map(|team| format!("belongs to team {team}")));
    all.extend(profile.project.as_ref().map(|project| format!("works on project {project}")));
    all.extend(profile.environment.as_ref().map(|environment| format!("runs in {environment}")));
    all.extend(profile.labels.iter().map(|(key, value)| format!("has the label {key}={value}")));
    all.insert(format!("leaves through gateway {}", agent.gateway));
    let chosen =
        |selector: &Option<Selector>| selector.as_ref().is_some_and(|one| one.selects(&profile.labels));
    let l4 = resources.l4_routes.iter().filter(|(_, route)| chosen(&route.source_agents));
    all.extend(l4.map(|(name, _)| format!("is chosen by EgressL4Route/{name}")));
    let http = resources.http_routes.iter().filter(|(_, route)| chosen(&route.source_agents));
    all.extend(http.map(|(name, _)| format!("is chosen by EgressHTTPRoute/{name}")));
    let ai = resources.ai_routes.iter().filter(|(_, route)| chosen(&route.source_agents));
    all.extend(ai.map(|(name, _)| format!("is chosen by AIProviderRoute/{name}")));
    let mcp = resources.mcp_routes.iter().filter(|(_, route)| chosen(&route.source_agents));
    all.extend(mcp.map(|(name, _)| format!("is chosen by MCPRoute/{name}")));
    let servers = resources.mcp_servers.iter().filter(|(_, server)| chosen(&server.agents));
    all.extend(servers.map(|(name, _)| format!("is chosen by McpServer/{name}")));
    let policies = resources.egress_policies.iter().filter(|(_, policy)| chosen(&policy.source_agents));
    all.extend(policies.map(|(name, _)| format!("is chosen by EgressPolicy/{name}")));
    Some(all)
}

fn gateway(resources: &Resources, name: &str) -> Sentences {
    let gateway = resources.gateways.get(name)?;
    let default = match gateway.default_policy {
        DefaultPolicy::DenyAll => "refuses what no route names",
        DefaultPolicy::AllowAll => "lets through what no route names",
    };
    let listeners = gateway.listeners.iter().map(listener);
    Some(listeners.chain([default.to_owned()]).collect())
}

fn listener(listener: &Listener) -> String {
    let takes = match listener.protocol {
        ListenerProtocol::Tcp => "relays TCP",
        ListenerProtocol::Udp => "relays UDP",
        ListenerProtocol::TlsPassthrough if listener.ech == Ech::Allow => {
            "passes TLS through, names hidden by ECH too"
        }
        ListenerProtocol::TlsPassthrough => "passes TLS through",
        ListenerProtocol::TlsTerminate => "opens TLS",
        ListenerProtocol::Http => "reads HTTP",
    };
    format!("listener {} {takes}", listener.name)
}

fn l4_route(resources: &Resources, name: &str) -> Sentences {
    let route = resources.l4_routes.get(name)?;
    let (who, through) = (who(route.source_agents.as_ref()), through(&route.parents));
    let matches = route.rules.iter().flatten();
    Some(matches.flat_map(destinations).map(|to| format!("{who} may reach {to}, {through}")).collect())
}

/// Every destination of a match, with its ports.
fn destinations(one: &L4Match) -> Vec<String> {
    let by = match one.protocol {
        L4Protocol::Tcp => "TCP",
        L4Protocol::Udp => "UDP",
    };
    let mut ports: Vec<_> = one.ports.iter().collect();
    ports.sort_by_key(|range| (range.start, range.end));
    let ports = match &ports[..] {
        [] => "any port".to_owned(),
        ports => format!("port {}", ports.iter().map(|one| range(one)).collect::<Vec<_>>().join(", ")),
    };
    let cidrs = ordered(one.cidrs.iter().map(ToString::to_string));
    let places = match (&one.hostnames[..], &cidrs[..]) {
        ([], []) => vec!["every host".to_owned()],
        ([], cidrs) => cidrs.to_vec(),
        (hosts, []) => hosts.iter().map(ToString::to_string).collect(),
        (hosts, cidrs) => hosts.iter().map(|host| format!("{host} in {}", cidrs.join(" or "))).collect(),
    };
    places.into_iter().map(|place| format!("{place} by {by}, {ports}")).collect()
}

fn range(range: &PortRange) -> String {
    if range.start == range.end { range.start.to_string() } else { format!("{}-{}", range.start, range.end) }
}

fn http_route(resources: &Resources, name: &str) -> Sentences {
    let route = resources.http_routes.get(name)?;
    let (who, through) = (who(route.source_agents.as_ref()), through(&route.parents));
    let mut all = BTreeSet::new();
    for host in &route.hostnames {
        for matches in &route.rules {
            let requests: Vec<String> = match &matches[..] {
                [] => vec![format!("send any request to {host}")],
                matches => matches.iter().map(|one| request(one, &host.to_string())).collect(),
            };
            all.extend(requests.into_iter().map(|request| format!("{who} may {request}, {through}")));
        }
    }
    Some(all)
}

/// `GET site.example/docs/* with header a=b`
fn request(one: &HttpMatch, host: &str) -> String {
    let method = one.method.as_deref().unwrap_or("send any request to");
    let path = match &one.path {
        None => "/*".to_owned(),
        Some(PathMatch::Exact(path)) => path.clone(),
        Some(PathMatch::Prefix(path)) => format!("{}/*", path.trim_end_matches('/')),
    };
    let headers = one.headers.iter().map(|header| format!("header {}={}", header.name, header.value));
    let query = one.query.iter().map(|pair| format!("parameter {}={}", pair.name, pair.value));
    let conditions = [ordered(headers), ordered(query)].concat();
    let with =
        if conditions.is_empty() { String::new() } else { format!(" with {}", conditions.join(" and ")) };
    format!("{method} {host}{path}{with}")
}

fn deny_policy(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.deny_policies.get(name)?;
    let target = match &policy.target {
        DenyTarget::L4(name) => format!("EgressL4Route/{name}"),
        DenyTarget::Http(name) => format!("EgressHTTPRoute/{name}"),
        DenyTarget::Ai(name) => format!("AIProviderRoute/{name}"),
        DenyTarget::Mcp(name) => format!("MCPRoute/{name}"),
    };
    let status = policy.response.as_ref().map(|response| format!(" with status {}", response.status));
    let mut all = BTreeSet::from([format!("{target} refuses what it names{}", status.unwrap_or_default())]);
    let message = policy.response.as_ref().and_then(|response| response.message.as_ref());
    all.extend(message.map(|message| format!("it says: {message}")));
    Some(all)
}

fn who(selector: Option<&Selector>) -> String {
    let Some(selector) = selector.filter(|selector| !selector.requirements.is_empty()) else {
        return "every agent".to_owned();
    };
    let one = |requirement: &Requirement| match requirement {
        Requirement::In(key, values) => format!("{key}={}", alternatives(values)),
        Requirement::NotIn(key, values) => format!("{key} not {}", alternatives(values)),
        Requirement::Exists(key) => key.clone(),
        Requirement::DoesNotExist(key) => format!("no {key}"),
    };
    format!("agents with {}", ordered(selector.requirements.iter().map(one)).join(" and "))
}

fn alternatives(values: &[String]) -> String {
    ordered(values.iter().cloned()).join("|")
}

fn through(parents: &[Parent]) -> String {
    let one = |parent: &Parent| match &parent.section {
        Some(section) => format!("gateway {} ({section})", parent.gateway),
        None => format!("gateway {}", parent.gateway),
    };
    format!("through {}", ordered(parents.iter().map(one)).join(" and "))
}
