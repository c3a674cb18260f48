//! How budgets stand, and what operators give: from the documents in force and the accounts.
//!
//! A grant is an amount taken off what was used, in the minute in which it is given; it is on record before it counts, and
//! a restart finds it there. Nothing here decides what may go.

use std::sync::Arc;

use serde_json::Number;

use crate::decide::quota::{Account, Change, Charge, Figures, window};
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{Per, PolicyTarget};
use crate::model::types::limits::REASON_CHARS;
use crate::model::types::{BudgetMode, Limit, NANODOLLARS, Period, PolicyRef, Timestamp, Unit, Window};
use crate::operate::api::{Fault, Quota, QuotaQuery};
use crate::pipeline::Shared;
use crate::platform::sys::clock;

/// What a document bounds.
struct Bounded {
    policy: PolicyRef,
    /// Whose usage counts together, where that is one.
    subject: Option<String>,
    /// The rule whose own usage counts, `rules[0]`, where each rule counts by itself.
    rule: Option<String>,
    /// Whether each execution counts by itself.
    by_execution: bool,
    mode: BudgetMode,
    limits: Vec<Limit>,
}

/// How every limit in force stands, or those of one document, or of one subject.
///
/// # Errors
/// Where no such document has limits.
pub fn list(shared: &Shared, policy: Option<&str>, subject: Option<&str>) -> Result<Vec<Quota>, Fault> {
    let snapshot = shared.snapshot.load();
    let all = bounded(&snapshot.resources);
    let wanted: Vec<&Bounded> = match policy {
        Some(name) => find(&all, name)?,
        None => all.iter().collect(),
    };
    let (now, wall) = (shared.moment(), clock::now());
    let mut found = Vec::new();
    for one in wanted {
        let accounts = shared.accounts.of(&one.policy.0);
        for limit in &one.limits {
            let of = accounts.iter().filter(|account| counts_in(account, limit, one));
            let charged: Vec<_> = of.filter(|one| subject.is_none_or(|name| *one.subject == *name)).collect();
            for account in &charged {
                let figures = shared.accounts.figures(account, limit, now);
                found.push(quota(one, limit, Some(account.subject.to_string()), (figures, now, wall)));
            }
            if charged.is_empty() && subject.is_none_or(|name| one.subject.as_deref() == Some(name)) {
                let nothing = Figures { used: 0, reserved: 0, returns: None };
                found.push(quota(one, limit, one.subject.clone(), (nothing, now, wall)));
            }
        }
    }
    Ok(found)
}

/// Gives more, or begins anew, and says how it stands then. In force, and on record, when it returns.
///
/// # Errors
/// Where it is not clear what is meant, or where it cannot be recorded.
pub fn change(shared: &Shared, query: &QuotaQuery, by: &str) -> Result<Vec<Quota>, Fault> {
    let reason = query.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        let message = format!("a reason has 1 to {REASON_CHARS} characters");
        return Err(Fault::invalid(message).hint("--reason \"why\""));
    }
    let snapshot = shared.snapshot.load();
    let all = bounded(&snapshot.resources);
    let found = find(&all, &query.policy)?;
    let policy = &found[0].policy;
    let units = units(&found, query)?;
    let mut charges = Vec::new();
    for unit in units {
        let change = match &query.amount {
            Some(amount) => Change::Amount(-granted(unit, amount)?),
            None => Change::Reset,
        };
        let account = Arc::new(Account {
            policy: policy.0.clone(),
            unit,
            subject: subject(shared, &found, unit, query)?,
        });
        charges.push(Charge { account, change });
    }
    let (event, what) =
        if query.amount.is_some() { ("quota-granted", "granted") } else { ("quota-reset", "begun anew") };
    let detail = format!("{what} by {by}: {reason}");
    let now = shared.moment();
    shared
        .ledger
        .charge((event, detail), charges.clone(), now)
        .map_err(|denial| Fault::new(crate::operate::api::FaultCode::AuditUnavailable, denial.detail))?;
    shared
        .accounts
        .apply(&charges, now)
        .map_err(|refused| Fault::internal(refused.evidence()).hint("it counts from the next start on"))?;
    let subjects: Vec<_> = charges.iter().map(|charge| charge.account.subject.to_string()).collect();
    let stands = list(shared, Some(&policy.0), None)?;
    Ok(stands
        .into_iter()
        .filter(|one| one.subject.as_ref().is_some_and(|of| subjects.contains(of)))
        .filter(|one| charges.iter().any(|charge| charge.account.unit.as_str() == one.unit))
        .collect())
}

