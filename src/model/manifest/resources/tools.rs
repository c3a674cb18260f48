//! What documents say of tools: which servers there are, which tools of them may be called, how often, and by whose leave.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::{Origin, Parent, Selector};
use crate::model::types::{HostPattern, ToolPattern};

/// `kind: MCPRoute`.
#[derive(Debug, Clone)]
pub struct McpRoute {
    /// `spec.parentRefs`, at least one.
    pub parents: Vec<Parent>,
    /// `spec.rules`, at least one.
    pub rules: Vec<McpRule>,
    /// `spec.sourceAgents`; absent means every agent.
    pub source_agents: Option<Selector>,
    /// Where it stands.
    pub origin: Origin,
}

/// One rule: which tools of which servers, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpRule {
    /// `matches`, at least one.
    pub matches: Vec<McpMatch>,
    /// `filters` of `type: ToolPolicy`; all of them hold.
    pub tools: Vec<ToolCaps>,
}

/// One entry of `matches`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpMatch {
    /// `servers`, at least one.
    pub servers: Vec<ServerUrl>,
    /// `tools`; empty means every tool.
    pub tools: Vec<ToolPattern>,
}

/// Where an MCP server is reached: `https://mcp.example.com/*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    /// Whether it is reached over TLS (`https`), or in the open (`http`).
    pub tls: bool,
    /// The host.
    pub host: HostPattern,
    /// The port; 443 or 80 unless said otherwise.
    pub port: u16,
    /// The canonical path, or its beginning.
    pub path: ServerPath,
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.tls { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port != usual {
            write!(f, ":{}", self.port)?;
        }
        match &self.path {
            ServerPath::Exact(path) => f.write_str(path),
            ServerPath::Beginning(path) => write!(f, "{path}*"),
        }
    }
}

/// The path of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerPath {
    /// This one.
    Exact(Box<str>),
    /// Every path that begins so; a star stood behind it.
    Beginning(Box<str>),
}

/// `toolPolicy` of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolCaps {
    /// `allowedTools`; absent means every tool that the rule matches, empty means none.
    pub allowed: Option<Vec<ToolPattern>>,
    /// `maxCallsPerExecution`.
    pub calls_per_execution: Option<u64>,
}

/// `kind: McpServer`: a server that agents may reach, by the host and the path of its URL. It opens the connection as a route
/// does, on every gateway with a listener that shows requests. Where any is declared for a host, its other paths are closed.
#[derive(Debug, Clone)]
pub struct McpServer {
    /// `spec.url`.
    pub url: ServerUrl,
    /// `spec.allowedTools`; empty means none, `*` every one.
    pub allowed: Vec<ToolPattern>,
    /// `spec.allowedSandboxes`; absent means every agent.
    pub agents: Option<Selector>,
    /// Where it stands.
    pub origin: Origin,
}

/// `kind: ToolPolicy`: one gate for some tools.
#[derive(Debug, Clone)]
pub struct ToolPolicy {
    /// `appliesTo.tool`.
    pub tool: ToolPattern,
    /// `appliesTo.mcpServer`: an McpServer, by name; absent means any server.
    pub server: Option<Arc<str>>,
    /// `appliesTo.sandboxMatchLabels`; absent means every agent.
    pub labels: Option<Selector>,
    /// `approval.mode: always`: each call needs an EgressApproval that names the tool.
    pub needs_approval: bool,
    /// `rateLimit`, of each agent.
    pub rate: Option<ToolRate>,
    /// Where it stands.
    pub origin: Origin,
}

/// `rateLimit` of a ToolPolicy: `rps` calls a second with a `burst`; or, with a `window`, at most `rps` times that window in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolRate {
    /// Calls that come back in each window.
    pub calls: NonZeroU32,
    /// The window.
    pub window: Duration,
    /// Calls that may come at once.
    pub burst: NonZeroU32,
}
