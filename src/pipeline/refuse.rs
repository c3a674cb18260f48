//! A connection that may not live: recorded, told so in the way its protocol allows, and closed. No upstream is
//! contacted for it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::arrival::{Arrival, Refused};
use super::case::denied;
use super::departure::Wire;
use super::exchange;
use super::handshakes;
use super::hushed::hush_name;
use super::peeked::Peeked;
use super::road::{Road, Snapshot};
use super::serving::{self, Watched};
use crate::act::dial::Protocol;
use crate::act::tls::{AlpnChoice, TlsName, alert};
use crate::decide::ledger::record::{Asked, Kind, Opening, Subject};
use crate::decide::policy::{Answer, Refusal};
use crate::model::types::limits::REFUSAL_LINGER;
use crate::model::types::{Denial, HostName, Reason};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::perceive::intercept::Accepted;
use crate::platform::sys::socket;

/// Refuses a connection for a reason of policy or identity.
pub async fn connection(
    road: &Rc<Road>,
    snapshot: &Arc<Snapshot>,
    refused: Refused,
    refusal: Refusal,
    stream: Peeked,
) {
    let Refusal { denial, answer } = refusal;
    record(road, snapshot, &refused, &denial);
    match answer {
        Answer::Http => in_http(road, refused, denial, stream).await,
        Answer::Alert => by_alert(stream, alert_for(&denial)).await,
        Answer::Reset | Answer::Unreachable => by_reset(stream),
    }
}

/// Refuses a connection whose first bytes are not what they claim to be, or are not there; where its port alone is refused,
/// for that.
pub async fn malformed(
    road: &Rc<Road>,
    snapshot: &Arc<Snapshot>,
    (arrival, known): (Arrival, Result<Known, Denial>),
    stream: Peeked,
    why: &'static str,
) {
    let malformed = || {
        let detail = format!("The connection's first message is not valid: {why}.");
        Denial::built_in(Reason::ProtocolMalformed, detail)
    };
    // Who speaks is asked before what is said.
    let (known, denial) = match known {
        Ok(known) => {
            let by_port = snapshot.policy.refused_port(&known, arrival.destination);
            (Some(known), by_port.unwrap_or_else(malformed))
        }
        Err(unknown) => (None, unknown),
    };
    let refused = Refused { arrival, known, hello: None };
    let first = stream.ahead().first().copied();
    let answer = match first {
        Some(TLS_HANDSHAKE) => Answer::Alert,
        Some(byte) if byte.is_ascii_uppercase() => Answer::Http,
        _ => Answer::Reset,
    };
    connection(road, snapshot, refused, Refusal { denial, answer }, stream).await;
}

/// The content type of a TLS handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Records a connection that was closed before it said anything.
pub fn unspoken(road: &Road, snapshot: &Snapshot, refused: &Refused) {
    let detail = "The workload closed the connection before it said anything.";
    let denial = Denial::built_in(Reason::ProtocolUnspoken, detail);
    record(road, snapshot, refused, &denial);
}

/// Records a refusal.
pub(super) fn record(road: &Road, snapshot: &Snapshot, refused: &Refused, denial: &Denial) {
    let mut opening = Opening {
        request_id: refused.arrival.id,
        connection_id: None,
        at: refused.arrival.at,
        kind: Kind::Connection,
        subject: Subject {
            host: refused.host().cloned().or_else(|| given(road, refused)),
            ..refused.subject(&road.shared)
        },
        asked: Asked { protocol: refused.hello.as_ref().map(word), ..Asked::default() },
        verdict: denied(snapshot, denial),
    };
    hush_name(&road.shared, (snapshot, refused.known.as_ref()), &mut opening);
    road.shared.ledger.refuse(&opening, denial);
}

