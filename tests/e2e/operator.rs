//! The operator's commands against a running daemon: what they print, and how they end.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::world::{BASE, ROUTES, World};
use crate::lab::backends::eventually;
use crate::lab::daemon::BINARY;

#[test]
fn status_says_how_things_are() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    assert_eq!(world.ask(&daemon, &["-X", "PUT", "https://site.example/"]).status, 403);
    daemon.record(&json!({"kind": "request", "reason": "policy.no-route"}));
    let shown = daemon.cli(&["status"]).succeeded();
    for part in [
        "clawgressd ",
        "fail mode closed",
        "agents0 (10.77.0.0/24, fd77::/64)",
        "rules in place, as written",
        "2 files, 6 documents",
        "on disk and in force: the same",
        "policy.no-route 1",
    ] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    assert!(shown.ends_with("nothing needs you\n"), "{shown}");
    let status = daemon.status();
    assert_eq!((&status["pid"], &status["agents"]), (&json!(daemon.pid()), &json!(1)));
    assert_eq!((&status["needs"], &status["policy"]["on_disk"]), (&json!([]), &json!("same")));
    let yaml = daemon.cli(&["status", "-o", "yaml"]).succeeded();
    assert!(yaml.contains("fail_mode: closed"), "{yaml}");
}

#[test]
fn get_shows_documents_and_where_they_stand() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let shown = daemon.cli(&["get", "EgressHTTPRoute"]).succeeded();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 2, "{shown}");
    assert!(
        lines[0].starts_with("EgressHTTPRoute/site-read") && lines[0].ends_with("routes.yaml:2"),
        "{shown}"
    );
    let one = daemon.cli(&["get", "EgressHTTPRoute", "site-read", "-o", "json"]).json();
    assert_eq!(one["spec"]["hostnames"], json!(["site.example"]));
    let all = daemon.cli(&["get", "Agent", "-o", "json"]).json();
    assert_eq!(all[0]["metadata"]["name"], "alice");
    let absent = daemon.cli(&["get", "Agent", "nobody"]);
    assert!(absent.failed_with(1).contains("nobody"), "{absent}");
    let unknown = daemon.cli(&["get", "Spaceship"]);
    assert!(unknown.code() != 0 && unknown.errors().contains("Spaceship"), "{unknown}");
}

#[test]
fn validate_judges_files_without_a_daemon_and_shows_the_line() {
    let world = World::new();
    let good = world.lab.file("good/all.yaml", format!("{BASE}---{ROUTES}"));
    let run = |path: &std::path::Path, more: &[&str]| {
        world.lab.gateway().command(BINARY).args(["validate", "-f"]).arg(path).args(more).run()
    };
    assert!(run(&good, &[]).succeeded().contains("1 file, 6 documents: valid"));
    let broken =
        ROUTES.replace("destinationHostnames", "destinationHostname").replace("port: 7000", "port: 70000");
    let bad = world.lab.file("bad/all.yaml", format!("{BASE}---{broken}"));
    let said = run(&bad, &[]);
    assert_eq!(said.code(), 1, "{said}");
    let text = format!("{}{}", said.text(), said.errors());
    for part in [
        "unknown field `destinationHostname`",
        "did you mean `destinationHostnames`?",
        "70000",
        "^^^^",
        "2 errors",
        "all.yaml:",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let json = run(&bad, &["-o", "json"]);
    assert_eq!(json.code(), 1);
    assert_eq!(
        (&json.json()["valid"], json.json()["diagnostics"].as_array().map(Vec::len)),
        (&json!(false), Some(2))
    );
    run(&world.lab.folder().join("absent.yaml"), &[]).failed_with(66);
    let absent = world.lab.folder().join("absent.yaml");
    let said =
        world.lab.gateway().command(BINARY).args(["validate", "--config"]).arg(absent).run().failed_with(66);
    assert!(said.contains("-f PATH") && said.contains("--config PATH"), "{said}");
    let settings = world.lab.file("bad/clawgress.yaml", "kind: ClawgressConfig\n");
    let settings = world
        .lab
        .gateway()
        .command(BINARY)
        .args(["validate", "--config"])
        .arg(settings)
        .run()
        .failed_with(78);
    assert!(settings.starts_with("error: ") && !settings.contains("error: error:"), "{settings}");
}

#[test]
fn audit_search_filters_and_prints_every_format() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    for url in ["https://site.example/small", "https://paste.example/a", "https://site.example/vault"] {
        world.ask(&daemon, &[url]);
    }
    daemon.record(&json!({"kind": "request", "path": "/small", "status": 200}));
    let count = |filter: &[&str]| daemon.records(filter).len();
    let all = count(&[]);
    assert_eq!(count(&["--kind", "request"]), 3);
    assert_eq!(count(&["--kind", "request", "--deny"]), 2);
    assert_eq!(count(&["--kind", "request", "--allow"]), 1);
    assert_eq!(count(&["--reason", "policy.denied", "--kind", "request"]), 1);
    assert_eq!(count(&["--host", "PASTE.example", "--kind", "request"]), 1);
    assert_eq!(count(&["--agent", "alice", "--kind", "request"]), 3);
    assert_eq!(count(&["--agent", "zoe"]), 0);
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(count(&["--since", "1h", "--kind", "request"]), 3);
    let newest = daemon.records(&["--limit", "1", "--kind", "request"]);
    assert_eq!((newest.len(), &newest[0]["path"]), (1, &json!("/vault")));
    let times: Vec<String> = daemon.records(&[]).iter().map(|row| row["timestamp"].to_string()).collect();
    assert!(times.len() >= all && times.is_sorted(), "oldest first: {times:?}");
    let lines = daemon.cli(&["audit", "search", "--kind", "request", "-o", "jsonl"]).succeeded();
    assert!(
        lines.lines().count() == 3 && lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    let yaml = daemon.cli(&["audit", "search", "--kind", "request", "-o", "yaml"]).succeeded();
    assert_eq!(
        yaml.matches("- v: 1").count() + yaml.matches("\n  kind: request").count().min(3),
        yaml.matches("kind: request").count().max(3),
        "{yaml}"
    );
    let table = daemon.cli(&["audit", "search", "--kind", "request"]).succeeded();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("GET paste.example/a") && table.contains("policy.no-route"), "{table}");
    daemon.cli(&["audit", "search", "--kind", "nonsense"]).failed_with(1);
}

