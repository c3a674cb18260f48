//! Rules of EgressPolicies and deny policies, as a workload meets them; the fine grain stands in the unit tests of
//! `decide::policy`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::dialogue::connect;
use super::world::{BASE, Heard, Line, ROUTES, World, curl};
use crate::lab::backends::{Wire, eventually, within};
use crate::lab::{Daemon, UPSTREAM_V4, UPSTREAM_V6, Zone};

/// Both families of curl.
const FAMILIES: [&str; 2] = ["-4", "-6"];

/// A policy of this name for all who leave through the gateway.
fn policy(name: &str, rules: &[&str]) -> String {
    format!(
        "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         targetRef: {{kind: EgressGateway, name: default}}\n  rules:\n    - {}\n",
        rules.join("\n    - ")
    )
}

/// One request for `site.example`, with these arguments of curl.
fn ask(world: &World, daemon: &Daemon<'_>, family: &str, arguments: &[&str]) -> Heard {
    world.ask(daemon, &[&[family], arguments].concat())
}

/// The record of the decision that a refusal quotes.
fn record_of(daemon: &Daemon<'_>, heard: &Heard) -> Value {
    daemon.record(&json!({"request_id": heard.json()["request_id"]}))
}

#[test]
fn a_condition_denies_with_the_administrators_message_and_explain_says_which_rule() {
    let world = World::new();
    let rule = "{name: uploads, when: 'request.method == \"POST\" && request.path.startsWith(\"/upload\")', action: Deny, message: Uploads wait until morning.}";
    let daemon = world.gateway(&(ROUTES.to_owned() + &policy("nights", &[rule])));
    for family in FAMILIES {
        let heard = ask(&world, &daemon, family, &["-d", "x", "https://site.example/upload"]);
        assert_eq!((heard.status, heard.reason()), (403, "policy.denied"), "{family}");
        let detail = heard.json()["detail"].clone();
        assert!(
            detail.as_str().is_some_and(|text| text.starts_with("Uploads wait until morning.")),
            "{detail}"
        );
        let record = record_of(&daemon, &heard);
        assert_eq!(
            (&record["decision"], &record["policy_id"], &record["rule"]),
            (&json!("deny"), &json!("EgressPolicy/nights"), &json!("uploads"))
        );
        assert_eq!(ask(&world, &daemon, family, &["https://site.example/small"]).status, 200, "{family}");
    }
    assert!(world.site.behind().untouched());
    let asked =
        ["explain", "--agent", "alice", "--method", "POST", "-o", "json", "https://site.example/upload"];
    let told = daemon.cli(&asked);
    told.failed_with(1);
    let last = told.json()["steps"].as_array().and_then(|steps| steps.last().cloned()).expect("a step");
    assert_eq!(
        (&last["stage"], &last["text"]),
        (&json!("rules"), &json!("EgressPolicy/nights uploads: Deny, holds"))
    );
}

#[test]
fn a_transform_is_seen_by_the_upstream_and_changes_nothing_that_is_judged() {
    let world = World::new();
    let rules = [
        "{name: tag, action: Transform, setHeaders: {X-Team: red}, removeHeaders: [X-Note, Authorization]}",
        "{name: judged, when: '\"x-team\" in request.headers && request.headers[\"x-team\"] == \"red\"', action: Deny}",
    ];
    let daemon = world.gateway(&(ROUTES.to_owned() + &policy("tags", &rules)));
    for family in FAMILIES {
        for version in ["--http1.1", "--http2"] {
            let fields = [
                "-H",
                "X-Team: blue",
                "-H",
                "X-Note: secret",
                "-H",
                "Authorization: Bearer x",
                "-H",
                "X-Kept: yes",
            ];
            let arguments = [&[version][..], &fields, &["https://site.example/headers"]].concat();
            let heard = ask(&world, &daemon, family, &arguments);
            assert_eq!(heard.status, 200, "{family} {version}");
            let seen = heard.json()["headers"].to_string().to_ascii_lowercase();
            assert!(seen.contains("x-team") && seen.contains("red") && seen.contains("x-kept"), "{seen}");
            let gone = ["blue", "secret", "bearer"];
            assert!(gone.iter().all(|gone| !seen.contains(gone)), "{seen}");
        }
    }
    let record = daemon.record(&json!({"kind": "request", "path": "/headers", "decision": "transform"}));
    assert_eq!((&record["policy_id"], &record["rule"]), (&json!("EgressPolicy/tags"), &json!("tag")));
    let evidence = record["evidence"].as_str().expect("what let it through");
    assert!(evidence.starts_with("let through by EgressHTTPRoute/site-read rules[0]"), "{evidence}");
}