/// The name this agent was last given the address for: where the workload itself says none, it tells the operator what
/// was meant.
fn given(road: &Road, refused: &Refused) -> Option<HostName> {
    let (agent, arrival) = (&refused.known.as_ref()?.agent().name, refused.arrival);
    road.shared.memory.names(agent, arrival.destination.0.ip(), arrival.at).into_iter().next()
}

fn word(hello: &Hello) -> &'static str {
    match hello {
        Hello::Tls(_) => "tls",
        Hello::Http1(_) | Hello::Http2 => "http",
        Hello::Opaque | Hello::Silent => "tcp",
        Hello::Datagram => "udp",
    }
}

/// Answers every request of the connection with the denial; TLS is opened with our leaf first.
pub(super) async fn in_http(road: &Rc<Road>, refused: Refused, denial: Denial, stream: Peeked) {
    match &refused.hello {
        Some(Hello::Tls(hello)) => {
            let Some(name) = &hello.server_name else {
                return by_alert(stream, AlertDescription::AccessDenied).await;
            };
            let agent = refused.known.as_ref().map(|known| &known.agent().name);
            // Who gets no slot is not told; the refusal stands on the record already.
            let Ok(slot) = handshakes::take(road, agent, &stream).await else { return by_reset(stream) };
            let name = TlsName::from(name);
            let opening = road.shared.terminator.refuse_over_tls(&name, AlpnChoice::Either, stream);
            let opened = Box::pin(slot.run(opening)).await;
            // A client that does not trust our certificate breaks off here; the refusal stands on the record already.
            let Ok(opened) = opened else { return };
            let (stream, protocol) = opened.into_parts();
            refusing(road, refused, denial, stream, protocol).await;
        }
        Some(Hello::Http2) => refusing(road, refused, denial, stream, Protocol::H2).await,
        _ => refusing(road, refused, denial, stream, Protocol::Http11).await,
    }
}

pub(super) async fn by_alert(stream: Peeked, description: AlertDescription) {
    let _ = timeout(REFUSAL_LINGER, alert(stream, description)).await;
}

/// RFC 8446, section 6.2.
fn alert_for(denial: &Denial) -> AlertDescription {
    match denial.reason {
        Reason::ProtocolMalformed => AlertDescription::DecodeError,
        Reason::TlsNoName => AlertDescription::UnrecognisedName,
        Reason::Internal | Reason::AuditUnavailable | Reason::Overload | Reason::TlsAuthority => {
            AlertDescription::InternalError
        }
        _ => AlertDescription::AccessDenied,
    }
}

/// Answers every request of a connection that may not live with its denial.
async fn refusing<S>(road: &Rc<Road>, refused: Refused, denial: Denial, stream: S, protocol: Protocol)
where
    S: AsyncRead + AsyncWrite + Wire + Unpin + Send + 'static,
{
    let refused = Rc::new((refused, denial));
    let road = road.clone();
    let answer = {
        let road = road.clone();
        move |request, watched: Watched| exchange::refused(road.clone(), refused.clone(), request, watched)
    };
    serving::refusals(&road, stream, protocol, answer).await;
}

/// Closes with a TCP reset, so that the workload fails at once and not at a time-out.
pub(super) fn by_reset(stream: Peeked) {
    // A socket that is already gone needs no reset.
    let _ = socket::reset_on_close(stream.stream());
}

/// Turns a connection away because all places are taken: recorded, and told by a reset. Nothing is read from it.
pub fn overloaded(road: &Road, accepted: Accepted, known: Option<Known>) {
    let snapshot = road.snapshot();
    let (id, at) = road.stamp();
    let (client, destination) = (accepted.client(), accepted.destination());
    let arrival = Arrival { id, at, started: Instant::now(), client, destination };
    let detail = "The gateway serves as many connections as it can, or as many as one agent may have.";
    let denial = Denial::built_in(Reason::Overload, detail);
    record(road, &snapshot, &Refused { arrival, known, hello: None }, &denial);
    // A socket that is already gone needs no reset.
    let _ = socket::reset_on_close(accepted.stream());
}
