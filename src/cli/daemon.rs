//! `clawgress daemon`, and `clawgressd`, which is the same: it runs the gateway, or does one thing to the host instead.

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::{DEFAULT_CONFIG, wiring};

/// Arguments of the daemon.
#[derive(Debug, clap::Args)]
pub struct Daemon {
    /// The daemon's settings
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Put the rules in place that hold workloads back, where there are none, and end
    #[arg(long, group = "instead")]
    place_rules: bool,
    /// Make this host forward, where the rules stand, and end
    #[arg(long, group = "instead")]
    forward: bool,
    /// Take the rules and routes away, and end: from then on nothing holds workloads back
    #[arg(long, group = "instead")]
    remove_rules: bool,
}

impl Daemon {
    /// Runs until told to stop, or does what is asked for instead.
    pub fn run(self) -> Result<Exit, Failure> {
        let work = match (self.place_rules, self.forward, self.remove_rules) {
            (true, ..) => wiring::Work::PlaceRules,
            (_, true, _) => wiring::Work::Forward,
            (.., true) => wiring::Work::RemoveRules,
            _ => wiring::Work::Run,
        };
        wiring::daemon(work, &self.config)?;
        Ok(Exit::Done)
    }
}
