//! Rules that ask for what a request carries. No engine tells it yet and the loader refuses them, so their conditions
//! are put in behind it: what the loader lets through one day is decided as here.

use super::rules::{TEAMS, ask, carrying, in_words, look_up, policy, policy_for, routes};
use super::*;
use crate::model::condition::{AiCall, Condition, Finding, Part, Sought, Usage};
use crate::model::types::FindingClass;

/// Documents, with a condition for the rules of each of these names.
fn with(documents: &str, conditions: &[(&str, &str)]) -> Set {
    with_default(documents, conditions, "deny-all")
}

fn with_default(documents: &str, conditions: &[(&str, &str)], default: &str) -> Set {
    let base =
        TEAMS.replace("spec:\n  listeners", &format!("spec:\n  defaultPolicy: {default}\n  listeners"));
    let mut resources = Set::resources(&[&base, &(routes() + documents)]);
    let rules = resources.egress_policies.values_mut().flat_map(|policy| &mut policy.rules);
    for rule in rules {
        let condition = conditions.iter().find(|(name, _)| **name == *rule.name);
        if let Some((name, text)) = condition {
            let condition = Condition::check(text).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
            rule.when = Some(condition.into());
        }
    }
    Set::compiled(&resources)
}

/// One rule for everybody, under a condition.
fn one(action: &str, when: &str) -> Set {
    with(&policy("p", &[&format!("{{name: r, action: {action}}}")]), &[("r", when)])
}

/// A call of this model, in which nothing was found.
fn model(name: &str) -> Content {
    let ai = AiCall { model: Some(name.into()), ..AiCall::default() };
    Content { ai: Sought::Found(ai), ..plain() }
}

/// What is no call, and in which nothing was found.
fn plain() -> Content {
    Content { ai: Sought::Absent, mcp: Sought::Absent, findings: Some(Vec::new()), ..Content::default() }
}

fn finding(class: FindingClass) -> Content {
    let finding = Finding { class, detector: "pem".into(), confidence: 0.9 };
    Content { findings: Some(vec![finding]), ..plain() }
}

/// What a request of alice to a host that is open comes to, which carries this.
fn comes_to(set: &Set, content: &Content) -> String {
    in_words(carrying(set, "alice", ("POST", "a.example/"), content))
}

const OPEN: &str = "allow EgressL4Route/open rules[0]";
const IS_SMALL: &str = "ai.model == \"small\"";
const HAS_KEYS: &str = "dlp.matches.exists(m, m.class == \"keys\")";

/// What the permit of a POST to `a.example` asks for, or the code of the refusal.
fn asks(set: &Set, path: &str) -> Result<Vec<Part>, &'static str> {
    let passage = set.connect(ask("alice", &["a.example"]), &tls_to("a.example"));
    let passage = passage.map_err(|refusal| refusal.denial.reason.code())?;
    let agreed = AgreedName::new(host("a.example"), 443, Scheme::Https);
    let head = http::Request::builder().method("POST").uri(path).header("host", "a.example");
    let head = head.body(()).unwrap().into_parts().0;
    let request = Request::read(&agreed, &head).unwrap();
    let known = set.directory.by_name("alice").unwrap();
    let permit = set.policy.request(&known, &passage, &request, Circumstances::default());
    permit.map(|permit| permit.asks().parts().collect()).map_err(|denial| denial.reason.code())
}

const ACTIONS: [(&str, &str); 6] = [
    ("Deny", "policy.denied EgressPolicy/p r"),
    ("Quarantine, for: 1h", "identity.quarantined EgressPolicy/p r"),
    ("Throttle, requestsPerSecond: 5", "throttle EgressPolicy/p r"),
    ("Transform, setHeaders: {x-a: b}", "transform EgressPolicy/p r"),
    ("Alert", "alert EgressPolicy/p r"),
    ("LogOnly, would: Quarantine", "log-only EgressPolicy/p r"),
];

#[test]
fn a_rule_on_what_a_request_carries_is_answered_once_that_is_known_whatever_its_action() {
    for (action, holds) in ACTIONS {
        let set = one(action, IS_SMALL);
        assert_eq!(comes_to(&set, &model("small")), holds, "{action}");
        assert_eq!(comes_to(&set, &model("large")), OPEN, "{action}");
        let set = one(action, HAS_KEYS);
        assert_eq!(comes_to(&set, &finding(FindingClass::Keys)), holds, "{action}");
        assert_eq!(comes_to(&set, &finding(FindingClass::Pii)), OPEN, "{action}");
    }
    let denial = carrying(
        &one("Quarantine, for: 1h", HAS_KEYS),
        "alice",
        ("POST", "a.example/"),
        &finding(FindingClass::Keys),
    );
    assert!(denial.unwrap_err().quarantine().is_some());
}

