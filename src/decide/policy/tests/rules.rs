//! Rules of EgressPolicies: where they hold, in which order they count, and what they come to.

use super::*;
use crate::model::types::{Decision, Timestamp};

/// Alice is of the red team, bob of the blue one; only alice is a developer.
pub(super) const TEAMS: &str = "
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec: {team: red, project: demo, sources: {addresses: [10.77.0.2/32]}}
---
kind: Agent
metadata: {name: bob, labels: {tier: prod}}
spec: {team: blue, project: demo, sources: {addresses: [10.77.0.3/32]}}
---
kind: EgressGateway
metadata: {name: default}
spec:
  listeners:
    - {name: raw, protocol: TCP}
    - {name: tls, protocol: TLS, tls: {mode: Terminate}}
    - {name: web, protocol: HTTP}
    - {name: udp, protocol: UDP}
";

pub(super) fn policy_for(target: &str, name: &str, more: &str, rules: &[&str]) -> String {
    format!(
        "kind: EgressPolicy\nmetadata: {{name: {name}}}\nspec:\n  targetRef: {{kind: {target}}}\n  {more}\n  rules:\n    - {}\n---\n",
        rules.join("\n    - ")
    )
}

/// Rules for everybody who leaves through the gateway.
pub(super) fn policy(name: &str, rules: &[&str]) -> String {
    policy_for("EgressGateway, name: default", name, "", rules)
}

/// `a.example` is open, and `b.example` for what is read.
pub(super) fn routes() -> String {
    l4("open", "{destinationHostnames: [a.example]}") + &http_route("read", "b.example", "{method: GET}")
}

fn with(documents: &str) -> Set {
    Set::of(&[TEAMS, &(routes() + documents)])
}

pub(super) fn ask<'a>(agent: &'a str, given: &'a [&'a str]) -> Ask<'a> {
    Ask { agent, to: (PUBLIC, 443), given, stale: &[] }
}

/// A request over TLS, with its whole permission.
fn permit(set: &Set, agent: &str, method: &str, url: &str) -> Result<Clearance, Denial> {
    carrying(set, agent, (method, url), &Content::default())
}

/// The same of a request that carries this.
pub(super) fn carrying(
    set: &Set,
    agent: &str,
    (method, url): (&str, &str),
    content: &Content,
) -> Result<Clearance, Denial> {
    let (name, path) = url.split_at(url.find('/').expect("a path"));
    let given = [name];
    let ask = ask(agent, &given);
    let passage = set.connect(ask, &tls_to(name)).map_err(|refusal| refusal.denial)?;
    let agreed = AgreedName::new(host(name), ask.to.1, Scheme::Https);
    let head = http::Request::builder().method(method).uri(path).header("host", name);
    let head = head.body(()).unwrap().into_parts().0;
    let request = Request::read(&agreed, &head)?;
    let known = set.directory.by_name(agent).unwrap();
    set.policy.request(&known, &passage, &request, Circumstances::default())?.settle(content)
}

/// What a request comes to: the word and who speaks, or the code and who refuses.
fn comes_to(set: &Set, agent: &str, method: &str, url: &str) -> String {
    in_words(permit(set, agent, method, url))
}

pub(super) fn in_words(answer: Result<Clearance, Denial>) -> String {
    match answer {
        Ok(clearance) => {
            let (decision, by) = clearance.speaks();
            format!("{} {} {}", decision.as_str(), by.policy.0, by.rule.as_deref().unwrap_or("-"))
        }
        Err(denial) => {
            let policy = denial.policy.map(|policy| policy.0.to_string()).unwrap_or_default();
            format!("{} {policy} {}", denial.reason.code(), denial.rule.as_deref().unwrap_or("-"))
        }
    }
}

#[test]
fn a_rule_without_a_condition_always_holds_and_one_with_a_condition_where_it_is_true() {
    let set = with(&policy("p", &["{name: all, action: Alert}"]));
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/"), "alert EgressPolicy/p all");
    let set = with(&policy("p", &["{name: post, when: 'request.method == \"POST\"', action: Alert}"]));
    assert_eq!(comes_to(&set, "alice", "POST", "a.example/"), "alert EgressPolicy/p post");
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/"), "allow EgressL4Route/open rules[0]");
}

