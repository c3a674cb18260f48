//! What of an answer may go on, before it is handed on: an agent is shown the tools that it may call, and what a model says
//! only where its provider's annotations are no worse than policy lets through; and what is found in it, where policy asks.
//!
//! Nothing else of an answer is looked at, and no answer that can have neither. Errors of providers have no words of a model
//! and go on. Read next: `act/upstream/sieved.rs`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header, response};
use hyper::ext::ReasonPhrase;

use super::answering::is_bodiless;
use super::going::Going;
use super::site::Site;
use crate::act::upstream::{Looked, Reply, Safe, Sieving};
use crate::decide::dlp::{Form, Passing};
use crate::model::types::{Denial, Direction, PolicyRef, Reason};
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
    let status = reply.head.status;
    let has_body = status != StatusCode::SWITCHING_PROTOCOLS && !is_bodiless(&going.client.method, status);
    if has_body {
        going.answer.reading.begin_answer(status.as_u16(), &reply.head.headers);
    }
    let passing = head(site, going, &mut reply.head)?;
    if !has_body {
        return Ok((reply, added));
    }
    let headers = &mut reply.head.headers;
    let safe = safe(&site.known.agent().name, going, (status, headers))?;
    let sieve = going.shows().map(|tools| Sieve::new(tools.clone(), going.client.messages.as_ref(), headers));
    let sieve = sieve.transpose().map_err(Sieving::unseen)?;
    let looked = passing.map(|passing| looked(site, going, (passing, headers))).transpose()?;
    if let Some(sieving) = Sieving::of(sieve, safe) {
        // Boxed: most answers are not looked at.
        reply.body = Box::pin(reply.body.sieved(sieving)).await?;
    }
    if let Some((looked, is_whole)) = looked {
        reply.body = Box::pin(reply.body.looked(looked, is_whole)).await?;
    }
    Ok((reply, added))
}

/// The head of an answer, as it may go on; with what looks into what follows it, where somebody asks for findings in answers.
fn head(site: &Site, going: &Going, head: &mut response::Parts) -> Result<Option<Passing>, Denial> {
    let Some(mut passing) = going.passing(site, Direction::Down, &head.headers) else { return Ok(None) };
    let phrase = head.extensions.get::<ReasonPhrase>().cloned();
    if let Some(phrase) = phrase {
        let other = passing.whole(phrase.as_bytes(), Form::Field("reason-phrase"), &going.findings.told);
        if other.map_err(|denial| *denial)?.is_some() {
            head.extensions.remove::<ReasonPhrase>();
        }
    }
    let looked = passing.fields(&mut head.headers, |name| Form::Field(name), &going.findings.told);
    looked.map_err(|denial| *denial)?;
    Ok(Some(passing))
}

/// What looks into the body of an answer; and whether that is short enough to be held until it is known what is in it.
fn looked(
    site: &Site,
    going: &Going,
    (passing, headers): (Passing, &mut HeaderMap),
) -> Result<(Looked, bool), Denial> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let may_refuse = going.clearance.inspection().is_some_and(|plan| plan.stops(Direction::Down));
    let is_whole = may_refuse && length.is_some_and(|length: u64| length <= site.road.shared.finder.hold);
    let looked = Looked::new(passing, headers, going.findings.told.clone()).map_err(|denial| *denial)?;
    looked.prepare(headers);
    Ok((looked, is_whole))
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
    Ok(Some(Safe { screen, reading: going.answer.reading.clone(), wording: Box::new(wording) }))
}

fn withheld(agent: &str, policy: &PolicyRef, violation: Violation) -> Denial {
    let detail = format!("What the model has answered to agent {agent} is withheld: {violation}.");
    Denial::by(Reason::AiSafety, policy.clone(), None, detail).seen(format!("safety: {violation:?}"))
}
