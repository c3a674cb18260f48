//! Which amounts hold for a request, which policies for what is found in it, and which for a call of a model or a tool: an InferencePolicy names models and
//! bounds tokens, a ToolPolicy wants approvals and bounds rates, a TokenBudget bounds answers.
//!
//! What one request asks for beyond its bounds is refused here; what is counted over time is only named. Whoever opened the
//! request, these hold. Read next: `../amounts.rs`, `model/types/holds.rs`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::services::Through;
use super::{Judge, words};
use crate::decide::dlp::Inspection;
use crate::decide::policy::amounts::{Carried, Inference};
use crate::decide::policy::passage::{Passage, Route};
use crate::decide::policy::services::{Models, Service};
use crate::decide::policy::words::services::TooMuch;
use crate::model::condition::{AiCall, Part, Sought, Uses};
use crate::model::types::holds::lower;
use crate::model::types::{Denial, Holds, InferenceAction, PolicyRef, Provider};

impl<'a> Judge<'a> {
    /// What has to be looked for in what a route lets through.
    pub(super) fn inspection(&self, route: &Route, passage: &Passage) -> Option<Arc<Inspection>> {
        if self.inspections.none_for(self.agent) {
            return None;
        }
        self.inspections.of(self.agent, self.routes(route, passage))
    }

    /// What binds in amounts what a route lets through, and what has to be known for that.
    ///
    /// # Errors
    /// `ai.model`, `quota.tokens`, `approval.required`, as policies say.
    pub(super) fn held(
        &self,
        route: &Route,
        through: &Through<'a>,
        passage: &Passage,
    ) -> Result<(Option<Box<Holds>>, Uses), Denial> {
        if self.amounts.none_for(self.agent) && through.services.is_empty() {
            return Ok((None, Uses::default()));
        }
        let routes = self.routes(route, passage);
        let provider = self.provider(through, &routes);
        let sought = self.content.map(|content| &content.ai);
        if provider.is_some() && sought.is_none() {
            return Ok((None, Uses::default().with(Part::Ai)));
        }
        let carried = match (provider, sought) {
            (Some(_), Some(Sought::Found(_) | Sought::Unknown)) => Carried::Call,
            _ => Carried::Request,
        };
        let mut holds = Holds::default();
        self.amounts.bind(self.agent, &routes, carried, &mut holds);
        match (provider, sought) {
            (Some(provider), Some(Sought::Found(call))) => {
                self.bind_call(call, (provider, through), &mut holds)?
            }
            (Some(_), Some(Sought::Unknown)) => self.bind_unread(through, &mut holds)?,
            _ => {}
        }
        self.bind_tools(through, &mut holds)?;
        Ok(((!holds.is_empty()).then(|| Box::new(holds)), Uses::default()))
    }

    /// Whose model this may be a call of, where some policy wants to know.
    fn provider(&self, through: &Through<'a>, routes: &[&PolicyRef]) -> Option<Provider> {
        let models = through.models().next();
        let capped = through.models().any(|models| models.budget.is_some() || models.output.is_some());
        let wanted = capped
            || !self.amounts.models(self.agent).is_empty()
            || self.amounts.count_models(self.agent, routes);
        let host = self.request.name().filter(|_| wanted)?;
        let at = || self.plan.services.at(self.agent, host).find_map(Service::models);
        models.or_else(at).map(|models| models.provider).or_else(|| Provider::of(host))
    }

    /// What nobody could read goes where nothing but counters ask for it: they know what to do with that.
    fn bind_unread(&self, through: &Through<'a>, holds: &mut Holds) -> Result<(), Denial> {
        let capped =
            through.services.iter().find(|service| service.models().is_some_and(|one| one.output.is_some()));
        let policy = self
            .amounts
            .models(self.agent)
            .first()
            .map(|one| Route { policy: one.policy.clone(), rule: None });
        if let Some(route) = capped.map(|service| service.route.clone()).or(policy) {
            return Err(words::services::unread(self.known, &route));
        }
        through.bind_budgets(holds);
        Ok(())
    }