#[test]
fn audit_tail_follows_new_refusals() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let file = world.lab.folder().join("tail.jsonl");
    let command = format!("exec {BINARY} audit tail -f -n 0 --deny -o jsonl > {}", file.display());
    let mut tail = world
        .lab
        .gateway()
        .command("sh")
        .args(["-c", &command])
        .env("CLAWGRESS_SOCKET", daemon.socket())
        .start();
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    let refuse = |number: usize| {
        let url = format!("https://site.example/vault/{number}");
        world.ask(&daemon, &[&url]).json()["request_id"].as_str().expect("an id").to_owned()
    };
    // The tail begins with what comes after it has connected, which nobody announces.
    let mut number = 0;
    eventually("the tail sees refusals", || {
        number += 1;
        refuse(number);
        (!read().is_empty()).then_some(())
    });
    let id = refuse(0);
    eventually("the tail sees the next one", || read().contains(&id).then_some(()));
    for line in read().lines() {
        let row: Value = serde_json::from_str(line).expect("one object a line");
        assert_eq!((&row["decision"], &row["reason"]), (&json!("deny"), &json!("policy.denied")));
    }
    assert!(tail.ended().is_none());
    tail.stop();
    let last = daemon.cli(&["audit", "tail", "-n", "1", "--deny", "-o", "json"]).json();
    assert_eq!(last[0]["request_id"], json!(id));
    daemon.cli(&["audit", "tail", "-f", "-o", "json"]).failed_with(2);
}

#[test]
fn audit_show_prints_a_record_whole_and_says_what_is_no_id() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let id = world.ask(&daemon, &["https://site.example/vault"]).json()["request_id"].clone();
    let id = id.as_str().expect("an id");
    let shown = daemon.cli(&["audit", "show", &id[..13]]).succeeded();
    for part in [id, "EgressDenyPolicy/closed-vault", "policy.denied", "alice", "destination_port"] {
        assert!(shown.contains(part), "no `{part}` in {shown}");
    }
    daemon.cli(&["audit", "show", "01990000-0000"]).failed_with(1);
    daemon.cli(&["audit", "show", "what?"]).failed_with(1);
}

#[test]
fn ca_export_is_the_pem_of_the_authority_that_signs_every_leaf() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let pem = daemon.cli(&["ca", "export"]).succeeded();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && pem.matches("BEGIN").count() == 1, "{pem}");
    let text =
        world.lab.gateway().command("openssl").args(["x509", "-noout", "-text"]).input(pem).run().succeeded();
    for part in ["CA:TRUE, pathlen:0", "prime256v1", "Certificate Sign", "TLS Web Server Authentication"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let leaf = world
        .lab
        .workload()
        .command("openssl")
        .args([
            "s_client",
            "-connect",
            "192.0.2.10:443",
            "-servername",
            "site.example",
            "-verify_return_error",
            "-CAfile",
        ])
        .arg(daemon.authority())
        .run();
    assert!(leaf.succeeded().contains("Verify return code: 0 (ok)"), "{leaf}");
    let key = std::fs::read_dir(daemon.state().join("ca")).expect("a folder").flatten();
    for entry in key {
        use std::os::unix::fs::PermissionsExt as _;
        let private = std::fs::read_to_string(entry.path()).unwrap_or_default().contains("PRIVATE KEY");
        let mode = entry.metadata().expect("a file").permissions().mode() & 0o777;
        assert!(!private || mode == 0o600, "{} has mode {mode:o}", entry.path().display());
    }
}

