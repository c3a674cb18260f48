//! The vault: what operators put into it is kept, sealed, through every kind of end, and nobody finds a value anywhere.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;
use crate::lab::Daemon;
use crate::lab::backends::eventually;
use crate::lab::daemon::{BINARY, attempt};

/// Values that nobody uses anywhere.
const FIRST: &str = "lab-only-Qm7rT2vXc9-first";
const SECOND: &str = "lab-only-Jd4hW8yBn1-second";

fn set(daemon: &Daemon<'_>, arguments: &[&str], value: &str) -> String {
    daemon.program(&[&["secret", "set"], arguments].concat()).input(value).run().succeeded()
}

/// Name, key, version and whether it can be used, of each.
fn listed(daemon: &Daemon<'_>) -> Vec<(String, String, u64, bool)> {
    let list = daemon.cli(&["secret", "list", "-o", "json"]).json();
    let text = |one: &Value, field: &str| one[field].as_str().expect("a text").to_owned();
    let row = |one: &Value| {
        let (version, readable) = (one["version"].as_u64(), one["readable"].as_bool());
        (text(one, "name"), text(one, "key"), version.expect("a number"), readable.expect("a word"))
    };
    list.as_array().expect("a list").iter().map(row).collect()
}

fn row(name: &str, key: &str, version: u64) -> (String, String, u64, bool) {
    (name.to_owned(), key.to_owned(), version, true)
}

/// The ways in which a value could stand somewhere.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    let base64 = data_encoding(value.as_bytes());
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    vec![value.into(), base64.into_bytes(), hex.clone().into_bytes(), hex.to_uppercase().into_bytes()]
}

/// Base64 as `base64 -w0` has it, without its padding.
fn data_encoding(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |at: usize| digits[(0..6).fold(0, |sum, next| sum << 1 | usize::from(bit(at * 6 + next)))];
    (0..(bytes.len() * 8).div_ceil(6)).map(|at| char::from(digit(at))).collect()
}

/// The files below a folder that hold one of these spellings.
fn holding(folder: &Path, wanted: &[Vec<u8>], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a kind of file");
        if kind.is_dir() {
            holding(&path, wanted, found);
        } else if kind.is_file() {
            let bytes = fs::read(&path).expect("a file");
            let holds = |text: &Vec<u8>| bytes.windows(text.len()).any(|part| part == text.as_slice());
            found.extend(wanted.iter().any(holds).then(|| path.display().to_string()));
        }
    }
}

