//! What an operator hears, asked of sets as they are written: without a daemon, and without anything remembered.

use super::*;
use crate::decide::policy::{EncryptedDns, Quarantine, Standing};
use crate::model::config::Resolvers;
use crate::model::manifest::{SourceFile, load};
use crate::model::types::Cause;
use crate::perceive::identity::Directory;

/// An agent, and a gateway with these listeners.
fn base(listeners: &str) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {{name: alice}}
spec: {{team: red, sources: {{addresses: [10.77.0.2/32]}}}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {{name: default}}
spec: {{listeners: [{listeners}]}}
"
    )
}

const PASSED_THROUGH: &str =
    "{name: tls, protocol: TLS, tls: {mode: Passthrough}}, {name: raw, protocol: TCP}";
const OPENED: &str = "{name: tls, protocol: TLS, tls: {mode: Terminate}}, {name: web, protocol: HTTP}, {name: raw, protocol: TCP}";

/// A document of this kind and name.
fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"
    )
}

fn l4_route(name: &str, parent: &str, matches: &str) -> String {
    let spec = format!("  parentRefs: [{{name: default{parent}}}]\n  rules: [{{matches: [{matches}]}}]");
    document("EgressL4Route", name, &spec)
}

fn query(target: &str) -> ExplainQuery {
    let (method, target) = match target.split_once(' ') {
        Some((method, target)) => (Some(method.to_owned()), target),
        None => (None, target),
    };
    ExplainQuery { agent: "alice".into(), target: target.into(), method, headers: Vec::new(), at: None }
}

/// What alice hears of `GET https://...`, `HOST:PORT` and so on, where this stands for a time.
fn told_while(standing: &Standing, documents: &[String], target: &str) -> Explanation {
    let file = SourceFile::new("a.yaml", documents.concat().into_bytes());
    let resources = load(&[file]).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let policy = PolicySet::compile(&resources, EncryptedDns::new(&Resolvers::default()).into());
    let known = Directory::build(&resources).by_name("alice").unwrap();
    let query = query(target);
    let inquiry = Inquiry::new(&query, policy.takes_tls(&known), |_| SOME_PUBLIC_ADDRESS).unwrap();
    let given: Vec<HostName> = inquiry.name.iter().cloned().collect();
    let scene = Scene {
        policy: &policy,
        resources: &resources,
        known: &known,
        circumstances: Circumstances { standing, ..Circumstances::default() },
        given: &given,
        stale: &[],
    };
    inquiry.explained(&scene).unwrap()
}

fn told(documents: &[String], target: &str) -> Explanation {
    told_while(&Standing::new(), documents, target)
}

#[test]
fn a_request_that_nobody_would_read_is_answered_by_its_connection() {
    let host = "{destinationHostnames: [site.example], ports: [{port: 443}]}";
    let read = document(
        "EgressHTTPRoute",
        "read",
        "  parentRefs: [{name: default, sectionName: web}]\n  hostnames: [other.example]\n  rules: [{matches: [{method: GET}]}]",
    );
    let passed = vec![base(PASSED_THROUGH), l4_route("site", "", host)];
    let relayed = vec![base(OPENED), l4_route("site", ", sectionName: raw", host), read];
    for set in [&passed, &relayed] {
        let found = told(set, "DELETE https://site.example/all");
        assert_eq!((found.allowed, found.reason), (true, None), "{found:?}");
        assert_eq!(found.policy.as_deref(), Some("EgressL4Route/site"));
        assert!(found.hints.iter().any(|hint| hint == UNREAD), "{found:?}");
        assert_eq!(told(set, "site.example:443").policy, found.policy);
        assert!(!told(set, "site.example:443").hints.iter().any(|hint| hint == UNREAD));
    }
    let opened = [base(OPENED), l4_route("site", "", host)];
    let found = told(&opened, "DELETE https://site.example/all");
    assert!(found.allowed && !found.hints.iter().any(|hint| hint == UNREAD), "{found:?}");
}

/// An EgressPolicy with these rules.
fn policy(rules: &[&str]) -> String {
    let spec = format!(
        "  targetRef: {{kind: EgressGateway, name: default}}\n  rules:\n    - {}",
        rules.join("\n    - ")
    );
    document("EgressPolicy", "p", &spec)
}

fn step<'a>(found: &'a Explanation, stage: &str) -> &'a Step {
    found.steps.iter().find(|step| step.stage == stage).unwrap_or_else(|| panic!("no {stage}: {found:?}"))
}

fn stages(found: &Explanation) -> Vec<&str> {
    found.steps.iter().map(|step| step.stage.as_str()).collect()
}

