//! Which credentials go into whose requests.

use super::*;
use crate::decide::policy::credentials::Credentials;
use crate::model::types::PolicyRef;

/// The policy of this name for requests by the routes of these names, for these labels.
fn bound(name: &str, routes: &[&str], labels: &str, header: &str) -> String {
    let parents: Vec<String> =
        routes.iter().map(|route| format!("{{kind: EgressHTTPRoute, name: {route}}}")).collect();
    let agents = if labels.is_empty() {
        String::new()
    } else {
        format!("sourceAgents: {{matchLabels: {{{labels}}}}}, ")
    };
    format!(
        "---\napiVersion: clawgress.io/v1alpha1\nkind: CredentialInjectionPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{parentRefs: [{}], {agents}secretRef: {{name: {name}}}, target: Header, headerName: {header}}}\n",
        parents.join(", ")
    )
}

/// The secrets that go into requests of an agent by these routes.
fn given(policies: &[String], agent: &str, by: &[&str]) -> Vec<String> {
    let documents =
        [http_route("one", "a.example", ""), http_route("two", "b.example", ""), policies.concat()].concat();
    let resources = Set::resources(&[BASE, &documents]);
    let number = resources.agents.keys().position(|name| **name == *agent).unwrap();
    let routes: Vec<PolicyRef> = by.iter().map(|route| PolicyRef::new("EgressHTTPRoute", route)).collect();
    let found = Credentials::compile(&resources).of(number, routes.iter());
    found.iter().map(|one| one.secret.to_string()).collect()
}

#[test]
fn a_credential_goes_into_requests_by_its_route_for_its_agents() {
    let policies = [bound("own", &["one"], "tier: dev", "x-key")];
    assert_eq!(given(&policies, "alice", &["one"]), ["own"]);
    assert_eq!(given(&policies, "alice", &["two", "one"]), ["own"]);
    assert_eq!(given(&policies, "alice", &["two"]), Vec::<String>::new());
    assert_eq!(given(&policies, "bob", &["one"]), Vec::<String>::new());
}

#[test]
fn the_narrower_policy_counts_and_every_place_is_filled_once() {
    let policies = [
        bound("any", &["one"], "", "x-key"),
        bound("alices", &["one"], "clawgress.io/agent: alice", "x-key"),
        bound("other", &["one", "two"], "", "x-other"),
        bound("second", &["two"], "", "x_key"),
    ];
    assert_eq!(given(&policies, "alice", &["one"]), ["alices", "other"]);
    assert_eq!(given(&policies, "bob", &["one"]), ["any", "other"]);
    assert_eq!(given(&policies, "bob", &["two", "one"]), ["other", "second"], "the first route speaks");
}
