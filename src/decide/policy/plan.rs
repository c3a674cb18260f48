//! The compiled form of a set of documents: what the two questions of `policy` look at.
//!
//! Built once per set by `compile.rs`, never changed, shared by all workers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::encrypted_dns::EncryptedDns;
use super::index::HostIndex;
use super::passage::Route;
use super::query::Names;
use super::rules::Rules;
use crate::model::manifest::resources::{
    DefaultPolicy, Ech, HttpMatch, L4Protocol, Listener, ListenerProtocol, PortRange,
};
use crate::model::types::{DenyResponse, HostName, HostPattern, PolicyRef};

/// Compiled policy: pure, deterministic, independent of the order of files.
#[derive(Debug)]
pub struct PolicySet {
    pub(super) digest: Arc<str>,
    pub(super) agents: HashMap<Arc<str>, usize>,
    pub(super) gateways: HashMap<Arc<str>, GatewayPlan>,
    /// Whether any gateway opens TLS: then even a source that nobody registered gets its answer in HTTP.
    pub(super) opens_tls: bool,
    /// Rules of EgressPolicies.
    pub(super) rules: Rules,
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
    pub l4: Vec<L4Entry>,
    /// L4 entries that need a name, by that name.
    pub l4_by_host: HostIndex<usize>,
    /// L4 entries that need no name: by CIDR, or by port alone.
    pub l4_by_address: Vec<usize>,
    pub http: Vec<HttpEntry>,
    pub http_by_host: HostIndex<usize>,
    /// Names that may be looked up.
    pub names: Names,
}

impl GatewayPlan {
    /// Whether a deny rule for this agent, transport and port names networks, for every host or for this one. Where the
    /// gateway dials its own answer for a claimed name, nobody knows beforehand whether that lies in one of them.
    pub(super) fn denies_networks(
        &self,
        agent: usize,
        host: Option<&HostName>,
        (transport, port): (L4Protocol, u16),
    ) -> bool {
        let named = host.into_iter().flat_map(|host| self.l4_by_host.find(host));
        let entries = self.l4_by_address.iter().chain(named).map(|index| &self.l4[*index]);
        entries
            .filter(|entry| entry.protocol == transport && matches!(entry.effect, Effect::Deny { .. }))
            .any(|entry| !entry.cidrs.is_empty() && entry.agents.contains(agent) && entry.covers_port(port))
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

    /// Takes in the agents of another route.
    pub(super) fn join(&mut self, other: &Self) {
        match (&*self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Some(own), Self::Some(more)) if Arc::ptr_eq(own, more) => {}
            // All of one set have the same length.
            (Self::Some(own), Self::Some(more)) => {
                *self = Self::Some(own.iter().zip(more.iter()).map(|(own, more)| own | more).collect());
            }
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
    pub cidrs: Vec<IpNet>,
    pub ports: Vec<PortRange>,
}

impl L4Entry {
    /// Whether the entry covers this port and, where it names networks, this address.
    pub(super) fn covers(&self, destination: SocketAddr) -> bool {
        self.covers_port(destination.port()) && (self.cidrs.is_empty() || self.names_address(destination))
    }

    /// Whether a CIDR of the entry names this address.
    pub(super) fn names_address(&self, destination: SocketAddr) -> bool {
        self.cidrs.iter().any(|cidr| cidr.contains(&destination.ip()))
    }

    pub(super) fn covers_port(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|range| range.contains(port))
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