#[test]
fn a_policy_holds_for_the_agents_of_its_gateway_agent_team_or_project_that_its_selector_takes() {
    for (target, more, alice, bob) in [
        ("EgressGateway, name: default", "", true, true),
        ("Agent, name: alice", "", true, false),
        ("Team, name: blue", "", false, true),
        ("Project, name: demo", "", true, true),
        ("Project, name: demo", "sourceAgents: {matchLabels: {tier: prod}}", false, true),
        (
            "Team, name: red",
            "sourceAgents: {matchExpressions: [{key: tier, operator: NotIn, values: [prod]}]}",
            true,
            false,
        ),
    ] {
        let set = with(&policy_for(target, "p", more, &["{name: no, action: Deny}"]));
        for (agent, denied) in [("alice", alice), ("bob", bob)] {
            let expected =
                if denied { "policy.denied EgressPolicy/p no" } else { "allow EgressL4Route/open rules[0]" };
            assert_eq!(comes_to(&set, agent, "GET", "a.example/"), expected, "{target} {more} {agent}");
        }
    }
}

#[test]
fn a_policy_for_a_route_holds_for_what_that_route_lets_through_and_for_nothing_else() {
    let set = with(
        &(policy_for("EgressL4Route, name: open", "p", "", &["{name: no, action: Deny}"])
            + &policy_for("EgressHTTPRoute, name: read", "q", "", &["{name: told, action: Alert}"])),
    );
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/"), "policy.denied EgressPolicy/p no");
    assert_eq!(comes_to(&set, "alice", "GET", "b.example/"), "alert EgressPolicy/q told");
    assert_eq!(
        comes_to(&set, "alice", "PUT", "b.example/"),
        "policy.no-route EgressGateway/default defaultPolicy"
    );
}

#[test]
fn allow_lets_through_what_no_route_names() {
    let set = with(&policy("p", &["{name: more, when: 'destination.host == \"c.example\"', action: Allow}"]));
    assert_eq!(comes_to(&set, "alice", "PUT", "c.example/"), "allow EgressPolicy/p more");
    assert_eq!(comes_to(&set, "alice", "PUT", "a.example/"), "allow EgressL4Route/open rules[0]");
    assert!(comes_to(&set, "alice", "GET", "d.example/").starts_with("policy.no-route"));
    let silent = set.opens(raw(ask("alice", &["c.example"])), &Hello::Silent);
    assert_eq!(silent, Ok("EgressPolicy/p".into()), "any protocol");
}

#[test]
fn an_allow_rule_that_names_the_request_opens_what_is_read_and_judges_each_request() {
    let when = "destination.host == \"c.example\" && request.method == \"GET\"";
    let set = with(&policy("p", &[&format!("{{name: reads, when: '{when}', action: Allow}}")]));
    assert_eq!(comes_to(&set, "alice", "GET", "c.example/x"), "allow EgressPolicy/p reads");
    assert!(comes_to(&set, "alice", "PUT", "c.example/x").starts_with("policy.no-route"));
    let silent = set.opens(raw(ask("alice", &["c.example"])), &Hello::Silent);
    assert_eq!(silent, Err("policy.no-route"), "in bytes nobody sees a request");
    assert_eq!(set.opens(ask("alice", &["d.example"]), &tls_to("d.example")), Err("policy.no-route"));
}

#[test]
fn allow_reaches_where_http_routes_govern_a_host_and_none_of_them_allows() {
    let set = with(&policy("p", &["{name: puts, when: 'request.method == \"PUT\"', action: Allow}"]));
    assert_eq!(comes_to(&set, "alice", "PUT", "b.example/"), "allow EgressPolicy/p puts");
    assert!(comes_to(&set, "alice", "DELETE", "b.example/").starts_with("policy.no-route"));
}

#[test]
fn allow_never_lets_through_what_a_deny_refuses_nor_what_is_no_safe_destination() {
    let set = with(
        &(policy("p", &["{name: all, action: Allow}"])
            + &deny("shut", "EgressL4Route", "open", "")
            + &policy_for("Team, name: blue", "q", "priority: -9", &["{name: no, action: Deny}"])),
    );
    assert_eq!(comes_to(&set, "alice", "GET", "c.example/"), "allow EgressPolicy/p all");
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/"), "policy.denied EgressDenyPolicy/shut rules[0]");
    assert_eq!(comes_to(&set, "bob", "GET", "c.example/"), "policy.denied EgressPolicy/q no");
    for (address, reason) in
        [("10.1.2.3", "destination.private"), ("169.254.169.254", "destination.metadata")]
    {
        let to = Ask { to: (address, 443), ..ask("alice", &["c.example"]) };
        assert_eq!(set.opens(to, &tls_to("c.example")), Err(reason));
    }
    let quic = set.opens(ask("alice", &["c.example"]), &Hello::Datagram);
    assert_eq!(quic, Err("protocol.quic"), "side doors come first");
}

