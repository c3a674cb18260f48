//! A backup of a gateway at work is a gateway again: every record up to it, the vault with its key, and nothing that is not whole.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::dialogue::{NAME, fields, over_tls};
use super::injection::{KEY, ask, injecting, policy, set, site};
use super::streaming::TLS;
use crate::lab::Lab;
use crate::lab::daemon::BINARY;
use crate::lab::program::Finished;

const HEADER: &str = "target: Header, headerName: X-Api-Key";

/// `clawgress` without a daemon.
fn offline(lab: &Lab, arguments: &[&str]) -> Finished {
    lab.gateway().command(BINARY).args(arguments).run()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| row["request_id"].as_str().expect("an id").to_owned()).collect()
}

/// Every file of a backup.
fn files(list: &Value) -> BTreeSet<String> {
    let all = list["files"].as_array().expect("files").iter();
    all.map(|file| file["path"].as_str().expect("a path").to_owned()).collect()
}

fn list(backup: &Path) -> Value {
    serde_json::from_slice(&fs::read(backup.join("backup.json")).expect("a list")).expect("JSON")
}

#[apply(over_both)]
fn a_backup_taken_under_load_is_the_same_gateway_again(lab: Lab) {
    let (_resolver, mut daemon) = injecting(&lab, &policy("site", "site", HEADER));
    let origin = site(&lab);
    set(&daemon, &["site"], KEY);
    let (backup, over) = (lab.folder().join("monday"), AtomicBool::new(false));
    let before = std::thread::scope(|scope| {
        let load = [lab.workload(), lab.bob()].map(|space| {
            let (over, authority) = (&over, daemon.authority());
            scope.spawn(move || {
                let mut talk = over_tls(space, TLS, NAME, authority);
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(talk.ask(format!("GET /load HTTP/1.1\r\nHost: {NAME}\r\n\r\n")).status, 200);
                }
            })
        });
        let before = ids(&daemon.records(&[]));
        let said = daemon.cli(&["backup", text(&backup)]).succeeded();
        assert!(said.contains("the master key is not in it: the vault stays sealed"), "{said}");
        over.store(true, Ordering::Relaxed);
        load.into_iter().for_each(|one| one.join().expect("no request failed"));
        before
    });
    assert!(
        !daemon.state().join("backups").exists()
            || fs::read_dir(daemon.state().join("backups")).expect("a folder").next().is_none()
    );
    daemon.record(&json!({"kind": "admin", "action": "backup", "status": 200}));
    daemon.record(&json!({"kind": "system", "action": "backup"}));
    let listed = list(&backup);
    for path in [
        "state/registry.db",
        "state/ledger.db",
        "state/ca/ca.pem",
        "state/ca/ca.key",
        "etc/clawgress.yaml",
        "etc/policies.d/all.yaml",
    ] {
        assert!(files(&listed).contains(path), "{path}: {listed}");
        assert_eq!(
            fs::metadata(backup.join(path)).expect("a file").permissions().mode() & 0o077,
            0,
            "{path}"
        );
    }
    assert!(!files(&listed).contains("state/master.key"));
    assert_eq!(fs::metadata(&backup).expect("a folder").permissions().mode() & 0o777, 0o700);

    // Where a daemon runs, and where a state stands, nothing is restored.
    let state = daemon.state();
    let restore =
        |more: &[&str]| offline(&lab, &[&["restore", text(&backup), "--state", text(&state)], more].concat());
    assert!(restore(&["--force"]).failed_with(1).contains("a daemon runs on"));
    assert_eq!(daemon.terminate(), 0);
    let old = fs::read(state.join("ca/ca.pem")).expect("a certificate");
    assert!(restore(&[]).failed_with(1).contains("has a state already"));
    let said = restore(&["--force"]).succeeded();
    assert!(
        said.contains("each file as it was") && said.contains("secrets open with the old master key alone"),
        "{said}"
    );
    let aside = aside(&state);

    daemon.start_again();
    assert_eq!(fs::read(state.join("ca/ca.pem")).expect("a certificate"), old, "workloads trust it already");
    let after = ids(&daemon.records(&["--limit", "100000"]));
    assert!(before.is_subset(&after), "{} of {} records", before.intersection(&after).count(), before.len());
    let last = listed["last_record"].as_u64().expect("a number");
    assert!(daemon.status()["ledger"]["records"].as_u64().expect("a number") >= last);
    ask(lab.workload(), &daemon, "/x", "").is_refusal(503, "credential.unavailable");

    assert_eq!(daemon.terminate(), 0);
    fs::remove_file(state.join("master.key")).expect("a key that was made anew");
    fs::copy(aside.join("master.key"), state.join("master.key")).expect("the old key");
    daemon.start_again();
    assert_eq!(ask(lab.workload(), &daemon, "/x", "").status, 200);
    let head = origin.taken().pop().expect("a request").head;
    assert_eq!(fields(&head, "x-api-key").collect::<Vec<_>>(), [KEY]);
}

