//! The one table of the local API: method, path, whether it is recorded as an administrative action, handler.
//!
//! A handler turns one call into one question to the backend and back. Who asks is settled before a handler runs,
//! and recording follows from the table, not from a handler that remembers it.

use bytes::Bytes;
use serde::Serialize;

use super::access::Caller;
use super::backend::Backend;
use super::{authorities, backups, quota, secrets, standing};
use crate::model::types::limits::{ADMIN_BODY_BYTES, ADMIN_PAGE_ROWS, ADMIN_SECRETS_BYTES};
use crate::operate::api::resource::{canonical_kind, nearest_kind};
use crate::operate::api::{AuditFilter, ExplainQuery, Fault, Severity, Window, audit};

/// HTTP methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
}

/// What of a body stands in the record, in words.
type Given = fn(&[u8]) -> Option<String>;

/// One row of the table.
pub(super) struct Route {
    pub verb: Verb,
    /// As axum writes it: `{name}` stands for one segment.
    pub path: &'static str,
    /// The command's name in the record, for calls that change something.
    pub audited: Option<&'static str>,
    /// Puts what was given with it into words.
    pub given: Option<Given>,
    /// Whether its body holds what nobody may see.
    pub hidden: bool,
    pub handler: fn(&dyn Backend, &Call) -> Result<Reply, Fault>,
}

/// One call, read whole.
pub(super) struct Call {
    pub caller: Caller,
    /// The path's segments that the route leaves open, in order.
    pub segments: Vec<String>,
    /// Decoded pairs of the query.
    pub query: Vec<(String, String)>,
    pub body: Bytes,
}

/// What a handler answers.
#[derive(Debug)]
pub(super) enum Reply {
    /// A JSON document.
    Json(Vec<u8>),
    /// A JSON document, and for the record what was done.
    Done(Vec<u8>, String),
    /// Certificates in PEM.
    Pem(String),
    /// JSON lines that do not end.
    Follow(AuditFilter, Window),
}

const fn get(path: &'static str, handler: fn(&dyn Backend, &Call) -> Result<Reply, Fault>) -> Route {
    Route { verb: Verb::Get, path, audited: None, given: None, hidden: false, handler }
}

const fn post(path: &'static str, handler: fn(&dyn Backend, &Call) -> Result<Reply, Fault>) -> Route {
    Route { verb: Verb::Post, path, audited: None, given: None, hidden: false, handler }
}

const fn recorded(command: &'static str, route: Route) -> Route {
    Route { audited: Some(command), ..route }
}

const fn given(words: Given, route: Route) -> Route {
    Route { given: Some(words), ..route }
}

const fn hidden(route: Route) -> Route {
    Route { hidden: true, ..route }
}

impl Route {
    /// Bytes that its body may have.
    pub fn bound(&self) -> usize {
        if self.hidden { ADMIN_SECRETS_BYTES } else { ADMIN_BODY_BYTES }
    }
}

/// The local API.
pub(super) static ROUTES: [Route; 29] = [
    get("/v1/status", |backend, _| json(&backend.status()?)),
    recorded("reload", post("/v1/reload", reload)),
    get("/v1/checks", |backend, _| json(&backend.checks()?)),
    get("/v1/resources/{kind}", resources),
    get("/v1/resources/{kind}/{name}", resources),
    post("/v1/explain", explain),
    get("/v1/explain/{id}", |backend, call| json(&backend.explain_record(&request_id(call)?)?)),
    recorded("approve", given(standing::approval_given, post("/v1/approvals", standing::approve))),
    get("/v1/approvals", standing::approvals),
    recorded("revoke", post("/v1/approvals/{name}/revoke", standing::revoke)),
    get("/v1/agents", standing::agents),
    get("/v1/agents/{name}", standing::agents),
    recorded(
        "agent quarantine",
        given(standing::quarantine_given, post("/v1/agents/{name}/quarantine", standing::quarantine)),
    ),
    recorded("agent release", post("/v1/agents/{name}/release", standing::release)),
    get("/v1/quotas", quota::list),
    recorded("quota grant", given(quota::given, post("/v1/quotas/grant", quota::grant))),
    recorded("quota reset", given(quota::given, post("/v1/quotas/reset", quota::reset))),
    get("/v1/secrets", secrets::list),
    recorded("secret set", hidden(post("/v1/secrets", secrets::set))),
    recorded("secret remove", post("/v1/secrets/{name}/remove", secrets::remove)),
    get("/v1/audit/search", search),
    get("/v1/audit/tail", tail),
    get("/v1/audit/records/{id}", show),
    recorded("backup", post("/v1/backups", backups::begin)),
    get("/v1/backups/{id}", backups::show),
    post("/v1/backups/{id}/remove", backups::remove),
    get("/v1/ca", authorities::list),
    recorded("ca rotate", post("/v1/ca/rotate", authorities::rotate)),
    get("/v1/ca.pem", |backend, _| Ok(Reply::Pem(backend.ca_pem()?))),
];

