//! Credentials that agents never hold: what the gateway puts into their requests, for whom, and where it does not. Read next:
//! `injection_echo`, `injection_aws`.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::dialogue::{Heard, NAME, OPENED, OTHER, fields, over_tls, plain, zone};
use super::http2::Http2;
use super::origin::{Origin, Taken};
use super::providers::{self, OPENAI, Providers};
use super::streaming::{PLAIN, TLS};
use crate::lab::backends::Wire;
use crate::lab::daemon::alice_is_read;
use crate::lab::{Daemon, Lab, Namespace, Resolver, Stopping};

/// A key that nobody else has.
pub const KEY: &str = "mk-made-up/7Qw+Zt9";
/// Another.
pub const SECOND: &str = "mk-second-up/4Rf+Yb2";

/// Injects a secret by this spec, into requests by the route `sites`.
pub fn policy(name: &str, secret: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: clawgress.io/v1alpha1
kind: CredentialInjectionPolicy
metadata: {{name: {name}}}
spec: {{parentRefs: [{{kind: EgressHTTPRoute, name: sites}}], secretRef: {{name: {secret}}}, {spec}}}
"
    )
}

/// The gateway that opens everything, with these policies.
pub fn injecting<'lab>(lab: &'lab Lab, policies: &str) -> (Resolver, Daemon<'lab>) {
    (lab.resolver(zone()), lab.daemon(&json!({}), &[("all.yaml", &format!("{OPENED}{policies}"))]))
}

/// `clawgress secret set`.
pub fn set(daemon: &Daemon<'_>, arguments: &[&str], value: &str) {
    daemon.program(&[&["secret", "set"], arguments].concat()).input(value).run().succeeded();
}

/// The site over TLS, by HTTP/1.1.
pub fn site(lab: &Lab) -> Origin {
    Origin::ok(lab, TLS, Wire::Tls(&lab.pki().leaf(&[NAME, "a.site.example"]), &["http/1.1"]))
}

/// A request from a namespace over TLS, with further fields.
pub fn ask(space: &Namespace, daemon: &Daemon<'_>, target: &str, more: &str) -> Heard {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {NAME}\r\n{more}\r\n");
    over_tls(space, TLS, NAME, daemon.authority()).ask(request)
}

fn last(origin: &Origin) -> Taken {
    origin.taken().pop().expect("a request")
}

/// The values of a field as the site got them.
fn got(origin: &Origin, name: &str) -> Vec<String> {
    fields(&last(origin).head, name).map(str::to_owned).collect()
}

const HEADER: &str = "target: Header, headerName: X-Api-Key";

#[apply(over_both)]
fn a_header_has_the_secret_whatever_the_agent_sent_there_in_whatever_spelling(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    let origin = site(&lab);
    set(&daemon, &["site"], &format!("{KEY}\n"));
    for sent in [
        "",
        "X-Api-Key: clrk-injected-by-proxy\r\n",
        "x-api-key: mine\r\nX-API-KEY: again\r\n",
        "X_Api_Key: mine\r\nx.api.key: mine\r\n",
        "X-Api-Key: clawgress:site\r\nTrailer: X-Api-Key\r\n",
    ] {
        assert_eq!(ask(lab.workload(), &daemon, "/x", sent).status, 200, "{sent}");
        let head = last(&origin).head;
        assert_eq!(got(&origin, "x-api-key"), [KEY], "{head}");
        assert!(!head.contains("mine") && !head.contains("clawgress:"), "{head}");
    }
    let row = daemon.record(&json!({
        "kind": "request", "status": 200, "credential": "CredentialInjectionPolicy/site: secret site version 1",
    }));
    assert!(!row.to_string().contains(KEY));
}

#[apply(over_both)]
fn nothing_of_the_agents_own_in_its_place_goes_out_behind_the_body(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    let origin = site(&lab);
    set(&daemon, &["site"], KEY);
    let heard = over_tls(lab.workload(), TLS, NAME, daemon.authority()).ask(format!(
        "POST /x HTTP/1.1\r\nHost: {NAME}\r\nTrailer: X-Api-Key, X-Kept\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nx_api_key: mine\r\nX-Kept: 1\r\n\r\n"
    ));
    assert_eq!(heard.status, 200);
    let body = String::from_utf8_lossy(&last(&origin).body).to_ascii_lowercase();
    assert_eq!(body, "2\r\nhi\r\n0\r\nx-kept: 1\r\n\r\n");
}

