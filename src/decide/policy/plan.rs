//! The compiled form of a set of documents: what the two questions of `policy` look at.
//!
//! Built once per set by `compile.rs`, never changed, shared by all workers.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::amounts::Amounts;
use super::credentials::Credentials;
use super::encrypted_dns::EncryptedDns;
use super::http_index::HttpIndex;
use super::index::Map;
use super::inspections::Inspections;
use super::l4_index::{Asker, L4Index};
use super::passage::Route;
use super::query::Names;
use super::rules::Rules;
use super::services::Services;
use crate::decide::dlp::Inspection;
use crate::model::manifest::resources::{
    DefaultPolicy, Ech, HttpMatch, L4Protocol, Listener, ListenerProtocol, PortRange,
};
use crate::model::types::address::embedded;
use crate::model::types::{DenyResponse, HostName, HostPattern, PolicyRef, Provider};
use crate::perceive::identity::Known;

/// Compiled policy: pure, deterministic, independent of the order of files.
#[derive(Debug)]
pub struct PolicySet {
    pub(super) digest: Arc<str>,
    pub(super) agents: Map<Arc<str>, usize>,
    pub(super) gateways: Map<Arc<str>, GatewayPlan>,
    /// Whether any gateway opens TLS: then even a source that nobody registered gets its answer in HTTP.
    pub(super) opens_tls: bool,
    /// Rules of EgressPolicies.
    pub(super) rules: Rules,
    /// Budgets, rates, and what holds for calls of models and tools.
    pub(super) amounts: Amounts,
    /// Credentials that go into requests.
    pub(super) credentials: Credentials,
    /// What is looked for in messages.
    pub(super) inspections: Inspections,
    /// Apart, ascending: see `udp_ports.rs`.
    pub(super) udp_ports: Vec<PortRange>,
    /// Who may not be asked for names past this gateway.
    pub(super) resolvers: Arc<EncryptedDns>,
}

impl PolicySet {
    /// The digest of the documents this was compiled from.
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// UDP ports about which there is something to decide, apart and ascending. To every other port the answer is
    /// no, whoever asks and wherever it leads, and the kernel gives it.
    pub fn udp_ports(&self) -> &[PortRange] {
        &self.udp_ports
    }

    /// Whether time alone can change what becomes of an agent's traffic: a rule that can concern it asks what time it is.
    pub fn asks_time(&self, known: &Known) -> bool {
        self.agents.get(&known.agent().name).is_some_and(|agent| self.rules.ask_time(*agent))
    }

    /// Whether something is counted for each execution by itself, so that whoever decides has to know to which one belongs.
    pub fn asks_executions(&self) -> bool {
        self.amounts.ask_executions() || self.gateways.values().any(|plan| plan.services.ask_executions())
    }

    /// Whether calls of models may be held and read before they are decided on.
    pub fn asks_models(&self) -> bool {
        let served = self.gateways.values().any(|plan| plan.services.ask_models());
        served || self.amounts.ask_models() || self.rules.ask_models()
    }

    /// Whether a rule that can concern an agent asks what it has used up: then `Circumstances::usage` has to be there.
    pub fn asks_usage(&self, known: &Known) -> bool {
        self.agents.get(&known.agent().name).is_some_and(|agent| self.rules.ask_usage(*agent))
    }

    /// Whose models a host serves for an agent: the table's, or as an AIProviderRoute says.
    pub fn provider(&self, known: &Known, host: &HostName) -> Option<Provider> {
        let plan = self.gateways.get(known.gateway());
        let agent = self.agents.get(&known.agent().name);
        let routed = plan.zip(agent).and_then(|(plan, agent)| plan.services.provider(*agent, host));
        routed.or_else(|| Provider::of(host))
    }

    /// What is looked for where rules alone ask for findings.
    pub fn bare_inspection(&self) -> Option<Arc<Inspection>> {
        self.inspections.bare()
    }

    /// What is looked for in names that an agent looks up; nothing where no policy asks.
    pub fn lookup_inspection(&self, known: &Known) -> Option<Arc<Inspection>> {
        self.inspections.of(*self.agents.get(&known.agent().name)?, [])
    }

    /// What is looked for in what records show of a request that was refused before any policy was chosen for it: whatever any
    /// asks for. Nothing where there is none.
    pub fn record_inspection(&self) -> Option<&Arc<Inspection>> {
        self.inspections.all()
    }

    /// Encrypted resolvers, which no agent may use.
    pub fn resolvers(&self) -> &EncryptedDns {
        &self.resolvers
    }
}

/// One gateway with everything attached to it.
#[derive(Debug)]
pub(super) struct GatewayPlan {
    pub policy: PolicyRef,
    pub default: DefaultPolicy,
    pub listeners: Listeners,
    /// What allows where nothing but the default does.
    pub default_route: Route,
    pub l4: Vec<L4Entry>,
    pub tcp: L4Index,
    pub udp: L4Index,
    pub http: Vec<HttpEntry>,
    pub http_index: HttpIndex,
    /// AI routes, MCP routes and MCP servers.
    pub services: Services,
    /// Names that may be looked up.
    pub names: Names,
}

