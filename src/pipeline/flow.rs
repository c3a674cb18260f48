//! A flow that is not opened: what was peeked is replayed untouched, then the kernel moves the bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::anew::{self, Again};
use super::arrival::Judged;
use super::claimed;
use super::peeked::Peeked;
use super::refuse;
use super::reserving;
use super::road::Road;
use crate::act::dial::{Dialled, UpstreamStream};
use crate::act::upstream::relay::{self, FlowBytes, SPENT};
use crate::act::upstream::{LAPSED, LiveTempo};
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::decide::policy::Mode;
use crate::decide::quota::Spent;
use crate::model::types::limits::{FLOW_IDLE_TIME, TLS_HANDSHAKE_TIME};
use crate::model::types::{Denial, Direction, Reason};
use crate::perceive::hello::Hello;
use crate::platform::sys::socket;

/// The end of a flow whose workload was taken to be silent, and spoke before the server did.
const SPOKE_LATE: &str = "spoke-late";

/// Reaches the destination and relays until both sides are done. Gives the connection back where a workload that was
/// taken to be silent speaks before the server does: it has to be judged by what it says.
pub async fn relay(road: &Road, judged: Judged, entry: Entry, stream: Peeked) -> Option<Peeked> {
    let mut policy = road.shared.watch();
    // What changed between the decision and now is looked at once.
    policy.mark_changed();
    let (mut upstream, address) = match dialled(road, &judged, &entry).await.and_then(plain) {
        Ok(parts) => parts,
        Err(denial) => {
            unreachable(judged, entry, denial, stream).await;
            return None;
        }
    };
    let latency = judged.arrival.started;
    let bytes = Arc::new(FlowBytes::default());
    let asker = road.shared.asker(&judged.known, judged.arrival.client);
    let tempo = LiveTempo::new(road.shared.paces.tempo(asker, (&judged.passage).into()));
    reserving::count(&road.shared, &judged.known.agent().name, &entry, &tempo);
    let moved = async {
        if judged.hello == Hello::Silent && speaks_first(road, stream.stream(), &upstream).await {
            return Some(SPOKE_LATE);
        }
        if !tempo.takes(Direction::Up, stream.ahead().len()) {
            return Some(SPENT);
        }
        match timeout(TLS_HANDSHAKE_TIME, upstream.write_all(stream.ahead())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Some("upstream-failed"),
        }
        let ends = (stream.stream(), &upstream);
        relay::splice(&judged.passage, &entry, ends, (&bytes, &tempo), road.shifts.held()).await
    };
    let ended = tokio::select! {
        biased;
        refused = no_longer(road, &judged, &tempo, &mut policy) => Err(refused),
        end = moved => Ok(end),
    };
    if ended.is_err() {
        // Sockets that are already gone need no reset.
        let _ = socket::reset_on_close(stream.stream());
        let _ = socket::reset_on_close(&upstream);
    }
    let (end, denial) = ended.map_or_else(
        |refused| (Some(LAPSED), Some(refused)),
        |end| (end, tempo.spent().filter(|_| end == Some(SPENT))),
    );
    // It begins once more, and is charged then.
    let spent = (end == Some(SPOKE_LATE)).then_some(Spent::NOTHING);
    entry.close(Outcome {
        bytes_out: stream.ahead().len() as u64 + bytes.a_to_b(),
        bytes_in: bytes.b_to_a(),
        latency: latency.elapsed(),
        dialled: (address != judged.arrival.destination.0).then_some(address),
        end,
        denial,
        spent,
        ..Outcome::default()
    });
    (end == Some(SPOKE_LATE)).then_some(stream)
}

/// Why a connection may live no longer, once the documents or the time say so. Until then it moves at the tempo that they set.
async fn no_longer(
    road: &Road,
    judged: &Judged,
    tempo: &LiveTempo,
    policy: &mut watch::Receiver<()>,
) -> Denial {
    let Judged { arrival, known, hello, passage, .. } = judged;
    let mut again = Again::of(road, known);
    loop {
        again.due(policy).await;
        match anew::judged(road, *arrival, (known, passage), hello) {
            Ok(anew) => {
                let asker = road.shared.asker(known, arrival.client);
                tempo.set(road.shared.paces.tempo(asker, (&anew).into()));
                again = Again::of(road, known);
            }
            Err(denial) => return denial,
        }
    }
}

/// Reaches the destination: where the gateway has to resolve its name, by its own answer.
async fn dialled(road: &Road, judged: &Judged, entry: &Entry) -> Result<Dialled, Denial> {
    let found = claimed::addresses(road, &judged.known, &judged.passage).await?;
    road.shared.dialler.connect(&judged.passage, entry, &[], async |_: &_| found.clone()).await
}

/// The parts of a flow that nobody opens.
fn plain(dialled: Dialled) -> Result<(TcpStream, SocketAddr), Denial> {
    match dialled.into_parts() {
        (UpstreamStream::Plain(upstream), address, _) => Ok((upstream, address)),
        _ => Err(Denial::internal("a relayed flow was dialled with TLS")),
    }
}

/// Whether the workload says something before the server does. An end of input is nothing said; where both stay
/// silent for long, or the daemon waits no longer, the relay ends for that.
async fn speaks_first(road: &Road, workload: &TcpStream, upstream: &TcpStream) -> bool {
    let mut cut = road.shifts.held();
    let said = async {
        loop {
            match workload.peek(&mut [0]).await {
                Ok(length) => return length > 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    };
    tokio::select! {
        biased;
        _ = upstream.readable() => false,
        said = said => said,
        _ = cut.wait_for(|cut| *cut) => false,
        () = tokio::time::sleep(FLOW_IDLE_TIME) => false,
    }
}

/// A refusal found after the decision: it closes the record and is told as the protocol allows.
async fn unreachable(judged: Judged, entry: Entry, denial: Denial, stream: Peeked) {
    let passed_through = judged.passage.mode() == Mode::PassThrough;
    let reason = denial.reason;
    entry.close(Outcome {
        latency: judged.arrival.started.elapsed(),
        denial: Some(denial),
        ..Outcome::default()
    });
    if passed_through && reason != Reason::UpstreamUnreachable {
        refuse::by_alert(stream, rustls::AlertDescription::AccessDenied).await;
    } else {
        refuse::by_reset(stream);
    }
}
