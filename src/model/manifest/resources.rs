//! Checked resources: what is left of policy documents once every error has been reported.
//!
//! References are resolved by name and known to exist, hosts and networks are parsed, defaults are filled in.
//! `decide/policy` compiles these; nothing else interprets them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

mod rules;
mod models;
mod tools;
mod quotas;
mod dlp;
mod credentials;

pub use credentials::{CredentialParent, CredentialPolicy};
pub use dlp::{ClassRule, CustomDetector, DlpPolicy, Finds};
pub use models::{AiMatch, AiRoute, AiRule, InferenceAction, InferencePolicy, PreferredModel, TokenCaps};
pub use quotas::{BandwidthPolicy, BudgetPolicy, Per, RateLimitPolicy, RateScope};
pub use rules::{EgressPolicy, PolicyRule, PolicyTarget, Rates, RuleAction, Transform, Would};
pub use tools::{
    McpMatch, McpRoute, McpRule, McpServer, ServerPath, ServerUrl, ToolCaps, ToolPolicy, ToolRate,
};

use super::report::Diagnostic;
use crate::model::types::{AgentProfile, DenyResponse, Grant, HostPattern, MacAddress};

/// A whole valid set of documents.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// Agents, by name.
    pub agents: BTreeMap<Arc<str>, Agent>,
    /// Gateways, by name.
    pub gateways: BTreeMap<Arc<str>, Gateway>,
    /// L4 routes, by name.
    pub l4_routes: BTreeMap<Arc<str>, L4Route>,
    /// HTTP routes, by name.
    pub http_routes: BTreeMap<Arc<str>, HttpRoute>,
    /// Deny policies, by name.
    pub deny_policies: BTreeMap<Arc<str>, DenyPolicy>,
    /// Egress policies, by name.
    pub egress_policies: BTreeMap<Arc<str>, EgressPolicy>,
    /// AI provider routes, by name.
    pub ai_routes: BTreeMap<Arc<str>, AiRoute>,
    /// MCP routes, by name.
    pub mcp_routes: BTreeMap<Arc<str>, McpRoute>,
    /// MCP servers, by name.
    pub mcp_servers: BTreeMap<Arc<str>, McpServer>,
    /// Tool policies, by name.
    pub tool_policies: BTreeMap<Arc<str>, ToolPolicy>,
    /// Inference policies, by name.
    pub inference_policies: BTreeMap<Arc<str>, InferencePolicy>,
    /// Budgets, by name.
    pub budgets: BTreeMap<Arc<str>, BudgetPolicy>,
    /// Rate limits, by name.
    pub rate_limits: BTreeMap<Arc<str>, RateLimitPolicy>,
    /// Bandwidths, by name.
    pub bandwidths: BTreeMap<Arc<str>, BandwidthPolicy>,
    /// What is looked for in messages, by name.
    pub dlp_policies: BTreeMap<Arc<str>, DlpPolicy>,
    /// Credentials that are put into requests, by name.
    pub credentials: BTreeMap<Arc<str>, CredentialPolicy>,
    /// Approvals, by name.
    pub approvals: BTreeMap<Arc<str>, Approval>,
    /// SHA-256 over the canonical form of all documents, whatever their files and order: `sha256:` and 64 hex digits.
    pub digest: Arc<str>,
    /// How many files were read.
    pub files: usize,
    /// What is right, and may not be what was meant.
    pub warnings: Vec<Diagnostic>,
    /// Every document as it was written, for `get` and `describe`, by kind and name.
    pub documents: Vec<Document>,
}

/// One document as written, for display.
#[derive(Debug, Clone)]
pub struct Document {
    /// `EgressGateway` and so on.
    pub kind: &'static str,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Where it stands.
    pub origin: Origin,
    /// The document as a tree, without `status`.
    pub body: serde_json::Value,
}

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Path of the file, as it was found below the policy folder.
    pub file: Arc<str>,
    /// Line of the document's first key, from 1.
    pub line: usize,
}

/// `kind: Agent`.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The canonical identity.
    pub profile: Arc<AgentProfile>,
    /// `spec.sources.addresses`: no network stands at two agents; of networks inside each other the longest
    /// prefix wins.
    pub sources: Vec<IpNet>,
    /// `spec.sources.mac`: the one card from which these addresses are believed; absent where any is. No two agents name
    /// the same.
    pub mac: Option<MacAddress>,
    /// The gateway this agent leaves through.
    pub gateway: Arc<str>,
    /// Where it stands.
    pub origin: Origin,
}

/// `kind: EgressGateway`.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// `spec.defaultPolicy`.
    pub default_policy: DefaultPolicy,
    /// `spec.listeners`, at least one, names unique.
    pub listeners: Vec<Listener>,
    /// Where it stands.
    pub origin: Origin,
}

/// What happens to traffic that no route names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultPolicy {
    /// Refused. The default.
    #[default]
    DenyAll,
    /// Allowed: for development.
    AllowAll,
}

/// One entry of `spec.listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `name`, which `sectionName` refers to.
    pub name: Arc<str>,
    /// What it intercepts.
    pub protocol: ListenerProtocol,
    /// `tls.ech`, for TLS that is passed through.
    pub ech: Ech,
}

/// What happens to Encrypted ClientHello (RFC 9849) where TLS is passed through by the name in the open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ech {
    /// Refused, GREASE too: they look the same. The default.
    #[default]
    Refuse,
    /// Passed through: the server may be another than the name in the open says.
    Allow,
}