#[test]
fn a_permit_says_what_its_rules_ask_for_and_nothing_where_the_head_decides() {
    let set = with(
        &policy(
            "p",
            &["{name: keys, action: Alert}", "{name: posts, action: Deny}", "{name: tools, action: LogOnly}"],
        ),
        &[
            ("keys", HAS_KEYS),
            ("posts", "request.path == \"/ai\" && ai.model == \"small\""),
            ("tools", "request.path != \"/ai\" && has(mcp.tool) && ai.stream"),
        ],
    );
    assert_eq!(asks(&set, "/ai"), Ok(vec![Part::Ai, Part::Dlp]));
    assert_eq!(asks(&set, "/x"), Ok(vec![Part::Ai, Part::Mcp, Part::Dlp]));
    let head = one("Deny", "request.path == \"/x\" && size(dlp.matches) > 0");
    assert_eq!(asks(&head, "/y"), Ok(vec![]), "false whatever it carries");
    assert_eq!(asks(&one("Alert", "request.path == \"/x\" || size(dlp.matches) > 0"), "/x"), Ok(vec![]));
}

#[test]
fn what_the_head_refuses_is_refused_before_anything_is_read() {
    let documents = policy("p", &["{name: no, action: Deny}", "{name: keys, action: Quarantine, for: 1h}"]);
    assert_eq!(asks(&with(&documents, &[("keys", HAS_KEYS)]), "/"), Err("policy.denied"));
    let fails = ("no", "request.headers[\"x\"] == \"y\"");
    assert_eq!(asks(&with(&documents, &[("keys", HAS_KEYS), fails]), "/"), Err("policy.unevaluable"));
}

#[test]
fn rules_on_the_head_and_on_what_it_carries_hold_together_and_speak_in_one_order() {
    let rules = [
        "{name: watch, action: LogOnly}",
        "{name: told, action: Alert}",
        "{name: tag, action: Transform, setHeaders: {x-a: b}}",
        "{name: slow, action: Throttle, requestsPerSecond: 5}",
        "{name: no, action: Deny}",
        "{name: away, action: Quarantine, for: 1h}",
    ];
    let words = ["log-only", "alert", "transform", "throttle"];
    let names = ["watch", "told", "tag", "slow", "no", "away"];
    // Whichever of two neighbours waits, the stronger one speaks.
    for (number, pair) in rules.windows(2).enumerate() {
        for waits in [number, number + 1] {
            let set = with(&policy("p", pair), &[(names[waits], HAS_KEYS)]);
            let stronger = names[number + 1];
            let expected = match stronger {
                "no" => "policy.denied EgressPolicy/p no".to_owned(),
                // A denial by the head does not wait for what may put the agent away.
                "away" if waits == 5 => "policy.denied EgressPolicy/p no".to_owned(),
                "away" => "identity.quarantined EgressPolicy/p away".to_owned(),
                _ => format!("{} EgressPolicy/p {stronger}", words[number + 1]),
            };
            assert_eq!(
                comes_to(&set, &finding(FindingClass::Keys)),
                expected,
                "{pair:?}, {} waits",
                names[waits]
            );
        }
    }
    let both = [("no", HAS_KEYS), ("away", HAS_KEYS)];
    let set = with(&policy("p", &rules[4..]), &both);
    assert_eq!(comes_to(&set, &finding(FindingClass::Keys)), "identity.quarantined EgressPolicy/p away");
    let set = with(&policy("p", &rules[..4]), &[("watch", HAS_KEYS), ("tag", HAS_KEYS)]);
    let clearance = carrying(&set, "alice", ("POST", "a.example/"), &finding(FindingClass::Keys)).unwrap();
    let bound = clearance.obligations().unwrap();
    assert_eq!((bound.throttles().len(), bound.transforms().len()), (1, 1));
    assert_eq!(
        bound.evidence(),
        "let through by EgressL4Route/open rules[0]; EgressPolicy/p watch would have denied it; EgressPolicy/p told \
         raises an alert; EgressPolicy/p tag transforms it; EgressPolicy/p slow throttles it"
    );
}

#[test]
fn of_equal_rules_the_one_that_waits_speaks_where_its_priority_is_higher() {
    let alert = |name: &str, priority: i32| {
        let priority = format!("priority: {priority}");
        policy_for(
            "EgressGateway, name: default",
            name,
            &priority,
            &[&format!("{{name: {name}, action: Alert}}")],
        )
    };
    for (waiting, by_head, speaks) in [(5, 1, "waits"), (1, 5, "head")] {
        let set = with(&(alert("waits", waiting) + &alert("head", by_head)), &[("waits", IS_SMALL)]);
        assert_eq!(comes_to(&set, &model("small")), format!("alert EgressPolicy/{speaks} {speaks}"));
        assert_eq!(comes_to(&set, &model("large")), "alert EgressPolicy/head head");
    }
}

