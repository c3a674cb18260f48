//! Budgets of calls of models, from the documents to the record: what was refused reached nobody, what was let through is
//! charged once, and no restart gives anything back. Read next: `providers`, `model_calls`.

use serde_json::{Value, json};

use super::dialogue::{Heard, Talk, over_tls};
use super::origin::Taken;
use super::providers::{self, ANTHROPIC, INPUT, OPENAI, OUTPUT, Providers};
use super::streaming::TLS;
use crate::lab::backends::eventually;
use crate::lab::daemon::alice_is_read;
use crate::lab::{Daemon, Lab};

/// What every call comes to.
const EACH: i64 = (INPUT + OUTPUT).cast_signed();

/// Two agents of one team, and a route to every provider.
const WORLD: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {team: red, project: demo, sources: {addresses: [10.77.0.2/32, 'fd77::2/128']}}
---
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: bob}
spec: {team: red, sources: {addresses: [10.77.0.3/32, 'fd77::3/128']}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec:
  listeners:
    - {name: web, protocol: HTTP}
    - {name: tls, protocol: TLS, tls: {mode: Terminate}}
---
apiVersion: clawgress.io/v1alpha1
kind: AIProviderRoute
metadata: {name: models}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{provider: openai}, {provider: anthropic}]}]
";

/// A budget for red's agents together.
fn red(limit: &str, mode: &str) -> String {
    format!(
        "
apiVersion: clawgress.io/v1alpha1
kind: BudgetPolicy
metadata: {{name: red}}
spec:
  targetRef: {{kind: Team, name: red}}
  limits: [{limit}]
  mode: {mode}
"
    )
}

/// The gateway with these further documents.
fn gateway<'lab>(lab: &'lab Lab, more: &str) -> Daemon<'lab> {
    let mut policies = vec![("world.yaml", WORLD)];
    if !more.is_empty() {
        policies.push(("budget.yaml", more));
    }
    lab.daemon(&json!({}), &policies)
}

/// A question to OpenAI with this many tokens of output at most.
fn chat(max: Option<u64>, stream: bool) -> String {
    let mut body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Tell me a joke"}]});
    if let Some(max) = max {
        body["max_tokens"] = json!(max);
    }
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    posted(OPENAI, "/v1/chat/completions", &body)
}

