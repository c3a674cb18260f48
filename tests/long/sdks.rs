//! The providers' own clients, unmodified: their users see what the providers sent, and the records have the same figures.

use serde_json::{Value, json};

use super::tools;
use crate::e2e::providers::{ANTHROPIC, BEDROCK, GOOGLE, HOSTS, INPUT, JOKE, OPENAI, OUTPUT, Providers};
use crate::lab::daemon::alice_is_read_in_tls;
use crate::lab::program::Program;
use crate::lab::{Daemon, Lab};

/// What alice may do: everything, with every provider.
fn documents() -> String {
    alice_is_read_in_tls(&format!(
        "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{kind: EgressGateway, name: default}}]
  hostnames: [{}]
  rules: [{{}}]
",
        HOSTS.join(", ")
    ))
}

fn python(lab: &Lab, file: &str) -> Program {
    lab.workload().command(&tools::python()).arg(tools::client(file))
}

/// What a client showed, step by step.
fn shown(daemon: &Daemon<'_>, program: Program, variable: &str) -> Vec<Value> {
    let said = tools::trusting(daemon, program, variable).run().succeeded();
    said.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// What one step shows its user, and what its record tells of it.
struct Step {
    name: &'static str,
    path: &'static str,
    text: Value,
    /// Figures as the client names them.
    figures: &'static [(&'static str, u64)],
    told: Value,
}

fn step(
    (name, path): (&'static str, &'static str),
    figures: &'static [(&'static str, u64)],
    told: Value,
) -> Step {
    Step { name, path, text: json!(JOKE), figures, told }
}

/// Every step shows what the provider sent, and its record says the same.
fn agree(variable: &str, host: &str, client: impl FnOnce(&Lab) -> Program, steps: &[Step]) {
    let lab = Lab::new();
    let _providers = Providers::start(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &documents())]);
    let said = shown(&daemon, client(&lab), variable);
    assert_eq!(said.len(), steps.len(), "{said:?}");
    for (said, step) in said.iter().zip(steps) {
        assert_eq!((&said["step"], &said["text"]), (&json!(step.name), &step.text), "{said}");
        for (name, figure) in step.figures {
            assert_eq!(said["usage"][name], json!(figure), "{name}: {said}");
        }
    }
    let rows = daemon.records(&["--kind", "request"]);
    assert_eq!(rows.len(), steps.len(), "{rows:?}");
    for (row, step) in rows.iter().zip(steps) {
        assert_eq!((&row["destination_host"], &row["path"]), (&json!(host), &json!(step.path)), "{row}");
        for (name, value) in step.told.as_object().expect("fields") {
            assert_eq!(row.get(name).unwrap_or(&Value::Null), value, "{}: {name}: {row}", step.name);
        }
    }
}

/// The figures of OpenAI's chat.
const CHAT: &[(&str, u64)] =
    &[("prompt_tokens", INPUT), ("completion_tokens", OUTPUT), ("total_tokens", INPUT + OUTPUT)];
/// The figures of OpenAI's responses.
const RESPONSES: &[(&str, u64)] =
    &[("input_tokens", INPUT), ("output_tokens", OUTPUT), ("total_tokens", INPUT + OUTPUT)];
/// The figures of Anthropic's messages.
const MESSAGES: &[(&str, u64)] = &[
    ("input_tokens", INPUT),
    ("output_tokens", OUTPUT),
    ("cache_read_input_tokens", 100),
    ("cache_creation_input_tokens", 5),
];

fn of_openai() -> Value {
    json!({
        "provider": "openai", "model_requested": "gpt-4o", "model": "gpt-4o-2024-08-06", "tokens_input": INPUT,
        "tokens_output": OUTPUT, "tokens_cache_read": 3, "tokens_reasoning": 2, "usage_estimated": null,
    })
}

fn of_anthropic(provider: &str, model: &str) -> Value {
    json!({
        "provider": provider, "model_requested": model, "tokens_input": INPUT, "tokens_output": OUTPUT,
        "tokens_cache_read": 100, "tokens_cache_write": 5, "usage_estimated": null,
    })
}

#[test]
fn openais_client_for_python() {
    let uncounted = json!({
        "provider": "openai", "model": "gpt-4o-2024-08-06", "usage_estimated": true, "tokens_cache_read": null,
    });
    let embedded = json!({
        "provider": "openai", "model_requested": "text-embedding-3-small", "tokens_input": INPUT,
        "tokens_output": null, "usage_estimated": null,
    });
    let steps = [
        step(("chat", "/v1/chat/completions"), CHAT, of_openai()),
        step(("chat-stream", "/v1/chat/completions"), CHAT, of_openai()),
        step(("chat-stream-uncounted", "/v1/chat/completions"), &[], uncounted),
        step(("responses", "/v1/responses"), RESPONSES, of_openai()),
        step(("responses-stream", "/v1/responses"), RESPONSES, of_openai()),
        Step {
            text: json!(3),
            ..step(("embeddings", "/v1/embeddings"), &[("prompt_tokens", INPUT)], embedded)
        },
    ];
    agree("SSL_CERT_FILE", OPENAI, |lab| python(lab, "openai_client.py"), &steps);
}

#[test]
fn openais_client_for_node() {
    let client = |lab: &Lab| {
        let node = lab.workload().command("node").arg(tools::client("openai.mjs"));
        node.arg(tools::installed("node/node_modules/openai"))
    };
    let steps = [
        step(("chat", "/v1/chat/completions"), CHAT, of_openai()),
        step(("chat-stream", "/v1/chat/completions"), CHAT, of_openai()),
    ];
    agree("NODE_EXTRA_CA_CERTS", OPENAI, client, &steps);
}

