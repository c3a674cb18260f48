//! What a request carries, read before it is decided on: its body is held meanwhile, and goes out later as it came.
//!
//! Only where somebody asks for it, and only as long as bounds of size and time allow: otherwise bodies pass as they come.
//! What cannot be read is refused, and a workload that leaves meanwhile is on record. Read next: `exchange.rs`.

use std::sync::Once;
use std::thread;

use http::request::Parts;
use http::{HeaderMap, Method};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::OnceCell;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{Instant, timeout_at};

use super::carried::{Carried, Readers, too_large};
use super::case::Case;
use super::serving::Watched;
use super::site::Site;
use crate::act::upstream::Held;
use crate::act::upstream::held::{Full, Holding};
use crate::decide::policy::{Permit, PolicySet};
use crate::model::condition::{Content, Part, Sought};
use crate::model::types::limits::{
    BODY_PROGRESS, BODY_TIME, HELD_BODY_TIME, HELD_PIECE_BYTES, HELD_READING_BYTES,
};
use crate::model::types::{Denial, Provider, Reason};
use crate::perceive::protocol::ai::{self, Body, Call, Endpoint};
use crate::perceive::request::Request;
use crate::perceive::request::guard::Refusal;

/// What was read of a request, and its body where that was held for it.
#[derive(Debug, Default)]
pub struct Read {
    /// For conditions.
    pub content: Content,
    /// For whoever counts, and for the record.
    pub call: Option<Call>,
    /// Nothing where nobody had to read it: then it passes as it comes.
    pub body: Option<Held>,
    /// Whether the rest of it is still to come.
    pub is_part: bool,
}

/// How much of a body is held for whoever looks into it.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    /// Bytes.
    pub most: u64,
    /// Whether a longer one is looked into as it passes; else it is read whole, as for everybody who has to.
    pub or_passing: bool,
}

/// Whose models a request may be a call of, whether messages to tools are sought in it, and how much of it is held to be looked
/// into; nothing where its body need not be read. Who wants to know are the rules that wait, and policies about findings.
pub fn wants_body(
    case: &Case<'_>,
    permit: &Permit<'_>,
    request: &Request<'_>,
    hold: Option<Hold>,
) -> Option<Wanted> {
    let provider = request.name().and_then(|host| case.provider(host));
    let (calls, tools) = (permit.wants_body(), permit.asks().has(Part::Mcp));
    (calls || hold.is_some()).then_some(Wanted { provider, calls, tools, hold })
}

/// See [`wants_body`].
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Whose models its host serves, if any.
    pub provider: Option<Provider>,
    /// Whether somebody asks for calls at all.
    pub calls: bool,
    /// Whether somebody asks for messages to tools.
    pub tools: bool,
    /// How much is held for whoever looks into it, where somebody does.
    pub hold: Option<Hold>,
}