#[test]
fn a_name_is_looked_up_where_an_allow_rule_holds_or_cannot_be_known_from_the_name_alone() {
    let looked = |when: &str, name: &str| {
        let set = with(&policy("p", &[&format!("{{name: r, when: '{when}', action: Allow}}")]));
        look_up(&set, "alice", name)
    };
    assert_eq!(looked("destination.host == \"c.example\"", "c.example"), Ok(Chooser::Agent));
    assert_eq!(looked("destination.host == \"c.example\"", "d.example"), Err("dns.denied"));
    assert_eq!(looked("request.method == \"GET\"", "d.example"), Ok(Chooser::Agent));
    assert_eq!(looked("destination.port == 25", "d.example"), Ok(Chooser::Agent));
    let both = "destination.host == \"c.example\" && request.method == \"GET\"";
    assert_eq!(looked(both, "d.example"), Err("dns.denied"), "false whatever the request is");
    assert_eq!(looked("destination.host == \"z.example\"", "a.example"), Ok(Chooser::Documents));
}

pub(super) fn look_up(set: &Set, agent: &str, name: &str) -> Result<Chooser, &'static str> {
    let (known, name) = (set.directory.by_name(agent).unwrap(), host(name));
    let answer = set.policy.query(&known, &Lookup::of_host(&name), Circumstances::default());
    answer.map(|leave| leave.chooser()).map_err(|denial| denial.reason.code())
}

#[test]
fn what_a_rule_denies_is_not_looked_up_where_the_agent_chose_the_name() {
    let wild = l4("wild", "{destinationHostnames: ['*.w.example']}");
    let rule = "{name: no, when: 'destination.host.endsWith(\".example\")', action: Deny}";
    let set = with(&(wild + &policy("p", &[rule])));
    assert_eq!(look_up(&set, "alice", "secret.w.example"), Err("policy.denied"));
    assert_eq!(look_up(&set, "alice", "a.example"), Ok(Chooser::Documents), "the agent shall hear why");
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/"), "policy.denied EgressPolicy/p no");
}

#[test]
fn deny_says_what_the_administrator_wrote() {
    let set = with(&policy("p", &["{name: no, action: Deny, message: Uploads wait until morning.}"]));
    let denial = permit(&set, "alice", "GET", "a.example/").unwrap_err();
    assert_eq!((denial.reason.code(), &*denial.detail), ("policy.denied", "Uploads wait until morning."));
    assert_eq!((denial.status(), denial.decision()), (403, Decision::Deny));
    let set = with(&policy("p", &["{name: no, action: Deny}"]));
    let denial = permit(&set, "alice", "GET", "a.example/").unwrap_err();
    assert_eq!(denial.detail, "Agent alice may not do this: a policy denies it.");
}

#[test]
fn a_quarantine_refuses_and_names_its_end() {
    let rule = "{name: trap, when: 'destination.host == \"canary.example\"', action: Quarantine, for: 15m}";
    let set = with(&policy("p", &[rule]));
    let denial = permit(&set, "alice", "GET", "canary.example/").unwrap_err();
    assert_eq!((denial.reason.code(), denial.status()), ("identity.quarantined", 403));
    assert_eq!(
        (denial.decision(), denial.quarantine()),
        (Decision::Quarantine, Some(Timestamp(900_000_000)))
    );
    assert_eq!(look_up(&set, "alice", "canary.example"), Err("identity.quarantined"), "its name is enough");
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/"), "allow EgressL4Route/open rules[0]");
}

#[test]
fn of_what_refuses_an_egress_deny_policy_speaks_first_then_quarantine_deny_and_what_cannot_be_evaluated() {
    let fails = "{name: fails, when: 'agent.labels[\"none\"] == \"x\"', action: Alert}";
    let (no, away) = ("{name: no, action: Deny}", "{name: away, action: Quarantine, for: 1h}");
    let shut = deny("shut", "EgressL4Route", "open", "");
    let speaks = |documents: &str| comes_to(&with(documents), "alice", "GET", "a.example/");
    assert_eq!(speaks(&policy("p", &[fails])), "policy.unevaluable EgressPolicy/p fails");
    assert_eq!(speaks(&policy("p", &[fails, no])), "policy.denied EgressPolicy/p no");
    assert_eq!(speaks(&policy("p", &[fails, no, away])), "identity.quarantined EgressPolicy/p away");
    let all = policy("p", &[fails, no, away]) + &shut;
    assert_eq!(speaks(&all), "policy.denied EgressDenyPolicy/shut rules[0]");
}

