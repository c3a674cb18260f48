//! EgressPolicy as written: what is read, and every mistake at its place.

use std::time::Duration;

use super::*;
use crate::model::manifest::resources::{PolicyTarget, Rates, RuleAction, Would};
use crate::model::types::limits::{CONDITION_AUTOMATON_BYTES, POLICY_AUTOMATA_BYTES};

/// An agent with a team, a gateway, a route, and this policy.
fn loaded(policy: &str) -> Result<Resources, Report> {
    let agent = "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {name: alice}\n\
                 spec: {team: red, project: demo, sources: {addresses: [10.77.0.2/32]}}\n";
    let route = "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: open}\n\
                 spec: {parentRefs: [{name: default}], rules: [{matches: [{destinationHostnames: [a.example]}]}]}\n";
    let head = "apiVersion: clawgress.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: x}\nspec:\n";
    let files = [
        file("a.yaml", &format!("{head}{policy}")),
        file("agent.yaml", agent),
        file("gateway.yaml", GATEWAY),
        file("route.yaml", route),
    ];
    load(&files)
}

const TARGET: &str = "  targetRef: {kind: EgressGateway, name: default}\n";

/// One rule for the gateway; it stands on line 7.
fn rule(rule: &str) -> Result<Resources, Report> {
    loaded(&format!("{TARGET}  rules:\n    - {rule}\n"))
}

/// What is wrong with a rule, without the file's name.
fn wrong(text: &str) -> Vec<String> {
    mistakes(rule(text)).iter().map(|line| line.strip_prefix("a.yaml:").unwrap_or(line).to_owned()).collect()
}

fn action(text: &str) -> RuleAction {
    let resources = rule(text).unwrap_or_else(|report| panic!("{report}"));
    resources.egress_policies["x"].rules[0].action.clone()
}

#[test]
fn every_action_is_read_with_its_own_fields() {
    assert_eq!(action("{name: a, action: Allow}"), RuleAction::Allow);
    assert_eq!(action("{name: a, action: Alert}"), RuleAction::Alert);
    assert_eq!(action("{name: a, action: Deny}"), RuleAction::Deny { message: None });
    assert_eq!(
        action("{name: a, action: Deny, message: not at night}"),
        RuleAction::Deny { message: Some("not at night".into()) }
    );
    assert_eq!(
        action("{name: a, action: Quarantine, for: 15m}"),
        RuleAction::Quarantine { time: Duration::from_secs(900), message: None }
    );
    assert_eq!(
        action("{name: a, action: Throttle, bytesPerSecond: 1048576}"),
        RuleAction::Throttle(Rates { bytes: Some(1 << 20), requests: None })
    );
    assert_eq!(
        action("{name: a, action: Throttle, bytesPerSecond: 2048, requestsPerSecond: 5}"),
        RuleAction::Throttle(Rates { bytes: Some(2048), requests: Some(5) })
    );
    let RuleAction::Transform(transform) = action(
        "{name: a, action: Transform, setHeaders: {X-Team: red}, removeHeaders: [Authorization, Via]}",
    ) else {
        panic!("a Transform");
    };
    assert_eq!(transform.set, [("x-team".parse().unwrap(), "red".parse().unwrap())]);
    assert_eq!(transform.remove, ["authorization", "via"]);
    assert_eq!(action("{name: a, action: LogOnly}"), RuleAction::LogOnly(Would::Deny));
    for (word, would) in [
        ("Deny", Would::Deny),
        ("Throttle", Would::Throttle),
        ("Quarantine", Would::Quarantine),
        ("Transform", Would::Transform),
        ("Alert", Would::Alert),
    ] {
        assert_eq!(
            action(&format!("{{name: a, action: LogOnly, would: {word}}}")),
            RuleAction::LogOnly(would)
        );
    }
}

#[test]
fn a_policy_is_for_a_gateway_a_route_an_agent_a_team_or_a_project() {
    for (target, expected) in [
        ("EgressGateway, name: default", PolicyTarget::Gateway("default".into())),
        ("EgressL4Route, name: open", PolicyTarget::L4Route("open".into())),
        ("Agent, name: alice", PolicyTarget::Agent("alice".into())),
        ("Team, name: red", PolicyTarget::Team("red".into())),
        ("Project, name: demo", PolicyTarget::Project("demo".into())),
    ] {
        let spec = format!(
            "  targetRef: {{kind: {target}}}\n  priority: -5\n  rules: [{{name: a, action: Alert}}]\n"
        );
        let resources = loaded(&spec).unwrap_or_else(|report| panic!("{report}"));
        let policy = &resources.egress_policies["x"];
        assert_eq!((&policy.target, policy.priority), (&expected, -5));
    }
}

