//! `explain` and what really happens: the same question to both.

use serde_json::{Value, json};

use super::approvals::{BOB, SITE};
use super::world::{BASE, ROUTES, World};

/// One question to both: `explain`, and the real thing.
struct Case {
    arguments: &'static [&'static str],
    url: &'static str,
}

const fn case(arguments: &'static [&'static str], url: &'static str) -> Case {
    Case { arguments, url }
}

#[apply(over_both)]
fn explain_agrees_with_what_really_happens(world: World) {
    let more = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: paste-read}
spec:
  parentRefs: [{kind: EgressGateway, name: default, sectionName: web}]
  hostnames: ['*.paste.example', paste.example]
  rules: [{matches: [{method: GET, headers: [{name: X-Team, value: red}], queryParams: [{name: a, value: b c}]}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: web-ports}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationCIDRs: [192.0.2.10/32, '2001:db8:1::10/128'], ports: [{port: 80}]}]}]
";
    world.lab.backends().http("192.0.2.12:80", crate::lab::backends::Wire::Plain);
    let daemon = world.gateway(&format!("{ROUTES}{more}"));
    for Case { arguments, url } in [
        case(&["GET"], "https://site.example/small"),
        case(&["HEAD"], "https://site.example/small"),
        case(&["DELETE"], "https://site.example/small"),
        case(&["POST"], "https://site.example/upload"),
        case(&["POST"], "https://site.example/uploads"),
        case(&["GET"], "https://site.example/vault"),
        case(&["GET"], "https://site.example/vaults"),
        case(&["GET"], "https://site.example/%76ault/x"),
        case(&["GET"], "http://site.example/small"),
        case(&["GET"], "http://192.0.2.10/small"),
        case(&["GET"], "http://192.0.2.11/small"),
        case(&["GET"], "https://paste.example/?a=b%20c"),
        case(&["GET"], "http://paste.example/headers?a=b%20c"),
        case(&["GET", "X-Team: red"], "http://paste.example/headers?a=b+c"),
        case(&["GET", "X-Team: red"], "http://paste.example/headers?a=b"),
        case(&["GET", "X-Team: blue"], "http://paste.example/headers?a=b%20c"),
        case(&["GET"], "https://api.openai.com/v1/models"),
        case(&["GET"], "http://10.1.2.3/"),
        case(&["GET"], "http://169.254.169.254/latest"),
    ] {
        let (method, fields) = (arguments[0], &arguments[1..]);
        let headers = |flag: &'static str| fields.iter().flat_map(move |field| [flag, *field]);
        let mut question = vec!["explain", "--agent", "alice", "--method", method, "-o", "json", url];
        question.extend(headers("--header"));
        let explained = daemon.cli(&question);
        let answer = explained.json();
        let mut request = vec!["--path-as-is", "-o", "/dev/null", "-D", "-", "-X", method, url];
        request.extend(headers("-H"));
        if method == "HEAD" {
            request.push("--head");
        }
        let head = world.curl(&daemon, &request).succeeded().to_ascii_lowercase();
        let reason =
            head.lines().find_map(|line| line.strip_prefix("x-clawgress-reason: ")).map(str::to_owned);
        assert_eq!(
            answer.get("reason").and_then(Value::as_str),
            reason.as_deref(),
            "{method} {url} {fields:?}: {answer}\n{head}"
        );
        assert_eq!(answer["allowed"], reason.is_none(), "{answer}");
        assert_eq!(explained.code(), i32::from(reason.is_some()), "{explained}");
        let rows = daemon.records(&["--kind", "request"]);
        let record = rows.last().expect("a record");
        assert_eq!(
            (record.get("policy_id"), record.get("rule")),
            (answer.get("policy"), answer.get("rule")),
            "{url}: {record}"
        );
    }
}

/// A gateway that opens nothing: what a request says is nobody's business.
const PASSED_THROUGH: &str = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: site}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: [site.example], ports: [{port: 443}]}]}]
";

#[apply(over_both)]
fn explain_agrees_with_what_really_happens_where_tls_is_passed_through(world: World) {
    let base = BASE.replace("mode: Terminate", "mode: Passthrough");
    let daemon = world.lab.daemon(&json!({}), &[("base.yaml", &base), ("routes.yaml", PASSED_THROUGH)]);
    for (method, url, allowed) in [
        ("GET", "https://site.example/small", true),
        ("DELETE", "https://site.example/small", true),
        ("GET", "https://paste.example/", false),
    ] {
        let question = ["explain", "--agent", "alice", "--method", method, "-o", "json", url];
        let told = daemon.cli(&question).json();
        assert_eq!(told["allowed"], allowed, "{method} {url}: {told}");
        let unread = told["hints"].to_string().contains("its requests are not read");
        assert_eq!(unread, allowed, "{told}");
        // The certificate is the site's own.
        let heard = world.curl(&daemon, &["-k", "-o", "/dev/null", "-X", method, url]);
        assert_eq!(heard.code() == 0, allowed, "{method} {url}: {heard}");
    }
}

