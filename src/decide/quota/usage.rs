//! What an agent has used since midnight (UTC), for rules that ask for `usage`.
//!
//! It is counted like a budget without a limit: whoever asks binds a request by `hold` beside its other holds, and only where
//! some rule asks, so that nobody else pays for it. A restart keeps it as it keeps budgets.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::accounts::Accounts;
use super::charge::Account;
use crate::model::condition::Usage;
use crate::model::types::{
    BudgetMode, Hold, Limit, NANODOLLARS, Period, PolicyRef, Subject, Timestamp, Unit, Window,
};

/// What is counted.
const UNITS: [Unit; 4] = [Unit::Requests, Unit::Tokens, Unit::Bytes, Unit::Usd];

/// What counts what an agent uses: bound by nothing, and silent.
pub fn hold(agent: &str) -> Hold {
    Hold {
        policy: PolicyRef::new("built-in", "usage"),
        subject: Subject::Named(subject(agent)),
        limits: UNITS.map(limit).into(),
        mode: BudgetMode::AlertOnly,
    }
}

impl Accounts {
    /// What an agent has used since midnight, what is underway included. `now` is the time of accounts.
    pub fn usage_today(&self, agent: &str, now: Timestamp) -> Usage {
        let of = |unit| {
            let account = Account::new(&hold(agent).policy, unit, Some(&subject(agent)), None);
            u64::try_from(self.figures(&account, &limit(unit), now).used).unwrap_or(0)
        };
        Usage {
            requests_today: of(Unit::Requests),
            tokens_today: of(Unit::Tokens),
            bytes_today: of(Unit::Bytes),
            cost_usd_today: of(Unit::Usd) as f64 / NANODOLLARS as f64,
        }
    }
}

fn subject(agent: &str) -> Arc<str> {
    format!("Agent/{agent}").into()
}

fn limit(unit: Unit) -> Limit {
    Limit { unit, max: u64::MAX, window: Window::Calendar(Period::Day, TimeZone::UTC) }
}
