//! What documents say of language models: who may call which, and how much an answer may have.

use std::sync::Arc;

use super::{Origin, Parent, Selector};
pub use crate::model::types::InferenceAction;
use crate::model::types::{HostPattern, Provider, SafetyFloors};

/// `kind: AIProviderRoute`.
#[derive(Debug, Clone)]
pub struct AiRoute {
    /// `spec.parentRefs`, at least one.
    pub parents: Vec<Parent>,
    /// `spec.rules`, at least one.
    pub rules: Vec<AiRule>,
    /// `spec.sourceAgents`; absent means every agent.
    pub source_agents: Option<Selector>,
    /// Where it stands.
    pub origin: Origin,
}

/// One rule: what it lets through, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiRule {
    /// `matches`, at least one.
    pub matches: Vec<AiMatch>,
    /// `filters` of `type: TokenBudget`; all of them hold.
    pub budgets: Vec<TokenCaps>,
}

/// One entry of `matches`: everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiMatch {
    /// `provider`.
    pub provider: Provider,
    /// `hostnames`, for `custom` alone, which needs them; else the provider's own hosts.
    pub hostnames: Vec<HostPattern>,
    /// `models`: names, or beginnings with a star behind them; empty means every model, and requests that name none.
    pub models: Vec<Box<str>>,
    /// `endpoints`: canonical paths, or beginnings with a star behind them; empty means every path.
    pub endpoints: Vec<Box<str>>,
}

/// `tokenBudget` of a filter: at least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenCaps {
    /// `maxTokensPerDay`: of all that the route lets through at one gateway, in a day of UTC.
    pub per_day: Option<u64>,
    /// `maxTokensPerExecution`.
    pub per_execution: Option<u64>,
    /// `maxOutputTokensPerRequest`.
    pub output_per_request: Option<u64>,
}

/// `kind: InferencePolicy`.
#[derive(Debug, Clone)]
pub struct InferencePolicy {
    /// `appliesTo.sandboxName`: the agent; absent means any.
    pub agent: Option<Arc<str>>,
    /// `appliesTo.sandboxMatchLabels`; both must hold.
    pub labels: Option<Selector>,
    /// `appliesTo.action`; absent (`*`) means every one.
    pub action: Option<InferenceAction>,
    /// `modelPreference.primary`, then `fallback` in order; empty where any model may be called. All are of one provider.
    pub models: Vec<PreferredModel>,
    /// `tokenBudget.perRequestTokens`.
    pub per_request: Option<u64>,
    /// `tokenBudget.dailyTokens`: of one agent in a day of UTC.
    pub daily: Option<u64>,
    /// `tokenBudget.monthlyTokens`: of one agent in a month of UTC.
    pub monthly: Option<u64>,
    /// `contentSafety`.
    pub safety: Option<SafetyFloors>,
    /// Where it stands.
    pub origin: Origin,
}

/// One entry of `modelPreference`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferredModel {
    /// Whose it is (`gemini` is `google`, `ollama` is `custom`).
    pub provider: Provider,
    /// `deployment`: the model, as requests name it.
    pub deployment: Box<str>,
}