#[test]
fn requests_are_held_back_at_their_pace_and_refused_beyond_it() {
    let world = World::new();
    let rule = "{name: slow, action: Throttle, requestsPerSecond: 1}";
    let daemon = world.gateway(&(ROUTES.to_owned() + &policy("pace", &[rule])));
    let arguments = [
        "--http2",
        "--parallel",
        "--parallel-immediate",
        "--parallel-max",
        "40",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %header{x-clawgress-reason} %header{retry-after}\\n",
        "https://site.example/small?[1-40]",
    ];
    let said = world.curl(&daemon, &arguments).succeeded();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with(['2', '4'])).collect();
    let (served, refused): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.starts_with("200"));
    assert_eq!(served.len() + refused.len(), 40, "{said}");
    // One at once, five within the longest wait, and some more if this machine was slow to ask.
    assert!((6..30).contains(&served.len()), "{} served: {said}", served.len());
    for line in &refused {
        let told: Vec<&str> = line.split(' ').collect();
        assert_eq!(told[..2], ["429", "quota.requests"], "{line}");
        assert!(told[2].parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{line}");
    }
    // Those that wait are served in the order in which they are refused: first all refusals, for they wait for nothing.
    let rows = daemon.records(&["--kind", "request", "--decision", "throttle"]);
    assert_eq!(rows.len(), served.len());
    let refusals = daemon.records(&["--kind", "request", "--reason", "quota.requests"]);
    assert_eq!(refusals.len(), refused.len());
    assert!(refusals.iter().all(|row| row["policy_id"] == "EgressPolicy/pace" && row["rule"] == "slow"));
}

#[test]
fn bytes_of_bodies_and_relays_move_at_the_pace_that_one_agent_has_and_no_other() {
    let world = World::new();
    let bob = BASE.split("---").next().expect("an agent");
    let bob = bob
        .replace("name: alice", "name: bob")
        .replace("10.77.0.2/32, 'fd77::2/128'", "10.77.0.3/32, 'fd77::3/128'");
    let rules = policy(
        "pace",
        &["{name: slow, when: 'agent.name == \"alice\"', action: Throttle, bytesPerSecond: 65536}"],
    );
    let policies = [("base.yaml", BASE), ("bob.yaml", &bob), ("routes.yaml", &(ROUTES.to_owned() + &rules))];
    let daemon = world.lab.daemon(&json!({}), &policies);
    let echo = "import socket
s = socket.create_connection(('raw.example', 7000), 5)
s.sendall(b'\\0' + b'x' * 199999)
got = 0
while got < 200000:
    got += len(s.recv(65536))
print(got)";
    let download = ["-o", "/dev/null", "-w", "%{size_download}", "https://site.example/download/327680"];
    for slow in ["-4", "-6", "relay"] {
        let alice = match slow {
            "relay" => world.lab.workload().command("python3").args(["-c", echo]),
            family => curl(world.lab.workload(), &daemon).arg(family).args(download),
        };
        let mut alice = alice.start();
        // What bob asks for later he has sooner.
        for family in FAMILIES {
            let program = curl(world.lab.bob(), &daemon).arg(family).args(download);
            assert_eq!(program.run().succeeded(), "327680");
        }
        assert!(alice.ended().is_none(), "{slow}: alice was as fast as bob");
        let whole = if slow == "relay" { "200000" } else { "327680" };
        assert_eq!(alice.finish(Duration::from_secs(30)).succeeded().trim(), whole, "{slow}");
    }
    daemon.record(
        &json!({"kind": "request", "agent_id": "alice", "decision": "throttle", "bytes_in": 327_680}),
    );
    daemon.record(&json!({"kind": "request", "agent_id": "bob", "decision": "allow", "bytes_in": 327_680}));
    daemon.record(&json!({"kind": "connection", "protocol": "tcp", "decision": "throttle", "rule": "slow"}));
}

/// What `raw.example` echoes, on a connection that stays open.
fn open_relay(world: &World) -> TcpStream {
    world.lab.workload().command("getent").args(["ahostsv4", "raw.example"]).run().succeeded();
    connect(world.lab.workload(), "192.0.2.13:7000")
}

