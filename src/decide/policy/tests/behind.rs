//! Rules for what one route lets through: no missing name, no other name and no other route goes around them, and they
//! reach no further than their route.

use super::*;

fn rule_for(target: &str, rule: &str) -> String {
    format!(
        "kind: EgressPolicy\nmetadata: {{name: p}}\nspec:\n  targetRef: {{kind: {target}}}\n  rules: [{rule}]\n---\n"
    )
}

fn nameless() -> Hello {
    Hello::Tls(ClientHello { server_name: None, alpn: Default::default(), ech: false })
}

const NO_POST: &str = "{name: no, when: 'request.method == \"POST\"', action: Deny}";

#[test]
fn tls_without_a_name_goes_around_no_rule_for_the_route_that_would_open_it() {
    let (open, raw) =
        (l4("open", "{destinationHostnames: [a.example]}"), l4("raw", "{destinationHostnames: [a.example]}"));
    let opened = |routes: &str, target: &str| {
        let set = Set::with(&(routes.to_owned() + &rule_for(target, NO_POST)));
        set.opens(alice(&["a.example"]), &nameless())
    };
    assert_eq!(opened(&open, "EgressL4Route, name: open"), Err("tls.no-name"));
    assert_eq!(opened(&open, "EgressGateway, name: default"), Err("tls.no-name"));
    // Had it said its name, `open` would have let it through.
    let both = open + &raw;
    assert_eq!(opened(&both, "EgressL4Route, name: raw"), Ok("EgressL4Route/open".into()));
    assert_eq!(opened(&both, "EgressL4Route, name: open"), Err("tls.no-name"));
}

#[test]
fn tls_without_a_name_goes_around_no_rule_by_another_name_of_the_address() {
    let opened = |routes: &str, target: &str, when: &str| {
        let rule = format!("{{name: no, when: '{when}', action: Deny}}");
        let set = Set::with(&(routes.to_owned() + &rule_for(target, &rule)));
        set.opens(alice(&["b.example", "a.example"]), &nameless())
    };
    let routes =
        l4("a", "{destinationHostnames: [a.example]}") + &l4("b", "{destinationHostnames: [b.example]}");
    let when = "destination.host == \"a.example\" && request.method == \"POST\"";
    assert_eq!(opened(&routes, "EgressGateway, name: default", when), Err("tls.no-name"));
    assert_eq!(opened(&routes, "EgressL4Route, name: a", "request.method == \"POST\""), Err("tls.no-name"));
    let elsewhere = "destination.host == \"c.example\" && request.method == \"POST\"";
    assert_eq!(opened(&routes, "EgressGateway, name: default", elsewhere), Ok("EgressL4Route/b".into()));
}

#[test]
fn another_name_goes_around_no_rule_for_what_a_network_lets_through() {
    let net = l4("net", "{destinationCIDRs: [10.0.0.0/8, fd00::/8]}");
    for address in ["10.1.2.3", "fd00::3"] {
        let ask = Ask { agent: "alice", to: (address, 443), given: &["payroll.example"], stale: &[] };
        let set = |when: &str| {
            let rule = format!("{{name: no, when: '{when}', action: Deny}}");
            Set::with(&(net.clone() + &rule_for("EgressL4Route, name: net", &rule)))
        };
        let by_name = set("destination.host == \"payroll.example\"");
        let hellos = [tls_to("other.example"), tls_to("payroll.example"), nameless()];
        for hello in &hellos {
            assert_eq!(by_name.opens(ask, hello), Err("policy.denied"), "{address} {hello:?}");
        }
        assert_eq!(by_name.opens(Ask { given: &[], ..ask }, &hellos[0]), Ok("EgressL4Route/net".into()));
        let by_request = set("destination.host == \"payroll.example\" && request.method == \"POST\"");
        for scheme in ["https", "http"] {
            let asks =
                |method: &str| by_request.request(ask, method, &format!("{scheme}://other.example/"), &[]);
            let denial = asks("POST").unwrap_err();
            assert_eq!(denial.reason.code(), "policy.denied", "{address} {scheme}");
            assert_eq!(denial.evidence, Some(format!("{address} was given for payroll.example")));
            assert_eq!(told(asks("GET")), Ok("EgressL4Route/net".into()), "{address} {scheme}");
        }
    }
}

#[test]
fn what_says_no_name_is_asked_about_as_that_whatever_its_address_was_given_for() {
    let net = l4("net", "{destinationCIDRs: [10.0.0.0/8]}");
    let set = Set::with(
        &(net
            + &rule_for(
                "EgressGateway, name: default",
                "{name: no, when: 'destination.host == \"\"', action: Deny}",
            )),
    );
    let ask = Ask { agent: "alice", to: ("10.1.2.3", 443), given: &["a.example"], stale: &[] };
    assert_eq!(set.opens(ask, &nameless()), Err("policy.denied"));
    assert_eq!(set.opens(ask, &tls_to("a.example")), Ok("EgressL4Route/net".into()));
}

#[test]
fn a_rule_for_one_http_route_reaches_no_request_of_another_whatever_they_are_called() {
    for (first, second) in [("a", "b"), ("b", "a")] {
        let routes = http_route(first, "git.example", "{method: POST}")
            + &http_route(second, "git.example", "{method: GET}");
        for rule in
            ["{name: no, action: Deny}", "{name: no, when: 'time.hour < 24', action: Quarantine, for: 1h}"]
        {
            let target = format!("EgressHTTPRoute, name: {first}");
            let set = Set::with(&(routes.clone() + &rule_for(&target, rule)));
            for scheme in ["https", "http"] {
                let asks = |method: &str| {
                    set.asks(alice(&["git.example"]), method, &format!("{scheme}://git.example/"))
                };
                assert_eq!(asks("GET"), Ok(format!("EgressHTTPRoute/{second}")), "{first} {rule}");
                let code = if rule.contains("Deny") { "policy.denied" } else { "identity.quarantined" };
                assert_eq!(asks("POST"), Err(code), "{first} {rule}");
            }
        }
    }
}

#[test]
fn a_rule_for_the_l4_route_that_opened_a_connection_holds_where_an_http_route_names_the_host() {
    let routes = l4("open", "{destinationHostnames: [a.example]}")
        + &http_route("web", "a.example", "{path: {type: PathPrefix, value: /}}");
    let set = |target: &str| Set::with(&(routes.clone() + &rule_for(target, NO_POST)));
    for (target, post) in [
        ("EgressL4Route, name: open", Err("policy.denied")),
        ("EgressHTTPRoute, name: web", Err("policy.denied")),
    ] {
        let asks = |method: &str| set(target).asks(alice(&["a.example"]), method, "a.example/");
        assert_eq!(asks("POST"), post, "{target}");
        assert_eq!(asks("GET"), Ok("EgressHTTPRoute/web".into()), "{target}");
    }
}

#[test]
fn a_rule_that_comes_with_other_documents_holds_for_requests_on_connections_that_live() {
    let l4_routes = |name: &str| l4(name, "{destinationHostnames: [a.example]}");
    let web = http_route("web", "a.example", "{path: {type: PathPrefix, value: /}}");
    let before = Set::with(&(l4_routes("old") + &web));
    let after = Set::with(&(l4_routes("new") + &web + &rule_for("EgressL4Route, name: new", NO_POST)));
    let passage = before.connect(alice(&["a.example"]), &tls_to("a.example")).unwrap();
    assert_eq!(after.judges(&passage, "POST", "a.example"), Err("policy.denied"));
    assert_eq!(after.judges(&passage, "GET", "a.example"), Ok("EgressHTTPRoute/web".into()));
}
