//! Which names are looked up for whom: what no route names is refused, and the world outside hears nothing of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{BASE, Heard, ROUTES, World, curl};
use crate::lab::{BOB_V4, Daemon, GATEWAY_V4, GATEWAY_V6, Lab, Namespace, UPSTREAM_V4, UPSTREAM_V6, Zone};

/// Bob, who may reach another site than alice.
const BOB: &str = "---
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: bob, labels: {tier: prod}}
spec: {sources: {addresses: [10.77.0.3/32, 'fd77::3/128']}}
";

/// A name for alice, one for bob, and a wildcard for both.
const THEIRS: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: of-alice}
spec: {parentRefs: [{name: default}], sourceAgents: {matchLabels: {tier: dev}}, hostnames: [alice.example], rules: [{}]}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: of-bob}
spec:
  parentRefs: [{name: default}]
  sourceAgents: {matchLabels: {tier: prod}}
  rules: [{matches: [{destinationHostnames: [bob.example], ports: [{port: 22}]}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: wild}
spec: {parentRefs: [{name: default}], hostnames: ['*.wild.example'], rules: [{}]}
";

fn zone() -> Zone {
    let both = &[UPSTREAM_V4, UPSTREAM_V6];
    Zone::new()
        .host("alice.example", both)
        .host("bob.example", both)
        .host("www.wild.example", both)
        .host("paste.example", both)
        .host("dns.google", both)
        .text("alice.example", "text")
}

fn dig(space: &Namespace, arguments: &[&str]) -> String {
    space.command("dig").args(["+tries=1", "+time=5"]).args(arguments).run().succeeded()
}

/// A refusal as dig shows it: NXDOMAIN, no SOA, and a reason with the id of a record that says the same.
fn refused(daemon: &Daemon<'_>, said: &str, fields: &Value) {
    assert!(said.contains("status: NXDOMAIN") && said.contains("ANSWER: 0, AUTHORITY: 0"), "{said}");
    let row = daemon.record(fields);
    let (reason, id) =
        (row["reason"].as_str().expect("a reason"), row["request_id"].as_str().expect("an id"));
    let told = said.lines().find(|line| line.contains("EDE: 15")).unwrap_or_else(|| panic!("no EDE: {said}"));
    assert!(told.contains(&format!("{reason} {id}")), "{told} / {row}");
}

#[test]
fn a_name_that_no_route_can_match_is_denied_without_an_upstream_query() {
    let lab = Lab::new();
    let resolver = lab.resolver(zone());
    let daemon = lab.daemon(&json!({}), &[("base.yaml", &format!("{BASE}{BOB}")), ("routes.yaml", THEIRS)]);
    for server in [GATEWAY_V4, GATEWAY_V6, "192.0.2.53", "2001:db8:99::99"] {
        for (transport, protocol) in [("+notcp", "dns-udp"), ("+tcp", "dns-tcp")] {
            for (name, kind) in [
                ("paste.example", "A"),
                ("the-customer-list.attacker.example", "AAAA"),
                ("paste.example", "TXT"),
                ("paste.example", "ANY"),
                ("paste.example", "TYPE65280"),
                ("example", "A"),
                ("a.b.wild.example", "A"),
            ] {
                let said = dig(lab.workload(), &[&format!("@{server}"), transport, name, kind]);
                refused(
                    &daemon,
                    &said,
                    &json!({
                        "kind": "dns", "agent_id": "alice", "decision": "deny", "reason": "dns.denied",
                        "policy_id": "EgressGateway/default", "query_name": name, "query_type": kind,
                        "protocol": protocol, "status": 3, "destination_address": server,
                    }),
                );
            }
            for address in ["192.0.2.10", "2001:db8:1::10"] {
                let said = dig(lab.workload(), &[&format!("@{server}"), transport, "-x", address]);
                assert!(said.contains("NXDOMAIN") && said.contains("dns.denied"), "{said}");
            }
            let said =
                dig(lab.workload(), &[&format!("@{server}"), transport, "-c", "CH", "alice.example", "TXT"]);
            assert!(said.contains("NXDOMAIN") && said.contains("dns.denied"), "{said}");
        }
    }
    assert!(resolver.asked().is_empty(), "the outside heard of it: {:?}", resolver.asked());
    // Without EDNS the reason has no place.
    let plain = dig(lab.workload(), &["+noedns", "paste.example"]);
    assert!(plain.contains("NXDOMAIN") && !plain.contains("EDE"), "{plain}");
    // As the operator sees it.
    let shown = daemon.cli(&["audit", "search", "--deny", "--kind", "dns"]).succeeded();
    let line = shown
        .lines()
        .find(|line| line.contains("dns TXT paste.example"))
        .unwrap_or_else(|| panic!("{shown}"));
    assert!(
        line.contains("alice") && line.contains("dns.denied") && line.contains("EgressGateway/default"),
        "{line}"
    );
}

#[test]
fn agents_with_different_routes_get_different_answers() {
    let lab = Lab::new();
    let resolver = lab.resolver(zone());
    let daemon = lab.daemon(&json!({}), &[("base.yaml", &format!("{BASE}{BOB}")), ("routes.yaml", THEIRS)]);
    for (kind, address) in [("A", UPSTREAM_V4), ("AAAA", UPSTREAM_V6)] {
        for (space, agent, name, other) in [
            (lab.workload(), "alice", "alice.example", "bob.example"),
            (lab.bob(), "bob", "bob.example", "alice.example"),
        ] {
            assert_eq!(dig(space, &["+short", name, kind]).trim(), address, "{agent}");
            assert_eq!(dig(space, &["+short", "www.wild.example", kind]).trim(), address, "{agent}");
            let fields = json!({
                "kind": "dns", "agent_id": agent, "query_name": other, "query_type": kind, "reason": "dns.denied",
            });
            refused(&daemon, &dig(space, &[other, kind]), &fields);
        }
    }
    assert!(dig(lab.workload(), &["+short", "alice.example", "TXT"]).contains("text"));
    // Zones above what may be looked up, for those who validate; for nothing else.
    let before = resolver.asked().len();
    for name in ["example", "."] {
        for kind in ["DS", "DNSKEY", "NS", "SOA"] {
            let said = dig(lab.workload(), &[name, kind]);
            assert!(!said.contains("dns.denied"), "{said}");
        }
    }
    assert_eq!(resolver.asked().len(), before + 8);
}

#[test]
fn other_documents_change_what_is_answered_at_once() {
    let lab = Lab::new();
    let resolver = lab.resolver(zone());
    let daemon = lab.daemon(&json!({}), &[("base.yaml", BASE), ("routes.yaml", THEIRS)]);
    assert!(dig(lab.workload(), &["paste.example"]).contains("dns.denied"));
    let route = THEIRS.replace("alice.example", "paste.example");
    daemon.write_policy("routes.yaml", &route);
    daemon.reload();
    assert_eq!(dig(lab.workload(), &["+short", "paste.example"]).trim(), UPSTREAM_V4);
    assert!(dig(lab.workload(), &["alice.example"]).contains("dns.denied"));
    daemon.write_policy("routes.yaml", THEIRS);
    daemon.reload();
    assert!(
        dig(lab.workload(), &["paste.example"]).contains("dns.denied"),
        "an answer that was kept is no answer"
    );
    assert!(!resolver.was_asked_for("alice.example"));
}

#[test]
fn an_unlisted_source_hears_its_own_reason_and_no_other() {
    let lab = Lab::new();
    let resolver = lab.resolver(zone());
    let daemon = lab.daemon(&json!({}), &[("base.yaml", BASE), ("routes.yaml", THEIRS)]);
    for name in ["alice.example", "paste.example", "dns.google"] {
        let fields = json!({"kind": "dns", "source_address": BOB_V4, "query_name": name, "reason": "identity.unknown"});
        refused(&daemon, &dig(lab.bob(), &[name]), &fields);
    }
    assert!(resolver.asked().is_empty());
}

const OPEN: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec: {sources: {addresses: [10.77.0.2/32, 'fd77::2/128']}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec:
  defaultPolicy: allow-all
  listeners: [{name: tls, protocol: TLS, tls: {mode: Terminate}}, {name: raw, protocol: TCP}, {name: web, protocol: HTTP}]
";

#[test]
fn encrypted_resolvers_are_refused_by_name_and_by_address_whatever_routes_say() {
    let lab = Lab::new();
    let resolver = lab.resolver(zone());
    let settings = json!({"dns": {
        "denyResolvers": ["doh.corp.example", "192.0.2.18", "2001:db8:1::18"],
        "allowResolvers": ["cloudflare-dns.com"],
    }});
    let named = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: doh}
spec: {parentRefs: [{name: default}], hostnames: [dns.google, doh.corp.example], rules: [{}]}
";
    let daemon = lab.daemon(&settings, &[("all.yaml", &format!("{OPEN}{named}"))]);
    for name in [
        "dns.google",
        "abc123.dns.nextdns.io",
        "use-application-dns.net",
        "mask.icloud.com",
        "a.doh.corp.example",
    ] {
        let fields = json!({
            "kind": "dns", "agent_id": "alice", "query_name": name, "decision": "deny",
            "reason": "protocol.encrypted-dns",
        });
        refused(&daemon, &dig(lab.workload(), &[name]), &fields);
        assert!(!resolver.was_asked_for(name), "{name}");
    }
    assert!(!dig(lab.workload(), &["mozilla.cloudflare-dns.com"]).contains("EDE"), "allowed, and not there");
    assert!(resolver.was_asked_for("mozilla.cloudflare-dns.com"));
    // By a claimed name, at whatever address, and by the address, under whatever name.
    for (url, to) in [
        ("https://dns.google/dns-query", "192.0.2.10:443"),
        ("https://dns.google:8000/dns-query", "192.0.2.10:8000"),
        ("https://dns.google/dns-query", "[2001:db8:1::10]:443"),
        ("http://doh.corp.example/", "192.0.2.10:80"),
        ("https://innocent.example/", "192.0.2.18:443"),
        ("https://innocent.example/", "[2001:db8:1::18]:443"),
        ("https://innocent.example:8443/", "1.1.1.2:8443"),
    ] {
        let heard = Heard::of(
            &curl(lab.workload(), &daemon).args(["-i", "--connect-to", &format!("::{to}"), url]).run(),
        );
        assert_eq!((heard.status, heard.reason()), (403, "protocol.encrypted-dns"), "{url} at {to}");
        assert!(
            heard.json()["detail"].as_str().is_some_and(|said| said.contains("Use this gateway's resolver"))
        );
    }
    let row = daemon
        .record(&json!({"kind": "connection", "destination_address": "1.1.1.2", "destination_port": 8443}));
    assert_eq!((&row["decision"], &row["reason"]), (&json!("deny"), &json!("protocol.encrypted-dns")));
}

#[test]
fn a_claimed_name_that_leads_to_an_encrypted_resolver_is_refused_once_that_is_known() {
    let lab = Lab::new();
    let both = &["192.0.2.18", "2001:db8:1::18"];
    let _resolver = lab.resolver(Zone::new().host("innocent.example", both));
    let settings = json!({"dns": {"denyResolvers": ["192.0.2.18", "2001:db8:1::18"]}});
    let daemon = lab.daemon(&settings, &[("all.yaml", OPEN)]);
    let heard = curl(lab.workload(), &daemon).args(["-i", "--resolve", "innocent.example:443:192.0.2.10"]);
    let heard = Heard::of(&heard.arg("https://innocent.example/").run());
    assert_eq!((heard.status, heard.reason()), (403, "protocol.encrypted-dns"));
    let row =
        daemon.record(&json!({"reason": "protocol.encrypted-dns", "destination_host": "innocent.example"}));
    assert_eq!(
        row["evidence"],
        "innocent.example is 192.0.2.18, which is on the list of encrypted resolvers"
    );
}

#[test]
fn names_that_are_merely_claimed_are_counted_like_those_that_are_looked_up() {
    let lab = Lab::new();
    let resolver = lab.resolver(zone());
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPEN)]);
    let bytes = |number: u32| format!("{:024x}", u128::from(number) * 0x0001_9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for number in 1..=14 {
        let host = format!("{}.attacker.example", bytes(number));
        let to = format!("{host}:443:{UPSTREAM_V4}");
        let heard = curl(lab.workload(), &daemon).args(["-i", "--resolve", &to, &format!("https://{host}/")]);
        let reason = Heard::of(&heard.run()).reason().to_owned();
        match reason.as_str() {
            "upstream.unreachable" => assert!(resolver.was_asked_for(&host), "{host}"),
            "dns.tunnel" => {
                refused += 1;
                assert!(!resolver.was_asked_for(&host), "{host}");
            }
            other => panic!("{host}: {other}"),
        }
    }
    assert!(refused >= 3, "{refused} of 14 were refused");
}