#[test]
fn a_quarantine_shuts_the_agent_out_at_once_and_ends_by_itself() {
    let world = World::new();
    let rule = "{name: trap, when: 'destination.host == \"canary.example\"', action: Quarantine, for: 6s}";
    let daemon = world.gateway(&(ROUTES.to_owned() + &policy("traps", &[rule])));
    let mut kept = Line::tls(&world, &daemon, "site.example", &format!("{UPSTREAM_V4}:443"));
    assert_eq!(kept.ask("GET", "/small").status, 200);
    let mut relay = open_relay(&world);
    relay.write_all(b"\0word").expect("a living relay");
    relay.read_exact(&mut [0; 5]).expect("its echo");

    let claim = "canary.example:443:192.0.2.12";
    let caught = world.ask(&daemon, &["--resolve", claim, "https://canary.example/"]);
    assert_eq!((caught.status, caught.reason()), (403, "identity.quarantined"));
    let record = daemon.record(&json!({"kind": "connection", "decision": "quarantine"}));
    assert_eq!(
        (&record["reason"], &record["policy_id"], &record["rule"], &record["agent_id"]),
        (&json!("identity.quarantined"), &json!("EgressPolicy/traps"), &json!("trap"), &json!("alice"))
    );

    assert!(kept.ended(), "a connection that was open");
    assert!(matches!(relay.read(&mut [0; 1]), Ok(0) | Err(_)), "a relay that was open");
    let ended = daemon.record(
        &json!({"kind": "connection", "destination_host": "raw.example", "reason": "identity.quarantined"}),
    );
    assert_eq!(ended["policy_id"], "EgressPolicy/traps");
    for address in [UPSTREAM_V4.to_owned(), format!("[{UPSTREAM_V6}]")] {
        let resolve = format!("site.example:443:{address}");
        let heard = world.ask(&daemon, &["--resolve", &resolve, "https://site.example/small"]);
        assert_eq!((heard.status, heard.reason()), (403, "identity.quarantined"), "{address}");
    }
    let lookup = world.lab.workload().command("getent").args(["ahostsv4", "raw.example"]).run();
    assert_ne!(lookup.code(), 0, "{lookup}");
    daemon.record(&json!({"kind": "dns", "query_name": "raw.example", "reason": "identity.quarantined"}));

    let again = || {
        (world
            .ask(
                &daemon,
                &["--resolve", &format!("site.example:443:{UPSTREAM_V4}"), "https://site.example/small"],
            )
            .status
            == 200)
            .then_some(())
    };
    within(Duration::from_secs(20), "the quarantine ends", again);
}

#[test]
fn an_alert_and_a_rule_on_trial_let_through_and_are_on_record() {
    let world = World::new();
    let rules = [
        "{name: told, when: 'request.path == \"/small\"', action: Alert}",
        "{name: trial, when: 'request.path == \"/status/201\"', action: LogOnly, would: Quarantine}",
    ];
    let daemon = world.gateway(&(ROUTES.to_owned() + &policy("watch", &rules)));
    for family in FAMILIES {
        assert_eq!(ask(&world, &daemon, family, &["https://site.example/small"]).status, 200);
        assert_eq!(ask(&world, &daemon, family, &["https://site.example/status/201"]).status, 201);
        assert_eq!(ask(&world, &daemon, family, &["https://site.example/status/202"]).status, 202);
    }
    for (decision, path, rule, says) in [
        ("alert", "/small", "told", "EgressPolicy/watch told raises an alert"),
        ("log-only", "/status/201", "trial", "EgressPolicy/watch trial would have quarantined the agent"),
    ] {
        let rows = eventually("both families on record", || {
            let rows = daemon.records(&["--kind", "request", "--decision", decision]);
            (rows.len() == 2).then_some(rows)
        });
        for row in rows {
            assert_eq!((&row["path"], &row["rule"]), (&json!(path), &json!(rule)));
            assert!(row["evidence"].as_str().is_some_and(|seen| seen.ends_with(says)), "{row}");
        }
    }
    daemon.record(&json!({"kind": "request", "path": "/status/202", "decision": "allow"}));
    let status = daemon.status();
    assert_eq!(status["last_hour"]["refused"], 0, "{status}");
}

#[test]
fn a_condition_that_cannot_be_evaluated_denies_even_where_it_would_only_watch() {
    let world = World::new();
    let rule = "{name: token, when: 'request.headers[\"x-token\"] == \"a\"', action: LogOnly}";
    let daemon = world.gateway(&(ROUTES.to_owned() + &policy("watch", &[rule])));
    for family in FAMILIES {
        let heard = ask(&world, &daemon, family, &["https://site.example/small"]);
        assert_eq!((heard.status, heard.reason()), (403, "policy.unevaluable"), "{family}");
        let record = record_of(&daemon, &heard);
        assert_eq!((&record["policy_id"], &record["rule"]), (&json!("EgressPolicy/watch"), &json!("token")));
        assert!(!String::from_utf8_lossy(&heard.body).contains("x-token"), "a denial reveals no condition");
        let heard = ask(&world, &daemon, family, &["-H", "X-Token: b", "https://site.example/small"]);
        assert_eq!(heard.status, 200, "{family}");
    }
    assert!(world.site.access_log().lines().count() == 2, "{}", world.site.access_log());
}

