//! Amounts: which budgets, rates and bandwidths hold for what an agent sends, and which policies for calls of models and tools.
//!
//! For each agent those that can concern it, and for each route those that are for what it lets through; all of them hold, in
//! the order of their names. Counts nothing. Where nothing is found nothing is allocated, and what is found is shared: a hold
//! costs a few counters. Read next: `amounts/bound.rs`, `request/terms.rs`.

mod bound;

use std::collections::HashMap;
use std::sync::Arc;

use super::index::Map;
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{
    Agent, InferencePolicy, PolicyTarget, PreferredModel, Selector, ToolPolicy,
};
use crate::model::types::{
    AgentProfile, BudgetMode, Hold, Holds, InferenceAction, Limit, Period, PolicyRef, RateHold, SafetyFloors,
    Subject, ToolPattern, Unit, Window,
};
use bound::{Bound, Subjects};

/// All amounts of a set.
#[derive(Debug, Default)]
pub(super) struct Amounts {
    of_agents: Vec<Own>,
    /// By the route, as records name it.
    behind: Map<Arc<str>, Vec<Bound>>,
    ask_executions: bool,
}

/// What can concern one agent.
#[derive(Debug)]
struct Own {
    /// Agents with the same ones share them.
    bounds: Arc<[Arc<Bound>]>,
    subjects: Subjects,
    models: Vec<Inference>,
    tools: Vec<Gate>,
}

/// An InferencePolicy, for one agent.
#[derive(Debug)]
pub(super) struct Inference {
    pub policy: PolicyRef,
    pub action: Option<InferenceAction>,
    /// The models that may be called, in the order in which they are preferred; empty for any.
    pub models: Arc<[PreferredModel]>,
    /// Tokens of question and answer together.
    pub per_request: Option<u64>,
    pub safety: Option<SafetyFloors>,
    pub budget: Option<Hold>,
}

/// A ToolPolicy, for one agent.
#[derive(Debug)]
pub(super) struct Gate {
    pub policy: PolicyRef,
    pub tool: ToolPattern,
    /// The McpServer; any where it names none.
    pub server: Option<Arc<str>>,
    pub needs_approval: bool,
    pub rate: Option<RateHold>,
}

/// What is asked to be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// A call of a model, or what nobody can tell from one.
    Call,
    /// Another request.
    Request,
    /// A connection, or a flow of datagrams, that nobody reads.
    Flow,
}

impl Amounts {
    /// Compiles the policies of a valid set, for agents in the order of their names.
    pub(super) fn compile(resources: &Resources) -> Self {
        let all = bound::all(resources);
        if all.is_empty() && resources.inference_policies.is_empty() && resources.tool_policies.is_empty() {
            return Self::default();
        }
        let ask_executions = all.iter().any(|(_, bound)| bound.asks_executions());
        let (mut behind, mut everywhere) = (Map::<Arc<str>, Vec<Bound>>::default(), Vec::new());
        for (target, bound) in all {
            match target.as_ref().and_then(super::rules::route_of) {
                Some(route) => behind.entry(route.0).or_default().push(bound),
                None => everywhere.push((target, Arc::new(bound))),
            }
        }
        let mut shared: HashMap<Vec<usize>, Arc<[Arc<Bound>]>> = HashMap::new();
        let of_agents = resources.agents.values().map(|agent| {
            let concerned = everywhere.iter().enumerate();
            let concerned = concerned.filter(|(_, (target, _))| is_aimed_at(target.as_ref(), agent));
            let numbers: Vec<usize> = concerned.map(|(number, _)| number).collect();
            let expand =
                |numbers: &Vec<usize>| numbers.iter().map(|number| everywhere[*number].1.clone()).collect();
            Own {
                bounds: shared.entry(numbers).or_insert_with_key(expand).clone(),
                subjects: Subjects::of(&agent.profile),
                models: inference(resources, &agent.profile),
                tools: gates(resources, &agent.profile),
            }
        });
        Self { of_agents: of_agents.collect(), behind, ask_executions }
    }

    /// Whether something is counted for each execution by itself.
    pub(super) fn ask_executions(&self) -> bool {
        self.ask_executions
    }

    /// Whether nothing can concern what an agent sends, but where it calls tools.
    pub(super) fn none_for(&self, agent: usize) -> bool {
        let none = |own: &Own| own.bounds.is_empty() && own.models.is_empty();
        self.behind.is_empty() && self.of_agents.get(agent).is_none_or(none)
    }

