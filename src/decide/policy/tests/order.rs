//! In which order things are looked at, and which rule speaks where several could.

use super::*;

#[test]
fn each_stage_of_the_decision_order_speaks_before_the_next() {
    let routes = l4("bad", "{destinationHostnames: [bad.example]}")
        + &deny("no", "EgressL4Route", "bad", "")
        + &l4("good", "{destinationHostnames: [good.example]}");
    let set = Set::with(&routes);
    let ask = |address, port, given| Ask { agent: "alice", to: (address, port), given, stale: &[] };
    let nameless = Hello::Tls(ClientHello { server_name: None, alpn: Default::default(), ech: false });
    // Side doors, names, destination, deny rules, routes: each question would be refused by all that follow, too.
    assert_eq!(set.opens(ask("10.0.0.1", 853, &[]), &nameless), Err("protocol.encrypted-dns"));
    assert_eq!(set.opens(ask("10.0.0.1", 443, &[]), &nameless), Err("tls.no-name"));
    let bad = ["bad.example"];
    assert_eq!(set.opens(ask("10.0.0.1", 443, &bad), &tls_to("bad.example")), Err("destination.private"));
    assert_eq!(set.opens(ask(PUBLIC, 443, &bad), &tls_to("bad.example")), Err("policy.denied"));
    assert_eq!(set.opens(ask(PUBLIC, 443, &["x.example"]), &tls_to("x.example")), Err("policy.no-route"));
    assert!(set.opens(ask(PUBLIC, 443, &["good.example"]), &tls_to("good.example")).is_ok());
    // Identity comes before all of them.
    let stranger = set.directory.by_name("alice").unwrap();
    let others = BASE.replace("name: alice", "name: carol").replace("10.77.0.2", "10.77.0.9");
    let flow = Flow {
        destination: OriginalDestination(SocketAddr::new("10.0.0.1".parse().unwrap(), 853)),
        hello: &nameless,
        given: &[],
        stale: &[],
        once: &[],
    };
    let answer = Set::of(&[&others, &routes]).policy.connection(&stranger, flow, Circumstances::default());
    assert_eq!(answer.unwrap_err().denial.reason.code(), "identity.unknown");
}

#[test]
fn of_several_rules_the_first_by_name_and_place_speaks_and_an_exact_host_before_a_wildcard() {
    let exact = |name: &str| http_route(name, "a.example", "{method: GET}, {method: POST}");
    let wildcard = |name: &str| http_route(name, "'*.example'", "");
    let set = Set::with(&(exact("m") + &exact("k") + &wildcard("a") + &exact("z")));
    let ask = alice(&["a.example", "b.example"]);
    assert_eq!(set.asks(ask, "POST", "a.example/"), Ok("EgressHTTPRoute/k".into()));
    assert_eq!(set.asks(ask, "PUT", "a.example/"), Ok("EgressHTTPRoute/a".into()));
    assert_eq!(set.asks(ask, "GET", "b.example/"), Ok("EgressHTTPRoute/a".into()));
    let denied = Set::with(
        &(l4("z", "{destinationHostnames: [a.example]}")
            + &l4("b", "{destinationHostnames: ['*.example']}")
            + &deny("one", "EgressL4Route", "z", "")
            + &deny("two", "EgressL4Route", "b", "")),
    );
    let denial = denied.connect(ask, &tls_to("a.example")).unwrap_err().denial;
    assert_eq!(&*denial.policy.unwrap().0, "EgressDenyPolicy/one");
    let rules = "kind: EgressHTTPRoute\nmetadata: {name: r}\nspec:\n  parentRefs: [{name: default}]\n  hostnames: \
                 [a.example]\n  rules: [{matches: [{method: PUT}]}, {matches: [{method: GET}]}, {}]\n";
    let rule = |method| Set::with(rules).request(ask, method, "a.example/", &[]).unwrap().rule.unwrap();
    assert_eq!(
        [rule("GET"), rule("PUT"), rule("POST")].map(|rule| rule.to_string()),
        ["rules[1]", "rules[0]", "rules[2]"]
    );
}