/// The units that are meant.
fn units(found: &[&Bounded], query: &QuotaQuery) -> Result<Vec<Unit>, Fault> {
    let policy = &found[0].policy;
    let limits = found.iter().flat_map(|one| &one.limits);
    let mut known: Vec<Unit> = limits.map(|limit| limit.unit).collect();
    known.sort_unstable();
    known.dedup();
    let names = || known.iter().map(|unit| unit.as_str()).collect::<Vec<_>>().join(", ");
    match &query.unit {
        Some(word) => match Unit::parse(word).filter(|unit| known.contains(unit)) {
            Some(unit) => Ok(vec![unit]),
            None => Err(Fault::invalid(format!("{} counts no `{word}`", policy.0))
                .hint(format!("it counts {}", names()))),
        },
        None if query.amount.is_none() || known.len() == 1 => Ok(known),
        None => Err(Fault::invalid(format!("it is not said of what: {} counts {}", policy.0, names()))
            .hint("--unit UNIT")),
    }
}

/// The subject that is meant: the one that is named, or the only one.
fn subject(shared: &Shared, found: &[&Bounded], unit: Unit, query: &QuotaQuery) -> Result<Arc<str>, Fault> {
    let accounts = shared.accounts.of(&found[0].policy.0);
    let mut known: Vec<Arc<str>> = accounts
        .iter()
        .filter(|account| account.unit == unit)
        .map(|account| account.subject.clone())
        .collect();
    known.extend(found.iter().filter_map(|one| one.subject.as_deref()).map(Arc::from));
    known.sort_unstable();
    known.dedup();
    let names = || known.iter().take(8).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (&query.subject, &known[..]) {
        (Some(name), _) => match known.iter().find(|known| ***known == **name) {
            Some(known) => Ok(known.clone()),
            None if known.is_empty() => Err(Fault::not_found("nobody has used any of it yet")),
            None => Err(Fault::not_found(format!("nobody called `{name}` has used any of it"))
                .hint(format!("those who have: {}", names()))),
        },
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Fault::not_found("nobody has used any of it yet")),
        (None, _) => Err(Fault::invalid("it is not said whose: several have used some of it")
            .hint(format!("--subject SUBJECT, one of {}", names()))),
    }
}

/// An amount as people write it, in the unit's own.
fn granted(unit: Unit, text: &str) -> Result<i64, Fault> {
    let amount = match unit {
        Unit::Usd => dollars(text),
        _ => text.replace(',', "").parse::<u64>().ok(),
    };
    let amount =
        amount.and_then(|amount| i64::try_from(amount).ok()).filter(|amount| (1..1 << 50).contains(amount));
    amount.ok_or_else(|| {
        let hint = if unit == Unit::Usd { "write it like `2.50`" } else { "write it like `50000`" };
        Fault::invalid(format!("`{text}` is no amount of {}", unit.as_str())).hint(hint)
    })
}

/// Nano-dollars of `2.50`.
fn dollars(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 || whole.is_empty() {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(NANODOLLARS)?.checked_add(fraction)
}

/// What a document bounds, at least one thing.
fn find<'a>(all: &'a [Bounded], name: &str) -> Result<Vec<&'a Bounded>, Fault> {
    let of = |policy: &PolicyRef| all.iter().filter(|one| one.policy == *policy).collect();
    let mut known: Vec<&PolicyRef> = all.iter().map(|one| &one.policy).collect();
    known.dedup();
    let exact = known.iter().find(|one| *one.0 == *name);
    let mut named = known.iter().filter(|one| one.0.split_once('/').is_some_and(|(_, own)| own == name));
    match (exact, named.next(), named.next()) {
        (Some(one), ..) | (None, Some(one), None) => Ok(of(one)),
        (None, Some(_), Some(_)) => Err(Fault::invalid(format!("several documents are called `{name}`"))
            .hint(format!("name its kind, too: `BudgetPolicy/{name}`"))),
        _ => Err(Fault::not_found(format!("no document `{name}` that bounds amounts is in force"))
            .hint("`clawgress quota list` shows those that do")),
    }
}

