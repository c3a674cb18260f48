//! Policies of inference on the road: which model is asked where one fails, which may not be asked at all, and how many tokens
//! that may take. Read next: `providers`, `budgets`.

use serde_json::{Value, json};

use super::dialogue::{Heard, over_tls};
use super::origin::Taken;
use super::providers::{self, AZURE, BEDROCK, INPUT, OPENAI, OUTPUT, Providers};
use super::streaming::TLS;
use crate::lab::backends::eventually;
use crate::lab::daemon::alice_is_read;
use crate::lab::{Daemon, Lab};

/// A route to three providers. The documents of a test stand behind it.
pub const ROUTE: &str = "
apiVersion: clawgress.io/v1alpha1
kind: AIProviderRoute
metadata: {name: models}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{provider: openai}, {provider: azure-openai}, {provider: bedrock}]}]
---
";

/// Where Azure's deployment is called.
pub fn deployment(name: &str) -> String {
    format!("/openai/deployments/{name}/chat/completions?api-version=2024-10-21")
}

/// A question over HTTP/1.1.
pub fn posted(host: &str, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Alice asks.
pub fn ask(lab: &Lab, daemon: &Daemon<'_>, host: &str, request: String) -> Heard {
    over_tls(lab.workload(), TLS, host, daemon.authority()).ask(request)
}

/// The gateway with the world and one policy of inference of this spec.
pub fn preferring<'lab>(lab: &'lab Lab, spec: &str) -> Daemon<'lab> {
    let policy = format!(
        "{ROUTE}apiVersion: clawgress.io/v1alpha1\nkind: InferencePolicy\nmetadata: {{name: terms}}\nspec: {spec}\n"
    );
    lab.daemon(&json!({}), &[("all.yaml", &alice_is_read(&policy))])
}

/// A model, and two that are asked where it fails.
fn models(provider: &str) -> String {
    let model = |name: &str| format!("{{provider: {provider}, deployment: {name}}}");
    let (first, second, third) = (model("first"), model("second"), model("third"));
    format!("{{primary: {first}, fallback: [{second}, {third}]}}")
}

fn question(model: Option<&str>, more: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "Tell me a joke"}]});
    if let Some(model) = model {
        body["model"] = json!(model);
    }
    for (name, value) in more.as_object().expect("members") {
        body[name] = value.clone();
    }
    body
}

fn names(taken: &Taken, model: &str) -> bool {
    let in_path = taken.line().contains(&format!("/deployments/{model}/"));
    let asked: Value = serde_json::from_slice(&taken.body).unwrap_or_default();
    in_path || asked["model"] == json!(model)
}

/// The first model fails in one way, the second in another; the others answer in their own name.
fn failing(taken: &Taken) -> Vec<u8> {
    let error = |status| providers::reply(status, "application/json", b"{\"error\":{\"message\":\"no\"}}");
    if names(taken, "first") {
        return error("503 Service Unavailable");
    }
    if names(taken, "second") {
        return error("429 Too Many Requests");
    }
    let answer = providers::answer(taken);
    let length = |text: &str| format!("Content-Length: {}\r\n", text.len());
    let text = String::from_utf8(answer).expect("text");
    let body = text.split("\r\n\r\n").nth(1).expect("a body").to_owned();
    let own = body.replace("gpt-4o-2024-08-06", "third-2024");
    text.replace(&body, &own).replace(&length(&body), &length(&own)).into_bytes()
}

