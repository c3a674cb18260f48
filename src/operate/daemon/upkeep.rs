//! Looks after what changes with time, and after what others may take away: authorities follow one another; network managers sweep policy rules that are not theirs, and a firewall's
//! reload may flush the whole ruleset. What is missing is put back, and that is recorded.

use std::sync::Arc;
use std::time::Duration;

use super::authorities;
use super::backend::Operator;
use crate::perceive::intercept::apply::Applied;
use crate::perceive::intercept::routes;

/// How often the routes are looked at, which costs a few messages to the kernel. Without them intercepted packets are
/// dropped in silence: nothing passes, and workloads wait.
const ROUTES_EVERY: Duration = Duration::from_secs(2);
/// After how many looks at the routes the rules are looked at too, which costs a run of `nft`. Without them the host
/// forwards as it is told to, so their loss is an alarm.
const RULES_EVERY: u32 = 15;

/// Runs until the daemon ends.
pub async fn run(operator: Arc<Operator>) {
    let ipv6 = operator.settings.config.intercept.subnets.iter().any(|subnet| subnet.network().is_ipv6());
    for look in 1_u32.. {
        tokio::time::sleep(ROUTES_EVERY).await;
        let shared = operator.shared.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || authorities::tend(&shared)).await {
            tracing::error!(%error, "the authorities were not looked after");
        }
        match routes::ensure(ipv6).await {
            Ok(routes::Routes::Unchanged) => {}
            Ok(routes::Routes::Added) => restored(&operator, "routes"),
            Err(error) => tracing::error!(%error, "the routes of interception cannot be looked after"),
        }
        if look % RULES_EVERY != 0 {
            continue;
        }
        let mending = operator.clone();
        match tokio::task::spawn_blocking(move || mending.mend_rules()).await {
            Ok(Ok(Applied::Unchanged)) => {}
            Ok(Ok(Applied::Written)) => restored(&operator, "rules"),
            Ok(Err(error)) => tracing::error!(%error, "the rules of interception cannot be looked after"),
            Err(error) => tracing::error!(%error, "the rules of interception were not looked at"),
        }
    }
}

/// Looks at both at once, for an operator who asks. Blocks.
pub fn mend(operator: &Operator) {
    match operator.mend_rules() {
        Ok(Applied::Unchanged) => {}
        Ok(Applied::Written) => restored(operator, "rules"),
        Err(error) => tracing::error!(%error, "the rules of interception could not be put in place"),
    }
    match operator.mend_routes() {
        Ok(routes::Routes::Unchanged) => {}
        Ok(routes::Routes::Added) => restored(operator, "routes"),
        Err(error) => tracing::error!(%error, "the routes of interception could not be put in place"),
    }
}

fn restored(operator: &Operator, what: &str) {
    tracing::warn!("the {what} of interception were missing or changed, and are back");
    operator.shared.ledger.system("interception-restored", what, None);
}
