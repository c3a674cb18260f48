//! What a permission is bound to: the rules that hold for what they let through.
//!
//! Made by `rules` alone. Whoever acts on a `Clearance` or a `Passage` meets them; nothing here does.

use std::sync::Arc;

use smallvec::SmallVec;

use super::passage::Route;
use crate::model::manifest::resources::{Rates, Transform};
use crate::model::types::{Decision, PolicyRef};

/// See the module.
#[derive(Debug)]
pub struct Obligations {
    pub(super) decision: Decision,
    pub(super) by: Route,
    pub(super) evidence: String,
    pub(super) throttles: SmallVec<[Throttle; 1]>,
    pub(super) transforms: SmallVec<[Arc<Transform>; 1]>,
}

/// One Throttle rule that holds: everything of one agent under it shares its rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// `EgressPolicy/NAME`.
    pub policy: PolicyRef,
    /// The rule's name.
    pub rule: Arc<str>,
    /// Its bounds.
    pub rates: Rates,
}

impl Obligations {
    /// The word for the record.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The rule that speaks in the record.
    pub fn by(&self) -> &Route {
        &self.by
    }

    /// What let it through, and every rule that holds, for the record.
    pub fn evidence(&self) -> &str {
        &self.evidence
    }

    /// At which paces.
    pub fn throttles(&self) -> &[Throttle] {
        &self.throttles
    }

    /// The changes of header fields, in the order in which they are made: the last word is that of the rule that comes
    /// first.
    pub fn transforms(&self) -> &[Arc<Transform>] {
        &self.transforms
    }
}
