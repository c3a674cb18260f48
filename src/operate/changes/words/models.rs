//! What documents say of models and tools, as sentences: who may call which, how much and how often.

use super::{Sentences, ordered, through, who};
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{
    AiMatch, InferenceAction, InferencePolicy, McpMatch, TokenCaps, ToolCaps,
};
use crate::model::manifest::values::write_duration;
use crate::model::types::{SafetyFloors, Severity, ToolPattern};

/// `every agent may call claude-* of anthropic by /v1/messages, through gateway default, at most 1000 tokens a day`
pub(super) fn ai_route(resources: &Resources, name: &str) -> Sentences {
    let route = resources.ai_routes.get(name)?;
    let (who, through) = (who(route.source_agents.as_ref()), through(&route.parents));
    let rules = route.rules.iter().flat_map(|rule| {
        let caps: String = ordered(rule.budgets.iter().map(caps)).concat();
        rule.matches.iter().map(move |one| (one, caps.clone()))
    });
    Some(rules.map(|(one, caps)| format!("{who} may call {}, {through}{caps}", calls(one))).collect())
}

fn calls(one: &AiMatch) -> String {
    let models = listed(&one.models, "every model");
    let hosts = ordered(one.hostnames.iter().map(ToString::to_string)).join(" or ");
    let at = if hosts.is_empty() { hosts } else { format!(" at {hosts}") };
    format!("{models} of {}{at} by {}", one.provider.name(), listed(&one.endpoints, "every path"))
}

/// Names, of which one is enough.
fn listed(names: &[Box<str>], all: &str) -> String {
    if names.is_empty() {
        all.to_owned()
    } else {
        ordered(names.iter().map(|one| one.to_string())).join(" or ")
    }
}

fn caps(caps: &TokenCaps) -> String {
    let each = [
        (caps.per_day, "a day"),
        (caps.per_execution, "an execution"),
        (caps.output_per_request, "an answer"),
    ];
    let each = each.iter().filter_map(|(most, time)| Some(format!(", at most {} tokens {time}", (*most)?)));
    each.collect()
}

/// `every agent may call search of https://mcp.example.com/*, through gateway default`
pub(super) fn mcp_route(resources: &Resources, name: &str) -> Sentences {
    let route = resources.mcp_routes.get(name)?;
    let (who, through) = (who(route.source_agents.as_ref()), through(&route.parents));
    let rules = route.rules.iter().flat_map(|rule| {
        let caps: String = ordered(rule.tools.iter().map(tool_caps)).concat();
        rule.matches.iter().map(move |one| (one, caps.clone()))
    });
    Some(rules.map(|(one, caps)| format!("{who} may call {}, {through}{caps}", tools_of(one))).collect())
}

fn tools_of(one: &McpMatch) -> String {
    let servers = ordered(one.servers.iter().map(ToString::to_string)).join(" or ");
    let tools = if one.tools.is_empty() { "every tool".to_owned() } else { tools(&one.tools) };
    format!("{tools} of {servers}")
}

fn tools(tools: &[ToolPattern]) -> String {
    if tools.is_empty() {
        return "no tool".to_owned();
    }
    ordered(tools.iter().map(|tool| tool.0.to_string())).join(" or ")
}

fn tool_caps(caps: &ToolCaps) -> String {
    let allowed = caps.allowed.as_ref().map(|allowed| format!(", of them {} alone", tools(allowed)));
    let calls = caps.calls_per_execution.map(|most| format!(", at most {most} calls an execution"));
    allowed.into_iter().chain(calls).collect()
}

/// `every agent may call search of https://mcp.example.com/mcp`
pub(super) fn mcp_server(resources: &Resources, name: &str) -> Sentences {
    let server = resources.mcp_servers.get(name)?;
    let who = who(server.agents.as_ref());
    Some([format!("{who} may call {} of {}", tools(&server.allowed), server.url)].into())
}

/// `calls of web.fetch of any server by every agent need an approval`
pub(super) fn tool_policy(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.tool_policies.get(name)?;
    let server =
        policy.server.as_ref().map_or_else(|| "any server".to_owned(), |name| format!("McpServer/{name}"));
    let whose = format!("calls of {} of {server} by {}", policy.tool.0, who(policy.labels.as_ref()));
    let leave = if policy.needs_approval { "need an approval" } else { "need no approval" };
    let rate = policy.rate.map(|rate| {
        let window = write_duration(rate.window);
        format!("{whose} are at most {} in {window} for each of them, {} at once", rate.calls, rate.burst)
    });
    Some([format!("{whose} {leave}")].into_iter().chain(rate).collect())
}

/// `chat by every agent asks for gpt-4.1 of azure-openai, then gpt-4.1-mini`
pub(super) fn inference_policy(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.inference_policies.get(name)?;
    let whose = whose(policy);
    let models: Vec<&str> = policy.models.iter().map(|model| &*model.deployment).collect();
    let models = policy
        .models
        .first()
        .map(|first| format!("{whose} asks for {}, of {}", models.join(", then "), first.provider.name()));
    let most = [(policy.per_request, "a request"), (policy.daily, "a day"), (policy.monthly, "a month")];
    let most = most
        .into_iter()
        .filter_map(|(most, time)| Some(format!("{whose} uses at most {} tokens {time}", most?)));
    let safety = policy.safety.iter().flat_map(floors).map(|floor| format!("{whose} is refused {floor}"));
    Some(models.into_iter().chain(most).chain(safety).collect())
}

fn whose(policy: &InferencePolicy) -> String {
    let action = match policy.action {
        None => "whatever is asked of models",
        Some(InferenceAction::Chat) => "chat",
        Some(InferenceAction::Responses) => "a response",
        Some(InferenceAction::Image) => "an image",
        Some(InferenceAction::Embeddings) => "an embedding",
    };
    let labels = policy.labels.as_ref().map(|labels| who(Some(labels)));
    let whom = match (&policy.agent, labels) {
        (Some(agent), Some(labels)) => format!("agent {agent}, if one of {labels}"),
        (Some(agent), None) => format!("agent {agent}"),
        (None, labels) => labels.unwrap_or_else(|| who(None)),
    };
    format!("{action} by {whom}")
}

fn floors(safety: &SafetyFloors) -> Vec<String> {
    let categories = [
        ("hate", safety.hate),
        ("self-harm", safety.self_harm),
        ("sexual content", safety.sexual),
        ("violence", safety.violence),
    ];
    let floor =
        |(what, floor): (&str, Option<Severity>)| Some(format!("from {what} of severity {:?} on", floor?));
    let shields =
        safety.require_prompt_shields.then(|| "without the annotations of prompt shields".to_owned());
    categories.into_iter().filter_map(floor).chain(shields).collect()
}
