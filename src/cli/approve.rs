//! `clawgress approve`: lets one agent reach hosts, or call tools, for a time.

use std::fmt::Write as _;
use std::time::Duration;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::words;
use crate::model::types::Timestamp;
use crate::operate::api::{self, ApproveQuery};

/// Arguments of `approve`.
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// Who may; or the id of a refusal on record, as it was quoted: agent, and host or tool, are then those of it
    #[arg(value_name = "AGENT|REQUEST_ID")]
    who: String,
    /// Which host, and on which port alone; `*.` stands for one label [repeatable]
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    hosts: Vec<String>,
    /// Which tool that a policy wants approved: an McpServer or a host, and one tool of it [repeatable]
    #[arg(long = "tool", value_name = "SERVER/TOOL")]
    tools: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// For how long: `15m`, `2h`, `PT4H`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    ttl: Duration,
    /// Where more is written about it
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,
}

/// Whether it looks like a request id, whole or as denials quote it: `0199c0de-7a31`.
fn is_request_id(text: &str) -> bool {
    let quoted = text.len() >= 13 && text.as_bytes().get(8) == Some(&b'-');
    quoted && text.len() <= 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A span of time on the command line.
pub fn span(text: &str) -> Result<Duration, String> {
    words::parse_span(text)
        .filter(|span| span.as_secs() > 0)
        .ok_or_else(|| "write it like `15m`, `2h`, `7d` or `PT4H`".to_owned())
}

impl Approve {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let Self { who, hosts, tools, reason, ttl, ticket } = self;
        let (agent, request) = if is_request_id(&who) { (None, Some(who)) } else { (Some(who), None) };
        if let (Some(agent), true) = (&agent, hosts.is_empty() && tools.is_empty()) {
            let message = format!("it is not said which host agent `{agent}` may reach");
            let hint = format!("clawgress approve {agent} --host HOST[:PORT] --reason TEXT --ttl 2h");
            return Err(Failure::new(Exit::Usage, message).hint(hint));
        }
        let query =
            ApproveQuery { agent, hosts, tools, request_id: request, reason, ticket, ttl_s: ttl.as_secs() };
        let approval = context.with_daemon(|mut client| async move { client.approve(&query).await })?;
        let now = context.now;
        context.one(&approval, |approval, paint| render(approval, now, paint))?;
        Ok(Exit::Done)
    }
}

/// What is open now, until when, and how to shut it.
fn render(approval: &api::Approval, now: Timestamp, paint: Paint) -> String {
    let hosts = opened(approval);
    let until = approval.until.map(|until| words::clock(until, now)).unwrap_or_default();
    let (agent, name) = (safe(&approval.agent), safe(&approval.name));
    let mut out = format!(
        "{agent} {} {} until {until} UTC\n",
        paint.text(Style::Good, "may reach"),
        safe(&hosts.join(", "))
    );
    let _ = writeln!(out, "to end it earlier: clawgress revoke {name}");
    out
}

/// Hosts with their ports, and tools.
pub fn opened(approval: &api::Approval) -> Vec<String> {
    let tools = approval.tools.iter().map(|tool| format!("tool {tool}"));
    approval.hosts.iter().map(|host| place(host)).chain(tools).collect()
}

/// `paste.example:443`, `paste.example (every port)`.
pub fn place(host: &str) -> String {
    if host.contains(':') { host.to_owned() } else { format!("{host} (every port)") }
}
