//! The host's own baseline, as the architecture names it: Ubuntu 24.04, security updates, AppArmor, SSH, journald, tools.
//!
//! Pure: what stands in files comes in. None of it keeps the gateway from working, so nothing here is more than a warning.

use super::facts::Seen;
use crate::operate::api::Check;

/// Systems that everything is tried on: id and version of os-release(5).
const TRIED: [(&str, &str); 3] = [("ubuntu", "24.04"), ("debian", "12"), ("debian", "13")];

/// Settings of sshd(8) that let people in too easily, with their value where nothing is said.
const SSH: [(&str, &str, &[&str]); 3] = [
    (
        "PermitRootLogin",
        "prohibit-password",
        &["no", "prohibit-password", "without-password", "forced-commands-only"],
    ),
    ("PasswordAuthentication", "yes", &["no"]),
    ("PermitEmptyPasswords", "no", &["no"]),
];

/// What was seen of the rest of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    /// `id` and `version_id` of os-release(5).
    pub system: Seen<(String, String)>,
    /// Whether unattended upgrades are switched on; absent where they are not installed.
    pub upgrades: Seen<bool>,
    /// Whether the kernel enforces AppArmor.
    pub apparmor: Seen<bool>,
    /// Settings of sshd, names in lower case, the first of each; absent where there is no sshd.
    pub ssh: Seen<Vec<(String, String)>>,
    /// Whether the journal of systemd outlives a restart.
    pub journal: Seen<bool>,
    /// What carries logs away, where something known is installed.
    pub shipper: Option<String>,
    /// Whether conntrack(8) is installed.
    pub conntrack: bool,
}

/// Judges the rest of the host.
pub fn judge(host: &Baseline) -> Vec<Check> {
    vec![
        system(&host.system),
        upgrades(&host.upgrades),
        apparmor(&host.apparmor),
        ssh(&host.ssh),
        logs(host),
        tools(host.conntrack),
    ]
}

fn system(seen: &Seen<(String, String)>) -> Check {
    const NAME: &str = "baseline.system";
    match seen {
        Seen::Is((id, version)) if TRIED.contains(&(id.as_str(), version.as_str())) => {
            Check::ok(NAME, format!("{id} {version}"))
        }
        Seen::Is((id, version)) => Check::warn(
            NAME,
            format!("{id} {version}: Clawgress is tried on Ubuntu 24.04, Debian 12 and Debian 13"),
            "run the gateway on one of these, or run its tests here: sudo make test",
        ),
        Seen::Absent => Check::skip(NAME, "there is no /etc/os-release"),
        Seen::Hidden(why) => Check::skip(NAME, format!("/etc/os-release cannot be read: {why}")),
    }
}

fn upgrades(seen: &Seen<bool>) -> Check {
    const NAME: &str = "baseline.upgrades";
    match seen {
        Seen::Is(true) => Check::ok(NAME, "security updates come by themselves"),
        Seen::Is(false) => Check::warn(
            NAME,
            "unattended-upgrades is installed and switched off",
            "printf 'APT::Periodic::Update-Package-Lists \"1\";\\nAPT::Periodic::Unattended-Upgrade \"1\";\\n' > /etc/apt/apt.conf.d/20auto-upgrades",
        ),
        Seen::Absent => Check::warn(
            NAME,
            "nothing installs security updates by itself",
            "apt-get install -y unattended-upgrades",
        ),
        Seen::Hidden(why) => Check::skip(NAME, format!("the settings of apt cannot be read: {why}")),
    }
}

fn apparmor(seen: &Seen<bool>) -> Check {
    const NAME: &str = "baseline.apparmor";
    match seen {
        Seen::Is(true) => Check::ok(NAME, "the kernel enforces it"),
        Seen::Is(false) | Seen::Absent => Check::warn(
            NAME,
            "the kernel does not enforce AppArmor: the daemon's unit confines it all the same",
            "apt-get install -y apparmor && systemctl enable --now apparmor",
        ),
        Seen::Hidden(why) => {
            Check::skip(NAME, format!("the kernel does not say whether it enforces it: {why}"))
        }
    }
}

fn ssh(seen: &Seen<Vec<(String, String)>>) -> Check {
    const NAME: &str = "baseline.ssh";
    let set = match seen {
        Seen::Is(set) => set,
        Seen::Absent => return Check::ok(NAME, "no sshd is installed"),
        Seen::Hidden(why) => return Check::skip(NAME, format!("the settings of sshd cannot be read: {why}")),
    };
    let value = |name: &str, default: &'static str| {
        let name = name.to_ascii_lowercase();
        set.iter().find(|(key, _)| *key == name).map_or(default.to_owned(), |(_, value)| value.clone())
    };
    let lax: Vec<_> =
        SSH.iter().filter(|(name, default, good)| !good.contains(&value(name, default).as_str())).collect();
    if lax.is_empty() {
        return Check::ok(NAME, "people come in with keys, and root with none or keys alone");
    }
    let found: Vec<String> =
        lax.iter().map(|(name, default, _)| format!("{name} {}", value(name, default))).collect();
    let lines: String = lax.iter().map(|(name, _, good)| format!("{name} {}\\n", good[0])).collect();
    Check::warn(
        NAME,
        format!("sshd lets people in too easily: {}", found.join(", ")),
        format!("printf '{lines}' > /etc/ssh/sshd_config.d/00-clawgress.conf && systemctl reload ssh"),
    )
}

