//! Parsing, what people see, and how commands end.

mod scanning;
mod testing;

use std::io::{self, Read as _, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use clap::CommandFactory as _;
use serde_json::{Value, json};

use super::*;
use crate::cli::paint::Paint;
use crate::model::types::{Decision, Reason, Timestamp};
use crate::operate::admin::tests::{Lab, Pockets, everybody, status as wire_status};
use crate::operate::api::{
    Check, CheckState, Diagnostic, Explanation, LastHour, LedgerState, OnDisk, Setup, Step, StepVerdict,
};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A command's end, its data and its talk.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    code: Exit,
    out: String,
    talk: String,
}

fn run_line(line: &str, socket: PathBuf) -> Ended {
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    let (out, talk) = (Sink::default(), Sink::default());
    let mut context = Context::with(socket, cli.output, Box::new(out.clone()), Box::new(talk.clone()));
    let code = run(cli.command, &mut context).unwrap_or_else(|failure| {
        context.report(&failure);
        failure.code
    });
    Ended { code, out: out.text(), talk: talk.text() }
}

/// Runs a command against a daemon's own API server.
async fn run_against(lab: &Lab, line: &'static str) -> Ended {
    let socket = lab.socket();
    tokio::task::spawn_blocking(move || run_line(line, socket)).await.unwrap()
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
    DaemonCli::command().debug_assert();
}

#[test]
fn options_stand_before_and_behind_the_command() {
    for line in [
        "clawgress -o json --socket /x status",
        "clawgress status --socket /x -o json",
        "clawgress audit search --deny --since 2h --until PT1H --limit 5 --socket /x --output json",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!((cli.output, cli.socket), (Format::Json, Some(PathBuf::from("/x"))), "{line}");
    }
}

