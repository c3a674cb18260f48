//! `clawgress doctor` on hosts on which one thing is wrong: it is named, and the command that is printed mends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::probes::{OPEN, UPSTREAM, alice_with_network, at, call, lab, who_is_there};
use crate::lab::daemon::{BINARY, prepare};
use crate::lab::program::Finished;
use crate::lab::topology::ip;
use crate::lab::{Lab, Zone};

fn settings(lab: &Lab) -> std::path::PathBuf {
    prepare(lab, &json!({}), &[("all.yaml", &alice_with_network())])
}

/// `clawgress doctor NAMES -o json` where no daemon answers.
fn alone(lab: &Lab, config: &Path, names: &[&str]) -> Finished {
    let nobody = lab.folder().join("nobody.sock");
    let command = lab.gateway().command(BINARY).arg("doctor").args(names).args(["-o", "json", "--config"]);
    command.arg(config).env("CLAWGRESS_SOCKET", nobody).run()
}

fn check(found: &Finished, name: &str) -> Value {
    let checks = found.json();
    let checks = checks.as_array().expect("a list");
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check `{name}` among {checks:#?}")).clone()
}

/// Runs what a check prints as its repair, as an administrator would copy it.
fn mend(lab: &Lab, repair: &str) {
    lab.gateway().command("sh").args(["-ec", repair]).run().succeeded();
}

fn repair(check: &Value) -> &str {
    check["repair"].as_str().unwrap_or_else(|| panic!("no repair: {check}"))
}

/// One thing that is wrong, the check that finds it, how bad it is and what it was before.
fn is_named_and_mended(lab: &Lab, config: &Path, name: &str, state: &str, repaired: impl Fn(&str) -> String) {
    let found = alone(lab, config, &[name]);
    let broken = check(&found, name);
    assert_eq!(broken["state"], state, "{broken}");
    assert_eq!(found.code(), i32::from(state == "fail"), "{found}");
    mend(lab, &repaired(repair(&broken)));
    let mended = check(&alone(lab, config, &[name]), name);
    assert_eq!(mended["state"], "ok", "after `{}`: {mended}", repair(&broken));
}

fn as_printed(repair: &str) -> String {
    repair.to_owned()
}

#[test]
fn settings_of_the_kernel_are_mended_by_what_is_printed() {
    let lab = lab();
    let config = settings(&lab);
    lab.gateway().set("net/ipv4/ip_forward", "0");
    is_named_and_mended(&lab, &config, "forwarding.ipv4", "fail", as_printed);
    lab.gateway().set("net/ipv4/conf/agents0/route_localnet", "1");
    is_named_and_mended(&lab, &config, "route-localnet.agents0", "warn", as_printed);
    lab.gateway().set("net/ipv4/conf/all/accept_redirects", "1");
    is_named_and_mended(&lab, &config, "baseline.sysctl", "warn", as_printed);
}

#[test]
fn a_strict_way_back_is_named_once_there_are_two_ways_out() {
    let lab = lab();
    let config = settings(&lab);
    lab.gateway().set("net/ipv4/conf/outside/rp_filter", "1");
    assert_eq!(check(&alone(&lab, &config, &["rp-filter"]), "rp-filter")["state"], "ok");
    ip(
        Some(lab.gateway()),
        "link add second type bridge
         link set second up
         addr add 198.51.100.1/24 dev second
         route add default via 198.51.100.2 metric 200\n",
    );
    is_named_and_mended(&lab, &config, "rp-filter", "warn", as_printed);
}

#[test]
fn a_host_without_a_way_out_is_told_to_have_one() {
    let lab = lab();
    let config = settings(&lab);
    ip(Some(lab.gateway()), "route del default\n");
    let found = check(&alone(&lab, &config, &["route"]), "route.default");
    assert_eq!(found["state"], "warn", "IPv6 has one: {found}");
    lab.gateway().command("ip").args(["-6", "route", "del", "default"]).run().succeeded();
    let found = check(&alone(&lab, &config, &["route"]), "route.default");
    assert_eq!((&found["state"], repair(&found)), (&json!("fail"), "ip route add default via ROUTER"));
    mend(&lab, &repair(&found).replace("ROUTER", "192.0.2.10"));
    is_named_and_mended(&lab, &config, "route.default", "warn", |repair| {
        repair.replace("ROUTER", "2001:db8:1::10")
    });
}

#[test]
fn a_firewall_that_drops_what_is_intercepted_is_named_and_what_is_printed_lets_it_in() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let _resolver = lab.resolver(Zone::new());
    let answers = || call(lab.workload(), &at(UPSTREAM[0], OPEN)).is_ok();
    let nft = |rules: &str| lab.gateway().command("nft").arg(rules).run().succeeded();
    assert!(answers());
    // As hosts have it that let in ssh alone.
    nft(
        "table inet mine { chain incoming { type filter hook input priority 0; policy drop; ct state established,related accept; iifname lo accept; tcp dport 22 accept; }; }",
    );
    assert!(!answers(), "a drop in any chain is final");
    let found = check(&daemon.cli(&["doctor", "firewall", "-o", "json"]), "firewall.inet.mine.incoming");
    assert_eq!(found["state"], "fail", "{found}");
    mend(&lab, repair(&found));
    assert!(answers(), "after {found}");
    let found = daemon.cli(&["doctor", "firewall", "-o", "json"]);
    assert_eq!((found.code(), &check(&found, "firewall")["state"]), (0, &json!("ok")));
}