/// What a listener intercepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListenerProtocol {
    /// Any TCP, relayed.
    Tcp,
    /// UDP flows.
    Udp,
    /// TLS, routed by name, not opened.
    TlsPassthrough,
    /// TLS, opened (`TLS` with `mode: Terminate`, or `HTTPS`).
    TlsTerminate,
    /// Plain HTTP.
    Http,
}

/// One parent of a route: a gateway, or one listener of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The gateway's name.
    pub gateway: Arc<str>,
    /// `sectionName`: a listener of that gateway; absent for all.
    pub section: Option<Arc<str>>,
}

/// `kind: EgressL4Route`.
#[derive(Debug, Clone)]
pub struct L4Route {
    /// `spec.parentRefs`, at least one.
    pub parents: Vec<Parent>,
    /// `spec.rules[].matches[]`, rule by rule.
    pub rules: Vec<Vec<L4Match>>,
    /// `spec.sourceAgents`; absent means every agent.
    pub source_agents: Option<Selector>,
    /// Where it stands.
    pub origin: Origin,
}

/// One entry of an L4 rule's `matches`. Host names and CIDRs are alternatives to each other when only one is
/// given, and must both hold when both are. With neither, the ports alone decide: every destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L4Match {
    /// `protocol`; TCP unless said otherwise.
    pub protocol: L4Protocol,
    /// `destinationHostnames`.
    pub hostnames: Vec<HostPattern>,
    /// `destinationCIDRs`.
    pub cidrs: Vec<IpNet>,
    /// `ports`; empty means every port.
    pub ports: Vec<PortRange>,
}

/// Transport of an L4 match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum L4Protocol {
    /// TCP. The default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// The UDP port of QUIC (RFC 9114, section 3.1), which is refused whatever routes say: nobody could judge its requests.
pub const QUIC_PORT: u16 = 443;
/// The port of DNS, which the gateway answers itself.
pub const DOMAIN_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858) and over QUIC (RFC 9250), refused whatever routes say: names are asked of the gateway.
pub const ENCRYPTED_DNS_PORT: u16 = 853;
/// The port of HTTPS, and of nothing but TLS where a gateway has a listener for TLS.
pub const TLS_PORT: u16 = 443;

/// An inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// First port.
    pub start: u16,
    /// Last port, not below the first.
    pub end: u16,
}

impl PortRange {
    /// Whether the port lies inside.
    pub fn contains(self, port: u16) -> bool {
        (self.start..=self.end).contains(&port)
    }
}

/// A label selector (Kubernetes `LabelSelector`): every requirement must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// `matchLabels` and `matchExpressions`.
    pub requirements: Vec<Requirement>,
}

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// The label has one of these values (`In`, `matchLabels`).
    In(String, Vec<String>),
    /// The label is absent or has none of these values.
    NotIn(String, Vec<String>),
    /// The label is there.
    Exists(String),
    /// The label is not there.
    DoesNotExist(String),
}

impl Selector {
    /// Whether an agent with these labels is selected.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => !labels.get(key).is_some_and(|value| values.contains(value)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::DoesNotExist(key) => !labels.contains_key(key),
        })
    }
}

/// `kind: EgressHTTPRoute` (matches as in Gateway API HTTPRoute).
#[derive(Debug, Clone)]
pub struct HttpRoute {
    /// `spec.parentRefs`, at least one.
    pub parents: Vec<Parent>,
    /// `spec.hostnames`, at least one.
    pub hostnames: Vec<HostPattern>,
    /// `spec.rules[].matches[]`, rule by rule; a rule without matches matches every request.
    pub rules: Vec<Vec<HttpMatch>>,
    /// `spec.sourceAgents`; absent means every agent.
    pub source_agents: Option<Selector>,
    /// Where it stands.
    pub origin: Origin,
}

/// One entry of an HTTP rule's `matches`: everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpMatch {
    /// `method`, upper case.
    pub method: Option<String>,
    /// `path`; absent means every path.
    pub path: Option<PathMatch>,
    /// `headers`, all of which must hold.
    pub headers: Vec<HeaderMatch>,
    /// `queryParams`, all of which must hold.
    pub query: Vec<QueryMatch>,
}

/// `path` of a match, against the canonical path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// `Exact`.
    Exact(String),
    /// `PathPrefix`: whole path elements, no trailing slash needed. The default type.
    Prefix(String),
}

/// One header that must be there with exactly this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Lower-case field name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// One query parameter that must be there with exactly this decoded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryMatch {
    /// The parameter's decoded name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// `kind: EgressDenyPolicy`: flips a route from allow to deny.
#[derive(Debug, Clone)]
pub struct DenyPolicy {
    /// `spec.targetRef`.
    pub target: DenyTarget,
    /// `spec.denyResponse`, with status 403 where none is given.
    pub response: Option<Arc<DenyResponse>>,
    /// Where it stands.
    pub origin: Origin,
}

/// The route a deny policy flips, by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DenyTarget {
    /// An EgressL4Route.
    L4(Arc<str>),
    /// An EgressHTTPRoute.
    Http(Arc<str>),
    /// An AIProviderRoute.
    Ai(Arc<str>),
    /// An MCPRoute.
    Mcp(Arc<str>),
}

/// `kind: EgressApproval`: hosts for one agent, for a time that begins when the gateway first sees the document.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Who may reach what, and why.
    pub grant: Grant,
    /// `spec.ttl`, above zero.
    pub ttl: Duration,
    /// `sha256:` and 64 hex digits over `spec`: another is another approval, with a time of its own.
    pub digest: Arc<str>,
    /// Where it stands.
    pub origin: Origin,
}
