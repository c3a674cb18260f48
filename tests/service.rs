//! The systemd unit: systemd understands it, it gives no more capabilities than it explains, and it stays hardened.

use std::process::Command;

use crate::architecture::root;

const UNIT: &str = "systemd/clawgressd.service";

/// The exposure that `systemd-analyze security` may find at most, from 0.0 (none) to 10.0, in tenths. It is 17 with
/// systemd 252; other versions weigh a little differently.
const EXPOSURE_TENTHS: u32 = 20;

fn unit() -> String {
    std::fs::read_to_string(root().join(UNIT)).expect("the unit")
}

/// The values of a setting, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The unit with programs that are there, in a folder of its own.
fn copy() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clawgressd.service");
    let text = unit().replace("/usr/sbin/clawgressd", "/bin/true").replace("/usr/bin/clawgress", "/bin/true");
    std::fs::write(&path, text).expect("a copy of the unit");
    (folder, path.display().to_string())
}

fn analyze(arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new("systemd-analyze").args(arguments).output().expect("systemd-analyze (package systemd)");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn systemd_understands_the_unit() {
    let (_folder, path) = copy();
    let (fine, said) = analyze(&["verify", "--man=no", &path]);
    assert!(fine && !said.contains("clawgressd.service"), "{said}");
}

#[test]
fn before_the_daemon_come_the_rules_then_forwarding_and_no_failure_keeps_the_daemon_from_saying_why() {
    let unit = unit();
    let before = values(&unit, "ExecStartPre");
    let [rules, forwarding, settings] = before[..] else { panic!("three steps: {before:?}") };
    let daemon = values(&unit, "ExecStart")[0];
    // As the daemon's own user: what stands in its folder is not to be trusted by root.
    assert_eq!(rules, format!("-{daemon} --place-rules"));
    assert_eq!(forwarding, format!("-+{daemon} --forward"));
    assert!(settings.starts_with("-+/usr/lib/systemd/systemd-sysctl --prefix="), "{settings}");
}

#[test]
fn the_package_sets_what_doctor_asks_for_and_does_no_harm_where_a_key_is_missing() {
    let settings =
        std::fs::read_to_string(root().join("packaging/debian/clawgress.sysctl")).expect("settings");
    let lab = crate::lab::Lab::new();
    for (key, default) in [("net/ipv4/icmp_ratemask", "6168"), ("net/ipv6/icmp/ratemask", "0-1,3-127")] {
        lab.gateway().set(key, default);
    }
    let file = lab.file("60-clawgress.conf", format!("{settings}\n-net.ipv4.no_such_key = 1\n"));
    lab.gateway().command("/usr/lib/systemd/systemd-sysctl").arg("--strict").arg(file).run().succeeded();
    let config = crate::lab::daemon::prepare(&lab, &serde_json::json!({}), &[]);
    let doctor = lab.gateway().command(crate::lab::daemon::BINARY);
    let checks = doctor.args(["doctor", "-o", "json", "--config"]).arg(config).run().json();
    let rate = checks.as_array().expect("a list").iter().find(|check| check["name"] == "icmp-rate");
    assert_eq!(rate.expect("a check")["state"], "ok", "{checks}");
    // The unit applies these two at each start, whatever file they stand in.
    for prefix in
        values(&unit(), "ExecStartPre")[2].split(' ').filter_map(|word| word.strip_prefix("--prefix="))
    {
        assert!(settings.contains(&format!("-{} = ", prefix.replace('/', "."))), "{prefix}");
    }
    assert!(
        !settings.lines().any(|line| line.contains("forward") && !line.starts_with('#')),
        "not without rules"
    );
}

#[test]
fn the_unit_is_hardened() {
    let (_folder, path) = copy();
    let threshold = EXPOSURE_TENTHS.to_string();
    let (fine, said) =
        analyze(&["security", "--offline=true", "--no-pager", &format!("--threshold={threshold}"), &path]);
    assert!(fine, "exposed more than {threshold} tenths:\n{said}");
}

#[test]
fn the_unit_asks_for_the_master_key_by_name_and_leaves_no_core() {
    let unit = unit();
    // With a path a credential that is not there would be a failure.
    assert_eq!(values(&unit, "LoadCredentialEncrypted"), ["clawgress-master-key"]);
    assert_eq!(values(&unit, "LimitCORE"), ["0"]);
}

#[test]
fn the_daemon_gets_three_capabilities_and_its_own_user() {
    let unit = unit();
    for key in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        assert_eq!(values(&unit, key), ["CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW"], "{key}");
    }
    assert_eq!((values(&unit, "User"), values(&unit, "Group")), (vec!["clawgress"], vec!["clawgress"]));
    assert_eq!(values(&unit, "Type"), ["notify"]);
    assert!(!values(&unit, "WatchdogSec").is_empty());
    assert!(
        values(&unit, "Before").contains(&"network-pre.target"),
        "no packet is routed before the rules stand"
    );
}