#[test]
fn a_claimed_name_that_the_cache_answers_is_none_that_left() {
    // More than leave for one zone within a window.
    const DIALS: usize = 620;
    let lab = Lab::new();
    let resolver = lab.resolver(Zone::new().ttl(600).host("www.wild.example", &[UPSTREAM_V4, UPSTREAM_V6]));
    let _site = lab.site(&["www.wild.example"]);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPEN)]);
    let host = "www.wild.example";
    let urls = vec!["http://www.wild.example/small"; DIALS];
    let to = format!("{host}:80:{UPSTREAM_V4}");
    let close = ["-w", "\n%{http_code}\n", "-H", "Connection: close", "--resolve", &to];
    let heard = curl(lab.workload(), &daemon).args(close).args(urls).deadline(Duration::from_secs(50));
    let said = heard.run().succeeded();
    assert_eq!(said.lines().filter(|line| *line == "200").count(), DIALS, "{}", &said[said.len() - 300..]);
    assert_eq!(resolver.asked().len(), 2, "A and AAAA, once");
}

#[test]
fn explain_tells_whether_a_name_would_be_looked_up() {
    let world = World::new();
    let daemon = world.gateway(&format!("{ROUTES}---{}", THEIRS));
    let by_documents = "answered: a document writes this name out";
    let by_agent = "answered: a wildcard, a route for every host, a rule or the default lets it through; what such names carry is watched";
    for (url, expected, verdict, then) in [
        ("https://site.example/", by_documents, "pass", &["name", "deny", "routes"][..]),
        ("https://www.wild.example/", by_agent, "pass", &["name", "deny", "routes"]),
        (
            "_mongodb._tcp.www.wild.example:27017",
            by_agent,
            "pass",
            &["name", "deny", "routes", "default", "approvals"],
        ),
        (
            "https://paste.example/",
            "refused, no query leaves: no route of this agent names it",
            "deny",
            &["name", "deny", "routes", "default", "approvals"],
        ),
        (
            "https://dns.google/",
            "refused, no query leaves: it is an encrypted DNS resolver",
            "deny",
            &["name", "protocol"],
        ),
    ] {
        let told = daemon.cli(&["explain", "--agent", "alice", "-o", "json", url]).json();
        let steps = told["steps"].as_array().expect("steps");
        let stages: Vec<_> = steps.iter().filter_map(|step| step["stage"].as_str()).collect();
        assert_eq!(stages, [&["identity", "dns"], then].concat(), "{url}");
        assert_eq!((&steps[1]["text"], &steps[1]["verdict"]), (&json!(expected), &json!(verdict)), "{url}");
    }
}

