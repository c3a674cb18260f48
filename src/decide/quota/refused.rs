//! That there is no room, and what the agent and the operator are told about it.

use std::sync::Arc;
use std::time::Duration;

use super::charge::Account;
use crate::model::types::{BudgetMode, Denial, Limit, PolicyRef, Reason, Sequel, Timestamp, Unit, Window};

/// Why something may not begin, or go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A limit leaves too little.
    Short(Box<Shortage>),
    /// A limit counts what nobody can count of this.
    Uncounted {
        /// Whose limit.
        policy: PolicyRef,
        /// What cannot be counted.
        unit: Unit,
    },
    /// There are more accounts than can be kept, and none of them may be forgotten.
    Overfull,
    /// It would be charged to more accounts than a record can name.
    TooMany,
    /// The charge cannot be recorded, for this reason.
    Unrecorded(String),
}

/// A limit that leaves too little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// What it counts in.
    pub account: Arc<Account>,
    /// The limit.
    pub limit: Limit,
    /// What follows from it.
    pub mode: BudgetMode,
    /// How much is used, with what is reserved.
    pub used: u64,
    /// How much of that is reserved and may come back.
    pub reserved: u64,
    /// How much was wanted.
    pub wanted: u64,
    /// When it was looked at.
    pub at: Timestamp,
    /// How long until there is room; none where there never will be. Sooner, where what is reserved comes back.
    pub after: Option<Duration>,
}

impl Refused {
    /// Of two, the one that lasts longer.
    pub(super) fn worse(self, other: Self) -> Self {
        let rank = |one: &Self| match one {
            Self::Short(short) => (short.mode != BudgetMode::Throttle, short.after.unwrap_or(Duration::MAX)),
            _ => (true, Duration::MAX),
        };
        if rank(&other) > rank(&self) { other } else { self }
    }

    /// Whether it may wait, and how long at most until there is room: every limit that refuses says so.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Short(short) if short.mode == BudgetMode::Throttle => short.after,
            _ => None,
        }
    }

    /// The document that refuses.
    pub fn policy(&self) -> Option<PolicyRef> {
        match self {
            Self::Short(short) => Some(PolicyRef(short.account.policy.clone())),
            Self::Uncounted { policy, .. } => Some(policy.clone()),
            Self::Overfull | Self::TooMany | Self::Unrecorded(_) => None,
        }
    }

    /// What the agent is told. `wall` is the time that people's clocks show.
    pub fn denial(&self, agent: &str, wall: Timestamp) -> Denial {
        let (reason, detail) = match self {
            Self::Short(short) => (short.reason(), short.detail(agent, wall)),
            Self::Uncounted { unit, .. } => (
                Reason::QuotaUnavailable,
                format!(
                    "A policy bounds what agent {agent} may use, and the {} of this request cannot be counted, so it was \
                     not sent. Ask something whose use the gateway can count, or ask an operator.",
                    noun(*unit)
                ),
            ),
            Self::Unrecorded(_) => (
                Reason::AuditUnavailable,
                "The gateway cannot record what this uses, so it does not go on. Try again later.".to_owned(),
            ),
            Self::Overfull | Self::TooMany => (
                Reason::QuotaUnavailable,
                format!(
                    "A policy bounds what agent {agent} may use, and the gateway cannot count more at the moment, so \
                     nothing was sent. Try again later."
                ),
            ),
        };
        let sequel = match self {
            Self::Short(short) => short.after.map(|after| Sequel::Retry(whole_seconds(after))),
            _ => None,
        };
        let denial = Denial { policy: self.policy(), ..Denial::built_in(reason, detail) };
        Denial { sequel, ..denial.seen(self.evidence()) }
    }

    /// What the record says.
    pub fn evidence(&self) -> String {
        match self {
            Self::Short(short) => short.evidence(),
            Self::Uncounted { policy, unit } => {
                format!("{} cannot be counted, for {}", noun(*unit), policy.0)
            }
            Self::Overfull => "as many accounts are kept as can be, and all of them count".to_owned(),
            Self::Unrecorded(why) => why.clone(),
            Self::TooMany => "it would be charged to more accounts than a record can name".to_owned(),
        }
    }
}

impl Shortage {
    fn reason(&self) -> Reason {
        match self.limit.unit {
            Unit::Tokens => Reason::QuotaTokens,
            Unit::Usd => Reason::QuotaCost,
            Unit::Requests | Unit::Calls => Reason::QuotaRequests,
            Unit::Bytes | Unit::BytesUp | Unit::BytesDown => Reason::QuotaBytes,
        }
    }

