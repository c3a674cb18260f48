//! What the kernel dropped or refused by itself, put on record: one record a flow, with the reason that the rules had.
//!
//! The packets are gone when they are told of here; nothing is decided about them any more, and a record that is late or
//! lost lets nothing through. Who sent is asked before what was sent, and UDP is judged as the daemon would have: the
//! kernel refuses only what policy refuses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::arrival::{Arrival, Refused};
use super::case::{built_in, denied};
use super::refusals::{Record, Refusals, RefusedFlow, too_many};
use super::road::{Shared, Snapshot};
use crate::decide::ledger::record::{Asked, Kind, Opening, Outcome};
use crate::decide::policy::Flow;
use crate::model::types::{ClientAddress, Denial, OriginalDestination, Reason};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::perceive::intercept::protocol::{ICMP, ICMPV6, TCP, UDP};
use crate::perceive::intercept::{Drops, Fate, Odd, Packet, Told};
use crate::platform::sys::clock;

/// Which flows are on record. Forgers have no share in the account of whose address they use, nor pings that pass in that
/// of those that do not.
struct OnRecord {
    refused: Refusals,
    forged: Refusals,
    passed: Refusals,
}

/// Records what the kernel tells of, for ever.
pub async fn watch(shared: Arc<Shared>, mut drops: Drops) {
    let none = || Refusals::new(Instant::now());
    let mut on_record = OnRecord { refused: none(), forged: none(), passed: none() };
    loop {
        let told = drops.next().await;
        record(&shared, &mut on_record, &told);
        // What operators ask comes between.
        tokio::task::yield_now().await;
    }
}

/// Records one packet, unless its flow is on record.
fn record(shared: &Shared, on_record: &mut OnRecord, told: &Told) {
    let snapshot = shared.snapshot.load_full();
    let arrival = arrival(&told.packet);
    let known = match told.fate {
        // Whose address it is did not send it.
        Fate::Forged => None,
        Fate::Refused | Fate::Passed => snapshot.directory.by_source(arrival.client).ok(),
    };
    let refusals = match told.fate {
        Fate::Passed => return passed(shared, &snapshot, &mut on_record.passed, (told, arrival, known)),
        Fate::Refused => &mut on_record.refused,
        Fate::Forged => &mut on_record.forged,
    };
    let denial = denial(shared, &snapshot, told, (arrival, known.as_ref()));
    let denial = match refusals.note(flow(&told.packet, arrival, denial.reason), arrival.started) {
        Record::Flow => denial,
        Record::Overload => too_many(denial.reason),
        Record::Nothing => return,
    };
    let refused = Refused { arrival, known, hello: None };
    let opening =
        Opening { verdict: denied(&snapshot, &denial), ..opening(shared, &snapshot, &told.packet, &refused) };
    shared.ledger.refuse(&opening, &denial);
}

fn flow(packet: &Packet, arrival: Arrival, reason: Reason) -> RefusedFlow {
    let Arrival { client, destination, .. } = arrival;
    RefusedFlow { protocol: packet.protocol, from: client.0, to: destination.0, reason }
}

/// An echo request that was let pass: the first of those from one source to one destination.
fn passed(
    shared: &Shared,
    snapshot: &Snapshot,
    on_record: &mut Refusals,
    (told, arrival, known): (&Told, Arrival, Option<Known>),
) {
    // It has no reason; any one stands for it.
    let flow = flow(&told.packet, arrival, Reason::ProtocolIcmp);
    if on_record.note(flow, arrival.started) != Record::Flow {
        return;
    }
    let refused = Refused { arrival, known, hello: None };
    let mut opening = opening(shared, snapshot, &told.packet, &refused);
    opening.verdict.evidence = Some("spec.intercept.echo".to_owned());
    // It has left already; the ledger counts the loss.
    let _ = shared.ledger.event(&opening, &Outcome::default());
}

/// A packet as a connection would arrive; without ports where the protocol has none.
fn arrival(packet: &Packet) -> Arrival {
    let (from, to) = packet.ports.unwrap_or_default();
    Arrival {
        id: clock::request_id(),
        at: clock::now(),
        started: Instant::now(),
        client: ClientAddress(SocketAddr::new(packet.source, from)),
        destination: OriginalDestination(SocketAddr::new(packet.destination, to)),
    }
}

/// Its record, as allowed.
fn opening(shared: &Shared, snapshot: &Snapshot, packet: &Packet, refused: &Refused) -> Opening {
    Opening {
        request_id: refused.arrival.id,
        connection_id: None,
        at: refused.arrival.at,
        kind: Kind::Connection,
        subject: refused.subject(shared),
        asked: Asked { protocol: Some(packet.word()), ..Asked::default() },
        verdict: built_in(snapshot),
    }
}

/// Why it was dropped.
fn denial(
    shared: &Shared,
    snapshot: &Snapshot,
    told: &Told,
    (arrival, known): (Arrival, Option<&Known>),
) -> Denial {
    let packet = &told.packet;
    if told.fate == Fate::Forged {
        return forged(told);
    }
    let Some(known) = known else {
        let detail = format!("No agent is registered for the source address {}.", packet.source);
        return Denial::built_in(Reason::IdentityUnknown, detail);
    };
    let agent = &known.agent().name;
    let odd = packet.odd.or(told.in_parts.then_some(Odd::Fragment));
    let (reason, what) = match (odd, packet.protocol) {
        (Some(Odd::Extension), _) => {
            (Reason::ProtocolExtension, "packets with IP options or extension headers")
        }
        (Some(Odd::Fragment), _) => (Reason::ProtocolFragment, "packets in parts"),
        (None, UDP) => return datagram(shared, snapshot, arrival, known),
        (None, TCP) => {
            return Denial::internal("the kernel refused TCP by itself: the listener was not there");
        }
        (None, ICMP | ICMPV6) => (Reason::ProtocolIcmp, "ICMP"),
        (None, _) => (Reason::ProtocolOther, "this IP protocol"),
    };
    let detail = format!("Agent {agent} may not send {what} to {}.", packet.destination);
    Denial::built_in(reason, detail).seen(format!("IP protocol {}", packet.protocol))
}

fn forged(told: &Told) -> Denial {
    let source = told.packet.source;
    let detail = format!("The source address {source} does not belong to this sender.");
    let seen = match told.card {
        Some(card) => format!("{source} came from {card}"),
        None => format!("{source} came from a card that is not known"),
    };
    Denial::built_in(Reason::IdentityInvalid, detail).seen(seen)
}

/// UDP that policy does not name: judged as a flow is that comes to the daemon.
fn datagram(shared: &Shared, snapshot: &Snapshot, arrival: Arrival, known: &Known) -> Denial {
    let destination = arrival.destination;
    let agent = &known.agent().name;
    let given = shared.memory.names(agent, destination.0.ip(), arrival.at);
    let flow = Flow { destination, hello: &Hello::Datagram, given: &given, stale: &[], once: &[] };
    match snapshot.policy.connection(known, flow, shared.circumstances(snapshot, known, arrival.at)) {
        Err(refusal) => refusal.denial,
        // A route may name it, and yet nothing is relayed there; or documents came into force after it was refused.
        Ok(_) => {
            let detail = format!(
                "Agent {agent} may not reach {} by UDP: the address is this gateway's own, or a group's.",
                destination.0
            );
            Denial::built_in(Reason::DestinationPrivate, detail)
        }
    }
}
