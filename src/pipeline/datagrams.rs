//! A UDP flow's road: who sends, may it, record it, reach it, relay it, close it. The same stages as for a connection.
//!
//! The first datagram of a flow is judged; those that follow it wait, a few of them, until the decision is on record
//! and the flow has sockets of its own, to which the kernel then gives the rest. What is refused hears so by ICMP at
//! once. When other documents come into force, living flows are judged by them before their next datagram.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

use super::anew::{self, Again};
use super::arrival::{Arrival, Judged, Refused};
use super::claimed;
use super::connection;
use super::places::Place;
use super::refusals::{Record, Refusals, RefusedFlow, too_many};
use super::refuse;
use super::reserving;
use super::road::{Road, Snapshot};
use crate::act::dial;
use crate::act::upstream::datagrams::{Interrupts, Line, Moved, Patience, Stopped, relay};
use crate::act::upstream::relay::SPENT;
use crate::act::upstream::{LAPSED, Lane, LiveTempo, Tempo};
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::decide::policy::Passage;
use crate::model::types::limits::{UDP_FLOWS_SHARE, UDP_WAITING, UDP_WAITING_BYTES};
use crate::model::types::{ClientAddress, Denial, Direction, OriginalDestination, Reason};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::perceive::intercept::Datagram;
use crate::perceive::intercept::flows::{FlowSockets, Scratch, Why, scratch, speak_for};
use crate::perceive::intercept::protocol::UDP;
use crate::platform::sys::socket;

/// Who sends, and where to.
type Key = (ClientAddress, OriginalDestination);

/// The flows of one worker.
struct Desk {
    road: Rc<Road>,
    sockets: FlowSockets,
    scratch: Scratch,
    /// Living flows, each with the way to it for datagrams that came before its sockets were there.
    live: RefCell<HashMap<Key, mpsc::Sender<Waiting>>>,
    by_source: RefCell<HashMap<IpAddr, usize>>,
    waiting_bytes: Rc<Cell<usize>>,
    refusals: RefCell<Refusals>,
}

/// Serves flows, for ever.
pub async fn flows(road: Rc<Road>, sockets: FlowSockets) {
    let desk = Rc::new(Desk {
        road,
        sockets,
        scratch: scratch(),
        live: RefCell::default(),
        by_source: RefCell::default(),
        waiting_bytes: Rc::default(),
        refusals: RefCell::new(Refusals::new(Instant::now())),
    });
    loop {
        desk.take(desk.sockets.receive(&desk.scratch).await);
        // A new flow gets its sockets before the next of its datagrams is looked at, and no flood of datagrams that
        // are refused keeps others waiting.
        tokio::task::yield_now().await;
    }
}

/// A datagram that waits for its flow.
struct Waiting {
    bytes: Vec<u8>,
    waiting_bytes: Rc<Cell<usize>>,
}

impl AsRef<[u8]> for Waiting {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiting_bytes.set(self.waiting_bytes.get() - self.bytes.len());
    }
}

/// A flow's place among those of its worker and of its source; given back when dropped.
struct Seat {
    desk: Rc<Desk>,
    key: Key,
    _place: Place,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.live.borrow_mut().remove(&self.key);
        let mut by_source = self.desk.by_source.borrow_mut();
        let source = self.key.0.0.ip();
        if let Some(own) = by_source.get_mut(&source) {
            *own -= 1;
            if *own == 0 {
                by_source.remove(&source);
            }
        }
    }
}

/// A flow that may live, on its way to its own task.
struct Allowed {
    snapshot: Arc<Snapshot>,
    judged: Judged,
    /// Bytes of the first datagram.
    length: usize,
    early: mpsc::Receiver<Waiting>,
    /// Since before it was judged.
    policy: watch::Receiver<()>,
    seat: Seat,
}