#[test]
fn an_address_that_nobody_knows_is_said_to_be_assumed() {
    let matches =
        "{destinationHostnames: [db.example], destinationCIDRs: [10.20.0.0/16], ports: [{port: 5432}]}";
    let set = [
        base(OPENED),
        l4_route("db", "", matches),
        l4_route("net", "", "{destinationCIDRs: [10.20.0.0/16]}"),
    ];
    let assumes = |target: &str| {
        let found = told(&set, target);
        let assumed = "asked as if db.example led to 192.0.2.1, since its address is not known";
        (found.reason, found.hints.iter().any(|hint| hint.starts_with(assumed)))
    };
    assert_eq!(assumes("db.example:5432"), (Some(Reason::PolicyNoRoute), true));
    assert_eq!(assumes("https://db.example/"), (Some(Reason::PolicyNoRoute), true));
    assert_eq!(assumes("10.20.3.4:5432"), (None, false));
    assert_eq!(assumes("dns://db.example"), (None, false));
}

#[test]
fn a_look_up_is_explained_stage_by_stage_with_what_lets_it_through() {
    let web = document(
        "EgressHTTPRoute",
        "web",
        "  parentRefs: [{name: default}]\n  hostnames: [api.site.example, '*.wild.example']\n  rules: [{}]",
    );
    let opens = "{name: opens, when: 'destination.host == \"open.example\"', action: Allow}";
    let shuts = "{name: shuts, when: 'destination.host.startsWith(\"bad.\")', action: Deny}";
    let set = [base(OPENED), web, policy(&[opens, shuts])];
    let by = |found: &Explanation| {
        (found.policy.clone().unwrap_or_default(), found.rule.clone().unwrap_or_default())
    };

    let found = told(&set, "dns://api.site.example");
    assert!(found.allowed);
    assert_eq!(by(&found), ("EgressHTTPRoute/web".into(), "rules[0]".into()));
    assert_eq!(stages(&found), ["identity", "routes", "rules", "rules", "dns"]);
    assert_eq!(step(&found, "routes").text, "1 looked at, EgressHTTPRoute/web names it");
    let last = step(&found, "dns");
    assert_eq!(
        (last.verdict, &*last.text),
        (StepVerdict::Allow, "answered: a document writes this name out")
    );
    assert!(last.source.as_ref().is_some_and(|source| source.starts_with("a.yaml:")), "{found:?}");

    let found = told(&set, "dns://open.example");
    assert!(found.allowed);
    assert_eq!(by(&found), ("EgressPolicy/p".into(), "opens".into()));
    assert_eq!(stages(&found), ["identity", "routes", "default", "approvals", "rules", "rules", "dns"]);

    let found = told(&set, "dns://api.site.exampl");
    assert_eq!(found.reason, Some(Reason::DnsDenied));
    assert_eq!(step(&found, "default").verdict, StepVerdict::Pass);
    assert!(step(&found, "default").source.is_some(), "{found:?}");
    assert_eq!(step(&found, "dns").verdict, StepVerdict::Deny);
    let nearest = "EgressHTTPRoute/web names api.site.example, this was api.site.exampl";
    assert_eq!(found.nearest.as_deref(), Some(nearest));
    let command =
        "to allow it for two hours: clawgress approve alice --host api.site.exampl --ttl 2h --reason \"...\"";
    assert_eq!(found.hints[0], command);

    let found = told(&set, "dns://bad.wild.example");
    assert_eq!(
        (found.reason, by(&found)),
        (Some(Reason::PolicyDenied), ("EgressPolicy/p".into(), "shuts".into()))
    );
    assert_eq!(step(&found, "dns").text, "refused, no query leaves: a rule refuses it");

    let found = told(&set, "dns://dns.google");
    assert_eq!(found.reason, Some(Reason::ProtocolEncryptedDns));
    assert_eq!(stages(&found), ["identity", "protocol", "dns"]);
}

#[test]
fn a_rule_on_requests_is_not_said_to_be_asked_again_where_nobody_reads_any() {
    let rule = "{name: reads, when: 'request.method == \"GET\"', action: Alert}";
    let matches = "{destinationHostnames: [site.example]}";
    let set = [base(OPENED), l4_route("site", "", matches), policy(&[rule])];
    for (target, says) in [
        ("site.example:22", "needs `request`, and nobody reads one here"),
        ("site.example:443", "is asked again with each request"),
        ("dns://site.example", "needs `request`, which a name alone does not tell"),
    ] {
        let found = told(&set, target);
        assert_eq!(step(&found, "rules").text, format!("EgressPolicy/p reads: Alert, {says}"), "{target}");
    }
    let listeners = format!("{PASSED_THROUGH}, {{name: web, protocol: HTTP}}");
    let passed = [base(&listeners), l4_route("site", "", matches), policy(&[rule])];
    let found = told(&passed, "GET https://site.example/");
    assert!(step(&found, "rules").text.ends_with("nobody reads one here"), "{found:?}");
    assert_eq!(found.decision, Decision::Allow);
}

