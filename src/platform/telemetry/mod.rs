//! Logging set-up. What must be kept is in the ledger; this is for whoever watches the process.

mod seldom;

pub use seldom::Seldom;

use tracing_subscriber::EnvFilter;

/// What is said unless `CLAWGRESS_LOG` asks for something else. The HTTP libraries warn of whatever a peer does wrong;
/// the ledger has that, and a peer may not fill the log.
const FILTER: &str = "info,h2=error,hyper=error";

/// Sets up logging to standard error: one line a fact, no colour, levels by `CLAWGRESS_LOG` (default [`FILTER`]).
/// Under systemd the journal adds the time itself.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("CLAWGRESS_LOG").unwrap_or_else(|_| EnvFilter::new(FILTER));
    let logger =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Set once per process; a second call, as in tests, changes nothing.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() {
        logger.without_time().with_target(false).try_init()
    } else {
        logger.with_target(false).try_init()
    };
}
