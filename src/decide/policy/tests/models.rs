//! AIProviderRoutes and InferencePolicies: which models may be called, and how much one call may ask for.

use super::rules::{look_up, policy_for, routes};
use super::services::{
    BOTH, CHAT, Sent, ai, asks, boxed, call, comes_to, deny, developers, openai, origin, plain, settled,
    settled_of, streamed, with,
};
use super::*;
use crate::model::condition::{AiCall, Part, Sought};
use crate::model::manifest::resources::{
    DenyTarget, InferenceAction, InferencePolicy, PreferredModel, TokenCaps,
};
use crate::model::types::{PolicyRef, Provider, SafetyFloors, Severity, reason::Retry};

const NONE: TokenCaps = TokenCaps { per_day: None, per_execution: None, output_per_request: None };

fn gpt() -> Set {
    with("", |resources| openai(resources, "gpt", &["gpt-4o*", "o3"], NONE))
}

#[test]
fn an_ai_route_opens_its_hosts_and_lets_calls_of_its_models_through() {
    let set = gpt();
    for model in ["gpt-4o", "gpt-4o-mini", "o3"] {
        assert_eq!(comes_to(&set, CHAT, &call(model, None)), Ok("AIProviderRoute/gpt".into()), "{model}");
    }
    assert_eq!(asks(&set, CHAT), Ok(vec![Part::Ai]));
    assert_eq!(look_up(&set, "alice", "api.openai.com"), Ok(Chooser::Documents));
    for address in BOTH {
        let ask = Ask { agent: "alice", to: (address, 443), given: &["api.openai.com"], stale: &[] };
        assert_eq!(set.opens(ask, &Hello::Silent), Err("protocol.not-tls"), "nobody could read it");
        assert_eq!(set.opens(Ask { to: (address, 22), ..ask }, &Hello::Silent), Err("policy.no-route"));
    }
}

#[test]
fn a_set_says_whether_calls_of_models_may_have_to_be_read() {
    assert!(gpt().policy.asks_models(), "a route names models");
    let any = |caps| with("", |resources| openai(resources, "any", &[], caps)).policy.asks_models();
    assert!(!any(NONE), "the head decides");
    assert!(
        any(TokenCaps { per_day: Some(5), ..NONE }) && any(TokenCaps { output_per_request: Some(5), ..NONE })
    );
    let ruled = |when: &str| {
        let rule = format!("{{name: r, when: '{when}', action: Deny}}");
        with(&policy_for("Agent, name: alice", "p", "", &[&rule]), |_| {}).policy.asks_models()
    };
    assert!(ruled("ai.model == \"o3\"") && ruled("usage.tokens_today > 5"));
    assert!(!ruled("request.method == \"GET\""));
}

#[test]
fn another_model_is_refused_by_its_name_and_no_list_is_told() {
    let set = gpt();
    for (model, told) in
        [(Some("gpt-5"), "`gpt-5`"), (Some("o3-mini"), "`o3-mini`"), (None, "without naming a model")]
    {
        let ai = AiCall { model: model.map(Into::into), ..AiCall::default() };
        let denial = settled(&set, CHAT, &Content { ai: Sought::Found(ai), ..plain() }).unwrap_err();
        assert_eq!((denial.reason.code(), denial.status()), ("ai.model", 403));
        assert!(denial.detail.contains(told) && !denial.detail.contains("gpt-4o"), "{}", denial.detail);
        assert_eq!(denial.policy, Some(PolicyRef::new("AIProviderRoute", "gpt")));
    }
}

#[test]
fn another_endpoint_is_no_route_and_what_is_no_call_matches_no_rule_with_models() {
    let set = gpt();
    assert_eq!(comes_to(&set, ("POST", "api.openai.com/v2/x"), &call("o3", None)), Err("policy.no-route"));
    assert_eq!(comes_to(&set, ("GET", "api.openai.com/v1/models"), &plain()), Err("policy.no-route"));
    assert_eq!(comes_to(&set, CHAT, &Content::default()), Err("policy.unevaluable"), "nobody could read it");
    let free = with("", |resources| openai(resources, "any", &[], NONE));
    assert_eq!(asks(&free, CHAT), Ok(vec![]), "the head decides");
    for content in [plain(), Content::default(), call("x", None)] {
        assert_eq!(
            comes_to(&free, ("GET", "api.openai.com/v1/models"), &content),
            Ok("AIProviderRoute/any".into())
        );
    }
}

