//! The daemon's process and its unit: one of it, without core dumps, its memory not written to disk, the unit as shipped.
//!
//! Pure: what stands in /proc and /etc comes in.

use super::facts::Seen;
use crate::operate::api::Check;

/// Open files with which all that is shipped works (the unit has LimitNOFILE=1048576).
const FILES: u64 = 65_536;

/// A place that memory may be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// The device or file.
    pub name: String,
    /// Whether what is in it is lost or unreadable when the machine is off: zram, or a device that is encrypted.
    pub safe: bool,
}

/// What was seen of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Daemon {
    /// Processes that are a daemon of ours in this network namespace.
    pub processes: Seen<Vec<u32>>,
    /// The one that answers commands.
    pub serving: Option<u32>,
    /// Its limits: bytes of a core dump, open files. Absent where none runs.
    pub limits: Seen<(u64, u64)>,
    /// Where memory may be written to.
    pub swaps: Seen<Vec<Swap>>,
    /// Whether its unit keeps it out of there.
    pub never_swapped: bool,
    /// In which profile of AppArmor it runs; absent where none is installed for it, or it does not run.
    pub profile: Seen<String>,
    /// Files that change or replace the unit; absent where no unit is installed.
    pub overrides: Seen<Vec<String>>,
}

/// Judges the daemon.
pub fn judge(daemon: &Daemon) -> Vec<Check> {
    let mut checks = vec![processes(daemon), unit(&daemon.overrides)];
    checks.extend(limits(&daemon.limits));
    checks.push(swap(daemon));
    checks.extend(profile(&daemon.profile));
    checks
}

fn processes(daemon: &Daemon) -> Check {
    const NAME: &str = "daemon";
    let found = match &daemon.processes {
        Seen::Is(found) => found,
        Seen::Absent => return Check::skip(NAME, "no processes can be seen"),
        Seen::Hidden(why) => return Check::skip(NAME, format!("no processes can be seen: {why}")),
    };
    let named = |pids: &[u32]| pids.iter().map(ToString::to_string).collect::<Vec<_>>();
    match found.as_slice() {
        [] => Check::warn(NAME, "does not run", "systemctl enable --now clawgressd"),
        [one] => Check::ok(NAME, format!("runs (process {one})")),
        several => {
            let stays = daemon.serving.filter(|pid| several.contains(pid)).unwrap_or(several[0]);
            let others: Vec<u32> = several.iter().copied().filter(|pid| *pid != stays).collect();
            Check::fail(
                NAME,
                format!(
                    "{} run in this network namespace (processes {}), and take turns at connections",
                    several.len(),
                    named(several).join(", ")
                ),
                format!("kill {}", named(&others).join(" ")),
            )
        }
    }
}

fn unit(seen: &Seen<Vec<String>>) -> Check {
    const NAME: &str = "unit";
    match seen {
        Seen::Is(found) if found.is_empty() => Check::ok(NAME, "as it was installed"),
        Seen::Is(found) => Check::warn(
            NAME,
            format!("changed on this host by {}: hardening that is gone there is gone", found.join(", ")),
            "systemctl cat clawgressd shows the whole; systemctl revert clawgressd takes the changes back",
        ),
        Seen::Absent => Check::skip(NAME, "no unit clawgressd.service is installed"),
        Seen::Hidden(why) => Check::skip(NAME, format!("units cannot be read: {why}")),
    }
}

fn limits(seen: &Seen<(u64, u64)>) -> Vec<Check> {
    const NAMES: [&str; 2] = ["core-dumps", "open-files"];
    let (core, files) = match seen {
        Seen::Is(limits) => *limits,
        Seen::Absent => return vec![],
        Seen::Hidden(why) => {
            return NAMES
                .map(|name| Check::skip(name, format!("the daemon's limits cannot be read: {why}")))
                .into();
        }
    };
    let core = match core {
        0 => Check::ok(NAMES[0], "off"),
        _ => Check::fail(
            NAMES[0],
            "on: a crash would write credentials to disk",
            "systemctl edit clawgressd, and remove LimitCORE; then systemctl restart clawgressd",
        ),
    };
    let files = if files < FILES {
        Check::warn(
            NAMES[1],
            format!("{files}: a connection takes two, and four more while bytes are spliced"),
            "systemctl revert clawgressd && systemctl restart clawgressd; started by hand, ulimit -n 1048576 before it",
        )
    } else {
        Check::ok(NAMES[1], format!("{files}"))
    };
    vec![core, files]
}

fn profile(seen: &Seen<String>) -> Option<Check> {
    const NAME: &str = "apparmor";
    match seen {
        Seen::Is(profile) if profile.ends_with("(enforce)") => Some(Check::ok(NAME, profile.clone())),
        Seen::Is(profile) if profile.ends_with("(complain)") => Some(Check::warn(
            NAME,
            format!("{profile}: what the profile forbids is logged and done"),
            "aa-enforce clawgressd",
        )),
        Seen::Is(_) => Some(Check::warn(
            NAME,
            "a profile is installed for the daemon, and it does not run in it",
            "systemctl reload apparmor && systemctl restart clawgressd",
        )),
        Seen::Absent => None,
        Seen::Hidden(why) => Some(Check::skip(NAME, format!("the daemon's profile cannot be read: {why}"))),
    }
}

