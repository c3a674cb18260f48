//! The proof that one request may go.

use super::passage::Route;

/// Proof that policy lets a request go. Made by `PolicySet::request` alone.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    pub(super) route: Route,
}

impl Permit {
    /// What allowed it.
    pub fn route(&self) -> &Route {
        &self.route
    }
}
