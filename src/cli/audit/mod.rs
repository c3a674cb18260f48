//! `clawgress audit`: `search` through the records, `tail` them, `show` one. Times are UTC, as in the records.

mod row;
mod search;
mod tail;
mod show;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::words::When;
use crate::model::types::Timestamp;
use crate::operate::api::AuditFilter;

#[cfg(test)]
pub(super) use row::{Table, details};

/// Subcommands of `audit`.
#[derive(Debug, clap::Subcommand)]
pub enum Audit {
    /// The newest records, and with -f every further one; times are UTC
    Tail(tail::Tail),
    /// Records that match, oldest first; times are UTC
    Search(search::Search),
    /// One record whole
    Show(show::Show),
}

impl Audit {
    /// Runs the subcommand.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        match self {
            Self::Tail(command) => command.run(context),
            Self::Search(command) => command.run(context),
            Self::Show(command) => command.run(context),
        }
    }
}

/// Which records, for `search` and `tail` alike.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Of this agent
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// With this decision: allow, deny, ...
    #[arg(long, value_name = "WORD")]
    decision: Option<String>,
    /// Refused, the same as `--decision deny`
    #[arg(long, conflicts_with_all = ["decision", "allow"])]
    deny: bool,
    /// Let through, the same as `--decision allow`
    #[arg(long, conflicts_with = "decision")]
    allow: bool,
    /// With this reason code
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// To this host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Of this kind: connection, request, dns, admin, system
    #[arg(long, value_name = "WORD")]
    kind: Option<String>,
    /// From then on: how long ago (`15m`, `2h`, `7d`, `PT4H`), or RFC 3339
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Up to then, written the same way
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
}

impl Filter {
    fn seen_from(self, now: Timestamp) -> AuditFilter {
        let word = |said: bool, word: &str| said.then(|| word.to_owned());
        AuditFilter {
            agent: self.agent,
            decision: self.decision.or(word(self.deny, "deny")).or(word(self.allow, "allow")),
            reason: self.reason,
            host: self.host.map(|host| host.to_ascii_lowercase()),
            kind: self.kind,
            since: self.since.map(|when| when.seen_from(now)),
            until: self.until.map(|when| when.seen_from(now)),
        }
    }
}