/// Where bytes that nobody reads may go, the gateway's own network among them.
const BY_NETWORK: &str = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: by-network}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationCIDRs: [10.77.0.0/24, 'fd77::/64', 10.9.0.0/16]}]}]
";

#[test]
fn explain_knows_what_this_host_answers_itself_and_what_it_never_dials() {
    let world = World::new();
    let own = json!({"intercept": {"allowLocal": [9100]}});
    for routes in [ROUTES.to_owned(), format!("{ROUTES}{BY_NETWORK}")] {
        let daemon = world.lab.daemon(&own, &[("base.yaml", BASE), ("routes.yaml", &routes)]);
        let told = |target: &str| daemon.cli(&["explain", "--agent", "alice", "-o", "json", target]).json();
        for (target, text) in [
            ("http://clawgress.internal/ca.pem", "a page of the gateway itself"),
            ("http://10.77.0.1/whoami", "a page of the gateway itself"),
            ("http://[fd77::1]/whoami", "a page of the gateway itself"),
            ("dns://clawgress.internal", "answered by the gateway: it is its own name"),
            ("8.8.8.8:53", "port 53 of every address is the gateway's own resolver"),
            ("udp://paste.example:53", "port 53 of every address is the gateway's own resolver"),
            ("10.77.0.1:9100", "`spec.intercept.allowLocal` opens port 9100"),
        ] {
            let told = told(target);
            let [step] = told["steps"].as_array().expect("steps").as_slice() else { panic!("{told}") };
            assert_eq!((&told["allowed"], &step["verdict"]), (&json!(true), &json!("allow")), "{told}");
            assert!(step["text"].as_str().is_some_and(|said| said.starts_with(text)), "{told}");
        }
        for target in ["10.77.0.1:22", "[fd77::1]:22", "udp://10.77.0.1:9", "https://clawgress.internal/"] {
            let told = told(target);
            assert_eq!(told["allowed"], false, "{told}");
            if !target.starts_with("https") {
                assert_eq!(told["reason"], "destination.private", "{told}");
                let last = told["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
                assert_eq!(
                    (&last["stage"], &last["verdict"]),
                    (&json!("destination"), &json!("deny")),
                    "{told}"
                );
            }
            let hint = told["hints"][0].as_str().expect("a hint");
            assert!(hint.starts_with("no route can allow it: "), "{told}");
        }
    }
}

#[test]
fn the_stage_that_refuses_is_the_last_one_and_says_so() {
    let world = World::new();
    let daemon = world.gateway(&format!("{ROUTES}{BY_NETWORK}"));
    for (target, reason, stage) in [
        // A place with the port of TLS is taken for TLS.
        ("paste.example:443", Some("policy.no-route"), "approvals"),
        ("10.1.2.3:443", Some("tls.no-name"), "name"),
        ("10.9.2.3:443", None, "routes"),
        ("10.1.2.3:22", Some("destination.private"), "destination"),
        ("169.254.169.254:80", Some("destination.metadata"), "destination"),
        ("udp://site.example:443", Some("protocol.quic"), "protocol"),
        ("https://site.example/vault", Some("policy.denied"), "deny"),
        ("https://site.example/small", None, "routes"),
    ] {
        let told = daemon.cli(&["explain", "--agent", "alice", "-o", "json", target]).json();
        assert_eq!(told["reason"].as_str(), reason, "{target}: {told}");
        let last = told["steps"].as_array().and_then(|steps| steps.last()).expect("steps");
        let verdict = if reason.is_some() { "deny" } else { "allow" };
        assert_eq!((&last["stage"], &last["verdict"]), (&json!(stage), &json!(verdict)), "{target}: {told}");
    }
}

#[test]
fn explain_tells_the_stages_and_the_nearest_rule() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let refused = daemon.cli(&["explain", "--agent", "alice", "--method", "PUT", "https://site.example/x"]);
    assert_eq!(refused.code(), 1, "{refused}");
    let said = refused.text();
    for part in [
        "refused (policy.no-route, EgressGateway/default",
        "identity",
        "nearest: EgressHTTPRoute/site-read allows GET site.example",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    let allowed = daemon.cli(&["explain", "--agent", "alice", "raw.example:7000"]);
    assert!(allowed.succeeded().contains("allowed by EgressL4Route/raw-echo"), "{allowed}");
    let typo = daemon.cli(&["explain", "--agent", "alice", "https://sitee.example/x"]);
    assert!(typo.text().contains("names site.example"), "{typo}");
    let nobody = daemon.cli(&["explain", "--agent", "zoe", "https://site.example/"]);
    assert!(nobody.failed_with(1).contains("`zoe`"), "{nobody}");
    daemon.cli(&["explain", "--agent", "alice", "not a url"]).failed_with(2);
    assert!(daemon.records(&["--kind", "request"]).is_empty(), "nothing is recorded as a request");
}

#[test]
fn a_recorded_decision_is_explained_with_the_approval_and_the_quarantine_that_stood_then() {
    let world = World::new();
    let daemon = world.gateway(BOB);
    let explain = |id: &Value| daemon.cli(&["explain", "-o", "json", id.as_str().expect("an id")]).json();
    let last = |told: &Value| told["steps"].as_array().and_then(|steps| steps.last()).expect("steps").clone();
    let url = "https://site.example/small";
    for (family, address, _) in SITE {
        let approve =
            ["approve", "alice", "--host", "site.example", "--reason", "INC-1", "--ttl", "1h", "-o", "json"];
        let made = daemon.cli(&approve).json();
        let name = made["name"].as_str().expect("a name");
        assert_eq!(world.ask(&daemon, &[family, url]).status, 200, "{family}");
        let policy = format!("EgressApproval/{name}");
        let let_through =
            daemon.record(&json!({"kind": "request", "policy_id": policy, "decision": "allow"}));
        daemon.cli(&["agent", "quarantine", "alice", "--reason", "it shouts"]).succeeded();
        let resolve = format!("site.example:443:{address}");
        let refused = world.ask(&daemon, &[family, "--resolve", &resolve, url]);
        assert_eq!(refused.reason(), "identity.quarantined", "{family}");
        daemon.cli(&["agent", "release", "alice"]).succeeded();
        daemon.cli(&["revoke", name]).succeeded();

        let told = explain(&let_through["request_id"]);
        assert_eq!((&told["allowed"], &told["policy"]), (&json!(true), &json!(policy)), "{told}");
        let step = last(&told);
        let expected = (&json!("approvals"), &json!(format!("{policy} opens it")));
        assert_eq!(
            (&step["stage"], &step["text"]),
            expected,
            "asked again, and not read from the record: {told}"
        );

        let told = explain(&refused.json()["request_id"]);
        let step = last(&told);
        let expected = (&json!("identity.quarantined"), &json!("identity"));
        assert_eq!((&told["reason"], &step["stage"]), expected, "{told}");
        assert!(step["text"].as_str().is_some_and(|text| text.contains("quarantined: it shouts")), "{told}");
        // Neither stands any more.
        let now = daemon.cli(&["explain", "--agent", "alice", "-o", "json", url]).json();
        assert_eq!(now["reason"], "policy.no-route", "{now}");
    }
}

#[test]
fn where_no_listener_takes_it_no_approval_is_advised() {
    let world = World::new();
    let base = BASE.replace("    - {name: raw, protocol: TCP}\n", "");
    let daemon = world.lab.daemon(&json!({}), &[("base.yaml", &base)]);
    let told = daemon.cli(&["explain", "--agent", "alice", "-o", "json", "raw.example:22"]).json();
    assert_eq!(told["reason"], "policy.no-route", "{told}");
    let said = "neither a route nor an approval opens it: EgressGateway/default has no listener for TCP that is neither TLS \
                nor HTTP; add one with `protocol: TCP` first";
    let assumed = "asked as if raw.example led to 192.0.2.1, since its address is not known: what names a network beside the \
                   host is not met";
    assert_eq!(told["hints"], json!([assumed, said]), "{told}");
    let told = daemon.cli(&["explain", "--agent", "alice", "https://raw.example/"]);
    assert!(told.text().contains("clawgress approve alice --host raw.example:443 --ttl 2h"), "{told}");

    // Where HTTP routes govern the host, bytes that are no HTTP are opened by none either.
    daemon.write_policy("base.yaml", BASE);
    daemon.write_policy("routes.yaml", ROUTES);
    daemon.reload();
    let told = daemon.cli(&["explain", "--agent", "alice", "-o", "json", "site.example:22"]).json();
    assert_eq!(told["reason"], "policy.no-route", "{told}");
    let hint = told["hints"][1].as_str().expect("a hint");
    assert!(hint.starts_with("no approval opens it: HTTP routes govern site.example"), "{told}");
}

#[test]
fn the_nearest_rule_may_be_one_of_an_egress_policy_in_words_and_for_programs() {
    let world = World::new();
    let policy = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {name: reading}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules: [{name: docs, when: 'destination.host == \"docs.example\" && request.method == \"GET\"', action: Allow}]
";
    let daemon = world.gateway(&format!("{ROUTES}{policy}"));
    let question = ["explain", "--agent", "alice", "--method", "PUT", "https://docs.example/x"];
    let told = daemon.cli(&question);
    let said =
        "nearest: EgressPolicy/reading docs allows it where `request.method == \"GET\"`, which is false here";
    assert!(told.text().contains(said), "{told}");
    let told = daemon.cli(&[&question[..], &["-o", "json"]].concat()).json();
    let expected = json!({
        "policy": "EgressPolicy/reading", "rule": "docs",
        "when": "destination.host == \"docs.example\" && request.method == \"GET\"", "unmet": ["request.method == \"GET\""],
    });
    assert_eq!(told["nearest_rule"], expected, "{told}");
}
