//! `clawgress quota`: how budgets stand, and giving more.

mod table;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use crate::operate::api::QuotaQuery;

/// Subcommands of `quota`.
#[derive(Debug, clap::Subcommand)]
pub enum Quota {
    /// Every limit, and how much of it is used
    List,
    /// The limits of one document
    Show {
        /// `BudgetPolicy/NAME`, or its name alone
        policy: String,
        /// Whose: `Team/red`, as the list shows it [default: everybody's]
        #[arg(long, value_name = "SUBJECT")]
        subject: Option<String>,
    },
    /// Give more, once: it counts as long as what is used now does
    Grant {
        /// `BudgetPolicy/NAME`, or its name alone
        policy: String,
        /// How much more: `50000`, or of money `2.50`
        #[arg(long, value_name = "N")]
        amount: String,
        /// Of what: `tokens`, `usd`, `requests`, `bytes` [default: the only unit that is counted]
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
        #[command(flatten)]
        for_whom: ForWhom,
    },
    /// Begin anew: what was used counts no more, but what is underway
    Reset {
        /// `BudgetPolicy/NAME`, or its name alone
        policy: String,
        /// Of what: `tokens`, `usd`, `requests`, `bytes` [default: everything that is counted]
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
        #[command(flatten)]
        for_whom: ForWhom,
    },
}

/// Whose budget, and why.
#[derive(Debug, clap::Args)]
pub struct ForWhom {
    /// Whose: `Team/red`, as the list shows it [default: the only one there is]
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Quota {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let now = context.now;
        match self {
            Self::List => {
                let found =
                    context.with_daemon(|mut client| async move { client.quotas(None, None).await })?;
                if found.is_empty() && context.format == Format::Table {
                    context.say("no document bounds what may be used");
                }
                context.list(&found, |found, paint| table::lines(found, now, paint))?;
            }
            Self::Show { policy, subject } => {
                let found = context.with_daemon(|mut client| async move {
                    client.quotas(Some(&policy), subject.as_deref()).await
                })?;
                context.list(&found, |found, paint| table::details(found, now, paint))?;
            }
            Self::Grant { policy, amount, unit, for_whom: ForWhom { subject, reason } } => {
                let query = QuotaQuery { policy, subject, unit, amount: Some(amount), reason };
                let stands =
                    context.with_daemon(|mut client| async move { client.grant_quota(&query).await })?;
                context.list(&stands, |stands, paint| table::lines(stands, now, paint))?;
            }
            Self::Reset { policy, unit, for_whom: ForWhom { subject, reason } } => {
                let query = QuotaQuery { policy, subject, unit, amount: None, reason };
                let stands =
                    context.with_daemon(|mut client| async move { client.reset_quota(&query).await })?;
                context.list(&stands, |stands, paint| table::lines(stands, now, paint))?;
            }
        }
        Ok(Exit::Done)
    }
}