#[test]
fn anthropics_client_for_python() {
    let told = || of_anthropic("anthropic", "claude-sonnet-4-5");
    let counted = json!({"provider": null, "tokens_input": null});
    let steps = [
        step(("messages", "/v1/messages"), MESSAGES, told()),
        step(("messages-stream", "/v1/messages"), MESSAGES, told()),
        Step { text: json!(INPUT), ..step(("count", "/v1/messages/count_tokens"), &[], counted) },
    ];
    agree("SSL_CERT_FILE", ANTHROPIC, |lab| python(lab, "anthropic_client.py"), &steps);
}

#[test]
fn googles_client_for_python() {
    const FIGURES: &[(&str, u64)] =
        &[("prompt_token_count", INPUT), ("candidates_token_count", OUTPUT), ("thoughts_token_count", 40)];
    let told = json!({
        "provider": "google", "model_requested": "gemini-2.5-flash", "model": "gemini-2.5-flash-001",
        "tokens_input": INPUT, "tokens_output": OUTPUT, "tokens_reasoning": 40, "usage_estimated": null,
    });
    let steps = [
        step(("generate", "/v1/models/gemini-2.5-flash:generateContent"), FIGURES, told.clone()),
        step(("generate-stream", "/v1/models/gemini-2.5-flash:streamGenerateContent"), FIGURES, told),
    ];
    agree("SSL_CERT_FILE", GOOGLE, |lab| python(lab, "genai_client.py"), &steps);
}

#[test]
fn amazons_client_for_python() {
    const CONVERSED: &[(&str, u64)] =
        &[("inputTokens", INPUT), ("outputTokens", OUTPUT), ("totalTokens", INPUT + OUTPUT)];
    const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let conversed = json!({
        "provider": "bedrock", "model_requested": MODEL, "tokens_input": INPUT, "tokens_output": OUTPUT,
        "usage_estimated": null,
    });
    let invoked = || of_anthropic("bedrock", MODEL);
    let steps = [
        step(
            ("converse", "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/converse"),
            CONVERSED,
            conversed.clone(),
        ),
        step(
            ("converse-stream", "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/converse-stream"),
            CONVERSED,
            conversed,
        ),
        step(("invoke", "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke"), MESSAGES, invoked()),
        step(
            ("invoke-stream", "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke-with-response-stream"),
            MESSAGES,
            invoked(),
        ),
    ];
    agree("AWS_CA_BUNDLE", BEDROCK, |lab| python(lab, "bedrock_client.py"), &steps);
}

/// The providers' routes, and a budget of so many tokens for everything that alice asks.
fn bounded(tokens: u64) -> String {
    documents()
        + &format!(
            "---
apiVersion: clawgress.io/v1alpha1
kind: BudgetPolicy
metadata: {{name: small}}
spec:
  targetRef: {{kind: Agent, name: alice}}
  limits: [{{unit: tokens, max: {tokens}, window: day}}]
"
        )
}

/// A client whose budget leaves no room shows its user this exception, with the gateway's own sentence, and nothing reaches the
/// provider.
fn refused(variable: &str, client: impl FnOnce(&Lab) -> Program, steps: usize, exception: &str) {
    let lab = Lab::new();
    let providers = Providers::start(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &bounded(5))]);
    let said = shown(&daemon, client(&lab), variable);
    assert_eq!(said.len(), steps, "{said:?}");
    for said in &said {
        let raised = said["error"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == exception));
        assert!(raised, "{said}");
        let sentence = said["shown"].as_str().expect("a text");
        assert!(sentence.contains("of 5 tokens that a policy gives it a day"), "{said}");
    }
    assert_eq!(providers.asked(), 0, "a refusal is not tried again at the provider");
    let rows = daemon.records(&["--kind", "request", "--reason", "quota.tokens"]);
    assert_eq!(rows.len(), steps, "nor here: {rows:?}");
}

#[test]
fn openais_client_for_python_raises_its_own_exception_when_a_budget_is_used_up() {
    let steps = ["chat", "chat-stream", "responses", "responses-stream", "embeddings"];
    let client = |lab: &Lab| python(lab, "openai_client.py").args(steps);
    refused("SSL_CERT_FILE", client, steps.len(), "RateLimitError");
}

#[test]
fn openais_client_for_node_raises_its_own_exception_when_a_budget_is_used_up() {
    let client = |lab: &Lab| {
        let node = lab.workload().command("node").arg(tools::client("openai.mjs"));
        node.arg(tools::installed("node/node_modules/openai"))
    };
    refused("NODE_EXTRA_CA_CERTS", client, 2, "RateLimitError");
}

#[test]
fn anthropics_client_for_python_raises_its_own_exception_when_a_budget_is_used_up() {
    let client = |lab: &Lab| python(lab, "anthropic_client.py").args(["messages", "messages-stream"]);
    refused("SSL_CERT_FILE", client, 2, "RateLimitError");
}

#[test]
fn googles_client_for_python_raises_its_own_exception_when_a_budget_is_used_up() {
    refused("SSL_CERT_FILE", |lab| python(lab, "genai_client.py"), 2, "ClientError");
}

#[test]
fn amazons_client_for_python_raises_its_own_exception_when_a_budget_is_used_up() {
    refused("AWS_CA_BUNDLE", |lab| python(lab, "bedrock_client.py"), 4, "ThrottlingException");
}
