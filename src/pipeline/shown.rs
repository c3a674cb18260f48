//! Lists of tools in an answer, made shorter before it is handed on: an agent is shown the tools that it may call.
//!
//! Nothing else of an answer is looked at, and no answer that can list none. Read next: `act/upstream/sieved.rs`.

use std::time::Duration;

use http::{StatusCode, request};

use super::answering::is_bodiless;
use super::fallback;
use super::forward::Sending;
use super::going::Going;
use super::site::{Leg, Site};
use crate::act::upstream::{Reply, unseen};
use crate::model::types::Denial;
use crate::perceive::protocol::mcp::Sieve;

/// Sends the request; what comes back shows the tools that may be seen. An answer that may list some and is no stream is waited
/// for.
///
/// # Errors
/// `upstream.malformed` where it may hold a list that cannot be read; why there is no answer.
pub async fn send(
    site: &Site,
    going: &Going,
    leg: Leg,
    outgoing: (Result<request::Parts, Denial>, Sending),
) -> Result<(Reply, Duration), Denial> {
    let (mut reply, added) = fallback::send(site, going, leg, outgoing).await?;
    let Some(tools) = going.shows() else { return Ok((reply, added)) };
    let status = reply.head.status;
    if status == StatusCode::SWITCHING_PROTOCOLS || is_bodiless(&going.method, status) {
        return Ok((reply, added));
    }
    let sieve = Sieve::new(tools.clone(), going.messages.as_ref(), &mut reply.head.headers);
    // Boxed: most answers list no tools.
    let body = Box::pin(reply.body.sieved(sieve.map_err(unseen)?)).await?;
    Ok((Reply { body, ..reply }, added))
}