#[test]
fn a_condition_that_fails_denies_whatever_the_action() {
    for action in [
        "Allow",
        "Deny",
        "Throttle, requestsPerSecond: 5",
        "Quarantine, for: 1h",
        "Transform, setHeaders: {x-a: b}",
        "Alert",
        "LogOnly",
    ] {
        let rule = format!("{{name: r, when: 'agent.labels[\"none\"] == \"x\"', action: {action}}}");
        let set = with(&policy("p", &[&rule]));
        assert_eq!(
            comes_to(&set, "alice", "GET", "a.example/"),
            "policy.unevaluable EgressPolicy/p r",
            "{action}"
        );
        assert_eq!(look_up(&set, "alice", "a.example"), Err("policy.unevaluable"), "{action}");
        let denial = permit(&set, "alice", "GET", "a.example/").unwrap_err();
        assert!(!denial.detail.contains("labels") && denial.evidence.is_some(), "{denial:?}");
    }
}

#[test]
fn of_what_lets_through_throttle_speaks_first_then_transform_alert_and_log_only() {
    let rules = [
        "{name: watch, action: LogOnly, would: Quarantine}",
        "{name: told, action: Alert}",
        "{name: tag, action: Transform, setHeaders: {x-a: b}}",
        "{name: slow, action: Throttle, requestsPerSecond: 5}",
    ];
    let speaks = |rules: &[&str]| comes_to(&with(&policy("p", rules)), "alice", "GET", "a.example/");
    assert_eq!(speaks(&rules[..1]), "log-only EgressPolicy/p watch");
    assert_eq!(speaks(&rules[..2]), "alert EgressPolicy/p told");
    assert_eq!(speaks(&rules[..3]), "transform EgressPolicy/p tag");
    assert_eq!(speaks(&rules), "throttle EgressPolicy/p slow");
    let permit = permit(&with(&policy("p", &rules)), "alice", "GET", "a.example/").unwrap();
    let bound = permit.obligations().unwrap();
    assert_eq!(
        bound.evidence(),
        "let through by EgressL4Route/open rules[0]; EgressPolicy/p watch would have quarantined the agent; \
         EgressPolicy/p told raises an alert; EgressPolicy/p tag transforms it; EgressPolicy/p slow throttles it"
    );
    assert_eq!((bound.throttles().len(), bound.transforms().len()), (1, 1), "all of them hold");
}

#[test]
fn of_equal_rules_the_higher_priority_speaks_then_the_documents_name_then_their_order() {
    let alert = |name: &str, more: &str, rules: &[&str]| {
        policy_for("EgressGateway, name: default", name, more, rules)
    };
    let two = ["{name: second, action: Alert}", "{name: third, action: Alert}"];
    let one = ["{name: first, action: Alert}"];
    let by_name = alert("b", "", &one) + &alert("a", "", &two);
    assert_eq!(comes_to(&with(&by_name), "alice", "GET", "a.example/"), "alert EgressPolicy/a second");
    let by_priority = alert("b", "priority: 1", &one) + &alert("a", "", &two);
    assert_eq!(comes_to(&with(&by_priority), "alice", "GET", "a.example/"), "alert EgressPolicy/b first");
    // Priority orders rules of one kind of action, and lifts none over another.
    let deny_low =
        alert("z", "priority: -1000", &["{name: no, action: Deny}"]) + &alert("a", "priority: 9", &two);
    assert_eq!(comes_to(&with(&deny_low), "alice", "GET", "a.example/"), "policy.denied EgressPolicy/z no");
}

#[test]
fn the_order_of_files_makes_no_difference() {
    let one = policy("one", &["{name: r, action: Alert}"]);
    let two = policy("two", &["{name: r, action: Alert}"]);
    let (routes, told) = (routes(), "alert EgressPolicy/one r");
    for files in [[TEAMS, &routes, &one, &two], [&two, &one, &routes, TEAMS], [&one, TEAMS, &two, &routes]] {
        assert_eq!(comes_to(&Set::of(&files), "alice", "GET", "a.example/"), told);
    }
}