#[apply(over_both)]
fn a_prefix_stands_in_front_and_a_parameter_stands_once(lab: Lab) {
    let bearer =
        policy("bearer", "site", "target: Header, headerName: Authorization, headerPrefix: 'Bearer '");
    let query = policy("query", "query", "secretKey: second, target: QueryParam, queryParam: key");
    let (_resolver, daemon) = injecting(&lab, &(bearer + &query));
    let origin = site(&lab);
    set(&daemon, &["site"], KEY);
    set(&daemon, &["query", "--key", "first"], "not this one");
    set(&daemon, &["query", "--key", "second"], SECOND);
    let sent = "Authorization: Basic bWU6bWU=\r\n";
    assert_eq!(ask(lab.workload(), &daemon, "/x?a=1&key=mine&%6bEy=mine&b=2", sent).status, 200);
    assert_eq!(got(&origin, "authorization"), [format!("Bearer {KEY}")]);
    assert_eq!(last(&origin).line(), "GET /x?a=1&b=2&key=mk-second-up%2F4Rf%2BYb2 HTTP/1.1");
    let row = daemon.record(&json!({"kind": "request", "path": "/x", "status": 200}));
    let credential = row["credential"].as_str().expect("which went in");
    assert!(credential.contains("CredentialInjectionPolicy/query: secret query/second version 1"), "{row}");
}

#[apply(over_both)]
fn each_agent_has_a_key_of_its_own_and_others_have_none(lab: Lab) {
    let own = |agent: &str| {
        let selects = format!("sourceAgents: {{matchLabels: {{clawgress.io/agent: {agent}}}}}, {HEADER}");
        policy(agent, &format!("key-of-{agent}"), &selects)
    };
    let (_resolver, daemon) = injecting(&lab, &(own("alice") + &own("bob")));
    let origin = site(&lab);
    set(&daemon, &["key-of-alice"], KEY);
    set(&daemon, &["key-of-bob"], SECOND);
    for (space, key) in [(lab.workload(), KEY), (lab.bob(), SECOND), (lab.workload(), KEY)] {
        assert_eq!(ask(space, &daemon, "/x", "").status, 200);
        assert_eq!(got(&origin, "x-api-key"), [key]);
    }
    daemon.write_policy("all.yaml", &format!("{OPENED}{}", own("alice")));
    daemon.reload();
    assert_eq!(ask(lab.bob(), &daemon, "/x", "X-Api-Key: mine\r\n").status, 200);
    assert_eq!(got(&origin, "x-api-key"), ["mine"], "nobody gives bob a key, so bob's own goes");
}

#[apply(over_both)]
fn only_requests_by_the_route_that_it_is_bound_to_get_it(lab: Lab) {
    let narrow = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: paid}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [a.site.example]
  rules: [{matches: [{path: {value: /paid}}]}]
";
    let bound = policy("paid", "site", HEADER).replace("name: sites", "name: paid");
    let (resolver, daemon) = injecting(&lab, &format!("{narrow}{bound}"));
    resolver.replace(zone().host("a.site.example", &["192.0.2.11"]));
    let origin = site(&lab);
    set(&daemon, &["site"], KEY);
    let ask = |host: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        over_tls(lab.workload(), TLS, host, daemon.authority()).ask(request).status
    };
    assert_eq!(ask("a.site.example", "/paid/x"), 200);
    assert_eq!(got(&origin, "x-api-key"), [KEY]);
    for (host, path) in [(NAME, "/paid/x"), ("a.site.example", "/free")] {
        assert_eq!(ask(host, path), 200);
        assert_eq!(got(&origin, "x-api-key"), Vec::<String>::new(), "{host}{path}");
    }
}

#[apply(over_both)]
fn without_its_secret_a_request_is_refused_and_nothing_is_sent(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    let origin = site(&lab);
    ask(lab.workload(), &daemon, "/x", "").is_refusal(503, "credential.unavailable");
    assert!(origin.taken().is_empty());
    let told = "CredentialInjectionPolicy `site` needs the secret `site`, which nobody has set";
    let reloaded = daemon.cli(&["reload"]);
    assert!(reloaded.code() == 0 && reloaded.errors().contains(&format!("warning: {told}")), "{reloaded}");
    assert!(daemon.status()["needs"].to_string().contains(told), "{}", daemon.status()["needs"]);
    let row = daemon.record(&json!({
        "kind": "request", "reason": "credential.unavailable", "policy_id": "CredentialInjectionPolicy/site", "status": 503,
    }));
    assert_eq!(row["evidence"], "secret site: missing; clawgress secret set site");
    set(&daemon, &["site"], KEY);
    assert_eq!(ask(lab.workload(), &daemon, "/x", "").status, 200);
    daemon.cli(&["secret", "remove", "site"]).succeeded();
    ask(lab.workload(), &daemon, "/x", "").is_refusal(503, "credential.unavailable");
    assert_eq!(origin.taken().len(), 1);
}