#[test]
fn a_target_that_is_not_there_is_named_with_what_is() {
    for (target, expected) in [
        (
            "EgressGateway, name: defualt",
            "there is no EgressGateway named `defualt` (did you mean `default`?)",
        ),
        (
            "EgressHTTPRoute, name: open",
            "there is no EgressHTTPRoute named `open` (there is no EgressHTTPRoute)",
        ),
        ("Agent, name: bob", "there is no Agent named `bob` (there is `alice`)"),
        ("Team, name: rad", "no agent has the team `rad` (did you mean `red`?)"),
        ("Team, name: purple", "no agent has the team `purple` (agents have `red`)"),
        ("Project, name: x", "no agent has the project `x` (agents have `demo`)"),
        ("MCPRoute, name: x", "there is no MCPRoute named `x` (there is no MCPRoute)"),
        (
            "Role, name: x",
            "a policy cannot be for `Role` (it can be `EgressGateway`, `EgressL4Route`, `EgressHTTPRoute`, `AIProviderRoute`, `MCPRoute`, `Agent`, `Team` or `Project`)",
        ),
        (
            "Host, name: x",
            "a policy cannot be for `Host` (it can be `EgressGateway`, `EgressL4Route`, `EgressHTTPRoute`, `AIProviderRoute`, `MCPRoute`, `Agent`, `Team` or `Project`)",
        ),
    ] {
        let spec = format!("  targetRef: {{kind: {target}}}\n  rules: [{{name: a, action: Alert}}]\n");
        let told = mistakes(loaded(&spec));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("a.yaml:5:") && told[0].ends_with(expected), "{}", told[0]);
    }
}

#[test]
fn a_field_of_another_action_is_refused_where_it_stands() {
    for (text, expected) in [
        (
            "{name: a, action: Allow, message: x}",
            "7:32 `message` belongs to `action: Deny` or `action: Quarantine` (remove it: `action: Allow` does nothing with it)",
        ),
        (
            "{name: a, action: Deny, for: 1h}",
            "7:31 `for` belongs to `action: Quarantine` (remove it: `action: Deny` does nothing with it)",
        ),
        (
            "{name: a, action: Alert, would: Deny}",
            "7:32 `would` belongs to `action: LogOnly` (remove it: `action: Alert` does nothing with it)",
        ),
        (
            "{name: a, action: Alert, setHeaders: {x-a: b}}",
            "7:32 `setHeaders` belongs to `action: Transform` (remove it: `action: Alert` does nothing with it)",
        ),
        (
            "{name: a, action: Deny, bytesPerSecond: 4096}",
            "7:31 `bytesPerSecond` belongs to `action: Throttle` (remove it: `action: Deny` does nothing with it)",
        ),
    ] {
        assert_eq!(wrong(text), [expected], "{text}");
    }
}

#[test]
fn what_an_action_needs_has_to_be_there() {
    for (text, expected) in [
        (
            "{name: a, action: Throttle}",
            "7:8 a rule with `action: Throttle` lacks `bytesPerSecond` and `requestsPerSecond` (write at least one of them)",
        ),
        (
            "{name: a, action: Transform}",
            "7:8 a rule with `action: Transform` lacks `setHeaders` and `removeHeaders` (write at least one of them)",
        ),
        ("{name: a, action: Quarantine}", "7:8 a rule with `action: Quarantine` lacks `for`"),
        ("{name: a}", "7:8 an entry of `rules` lacks the field `action`"),
        ("{action: Deny}", "7:8 an entry of `rules` lacks the field `name`"),
        (
            "{name: a, action: Block}",
            "7:25 unknown `action` `Block` (it can be `Allow`, `Deny`, `Throttle`, `Quarantine`, `Transform`, `Alert` or `LogOnly`)",
        ),
        (
            "{name: a, action: Throttle, requestsPerSecond: 0}",
            "7:54 `requestsPerSecond` 0 is not between 1 and 1000000",
        ),
        (
            "{name: a, action: Throttle, bytesPerSecond: 1}",
            "7:51 `bytesPerSecond` 1 is not between 1024 and 12500000000",
        ),
        (
            "{name: a, action: Quarantine, for: 1w}",
            "7:42 `for` `1w` is not a duration (write it like `4s`, `15m`, `2h`, `7d` or `PT4H`)",
        ),
    ] {
        let told = wrong(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&expected[..40.min(expected.len())]), "{text}: {}", told[0]);
    }
}

