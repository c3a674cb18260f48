//! `BudgetPolicy`, `RateLimitPolicy` and `BandwidthPolicy`: what they come to, and what is wrong with others.

use std::time::Duration;

use super::*;
use crate::model::manifest::resources::{Per, PolicyTarget, RateScope};
use crate::model::types::{BudgetMode, Limit, Period, Unit, Window};

fn budget(limits: &str) -> String {
    format!("{{targetRef: {{kind: Team, name: red}}, limits: [{limits}]}}")
}

#[test]
fn a_budget_comes_to_what_it_says() {
    let spec = "{targetRef: {kind: Team, name: red}, mode: SoftStop, per: Agent, limits: [
      {unit: tokens, max: 2000000, window: day}, {unit: usd, max: 25.00, window: month, timeZone: Europe/Berlin},
      {unit: usd, max: '0.000000001', window: hour, rolling: true}, {unit: bytes, max: 1GiB, window: execution},
      {unit: requests, max: 7, window: week, rolling: false}]}";
    let set = set("BudgetPolicy", spec).unwrap();
    let policy = &set.budgets["x"];
    assert_eq!(policy.target, PolicyTarget::Team("red".into()));
    assert_eq!((policy.per, policy.mode), (Per::Agent, BudgetMode::SoftStop));
    let berlin = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
    let utc = |period| Window::Calendar(period, jiff::tz::TimeZone::UTC);
    let expected = [
        Limit { unit: Unit::Tokens, max: 2_000_000, window: utc(Period::Day) },
        Limit { unit: Unit::Usd, max: 25_000_000_000, window: Window::Calendar(Period::Month, berlin) },
        Limit { unit: Unit::Usd, max: 1, window: Window::Rolling(Period::Hour) },
        Limit { unit: Unit::Bytes, max: 1 << 30, window: Window::Execution },
        Limit { unit: Unit::Requests, max: 7, window: utc(Period::Week) },
    ];
    assert_eq!(policy.limits[..], expected);
}

#[test]
fn a_budget_is_a_hard_stop_for_the_whole_target_unless_it_says_otherwise() {
    let set = set("BudgetPolicy", &budget("{unit: tokens, max: 1, window: day}")).unwrap();
    assert_eq!((set.budgets["x"].per, set.budgets["x"].mode), (Per::Target, BudgetMode::HardStop));
}

#[test]
fn every_kind_of_target_has_a_budget() {
    for target in [
        "{kind: EgressGateway, name: default}",
        "{kind: AIProviderRoute, name: models}",
        "{kind: Agent, name: alice}",
        "{kind: Team, name: red}",
    ] {
        let spec = format!("{{targetRef: {target}, limits: [{{unit: tokens, max: 1, window: day}}]}}");
        assert!(set("BudgetPolicy", &spec).is_ok(), "{target}");
    }
}

#[test]
fn a_budget_says_what_is_wrong_with_it() {
    for (limit, expected) in [
        ("{unit: tokens, max: 1.5, window: day}", "max `1.5` is not a whole number of tokens"),
        ("{unit: tokens, max: 0, window: day}", "`max` 0 is zero, or more than 1000000000000000000"),
        (
            "{unit: usd, max: 0.0000000001, window: day}",
            "max `0.0000000001` is not an amount of dollars (write it like `25.00`, with at most 9 decimals)",
        ),
        (
            "{unit: usd, max: 2e3, window: day}",
            "max `2e3` is not an amount of dollars (write it like `25.00`, with at most 9 decimals)",
        ),
        (
            "{unit: usd, max: -1, window: day}",
            "max `-1` is not an amount of dollars (write it like `25.00`, with at most 9 decimals)",
        ),
        (
            "{unit: usd, max: 1000000001, window: day}",
            "`max` 1000000001 is zero, or more than 1000000000 dollars",
        ),
        (
            "{unit: bytes, max: 1.5GiB, window: day}",
            "max `1.5GiB` is not a size (write it like `256MiB`, with KiB, MiB, GiB, kB, MB or GB)",
        ),
        ("{unit: token, max: 1, window: day}", "unknown `unit` `token` (did you mean `tokens`?)"),
        (
            "{unit: tokens, max: 1, window: year}",
            "unknown `window` `year` (it can be `execution`, `minute`, `hour`, `day`, `week` or `month`)",
        ),
        (
            "{unit: tokens, max: 1}",
            "an entry of `limits` lacks the field `window` (it can be `execution`, `minute`, `hour`, `day`, `week` or `month`)",
        ),
        (
            "{unit: tokens, max: 1, window: day, rolling: 1}",
            "`rolling` must be `true` or `false`, this is a number",
        ),
        (
            "{unit: tokens, max: 1, window: execution, rolling: true}",
            "`rolling` has no meaning with `window: execution` (remove it: only the calendar has boundaries)",
        ),
        (
            "{unit: tokens, max: 1, window: execution, timeZone: UTC}",
            "`timeZone` has no meaning with `window: execution` (remove it: only the calendar has boundaries)",
        ),
        (
            "{unit: tokens, max: 1, window: day, rolling: true, timeZone: UTC}",
            "`timeZone` has no meaning with `rolling: true` (remove it: only the calendar has boundaries)",
        ),
        (
            "{unit: tokens, max: 1, window: day, timeZone: Europe/Berln}",
            "unknown time zone `Europe/Berln` (did you mean `Europe/Berlin`?)",
        ),
        (
            "{unit: tokens, max: 1, window: day, timeZone: europe/berlin}",
            "unknown time zone `europe/berlin` (did you mean `Europe/Berlin`?)",
        ),
        (
            "{unit: tokens, max: 1, window: day}, {unit: tokens, max: 2, window: day}",
            "`tokens` has two limits in the same time (the first is at a.yaml:4:54; the smaller alone would hold)",
        ),
    ] {
        assert_eq!(said("BudgetPolicy", &budget(limit)), [expected], "{limit}");
    }
}