/// Reads what the request carries, and tells the case who waits for an answer to it. A workload that leaves meanwhile is put on
/// record.
///
/// # Errors
/// `protocol.malformed` where it cannot be read or does not come in time, `protocol.too-large` where it is more than is read,
/// `overload` where there is no room for it.
pub async fn read(
    case: &Case<'_>,
    wanted: Wanted,
    (request, head): (&Request<'_>, &Parts),
    (body, watched): (&mut Incoming, &Watched),
) -> Result<Read, Denial> {
    let methods = || std::iter::once(request.method()).chain(request.other_methods());
    // What has no body has no message in it; what servers may take for a POST has.
    let tools = wanted.tools && methods().any(|method| method == Method::POST);
    let mut content = Content { mcp: Sought::Absent, ..Content::default() };
    let endpoint = match Body::of(wanted.provider, methods(), (request.path(), request.headers())) {
        Body::Other => {
            content.ai = Sought::Absent;
            None
        }
        Body::Hidden => None,
        Body::Json(endpoint) => Some(endpoint),
    };
    let (endpoint, content) = if wanted.calls { (endpoint, content) } else { (None, Content::default()) };
    let hold = wanted.hold.filter(|hold| hold.is_needed(body));
    if endpoint.is_none() && !tools && hold.is_none() {
        return Ok(Read {
            content,
            is_part: wanted.hold.is_some() && !body.is_end_stream(),
            ..Read::default()
        });
    }
    let (mut content, reads) = (content, endpoint.is_some() || tools);
    let undecided = Undecided { case, request, head, is_decided: false };
    let bound = hold.filter(|hold| hold.or_passing && !reads).map(|hold| hold.most);
    let read = whole(case.site(), (endpoint, tools, bound), request, (body, watched)).await;
    undecided.decided();
    let (Carried { content: found, call, messages }, held) = read?;
    let is_part = bound.is_some_and(|most| held.length() > most);
    if found.ai != Sought::Unknown {
        content.ai = found.ai;
    }
    if tools {
        (content.mcp, content.mcp_calls) = (found.mcp, found.mcp_calls);
    }
    case.hears(messages);
    Ok(Read { content, call, body: Some(held), is_part })
}

impl Hold {
    /// Whether anything of it is held: not where nothing is to come, or more than that.
    fn is_needed(&self, body: &Incoming) -> bool {
        let announced = body.size_hint().exact();
        let is_longer = self.or_passing && announced.is_some_and(|length| length > self.most);
        !body.is_end_stream() && !is_longer
    }
}

async fn whole(
    site: &Site,
    (endpoint, tools, bound): (Option<Endpoint>, bool, Option<u64>),
    request: &Request<'_>,
    (body, watched): (&mut Incoming, &Watched),
) -> Result<(Carried, Held), Denial> {
    if endpoint.is_some() {
        warm().await;
    }
    let mut readers = Readers::begin(endpoint, tools, request.headers())?;
    let held = hold(site, (body, watched), &mut readers, bound).await?;
    Ok((readers.finish()?, held))
}

/// Loads the vocabulary that tokens are counted with, on a thread of its own, where calls of models may be held under this set:
/// to be called when it comes in force, so that no call has to wait for that.
pub fn prepare(policy: &PolicySet) {
    static BEGUN: Once = Once::new();
    if !policy.asks_models() {
        return;
    }
    BEGUN.call_once(|| {
        let load = || {
            ai::warm();
            tracing::info!("the vocabulary for counting tokens is loaded");
        };
        if let Err(error) = thread::Builder::new().name("vocabulary".to_owned()).spawn(load) {
            tracing::warn!(%error, "the vocabulary for counting tokens is loaded with the first call of a model");
        }
    });
}

/// Waits until it is loaded, while others work.
async fn warm() {
    static WARM: OnceCell<()> = OnceCell::const_new();
    WARM.get_or_init(async || {
        // Where that fails it is loaded by whoever needs it first.
        let _ = spawn_blocking(ai::warm).await;
    })
    .await;
}

/// Takes a body in that nobody reads here: what it is signed by.
///
/// # Errors
/// As [`read`].
pub async fn take_in(site: &Site, (body, watched): (&mut Incoming, &Watched)) -> Result<Held, Denial> {
    let fields = HeaderMap::new();
    hold(site, (body, watched), &mut Readers::begin(None, false, &fields)?, None).await
}

/// Takes the body in, and shows it to its readers as it comes; where there is a bound, no more of it than it takes to know that
/// it is longer.
async fn hold(
    site: &Site,
    (body, watched): (&mut Incoming, &Watched),
    readers: &mut Readers<'_>,
    bound: Option<u64>,
) -> Result<Held, Denial> {
    let (room, agent) = (&site.road.shared.held, &site.known.agent().name);
    let mut holding = Holding::begin(room, agent, body.size_hint().exact()).map_err(full)?;
    let mut patience = Patience::begin();
    let mut turn = 0;
    loop {
        let frame = match timeout_at(patience.due(), body.frame()).await {
            Err(_) if patience.goes_on(holding.length()) => continue,
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(holding.finish()),
            Ok(Some(Err(error))) => return Err(broken_off(watched, &error)),
            Ok(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Err(frame) => holding.trailers(frame.into_trailers().unwrap_or_default()),
            Ok(data) => {
                holding.push(&data).map_err(full)?;
                for piece in data.chunks(HELD_PIECE_BYTES[0]) {
                    turn += readers.feed(piece)?;
                    if turn >= HELD_READING_BYTES {
                        turn = 0;
                        yield_now().await;
                    }
                }
                if bound.is_some_and(|most| holding.length() > most) {
                    return Ok(holding.finish());
                }
            }
        }
    }
}

/// How long a body is waited for: it has to go on, and to come to its end.
struct Patience {
    end: Instant,
    next: Instant,
    /// Bytes that had come when it was last looked at.
    length: u64,
}

impl Patience {
    fn begin() -> Self {
        let now = Instant::now();
        Self { end: now + HELD_BODY_TIME, next: now + BODY_TIME, length: 0 }
    }

    fn due(&self) -> Instant {
        self.end.min(self.next)
    }

    /// It is due: whether enough has come to wait on.
    fn goes_on(&mut self, length: u64) -> bool {
        let enough = length >= self.length + BODY_PROGRESS && self.next < self.end;
        (self.length, self.next) = (length, self.next + BODY_TIME);
        enough
    }
}

fn full(full: Full) -> Denial {
    match full {
        Full::TooLarge => too_large(),
        Full::NoRoom => {
            let detail = "The gateway holds as many bytes of requests that it has to read as it can.";
            Denial::built_in(Reason::Overload, detail)
        }
    }
}

fn too_slow() -> Denial {
    let detail = "The body has to be read before this is decided on, and did not come in time.";
    Denial::built_in(Reason::ProtocolMalformed, detail).seen("held: too slow")
}

fn broken_off(watched: &Watched, error: &hyper::Error) -> Denial {
    watched.refusal_in_body().map_or_else(|| left().seen(format!("held: {error}")), Refusal::denial)
}

fn left() -> Denial {
    let detail = "The request's body broke off before its end. Nothing was sent to the destination.";
    Denial::built_in(Reason::ProtocolMalformed, detail)
}

/// Puts a request on record whose workload leaves before it is decided on: hyper drops what would answer it.
struct Undecided<'c> {
    case: &'c Case<'c>,
    request: &'c Request<'c>,
    head: &'c Parts,
    is_decided: bool,
}

impl Undecided<'_> {
    /// It can be decided on, and whoever does that puts it on record.
    fn decided(mut self) {
        self.is_decided = true;
    }
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        if !self.is_decided {
            // Nobody hears the answer.
            drop(self.case.refuse(Some(self.request), Some(self.head), &left()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_goes_on_is_waited_for_and_no_longer_than_its_bound() {
        let begun = Instant::now();
        let (mut patience, mut length) = (Patience::begin(), 0);
        loop {
            tokio::time::sleep_until(patience.due()).await;
            length += BODY_PROGRESS;
            if !patience.goes_on(length) {
                break;
            }
        }
        assert_eq!(begun.elapsed(), HELD_BODY_TIME);
        let mut still = Patience::begin();
        tokio::time::sleep_until(still.due()).await;
        assert!(!still.goes_on(BODY_PROGRESS - 1), "a dribble is standing still");
    }

    #[test]
    fn what_there_is_no_room_for_is_told_apart_from_what_is_too_large() {
        assert_eq!(full(Full::NoRoom).reason, Reason::Overload);
        assert_eq!(full(Full::TooLarge).reason, Reason::ProtocolTooLarge);
    }
}