/// That no file of the daemon (state, ledger, journal, registry, log), no record and nothing that `/proc` shows holds a value.
fn assert_nowhere(world: &World, daemon: &Daemon<'_>, values: &[&str]) {
    let wanted: Vec<_> = values.iter().flat_map(|value| spellings(value)).collect();
    let mut found = Vec::new();
    holding(world.lab.folder(), &wanted, &mut found);
    assert!(found.is_empty(), "a value stands in {found:?}");
    let process = format!("/proc/{}", daemon.pid());
    let shown = [
        daemon.cli(&["audit", "search", "-o", "json"]).stdout,
        daemon.cli(&["secret", "list", "-o", "json"]).stdout,
        fs::read(format!("{process}/environ")).expect("an environment"),
        fs::read(format!("{process}/cmdline")).expect("a command line"),
    ];
    for bytes in shown {
        let holds = |text: &&Vec<u8>| bytes.windows(text.len()).any(|part| part == text.as_slice());
        assert_eq!(wanted.iter().find(holds), None, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_secret_is_set_replaced_listed_and_removed_on_record_and_its_value_stands_nowhere() {
    let world = World::new();
    let daemon = world.gateway("");
    assert_eq!(daemon.cli(&["secret", "list"]).errors(), "no secret is in the vault\n");
    assert_eq!(set(&daemon, &["openai"], &format!("{FIRST}\n")), "openai/value is set: version 1\n");
    assert_eq!(set(&daemon, &["aws", "--key", "id"], FIRST), "aws/id is set: version 1\n");
    assert_nowhere(&world, &daemon, &[FIRST]);
    assert_eq!(set(&daemon, &["openai"], SECOND), "openai/value is set: version 2\n");
    assert_eq!(listed(&daemon), [row("aws", "id", 1), row("openai", "value", 2)]);
    let shown = daemon.cli(&["secret", "list"]).succeeded();
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        (lines[1][0], lines[1][1], &lines[1][2..4]),
        ("openai", "value", &["version", "2"][..]),
        "{shown}"
    );
    assert_eq!(lines[1].last(), Some(&"root"), "{shown}");
    daemon.record(&json!({"kind": "admin", "action": "secret set", "object": "openai", "status": 200}));

    assert_eq!(daemon.cli(&["secret", "remove", "aws", "--key", "id"]).succeeded(), "aws/id is removed\n");
    daemon.record(&json!({"kind": "admin", "action": "secret remove", "object": "aws", "decision": "allow"}));
    let said = daemon.cli(&["secret", "remove", "aws"]).failed_with(1);
    assert!(said.contains("there is no secret `aws`") && said.contains("clawgress secret list"), "{said}");
    assert_eq!(listed(&daemon), [row("openai", "value", 2)]);
    assert_nowhere(&world, &daemon, &[FIRST, SECOND]);
}

#[test]
fn what_is_no_value_or_no_name_is_refused_and_nothing_is_set() {
    let world = World::new();
    let daemon = world.gateway("");
    let long = "x".repeat(65_537);
    for (arguments, value, why) in [
        (&["openai"][..], "", "the value is empty"),
        (&["openai"], "\n", "the value is empty"),
        (&["openai"], &long, "the value has more than 65536 bytes"),
        (&["Open AI"], FIRST, "not a name of a secret"),
        (&["openai", "--key", "a/b"], FIRST, "not a key of a secret"),
        // A value on the command line could be read by every user.
        (&["openai", "value"], "", "unexpected argument"),
    ] {
        let ended = daemon.program(&[&["secret", "set"], arguments].concat()).input(value).run();
        let said = ended.failed_with(2);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    assert_eq!(listed(&daemon), []);
    let most = "y".repeat(65_536);
    assert_eq!(set(&daemon, &["openai"], &most), "openai/value is set: version 1\n");
}

#[test]
fn what_is_set_outlives_a_crash_and_an_orderly_end() {
    let world = World::new();
    let mut daemon = world.gateway("");
    set(&daemon, &["openai"], FIRST);
    daemon.kill9();
    daemon.start_again();
    assert_eq!(listed(&daemon), [row("openai", "value", 1)]);
    set(&daemon, &["openai"], SECOND);
    daemon.terminate();
    daemon.start_again();
    assert_eq!(listed(&daemon), [row("openai", "value", 2)]);
    let checks = daemon.cli(&["doctor", "-o", "json"]).json();
    let check = checks.as_array().expect("a list").iter().find(|one| one["name"] == "master-key");
    assert_eq!(check.expect("a check of the master key")["state"], "ok", "{checks}");
    assert_nowhere(&world, &daemon, &[FIRST, SECOND]);
}

#[test]
fn documents_are_applied_all_or_none_and_mistakes_show_no_value() {
    let world = World::new();
    let daemon = world.gateway("");
    let document = |name: &str, values: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{values}\n---\n")
    };
    // 26 bytes: the last group of Base64 lacks one sign.
    let base64 = data_encoding(SECOND.as_bytes()) + "=";
    let good = document("openai", &format!("stringData: {{value: {FIRST}}}"))
        + &document("aws", &format!("data: {{id: {}}}", base64));
    let bad = good.clone() + &document("gcp", &format!("data: {{key: {FIRST}!}}\nextra: {SECOND}"));
    let apply = |text: &str| daemon.program(&["apply", "-f", "-"]).input(text).run();
    let said = apply(&bad).failed_with(1);
    for part in [
        "`key` is not Base64",
        "standard input:14:8",
        "unknown field `extra`",
        "2 errors",
        "Nothing was applied",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(!said.contains(FIRST) && !said.contains(SECOND), "{said}");
    let other = format!(
        "{good}apiVersion: clawgress.io/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: x}}\nspec: {{}}\n"
    );
    let said = apply(&other).failed_with(1);
    assert!(said.contains("`EgressPolicy` cannot be applied") && said.contains("come later"), "{said}");
    assert_eq!(listed(&daemon), []);

    let done = apply(&good).succeeded();
    assert_eq!(done, "aws/id is set: version 1\nopenai/value is set: version 1\n");
    assert_eq!(apply(&good).succeeded(), "aws/id is set: version 2\nopenai/value is set: version 2\n");
    daemon.record(&json!({"kind": "admin", "action": "secret set", "object": "openai aws", "status": 200}));
    assert_nowhere(&world, &daemon, &[FIRST, SECOND]);
}

#[test]
fn a_policy_file_that_holds_a_secret_is_refused_with_where_it_belongs_and_not_shown() {
    let world = World::new();
    let daemon = world.gateway("");
    let inline =
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: x}}, stringData: {{value: {FIRST}}}}}\n");
    daemon.write_policy("secret.yaml", &inline);
    let ended = daemon.cli(&["reload"]);
    let said = format!("{}{}", ended.failed_with(1), ended.text());
    for part in [
        "`Secret` is not accepted in policy files",
        "secret.yaml:1:",
        "clawgress apply -f FILE",
        "clawgress secret set",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(!said.contains(FIRST), "{said}");
    daemon.remove_policy("secret.yaml");
    assert_nowhere(&world, &daemon, &[FIRST]);
}

