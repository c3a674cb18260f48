//! A host that is not ready: the daemon says so in one message that names the repair, and `doctor` prints the same.

use std::path::Path;

use serde_json::json;

use super::probes::{alice_with_network, lab};
use crate::lab::daemon::{BINARY, attempt, prepare};
use crate::lab::program::Finished;
use crate::lab::{Lab, Zone};

/// EX_UNAVAILABLE of sysexits.h: the host is not ready.
const NOT_READY: i32 = 69;

fn settings(lab: &Lab, more: &serde_json::Value) -> std::path::PathBuf {
    prepare(lab, more, &[("all.yaml", &alice_with_network())])
}

fn doctor(lab: &Lab, config: &Path) -> Finished {
    // Where no daemon answers, the command checks from here.
    let nobody = lab.folder().join("nobody.sock");
    lab.gateway()
        .command(BINARY)
        .args(["doctor", "--config"])
        .arg(config)
        .env("CLAWGRESS_SOCKET", nobody)
        .run()
}

/// The daemon refuses to start for this check, with this repair; `doctor` fails and prints both.
fn refuses(lab: &Lab, config: &Path, check: &str, repair: &str) {
    let daemon = attempt(lab, config);
    let said = daemon.failed_with(NOT_READY);
    assert!(said.contains(&format!("{check}: ")), "names the check `{check}`: {said}");
    assert!(said.contains(&format!("hint: {repair}")), "names the repair `{repair}`: {said}");
    assert_eq!(said.matches("this host cannot intercept").count(), 1, "one message: {said}");
    let doctor = doctor(lab, config);
    assert_eq!(doctor.code(), 1, "{doctor}");
    let text = doctor.text();
    let failed =
        text.lines().find(|line| line.starts_with("fail")).unwrap_or_else(|| panic!("no failure: {text}"));
    assert!(failed.contains(check), "{text}");
    assert!(text.contains(&format!("repair: {repair}")), "{text}");
    let last = text.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("1 check failed; first ") && last.ends_with(repair), "{text}");
}

#[test]
fn a_ready_host_passes_every_check_with_and_without_the_daemon() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new());
    let config = settings(&lab, &json!({}));
    let alone = doctor(&lab, &config);
    alone.succeeded();
    assert!(alone.errors().contains("no daemon answers"), "{alone}");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let asked = daemon.cli(&["doctor", "-o", "json"]);
    asked.succeeded();
    let checks = asked.json();
    let names: Vec<_> =
        checks.as_array().expect("a list").iter().filter_map(|check| check["name"].as_str()).collect();
    for name in ["nft", "kernel", "forwarding.ipv4", "forwarding.ipv6", "ports", "interface.agents0"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
        assert!(alone.text().contains(name), "{alone}");
    }
    assert!(checks.as_array().expect("a list").iter().all(|check| check["state"] != "fail"), "{checks}");
}

#[test]
fn without_forwarding_the_daemon_does_not_start() {
    for (key, check, repair) in [
        ("net/ipv4/ip_forward", "forwarding.ipv4", "sysctl -w net.ipv4.ip_forward=1"),
        ("net/ipv6/conf/all/forwarding", "forwarding.ipv6", "sysctl -w net.ipv6.conf.all.forwarding=1"),
    ] {
        let lab = lab();
        let _resolver = lab.resolver(Zone::new());
        let config = settings(&lab, &json!({}));
        lab.gateway().set(key, "0");
        refuses(&lab, &config, check, repair);
        lab.gateway().set(key, "1");
        doctor(&lab, &config).succeeded();
    }
}