#[test]
fn wrong_usage_ends_in_exit_code_two() {
    for line in [
        "clawgress",
        "clawgress stauts",
        "clawgress status --nope",
        "clawgress -o xml status",
        "clawgress explain --agent a --header novalue https://a.example/",
        "clawgress audit search --since yesterday",
        "clawgress audit search --deny --allow",
        "clawgress audit search --deny --decision allow",
        "clawgress get",
        "clawgress apply",
        "clawgress secret set",
        "clawgress secret set openai value",
        "clawgress secret set openai --value x",
    ] {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    for line in [
        "clawgress explain https://a.example/",
        "clawgress explain --agent a not-a-target",
        "clawgress explain --agent a --method GET a.example:22",
        "clawgress audit tail -f -o json",
    ] {
        let ended = run_line(line, "/nonexistent".into());
        assert_eq!(ended.code, Exit::Usage, "{line}");
        assert!(ended.talk.starts_with("error: ") && ended.talk.contains("\nhint: "), "{}", ended.talk);
    }
}

#[test]
fn the_daemon_goes_by_two_names() {
    let daemon = DaemonCli::try_parse_from(["clawgressd", "--config", "/x"]).unwrap();
    assert_eq!(daemon.daemon.config, PathBuf::from("/x"));
    let Command::Daemon(daemon) = Cli::try_parse_from(["clawgress", "daemon"]).unwrap().command else {
        panic!("not the daemon");
    };
    assert_eq!(daemon.config, PathBuf::from(DEFAULT_CONFIG));
}

#[test]
fn without_a_daemon_a_command_ends_in_exit_code_three_and_says_what_to_do() {
    for line in [
        "clawgress status",
        "clawgress reload",
        "clawgress get agents",
        "clawgress audit tail -f",
        "clawgress ca export",
    ] {
        let ended = run_line(line, "/nonexistent/admin.sock".into());
        assert_eq!(ended.code, Exit::Code(3), "{line}");
        assert_eq!(ended.out, "");
        assert!(ended.talk.contains("no daemon answers at `/nonexistent/admin.sock`"), "{}", ended.talk);
        assert!(ended.talk.contains("hint: start it with `systemctl start clawgressd`"), "{}", ended.talk);
    }
}

#[tokio::test]
async fn every_command_prints_what_the_daemon_answers() {
    let lab = Lab::start(Pockets::default(), everybody());
    let status = run_against(&lab, "clawgress status -o json").await;
    assert_eq!(
        serde_json::from_str::<Value>(&status.out).unwrap(),
        serde_json::to_value(wire_status()).unwrap()
    );
    for (line, code, out) in [
        ("clawgress reload", Exit::Done, "sha256:01 in force: 1 file, 2 documents\n"),
        ("clawgress doctor nft", Exit::Done, "ok    nft  1.1\nnothing needs you\n"),
        ("clawgress get agents", Exit::Done, "Agent/alice  policies.d/agents.yaml:1\n"),
        ("clawgress get agents -o yaml", Exit::Done, "- kind: Agent\n"),
        ("clawgress get Agent alice -o yaml", Exit::Done, "kind: Agent\n"),
        ("clawgress get agents -o jsonl", Exit::Done, "{\"kind\":\"Agent\"}\n"),
        ("clawgress get Agent nobody", Exit::Code(1), ""),
        ("clawgress audit search --agent alice -o jsonl", Exit::Done, "{\"agent_id\":\"alice\"}\n"),
        ("clawgress audit show 0199c0de-7a31", Exit::Done, "request_id  0199c0de-7a31\n"),
        ("clawgress ca export", Exit::Done, "-----BEGIN CERTIFICATE-----\n"),
        ("clawgress ca export -o jsonl", Exit::Done, "{\"pem\":\"-----BEGIN CERTIFICATE-----\\n\"}\n"),
        ("clawgress audit tail -o jsonl", Exit::Done, "{\"seq\":1}\n"),
        ("clawgress secret remove openai", Exit::Done, "openai/value is removed\n"),
        ("clawgress secret remove openai --key a", Exit::Done, "openai/a is removed\n"),
        ("clawgress secret remove gcp", Exit::Code(1), ""),
    ] {
        let ended = run_against(&lab, line).await;
        assert_eq!((ended.code, ended.out.as_str()), (code, out), "{line}: {}", ended.talk);
    }
    let refused = run_against(&lab, "clawgress explain --agent alice --method post https://a.example/").await;
    assert_eq!(refused.code, Exit::No);
    assert!(refused.out.contains("refused (policy.no-route, EgressGateway/default)"), "{}", refused.out);
}

#[tokio::test]
async fn what_is_in_the_vault_is_listed_with_what_cannot_be_opened() {
    let lab = Lab::start(Pockets::default(), everybody());
    let listed = run_against(&lab, "clawgress secret list").await;
    assert_eq!(
        (listed.code, listed.out.as_str()),
        (
            Exit::Done,
            concat!(
                "aws     id     version 7  2026-11-18 11:06:40  root  CredentialInjectionPolicy/aws  cannot be opened\n",
                "openai  value  version 1  2026-11-18 11:06:40  root\n",
            )
        )
    );
}

#[test]
fn what_is_no_name_or_no_document_is_refused_before_a_daemon_is_asked() {
    for (line, why) in [
        ("clawgress secret remove Open/AI", "this is not a name of a secret"),
        ("clawgress secret remove openai --key a/b", "this is not a key of a secret"),
    ] {
        let ended = run_line(line, "/nonexistent".into());
        assert_eq!((ended.code, ended.talk.contains(why)), (Exit::Usage, true), "{}", ended.talk);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "kind: Secret\nstringData: {value: swordfish}\n").unwrap();
    let path = file.path().display();
    let ended = run_line(&format!("clawgress apply -f {path}"), "/nonexistent".into());
    assert_eq!(ended.code, Exit::No);
    assert!(ended.talk.contains("lacks the field `apiVersion`"), "{}", ended.talk);
    assert!(ended.talk.ends_with("2 errors in 1 of 1 file. Nothing was applied.\n"), "{}", ended.talk);
    let json = run_line(&format!("clawgress apply -f {path} -o json"), "/nonexistent".into());
    assert_eq!(json.code, Exit::No);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["errors"][0]["line"], 1);
    assert!(!format!("{json:?}{ended:?}").contains("swordfish"));
}

#[tokio::test]
async fn a_search_goes_through_all_pages_and_is_one_document() {
    let rows = vec![json!({"request_id": "a"}), json!({"request_id": "b"}), json!({"request_id": "c"})];
    let lab = Lab::start(Pockets { rows: rows.clone(), ..Pockets::default() }, everybody());
    let all = run_against(&lab, "clawgress audit search -o json").await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&all.out).unwrap(), rows);
    let newest = run_against(&lab, "clawgress audit search -o json --limit 2").await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&newest.out).unwrap(), rows[1..]);
    let yaml = run_against(&lab, "clawgress audit search -o yaml").await;
    assert_eq!(yaml.out, "- request_id: a\n- request_id: b\n- request_id: c\n");
    assert_eq!(lab.backend_windows()[1].through, Some(3), "a search ends where it began");
}