#[test]
fn where_two_transforms_disagree_the_one_that_comes_first_has_the_last_word() {
    let set = with(
        &(policy_for(
            "EgressGateway, name: default",
            "a",
            "priority: 5",
            &["{name: mine, action: Transform, setHeaders: {x-team: red}, removeHeaders: [x-gone]}"],
        ) + &policy(
            "b",
            &["{name: other, action: Transform, setHeaders: {x-team: blue, x-gone: y, x-b: z}}"],
        )),
    );
    let permit = permit(&set, "alice", "GET", "a.example/").unwrap();
    let mut fields = http::HeaderMap::new();
    for transform in permit.obligations().unwrap().transforms() {
        transform.remove.iter().for_each(|name| drop(fields.remove(name)));
        for (name, value) in transform.set.iter().cloned() {
            fields.insert(name, value);
        }
    }
    let told: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(told, [("x-team", "red"), ("x-b", "z")]);
}

#[test]
fn every_throttle_that_holds_binds_with_its_own_rates() {
    let set = with(
        &(policy("a", &["{name: slow, action: Throttle, bytesPerSecond: 4096}"])
            + &policy_for(
                "Team, name: red",
                "b",
                "",
                &["{name: few, action: Throttle, requestsPerSecond: 2}"],
            )),
    );
    let rates = |agent: &str| {
        let permit = permit(&set, agent, "GET", "a.example/").unwrap();
        let throttles = permit.obligations().unwrap().throttles();
        throttles
            .iter()
            .map(|one| (one.policy.0.to_string(), one.rates.bytes, one.rates.requests))
            .collect::<Vec<_>>()
    };
    let slow = ("EgressPolicy/a".to_owned(), Some(4096), None);
    assert_eq!(rates("alice"), [slow.clone(), ("EgressPolicy/b".into(), None, Some(2))]);
    assert_eq!(rates("bob"), [slow]);
}

#[test]
fn a_rule_that_names_the_request_leaves_the_connection_alone_and_is_asked_with_each_request() {
    let set = with(&policy("p", &["{name: no, when: 'request.path == \"/x\"', action: Deny}"]));
    let passage = set.connect(ask("alice", &["a.example"]), &tls_to("a.example")).unwrap();
    assert!(passage.obligations().is_none());
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/x"), "policy.denied EgressPolicy/p no");
    assert_eq!(comes_to(&set, "alice", "GET", "a.example/y"), "allow EgressL4Route/open rules[0]");
    assert!(set.opens(raw(ask("alice", &["a.example"])), &Hello::Opaque).is_ok(), "bytes have no path");
}

#[test]
fn tls_that_names_no_host_is_no_way_around_a_rule_on_requests() {
    let opened = |rule: &str, listeners: &str| {
        let route = l4("open", "{destinationHostnames: [a.example]}");
        let route = route.replace("{name: default}", &format!("{{name: default{listeners}}}"));
        let set = Set::of(&[TEAMS, &(route + &policy("p", &[rule]))]);
        let nameless = ClientHello { server_name: None, alpn: Default::default(), ech: false };
        set.opens(ask("alice", &["a.example"]), &Hello::Tls(nameless))
    };
    let (every, raw) = ("", ", sectionName: raw");
    let deny = "{name: no, when: 'request.method == \"POST\"', action: Deny}";
    assert_eq!(opened(deny, every), Err("tls.no-name"));
    assert_eq!(opened(deny, raw), Ok("EgressL4Route/open".into()), "meant for bytes that nobody reads");
    let told = "{name: told, when: 'request.method == \"POST\"', action: Alert}";
    assert_eq!(opened(told, every), Ok("EgressL4Route/open".into()));
    let elsewhere = deny.replace("request.method", "destination.host == \"z.example\" && request.method");
    assert_eq!(opened(&elsewhere, every), Ok("EgressL4Route/open".into()));
}

#[test]
fn a_rule_holds_for_connections_that_nobody_reads_too() {
    let set = with(&policy("p", &["{name: no, when: 'destination.port == 5432', action: Deny}"]));
    assert_eq!(set.opens(raw(ask("alice", &["a.example"])), &Hello::Silent), Err("policy.denied"));
    let set = with(&policy("p", &["{name: slow, action: Throttle, bytesPerSecond: 4096}"]));
    let passage = set.connect(raw(ask("alice", &["a.example"])), &Hello::Silent).unwrap();
    assert_eq!(passage.obligations().map(|bound| bound.decision()), Some(Decision::Throttle));
}

#[test]
fn where_an_address_may_have_several_names_a_rule_that_denies_one_of_them_denies() {
    let set = with(&policy("p", &["{name: no, when: 'destination.host == \"x.example\"', action: Deny}"]));
    let ask = raw(ask("alice", &["a.example", "x.example"]));
    assert_eq!(set.opens(ask, &Hello::Opaque), Err("policy.denied"));
}

