//! `clawgress daemon`, and `clawgressd`, which is the same.

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::{DEFAULT_CONFIG, wiring};

/// Arguments of the daemon.
#[derive(Debug, clap::Args)]
pub struct Daemon {
    /// The daemon's settings
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
}

impl Daemon {
    /// Runs until told to stop.
    pub fn run(self) -> Result<Exit, Failure> {
        wiring::run_daemon(&self.config)?;
        Ok(Exit::Done)
    }
}
