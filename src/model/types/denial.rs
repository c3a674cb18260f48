//! A denial: a decision that says no, as every layer reports it. Not an error: an error is a failure of the
//! gateway, and becomes a denial with reason `internal` where it would otherwise let something through.

use std::sync::Arc;

use super::decision::Decision;
use super::reason::{Reason, Retry};
use super::time::Timestamp;

/// The document that decided: `Kind/name`, or `built-in` rules of the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PolicyRef(pub Arc<str>);

impl PolicyRef {
    /// `Kind/name`.
    pub fn new(kind: &str, name: &str) -> Self {
        Self(format!("{kind}/{name}").into())
    }
}

/// What an administrator wrote in `denyResponse`: it replaces status and sentence, never the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyResponse {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// Sentence for the agent.
    pub message: Option<Arc<str>>,
}

/// What follows from a refusal, besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequel {
    /// The agent is put away until then. Whoever refuses puts that in force.
    Quarantine(Timestamp),
    /// The same may be asked again after so many seconds.
    Retry(u32),
    /// The same is refused whenever it is asked, though the code's cause may pass for others.
    Final,
}

/// A refusal with its reason. `detail` is one or more sentences an agent can act on; it never reveals rules,
/// patterns or paths. The request id is added where the denial is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Denial {
    /// The code.
    pub reason: Reason,
    /// What happened, in words for the agent: who may not do what.
    pub detail: String,
    /// The document that decided; absent for rules built into the gateway.
    pub policy: Option<PolicyRef>,
    /// The rule inside that document: its name or `rules[N]`.
    pub rule: Option<Arc<str>>,
    /// The administrator's own words and status.
    pub response: Option<Arc<DenyResponse>>,
    /// For the record alone: what was seen, in more detail than the agent may know.
    pub evidence: Option<String>,
    /// What follows from it, besides.
    pub sequel: Option<Sequel>,
}

impl Denial {
    /// A denial by the gateway's built-in rules.
    pub fn built_in(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            policy: None,
            rule: None,
            response: None,
            evidence: None,
            sequel: None,
        }
    }

    /// A denial by a document.
    pub fn by(reason: Reason, policy: PolicyRef, rule: Option<Arc<str>>, detail: impl Into<String>) -> Self {
        Self { policy: Some(policy), rule, ..Self::built_in(reason, detail) }
    }

    /// A failure inside the gateway that must not let anything through.
    pub fn internal(evidence: impl Into<String>) -> Self {
        Self::built_in(Reason::Internal, "The gateway failed while it judged this. Nothing was sent.")
            .seen(evidence)
    }

    /// Adds what was seen, for the record alone.
    pub fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = Some(evidence.into());
        self
    }

    /// Until when the agent is put away because of this.
    pub fn quarantine(&self) -> Option<Timestamp> {
        match self.sequel {
            Some(Sequel::Quarantine(until)) => Some(until),
            _ => None,
        }
    }

    /// Whether asking for the same again can help.
    pub fn retry(&self) -> Retry {
        match self.sequel {
            Some(Sequel::Final) => Retry::Never,
            _ => self.reason.retry(),
        }
    }

    /// The same where nobody is put away, for a reason that goes on record: refused like whatever a rule denies.
    pub fn without_quarantine(self, why: &str) -> Self {
        let detail = "A policy does not let this agent do this.".to_owned();
        Self { reason: Reason::PolicyDenied, detail, sequel: None, ..self }.seen(why)
    }

    /// The word for records.
    pub fn decision(&self) -> Decision {
        if self.quarantine().is_some() { Decision::Quarantine } else { Decision::Deny }
    }

    /// The HTTP status: the administrator's, else the catalogue's.
    pub fn status(&self) -> u16 {
        self.response.as_ref().map_or(self.reason.status(), |response| response.status)
    }
}