#[test]
fn routes_together_allow_what_one_of_them_allows_and_http_routes_what_is_no_call() {
    let set = with(&http_route("web", "api.openai.com", "{method: GET}"), |resources| {
        openai(resources, "a", &["o3"], NONE);
        openai(resources, "b", &["o4"], NONE);
    });
    assert_eq!(comes_to(&set, CHAT, &call("o4", None)), Ok("AIProviderRoute/b".into()));
    assert_eq!(comes_to(&set, CHAT, &call("o5", None)), Err("ai.model"));
    assert_eq!(
        comes_to(&set, ("GET", "api.openai.com/v1/models"), &plain()),
        Ok("EgressHTTPRoute/web".into())
    );
    assert_eq!(comes_to(&set, ("GET", "api.openai.com/about"), &plain()), Ok("EgressHTTPRoute/web".into()));
    let set =
        with(&http_route("web", "api.openai.com", ""), |resources| openai(resources, "a", &["o3"], NONE));
    assert_eq!(comes_to(&set, CHAT, &call("o5", None)), Err("ai.model"), "an HTTP route is no way around it");
}

#[test]
fn where_an_ai_route_names_the_host_an_l4_route_opens_no_other_request() {
    let set = with(&l4("open", "{destinationHostnames: [api.openai.com]}"), |resources| {
        openai(resources, "gpt", &["o3"], NONE);
        resources.ai_routes.get_mut("gpt").unwrap().source_agents = developers();
    });
    assert_eq!(comes_to(&set, ("GET", "api.openai.com/about"), &plain()), Err("policy.no-route"));
    let of_bob = settled_of(&set, "bob", ("GET", "api.openai.com/about"), &plain());
    assert_eq!(told(of_bob.map(|clearance| clearance.route().clone())), Ok("EgressL4Route/open".into()));
}

#[test]
fn hosts_with_a_star_inside_a_label_are_looked_up_and_opened_and_look_alikes_are_not() {
    let set = with("", |resources| {
        for provider in [Provider::Bedrock, Provider::Google, Provider::AzureOpenAi] {
            ai(resources, provider.name(), (provider, &[]), (&[], &[]), NONE);
        }
        ai(resources, "own", (Provider::Custom, &["*.llm.example"]), (&[], &[]), NONE);
    });
    for (name, route) in [
        ("bedrock-runtime.eu-central-1.amazonaws.com", "AIProviderRoute/bedrock"),
        ("europe-west4-aiplatform.googleapis.com", "AIProviderRoute/google"),
        ("generativelanguage.googleapis.com", "AIProviderRoute/google"),
        ("team.openai.azure.com", "AIProviderRoute/azure-openai"),
        ("a.llm.example", "AIProviderRoute/own"),
    ] {
        assert!(look_up(&set, "alice", name).is_ok(), "{name}");
        assert_eq!(comes_to(&set, ("POST", &format!("{name}/x")), &plain()), Ok(route.into()), "{name}");
    }
    for name in [
        "bedrock-runtime.a.b.amazonaws.com",
        "x.europe-aiplatform.googleapis.com",
        "llm.example",
        "api.openai.com",
    ] {
        assert_eq!(look_up(&set, "alice", name), Err("dns.denied"), "{name}");
        assert_eq!(
            comes_to(&set, ("POST", &format!("{name}/x")), &plain()),
            Err("policy.no-route"),
            "{name}"
        );
    }
    assert!(
        look_up(&set, "alice", "bedrock-runtime.eu-central-1.amazonaws.com") == Ok(Chooser::Wildcard(13))
    );
}

