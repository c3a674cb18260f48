//! The policy folder: whether it loads, whether it is in force, and whether it knows the workloads.
//!
//! Pure: what the loader said comes in.

use ipnet::IpNet;

use super::facts::Seen;
use crate::operate::api::Check;

/// Agents that one sentence names.
const NAMED: usize = 5;

/// A set that loads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Set {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Documents in it.
    pub documents: u64,
    /// The networks of each agent that is known by one.
    pub agents: Vec<(String, Vec<IpNet>)>,
    /// What the loader warns of.
    pub warnings: u64,
}

/// What was seen of policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The folder.
    pub folder: String,
    /// How the commands that read it name the settings: empty for those in the usual place.
    pub settings: String,
    /// What stands in it, or how it does not load.
    pub set: Seen<Result<Set, String>>,
    /// Digest of the set in force, where the daemon says it.
    pub in_force: Option<String>,
    /// The workloads' networks.
    pub subnets: Vec<IpNet>,
}

/// Judges policy.
pub fn judge(policy: &Policy) -> Vec<Check> {
    let mut checks = vec![set(policy)];
    if let Seen::Is(Ok(set)) = &policy.set {
        checks.push(agents(set, &policy.subnets));
    }
    checks
}

fn set(policy: &Policy) -> Check {
    const NAME: &str = "policy";
    let validate = format!("clawgress validate{}", policy.settings);
    match (&policy.set, &policy.in_force) {
        (Seen::Is(Err(why)), in_force) => {
            let then = if in_force.is_some() {
                "the last good set stays in force"
            } else {
                "a start enforces the last good set, or refuses everything"
            };
            Check::fail(NAME, format!("`{}` does not load ({why}): {then}", policy.folder), validate)
        }
        (Seen::Is(Ok(set)), Some(digest)) if *digest != set.digest => Check::warn(
            NAME,
            format!("`{}` has changed and is not in force yet", policy.folder),
            "clawgress reload",
        ),
        (Seen::Is(Ok(set)), in_force) => {
            let state = if in_force.is_some() { "in force" } else { "loads" };
            let warned = match set.warnings {
                0 => String::new(),
                several => format!(", {several} of them with a warning ({validate})"),
            };
            Check::ok(NAME, format!("{} documents, {state}{warned}", set.documents))
        }
        (Seen::Absent, _) => {
            Check::fail(NAME, format!("there is no folder `{}`", policy.folder), "clawgress init")
        }
        (Seen::Hidden(why), _) => Check::skip(NAME, format!("`{}` cannot be read: {why}", policy.folder)),
    }
}

/// Whoever is no agent gets nothing, and an agent behind none of the interfaces never comes.
fn agents(set: &Set, subnets: &[IpNet]) -> Check {
    const NAME: &str = "policy.agents";
    if set.agents.is_empty() {
        return Check::warn(
            NAME,
            "no document says who an agent is: every workload is refused as `identity.unknown`",
            "add a document of kind Agent with the workload's address (clawgress schema Agent)",
        );
    }
    let inside = |net: &IpNet| subnets.iter().any(|subnet| subnet.contains(net) || net.contains(subnet));
    let lost: Vec<&str> = set
        .agents
        .iter()
        .filter(|(_, nets)| !nets.is_empty() && !nets.iter().any(inside))
        .map(|(name, _)| name.as_str())
        .take(NAMED)
        .collect();
    if lost.is_empty() {
        return Check::ok(NAME, format!("{} known, each in the workloads' networks", set.agents.len()));
    }
    Check::warn(
        NAME,
        format!(
            "the addresses of {} lie in no network of spec.intercept.subnets: nobody is taken for them",
            lost.join(", ")
        ),
        "correct spec.sources.addresses of these agents, or spec.intercept.subnets",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState::{Fail, Ok, Skip, Warn};

    fn good() -> Policy {
        let agents = vec![("alice".into(), vec!["10.77.0.2/32".parse().unwrap()])];
        Policy {
            folder: "/etc/clawgress/policies.d".into(),
            settings: String::new(),
            set: Seen::Is(Result::Ok(Set { digest: "sha256:1".into(), documents: 3, agents, warnings: 0 })),
            in_force: Some("sha256:1".into()),
            subnets: vec!["10.77.0.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn a_set_in_force_passes_and_one_that_waits_is_reloaded() {
        assert!(judge(&good()).iter().all(|check| check.state == Ok));
        let check = judge(&Policy { in_force: Some("sha256:2".into()), ..good() }).remove(0);
        assert_eq!((check.state, check.repair.as_deref()), (Warn, Some("clawgress reload")));
        let check = judge(&Policy { in_force: None, ..good() }).remove(0);
        assert_eq!((check.state, &*check.found), (Ok, "3 documents, loads"));
    }

    #[test]
    fn a_folder_that_does_not_load_or_is_not_there_fails() {
        let set = Seen::Is(Err("2 errors in 1 of 7 files".into()));
        let check = judge(&Policy { set, settings: " --config /x.yaml".into(), ..good() }).remove(0);
        assert_eq!(
            (check.state, check.repair.as_deref()),
            (Fail, Some("clawgress validate --config /x.yaml"))
        );
        assert!(check.found.contains("2 errors in 1 of 7 files") && check.found.contains("last good set"));
        assert_eq!(judge(&Policy { set: Seen::Absent, ..good() }).remove(0).state, Fail);
        assert_eq!(judge(&Policy { set: Seen::Hidden("no".into()), ..good() }).remove(0).state, Skip);
    }

    #[test]
    fn agents_that_nobody_can_be_are_named() {
        let of = |agents| {
            let set = Set { digest: "sha256:1".into(), documents: 1, agents, warnings: 0 };
            judge(&Policy { set: Seen::Is(Result::Ok(set)), ..good() }).remove(1)
        };
        assert_eq!(of(vec![]).state, Warn);
        let lost = of(vec![("bob".into(), vec!["10.78.0.2/32".parse().unwrap()])]);
        assert_eq!(lost.state, Warn);
        assert!(lost.found.contains("bob"), "{}", lost.found);
        assert_eq!(of(vec![("pool".into(), vec!["10.0.0.0/8".parse().unwrap()])]).state, Ok);
        assert_eq!(of(vec![("token".into(), vec![])]).state, Ok, "known by something else");
    }
}