fn posted(host: &str, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A connection of alice's to a provider.
fn talk(lab: &Lab, daemon: &Daemon<'_>, host: &str) -> Talk {
    over_tls(lab.workload(), TLS, host, daemon.authority())
}

fn ask(lab: &Lab, daemon: &Daemon<'_>, host: &str, request: String) -> Heard {
    talk(lab, daemon, host).ask(request)
}

/// Charged to red's budget so far, by `quota list`.
fn used(daemon: &Daemon<'_>) -> i64 {
    let listed = daemon.cli(&["quota", "list", "-o", "json"]);
    listed.succeeded();
    let rows = listed.json();
    let row = rows.as_array().expect("a list").iter().find(|row| row["policy"] == "BudgetPolicy/red");
    row.unwrap_or_else(|| panic!("no red in {rows}"))["used"].as_i64().expect("an amount")
}

#[apply(over_both)]
fn calls_at_once_spend_no_more_than_there_is_and_what_is_refused_reaches_nobody(lab: Lab) {
    /// What every call may take: its own estimate of the question and so much output.
    const OUTPUT_BOUND: u64 = 100;
    const CALLS: usize = 24;
    /// Less than all of them use, as the provider counts them.
    const MOST: u64 = 300;
    let world = Providers::start(&lab);
    let limit = format!("{{unit: tokens, max: {MOST}, window: day}}");
    let daemon = gateway(&lab, &red(&limit, "HardStop"));
    let mut talks: Vec<Talk> = (0..CALLS).map(|_| talk(&lab, &daemon, OPENAI)).collect();
    for talk in &mut talks {
        talk.say(chat(Some(OUTPUT_BOUND), false));
    }
    let heard: Vec<Heard> = talks.iter_mut().map(Talk::hear).collect();
    let (allowed, refused): (Vec<_>, Vec<_>) = heard.iter().partition(|heard| heard.status == 200);
    assert!(!allowed.is_empty() && !refused.is_empty(), "{} allowed", allowed.len());
    assert_eq!(world.asked(), allowed.len(), "what was refused reached nobody");
    assert!(allowed.len() as u64 * (INPUT + OUTPUT) <= MOST);
    for heard in &refused {
        assert_eq!((heard.status, heard.field("x-clawgress-reason")), (429, Some("quota.tokens")));
        assert!(
            heard
                .field("retry-after")
                .is_some_and(|after| after.parse::<u64>().is_ok_and(|after| after <= 86_400))
        );
        let body: Value = serde_json::from_slice(&heard.body).expect("JSON");
        assert_eq!(body["error"]["type"], "insufficient_quota", "{body}");
        assert_eq!(body["policy"], "BudgetPolicy/red", "{body}");
    }
    let spent = allowed.len() as u64 * (INPUT + OUTPUT);
    eventually("each call is charged what the provider says", || {
        (used(&daemon) == spent.cast_signed()).then_some(())
    });
}

/// What the daemon says when it can count tokens.
const LOADED: &str = "the vocabulary for counting tokens is loaded";

#[apply(over_both)]
fn a_start_with_a_budget_of_tokens_loads_their_vocabulary_before_anybody_calls(lab: Lab) {
    gateway(&lab, &red("{unit: tokens, max: 300, window: day}", "HardStop")).logged(LOADED);
}

#[apply(over_both)]
fn a_reload_that_brings_a_budget_of_tokens_loads_their_vocabulary_before_anybody_calls(lab: Lab) {
    let daemon = gateway(&lab, "");
    daemon.write_policy("budget.yaml", &red("{unit: tokens, max: 300, window: day}", "HardStop"));
    daemon.reload();
    daemon.logged(LOADED);
}

#[apply(over_both)]
fn a_call_that_was_interrupted_by_a_kill_stays_charged_as_reserved_and_a_settled_one_as_used(lab: Lab) {
    // One that never answers.
    let silent = |taken: &Taken| {
        if taken.body.windows(8).any(|window| window == b"\"silent\"") {
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{".to_vec()
        } else {
            providers::answer(taken)
        }
    };
    let _world = Providers::answering(&lab, silent);
    let mut daemon = gateway(&lab, &red("{unit: tokens, max: 1000, window: day}", "HardStop"));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200);
    eventually("the first is settled", || (used(&daemon) == EACH).then_some(()));
    let mut hanging = talk(&lab, &daemon, OPENAI);
    let body =
        json!({"model": "gpt-4o", "max_tokens": 600, "messages": [{"role": "user", "content": "silent"}]});
    hanging.say(posted(OPENAI, "/v1/chat/completions", &body)).head();
    let reserved = used(&daemon);
    assert!((600 + EACH..=700).contains(&reserved), "{reserved}");
    daemon.kill9();
    daemon.start_again();
    assert_eq!(used(&daemon), reserved, "a crash loses no charge and invents none");
    let refused = ask(&lab, &daemon, OPENAI, chat(Some(500), false));
    assert_eq!((refused.status, refused.field("x-clawgress-reason")), (429, Some("quota.tokens")));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200);
    let row = daemon.record(&json!({"kind": "request", "end": "interrupted"}));
    assert!(
        row["charges"][0]
            .as_str()
            .is_some_and(|charge| charge.starts_with("BudgetPolicy/red tokens Team/red ")),
        "{row}"
    );
}