#[apply(over_both)]
fn a_credential_goes_out_over_verified_tls_alone(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    set(&daemon, &["site"], KEY);
    let open = Origin::ok(&lab, PLAIN, Wire::Plain);
    let heard = plain(lab.workload(), PLAIN).ask(format!("GET /x HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    heard.is_refusal(503, "credential.unavailable");
    assert!(heard.text().contains("verified TLS alone"), "{}", heard.text());
    let stranger = lab.pki().self_signed(&[NAME]);
    let untrusted = Origin::ok(&lab, TLS, Wire::Tls(&stranger, &["http/1.1"]));
    ask(lab.workload(), &daemon, "/x", "").is_refusal(502, "tls.untrusted-upstream");
    assert!(open.untouched() && untrusted.taken().is_empty());
}

#[apply(over_both)]
fn a_redirect_carries_it_nowhere(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let first = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: first}
spec: {parentRefs: [{kind: EgressGateway, name: default}], hostnames: [site.example], rules: [{}]}
";
    let opened = OPENED.replace("hostnames: [site.example, other.example,", "hostnames: [other.example,");
    let bound = policy("site", "site", HEADER).replace("name: sites", "name: first");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &format!("{opened}{first}{bound}"))]);
    set(&daemon, &["site"], KEY);
    let leaf = lab.pki().leaf(&[NAME]);
    let _site = Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), |taken| {
        let key = fields(&taken.head, "x-api-key").next().unwrap_or_default();
        format!("HTTP/1.1 307 Elsewhere\r\nLocation: https://{OTHER}/?key={key}\r\nContent-Length: 0\r\n\r\n")
            .into_bytes()
    });
    let other = lab.pki().leaf(&[OTHER]);
    let elsewhere = Origin::ok(&lab, "192.0.2.12:443", Wire::Tls(&other, &["http/1.1"]));
    let curl = lab.workload().command("curl").args(["-sS", "-L", "-o", "/dev/null", "-w", "%{http_code}"]);
    let curl = curl.trusting(daemon.authority()).arg(format!("https://{NAME}/x"));
    assert_eq!(curl.run().succeeded(), "200");
    let taken = last(&elsewhere);
    assert_eq!(taken.line(), format!("GET /?key={} HTTP/1.1", "*".repeat(KEY.len())));
    assert!(!taken.head.contains("x-api-key") && !taken.head.contains(KEY), "{}", taken.head);
}

#[apply(over_both)]
fn a_new_value_counts_for_the_next_request_and_no_request_fails_meanwhile(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    let origin = site(&lab);
    set(&daemon, &["site"], "mk-version-00");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = [lab.workload(), lab.bob()].map(|space| {
            let (over, authority) = (&over, daemon.authority());
            scope.spawn(move || {
                let mut talk = over_tls(space, TLS, NAME, authority);
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(talk.ask(format!("GET /load HTTP/1.1\r\nHost: {NAME}\r\n\r\n")).status, 200);
                    count += 1;
                }
                count
            })
        });
        let stopping = Stopping::when_dropped(&over);
        for version in 1..20 {
            let value = format!("mk-version-{version:02}");
            set(&daemon, &["site"], &value);
            assert_eq!(ask(lab.workload(), &daemon, "/next", "").status, 200);
            let next = origin.taken().into_iter().rev().find(|taken| taken.line().contains("/next"));
            let next = next.expect("the request after the change");
            assert_eq!(fields(&next.head, "x-api-key").next(), Some(&*value));
        }
        drop(stopping);
        for one in load {
            assert!(one.join().expect("no request failed") > 0);
        }
    });
    let mut seen: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    let loads = origin.taken().into_iter().filter(|taken| taken.line().contains("/load"));
    let mut connections: Vec<usize> = Vec::new();
    for taken in loads {
        let number = connections.iter().position(|known| *known == taken.connection).unwrap_or_else(|| {
            connections.push(taken.connection);
            connections.len() - 1
        });
        seen[number.min(1)].push(fields(&taken.head, "x-api-key").next().expect("a key").to_owned());
    }
    assert!(seen.iter().flatten().all(|value| value.starts_with("mk-version-")));
}

