//! `kind: MCPRoute`: tools of MCP servers by URL and name, and how often they may be called (CLRK core concepts, MCPRoute).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ai_route::{COUNT, count};
use super::fields::Item;
use super::header::{Header, Index};
use super::patterns::{self, SERVER, TOOL};
use super::references::{Needs, parents};
use super::resources::{McpMatch, McpRoute, McpRule, ToolCaps};
use super::route::{PARENT_REFS, RULE_NAME, SOURCE_AGENTS, rule_name, rules, rules_of, source_agents};
use super::schema::{AnyOf, Field, Object, Shape, words};
use crate::model::types::ToolPattern;

const FILTERS: [(&str, ()); 1] = [("ToolPolicy", ())];

/// `spec` of a route to tools.
pub static SPEC: Object = Object::new(
    "Lets through calls of tools of MCP servers. It opens the connections to its own servers.",
    &[PARENT_REFS, SOURCE_AGENTS, rules_of(&Shape::Object(&RULE))],
);

static RULE: Object = Object::new(
    "Tools that a route lets through, and how often.",
    &[
        RULE_NAME,
        Field::required(
            "matches",
            Shape::List(&Shape::Object(&MATCH)),
            "Its servers and tools, one of these.",
        ),
        Field::optional(
            "filters",
            Shape::List(&Shape::Object(&FILTER)),
            "Which of them may be called, and how often; all of them hold.",
        ),
        Field::not_yet("backendRefs", "Where calls are sent instead."),
    ],
);

static MATCH: Object = Object::new(
    "Servers, and tools of them.",
    &[
        Field::required(
            "servers",
            Shape::List(&Shape::Text(&SERVER)),
            "Where the servers are reached; `*` at the end stands for all below a path.",
        ),
        Field::optional("tools", Shape::List(&Shape::Text(&TOOL)), "Their tools; without it every one."),
    ],
);

static FILTER: Object = Object::new(
    "What holds for the tools of a rule.",
    &[
        Field::required(
            "type",
            Shape::Choice { words: &words(&FILTERS), not_yet: &["ExtensionRef"] },
            "What it is.",
        ),
        Field::required("toolPolicy", Shape::Object(&POLICY), "Which tools, and how often."),
        Field::not_yet("extensionRef", "A policy of another kind."),
    ],
);

static POLICY: Object = Object::new(
    "Which tools may be seen and called, and how often.",
    &[
        Field::optional(
            "allowedTools",
            Shape::ListOrNone(&Shape::Text(&TOOL)),
            "Tools that may be seen and called, of those that the rule matches; an empty list is none.",
        ),
        Field::optional("maxCallsPerExecution", Shape::Whole(COUNT), "Calls of one execution."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["allowedTools", "maxCallsPerExecution"],
    lacking: "this tool policy asks for nothing",
    hint: "write `allowedTools` or `maxCallsPerExecution`",
}]);

/// Reads one route.
pub fn read(header: &Header<'_>, index: &Index) -> Option<McpRoute> {
    let fields = header.spec?.object(&SPEC)?;
    let parents = parents(&fields, index, &[Needs::Requests]);
    let source_agents = source_agents(&fields);
    let rules = rules(&fields, rule).into_iter().flatten().collect();
    Some(McpRoute { parents, rules, source_agents, origin: header.origin() })
}

fn rule(item: &Item<'_>, names: &mut BTreeSet<Arc<str>>) -> Option<McpRule> {
    let fields = item.object(&RULE)?;
    rule_name(&fields, names);
    let matches = fields.required_list("matches").iter().filter_map(one_match).collect();
    let tools = fields.list("filters").iter().filter_map(filter).collect();
    Some(McpRule { matches, tools })
}

fn one_match(item: &Item<'_>) -> Option<McpMatch> {
    let fields = item.object(&MATCH)?;
    let servers = fields.required_list("servers").iter().filter_map(patterns::servers).collect();
    let tools = fields.list("tools").iter().filter_map(patterns::tool).collect();
    Some(McpMatch { servers, tools })
}

fn filter(item: &Item<'_>) -> Option<ToolCaps> {
    let fields = item.object(&FILTER)?;
    let kind = fields.required("type").and_then(|item| item.choice(&FILTERS));
    let policy = fields.required("toolPolicy").and_then(|item| policy(&item));
    kind.and(policy)
}

fn policy(item: &Item<'_>) -> Option<ToolCaps> {
    let fields = item.object(&POLICY)?;
    let allowed = fields.get("allowedTools").map(|item| tools(&item));
    Some(ToolCaps { allowed, calls_per_execution: count(&fields, "maxCallsPerExecution")? })
}

/// A list of tools, which may be empty.
pub(super) fn tools(item: &Item<'_>) -> Vec<ToolPattern> {
    item.list().unwrap_or_default().iter().filter_map(patterns::tool).collect()
}
