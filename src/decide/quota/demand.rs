//! What somebody wants to use, and what he has used in the end.

use crate::model::types::{AgentProfile, RequestId, Unit};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The agent.
    pub agent: &'a AgentProfile,
    /// The execution.
    pub execution: RequestId,
}

/// How much of something is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// So much, which is none by default.
    Exactly(u64),
    /// As much as there is, within these bounds: it is ended when that is used up.
    AtMost {
        /// With less it cannot begin.
        least: u64,
        /// It never uses more.
        most: u64,
    },
    /// Nobody can say.
    Unknown,
}

impl Wanted {
    /// At most so much.
    pub fn most(self) -> u64 {
        match self {
            Self::Exactly(amount) | Self::AtMost { most: amount, .. } => amount,
            Self::Unknown => 0,
        }
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Exactly(0)
    }
}

/// What one request or flow wants when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Tokens of a model.
    pub tokens: Wanted,
    /// What they cost.
    pub nanodollars: Wanted,
    /// Requests: one, or none of a connection that is read.
    pub requests: u64,
    /// Calls of tools.
    pub calls: u64,
    /// Bytes towards the destination that are known by now.
    pub bytes_up: u64,
    /// Bytes towards the workload that are known by now.
    pub bytes_down: u64,
}

impl Demand {
    pub(super) fn of(&self, unit: Unit) -> Wanted {
        match unit {
            Unit::Tokens => self.tokens,
            Unit::Usd => self.nanodollars,
            Unit::Requests => Wanted::Exactly(self.requests),
            Unit::Calls => Wanted::Exactly(self.calls),
            Unit::Bytes => Wanted::Exactly(self.bytes_up.saturating_add(self.bytes_down)),
            Unit::BytesUp => Wanted::Exactly(self.bytes_up),
            Unit::BytesDown => Wanted::Exactly(self.bytes_down),
        }
    }
}

/// What was used in the end. Of what nobody knows, what was reserved stays charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Tokens of a model.
    pub tokens: Option<u64>,
    /// What they cost.
    pub nanodollars: Option<u64>,
    /// Requests.
    pub requests: Option<u64>,
    /// Calls of tools.
    pub calls: Option<u64>,
    /// Bytes towards the destination.
    pub bytes_up: Option<u64>,
    /// Bytes towards the workload.
    pub bytes_down: Option<u64>,
}

impl Spent {
    /// Nothing followed.
    pub const NOTHING: Self = Self {
        tokens: Some(0),
        nanodollars: Some(0),
        requests: Some(0),
        calls: Some(0),
        bytes_up: Some(0),
        bytes_down: Some(0),
    };

    pub(super) fn of(&self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Tokens => self.tokens,
            Unit::Usd => self.nanodollars,
            Unit::Requests => self.requests,
            Unit::Calls => self.calls,
            Unit::Bytes => Some(self.bytes_up?.saturating_add(self.bytes_down?)),
            Unit::BytesUp => self.bytes_up,
            Unit::BytesDown => self.bytes_down,
        }
    }
}
