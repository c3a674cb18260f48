//! The canonical bytes of a record: one JSON object, fixed field order, no spaces, absent where there is no value.
//!
//! A hash chain covers these bytes, so they never change for a given version; a new layout is a new `v`. The sequence
//! number is not among them: it is given under the journal's lock, stands in the frame and in the database key, and
//! the chain takes it in beside the bytes. Every string has a bound in escaped bytes; a record in which one was cut is
//! marked `"truncated":true`. Never allocates beyond the caller's buffer. Read next: `json.rs`.

use std::time::Duration;

use crate::model::types::limits::{CHARGES_BYTES, RECORD_BYTES, RECORD_PATH_BYTES};
use crate::model::types::{ModelCall, RequestId, Sightings, Timestamp};

use super::json::Object;
use super::judged::{Alert, Charged, Judged};
use super::record::{Asked, Decision, Kind, Opening, Outcome, Subject};

/// Every field in its place; merged rows keep this order too.
pub const FIELDS: &[&str] = &[
    "v",
    "timestamp",
    "request_id",
    "connection_id",
    "phase",
    "kind",
    "agent_id",
    "team_id",
    "project_id",
    "environment",
    "source_address",
    "destination_host",
    "destination_address",
    "destination_port",
    "protocol",
    "http_method",
    "path",
    "query_type",
    "query_name",
    "action",
    "object",
    "status",
    "decision",
    "reason",
    "policy_id",
    "rule",
    "policy_digest",
    "enforcement_mode",
    "evidence",
    "execution_id",
    "provider",
    "model",
    "model_requested",
    "token_estimate",
    "tokens_input",
    "tokens_output",
    "tokens_cache_read",
    "tokens_cache_write",
    "tokens_reasoning",
    "usage_estimated",
    "cost_usd",
    "stop_reason",
    "tool_calls",
    "credential",
    "dlp_matches",
    "dlp_matches_more",
    "charges",
    "charged_at",
    "bytes_out",
    "bytes_in",
    "datagrams_out",
    "datagrams_in",
    "latency_ms",
    "added_latency_us",
    "end",
    "truncated",
];

/// Escaped bytes of a name: agent, team, policy, rule and the like.
const NAME_BYTES: usize = 512;
/// Escaped bytes of a method, query type or action.
const METHOD_BYTES: usize = 128;
/// Escaped bytes of what was seen.
const EVIDENCE_BYTES: usize = 4096;
/// Bytes of the list of findings.
const FINDINGS_BYTES: usize = 6 * 1024;
/// Escaped bytes of where a finding stood.
const LOCATION_BYTES: usize = 160;
/// Bytes of the list of tools that are called, or that a model wants called.
const TOOL_CALLS_BYTES: usize = 2048;

// Ten names and digests, the credentials, two models, one method, one reason to stop, one path, one evidence, a list of tools, one of findings and one of charges;
// 2.5 KiB are ample for keys, numbers and fixed words.
const _: () = assert!(
    13 * NAME_BYTES
        + 2 * METHOD_BYTES
        + RECORD_PATH_BYTES
        + EVIDENCE_BYTES
        + TOOL_CALLS_BYTES
        + FINDINGS_BYTES
        + CHARGES_BYTES
        + 2560
        <= RECORD_BYTES
);

/// Which half of the story a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Decided, not yet ended.
    Decision,
    /// What it has used besides, while it goes on.
    Progress,
    /// How a decided thing ended.
    Outcome,
    /// Both at once.
    Complete,
}

impl Phase {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Progress => "progress",
            Self::Outcome => "outcome",
            Self::Complete => "complete",
        }
    }
}

/// What an outcome closes.
#[derive(Debug, Clone, Copy)]
pub struct Closing {
    pub at: Timestamp,
    pub request_id: RequestId,
    pub kind: Kind,
}

/// Appends a decision, or with an outcome a complete record.
pub fn write_opening(
    out: &mut Vec<u8>,
    opening: &Opening,
    judged: &Judged<'_>,
    (ended, charged): (Option<&Outcome>, Option<&Charged>),
) {
    let phase = if ended.is_some() { Phase::Complete } else { Phase::Decision };
    let mut object = Object::begin(out);
    object.head((opening.at, opening.request_id), opening.connection_id, phase, opening.kind);
    object.subject(&opening.subject, ended);
    object.asked(opening.kind, &opening.asked);
    object.judged(opening.kind, judged, ended.and_then(|outcome| outcome.status));
    object.text("policy_digest", &opening.verdict.policy_digest, NAME_BYTES);
    if matches!(opening.kind, Kind::Connection | Kind::Request | Kind::Dns) {
        object.word("enforcement_mode", "enforce");
    }
    object.seen(judged.evidence.or(ended.and_then(|outcome| outcome.evidence.as_deref())));
    if let Some(execution) = charged.and_then(|charged| charged.execution).or(opening.subject.execution) {
        object.id("execution_id", execution);
    }
    if ended.is_none_or(|outcome| outcome.model_call.is_none()) {
        object.texts("tool_calls", &opening.asked.tools, TOOL_CALLS_BYTES);
    }
    object.findings(&opening.asked.findings);
    match ended {
        Some(outcome) => object.ended(opening.kind, outcome, charged),
        None => object.charged(charged),
    }
    object.finish();
}