/// Where the state was moved to.
fn aside(state: &Path) -> PathBuf {
    let beside = fs::read_dir(state.parent().expect("a folder")).expect("a folder").flatten();
    let found = beside.map(|entry| entry.path()).find(|path| text(path).contains("/state.before-"));
    found.expect("the state before")
}

#[test]
fn with_the_master_key_the_vault_opens_and_a_changed_file_is_noticed() {
    let lab = Lab::new();
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    set(&daemon, &["site"], KEY);
    let backup = lab.folder().join("with-key");
    let said = daemon.cli(&["backup", text(&backup), "--with-master-key"]).succeeded();
    assert!(said.contains("whoever has it reads the vault"), "{said}");
    let key = fs::read(daemon.state().join("master.key")).expect("a key");
    assert_eq!(fs::read(backup.join("state/master.key")).expect("a key"), key);
    let said = daemon.cli(&["backup", text(&backup)]).failed_with(2);
    assert!(said.contains("is there already"), "{said}");

    let (state, etc) = (lab.folder().join("second"), lab.folder().join("second-etc"));
    let restore = |backup: &Path, state: &Path| {
        offline(&lab, &["restore", text(backup), "--state", text(state), "--etc", text(&etc)])
    };
    restore(&backup, &state).succeeded();
    assert_eq!(fs::read(state.join("master.key")).expect("a key"), key);
    assert_eq!(
        fs::read(etc.join("clawgress.yaml")).expect("settings"),
        fs::read(daemon.config()).expect("settings")
    );
    assert!(etc.join("policies.d/all.yaml").exists());

    let third = lab.folder().join("third");
    assert!(restore(&backup, &third).failed_with(1).contains("clawgress.yaml` is there already"));
    fs::remove_dir_all(&etc).expect("settings");
    let registry = backup.join("state/registry.db");
    let mut bytes = fs::read(&registry).expect("a registry");
    bytes[4000] ^= 1;
    fs::write(&registry, bytes).expect("a damaged registry");
    let said = restore(&backup, &third).failed_with(1);
    assert!(said.contains("is not as it was when the backup was made"), "{said}");
    assert!(!third.exists() && !lab.folder().join("third.unfinished").exists(), "nothing half is left");
}

#[test]
fn what_is_no_whole_backup_is_refused_before_anything_is_written() {
    let lab = Lab::new();
    // A path that is no backup, and one that has another layout.
    let empty = lab.folder().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let said = offline(&lab, &["restore", text(&empty), "--state", "/nonexistent/x"]).failed_with(74);
    assert!(said.contains("backup.json") && said.contains("hint: that is no backup"), "{said}");
    fs::write(empty.join("backup.json"), r#"{"version":2,"program":"9","made_at":"2026-01-01T00:00:00Z","records":0,"last_record":0,"with_master_key":false,"files":[]}"#)
        .expect("a list");
    let said = offline(&lab, &["restore", text(&empty), "--state", "/nonexistent/x"]).failed_with(1);
    assert!(said.contains("the backup has layout 2, this program knows 1"), "{said}");
    let escape = r#"{"version":1,"program":"9","made_at":"2026-01-01T00:00:00Z","records":0,"last_record":0,"with_master_key":false,"files":[{"path":"state/../../x","bytes":1,"sha256":""},{"path":"state/ledger.db","bytes":1,"sha256":""},{"path":"state/registry.db","bytes":1,"sha256":""}]}"#;
    fs::write(empty.join("backup.json"), escape).expect("a list");
    let said = offline(&lab, &["restore", text(&empty), "--state", "/nonexistent/x"]).failed_with(1);
    assert!(said.contains("is not one of a whole backup"), "{said}");
    assert!(!Path::new("/nonexistent").exists());
}
