//! `CredentialInjectionPolicy`: what it comes to, and what is wrong with others.

use super::*;
use crate::model::manifest::resources::CredentialParent;
use crate::model::types::{AwsTerms, CredentialPlace, TokenEndpoint};

const REST: &str = "
apiVersion: clawgress.io/v1alpha1
kind: AIProviderRoute
metadata: {name: models}
spec: {parentRefs: [{name: default}], rules: [{matches: [{provider: openai}]}]}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: sites}
spec: {parentRefs: [{name: default}], hostnames: [site.example], rules: [{}]}
";

fn document(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: clawgress.io/v1alpha1\nkind: CredentialInjectionPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{secretRef: {{name: keys}}, {spec}}}\n"
    )
}

fn set(documents: &str) -> Result<Resources, Report> {
    load(&[file("a.yaml", documents), file("gateway.yaml", GATEWAY), file("rest.yaml", REST)])
}

fn one(spec: &str) -> Result<Resources, Report> {
    set(&document("x", &format!("parentRefs: [{{kind: EgressHTTPRoute, name: sites}}], {spec}")))
}

fn said(found: Result<Resources, Report>) -> Vec<String> {
    let all = mistakes(found);
    all.iter().map(|line| line.split_once(' ').expect("a place").1.to_owned()).collect()
}

fn place(spec: &str) -> CredentialPlace {
    one(spec).unwrap().credentials["x"].place.clone()
}

#[test]
fn a_credential_comes_to_what_it_says() {
    let spec = "parentRefs: [{group: clrk.apoxy.dev, kind: AIProviderRoute, name: models}, {kind: EgressHTTPRoute, name: sites}], \
                secretKey: api-key, target: Header, headerName: X-Api-Key";
    let set = set(&document("x", spec)).unwrap();
    let policy = &set.credentials["x"];
    let parents = [CredentialParent::Ai("models".into()), CredentialParent::Http("sites".into())];
    assert_eq!(
        (&policy.parents[..], &*policy.secret, policy.key.as_deref()),
        (&parents[..], "keys", Some("api-key"))
    );
    let header = |name: &'static str, prefix: &str| CredentialPlace::Header {
        name: http::HeaderName::from_static(name),
        prefix: prefix.into(),
    };
    assert_eq!(policy.place, header("x-api-key", ""));
    let bearer = "target: Header, headerName: Authorization, headerPrefix: 'Bearer '";
    assert_eq!(place(bearer), header("authorization", "Bearer "));
    let basic = "target: Header, headerName: Authorization, basicUser: x-access-token";
    let (name, user) = (http::header::AUTHORIZATION, "x-access-token".into());
    assert_eq!(place(basic), CredentialPlace::Basic { name, user });
    assert_eq!(place("target: QueryParam, queryParam: key"), CredentialPlace::Query("key".into()));
    let aws = "target: ProviderAuth, providerAuth: {type: AWSv4, region: eu-west-1, unsignedPayload: Allow}";
    let terms = AwsTerms { region: Some("eu-west-1".into()), service: None, unsigned: true };
    assert_eq!(place(aws), CredentialPlace::Aws(terms));
    let google = "target: ProviderAuth, providerAuth: {type: GCPServiceAccount, tokenEndpoint: 'https://t.example/token'}";
    let CredentialPlace::Google(terms) = place(google) else { panic!("a token") };
    assert_eq!(terms.endpoint, TokenEndpoint::parse("https://t.example/token"));
    assert_eq!(terms.scopes[..], ["https://www.googleapis.com/auth/cloud-platform".into()]);
}

