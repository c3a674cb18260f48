//! Amounts and the time in which they may be used up: what budgets and bandwidths share.
//!
//! Money is read as it is written, digit by digit, and never rounded. Time zones are those of the database inside the program, so
//! that every machine reads a document alike. Read next: `budget_policy.rs`.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::fields::{Fields, Item};
use super::report::{did_you_mean, quoted};
use super::schema::Form;
use super::values;
use crate::model::types::quota_limits::{AMOUNT_MOST, USD_DECIMALS};
use crate::model::types::{NANODOLLARS, Period, Unit, Window};

/// `window`, in the order of their length.
pub const WINDOWS: [(&str, Option<Period>); 6] = [
    ("execution", None),
    ("minute", Some(Period::Minute)),
    ("hour", Some(Period::Hour)),
    ("day", Some(Period::Day)),
    ("week", Some(Period::Week)),
    ("month", Some(Period::Month)),
];

/// A time zone of the IANA database.
pub static TIME_ZONE: Form =
    Form { words: "time zone such as `Europe/Berlin`", pattern: r"^[A-Za-z0-9/_+-]+$", longest: 64 };

/// `window` with the `rolling` and `timeZone` that belong to it; nothing where any of them is wrong.
pub fn window(fields: &Fields<'_>) -> Option<Window> {
    let rolling = match fields.get("rolling") {
        Some(item) => item.boolean(),
        None => Some(false),
    };
    let zone_item = fields.get("timeZone");
    let zone = match &zone_item {
        Some(item) => time_zone(item),
        None => Some(TimeZone::UTC),
    };
    let item = fields.get("window")?;
    let period = item.choice(&WINDOWS)?;
    match (period, rolling) {
        (None, Some(true)) => without_meaning(fields, "rolling", "`window: execution`"),
        (None, _) => without_meaning(fields, "timeZone", "`window: execution`"),
        (Some(_), Some(true)) => without_meaning(fields, "timeZone", "`rolling: true`"),
        (Some(_), _) => {}
    }
    Some(match (period, rolling?, zone?) {
        (None, ..) => Window::Execution,
        (Some(period), true, _) => Window::Rolling(period),
        (Some(period), false, zone) => Window::Calendar(period, zone),
    })
}

fn without_meaning(fields: &Fields<'_>, name: &str, with: &str) {
    let Some(item) = fields.get(name) else { return };
    let message = format!("{} has no meaning with {with}", quoted(name));
    item.scope.mistake(item.key_span(), message, Some("remove it: only the calendar has boundaries".into()));
}

fn time_zone(item: &Item<'_>) -> Option<TimeZone> {
    let text = item.text_of(&TIME_ZONE)?;
    if text == "UTC" {
        return Some(TimeZone::UTC);
    }
    let zones = TimeZoneDatabase::bundled();
    let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
    // The database finds names in any case; a document has one spelling.
    if let (true, Ok(zone)) = (names.iter().any(|name| name == text), zones.get(text)) {
        return Some(zone);
    }
    let hint = did_you_mean(text, names.iter().map(String::as_str))
        .unwrap_or_else(|| "it is a name of the IANA database, such as `Europe/Berlin`".to_owned());
    item.mistake_hint(format!("unknown time zone {}", quoted(text)), hint);
    None
}

/// `max` of a limit, in the unit's own amounts: above zero, and at most [`AMOUNT_MOST`].
pub fn amount(item: &Item<'_>, unit: Unit) -> Option<u64> {
    if unit == Unit::Usd {
        return dollars(item);
    }
    if matches!(unit, Unit::Bytes | Unit::BytesUp | Unit::BytesDown) {
        return bytes(item);
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = item.written();
    if !digits(text) {
        item.mistake(format!("{} {} is not a whole number of {}", item.name, quoted(text), unit.as_str()));
        return None;
    }
    within(item, text.parse().ok())
}

/// A size above zero.
pub fn bytes(item: &Item<'_>) -> Option<u64> {
    let size = values::size(item)?;
    within(item, Some(size))
}

fn within(item: &Item<'_>, amount: Option<u64>) -> Option<u64> {
    let amount = amount.filter(|amount| (1..=AMOUNT_MOST).contains(amount));
    if amount.is_none() {
        item.mistake(format!("{} {} is zero, or more than {AMOUNT_MOST}", quoted(item.name), item.written()));
    }
    amount
}

/// US dollars such as `25` or `25.00`, in nano-dollars.
fn dollars(item: &Item<'_>) -> Option<u64> {
    let text = item.written();
    let Some(amount) = nanodollars(text) else {
        let message = format!("{} {} is not an amount of dollars", item.name, quoted(text));
        item.mistake_hint(message, format!("write it like `25.00`, with at most {USD_DECIMALS} decimals"));
        return None;
    };
    if !(1..=AMOUNT_MOST).contains(&amount) {
        let most = AMOUNT_MOST / NANODOLLARS;
        item.mistake(format!("{} {text} is zero, or more than {most} dollars", quoted(item.name)));
        return None;
    }
    Some(amount)
}

/// Dollars in decimal digits, in nano-dollars, exactly; past what 64 bits hold it is the most of them.
pub fn nanodollars(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > USD_DECIMALS {
        return None;
    }
    let nano: u64 = format!("{decimals:0<USD_DECIMALS$}").parse().ok()?;
    let whole: u64 = whole.parse().unwrap_or(u64::MAX);
    Some(whole.saturating_mul(NANODOLLARS).saturating_add(nano))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_digit_by_digit_and_never_rounded() {
        for (text, nano) in [
            ("25", 25_000_000_000),
            ("25.00", 25_000_000_000),
            ("0.1", 100_000_000),
            ("0.000000001", 1),
            ("0", 0),
            ("18446744074", u64::MAX),
            ("99999999999999999999999.5", u64::MAX),
        ] {
            assert_eq!(nanodollars(text), Some(nano), "{text}");
        }
        for text in
            ["", ".", "1.", ".5", "1e3", "-1", "+1", "1,5", "0.0000000001", "1_000", "0x10", " 1", "1.2.3"]
        {
            assert_eq!(nanodollars(text), None, "{text}");
        }
    }
}
