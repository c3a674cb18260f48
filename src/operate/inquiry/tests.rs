//! What an operator hears, asked of sets as they are written: without a daemon, and without anything remembered.

use super::*;
use crate::decide::policy::{EncryptedDns, Standing};
use crate::model::manifest::{SourceFile, load};
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

const PASSED_THROUGH: &str = "{name: tls, protocol: TLS, tls: {mode: Passthrough}}, {name: raw, protocol: TCP}";
const OPENED: &str =
    "{name: tls, protocol: TLS, tls: {mode: Terminate}}, {name: web, protocol: HTTP}, {name: raw, protocol: TCP}";

/// A document of this kind and name.
fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}\n")
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
    let policy = PolicySet::compile(&resources, EncryptedDns::default().into());
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
