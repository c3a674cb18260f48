//! Whether this host can intercept: one named result per condition, with what was found and the command that mends it.
//!
//! The daemon runs these at start and `clawgress doctor` prints them. Looks only, and changes nothing: the kernel's
//! abilities are tried with `nft --check`. Whether the ports are free shows when they are bound.

mod kernel;
mod settings;
mod networks;

use super::LOG_GROUP;
use super::links;
use super::ruleset::Interception;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Works, with a consequence that should be known.
    Warn,
    /// Interception does not work, or not safely.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Stable name, such as `forwarding.ipv4`.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, in one sentence.
    pub found: String,
    /// The command that mends it; absent where nothing needs mending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Ok, found: found.into(), repair: None }
    }

    fn warn(name: impl Into<String>, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Warn, found: found.into(), repair: Some(repair.into()) }
    }

    fn fail(name: impl Into<String>, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Fail, found: found.into(), repair: Some(repair.into()) }
    }
}

/// Every failed check with its repair, as the one message with which the daemon refuses to start; absent where none
/// failed.
pub fn refusal(checks: &[Check]) -> Option<String> {
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Fail)
        .map(|check| match &check.repair {
            Some(repair) => format!("{}: {}\nhint: {repair}", check.name, check.found),
            None => format!("{}: {}", check.name, check.found),
        })
        .collect();
    (!failed.is_empty()).then(|| format!("this host cannot intercept:\n{}", failed.join("\n")))
}

/// Runs all checks in the network namespace of the calling thread.
pub async fn run(wanted: &Interception) -> Vec<Check> {
    let mut checks = kernel::privileges();
    checks.extend(kernel::nftables(wanted));
    checks.extend(settings::forwarding(wanted));
    checks.extend(settings::marks());
    checks.push(settings::ports());
    checks.extend(settings::icmp_rate());
    match links::interfaces().await {
        Ok(found) => {
            checks.extend(networks::interfaces(wanted, &found));
            checks.extend(networks::bridges(wanted, &found));
        }
        Err(error) => checks.push(Check::fail(
            "interfaces",
            format!("the kernel does not list its interfaces: {error}"),
            "setcap cap_net_admin+ep or start as root",
        )),
    }
    checks.extend(wanted.interfaces.iter().filter_map(|interface| settings::source_mark(interface)));
    checks
}

/// Whether what the kernel drops can be put on record: by the outcome of listening to it.
pub fn drops<E: std::fmt::Display>(listening: Result<(), E>) -> Check {
    const NAME: &str = "drops";
    match listening {
        Ok(()) => Check::ok(NAME, "what the kernel drops goes on record"),
        Err(error) => Check::warn(
            NAME,
            format!("what the kernel drops is counted and not recorded: log group {LOG_GROUP}: {error}"),
            "modprobe nfnetlink_log; ss --netlink --all shows who else listens",
        ),
    }
}
