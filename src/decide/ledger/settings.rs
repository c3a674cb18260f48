//! The settings of the ledger: where it is, how much it holds, and what happens when it cannot be written.
//!
//! Already checked: the reader of `clawgress.yaml` refuses what is out of bounds. Read next: `mod.rs`.

use std::path::PathBuf;

/// What a record survives once it is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The end of the process, however sudden.
    #[default]
    Process,
    /// A power cut: decisions wait for a grouped fsync.
    Power,
}

/// What happens to traffic whose decision cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnavailable {
    /// It is refused with `audit.unavailable`.
    #[default]
    Deny,
    /// It goes unrecorded, and is counted.
    Allow,
}

/// Settings of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// The state folder; holds `ledger.db` and `journal/`.
    pub dir: PathBuf,
    /// What records survive.
    pub durability: Durability,
    /// Bound of the journal in bytes; at least 256 KiB.
    pub journal_bytes: u64,
    /// What happens to traffic whose decision cannot be recorded.
    pub on_unavailable: OnUnavailable,
}
