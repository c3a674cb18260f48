//! What rules do and what approvals open, as sentences: one for each rule, one for each host.

use std::collections::BTreeMap;

use http::HeaderValue;

use super::{Sentences, ordered, who};
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{EgressPolicy, PolicyRule, PolicyTarget, RuleAction, Transform};
use crate::model::manifest::values::write_duration;

/// `rule big, for every agent through gateway default: refuses, where ...`
pub(super) fn policy(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.egress_policies.get(name)?;
    let whom = whom(policy);
    let rules = policy.rules.iter().map(|one| rule(one, &whom));
    let priority = (policy.priority != 0).then(|| format!("its rules have priority {}", policy.priority));
    Some(rules.chain(priority).collect())
}

/// The names of its rules by what they do, each in the order in which they stand there.
pub(super) fn order<'a>(resources: &'a Resources, name: &str) -> BTreeMap<&'static str, Vec<&'a str>> {
    let mut order: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for rule in resources.egress_policies.get(name).iter().flat_map(|policy| &policy.rules) {
        order.entry(rule.action.as_str()).or_default().push(&rule.name);
    }
    order
}

/// `alice may reach paste.example:443 for 2h`
pub(super) fn approval(resources: &Resources, name: &str) -> Sentences {
    let approval = resources.approvals.get(name)?;
    let (grant, time) = (&approval.grant, write_duration(approval.ttl));
    let hosts = grant.hosts.iter().map(|host| {
        let ports = if host.port.is_none() { " on every port" } else { "" };
        format!("{} may reach {host}{ports} for {time}", grant.agent)
    });
    let tools = grant
        .tools
        .iter()
        .map(|tool| format!("{} may call {} of {} for {time}", grant.agent, tool.tool, tool.server));
    let why = std::iter::once(format!("its reason is: {}", grant.reason));
    let ticket = grant.ticket.iter().map(|ticket| format!("its ticket is {ticket}"));
    Some(hosts.chain(tools).chain(why).chain(ticket).collect())
}

/// Whose traffic a policy is about.
fn whom(policy: &EgressPolicy) -> String {
    let agents = who(policy.source_agents.as_ref());
    let all = policy.source_agents.as_ref().is_none_or(|selector| selector.requirements.is_empty());
    let narrowed = |of: String| if all { of } else { format!("{agents} in {of}") };
    match &policy.target {
        PolicyTarget::Gateway(name) => format!("{agents} through gateway {name}"),
        PolicyTarget::L4Route(name) => format!("{agents} by EgressL4Route/{name}"),
        PolicyTarget::HttpRoute(name) => format!("{agents} by EgressHTTPRoute/{name}"),
        PolicyTarget::AiRoute(name) => format!("{agents} by AIProviderRoute/{name}"),
        PolicyTarget::McpRoute(name) => format!("{agents} by MCPRoute/{name}"),
        PolicyTarget::Agent(name) if all => format!("agent {name}"),
        PolicyTarget::Agent(name) => format!("agent {name}, if one of {agents}"),
        PolicyTarget::Team(name) => narrowed(format!("team {name}")),
        PolicyTarget::Project(name) => narrowed(format!("project {name}")),
    }
}

fn rule(rule: &PolicyRule, whom: &str) -> String {
    let when =
        rule.when.as_ref().map_or_else(|| "always".to_owned(), |when| format!("where {}", when.text()));
    let message = match &rule.action {
        RuleAction::Deny { message } | RuleAction::Quarantine { message, .. } => message.as_ref(),
        _ => None,
    };
    let says = message.map(|message| format!("; it says: {message}")).unwrap_or_default();
    format!("rule {}, for {whom}: {}, {when}{says}", rule.name, does(&rule.action))
}

fn does(action: &RuleAction) -> String {
    match action {
        RuleAction::Allow => "lets through what no route names".to_owned(),
        RuleAction::Deny { .. } => "refuses".to_owned(),
        RuleAction::Throttle(rates) => {
            let bytes = rates.bytes.map(|bytes| format!("{bytes} bytes a second"));
            let requests = rates.requests.map(|requests| format!("{requests} requests a second"));
            let both: Vec<String> = bytes.into_iter().chain(requests).collect();
            format!("holds to {}", both.join(" and "))
        }
        RuleAction::Quarantine { time, .. } => format!("shuts the agent out for {}", write_duration(*time)),
        RuleAction::Transform(transform) => transforms(transform),
        RuleAction::Alert => "raises an alert".to_owned(),
        RuleAction::LogOnly(would) => format!("records that it would have {}", would.done()),
    }
}

/// `sets x-team to red and removes x-note`
fn transforms(transform: &Transform) -> String {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let set = transform.set.iter().map(|(name, value)| format!("sets {name} to {}", text(value)));
    let removed = transform.remove.iter().map(|name| format!("removes {name}"));
    [ordered(set), ordered(removed)].concat().join(" and ")
}