#[apply(over_both)]
fn a_request_of_http2_gets_it_and_no_table_keeps_it(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    let server = lab.backends().http(TLS, Wire::Tls(&lab.pki().leaf(&[NAME]), &["h2"]));
    set(&daemon, &["site"], KEY);
    let mut client = Http2::over_tls(lab.workload(), TLS, NAME, (daemon.authority(), &["h2"]));
    for _ in 0..2 {
        let (head, _) = client.get(&format!("https://{NAME}/headers"));
        assert_eq!(head.status, 200);
    }
    let seen = server.seen();
    assert!(seen.iter().all(|one| one.headers["x-api-key"] == KEY), "{seen:?}");
}

#[apply(over_both)]
fn a_placeholder_is_swapped_where_its_secret_is_bound_and_stays_one_elsewhere(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", HEADER));
    let origin = site(&lab);
    set(&daemon, &["site"], KEY);
    set(&daemon, &["unbound"], SECOND);
    let basic = "Authorization: Basic bWU6Y2xhd2dyZXNzOnNpdGU=\r\nX-Other: clawgress:unbound\r\n";
    assert_eq!(ask(lab.workload(), &daemon, "/clawgress:site?token=clawgress:site&a=1", basic).status, 200);
    use base64::Engine as _;
    let expected = base64::prelude::BASE64_STANDARD.encode(format!("me:{KEY}"));
    assert_eq!(got(&origin, "authorization"), [format!("Basic {expected}")]);
    assert_eq!(got(&origin, "x-other"), ["clawgress:unbound"]);
    assert_eq!(last(&origin).line(), "GET /clawgress:site?token=mk-made-up%2F7Qw%2BZt9&a=1 HTTP/1.1");
}

#[apply(over_both)]
fn a_provider_of_models_gets_no_key_but_the_vaults(lab: Lab) {
    let documents = format!(
        "{}apiVersion: clawgress.io/v1alpha1\nkind: CredentialInjectionPolicy\nmetadata: {{name: openai}}\n\
         spec: {{parentRefs: [{{group: clrk.apoxy.dev, kind: AIProviderRoute, name: models}}], secretRef: {{name: openai}}, \
         target: Header, headerName: Authorization, headerPrefix: 'Bearer '}}\n",
        super::fallback::ROUTE
    );
    let providers = Providers::start(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_is_read(&documents))]);
    set(&daemon, &["openai"], KEY);
    let body = r#"{"model":"gpt-4o","messages":[]}"#;
    let request = format!(
        "POST /v1/chat/completions?api-key=mine HTTP/1.1\r\nHost: {OPENAI}\r\nAuthorization: Bearer clawgress:openai\r\n\
         X-Api-Key: mine\r\nApi_Key: mine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let heard = over_tls(lab.workload(), TLS, OPENAI, daemon.authority()).ask(request);
    assert_eq!(heard.status, 200);
    assert!(heard.text().contains(providers::JOKE));
    let taken = providers.tls.taken().pop().expect("a question");
    assert_eq!(fields(&taken.head, "authorization").collect::<Vec<_>>(), [format!("Bearer {KEY}")]);
    assert!(!taken.head.contains("mine"), "{}", taken.head);
    daemon.record(&json!({
        "kind": "request", "provider": "openai", "tokens_output": providers::OUTPUT,
        "credential": "CredentialInjectionPolicy/openai: secret openai version 1",
    }));
}

#[apply(over_both)]
fn a_placeholder_is_a_finding_where_it_is_not_swapped_and_so_is_a_value_of_the_vault(lab: Lab) {
    let looks = "---
apiVersion: clawgress.io/v1alpha1
kind: DLPPolicy
metadata: {name: names}
spec: {classes: [{class: placeholder, action: Block}, {class: keys, action: Block}]}
";
    let (_resolver, daemon) = injecting(&lab, &(policy("site", "site", HEADER) + looks));
    let origin = site(&lab);
    set(&daemon, &["site"], KEY);
    let bound = "X-Api-Key: clawgress:site\r\nAuthorization: Bearer clawgress:site\r\n";
    assert_eq!(ask(lab.workload(), &daemon, "/x?key=clawgress:site", bound).status, 200);
    for (target, more) in [
        ("/x?key=clawgress:other", String::new()),
        ("/clawgress:site", String::new()),
        ("/x", "X-Other: clawgress:other\r\n".to_owned()),
        ("/x", format!("X-Other: {KEY}\r\n")),
    ] {
        ask(lab.workload(), &daemon, target, &more).is_refusal(403, "dlp.blocked");
    }
    assert_eq!(origin.taken().len(), 1);
}
