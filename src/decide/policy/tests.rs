//! What the two questions answer, on sets loaded from documents as operators write them. Every refusal is named by
//! its reason, every permission by the document that gave it.

mod amounts;
mod approvals;
mod behind;
mod content;
mod credentials;
mod found;
mod methods;
mod models;
mod networks;
mod order;
mod rules;
mod shadow;
mod side_doors;
mod services;
mod stale;
mod tools;
mod walk;

use std::net::SocketAddr;

use super::*;
use crate::model::condition::Content;
use crate::model::manifest::{Resources, SourceFile, load};
use crate::model::types::agreed_name::{AgreedName, Scheme};
use crate::model::types::{Denial, HostName, OriginalDestination};
use crate::perceive::hello::{ClientHello, Hello, Http1Hello};
use crate::perceive::identity::Directory;
use crate::perceive::request::Request;

/// Two agents, and a gateway that takes everything.
const BASE: &str = "
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec: {sources: {addresses: [10.77.0.2/32]}}
---
kind: Agent
metadata: {name: bob, labels: {tier: prod}}
spec: {sources: {addresses: [10.77.0.3/32]}}
---
kind: EgressGateway
metadata: {name: default}
spec:
  listeners:
    - {name: raw, protocol: TCP}
    - {name: tls, protocol: TLS, tls: {mode: Terminate}}
    - {name: web, protocol: HTTP}
";

/// A public address: the documentation ranges count as such.
const PUBLIC: &str = "192.0.2.10";

/// A compiled set and its agents.
struct Set {
    policy: PolicySet,
    directory: Directory,
}

/// One question: who, where to, and what the connection and the request look like.
#[derive(Clone, Copy)]
struct Ask<'a> {
    agent: &'a str,
    to: (&'a str, u16),
    given: &'a [&'a str],
    stale: &'a [&'a str],
}

impl Set {
    /// `BASE` and these documents, the latter without their `apiVersion`.
    fn with(documents: &str) -> Self {
        Self::of(&[BASE, documents])
    }

    fn of(files: &[&str]) -> Self {
        Self::compiled(&Self::resources(files))
    }

    fn resources(files: &[&str]) -> Resources {
        let number = |(number, text): (usize, &&str)| {
            let text = text.replace("kind: Eg", "apiVersion: clawgress.io/v1alpha1\nkind: Eg");
            let text = text.replace("kind: Agent\n", "apiVersion: clawgress.io/v1alpha1\nkind: Agent\n");
            // References have a kind too, in flow style.
            let text = text.replace("{apiVersion: clawgress.io/v1alpha1\nkind", "{kind");
            SourceFile::new(format!("{number}.yaml"), text.into_bytes())
        };
        let files: Vec<_> = files.iter().enumerate().map(number).collect();
        load(&files).unwrap_or_else(|report| {
            panic!("{:#?}", report.errors.iter().map(|error| error.render(false)).collect::<Vec<_>>())
        })
    }

    fn compiled(resources: &Resources) -> Self {
        Self {
            policy: PolicySet::compile(resources, Default::default()),
            directory: Directory::build(resources),
        }
    }

    fn connect(&self, ask: Ask<'_>, hello: &Hello) -> Result<Passage, Refusal> {
        let known = self.directory.by_name(ask.agent).unwrap();
        let given: Vec<HostName> = ask.given.iter().map(|name| host(name)).collect();
        let destination = SocketAddr::new(ask.to.0.parse().unwrap(), ask.to.1);
        let stale: Vec<HostName> = ask.stale.iter().map(|name| host(name)).collect();
        let destination = OriginalDestination(destination);
        let flow = Flow { destination, hello, given: &given, stale: &stale, once: &stale };
        self.policy.connection(&known, flow, Circumstances::default())
    }

    /// What a connection comes to: the document that allows it, or the code.
    fn opens(&self, ask: Ask<'_>, hello: &Hello) -> Result<String, &'static str> {
        told(self.connect(ask, hello).map(|passage| passage.route().clone()).map_err(|no| no.denial))
    }

    /// What one request of alice comes to on a connection that lives already.
    fn judges(&self, passage: &Passage, method: &str, name: &str) -> Result<String, &'static str> {
        let scheme = if passage.mode() == Mode::Terminate { Scheme::Https } else { Scheme::Http };
        let agreed = AgreedName::new(host(name), passage.destination().port(), scheme);
        let head = http::Request::builder().method(method).uri("/").header("host", name);
        let head = head.body(()).unwrap().into_parts().0;
        let request = Request::read(&agreed, &head).unwrap();
        let known = self.directory.by_name("alice").unwrap();
        let answer = self.policy.request(&known, passage, &request, Circumstances::default());
        let settled = answer.and_then(|permit| permit.settle(&Content::default()));
        told(settled.map(|clearance| clearance.route().clone()))
    }