    /// The policies for calls of models that concern an agent.
    pub(super) fn models(&self, agent: usize) -> &[Inference] {
        self.of_agents.get(agent).map_or(&[], |own| &own.models)
    }

    /// The policies for calls of tools that concern an agent.
    pub(super) fn tools(&self, agent: usize) -> &[Gate] {
        self.of_agents.get(agent).map_or(&[], |own| &own.tools)
    }

    /// Whether tokens or money of models are counted for an agent, or for what one of these routes lets through.
    pub(super) fn count_models(&self, agent: usize, routes: &[&PolicyRef]) -> bool {
        self.bounds(agent, routes).any(|bound| bound.counts_models())
    }

    /// Whether some policy is about calls of models.
    pub(super) fn ask_models(&self) -> bool {
        let own = |own: &Own| !own.models.is_empty() || own.bounds.iter().any(|one| one.counts_models());
        self.of_agents.iter().any(own) || self.behind.values().flatten().any(Bound::counts_models)
    }

    /// Adds what holds for what an agent sends by these routes, of which the first lets it through.
    pub(super) fn bind(&self, agent: usize, routes: &[&PolicyRef], carried: Carried, holds: &mut Holds) {
        let (Some(own), Some(through)) = (self.of_agents.get(agent), routes.first()) else { return };
        for bound in self.bounds(agent, routes) {
            bound.bind(&own.subjects, through, carried, holds);
        }
    }

    fn bounds(&self, agent: usize, routes: &[&PolicyRef]) -> impl Iterator<Item = &Bound> {
        let own = self.of_agents.get(agent).map(|own| own.bounds.iter().map(|bound| &**bound));
        // One route may be asked about twice.
        let first = |number: usize| !routes[..number].contains(&routes[number]);
        let routes = (0..routes.len()).filter(|number| first(*number)).map(|number| routes[number]);
        let behind = routes.filter_map(|route| self.behind.get(&route.0)).flatten();
        let behind: smallvec::SmallVec<[&Bound; 4]> = behind.collect();
        own.into_iter().flatten().chain(behind)
    }
}

/// Whether what an agent sends concerns a policy with this target; without one it is for everybody.
fn is_aimed_at(target: Option<&PolicyTarget>, agent: &Agent) -> bool {
    target.is_none_or(|target| super::rules::is_aimed_at(target, agent))
}

fn selects(selector: Option<&Selector>, profile: &AgentProfile) -> bool {
    selector.is_none_or(|selector| selector.selects(&profile.labels))
}

fn inference(resources: &Resources, profile: &AgentProfile) -> Vec<Inference> {
    let mine = |policy: &InferencePolicy| {
        policy.agent.as_ref().is_none_or(|agent| *agent == profile.name)
            && selects(policy.labels.as_ref(), profile)
    };
    let concerned = resources.inference_policies.iter().filter(|(_, policy)| mine(policy));
    concerned
        .map(|(name, one)| {
            let policy = PolicyRef::new("InferencePolicy", name);
            let limit = |max: Option<u64>, period| {
                let window = Window::Calendar(period, jiff::tz::TimeZone::UTC);
                max.map(|max| Limit { unit: Unit::Tokens, max, window })
            };
            let limits: Arc<[Limit]> = [limit(one.daily, Period::Day), limit(one.monthly, Period::Month)]
                .into_iter()
                .flatten()
                .collect();
            let subject = Subject::Named(format!("Agent/{}", profile.name).into());
            let hold = Hold { policy: policy.clone(), subject, limits, mode: BudgetMode::HardStop };
            Inference {
                action: one.action,
                models: one.models.clone().into(),
                per_request: one.per_request,
                safety: one.safety,
                budget: (!hold.limits.is_empty()).then_some(hold),
                policy,
            }
        })
        .collect()
}

fn gates(resources: &Resources, profile: &AgentProfile) -> Vec<Gate> {
    let mine = |policy: &&ToolPolicy| selects(policy.labels.as_ref(), profile);
    let concerned = resources.tool_policies.iter().filter(|(_, policy)| mine(policy));
    concerned
        .map(|(name, one)| {
            let policy = PolicyRef::new("ToolPolicy", name);
            let subject = Subject::Named(format!("Agent/{}", profile.name).into());
            let rate = one.rate.map(|rate| RateHold {
                policy: policy.clone(),
                subject,
                requests: rate.calls,
                window: rate.window,
                burst: rate.burst,
            });
            Gate {
                policy,
                tool: one.tool.clone(),
                server: one.server.clone(),
                needs_approval: one.needs_approval,
                rate,
            }
        })
        .collect()
}