#[test]
fn a_rule_about_calls_of_models_leaves_other_requests_alone() {
    let about = [
        IS_SMALL,
        "ai.model != \"large\"",
        "!(ai.model == \"large\")",
        "has(ai.model) && ai.model == \"small\"",
    ];
    for (action, holds) in ACTIONS {
        for when in about {
            let set = one(action, when);
            assert_eq!(comes_to(&set, &plain()), OPEN, "{action} {when}");
            assert_eq!(comes_to(&set, &model("small")), holds, "{action} {when}");
        }
        let set = one(action, "!has(ai.model)");
        assert_eq!(comes_to(&set, &plain()), holds, "{action}: it asks for those without one");
    }
}

#[test]
fn what_nobody_has_looked_for_denies_whatever_the_action() {
    for (action, _) in ACTIONS.into_iter().chain([("Allow", "")]) {
        for (when, content) in [
            (IS_SMALL, Content::default()),
            (HAS_KEYS, Content::default()),
            ("has(mcp.tool)", Content::default()),
            ("ai.max_output_tokens > 5", model("small")),
        ] {
            let set = one(action, when);
            assert_eq!(comes_to(&set, &content), "policy.unevaluable EgressPolicy/p r", "{action} {when}");
            let denial = carrying(&set, "alice", ("POST", "a.example/"), &content).unwrap_err();
            assert!(!denial.detail.contains('`') && denial.evidence.unwrap().contains('`'), "{when}");
        }
    }
}

#[test]
fn a_rule_that_allows_by_what_a_request_carries_opens_nothing_before_that_is_known() {
    let set = one("Allow", IS_SMALL);
    let to = |url, content: &Content| in_words(carrying(&set, "alice", ("POST", url), content));
    assert_eq!(to("c.example/", &model("small")), "allow EgressPolicy/p r");
    let refused = "policy.no-route EgressGateway/default defaultPolicy";
    for content in [model("large"), plain()] {
        assert_eq!(to("c.example/", &content), refused);
        assert_eq!(to("b.example/", &content), refused, "a route names the host, and no POST");
    }
    assert_eq!(to("b.example/", &model("small")), "allow EgressPolicy/p r");
    assert_eq!(to("a.example/", &model("small")), OPEN, "a route does");
    let silent = set.opens(raw(ask("alice", &["c.example"])), &Hello::Silent);
    assert_eq!(silent, Err("policy.no-route"), "nobody reads these bytes");
    assert_eq!(look_up(&set, "alice", "c.example"), Ok(Chooser::Agent), "its name does not tell");
    assert_eq!(look_up(&one("Deny", IS_SMALL), "alice", "a.example"), Ok(Chooser::Documents));
}

#[test]
fn what_the_default_lets_through_a_rule_that_waited_lets_through_where_it_holds() {
    let open = with_default(&policy("p", &["{name: r, action: Allow}"]), &[("r", IS_SMALL)], "allow-all");
    let to_c = |content: &Content| in_words(carrying(&open, "alice", ("POST", "c.example/"), content));
    assert_eq!(to_c(&model("small")), "allow EgressPolicy/p r");
    assert_eq!(to_c(&plain()), "allow EgressGateway/default defaultPolicy");
}

#[test]
fn a_deny_that_waits_wins_over_an_allow_that_waits() {
    let documents = policy("p", &["{name: allows, action: Allow}", "{name: denies, action: Deny}"]);
    let set = with(&documents, &[("allows", IS_SMALL), ("denies", HAS_KEYS)]);
    let keys = Content { findings: finding(FindingClass::Keys).findings, ..model("small") };
    let to_c = |content: &Content| in_words(carrying(&set, "alice", ("POST", "c.example/"), content));
    assert_eq!(to_c(&keys), "policy.denied EgressPolicy/p denies");
    assert_eq!(to_c(&model("small")), "allow EgressPolicy/p allows");
}

#[test]
fn a_rule_for_a_route_that_waits_holds_for_what_that_route_lets_through_and_for_nothing_else() {
    let documents = policy_for("EgressHTTPRoute, name: read", "p", "", &["{name: r, action: Deny}"]);
    let set = with(&documents, &[("r", IS_SMALL)]);
    let to = |url| in_words(carrying(&set, "alice", ("GET", url), &model("small")));
    assert_eq!(to("b.example/"), "policy.denied EgressPolicy/p r");
    assert_eq!(to("a.example/"), OPEN);
}