#[test]
fn who_is_quarantined_is_let_in_by_a_command_that_stands_there() {
    let set = [base(OPENED), l4_route("site", "", "{destinationHostnames: [site.example]}")];
    let mut standing = Standing::new();
    let cause = Cause { policy: None, rule: None, reason: "loud".into() };
    standing.quarantine(&"alice".into(), Quarantine { until: None, cause });
    for target in ["https://site.example/", "dns://site.example"] {
        let found = told_while(&standing, &set, target);
        assert_eq!(found.reason, Some(Reason::IdentityQuarantined));
        assert_eq!(stages(&found), ["identity"]);
        let last = found.hints.last().map(String::as_str);
        assert_eq!(last, Some("to let it in again: clawgress agent release alice"), "{target}");
    }
    // What a rule would do now, nobody has to undo.
    let rule = "{name: trap, action: Quarantine, for: 2h}";
    let found = told(&[set.concat(), policy(&[rule])], "https://site.example/");
    assert_eq!(found.reason, Some(Reason::IdentityQuarantined));
    assert!(!found.hints.iter().any(|hint| hint.contains("release")), "{found:?}");
}

#[test]
fn a_tool_that_lacks_an_approval_is_opened_by_a_command_that_names_it() {
    let command =
        "to allow it for two hours: clawgress approve alice --tool docs/send_mail --ttl 2h --reason \"...\"";
    assert_eq!(approve_tool("alice", "docs/send_mail"), command);
    assert_eq!(approve_tool("alice", "docs/send mail"), "no approval opens it: none names such a tool");
}

#[test]
fn the_nearest_route_is_the_one_that_misses_by_least_and_says_by_what() {
    let http = |name: &str, host: &str, one: &str| {
        let spec = format!(
            "  parentRefs: [{{name: default}}]\n  hostnames: [{host}]\n  rules: [{{matches: [{one}]}}]"
        );
        document("EgressHTTPRoute", name, &spec)
    };
    let database =
        "{destinationHostnames: [pg.prod.internal], destinationCIDRs: [10.30.0.0/24], ports: [{port: 5432}]}";
    let set = [
        base(OPENED),
        l4_route("database", ", sectionName: raw", database),
        l4_route("secure", ", sectionName: tls", "{destinationHostnames: [secure.example]}"),
        l4_route(
            "net",
            "",
            "{destinationCIDRs: [203.0.113.0/24], ports: [{port: 80}, {startPort: 8000, endPort: 8999}]}",
        ),
        http("a-first", "site.example", "{method: GET, path: {type: Exact, value: /x}}"),
        http("z-upload", "site.example", "{method: POST, path: {type: Exact, value: /upload}}"),
        http("closed", "closed.example", "{}"),
        document("EgressDenyPolicy", "no", "  targetRef: {kind: EgressHTTPRoute, name: closed}"),
    ];
    for (target, expected) in [
        (
            "pg.prod.internal:5432",
            "EgressL4Route/database allows pg.prod.internal in 10.30.0.0/24, this was 192.0.2.1",
        ),
        (
            "pg.prod.internal:5433",
            "EgressL4Route/database allows pg.prod.internal in 10.30.0.0/24 on port 5432, this was 192.0.2.1, port 5433",
        ),
        (
            "secure.example:22",
            "EgressL4Route/secure allows secure.example on a listener for TLS, this was neither TLS nor HTTP",
        ),
        (
            "203.0.113.9:22",
            "EgressL4Route/net allows 203.0.113.9 on port 80, ports 8000 to 8999, this was port 22",
        ),
        (
            "PUT https://site.example/upload",
            "EgressHTTPRoute/z-upload allows POST site.example/upload, this was PUT /upload",
        ),
        ("GET https://site.example/y", "EgressHTTPRoute/a-first allows GET site.example/x, this was GET /y"),
        (
            "site.example:22",
            "EgressHTTPRoute/a-first allows requests to site.example on a listener for TLS or HTTP, this was neither TLS nor HTTP",
        ),
        ("https://sitee.example/x", "EgressHTTPRoute/a-first names site.example, this was sitee.example"),
    ] {
        let found = told(&set, target);
        assert_eq!(found.reason, Some(Reason::PolicyNoRoute), "{target}");
        assert_eq!(found.nearest.as_deref(), Some(expected), "{target}");
    }
    let nearest = told(&set, "https://closed.exampel/").nearest;
    assert!(
        !nearest.is_some_and(|nearest| nearest.contains("closed.example,")),
        "what is denied allows nothing"
    );
}
