//! BudgetPolicies, RateLimitPolicies, BandwidthPolicies and token budgets: which of them hold for what, and whose usage counts
//! together.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::services::{BOTH, CHAT, asks, call, openai, origin, plain, settled, settled_of, with};
use super::*;
use crate::model::condition::Part;
use crate::model::manifest::resources::{
    BandwidthPolicy, BudgetPolicy, InferencePolicy, Per, PolicyTarget, RateLimitPolicy, RateScope, TokenCaps,
};
use crate::model::types::{BudgetMode, Holds, Limit, Period, Subject, Unit, Window};

fn limit(unit: Unit, window: Window) -> Limit {
    Limit { unit, max: 10, window }
}

fn budget(resources: &mut Resources, name: &str, target: PolicyTarget, per: Per, limits: &[Limit]) {
    let limits = limits.iter().cloned().collect::<Arc<[Limit]>>();
    let policy = BudgetPolicy { target, per, limits, mode: BudgetMode::HardStop, origin: origin() };
    resources.budgets.insert(name.into(), policy);
}

fn rate(resources: &mut Resources, name: &str, targets: &[PolicyTarget], scope: RateScope) {
    let requests = NonZeroU32::new(5).unwrap();
    let window = Duration::from_secs(1);
    let policy = RateLimitPolicy { targets: targets.to_vec(), scope, requests, window, origin: origin() };
    resources.rate_limits.insert(name.into(), policy);
}

fn gateway() -> PolicyTarget {
    PolicyTarget::Gateway("default".into())
}

fn day() -> Window {
    Window::Rolling(Period::Day)
}

/// `POLICY SUBJECT UNITS` of each budget.
fn budgets(holds: Option<&Holds>) -> Vec<String> {
    let told = |subject: &Subject| match subject {
        Subject::Named(name) => name.to_string(),
        Subject::Execution => "execution".to_owned(),
    };
    let budgets = holds.into_iter().flat_map(|holds| &holds.budgets);
    budgets
        .map(|one| {
            let units: Vec<_> = one.limits.iter().map(|limit| limit.unit.as_str()).collect();
            format!("{} {} {}", one.policy.0, told(&one.subject), units.join(","))
        })
        .collect()
}

/// The budgets of a request of alice to a host that an L4 route opens.
fn of_request(set: &Set) -> Vec<String> {
    budgets(settled(set, ("GET", "a.example/"), &plain()).unwrap().holds())
}

fn open() -> String {
    l4("open", "{destinationHostnames: [a.example, api.openai.com]}") + &http_route("web", "b.example", "")
}

#[test]
fn where_nothing_binds_nothing_is_held() {
    let set = with(&open(), |_| {});
    assert!(settled(&set, ("GET", "a.example/"), &plain()).unwrap().holds().is_none());
    assert!(!set.policy.asks_executions());
}

#[test]
fn a_budget_holds_for_what_it_is_aimed_at_and_counts_for_whom_it_says() {
    let named = |kind: fn(Arc<str>) -> PolicyTarget, name: &str| kind(name.into());
    for (target, per, subject) in [
        (gateway(), Per::Target, Some("EgressGateway/default")),
        (named(PolicyTarget::Agent, "alice"), Per::Target, Some("Agent/alice")),
        (named(PolicyTarget::Agent, "bob"), Per::Target, None),
        (named(PolicyTarget::Team, "red"), Per::Target, Some("Team/red")),
        (named(PolicyTarget::Team, "blue"), Per::Target, None),
        (named(PolicyTarget::Project, "demo"), Per::Target, Some("Project/demo")),
        (named(PolicyTarget::L4Route, "open"), Per::Target, Some("EgressL4Route/open")),
        (named(PolicyTarget::HttpRoute, "web"), Per::Target, None),
        (gateway(), Per::Agent, Some("Agent/alice")),
        (gateway(), Per::Team, Some("Team/red")),
        (gateway(), Per::Project, Some("Project/demo")),
        (gateway(), Per::Route, Some("EgressL4Route/open")),
        (gateway(), Per::Execution, Some("execution")),
    ] {
        let set = with(&open(), |resources| {
            budget(resources, "p", target.clone(), per, &[limit(Unit::Requests, day())]);
        });
        let expected: Vec<_> =
            subject.iter().map(|subject| format!("BudgetPolicy/p {subject} requests")).collect();
        assert_eq!(of_request(&set), expected, "{target:?} {per:?}");
        assert_eq!(set.policy.asks_executions(), per == Per::Execution, "{per:?}");
    }
}

#[test]
fn all_that_are_aimed_at_it_hold_in_the_order_of_their_names() {
    let set = with(&open(), |resources| {
        budget(resources, "z", gateway(), Per::Target, &[limit(Unit::Requests, day())]);
        budget(
            resources,
            "a",
            PolicyTarget::Agent("alice".into()),
            Per::Target,
            &[limit(Unit::Bytes, Window::Execution)],
        );
        budget(
            resources,
            "m",
            PolicyTarget::L4Route("open".into()),
            Per::Target,
            &[limit(Unit::Requests, day())],
        );
    });
    let expected = [
        "BudgetPolicy/a Agent/alice bytes",
        "BudgetPolicy/z EgressGateway/default requests",
        "BudgetPolicy/m EgressL4Route/open requests",
    ];
    assert_eq!(of_request(&set), expected);
    assert!(set.policy.asks_executions(), "a window is an execution");
}