/// Appends what something has used besides, while it goes on.
pub fn write_progress(out: &mut Vec<u8>, closing: &Closing, charged: &Charged) {
    let mut object = Object::begin(out);
    object.head((closing.at, closing.request_id), None, Phase::Progress, closing.kind);
    object.charged(Some(charged));
    object.finish();
}

/// Appends an outcome: only what was not known when it was decided. A late denial overrides the decision.
pub fn write_outcome(out: &mut Vec<u8>, closing: &Closing, outcome: &Outcome, charged: Option<&Charged>) {
    let mut object = Object::begin(out);
    object.head((closing.at, closing.request_id), None, Phase::Outcome, closing.kind);
    if let Some(dialled) = outcome.dialled {
        object.address("destination_address", dialled.ip());
        object.number("destination_port", u64::from(dialled.port()));
    }
    match &outcome.denial {
        Some(denial) => {
            let judged = Judged::denied(denial, None);
            object.judged(closing.kind, &judged, outcome.status);
            object.seen(judged.evidence);
        }
        None => object.gone(closing.kind, outcome, charged.and_then(|charged| charged.alert.as_ref())),
    }
    object.findings(&outcome.findings);
    object.ended(closing.kind, outcome, charged);
    object.finish();
}

/// Appends an outcome of which only the way it ended is known.
pub fn write_end(out: &mut Vec<u8>, closing: &Closing, latency: Option<Duration>, end: &'static str) {
    let mut object = Object::begin(out);
    object.head((closing.at, closing.request_id), None, Phase::Outcome, closing.kind);
    if let Some(latency) = latency {
        object.millis("latency_ms", latency);
    }
    object.word("end", end);
    object.finish();
}