#[test]
fn tokens_are_counted_only_where_requests_are_seen() {
    let spec = |unit: &str| {
        format!(
            "{{targetRef: {{kind: EgressL4Route, name: blind}}, limits: [{{unit: {unit}, max: 1, window: day}}]}}"
        )
    };
    let hint = "(they are seen on a listener with `protocol: TLS` and `mode: Terminate`, HTTPS or HTTP)";
    let gateway = GATEWAY.replace("{name: web, protocol: HTTP}", "{name: udp, protocol: UDP}");
    let text = format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: BudgetPolicy\nmetadata: {{name: x}}\nspec: {}\n",
        spec("tokens")
    );
    let told =
        mistakes(load(&[file("a.yaml", &text), file("gateway.yaml", &gateway), file("rest.yaml", REST)]));
    assert_eq!(
        told,
        [format!(
            "a.yaml:4:71 `unit: tokens` are known by what is asked of models, and no listener that the policy is about shows requests {hint}"
        )]
    );
    assert!(set("BudgetPolicy", &spec("bytes")).is_ok());
}

#[test]
fn a_rate_limit_holds_for_every_gateway_or_for_its_targets() {
    let every = set("RateLimitPolicy", "{requests: 1, window: 1s, scope: PerAgent}").unwrap();
    let policy = &every.rate_limits["x"];
    assert_eq!((policy.requests.get(), policy.window), (1, Duration::from_secs(1)));
    assert_eq!((policy.scope, &policy.targets[..]), (RateScope::PerAgent, &[][..]));
    let route = PolicyTarget::AiRoute("models".into());
    for target in [
        "targetRef: {kind: AIProviderRoute, name: models}",
        "parentRefs: [{kind: AIProviderRoute, name: models}]",
    ] {
        let one = set("RateLimitPolicy", &format!("{{requests: 60, window: 1m, scope: PerRoute, {target}}}"))
            .unwrap();
        assert_eq!(one.rate_limits["x"].targets, std::slice::from_ref(&route).to_vec());
    }
}

#[test]
fn a_rate_limit_counts_connections_where_nobody_reads_requests() {
    let spec = "{requests: 1, window: 1s, scope: PerRoute, targetRef: {kind: EgressL4Route, name: blind}}";
    let blind = PolicyTarget::L4Route("blind".into());
    assert_eq!(set("RateLimitPolicy", spec).unwrap().rate_limits["x"].targets, [blind]);
}

#[test]
fn a_rate_limit_says_what_is_wrong_with_it() {
    for (spec, expected) in [
        ("{requests: 0, window: 1s, scope: PerAgent}", "`requests` 0 is not between 1 and 1000000000"),
        (
            "{requests: 1, window: 32d, scope: PerAgent}",
            "window `32d` is not of whole seconds, at most 31 days (what holds for longer is a BudgetPolicy)",
        ),
        (
            "{requests: 1, window: 1s, scope: perAgent}",
            "unknown `scope` `perAgent` (did you mean `PerAgent`?)",
        ),
        (
            "{requests: 1, window: 1s}",
            "`spec` lacks the field `scope` (it can be `PerAgent`, `PerExecution` or `PerRoute`)",
        ),
        (
            "{requests: 5000000, window: 1s, scope: PerAgent}",
            "`requests` 5000000 are more than 1000000 in each second of the window (no agent asks for so much: name a limit that may be met)",
        ),
        (
            "{requests: 1, window: 1s, scope: PerAgent, targetRef: {kind: Agent, name: alice}, parentRefs: [{kind: Agent, name: alice}]}",
            "both `targetRef` and `parentRefs` are given (they are the same: remove one)",
        ),
    ] {
        assert_eq!(said("RateLimitPolicy", spec), [expected], "{spec}");
    }
}

#[test]
fn a_bandwidth_comes_to_what_it_says() {
    let spec = "{targetRef: {kind: Agent, name: alice}, up: {bytesPerSecond: 1048576, maxBytes: 1073741824, window: day}, down: {bytesPerSecond: 1MiB}}";
    let set = set("BandwidthPolicy", spec).unwrap();
    let policy = &set.bandwidths["x"];
    assert_eq!((policy.up, policy.down), (Some(1 << 20), Some(1 << 20)));
    let day = Window::Calendar(Period::Day, jiff::tz::TimeZone::UTC);
    assert_eq!(policy.ceilings[..], [Limit { unit: Unit::BytesUp, max: 1 << 30, window: day }]);
}

#[test]
fn a_bandwidth_says_what_is_wrong_with_it() {
    for (rest, expected) in [
        ("", "this policy names no direction (write `up` or `down`)"),
        (", up: {}", "this direction has no limit (write `bytesPerSecond`, or `maxBytes` with a `window`)"),
        (", up: {maxBytes: 1}", "`maxBytes` lacks the `window` in which it holds (such as `window: day`)"),
        (
            ", up: {bytesPerSecond: 2048, window: day}",
            "`window` has no meaning without `maxBytes` (remove it, or write `maxBytes`)",
        ),
        (", up: {bytesPerSecond: 1}", "`bytesPerSecond` 1 is less than 1024, or more than 12500000000"),
        (", down: {maxBytes: 0, window: day}", "`maxBytes` 0 is zero, or more than 1000000000000000000"),
    ] {
        let spec = format!("{{targetRef: {{kind: Agent, name: alice}}{rest}}}");
        assert_eq!(said("BandwidthPolicy", &spec), [expected], "{rest}");
    }
}
