//! Who speaks? The network proves an agent by its source address; an unknown source is a denial.

use crate::model::types::AgentProfile;
use std::sync::Arc;

/// Proof that a source address belongs to a declared agent. Made by `Directory::by_source` alone.
#[derive(Debug)]
#[must_use]
pub struct Known {
    agent: Arc<AgentProfile>,
    gateway: Arc<str>,
}

impl Known {
    /// The agent.
    pub fn agent(&self) -> &Arc<AgentProfile> {
        &self.agent
    }

    /// The gateway it leaves through.
    pub fn gateway(&self) -> &Arc<str> {
        &self.gateway
    }
}
