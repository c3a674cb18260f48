//! Logging set-up and live counters: knows numbers, not stages.
//!
//! Counters live in memory and start at zero with the daemon; what must be kept is in the ledger.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

/// Live figures of the road, shared by all workers.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    live: AtomicU64,
    overloads: AtomicU64,
}

impl Counters {
    /// A connection begins to be served.
    pub fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is over.
    pub fn closed(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection was turned away because all places were taken.
    pub fn overloaded(&self) {
        self.overloads.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections since start, connections now, connections turned away.
    pub fn read(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.connections), read(&self.live), read(&self.overloads))
    }
}

/// Sets up logging to standard error: one line a fact, no colour, levels by `CLAWGRESS_LOG` (default `info`).
/// Under systemd the journal adds the time itself.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("CLAWGRESS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logger =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Set once per process; a second call, as in tests, changes nothing.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() {
        logger.without_time().with_target(false).try_init()
    } else {
        logger.with_target(false).try_init()
    };
}
