//! `kind: RateLimitPolicy`: how many requests in a time, for each agent, execution or route (CLRK core concepts,
//! RateLimitPolicy).

use super::fields::Fields;
use super::header::Header;
use super::reach::Reach;
use super::references::{POLICY_TARGET, policy_target};
use super::report::quoted;
use super::resources::{PolicyTarget, RateLimitPolicy, RateScope};
use super::schema::{Field, Object, Shape, words};
use super::tool_policy::{REQUESTS, requests, window};
use super::values;
use crate::model::types::quota_limits::RATE_PER_SECOND_MOST;

const SCOPES: [(&str, RateScope); 3] = [
    ("PerAgent", RateScope::PerAgent),
    ("PerExecution", RateScope::PerExecution),
    ("PerRoute", RateScope::PerRoute),
];

/// `spec` of a limit of rates.
pub static SPEC: Object = Object::new(
    "How many requests may be sent in a time; a connection or flow that nobody reads counts as one. Without a target it \
     holds for every gateway.",
    &[
        Field::optional("targetRef", Shape::Object(&POLICY_TARGET), "Whose requests it bounds."),
        Field::optional("parentRefs", Shape::List(&Shape::Object(&POLICY_TARGET)), "The same, for several."),
        Field::required("requests", Shape::Whole(REQUESTS), "How many in each window; all may come at once."),
        Field::required("window", Shape::Text(&values::DURATION), "In which time, at most 31 days."),
        Field::required("scope", Shape::choice(&words(&SCOPES)), "Whose requests count together."),
    ],
);

/// Reads one policy; gateways, agents and routes have been read.
pub fn read(header: &Header<'_>, reach: Reach<'_>) -> Option<RateLimitPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let targets = targets(&fields, reach);
    let scope = fields.required("scope").and_then(|item| item.choice(&SCOPES));
    let count = fields.required("requests").and_then(|item| requests(&item));
    let time = fields.required("window").and_then(|item| window(&item));
    let (scope, requests, window) = (scope?, count?, time?);
    if u64::from(requests.get()) > RATE_PER_SECOND_MOST.saturating_mul(window.as_secs()) {
        let message = format!(
            "`requests` {requests} are more than {RATE_PER_SECOND_MOST} in each second of the window"
        );
        fields
            .required("requests")?
            .mistake_hint(message, "no agent asks for so much: name a limit that may be met");
        return None;
    }
    Some(RateLimitPolicy { targets, scope, requests, window, origin: header.origin() })
}

fn targets(fields: &Fields<'_>, reach: Reach<'_>) -> Vec<PolicyTarget> {
    let one = fields.get("targetRef");
    let several = fields.list("parentRefs");
    if let (Some(_), Some(item)) = (&one, fields.get("parentRefs")) {
        let message = format!("both {} and {} are given", quoted("targetRef"), quoted("parentRefs"));
        item.mistake_hint(message, "they are the same: remove one");
    }
    one.iter().chain(&several).filter_map(|item| policy_target(item, reach.index)).collect()
}
