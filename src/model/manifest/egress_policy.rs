//! `kind: EgressPolicy`: rules of a condition and an action, for a gateway, a route, or agents.
//!
//! Each action has fields of its own; a field that belongs to another would do nothing, and is refused. Conditions are
//! checked here, so that a policy in force can only fail by what it is asked about.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::deny_policy::MESSAGE;
use super::fields::{Fields, Item};
use super::header::Header;
use super::http_route::HEADER_NAME;
use super::reach::{self, Reach};
use super::references::{POLICY_TARGET, SELECTOR, policy_target, selector};
use super::report::{one_of, quoted};
use super::resources::{EgressPolicy, PolicyRule, PolicyTarget, Rates, RuleAction, Selector, Would};
use super::rule_headers::{self, HEADER_VALUE};
use super::schema::{Field, Form, Object, Shape, words};
use super::source::Place;
use super::values;
use crate::model::condition::Condition;
use crate::model::types::limits::{
    CONDITION_BYTES, THROTTLE_BYTES_LEAST, THROTTLE_BYTES_MOST, THROTTLE_REQUESTS_MOST,
};

/// Priorities are as far apart as anybody needs (Kubernetes PriorityClass).
const PRIORITIES: std::ops::RangeInclusive<i64> = -1_000_000_000..=1_000_000_000;

/// Fields that belong to some actions alone.
const BELONGS: [(&str, &[&str]); 7] = [
    ("message", &["Deny", "Quarantine"]),
    ("bytesPerSecond", &["Throttle"]),
    ("requestsPerSecond", &["Throttle"]),
    ("for", &["Quarantine"]),
    ("setHeaders", &["Transform"]),
    ("removeHeaders", &["Transform"]),
    ("would", &["LogOnly"]),
];

const ACTIONS: [(&str, &str); 7] = [
    ("Allow", "Allow"),
    ("Deny", "Deny"),
    ("Throttle", "Throttle"),
    ("Quarantine", "Quarantine"),
    ("Transform", "Transform"),
    ("Alert", "Alert"),
    ("LogOnly", "LogOnly"),
];

const WOULDS: [(&str, Would); 5] = [
    ("Deny", Would::Deny),
    ("Throttle", Would::Throttle),
    ("Quarantine", Would::Quarantine),
    ("Transform", Would::Transform),
    ("Alert", Would::Alert),
];

static WHEN: Form = Form { words: "condition (CEL)", pattern: r"\S", longest: CONDITION_BYTES };

/// `spec` of a policy of rules.
pub static SPEC: Object = Object::new(
    "Rules of a condition and an action, for a gateway, a route, an agent, a team or a project.",
    &[
        Field::required("targetRef", Shape::Object(&POLICY_TARGET), "What its rules are for."),
        Field::optional(
            "sourceAgents",
            Shape::Object(&SELECTOR),
            "The agents they hold for; without it every one.",
        ),
        Field::optional(
            "priority",
            Shape::Whole(PRIORITIES),
            "Whose word stands in the record where several hold; higher is first.",
        )
        .by_default("0"),
        Field::required("rules", Shape::List(&Shape::Object(&RULE)), "Its rules; all that match hold."),
    ],
);

static RULE: Object = Object::new(
    "A condition, and what is done where it holds.",
    &[
        Field::required(
            "name",
            Shape::Text(&values::NAME),
            "What the rule is called; no other rule of the document is.",
        ),
        Field::optional("when", Shape::Text(&WHEN), "The condition; without it the rule always matches."),
        Field::required("action", Shape::choice(&words(&ACTIONS)), "What is done."),
        Field::optional(
            "message",
            Shape::Text(&MESSAGE),
            "What the agent is told; for `Deny` and `Quarantine`.",
        ),
        Field::optional(
            "bytesPerSecond",
            Shape::Whole(THROTTLE_BYTES_LEAST..=THROTTLE_BYTES_MOST),
            "Bytes of an agent in each second, both directions together; for `Throttle`.",
        ),
        Field::optional(
            "requestsPerSecond",
            Shape::Whole(1..=THROTTLE_REQUESTS_MOST),
            "Requests of an agent in each second; for `Throttle`.",
        ),
        Field::optional(
            "for",
            Shape::Text(&values::DURATION),
            "How long the agent is shut out; for `Quarantine`, which needs it.",
        ),
        Field::optional(
            "setHeaders",
            Shape::Map { keys: &HEADER_NAME, values: &HEADER_VALUE },
            "Fields of the request that goes out; for `Transform`.",
        ),
        Field::optional(
            "removeHeaders",
            Shape::List(&Shape::Text(&HEADER_NAME)),
            "Fields that do not go out; for `Transform`.",
        ),
        Field::optional(
            "would",
            Shape::choice(&words(&WOULDS)),
            "What the record says would have been done; for `LogOnly`.",
        )
        .by_default("Deny"),
    ],
);

