//! Handlers for what stands for a time: approvals and quarantines. Each turns one call into one question and back, and
//! says for the record what was given and what was done.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::backend::Backend;
use super::routes::{Call, Reply, done, json};
use crate::model::manifest::values::write_duration;
use crate::model::types::Timestamp;
use crate::operate::api::{ApproveQuery, Fault, QuarantineQuery};

pub(super) fn approve(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: ApproveQuery = question(call)?;
    let made = backend.approve(&call.caller, &query)?;
    let (hosts, until) = (made.opened().join(", "), until(made.until));
    let words = format!("{} may reach {hosts} {until}, as {}", made.agent, made.name);
    done(&made, words)
}

pub(super) fn approvals(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let pairs: Vec<_> = call.pairs().collect();
    let all = match pairs[..] {
        [] | [("all", "false")] => false,
        [("all", "" | "true")] => true,
        _ => return Err(Fault::invalid("approvals are asked for with `all=true` or without")),
    };
    json(&backend.approvals(all)?)
}

pub(super) fn revoke(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let ended = backend.revoke(&call.caller, named(call)?)?;
    let words = format!("{} may no longer reach {} by it", ended.agent, ended.opened().join(", "));
    done(&ended, words)
}

pub(super) fn agents(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    json(&backend.agents(call.segments.first().map(String::as_str))?)
}

pub(super) fn quarantine(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: QuarantineQuery = question(call)?;
    let shut_out = backend.quarantine(&call.caller, named(call)?, &query)?;
    let until = until(shut_out.quarantine.as_ref().and_then(|quarantine| quarantine.until));
    done(&shut_out, format!("shut out {until}"))
}

pub(super) fn release(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let released = backend.release(&call.caller, named(call)?)?;
    done(&released, "shut out no more".to_owned())
}

fn until(end: Option<Timestamp>) -> String {
    end.map_or_else(|| "until somebody ends it".to_owned(), |end| format!("until {end}"))
}

/// `ttl 2h, ticket INC-1, reason: debug`.
pub(super) fn approval_given(body: &[u8]) -> Option<String> {
    let query: ApproveQuery = serde_json::from_slice(body).ok()?;
    let ticket = query.ticket.map(|ticket| format!(", ticket {ticket}")).unwrap_or_default();
    let ttl = write_duration(Duration::from_secs(query.ttl_s));
    Some(format!("ttl {ttl}{ticket}, reason: {}", query.reason))
}

/// `for 2h, reason: exfiltration`.
pub(super) fn quarantine_given(body: &[u8]) -> Option<String> {
    let query: QuarantineQuery = serde_json::from_slice(body).ok()?;
    let time = query.for_s.map_or_else(
        || "until released".to_owned(),
        |seconds| format!("for {}", write_duration(Duration::from_secs(seconds))),
    );
    Some(format!("{time}, reason: {}", query.reason))
}

/// Whom and what a body speaks of, in a few words for the record.
pub(super) fn object(body: &[u8]) -> Option<String> {
    let query: ApproveQuery = serde_json::from_slice(body).ok()?;
    let request = query.request_id.map(|id| format!("request {id}"));
    let words: Vec<String> =
        query.agent.into_iter().chain(query.hosts).chain(query.tools).chain(request).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn question<T: DeserializeOwned>(call: &Call) -> Result<T, Fault> {
    serde_json::from_slice(&call.body)
        .map_err(|error| Fault::invalid(format!("the question is not one: {error}")))
}

fn named(call: &Call) -> Result<&str, Fault> {
    call.segments.first().map(String::as_str).ok_or_else(|| Fault::invalid("nothing is named"))
}
