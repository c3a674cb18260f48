//! Further models, asked where the one before fails before its answer has begun: the same held request to each, in the order
//! of the document, until one answers.
//!
//! Only where policy names them, and only for a call whose body was held. Read next: `perceive/protocol/ai/fallback.rs`.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header, request};

use super::forward::go;
use super::going::Going;
use super::sealing::{self, Sending};
use super::site::{Leg, Site};
use crate::act::upstream::{Held, Reply};
use crate::model::types::{Denial, Reason};
use crate::perceive::protocol::ai::{self, Another, another};

/// Sends the request, to further models where it fails.
pub async fn send(
    site: &Site,
    going: &Going,
    leg: Leg,
    (head, body): (request::Parts, Sending),
) -> Result<(Reply, Duration), Denial> {
    let further = going.clearance.holds().map_or(&[][..], |holds| &holds.terms.fallback);
    let kept = match &body {
        Sending::Held(body) if !further.is_empty() => Some((head.clone(), body.clone())),
        _ => None,
    };
    let mut outcome = go(site, going, leg, (head, body)).await;
    let Some(kept) = kept else { return outcome };
    for model in further {
        if !has_failed(&outcome) {
            break;
        }
        if is_signed(&kept.0) && !sealing::signs(&going.clearance) {
            tell(going, &outcome, "no fallback for what the workload has signed");
            break;
        }
        let Some((head, body)) = asking(going, &kept, model) else { break };
        tell(going, &outcome, &format!("fallback to {model}"));
        outcome = go(site, going, leg, (head, Sending::Held(body))).await;
    }
    outcome
}

/// Whether another model may do better: this one is not there, does not answer, has failed or takes no more.
fn has_failed(outcome: &Result<(Reply, Duration), Denial>) -> bool {
    match outcome {
        Ok((reply, _)) => {
            reply.head.status.is_server_error() || reply.head.status == StatusCode::TOO_MANY_REQUESTS
        }
        Err(denial) => matches!(
            denial.reason,
            Reason::UpstreamUnreachable | Reason::UpstreamFailed | Reason::UpstreamTimeout
        ),
    }
}

/// Whether the workload vouches for the bytes: its provider would refuse the same request with another model.
fn is_signed(head: &request::Parts) -> bool {
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    ai::is_signed(target, &head.headers)
}

/// Puts on record why another model is asked, and which; or why none is.
fn tell(going: &Going, failed: &Result<(Reply, Duration), Denial>, what: &str) {
    let why = match failed {
        Ok((reply, _)) => reply.head.status.as_str().to_owned(),
        Err(denial) => denial.reason.code().to_owned(),
    };
    let evidence = &mut *going.trace.evidence.borrow_mut();
    let before = evidence.take().map(|before| before + "; ").unwrap_or_default();
    *evidence = Some(format!("{before}{what} after {why}"));
}

/// The same request to another model; nothing where it cannot be made.
fn asking(
    going: &Going,
    (head, body): &(request::Parts, Held),
    model: &str,
) -> Option<(request::Parts, Held)> {
    let endpoint = going.answer.reading.endpoint()?;
    let in_body = endpoint.model.is_none();
    if in_body && head.headers.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let bytes = if in_body { body.bytes() } else { Vec::new() };
    let target = head.uri.path_and_query()?.as_str();
    let (mut head, mut body) = (head.clone(), body.clone());
    match another(&endpoint, target, &bytes, model)? {
        Another::Target(target) => head.uri = target.parse().ok()?,
        Another::Body(range, value) => {
            body = body.with(range, value);
            if let Some(length) = head.headers.get_mut(header::CONTENT_LENGTH) {
                *length = HeaderValue::from(body.length());
            }
        }
    }
    going.answer.reading.ask_another(model);
    Some((head, body))
}
