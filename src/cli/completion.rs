//! `clawgress completion SHELL`: a script for the shell to read.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use super::context::Context;
use super::exit::{Exit, Failure};

/// Arguments of `completion`.
#[derive(Debug, clap::Args)]
pub struct Completion {
    /// For which shell
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "clawgress", &mut script);
        context.print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