#[test]
fn an_action_that_nobody_knows_hides_no_mistake_of_its_rule() {
    assert_eq!(
        wrong("{name: a, action: Block, requestsPerSecond: 0, for: 1w, setHeaders: {host: a}, would: Allow}"),
        [
            "7:25 unknown `action` `Block` (it can be `Allow`, `Deny`, `Throttle`, `Quarantine`, `Transform`, `Alert` or `LogOnly`)",
            "7:51 `requestsPerSecond` 0 is not between 1 and 1000000",
            "7:59 `for` `1w` is not a duration (write it like `4s`, `15m`, `2h`, `7d` or `PT4H`)",
            "7:76 `host` is the gateway's own to send or remove (rules change what servers read of a request, not how it gets there)",
            "7:93 unknown `would` `Allow` (it can be `Deny`, `Throttle`, `Quarantine`, `Transform` or `Alert`)",
        ]
    );
}

#[test]
fn two_rules_of_one_name_are_refused_and_two_documents_may_share_it() {
    let spec = format!("{TARGET}  rules: [{{name: a, action: Alert}}, {{name: a, action: Deny}}]\n");
    assert_eq!(
        mistakes(loaded(&spec)),
        ["a.yaml:6:44 rule `a` is defined twice (the first is at a.yaml:6:18)"]
    );
}

#[test]
fn allow_has_no_meaning_for_a_route() {
    let spec = "  targetRef: {kind: EgressL4Route, name: open}\n  rules: [{name: a, action: Allow}]\n";
    assert_eq!(
        mistakes(loaded(spec)),
        [
            "a.yaml:6:29 `Allow` has no meaning for a route (what a route lets through is allowed already; name a gateway, Agent, Team or Project)"
        ]
    );
}

#[test]
fn a_transform_changes_no_field_that_is_the_gateways_own() {
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "TE",
        "upgrade",
        "Proxy-Authorization",
        "sec-websocket-key",
        "x-clawgress-reason",
        "X_Original_URL",
        "x-http-method-override",
        "expect",
        "keep-alive",
        "trailer",
    ] {
        for fields in [format!("setHeaders: {{{name}: x}}"), format!("removeHeaders: [{name}]")] {
            let told = wrong(&format!("{{name: a, action: Transform, {fields}}}"));
            let expected = format!("`{name}` is the gateway's own to send or remove");
            assert!(told.len() == 1 && told[0].contains(&expected), "{told:?}");
        }
    }
}

#[test]
fn a_transform_sets_no_credentials_and_may_remove_them() {
    for name in ["Authorization", "cookie", "X-Api-Key", "api-key"] {
        let told = wrong(&format!("{{name: a, action: Transform, setHeaders: {{{name}: x}}}}"));
        assert!(told.len() == 1 && told[0].contains("carries credentials"), "{told:?}");
        assert!(matches!(
            action(&format!("{{name: a, action: Transform, removeHeaders: [{name}]}}")),
            RuleAction::Transform(_)
        ));
    }
}

#[test]
fn a_transform_tells_servers_of_no_other_request_than_was_judged() {
    for name in ["Forwarded", "X-Forwarded-Proto", "x_forwarded_port", "X-Forwarded-SSL"] {
        let told = wrong(&format!("{{name: a, action: Transform, setHeaders: {{{name}: x}}}}"));
        assert!(told.len() == 1 && told[0].contains("tells servers of another request"), "{told:?}");
        assert!(matches!(
            action(&format!("{{name: a, action: Transform, removeHeaders: [{name}]}}")),
            RuleAction::Transform(_)
        ));
    }
}

#[test]
fn headers_that_cannot_be_sent_or_stand_twice_are_refused() {
    for (fields, expected) in [
        ("setHeaders: {x a: b}", "`x a` is not a header name"),
        ("setHeaders: {x-a: 'ü'}", "the value of `x-a` cannot be sent"),
        ("setHeaders: {x-a: ' b'}", "the value of `x-a` cannot be sent"),
        ("setHeaders: {x-a: 5}", "`x-a` must be a text, this is a number"),
        ("setHeaders: {x-a: b, X-A: c}", "header `x-a` is named twice"),
        ("setHeaders: {x-a: b}, removeHeaders: [X-A]", "header `x-a` is named twice"),
        ("setHeaders: {}", "`setHeaders` is empty"),
        ("removeHeaders: []", "`removeHeaders` is an empty list"),
    ] {
        let told = wrong(&format!("{{name: a, action: Transform, {fields}}}"));
        assert!(told.len() == 1 && told[0].contains(expected), "{fields}: {told:?}");
    }
}

