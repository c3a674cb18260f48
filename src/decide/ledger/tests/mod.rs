//! Tests of the ledger on real files: bytes, journal, and the whole.

mod canonical;
mod charges;
mod meter;
mod columns;
mod journal;
mod whole;

use std::path::Path;
use std::sync::Arc;

use crate::model::types::{AgentProfile, HostName, ModelCall, PolicyRef, Provider, RequestId, Timestamp};

use super::record::{Asked, Decision, Kind, Opening, Subject, Verdict};
use super::{Durability, Ledger, LedgerConfig, OnUnavailable};

const AT: Timestamp = Timestamp(1_780_000_000_123_456);

fn id(number: u128) -> RequestId {
    RequestId(uuid::Uuid::from_u128(0x0199_c0de_7a31_7c55_b0a4_0000_0000_0000 + number))
}

fn opening(number: u128) -> Opening {
    Opening {
        request_id: id(number),
        connection_id: Some(id(0)),
        at: AT,
        kind: Kind::Request,
        subject: Subject {
            agent: Some(Arc::new(AgentProfile {
                name: "alice".into(),
                team: Some("red".into()),
                project: None,
                environment: Some("test".into()),
                labels: Default::default(),
            })),
            source: Some("10.77.0.2".parse().unwrap()),
            execution: None,
            host: Some(HostName::parse("api.model.example").unwrap()),
            destination: Some("[2001:db8::10]:443".parse().unwrap()),
        },
        asked: Asked {
            method: Some("POST".into()),
            path: Some("/v1/chat".into()),
            protocol: Some("tls-terminate"),
            ..Asked::default()
        },
        verdict: Verdict {
            decision: Decision::Allow,
            reason: None,
            policy: None,
            rule: None,
            policy_digest: "sha256:9f2c".into(),
            evidence: None,
        },
    }
}

fn model_call() -> ModelCall {
    ModelCall {
        provider: Provider::Anthropic,
        requested: Some("claude".into()),
        model: Some("claude-1".into()),
        token_estimate: 9,
        input: Some(8),
        output: Some(7),
        cache_read: Some(0),
        cache_write: Some(5),
        reasoning: Some(4),
        billed: None,
        cost: Some(1_000_031_500_000),
        stop: Some("tool_use".into()),
        is_estimated: true,
        tools: vec!["get_weather".into(), "say \"hi\"".into()],
    }
}

fn policy() -> PolicyRef {
    PolicyRef::new("EgressHTTPRoute", "model")
}

fn config(dir: &Path) -> LedgerConfig {
    LedgerConfig {
        dir: dir.to_owned(),
        durability: Durability::Process,
        journal_bytes: 256 * 1024,
        on_unavailable: OnUnavailable::Deny,
    }
}

fn start(dir: &Path) -> Ledger {
    Ledger::start(&config(dir)).unwrap()
}
