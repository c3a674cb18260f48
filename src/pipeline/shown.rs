//! What of an answer may go on, before it is handed on: an agent is shown the tools that it may call, and what a model says
//! only where its provider's annotations are no worse than policy lets through.
//!
//! Nothing else of an answer is looked at, and no answer that can have neither. Errors of providers have no words of a model
//! and go on. Read next: `act/upstream/sieved.rs`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::answering::is_bodiless;
use super::going::Going;
use super::site::Site;
use crate::act::upstream::{Reply, Safe, Sieving};
use crate::model::types::{Denial, PolicyRef, Reason};
use crate::perceive::protocol::ai::{Screen, Violation};
use crate::perceive::protocol::mcp::Sieve;

/// The same answer, with what may go on of it. One that is no stream is waited for.
///
/// # Errors
/// `upstream.malformed` where it may hold a list of tools that cannot be read, `ai.safety` where what it says may not go on; what
/// there was instead of an answer stays.
pub async fn fit(
    site: &Site,
    going: &Going,
    sent: Result<(Reply, Duration), Denial>,
) -> Result<(Reply, Duration), Denial> {
    let (mut reply, added) = sent?;
    let (status, headers) = (reply.head.status, &mut reply.head.headers);
    if status == StatusCode::SWITCHING_PROTOCOLS || is_bodiless(&going.method, status) {
        return Ok((reply, added));
    }
    going.reading.begin_answer(status.as_u16(), headers);
    let safe = safe(&site.known.agent().name, going, (status, headers))?;
    let sieve = going.shows().map(|tools| Sieve::new(tools.clone(), going.messages.as_ref(), headers));
    let sieve = sieve.transpose().map_err(Sieving::unseen)?;
    let Some(sieving) = Sieving::of(sieve, safe) else { return Ok((reply, added)) };
    // Boxed: most answers are not looked at.
    let body = Box::pin(reply.body.sieved(sieving)).await?;
    Ok((Reply { body, ..reply }, added))
}

/// What judges the words of a model, where somebody does.
fn safe(
    agent: &Arc<str>,
    going: &Going,
    (status, headers): (StatusCode, &HeaderMap),
) -> Result<Option<Safe>, Denial> {
    let Some((floors, policy)) = going.floors().filter(|_| status.is_success()) else { return Ok(None) };
    let (agent, policy) = (agent.clone(), policy.clone());
    let wording = move |violation| withheld(&agent, &policy, violation);
    let screen = Screen::new(*floors, headers).map_err(&wording)?;
    Ok(Some(Safe { screen, reading: going.reading.clone(), wording: Box::new(wording) }))
}

fn withheld(agent: &str, policy: &PolicyRef, violation: Violation) -> Denial {
    let detail = format!("What the model has answered to agent {agent} is withheld: {violation}.");
    Denial::by(Reason::AiSafety, policy.clone(), None, detail).seen(format!("safety: {violation:?}"))
}
