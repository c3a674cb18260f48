//! A DNS query's road: who asks, may it, record it, answer it, remember it. The same for datagrams and streams.

use std::rc::Rc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::case::{built_in, denied};
use super::home;
use super::road::{Road, Snapshot};
use crate::decide::ledger::record::{Asked, Kind, Opening, Outcome, Subject};
use crate::model::types::limits::TLS_HANDSHAKE_TIME;
use crate::model::types::{ClientAddress, Denial, OriginalDestination, Reason};
use crate::perceive::dns::{Frames, Query, Transport, reply, write_message};
use crate::perceive::identity::Known;
use crate::perceive::intercept::{Accepted, Datagram, DnsDatagrams};

/// Who asks, and whom they meant to ask.
#[derive(Debug, Clone, Copy)]
struct Asker {
    client: ClientAddress,
    destination: OriginalDestination,
    transport: Transport,
}

/// Serves queries in datagrams, for ever.
pub async fn datagrams(road: Rc<Road>, sockets: Rc<DnsDatagrams>) {
    loop {
        let datagram = sockets.receive().await;
        let (road, sockets) = (road.clone(), sockets.clone());
        tokio::task::spawn_local(async move { datagram_answered(&road, &sockets, datagram).await });
    }
}

async fn datagram_answered(road: &Road, sockets: &DnsDatagrams, datagram: Datagram) {
    let asker =
        Asker { client: datagram.client(), destination: datagram.destination(), transport: Transport::Udp };
    let Some(answer) = answer(road, asker, datagram.bytes()).await else { return };
    if let Err(error) = sockets.reply(&datagram, &answer) {
        tracing::warn!(client = %datagram.client().0, %error, "a DNS answer could not be sent");
    }
}

/// Serves queries on one TCP connection, in their order, until the workload closes it or is silent for too long.
pub async fn stream(road: Rc<Road>, accepted: Accepted) {
    let (client, destination) = (accepted.client(), accepted.destination());
    let asker = Asker { client, destination, transport: Transport::Tcp };
    let mut stream: TcpStream = accepted.into_stream();
    let (read, mut write) = stream.split();
    let mut frames = Frames::new(read);
    while let Ok(Some(message)) = frames.next().await {
        let Some(answer) = answer(&road, asker, message).await else { return };
        if !matches!(timeout(TLS_HANDSHAKE_TIME, write_message(&mut write, &answer)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// The reply to one message; none for what is no query at all.
async fn answer(road: &Road, asker: Asker, bytes: &[u8]) -> Option<Vec<u8>> {
    let started = Instant::now();
    let snapshot = road.snapshot();
    let known = snapshot.directory.by_source(asker.client);
    let query = match Query::parse(bytes) {
        Ok(query) => query,
        Err(error) => {
            let mut opening = opening(road, &snapshot, asker, known.as_ref().ok(), None);
            let denial =
                Denial::built_in(Reason::ProtocolMalformed, format!("The DNS query is malformed: {error}."));
            opening.verdict = denied(&snapshot, &denial);
            road.shared.ledger.refuse(&opening, &denial);
            return error.reply(bytes);
        }
    };
    let opening = opening(road, &snapshot, asker, known.as_ref().ok(), Some(&query));
    let at = opening.at;
    if query.host().is_some_and(|host| host.as_str() == home::NAME) {
        return own_name(road, &opening, asker, &query);
    }
    let known = match known {
        Ok(known) => known,
        Err(denial) => return Some(refused(road, &snapshot, opening, &denial, &query)),
    };
    let entry = match road.shared.ledger.open_query(&known, &opening).await {
        Ok(entry) => entry,
        Err(denial) => return Some(refused(road, &snapshot, opening, &denial, &query)),
    };
    let answered = road.exchange.answer(&query, asker.transport, Some(&known.agent().name), at).await;
    entry.close(Outcome {
        status: Some(answered.rcode),
        bytes_out: bytes.len() as u64,
        bytes_in: answered.reply.len() as u64,
        latency: started.elapsed(),
        added_latency: Some(started.elapsed().saturating_sub(answered.elapsed)),
        dialled: answered.upstream,
        end: answered.failure.map(|_| "upstream-failed"),
        ..Outcome::default()
    });
    Some(answered.reply)
}

/// The gateway's own name: the addresses of this host on the workload's network.
fn own_name(road: &Road, opening: &Opening, asker: Asker, query: &Query) -> Option<Vec<u8>> {
    let answer = reply::own(query, road.shared.home.addresses(asker.client.0.ip()), home::TTL);
    let outcome = Outcome { status: Some(0), bytes_in: answer.len() as u64, ..Outcome::default() };
    // What is public may be read even when the record cannot be written; the ledger counts the loss.
    let _ = road.shared.ledger.event(opening, &outcome);
    Some(answer)
}

fn refused(
    road: &Road,
    snapshot: &Snapshot,
    mut opening: Opening,
    denial: &Denial,
    query: &Query,
) -> Vec<u8> {
    opening.verdict = denied(snapshot, denial);
    road.shared.ledger.refuse(&opening, denial);
    reply::denied(query, denial.reason.code(), &opening.request_id.to_string())
}

/// The query's record, as allowed.
fn opening(
    road: &Road,
    snapshot: &Snapshot,
    asker: Asker,
    known: Option<&Known>,
    query: Option<&Query>,
) -> Opening {
    let (id, at) = road.stamp();
    Opening {
        request_id: id,
        connection_id: None,
        at,
        kind: Kind::Dns,
        subject: Subject {
            agent: known.map(|known| known.agent().clone()),
            source: Some(asker.client.0.ip()),
            host: query.and_then(Query::host).cloned(),
            destination: Some(asker.destination.0),
        },
        asked: Asked {
            method: query.map(Query::kind_text),
            path: query.map(|query| query.text().to_owned()),
            protocol: Some(word(asker.transport)),
        },
        verdict: built_in(snapshot),
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "dns-udp",
        Transport::Tcp => "dns-tcp",
    }
}
