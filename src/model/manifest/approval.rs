//! `kind: EgressApproval`: hosts for one agent, for a time (kars CRD reference, EgressApproval).
//!
//! When the time begins is not in the document: the registry remembers when it first saw it.

use std::sync::Arc;

use super::digest;
use super::fields::{Fields, Item};
use super::header::{Header, Index};
use super::kinds::Kind;
use super::report::quoted;
use super::resources::Approval;
use super::values;
use crate::model::types::limits::{APPROVAL_HOSTS, REASON_CHARS, TICKET_CHARS};
use crate::model::types::{ApprovedHost, Grant};

/// Reads one approval.
pub fn read(header: &Header<'_>, index: &Index) -> Option<Approval> {
    let spec = header.spec?;
    let fields = spec.fields(&["agent", "sandbox", "hosts", "tools", "reason", "ticket", "ttl"])?;
    fields.not_yet(&["tools"]);
    let agent = agent(&fields, index);
    let hosts = hosts(&fields);
    let reason = fields.required("reason").and_then(|item| sentence(&item, REASON_CHARS));
    let ticket = fields.get("ticket").and_then(|item| sentence(&item, TICKET_CHARS));
    let ttl = fields.required("ttl").and_then(|item| values::duration(&item));
    Some(Approval {
        grant: Grant { agent: agent?, hosts, reason: reason?, ticket },
        ttl: ttl?,
        digest: digest::of_part(spec.node()).into(),
        origin: header.origin(),
    })
}

/// `agent`, or `sandbox` as kars calls it.
fn agent(fields: &Fields<'_>, index: &Index) -> Option<Arc<str>> {
    match (fields.get("agent"), fields.get("sandbox")) {
        (Some(_), Some(sandbox)) => {
            sandbox.mistake_hint("both `agent` and `sandbox` are given", "they are the same: remove one");
            None
        }
        (None, Some(item)) => index.resolve(Kind::Agent, &item),
        _ => index.resolve(Kind::Agent, &fields.required("agent")?),
    }
}

fn hosts(fields: &Fields<'_>) -> Vec<ApprovedHost> {
    let items = fields.required_list("hosts");
    if let Some(first) = items.get(APPROVAL_HOSTS) {
        let message = format!("an approval names {} hosts, more than {APPROVAL_HOSTS}", items.len());
        first.mistake_hint(message, "write another for the rest, or a route: approvals are small");
    }
    items.iter().filter_map(host).collect()
}

fn host(item: &Item<'_>) -> Option<ApprovedHost> {
    let fields = item.fields(&["host", "port"])?;
    let host = fields.required("host").and_then(|item| values::host_pattern(&item));
    let port = match fields.get("port") {
        Some(item) => Some(item.port()?),
        None => None,
    };
    Some(ApprovedHost { host: host?, port })
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