#[test]
fn a_rule_on_addresses_refuses_a_name_whose_address_is_only_claimed_and_opens_none() {
    let on_address = "destination.address == \"192.0.2.10\"";
    let rule = |action: &str| format!("{{name: r, when: '{on_address}', action: {action}}}");
    let set = with(&policy("p", &[&rule("Deny")]));
    assert_eq!(set.opens(ask("alice", &[]), &tls_to("a.example")), Err("name.unverified"));
    assert_eq!(set.opens(ask("alice", &["a.example"]), &tls_to("a.example")), Err("policy.denied"));
    let set = with(&policy("p", &[&rule("Allow")]));
    assert_eq!(set.opens(ask("alice", &[]), &tls_to("c.example")), Err("policy.no-route"));
    assert_eq!(set.opens(ask("alice", &["c.example"]), &tls_to("c.example")), Ok("EgressPolicy/p".into()));
}

#[test]
fn what_binds_by_the_address_binds_a_name_whose_address_is_only_claimed_and_its_port_is_known() {
    let slow = |when: &str| format!("{{name: r, when: '{when}', action: Throttle, bytesPerSecond: 4096}}");
    let bound = |when: &str, given: &[&str]| {
        let set = with(&policy("p", &[&slow(when)]));
        let passage = set.connect(ask("alice", given), &tls_to("a.example")).unwrap();
        passage.obligations().is_some()
    };
    let (here, other) = ("destination.port == 443", "destination.port == 25");
    assert_eq!([bound(here, &["a.example"]), bound(here, &[])], [true, true]);
    assert_eq!([bound(other, &["a.example"]), bound(other, &[])], [false, false]);
    assert!(bound("destination.class == \"private\"", &[]), "it cannot be told, so it holds");
    assert!(!bound("destination.class == \"private\"", &["a.example"]));
    let deny = "{name: no, when: 'destination.port == 25', action: Deny}";
    let set = with(&policy("p", &[deny]));
    assert_eq!(set.opens(ask("alice", &[]), &tls_to("a.example")), Ok("EgressL4Route/open".into()));
}

#[test]
fn a_request_to_a_network_says_no_other_name_to_go_around_a_rule_for_the_one_that_was_given() {
    let when = "destination.host == \"x.example\" && request.method == \"POST\"";
    let rule = format!("{{name: no, when: '{when}', action: Deny}}");
    let set = with(&(l4("net", "{destinationCIDRs: [192.0.2.0/24]}") + &policy("p", &[&rule])));
    let asked = |method: &str, given: &[&str]| {
        let to = Ask { to: (PUBLIC, 80), ..ask("alice", given) };
        let hello = Hello::Http1(Http1Hello { host: None, connect: None });
        let passage = set.connect(to, &hello).map_err(|refusal| refusal.denial.reason.code())?;
        let agreed = AgreedName::of_address(PUBLIC.parse().unwrap(), 80, Scheme::Http);
        let head = http::Request::builder().method(method).uri("/").header("host", PUBLIC);
        let head = head.body(()).unwrap().into_parts().0;
        let request = Request::read(&agreed, &head).unwrap();
        let known = set.directory.by_name("alice").unwrap();
        let answer = set.policy.request(&known, &passage, &request, Circumstances::default());
        let answer = answer.and_then(|permit| permit.settle(&Content::default()));
        answer.map(drop).map_err(|denial| denial.reason.code())
    };
    assert_eq!(asked("POST", &["x.example"]), Err("policy.denied"));
    assert_eq!(asked("GET", &["x.example"]), Ok(()));
    assert_eq!(asked("POST", &["a.example"]), Ok(()));
}

#[test]
fn an_agent_without_rules_is_bound_by_nothing() {
    let set = with(&policy_for("Agent, name: bob", "p", "", &["{name: r, action: Alert}"]));
    let permit = permit(&set, "alice", "GET", "a.example/").unwrap();
    assert!(permit.obligations().is_none());
    assert_eq!(permit.speaks().0, Decision::Allow);
}

#[test]
fn a_rule_that_allows_opens_udp_ports_to_be_decided_about() {
    let ports = |documents: &str| {
        let set = with(documents);
        set.policy.udp_ports().iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
    };
    assert_eq!(ports(""), []);
    assert_eq!(ports(&policy("p", &["{name: r, action: Allow}"])), [(1, 52), (54, 442), (444, 65_535)]);
    assert_eq!(ports(&policy("p", &["{name: r, action: Deny}"])), []);
}

