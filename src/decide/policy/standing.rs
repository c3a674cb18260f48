//! What operators granted and imposed for a time, as one value in memory: decisions read this and never a database.
//!
//! Whoever builds it may be late with what has expired, so decisions compare the moment with each expiry themselves.

/// Grants and restrictions in force, by agent. The default holds none.
#[derive(Debug, Clone, Default)]
pub struct Standing {}

impl Standing {
    /// Nothing.
    pub const fn new() -> Self {
        Self {}
    }
}