#[test]
fn what_ufw_does_is_told_as_it_happens() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    // The chains of ufw 0.36 by their names, with `ufw allow in on agents0` given.
    let ufw = |first: &str| {
        format!(
            "table ip filter {{ chain ufw-not-local {{ fib daddr type local return; drop; }}; \
             chain ufw-user-input {{ iifname agents0 accept; }}; \
             chain ufw-before-input {{ {first} iifname lo accept; ct state related,established accept; jump ufw-not-local; jump ufw-user-input; }}; \
             chain INPUT {{ type filter hook input priority 0; policy drop; jump ufw-before-input; }}; }}"
        )
    };
    let nft = |rules: &str| lab.gateway().command("nft").arg(rules).run().succeeded();
    let answers = || call(lab.workload(), &at(UPSTREAM[0], OPEN)).is_ok();
    nft(&ufw(""));
    assert!(!answers(), "what is not addressed to this host is dropped before what is allowed");
    let found = check(&daemon.cli(&["doctor", "firewall", "-o", "json"]), "firewall.ufw");
    assert_eq!(found["state"], "fail");
    assert!(
        repair(&found).contains("-A ufw-before-input -i agents0 -j ACCEPT")
            && repair(&found).ends_with("ufw reload"),
        "{found}"
    );
    // What the printed command makes of it, where ufw is there to read its files.
    nft("delete table ip filter");
    nft(&ufw("iifname agents0 accept;"));
    assert!(answers());
    let found = daemon.cli(&["doctor", "firewall", "-o", "json"]);
    assert_eq!(check(&found, "firewall")["state"], "ok", "{found}");
}

#[test]
fn a_redirect_of_the_same_traffic_is_removed_by_its_handle() {
    let lab = lab();
    let config = settings(&lab);
    let nft = |rules: &str| lab.gateway().command("nft").arg(rules).run().succeeded();
    nft(
        "table ip proxy { chain pre { type nat hook prerouting priority dstnat; iifname agents0 tcp dport 443 redirect to :8443; }; }",
    );
    let found = check(&alone(&lab, &config, &["firewall"]), "firewall.ip.proxy.pre");
    assert_eq!(found["state"], "fail", "{found}");
    let (command, _) = repair(&found).split_once(';').expect("a command, and what to do then");
    mend(&lab, command);
    assert_eq!(check(&alone(&lab, &config, &["firewall"]), "firewall")["state"], "ok");
}