    fn detail(&self, agent: &str, wall: Timestamp) -> String {
        let unit = self.limit.unit;
        let who = who(&self.account.subject, agent);
        let settled = self.used.saturating_sub(self.reserved);
        let mut text = format!(
            "{who} has used {} of {} {} that a policy gives {}",
            amount(unit, settled),
            amount(unit, self.limit.max),
            noun(unit),
            per(&self.limit.window)
        );
        if self.reserved > 0 {
            text += &format!(", {} more are reserved for what is underway", amount(unit, self.reserved));
        }
        if self.wanted > 1 {
            text += &format!(", and this may take {}", amount(unit, self.wanted));
        }
        text.push_str(". ");
        text += &match self.after {
            None => "It can never be sent like this: ask for less, or ask an operator.".to_owned(),
            Some(after) if self.limit.window == Window::Execution => {
                format!("It counts anew once agent {agent} has sent nothing for {}.", span(after))
            }
            Some(after) => {
                let back = wall.plus(after);
                format!("It may be sent again after {} (in {}).", clock(back, wall), span(after))
            }
        };
        text
    }

    fn evidence(&self) -> String {
        let unit = self.limit.unit;
        let back = match self.after {
            Some(after) if self.limit.window != Window::Execution => {
                format!(", back at {}", self.at.plus(after))
            }
            _ => String::new(),
        };
        format!(
            "{}: {} of {} {} used in {}, {} of them reserved, {} wanted{back}",
            self.account.subject,
            amount(unit, self.used),
            amount(unit, self.limit.max),
            noun(unit),
            window(&self.limit.window),
            amount(unit, self.reserved),
            amount(unit, self.wanted),
        )
    }
}

/// Whose usage it is, in the agent's words.
fn who(subject: &str, agent: &str) -> String {
    match subject.split_once('/') {
        Some(("Execution", _)) => format!("This execution of agent {agent}"),
        Some((_, rest)) if rest.contains("/Execution/") => format!("This execution of agent {agent}"),
        Some(("Agent", name)) if name == agent => format!("Agent {agent}"),
        Some((kind @ ("Agent" | "Team" | "Project"), name)) => {
            format!("Agent {agent} has to wait: {} {name}", kind.to_ascii_lowercase())
        }
        _ => format!("Agent {agent} has to wait: whoever goes this way"),
    }
}

/// The unit's name in sentences. Money has its sign instead.
pub fn noun(unit: Unit) -> &'static str {
    match unit {
        Unit::Tokens => "tokens",
        Unit::Usd => "US dollars",
        Unit::Requests => "requests",
        Unit::Bytes => "bytes",
        Unit::BytesUp => "bytes sent",
        Unit::BytesDown => "bytes received",
        Unit::Calls => "calls of tools",
    }
}

/// An amount with thousands apart; money with at least two decimals.
pub fn amount(unit: Unit, value: u64) -> String {
    use crate::model::types::NANODOLLARS;
    if unit != Unit::Usd {
        return grouped(value);
    }
    let (whole, fraction) = (value / NANODOLLARS, value % NANODOLLARS);
    let digits = format!("{fraction:09}");
    let digits = digits.trim_end_matches('0');
    format!("{}.{digits:0<2}", grouped(whole))
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Whom a window gives it, behind "that a policy gives".
fn per(window: &Window) -> String {
    match window {
        Window::Execution => "to one execution".to_owned(),
        Window::Calendar(period, _) => format!("it {} {}", article(period.as_str()), period.as_str()),
        Window::Rolling(period) => format!("it within any {}", period.as_str()),
    }
}

fn article(word: &str) -> &'static str {
    if word == "hour" { "an" } else { "a" }
}

/// A window for operators: `day (Europe/Berlin)`, `rolling day`, `execution`.
pub fn window(window: &Window) -> String {
    match window {
        Window::Execution => "execution".to_owned(),
        Window::Rolling(period) => format!("rolling {}", period.as_str()),
        Window::Calendar(period, zone) => match zone.iana_name() {
            Some("UTC") | None => period.as_str().to_owned(),
            Some(name) => format!("{} ({name})", period.as_str()),
        },
    }
}

fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

/// `00:00 UTC`; with its date where that is not in the next day.
fn clock(at: Timestamp, now: Timestamp) -> String {
    // The minute that has begun by then; a second past it is none.
    let at = at.plus(Duration::from_secs(59)).civil();
    let time = format!("{:02}:{:02} UTC", at.hour, at.minute);
    let day = Duration::from_secs(86_400);
    let civil = |moment: Timestamp| (moment.civil().year, moment.civil().month, moment.civil().day);
    let date = (at.year, at.month, at.day);
    if date == civil(now) || (date == civil(now.plus(day)) && at.hour == 0 && at.minute == 0) {
        time
    } else {
        format!("{:04}-{:02}-{:02} {time}", at.year, at.month, at.day)
    }
}

