//! Rules of EgressPolicies, compiled: for each agent those that can concern it, in the order in which they speak.
//!
//! Higher priority first, then by the document's name, then as they stand in it; never by the order of files. All rules
//! whose conditions hold count. An agent without rules costs one look. Read next: `index.rs`, how they are found;
//! `findings.rs`, what they come to.

mod index;
mod findings;
mod lookup;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::passage::Route;
use crate::model::condition::{Condition, Facts, Part, Unevaluable, Uses};
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{Agent, EgressPolicy, PolicyTarget, RuleAction, Selector};
use crate::model::types::PolicyRef;

pub(super) use findings::{Concerned, Findings, Opens};
use index::Own;

/// All rules of a set.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// In the order in which they speak.
    all: Vec<Rule>,
    /// For each agent its rules; agents with the same ones share them.
    of_agents: Vec<Arc<Own>>,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its number among all rules of the set.
    rank: u32,
    /// `EgressPolicy/NAME`.
    pub(super) policy: PolicyRef,
    pub(super) name: Arc<str>,
    /// The route for whose traffic it holds; absent where it holds for all of the agent's.
    route: Option<PolicyRef>,
    when: Option<Arc<Condition>>,
    /// What its condition asks of what a request carries: nothing, where the head of a request is enough.
    asks: Uses,
    pub(super) action: RuleAction,
}

/// What a rule's condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    Holds,
    HoldsNot,
    /// It asks for what is not known at this point of the road.
    NotYet(Part),
    /// Why it could not be evaluated.
    Fails(String),
}

impl Rule {
    /// Judges the condition.
    pub(super) fn says(&self, facts: &Facts<'_>) -> Says {
        let Some(when) = &self.when else { return Says::Holds };
        match when.holds(facts) {
            Ok(true) => Says::Holds,
            Ok(false) => Says::HoldsNot,
            Err(Unevaluable::NotYet(part)) => Says::NotYet(part),
            // It is about calls of models or tools, and this is none.
            Err(Unevaluable::Without(_)) => Says::HoldsNot,
            Err(Unevaluable::Failed(why)) => Says::Fails(why),
        }
    }

    /// The condition, where it has one.
    pub(super) fn when(&self) -> Option<&Condition> {
        self.when.as_deref()
    }

    /// The rule as records name it.
    pub(super) fn place(&self) -> Route {
        Route { policy: self.policy.clone(), rule: Some(self.name.clone()) }
    }

    /// The route for whose traffic it holds.
    pub(super) fn route(&self) -> Option<&PolicyRef> {
        self.route.as_ref()
    }

    /// Whether its condition names that part of what can be known.
    pub(super) fn asks_for(&self, part: Part) -> bool {
        self.when.as_ref().is_some_and(|when| when.uses().has(part))
    }

    fn refuses(&self) -> bool {
        matches!(self.action, RuleAction::Deny { .. } | RuleAction::Quarantine { .. })
    }
}

impl Rules {
    /// Compiles the policies of a valid set, for agents in the order of their names.
    pub(super) fn compile(resources: &Resources) -> Self {
        let mut policies: Vec<_> = resources.egress_policies.iter().collect();
        // They come by name, and keep that order where priorities are equal.
        policies.sort_by_key(|(_, policy)| Reverse(policy.priority));
        let mut all = Vec::new();
        let mut numbers = Vec::new();
        for (name, policy) in &policies {
            let first = all.len();
            all.extend(policy.rules.iter().map(|rule| Rule {
                rank: 0,
                policy: PolicyRef::new("EgressPolicy", name),
                name: rule.name.clone(),
                route: route_of(&policy.target),
                when: rule.when.clone(),
                asks: rule.when.as_ref().map(|when| when.uses().of_content()).unwrap_or_default(),
                action: rule.action.clone(),
            }));
            numbers.push(first..all.len());
        }
        for (number, rule) in all.iter_mut().enumerate() {
            rule.rank = u32::try_from(number).unwrap_or(u32::MAX);
        }
        let mut shared: HashMap<Vec<usize>, Arc<Own>> = HashMap::new();
        let of_agents = resources.agents.values().map(|agent| {
            let concerned = policies.iter().enumerate().filter(|(_, (_, policy))| concerns(policy, agent));
            let concerned: Vec<usize> = concerned.map(|(number, _)| number).collect();
            let expand = |concerned: &Vec<usize>| {
                Arc::new(Own::of(concerned.iter().flat_map(|number| &all[numbers[*number].clone()])))
            };
            shared.entry(concerned).or_insert_with_key(expand).clone()
        });
        let of_agents = of_agents.collect();
        Self { all, of_agents }
    }