/// Where a model is asked at either provider, with the model in the path and in the body.
fn calls(model: &str) -> [(&'static str, String, Value); 2] {
    [
        (OPENAI, "/v1/chat/completions".to_owned(), question(Some(model), json!({}))),
        (AZURE, deployment(model), question(None, json!({}))),
    ]
}

/// The first two of three models fail: the third answers.
fn falls_back(lab: &Lab, provider: &str, (host, path, body): &(&'static str, String, Value)) {
    let world = Providers::answering(lab, failing);
    let daemon = preferring(lab, &format!("{{appliesTo: {{}}, modelPreference: {}}}", models(provider)));
    let heard = ask(lab, &daemon, host, posted(host, path, body));
    assert_eq!(heard.status, 200, "{heard:?}");
    let taken = world.tls.taken();
    assert_eq!(taken.len(), 3, "{taken:?}");
    for (taken, model) in taken.iter().zip(["first", "second", "third"]) {
        assert!(names(taken, model), "{taken:?}");
        let mut asked: Value = serde_json::from_slice(&taken.body).expect("JSON");
        if *host == OPENAI {
            asked["model"] = json!("first");
        }
        assert_eq!(asked, *body, "nothing but the model differs");
    }
    let row = daemon.record(&json!({"kind": "request", "status": 200}));
    assert_eq!((&row["model_requested"], &row["model"]), (&json!("first"), &json!("third-2024")), "{row}");
    assert_eq!(row["evidence"], "fallback to second after 503; fallback to third after 429", "{row}");
    assert_eq!((&row["tokens_input"], &row["tokens_output"]), (&json!(INPUT), &json!(OUTPUT)), "{row}");
}

#[apply(over_both)]
fn where_a_model_fails_the_next_one_in_the_body_is_asked_the_same_and_the_record_says_so(lab: Lab) {
    falls_back(&lab, "openai", &calls("first")[0]);
}

#[apply(over_both)]
fn where_a_deployment_fails_the_next_one_in_the_path_is_asked_the_same_and_the_record_says_so(lab: Lab) {
    falls_back(&lab, "azure-openai", &calls("first")[1]);
}

#[apply(over_both)]
fn a_model_that_ends_the_connection_has_failed_and_the_last_one_speaks_for_itself(lab: Lab) {
    let closing = |taken: &Taken| if names(taken, "third") { failing(taken) } else { Vec::new() };
    let world = Providers::answering(&lab, closing);
    let daemon = preferring(&lab, &format!("{{appliesTo: {{}}, modelPreference: {}}}", models("openai")));
    let asks = |model: &str| {
        let (host, path, body) = calls(model)[0].clone();
        ask(&lab, &daemon, host, posted(host, &path, &body))
    };
    assert_eq!(asks("first").status, 200);
    let row = daemon.record(&json!({"kind": "request", "status": 200}));
    let told = "fallback to second after upstream.failed; fallback to third after upstream.failed";
    assert_eq!(row["evidence"], told, "{row}");
    assert_eq!(world.asked(), 3);
    assert_eq!(asks("third").status, 200);
    assert_eq!(world.asked(), 4, "none stands behind the last");
}

#[apply(over_both)]
fn a_call_that_the_agent_has_signed_is_asked_of_no_other_model_and_gets_the_answer_of_the_first(lab: Lab) {
    let failed =
        |_: &Taken| providers::reply("503 Service Unavailable", "application/json", b"{\"message\":\"no\"}");
    let world = Providers::answering(&lab, failed);
    let daemon = preferring(&lab, &format!("{{appliesTo: {{}}, modelPreference: {}}}", models("bedrock")));
    let body = json!({"messages": [{"role": "user", "content": [{"text": "Tell me a joke"}]}]});
    let signed = "AWS4-HMAC-SHA256 Credential=nobody/20261129/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00";
    let plain = posted(BEDROCK, "/model/first/converse", &body);
    let request = plain.replace("\r\nContent-Type", &format!("\r\nAuthorization: {signed}\r\nContent-Type"));
    let heard = ask(&lab, &daemon, BEDROCK, request);
    assert_eq!((heard.status, heard.text().as_str()), (503, "{\"message\":\"no\"}"));
    assert_eq!(world.asked(), 1);
    let row = daemon.record(&json!({"kind": "request", "status": 503}));
    assert_eq!(row["evidence"], "no fallback for what the workload has signed after 503", "{row}");
    assert_eq!(ask(&lab, &daemon, BEDROCK, plain).status, 503);
    assert_eq!(world.asked(), 4, "without a signature each is asked");
}

#[apply(over_both)]
fn a_model_that_is_neither_the_first_nor_one_behind_it_is_asked_by_nobody(lab: Lab) {
    let world = Providers::answering(&lab, failing);
    let daemon =
        preferring(&lab, &format!("{{appliesTo: {{}}, modelPreference: {}}}", models("azure-openai")));
    // Whose name no model has, and one that another provider has.
    for (host, path, body) in [&calls("other")[1], &calls("first")[0]] {
        let heard = ask(&lab, &daemon, host, posted(host, path, body));
        heard.is_refusal(403, "ai.model");
        let told: Value = serde_json::from_slice(&heard.body).expect("JSON");
        assert_eq!(told["policy"], "InferencePolicy/terms", "{told}");
    }
    assert_eq!(world.asked(), 0);
}

#[apply(over_both)]
fn one_call_and_one_day_have_so_many_tokens(lab: Lab) {
    let world = Providers::start(&lab);
    let daemon = preferring(&lab, "{appliesTo: {}, tokenBudget: {perRequestTokens: 100, dailyTokens: 120}}");
    let asks = |max: u64| {
        let body = question(Some("gpt-4o"), json!({"max_tokens": max}));
        ask(&lab, &daemon, OPENAI, posted(OPENAI, "/v1/chat/completions", &body))
    };
    let refused = asks(100);
    refused.is_refusal(429, "quota.tokens");
    assert!(refused.text().contains("Ask for at most"), "{}", refused.text());
    assert_eq!(asks(80).status, 200);
    let charged = daemon.record(&json!({"kind": "request", "tokens_output": OUTPUT}));
    let charge = format!("InferencePolicy/terms tokens Agent/alice {}", INPUT + OUTPUT);
    assert_eq!(charged["charges"], json!([charge]), "{charged}");
    assert_eq!(asks(80).status, 200, "what was not used came back");
    eventually("both are settled", || {
        let rows = daemon.records(&["--kind", "request"]);
        (rows.iter().filter(|row| row["tokens_output"] == json!(OUTPUT)).count() == 2).then_some(())
    });
    let refused = asks(80);
    refused.is_refusal(429, "quota.tokens");
    let told: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!(told["policy"], "InferencePolicy/terms", "{told}");
    assert_eq!(world.asked(), 2);
}
