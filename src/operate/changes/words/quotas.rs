//! What documents say of amounts, as sentences: one for each limit.

use super::Sentences;
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{Per, PolicyTarget, RateScope};
use crate::model::manifest::values::write_duration;
use crate::model::types::{Limit, NANODOLLARS, Period, Unit, Window};

/// `Team/red may use 2000000 tokens in each day of UTC (HardStop)`
pub(super) fn budget(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.budgets.get(name)?;
    let whose = match policy.per {
        Per::Target => policy.target.to_string(),
        Per::Execution => format!("each execution of {}", policy.target),
        Per::Agent => format!("each agent of {}", policy.target),
        Per::Team => format!("each team of {}", policy.target),
        Per::Project => format!("each project of {}", policy.target),
        Per::Route => format!("each route of {}", policy.target),
    };
    let mode = policy.mode.as_str();
    Some(policy.limits.iter().map(|limit| format!("{whose} may use {} ({mode})", most(limit))).collect())
}

fn most(limit: &Limit) -> String {
    let amount = match limit.unit {
        Unit::Usd => format!("${}", dollars(limit.max)),
        Unit::Tokens | Unit::Requests | Unit::Calls => format!("{} {}", limit.max, limit.unit.as_str()),
        Unit::Bytes => format!("{} bytes", limit.max),
        Unit::BytesUp => format!("{} bytes up", limit.max),
        Unit::BytesDown => format!("{} bytes down", limit.max),
    };
    let time = match &limit.window {
        Window::Execution => "in an execution".to_owned(),
        Window::Calendar(period, zone) => {
            format!("in each {} of {}", period.as_str(), zone.iana_name().unwrap_or("UTC"))
        }
        Window::Rolling(Period::Week) => "in any 7 days".to_owned(),
        Window::Rolling(Period::Month) => "in any 30 days".to_owned(),
        Window::Rolling(period) => format!("in any {} that has passed", period.as_str()),
    };
    format!("{amount} {time}")
}

/// Dollars with as many decimals as they need, two at least.
fn dollars(nano: u64) -> String {
    let decimals = format!("{:09}", nano % NANODOLLARS);
    let needed = decimals.trim_end_matches('0');
    format!("{}.{needed:0<2}", nano / NANODOLLARS)
}

/// `each agent of every gateway may send 60 requests in 1m`
pub(super) fn rate_limit(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.rate_limits.get(name)?;
    let each = match policy.scope {
        RateScope::PerAgent => "each agent",
        RateScope::PerExecution => "each execution",
        RateScope::PerRoute => "each route",
    };
    let window = write_duration(policy.window);
    let one =
        |target: String| format!("{each} of {target} may send {} requests in {window}", policy.requests);
    if policy.targets.is_empty() {
        return Some([one("every gateway".to_owned())].into());
    }
    Some(policy.targets.iter().map(PolicyTarget::to_string).map(one).collect())
}

/// `Agent/alice may send 1048576 bytes a second up`
pub(super) fn bandwidth(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.bandwidths.get(name)?;
    let target = &policy.target;
    let pace =
        |bytes: Option<u64>, way: &str| Some(format!("{target} may move {} bytes a second {way}", bytes?));
    let paces = pace(policy.up, "up").into_iter().chain(pace(policy.down, "down"));
    let ceilings = policy.ceilings.iter().map(|limit| format!("{target} may move {}", most(limit)));
    Some(paces.chain(ceilings).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_have_the_decimals_they_need() {
        for (nano, text) in
            [(25_000_000_000, "25.00"), (100_000_000, "0.10"), (1, "0.000000001"), (1_234_500_000, "1.2345")]
        {
            assert_eq!(dollars(nano), text);
        }
    }
}