#[test]
fn doctor_checks_this_host_through_the_daemon() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let doctor = daemon.cli(&["doctor", "-o", "json"]);
    let checks = doctor.json();
    let checks = checks.as_array().expect("a list");
    assert!(checks.len() > 4, "{doctor}");
    for check in checks {
        assert!(check["name"].is_string() && check["found"].is_string(), "{check}");
        assert!(["ok", "warn", "skip"].contains(&check["state"].as_str().expect("a word")), "{check}");
    }
    assert_eq!(doctor.code(), 0);
    world.lab.gateway().set("net/ipv4/ip_forward", "0");
    let broken = daemon.cli(&["doctor"]);
    assert_eq!(broken.code(), 1, "{broken}");
    assert!(broken.text().contains("sysctl -w net.ipv4.ip_forward=1"), "{broken}");
}

#[test]
fn commands_end_with_the_codes_of_the_contract() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    daemon.cli(&["status", "--nonsense"]).failed_with(2);
    daemon.cli(&["nonsense"]).failed_with(2);
    for (command, hint) in [("schema", "`clawgress schema` lists the kinds"), ("get", "one of Agent, ")] {
        let said = daemon.cli(&[command, "nonsense"]).failed_with(2);
        assert!(said.contains("`nonsense`") && said.contains(hint), "{said}");
    }
    let nobody =
        world.lab.gateway().command(BINARY).args(["status", "--socket", "/nonexistent/admin.sock"]).run();
    assert!(nobody.failed_with(3).contains("/nonexistent/admin.sock"), "{nobody}");
    // Another user, who can reach the socket and is not allowed.
    let copy = world.lab.folder().join("clawgress");
    std::fs::copy(BINARY, &copy).expect("a copy that others may run");
    for folder in
        [world.lab.folder(), &world.lab.folder().join("gateway"), &daemon.state().with_file_name("run")]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let stranger = |arguments: &[&str]| {
        let program = world.lab.gateway().command("setpriv").args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
        ]);
        program.arg(&copy).args(arguments).env("CLAWGRESS_SOCKET", daemon.socket()).run()
    };
    for arguments in [&["status"][..], &["reload"], &["audit", "search"]] {
        let refused = stranger(arguments);
        refused.failed_with(4);
        assert!(refused.stdout.is_empty(), "{refused}");
    }
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(daemon.socket(), std::fs::Permissions::from_mode(0o666)).expect("permissions");
    stranger(&["reload"]).failed_with(4);
    daemon.record(&json!({"kind": "admin", "action": "POST /v1/reload", "decision": "deny"}));
}

#[test]
fn a_reader_who_has_seen_enough_ends_a_command_in_silence() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    for _ in 0..20 {
        world.ask(&daemon, &["https://site.example/vault"]);
    }
    // The pipe is closed before the command writes to it.
    let mut child = Command::new(BINARY)
        .args(["audit", "search"])
        .env("CLAWGRESS_SOCKET", daemon.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn help_is_readable_at_every_command() {
    let world = World::new();
    let help = |arguments: &[&str]| {
        let finished = world.lab.gateway().command(BINARY).args(arguments).arg("--help").run();
        finished.succeeded()
    };
    let top = help(&[]);
    for command in [
        "daemon",
        "status",
        "reload",
        "doctor",
        "validate",
        "get",
        "explain",
        "audit",
        "approve",
        "approvals",
        "revoke",
        "agent",
        "ca",
        "completion",
    ] {
        assert!(top.contains(&format!("\n  {command} ")), "{top}");
        let text = help(&[command]);
        assert!(text.contains("Usage: clawgress"), "{text}");
    }
    for command in
        [["audit", "search"], ["audit", "tail"], ["audit", "show"], ["ca", "export"], ["agent", "list"]]
    {
        assert!(help(&command).contains("Usage: clawgress"), "{command:?}");
    }
    assert!(top.lines().chain(help(&["audit", "search"]).lines()).all(|line| line.chars().count() <= 100));
}

#[test]
fn hostile_names_cannot_steer_the_operators_terminal() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let hostile = "import socket
s = socket.create_connection(('site.example', 80), 5)
s.sendall(b'GET /vault/%1b%5b2J\\x1b[31mred HTTP/1.1\\r\\nHost: site.example\\r\\n\\r\\n')
s.recv(4096)
s = socket.create_connection(('site.example', 80), 5)
s.sendall(b'GET /vault/%1b%5b2J HTTP/1.1\\r\\nHost: site.example\\r\\n\\r\\n')
s.recv(4096)
q = b'\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x08\\x1b[31mred\\x07example\\x00\\x00\\x01\\x00\\x01'
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(5)
u.sendto(q, ('10.77.0.1', 53))
u.recv(512)
";
    world.python(&daemon, hostile).succeeded();
    let rows = daemon.records(&[]);
    assert!(
        rows.iter().any(|row| row["kind"] == "dns"
            && row["query_name"].as_str().is_some_and(|name| name.contains("31mred"))),
        "{rows:?}"
    );
    let mut outputs =
        vec![daemon.cli(&["audit", "search"]).succeeded(), daemon.cli(&["audit", "tail"]).succeeded()];
    for row in &rows {
        outputs.push(daemon.cli(&["audit", "show", row["request_id"].as_str().expect("an id")]).succeeded());
    }
    for text in outputs {
        assert!(!text.contains('\x1b') && !text.contains('\u{9b}'), "{text:?}");
    }
}
