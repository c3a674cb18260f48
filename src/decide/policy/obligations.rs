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
    /// What binds one request that servers may take in two ways: the rules that hold for either.
    pub(super) fn and(mut self: Box<Self>, other: Self) -> Box<Self> {
        if other.evidence != self.evidence {
            self.evidence = format!("{}; by another method: {}", self.evidence, other.evidence);
        }
        // Of equal words the first counts.
        if weight(other.decision) < weight(self.decision) {
            (self.decision, self.by) = (other.decision, other.by);
        }
        let further = other.throttles.into_iter().filter(|one| !self.throttles.contains(one));
        let further: SmallVec<[Throttle; 1]> = further.collect();
        self.throttles.extend(further);
        // What is done last counts: the rules of the method in the request line have the last word.
        let known = |one: &Arc<Transform>| self.transforms.iter().any(|mine| Arc::ptr_eq(mine, one));
        let mut all: SmallVec<[Arc<Transform>; 1]> =
            other.transforms.into_iter().filter(|one| !known(one)).collect();
        all.append(&mut self.transforms);
        self.transforms = all;
        self
    }

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

/// How early a decision that lets through speaks.
fn weight(decision: Decision) -> u8 {
    match decision {
        Decision::Throttle => 0,
        Decision::Transform => 1,
        Decision::Alert => 2,
        Decision::LogOnly => 3,
        Decision::Allow | Decision::Deny | Decision::Quarantine => 4,
    }
}
