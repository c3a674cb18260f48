//! `clawgress init` on a real host: what it proposes, what it writes, and that the daemon runs on it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use super::probes::lab;
use crate::lab::daemon::BINARY;
use crate::lab::program::{Finished, Program};
use crate::lab::topology::ip;
use crate::lab::{Daemon, Lab, RESOLVER_V4, Zone};

fn folder(lab: &Lab) -> PathBuf {
    lab.folder().join("gateway")
}

/// The arguments that keep everything in the lab's folder.
fn places(lab: &Lab) -> Vec<String> {
    let folder = folder(lab);
    let place = |flag: &str, name: &str| [flag.to_owned(), folder.join(name).display().to_string()];
    [place("--config", "clawgress.yaml"), place("--state-dir", "state"), place("--runtime-dir", "run")]
        .concat()
}

fn init(lab: &Lab, more: &[&str]) -> Program {
    lab.gateway().command(BINARY).arg("init").args(places(lab)).args(more)
}

fn dry(lab: &Lab, more: &[&str]) -> Value {
    let found = init(lab, &[&["--dry-run", "-o", "json"], more].concat()).run();
    found.succeeded();
    found.json()
}

/// Everything below a folder, by its path from there.
fn tree(root: &Path) -> Vec<String> {
    let listed =
        std::process::Command::new("find").arg(root).args(["-type", "f", "-printf", "%P\n"]).output();
    let listed = String::from_utf8(listed.expect("find").stdout).expect("names");
    let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn a_host_with_a_bridge_is_proposed_that_bridge_and_never_the_way_out() {
    let lab = lab();
    let plan = dry(&lab, &[]);
    assert_eq!(plan["interfaces"], json!(["agents0"]), "{plan}");
    assert_eq!(plan["subnets"], json!(["10.77.0.0/24", "fd77::/64"]));
    let why = |name: &str| {
        let seen = plan["seen"].as_array().expect("a list").iter().find(|one| one["name"] == name);
        seen.unwrap_or_else(|| panic!("no {name} in {plan}"))["why"].as_str().expect("words").to_owned()
    };
    assert!(why("outside").contains("the default route leads through it"), "{}", why("outside"));
    assert!(why("port-alice").contains("a port of another interface"), "{}", why("port-alice"));
    assert_eq!(tree(&folder(&lab)), [""; 0], "nothing is written");
    let keys: Vec<_> =
        plan["sysctl"].as_array().expect("a list").iter().map(|one| one["path"].clone()).collect();
    assert!(
        keys.contains(&json!("net/ipv4/ip_forward")) && keys.contains(&json!("net/ipv6/conf/all/forwarding")),
        "{keys:?}"
    );
    let refused = init(&lab, &["--dry-run", "--interface", "outside"]).run().failed_with(1);
    assert!(refused.contains("would shut itself out"), "{refused}");
}

#[test]
fn bridges_of_runtimes_are_recognised_and_between_several_somebody_chooses() {
    let lab = lab();
    ip(
        Some(lab.gateway()),
        "link add virbr0 type bridge
         link set virbr0 up
         addr add 192.168.122.1/24 dev virbr0
         link add docker0 type bridge
         link set docker0 up
         addr add 172.17.0.1/16 dev docker0
         link del agents0\n",
    );
    let plan = dry(&lab, &[]);
    assert_eq!(plan["interfaces"], json!(["virbr0"]), "{plan}");
    ip(
        Some(lab.gateway()),
        "link add virbr1 type bridge\nlink set virbr1 up\naddr add 192.168.123.1/24 dev virbr1\n",
    );
    let refused = init(&lab, &["--yes", "--no-sysctl"]).run().failed_with(1);
    assert!(refused.contains("virbr0 or virbr1") && refused.contains("--interface NAME"), "{refused}");
    assert_eq!(dry(&lab, &["--interface", "docker0"])["subnets"], json!(["172.17.0.0/16"]));
}

#[test]
fn a_neighbour_that_was_seen_becomes_the_first_agent() {
    let lab = lab();
    lab.workload().command("ping").args(["-c", "1", "-W", "2", "10.77.0.1"]).run().succeeded();
    let plan = dry(&lab, &[]);
    assert_eq!(plan["agents"][0]["addresses"], json!(["10.77.0.2/32"]), "{plan}");
}

#[test]
fn what_is_written_is_valid_keeps_its_tests_starts_the_daemon_and_is_enforced() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new());
    let wanted = ["--yes", "--no-sysctl", "--resolver", RESOLVER_V4, "--agent", "alice=10.77.0.2,fd77::2"];
    let done = init(&lab, &wanted).run();
    done.succeeded();
    let config = folder(&lab).join("clawgress.yaml");
    let last = done.errors().trim_end().lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("next: clawgress doctor --config "), "{done}");
    let cli = |arguments: &[&str]| lab.gateway().command(BINARY).args(arguments).run();
    let path = config.to_str().expect("a path");
    cli(&["validate", "--config", path]).succeeded();
    let policies = folder(&lab).join("policies.d");
    let tested = cli(&["test", policies.to_str().expect("a path")]).succeeded();
    assert!(tested.trim_end().ends_with(" 0 failed"), "{tested}");

    let daemon = Daemon::of(&lab, &config);
    let refused = lab.workload().command("curl").args(["-sS", "-m", "10", "http://192.0.2.10/"]).run();
    assert!(
        refused.text().contains("policy.no-route") && refused.text().contains("Agent alice"),
        "{refused}"
    );
    daemon.record(
        &json!({"kind": "request", "agent_id": "alice", "decision": "deny", "reason": "policy.no-route"}),
    );
    let strange = lab.bob().command("curl").args(["-sS", "-m", "10", "http://192.0.2.10/"]).run();
    assert!(strange.text().contains("identity.unknown"), "{strange}");
    let doctor = daemon.cli(&["doctor"]);
    assert_eq!(doctor.code(), 0, "{doctor}");
}