#[test]
fn each_target_has_its_own_fields_and_no_others() {
    for (spec, expected) in [
        ("target: Header", "`target: Header` needs `headerName` (name where it goes)"),
        (
            "target: Header, headerName: X-Key, queryParam: key",
            "`queryParam` has no meaning with `target: Header` (remove it, or name another target)",
        ),
        ("target: QueryParam", "`target: QueryParam` needs `queryParam` (name where it goes)"),
        ("target: ProviderAuth", "`target: ProviderAuth` needs `providerAuth` (name where it goes)"),
        (
            "target: ProviderAuth, providerAuth: {type: AWSv4, scopes: [a]}",
            "`scopes` has no meaning with this `type` (remove it)",
        ),
        (
            "secretKey: x, target: ProviderAuth, providerAuth: {type: AWSv4}",
            "`secretKey` has no meaning with `type: AWSv4` (remove it: the secret has the keys `access-key-id`, \
             `secret-access-key` and, for a session, `session-token`)",
        ),
        (
            "target: Header, headerName: Host",
            "`Host` is the gateway's own to send or remove (credentials go into fields that servers read, not into those by \
             which a request gets there)",
        ),
        (
            "target: Header, headerName: Authorization, headerPrefix: Bearer",
            "`Bearer` would run into the secret (write the blank between them: `'Bearer '`)",
        ),
        (
            "target: Header, headerName: Authorization, headerPrefix: 'Basic ', basicUser: git",
            "`headerPrefix` has no meaning with `basicUser` (remove one of them: `Basic ` stands in front by itself)",
        ),
        (
            "target: Header, headerName: Authorization, basicUser: 'git:x'",
            "`git:x` is no user of `Basic` (write visible ASCII without a colon: at the first one the password begins)",
        ),
        (
            "target: QueryParam, queryParam: key, basicUser: git",
            "`basicUser` has no meaning with `target: QueryParam` (remove it, or name another target)",
        ),
        (
            "target: ProviderAuth, providerAuth: {type: GCPServiceAccount, tokenEndpoint: 'https://192.0.2.1/token'}",
            "`https://192.0.2.1/token` is not where tokens can be asked for (write `https://HOST/PATH`, with a host name and \
             without a query)",
        ),
    ] {
        assert_eq!(said(one(spec)), [expected], "{spec}");
    }
}

#[test]
fn a_credential_is_bound_to_what_lets_single_requests_through() {
    let bound = |kind: &str| {
        said(set(&document(
            "x",
            &format!("parentRefs: [{{kind: {kind}, name: sites}}], target: QueryParam, queryParam: key"),
        )))
    };
    let [said] = &bound("EgressL4Route")[..] else { panic!("one mistake") };
    let expected = "a credential cannot be bound to an EgressL4Route: it opens connections, and requests get credentials";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(bound("MCPRoute"), ["there is no MCPRoute named `sites` (there is no MCPRoute)"]);
}

#[test]
fn two_credentials_for_one_place_of_one_request_are_a_mistake() {
    let own = |name: &str, agents: &str, header: &str| {
        let spec = format!(
            "parentRefs: [{{kind: EgressHTTPRoute, name: sites}}], {agents} target: Header, headerName: {header}"
        );
        document(name, &spec)
    };
    let selects = |labels: &str| format!("sourceAgents: {{matchLabels: {{{labels}}}}},");
    let both = |one: &str, other: &str| said(set(&(own("a", one, "X-Key") + &own("b", other, "x_key"))));
    let clash = "CredentialInjectionPolicy `a` fills the same place for this route (one credential goes there: give both a \
                 `sourceAgents` that excludes the other, or is narrower)";
    assert_eq!(both("", ""), [clash]);
    assert_eq!(both(&selects("tier: dev"), &selects("team: red")), [clash]);
    let (dev, prod) = (selects("tier: dev"), selects("tier: prod"));
    let narrower = selects("tier: dev, clawgress.io/agent: alice");
    for (one, other) in [(&*dev, &*prod), ("", &dev), (&dev, &narrower)] {
        let found = set(&(own("a", one, "X-Key") + &own("b", other, "X-Key")));
        assert_eq!(found.unwrap().credentials.len(), 2, "{one} {other}");
    }
    assert_eq!(set(&(own("a", "", "X-Key") + &own("b", "", "X-Other"))).unwrap().credentials.len(), 2);
    let twice = "parentRefs: [{kind: EgressHTTPRoute, name: sites}, {kind: EgressHTTPRoute, name: sites}], \
                 target: QueryParam, queryParam: key";
    assert_eq!(said(set(&document("x", twice))), ["this route is named twice (remove one)"]);
}
