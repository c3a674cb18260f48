//! What became of something, in the one word that records have for it.

use serde::{Deserialize, Serialize};

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Let through.
    Allow,
    /// Refused. The default: absence denies.
    #[default]
    Deny,
    /// Let through, at a bounded pace.
    Throttle,
    /// Refused, and the agent put away for a time.
    Quarantine,
    /// Let through with other header fields.
    Transform,
    /// Let through, and an alert to whoever reads records.
    Alert,
    /// Let through, though a rule on trial would have done something about it.
    LogOnly,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Self; 7] = [
        Self::Allow,
        Self::Deny,
        Self::Throttle,
        Self::Quarantine,
        Self::Transform,
        Self::Alert,
        Self::LogOnly,
    ];

    /// The decision of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == word)
    }

    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Throttle => "throttle",
            Self::Quarantine => "quarantine",
            Self::Transform => "transform",
            Self::Alert => "alert",
            Self::LogOnly => "log-only",
        }
    }

    /// Whether it refuses.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Deny | Self::Quarantine)
    }
}