#[test]
fn a_folder_without_documents_is_valid_and_the_command_says_that_nothing_was_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let ended = run_line(&format!("clawgress validate -f {path}"), "/nonexistent".into());
    assert_eq!(ended.code, Exit::Done);
    assert_eq!(ended.talk, format!("nothing was judged: no file below `{path}` ends in `.yaml` or `.yml`\n"));
}

#[test]
fn the_schema_of_a_kind_is_printed_without_a_daemon_and_the_kinds_are_listed_with_their_state() {
    let run = |line: &str| run_line(line, "/nonexistent".into());
    let schema = run("clawgress schema egressgateway");
    assert_eq!((schema.code, schema.talk.as_str()), (Exit::Done, ""));
    let schema: Value = serde_json::from_str(&schema.out).unwrap();
    assert_eq!(schema["$id"], "urn:clawgress:schema:EgressGateway");
    assert_eq!(
        serde_json::from_str::<Value>(&run("clawgress schema EgressGateway -o json").out).unwrap(),
        schema
    );
    assert!(run("clawgress schema EgressGateway -o yaml").out.contains("\ntitle: EgressGateway\n"));
    let settings: Value = serde_json::from_str(&run("clawgress schema ClawgressConfig").out).unwrap();
    assert_eq!(settings["properties"]["spec"]["properties"]["failMode"]["default"], "closed");

    let tests: Value = serde_json::from_str(&run("clawgress schema policytest").out).unwrap();
    assert_eq!(tests["properties"]["kind"]["const"], "PolicyTest");
    let list = run("clawgress schema").out;
    assert!(list.starts_with("Agent "), "{list}");
    let line = |kind: &str| list.lines().find(|line| line.starts_with(kind)).unwrap().to_owned();
    assert!(line("EgressDenyPolicy").contains("  enforced  "), "{list}");
    assert!(line("TrustGraph").ends_with("  not yet enforced"), "{list}");
    assert!(line("Secret").contains("  elsewhere  "), "{list}");
    let rows: Vec<Value> = serde_json::from_str(&run("clawgress schema -o json").out).unwrap();
    assert_eq!(rows.len(), list.lines().count());
    assert_eq!((&rows[0]["kind"], &rows[0]["state"]), (&json!("Agent"), &json!("enforced")));

    for (kind, code, told) in [
        (
            "TrustGraph",
            Exit::No,
            "error: `TrustGraph` is not yet enforced\nhint: a document of this kind is refused whole",
        ),
        (
            "EgresGateway",
            Exit::Usage,
            "error: unknown kind `EgresGateway`\nhint: did you mean `EgressGateway`?\n",
        ),
        (
            "Secret",
            Exit::No,
            "error: `Secret` is no kind of policy document\nhint: it could be read by others",
        ),
    ] {
        let ended = run(&format!("clawgress schema {kind}"));
        assert_eq!((ended.code, ended.out.as_str()), (code, ""));
        assert!(ended.talk.starts_with(told), "{}", ended.talk);
    }
}

#[test]
fn a_reader_who_has_seen_enough_ends_the_command_in_silence() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let (mut talk, talk_end) = io::pipe().unwrap();
    let mut context = Context::with("/x".into(), Format::Table, Box::new(writer), Box::new(talk_end));
    let Command::Completion(command) =
        Cli::try_parse_from(["clawgress", "completion", "bash"]).unwrap().command
    else {
        panic!("not completion");
    };
    let failure = command.run(&mut context).unwrap_err();
    context.report(&failure);
    drop(context);
    let mut said = String::new();
    talk.read_to_string(&mut said).unwrap();
    assert_eq!((failure.code, said.as_str()), (Exit::Done, ""));
}