#[test]
fn explain_tells_what_each_rule_came_to_and_the_one_that_decides_last() {
    let set = with(&policy(
        "p",
        &[
            "{name: no, when: 'destination.host == \"a.example\"', action: Deny}",
            "{name: other, when: 'destination.host == \"z.example\"', action: Allow}",
            "{name: trial, action: LogOnly, would: Throttle}",
        ],
    ));
    let known = set.directory.by_name("alice").unwrap();
    let (name, hello) = (host("a.example"), tls_to("a.example"));
    let question = explain::Question {
        known: &known,
        host: Some(&name),
        given: std::slice::from_ref(&name),
        stale: &[],
        destination: SocketAddr::new(PUBLIC.parse().unwrap(), 443),
        hello: &hello,
        request: None,
        content: None,
    };
    let told = set.policy.explain(&question, Circumstances::default());
    let rules: Vec<_> = told
        .steps
        .iter()
        .filter(|step| step.stage == "rules")
        .map(|step| (step.refuses, &*step.text))
        .collect();
    assert_eq!(
        rules,
        [
            (false, "EgressPolicy/p other: Allow, does not hold"),
            (false, "EgressPolicy/p trial: LogOnly, would have throttled it, holds"),
            (true, "EgressPolicy/p no: Deny, holds"),
        ]
    );
    assert_eq!(told.steps.last().map(|step| step.stage), Some("rules"));
    assert_eq!(told.rule.as_deref(), Some("no"));
}

#[test]
fn explain_says_the_word_of_the_record_and_what_lets_it_through() {
    for (rule, decision) in [
        ("action: Throttle, bytesPerSecond: 4096", Decision::Throttle),
        ("action: Transform, removeHeaders: [X-Note]", Decision::Allow),
        ("action: Alert", Decision::Alert),
        ("action: LogOnly", Decision::LogOnly),
        ("action: Deny", Decision::Deny),
        ("action: Quarantine, for: 1h", Decision::Quarantine),
        ("action: Allow", Decision::Allow),
    ] {
        let set = with(&policy("p", &[&format!("{{name: r, {rule}}}")]));
        let known = set.directory.by_name("alice").unwrap();
        let (name, hello) = (host("a.example"), tls_to("a.example"));
        let question = explain::Question {
            known: &known,
            host: Some(&name),
            given: std::slice::from_ref(&name),
            stale: &[],
            destination: SocketAddr::new(PUBLIC.parse().unwrap(), 443),
            hello: &hello,
            request: None,
            content: None,
        };
        let told = set.policy.explain(&question, Circumstances::default());
        assert_eq!(told.decision, decision, "{rule}");
        let (speaks, opens) =
            (told.policy.map(|policy| policy.0), told.opened_by.map(|route| route.policy.0));
        let by_route = decision == Decision::Allow;
        assert_eq!(
            speaks.as_deref(),
            Some(if by_route { "EgressL4Route/open" } else { "EgressPolicy/p" }),
            "{rule}"
        );
        assert_eq!(opens.as_deref(), (!decision.refuses()).then_some("EgressL4Route/open"), "{rule}");
    }
}

#[test]
fn explain_says_that_a_rule_and_not_the_want_of_a_route_keeps_a_name_from_being_looked_up() {
    let set = with(&policy(
        "p",
        &["{name: trap, when: 'destination.host == \"a.example\"', action: Quarantine, for: 1h}"],
    ));
    let known = set.directory.by_name("alice").unwrap();
    let (name, hello) = (host("a.example"), tls_to("a.example"));
    let question = explain::Question {
        known: &known,
        host: Some(&name),
        given: std::slice::from_ref(&name),
        stale: &[],
        destination: SocketAddr::new(PUBLIC.parse().unwrap(), 443),
        hello: &hello,
        request: None,
        content: None,
    };
    let told = set.policy.explain(&question, Circumstances::default());
    let said = |stage| told.steps.iter().find(|step| step.stage == stage).map(|step| step.text.clone());
    assert_eq!(said("dns").as_deref(), Some("refused, no query leaves: a rule refuses it"));
    // It is not quarantined yet.
    assert_eq!(said("identity").as_deref(), Some("alice (team red), gateway default"));
}

/// What comes nearest to letting a connection through.
fn nearest(set: &Set, name: &str, hello: &Hello) -> Option<explain::Nearest> {
    let (known, name) = (set.directory.by_name("alice").unwrap(), host(name));
    let question = explain::Question {
        known: &known,
        host: Some(&name),
        given: std::slice::from_ref(&name),
        stale: &[],
        destination: SocketAddr::new(PUBLIC.parse().unwrap(), 8443),
        hello,
        request: None,
        content: None,
    };
    set.policy.explain(&question, Circumstances::default()).nearest
}

