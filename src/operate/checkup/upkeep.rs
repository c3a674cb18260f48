//! Whether the rules and routes of interception are there and as they were written.
//!
//! Pure. The daemon knows, where it answers; without it the table is read and compared, but for what policy fills.

use super::facts::Seen;
use crate::model::types::FailMode;
use crate::operate::api::{Check, Setup};

/// What was seen of the rules and routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    /// The table of rules, and what differs where it does.
    pub rules: Seen<(Setup, Vec<String>)>,
    /// The policy rules and routes.
    pub routes: Seen<Setup>,
    /// Whether the daemon answers.
    pub runs: bool,
    /// Whether it has run on this host before.
    pub ran: bool,
    /// What is to become of workloads while it does not.
    pub fail_mode: FailMode,
}

/// Judges rules and routes.
pub fn judge(upkeep: &Upkeep) -> Vec<Check> {
    vec![rules(upkeep), routes(upkeep)]
}

/// What puts both in place.
fn repair(upkeep: &Upkeep) -> &'static str {
    if upkeep.runs { "clawgress reload" } else { "systemctl restart clawgressd" }
}

fn rules(upkeep: &Upkeep) -> Check {
    const NAME: &str = "rules";
    match &upkeep.rules {
        Seen::Is((Setup::InPlace, _)) => Check::ok(NAME, "in place, as written"),
        Seen::Is((Setup::Differs, differences)) => {
            let what = differences.first().map_or(String::new(), |first| format!(": {}", shortened(first)));
            Check::fail(NAME, format!("changed by somebody since they were written{what}"), repair(upkeep))
        }
        Seen::Is((Setup::Absent, _)) | Seen::Absent => absent(upkeep),
        Seen::Hidden(why) => Check::skip(NAME, format!("the rules cannot be listed: {why}")),
    }
}

fn absent(upkeep: &Upkeep) -> Check {
    const NAME: &str = "rules";
    match (upkeep.runs, upkeep.ran, upkeep.fail_mode) {
        (true, ..) => Check::fail(NAME, "missing: nothing is intercepted", repair(upkeep)),
        (false, true, FailMode::Closed) => Check::fail(
            NAME,
            "missing, though `failMode` is `closed`: without the daemon nothing keeps workloads in",
            repair(upkeep),
        ),
        (false, true, FailMode::Open) => Check::warn(
            NAME,
            "missing: workloads pass without the daemon, as `failMode: open` says",
            repair(upkeep),
        ),
        (false, false, _) => Check::warn(
            NAME,
            "not written yet: the first start of the daemon does",
            "systemctl enable --now clawgressd",
        ),
    }
}

fn routes(upkeep: &Upkeep) -> Check {
    const NAME: &str = "routes";
    match &upkeep.routes {
        Seen::Is(Setup::InPlace) => Check::ok(NAME, "in place"),
        Seen::Is(_) | Seen::Absent if upkeep.runs => Check::fail(
            NAME,
            "the policy rule or route is missing: intercepted packets are refused instead of handed over",
            repair(upkeep),
        ),
        Seen::Is(_) | Seen::Absent => {
            Check::ok(NAME, "not needed while the daemon is not there; its start adds them")
        }
        Seen::Hidden(why) => Check::skip(NAME, format!("the routes cannot be listed: {why}")),
    }
}

/// A difference may hold a whole rule.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState::{Fail, Ok, Skip, Warn};

    fn good() -> Upkeep {
        Upkeep {
            rules: Seen::Is((Setup::InPlace, vec![])),
            routes: Seen::Is(Setup::InPlace),
            runs: true,
            ran: true,
            fail_mode: FailMode::Closed,
        }
    }

    fn states(upkeep: &Upkeep) -> Vec<crate::operate::api::CheckState> {
        judge(upkeep).iter().map(|check| check.state).collect()
    }

    #[test]
    fn rules_in_place_pass_with_and_without_the_daemon() {
        assert_eq!(states(&good()), [Ok, Ok]);
        let alone = Upkeep { runs: false, routes: Seen::Is(Setup::Absent), ..good() };
        assert_eq!(states(&alone), [Ok, Ok], "routes are of use to the daemon alone");
    }

    #[test]
    fn rules_that_were_changed_fail_and_say_what_changed() {
        let rules = Seen::Is((Setup::Differs, vec!["`rule forward 3` is not ours".into()]));
        let check = judge(&Upkeep { rules, ..good() }).remove(0);
        assert_eq!((check.state, check.repair.as_deref()), (Fail, Some("clawgress reload")));
        assert!(check.found.ends_with("`rule forward 3` is not ours"), "{}", check.found);
        let rules = Seen::Is((Setup::Differs, vec![]));
        let check = judge(&Upkeep { rules, runs: false, ..good() }).remove(0);
        assert_eq!(check.repair.as_deref(), Some("systemctl restart clawgressd"));
    }

    #[test]
    fn rules_that_are_missing_matter_most_where_workloads_should_be_kept_in() {
        let of = |runs, ran, fail_mode| {
            let rules = Seen::Is((Setup::Absent, vec![]));
            judge(&Upkeep { rules, runs, ran, fail_mode, ..good() }).remove(0).state
        };
        assert_eq!(of(true, true, FailMode::Open), Fail);
        assert_eq!(of(false, true, FailMode::Closed), Fail);
        assert_eq!(of(false, true, FailMode::Open), Warn);
        assert_eq!(of(false, false, FailMode::Closed), Warn, "before the first start");
    }

    #[test]
    fn routes_that_are_missing_fail_while_the_daemon_runs_and_what_is_hidden_is_not_judged() {
        assert_eq!(states(&Upkeep { routes: Seen::Is(Setup::Absent), ..good() }), [Ok, Fail]);
        let hidden =
            Upkeep { rules: Seen::Hidden("not root".into()), routes: Seen::Hidden("x".into()), ..good() };
        assert_eq!(states(&hidden), [Skip, Skip]);
    }
}