#[apply(over_both)]
fn a_stream_is_ended_in_its_own_grammar_when_the_budget_is_gone(lab: Lab) {
    let endless = |taken: &Taken| {
        let event = "data: {\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word word word word \"}}]}\n\n";
        let _ = taken;
        providers::pieces("text/event-stream", event.repeat(500).as_bytes())
    };
    let _world = Providers::answering(&lab, endless);
    let daemon = gateway(&lab, &red("{unit: tokens, max: 300, window: day}", "HardStop"));
    let heard = ask(&lab, &daemon, OPENAI, chat(None, true));
    assert_eq!(heard.status, 200, "a stream may begin with less than it asks for");
    let text = heard.text();
    let last = text.trim_end().rsplit("\n\n").find(|event| *event != "data: [DONE]").expect("events");
    let error: Value = serde_json::from_str(last.strip_prefix("data: ").expect("data")).expect("JSON");
    assert_eq!(error["error"]["type"], "insufficient_quota", "{error}");
    assert!(text.matches("word word").count() < 400, "it was ended early");
    let row = daemon.record(&json!({"kind": "request", "reason": "quota.tokens"}));
    assert_eq!((&row["status"], &row["policy_id"]), (&json!(200), &json!("BudgetPolicy/red")), "{row}");
    let refused = ask(&lab, &daemon, OPENAI, chat(Some(50), false));
    assert_eq!(refused.field("x-clawgress-reason"), Some("quota.tokens"));
}

#[apply(over_both)]
fn money_is_counted_by_the_catalogue_and_a_model_without_a_price_is_not_let_through(lab: Lab) {
    let world = Providers::start(&lab);
    let daemon =
        gateway(&lab, &red("{unit: usd, max: 0.01, window: month, timeZone: Europe/Berlin}", "HardStop"));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200);
    let row = daemon.record(&json!({"kind": "request", "tokens_output": OUTPUT}));
    let cost: f64 = row["cost_usd"].to_string().trim_matches('"').parse().expect("a cost");
    assert!(cost > 0.0 && cost < 0.001, "{row}");
    let dear = ask(&lab, &daemon, OPENAI, chat(Some(16_000), false));
    assert_eq!((dear.status, dear.field("x-clawgress-reason")), (429, Some("quota.cost")));
    let body =
        json!({"model": "no-such-model", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let unknown = ask(&lab, &daemon, OPENAI, posted(OPENAI, "/v1/chat/completions", &body));
    assert_eq!((unknown.status, unknown.field("x-clawgress-reason")), (503, Some("quota.unavailable")));
    assert_eq!(world.asked(), 1);
}

#[apply(over_both)]
fn softer_modes_let_through_what_is_underway_and_an_alert_is_only_said(lab: Lab) {
    let _world = Providers::start(&lab);
    let daemon = gateway(&lab, &red("{unit: tokens, max: 10, window: day}", "SoftStop"));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200, "something was left");
    eventually("it is charged", || (used(&daemon) == EACH).then_some(()));
    let refused = ask(&lab, &daemon, OPENAI, chat(Some(100), false));
    assert_eq!((refused.status, refused.field("x-clawgress-reason")), (429, Some("quota.tokens")));
    daemon.write_policy("budget.yaml", &red("{unit: tokens, max: 10, window: day}", "AlertOnly"));
    daemon.reload();
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200);
    let row = daemon.record(&json!({"kind": "request", "decision": "alert"}));
    assert_eq!(row["policy_id"], "BudgetPolicy/red", "{row}");
}

#[apply(over_both)]
fn an_operator_grants_more_and_begins_anew_and_a_restart_keeps_both(lab: Lab) {
    let _world = Providers::start(&lab);
    let mut daemon = gateway(&lab, &red("{unit: tokens, max: 150, window: day}", "HardStop"));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200);
    eventually("it is settled", || (used(&daemon) == EACH).then_some(()));
    let more = || ask(&lab, &daemon, OPENAI, chat(Some(200), false)).status;
    assert_eq!(more(), 429);
    let granted =
        ["quota", "grant", "BudgetPolicy/red", "--unit", "tokens", "--amount", "100", "--reason", "a launch"];
    daemon.cli(&granted).succeeded();
    assert_eq!(more(), 200);
    eventually("it is settled", || (used(&daemon) < 100).then_some(()));
    daemon.cli(&["quota", "reset", "BudgetPolicy/red", "--reason", "a new start"]).succeeded();
    assert_eq!(used(&daemon), 0);
    daemon.kill9();
    daemon.start_again();
    assert_eq!(used(&daemon), 0);
}