impl GatewayPlan {
    /// Whether a rule about requests, allowing or denying, names the host for the agent.
    pub(super) fn governs(&self, agent: usize, host: &HostName) -> bool {
        self.http_index.governs(agent, host) || self.services.govern(agent, host)
    }

    /// Whether one of them lets requests of the agent to the host through.
    pub(super) fn opens_requests(&self, agent: usize, host: &HostName) -> bool {
        let services = || self.services.at(agent, host).any(|service| service.allows());
        self.http_index.allows_something(agent, host) || services()
    }

    /// Whether one of them says which requests to the host may go.
    pub(super) fn allows_requests(&self, agent: usize, host: &HostName) -> bool {
        self.http_index.allows_something(agent, host) || self.services.allow_something(agent, host)
    }

    /// Whether a deny rule for this agent, transport and port names networks, for every host or for this one. Where the
    /// gateway dials its own answer for a claimed name, nobody knows beforehand whether that lies in one of them.
    pub(super) fn denies_networks(
        &self,
        agent: usize,
        host: Option<&HostName>,
        (transport, port): (L4Protocol, u16),
    ) -> bool {
        let (index, asker) = (self.l4_index(transport), Asker { agent, port });
        let mut named = host.into_iter().flat_map(|host| index.denying(asker, host));
        index.denies_a_network(asker) || named.any(|rank| !self.l4[rank].cidrs.is_empty())
    }

    /// The L4 rules of one transport.
    pub(super) fn l4_index(&self, transport: L4Protocol) -> &L4Index {
        match transport {
            L4Protocol::Tcp => &self.tcp,
            L4Protocol::Udp => &self.udp,
        }
    }
}

/// A set of listener protocols; beside TLS that is passed through, whether that may hide its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Listeners(u8);

/// Stands for a listener that passes Encrypted ClientHello through.
const HIDDEN_NAMES: u8 = 1 << 7;

impl Listeners {
    pub(super) fn with_listener(self, listener: &Listener) -> Self {
        let set = self.with(listener.protocol);
        if listener.ech == Ech::Allow { set.with_hidden_names() } else { set }
    }

    pub(super) fn with_hidden_names(self) -> Self {
        Self(self.0 | HIDDEN_NAMES)
    }

    pub(super) fn has_hidden_names(self) -> bool {
        self.0 & HIDDEN_NAMES != 0
    }

    pub(super) fn with(self, protocol: ListenerProtocol) -> Self {
        Self(self.0 | 1 << protocol as u8)
    }

    /// Those that take TLS.
    pub(super) fn of_tls() -> Self {
        use ListenerProtocol::{Tcp, TlsPassthrough, TlsTerminate};
        [Tcp, TlsTerminate, TlsPassthrough].into_iter().fold(Self::default(), Self::with)
    }

    /// Those that take HTTP in the open.
    pub(super) fn of_http() -> Self {
        Self::default().with(ListenerProtocol::Tcp).with(ListenerProtocol::Http)
    }

    pub(super) fn has(self, protocol: ListenerProtocol) -> bool {
        self.0 & (1 << protocol as u8) != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no listener is among them.
    pub(super) fn is_empty(self) -> bool {
        self.0 & !HIDDEN_NAMES == 0
    }
}

/// The agents a route is for.
#[derive(Debug, Clone)]
pub(super) enum Agents {
    All,
    /// Bit N stands for agent N of `PolicySet::agents`.
    Some(Arc<[u64]>),
}

impl Agents {
    pub(super) fn contains(&self, agent: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(bits) => bits.get(agent / 64).is_some_and(|word| word & (1 << (agent % 64)) != 0),
        }
    }
}

/// What a route does: allow, or deny where an EgressDenyPolicy flipped it.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Allow,
    Deny { policy: PolicyRef, response: Option<Arc<DenyResponse>> },
}

/// One match of one rule of an L4 route.
#[derive(Debug)]
pub(super) struct L4Entry {
    pub route: Route,
    pub effect: Effect,
    pub agents: Agents,
    pub listeners: Listeners,
    pub protocol: L4Protocol,
    pub hosts: Vec<HostPattern>,
    /// Apart, ascending.
    pub cidrs: Vec<IpNet>,
    pub ports: Vec<PortRange>,
}

impl L4Entry {
    /// Whether a CIDR of the entry names this address.
    pub(super) fn names_address(&self, destination: SocketAddr) -> bool {
        let address = destination.ip();
        let after = self.cidrs.partition_point(|cidr| cidr.network() <= address);
        after.checked_sub(1).is_some_and(|nearest| self.cidrs[nearest].contains(&address))
    }

    /// The same, or whether it names an IPv4 address inside this one: a translator leads there. For what denies.
    pub(super) fn leads_to(&self, destination: SocketAddr) -> bool {
        let inner = embedded(destination.ip()).into_iter();
        let mut places = inner.map(|inner| SocketAddr::new(inner.into(), destination.port()));
        self.names_address(destination) || places.any(|place| self.names_address(place))
    }
}

/// One rule of an HTTP route.
#[derive(Debug)]
pub(super) struct HttpEntry {
    pub route: Route,
    pub effect: Effect,
    pub agents: Agents,
    pub listeners: Listeners,
    pub hosts: Vec<HostPattern>,
    /// Empty means every request.
    pub matches: Vec<HttpMatch>,
}
