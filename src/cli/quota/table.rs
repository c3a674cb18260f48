//! Budgets on a terminal.

use std::fmt::Write as _;

use serde_json::Number;

use crate::cli::columns::{Cell, Columns};
use crate::cli::paint::{Paint, Style, safe};
use crate::cli::words;
use crate::model::types::Timestamp;
use crate::operate::api::Quota;

/// A line each: document, subject, how much of how much, in which time, what is reserved, when it returns.
pub fn lines(quotas: &[Quota], now: Timestamp, paint: Paint) -> String {
    let row = |one: &Quota| {
        let reserved = if one.reserved == Number::from(0) || one.reserved.as_f64() == Some(0.0) {
            String::new()
        } else {
            format!("{} reserved", amount(&one.reserved))
        };
        vec![
            Cell::from(one.policy.as_str()),
            Cell::from(one.subject.as_deref().unwrap_or("-")),
            Cell::styled(&format!("{} of {} {}", amount(&one.used), amount(&one.max), one.unit), style(one)),
            Cell::from(one.window.as_str()),
            Cell::from(one.mode.as_str()),
            Cell::from(reserved.as_str()),
            Cell::from(returns(one, now).as_str()),
        ]
    };
    Columns::table(&quotas.iter().map(row).collect::<Vec<_>>(), paint)
}

/// A paragraph each.
pub fn details(quotas: &[Quota], now: Timestamp, paint: Paint) -> String {
    let mut out = String::new();
    for one in quotas {
        let subject = one.subject.as_deref().unwrap_or("nobody yet");
        let _ = writeln!(out, "{} for {}", safe(&one.policy), safe(subject));
        let left = format!("{} {} left of {}", amount(&one.left), one.unit, amount(&one.max));
        let _ = writeln!(
            out,
            "  {} in one {}, {}",
            paint.text(style(one), &left),
            safe(&one.window),
            safe(&one.mode)
        );
        let _ = writeln!(
            out,
            "  used {}, {} of it reserved by what is underway",
            amount(&one.used),
            amount(&one.reserved)
        );
        let returns = returns(one, now);
        if !returns.is_empty() {
            let _ = writeln!(out, "  {returns}");
        }
    }
    out
}

fn style(one: &Quota) -> Style {
    if one.left.as_f64().is_some_and(|left| left <= 0.0) { Style::Bad } else { Style::Plain }
}

fn returns(one: &Quota, now: Timestamp) -> String {
    one.returns.map(|at| format!("back at {} UTC", words::clock_minutes(at, now))).unwrap_or_default()
}

/// Thousands apart; money as it is.
fn amount(number: &Number) -> String {
    match (number.as_u64(), number.as_i64()) {
        (Some(whole), _) => words::count(whole),
        (None, Some(below)) => format!("-{}", words::count(below.unsigned_abs())),
        (None, None) => number.as_f64().map_or_else(|| number.to_string(), |money| format!("{money:.4}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(used: i64, reserved: u64) -> Quota {
        Quota {
            policy: "BudgetPolicy/red-team-day".into(),
            subject: Some("Team/red".into()),
            unit: "tokens".into(),
            window: "day".into(),
            mode: "HardStop".into(),
            max: 2_000_000.into(),
            used: used.into(),
            reserved: reserved.into(),
            left: (2_000_000 - used).into(),
            returns: Timestamp::parse("2026-11-29T00:00:00Z"),
        }
    }

    #[test]
    fn a_line_says_how_much_is_used_and_when_it_returns() {
        let now = Timestamp::parse("2026-11-28T20:48:00Z").unwrap();
        let unused = Quota { subject: None, returns: None, ..quota(0, 0) };
        let money = Quota {
            unit: "usd".into(),
            max: Number::from_f64(25.0).unwrap(),
            used: Number::from_f64(0.0315).unwrap(),
            reserved: Number::from_f64(0.0).unwrap(),
            ..quota(0, 0)
        };
        assert_eq!(
            lines(&[quota(2_000_000, 400), unused, money], now, Paint(false)),
            concat!(
                "BudgetPolicy/red-team-day  Team/red  2,000,000 of 2,000,000 tokens  day  HardStop  400 reserved  back at 2026-11-29 00:00 UTC\n",
                "BudgetPolicy/red-team-day  -         0 of 2,000,000 tokens          day  HardStop\n",
                "BudgetPolicy/red-team-day  Team/red  0.0315 of 25.0000 usd          day  HardStop                back at 2026-11-29 00:00 UTC\n",
            )
        );
    }

    #[test]
    fn details_say_what_is_left() {
        let now = Timestamp::parse("2026-11-28T20:48:00Z").unwrap();
        assert_eq!(
            details(&[quota(-50, 0)], now, Paint(false)),
            concat!(
                "BudgetPolicy/red-team-day for Team/red\n",
                "  2,000,050 tokens left of 2,000,000 in one day, HardStop\n",
                "  used -50, 0 of it reserved by what is underway\n",
                "  back at 2026-11-29 00:00 UTC\n",
            )
        );
    }
}
