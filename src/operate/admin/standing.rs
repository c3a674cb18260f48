//! Handlers for what stands for a time: approvals and quarantines. Each turns one call into one question and back.

use serde::de::DeserializeOwned;

use super::backend::Backend;
use super::routes::{Call, Reply, json};
use crate::operate::api::{ApproveQuery, Fault, QuarantineQuery};

pub(super) fn approve(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: ApproveQuery = question(call)?;
    json(&backend.approve(&call.caller, &query)?)
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
    json(&backend.revoke(&call.caller, named(call)?)?)
}

pub(super) fn agents(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    json(&backend.agents(call.segments.first().map(String::as_str))?)
}

pub(super) fn quarantine(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: QuarantineQuery = question(call)?;
    json(&backend.quarantine(&call.caller, named(call)?, &query)?)
}

pub(super) fn release(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    json(&backend.release(&call.caller, named(call)?)?)
}

/// Whom and what a body speaks of, in a few words for the record.
pub(super) fn object(body: &[u8]) -> Option<String> {
    let query: ApproveQuery = serde_json::from_slice(body).ok()?;
    let request = query.request_id.map(|id| format!("request {id}"));
    let words: Vec<String> = query.agent.into_iter().chain(query.hosts).chain(request).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn question<T: DeserializeOwned>(call: &Call) -> Result<T, Fault> {
    serde_json::from_slice(&call.body)
        .map_err(|error| Fault::invalid(format!("the question is not one: {error}")))
}

fn named(call: &Call) -> Result<&str, Fault> {
    call.segments.first().map(String::as_str).ok_or_else(|| Fault::invalid("nothing is named"))
}