impl Desk {
    /// Judges a datagram that is nobody's yet. One from port 0 (RFC 768) is refused: a socket connected to that port takes
    /// the datagrams of all ports.
    fn take(self: &Rc<Self>, datagram: Datagram) {
        let key = (datagram.client(), datagram.destination());
        if self.live.borrow().contains_key(&key) {
            return self.wait(key, datagram);
        }
        let policy = self.road.shared.watch();
        let snapshot = self.road.snapshot();
        let (id, at) = self.road.stamp();
        let (client, destination) = key;
        let arrival = Arrival { id, at, started: Instant::now(), client, destination };
        let length = datagram.bytes().len();
        let hello = Hello::Datagram;
        let known = match snapshot.directory.by_source(client) {
            Ok(known) => known,
            Err(denial) => {
                let refused = Refused { arrival, known: None, hello: Some(hello) };
                return self.refuse(&snapshot, refused, &denial, length);
            }
        };
        if client.0.port() == 0 {
            let detail = "A datagram without a source port has no way back.";
            let refused = Refused { arrival, known: Some(known), hello: Some(hello) };
            let denial = Denial::built_in(Reason::ProtocolMalformed, detail);
            return self.refuse(&snapshot, refused, &denial, length);
        }
        match connection::judge(&self.road, &snapshot, &known, arrival, &hello) {
            Err(refusal) => {
                let refused = Refused { arrival, known: Some(known), hello: Some(hello) };
                self.refuse(&snapshot, refused, &refusal.denial, length);
            }
            Ok((passage, held)) => match self.seat(key, &known) {
                Some((seat, early)) => {
                    let asker = self.road.shared.asker(&known, client);
                    if let Err(denial) = self.road.shared.paces.count(asker, (&passage).into()) {
                        drop(seat);
                        let refused = Refused { arrival, known: Some(known), hello: Some(hello) };
                        return self.refuse(&snapshot, refused, &denial, length);
                    }
                    self.wait(key, datagram);
                    let judged = Judged { arrival, known, hello, passage, held };
                    let allowed = Allowed { snapshot, judged, length, early, policy, seat };
                    tokio::task::spawn_local(recorded(self.clone(), allowed));
                }
                None => {
                    let detail =
                        "The gateway relays as many UDP flows as it can, or as many as one source may have.";
                    let refused = Refused { arrival, known: Some(known), hello: Some(hello) };
                    let denial = Denial::built_in(Reason::Overload, detail);
                    self.refuse(&snapshot, refused, &denial, length);
                }
            },
        }
    }

    /// Takes a place for a flow, unless all are taken, or too many by its source or agent.
    fn seat(self: &Rc<Self>, key: Key, known: &Known) -> Option<(Seat, mpsc::Receiver<Waiting>)> {
        let source = key.0.0.ip();
        let mut by_source = self.by_source.borrow_mut();
        let own = by_source.get(&source).copied().unwrap_or(0);
        let mut live = self.live.borrow_mut();
        let room = self.road.shared.room.flows;
        if live.len() >= room || own >= room / UDP_FLOWS_SHARE {
            return None;
        }
        let place = self.road.places.take(Some(known.agent().name.clone()))?;
        by_source.insert(source, own + 1);
        let (sender, early) = mpsc::channel(UDP_WAITING);
        live.insert(key, sender);
        Some((Seat { desk: self.clone(), key, _place: place }, early))
    }

    /// Keeps a datagram for its flow. Where there is no room it is lost, as it may be on any link.
    fn wait(&self, key: Key, datagram: Datagram) {
        let waiting = self.waiting_bytes.get() + datagram.bytes().len();
        if waiting > UDP_WAITING_BYTES {
            return;
        }
        self.waiting_bytes.set(waiting);
        let datagram = Waiting { bytes: datagram.into_bytes(), waiting_bytes: self.waiting_bytes.clone() };
        if let Some(flow) = self.live.borrow().get(&key) {
            // Full, or just ending.
            let _ = flow.try_send(datagram);
        }
    }

    /// Refuses a datagram: the workload hears of each, the record of each flow.
    fn refuse(&self, snapshot: &Snapshot, refused: Refused, denial: &Denial, length: usize) {
        let Arrival { client, destination, started, .. } = refused.arrival;
        let flow = RefusedFlow { protocol: UDP, from: client.0, to: destination.0, reason: denial.reason };
        let record = self.refusals.borrow_mut().note(flow, started);
        match record {
            Record::Flow => refuse::record(&self.road, snapshot, &refused, denial),
            Record::Overload => refuse::record(&self.road, snapshot, &refused, &too_many(denial.reason)),
            Record::Nothing => {}
        }
        self.sockets.refuse(client, destination, length, Why::Prohibited);
    }
}

/// The decision goes to disk; then the flow gets its sockets and lives.
async fn recorded(desk: Rc<Desk>, allowed: Allowed) {
    let Allowed { snapshot, judged, length, early, policy, seat } = allowed;
    let Arrival { client, destination, started, .. } = judged.arrival;
    let opening = connection::opening(&desk.road.shared, &snapshot, &judged);
    let opened = async {
        let reservation = reserving::reserve_flow(&desk.road, &snapshot, &judged).await?;
        desk.road.shared.ledger.open_connection(&judged.passage, &opening, reservation).await
    };
    let entry = match opened.await {
        Ok(entry) => entry,
        Err(denial) => {
            let Judged { arrival, known, hello, .. } = judged;
            let refused = Refused { arrival, known: Some(known), hello: Some(hello) };
            return desk.refuse(&snapshot, refused, &denial, length);
        }
    };
    match ends(&desk.road, &judged, &entry).await {
        Ok(ends) => relayed(&desk, judged, entry, ends, (early, policy)).await,
        Err(denial) => {
            let unreachable = denial.reason == Reason::UpstreamUnreachable;
            let why = if unreachable { Why::NoWay } else { Why::Prohibited };
            desk.sockets.refuse(client, destination, length, why);
            entry.close(Outcome { latency: started.elapsed(), denial: Some(denial), ..Outcome::default() });
        }
    }
    drop(seat);
}

