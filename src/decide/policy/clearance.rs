//! The proof that one request may leave: every rule that concerns it has been answered.

use std::sync::Arc;

use super::obligations::Obligations;
use super::passage::{Route, speaks};
use crate::decide::dlp::Inspection;
use crate::model::types::{Decision, Holds, Injection};

/// Proof that policy lets a request leave. Made by `Permit::settle` alone, so that no record is opened and nothing is sent while
/// a rule waits for what the request carries.
#[derive(Debug)]
#[must_use]
pub struct Clearance {
    pub(super) route: Route,
    pub(super) obligations: Option<Box<Obligations>>,
    pub(super) holds: Option<Box<Holds>>,
    pub(super) credentials: Vec<Arc<Injection>>,
    pub(super) inspection: Option<Arc<Inspection>>,
}

impl Clearance {
    /// The same permission, bound by what binds another one too.
    pub(super) fn and(self, other: Self) -> Self {
        let obligations = match (self.obligations, other.obligations) {
            (Some(mine), Some(other)) => Some(mine.and(*other)),
            (mine, other) => mine.or(other),
        };
        let holds = match (self.holds, other.holds) {
            (Some(mine), Some(other)) => Some(Box::new(mine.and(*other))),
            (mine, other) => mine.or(other),
        };
        // A credential goes where every reading of the request goes by a route that it is bound to.
        let mut credentials = self.credentials;
        credentials.retain(|one| other.credentials.contains(one));
        let inspection = both(self.inspection, other.inspection);
        Self { obligations, holds, credentials, inspection, ..self }
    }

    /// What allowed it.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// What binds it; nothing where no rule holds.
    pub fn obligations(&self) -> Option<&Obligations> {
        self.obligations.as_deref()
    }

    /// What binds it in amounts; nothing where no document does.
    pub fn holds(&self) -> Option<&Holds> {
        self.holds.as_deref()
    }

    /// What goes into it in the agent's place; nothing where no document says so.
    pub fn credentials(&self) -> &[Arc<Injection>] {
        &self.credentials
    }

    /// What has to be looked for in it; nothing where no document asks.
    pub fn inspection(&self) -> Option<&Arc<Inspection>> {
        self.inspection.as_ref()
    }

    /// The word for the record, and what speaks there.
    pub fn speaks(&self) -> (Decision, &Route) {
        speaks(&self.route, self.obligations.as_deref())
    }
}

/// What either of them asks for.
pub(super) fn both(one: Option<Arc<Inspection>>, other: Option<Arc<Inspection>>) -> Option<Arc<Inspection>> {
    match (one, other) {
        (Some(one), Some(other)) if !Arc::ptr_eq(&one, &other) => {
            Some(Arc::new(Inspection::clone(&one).and(other.terms())))
        }
        (one, other) => one.or(other),
    }
}