#[test]
fn a_request_to_a_network_says_no_other_name_to_go_around_a_rule_that_waits() {
    let when = format!("destination.host == \"x.example\" && {HAS_KEYS}");
    let documents =
        l4("net", "{destinationCIDRs: [192.0.2.0/24]}") + &policy("p", &["{name: r, action: Deny}"]);
    let set = with(&documents, &[("r", &when)]);
    let asked = |given: &[&str], content: &Content| {
        let to = Ask { to: (PUBLIC, 80), ..ask("alice", given) };
        let hello = Hello::Http1(Http1Hello { host: None, connect: None });
        let passage = set.connect(to, &hello).map_err(|refusal| refusal.denial.reason.code())?;
        let agreed = AgreedName::of_address(PUBLIC.parse().unwrap(), 80, Scheme::Http);
        let head = http::Request::builder().uri("/").header("host", PUBLIC).body(()).unwrap().into_parts().0;
        let request = Request::read(&agreed, &head).unwrap();
        let known = set.directory.by_name("alice").unwrap();
        let permit = set.policy.request(&known, &passage, &request, Circumstances::default());
        permit.and_then(|permit| permit.settle(content)).map(drop).map_err(|denial| denial.reason.code())
    };
    assert_eq!(asked(&["x.example"], &finding(FindingClass::Keys)), Err("policy.denied"));
    assert_eq!(asked(&["x.example"], &plain()), Ok(()));
    assert_eq!(asked(&["a.example"], &finding(FindingClass::Keys)), Ok(()));
}

#[test]
fn tls_that_names_no_host_is_no_way_around_a_rule_that_would_read_its_requests() {
    let nameless = Hello::Tls(ClientHello { server_name: None, alpn: Default::default(), ech: false });
    let opens = |set: &Set| set.opens(ask("alice", &["a.example"]), &nameless);
    assert_eq!(opens(&one("Deny", HAS_KEYS)), Err("tls.no-name"));
    assert_eq!(opens(&one("Alert", HAS_KEYS)), Ok("EgressL4Route/open".into()));
}

#[test]
fn what_an_agent_has_used_is_known_to_connections_and_denies_where_nobody_counts() {
    let set = one("Deny", "usage.bytes_today > 1000");
    let decided = |usage: Option<&Usage>| {
        let circumstances = Circumstances { usage: usage.copied(), ..Circumstances::default() };
        let (known, given) = (set.directory.by_name("alice").unwrap(), [host("a.example")]);
        let destination = OriginalDestination(SocketAddr::new(PUBLIC.parse().unwrap(), 5432));
        let flow = Flow { destination, hello: &Hello::Silent, given: &given, stale: &[], once: &[] };
        let passage = set.policy.connection(&known, flow, circumstances);
        passage.map(drop).map_err(|refusal| refusal.denial.reason.code())
    };
    let used = |bytes_today| Usage { bytes_today, ..Usage::default() };
    assert_eq!(decided(Some(&used(1_000))), Ok(()));
    assert_eq!(decided(Some(&used(1_001))), Err("policy.denied"));
    assert_eq!(decided(None), Err("policy.unevaluable"));
}

#[test]
fn explain_says_which_rules_are_asked_after_the_content_is_read() {
    let documents = policy("p", &["{name: keys, action: Deny}", "{name: small, action: Allow}"]);
    let set = with(&documents, &[("keys", HAS_KEYS), ("small", IS_SMALL)]);
    let explained = |name: &str| {
        let (known, name, hello) = (set.directory.by_name("alice").unwrap(), host(name), tls_to(name));
        let agreed = AgreedName::new(name.clone(), 443, Scheme::Https);
        let head = http::Request::builder().method("POST").uri("/").header("host", name.as_str());
        let head = head.body(()).unwrap().into_parts().0;
        let request = Request::read(&agreed, &head).unwrap();
        let question = explain::Question {
            known: &known,
            host: Some(&name),
            given: std::slice::from_ref(&name),
            stale: &[],
            destination: SocketAddr::new(PUBLIC.parse().unwrap(), 443),
            hello: &hello,
            request: Some(&request),
            content: None,
        };
        let told = set.policy.explain(&question, Circumstances::default());
        let rules = told.steps.iter().filter(|step| step.stage == "rules");
        let rules: Vec<_> = rules.map(|step| step.text.clone()).collect();
        assert_eq!(
            rules,
            [
                "EgressPolicy/p keys: Deny, is asked after the content is read",
                "EgressPolicy/p small: Allow, is asked after the content is read",
            ]
        );
        (told.reason.map(|reason| reason.code()), told.nearest)
    };
    assert_eq!(explained("a.example"), (None, None));
    let nearest = "EgressPolicy/p small allows it where its content meets the condition";
    assert_eq!(explained("c.example"), (Some("policy.no-route"), Some(nearest.to_owned().into())));
}
