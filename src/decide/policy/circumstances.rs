//! What a decision depends on beside documents and traffic: the moment, and what operators granted or imposed for a time.
//!
//! Both are arguments, so that equal inputs give equal decisions; nothing here reads a clock or a database.

use super::standing::Standing;
use crate::model::types::Timestamp;

/// The circumstances of one decision.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// When it is decided, UTC.
    pub at: Timestamp,
    /// What holds for a time.
    pub standing: &'a Standing,
}

/// The beginning of time, at which nothing has been granted or imposed.
impl Default for Circumstances<'_> {
    fn default() -> Self {
        static NOTHING: Standing = Standing::new();
        Self { at: Timestamp::default(), standing: &NOTHING }
    }
}
