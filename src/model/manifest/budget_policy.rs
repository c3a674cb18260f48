//! `kind: BudgetPolicy`: how much agents may use in a time, in tokens, dollars, requests or bytes.

use super::amounts::{self, TIME_ZONE, WINDOWS};
use super::fields::{Fields, Item};
use super::header::Header;
use super::reach::{self, Reach};
use super::references::{POLICY_TARGET, policy_target};
use super::report::quoted;
use super::resources::{BudgetPolicy, Per};
use super::schema::{Field, Object, Shape, words};
use super::source::Place;
use crate::model::types::quota_limits::BUDGET_LIMITS;
use crate::model::types::{BudgetMode, Limit, Unit, Window};

const PERS: [(&str, Per); 6] = [
    ("Target", Per::Target),
    ("Execution", Per::Execution),
    ("Agent", Per::Agent),
    ("Team", Per::Team),
    ("Project", Per::Project),
    ("Route", Per::Route),
];

const MODES: [(&str, BudgetMode); 4] = [
    ("HardStop", BudgetMode::HardStop),
    ("SoftStop", BudgetMode::SoftStop),
    ("Throttle", BudgetMode::Throttle),
    ("AlertOnly", BudgetMode::AlertOnly),
];

const UNITS: [(&str, Unit); 4] =
    [("tokens", Unit::Tokens), ("usd", Unit::Usd), ("requests", Unit::Requests), ("bytes", Unit::Bytes)];

/// `spec` of a budget.
pub static SPEC: Object = Object::new(
    "How much may be used in a time: tokens, dollars, requests or bytes.",
    &[
        Field::required("targetRef", Shape::Object(&POLICY_TARGET), "Whose use it bounds."),
        Field::optional(
            "per",
            Shape::choice(&words(&PERS)),
            "Whose use counts together: all of the target's, or of each one by itself.",
        )
        .by_default("Target"),
        Field::required(
            "limits",
            Shape::List(&Shape::Object(&LIMIT)),
            "How much in which time; all of them hold.",
        ),
        Field::optional("mode", Shape::choice(&words(&MODES)), "What happens where a limit is reached.")
            .by_default("HardStop"),
    ],
);

static LIMIT: Object = Object::new(
    "How much of something in a time.",
    &[
        Field::required("unit", Shape::choice(&words(&UNITS)), "What is counted."),
        Field::required("max", Shape::Amount, "How much; dollars may have 9 decimals, bytes a unit."),
        Field::required("window", Shape::choice(&words(&WINDOWS)), "In which time."),
        Field::optional(
            "rolling",
            Shape::Bool,
            "Whether the time is that before now, and not the calendar's.",
        )
        .by_default("false"),
        Field::optional("timeZone", Shape::Text(&TIME_ZONE), "Where the calendar is looked at.")
            .by_default("UTC"),
    ],
);

/// Reads one budget; gateways, agents and routes have been read.
pub fn read(header: &Header<'_>, reach: Reach<'_>) -> Option<BudgetPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let target = fields.required("targetRef").and_then(|item| policy_target(&item, reach.index));
    let per = word(&fields, "per", &PERS);
    let mode = word(&fields, "mode", &MODES);
    let requests = target.as_ref().is_none_or(|target| reach.shows_requests(target));
    let items = fields.required_list("limits");
    if let Some(item) = items.get(BUDGET_LIMITS) {
        item.mistake_hint(
            format!("a budget has at most {BUDGET_LIMITS} limits"),
            "write another for the rest",
        );
    }
    let mut seen = Vec::new();
    let limits =
        items.iter().take(BUDGET_LIMITS).filter_map(|item| limit(item, requests, &mut seen)).collect();
    Some(BudgetPolicy { target: target?, per: per?, limits, mode: mode?, origin: header.origin() })
}

/// A word that may be absent; nothing where it is wrong.
fn word<T: Copy + Default>(fields: &Fields<'_>, name: &str, table: &[(&str, T)]) -> Option<T> {
    fields.get(name).map_or_else(|| Some(T::default()), |item| item.choice(table))
}

/// `seen` is what has a limit already, and where.
fn limit(item: &Item<'_>, requests: bool, seen: &mut Vec<(Unit, Window, Place)>) -> Option<Limit> {
    let fields = item.object(&LIMIT)?;
    let window = amounts::window(&fields);
    let unit_item = fields.required("unit")?;
    let unit = unit_item.choice(&UNITS)?;
    let max = fields.required("max").and_then(|item| amounts::amount(&item, unit));
    if unit.is_of_models() && !requests {
        let what =
            format!("{} are known by what is asked of models", quoted(&format!("unit: {}", unit.as_str())));
        reach::unseen(&unit_item, unit_item.span(), &what);
    }
    let limit = Limit { unit, max: max?, window: window? };
    if let Some((.., first)) =
        seen.iter().find(|(unit, window, _)| (*unit, window) == (limit.unit, &limit.window))
    {
        let message = format!("{} has two limits in the same time", quoted(unit.as_str()));
        item.mistake_hint(message, format!("the first is at {first}; the smaller alone would hold"));
        return None;
    }
    seen.push((unit, limit.window.clone(), item.scope.place(item.key_span())));
    Some(limit)
}
