//! Everything is recorded, with what is known of it, and nothing that is secret.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::world::{BASE, Line, ROUTES, World};
use crate::lab::backends::eventually;

/// Fields that every record of traffic has, allowed or refused.
const ALWAYS: [&str; 8] = [
    "timestamp",
    "request_id",
    "kind",
    "decision",
    "policy_digest",
    "enforcement_mode",
    "source_address",
    "agent_id",
];

fn has(record: &Value, fields: &[&str]) {
    for field in fields {
        assert!(record.get(*field).is_some_and(|value| !value.is_null()), "no `{field}` in {record}");
    }
}

#[apply(over_both)]
fn every_connection_request_query_and_event_is_recorded_with_its_fields_in_one_row(world: World) {
    let daemon = world.gateway(ROUTES);
    let digest = daemon.status()["policy"]["digest"].clone();
    let body = "x".repeat(5000);
    let heard = world.ask(&daemon, &["--http1.1", "-d", &body, "https://site.example/upload?q=1"]);
    assert_eq!(heard.status, 200);

    let request = daemon.record(&json!({"kind": "request", "path": "/upload", "status": 200}));
    has(&request, &ALWAYS);
    let rows = daemon.records(&["--kind", "request"]);
    assert_eq!(rows.len(), 1, "decision and outcome are one row: {rows:?}");
    for (field, value) in [
        ("decision", json!("allow")),
        ("http_method", json!("POST")),
        ("destination_host", json!("site.example")),
        ("destination_port", json!(443)),
        ("policy_id", json!("EgressHTTPRoute/site-read")),
        ("rule", json!("rules[0]")),
        ("policy_digest", digest.clone()),
        ("agent_id", json!("alice")),
        ("team_id", json!("red")),
        ("project_id", json!("demo")),
        ("environment", json!("test")),
        ("enforcement_mode", json!("enforce")),
        ("bytes_out", json!(5000)),
        ("bytes_in", json!(4)),
    ] {
        assert_eq!(request[field], value, "{field}: {request}");
    }
    let stamp = request["timestamp"].as_str().expect("a time");
    assert!(stamp.len() == 27 && stamp.ends_with('Z'), "microseconds, UTC: {stamp}");
    assert_eq!(request["request_id"].as_str().map(|id| &id[14..15]), Some("7"), "a UUIDv7");
    let latency = request["latency_ms"].as_f64().expect("a latency");
    assert!(latency > 0.0 && latency < 10_000.0, "{request}");
    assert!(
        request["added_latency_us"].as_u64().expect("ours") as f64 <= latency * 1000.0 + 1.0,
        "{request}"
    );

    let connection = daemon.record(&json!({"request_id": request["connection_id"], "kind": "connection"}));
    let ended = eventually("the connection's outcome", || {
        let rows = daemon.records(&["--kind", "connection"]);
        rows.into_iter().find(|row| row.get("bytes_out").is_some())
    });
    has(&ended, &ALWAYS);
    assert_eq!(ended["request_id"], connection["request_id"]);
    assert!(ended["bytes_out"].as_u64() > Some(5000) && ended["latency_ms"].as_f64() > Some(0.0), "{ended}");
    assert_eq!(ended["protocol"], "tls-terminate");

    let query =
        daemon.record(&json!({"kind": "dns", "query_name": "site.example", "query_type": "A", "status": 0}));
    has(&query, &ALWAYS);
    assert_eq!(query["agent_id"], "alice");

    daemon.reload();
    let reload = daemon.record(&json!({"kind": "admin", "action": "reload", "decision": "allow"}));
    has(&reload, &["timestamp", "request_id", "policy_digest", "evidence"]);
    assert!(reload["evidence"].as_str().is_some_and(|who| who.starts_with("by root")), "{reload}");
    daemon.record(&json!({"kind": "system"}));
}

#[apply(over_both)]
fn every_refusal_is_one_complete_row(world: World) {
    let daemon = world.gateway(ROUTES);
    let heard = world.ask(&daemon, &["-X", "DELETE", "https://site.example/x"]);
    let id = heard.json()["request_id"].clone();
    let rows = daemon.records(&["--kind", "request"]);
    assert_eq!(rows.len(), 1, "a refusal is on record before its answer is read: {rows:?}");
    let record = &rows[0];
    has(record, &ALWAYS);
    assert_eq!(record["request_id"], id);
    assert_eq!((&record["decision"], &record["reason"]), (&json!("deny"), &json!("policy.no-route")));
    assert_eq!(
        (&record["policy_id"], &record["rule"]),
        (&json!("EgressGateway/default"), &json!("defaultPolicy"))
    );
    assert_eq!(
        (&record["status"], &record["http_method"], &record["path"]),
        (&json!(403), &json!("DELETE"), &json!("/x"))
    );
    has(record, &["latency_ms", "bytes_out", "bytes_in"]);
}

