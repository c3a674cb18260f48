//! Lists of tools in an answer, made shorter before it is handed on: an agent is shown the tools that it may call.
//!
//! Nothing else of an answer is looked at, and no answer that can list none. Read next: `act/upstream/sieved.rs`.

use std::time::Duration;

use http::StatusCode;

use super::answering::is_bodiless;
use super::going::Going;
use crate::act::upstream::{Reply, unseen};
use crate::model::types::Denial;
use crate::perceive::protocol::mcp::Sieve;

/// The same answer, with the tools that may be seen. One that is no stream is waited for.
///
/// # Errors
/// `upstream.malformed` where it may hold a list that cannot be read; what there was instead of an answer stays.
pub async fn shorten(
    going: &Going,
    sent: Result<(Reply, Duration), Denial>,
) -> Result<(Reply, Duration), Denial> {
    let (mut reply, added) = sent?;
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
