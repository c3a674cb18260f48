//! What binds one request or flow in amounts: the limits, rates and terms that policy found to hold for it.
//!
//! Policy fills it in, whoever counts, paces and ends acts on it. Facts alone: that they were found for this request is proved
//! by the `Clearance` or `Passage` that carries them.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::budget::{BudgetMode, Limit, Subject, Window};
use super::denial::PolicyRef;

/// See the module. Empty where nothing binds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// Accounts that are charged; all of their limits must hold.
    pub budgets: Vec<Hold>,
    /// How many requests in which time.
    pub rates: Vec<RateHold>,
    /// How many bytes a second.
    pub bandwidths: Vec<BandwidthHold>,
    /// What holds for the call of a model.
    pub terms: ModelTerms,
    /// Which tools a list of tools may show; nothing where any may.
    pub tools: Option<Arc<ToolSieve>>,
}

impl Holds {
    /// Whether nothing binds.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What binds by either: a request that servers may take in two ways, or a batch of calls.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        add_new(&mut self.budgets, other.budgets);
        add_new(&mut self.rates, other.rates);
        add_new(&mut self.bandwidths, other.bandwidths);
        self.terms = self.terms.and(other.terms);
        self.tools = match (self.tools, other.tools) {
            (Some(mine), Some(other)) if mine != other => {
                let lists = mine.lists.iter().chain(&other.lists).cloned().collect();
                Some(Arc::new(ToolSieve { lists }))
            }
            (mine, other) => mine.or(other),
        };
        self
    }
}

fn add_new<T: PartialEq>(mine: &mut Vec<T>, others: Vec<T>) {
    let known = mine.len();
    for other in others {
        if !mine[..known].contains(&other) {
            mine.push(other);
        }
    }
}

/// One account that a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The document, `BudgetPolicy/red-team-day`.
    pub policy: PolicyRef,
    /// Whose usage counts together.
    pub subject: Subject,
    /// Its limits, at least one.
    pub limits: Arc<[Limit]>,
    /// What happens where one is reached.
    pub mode: BudgetMode,
}

impl Hold {
    /// Whether it counts by executions.
    pub fn asks_executions(&self) -> bool {
        self.subject == Subject::Execution
            || self.limits.iter().any(|limit| limit.window == Window::Execution)
    }
}

/// A number of requests in a time, all of which may come at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateHold {
    /// `RateLimitPolicy/NAME` or `ToolPolicy/NAME`.
    pub policy: PolicyRef,
    /// Whose requests count together.
    pub subject: Subject,
    /// How many come back in each window.
    pub requests: NonZeroU32,
    /// In which time.
    pub window: Duration,
    /// How many may come at once.
    pub burst: NonZeroU32,
}

/// Bytes a second, shared fairly by everything of the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandwidthHold {
    /// `BandwidthPolicy/NAME`.
    pub policy: PolicyRef,
    /// Whose bytes count together.
    pub subject: Subject,
    /// Bytes a second towards destinations.
    pub up: Option<u64>,
    /// Bytes a second towards workloads.
    pub down: Option<u64>,
}

/// What holds for the call of a model beside its budgets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelTerms {
    /// Tokens that one answer may have, and whose word that is.
    pub output: Option<(u64, PolicyRef)>,
    /// Tokens that question and answer may have together, and whose word that is.
    pub total: Option<(u64, PolicyRef)>,
    /// Models that are asked in this order where the one before fails; of the same provider.
    pub fallback: Vec<Box<str>>,
    /// What the provider's own annotations may not reach, and whose word that is.
    pub safety: Option<(SafetyFloors, PolicyRef)>,
}

impl ModelTerms {
    /// The stricter ones of both. What is asked where a model fails must be allowed by both.
    fn and(self, other: Self) -> Self {
        let fallback = match (self.fallback, other.fallback) {
            (mine, other) if other.is_empty() => mine,
            (mine, other) => mine.into_iter().filter(|model| other.contains(model)).collect(),
        };
        Self {
            output: lower(self.output, other.output),
            total: lower(self.total, other.total),
            fallback,
            safety: match (self.safety, other.safety) {
                (Some((mine, by)), Some((other, _))) => Some((mine.and(other), by)),
                (mine, other) => mine.or(other),
            },
        }
    }
}

/// The lower bound; of equal ones the first.
pub fn lower(one: Option<(u64, PolicyRef)>, other: Option<(u64, PolicyRef)>) -> Option<(u64, PolicyRef)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}

impl SafetyFloors {
    /// The stricter of both, in each category.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let stricter = |one: Option<Severity>, other: Option<Severity>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            hate: stricter(self.hate, other.hate),
            self_harm: stricter(self.self_harm, other.self_harm),
            sexual: stricter(self.sexual, other.sexual),
            violence: stricter(self.violence, other.violence),
            require_prompt_shields: self.require_prompt_shields || other.require_prompt_shields,
        }
    }
}

/// How bad a category of content is, by a provider's annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing of it.
    Safe,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// From which severity on content is refused, for each category; absent where none is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SafetyFloors {
    /// Hate.
    pub hate: Option<Severity>,
    /// Self-harm.
    pub self_harm: Option<Severity>,
    /// Sexual content.
    pub sexual: Option<Severity>,
    /// Violence.
    pub violence: Option<Severity>,
    /// Whether an answer without the annotations of prompt shields is refused.
    pub require_prompt_shields: bool,
}

/// Which tools of one MCP server an agent may see and call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolSieve {
    /// Every one of these lists must have it: each is of one document.
    pub lists: Vec<Vec<ToolPattern>>,
}

/// The name of a tool, or its beginning with a star behind it; `*` alone is any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToolPattern(pub Box<str>);

impl ToolPattern {
    /// Whether this tool is meant. Names are compared as they are: MCP has no other spelling of them.
    pub fn matches(&self, tool: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => tool.starts_with(beginning),
            None => *self.0 == *tool,
        }
    }
}

impl ToolSieve {
    /// Whether the tool may be seen and called.
    pub fn allows(&self, tool: &str) -> bool {
        self.lists.iter().all(|list| list.iter().any(|pattern| pattern.matches(tool)))
    }
}
