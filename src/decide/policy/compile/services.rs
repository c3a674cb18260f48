//! AIProviderRoutes, MCPRoutes and McpServers to services.

use std::sync::Arc;

use super::{Agents, Compiler, Effect, GatewayPlan, HTTP_LISTENERS, Map, Route, rule_of};
use crate::decide::policy::services::{Models, Offer, Service, Tools, meet, unless_any};
use crate::model::manifest::resources::{
    AiMatch, AiRoute, DenyTarget, McpMatch, McpRoute, McpServer, TokenCaps, ToolCaps,
};
use crate::model::types::{
    BudgetMode, Hold, HostPattern, Limit, Period, PolicyRef, Provider, Subject, ToolPattern, ToolSieve, Unit,
    Window,
};

impl<'a> Compiler<'a> {
    pub(super) fn add_ai(
        &mut self,
        gateways: &mut Map<Arc<str>, GatewayPlan>,
        name: &Arc<str>,
        route: &'a AiRoute,
    ) {
        let agents = self.select(route.source_agents.as_ref());
        let effect = self.effect(&DenyTarget::Ai(name.clone()));
        for (gateway, listeners) in self.attachments(&route.parents, HTTP_LISTENERS) {
            let Some(plan) = gateways.get_mut(gateway) else { continue };
            for (number, rule) in route.rules.iter().enumerate() {
                let route = rule_of("AIProviderRoute", name, number);
                let budget = budget(&route, &plan.policy, &rule.budgets);
                let output = rule.budgets.iter().filter_map(|caps| caps.output_per_request).min();
                for one in &rule.matches {
                    let (hosts, starred) = hosts_of(one);
                    plan.services.add(Service {
                        route: route.clone(),
                        effect: effect.clone(),
                        agents: agents.clone(),
                        listeners,
                        hosts,
                        starred,
                        offer: Offer::Models(Models {
                            provider: one.provider,
                            models: one.models.clone(),
                            endpoints: one.endpoints.clone(),
                            budget: budget.clone(),
                            output: output.map(|most| (most, route.policy.clone())),
                        }),
                    });
                }
            }
        }
    }

    pub(super) fn add_mcp(
        &mut self,
        gateways: &mut Map<Arc<str>, GatewayPlan>,
        name: &Arc<str>,
        route: &'a McpRoute,
    ) {
        let agents = self.select(route.source_agents.as_ref());
        let effect = self.effect(&DenyTarget::Mcp(name.clone()));
        for (gateway, listeners) in self.attachments(&route.parents, HTTP_LISTENERS) {
            let Some(plan) = gateways.get_mut(gateway) else { continue };
            for (number, rule) in route.rules.iter().enumerate() {
                let route = rule_of("MCPRoute", name, number);
                let calls = calls(&route, &plan.policy, &rule.tools);
                for one in &rule.matches {
                    plan.services.add(Service {
                        route: route.clone(),
                        effect: effect.clone(),
                        agents: agents.clone(),
                        listeners,
                        hosts: one.servers.iter().map(|url| url.host.clone()).collect(),
                        starred: Vec::new(),
                        offer: Offer::Tools(tools(one, &rule.tools, calls.clone())),
                    });
                }
            }
        }
    }

    /// A server is reached through every gateway that can read requests.
    pub(super) fn add_server(
        &mut self,
        gateways: &mut Map<Arc<str>, GatewayPlan>,
        name: &Arc<str>,
        server: &'a McpServer,
    ) {
        let agents = self.select(server.agents.as_ref());
        for plan in gateways.values_mut() {
            let readers = HTTP_LISTENERS.iter().copied().fold(Default::default(), super::Listeners::with);
            let listeners = plan.listeners.and(readers);
            if listeners.is_empty() {
                continue;
            }
            let tools = unless_any(server.allowed.clone());
            plan.services.add(Service {
                route: Route { policy: PolicyRef::new("McpServer", name), rule: None },
                effect: Effect::Allow,
                agents: Agents::clone(&agents),
                listeners,
                hosts: vec![server.url.host.clone()],
                starred: Vec::new(),
                offer: Offer::Tools(Tools {
                    servers: vec![server.url.clone()],
                    declared: Some(name.clone()),
                    sieve: sieve_of(tools.as_deref()),
                    tools,
                    calls: None,
                }),
            });
        }
    }
}

/// The hosts of a match: the document's, or else those of the provider's own table.
fn hosts_of(one: &AiMatch) -> (Vec<HostPattern>, Vec<&'static str>) {
    if one.provider == Provider::Custom {
        return (one.hostnames.clone(), Vec::new());
    }
    let (mut hosts, mut starred) = (Vec::new(), Vec::new());
    for pattern in one.provider.hosts() {
        match HostPattern::parse(pattern) {
            Ok(host) => hosts.push(host),
            Err(_) => starred.push(*pattern),
        }
    }
    (hosts, starred)
}

/// Whose usage the filters of a rule count: its own, at one gateway.
fn subject(route: &Route, gateway: &PolicyRef) -> Subject {
    let rule = route.rule.as_deref().unwrap_or_default();
    Subject::Named(format!("{}/{rule}", gateway.0).into())
}

/// What filters of `type: TokenBudget` of one rule come to at one gateway.
fn budget(route: &Route, gateway: &PolicyRef, caps: &[TokenCaps]) -> Option<Hold> {
    let limits = |of: fn(&TokenCaps) -> Option<u64>, window: Window| {
        let most = caps.iter().filter_map(of);
        most.map(move |max| Limit { unit: Unit::Tokens, max, window: window.clone() })
    };
    let day = Window::Calendar(Period::Day, jiff::tz::TimeZone::UTC);
    let limits: Arc<[Limit]> = limits(|caps| caps.per_day, day)
        .chain(limits(|caps| caps.per_execution, Window::Execution))
        .collect();
    let (policy, subject) = (route.policy.clone(), subject(route, gateway));
    (!limits.is_empty()).then_some(Hold { policy, subject, limits, mode: BudgetMode::HardStop })
}

/// What the filters of one rule of an MCPRoute leave each execution at one gateway.
fn calls(route: &Route, gateway: &PolicyRef, caps: &[ToolCaps]) -> Option<Hold> {
    let most = caps.iter().filter_map(|caps| caps.calls_per_execution);
    let limits: Arc<[Limit]> =
        most.map(|max| Limit { unit: Unit::Calls, max, window: Window::Execution }).collect();
    let (policy, subject) = (route.policy.clone(), subject(route, gateway));
    (!limits.is_empty()).then_some(Hold { policy, subject, limits, mode: BudgetMode::HardStop })
}

/// What an MCPRoute says of tools: what it matches, as far as its filters allow that.
fn tools(one: &McpMatch, caps: &[ToolCaps], calls: Option<Hold>) -> Tools {
    let matched = (!one.tools.is_empty()).then(|| one.tools.clone());
    let allowed = caps.iter().filter_map(|caps| caps.allowed.as_deref());
    let tools = allowed.fold(matched, |tools, allowed| meet(tools.as_deref(), Some(allowed)));
    let tools = tools.and_then(unless_any);
    Tools { servers: one.servers.clone(), declared: None, sieve: sieve_of(tools.as_deref()), tools, calls }
}

fn sieve_of(tools: Option<&[ToolPattern]>) -> Option<Arc<ToolSieve>> {
    tools.map(|tools| Arc::new(ToolSieve { lists: vec![tools.to_vec()] }))
}
