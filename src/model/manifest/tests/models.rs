//! `AIProviderRoute` and `InferencePolicy`: what they come to, and what is wrong with others.

use super::*;
use crate::model::manifest::resources::{AiMatch, InferenceAction, TokenCaps};
use crate::model::types::{HostPattern, Provider, Severity};

const PASSTHROUGH: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: blind}
spec: {listeners: [{name: sni, protocol: TLS, tls: {mode: Passthrough}}, {name: tcp, protocol: TCP}]}
";
const AGENT: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: my-agent}
spec: {sources: {addresses: [10.77.0.2/32]}, egressRefs: [{gatewayRef: default}]}
";

fn set(kind: &str, spec: &str) -> Result<Resources, Report> {
    let text =
        format!("apiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n");
    let gateways =
        [file("gateway.yaml", GATEWAY), file("blind.yaml", PASSTHROUGH), file("agent.yaml", AGENT)];
    load(&[&[file("a.yaml", &text)][..], &gateways].concat())
}

/// What is said of it, without file and line.
fn said(kind: &str, spec: &str) -> Vec<String> {
    let all = mistakes(set(kind, spec));
    all.iter().map(|line| line.split_once(' ').expect("a place").1.to_owned()).collect()
}

#[test]
fn a_route_to_models_comes_to_what_it_says() {
    let spec = "{parentRefs: [{name: default}], rules: [{name: a, matches: [
      {provider: anthropic, models: [claude-*, exactly], endpoints: [/v1/messages, /v1/m%65ss*]},
      {provider: custom, hostnames: [models.example, '*.lab.example']}],
      filters: [{type: TokenBudget, tokenBudget: {maxTokensPerDay: 1000000, maxTokensPerExecution: 10000}},
                {type: TokenBudget, tokenBudget: {maxOutputTokensPerRequest: 500}}]}]}";
    let set = set("AIProviderRoute", spec).unwrap();
    let route = &set.ai_routes["x"];
    let [rule] = &route.rules[..] else { panic!("{route:?}") };
    let texts = |texts: &[&str]| texts.iter().map(|text| Box::from(*text)).collect::<Vec<Box<str>>>();
    let anthropic = AiMatch {
        provider: Provider::Anthropic,
        hostnames: Vec::new(),
        models: texts(&["claude-*", "exactly"]),
        endpoints: texts(&["/v1/messages", "/v1/mess*"]),
    };
    let hosts = ["models.example", "*.lab.example"].map(|host| HostPattern::parse(host).unwrap()).to_vec();
    let custom =
        AiMatch { provider: Provider::Custom, hostnames: hosts, models: Vec::new(), endpoints: Vec::new() };
    assert_eq!(rule.matches, [anthropic, custom]);
    let first = TokenCaps { per_day: Some(1_000_000), per_execution: Some(10_000), output_per_request: None };
    let second = TokenCaps { output_per_request: Some(500), ..TokenCaps::default() };
    assert_eq!(rule.budgets, [first, second]);
}

#[test]
fn a_route_to_models_says_what_is_wrong_with_it() {
    let with = |one: &str| format!("{{parentRefs: [{{name: default}}], rules: [{{matches: [{{{one}}}]}}]}}");
    for (one, expected) in [
        (
            "provider: custom",
            "a match with `provider: custom` lacks `hostnames` (name the hosts of the API, such as `hostnames: [models.example.com]`)",
        ),
        (
            "provider: openai, hostnames: [a.example]",
            "a match with `provider: openai` has no `hostnames` (remove it: this provider has hosts of its own; any other API is `provider: custom`)",
        ),
        ("provider: anthropc", "unknown `provider` `anthropc` (did you mean `anthropic`?)"),
        (
            "models: [a]",
            "an entry of `matches` lacks the field `provider` (it can be `openai`, `anthropic`, `google`, `azure-openai`, `bedrock` or `custom`)",
        ),
        ("provider: openai, models: ['*-mini']", "`*-mini` has a `*` (a `*` stands at the end alone)"),
        ("provider: openai, models: ['gpt 4']", "`gpt 4` has a blank (write it as requests have it)"),
        (
            "provider: openai, models: []",
            "`models` is an empty list (name at least one, or remove the field)",
        ),
        ("provider: openai, endpoints: [v1/x]", "path `v1/x` does not begin with `/`"),
        (
            "provider: openai, endpoints: ['/v1/*/x']",
            "path `/v1/*/x` has a `*` (a `*` stands at the end alone)",
        ),
        (
            "provider: openai, endpoints: ['/v1/../x*']",
            "path `/v1/../x` has the element `.` or `..` (requests are matched after their paths are made canonical)",
        ),
    ] {
        assert_eq!(said("AIProviderRoute", &with(one)), [expected], "{one}");
    }
    let with = |filter: &str| {
        format!(
            "{{parentRefs: [{{name: default}}], rules: [{{matches: [{{provider: openai}}], filters: [{filter}]}}]}}"
        )
    };
    for (filter, expected) in [
        (
            "{type: TokenBudget, tokenBudget: {}}",
            "this budget has no limit (write at least one, such as `maxTokensPerDay: 1000000`)",
        ),
        ("{type: TokenBudget}", "an entry of `filters` lacks the field `tokenBudget`"),
        (
            "{type: TokenBudget, tokenBudget: {maxTokensPerDay: 0}}",
            "`maxTokensPerDay` 0 is not between 1 and 1000000000000000000",
        ),
    ] {
        assert_eq!(said("AIProviderRoute", &with(filter)), [expected], "{filter}");
    }
}

