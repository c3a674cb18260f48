//! What stands in a record beside the thing itself: how it was judged, and what is charged for it.
//!
//! Values alone; `canonical.rs` writes them.

use crate::decide::quota::{Charge, Reservation};
use crate::model::types::{Denial, PolicyRef, Reason, RequestId, Timestamp};

use super::record::{Decision, Opening};

/// The judgement as it is written, wherever it came from.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub decision: Decision,
    pub reason: Option<Reason>,
    pub policy: Option<&'a PolicyRef>,
    pub rule: Option<&'a str>,
    pub evidence: Option<&'a str>,
}

impl<'a> Judged<'a> {
    /// As the opening says.
    pub fn of(opening: &'a Opening) -> Self {
        let verdict = &opening.verdict;
        Self {
            decision: verdict.decision,
            reason: verdict.reason,
            policy: verdict.policy.as_ref(),
            rule: verdict.rule.as_deref(),
            evidence: verdict.evidence.as_deref(),
        }
    }

    /// What goes though a budget is passed, or cannot be counted. Where a rule binds it the rule goes on speaking.
    pub fn alerted(self, policy: &'a PolicyRef, seen: &'a str) -> Self {
        match self.is_unbound() {
            true => Self {
                decision: Decision::Alert,
                policy: Some(policy),
                rule: None,
                evidence: Some(seen),
                ..self
            },
            false => Self { evidence: self.evidence.or(Some(seen)), ..self },
        }
    }

    /// Whether no rule binds what goes.
    pub fn is_unbound(&self) -> bool {
        matches!(self.decision, Decision::Allow | Decision::LogOnly)
    }

    /// Refused; what the opening had seen stands where the denial has seen nothing.
    pub fn denied(denial: &'a Denial, opening: Option<&'a Opening>) -> Self {
        let seen = || opening.and_then(|opening| opening.verdict.evidence.as_deref());
        Self {
            decision: denial.decision(),
            reason: Some(denial.reason),
            policy: denial.policy.as_ref(),
            rule: denial.rule.as_deref(),
            evidence: denial.evidence.as_deref().or_else(seen),
        }
    }
}

/// What is charged, to whom, and when in the time of accounts.
#[derive(Debug, Clone)]
pub struct Charged {
    /// The execution it is of; absent for what an operator does, and where a decision has named it.
    pub execution: Option<RequestId>,
    pub charges: Vec<Charge>,
    pub at: Timestamp,
    /// A limit that only says so was passed after the decision went on record.
    pub alert: Option<Alert>,
}

/// What goes though a limit is passed.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Whose word that is; absent where a rule binds what goes, and goes on speaking.
    pub policy: Option<PolicyRef>,
    /// What was seen.
    pub seen: String,
}

impl Charged {
    /// What is reserved.
    pub fn of(reservation: &Reservation) -> Self {
        Self {
            execution: Some(reservation.execution()),
            charges: reservation.charges(),
            at: reservation.at(),
            alert: None,
        }
    }
}
