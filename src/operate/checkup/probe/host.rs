//! The clock, and the settings of other programs.

use std::path::Path;

use super::super::baseline::Baseline;
use super::super::clock::Clock;
use super::super::facts::Seen;
use super::files;
use crate::platform::sys;

/// Programs that carry logs to another machine, and where they are.
const SHIPPERS: [(&str, &str); 7] = [
    ("vector", "/usr/bin/vector"),
    ("fluent-bit", "/opt/fluent-bit/bin/fluent-bit"),
    ("filebeat", "/usr/share/filebeat/bin/filebeat"),
    ("promtail", "/usr/bin/promtail"),
    ("alloy", "/usr/bin/alloy"),
    ("otelcol", "/usr/bin/otelcol"),
    ("systemd-journal-upload", "/lib/systemd/systemd-journal-upload"),
];

pub fn clock() -> Clock {
    Clock {
        kept: Seen::of(sys::clock::kept()),
        chrony: Path::new("/usr/sbin/chronyd").exists(),
        timesyncd: Path::new("/lib/systemd/systemd-timesyncd").exists(),
    }
}

pub fn baseline() -> Baseline {
    Baseline {
        system: files::text("/etc/os-release").map(|text| system(&text)),
        upgrades: upgrades(),
        apparmor: files::text("/sys/module/apparmor/parameters/enabled").map(|text| text.trim() == "Y"),
        ssh: ssh(),
        journal: match Path::new("/run/systemd/journal").exists() {
            true => Seen::Is(Path::new("/var/log/journal").exists()),
            false => Seen::Absent,
        },
        shipper: shipper(),
        conntrack: ["/usr/sbin/conntrack", "/sbin/conntrack"].iter().any(|path| Path::new(path).exists()),
    }
}

fn system(text: &str) -> (String, String) {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    (value("ID"), value("VERSION_ID"))
}

fn upgrades() -> Seen<bool> {
    if !Path::new("/usr/bin/unattended-upgrade").exists() {
        return Seen::Absent;
    }
    let mut on = false;
    for path in files::entries("/etc/apt/apt.conf.d", "") {
        match files::text(&path) {
            Seen::Is(text) => on = switched(&text).unwrap_or(on),
            Seen::Hidden(why) => return Seen::Hidden(why),
            Seen::Absent => {}
        }
    }
    Seen::Is(on)
}

/// `APT::Periodic::Unattended-Upgrade "1";`, the last one of a file.
fn switched(text: &str) -> Option<bool> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let mut values = lines.filter_map(|line| line.strip_prefix("APT::Periodic::Unattended-Upgrade"));
    let value = values.next_back()?;
    Some(!matches!(value.trim().trim_end_matches(';').trim_matches('"'), "0" | "never" | ""))
}

/// What sshd_config(5) and the files beside it say: the first of each setting counts, those beside come first, and what
/// stands in a `Match` is for some alone.
fn ssh() -> Seen<Vec<(String, String)>> {
    let main = match files::text("/etc/ssh/sshd_config") {
        Seen::Is(text) => text,
        Seen::Absent => return Seen::Absent,
        Seen::Hidden(why) => return Seen::Hidden(why),
    };
    let mut texts = Vec::new();
    if main.lines().any(|line| line.trim_start().to_ascii_lowercase().starts_with("include ")) {
        for path in files::entries("/etc/ssh/sshd_config.d", ".conf") {
            match files::text(&path) {
                Seen::Is(text) => texts.push(text),
                Seen::Hidden(why) => return Seen::Hidden(why),
                Seen::Absent => {}
            }
        }
    }
    texts.push(main);
    Seen::Is(texts.iter().flat_map(|text| set_for_all(text)).collect())
}

fn set_for_all(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = lines.map(|line| {
        let (key, value) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
        (key.to_ascii_lowercase(), value.trim().trim_matches('"').to_ascii_lowercase())
    });
    words.take_while(|(key, _)| key != "match").collect()
}

fn shipper() -> Option<String> {
    let known =
        SHIPPERS.iter().find(|(_, path)| Path::new(path).exists()).map(|(name, _)| (*name).to_owned());
    known.or_else(|| {
        // By itself it writes files here; what it sends away it is told in its settings.
        let mut settings = files::entries("/etc/rsyslog.d", ".conf");
        settings.push("/etc/rsyslog.conf".into());
        let sends = |text: &str| {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
            lines
                .into_iter()
                .any(|line| line.contains("omfwd") || line.contains(" @") || line.contains("\t@"))
        };
        let sent = settings.iter().any(|path| files::text(path).is().is_some_and(|text| sends(text)));
        sent.then(|| "rsyslog".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_other_programs_are_read_as_they_read_them() {
        assert_eq!(
            system("NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"24.04\"\n"),
            ("ubuntu".into(), "24.04".into())
        );
        assert_eq!(switched("APT::Periodic::Unattended-Upgrade \"1\";"), Some(true));
        assert_eq!(switched("// APT::Periodic::Unattended-Upgrade \"1\";\n"), None);
        assert_eq!(switched("APT::Periodic::Unattended-Upgrade \"0\";"), Some(false));
        let set = set_for_all(
            "# x\nPermitRootLogin No\nPasswordAuthentication\tno\nMatch User a\nPermitRootLogin yes\n",
        );
        assert_eq!(
            set,
            [("permitrootlogin".into(), "no".into()), ("passwordauthentication".into(), "no".into())]
        );
    }
}