/// What is written to a swap device stays there: keys of the vault among it.
fn swap(daemon: &Daemon) -> Check {
    const NAME: &str = "swap";
    match &daemon.swaps {
        Seen::Is(swaps) => {
            let open: Vec<&str> =
                swaps.iter().filter(|swap| !swap.safe).map(|swap| swap.name.as_str()).collect();
            match (open.as_slice(), daemon.never_swapped) {
                ([], _) if swaps.is_empty() => Check::ok(NAME, "none"),
                ([], _) => Check::ok(NAME, "in memory or encrypted"),
                (_, true) => Check::ok(NAME, "the daemon is kept out of it"),
                (open, false) => Check::warn(
                    NAME,
                    format!(
                        "{} is not encrypted: what agents send, and keys on their way, may be written there (the vault itself \
                         is locked in memory)",
                        open.join(", ")
                    ),
                    "systemctl set-property clawgressd.service MemorySwapMax=0",
                ),
            }
        }
        Seen::Absent => Check::skip(NAME, "/proc/swaps is not there"),
        Seen::Hidden(why) => Check::skip(NAME, format!("/proc/swaps cannot be read: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState::{Fail, Ok, Skip, Warn};

    fn good() -> Daemon {
        Daemon {
            processes: Seen::Is(vec![7]),
            serving: Some(7),
            limits: Seen::Is((0, 1_048_576)),
            swaps: Seen::Is(vec![]),
            never_swapped: false,
            profile: Seen::Is("clawgressd (enforce)".into()),
            overrides: Seen::Is(vec![]),
        }
    }

    fn found(daemon: &Daemon, name: &str) -> Check {
        judge(daemon).into_iter().find(|check| check.name == name).unwrap()
    }

    #[test]
    fn one_daemon_is_right_none_is_said_and_two_are_one_too_many() {
        assert!(judge(&good()).iter().all(|check| check.state == Ok), "{:?}", judge(&good()));
        assert_eq!(found(&Daemon { processes: Seen::Is(vec![]), ..good() }, "daemon").state, Warn);
        let check = found(&Daemon { processes: Seen::Is(vec![7, 9, 11]), ..good() }, "daemon");
        assert_eq!((check.state, check.repair.as_deref()), (Fail, Some("kill 9 11")));
        let check =
            found(&Daemon { processes: Seen::Is(vec![7, 9, 11]), serving: Some(9), ..good() }, "daemon");
        assert_eq!(check.repair.as_deref(), Some("kill 7 11"), "the one that answers stays");
    }

    #[test]
    fn a_unit_that_was_changed_is_named() {
        let overrides = Seen::Is(vec!["/etc/systemd/system/clawgressd.service.d/override.conf".into()]);
        let check = found(&Daemon { overrides, ..good() }, "unit");
        assert_eq!(check.state, Warn);
        assert!(check.found.contains("override.conf"));
        assert_eq!(found(&Daemon { overrides: Seen::Absent, ..good() }, "unit").state, Skip);
    }

    #[test]
    fn core_dumps_and_few_files_are_named_and_limits_that_are_hidden_are_not_judged() {
        let daemon = Daemon { limits: Seen::Is((u64::MAX, 1024)), ..good() };
        assert_eq!((found(&daemon, "core-dumps").state, found(&daemon, "open-files").state), (Fail, Warn));
        let daemon = Daemon { limits: Seen::Hidden("no".into()), ..good() };
        assert_eq!((found(&daemon, "core-dumps").state, found(&daemon, "open-files").state), (Skip, Skip));
        assert!(
            judge(&Daemon { limits: Seen::Absent, ..good() }).iter().all(|check| check.name != "core-dumps")
        );
    }

    #[test]
    fn a_daemon_outside_its_profile_is_named() {
        let of = |profile: Seen<String>| {
            judge(&Daemon { profile, ..good() }).into_iter().find(|check| check.name == "apparmor")
        };
        assert_eq!(of(Seen::Is("clawgressd (complain)".into())).unwrap().state, Warn);
        assert_eq!(of(Seen::Is("unconfined".into())).unwrap().state, Warn);
        assert_eq!(of(Seen::Hidden("no".into())).unwrap().state, Skip);
        assert_eq!(of(Seen::Absent), None);
    }

    #[test]
    fn memory_goes_to_no_disk_that_keeps_it() {
        let swap = |name: &str, safe| Swap { name: name.into(), safe };
        let of =
            |swaps, never_swapped| found(&Daemon { swaps: Seen::Is(swaps), never_swapped, ..good() }, "swap");
        assert_eq!(of(vec![swap("/dev/zram0", true)], false).state, Ok);
        let check = of(vec![swap("/dev/zram0", true), swap("/swap.img", false)], false);
        assert_eq!(
            (check.state, check.repair.as_deref()),
            (Warn, Some("systemctl set-property clawgressd.service MemorySwapMax=0"))
        );
        assert_eq!(of(vec![swap("/swap.img", false)], true).state, Ok);
        assert_eq!(found(&Daemon { swaps: Seen::Hidden("no".into()), ..good() }, "swap").state, Skip);
    }
}