/// `3 h 12 min`, rounded up.
fn span(time: Duration) -> String {
    let seconds = u64::from(whole_seconds(time));
    if seconds < 120 {
        return format!("{seconds} s");
    }
    let minutes = seconds.div_ceil(60);
    let (large, small) = match minutes {
        0..60 => ((minutes, "min"), (0, "")),
        60..2880 => ((minutes / 60, "h"), (minutes % 60, "min")),
        _ => ((minutes / 1440, "d"), (minutes % 1440 / 60, "h")),
    };
    match small {
        (0, _) => format!("{} {}", large.0, large.1),
        (rest, name) => format!("{} {} {rest} {name}", large.0, large.1),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::types::Period;

    fn shortage(unit: Unit, subject: &str, window: Window, after: Option<u64>) -> Shortage {
        let policy = PolicyRef::new("BudgetPolicy", "red-team-day");
        let at = Timestamp::parse("2026-11-28T20:48:00Z").unwrap();
        Shortage {
            account: Arc::new(Account::new(&policy, unit, Some(&subject.into()), None)),
            limit: Limit { unit, max: 2000, window },
            mode: BudgetMode::HardStop,
            used: 1950,
            reserved: 0,
            wanted: 400,
            at,
            after: after.map(Duration::from_secs),
        }
    }

    fn day() -> Window {
        Window::Calendar(Period::Day, TimeZone::UTC)
    }

    fn told(short: Shortage) -> Denial {
        let wall = short.at;
        Refused::Short(Box::new(short)).denial("alice", wall)
    }

    #[test]
    fn a_denial_says_what_ran_out_and_when_it_returns() {
        let denial = told(shortage(Unit::Tokens, "Agent/alice", day(), Some(11_520)));
        assert_eq!(denial.reason, Reason::QuotaTokens);
        assert_eq!(denial.sequel, Some(Sequel::Retry(11_520)));
        assert_eq!(denial.policy, Some(PolicyRef::new("BudgetPolicy", "red-team-day")));
        assert_eq!(
            denial.detail,
            "Agent alice has used 1,950 of 2,000 tokens that a policy gives it a day, and this may take 400. \
             It may be sent again after 00:00 UTC (in 3 h 12 min)."
        );
        assert_eq!(
            denial.evidence.as_deref(),
            Some(
                "Agent/alice: 1,950 of 2,000 tokens used in day, 0 of them reserved, 400 wanted, back at \
                 2026-11-29T00:00:00.000000Z"
            )
        );
    }

    #[test]
    fn a_denial_says_whose_usage_it_was_and_what_is_only_reserved() {
        let mut short = shortage(Unit::Usd, "Team/red", Window::Rolling(Period::Month), Some(200_000));
        short.limit.max = 25_000_000_000;
        (short.used, short.reserved, short.wanted) = (24_970_000_001, 900_000_000, 31_500_000);
        let denial = told(short);
        assert_eq!(denial.reason, Reason::QuotaCost);
        assert_eq!(
            denial.detail,
            "Agent alice has to wait: team red has used 24.070000001 of 25.00 US dollars that a policy gives it within any \
             month, 0.90 more are reserved for what is underway, and this may take 0.0315. It may be sent again after \
             2026-12-01 04:22 UTC (in 2 d 7 h)."
        );
    }

    #[test]
    fn what_time_does_not_bring_back_is_said_so() {
        let denial = told(shortage(Unit::Requests, "EgressGateway/default", day(), None));
        assert_eq!((denial.reason, denial.sequel), (Reason::QuotaRequests, None));
        assert!(denial.detail.starts_with("Agent alice has to wait: whoever goes this way has used"));
        assert!(denial.detail.ends_with("It can never be sent like this: ask for less, or ask an operator."));
        let denial = told(shortage(Unit::Bytes, "Team/red/Execution/7", Window::Execution, Some(3600)));
        assert_eq!((denial.reason, denial.sequel), (Reason::QuotaBytes, Some(Sequel::Retry(3600))));
        assert!(denial.detail.starts_with("This execution of agent alice has used 1,950 of 2,000 bytes"));
        assert!(denial.detail.ends_with("It counts anew once agent alice has sent nothing for 1 h."));
    }

    #[test]
    fn of_two_shortages_the_one_that_lasts_longer_speaks_and_only_throttles_may_wait() {
        let one = |mode, after| {
            let short = Shortage { mode, ..shortage(Unit::Tokens, "Agent/alice", day(), after) };
            Refused::Short(Box::new(short))
        };
        let (hard, throttle) = (one(BudgetMode::HardStop, Some(5)), one(BudgetMode::Throttle, Some(9)));
        assert_eq!(throttle.wait(), Some(Duration::from_secs(9)));
        assert_eq!(throttle.clone().worse(hard.clone()), hard);
        assert_eq!(hard.clone().worse(throttle), hard);
        assert_eq!(hard.wait(), None);
        let never = one(BudgetMode::HardStop, None);
        assert_eq!(hard.worse(never.clone()), never);
    }

    #[test]
    fn seconds_are_rounded_up() {
        let seconds = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!([0, 1, 1000, 1001].map(seconds), [1, 1, 1, 2]);
        let spans = [1, 119, 121, 3599, 3600, 3601, 172_800, 180_000];
        let told = spans.map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told, ["1 s", "119 s", "3 min", "1 h", "1 h", "1 h 1 min", "2 d", "2 d 2 h"]);
    }
}
