//! What denials of calls of models and tools say: which model or tool was asked for, never which are allowed.

use std::net::SocketAddr;

use super::place;
use crate::decide::policy::passage::Route;
use crate::model::types::{Denial, HostName, PolicyRef, Reason, Sequel};
use crate::perceive::identity::Known;

/// Bytes of a name that an agent wrote, in a sentence for it.
const NAME_BYTES: usize = 128;

/// A name as the agent wrote it, short enough for a sentence and without what a terminal would obey.
fn quoted(name: &str) -> String {
    let shown: String = name.chars().filter(|one| !one.is_control()).take(NAME_BYTES).collect();
    let more = if shown.len() < name.len() { "..." } else { "" };
    format!("`{shown}{more}`")
}

fn by(reason: Reason, route: &Route, detail: String) -> Denial {
    Denial::by(reason, route.policy.clone(), route.rule.clone(), detail)
}

/// A model that no route allows at an endpoint that one names.
pub(in crate::decide::policy) fn model(
    known: &Known,
    (host, destination): (&HostName, SocketAddr),
    model: Option<&str>,
    route: &Route,
) -> Denial {
    let (agent, place) = (&known.agent().name, place(Some(host), destination));
    let detail = match model {
        Some(model) => format!("Agent {agent} may not call the model {} at {place}.", quoted(model)),
        None => format!("Agent {agent} may not call {place} without naming a model."),
    };
    by(Reason::AiModel, route, detail)
}

/// A tool that may not be called.
pub(in crate::decide::policy) fn tool(
    known: &Known,
    (host, destination): (&HostName, SocketAddr),
    tool: &str,
    route: &Route,
) -> Denial {
    let (agent, place) = (&known.agent().name, place(Some(host), destination));
    by(Reason::McpTool, route, format!("Agent {agent} may not call the tool {} at {place}.", quoted(tool)))
}

/// A URL of no server that is declared for the agent, at a host that has some.
pub(in crate::decide::policy) fn server(
    known: &Known,
    (host, destination): (&HostName, SocketAddr),
    route: &Route,
) -> Denial {
    let (agent, place) = (&known.agent().name, place(Some(host), destination));
    let detail = format!(
        "Agent {agent} may not use this MCP server at {place}: none is declared for it under this URL."
    );
    by(Reason::McpServer, route, detail)
}

/// A tool that needs an operator's leave for each agent. Its record names it as an approval does.
pub(in crate::decide::policy) fn approval(
    known: &Known,
    (server, tool): (&str, &str),
    policy: &PolicyRef,
) -> Denial {
    let agent = &known.agent().name;
    let detail = format!("Agent {agent} needs an approval to call the tool {} of {server}.", quoted(tool));
    Denial::by(Reason::ApprovalRequired, policy.clone(), None, detail).seen(format!("{server}/{tool}"))
}

/// What a policy asks for and nobody could read.
pub(in crate::decide::policy) fn unread(known: &Known, route: &Route) -> Denial {
    let detail = format!(
        "Agent {} may not send this: a policy judges it by what it carries, which could not be read.",
        known.agent().name
    );
    by(Reason::PolicyUnevaluable, route, detail).seen("what it asks of a model or a tool is not known")
}

/// Why a call asks for more tokens than one may have.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide::policy) enum TooMuch {
    /// It names this many for its answer.
    Output(u64),
    /// It names no number for its answer.
    Unbounded,
    /// The question alone has this many.
    Question(u64),
}

/// A call that asks for more tokens than one may have. `most` are those that its answer may have; the same is refused again.
pub(in crate::decide::policy) fn too_much(
    known: &Known,
    asked: TooMuch,
    most: u64,
    policy: &PolicyRef,
) -> Denial {
    let agent = &known.agent().name;
    let detail = match asked {
        TooMuch::Output(named) => format!(
            "Agent {agent} asked for up to {named} output tokens; this call may have {most}. Ask for at most {most}."
        ),
        TooMuch::Unbounded => format!(
            "Agent {agent} named no maximum of output tokens, and this call may have {most}. Name at most {most} output \
             tokens, or ask for a stream."
        ),
        TooMuch::Question(estimated) => format!(
            "Agent {agent} sent a question of about {estimated} tokens; question and answer together may have {most}. Send \
             less."
        ),
    };
    let denial = Denial::by(Reason::QuotaTokens, policy.clone(), None, detail);
    Denial { sequel: Some(Sequel::Final), ..denial }
}