#[test]
fn a_rule_that_was_deleted_is_put_back_by_what_is_printed() {
    let lab = lab();
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let delete = || {
        let listed =
            lab.gateway().command("nft").args(["-a", "list", "chain", "inet", "clawgress", "forward"]);
        let listed = listed.run().succeeded();
        let handle = listed
            .lines()
            .find(|line| line.contains("goto refuse"))
            .and_then(|line| line.split("handle ").last());
        let handle = handle.unwrap_or_else(|| panic!("no rule in {listed}")).trim().to_owned();
        let gone = ["delete", "rule", "inet", "clawgress", "forward", "handle", &handle];
        lab.gateway().command("nft").args(gone).run().succeeded();
    };
    assert_eq!(check(&daemon.cli(&["doctor", "rules", "-o", "json"]), "rules")["state"], "ok");
    delete();
    let found = check(&daemon.cli(&["doctor", "rules", "-o", "json"]), "rules");
    assert_eq!((&found["state"], repair(&found)), (&json!("fail"), "clawgress reload"), "{found}");
    daemon.cli(&["reload"]).succeeded();
    assert_eq!(check(&daemon.cli(&["doctor", "rules", "-o", "json"]), "rules")["state"], "ok");

    // Without the daemon the table is compared from here.
    assert_eq!(daemon.terminate(), 0);
    let config = daemon.config().to_owned();
    assert_eq!(check(&alone(&lab, &config, &["rules"]), "rules")["state"], "ok");
    delete();
    let found = check(&alone(&lab, &config, &["rules"]), "rules");
    assert_eq!(
        (&found["state"], repair(&found)),
        (&json!("fail"), "systemctl restart clawgressd"),
        "{found}"
    );
    lab.gateway().command("nft").args(["delete", "table", "inet", "clawgress"]).run().succeeded();
    let found = check(&alone(&lab, &config, &["rules"]), "rules");
    assert_eq!(found["state"], "fail", "nothing keeps workloads in: {found}");
    daemon.start_again();
    assert_eq!(check(&daemon.cli(&["doctor", "rules", "-o", "json"]), "rules")["state"], "ok");
}

#[test]
fn a_policy_folder_that_does_not_load_is_named_with_and_without_the_daemon() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let config = daemon.config().to_owned();
    assert_eq!(check(&daemon.cli(&["doctor", "policy", "-o", "json"]), "policy")["state"], "ok");
    daemon.write_policy("more.yaml", "kind: Nonsense\n");
    for found in [daemon.cli(&["doctor", "policy", "-o", "json"]), alone(&lab, &config, &["policy"])] {
        let found = check(&found, "policy");
        assert_eq!(found["state"], "fail");
        let (validate, path) = repair(&found).split_once(" --config ").expect("a command with its settings");
        assert_eq!((validate, Path::new(path)), ("clawgress validate", config.as_path()));
    }
    daemon.remove_policy("more.yaml");
    assert_eq!(check(&alone(&lab, &config, &["policy"]), "policy")["state"], "ok");
    daemon.write_policy("lost.yaml", "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {name: lost}\nspec: {sources: {addresses: [10.99.0.2/32]}}\n");
    let found = check(&alone(&lab, &config, &["policy"]), "policy.agents");
    assert!(
        found["state"] == "warn" && found["found"].as_str().is_some_and(|text| text.contains("lost")),
        "{found}"
    );
}

#[test]
fn a_state_folder_that_is_read_only_is_mounted_again() {
    let lab = lab();
    let config = settings(&lab);
    let state = lab.folder().join("gateway/state");
    fs::create_dir_all(&state).expect("a folder");
    // `ip netns exec` gives its program mounts of its own: they are gone with it.
    let within = |then: &str| {
        let script = format!(
            "mount -t tmpfs -o size=1g none {0} && mount -o remount,ro {0} && {then} \"$0\" doctor disk -o json --config \"$1\"",
            state.display()
        );
        let shell = lab.gateway().command("sh").args(["-c", &script, BINARY]).arg(&config);
        shell.env("CLAWGRESS_SOCKET", lab.folder().join("nobody.sock")).run()
    };
    let found = within("");
    let broken = check(&found, "disk");
    assert_eq!((found.code(), &broken["state"]), (1, &json!("fail")));
    let mended = check(&within(&format!("{} &&", repair(&broken))), "disk");
    assert_eq!(mended["state"], "ok", "after {broken}");
}

