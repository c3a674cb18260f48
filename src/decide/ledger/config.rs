//! How the ledger is set up, and why it may fail to start or to be read.
//!
//! Words alone; what they mean is done in `mod.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use super::store;

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

/// Why the ledger cannot start or be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the ledger fails.
    #[error("cannot {what} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite fails.
    #[error("cannot use the ledger `{}`: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The journal is locked.
    #[error("another daemon uses the journal `{}`\nhint: two daemons need two values of `stateDir`", path.display())]
    InUse {
        /// The journal's folder.
        path: PathBuf,
    },
    /// The database has a layout this program does not know.
    #[error(
        "the ledger `{}` has layout {found}, this program knows up to {}\nhint: it was written by a newer version; \
         install that one, or set the file aside", path.display(), store::SCHEMA_VERSION
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The layout it has.
        found: i64,
    },
    /// What an earlier run left cannot be put into the database.
    #[error("cannot replay the journal into the ledger: {0}")]
    Replay(String),
    /// The database did not catch up in time.
    #[error("the ledger lags behind the journal{}", why.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    Lag {
        /// Why it cannot be filled, where that is known.
        why: Option<Arc<str>>,
    },
}
