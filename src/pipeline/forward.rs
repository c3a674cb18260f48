//! A request that may go is sent: its head as the upstream gets it, and connections until one takes it.

use std::time::Duration;

use http::{HeaderValue, Request as HttpRequest, header, request};
use tokio::time::sleep;

use super::going::Going;
use super::sealing::{self, Sending};
use super::site::{Leg, Site};
use super::transform;
use crate::act::upstream::{Failure, Reply, RequestBody, Trailers};
use crate::model::types::{Denial, Reason};
use crate::perceive::protocol::ai::Screen;
use crate::perceive::protocol::mcp::Sieve;
use crate::perceive::request::hop_by_hop;

/// Connections tried for one request: a kept one may have died unseen, several may have died together.
const TRIES: usize = 4;

/// The head as it goes to the upstream: target in origin form, and as `Host` the authority that was judged (RFC 9112,
/// section 3.2.2). What rules change of it is changed here, behind the judgement.
pub fn outgoing(
    mut head: request::Parts,
    (target, authority): (&str, &str),
    going: &Going,
) -> Result<request::Parts, Denial> {
    transform::apply(&mut head.headers, going.clearance.obligations());
    if going.answer.judge.borrow().is_some() && going.answer.reading.streams() {
        // An answer that may have to end early has to show where its events do.
        head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if going.floors().is_some() {
        Screen::prepare(&mut head.headers);
    }
    if going.shows().is_some() {
        Sieve::prepare(&mut head.headers);
    }
    head.uri = target.parse().map_err(|error| Denial::internal(format!("target: {error}")))?;
    if head.headers.get(header::HOST).is_none_or(|host| host.as_bytes() != authority.as_bytes()) {
        let host = HeaderValue::from_str(authority);
        let host = host.map_err(|error| Denial::internal(format!("authority: {error}")))?;
        head.headers.insert(header::HOST, host);
    }
    Ok(head)
}

/// Sends the request; a kept connection that died unseen is replaced, as long as nothing was sent. Answers with the
/// reply and the gateway's own share of the time until then.
pub async fn go(
    site: &Site,
    going: &Going,
    leg: Leg,
    (head, body): (request::Parts, Sending),
) -> Result<(Reply, Duration), Denial> {
    let payload = sealing::payload(&going.clearance, &body);
    let mut withheld = transform::names(going.clearance.obligations());
    withheld.extend(sealing::names(&going.clearance));
    let trailers = Trailers { strip: hop_by_hop::strip_trailers, withheld };
    let body =
        match body {
            Sending::Passing(body) => RequestBody::new(body, going.trace.sent.clone(), trailers)
                .read_by(going.answer.reading.clone()),
            Sending::Unread(body) => RequestBody::held(body, going.trace.sent.clone(), trailers)
                .read_by(going.answer.reading.clone()),
            Sending::Looked(first, rest, looked) => {
                RequestBody::looked((first, rest), *looked, going.trace.sent.clone(), trailers)
                    .read_by(going.answer.reading.clone())
            }
            // It is read already.
            Sending::Held(body) => RequestBody::held(body, going.trace.sent.clone(), trailers),
        };
    let body = body.paced(going.underway.tempo.clone());
    // The spelling of field names travels in the head's extensions, where hyper looks for it.
    let mut request = HttpRequest::from_parts(head, body);
    let wait = going.wait.take();
    if !wait.is_zero() {
        sleep(wait).await;
    }
    for attempt in 0..TRIES {
        // Anew for each try: a credential may have been changed meanwhile.
        let sealed = sealing::seal(site, going, request, payload).await?;
        let first = if leg == Leg::Usual { site.first.borrow_mut().take() } else { None };
        let sender = match first {
            Some(sender) => sender.aged(),
            None if attempt + 1 == TRIES => Box::pin(site.dial(going.entry(), leg)).await?,
            None => site.reach(going.entry(), leg).await?,
        };
        let (fresh, added) = (sender.is_fresh(), going.mark.started.elapsed());
        going.trace.dialled.set(Some(sender.peer()).filter(|peer| *peer != site.arrival.destination.0));
        going.trace.left.set(true);
        match sender.send(going.entry(), sealed).await {
            Ok(reply) => return Ok((reply, added)),
            Err(Failure::Unsent(unsent)) if !fresh => {
                going.trace.left.set(false);
                going.trace.sent.set(0);
                request = *unsent;
            }
            Err(failure) => return Err(failed(failure)),
        }
    }
    let detail = "The destination closed every connection before the request was sent.";
    Err(Denial::built_in(Reason::UpstreamFailed, detail))
}

fn failed(failure: Failure) -> Denial {
    match failure {
        Failure::TimedOut => {
            Denial::built_in(Reason::UpstreamTimeout, "The destination did not answer in time.")
        }
        Failure::Unsent(_) => {
            Denial::built_in(Reason::UpstreamFailed, "The destination closed the connection.")
        }
        Failure::Refused(denial) => denial,
        // What the library calls its user is the body that came from the workload.
        Failure::Broken(error) if error.is_user() => {
            Denial::built_in(Reason::ProtocolMalformed, "The request's body broke off before its end.")
        }
        Failure::Broken(error) => {
            let cause =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            Denial::built_in(Reason::UpstreamFailed, "The destination failed before it answered.")
                .seen(format!("{error}{cause}"))
        }
    }
}