/// Both ends of a flow.
struct Ends {
    workload: UdpSocket,
    upstream: UdpSocket,
    address: SocketAddr,
}

async fn ends(road: &Road, judged: &Judged, entry: &Entry) -> Result<Ends, Denial> {
    let found = claimed::addresses(road, &judged.known, &judged.passage).await?;
    let resolve = async |_: &_| found.clone();
    let dialled = road.shared.dialler.connect_datagrams(&judged.passage, entry, resolve).await?;
    let (upstream, address) = dialled.into_parts();
    let Arrival { client, destination, .. } = judged.arrival;
    let workload = speak_for(destination, client).map_err(|error| {
        if socket::is_shortage(&error) {
            let detail = "The gateway cannot open another UDP flow.";
            return Denial::built_in(Reason::Overload, detail).seen(error.to_string());
        }
        let hint = "does another program of this host hold that port on every address?";
        Denial::internal(format!("the gateway cannot answer from {}: {error}; {hint}", destination.0))
    })?;
    Ok(Ends { workload, upstream, address })
}

/// How fast the datagrams of a flow may go.
fn tempo(desk: &Desk, (known, client): (&Known, ClientAddress), passage: &Passage) -> Tempo {
    desk.road.shared.paces.tempo(desk.road.shared.asker(known, client), passage.into())
}

/// What the workload hears and the record says of a flow whose destination cannot be reached any more, after so many answers.
fn gone(
    desk: &Desk,
    arrival: Arrival,
    passage: &Passage,
    (address, answers): (SocketAddr, u64),
    error: io::Error,
) -> (Option<&'static str>, Option<Denial>) {
    let silent = error.kind() == io::ErrorKind::ConnectionRefused;
    let why = if silent { Why::NoPort } else { Why::NoWay };
    desk.sockets.refuse(arrival.client, arrival.destination, 0, why);
    match answers {
        0 => (None, Some(dial::unreachable(passage, address, error))),
        _ => (Some("upstream-closed"), None),
    }
}

/// Relays until the flow ends, and closes its record.
async fn relayed(
    desk: &Desk,
    judged: Judged,
    entry: Entry,
    ends: Ends,
    (mut early, mut policy): (mpsc::Receiver<Waiting>, watch::Receiver<()>),
) {
    // The belief is held until the flow ends.
    let Judged { arrival, known, mut passage, held: _held, .. } = judged;
    let (out, back, mut cut) = (Moved::default(), Moved::default(), desk.road.shifts.held());
    let source = (&known, arrival.client);
    let pace = LiveTempo::new(tempo(desk, source, &passage));
    reserving::count(&desk.road.shared, &known.agent().name, &entry, &pace);
    out.pace(Lane::new(pace.clone(), Direction::Up));
    back.pace(Lane::new(pace.clone(), Direction::Down));
    let mut line = Line {
        workload: &ends.workload,
        upstream: &ends.upstream,
        early: &mut early,
        scratch: &desk.scratch,
        out: &out,
        back: &back,
    };
    let (end, denial) = loop {
        let again = Again::of(&desk.road, &known);
        let interrupts = Interrupts { cut: &mut cut, due: pin!(again.due(&mut policy)) };
        match relay(&passage, &entry, &mut line, interrupts, Patience::default()).await {
            Stopped::Due => match anew::judged(&desk.road, arrival, (&known, &passage), &Hello::Datagram) {
                Ok(anew) => {
                    pace.set(tempo(desk, source, &anew));
                    passage = anew;
                }
                Err(denial) => {
                    desk.sockets.refuse(arrival.client, arrival.destination, 0, Why::Prohibited);
                    break (Some(LAPSED), Some(denial));
                }
            },
            Stopped::Spent => {
                desk.sockets.refuse(arrival.client, arrival.destination, 0, Why::Prohibited);
                break (Some(SPENT), pace.spent());
            }
            Stopped::Idle => break (Some("idle"), None),
            Stopped::Cut => break (Some("shutdown"), None),
            Stopped::WorkloadGone => break (Some("client-closed"), None),
            Stopped::Unreachable(error) => {
                break gone(desk, arrival, &passage, (ends.address, back.datagrams()), error);
            }
        }
    };
    entry.close(Outcome {
        bytes_out: out.bytes(),
        bytes_in: back.bytes(),
        datagrams: Some((out.datagrams(), back.datagrams())),
        latency: arrival.started.elapsed(),
        dialled: (ends.address != arrival.destination.0).then_some(ends.address),
        denial,
        end,
        ..Outcome::default()
    });
}
