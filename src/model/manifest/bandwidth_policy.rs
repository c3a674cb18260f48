//! `kind: BandwidthPolicy`: bytes a second, and bytes in a time, towards destinations and towards agents.

use std::ops::RangeInclusive;

use super::amounts::{self, TIME_ZONE, WINDOWS};
use super::fields::{Fields, Item};
use super::header::Header;
use super::reach::Reach;
use super::references::{POLICY_TARGET, policy_target};
use super::resources::BandwidthPolicy;
use super::schema::{AnyOf, Field, Object, Shape, words};
use super::values;
use crate::model::types::limits::{THROTTLE_BYTES_LEAST, THROTTLE_BYTES_MOST};
use crate::model::types::{Limit, Unit};

/// Bytes a second, as of a Throttle.
const PACES: RangeInclusive<u64> = THROTTLE_BYTES_LEAST.unsigned_abs()..=THROTTLE_BYTES_MOST.unsigned_abs();

/// `spec` of a bandwidth.
pub static SPEC: Object = Object::new(
    "How many bytes a second, and in a time, may go each way; also of what is passed through unread.",
    &[
        Field::required("targetRef", Shape::Object(&POLICY_TARGET), "Whose bytes it bounds."),
        Field::optional("up", Shape::Object(&DIRECTION), "Towards destinations."),
        Field::optional("down", Shape::Object(&DIRECTION), "Towards agents."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["up", "down"],
    lacking: "this policy names no direction",
    hint: "write `up` or `down`",
}]);

static DIRECTION: Object = Object::new(
    "How many bytes may go one way.",
    &[
        Field::optional("bytesPerSecond", Shape::Size, "Bytes in each second, shared by all that it is for."),
        Field::optional("maxBytes", Shape::Size, "Bytes in a window."),
        Field::optional(
            "window",
            Shape::choice(&words(&WINDOWS)),
            "The window; for `maxBytes`, which needs it.",
        ),
        Field::optional(
            "rolling",
            Shape::Bool,
            "Whether the time is that before now, and not the calendar's.",
        )
        .by_default("false"),
        Field::optional("timeZone", Shape::Text(&TIME_ZONE), "Where the calendar is looked at.")
            .by_default("UTC"),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["bytesPerSecond", "maxBytes"],
    lacking: "this direction has no limit",
    hint: "write `bytesPerSecond`, or `maxBytes` with a `window`",
}]);

/// Reads one policy; gateways, agents and routes have been read.
pub fn read(header: &Header<'_>, reach: Reach<'_>) -> Option<BandwidthPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let target = fields.required("targetRef").and_then(|item| policy_target(&item, reach.index));
    let read =
        |name: &str, unit: Unit| fields.get(name).map_or(Some((None, None)), |item| direction(&item, unit));
    let (up, down) = (read("up", Unit::BytesUp), read("down", Unit::BytesDown));
    let ((up, most_up), (down, most_down)) = (up?, down?);
    let ceilings = most_up.into_iter().chain(most_down).collect();
    Some(BandwidthPolicy { target: target?, up, down, ceilings, origin: header.origin() })
}

fn direction(item: &Item<'_>, unit: Unit) -> Option<(Option<u64>, Option<Limit>)> {
    let fields = item.object(&DIRECTION)?;
    let pace = fields.get("bytesPerSecond").map_or(Some(None), |item| pace(&item).map(Some));
    let ceiling = ceiling(&fields, unit);
    Some((pace?, ceiling?))
}

fn pace(item: &Item<'_>) -> Option<u64> {
    let bytes = values::size(item)?;
    if !PACES.contains(&bytes) {
        let (least, most) = PACES.into_inner();
        item.mistake(format!(
            "`bytesPerSecond` {} is less than {least}, or more than {most}",
            item.written()
        ));
        return None;
    }
    Some(bytes)
}

/// `maxBytes` with its window: each of them needs the other.
fn ceiling(fields: &Fields<'_>, unit: Unit) -> Option<Option<Limit>> {
    let window = amounts::window(fields);
    let has = |name: &str| fields.owner().node().entry(name).is_some();
    let Some(item) = fields.get("maxBytes") else {
        for name in ["window", "rolling", "timeZone"] {
            if let Some(item) = fields.get(name) {
                let message = format!("`{name}` has no meaning without `maxBytes`");
                item.scope.mistake(item.key_span(), message, Some("remove it, or write `maxBytes`".into()));
            }
        }
        return Some(None);
    };
    if !has("window") {
        item.mistake_hint("`maxBytes` lacks the `window` in which it holds", "such as `window: day`");
    }
    let max = amounts::bytes(&item);
    Some(Some(Limit { unit, max: max?, window: window? }))
}
