//! How the ledger is, for `status`. Figures alone; it asks nobody.

use std::sync::Arc;

/// How the ledger is.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Why the last append to the journal failed, if it did.
    pub journal_failure: Option<Arc<str>>,
    /// Why `ledger.db` cannot be filled at the moment, if so.
    pub database_failure: Option<Arc<str>>,
    /// Bytes in the journal that are not in the database yet.
    pub backlog_bytes: u64,
    /// Bytes of the journal on disk, segments that are in the database already included.
    pub journal_bytes: u64,
    /// Bytes the journal may have.
    pub journal_bound: u64,
    /// Decisions and events since the start that could not be recorded.
    pub refused: u64,
    /// Outcomes and denials since the start that could not be recorded.
    pub lost: u64,
    /// Segments since the start in which a frame could no longer be read; each is kept as `.damaged`.
    pub damaged_segments: u64,
}
