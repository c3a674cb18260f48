//! What stood at a moment that is past, for whoever explains a decision of then. Nothing is decided by it.

use super::{Approval, Error, Quarantine, Registry, history};
use crate::model::types::Timestamp;

/// What stood at a moment, as far as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Approvals made by command, by name.
    pub approvals: Vec<Approval>,
    /// Quarantines, oldest first.
    pub quarantines: Vec<Quarantine>,
    /// Since when all of them are remembered; absent where nothing was ever forgotten.
    pub whole_since: Option<Timestamp>,
}

impl Registry {
    /// What stood at this moment.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn past(&self, at: Timestamp) -> Result<Past, Error> {
        let approvals = self.approvals_at(at).await?;
        let quarantines = self.quarantines_at(at).await?;
        let whole_since =
            self.first(&history::APPROVALS).await?.max(self.first(&history::QUARANTINES).await?);
        Ok(Past { approvals, quarantines, whole_since })
    }
}