#[test]
fn the_nearest_rule_is_an_allow_rule_where_only_a_part_of_its_condition_was_false() {
    let set = with(&policy(
        "p",
        &[
            "{name: far, when: 'destination.host == \"z.example\"', action: Allow}",
            "{name: late, when: 'destination.host == \"c.example\" && time.hour > 22 && time.day > 1', action: Allow}",
            "{name: near, when: 'destination.host == \"c.example\" && time.year > 2000', action: Allow}",
            "{name: denies, when: 'time.year > 2000', action: Deny}",
        ],
    ));
    let found = nearest(&set, "c.example", &tls_to("c.example")).expect("something comes near");
    assert_eq!(found.text, "EgressPolicy/p near allows it where `time.year > 2000`, which is false here");
    let unmet = found.unmet.expect("a rule");
    assert_eq!((&*unmet.rule.policy.0, unmet.rule.rule.as_deref()), ("EgressPolicy/p", Some("near")));
    assert_eq!(unmet.when, "destination.host == \"c.example\" && time.year > 2000");
    assert_eq!(unmet.parts, ["time.year > 2000"]);
    let far = nearest(&set, "quite.different", &tls_to("quite.different")).expect("at last any rule");
    assert_eq!(
        far.text,
        "EgressPolicy/p far allows it where `destination.host == \"z.example\"`, which is false here"
    );
}

#[test]
fn a_route_that_names_the_host_is_nearer_than_an_allow_rule() {
    let ports = l4("ssh", "{destinationHostnames: [c.example], ports: [{port: 22}]}");
    let when = "destination.host == \"c.example\" && time.year > 2000";
    let set = with(&(ports + &policy("p", &[&format!("{{name: near, when: '{when}', action: Allow}}")])));
    let found = nearest(&set, "c.example", &tls_to("c.example")).expect("a route");
    assert_eq!(
        found,
        explain::Nearest {
            text: "EgressL4Route/ssh allows c.example on port 22, this was port 8443".to_owned(),
            unmet: None,
        }
    );
}

#[test]
fn an_allow_rule_that_needs_a_request_says_so_to_who_sent_none() {
    let when = "destination.host == \"c.example\" && request.method == \"GET\"";
    let set = with(&policy("p", &[&format!("{{name: reads, when: '{when}', action: Allow}}")]));
    let found = nearest(&set, "c.example", &Hello::Opaque).expect("a rule");
    assert_eq!(
        found.text,
        "EgressPolicy/p reads allows it where `request.method == \"GET\"`, which only a request that the gateway reads can meet"
    );
}

#[test]
fn time_can_change_what_becomes_of_an_agent_whose_rules_ask_for_it_and_of_no_other() {
    let rule = "{name: nights, when: 'destination.host == \"a.example\" && time.hour >= 22', action: Deny}";
    let set = with(&policy_for("Agent, name: bob", "p", "", &[rule, "{name: all, action: Alert}"]));
    let asks = |agent| set.policy.asks_time(&set.directory.by_name(agent).unwrap());
    assert_eq!([asks("alice"), asks("bob")], [false, true]);
}

#[test]
fn explain_says_where_a_rule_was_asked_for_an_address_that_is_only_supposed() {
    let inside = "{name: inside, when: 'destination.class == \"private\"', action: Deny}";
    let set = with(&policy("p", &[inside, "{name: here, when: 'destination.port == 443', action: Alert}"]));
    let known = set.directory.by_name("alice").unwrap();
    let (name, hello) = (host("a.example"), tls_to("a.example"));
    let texts = |address: &str| {
        let question = explain::Question {
            known: &known,
            host: Some(&name),
            given: std::slice::from_ref(&name),
            stale: &[],
            destination: SocketAddr::new(address.parse().unwrap(), 443),
            hello: &hello,
            request: None,
            content: None,
        };
        let told = set.policy.explain(&question, Circumstances::default());
        let rules = told.steps.into_iter().filter(|step| step.stage == "rules");
        rules.map(|step| step.text).collect::<Vec<_>>()
    };
    let (inside, here) = ("EgressPolicy/p inside: Deny, does not hold", "EgressPolicy/p here: Alert, holds");
    assert_eq!(texts(PUBLIC), [inside, here]);
    let supposed = format!("{inside}, if a.example leads to a public address such as 192.0.2.1");
    assert_eq!(texts("192.0.2.1"), [&supposed, here]);
}