#[test]
fn files_that_are_there_stay_unless_they_are_to_be_replaced_and_then_a_copy_is_kept() {
    let lab = lab();
    let write = |agent: &str, more: &[&str]| {
        init(&lab, &[&["--yes", "--no-sysctl", "--resolver", RESOLVER_V4, "--agent", agent], more].concat())
            .run()
    };
    write("alice=10.77.0.2", &[]).succeeded();
    let before = tree(&folder(&lab));
    assert_eq!(before.len(), 13, "{before:?}");
    write("alice=10.77.0.2", &[]).succeeded();
    assert_eq!(tree(&folder(&lab)), before, "the same again is no change");
    let refused = write("bob=10.77.0.3", &[]).failed_with(1);
    assert!(refused.contains("20-agent.yaml") && refused.contains("--force"), "{refused}");
    let agent = folder(&lab).join("policies.d/20-agent.yaml");
    assert!(fs::read_to_string(&agent).expect("a file").contains("name: alice"));
    write("bob=10.77.0.3", &["--force"]).succeeded();
    assert!(fs::read_to_string(&agent).expect("a file").contains("name: bob"));
    let copies: Vec<String> = tree(&folder(&lab)).into_iter().filter(|name| !before.contains(name)).collect();
    let copy = copies.iter().find(|name| name.starts_with("policies.d/20-agent.yaml.")).expect("a copy");
    assert!(fs::read_to_string(folder(&lab).join(copy)).expect("a file").contains("name: alice"));
    lab.gateway()
        .command(BINARY)
        .args(["validate", "--config"])
        .arg(folder(&lab).join("clawgress.yaml"))
        .run()
        .succeeded();
}

