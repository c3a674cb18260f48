//! `clawgress revoke NAME`: ends an approval, and what lives by it.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::{Paint, safe};
use crate::operate::api::Approval;

/// Arguments of `revoke`.
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The approval's name, as `clawgress approvals` shows it
    name: String,
}

impl Revoke {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let name = self.name;
        let approval = context.with_daemon(|mut client| async move { client.revoke(&name).await })?;
        context.one(&approval, |approval: &Approval, _: Paint| {
            let (agent, hosts) = (safe(&approval.agent), approval.opened().join(", "));
            format!("{} is revoked: {agent} may not reach {} by it\n", safe(&approval.name), safe(&hosts))
        })?;
        Ok(Exit::Done)
    }
}
