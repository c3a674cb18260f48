//! What operators granted and imposed for a time, as one value in memory: decisions read this and never a database.
//!
//! Whoever builds it may be late with what has expired, so decisions compare the moment with each expiry themselves.
//! Read next: `approvals.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::types::{ApprovedHost, ApprovedTool, Cause, HostPattern, PolicyRef, Timestamp};

/// Grants and restrictions in force, by agent. The default holds none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    agents: BTreeMap<Arc<str>, OfAgent>,
}

/// What stands for one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OfAgent {
    pub quarantine: Option<Quarantine>,
    /// By the host's name.
    pub exact: BTreeMap<Box<str>, Vec<Opening>>,
    /// By what stands behind the `*.`.
    pub wildcard: BTreeMap<Box<str>, Vec<Opening>>,
    /// Tools that may be called, and until when.
    pub tools: Vec<(ApprovedTool, Timestamp)>,
}

/// What one host of one approval opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// Absent for every port.
    pub port: Option<u16>,
    pub until: Timestamp,
    /// `EgressApproval/NAME`.
    pub policy: PolicyRef,
}

/// That an agent is shut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Until when; absent until somebody lifts it.
    pub until: Option<Timestamp>,
    /// Why.
    pub cause: Cause,
}

impl Quarantine {
    /// Whether it holds at this moment.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }

    /// Whether it lasts longer than another.
    fn outlasts(&self, other: &Self) -> bool {
        other.until.is_some_and(|end| self.until.is_none_or(|own| own > end))
    }
}

impl Standing {
    /// Nothing.
    pub const fn new() -> Self {
        Self { agents: BTreeMap::new() }
    }

    /// Adds an approval: these hosts for this agent, until this moment. `name` is its document's.
    pub fn approve(&mut self, agent: &Arc<str>, name: &str, hosts: &[ApprovedHost], until: Timestamp) {
        let of_agent = self.of_agent(agent);
        for ApprovedHost { host, port } in hosts {
            let (map, key) = match host {
                HostPattern::Exact(name) => (&mut of_agent.exact, name),
                HostPattern::Wildcard(base) => (&mut of_agent.wildcard, base),
            };
            let openings = map.entry(key.as_str().into()).or_default();
            openings.push(Opening { port: *port, until, policy: PolicyRef::new("EgressApproval", name) });
            // The one that lasts longest speaks, whatever the order in which they came.
            openings.sort_by(|a, b| (b.until, &*a.policy.0, a.port).cmp(&(a.until, &*b.policy.0, b.port)));
        }
    }

    /// Adds what an approval says of tools: this agent may call them until this moment, where a policy wants an approval.
    pub fn approve_tools(&mut self, agent: &Arc<str>, tools: &[ApprovedTool], until: Timestamp) {
        self.of_agent(agent).tools.extend(tools.iter().map(|tool| (tool.clone(), until)));
    }

    /// Shuts an agent out. Of several quarantines the one that lasts longest holds.
    pub fn quarantine(&mut self, agent: &Arc<str>, quarantine: Quarantine) {
        let of_agent = self.of_agent(agent);
        if of_agent.quarantine.as_ref().is_none_or(|known| quarantine.outlasts(known)) {
            of_agent.quarantine = Some(quarantine);
        }
    }

    /// What shuts an agent out at this moment.
    pub fn quarantined(&self, agent: &str, at: Timestamp) -> Option<&Quarantine> {
        self.agents.get(agent)?.quarantine.as_ref().filter(|quarantine| quarantine.holds(at))
    }

    pub(super) fn of(&self, agent: &str) -> Option<&OfAgent> {
        self.agents.get(agent)
    }

    fn of_agent(&mut self, agent: &Arc<str>) -> &mut OfAgent {
        self.agents.entry(agent.clone()).or_default()
    }
}
