//! `clawgress agent`: who the agents are, and shutting one out.

mod table;

use std::time::Duration;

use super::approve::span;
use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use crate::operate::api::QuarantineQuery;

/// Subcommands of `agent`.
#[derive(Debug, clap::Subcommand)]
pub enum Agent {
    /// Every agent, and whether it is shut out
    List,
    /// One agent
    Show {
        /// Its name
        name: String,
    },
    /// Shut an agent out: nothing that it sends goes out, and what it has open ends
    Quarantine {
        /// Its name
        name: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// For how long: `15m`, `2h`, `PT4H` [default: until it is released]
        #[arg(long = "for", value_name = "SPAN", value_parser = span)]
        span: Option<Duration>,
    },
    /// Let an agent in again
    Release {
        /// Its name
        name: String,
    },
}

impl Agent {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let now = context.now;
        match self {
            Self::List => {
                let found = context.with_daemon(|mut client| async move { client.agents(None).await })?;
                if found.is_empty() && context.format == Format::Table {
                    context.say("no agent is declared");
                }
                context.list(&found, |found, paint| table::lines(found, now, paint))?;
            }
            Self::Show { name } => {
                let found =
                    context.with_daemon(|mut client| async move { client.agents(Some(&name)).await })?;
                for agent in &found {
                    context.one(agent, |agent, paint| table::details(agent, now, paint))?;
                }
            }
            Self::Quarantine { name, reason, span } => {
                let query = QuarantineQuery { reason, for_s: span.map(|span| span.as_secs()) };
                let agent = context
                    .with_daemon(|mut client| async move { client.quarantine(&name, &query).await })?;
                context.one(&agent, |agent, paint| table::shut_out(agent, now, paint))?;
            }
            Self::Release { name } => {
                let agent = context.with_daemon(|mut client| async move { client.release(&name).await })?;
                context.one(&agent, table::let_in)?;
            }
        }
        Ok(Exit::Done)
    }
}