#[apply(over_both)]
fn a_request_answered_by_an_upstream_that_breaks_off_is_recorded_as_such(world: World) {
    let daemon = world.gateway(ROUTES);
    let finished = world.curl(&daemon, &["--http1.1", "https://site.example/cut"]);
    assert_ne!(finished.code(), 0, "{finished}");
    let record = daemon.record(&json!({"kind": "request", "path": "/cut", "status": 200}));
    assert_eq!(record["bytes_in"], finished.stdout.len(), "{record}");
    has(&record, &["end"]);
}

#[apply(over_both)]
fn bytes_and_time_of_a_raw_flow_are_those_that_passed(world: World) {
    let daemon = world.gateway(ROUTES);
    let script = "import socket
s = socket.create_connection(('raw.example', 7000), 5)
s.sendall(b'\\0' + b'x' * 99999)
s.shutdown(socket.SHUT_WR)
n = 0
while True:
    b = s.recv(65536)
    if not b: break
    n += len(b)
print(n)";
    assert_eq!(world.python(&daemon, script).succeeded(), "100003\n");
    let record = daemon.record(&json!({"kind": "connection", "bytes_out": 100_000, "bytes_in": 100_003}));
    assert_eq!(
        (&record["policy_id"], &record["protocol"]),
        (&json!("EgressL4Route/raw-echo"), &json!("tcp"))
    );
    assert!(record["latency_ms"].as_f64() > Some(0.0));
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            Ok(kind) if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}

#[apply(over_both)]
fn queries_and_secrets_appear_in_no_record_no_log_and_no_file(world: World) {
    let daemon = world.gateway(ROUTES);
    let secrets =
        ["Zq1AuthorizationZq", "Zq2ApiKeyZq", "Zq3CookieZq", "Zq4QueryZq", "Zq5BodyZq", "Zq6ProxyZq"];
    let fields = [
        format!("Authorization: Bearer {}", secrets[0]),
        format!("X-Api-Key: {}", secrets[1]),
        format!("Cookie: session={}", secrets[2]),
        format!("Proxy-Authorization: Basic {}", secrets[5]),
    ];
    let mut arguments: Vec<&str> = fields.iter().flat_map(|field| ["-H", field.as_str()]).collect();
    let body = format!("password={}", secrets[4]);
    arguments.extend(["-d", &body]);
    let query = format!("?token={}", secrets[3]);
    for (version, url, status) in [
        ("--http1.1", format!("https://site.example/upload{query}"), 200),
        ("--http2", format!("https://site.example/upload{query}"), 200),
        ("--http1.1", format!("http://site.example/upload{query}"), 200),
        ("--http1.1", format!("https://site.example/refused{query}"), 403),
        ("--http2", format!("https://site.example/vault{query}"), 451),
        ("--http1.1", format!("https://paste.example/x{query}"), 403),
        ("--http2", format!("https://paste.example/x{query}"), 403),
        ("--http1.1", format!("https://site.example/upload%2f..%2fx{query}"), 400),
        ("--http1.1", format!("https://site.example/upload%zz{query}"), 400),
    ] {
        let heard = world.ask(&daemon, &[&arguments[..], &[version, "--path-as-is", &url]].concat());
        assert_eq!(heard.status, status, "{url}: {heard:?}");
        let answer = String::from_utf8_lossy(&heard.body);
        assert!(!answer.contains("Zq"), "a denial repeats a secret: {answer}");
    }
    // What is malformed is quoted as evidence: not with its query either.
    let mut line = Line::tls(&world, &daemon, "site.example", "192.0.2.10:443");
    assert_eq!(line.ask("GET", &format!("/a\\b{query}")).status, 400);
    let userinfo = format!("Host: bob:{}@site.example", secrets[0]);
    let heard = world.ask(&daemon, &["-H", &userinfo, "--http1.1", "https://site.example/"]);
    assert_eq!((heard.status, heard.reason()), (400, "protocol.malformed"));
    let mut line = Line::plain(&world, "site.example", "192.0.2.10:80");
    line.send("GET", &format!("http://other.example/x{query}"));
    assert_eq!(line.head().status, 400);
    let everything = format!("{:?}", daemon.records(&[]));
    assert!(everything.contains("/upload") && everything.contains("protocol.malformed"));
    assert!(!everything.contains("Zq"), "in the records: {everything}");
    let mut state = files(&daemon.state());
    assert!(state.iter().any(|path| path.ends_with("ledger.db")));
    state.push(world.lab.folder().join("daemon.log"));
    for path in state {
        let bytes = fs::read(&path).unwrap_or_default();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "`{secret}` stands in {}", path.display());
        }
    }
}

