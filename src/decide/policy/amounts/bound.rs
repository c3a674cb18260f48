//! One budget, rate or bandwidth, and whose usage counts together under it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::Carried;
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{Per, PolicyTarget, RateScope};
use crate::model::types::{
    AgentProfile, BandwidthHold, BudgetMode, Hold, Holds, Limit, PolicyRef, RateHold, Subject, Unit, Window,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Bound {
    policy: PolicyRef,
    whose: Whose,
    what: What,
}

/// Whose usage counts together.
#[derive(Debug)]
enum Whose {
    /// Everything that this names.
    Named(Arc<str>),
    Execution,
    Agent,
    Team,
    Project,
    Route,
}

#[derive(Debug)]
enum What {
    Budget {
        limits: Arc<[Limit]>,
        /// Those of them that do not need a model to say what it used.
        plain: Arc<[Limit]>,
        mode: BudgetMode,
    },
    Rate {
        requests: NonZeroU32,
        window: Duration,
    },
    Bandwidth {
        up: Option<u64>,
        down: Option<u64>,
    },
}

/// How one agent is named where its usage counts together.
#[derive(Debug)]
pub(super) struct Subjects {
    agent: Arc<str>,
    team: Arc<str>,
    project: Arc<str>,
}

/// Stands for the team or project of agents without one: no name of a document.
const NONE: &str = "-";

impl Subjects {
    pub(super) fn of(profile: &AgentProfile) -> Self {
        let named = |kind: &str, name: Option<&str>| format!("{kind}/{}", name.unwrap_or(NONE)).into();
        Self {
            agent: named("Agent", Some(&profile.name)),
            team: named("Team", profile.team.as_deref()),
            project: named("Project", profile.project.as_deref()),
        }
    }
}

/// Every bound of a set with its target; none is for every agent. By kind, then by name.
pub(super) fn all(resources: &Resources) -> Vec<(Option<PolicyTarget>, Bound)> {
    let mut all = Vec::new();
    for (name, one) in &resources.budgets {
        let bound = Bound {
            policy: PolicyRef::new("BudgetPolicy", name),
            whose: whose(one.per, &one.target),
            what: budget(&one.limits, one.mode),
        };
        all.push((Some(one.target.clone()), bound));
    }
    for (name, one) in &resources.rate_limits {
        let everywhere = one.targets.is_empty().then_some(None);
        for target in one.targets.iter().map(Some).chain(everywhere) {
            let bound = Bound {
                policy: PolicyRef::new("RateLimitPolicy", name),
                whose: match one.scope {
                    RateScope::PerAgent => Whose::Agent,
                    RateScope::PerExecution => Whose::Execution,
                    RateScope::PerRoute => Whose::Route,
                },
                what: What::Rate { requests: one.requests, window: one.window },
            };
            all.push((target.cloned(), bound));
        }
    }
    for (name, one) in &resources.bandwidths {
        let mut whats = Vec::new();
        if one.up.is_some() || one.down.is_some() {
            whats.push(What::Bandwidth { up: one.up, down: one.down });
        }
        if !one.ceilings.is_empty() {
            whats.push(budget(&one.ceilings, BudgetMode::HardStop));
        }
        for what in whats {
            let policy = PolicyRef::new("BandwidthPolicy", name);
            let bound = Bound { policy, whose: whose(Per::Target, &one.target), what };
            all.push((Some(one.target.clone()), bound));
        }
    }
    all
}

fn budget(limits: &Arc<[Limit]>, mode: BudgetMode) -> What {
    let is_plain = |limit: &&Limit| !limit.unit.is_of_models() && limit.unit != Unit::Calls;
    let plain = match limits.iter().all(|limit| is_plain(&limit)) {
        true => limits.clone(),
        false => limits.iter().filter(is_plain).cloned().collect(),
    };
    What::Budget { limits: limits.clone(), plain, mode }
}

fn whose(per: Per, target: &PolicyTarget) -> Whose {
    match per {
        Per::Target => Whose::Named(target.to_string().into()),
        Per::Execution => Whose::Execution,
        Per::Agent => Whose::Agent,
        Per::Team => Whose::Team,
        Per::Project => Whose::Project,
        Per::Route => Whose::Route,
    }
}

impl Bound {
    /// Whether it counts tokens or money of models.
    pub(super) fn counts_models(&self) -> bool {
        match &self.what {
            What::Budget { limits, .. } => limits.iter().any(|limit| limit.unit.is_of_models()),
            What::Rate { .. } | What::Bandwidth { .. } => false,
        }
    }

    /// Whether it counts by executions.
    pub(super) fn asks_executions(&self) -> bool {
        let of_execution = |limit: &Limit| limit.window == Window::Execution;
        matches!(self.whose, Whose::Execution)
            || matches!(&self.what, What::Budget { limits, .. } if limits.iter().any(of_execution))
    }

    /// Adds it to what holds for something of an agent that a route lets through.
    pub(super) fn bind(&self, subjects: &Subjects, route: &PolicyRef, carried: Carried, holds: &mut Holds) {
        let (policy, subject) = (self.policy.clone(), self.subject(subjects, route));
        match &self.what {
            What::Budget { limits, plain, mode } => {
                let limits = if carried == Carried::Call { limits } else { plain };
                if !limits.is_empty() {
                    holds.budgets.push(Hold { policy, subject, limits: limits.clone(), mode: *mode });
                }
            }
            What::Rate { requests, window } => {
                let (requests, window) = (*requests, *window);
                let hold = RateHold { policy, subject, requests, window, burst: requests };
                // A policy may have several targets that all of them cover this.
                if !holds.rates.contains(&hold) {
                    holds.rates.push(hold);
                }
            }
            What::Bandwidth { up, down } => {
                holds.bandwidths.push(BandwidthHold { policy, subject, up: *up, down: *down });
            }
        }
    }

    fn subject(&self, subjects: &Subjects, route: &PolicyRef) -> Subject {
        Subject::Named(match &self.whose {
            Whose::Execution => return Subject::Execution,
            Whose::Named(name) => name.clone(),
            Whose::Agent => subjects.agent.clone(),
            Whose::Team => subjects.team.clone(),
            Whose::Project => subjects.project.clone(),
            Whose::Route => route.0.clone(),
        })
    }
}