    /// What one request over TLS comes to, its connection included.
    fn asks(&self, ask: Ask<'_>, method: &str, url: &str) -> Result<String, &'static str> {
        told(self.request(ask, method, url, &[]))
    }

    fn request(
        &self,
        ask: Ask<'_>,
        method: &str,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<Route, Denial> {
        let (tls, rest) = match url.strip_prefix("http://") {
            Some(rest) => (false, rest),
            None => (true, url.trim_start_matches("https://")),
        };
        let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let hello = if tls {
            tls_to(name)
        } else {
            Hello::Http1(Http1Hello { host: Some(host(name)), connect: None })
        };
        let passage = self.connect(ask, &hello).map_err(|refusal| refusal.denial)?;
        let scheme = if tls { Scheme::Https } else { Scheme::Http };
        let agreed = AgreedName::new(host(name), ask.to.1, scheme);
        let mut builder = http::Request::builder().method(method).uri(path).header("host", name);
        for (field, value) in fields {
            builder = builder.header(*field, *value);
        }
        let head = builder.body(()).unwrap().into_parts().0;
        let request = Request::read(&agreed, &head)?;
        let known = self.directory.by_name(ask.agent).unwrap();
        self.policy
            .request(&known, &passage, &request, Circumstances::default())
            .and_then(|permit| permit.settle(&Content::default()))
            .map(|clearance| clearance.route().clone())
    }
}

fn told(answer: Result<Route, Denial>) -> Result<String, &'static str> {
    answer.map(|route| route.policy.0.to_string()).map_err(|denial| denial.reason.code())
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn tls_to(name: &str) -> Hello {
    Hello::Tls(ClientHello { server_name: Some(host(name)), alpn: Default::default(), ech: false })
}

/// Alice, to a public address on port 443 that she was given for these names.
fn alice<'a>(given: &'a [&'a str]) -> Ask<'a> {
    Ask { agent: "alice", to: (PUBLIC, 443), given, stale: &[] }
}

/// The same on a port that is not that of TLS.
fn raw(ask: Ask<'_>) -> Ask<'_> {
    Ask { to: (ask.to.0, 5432), ..ask }
}

fn l4(name: &str, matches: &str) -> String {
    format!(
        "kind: EgressL4Route\nmetadata: {{name: {name}}}\nspec:\n  parentRefs: [{{name: default}}]\n  rules: \
         [{{matches: [{matches}]}}]\n---\n"
    )
}

/// Without matches it allows every request.
fn http_route(name: &str, hosts: &str, matches: &str) -> String {
    let rule = if matches.is_empty() { String::new() } else { format!("matches: [{matches}]") };
    format!(
        "kind: EgressHTTPRoute\nmetadata: {{name: {name}}}\nspec:\n  parentRefs: [{{name: default}}]\n  \
         hostnames: [{hosts}]\n  rules: [{{{rule}}}]\n---\n"
    )
}

fn deny(name: &str, kind: &str, route: &str, more: &str) -> String {
    format!(
        "kind: EgressDenyPolicy\nmetadata: {{name: {name}}}\nspec:\n  targetRef: {{kind: {kind}, name: {route}}}\n  \
         {more}\n---\n"
    )
}

#[test]
fn absence_denies() {
    let set = Set::with("");
    assert_eq!(set.opens(alice(&["a.example"]), &tls_to("a.example")), Err("policy.no-route"));
    assert_eq!(set.opens(raw(alice(&[])), &Hello::Opaque), Err("policy.no-route"));
    assert_eq!(set.opens(raw(alice(&["a.example"])), &Hello::Silent), Err("policy.no-route"));
}

#[test]
fn an_l4_route_opens_the_connection_and_allows_all_requests_where_no_http_route_names_the_host() {
    let set = Set::with(&l4("open", "{destinationHostnames: [a.example]}"));
    assert_eq!(set.opens(raw(alice(&["a.example"])), &Hello::Opaque), Ok("EgressL4Route/open".into()));
    for method in ["GET", "DELETE"] {
        let answer = set.asks(alice(&["a.example"]), method, "a.example/anything?x=1");
        assert_eq!(answer, Ok("EgressL4Route/open".into()));
    }
}

#[test]
fn where_an_http_route_names_the_host_each_request_must_match_one() {
    let set = Set::with(
        &(l4("open", "{destinationHostnames: [a.example, b.example]}")
            + &http_route("read", "a.example", "{method: GET, path: {type: PathPrefix, value: /v1}}")),
    );
    let ask = alice(&["a.example", "b.example"]);
    assert_eq!(set.asks(ask, "GET", "a.example/v1/x"), Ok("EgressHTTPRoute/read".into()));
    assert_eq!(set.asks(ask, "POST", "a.example/v1/x"), Err("policy.no-route"));
    assert_eq!(set.asks(ask, "GET", "a.example/v10"), Err("policy.no-route"));
    assert_eq!(set.asks(ask, "POST", "b.example/v1/x"), Ok("EgressL4Route/open".into()));
}

#[test]
fn an_http_route_of_other_agents_does_not_restrict_this_one() {
    let route = http_route("read", "a.example", "{method: GET}")
        .replace("  hostnames", "  sourceAgents: {matchLabels: {tier: prod}}\n  hostnames");
    let set = Set::with(&(l4("open", "{destinationHostnames: [a.example]}") + &route));
    let (given, to) = (&["a.example"][..], (PUBLIC, 443));
    let answer = set.asks(Ask { agent: "alice", to, given, stale: &[] }, "POST", "a.example/");
    assert_eq!(answer, Ok("EgressL4Route/open".into()));
    let answer = set.asks(Ask { agent: "bob", to, given, stale: &[] }, "POST", "a.example/");
    assert_eq!(answer, Err("policy.no-route"));
}

#[test]
fn an_http_route_opens_the_connections_to_its_own_hosts_for_what_speaks_http() {
    let set = Set::with(&http_route("read", "a.example", "{method: GET}"));
    assert_eq!(set.asks(alice(&["a.example"]), "GET", "a.example/"), Ok("EgressHTTPRoute/read".into()));
    assert_eq!(set.opens(raw(alice(&["a.example"])), &Hello::Opaque), Err("policy.no-route"));
    assert_eq!(set.opens(alice(&["a.example"]), &tls_to("b.example")), Err("policy.no-route"));
}

#[test]
fn wildcards_are_one_label() {
    let routes =
        l4("l4", "{destinationHostnames: ['*.l4.example']}") + &http_route("web", "'*.web.example'", "");
    let set = Set::with(&routes);
    for (base, policy) in [("l4.example", "EgressL4Route/l4"), ("web.example", "EgressHTTPRoute/web")] {
        for (name, allowed) in [
            (format!("a.{base}"), true),
            (base.to_owned(), false),
            (format!("a.b.{base}"), false),
            (format!("a{base}"), false),
        ] {
            let answer = set.asks(alice(&[&name]), "GET", &format!("{name}/"));
            let expected = if allowed { Ok(policy.to_owned()) } else { Err("policy.no-route") };
            assert_eq!(answer, expected, "{name}");
        }
    }
}

#[test]
fn ports_and_ranges_include_their_ends_and_nothing_else() {
    let matches =
        "{destinationHostnames: [a.example], ports: [{port: 22}, {startPort: 8000, endPort: 8010}]}";
    let set = Set::with(&l4("some", matches));
    for (port, allowed) in
        [(21, false), (22, true), (23, false), (7999, false), (8000, true), (8010, true), (8011, false)]
    {
        let ask = Ask { agent: "alice", to: (PUBLIC, port), given: &["a.example"], stale: &[] };
        assert_eq!(set.opens(ask, &Hello::Silent).is_ok(), allowed, "port {port}");
    }
}

#[test]
fn a_route_is_for_the_agents_it_selects() {
    let select = |selector: &str| {
        let route = l4("some", "{destinationHostnames: [a.example]}");
        let set = Set::with(&route.replace("  rules", &format!("  sourceAgents: {selector}\n  rules")));
        ["alice", "bob"].map(|agent| {
            set.opens(
                Ask { agent, to: (PUBLIC, 443), given: &["a.example"], stale: &[] },
                &tls_to("a.example"),
            )
            .is_ok()
        })
    };
    assert_eq!(select("{matchLabels: {tier: dev}}"), [true, false]);
    assert_eq!(select("{matchExpressions: [{key: tier, operator: NotIn, values: [dev]}]}"), [false, true]);
    assert_eq!(select("{matchExpressions: [{key: tier, operator: In, values: [dev, prod]}]}"), [true, true]);
    assert_eq!(select("{matchLabels: {tier: dev, team: red}}"), [false, false]);
}

#[test]
fn cidr_routes_need_no_name_and_open_private_addresses() {
    let set = Set::with(&l4("office", "{destinationCIDRs: [10.9.0.0/16, 198.51.100.0/24]}"));
    for address in ["10.9.3.4", "198.51.100.7"] {
        let ask = Ask { agent: "alice", to: (address, 5432), given: &[], stale: &[] };
        let passage = set.connect(ask, &Hello::Silent).unwrap();
        assert!(passage.private_allowed() && passage.host().is_none(), "{address}");
        let nameless = Hello::Tls(ClientHello { server_name: None, alpn: Default::default(), ech: false });
        assert_eq!(set.opens(ask, &nameless), Ok("EgressL4Route/office".into()));
    }
    let beside = Ask { agent: "alice", to: ("10.10.0.1", 5432), given: &[], stale: &[] };
    assert_eq!(set.opens(beside, &Hello::Silent), Err("destination.private"));
}

#[test]
fn a_host_and_a_cidr_must_both_hold_and_then_open_a_private_address() {
    let matches = "{destinationHostnames: [db.example], destinationCIDRs: [10.9.0.0/16]}";
    let set = Set::with(&(l4("db", matches) + &l4("any", "{destinationHostnames: [evil.example]}")));
    let ask = |address, given| Ask { agent: "alice", to: (address, 5432), given, stale: &[] };
    assert_eq!(set.opens(ask("10.9.0.1", &["db.example"]), &Hello::Silent), Ok("EgressL4Route/db".into()));
    assert_eq!(set.opens(ask("10.8.0.1", &["db.example"]), &Hello::Silent), Err("destination.private"));
    assert_eq!(set.opens(ask(PUBLIC, &["db.example"]), &Hello::Silent), Err("policy.no-route"));
    assert_eq!(set.opens(ask("10.9.0.1", &["evil.example"]), &Hello::Silent), Err("destination.private"));
    assert_eq!(set.opens(ask("10.9.0.1", &[]), &Hello::Silent), Err("destination.private"));
    // Both names stand at the address, and only one of them is allowed there.
    let both = set.connect(ask("10.9.0.1", &["evil.example", "db.example"]), &Hello::Silent).unwrap();
    assert_eq!(both.host(), Some(&host("db.example")));
    // A claimed name proves nothing about the address that will be dialled.
    assert_eq!(set.opens(ask("10.9.0.1", &[]), &tls_to("db.example")), Err("name.unverified"));
}

#[test]
fn addresses_that_no_cidr_names_are_judged_by_what_they_are() {
    let set = Set::with(&l4("named", "{destinationHostnames: [a.example]}"));
    for (address, expected) in [
        ("10.1.2.3", Err("destination.private")),
        ("192.168.0.1", Err("destination.private")),
        ("127.0.0.1", Err("destination.private")),
        ("169.254.1.1", Err("destination.private")),
        ("169.254.169.254", Err("destination.metadata")),
        ("fd00:ec2::254", Err("destination.metadata")),
        ("::ffff:169.254.169.254", Err("destination.metadata")),
        ("fd12::1", Err("destination.private")),
        ("224.0.0.1", Err("destination.private")),
        ("192.0.2.1", Ok("EgressL4Route/named".into())),
        ("198.51.100.1", Ok("EgressL4Route/named".into())),
        ("203.0.113.1", Ok("EgressL4Route/named".into())),
        ("2001:db8::1", Ok("EgressL4Route/named".into())),
    ] {
        let ask = Ask { agent: "alice", to: (address, 443), given: &["a.example"], stale: &[] };
        assert_eq!(set.opens(ask, &tls_to("a.example")), expected, "{address}");
        assert_eq!(set.opens(raw(ask), &Hello::Silent), expected, "{address}");
        let flows = with_udp("", &l4("named", "{protocol: UDP, destinationHostnames: [a.example]}"));
        assert_eq!(flows.opens(raw(ask), &Hello::Datagram), expected, "{address}");
    }
}

#[test]
fn allow_all_allows_what_no_route_names_and_still_no_private_address() {
    let base = BASE.replace("  listeners", "  defaultPolicy: allow-all\n  listeners");
    let routes = http_route("read", "a.example", "{method: GET}")
        + &l4("bad", "{destinationHostnames: [b.example]}")
        + &deny("no", "EgressL4Route", "bad", "");
    let set = Set::of(&[&base, &routes]);
    assert_eq!(set.asks(alice(&["c.example"]), "POST", "c.example/"), Ok("EgressGateway/default".into()));
    assert_eq!(set.opens(raw(alice(&[])), &Hello::Opaque), Ok("EgressGateway/default".into()));
    assert_eq!(set.asks(alice(&["a.example"]), "POST", "a.example/"), Err("policy.no-route"));
    assert_eq!(set.opens(alice(&["b.example"]), &tls_to("b.example")), Err("policy.denied"));
    let inside = Ask { agent: "alice", to: ("10.0.0.1", 443), given: &["c.example"], stale: &[] };
    assert_eq!(set.opens(inside, &tls_to("c.example")), Err("destination.private"));
}

#[test]
fn deny_wins_over_every_allowing_route_and_speaks_in_the_administrators_words() {
    let routes = l4("open", "{destinationHostnames: ['*.example']}, {destinationCIDRs: [192.0.2.0/24]}")
        + &l4("shut", "{destinationHostnames: [bad.example]}")
        + &deny("no-bad", "EgressL4Route", "shut", "denyResponse: {statusCode: 451, message: not for us}");
    let set = Set::with(&routes);
    let ask = alice(&["bad.example"]);
    for (ask, hello) in [(ask, tls_to("bad.example")), (raw(ask), Hello::Silent)] {
        let refusal = set.connect(ask, &hello).unwrap_err();
        let denial = refusal.denial;
        assert_eq!((denial.reason.code(), denial.status()), ("policy.denied", 451));
        assert_eq!(denial.detail, "not for us");
        assert_eq!(&*denial.policy.unwrap().0, "EgressDenyPolicy/no-bad");
    }
    assert!(set.opens(alice(&["good.example"]), &tls_to("good.example")).is_ok());
    // An opaque flow to an address that has a denied name beside an allowed one is denied.
    let both = alice(&["good.example", "bad.example"]);
    assert_eq!(set.opens(raw(both), &Hello::Opaque), Err("policy.denied"));
}

#[test]
fn a_deny_policy_flips_the_requests_of_an_http_route() {
    let routes = http_route("all", "a.example", "")
        + &http_route("admin", "a.example", "{path: {type: PathPrefix, value: /admin}}")
        + &deny("no-admin", "EgressHTTPRoute", "admin", "denyResponse: {message: ask the owner}");
    let set = Set::with(&routes);
    let ask = alice(&["a.example"]);
    assert_eq!(set.asks(ask, "GET", "a.example/x"), Ok("EgressHTTPRoute/all".into()));
    let denial = set.request(ask, "GET", "a.example/admin/x", &[]).unwrap_err();
    assert_eq!((denial.reason.code(), denial.status()), ("policy.denied", 403));
    assert_eq!(denial.detail, "ask the owner");
    assert_eq!(&*denial.policy.unwrap().0, "EgressDenyPolicy/no-admin");
}

#[test]
fn a_connection_is_denied_in_the_policys_words_only_where_every_request_would_be() {
    let denied = |matches: &str| {
        let route = http_route("shut", "a.example", matches) + &deny("no", "EgressHTTPRoute", "shut", "");
        Set::with(&route).opens(alice(&["a.example"]), &tls_to("a.example"))
    };
    assert_eq!(denied(""), Err("policy.denied"));
    assert_eq!(denied("{path: {value: /admin}}"), Err("policy.no-route"));
}

#[test]
fn a_path_in_a_deny_rule_cannot_be_evaded_by_another_spelling() {
    for written in ["/admin/x~y", "/%61dmin/x%7ey", "/admin/x%7Ey"] {
        for kind in ["Exact", "PathPrefix"] {
            let routes = http_route("all", "a.example", "")
                + &http_route("admin", "a.example", &format!("{{path: {{type: {kind}, value: {written}}}}}"))
                + &deny("no", "EgressHTTPRoute", "admin", "");
            let set = Set::with(&routes);
            for asked in [
                "/admin/x~y",
                "/%61dmin/x%7Ey",
                "/admin/x%7ey",
                "/./admin/x~y",
                "/z/../admin/x~y",
                "/z/%2e%2e/admin/x~y",
                "//admin/x~y",
                "/admin//x~y",
                "/admin%2Fx~y",
                "/admin%2fx~y",
                "/admin%5Cx~y",
                "/admin;v=1/x~y",
                "/admin/x~y?q=1",
                "/admin/x~y%3Fq=1",
                "/admin/x~y%23/z",
                "/admin%2Fx~y%3f/z",
                "/;%5Cx/admin/x~y",
                "/admin%2Fx~y;z%2Fz",
                "/;a%2Fb/admin/x~y",
                "/;a%3Fb/admin/x~y%3Fx",
                "/admin%5Cx~y;z%5Cz",
            ] {
                let answer = set.asks(alice(&["a.example"]), "GET", &format!("a.example{asked}"));
                assert_eq!(answer, Err("policy.denied"), "rule {kind} {written}, request {asked}");
            }
            let answer = set.asks(alice(&["a.example"]), "GET", "a.example/admin/x~yz");
            assert_eq!(answer, Ok("EgressHTTPRoute/all".into()), "rule {kind} {written}");
        }
    }
}

#[test]
fn a_long_path_that_leaves_doubt_meets_every_denial_and_no_short_one_does() {
    let routes = http_route("all", "a.example", "")
        + &http_route("admin", "a.example", "{path: {value: /admin}}")
        + &deny("no", "EgressHTTPRoute", "admin", "");
    let set = Set::with(&routes);
    let ask = |path: String| set.asks(alice(&["a.example"]), "GET", &format!("a.example{path}"));
    assert_eq!(ask(format!("/{}%2Fx", "k".repeat(1024))), Ok("EgressHTTPRoute/all".into()));
    assert_eq!(
        ask(format!("/{}", "k".repeat(5000))),
        Ok("EgressHTTPRoute/all".into()),
        "no doubt, no denial"
    );
    assert_eq!(ask(format!("/{}%2Fx", "k".repeat(5000))), Err("policy.denied"));
}

#[test]
fn an_allowing_path_matches_every_spelling_of_itself_and_no_loose_reading() {
    let routes = http_route("b", "a.example", "{path: {type: PathPrefix, value: /%62ox/%7Eme}}");
    let set = Set::with(&routes);
    for (asked, allowed) in [
        ("/box/~me", true),
        ("/%62ox/~me/x", true),
        ("/box/%7eme", true),
        ("//box/~me", false),
        ("/box%2F~me", false),
        ("/box;x/~me", false),
        ("/box/~me/../you", false),
    ] {
        let answer = set.asks(alice(&["a.example"]), "GET", &format!("a.example{asked}"));
        assert_eq!(answer.is_ok(), allowed, "{asked}: {answer:?}");
    }
}

#[test]
fn a_field_sent_twice_opens_nothing_and_is_denied() {
    let allow = http_route("all", "a.example", "{headers: [{name: X-Team, value: red}]}");
    let twice = [("x-team", "red"), ("x-team", "blue")];
    let ask = alice(&["a.example"]);
    let set = Set::with(&allow);
    assert!(set.request(ask, "GET", "a.example/", &twice[..1]).is_ok());
    assert_eq!(told(set.request(ask, "GET", "a.example/", &twice)), Err("policy.no-route"));
    let denied = http_route("open", "a.example", "") + &allow + &deny("no", "EgressHTTPRoute", "all", "");
    let set = Set::with(&denied);
    assert_eq!(told(set.request(ask, "GET", "a.example/", &twice)), Err("policy.denied"));
    assert!(set.request(ask, "GET", "a.example/", &twice[1..]).is_ok());
}

#[test]
fn a_denied_network_is_not_reached_under_a_claimed_name() {
    let routes = l4("open", "{destinationHostnames: [a.example]}")
        + &l4("net", "{destinationCIDRs: [203.0.113.0/24]}")
        + &deny("no-net", "EgressL4Route", "net", "");
    let set = Set::with(&routes);
    let inside = Ask { agent: "alice", to: ("203.0.113.7", 443), given: &["a.example"], stale: &[] };
    assert_eq!(set.opens(inside, &tls_to("a.example")), Err("policy.denied"));
    assert!(set.opens(alice(&["a.example"]), &tls_to("a.example")).is_ok());
    // The gateway would resolve the name itself, and the answer may lie in the denied network.
    assert_eq!(set.opens(alice(&[]), &tls_to("a.example")), Err("name.unverified"));
}

#[test]
fn section_name_attaches_a_route_to_one_listener() {
    let at = |section: &str, route: String| {
        route.replace("{name: default}", &format!("{{name: default, sectionName: {section}}}"))
    };
    let routes = at("web", http_route("a-plain", "a.example", "{method: POST}"))
        + &at("tls", http_route("b-tls", "a.example", "{method: GET}"))
        + &at("raw", l4("c-raw", "{destinationHostnames: [c.example]}"));
    let set = Set::with(&routes);
    let ask = alice(&["a.example", "c.example"]);
    let plain = Ask { to: (PUBLIC, 80), ..ask };
    assert_eq!(set.asks(ask, "GET", "a.example/"), Ok("EgressHTTPRoute/b-tls".into()));
    assert_eq!(set.asks(ask, "POST", "a.example/"), Err("policy.no-route"));
    assert_eq!(set.asks(plain, "POST", "http://a.example/"), Ok("EgressHTTPRoute/a-plain".into()));
    assert_eq!(set.asks(plain, "GET", "http://a.example/"), Err("policy.no-route"));
    let relayed = set.connect(ask, &tls_to("c.example")).unwrap();
    assert_eq!(relayed.mode(), Mode::Relay);
}

#[test]
fn what_is_done_follows_the_listeners() {
    let route = l4("open", "{destinationHostnames: [a.example]}");
    let modes = |listeners: &str| {
        let start = BASE.find("  listeners").unwrap();
        let set = Set::of(&[&format!("{}  listeners: [{listeners}]", &BASE[..start]), &route]);
        let http = Hello::Http1(Http1Hello { host: Some(host("a.example")), connect: None });
        [tls_to("a.example"), http, Hello::Silent].map(|hello| {
            let ask = alice(&["a.example"]);
            let ask = if hello == Hello::Silent { raw(ask) } else { ask };
            set.connect(ask, &hello).map(|passage| passage.mode()).ok()
        })
    };
    let (tcp, web) = ("{name: raw, protocol: TCP}", "{name: web, protocol: HTTP}");
    let pass = "{name: p, protocol: TLS, tls: {mode: Passthrough}}";
    let open = "{name: t, protocol: TLS, tls: {mode: Terminate}}";
    assert_eq!(modes(tcp), [Some(Mode::Relay); 3]);
    assert_eq!(modes(pass), [Some(Mode::PassThrough), None, None]);
    assert_eq!(modes(open), [Some(Mode::Terminate), None, None]);
    assert_eq!(modes(web), [None, Some(Mode::PlainHttp), None]);
    assert_eq!(
        modes(&format!("{tcp}, {pass}, {open}, {web}")),
        [Some(Mode::Terminate), Some(Mode::PlainHttp), Some(Mode::Relay)]
    );
}

#[test]
fn a_name_is_believed_only_where_the_resolver_gave_it_or_is_resolved_anew() {
    let set = Set::with(&l4("open", "{destinationHostnames: [a.example]}"));
    let source = |given| set.connect(alice(given), &tls_to("a.example")).unwrap().name_source();
    assert_eq!(source(&["a.example"]), NameSource::Given);
    assert_eq!(source(&[]), NameSource::Resolve);
    // Where the claimed name is resolved anew, the address the agent chose says nothing.
    let inside = Ask { agent: "alice", to: ("10.0.0.1", 443), given: &[], stale: &[] };
    assert_eq!(set.connect(inside, &tls_to("a.example")).unwrap().name_source(), NameSource::Resolve);
    assert!(!set.connect(inside, &tls_to("a.example")).unwrap().private_allowed());
    // A flow that names nobody has only the names it was given.
    assert_eq!(set.opens(raw(alice(&[])), &Hello::Opaque), Err("policy.no-route"));
}

#[test]
fn equal_inputs_give_equal_decisions_whatever_the_order_of_files() {
    let documents = [
        l4("open", "{destinationHostnames: ['*.example']}"),
        l4("shut", "{destinationHostnames: [bad.example]}"),
        http_route("r1", "a.example", "{method: GET}"),
        http_route("r2", "a.example", "{method: GET}, {method: POST}"),
        deny("z-no", "EgressL4Route", "shut", "denyResponse: {statusCode: 410}"),
        deny("a-no", "EgressL4Route", "shut", "denyResponse: {statusCode: 410}"),
    ];
    let answers = |order: &[usize]| {
        let mut files: Vec<&str> = order.iter().map(|index| documents[*index].as_str()).collect();
        files.insert(order[0] % (files.len() + 1), BASE);
        let set = Set::of(&files);
        let denied = set.connect(alice(&["bad.example"]), &tls_to("bad.example")).unwrap_err().denial;
        let ask = alice(&["a.example", "c.example"]);
        (
            set.policy.digest().clone(),
            [("GET", "a.example/"), ("POST", "a.example/"), ("PUT", "a.example/"), ("PUT", "c.example/")]
                .map(|(method, url)| set.asks(ask, method, url)),
            (denied.status(), denied.policy),
        )
    };
    let first = answers(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(first.2.0, 410);
    let speaks = format!("{:?}", first.2.1);
    assert!(speaks.contains("a-no"), "the first of several deny policies by name speaks: {speaks}");
    for order in [[5, 4, 3, 2, 1, 0], [2, 0, 5, 1, 4, 3], [3, 5, 0, 4, 2, 1]] {
        assert_eq!(answers(&order), first, "{order:?}");
    }
}

#[test]
fn an_agent_that_is_no_longer_in_the_set_is_unknown() {
    let (old, new) = (Set::with(&l4("open", "{destinationHostnames: [a.example]}")), Set::with(""));
    let bob = old.directory.by_name("bob").unwrap();
    let gone = BASE.split("---").enumerate().filter(|(number, _)| *number != 1).map(|(_, text)| text);
    let without = Set::of(&[&gone.collect::<Vec<_>>().join("---")]);
    let flow = Flow {
        destination: OriginalDestination(SocketAddr::new(PUBLIC.parse().unwrap(), 22)),
        hello: &Hello::Silent,
        given: &[],
        stale: &[],
        once: &[],
    };
    let refused = |set: &Set| {
        set.policy.connection(&bob, flow, Circumstances::default()).unwrap_err().denial.reason.code()
    };
    assert_eq!(refused(&without), "identity.unknown");
    assert_eq!(refused(&new), "policy.no-route");
}

/// One more gateway document with a UDP listener, in place of `BASE`'s.
fn with_udp(more: &str, documents: &str) -> Set {
    let base = BASE.replace(
        "    - {name: raw, protocol: TCP}",
        "    - {name: raw, protocol: TCP}\n    - {name: udp, protocol: UDP}",
    );
    Set::of(&[&base.replace("spec:\n  listeners", &format!("spec:\n{more}  listeners")), documents])
}

#[test]
fn udp_and_tcp_rules_open_their_own_transport_and_no_other() {
    let rules = "{protocol: UDP, destinationHostnames: [a.example]}, {destinationHostnames: [b.example]}";
    let set = with_udp("", &l4("flows", rules));
    let at = |port, given| Ask { agent: "alice", to: (PUBLIC, port), given, stale: &[] };
    assert_eq!(set.opens(at(123, &["a.example"]), &Hello::Datagram), Ok("EgressL4Route/flows".into()));
    assert_eq!(set.opens(at(123, &["a.example"]), &Hello::Opaque), Err("policy.no-route"));
    assert_eq!(set.opens(at(443, &["a.example"]), &tls_to("a.example")), Err("policy.no-route"));
    assert_eq!(set.asks(at(443, &["a.example"]), "GET", "https://a.example/"), Err("policy.no-route"));
    assert_eq!(set.opens(at(123, &["b.example"]), &Hello::Datagram), Err("policy.no-route"));
    assert_eq!(set.opens(at(123, &["b.example"]), &Hello::Opaque), Ok("EgressL4Route/flows".into()));
    assert_eq!(set.opens(at(123, &[]), &Hello::Datagram), Err("policy.no-route"));
    let passage = set.connect(at(123, &["a.example"]), &Hello::Datagram).unwrap();
    assert_eq!((passage.mode(), passage.name_source()), (Mode::Datagrams, NameSource::Given));
    let refusal = set.connect(at(123, &[]), &Hello::Datagram).unwrap_err();
    assert_eq!(refusal.answer, Answer::Unreachable);
}

#[test]
fn quic_is_refused_whatever_routes_say() {
    let to = |port| Ask { agent: "alice", to: (PUBLIC, port), given: &[], stale: &[] };
    let open = "  defaultPolicy: allow-all\n";
    for set in
        [with_udp("", &l4("all", "{protocol: UDP, destinationCIDRs: [0.0.0.0/0]}")), with_udp(open, "")]
    {
        assert_eq!(set.opens(to(443), &Hello::Datagram), Err("protocol.quic"));
        assert!(set.opens(to(444), &Hello::Datagram).is_ok());
        let ports: Vec<_> = set.policy.udp_ports().iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(ports, [(1, 52), (54, 442), (444, 65_535)]);
    }
    assert!(Set::with(&l4("tcp", "{destinationCIDRs: [0.0.0.0/0]}")).policy.udp_ports().is_empty());
}

#[test]
fn udp_is_taken_by_a_udp_listener_alone_and_where_http_is_governed_by_intent_alone() {
    let to = |given| Ask { agent: "alice", to: (PUBLIC, 123), given, stale: &[] };
    let open = BASE.replace("spec:\n  listeners", "spec:\n  defaultPolicy: allow-all\n  listeners");
    assert_eq!(Set::of(&[&open]).opens(to(&[]), &Hello::Datagram), Err("policy.no-route"));
    let allow = "  defaultPolicy: allow-all\n";
    let governed = http_route("read", "a.example", "{method: GET}");
    let set = with_udp(allow, &governed);
    assert_eq!(set.opens(to(&["b.example"]), &Hello::Datagram), Ok("EgressGateway/default".into()));
    assert_eq!(set.opens(to(&["a.example"]), &Hello::Datagram), Err("policy.no-route"));
    let meant = l4("flows", "{protocol: UDP, destinationHostnames: [a.example]}");
    let set = with_udp(allow, &(governed + &meant));
    assert_eq!(set.opens(to(&["a.example"]), &Hello::Datagram), Ok("EgressL4Route/flows".into()));
}

#[test]
fn a_deny_policy_flips_udp_rules_and_tcp_rules_each_for_itself() {
    let to = |address| Ask { agent: "alice", to: (address, 123), given: &[], stale: &[] };
    let all = l4("all", "{protocol: UDP, destinationCIDRs: [0.0.0.0/0]}, {destinationCIDRs: [0.0.0.0/0]}");
    let some = l4("some", "{protocol: UDP, destinationCIDRs: [192.0.2.0/25]}");
    let set = with_udp("", &(all + &some + &deny("no", "EgressL4Route", "some", "")));
    assert_eq!(set.opens(to("192.0.2.10"), &Hello::Datagram), Err("policy.denied"));
    assert_eq!(set.opens(to("192.0.2.200"), &Hello::Datagram), Ok("EgressL4Route/all".into()));
    assert_eq!(set.opens(to("192.0.2.10"), &Hello::Opaque), Ok("EgressL4Route/all".into()));
}
