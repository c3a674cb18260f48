//! One connection, from the kernel's hands to its record. Each stage by its name, in order.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::arrival::{Arrival, Judged, Refused, protocol};
use super::case::allowed_by;
use super::flow;
use super::home;
use super::naming;
use super::peeked::{Look, Peeked};
use super::refuse;
use super::reserving;
use super::road::{Road, Shared, Snapshot};
use super::web::{self, Requests};
use crate::decide::ledger::record::{Asked, Kind, Opening, Subject};
use crate::decide::policy::{Answer, Flow, Mode, NameSource, Passage, Refusal};
use crate::model::types::Denial;
use crate::perceive::dns::Held;
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::perceive::intercept::Accepted;
use crate::platform::sys::clock;

/// Serves one connection to its end. Never fails: whatever goes wrong is a recorded refusal.
///
/// A workload that is silent is taken to wait for the server. One that then speaks first all the same is judged anew,
/// by what it says: waiting is no way around the rules for HTTP.
pub async fn serve(road: Rc<Road>, accepted: Accepted) {
    // What opening it takes is given back before it is served: it may live for long, and idle.
    let rest = Box::pin(open(road, accepted)).await;
    if let Some(rest) = rest {
        rest.await;
    }
}

/// Finds out what a connection is, judges it and opens it; what is left to do is to serve its requests.
async fn open(road: Rc<Road>, accepted: Accepted) -> Option<Requests> {
    let (client, destination) = (accepted.client(), accepted.destination());
    let mut stream = Peeked::new(accepted.into_stream());
    loop {
        let (id, at) = road.stamp();
        let arrival = Arrival { id, at, started: Instant::now(), client, destination };
        match once(&road, arrival, stream).await {
            Next::Nothing => return None,
            Next::Requests(requests) => return Some(requests),
            Next::Anew(silent_no_more) => stream = silent_no_more,
        }
    }
}

/// What is left of a connection that was judged.
enum Next {
    /// It is over.
    Nothing,
    /// Requests are read from it.
    Requests(Requests),
    /// It has to be judged anew.
    Anew(Peeked),
}

/// Finds out what the connection is and judges it. What is rare is boxed when it happens.
async fn once(road: &Rc<Road>, arrival: Arrival, mut stream: Peeked) -> Next {
    let snapshot = road.snapshot();
    let known = snapshot.directory.by_source(arrival.client);
    let hello = match stream.look(arrival.destination.0.port()).await {
        Look::Saw(hello) => hello,
        Look::Malformed(why) => {
            Box::pin(refuse::malformed(road, &snapshot, (arrival, known), stream, why)).await;
            return Next::Nothing;
        }
        Look::Gone => {
            refuse::unspoken(road, &snapshot, &Refused { arrival, known: known.ok(), hello: None });
            return Next::Nothing;
        }
    };
    if home::is_for_us(arrival, &hello) {
        let agent = known.ok().map(|known| known.agent().clone());
        Box::pin(home::serve(road.clone(), arrival, agent, stream)).await;
        return Next::Nothing;
    }
    let (refused, refusal) = match known {
        Err(denial) => {
            let refusal = Refusal { answer: snapshot.policy.answer_to_unknown(&hello), denial };
            (Refused { arrival, known: None, hello: Some(hello) }, refusal)
        }
        Ok(known) => {
            let counted = |(passage, held)| {
                check_name(road, &snapshot, &known, &passage)?;
                count(road, &known, arrival, &passage)?;
                Ok((passage, held))
            };
            match judge(road, &snapshot, &known, arrival, &hello).and_then(counted) {
                Ok((passage, held)) => {
                    let judged = Judged { arrival, known, hello, passage, held };
                    return allowed(road, &snapshot, judged, stream).await;
                }
                Err(refusal) => (Refused { arrival, known: Some(known), hello: Some(hello) }, refusal),
            }
        }
    };
    Box::pin(refuse::connection(road, &snapshot, refused, refusal, stream)).await;
    Next::Nothing
}

/// Judges a connection or a UDP flow of a known agent, and takes hold of the belief in the name by which it may live.
pub(super) fn judge(
    road: &Road,
    snapshot: &Snapshot,
    known: &Known,
    arrival: Arrival,
    hello: &Hello,
) -> Result<(Passage, Option<Held>), Refusal> {
    let (memory, destination) = (&road.shared.memory, arrival.destination);
    let (agent, address) = (&known.agent().name, destination.0.ip());
    let given = memory.names(agent, address, arrival.at);
    // TLS says for itself which host it is for, and what is fresh comes first.
    let claims = given.is_empty() && !matches!(hello, Hello::Tls(_));
    let once = memory.stale(agent, address, arrival.at);
    let stale = if claims { &once[..] } else { &[] };
    let flow = Flow { destination, hello, given: &given, stale, once: &once };
    let heeded = |Refusal { denial, answer }| {
        let denial = road.shared.heed_flow((arrival.client, hello), agent, denial);
        Refusal { denial, answer }
    };
    let circumstances = road.shared.circumstances(snapshot, known, arrival.at);
    let passage = snapshot.policy.connection(known, flow, circumstances).map_err(heeded)?;
    let held = match (passage.name_source(), passage.host()) {
        // Clients cache longer than the TTL: a name in use stays believed.
        (NameSource::Given, Some(host)) => memory.hold(agent, (address, host), clock::now),
        _ => None,
    };
    Ok((passage, held))
}