    fn bind_call(
        &self,
        call: &AiCall,
        (provider, through): (Provider, &Through<'a>),
        holds: &mut Holds,
    ) -> Result<(), Denial> {
        through.bind_budgets(holds);
        for models in through.models() {
            holds.terms.output = lower(holds.terms.output.take(), models.output.clone());
        }
        let concerns = |one: &&Inference| one.action.is_none_or(|action| call.action == Some(action));
        let all: SmallVec<[&Inference; 2]> =
            self.amounts.models(self.agent).iter().filter(concerns).collect();
        let mut preferring = None;
        for one in &all {
            let total = one.per_request.map(|most| (most, one.policy.clone()));
            holds.terms.total = lower(holds.terms.total.take(), total);
            holds.budgets.extend(one.budget.clone());
            if let Some(floors) = one.safety {
                let (known, by) = holds.terms.safety.take().unwrap_or((floors, one.policy.clone()));
                holds.terms.safety = Some((known.and(floors), by));
            }
            if !one.models.is_empty() {
                let Some(place) = place_of(one, provider, call.model.as_deref()) else {
                    return Err(self.other_model(call, one));
                };
                preferring = preferring.or(Some((*one, place)));
            }
        }
        if let Some((one, place)) = preferring {
            let behind = one.models.iter().skip(place + 1).filter(|other| {
                let mut others = all.iter().filter(|policy| !policy.models.is_empty());
                others.all(|policy| place_of(policy, provider, Some(&other.deployment)).is_some())
                    && through.has_model(&other.deployment)
            });
            holds.terms.fallback = behind.map(|other| other.deployment.clone()).collect();
        }
        self.check_tokens(call, holds)
    }

    fn other_model(&self, call: &AiCall, policy: &Inference) -> Denial {
        let route = Route { policy: policy.policy.clone(), rule: None };
        let Some(host) = self.request.name() else {
            return words::services::unread(self.known, &route);
        };
        words::services::model(self.known, (host, self.destination), call.model.as_deref(), &route)
    }

    /// Refuses what asks for more than one call may have. A stream that names no maximum goes, and is ended there.
    fn check_tokens(&self, call: &AiCall, holds: &mut Holds) -> Result<(), Denial> {
        let question = call.estimated_tokens;
        let answers = call.action.is_some_and(InferenceAction::answers_with_text);
        if let Some((most, policy)) = &holds.terms.total {
            let (most, policy) = (*most, policy.clone());
            let left = most.saturating_sub(question);
            if question > most || answers && left == 0 {
                return Err(words::services::too_much(
                    self.known,
                    TooMuch::Question(question),
                    most,
                    &policy,
                ));
            }
            holds.terms.output = lower(holds.terms.output.take(), answers.then_some((left, policy)));
        }
        let Some((most, policy)) = &holds.terms.output else { return Ok(()) };
        let asked = match call.max_output_tokens {
            Some(named) if named > *most => TooMuch::Output(named),
            None if answers && !call.stream => TooMuch::Unbounded,
            _ => return Ok(()),
        };
        Err(words::services::too_much(self.known, asked, *most, policy))
    }

    /// What holds for calls of tools. Of a batch each call counts by itself: a rate stands there for each of them, and a budget
    /// once, for whoever counts knows how many there are ([`Content::tools_called`](crate::model::condition::Content)).
    fn bind_tools(&self, through: &Through<'a>, holds: &mut Holds) -> Result<(), Denial> {
        let Some(server) = &through.server else { return Ok(()) };
        holds.tools.clone_from(&through.sieve);
        let Some(content) = self.content else { return Ok(()) };
        for tool in content.tools_called() {
            let of_routes = through.services.iter().filter_map(|service| service.tools());
            let allowing = of_routes.filter(|tools| tools.allows(tool));
            for calls in allowing.filter_map(|tools| tools.calls.as_ref()) {
                if !holds.budgets.contains(calls) {
                    holds.budgets.push(calls.clone());
                }
            }
            for gate in self.amounts.tools(self.agent) {
                let of_server = gate.server.as_ref().is_none_or(|named| through.is_declared_as(named));
                if !of_server || !gate.tool.matches(tool) {
                    continue;
                }
                if gate.needs_approval && !self.circumstances.approves_tool(self.known, server, tool) {
                    return Err(words::services::approval(self.known, (server, tool), &gate.policy));
                }
                holds.rates.extend(gate.rate.clone());
            }
        }
        Ok(())
    }
}

impl<'a> Through<'a> {
    fn models(&self) -> impl Iterator<Item = &'a Models> {
        self.services.iter().filter_map(|service| service.models())
    }

    /// Whether its routes let this model through, too.
    fn has_model(&self, model: &str) -> bool {
        let mut models = self.models().peekable();
        models.peek().is_none() || models.any(|one| one.has(Some(model)))
    }

    fn is_declared_as(&self, name: &str) -> bool {
        let mut tools = self.services.iter().filter_map(|service| service.tools());
        tools.any(|tools| tools.declared.as_deref() == Some(name))
    }

    fn bind_budgets(&self, holds: &mut Holds) {
        for budget in self.models().filter_map(|models| models.budget.as_ref()) {
            // Two matches of one rule share its budget.
            if !holds.budgets.contains(budget) {
                holds.budgets.push(budget.clone());
            }
        }
    }
}

/// Where a policy has the model in its order of preference.
fn place_of(policy: &Inference, provider: Provider, model: Option<&str>) -> Option<usize> {
    let is_it = |one: &crate::model::manifest::resources::PreferredModel| {
        one.provider == provider && Some(&*one.deployment) == model
    };
    policy.models.iter().position(is_it)
}
