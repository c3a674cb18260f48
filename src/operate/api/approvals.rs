//! Approvals as the wire carries them: what is asked for, and what stands.

use serde::{Deserialize, Serialize};

use crate::model::types::Timestamp;

/// Let this agent reach these hosts for a time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveQuery {
    /// The agent's name; absent where a request says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `HOST` or `HOST:PORT`; none where a request says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// `SERVER/TOOL`, for tools that a policy wants approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// A refusal on record, by its id or the id's beginning: agent, host and port are those of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Why.
    pub reason: String,
    /// Where more is written about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// For how long, in seconds.
    pub ttl_s: u64,
}

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its name.
    pub name: String,
    /// The agent's name.
    pub agent: String,
    /// `HOST` or `HOST:PORT`.
    pub hosts: Vec<String>,
    /// `SERVER/TOOL`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// How it stands.
    pub state: ApprovalState,
    /// Why.
    pub reason: String,
    /// Where more is written about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The refusal that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who made it: a user, or the file and line of its document.
    pub made_by: String,
    /// Since when it holds; absent for a document that is not remembered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it ended, and who ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
}

impl Approval {
    /// Every host and tool, for people.
    pub fn opened(&self) -> Vec<String> {
        let tools = self.tools.iter().map(|tool| format!("tool {tool}"));
        self.hosts.iter().cloned().chain(tools).collect()
    }
}

/// How an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// In force.
    Active,
    /// Not in force yet: a document whose first sight could not be written down, or made before the clock was set back.
    Pending,
    /// Its time is over.
    Expired,
    /// Ended by somebody.
    Revoked,
}

impl ApprovalState {
    /// The word on the wire and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}
