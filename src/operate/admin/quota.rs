//! Handlers for budgets. Each turns one call into one question and back, and says for the record what was given.

use serde::de::DeserializeOwned;

use super::backend::Backend;
use super::routes::{Call, Reply, done, json};
use crate::operate::api::{Fault, Quota, QuotaQuery};

pub(super) fn list(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let (mut policy, mut subject) = (None, None);
    for (name, value) in call.pairs() {
        match name {
            "policy" => policy = Some(value),
            "subject" => subject = Some(value),
            _ => return Err(Fault::invalid(format!("quotas are not asked for by `{name}`"))),
        }
    }
    json(&backend.quotas(policy, subject)?)
}

pub(super) fn grant(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: QuotaQuery = question(call)?;
    if query.amount.is_none() {
        return Err(Fault::invalid("it is not said how much").hint("clawgress quota grant POLICY --amount N"));
    }
    let stands = backend.change_quota(&call.caller, &query)?;
    done(&stands, words("granted", &stands))
}

pub(super) fn reset(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: QuotaQuery = question(call)?;
    if query.amount.is_some() {
        return Err(Fault::invalid("a budget that begins anew has no amount"));
    }
    let stands = backend.change_quota(&call.caller, &query)?;
    done(&stands, words("begun anew", &stands))
}

/// `50000 tokens, subject Team/red, reason: release week`.
pub(super) fn given(body: &[u8]) -> Option<String> {
    let query: QuotaQuery = serde_json::from_slice(body).ok()?;
    let mut parts = Vec::new();
    if let (Some(amount), Some(unit)) = (&query.amount, &query.unit) {
        parts.push(format!("{amount} {unit}"));
    }
    parts.extend(query.subject.map(|subject| format!("subject {subject}")));
    parts.push(format!("reason: {}", query.reason));
    Some(parts.join(", "))
}

/// The document that a body speaks of.
pub(super) fn object(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<QuotaQuery>(body).ok().map(|query| query.policy)
}

fn words(what: &str, stands: &[Quota]) -> String {
    let left = |one: &Quota| {
        let subject = one.subject.as_deref().unwrap_or("-");
        format!("{subject} has {} {} left for one {}", one.left, one.unit, one.window)
    };
    format!("{what}: {}", stands.iter().map(left).collect::<Vec<_>>().join("; "))
}

fn question<T: DeserializeOwned>(call: &Call) -> Result<T, Fault> {
    serde_json::from_slice(&call.body)
        .map_err(|error| Fault::invalid(format!("the question is not one: {error}")))
}