fn logs(host: &Baseline) -> Check {
    const NAME: &str = "baseline.logs";
    match (&host.journal, &host.shipper) {
        (Seen::Is(false), _) => Check::warn(
            NAME,
            "the journal of systemd is lost at a restart",
            "mkdir -p /var/log/journal && systemctl restart systemd-journald",
        ),
        (Seen::Is(true), Some(shipper)) => Check::ok(NAME, format!("kept, and carried away by {shipper}")),
        (Seen::Is(true), None) => Check::warn(
            NAME,
            "the journal is kept, and nothing known carries it to another machine",
            "apt-get install -y systemd-journal-remote && systemctl enable --now systemd-journal-upload, with URL= in /etc/systemd/journal-upload.conf",
        ),
        (Seen::Absent, _) => Check::skip(NAME, "there is no journald here"),
        (Seen::Hidden(why), _) => Check::skip(NAME, format!("the journal's folder cannot be seen: {why}")),
    }
}

fn tools(conntrack: bool) -> Check {
    const NAME: &str = "baseline.tools";
    if conntrack {
        Check::ok(NAME, "nft and conntrack are installed")
    } else {
        Check::warn(
            NAME,
            "conntrack(8) is missing, for whoever has to look at connections",
            "apt-get install -y conntrack",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState::{self, Ok, Skip, Warn};

    fn good() -> Baseline {
        Baseline {
            system: Seen::Is(("ubuntu".into(), "24.04".into())),
            upgrades: Seen::Is(true),
            apparmor: Seen::Is(true),
            ssh: Seen::Is(vec![("passwordauthentication".into(), "no".into())]),
            journal: Seen::Is(true),
            shipper: Some("rsyslog".into()),
            conntrack: true,
        }
    }

    fn of(host: &Baseline, name: &str) -> Check {
        judge(host).into_iter().find(|check| check.name == name).unwrap()
    }

    fn state(host: &Baseline, name: &str) -> CheckState {
        of(host, name).state
    }

    #[test]
    fn a_host_after_the_baseline_passes() {
        assert!(judge(&good()).iter().all(|check| check.state == Ok), "{:?}", judge(&good()));
    }

    #[test]
    fn what_a_host_lacks_is_named_with_the_command_that_mends_it() {
        let bad = Baseline {
            system: Seen::Is(("fedora".into(), "42".into())),
            upgrades: Seen::Absent,
            apparmor: Seen::Is(false),
            ssh: Seen::Is(vec![("permitrootlogin".into(), "yes".into())]),
            journal: Seen::Is(false),
            shipper: None,
            conntrack: false,
        };
        assert!(judge(&bad).iter().all(|check| check.state == Warn), "{:?}", judge(&bad));
        let ssh = of(&bad, "baseline.ssh");
        assert!(ssh.found.ends_with("PermitRootLogin yes, PasswordAuthentication yes"), "{}", ssh.found);
        assert!(
            ssh.repair.unwrap().starts_with("printf 'PermitRootLogin no\\nPasswordAuthentication no\\n' > ")
        );
        let off = Baseline { upgrades: Seen::Is(false), ..good() };
        assert!(of(&off, "baseline.upgrades").repair.unwrap().contains("20auto-upgrades"));
        assert_eq!(state(&Baseline { shipper: None, ..good() }, "baseline.logs"), Warn);
    }

    #[test]
    fn what_cannot_be_seen_is_not_judged_and_who_has_no_sshd_needs_no_settings() {
        let hidden = || "not permitted".to_owned();
        let host = Baseline {
            system: Seen::Hidden(hidden()),
            upgrades: Seen::Hidden(hidden()),
            apparmor: Seen::Hidden(hidden()),
            ssh: Seen::Hidden(hidden()),
            journal: Seen::Hidden(hidden()),
            ..good()
        };
        let names = ["system", "upgrades", "apparmor", "ssh", "logs"];
        assert!(names.iter().all(|name| state(&host, &format!("baseline.{name}")) == Skip));
        assert_eq!(state(&Baseline { ssh: Seen::Absent, ..good() }, "baseline.ssh"), Ok);
    }
}