/// Whether a limit counts in an account: one execution's, or not; one rule's, or not.
fn counts_in(account: &Account, limit: &Limit, of: &Bounded) -> bool {
    let of_execution = of.by_execution || limit.window == Window::Execution;
    let id = account.execution();
    let subject = match id {
        Some(id) => account.subject.strip_suffix(&format!("/Execution/{id}")).unwrap_or_default(),
        None => &*account.subject,
    };
    let of_rule = of
        .rule
        .as_deref()
        .is_none_or(|rule| subject.strip_suffix(rule).is_some_and(|before| before.ends_with('/')));
    account.unit == limit.unit && id.is_some() == of_execution && of_rule
}

fn quota(
    of: &Bounded,
    limit: &Limit,
    subject: Option<String>,
    (figures, now, wall): (Figures, Timestamp, Timestamp),
) -> Quota {
    let Figures { used, reserved, returns } = figures;
    let max = i64::try_from(limit.max).unwrap_or(i64::MAX);
    Quota {
        policy: of.policy.0.to_string(),
        subject,
        unit: limit.unit.as_str().to_owned(),
        window: window(&limit.window),
        mode: of.mode.as_str().to_owned(),
        max: number(limit.unit, max),
        used: number(limit.unit, used),
        reserved: number(limit.unit, i64::try_from(reserved).unwrap_or(i64::MAX)),
        left: number(limit.unit, max.saturating_sub(used)),
        // In the time that people's clocks show.
        returns: returns.map(|at| wall.plus(at.since(now))),
    }
}

/// Whole, but of money: that is in dollars.
fn number(unit: Unit, amount: i64) -> Number {
    if unit != Unit::Usd {
        return Number::from(amount);
    }
    Number::from_f64(amount as f64 / NANODOLLARS as f64).unwrap_or_else(|| Number::from(0))
}

/// Everything that bounds amounts, in the order of its names.
fn bounded(resources: &Resources) -> Vec<Bounded> {
    let day = || Window::Calendar(Period::Day, jiff::tz::TimeZone::UTC);
    let month = || Window::Calendar(Period::Month, jiff::tz::TimeZone::UTC);
    let limit = |unit, max: Option<u64>, window| max.map(|max| Limit { unit, max, window });
    let hard = |kind, name: &str, subject: Option<String>, limits: Vec<Limit>| Bounded {
        policy: PolicyRef::new(kind, name),
        subject,
        rule: None,
        by_execution: false,
        mode: BudgetMode::HardStop,
        limits,
    };
    let mut all = Vec::new();
    for (name, budget) in &resources.budgets {
        let subject = (budget.per == Per::Target).then(|| target(&budget.target));
        let of = hard("BudgetPolicy", name, subject, budget.limits.to_vec());
        all.push(Bounded { mode: budget.mode, by_execution: budget.per == Per::Execution, ..of });
    }
    for (name, bandwidth) in &resources.bandwidths {
        let subject = Some(target(&bandwidth.target));
        all.push(hard("BandwidthPolicy", name, subject, bandwidth.ceilings.to_vec()));
    }
    for (name, route) in &resources.ai_routes {
        for (number, rule) in route.rules.iter().enumerate() {
            let limits = rule.budgets.iter().flat_map(|caps| {
                let per_day = limit(Unit::Tokens, caps.per_day, day());
                per_day.into_iter().chain(limit(Unit::Tokens, caps.per_execution, Window::Execution))
            });
            let of = hard("AIProviderRoute", name, None, limits.collect());
            all.push(Bounded { rule: Some(format!("rules[{number}]")), ..of });
        }
    }
    for (name, policy) in &resources.inference_policies {
        let daily = limit(Unit::Tokens, policy.daily, day());
        let limits = daily.into_iter().chain(limit(Unit::Tokens, policy.monthly, month()));
        all.push(hard("InferencePolicy", name, None, limits.collect()));
    }
    for (name, route) in &resources.mcp_routes {
        for (number, rule) in route.rules.iter().enumerate() {
            let most = rule.tools.iter().map(|caps| caps.calls_per_execution);
            let limits = most.filter_map(|most| limit(Unit::Calls, most, Window::Execution));
            let of = hard("MCPRoute", name, None, limits.collect());
            all.push(Bounded { rule: Some(format!("rules[{number}]")), ..of });
        }
    }
    all.retain(|one| !one.limits.is_empty());
    all
}