/// Reads one policy; gateways, agents and routes have been read. `automata` is how many more bytes the automata of the set's
/// patterns may have.
pub fn read(header: &Header<'_>, reach: Reach<'_>, automata: &mut usize) -> Option<EgressPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let priority = match fields.get("priority") {
        Some(item) => item.whole(PRIORITIES).and_then(|number| i32::try_from(number).ok()),
        None => Some(0),
    };
    let target = fields.required("targetRef").and_then(|item| policy_target(&item, reach.index));
    let source_agents = fields.get("sourceAgents").and_then(|item| source_agents(&item, &target, reach));
    let requests = target.as_ref().is_none_or(|target| reach.shows_requests(target));
    let mut names = BTreeMap::new();
    let rules = fields.list("rules");
    let rule = |item| rule(item, target.as_ref(), requests, &mut names, automata);
    let rules = rules.iter().filter_map(rule).collect();
    Some(EgressPolicy { target: target?, source_agents, priority: priority?, rules, origin: header.origin() })
}

/// `sourceAgents`; of one agent that is named already it can ask nothing which that agent has not.
fn source_agents(item: &Item<'_>, target: &Option<PolicyTarget>, reach: Reach<'_>) -> Option<Selector> {
    let selector = selector(item)?;
    if let Some(PolicyTarget::Agent(name)) = target
        && let Some(agent) = reach.resources.agents.get(name)
        && !selector.selects(&agent.profile.labels)
    {
        let message = format!("agent {} does not have these labels: no rule here could hold", quoted(name));
        item.mistake_hint(message, "remove it: `targetRef` names the agent already");
    }
    Some(selector)
}

/// What a rule asks of requests, where none is ever seen.
fn check_requests(fields: &Fields<'_>, rule: &PolicyRule) {
    let unseen = |field: &str, what: &str| {
        if let Some(field) = fields.get(field) {
            reach::unseen(&field, field.key_span(), what);
        }
    };
    if rule.when.as_ref().is_some_and(|when| !when.uses().by_connection()) {
        unseen("when", "the condition is about requests");
    }
    match &rule.action {
        RuleAction::Transform(_) => unseen("action", "`action: Transform` changes requests"),
        RuleAction::Throttle(Rates { requests: Some(_), .. }) => {
            unseen("requestsPerSecond", "`requestsPerSecond` counts requests");
        }
        _ => {}
    }
}

fn rule<'s>(
    item: &Item<'s>,
    target: Option<&PolicyTarget>,
    requests: bool,
    names: &mut BTreeMap<Arc<str>, Place>,
    automata: &mut usize,
) -> Option<PolicyRule> {
    let fields = item.object(&RULE)?;
    let name = fields.required("name").and_then(|item| name(&item, names));
    let when = match fields.get("when") {
        Some(item) => condition(&item, automata).map(Some),
        None => Some(None),
    };
    let action = fields.required("action");
    let Some((action, word)) = action.and_then(|item| Some((item, item.choice(&ACTIONS)?))) else {
        of_no_action(&fields);
        return None;
    };
    if word == "Allow" && target.is_some_and(PolicyTarget::is_route) {
        let hint = "what a route lets through is allowed already; name a gateway, Agent, Team or Project";
        action.mistake_hint("`Allow` has no meaning for a route", hint);
    }
    strangers(&fields, word);
    let action = action_of(&fields, word);
    let rule = PolicyRule { name: name?, when: when?, action: action? };
    if !requests {
        check_requests(&fields, &rule);
    }
    Some(rule)
}

fn name(item: &Item<'_>, names: &mut BTreeMap<Arc<str>, Place>) -> Option<Arc<str>> {
    let name = values::name(item)?;
    if let Some(first) = names.get(&name) {
        let message = format!("rule {} is defined twice", quoted(&name));
        item.mistake_hint(message, format!("the first is at {first}"));
        return None;
    }
    names.insert(name.clone(), item.scope.place(item.span()));
    Some(name)
}