#[apply(over_both)]
fn an_operator_begins_one_unit_of_a_budget_anew_and_leaves_the_others(lab: Lab) {
    let _world = Providers::start(&lab);
    let limits = "{unit: tokens, max: 1000, window: day}, {unit: requests, max: 9, window: day}";
    let daemon = gateway(&lab, &red(limits, "HardStop"));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200);
    eventually("it is settled", || (used(&daemon) == EACH).then_some(()));
    let reset = |unit: &str| {
        daemon.cli(&["quota", "reset", "red", "--unit", unit, "--reason", "counted twice", "-o", "json"])
    };
    let stands = reset("tokens");
    stands.succeeded();
    let told = stands.json();
    let units: Vec<_> = told.as_array().expect("a list").iter().map(|row| &row["unit"]).collect();
    assert_eq!(units, ["tokens"], "{told}");
    let of = |unit: &str| {
        let rows = daemon.cli(&["quota", "show", "red", "-o", "json"]).json();
        let row = rows.as_array().expect("a list").iter().find(|row| row["unit"] == unit).cloned();
        row.expect("a limit")["used"].as_i64()
    };
    assert_eq!((of("tokens"), of("requests")), (Some(0), Some(1)));
    let unknown = reset("calls");
    let said = unknown.failed_with(1);
    assert!(said.contains("counts no `calls`"), "{said}");
}

#[apply(over_both)]
fn whatever_an_execution_does_names_it_once_something_of_it_was_charged(lab: Lab) {
    let _world = Providers::start(&lab);
    let daemon = gateway(&lab, &red("{unit: tokens, max: 150, window: day}", "HardStop"));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(100), false)).status, 200);
    let first = &daemon.records(&["--kind", "connection"])[0];
    assert_eq!(first.get("execution_id"), None, "nothing was counted: {first}");
    let charged = daemon.record(&json!({"kind": "request", "decision": "allow"}));
    let execution = charged["execution_id"].as_str().expect("an execution");
    eventually("it is settled", || (used(&daemon) == EACH).then_some(()));
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(200), false)).status, 429);
    lab.workload().command("getent").args(["ahosts", OPENAI]).run().succeeded();
    for what in [
        json!({"kind": "request", "reason": "quota.tokens"}),
        json!({"kind": "connection", "decision": "allow", "execution_id": execution}),
        json!({"kind": "dns", "query_name": OPENAI, "execution_id": execution}),
    ] {
        assert_eq!(daemon.record(&what)["execution_id"], execution);
    }
}

#[apply(over_both)]
fn each_rule_of_a_route_counts_its_own_tokens(lab: Lab) {
    let world = Providers::start(&lab);
    let budget = |max: i64| format!("[{{type: TokenBudget, tokenBudget: {{maxTokensPerDay: {max}}}}}]");
    let ruled = WORLD.replace(
        "[{matches: [{provider: openai}, {provider: anthropic}]}]",
        &format!(
            "[{{matches: [{{provider: openai}}], filters: {}}}, {{matches: [{{provider: anthropic}}], filters: {}}}]",
            budget(500),
            budget(400)
        ),
    );
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &ruled)]);
    let openai = |max| ask(&lab, &daemon, OPENAI, chat(Some(max), false));
    assert_eq!(openai(350).status, 200);
    let rows = || daemon.cli(&["quota", "show", "models", "-o", "json"]).json();
    eventually("it is settled", || (rows()[0]["used"] == json!(EACH)).then_some(()));
    assert_eq!(openai(480).field("x-clawgress-reason"), Some("quota.tokens"));
    assert_eq!(ask(&lab, &daemon, ANTHROPIC, message("claude-sonnet-4-5", 350)).status, 200);
    eventually("it is settled", || (rows()[1]["reserved"] == 0).then_some(()));
    let rows = rows();
    let told: Vec<_> =
        rows.as_array().expect("a list").iter().map(|row| (&row["subject"], &row["max"])).collect();
    assert_eq!(
        told,
        [
            (&json!("EgressGateway/default/rules[0]"), &json!(500)),
            (&json!("EgressGateway/default/rules[1]"), &json!(400))
        ]
    );
    assert_eq!(world.asked(), 2);
}