#[apply(over_both)]
fn ledger_db_is_a_table_that_any_sqlite_reads(world: World) {
    let daemon = world.gateway(ROUTES);
    assert_eq!(world.ask(&daemon, &["https://site.example/small"]).status, 200);
    daemon.record(&json!({"kind": "request", "path": "/small", "status": 200}));
    let script = format!(
        "import sqlite3, json
d = sqlite3.connect('file:{}?mode=ro', uri=True)
print(json.dumps([[r[1], r[2], r[5]] for r in d.execute('pragma table_info(records)')]))
seqs = [r[0] for r in d.execute('select seq from records order by seq')]
print(json.dumps(seqs == list(range(1, len(seqs) + 1)) and len(seqs) > 3))
",
        daemon.state().join("ledger.db").display()
    );
    let read = world.lab.gateway().command("python3").args(["-c", &script]).run().succeeded();
    let mut lines = read.lines();
    let columns: Value = serde_json::from_str(lines.next().expect("columns")).expect("JSON");
    assert_eq!(columns[0], json!(["seq", "INTEGER", 1]), "{columns}");
    assert_eq!(lines.next(), Some("true"), "numbered without a gap: {read}");
}

#[apply(over_both)]
fn a_decision_that_cannot_be_recorded_is_refused_and_recovers_by_itself(world: World) {
    // The journal's bound is reached because somebody holds the database.
    let settings = json!({"ledger": {"journal": "1MiB"}});
    let daemon = world.lab.daemon(&settings, &[("base.yaml", BASE), ("routes.yaml", ROUTES)]);
    let mut line = Line::tls(&world, &daemon, "site.example", "192.0.2.10:443");
    assert_eq!(line.ask("GET", "/small").status, 200);
    let ledger = daemon.state().join("ledger.db");
    let script = format!(
        "import sqlite3, sys
d = sqlite3.connect('{}', isolation_level=None, timeout=10)
d.execute('begin immediate')
open('locked', 'w').close()
sys.stdin.read()
d.execute('rollback')
",
        ledger.display()
    );
    let mut holder = world.lab.gateway().command("python3").args(["-c", &script]).start();
    let hold = holder.stdin();
    eventually("the database is held", || world.lab.folder().join("locked").exists().then_some(()));
    let long = format!("/{}", "y".repeat(3000));
    let refused = (0..2000).map(|_| line.ask("DELETE", &long)).find(|heard| heard.status != 403);
    assert!(refused.is_none(), "a refusal stays a refusal: {refused:?}");
    let arrived = || world.site.access_log().lines().count();
    let asked: Vec<_> = (0..20).map(|_| (line.ask("GET", "/small"), arrived())).collect();
    let full = asked.iter().position(|(heard, _)| heard.status == 503).expect("a bound that is reached");
    let (heard, before) = &asked[full];
    assert_eq!(heard.reason(), "audit.unavailable");
    assert_eq!(heard.json()["retry"], "later");
    assert_eq!(arrived(), *before, "what is refused reaches nobody");
    let status = daemon.cli(&["status"]).succeeded();
    assert!(
        status.lines().last().is_some_and(|last| last.contains("the record cannot be written")),
        "{status}"
    );
    let fresh =
        world.ask(&daemon, &["--resolve", "site.example:443:192.0.2.10", "https://site.example/small"]);
    assert_eq!((fresh.status, fresh.reason()), (503, "audit.unavailable"));
    drop(hold);
    holder.finish(std::time::Duration::from_secs(5)).succeeded();
    eventually("what is allowed passes again", || (line.ask("GET", "/small").status == 200).then_some(()));
    let rows = daemon.records(&["--decision", "allow", "--kind", "request"]);
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row["request_id"].as_str()).collect();
    assert_eq!(ids.len(), rows.len());
    assert_eq!(arrived(), rows.len(), "what passed is what is on record");
}
