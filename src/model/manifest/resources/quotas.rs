//! What documents say of amounts: budgets, rates of requests, and bandwidth.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::{Origin, PolicyTarget};
use crate::model::types::{BudgetMode, Limit};

/// `kind: BudgetPolicy`.
#[derive(Debug, Clone)]
pub struct BudgetPolicy {
    /// `spec.targetRef`.
    pub target: PolicyTarget,
    /// `spec.per`: whose usage counts together.
    pub per: Per,
    /// `spec.limits`, at least one.
    pub limits: Arc<[Limit]>,
    /// `spec.mode`.
    pub mode: BudgetMode,
    /// Where it stands.
    pub origin: Origin,
}

/// Whose usage counts together, of all that a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Per {
    /// All of it. The default.
    #[default]
    Target,
    /// Each execution by itself.
    Execution,
    /// Each agent by itself.
    Agent,
    /// Each team by itself; agents without one together.
    Team,
    /// Each project by itself; agents without one together.
    Project,
    /// Each route by itself.
    Route,
}

/// `kind: RateLimitPolicy`.
#[derive(Debug, Clone)]
pub struct RateLimitPolicy {
    /// `spec.targetRef` or `spec.parentRefs`; empty means every gateway.
    pub targets: Vec<PolicyTarget>,
    /// `spec.scope`.
    pub scope: RateScope,
    /// `spec.requests`.
    pub requests: NonZeroU32,
    /// `spec.window`.
    pub window: Duration,
    /// Where it stands.
    pub origin: Origin,
}

/// Whose requests count together under a RateLimitPolicy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateScope {
    /// Those of one agent.
    PerAgent,
    /// Those of one execution.
    PerExecution,
    /// Those of one route, whoever sends them.
    PerRoute,
}

/// `kind: BandwidthPolicy`.
#[derive(Debug, Clone)]
pub struct BandwidthPolicy {
    /// `spec.targetRef`.
    pub target: PolicyTarget,
    /// `spec.up.bytesPerSecond`.
    pub up: Option<u64>,
    /// `spec.down.bytesPerSecond`.
    pub down: Option<u64>,
    /// `maxBytes` with its `window` of `up` and of `down`, as limits of `Unit::BytesUp` and `Unit::BytesDown`.
    pub ceilings: Arc<[Limit]>,
    /// Where it stands.
    pub origin: Origin,
}
