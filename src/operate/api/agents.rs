//! Agents as operators see them: who they are, and whether they are shut out.

use serde::{Deserialize, Serialize};

use crate::model::types::Timestamp;

/// Shut an agent out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineQuery {
    /// Why.
    pub reason: String,
    /// For how long, in seconds; absent until somebody releases it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// `active` or `quarantined`.
    pub state: AgentState,
    /// Its team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Its project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The networks that prove it.
    pub sources: Vec<String>,
    /// The gateway that it leaves through.
    pub gateway: String,
    /// Approvals in force for it.
    pub approvals: u64,
    /// What shuts it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Where its document stands: file and line.
    pub place: String,
}

/// Whether an agent may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// It may, as policy says.
    Active,
    /// It is shut out.
    Quarantined,
}

impl AgentState {
    /// The word on the wire and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What shuts an agent out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The agent's name.
    pub agent: String,
    /// When it ends by itself; absent until somebody releases the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who imposed it: a user, or the document with the rule.
    pub made_by: String,
    /// The rule, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When.
    pub made_at: Timestamp,
}
