//! `kind: AIProviderRoute`: calls of language models by provider, model and endpoint, and how many tokens they may use (CLRK
//! core concepts, AIProviderRoute).
//!
//! Hosts are the provider's own, from the table in `model/types/provider.rs`; for `custom` alone a document names them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::fields::{Fields, Item};
use super::header::{Header, Index};
use super::patterns::{self, ENDPOINT, MODEL};
use super::references::{Needs, parents};
use super::report::quoted;
use super::resources::{AiMatch, AiRoute, AiRule, TokenCaps};
use super::route::{PARENT_REFS, RULE_NAME, SOURCE_AGENTS, rule_name, rules, rules_of, source_agents};
use super::schema::{AnyOf, Field, Object, Shape, words};
use super::values;
use crate::model::types::Provider;
use crate::model::types::quota_limits::COUNT_MOST;

/// As many of something as a document may name.
pub(super) const COUNT: RangeInclusive<i64> = 1..=COUNT_MOST;

const PROVIDERS: [(&str, Provider); 6] = [
    ("openai", Provider::OpenAi),
    ("anthropic", Provider::Anthropic),
    ("google", Provider::Google),
    ("azure-openai", Provider::AzureOpenAi),
    ("bedrock", Provider::Bedrock),
    ("custom", Provider::Custom),
];

const FILTERS: [(&str, ()); 1] = [("TokenBudget", ())];

/// `spec` of a route to models.
pub static SPEC: Object = Object::new(
    "Lets through calls of language models by provider, model and endpoint. It opens the connections to its own hosts.",
    &[PARENT_REFS, SOURCE_AGENTS, rules_of(&Shape::Object(&RULE))],
);

static RULE: Object = Object::new(
    "Calls that a route lets through, and how much of them.",
    &[
        RULE_NAME,
        Field::required("matches", Shape::List(&Shape::Object(&MATCH)), "Its calls, one of these."),
        Field::optional(
            "filters",
            Shape::List(&Shape::Object(&FILTER)),
            "How many tokens they may use; all of them hold.",
        ),
        Field::not_yet("backendRefs", "Where calls are sent instead."),
    ],
);

static MATCH: Object = Object::new(
    "What a call looks like: all that is given must hold.",
    &[
        Field::required("provider", Shape::choice(&words(&PROVIDERS)), "Whose models are called."),
        Field::optional(
            "hostnames",
            Shape::List(&Shape::Text(&values::HOST)),
            "The hosts of an API of the writer's own; for `provider: custom`, which needs them.",
        ),
        Field::optional("models", Shape::List(&Shape::Text(&MODEL)), "Models; without it every one."),
        Field::optional(
            "endpoints",
            Shape::List(&Shape::Text(&ENDPOINT)),
            "Paths, in canonical form; without it every one.",
        ),
    ],
);

static FILTER: Object = Object::new(
    "What holds for the calls of a rule.",
    &[
        Field::required(
            "type",
            Shape::Choice { words: &words(&FILTERS), not_yet: &["ExtensionRef"] },
            "What it is.",
        ),
        Field::required("tokenBudget", Shape::Object(&BUDGET), "How many tokens may be used."),
        Field::not_yet("extensionRef", "A policy of another kind."),
    ],
);

static BUDGET: Object = Object::new(
    "How many tokens the calls of a rule may use.",
    &[
        Field::optional(
            "maxTokensPerDay",
            Shape::Whole(COUNT),
            "Tokens of all its calls through one gateway in a day of UTC.",
        ),
        Field::optional("maxTokensPerExecution", Shape::Whole(COUNT), "Tokens of one execution."),
        Field::optional("maxOutputTokensPerRequest", Shape::Whole(COUNT), "Tokens of one answer."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["maxTokensPerDay", "maxTokensPerExecution", "maxOutputTokensPerRequest"],
    lacking: "this budget has no limit",
    hint: "write at least one, such as `maxTokensPerDay: 1000000`",
}]);

/// Reads one route.
pub fn read(header: &Header<'_>, index: &Index) -> Option<AiRoute> {
    let fields = header.spec?.object(&SPEC)?;
    let parents = parents(&fields, index, &[Needs::Requests]);
    let source_agents = source_agents(&fields);
    let rules = rules(&fields, rule).into_iter().flatten().collect();
    Some(AiRoute { parents, rules, source_agents, origin: header.origin() })
}

fn rule(item: &Item<'_>, names: &mut BTreeSet<Arc<str>>) -> Option<AiRule> {
    let fields = item.object(&RULE)?;
    rule_name(&fields, names);
    let matches = fields.required_list("matches").iter().filter_map(one_match).collect();
    let budgets = fields.list("filters").iter().filter_map(filter).collect();
    Some(AiRule { matches, budgets })
}

fn one_match(item: &Item<'_>) -> Option<AiMatch> {
    let fields = item.object(&MATCH)?;
    let provider = fields.required("provider").and_then(|item| item.choice(&PROVIDERS));
    let hostnames = fields.list("hostnames").iter().filter_map(values::host_pattern).collect();
    let models = fields.list("models").iter().filter_map(patterns::model).collect();
    let endpoints = fields.list("endpoints").iter().filter_map(patterns::endpoint).collect();
    let provider = provider?;
    check_hosts(&fields, provider);
    Some(AiMatch { provider, hostnames, models, endpoints })
}

/// A provider has hosts of its own, or the document names them.
fn check_hosts(fields: &Fields<'_>, provider: Provider) {
    match (provider, fields.get("hostnames")) {
        (Provider::Custom, None) if fields.owner().node().entry("hostnames").is_none() => {
            let hint = "name the hosts of the API, such as `hostnames: [models.example.com]`";
            fields.owner().mistake_hint("a match with `provider: custom` lacks `hostnames`", hint);
        }
        (Provider::Custom, _) | (_, None) => {}
        (_, Some(item)) => {
            let name = quoted(&format!("provider: {}", provider.name()));
            let hint = "remove it: this provider has hosts of its own; any other API is `provider: custom`";
            let message = format!("a match with {name} has no `hostnames`");
            item.scope.mistake(item.key_span(), message, Some(hint.into()));
        }
    }
}

fn filter(item: &Item<'_>) -> Option<TokenCaps> {
    let fields = item.object(&FILTER)?;
    let kind = fields.required("type").and_then(|item| item.choice(&FILTERS));
    let budget = fields.required("tokenBudget").and_then(|item| budget(&item));
    kind.and(budget)
}

fn budget(item: &Item<'_>) -> Option<TokenCaps> {
    let fields = item.object(&BUDGET)?;
    let caps = ["maxTokensPerDay", "maxTokensPerExecution", "maxOutputTokensPerRequest"];
    let [per_day, per_execution, output_per_request] = caps.map(|name| count(&fields, name));
    Some(TokenCaps {
        per_day: per_day?,
        per_execution: per_execution?,
        output_per_request: output_per_request?,
    })
}

/// A figure that may be absent; nothing where it is wrong.
pub(super) fn count(fields: &Fields<'_>, name: &str) -> Option<Option<u64>> {
    let Some(item) = fields.get(name) else { return Some(None) };
    item.whole(COUNT).and_then(|count| u64::try_from(count).ok()).map(Some)
}
