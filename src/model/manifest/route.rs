//! What routes of every kind begin with: the gateways and the agents that they hold for, and rules with names.
//!
//! What a rule matches is each kind's own. Read next: `l4_route.rs`, `http_route.rs`, `ai_route.rs`, `mcp_route.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fields::{Fields, Item};
use super::references::{PARENT_REF, SELECTOR, selector};
use super::report::quoted;
use super::resources::Selector;
use super::schema::{Field, Shape};
use super::values;

static PARENT: Shape = Shape::Object(&PARENT_REF);

/// `parentRefs`, which `references::parents` reads.
pub const PARENT_REFS: Field =
    Field::required("parentRefs", Shape::List(&PARENT), "The gateways it holds for.");

/// `sourceAgents`.
pub const SOURCE_AGENTS: Field = Field::optional(
    "sourceAgents",
    Shape::Object(&SELECTOR),
    "The agents it holds for; without it every one.",
);

/// `name` of a rule.
pub const RULE_NAME: Field = Field::optional("name", Shape::Text(&values::NAME), "What the rule is called.");

/// `rules`, each of this shape.
pub const fn rules_of(rule: &'static Shape) -> Field {
    Field::required("rules", Shape::List(rule), "What it lets through; one that matches is enough.")
}

/// The agents that a route holds for; none where it says nothing.
pub fn source_agents(spec: &Fields<'_>) -> Option<Selector> {
    spec.get("sourceAgents").and_then(|item| selector(&item))
}

/// The rules of a route, no two of which have one name.
pub fn rules<T>(spec: &Fields<'_>, rule: impl Fn(&Item<'_>, &mut BTreeSet<Arc<str>>) -> T) -> Vec<T> {
    let mut names = BTreeSet::new();
    spec.required_list("rules").iter().map(|item| rule(item, &mut names)).collect()
}

/// `name` of a rule, which no other rule of its document has.
pub fn rule_name(rule: &Fields<'_>, seen: &mut BTreeSet<Arc<str>>) {
    let Some(item) = rule.get("name") else { return };
    if let Some(name) = values::name(&item)
        && !seen.insert(name.clone())
    {
        let message = format!("two rules are named {}", quoted(&name));
        item.mistake_hint(message, "give each a name of its own");
    }
}