#[test]
fn settings_of_the_host_that_break_interception_in_silence_are_found() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new());
    let config = settings(&lab, &json!({}));
    for (key, check, repair) in [
        (
            "net/ipv4/tcp_fwmark_accept",
            "marks.ipv4.tcp_fwmark_accept",
            "sysctl -w net.ipv4.tcp_fwmark_accept=0",
        ),
        (
            "net/ipv4/conf/agents0/src_valid_mark",
            "src-valid-mark.agents0",
            "sysctl -w net.ipv4.conf.all.src_valid_mark=0 net.ipv4.conf.agents0.src_valid_mark=0",
        ),
        (
            "net/bridge/bridge-nf-call-iptables",
            "bridge.bridge-nf-call-iptables",
            "sysctl -w net.bridge.bridge-nf-call-iptables=0",
        ),
        (
            "net/bridge/bridge-nf-call-ip6tables",
            "bridge.bridge-nf-call-ip6tables",
            "sysctl -w net.bridge.bridge-nf-call-ip6tables=0",
        ),
    ] {
        // Only where br_netfilter is loaded are there the last two, and a danger.
        if !lab.gateway().enter(|| Path::new("/proc/sys").join(key).exists()) {
            assert!(key.starts_with("net/bridge/"), "no `{key}`");
            continue;
        }
        lab.gateway().set(key, "1");
        refuses(&lab, &config, check, repair);
        lab.gateway().set(key, "0");
    }
    doctor(&lab, &config).succeeded();
}

#[test]
fn a_missing_interface_and_one_that_is_down_are_named() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new());
    let config = settings(&lab, &json!({"intercept": {"interfaces": ["agents0", "agents9"]}}));
    refuses(&lab, &config, "interface.agents9", "ip link; then name it in spec.intercept.interfaces");
    let config = settings(&lab, &json!({}));
    crate::lab::topology::ip(Some(lab.gateway()), "link set agents0 down\n");
    refuses(&lab, &config, "interface.agents0", "ip link set agents0 up");
}

#[test]
fn listener_ports_that_outgoing_connections_may_take_are_a_refusal() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new());
    let config = settings(&lab, &json!({}));
    lab.gateway().set("net/ipv4/ip_local_port_range", "10000 60999");
    lab.gateway().set("net/ipv4/ip_local_reserved_ports", "8080");
    refuses(&lab, &config, "ports", "sysctl -w net.ipv4.ip_local_reserved_ports=8080,13053,13128,13129");
    lab.gateway().set("net/ipv4/ip_local_reserved_ports", "8080,13053,13128,13129");
    doctor(&lab, &config).succeeded();
}

#[test]
fn without_nft_the_daemon_names_the_package() {
    let lab = lab();
    let config = settings(&lab, &json!({}));
    // `ip netns exec` gives its program a view of the file system of its own: only there is the folder empty.
    let hidden = "mount -t tmpfs none /usr/sbin && PATH=/usr/bin exec \"$0\" \"$@\"";
    let with = |command: &str| {
        let program = lab.gateway().command("sh").args(["-c", hidden, BINARY, command, "--config"]);
        program.arg(&config).env("CLAWGRESS_SOCKET", lab.folder().join("nobody.sock")).run()
    };
    let said = with("daemon").failed_with(NOT_READY);
    assert!(said.contains("nft: cannot run `nft`") && said.contains("hint: apt install nftables"), "{said}");
    let doctor = with("doctor");
    assert_eq!(doctor.code(), 1, "{doctor}");
    assert!(doctor.text().contains("repair: apt install nftables"), "{doctor}");
}

#[test]
fn a_start_that_is_refused_leaves_the_network_as_it_was() {
    let lab = lab();
    let config = settings(&lab, &json!({}));
    lab.gateway().set("net/ipv4/ip_forward", "0");
    attempt(&lab, &config).failed_with(NOT_READY);
    let rules = lab.gateway().command("nft").args(["list", "tables"]).run().succeeded();
    assert_eq!(rules, "", "no rules without a daemon");
    let routes = lab.gateway().command("ip").args(["rule"]).run().succeeded();
    assert!(!routes.contains("8385"), "{routes}");
}

#[test]
fn who_is_told_that_the_daemon_is_ready_may_stop_it_at_once() {
    let lab = Lab::new();
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    for _ in 0..10 {
        // Killed by the signal it would not end by itself, and its last records would be lost.
        assert_eq!(daemon.terminate(), 0);
        daemon.start_again();
    }
}