#[test]
fn what_is_wrong_with_a_condition_is_shown_where_it_stands_in_the_document() {
    let place = |text: &str| {
        let told = wrong(text);
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].split(' ').next().unwrap_or_default().to_owned()
    };
    // Column 24 is the first of the condition; what is wrong is the last word of each name.
    assert_eq!(place("{name: a, when: 'request.metod == \"GET\"', action: Deny}"), "7:32");
    assert_eq!(place("{name: a, when: 'true || request.metod == \"GET\"', action: Deny}"), "7:40");
    assert_eq!(place("{name: a, when: \"'a' == agent.name && agent.nam == 'b'\", action: Deny}"), "7:51");
    assert_eq!(place("{name: a, when: '''a'' == agent.name && agent.nam == \"b\"', action: Deny}"), "7:53");
    let block = format!(
        "{TARGET}  rules:\n    - name: a\n      action: Deny\n      when: agent.name == 'x' && agent.nam == 'b'\n"
    );
    assert!(mistakes(loaded(&block))[0].starts_with("a.yaml:9:40 "), "{:?}", mistakes(loaded(&block)));
}

#[test]
fn a_condition_on_several_lines_has_its_mistakes_on_their_own_lines() {
    let written = |when: &str| {
        format!(
            "{TARGET}  rules:\n    - name: a\n      action: Deny\n      when: {when}\n    - {{name: b, action: Alert}}\n"
        )
    };
    // The key stands on line 9. The word that is wrong is always `nam`.
    let cases = [
        ("|\n        agent.name == 'x'\n          && agent.nam == 'b'", "11:20"),
        ("|\n\n        agent.name == 'x'\n\n          && agent.nam == 'b'\n\n", "13:20"),
        ("|2-\n          'x' == agent.name\n        && agent.nam == 'b'", "11:18"),
        ("|+\n        \"x\" == agent.name &&\n        agent.nam == \"b\"", "11:15"),
        (">-\n        agent.name == 'x'\n        && agent.nam == 'b'", "11:18"),
        (">\n        agent.name == 'x' &&\n\n          agent.nam == 'b'", "12:17"),
        ("agent.name == 'x'\n        && agent.nam == 'b'", "10:18"),
        ("'agent.name == ''x''\n\n        && agent.nam == ''b'''", "11:18"),
        (r#""agent.name == \"x\" && agent.nam == \"b\"""#, "9:43"),
        ("\"agent.team == \\\"\\u00e4\\x41\\\" \\\n        && agent.nam == 'b'\"", "10:18"),
        ("\"agent.name == 'x'\\n\\\n        \\  && agent.nam == 'b'\"", "10:21"),
    ];
    for (when, place) in cases {
        for text in [written(when), written(when).replace('\n', "\r\n")] {
            let wanted = format!("a.yaml:{place} `agent` has no field `nam` (did you mean `name`?)");
            assert_eq!(mistakes(loaded(&text)), [wanted], "{text}");
            assert!(loaded(&text.replace("agent.nam ", "agent.team ")).is_ok(), "{text}");
        }
    }
    let open = written("|\n        agent.name == 'x'\n          &&\n");
    let told = mistakes(loaded(&open));
    assert!(told[0].starts_with("a.yaml:11:13 the condition ends where a value is expected"), "{told:?}");
    let report = loaded(&written(cases[0].0)).expect_err("a mistake").render(false);
    let shown = "11 |           && agent.nam == 'b'\n   |                    ^^^ did you mean `name`?";
    assert!(report.contains(shown), "{report}");
}

#[test]
fn the_pattern_that_outgrows_what_all_of_a_set_may_have_is_refused_at_its_place() {
    let rule = |(number, pattern): (usize, &str)| {
        format!("    - {{name: r{number}, when: 'agent.name.matches(\"{pattern}\")', action: Alert}}\n")
    };
    // Each of them grows beyond its own bound, and takes as much of the common one.
    let most = POLICY_AUTOMATA_BYTES / CONDITION_AUTOMATON_BYTES;
    let patterns = std::iter::repeat_n("1[01]{40}", most).chain(["a"]);
    let rules: String = patterns.enumerate().map(rule).collect();
    let found = mistakes(loaded(&format!("{TARGET}  rules:\n{rules}")));
    assert_eq!(found.len(), most + 1);
    assert!(
        found.iter().take(most).all(|line| line.contains("`1[01]{40}` grows beyond 256 KiB")),
        "{found:?}"
    );
    let last = found.last().unwrap();
    let place = format!("a.yaml:{}:", 7 + most);
    let message = "with the pattern `a` all patterns of the set grow beyond 32 MiB when they are compiled";
    assert!(last.starts_with(&place) && last.contains(message), "{last}");
}

#[test]
fn a_condition_on_findings_knows_their_classes() {
    let told = wrong("{name: a, when: 'dlp.matches.exists(found, found.class == \"key\")', action: Deny}");
    assert!(told.len() == 1 && told[0].contains("`keys`"), "{told:?}");
}

/// A policy with this target and rule, beside routes of TCP and of UDP, on a gateway that opens nothing.
fn unread(target: &str, rule: &str, protocol: &str) -> Result<Resources, Report> {
    let head = "apiVersion: clawgress.io/v1alpha1\nkind";
    let text = format!(
        "{head}: EgressPolicy\nmetadata: {{name: x}}\nspec:\n  targetRef: {target}\n  rules:\n    - {rule}\n---\n\
         {head}: EgressGateway\nmetadata: {{name: default}}\n\
         spec: {{listeners: [{{name: sni, protocol: TLS, tls: {{mode: Passthrough}}}}, {{name: udp, protocol: UDP}}, {{name: x, {protocol}}}]}}\n---\n\
         {head}: Agent\nmetadata: {{name: alice, labels: {{tier: dev}}}}\nspec: {{team: red, sources: {{addresses: [10.77.0.2/32]}}}}\n---\n\
         {head}: EgressL4Route\nmetadata: {{name: time}}\n\
         spec: {{parentRefs: [{{name: default}}], rules: [{{matches: [{{protocol: UDP, ports: [{{port: 123}}]}}]}}]}}\n---\n\
         {head}: EgressL4Route\nmetadata: {{name: names}}\n\
         spec: {{parentRefs: [{{name: default, sectionName: sni}}], rules: [{{matches: [{{ports: [{{port: 443}}]}}]}}]}}\n"
    );
    load(&[file("a.yaml", &text)])
}

#[test]
fn what_asks_for_requests_needs_a_listener_that_shows_them() {
    let hint = "and no listener that the policy is about shows requests (they are seen on a listener with `protocol: TLS` and `mode: Terminate`, HTTPS or HTTP)";
    let rules = [
        (
            "{name: a, when: 'request.method == \"GET\"', action: Deny}",
            "7:17 the condition is about requests",
        ),
        ("{name: a, action: Transform, setHeaders: {x-a: b}}", "7:17 `action: Transform` changes requests"),
        (
            "{name: a, action: Throttle, requestsPerSecond: 5, bytesPerSecond: 2048}",
            "7:35 `requestsPerSecond` counts requests",
        ),
    ];
    let targets = [
        "{kind: EgressGateway, name: default}",
        "{kind: Agent, name: alice}",
        "{kind: Team, name: red}",
        "{kind: EgressL4Route, name: names}",
        "{kind: EgressL4Route, name: time}",
    ];
    for target in targets {
        for (rule, wanted) in rules {
            assert_eq!(mistakes(unread(target, rule, "protocol: TCP")), [format!("a.yaml:{wanted}, {hint}")]);
            // One more listener shows them; not of routes that are on others.
            let opened = unread(target, rule, "protocol: HTTP");
            assert_eq!(opened.is_ok(), !target.contains("L4Route"), "{target} {rule}");
        }
        for rule in [
            "{name: a, when: 'time.hour < 6', action: Deny}",
            "{name: a, action: Throttle, bytesPerSecond: 2048}",
            "{name: a, when: 'destination.port == 22', action: Alert}",
        ] {
            unread(target, rule, "protocol: TCP").unwrap_or_else(|report| panic!("{report}"));
        }
    }
}

#[test]
fn a_policy_for_one_agent_selects_no_others() {
    let rule = "{name: a, action: Alert}";
    let target = |labels: &str| {
        format!("{{kind: Agent, name: alice}}\n  sourceAgents: {{matchLabels: {{tier: {labels}}}}}")
    };
    assert!(unread(&target("dev"), rule, "protocol: TCP").is_ok());
    assert_eq!(
        mistakes(unread(&target("prod"), rule, "protocol: TCP")),
        [
            "a.yaml:6:3 agent `alice` does not have these labels: no rule here could hold (remove it: `targetRef` names the agent already)"
        ]
    );
}
