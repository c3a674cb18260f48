//! What a decision depends on beside documents and traffic: the moment, what operators granted or imposed for a time, and what
//! the agent has used up.
//!
//! All are arguments, so that equal inputs give equal decisions; nothing here reads a clock or a database.

use super::standing::Standing;
use crate::model::condition::Usage;
use crate::model::types::Timestamp;

/// The circumstances of one decision.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// When it is decided, UTC.
    pub at: Timestamp,
    /// What holds for a time.
    pub standing: &'a Standing,
    /// What the agent has used up; none where nobody counts, and then a condition on it has no answer.
    pub usage: Option<Usage>,
}

/// The beginning of time, at which nothing has been granted or imposed.
impl Default for Circumstances<'_> {
    fn default() -> Self {
        static NOTHING: Standing = Standing::new();
        Self { at: Timestamp::default(), standing: &NOTHING, usage: None }
    }
}