#[test]
fn every_decision_carries_its_code_and_the_document_and_rule_that_decided() {
    let routes = l4("open", "{destinationHostnames: [a.example]}")
        + &l4("shut", "{destinationHostnames: [bad.example]}")
        + &deny("no", "EgressL4Route", "shut", "")
        + &http_route("read", "b.example", "{method: GET}");
    let set = Set::with(&routes);
    let opened = set.connect(alice(&["a.example"]), &tls_to("a.example")).unwrap();
    assert_eq!(*opened.route(), by("EgressL4Route/open", "rules[0]"));
    let permit = set.request(alice(&["b.example"]), "GET", "b.example/", &[]).unwrap();
    assert_eq!(permit, by("EgressHTTPRoute/read", "rules[0]"));
    for (name, policy, rule) in [
        ("bad.example", "EgressDenyPolicy/no", "rules[0]"),
        ("c.example", "EgressGateway/default", "defaultPolicy"),
    ] {
        let denial = set.connect(alice(&[name]), &tls_to(name)).unwrap_err().denial;
        assert_eq!(Route { policy: denial.policy.unwrap(), rule: denial.rule }, by(policy, rule));
    }
    // What is built in has a code, and no document.
    let built_in = set.connect(Ask { to: (PUBLIC, 853), ..alice(&[]) }, &Hello::Opaque).unwrap_err().denial;
    assert_eq!((built_in.reason.code(), built_in.policy), ("protocol.encrypted-dns", None));
    let open = BASE.replace("spec:\n  listeners", "spec:\n  defaultPolicy: allow-all\n  listeners");
    let passage = Set::of(&[&open]).connect(alice(&["a.example"]), &tls_to("a.example")).unwrap();
    assert_eq!(*passage.route(), by("EgressGateway/default", "defaultPolicy"));
}

fn by(policy: &str, rule: &str) -> Route {
    let (kind, name) = policy.split_once('/').unwrap();
    Route { policy: crate::model::types::PolicyRef::new(kind, name), rule: Some(rule.into()) }
}

#[test]
fn selectors_mean_what_they_mean_in_kubernetes() {
    let carol = "kind: Agent\nmetadata: {name: carol, labels: {team: red}}\nspec: {sources: {addresses: [10.77.0.4/32]}}\n---\n";
    let selected = |selector: &str| {
        let route = l4("some", "{destinationHostnames: [a.example]}");
        let route = route.replace("  rules", &format!("  sourceAgents: {selector}\n  rules"));
        let set = Set::with(&(carol.to_owned() + &route));
        let may = |agent: &&str| {
            let ask = Ask { agent, ..alice(&["a.example"]) };
            set.opens(ask, &tls_to("a.example")).is_ok()
        };
        ["alice", "bob", "carol"].into_iter().filter(may).collect::<Vec<_>>().join(" ")
    };
    for (selector, expected) in [
        ("{}", "alice bob carol"),
        ("{matchLabels: {tier: dev}}", "alice"),
        ("{matchLabels: {tier: dev, team: red}}", ""),
        ("{matchExpressions: [{key: tier, operator: In, values: [dev, prod]}]}", "alice bob"),
        ("{matchExpressions: [{key: tier, operator: In, values: [test]}]}", ""),
        // Kubernetes: an absent key has none of the values.
        ("{matchExpressions: [{key: tier, operator: NotIn, values: [dev]}]}", "bob carol"),
        ("{matchExpressions: [{key: nothing, operator: NotIn, values: [x]}]}", "alice bob carol"),
        ("{matchExpressions: [{key: tier, operator: Exists}]}", "alice bob"),
        ("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", "carol"),
        // All requirements must hold, of both kinds.
        ("{matchLabels: {tier: dev}, matchExpressions: [{key: team, operator: DoesNotExist}]}", "alice"),
        ("{matchLabels: {tier: dev}, matchExpressions: [{key: team, operator: Exists}]}", ""),
        (
            "{matchExpressions: [{key: tier, operator: Exists}, {key: tier, operator: NotIn, values: [dev]}]}",
            "bob",
        ),
    ] {
        assert_eq!(selected(selector), expected, "{selector}");
    }
}