#[test]
fn status_is_one_screen_whose_last_line_is_what_matters() {
    let mut status = wire_status();
    status.daemon.started_at = Timestamp::parse("2026-01-02T13:40:00Z").unwrap();
    status.daemon.uptime_s = 4920;
    status.interception.subnets.push("fd77::/64".into());
    status.interception.routes = Setup::InPlace;
    status.policy.digest = "sha256:9f2c0a1b77aa".into();
    status.policy.files = 7;
    status.policy.documents = 31;
    status.policy.since = Timestamp::parse("2026-01-02T13:50:00Z").unwrap();
    status.policy.on_disk = OnDisk::Same;
    status.agents = 12;
    status.last_hour = LastHour {
        allowed: 18_204,
        refused: 37,
        by_reason: [("dlp.blocked".into(), 4), ("policy.no-route".into(), 31), ("ai.model".into(), 2)].into(),
        added_latency_us_p50: Some(24),
    };
    status.ledger = LedgerState { records: 214_880, healthy: true, ..LedgerState::default() };
    status.needs.clear();
    let expected = "\
clawgressd 0.1.0, running since 13:40 UTC (1 h 22 min), fail mode closed
  intercepting   agents0 (10.77.0.0/24, fd77::/64)   rules in place, as written
  kernel         refused udp 3, quic 12 packets
  policy         enforced sha256:9f2c0a1b... (since 13:50, 7 files, 31 documents)   on disk and in force: the same
  agents         12
  last hour      18,204 allowed, 37 refused (policy.no-route 31, dlp.blocked 4, ai.model 2), added 24 us at the median
  ledger         214,880 records, journal empty
nothing needs you
";
    assert_eq!(status::render(&status, Paint(false)), expected);

    status.last_hour.by_reason.extend((1..=15).map(|number| (format!("reason.{number}"), 1)));
    let text = status::render(&status, Paint(false));
    assert!(
        text.contains("refused (policy.no-route 31, dlp.blocked 4, ai.model 2, 15 more), added"),
        "{text}"
    );

    status.policy.on_disk = OnDisk::Digest("sha256:77aa0a1b9f2c".into());
    let text = status::render(&status, Paint(false));
    let both = "enforced sha256:9f2c0a1b... (since 13:50, 7 files, 31 documents)   on disk: sha256:77aa0a1b..., not in force\n";
    assert!(text.contains(both), "{text}");

    let first = Diagnostic {
        message: "unknown field `hosts`".into(),
        file: Some("policies.d/a.yaml".into()),
        line: Some(4),
        ..Diagnostic::default()
    };
    status.policy.on_disk = OnDisk::Errors(vec![first, Diagnostic::default()]);
    status.policy.digest_on_disk = Some("sha256:00aa0a1b9f2c".into());
    let text = status::render(&status, Paint(false));
    let broken = "   on disk: sha256:00aa0a1b..., does not load: policies.d/a.yaml:4: unknown field `hosts` (and 1 more)\n";
    assert!(text.contains(broken), "{text}");

    status.policy.on_disk = OnDisk::Errors(vec![Diagnostic::default(); 2]);
    status.policy.digest_on_disk = None;
    status.policy.documents = 0;
    status.ledger = LedgerState { records: 1, journal_bytes: 4096, backlog_bytes: 2048, healthy: false };
    status.needs = vec!["policies.d does not load (2 errors): clawgress validate".into()];
    let text = status::render(&status, Paint(false));
    assert!(text.contains("  nothing in force   on disk: does not load (2 errors)\n"), "{text}");
    assert!(text.contains("1 record, 2.0 KiB of journal on the way, cannot write\n"), "{text}");
    assert!(text.ends_with("\npolicies.d does not load (2 errors): clawgress validate\n"), "{text}");
}

fn recorded() -> Vec<Value> {
    vec![
        json!({
            "timestamp": "2026-01-02T14:02:11.000001Z", "kind": "request", "decision": "deny", "agent_id": "alice",
            "http_method": "POST", "destination_host": "paste.example", "destination_port": 443, "path": "/upload",
            "reason": "policy.no-route", "policy_id": "EgressGateway/default", "status": 403,
            "request_id": "0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10",
        }),
        json!({
            "timestamp": "2026-01-02T14:02:40.5Z", "kind": "connection", "decision": "allow", "agent_id": "bob",
            "destination_address": "2001:db8::1", "destination_port": 22, "protocol": "tcp",
            "policy_id": "EgressL4Route/ssh", "request_id": "0199c0de-7b02-7c55-b0a4-5f3e8c1d9a10",
        }),
        json!({
            "timestamp": "2026-01-01T23:59:59Z", "kind": "dns", "decision": "allow", "agent_id": "bob",
            "query_type": "AAAA", "query_name": "evil\u{1b}[2J.example", "status": 0, "request_id": "0199",
        }),
        json!({
            "timestamp": "2026-01-02T14:03:00Z", "kind": "connection", "decision": "deny",
            "source_address": "10.77.0.9", "destination_host": "a.example", "destination_port": 443,
            "reason": "identity.unknown",
        }),
        json!({"timestamp": "2026-01-02T14:03:01Z", "kind": "admin", "decision": "allow", "action": "reload"}),
        json!({
            "timestamp": "2026-01-02T14:03:01.5Z", "kind": "admin", "decision": "deny", "action": "approve",
            "object": "alice a.example", "status": 400, "reason": "admin.refused",
        }),
        json!({
            "timestamp": "2026-01-02T14:03:02Z", "kind": "request", "decision": "deny", "agent_id": "bob",
            "destination_host": "a.example", "destination_port": 443, "protocol": "http/1.1", "status": 400,
            "reason": "protocol.malformed", "evidence": "http/1 guard: BothLengths",
        }),
        json!({
            "timestamp": "2026-01-02T14:03:03Z", "kind": "connection", "decision": "allow", "agent_id": "bob",
            "destination_host": "time.example", "destination_port": 123, "protocol": "udp", "datagrams_out": 1,
            "policy_id": "EgressL4Route/time",
        }),
    ]
}

