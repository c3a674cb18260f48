//! `clawgress ca`: the certificate that workloads have to trust.

use serde_json::json;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};

/// Subcommands of `ca`.
#[derive(Debug, clap::Subcommand)]
pub enum Ca {
    /// Print the certificate in PEM
    Export,
}

impl Ca {
    /// Runs the subcommand.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        match self {
            Self::Export => {
                let pem = context.with_daemon(|mut client| async move { client.ca_pem().await })?;
                if context.format == Format::Table {
                    context.print(&pem)?;
                } else {
                    context.one(&json!({ "pem": pem }), |_, _| String::new())?;
                }
            }
        }
        Ok(Exit::Done)
    }
}
