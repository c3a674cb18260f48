//! What is recorded: a decision, an outcome, or both at once, as values. Never writes anything; the bytes are made
//! in `canonical.rs`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::decide::quota::Spent;
pub use crate::model::types::Decision;
use crate::model::types::{
    AgentProfile, Denial, HostName, ModelCall, PolicyRef, Reason, RequestId, Sightings, Timestamp,
};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One connection or flow.
    Connection,
    /// One HTTP request.
    Request,
    /// One DNS query.
    Dns,
    /// One action of an operator.
    Admin,
    /// Something the gateway itself did or noticed.
    System,
}

impl Kind {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Request => "request",
            Self::Dns => "dns",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }

    /// The kind a record's word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Connection, Self::Request, Self::Dns, Self::Admin, Self::System]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// Who and where: the part that all records of one connection share.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The agent, where one is known.
    pub agent: Option<Arc<AgentProfile>>,
    /// The workload's address; absent for admin and system records.
    pub source: Option<IpAddr>,
    /// The execution that it goes on with; what is charged names its own.
    pub execution: Option<RequestId>,
    /// The name asked for.
    pub host: Option<HostName>,
    /// The address asked for or dialled, with its port.
    pub destination: Option<SocketAddr>,
}

/// What was asked, above the connection. Records name the first two by kind: `http_method` and `path` for connections
/// and requests, `query_type` and `query_name` for DNS, `action` and `object` for admin and system.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// HTTP method; for DNS the query type; for admin the command; for system the event.
    pub method: Option<String>,
    /// Canonical path without the query; for DNS the name asked for.
    pub path: Option<String>,
    /// `tls-terminate`, `tls-passthrough`, `http`, `tcp`, `udp`, `dns`.
    pub protocol: Option<&'static str>,
    /// The tools of a server that a request calls, in order.
    pub tools: Vec<Box<str>>,
    /// What was found in it before it was decided on.
    pub findings: Sightings,
}

/// Why it was decided so.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was decided.
    pub decision: Decision,
    /// The code, for refusals.
    pub reason: Option<Reason>,
    /// `Kind/name`.
    pub policy: Option<PolicyRef>,
    /// Rule inside the policy.
    pub rule: Option<Arc<str>>,
    /// Digest of the set that was in force.
    pub policy_digest: Arc<str>,
    /// What was seen, for the operator alone.
    pub evidence: Option<String>,
}

/// How an allowed thing ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// HTTP status sent to the workload; for DNS the response code's number.
    pub status: Option<u16>,
    /// Bytes from the workload to the destination (bodies for requests, everything for flows).
    pub bytes_out: u64,
    /// Bytes from the destination to the workload.
    pub bytes_in: u64,
    /// Datagrams out and in, for UDP flows.
    pub datagrams: Option<(u64, u64)>,
    /// From the first look at it to its end.
    pub latency: Duration,
    /// The part of it spent in this gateway before the request was sent on.
    pub added_latency: Option<Duration>,
    /// The address really dialled, where it differs from the one asked for.
    pub dialled: Option<SocketAddr>,
    /// A refusal that came after the decision: an untrusted upstream, a malformed body. It overrides the decision.
    pub denial: Option<Denial>,
    /// What was seen of its end, where no denial tells it.
    pub evidence: Option<String>,
    /// Which credentials went into it: the policy, the secret and its version, never the value.
    pub credential: Option<String>,
    /// How it ended where that was not the orderly way: `client-closed`, `upstream-closed`, `reset`, `idle`, `shutdown`.
    pub end: Option<&'static str>,
    /// What was asked of a model, and what it has cost.
    pub model_call: Option<Box<ModelCall>>,
    /// What it has used of what was reserved for it; what nobody knows stays charged as it was.
    pub spent: Option<Spent>,
    /// All that was found in it, where something was found after it was decided on; nothing else is.
    pub findings: Sightings,
    /// The policy that raises an alert by them, where nothing else speaks in the record.
    pub alert: Option<PolicyRef>,
}

impl Outcome {
    /// With the call of a model that it was, and what is charged for that. Of what nobody knows, what was reserved stays charged.
    #[must_use]
    pub fn of_call(self, call: Option<Box<ModelCall>>) -> Self {
        let Some(call) = call else { return self };
        let (tokens, nanodollars) = (call.billed, call.billed.and(call.cost));
        let spent = Some(Spent { tokens, nanodollars, ..self.spent.unwrap_or_default() });
        Self { model_call: Some(call), spent, ..self }
    }
}

/// A decision on its way to the journal.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Joins decision and outcome.
    pub request_id: RequestId,
    /// The connection's id, for a request inside it.
    pub connection_id: Option<RequestId>,
    /// When it was decided.
    pub at: Timestamp,
    /// What it is about.
    pub kind: Kind,
    /// Who and where.
    pub subject: Subject,
    /// What was asked.
    pub asked: Asked,
    /// Why it was decided so.
    pub verdict: Verdict,
}