/// Fields that belong to another action.
fn strangers(fields: &Fields<'_>, word: &str) {
    for (field, actions) in BELONGS.iter().filter(|(_, actions)| !actions.contains(&word)) {
        if let Some(item) = fields.get(field) {
            let actions: Vec<String> = actions.iter().map(|action| format!("action: {action}")).collect();
            let actions = one_of(actions.iter().map(String::as_str));
            let message = format!("{} belongs to {actions}", quoted(field));
            let hint = format!("remove it: {} does nothing with it", quoted(&format!("action: {word}")));
            item.scope.mistake(item.key_span(), message, Some(hint));
        }
    }
}

/// What is wrong with the fields of a rule whose action nobody knows is told all the same.
fn of_no_action(fields: &Fields<'_>) {
    message(fields);
    figures(fields);
    fields.get("for").and_then(|item| values::duration(&item));
    rule_headers::read(fields.get("setHeaders"), fields.get("removeHeaders"));
    fields.get("would").and_then(|item| item.choice(&WOULDS));
}

fn message(fields: &Fields<'_>) -> Option<Arc<str>> {
    fields.get("message").and_then(|item| item.text_of(&MESSAGE)).map(Arc::from)
}

fn action_of(fields: &Fields<'_>, word: &str) -> Option<RuleAction> {
    Some(match word {
        "Allow" => RuleAction::Allow,
        "Deny" => RuleAction::Deny { message: message(fields) },
        "Throttle" => RuleAction::Throttle(rates(fields)?),
        "Quarantine" => {
            let message = message(fields);
            let time = duration(fields)?;
            RuleAction::Quarantine { time, message }
        }
        "Transform" => {
            let (set, remove) = (fields.get("setHeaders"), fields.get("removeHeaders"));
            if set.is_none() && remove.is_none() {
                lacks(fields, "Transform", "setHeaders", "removeHeaders");
                return None;
            }
            RuleAction::Transform(Arc::new(rule_headers::read(set, remove)?))
        }
        "Alert" => RuleAction::Alert,
        _ => RuleAction::LogOnly(match fields.get("would") {
            Some(item) => item.choice(&WOULDS)?,
            None => Would::default(),
        }),
    })
}

/// `for`, without which nobody could know when it ends.
fn duration(fields: &Fields<'_>) -> Option<Duration> {
    let Some(item) = fields.get("for") else {
        let owner = fields.owner();
        let hint = "such as `for: 2h`".to_owned();
        owner.scope.mistake(owner.span(), "a rule with `action: Quarantine` lacks `for`", Some(hint));
        return None;
    };
    values::duration(&item)
}

/// `bytesPerSecond` and `requestsPerSecond`: absent, wrong, or a figure.
fn figures(fields: &Fields<'_>) -> [Option<Option<u64>>; 2] {
    let figure = |name: &str, least: i64, most: i64| {
        let item = fields.get(name)?;
        Some(item.whole(least..=most).and_then(|figure| u64::try_from(figure).ok()))
    };
    [
        figure("bytesPerSecond", THROTTLE_BYTES_LEAST, THROTTLE_BYTES_MOST),
        figure("requestsPerSecond", 1, THROTTLE_REQUESTS_MOST),
    ]
}

fn rates(fields: &Fields<'_>) -> Option<Rates> {
    let [bytes, requests] = figures(fields);
    if bytes.is_none() && requests.is_none() {
        lacks(fields, "Throttle", "bytesPerSecond", "requestsPerSecond");
        return None;
    }
    // A figure that is there and wrong has had its mistake noted.
    let wrong = [bytes, requests].contains(&Some(None));
    (!wrong).then(|| Rates { bytes: bytes.flatten(), requests: requests.flatten() })
}

fn lacks(fields: &Fields<'_>, action: &str, one: &str, other: &str) {
    let message = format!("a rule with `action: {action}` lacks {} and {}", quoted(one), quoted(other));
    let owner = fields.owner();
    owner.scope.mistake(owner.span(), message, Some("write at least one of them".into()));
}

/// `when`: it may have line breaks. What is wrong with it is shown where it stands.
fn condition(item: &Item<'_>, automata: &mut usize) -> Option<Arc<Condition>> {
    let text = item.node().text().filter(|text| !text.trim().is_empty());
    let Some(text) = text else {
        // Says what is wrong with it.
        item.text();
        return None;
    };
    match Condition::check_within(text, automata) {
        Ok(condition) => Some(Arc::new(condition)),
        Err(faults) => {
            for fault in faults {
                item.scope.mistake(item.part(fault.range), fault.message, fault.hint);
            }
            None
        }
    }
}