#[test]
fn an_allow_rule_opens_what_no_route_names_and_its_name_is_looked_up() {
    let world = World::new();
    world.lab.backends().echo("192.0.2.13:7001", Wire::Plain);
    world.lab.backends().echo("[2001:db8:1::13]:7001", Wire::Plain);
    world.resolver.replace(Zone::new().host("both.example", &["192.0.2.13", "2001:db8:1::13"]));
    let rule = "{name: more, when: 'destination.host == \"both.example\" && destination.port == 7001', action: Allow}";
    let daemon = world.gateway(&(ROUTES.to_owned() + &policy("extra", &[rule])));
    for family in ["AF_INET", "AF_INET6"] {
        for (port, expected) in [(7001, "word"), (7002, "reset")] {
            let script = format!(
                "import socket
address = socket.getaddrinfo('both.example', {port}, socket.{family}, socket.SOCK_STREAM)[0][4]
s = socket.socket(socket.{family})
s.settimeout(5)
try:
    s.connect(address)
    s.sendall(b'\\0word')
    print(s.recv(16).decode().strip('\\0'))
except ConnectionResetError:
    print('reset')"
            );
            assert_eq!(world.python(&daemon, &script).succeeded().trim(), expected, "{family} {port}");
        }
    }
    daemon.record(&json!({"kind": "connection", "decision": "allow", "policy_id": "EgressPolicy/extra", "rule": "more"}));
}

#[test]
fn a_deny_policy_on_an_l4_route_answers_in_http_where_there_is_http_and_by_a_reset_where_there_is_none() {
    let world = World::new();
    let documents = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: shut}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: [site.example, raw.example]}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressDenyPolicy
metadata: {name: closed}
spec:
  targetRef: {kind: EgressL4Route, name: shut}
  denyResponse: {statusCode: 410, message: The site has moved.}
";
    let daemon = world.gateway(documents);
    for family in FAMILIES {
        for (version, url) in [
            ("--http1.1", "https://site.example/small"),
            ("--http2", "https://site.example/small"),
            ("--http1.1", "http://site.example/small"),
            ("--http2-prior-knowledge", "http://site.example/small"),
        ] {
            let heard = ask(&world, &daemon, family, &[version, url]);
            assert_eq!((heard.status, heard.reason()), (410, "policy.denied"), "{family} {version} {url}");
            let detail = heard.json()["detail"].clone();
            assert!(detail.as_str().is_some_and(|text| text.starts_with("The site has moved.")), "{detail}");
            let record = record_of(&daemon, &heard);
            assert_eq!(
                (&record["policy_id"], &record["status"]),
                (&json!("EgressDenyPolicy/closed"), &json!(410))
            );
        }
    }
    let mut relay = open_relay(&world);
    let spoken = relay.write_all(b"\0word").map(|()| relay.read(&mut [0; 5]));
    assert!(!matches!(spoken, Ok(Ok(1..))), "a reset");
    daemon.record(&json!({"kind": "connection", "destination_port": 7000, "reason": "policy.denied", "policy_id": "EgressDenyPolicy/closed"}));
    assert!(world.site.access_log().is_empty() && world.site.behind().untouched());
}

#[test]
fn another_name_on_an_open_network_goes_around_no_deny_policy() {
    let world = World::new();
    let vault = ROUTES.split("---").filter(|text| text.contains("vault")).collect::<Vec<_>>().join("---");
    let network = "
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: net}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationCIDRs: [192.0.2.10/32, '2001:db8:1::10/128']}]}]
";
    let daemon = world.gateway(&(vault + network));
    for (family, address) in [("-4", UPSTREAM_V4.to_owned()), ("-6", format!("[{UPSTREAM_V6}]"))] {
        assert_eq!(ask(&world, &daemon, family, &["http://site.example/small"]).status, 200, "{family}");
        let resolve = format!("alias.example:80:{address}");
        let other = |path: &str| {
            let url = format!("http://alias.example{path}");
            ask(&world, &daemon, family, &["--resolve", &resolve, &url])
        };
        let heard = other("/vault/x");
        assert_eq!((heard.status, heard.reason()), (451, "policy.denied"), "{family}");
        let record = record_of(&daemon, &heard);
        assert_eq!(record["policy_id"], "EgressDenyPolicy/closed-vault");
        let seen = record["evidence"].as_str().expect("which name it was given for");
        assert!(seen.ends_with(" was given for site.example"), "{seen}");
        assert_eq!(other("/small").status, 200, "{family}: what is not denied");
    }
}