#[test]
fn a_deny_policy_on_an_ai_route_denies_what_that_names_in_every_spelling_and_wins() {
    let set = with("", |resources| {
        openai(resources, "all", &[], NONE);
        openai(resources, "big", &["o3*"], NONE);
        deny(resources, DenyTarget::Ai("big".into()));
    });
    assert_eq!(comes_to(&set, CHAT, &call("o3-pro", None)), Err("policy.denied"));
    assert_eq!(comes_to(&set, CHAT, &call("gpt-4o", None)), Ok("AIProviderRoute/all".into()));
    assert_eq!(comes_to(&set, CHAT, &plain()), Ok("AIProviderRoute/all".into()));
    assert_eq!(asks(&set, CHAT), Ok(vec![Part::Ai]));
    let set = with("", |resources| {
        openai(resources, "all", &[], NONE);
        ai(resources, "chat", (Provider::OpenAi, &[]), (&[], &["/v1/chat/*"]), NONE);
        deny(resources, DenyTarget::Ai("chat".into()));
    });
    assert_eq!(asks(&set, CHAT), Err("policy.denied"));
    assert_eq!(asks(&set, ("POST", "api.openai.com/v1//chat/completions")), Err("policy.denied"));
    assert_eq!(asks(&set, ("POST", "api.openai.com/v1/responses")), Ok(vec![]));
}

#[test]
fn a_rule_for_an_ai_route_holds_for_what_that_lets_through() {
    let rule = policy_for(
        "EgressGateway, name: default",
        "p",
        "",
        &["{name: r, when: 'ai.model == \"o3\"', action: Deny}"],
    );
    let set = with(&(routes() + &rule), |resources| openai(resources, "gpt", &[], NONE));
    assert_eq!(asks(&set, CHAT), Ok(vec![Part::Ai]));
    assert_eq!(comes_to(&set, CHAT, &call("o3", None)), Err("policy.denied"));
    assert_eq!(comes_to(&set, CHAT, &call("o4", None)), Ok("AIProviderRoute/gpt".into()));
}

#[test]
fn one_answer_may_have_so_many_tokens_and_a_stream_that_names_none_is_ended_there() {
    let caps = TokenCaps { output_per_request: Some(50), ..NONE };
    let set = with("", |resources| openai(resources, "gpt", &[], caps));
    assert_eq!(comes_to(&set, CHAT, &call("o3", Some(50))), Ok("AIProviderRoute/gpt".into()));
    for (content, told) in
        [(call("o3", Some(51)), "Ask for at most 50"), (call("o3", None), "Name at most 50")]
    {
        let denial = settled(&set, CHAT, &content).unwrap_err();
        assert_eq!((denial.reason.code(), denial.retry()), ("quota.tokens", Retry::Never));
        assert!(denial.detail.contains(told), "{}", denial.detail);
    }
    let clearance = settled(&set, CHAT, &streamed(call("o3", None))).unwrap();
    let by = PolicyRef::new("AIProviderRoute", "gpt");
    assert_eq!(clearance.holds().unwrap().terms.output, Some((50, by)));
    assert_eq!(comes_to(&set, CHAT, &Content::default()), Err("policy.unevaluable"));
}

fn inference(models: &[&str], per_request: Option<u64>) -> InferencePolicy {
    let one = |name: &&str| PreferredModel { provider: Provider::OpenAi, deployment: (*name).into() };
    InferencePolicy {
        agent: Some("alice".into()),
        labels: None,
        action: Some(InferenceAction::Chat),
        models: models.iter().map(one).collect(),
        per_request,
        daily: None,
        monthly: None,
        safety: None,
        origin: origin(),
    }
}

fn preferring(policies: Vec<InferencePolicy>, models: &[&str]) -> Set {
    with("", |resources| {
        openai(resources, "gpt", models, NONE);
        for (number, policy) in policies.into_iter().enumerate() {
            resources.inference_policies.insert(format!("p{number}").into(), policy);
        }
    })
}

#[test]
fn an_inference_policy_names_models_and_those_behind_the_one_asked_for_are_its_fallback() {
    let set = preferring(vec![inference(&["o3", "o4", "o5"], None)], &[]);
    let terms = |model: &str| {
        settled(&set, CHAT, &call(model, None)).map(|it| it.holds().map(|h| h.terms.fallback.clone()))
    };
    assert_eq!(terms("o3").unwrap(), Some(boxed(&["o4", "o5"])));
    assert_eq!(terms("o4").unwrap(), Some(boxed(&["o5"])));
    assert_eq!(terms("o5").unwrap(), None, "nothing binds");
    let denial = terms("gpt-4o").unwrap_err();
    assert_eq!(
        (denial.reason.code(), denial.policy),
        ("ai.model", Some(PolicyRef::new("InferencePolicy", "p0")))
    );
    let of_bob = settled_of(&set, "bob", CHAT, &call("gpt-4o", None));
    assert!(of_bob.is_ok(), "it is about alice");
    let mut other = call("gpt-4o", None);
    if let Sought::Found(ai) = &mut other.ai {
        ai.action = Some(InferenceAction::Embeddings);
    }
    assert!(settled(&set, CHAT, &other).is_ok(), "it is about chats");
}