#[test]
fn records_are_aligned_lines_that_cannot_steer_a_terminal() {
    let now = Timestamp::parse("2026-01-02T15:00:00Z").unwrap();
    let expected = "\
14:02:11             deny   alice      POST paste.example/upload       policy.no-route     EgressGateway/default  0199c0de-7a31
14:02:40             allow  bob        tcp [2001:db8::1]:22                                EgressL4Route/ssh      0199c0de-7b02
2026-01-01 23:59:59  allow  bob        dns AAAA evil\\u{1b}[2J.example  0                                          0199
14:03:00             deny   10.77.0.9  a.example:443                   identity.unknown
14:03:01             allow  -          admin reload
14:03:01             deny   -          admin approve alice a.example   admin.refused
14:03:02             deny   bob        http/1.1 a.example              protocol.malformed
14:03:03             allow  bob        udp time.example:123                                EgressL4Route/time
";
    assert_eq!(audit::Table::default().lines(&recorded(), now, Paint(false)), expected);
    let details = audit::details(&recorded()[0], Paint(false));
    assert!(
        details.starts_with("timestamp         2026-01-02T14:02:11.000001Z\nrequest_id        0199c0de"),
        "{details}"
    );
    assert!(details.ends_with("destination_port  443\nstatus            403\n"), "{details}");
    let details = audit::details(&recorded()[6], Paint(false));
    assert!(
        details.contains("malformed\nevidence          http/1 guard: BothLengths\n"),
        "what was seen: {details}"
    );
}

#[test]
fn an_explanation_tells_the_stages_the_nearest_rule_and_what_would_allow_it() {
    let step = |stage: &str, verdict, text: &str, source: &str| Step {
        stage: stage.into(),
        verdict,
        text: text.into(),
        source: Some(source.into()).filter(|source: &String| !source.is_empty()),
    };
    let explanation = Explanation {
        agent: "alice".into(),
        request: "POST https://paste.example/upload".into(),
        allowed: false,
        decision: Decision::Deny,
        reason: Some(Reason::PolicyNoRoute),
        policy: Some("EgressGateway/default".into()),
        rule: None,
        opened_by: None,
        steps: vec![
            step("identity", StepVerdict::Pass, "alice (team red, test)", "by address 10.77.0.2"),
            step("deny", StepVerdict::Pass, "no rule matches", ""),
            step("routes", StepVerdict::Pass, "5 looked at, none allows it", ""),
            step(
                "default",
                StepVerdict::Deny,
                "deny-all",
                "EgressGateway/default, policies.d/gateway.yaml:4",
            ),
        ],
        nearest: Some("EgressHTTPRoute/paste-read allows GET paste.example/*, this was POST".into()),
        nearest_rule: None,
        hints: vec!["To allow it: add POST to EgressHTTPRoute/paste-read (policies.d/paste.yaml:9)".into()],
        recorded: None,
    };
    let expected = "\
alice asking POST https://paste.example/upload would be refused (policy.no-route, EgressGateway/default).

  identity  alice (team red, test)       by address 10.77.0.2
  deny      no rule matches
  routes    5 looked at, none allows it
  default   deny-all                     EgressGateway/default, policies.d/gateway.yaml:4

nearest: EgressHTTPRoute/paste-read allows GET paste.example/*, this was POST
To allow it: add POST to EgressHTTPRoute/paste-read (policies.d/paste.yaml:9)
";
    assert_eq!(explain::render(&explanation, Paint(false)), expected);

    let long = "what would allow it ".repeat(10);
    let steps = vec![step("gateway", StepVerdict::Allow, &long, "")];
    let own = Explanation {
        allowed: true,
        decision: Decision::Allow,
        reason: None,
        policy: None,
        steps,
        ..explanation
    };
    let text = explain::render(&own, Paint(false));
    assert!(
        text.starts_with("alice asking POST https://paste.example/upload would be allowed (built in).\n"),
        "{text}"
    );
    assert!(text.contains(&long), "{text}");

    let bound = Explanation {
        decision: Decision::Throttle,
        policy: Some("EgressPolicy/pace".into()),
        rule: Some("uploads".into()),
        ..own
    };
    let text = explain::render(&bound, Paint(false));
    let told = "alice asking POST https://paste.example/upload would be let through (throttle, EgressPolicy/pace uploads).\n";
    assert!(text.starts_with(told), "{text}");
}

#[test]
fn doctor_names_the_repair_below_each_check_that_fails() {
    let check = |name: &str, state, found: &str, repair: Option<&str>| Check {
        name: name.into(),
        state,
        found: found.into(),
        repair: repair.map(str::to_owned),
    };
    let checks = [
        check("forwarding", CheckState::Ok, "net.ipv4.ip_forward is 1", None),
        check(
            "rp_filter",
            CheckState::Fail,
            "`agents0` is strict",
            Some("sysctl -w net.ipv4.conf.agents0.rp_filter=2"),
        ),
    ];
    let expected = "\
ok    forwarding  net.ipv4.ip_forward is 1
fail  rp_filter   `agents0` is strict
                  repair: sysctl -w net.ipv4.conf.agents0.rp_filter=2
1 check failed; first rp_filter: sysctl -w net.ipv4.conf.agents0.rp_filter=2
";
    assert_eq!(doctor::render(&checks, Paint(false)), expected);
}

#[tokio::test]
async fn what_stands_for_a_time_is_said_in_lines_that_lead_on() {
    let lab = Lab::start(Pockets::default(), everybody());
    let ended =
        run_against(&lab, "clawgress approve alice --host paste.example:443 --reason debug --ttl 2h").await;
    let (first, second) = ended.out.split_once('\n').unwrap();
    assert!(
        first.starts_with("alice may reach paste.example:443, cdn.example (every port) until "),
        "{first}"
    );
    assert_eq!(second, "to end it earlier: clawgress revoke alice-1\n");
    let ended = run_against(&lab, "clawgress approvals").await;
    assert!(ended.out.contains("alice-1  alice  paste.example:443, cdn.example (every port)  "), "{ended:?}");
    assert!(ended.out.ends_with("active  root  debug\n"), "{ended:?}");
    let ended = run_against(&lab, "clawgress revoke bob-1").await;
    assert_eq!((ended.code, &*ended.talk), (Exit::Code(1), "error: no approval `bob-1` is in force\n"));
    let ended = run_against(&lab, "clawgress agent quarantine bob --reason loud --for 2h").await;
    assert_eq!(ended.out, "bob is quarantined until released\nto end it: clawgress agent release bob\n");
    let ended = run_against(&lab, "clawgress agent release bob").await;
    assert_eq!(ended.out, "bob is let in again, as policy says\n");
    let ended = run_against(&lab, "clawgress agent list").await;
    assert_eq!(ended.out, "alice  active  red  10.77.0.2/32\n");
    let ended = run_against(&lab, "clawgress agent show alice").await;
    assert!(ended.out.contains("approvals  1 in force\n"), "{ended:?}");
    lab.stop().await;
}

#[test]
fn an_approval_needs_somebody_and_something_or_a_refusal_that_says_both() {
    for line in [
        "clawgress approve --host a.example --reason x --ttl 2h",
        "clawgress approve alice --host a.example --ttl 2h",
        "clawgress approve alice --host a.example --reason x",
        "clawgress approve alice --host a.example --reason x --ttl 0s",
        "clawgress approve alice --host a.example --reason x --ttl soon",
    ] {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
    assert!(Cli::try_parse_from("clawgress approve 0199c0de-7a31 --reason x --ttl 2h".split(' ')).is_ok());
    let ended = run_line("clawgress approve alice --reason x --ttl 2h", "/nonexistent".into());
    assert_eq!(ended.code, Exit::Usage, "{}", ended.talk);
    assert!(ended.talk.contains("it is not said which host agent `alice` may reach"), "{}", ended.talk);
}