    /// The rules that can concern an agent, in the order in which they speak.
    pub(super) fn of(&self, agent: usize) -> impl Iterator<Item = &Rule> {
        let own = self.of_agents.get(agent).map_or(&[][..], |own| &own.numbers);
        own.iter().map(|number| &self.all[*number as usize])
    }

    /// Whether no rule can concern an agent.
    pub(super) fn none_for(&self, agent: usize) -> bool {
        self.of_agents.get(agent).is_none_or(|own| own.numbers.is_empty())
    }

    /// Whether a rule asks what inspection has found.
    pub(super) fn ask_findings(&self) -> bool {
        self.all.iter().any(|rule| rule.asks_for(Part::Dlp))
    }

    /// Whether a rule that can concern an agent asks what time it is.
    pub(super) fn ask_time(&self, agent: usize) -> bool {
        self.of_agents.get(agent).is_some_and(|own| own.ask_time)
    }

    /// Whether a rule that can concern an agent asks what it has used up.
    pub(super) fn ask_usage(&self, agent: usize) -> bool {
        self.of_agents.get(agent).is_some_and(|own| own.ask_usage)
    }

    /// Whether some rule asks about calls of models, be it how much of them was used up.
    pub(super) fn ask_models(&self) -> bool {
        self.all.iter().any(|rule| rule.asks_for(Part::Ai) || rule.asks_for(Part::Usage))
    }

    /// Whether some rule lets something through.
    pub(super) fn allow_something(&self) -> bool {
        self.all.iter().any(|rule| rule.action == RuleAction::Allow)
    }

    /// The first rule that lets this through, or may once more is known.
    fn opener(&self, agent: usize, facts: &Facts<'_>) -> Option<&Rule> {
        let mut allowing =
            self.everywhere(agent, facts.destination.host).filter(|rule| rule.action == RuleAction::Allow);
        allowing.find(|rule| matches!(rule.says(facts), Says::Holds | Says::NotYet(_)))
    }

    /// What the rules come to that hold for everything of an agent.
    pub(super) fn look(&self, agent: usize, facts: &Facts<'_>) -> Findings<'_> {
        Findings::of(self.everywhere(agent, facts.destination.host), facts)
    }

    /// What the rules come to that hold for what one of these routes lets through.
    pub(super) fn look_behind(&self, agent: usize, routes: &[&PolicyRef], facts: &Facts<'_>) -> Findings<'_> {
        Findings::of(self.behind(agent, routes, facts.destination.host), facts)
    }
}

fn concerns(policy: &EgressPolicy, agent: &Agent) -> bool {
    let selects = |selector: &Selector| selector.selects(&agent.profile.labels);
    is_aimed_at(&policy.target, agent) && policy.source_agents.as_ref().is_none_or(selects)
}

/// Whether what an agent sends can concern a policy with this target.
pub(super) fn is_aimed_at(target: &PolicyTarget, agent: &Agent) -> bool {
    let profile = &agent.profile;
    match target {
        PolicyTarget::Gateway(name) => agent.gateway == *name,
        PolicyTarget::L4Route(_)
        | PolicyTarget::HttpRoute(_)
        | PolicyTarget::AiRoute(_)
        | PolicyTarget::McpRoute(_) => true,
        PolicyTarget::Agent(name) => profile.name == *name,
        PolicyTarget::Team(name) => profile.team.as_ref() == Some(name),
        PolicyTarget::Project(name) => profile.project.as_ref() == Some(name),
    }
}

/// The route that a target is, as records name it.
pub(super) fn route_of(target: &PolicyTarget) -> Option<PolicyRef> {
    match target {
        PolicyTarget::L4Route(name) => Some(PolicyRef::new("EgressL4Route", name)),
        PolicyTarget::HttpRoute(name) => Some(PolicyRef::new("EgressHTTPRoute", name)),
        PolicyTarget::AiRoute(name) => Some(PolicyRef::new("AIProviderRoute", name)),
        PolicyTarget::McpRoute(name) => Some(PolicyRef::new("MCPRoute", name)),
        _ => None,
    }
}
