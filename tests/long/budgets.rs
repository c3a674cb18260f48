//! Budgets under a thousand calls at once, and under kills at any moment.

use serde_json::{Value, json};

use crate::e2e::dialogue::{Heard, Talk, over_tls};
use crate::e2e::providers::{INPUT, OPENAI, OUTPUT, Providers};
use crate::e2e::streaming::TLS;
use crate::lab::backends::eventually;
use crate::lab::daemon::alice_is_read_in_tls;
use crate::lab::{Daemon, Lab};

/// Alice, OpenAI, and so many tokens a day.
fn documents(tokens: u64) -> String {
    alice_is_read_in_tls(&format!(
        "
apiVersion: clawgress.io/v1alpha1
kind: AIProviderRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{kind: EgressGateway, name: default}}]
  rules: [{{matches: [{{provider: openai}}]}}]
---
apiVersion: clawgress.io/v1alpha1
kind: BudgetPolicy
metadata: {{name: day}}
spec:
  targetRef: {{kind: Agent, name: alice}}
  limits: [{{unit: tokens, max: {tokens}, window: day}}]
"
    ))
}

/// A question whose answer may have a hundred tokens.
fn question() -> String {
    let asked =
        json!({"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "A joke"}]});
    let body = asked.to_string();
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {OPENAI}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Connections that have all asked.
fn asking(lab: &Lab, daemon: &Daemon<'_>, count: usize) -> Vec<Talk> {
    let mut talks: Vec<Talk> =
        (0..count).map(|_| over_tls(lab.workload(), TLS, OPENAI, daemon.authority())).collect();
    for talk in &mut talks {
        talk.say(question());
    }
    talks
}

fn used(daemon: &Daemon<'_>) -> i64 {
    let listed = daemon.cli(&["quota", "list", "-o", "json"]);
    listed.succeeded();
    listed.json()[0]["used"].as_i64().expect("an amount")
}

/// What the records charge to the budget, each once.
fn charged(daemon: &Daemon<'_>) -> i64 {
    let rows = daemon.records(&["--kind", "request"]);
    let charges = rows.iter().filter_map(|row| row["charges"].as_array()).flatten();
    let amount = |charge: &Value| {
        let amount = charge.as_str().and_then(|charge| charge.rsplit(' ').next());
        amount.and_then(|amount| amount.parse::<i64>().ok()).unwrap_or_else(|| panic!("no amount: {charge}"))
    };
    charges.map(amount).sum()
}

#[test]
fn a_thousand_calls_at_once_spend_no_more_than_there_is() {
    const CALLS: usize = 1000;
    const MOST: u64 = 5000;
    let lab = Lab::new();
    let providers = Providers::start(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &documents(MOST))]);
    let mut talks = asking(&lab, &daemon, CALLS);
    let heard: Vec<Heard> = talks.iter_mut().map(Talk::hear).collect();
    let (allowed, refused): (Vec<_>, Vec<_>) = heard.iter().partition(|heard| heard.status == 200);
    assert!(!allowed.is_empty() && refused.iter().all(|heard| heard.status == 429));
    assert_eq!(allowed.len() + refused.len(), CALLS);
    assert_eq!(providers.asked(), allowed.len(), "what was refused reached nobody");
    let spent = allowed.len() as u64 * (INPUT + OUTPUT);
    assert!(spent <= MOST, "{spent}");
    eventually("each is charged what the provider says", || {
        (used(&daemon) == spent.cast_signed()).then_some(())
    });
}

#[test]
fn a_kill_at_any_moment_loses_no_charge_and_invents_none() {
    const ROUNDS: usize = 12;
    let lab = Lab::new();
    let _providers = Providers::start(&lab);
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &documents(1_000_000))]);
    for round in 0..ROUNDS {
        // Some are answered, some are underway, some have not been decided on.
        let mut talks = asking(&lab, &daemon, 24);
        for talk in talks.iter_mut().take(2 * round) {
            assert_eq!(talk.hear().status, 200);
        }
        daemon.kill9();
        daemon.start_again();
        let (used, charged) = (used(&daemon), charged(&daemon));
        assert_eq!(used, charged, "round {round}");
        let answered = (2 * round) as u64 * (INPUT + OUTPUT);
        assert!(used >= answered.cast_signed(), "round {round}: {used}");
    }
}