#[test]
fn tokens_and_money_are_asked_of_what_may_call_a_model_and_of_nothing_else() {
    let set = with(&open(), |resources| {
        budget(
            resources,
            "p",
            gateway(),
            Per::Target,
            &[limit(Unit::Tokens, day()), limit(Unit::Requests, day())],
        );
        budget(resources, "usd", gateway(), Per::Target, &[limit(Unit::Usd, day())]);
    });
    assert_eq!(asks(&set, ("POST", "a.example/")), Ok(vec![]));
    assert_eq!(of_request(&set), ["BudgetPolicy/p EgressGateway/default requests"]);
    assert_eq!(asks(&set, CHAT), Ok(vec![Part::Ai]));
    let to_model = |content: &Content| budgets(settled(&set, CHAT, content).unwrap().holds());
    let all = [
        "BudgetPolicy/p EgressGateway/default tokens,requests",
        "BudgetPolicy/usd EgressGateway/default usd",
    ];
    assert_eq!(to_model(&call("o3", None)), all);
    assert_eq!(to_model(&Content::default()), all, "counters know what to do with what nobody could read");
    assert_eq!(to_model(&plain()), ["BudgetPolicy/p EgressGateway/default requests"]);
}

#[test]
fn what_nobody_reads_is_bound_in_requests_bytes_and_bandwidth() {
    let set = with(&open(), |resources| {
        let limits = [limit(Unit::Tokens, day()), limit(Unit::Bytes, day()), limit(Unit::Requests, day())];
        budget(resources, "p", gateway(), Per::Agent, &limits);
        rate(resources, "r", &[], RateScope::PerAgent);
        let policy = BandwidthPolicy {
            target: PolicyTarget::L4Route("open".into()),
            up: Some(1_000),
            down: None,
            ceilings: [limit(Unit::BytesUp, day())].into(),
            origin: origin(),
        };
        resources.bandwidths.insert("b".into(), policy);
    });
    for address in BOTH {
        let ask = Ask { agent: "alice", to: (address, 5432), given: &["a.example"], stale: &[] };
        let passage = set.connect(ask, &Hello::Opaque).unwrap();
        let holds = passage.holds().unwrap();
        let expected =
            ["BudgetPolicy/p Agent/alice bytes,requests", "BandwidthPolicy/b EgressL4Route/open bytes-up"];
        assert_eq!(budgets(Some(holds)), expected);
        assert_eq!(holds.rates.len(), 1);
        assert_eq!((holds.bandwidths.len(), holds.bandwidths[0].up), (1, Some(1_000)));
        let read = set.connect(Ask { to: (address, 443), ..ask }, &tls_to("a.example")).unwrap();
        assert!(read.holds().is_none(), "its requests are bound each by itself");
    }
    let holds = settled(&set, ("GET", "a.example/"), &plain()).unwrap();
    assert_eq!((holds.holds().unwrap().rates.len(), holds.holds().unwrap().bandwidths.len()), (1, 1));
}

#[test]
fn rates_count_by_agent_execution_or_route_and_once_however_many_targets_cover_it() {
    for (scope, subject) in [
        (RateScope::PerAgent, Subject::Named("Agent/alice".into())),
        (RateScope::PerExecution, Subject::Execution),
        (RateScope::PerRoute, Subject::Named("EgressL4Route/open".into())),
    ] {
        let set = with(&open(), |resources| {
            rate(resources, "r", &[gateway(), PolicyTarget::Team("red".into())], scope);
        });
        let clearance = settled(&set, ("GET", "a.example/"), &plain()).unwrap();
        let rates = &clearance.holds().unwrap().rates;
        assert_eq!(rates.len(), 1, "{scope:?}");
        assert_eq!(
            (&rates[0].subject, rates[0].requests, rates[0].burst.get()),
            (&subject, rates[0].burst, 5)
        );
        assert_eq!(set.policy.asks_executions(), scope == RateScope::PerExecution);
    }
}

#[test]
fn token_budgets_of_a_rule_count_at_its_gateway_and_those_of_a_policy_by_agent() {
    let caps = TokenCaps { per_day: Some(1_000), per_execution: Some(100), output_per_request: None };
    let set = with("", |resources| {
        openai(resources, "gpt", &[], caps);
        let policy = InferencePolicy {
            agent: None,
            labels: None,
            action: None,
            models: Vec::new(),
            per_request: None,
            daily: Some(200),
            monthly: Some(300),
            safety: None,
            origin: origin(),
        };
        resources.inference_policies.insert("shared".into(), policy);
    });
    let clearance = settled_of(&set, "bob", CHAT, &call("o3", None)).unwrap();
    let holds = clearance.holds().unwrap();
    assert_eq!(
        budgets(Some(holds)),
        [
            "AIProviderRoute/gpt EgressGateway/default/rules[0] tokens,tokens",
            "InferencePolicy/shared Agent/bob tokens,tokens"
        ]
    );
    let utc = |period| Window::Calendar(period, jiff::tz::TimeZone::UTC);
    let windows: Vec<_> = holds
        .budgets
        .iter()
        .flat_map(|one| one.limits.iter())
        .map(|one| (one.max, one.window.clone()))
        .collect();
    assert_eq!(
        windows,
        [
            (1_000, utc(Period::Day)),
            (100, Window::Execution),
            (200, utc(Period::Day)),
            (300, utc(Period::Month))
        ]
    );
    assert!(set.policy.asks_executions());
    assert_eq!(asks(&set, CHAT), Ok(vec![Part::Ai]));
}

#[test]
fn usage_is_asked_where_a_rule_of_the_agent_names_it() {
    let rule = "{name: r, when: 'usage.requests_today > 5', action: Deny}";
    let policy = super::rules::policy_for("Agent, name: alice", "p", "", &[rule]);
    let set = with(&(open() + &policy), |_| {});
    let known = |name: &str| set.directory.by_name(name).unwrap();
    assert!(set.policy.asks_usage(&known("alice")) && !set.policy.asks_usage(&known("bob")));
}