/// How holds and records name a target.
fn target(target: &PolicyTarget) -> String {
    let (kind, name) = match target {
        PolicyTarget::Gateway(name) => ("EgressGateway", name),
        PolicyTarget::L4Route(name) => ("EgressL4Route", name),
        PolicyTarget::HttpRoute(name) => ("EgressHTTPRoute", name),
        PolicyTarget::AiRoute(name) => ("AIProviderRoute", name),
        PolicyTarget::McpRoute(name) => ("MCPRoute", name),
        PolicyTarget::Agent(name) => ("Agent", name),
        PolicyTarget::Team(name) => ("Team", name),
        PolicyTarget::Project(name) => ("Project", name),
    };
    format!("{kind}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (unit, text, amount) in [
            (Unit::Tokens, "50000", 50_000),
            (Unit::Tokens, "50,000", 50_000),
            (Unit::Usd, "2.50", 2_500_000_000),
            (Unit::Usd, "2", 2_000_000_000),
            (Unit::Usd, "0.000000001", 1),
        ] {
            assert_eq!(granted(unit, text).unwrap(), amount, "{text}");
        }
        for (unit, text) in [
            (Unit::Tokens, "0"),
            (Unit::Tokens, "-5"),
            (Unit::Tokens, "2.5"),
            (Unit::Usd, ".5"),
            (Unit::Usd, "1.0000000001"),
            (Unit::Usd, "1e9"),
            (Unit::Usd, "99999999999999999999"),
        ] {
            let fault = granted(unit, text).unwrap_err();
            assert!(fault.message.starts_with(&format!("`{text}` is no amount of ")), "{}", fault.message);
        }
    }

    fn bounded_by(rule: Option<&str>, by_execution: bool) -> Bounded {
        let policy = PolicyRef::new("BudgetPolicy", "run");
        let rule = rule.map(str::to_owned);
        Bounded { policy, subject: None, rule, by_execution, mode: BudgetMode::HardStop, limits: Vec::new() }
    }

    fn tokens(window: Window) -> Limit {
        Limit { unit: Unit::Tokens, max: 5, window }
    }

    fn day() -> Window {
        Window::Calendar(Period::Day, jiff::tz::TimeZone::UTC)
    }

    #[test]
    fn a_limit_of_executions_counts_in_theirs_and_no_other_does() {
        let (whole, each) = (bounded_by(None, false), bounded_by(None, true));
        let id = crate::model::types::RequestId(uuid::Uuid::from_u128(7));
        let team: Arc<str> = "Team/red".into();
        let of = |subject, execution| Account::new(&whole.policy, Unit::Tokens, subject, execution);
        for (account, is_execution) in
            [(of(Some(&team), None), false), (of(Some(&team), Some(id)), true), (of(None, Some(id)), true)]
        {
            assert_eq!(counts_in(&account, &tokens(Window::Execution), &whole), is_execution, "{account}");
            assert_eq!(counts_in(&account, &tokens(day()), &whole), !is_execution, "{account}");
            assert_eq!(counts_in(&account, &tokens(day()), &each), is_execution, "{account}");
        }
    }

    #[test]
    fn a_rule_counts_in_its_own_accounts_and_in_no_other_rules() {
        let (first, eleventh) = (bounded_by(Some("rules[1]"), false), bounded_by(Some("rules[11]"), false));
        let id = crate::model::types::RequestId(uuid::Uuid::from_u128(7));
        for (execution, window) in [(None, day()), (Some(id), Window::Execution)] {
            let subject: Arc<str> = "EgressGateway/default/rules[1]".into();
            let account = Account::new(&first.policy, Unit::Tokens, Some(&subject), execution);
            let limit = tokens(window);
            assert!(counts_in(&account, &limit, &first), "{account}");
            assert!(!counts_in(&account, &limit, &eleventh), "{account}");
        }
    }
}