#[test]
fn where_the_master_key_is_lost_the_daemon_runs_and_says_what_mends_it() {
    let world = World::new();
    let mut daemon = world.gateway("");
    set(&daemon, &["openai"], FIRST);
    let key = daemon.state().join("master.key");
    assert_eq!(fs::metadata(&key).expect("a key").permissions().mode() & 0o7777, 0o600);
    let kept = fs::read(&key).expect("a key");
    daemon.terminate();
    fs::remove_file(&key).expect("a key");
    daemon.start_again();
    assert_eq!(listed(&daemon), [("openai".into(), "value".into(), 1, false)]);
    let status = daemon.cli(&["status"]).succeeded();
    let last = status.lines().last().expect("a line");
    assert!(
        last.contains("openai/value") && last.contains("`clawgress secret set openai --key value`"),
        "{status}"
    );
    let doctor = daemon.cli(&["doctor"]).failed_with(1);
    assert_eq!(doctor, "", "data goes to standard output");
    set(&daemon, &["openai"], SECOND);
    assert_eq!(listed(&daemon), [row("openai", "value", 2)]);

    // The old key opens nothing that the new one sealed; one that others may read opens nothing at all.
    daemon.terminate();
    fs::write(&key, &kept).expect("the old key");
    daemon.start_again();
    assert_eq!(listed(&daemon), [("openai".into(), "value".into(), 2, false)]);
    daemon.terminate();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    let said = attempt(&world.lab, daemon.config()).failed_with(71);
    assert!(
        said.contains("has mode 0644: others may have read it") && said.contains("hint: chmod 0600"),
        "{said}"
    );
}

#[test]
fn the_daemon_leaves_no_core() {
    let world = World::new();
    let daemon = world.gateway("");
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

#[test]
fn at_a_terminal_a_value_is_asked_for_and_not_shown() {
    let world = World::new();
    let daemon = world.gateway("");
    // `script` gives the command a terminal, and writes down all that is shown on it.
    let shown = world.lab.folder().join("shown");
    let command = format!("{BINARY} --socket {} secret set openai", daemon.socket().display());
    let script = world.lab.gateway().command("script").args(["-qefc", &command]).arg(&shown);
    let mut running = script.start();
    let mut keyboard = running.stdin();
    let text = || String::from_utf8_lossy(&fs::read(&shown).unwrap_or_default()).into_owned();
    eventually("the prompt", || text().contains("value of openai/value (not shown): ").then_some(()));
    keyboard.write_all(format!("{FIRST}\n").as_bytes()).expect("a keyboard");
    eventually("the answer", || text().contains("openai/value is set: version 1").then_some(()));
    drop(keyboard);
    running.finish(Duration::from_secs(10)).succeeded();
    assert!(!text().contains(FIRST), "{}", text());
    assert_eq!(listed(&daemon), [row("openai", "value", 1)]);
    assert_nowhere(&world, &daemon, &[FIRST]);
}