#[test]
fn what_does_not_load_is_not_written() {
    let lab = lab();
    let own = folder(&lab).join("policies.d");
    fs::create_dir_all(&own).expect("a folder");
    fs::write(
        own.join("mine.yaml"),
        "apiVersion: clawgress.io/v1alpha1\nkind: EgressGateway\nmetadata: {name: default}\nspec: {}\n",
    )
    .expect("a file");
    let refused = init(&lab, &["--yes", "--no-sysctl", "--resolver", RESOLVER_V4]).run().failed_with(1);
    assert!(refused.contains("mine.yaml") && refused.contains("nothing was written"), "{refused}");
    for wrong in [
        &["--agent", "alice=10.99.0.2"][..],
        &["--agent", "no name=10.77.0.2"],
        &["--resolver", "nonsense"],
        &["--subnet", "192.0.2.0/24"],
    ] {
        init(&lab, &[&["--yes", "--no-sysctl"], wrong].concat()).run().failed_with(1);
    }
    assert_eq!(tree(&folder(&lab)), ["policies.d/mine.yaml"]);
}

/// Runs it at a terminal of its own, on which this is typed.
fn typed(lab: &Lab, arguments: &str, typed: &str) -> Finished {
    let line = format!("{BINARY} init {} {arguments}", places(lab).join(" "));
    // Settings of the kernel go into a folder that is gone with the program: `ip netns exec` gives it mounts of its own.
    let hidden = "mount -t tmpfs none /etc/sysctl.d && script -qefc \"$0\" /dev/null; code=$?; cat /etc/sysctl.d/*; exit $code";
    lab.gateway().command("sh").args(["-c", hidden, &line]).input(typed).run()
}

#[test]
fn at_a_terminal_it_asks_and_the_kernel_is_set_after_a_yes_of_its_own() {
    let lab = lab();
    lab.gateway().set("net/ipv4/ip_forward", "0");
    let forwarding = || lab.gateway().command("cat").arg("/proc/sys/net/ipv4/ip_forward").run().succeeded();
    let wanted = format!("--resolver {RESOLVER_V4}");
    let no = typed(&lab, &wanted, "n\n");
    assert_eq!(no.code(), 1, "{no}");
    assert_eq!(tree(&folder(&lab)), [""; 0], "{no}");
    let files = typed(&lab, &wanted, "y\nn\n");
    files.succeeded();
    assert_eq!((tree(&folder(&lab)).len(), forwarding().trim()), (13, "0"), "{files}");
    assert!(files.text().contains("sysctl -w net/ipv4/ip_forward=1"), "{files}");
    let all = typed(&lab, &wanted, "y\ny\n");
    all.succeeded();
    assert_eq!(forwarding().trim(), "1", "{all}");
    assert!(all.text().contains("\n-net/ipv4/ip_forward = 1"), "what is kept for the next start: {all}");
}

#[test]
fn an_interrupt_leaves_nothing_behind_and_without_a_terminal_nobody_is_asked() {
    let lab = lab();
    let line = format!("{BINARY} init {} --no-sysctl --resolver {RESOLVER_V4}", places(&lab).join(" "));
    let mut terminal = std::process::Command::new("ip")
        .args(["netns", "exec", lab.gateway().name(), "script", "-qefc", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a terminal");
    let mut shown = Vec::new();
    let mut screen = terminal.stdout.take().expect("piped");
    let mut byte = [0];
    while !shown.ends_with(b"[y/N] ") && screen.read(&mut byte).expect("a screen") == 1 {
        shown.push(byte[0]);
    }
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.ends_with("[y/N] "), "it asks: {shown}");
    // Ctrl-C.
    let mut keyboard = terminal.stdin.take().expect("piped");
    keyboard.write_all(&[3]).expect("a keyboard");
    let rest = std::thread::spawn(move || screen.read_to_end(&mut Vec::new()));
    let ended = terminal.wait().expect("an end");
    drop(keyboard);
    let _ = rest.join();
    assert!(!ended.success(), "{shown}");
    assert_eq!(tree(&folder(&lab)), [""; 0], "{shown}");
    let refused = init(&lab, &["--resolver", RESOLVER_V4]).run().failed_with(2);
    assert!(refused.contains("--yes") && refused.contains("--dry-run"), "{refused}");
    assert_eq!(tree(&folder(&lab)), [""; 0]);
}