#[test]
fn an_operator_hears_why_it_is_an_encrypted_resolver_and_how_to_allow_it() {
    let lab = Lab::new();
    let _resolver = lab.resolver(zone());
    let settings = json!({"dns": {"denyResolvers": ["192.0.2.18", "2001:db8:1::18"]}});
    let doh = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: doh}
spec: {parentRefs: [{name: default}], hostnames: [dns.google], rules: [{}]}
";
    let daemon = lab.daemon(&settings, &[("all.yaml", &format!("{OPEN}{doh}"))]);
    let accept = ["--header", "Accept: application/dns-message"];
    for (target, more, seen, allow) in [
        ("https://dns.google/dns-query", &[][..], "dns.google is on the list", Some("[dns.google]")),
        ("https://a.dns.google/", &[], "dns.google is on the list", Some("[dns.google]")),
        ("https://192.0.2.18/", &[], "192.0.2.18 is on the list", Some("[192.0.2.18]")),
        ("https://[2001:db8:1::18]/", &[], "2001:db8:1::18 is on the list", Some("[2001:db8:1::18]")),
        ("alice.example:853", &[], "port 853, DNS over TLS", None),
        ("udp://alice.example:853", &[], "port 853, DNS over QUIC", None),
        ("https://alice.example/", &accept, "Accept: application/dns-message", None),
    ] {
        let arguments = [&["explain", "--agent", "alice", target], more].concat();
        let told = daemon.cli(&[&arguments[..], &["-o", "json"]].concat()).json();
        assert_eq!(told["reason"], "protocol.encrypted-dns", "{target}: {told}");
        let last = told["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
        assert_eq!((&last["stage"], &last["verdict"]), (&json!("protocol"), &json!("deny")), "{target}");
        let text = last["text"].as_str().expect("text");
        assert!(text.starts_with(seen), "{target}: {text}");
        assert!(daemon.cli(&arguments).text().contains(text), "{target}: the line is whole on a terminal");
        let mut hints = told["hints"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let hint = hints.rfind(|hint| hint.contains("allowResolvers"));
        assert_eq!(hint.is_some(), allow.is_some(), "{target}: {told}");
        let named = allow.is_none_or(|allow| {
            hint.is_some_and(|hint| hint.ends_with(&format!("`spec.dns.allowResolvers: {allow}`")))
        });
        assert!(named, "{target}: {told}");
    }
    // Real ones leave the same on record.
    let _ = curl(lab.workload(), &daemon)
        .args(["--resolve", "dns.google:443:192.0.2.10", "https://dns.google/"])
        .run();
    let row = daemon.record(&json!({"kind": "connection", "destination_host": "dns.google"}));
    assert_eq!(
        row["evidence"].as_str().map(|seen| seen.contains("dns.google is on the list")),
        Some(true),
        "{row}"
    );
    // A route that can never work is no secret.
    let status = daemon.status();
    let need = status["needs"][0].as_str().expect("a need");
    assert!(need.starts_with("EgressHTTPRoute/doh can never work: dns.google is on the list"), "{need}");
}