/// Looks into the name that the connection is for, before anybody resolves it or says it on.
fn check_name(road: &Road, snapshot: &Snapshot, known: &Known, passage: &Passage) -> Result<(), Refusal> {
    let Some(host) = passage.host() else { return Ok(()) };
    let named = naming::look(&road.shared, snapshot, known, host.as_str());
    let answer = if passage.mode().reads_requests() { Answer::Http } else { Answer::Alert };
    // What raises an alert is told with the request, or nowhere: a connection carries nothing by itself.
    named.inspected.map(drop).map_err(|denial| Refusal { denial, answer })
}

/// Counts a connection that is not read as one request, by the rates that hold for it. Of any other each request counts.
fn count(road: &Road, known: &Known, arrival: Arrival, passage: &Passage) -> Result<(), Refusal> {
    if passage.mode().reads_requests() {
        return Ok(());
    }
    let counted = road.shared.paces.count(road.shared.asker(known, arrival.client), passage.into());
    counted.map_err(|denial| past_its_amount(passage.mode(), denial))
}

/// How a connection that is not read hears that there is no room for it.
fn past_its_amount(mode: Mode, denial: Denial) -> Refusal {
    let answer = if mode == Mode::PassThrough { Answer::Alert } else { Answer::Reset };
    Refusal { denial, answer }
}

/// The decision goes to disk; then the connection is relayed or opened as policy says.
async fn allowed(road: &Rc<Road>, snapshot: &Arc<Snapshot>, judged: Judged, stream: Peeked) -> Next {
    let opening = opening(&road.shared, snapshot, &judged);
    let reservation = match reserving::reserve_flow(road, snapshot, &judged).await {
        Ok(reservation) => reservation,
        Err(denial) => {
            let Judged { arrival, known, hello, passage, .. } = judged;
            let refused = Refused { arrival, known: Some(known), hello: Some(hello) };
            let refusal = past_its_amount(passage.mode(), denial);
            Box::pin(refuse::connection(road, snapshot, refused, refusal, stream)).await;
            return Next::Nothing;
        }
    };
    match road.shared.ledger.open_connection(&judged.passage, &opening, reservation).await {
        Err(denial) => {
            let Judged { arrival, known, hello, .. } = judged;
            let answer =
                if matches!(hello, Hello::Opaque | Hello::Silent) { Answer::Reset } else { Answer::Http };
            let refused = Refused { arrival, known: Some(known), hello: Some(hello) };
            Box::pin(refuse::connection(road, snapshot, refused, Refusal { denial, answer }, stream)).await;
            Next::Nothing
        }
        Ok(entry) => match judged.passage.mode() {
            // A stream is never dialled as datagrams: the last would be refused there.
            Mode::Relay | Mode::PassThrough | Mode::Datagrams => {
                let spoke_late = Box::pin(flow::relay(road, judged, entry, stream)).await;
                spoke_late.map_or(Next::Nothing, Next::Anew)
            }
            Mode::Terminate => {
                let opened = web::terminated(road.clone(), judged, entry, stream).await;
                opened.map_or(Next::Nothing, Next::Requests)
            }
            Mode::PlainHttp => Next::Requests(web::plain(road.clone(), judged, entry, stream)),
        },
    }
}

/// The connection's record at the moment of its decision.
pub(super) fn opening(shared: &Shared, snapshot: &Snapshot, judged: &Judged) -> Opening {
    let Judged { arrival, known, passage, .. } = judged;
    let source = arrival.client.0.ip();
    Opening {
        request_id: arrival.id,
        connection_id: None,
        at: arrival.at,
        kind: Kind::Connection,
        subject: Subject {
            agent: Some(known.agent().clone()),
            source: Some(source),
            execution: shared.going_on(&known.agent().name, source),
            host: passage.host().cloned(),
            destination: Some(arrival.destination.0),
        },
        asked: Asked { protocol: Some(protocol(passage.mode())), ..Asked::default() },
        verdict: allowed_by(snapshot, passage.speaks(), passage.obligations()),
    }
}
