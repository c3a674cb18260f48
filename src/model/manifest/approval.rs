//! `kind: EgressApproval`: hosts and tools for one agent, for a time (kars CRD reference, EgressApproval).
//!
//! When the time begins is not in the document: the registry remembers when it first saw it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::digest;
use super::fields::{Fields, Item};
use super::header::{Header, Index};
use super::kinds::Kind;
use super::patterns::{self, TOOL_NAME};
use super::report::quoted;
use super::resources::Approval;
use super::schema::{AnyOf, Field, Form, Object, PORT, Shape};
use super::values;
use crate::model::types::limits::{APPROVAL_HOSTS, APPROVALS_PER_AGENT, REASON_CHARS, TICKET_CHARS};
use crate::model::types::quota_limits::APPROVAL_TOOLS;
use crate::model::types::{ApprovedHost, ApprovedTool, Grant, HostName};

static REASON: Form = Form { words: "text", pattern: r"\S", longest: 4 * REASON_CHARS };
static TICKET: Form = Form { words: "text", pattern: r"\S", longest: 4 * TICKET_CHARS };

/// `spec` of an approval.
pub static SPEC: Object = Object::new(
    "Lets one agent reach further hosts, and call tools, for a time. It never opens what a denial refuses.",
    &[
        Field::optional("agent", Shape::Text(&values::NAME), "The agent it is for."),
        Field::optional("sandbox", Shape::Text(&values::NAME), "The same, as kars calls it."),
        Field::optional("hosts", Shape::List(&Shape::Object(&HOST)), "The hosts that it opens."),
        Field::optional(
            "tools",
            Shape::List(&Shape::Object(&TOOL)),
            "The tools that it lets the agent call where a ToolPolicy wants an approval.",
        ),
        Field::required("reason", Shape::Text(&REASON), "Why, for the record."),
        Field::optional("ticket", Shape::Text(&TICKET), "Where the reason is kept."),
        Field::required(
            "ttl",
            Shape::Text(&values::DURATION),
            "How long it holds, from when the gateway first saw it.",
        ),
    ],
)
.with_any_of(&[
    AnyOf {
        fields: &["agent", "sandbox"],
        lacking: "the approval names no agent",
        hint: "write `agent: NAME`",
    },
    AnyOf {
        fields: &["hosts", "tools"],
        lacking: "the approval opens nothing",
        hint: "write `hosts` or `tools`",
    },
]);

static HOST: Object = Object::new(
    "A host that an approval opens.",
    &[
        Field::required("host", Shape::Text(&values::HOST), "The host."),
        Field::optional("port", PORT, "Its port; without it every one."),
    ],
);

static TOOL: Object = Object::new(
    "A tool that an approval lets an agent call.",
    &[
        Field::required(
            "server",
            Shape::Text(&values::NAME),
            "An McpServer by its name, or the host of a server that no document declares.",
        ),
        Field::required("tool", Shape::Text(&TOOL_NAME), "One tool of it."),
    ],
);

/// How many approvals each agent has, over all documents of a set.
pub type Counts = BTreeMap<Arc<str>, usize>;

/// Reads one approval.
pub fn read(header: &Header<'_>, index: &Index, counts: &mut Counts) -> Option<Approval> {
    let spec = header.spec?;
    let fields = spec.object(&SPEC)?;
    let agent = agent(&fields, index);
    if let Some(agent) = &agent {
        count(header, agent, counts);
    }
    let hosts = hosts(&fields);
    let tools = tools(&fields, index);
    let reason = fields.required("reason").and_then(|item| sentence(&item, REASON_CHARS));
    let ticket = fields.get("ticket").and_then(|item| sentence(&item, TICKET_CHARS));
    let ttl = fields.required("ttl").and_then(|item| values::duration(&item));
    Some(Approval {
        grant: Grant { agent: agent?, hosts, tools, reason: reason?, ticket },
        ttl: ttl?,
        digest: digest::of_part(spec.node()).into(),
        origin: header.origin(),
    })
}

/// Notes the first approval that is too many for its agent: it would not count.
fn count(header: &Header<'_>, agent: &Arc<str>, counts: &mut Counts) {
    let count = counts.entry(agent.clone()).or_default();
    *count += 1;
    if *count == APPROVALS_PER_AGENT + 1 {
        let message =
            format!("agent {} has more than {APPROVALS_PER_AGENT} approvals in files", quoted(agent));
        header.named_at.mistake_hint(message, "remove those that have ended; what shall last is a route");
    }
}

/// `agent`, or `sandbox` as kars calls it.
fn agent(fields: &Fields<'_>, index: &Index) -> Option<Arc<str>> {
    match (fields.get("agent"), fields.get("sandbox")) {
        (Some(_), Some(sandbox)) => {
            sandbox.mistake_hint("both `agent` and `sandbox` are given", "they are the same: remove one");
            None
        }
        (None, Some(item)) => index.resolve(Kind::Agent, &item),
        _ => index.resolve(Kind::Agent, &fields.get("agent")?),
    }
}

fn hosts(fields: &Fields<'_>) -> Vec<ApprovedHost> {
    let items = fields.list("hosts");
    if let Some(first) = items.get(APPROVAL_HOSTS) {
        let message = format!("an approval names {} hosts, more than {APPROVAL_HOSTS}", items.len());
        first.mistake_hint(message, "write another for the rest, or a route: approvals are small");
    }
    items.iter().filter_map(host).collect()
}

fn host(item: &Item<'_>) -> Option<ApprovedHost> {
    let fields = item.object(&HOST)?;
    let host = fields.required("host").and_then(|item| values::host_pattern(&item));
    let port = match fields.get("port") {
        Some(item) => Some(item.port()?),
        None => None,
    };
    Some(ApprovedHost { host: host?, port })
}

fn tools(fields: &Fields<'_>, index: &Index) -> Vec<ApprovedTool> {
    let items = fields.list("tools");
    if let Some(first) = items.get(APPROVAL_TOOLS) {
        let message = format!("an approval names {} tools, more than {APPROVAL_TOOLS}", items.len());
        first.mistake_hint(message, "write another for the rest: approvals are small");
    }
    items.iter().filter_map(|item| tool(item, index)).collect()
}

fn tool(item: &Item<'_>, index: &Index) -> Option<ApprovedTool> {
    let fields = item.object(&TOOL)?;
    let server = fields.required("server").and_then(|item| server(&item, index));
    let tool = fields.required("tool").and_then(|item| patterns::tool_name(&item));
    Some(ApprovedTool { server: server?, tool: tool?.into() })
}

/// A declared server, or a host: what has no dot is no host of anybody's.
fn server(item: &Item<'_>, index: &Index) -> Option<Arc<str>> {
    let name = values::name(item)?;
    if index.has(Kind::McpServer, &name) || !name.contains('.') {
        return index.resolve(Kind::McpServer, item);
    }
    match HostName::parse(&name) {
        Ok(host) => Some(host.as_str().into()),
        Err(error) => {
            values::host_mistake(item, &name, error);
            None
        }
    }
}

/// A text of so many characters, without control characters.
fn sentence(item: &Item<'_>, most: usize) -> Option<Arc<str>> {
    let text = item.text()?;
    let length = text.chars().count();
    if length > most {
        item.mistake(format!("{} has {length} characters, more than {most}", quoted(item.name)));
        return None;
    }
    Some(text.into())
}