#[test]
fn files_that_are_open_to_others_are_shut_and_a_second_daemon_is_told_from_the_first() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let config = daemon.config().to_owned();
    fs::set_permissions(daemon.state(), fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(config.with_file_name("policies.d"), fs::Permissions::from_mode(0o777))
        .expect("a mode");
    is_named_and_mended(&lab, &config, "files", "fail", as_printed);

    let mut other = lab.gateway().command("bash").args(["-c", "exec -a clawgressd sleep 600"]).start();
    let found = crate::lab::backends::eventually("two daemons", || {
        let found = check(&daemon.cli(&["doctor", "daemon", "-o", "json"]), "daemon");
        (found["state"] == "fail").then_some(found)
    });
    assert_eq!(repair(&found), format!("kill {}", other.pid().as_raw_nonzero()), "the daemon itself stays");
    mend(&lab, repair(&found));
    assert!(other.wait(std::time::Duration::from_secs(20)));
    assert_eq!(check(&daemon.cli(&["doctor", "daemon", "-o", "json"]), "daemon")["state"], "ok");
}

#[test]
fn who_may_not_look_is_told_so_and_nothing_is_called_broken_for_it() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new());
    let config = settings(&lab);
    let powerless = ["--bounding-set=-all", "--inh-caps=-all", BINARY, "doctor", "-o", "json", "--config"];
    let program = lab.gateway().command("setpriv").args(powerless).arg(&config);
    let found = program.env("CLAWGRESS_SOCKET", lab.folder().join("nobody.sock")).run();
    assert_eq!(found.code(), 0, "{found}");
    for name in ["kernel", "rules", "firewall", "capabilities.CAP_NET_ADMIN"] {
        let check = check(&found, name);
        assert_eq!(check["state"], "skip", "{check}");
    }
    assert!(found.text().contains("sudo clawgress doctor"), "{found}");
}

#[test]
fn every_check_has_its_line_in_the_documentation() {
    let lab = lab();
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md")).expect("docs/doctor.md");
    let checks = daemon.cli(&["doctor", "-o", "json"]).json();
    let names: Vec<&str> =
        checks.as_array().expect("a list").iter().filter_map(|check| check["name"].as_str()).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        // `dns.192.0.2.53:53` is explained as `dns.SERVER`.
        let subject = name.split('.').next().unwrap_or(name);
        let told = [format!("`{name}`"), format!("`{subject}.*`"), format!("`{subject}.")];
        assert!(told.iter().any(|words| text.contains(words)), "docs/doctor.md does not explain `{name}`");
    }
}

#[test]
fn without_settings_the_host_is_looked_at_all_the_same_and_init_is_named() {
    let lab = lab();
    let found = alone(&lab, &lab.folder().join("nowhere.yaml"), &[]);
    let missing = check(&found, "settings");
    assert_eq!((found.code(), repair(&missing)), (1, "clawgress init"));
    check(&found, "clock");
    check(&found, "baseline.system");
    let table = lab
        .gateway()
        .command(BINARY)
        .args(["doctor", "settings", "--config"])
        .arg(lab.folder().join("no.yaml"));
    let table = table.env("CLAWGRESS_SOCKET", lab.folder().join("nobody.sock")).run();
    assert!(table.text().trim_end().ends_with("1 check failed; first settings: clawgress init"), "{table}");
    alone(&lab, &lab.folder().join("nowhere.yaml"), &["nonsense"]).failed_with(2);
}