/// Alice may ask two of OpenAI's models, and Anthropic's with little output.
const NARROW: &str = "
apiVersion: clrk.apoxy.dev/v1alpha1
kind: AIProviderRoute
metadata: {name: models}
spec:
  parentRefs: [{group: clrk.apoxy.dev, kind: EgressGateway, name: default}]
  rules:
    - matches: [{provider: openai, models: ['gpt-4o', 'text-embedding-*'], endpoints: [/v1/chat/completions, /v1/embeddings]}]
    - matches: [{provider: anthropic, models: ['claude-*'], endpoints: [/v1/messages]}]
      filters: [{type: TokenBudget, tokenBudget: {maxTokensPerDay: 500, maxOutputTokensPerRequest: 64}}]
";

fn message(model: &str, max: u64) -> String {
    let body =
        json!({"model": model, "max_tokens": max, "messages": [{"role": "user", "content": "A joke"}]});
    posted(ANTHROPIC, "/v1/messages", &body)
}

#[apply(over_both)]
fn a_route_lets_through_the_models_and_the_end_points_that_it_names_and_so_many_tokens(lab: Lab) {
    let world = Providers::start(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_is_read(NARROW))]);
    let asks = |host: &str, request: String| {
        let heard = ask(&lab, &daemon, host, request);
        (heard.status, heard.field("x-clawgress-reason").map(str::to_owned))
    };
    let refused = |status: u16, reason: &str| (status, Some(reason.to_owned()));
    assert_eq!(asks(OPENAI, chat(None, false)), (200, None));
    let dear = json!({"model": "o1-pro", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(asks(OPENAI, posted(OPENAI, "/v1/chat/completions", &dear)), refused(403, "ai.model"));
    assert_eq!(asks(OPENAI, posted(OPENAI, "/v1/batches", &dear)), refused(403, "policy.no-route"));
    assert_eq!(asks(ANTHROPIC, message("claude-sonnet-4-5", 64)), (200, None));
    assert_eq!(asks(ANTHROPIC, message("claude-sonnet-4-5", 65)), refused(429, "quota.tokens"));
    assert_eq!(asks(ANTHROPIC, message("gpt-4o", 64)), refused(403, "ai.model"));
    let malformed = "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"model\":".to_owned();
    assert_eq!(asks(ANTHROPIC, malformed), refused(400, "protocol.malformed"));
    let twice = "{\"model\":\"claude-sonnet-4-5\",\"model\":\"x\",\"max_tokens\":5,\"messages\":[]}";
    let twice = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {ANTHROPIC}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{twice}",
        twice.len()
    );
    assert_eq!(asks(ANTHROPIC, twice), refused(400, "protocol.malformed"));
    assert_eq!(world.asked(), 2);
}

#[apply(over_both)]
fn a_condition_on_models_is_judged_by_what_the_body_asks(lab: Lab) {
    let world = Providers::start(&lab);
    let rule = "
apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {name: small}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules: [{name: short, when: 'has(ai.max_output_tokens) && ai.max_output_tokens > 50', action: Deny, message: ask for less}]
";
    let daemon = gateway(&lab, rule);
    assert_eq!(ask(&lab, &daemon, OPENAI, chat(Some(50), false)).status, 200);
    let refused = ask(&lab, &daemon, OPENAI, chat(Some(51), false));
    assert_eq!((refused.status, refused.field("x-clawgress-reason")), (403, Some("policy.denied")));
    assert!(refused.text().contains("ask for less"), "{}", refused.text());
    assert_eq!(world.asked(), 1);
}

#[apply(over_both)]
fn requests_are_counted_and_limited_by_rate_too(lab: Lab) {
    let world = Providers::start(&lab);
    let rate = "
apiVersion: clrk.apoxy.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: slow}
spec: {requests: 2, window: 1h, scope: PerAgent}
";
    let daemon = gateway(&lab, rate);
    let statuses: Vec<u16> =
        (0..4).map(|_| ask(&lab, &daemon, OPENAI, chat(Some(5), false)).status).collect();
    assert_eq!(statuses, [200, 200, 429, 429]);
    let row = daemon.record(&json!({"kind": "request", "reason": "quota.requests"}));
    assert_eq!(row["policy_id"], "RateLimitPolicy/slow", "{row}");
    assert_eq!(world.asked(), 2);
}