#[test]
fn routes_to_models_and_tools_need_a_listener_that_shows_requests() {
    let hint = "(give it a listener with `protocol: TLS` and `mode: Terminate`, HTTPS or HTTP)";
    let expected = [format!("requests cannot be seen on any listener of EgressGateway `blind` {hint}")];
    let models = "{parentRefs: [{name: blind}], rules: [{matches: [{provider: openai}]}]}";
    assert_eq!(said("AIProviderRoute", models), expected);
    let tools = "{parentRefs: [{name: blind}], rules: [{matches: [{servers: ['https://a.example/']}]}]}";
    assert_eq!(said("MCPRoute", tools), expected);
}

#[test]
fn a_policy_of_inference_comes_to_what_it_says() {
    let spec = "{appliesTo: {sandboxName: my-agent, sandboxMatchLabels: {tier: dev}, action: chat},
      modelPreference: {primary: {provider: gemini, deployment: gemini-2.5-pro}, fallback: [{provider: gemini, deployment: gemini-2.5-flash}]},
      tokenBudget: {perRequestTokens: 10, dailyTokens: 20, monthlyTokens: 30},
      contentSafety: {hate: Medium, selfHarm: Low, requirePromptShields: true}}";
    let set = set("InferencePolicy", spec).unwrap();
    let policy = &set.inference_policies["x"];
    assert_eq!((policy.agent.as_deref(), policy.action), (Some("my-agent"), Some(InferenceAction::Chat)));
    assert!(policy.labels.as_ref().unwrap().selects(&[("tier".to_owned(), "dev".to_owned())].into()));
    let models: Vec<_> = policy.models.iter().map(|model| (model.provider, &*model.deployment)).collect();
    assert_eq!(models, [(Provider::Google, "gemini-2.5-pro"), (Provider::Google, "gemini-2.5-flash")]);
    assert_eq!((policy.per_request, policy.daily, policy.monthly), (Some(10), Some(20), Some(30)));
    let safety = policy.safety.unwrap();
    assert_eq!(
        (safety.hate, safety.self_harm, safety.sexual),
        (Some(Severity::Medium), Some(Severity::Low), None)
    );
    assert!(safety.require_prompt_shields);
}

#[test]
fn empty_selections_of_a_policy_of_inference_are_everyone() {
    let spec =
        "{appliesTo: {sandboxName: '', sandboxMatchLabels: {}, action: '*'}, tokenBudget: {dailyTokens: 1}}";
    let set = set("InferencePolicy", spec).unwrap();
    let policy = &set.inference_policies["x"];
    assert_eq!((&policy.agent, &policy.labels, policy.action), (&None, &None, None));
    assert!(policy.models.is_empty() && policy.safety.is_none());
}

#[test]
fn a_policy_of_inference_says_what_is_wrong_with_it() {
    for (rest, expected) in [
        ("", "this policy asks for nothing (write `modelPreference`, `tokenBudget` or `contentSafety`)"),
        (
            ", tokenBudget: {dailyTokens: 20, monthlyTokens: 10}",
            "`monthlyTokens` 10 is less than `dailyTokens` 20 (what a day may use, a month must have room for)",
        ),
        (
            ", tokenBudget: {dailyTokens: 2}, bundleRef: x",
            "`bundleRef` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            ", contentSafety: {hate: Severe}",
            "unknown `hate` `Severe` (it can be `Safe`, `Low`, `Medium` or `High`)",
        ),
        (
            ", contentSafety: {requirePromptShields: yes}",
            "`requirePromptShields` must be `true` or `false`, this is a text",
        ),
        (
            ", modelPreference: {primary: {provider: anthropic, deployment: a}, fallback: [{provider: openai, deployment: b}]}",
            "a fallback cannot be of `openai`: the primary is of `anthropic` (another provider has another host, another key and other words: name a model of the same)",
        ),
        (
            ", modelPreference: {primary: {provider: openai, deployment: a}, fallback: [{provider: openai, deployment: a}]}",
            "`a` is named twice (remove one)",
        ),
        (
            ", modelPreference: {primary: {provider: openai, deployment: gpt-*}}",
            "`gpt-*` has a `*` (name one: no `*` has a meaning here)",
        ),
    ] {
        assert_eq!(said("InferencePolicy", &format!("{{appliesTo: {{}}{rest}}}")), [expected], "{rest}");
    }
    let gone = "{appliesTo: {sandboxName: gone}, tokenBudget: {dailyTokens: 1}}";
    assert_eq!(said("InferencePolicy", gone), ["there is no Agent named `gone` (there is `my-agent`)"]);
}
