//! What happens to traffic that cannot be counted, when an execution ends, and where prices stand.

use std::path::PathBuf;
use std::time::Duration;

use super::folders::{Folders, PATH, absolute};
use crate::model::manifest::fields::Item;
use crate::model::manifest::report::quoted;
use crate::model::manifest::schema::{Field, Object, Shape, words};
use crate::model::manifest::values;
use crate::model::types::Uncounted;
use crate::model::types::quota_limits::{EXECUTION_IDLE_LEAST, EXECUTION_IDLE_MOST};

/// The pause that ends an execution unless told otherwise.
const DEFAULT_IDLE: Duration = Duration::from_secs(3600);

const UNCOUNTED: [(&str, Uncounted); 2] = [("deny", Uncounted::Deny), ("allow", Uncounted::Allow)];

pub(super) static SPEC: Object = Object::new(
    "How use is counted.",
    &[
        Field::optional(
            "onUnavailable",
            Shape::choice(&words(&UNCOUNTED)),
            "What becomes of traffic under a budget that cannot be counted.",
        )
        .by_default("deny"),
        Field::optional(
            "executionIdle",
            Shape::Text(&values::DURATION),
            "The pause of a workload that ends its execution, 1 minute to 31 days.",
        )
        .by_default("1h"),
        Field::optional(
            "prices",
            Shape::Text(&PATH),
            "A file of prices, which hold over those in the program; outside `policyDir`.",
        ),
    ],
);

/// `spec.quota`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Whether what cannot be counted goes.
    pub on_unavailable: Uncounted,
    /// The pause of one source address of an agent after which another execution begins.
    pub execution_idle: Duration,
    /// A catalogue of prices that holds over the one in the program.
    pub prices: Option<PathBuf>,
}

impl Default for Quota {
    fn default() -> Self {
        Self { on_unavailable: Uncounted::default(), execution_idle: DEFAULT_IDLE, prices: None }
    }
}

pub(super) fn read(item: &Item<'_>, folders: Option<&Folders>) -> Option<Quota> {
    let fields = item.object(&SPEC)?;
    let on_unavailable = fields
        .get("onUnavailable")
        .map_or_else(|| Some(Uncounted::default()), |item| item.choice(&UNCOUNTED));
    let execution_idle = fields.get("executionIdle").map_or(Some(DEFAULT_IDLE), |item| idle(&item));
    let prices = match fields.get("prices") {
        Some(item) => prices(&item, folders).map(Some),
        None => Some(None),
    };
    Some(Quota { on_unavailable: on_unavailable?, execution_idle: execution_idle?, prices: prices? })
}

/// A file that is no policy: where policy stands every file is read as such, and the set would not load.
fn prices(item: &Item<'_>, folders: Option<&Folders>) -> Option<PathBuf> {
    let path = absolute(item)?;
    if folders.is_some_and(|folders| path.starts_with(&folders.policy)) {
        let message = format!("prices {} stand in `policyDir`", quoted(item.written()));
        item.mistake_hint(message, "put them elsewhere: what stands there is read as policy");
        return None;
    }
    Some(path)
}

fn idle(item: &Item<'_>) -> Option<Duration> {
    let pause = values::duration(item)?;
    if !(EXECUTION_IDLE_LEAST..=EXECUTION_IDLE_MOST).contains(&pause) {
        let days = EXECUTION_IDLE_MOST.as_secs() / 86_400;
        item.mistake(format!("executionIdle `{}` is not between 1m and {days}d", item.written()));
        return None;
    }
    Some(pause)
}