pub(super) fn json(value: &impl Serialize) -> Result<Reply, Fault> {
    serde_json::to_vec(value)
        .map(Reply::Json)
        .map_err(|error| Fault::internal(format!("the answer could not be written: {error}")))
}

/// The answer to a change, and for the record what was done.
pub(super) fn done(value: &impl Serialize, words: String) -> Result<Reply, Fault> {
    match json(value)? {
        Reply::Json(body) => Ok(Reply::Done(body, words)),
        other => Ok(other),
    }
}

fn reload(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let found = backend.reload(&call.caller)?;
    let errors = found.diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    let words = match (found.applied, found.changed) {
        (true, true) => format!("in force from now on: {}", found.digest),
        (true, false) => format!("nothing has changed, in force: {}", found.digest),
        (false, _) => format!("not applied, mistakes: {errors}; still in force: {}", found.digest),
    };
    done(&found, words)
}

fn resources(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let asked = call.segments.first().map_or("", String::as_str);
    let name = call.segments.get(1).map(String::as_str);
    let Some(kind) = canonical_kind(asked) else {
        let fault = Fault::invalid(format!("`{asked}` is no kind that can be in force"));
        return Err(match nearest_kind(asked) {
            Some(kind) => fault.hint(format!("did you mean `{kind}`?")),
            None => fault.hint(format!("one of {}", crate::operate::api::resource::KINDS.join(", "))),
        });
    };
    let found = backend.resources(kind, name)?;
    match name {
        Some(name) if found.is_empty() => Err(Fault::not_found(format!("no {kind} `{name}` is in force"))
            .hint(format!("`clawgress get {kind}` lists those that are"))),
        _ => json(&found),
    }
}

fn explain(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: ExplainQuery = serde_json::from_slice(&call.body)
        .map_err(|error| Fault::invalid(format!("the question is not one: {error}")))?;
    query.parse_target()?;
    json(&backend.explain(&query)?)
}

fn search(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let (filter, window) = filter_of(call.pairs())?;
    json(&backend.audit_search(&filter, &window)?)
}

fn tail(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let (follow, others): (Vec<_>, Vec<_>) = call.pairs().partition(|(name, _)| *name == "follow");
    let (filter, window) = filter_of(others.into_iter())?;
    match follow[..] {
        [] | [(_, "false")] => json(&backend.audit_tail(&filter, &window)?),
        [(_, "" | "true")] => Ok(Reply::Follow(filter, window)),
        _ => Err(Fault::invalid("`follow` is neither true nor false")),
    }
}

fn filter_of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(AuditFilter, Window), Fault> {
    let (filter, mut window) = audit::from_pairs(pairs)?;
    window.limit = Some(window.limit.unwrap_or(ADMIN_PAGE_ROWS).clamp(1, ADMIN_PAGE_ROWS));
    Ok((filter, window))
}

/// The request id in a path, or its beginning.
fn request_id(call: &Call) -> Result<String, Fault> {
    let asked = call.segments.first().map_or("", String::as_str);
    let id = asked.to_ascii_lowercase();
    let shaped =
        (8..=36).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !shaped {
        return Err(Fault::invalid(format!("`{asked}` is no request id")).hint(
            "a request id looks like `0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10`; its first 13 characters will do",
        ));
    }
    Ok(id)
}

fn show(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let id = request_id(call)?;
    let rows = backend.audit_show(&id)?;
    if rows.is_empty() {
        return Err(Fault::not_found(format!("nothing on record has the id `{id}`")));
    }
    json(&rows)
}

impl Reply {
    /// What was done, for the record.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Done(_, words) => words,
            Self::Json(_) | Self::Pem(_) | Self::Follow(..) => "",
        }
    }
}

impl Call {
    /// What a change is about, for the record: the path says it, or the body.
    pub fn object(&self) -> Option<String> {
        let of_body = || {
            let body = &self.body;
            standing::object(body).or_else(|| quota::object(body)).or_else(|| secrets::object(body))
        };
        self.segments.first().cloned().or_else(of_body)
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
