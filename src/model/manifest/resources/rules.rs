//! What an EgressPolicy holds: for whom its rules are, under which conditions, and what follows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Origin, Selector};
use crate::model::condition::Condition;

/// `kind: EgressPolicy`.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    /// `spec.targetRef`.
    pub target: PolicyTarget,
    /// `spec.sourceAgents`; absent means every agent of the target.
    pub source_agents: Option<Selector>,
    /// `spec.priority`: of rules that do the same, those with the higher one come first. 0 unless said otherwise.
    pub priority: i32,
    /// `spec.rules`, at least one, names unique.
    pub rules: Vec<PolicyRule>,
    /// Where it stands.
    pub origin: Origin,
}

/// Whose traffic a policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyTarget {
    /// Every agent that leaves through this gateway.
    Gateway(Arc<str>),
    /// What this EgressL4Route lets through.
    L4Route(Arc<str>),
    /// What this EgressHTTPRoute lets through.
    HttpRoute(Arc<str>),
    /// What this AIProviderRoute lets through.
    AiRoute(Arc<str>),
    /// What this MCPRoute lets through.
    McpRoute(Arc<str>),
    /// One agent.
    Agent(Arc<str>),
    /// The agents of a team.
    Team(Arc<str>),
    /// The agents of a project.
    Project(Arc<str>),
}

impl fmt::Display for PolicyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Gateway(name) => ("EgressGateway", name),
            Self::L4Route(name) => ("EgressL4Route", name),
            Self::HttpRoute(name) => ("EgressHTTPRoute", name),
            Self::AiRoute(name) => ("AIProviderRoute", name),
            Self::McpRoute(name) => ("MCPRoute", name),
            Self::Agent(name) => ("Agent", name),
            Self::Team(name) => ("Team", name),
            Self::Project(name) => ("Project", name),
        };
        write!(f, "{kind}/{name}")
    }
}

impl PolicyTarget {
    /// Whether it is what a route lets through.
    pub fn is_route(&self) -> bool {
        matches!(self, Self::L4Route(_) | Self::HttpRoute(_) | Self::AiRoute(_) | Self::McpRoute(_))
    }
}

/// One entry of `spec.rules`.
#[derive(Debug, Clone)]
pub struct PolicyRule {
    /// `name`, unique in the document.
    pub name: Arc<str>,
    /// `when`; absent means always.
    pub when: Option<Arc<Condition>>,
    /// `action` with the fields that belong to it.
    pub action: RuleAction,
}

/// What follows where a rule's condition holds.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleAction {
    /// Lets through what no route names.
    Allow,
    /// Refuses.
    Deny {
        /// The administrator's own sentence.
        message: Option<Arc<str>>,
    },
    /// Lets through at a bounded pace.
    Throttle(Rates),
    /// Refuses, and refuses everything of the agent for a time.
    Quarantine {
        /// `for`: how long.
        time: Duration,
        /// The administrator's own sentence.
        message: Option<Arc<str>>,
    },
    /// Lets through with other header fields.
    Transform(Arc<Transform>),
    /// Lets through and says so on record.
    Alert,
    /// Lets through and says on record what it would have done.
    LogOnly(Would),
}

/// The bounds of a Throttle; at least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rates {
    /// Bytes a second, both directions together.
    pub bytes: Option<u64>,
    /// Requests a second.
    pub requests: Option<u64>,
}

/// What a Transform does to the fields of a request that goes out; at least one change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transform {
    /// `setHeaders`: they replace what the agent sent.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// `removeHeaders`.
    pub remove: Vec<HeaderName>,
}

impl Transform {
    /// Every name that it sets or removes.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.set.iter().map(|(name, _)| name).chain(&self.remove)
    }
}

/// What a LogOnly rule would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Would {
    /// The default.
    #[default]
    Deny,
    /// Paced it.
    Throttle,
    /// Put the agent away for a time.
    Quarantine,
    /// Changed its fields.
    Transform,
    /// Raised an alert.
    Alert,
}

impl Would {
    /// What it would have done, behind "would have".
    pub fn done(self) -> &'static str {
        match self {
            Self::Deny => "denied it",
            Self::Throttle => "throttled it",
            Self::Quarantine => "quarantined the agent",
            Self::Transform => "transformed it",
            Self::Alert => "raised an alert",
        }
    }
}

impl RuleAction {
    /// The word in documents.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny { .. } => "Deny",
            Self::Throttle(_) => "Throttle",
            Self::Quarantine { .. } => "Quarantine",
            Self::Transform(_) => "Transform",
            Self::Alert => "Alert",
            Self::LogOnly(_) => "LogOnly",
        }
    }
}
