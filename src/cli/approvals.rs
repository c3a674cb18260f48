//! `clawgress approvals`: what operators opened for a time.

use super::approve::opened;
use super::columns::{Cell, Columns};
use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style};
use super::words;
use crate::model::types::Timestamp;
use crate::operate::api::{Approval, ApprovalState};

/// Arguments of `approvals`.
#[derive(Debug, clap::Args)]
pub struct Approvals {
    /// Those that have ended, too
    #[arg(long)]
    all: bool,
}

impl Approvals {
    /// Asks and prints. None is an answer.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let all = self.all;
        let found = context.with_daemon(|mut client| async move { client.approvals(all).await })?;
        if found.is_empty() && context.format == Format::Table {
            context.say(if all { "no approval is on record" } else { "no approval is in force" });
        }
        let now = context.now;
        context.list(&found, |found, paint| render(found, now, paint))?;
        Ok(Exit::Done)
    }
}

/// A line each: name, agent, hosts, until when, how it stands, by whom, why.
pub fn render(approvals: &[Approval], now: Timestamp, paint: Paint) -> String {
    let row = |approval: &Approval| {
        let hosts = opened(approval);
        let until = approval.ended_at.or(approval.until).map(|until| words::clock(until, now));
        let style = match approval.state {
            ApprovalState::Active => Style::Good,
            ApprovalState::Pending => Style::Warn,
            ApprovalState::Expired | ApprovalState::Revoked => Style::Dim,
        };
        let by = match &approval.ended_by {
            Some(ended_by) => format!("{}, ended by {ended_by}", approval.made_by),
            None => approval.made_by.clone(),
        };
        vec![
            Cell::from(approval.name.as_str()),
            Cell::from(approval.agent.as_str()),
            Cell::from(hosts.join(", ").as_str()),
            Cell::from(until.as_deref().unwrap_or("-")),
            Cell::styled(approval.state.as_str(), style),
            Cell::from(by.as_str()),
            Cell::from(approval.ticket.as_deref().unwrap_or_default()),
            Cell::from(approval.reason.as_str()),
        ]
    };
    Columns::table(&approvals.iter().map(row).collect::<Vec<_>>(), paint)
}
