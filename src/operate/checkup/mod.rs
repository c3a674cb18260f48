//! `clawgress doctor`: what the gateway needs of this host, looked up and judged.
//!
//! `probe` looks things up and changes nothing; every other file judges what was looked up, and is pure. What the daemon alone
//! can know it tells itself (`daemon/backend.rs`). Read next: `facts.rs`, then a subject.

pub mod facts;
pub mod upkeep;
pub mod network;
pub mod firewall;
pub mod names;
pub mod policy;
pub mod state;
pub mod certificates;
pub mod daemon;
pub mod clock;
pub mod baseline;
mod probe;

pub use probe::Question;

use super::api::{Check, CheckState};
use facts::Facts;

/// A subject: what it is called, and what it says of the facts.
type Subject = (&'static str, fn(&Facts) -> Vec<Check>);

/// The subjects, in the order in which their checks are printed.
const SUBJECTS: [Subject; 10] = [
    ("upkeep", |facts| facts.upkeep.as_ref().map(upkeep::judge).unwrap_or_default()),
    ("network", |facts| facts.network.as_ref().map(network::judge).unwrap_or_default()),
    ("firewall", |facts| facts.firewall.as_ref().map(firewall::judge).unwrap_or_default()),
    ("names", |facts| facts.names.as_ref().map(names::judge).unwrap_or_default()),
    ("policy", |facts| facts.policy.as_ref().map(policy::judge).unwrap_or_default()),
    ("state", |facts| facts.state.as_ref().map(state::judge).unwrap_or_default()),
    ("certificates", |facts| facts.certificates.as_ref().map(certificates::judge).unwrap_or_default()),
    ("daemon", |facts| daemon::judge(&facts.daemon)),
    ("clock", |facts| clock::judge(&facts.clock)),
    ("baseline", |facts| baseline::judge(&facts.baseline)),
];

/// Every check that this process can make, those of interception first.
pub async fn run(question: &Question) -> Vec<Check> {
    let mut checks = probe::settings(question);
    checks.extend(probe::interception(question).await);
    let facts = probe::facts(question).await;
    checks.extend(SUBJECTS.iter().flat_map(|(_, judge)| judge(&facts)));
    checks
}

/// The checks of both, the daemon's where both have one of a name: it knows more of itself, and this process sees more of
/// the host than a daemon in its sandbox.
pub fn together(daemon: Vec<Check>, own: Vec<Check>) -> Vec<Check> {
    let (mut all, mut more) = (daemon, own);
    more.retain(|check| !all.iter().any(|known| known.name == check.name && known.state != CheckState::Skip));
    all.retain(|known| !more.iter().any(|check| check.name == known.name));
    all.extend(more);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_is_believed_where_it_has_looked_and_this_process_for_the_rest() {
        let daemon = vec![Check::ok("kernel", "daemon"), Check::skip("disk", "daemon")];
        let own = vec![Check::fail("kernel", "own", ""), Check::ok("disk", "own"), Check::ok("clock", "own")];
        let all = together(daemon, own);
        let told: Vec<_> = all.iter().map(|check| (&*check.name, &*check.found)).collect();
        assert_eq!(told, [("kernel", "daemon"), ("disk", "own"), ("clock", "own")]);
    }

    #[test]
    fn without_settings_the_host_is_judged_all_the_same() {
        let facts = Facts::default();
        let names: Vec<String> =
            SUBJECTS.iter().flat_map(|(_, judge)| judge(&facts)).map(|check| check.name).collect();
        for name in ["daemon", "clock", "baseline.ssh"] {
            assert!(names.iter().any(|found| found == name), "{name} is missing: {names:?}");
        }
        assert!(!names.iter().any(|name| name == "rules"), "{names:?}");
    }
}
