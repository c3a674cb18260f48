//! Who speaks: an agent as records and policy know it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The canonical identity of one agent, shared by everything that speaks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProfile {
    /// `metadata.name` of the Agent document; `agent_id` in records.
    pub name: Arc<str>,
    /// `spec.team`.
    pub team: Option<Arc<str>>,
    /// `spec.project`.
    pub project: Option<Arc<str>>,
    /// `spec.environment`.
    pub environment: Option<Arc<str>>,
    /// `metadata.labels`, which `sourceAgents` selectors look at.
    pub labels: BTreeMap<String, String>,
}