impl Object<'_> {
    fn head(
        &mut self,
        (at, id): (Timestamp, RequestId),
        within: Option<RequestId>,
        phase: Phase,
        kind: Kind,
    ) {
        self.time("timestamp", at);
        self.id("request_id", id);
        if let Some(connection) = within {
            self.id("connection_id", connection);
        }
        self.word("phase", phase.as_str());
        self.word("kind", kind.as_str());
    }

    fn subject(&mut self, subject: &Subject, ended: Option<&Outcome>) {
        if let Some(agent) = &subject.agent {
            self.text("agent_id", &agent.name, NAME_BYTES);
            self.text("team_id", agent.team.as_deref().unwrap_or_default(), NAME_BYTES);
            self.text("project_id", agent.project.as_deref().unwrap_or_default(), NAME_BYTES);
            self.text("environment", agent.environment.as_deref().unwrap_or_default(), NAME_BYTES);
        }
        if let Some(source) = subject.source {
            self.address("source_address", source);
        }
        if let Some(host) = &subject.host {
            self.text("destination_host", host.as_str(), NAME_BYTES);
        }
        if let Some(destination) = ended.and_then(|outcome| outcome.dialled).or(subject.destination) {
            self.address("destination_address", destination.ip());
            self.number("destination_port", u64::from(destination.port()));
        }
    }

    fn asked(&mut self, kind: Kind, asked: &Asked) {
        let (method, path) = match kind {
            Kind::Connection | Kind::Request => ("http_method", "path"),
            Kind::Dns => ("query_type", "query_name"),
            Kind::Admin | Kind::System => ("action", "object"),
        };
        if let Some(protocol) = asked.protocol {
            self.word("protocol", protocol);
        }
        self.text(method, asked.method.as_deref().unwrap_or_default(), METHOD_BYTES);
        self.text(path, asked.path.as_deref().unwrap_or_default(), RECORD_PATH_BYTES);
    }

    fn judged(&mut self, kind: Kind, judged: &Judged<'_>, status: Option<u16>) {
        self.status(status);
        // What the gateway itself does is an event, not a permission.
        if kind != Kind::System || judged.decision.refuses() {
            self.word("decision", judged.decision.as_str());
        }
        if let Some(reason) = judged.reason {
            self.word("reason", reason.code());
        }
        if let Some(policy) = judged.policy {
            self.text("policy_id", &policy.0, NAME_BYTES);
        }
        self.text("rule", judged.rule.unwrap_or_default(), NAME_BYTES);
    }

    fn status(&mut self, status: Option<u16>) {
        if let Some(status) = status {
            self.number("status", u64::from(status));
        }
    }

    fn seen(&mut self, evidence: Option<&str>) {
        self.text("evidence", evidence.unwrap_or_default(), EVIDENCE_BYTES);
    }

    /// How something ended that was let through to its end; the word of a limit that it passed on its way, or of what was found in
    /// it, stands over its decision.
    fn gone(&mut self, kind: Kind, outcome: &Outcome, alert: Option<&Alert>) {
        match alert.and_then(|alert| alert.policy.as_ref()).or(outcome.alert.as_ref()) {
            Some(policy) => {
                let policy = Some(policy);
                let decision = Decision::Alert;
                let judged = Judged { decision, reason: None, policy, rule: None, evidence: None };
                self.judged(kind, &judged, outcome.status);
            }
            None => self.status(outcome.status),
        }
        match (outcome.evidence.as_deref(), alert.map(|alert| &*alert.seen)) {
            (Some(of_end), Some(of_limit)) => self.seen(Some(&format!("{of_end}; {of_limit}"))),
            (of_end, of_limit) => self.seen(of_end.or(of_limit)),
        }
    }

    fn model_call(&mut self, call: &ModelCall) {
        self.word("provider", call.provider.name());
        self.text("model", call.model.as_deref().unwrap_or_default(), NAME_BYTES);
        self.text("model_requested", call.requested.as_deref().unwrap_or_default(), NAME_BYTES);
        self.number("token_estimate", call.token_estimate);
        for (name, figure) in [
            ("tokens_input", call.input),
            ("tokens_output", call.output),
            ("tokens_cache_read", call.cache_read),
            ("tokens_cache_write", call.cache_write),
            ("tokens_reasoning", call.reasoning),
        ] {
            if let Some(figure) = figure {
                self.number(name, figure);
            }
        }
        if call.is_estimated {
            self.yes("usage_estimated");
        }
        if let Some(cost) = call.cost {
            self.nanos("cost_usd", cost);
        }
        self.text("stop_reason", call.stop.as_deref().unwrap_or_default(), METHOD_BYTES);
        self.texts("tool_calls", &call.tools, TOOL_CALLS_BYTES);
    }

    fn findings(&mut self, found: &Sightings) {
        let told = self.objects("dlp_matches", &found.told, FINDINGS_BYTES, |object, one| {
            object.word("class", one.class.as_str());
            object.text("detector", &one.detector, NAME_BYTES);
            object.hundredths("confidence", one.confidence);
            if let Some(action) = one.action {
                object.word("action", action.as_str());
            }
            object.text("location", &one.location, LOCATION_BYTES);
            object.text("hash", &one.hash, METHOD_BYTES);
        });
        let more = found.more + (found.told.len() - told) as u64;
        if more > 0 {
            self.number("dlp_matches_more", more);
        }
    }

    fn charged(&mut self, charged: Option<&Charged>) {
        let Some(charged) = charged.filter(|charged| !charged.charges.is_empty()) else { return };
        let charges: Vec<Box<str>> = charged.charges.iter().map(|one| one.to_string().into()).collect();
        self.texts("charges", &charges, CHARGES_BYTES);
        self.time("charged_at", charged.at);
    }

    fn ended(&mut self, kind: Kind, outcome: &Outcome, charged: Option<&Charged>) {
        if let Some(call) = &outcome.model_call {
            self.model_call(call);
        }
        self.text("credential", outcome.credential.as_deref().unwrap_or_default(), NAME_BYTES);
        self.charged(charged);
        // Zero bytes say something about traffic and nothing about an event.
        let traffic = matches!(kind, Kind::Connection | Kind::Request);
        if traffic || outcome.bytes_out | outcome.bytes_in != 0 {
            self.number("bytes_out", outcome.bytes_out);
            self.number("bytes_in", outcome.bytes_in);
        }
        if let Some((out, back)) = outcome.datagrams {
            self.number("datagrams_out", out);
            self.number("datagrams_in", back);
        }
        if traffic || !outcome.latency.is_zero() {
            self.millis("latency_ms", outcome.latency);
        }
        if let Some(added) = outcome.added_latency {
            self.number("added_latency_us", u64::try_from(added.as_micros()).unwrap_or(u64::MAX));
        }
        if let Some(end) = outcome.end {
            self.word("end", end);
        }
    }
}
