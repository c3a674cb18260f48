//! `spec.failMode`: what becomes of workloads' traffic while the daemon is away.
//!
//! The kernel holds to it by the rules that `perceive::intercept` leaves behind. Never changes while the daemon lives.

use serde::{Deserialize, Serialize};

/// What the kernel does with workload traffic while the daemon is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailMode {
    /// It is refused. The default.
    #[default]
    Closed,
    /// TCP, UDP and DNS are forwarded as if the gateway were a plain router, unjudged and unrecorded.
    Open,
}

impl FailMode {
    /// The word in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
}