#[test]
fn a_fallback_is_allowed_by_every_policy_and_by_the_route() {
    let policies = vec![inference(&["o3", "o4", "o5", "o6"], None), inference(&["o6", "o4", "o3"], None)];
    let set = preferring(policies, &["o3", "o4", "o5"]);
    let clearance = settled(&set, CHAT, &call("o3", None)).unwrap();
    assert_eq!(clearance.holds().unwrap().terms.fallback, boxed(&["o4"]));
}

#[test]
fn question_and_answer_together_may_have_so_many_tokens() {
    let set = preferring(vec![inference(&[], Some(150))], &[]);
    assert!(settled(&set, CHAT, &call("o3", Some(50))).is_ok());
    let refused = |content: &Content| {
        let denial = settled(&set, CHAT, content).unwrap_err();
        (denial.reason.code(), denial.detail)
    };
    let (code, detail) = refused(&call("o3", Some(51)));
    assert!(code == "quota.tokens" && detail.contains("Ask for at most 50"), "{detail}");
    let (code, detail) = refused(&call("o3", None));
    assert!(code == "quota.tokens" && detail.contains("Name at most 50"), "{detail}");
    let terms = settled(&set, CHAT, &streamed(call("o3", None))).unwrap().holds().unwrap().terms.clone();
    let by = PolicyRef::new("InferencePolicy", "p0");
    assert_eq!((terms.output, terms.total), (Some((50, by.clone())), Some((150, by))));
    let set = preferring(vec![inference(&[], Some(100))], &[]);
    let denial = settled(&set, CHAT, &streamed(call("o3", None))).unwrap_err();
    assert!(denial.detail.contains("about 100 tokens"), "{}", denial.detail);
}

#[test]
fn of_several_policies_the_strictest_floors_hold() {
    let floors = |hate, require_prompt_shields| SafetyFloors {
        hate,
        require_prompt_shields,
        ..SafetyFloors::default()
    };
    let policy = |floors| InferencePolicy { safety: Some(floors), ..inference(&[], None) };
    let set = preferring(
        vec![policy(floors(Some(Severity::High), true)), policy(floors(Some(Severity::Low), false))],
        &[],
    );
    let terms = settled(&set, CHAT, &call("o3", None)).unwrap().holds().unwrap().terms.clone();
    assert_eq!(
        terms.safety,
        Some((floors(Some(Severity::Low), true), PolicyRef::new("InferencePolicy", "p0")))
    );
}

#[test]
fn an_inference_policy_holds_whatever_opened_the_providers_host() {
    let set = with(&l4("open", "{destinationHostnames: [api.openai.com]}"), |resources| {
        resources.inference_policies.insert("p".into(), inference(&["o3"], None));
    });
    assert_eq!(asks(&set, CHAT), Ok(vec![Part::Ai]));
    assert_eq!(comes_to(&set, CHAT, &call("o4", None)), Err("ai.model"));
    assert_eq!(comes_to(&set, CHAT, &call("o3", None)), Ok("EgressL4Route/open".into()));
    assert_eq!(comes_to(&set, CHAT, &plain()), Ok("EgressL4Route/open".into()));
    assert_eq!(comes_to(&set, CHAT, &Content::default()), Err("policy.unevaluable"));
}

#[test]
fn explain_says_what_is_asked_of_the_model_and_which_route_comes_nearest() {
    let set = gpt();
    let explained = |url: &str| {
        let sent = Sent { agent: "alice", address: PUBLIC, method: "POST", url, fields: &[] };
        sent.explain(&set)
    };
    let told = explained(CHAT.1);
    let routes = told.steps.iter().find(|step| step.stage == "routes").unwrap();
    assert_eq!(
        routes.text,
        "1 looked at, one allows it; AIProviderRoute/gpt asks for the model: gpt-4o*, o3"
    );
    let told = explained("api.openai.com/v2/x");
    assert_eq!(
        told.nearest.unwrap().text,
        "AIProviderRoute/gpt allows calls of models at api.openai.com, to /v1/*, this was POST /v2/x"
    );
}
