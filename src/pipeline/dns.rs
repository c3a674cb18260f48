//! A DNS query's road: who asks, may the name be looked up, record it, answer it, remember it. The same for datagrams
//! and streams. What is refused leaves no trace outside: no query for it is sent.

mod names;
mod shares;

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::{unconstrained, yield_now};
use tokio::time::timeout;

use super::case::{built_in, denied};
use super::home;
use super::road::{Road, Snapshot};
use super::shift::{Stage, reached};
use crate::decide::dlp::Inspected;
use crate::decide::ledger::record::{Asked, Kind, Opening, Outcome, Subject};
use crate::decide::policy::{Leave, Lookup};
use crate::decide::tunnel::{Asked as Looked, Heard};
use crate::model::types::address::classify;
use crate::model::types::limits::{DNS_BATCH, DNS_PIPELINED_PER_CLIENT, TLS_HANDSHAKE_TIME};
use crate::model::types::record_type::CLASS_IN;
use crate::model::types::{
    AddressClass, ClientAddress, Denial, HostName, OriginalDestination, Reason, RecordType, Timestamp,
};
use crate::perceive::dns::{Answered, Frames, Query, Rcode, Recipient, Transport, reply, write_message};
use crate::perceive::identity::Known;
use crate::perceive::intercept::{Accepted, Datagram, DnsDatagrams};
use crate::platform::telemetry::Seldom;
use shares::Shares;

/// Who asks, and whom they meant to ask.
#[derive(Debug, Clone, Copy)]
struct Asker {
    client: ClientAddress,
    destination: OriginalDestination,
    transport: Transport,
}

impl Asker {
    fn of(datagram: &Datagram) -> Self {
        Self { client: datagram.client(), destination: datagram.destination(), transport: Transport::Udp }
    }
}

/// Answers that cannot be sent are for the workload to bring about: it does not fill the log with them.
static UNSENT: Seldom = Seldom::every(Duration::from_secs(10));

/// Serves queries in datagrams, for ever.
pub async fn datagrams(road: Rc<Road>, sockets: Rc<DnsDatagrams>) {
    let mut shares = Shares::default();
    loop {
        let mut batch = vec![sockets.receive().await];
        while batch.len() < DNS_BATCH {
            let Some(next) = unconstrained(sockets.receive()).now_or_never() else { break };
            batch.push(next);
        }
        // Where more wait than can be answered, the agents share what can.
        let crowded = batch.len() == DNS_BATCH;
        if !crowded {
            shares = Shares::default();
        }
        for datagram in batch {
            if crowded && !shares.admit(agent_of(&road, &datagram), Asker::of(&datagram)) {
                continue;
            }
            let (road, sockets, held) = (road.clone(), sockets.clone(), road.shifts.held());
            tokio::task::spawn_local(async move {
                datagram_answered(&road, &sockets, datagram).await;
                drop(held);
            });
        }
        shares.end_batch().for_each(|(dropped, asker)| unheard(&road, dropped, asker));
        // What was just begun, and everybody else, comes before the next batch.
        yield_now().await;
    }
}

fn agent_of(road: &Road, datagram: &Datagram) -> Option<Arc<str>> {
    let known = road.snapshot().directory.by_source(datagram.client()).ok()?;
    Some(known.agent().name.clone())
}

/// Puts on record what was dropped of one agent's in one batch.
fn unheard(road: &Road, dropped: usize, asker: Asker) {
    let snapshot = road.snapshot();
    let known = snapshot.directory.by_source(asker.client);
    let denial = Denial::built_in(Reason::Overload, "More DNS queries came at once than are answered.")
        .seen(format!("{dropped} queries were dropped unread"));
    unread(road, &snapshot, (asker, known.as_ref().ok()), &denial);
}

async fn datagram_answered(road: &Road, sockets: &DnsDatagrams, datagram: Datagram) {
    let asker = Asker::of(&datagram);
    let Some(answer) = answer(road, asker, datagram.bytes()).await else { return };
    if let Err(error) = sockets.reply(&datagram, &answer)
        && let Some(unsaid) = UNSENT.due(Instant::now())
    {
        tracing::warn!(client = %datagram.client().0, unsaid, %error, "a DNS answer could not be sent");
    }
}

/// Serves queries on one TCP connection until the workload closes it or is silent for too long. Those that come before
/// others are answered go along with them, and each answer leaves when it is there (RFC 7766, section 6.2.1.1).
pub async fn stream(road: Rc<Road>, accepted: Accepted) {
    let (client, destination) = (accepted.client(), accepted.destination());
    let asker = Asker { client, destination, transport: Transport::Tcp };
    let mut stream: TcpStream = accepted.into_stream();
    let (read, mut write) = stream.split();
    let mut frames = Frames::new(read);
    let mut under_way = FuturesUnordered::new();
    let (mut open, mut heard) = (true, false);
    let mut stage = road.stage.clone();
    while open || !under_way.is_empty() {
        // Whoever has just come is served once, also while the daemon drains.
        let may_end = open && heard && under_way.is_empty() && !frames.is_inside();
        let answered = tokio::select! {
            Some(answered) = under_way.next() => answered,
            () = reached(&mut stage, Stage::Draining), if may_end => return,
            message = frames.next(), if open && under_way.len() < DNS_PIPELINED_PER_CLIENT => {
                match message {
                    Ok(Some(message)) => {
                        heard = true;
                        let (road, message) = (&road, message.to_vec());
                        under_way.push(async move { answer(road, asker, &message).await });
                    }
                    // What was asked before the end is still answered.
                    Ok(None) => open = false,
                    Err(error) => {
                        if frames.is_inside() {
                            unfinished(&road, asker, &error);
                        }
                        open = false;
                    }
                }
                continue;
            }
        };
        let Some(answered) = answered else { return };
        if !matches!(timeout(TLS_HANDSHAKE_TIME, write_message(&mut write, &answered)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Records a message that did not come to its end.
fn unfinished(road: &Road, asker: Asker, error: &io::Error) {
    let detail = match error.kind() {
        io::ErrorKind::TimedOut => "The DNS query was not finished in time.",
        io::ErrorKind::InvalidData => "The DNS query is shorter than its header.",
        _ => "The DNS query broke off.",
    };
    let snapshot = road.snapshot();
    let known = snapshot.directory.by_source(asker.client);
    malformed(road, &snapshot, (asker, known.as_ref().ok()), detail.to_owned());
}

fn malformed(road: &Road, snapshot: &Snapshot, (asker, known): (Asker, Option<&Known>), detail: String) {
    unread(road, snapshot, (asker, known), &Denial::built_in(Reason::ProtocolMalformed, detail));
}

/// Records the refusal of a message that says nothing, or was not read.
fn unread(road: &Road, snapshot: &Snapshot, (asker, known): (Asker, Option<&Known>), denial: &Denial) {
    let mut opening = opening(road, snapshot, asker, known, None);
    opening.verdict = denied(snapshot, denial);
    road.shared.ledger.refuse(&opening, denial);
}

/// The reply to one message; none for what is no query at all.
async fn answer(road: &Road, asker: Asker, bytes: &[u8]) -> Option<Vec<u8>> {
    let started = Instant::now();
    let snapshot = road.snapshot();
    let known = snapshot.directory.by_source(asker.client);
    let query = match Query::parse(bytes) {
        Ok(query) => query,
        Err(error) => {
            let detail = format!("The DNS query is malformed: {error}.");
            malformed(road, &snapshot, (asker, known.as_ref().ok()), detail);
            return error.reply(bytes);
        }
    };
    let mut opening = opening(road, &snapshot, asker, known.as_ref().ok(), Some(&query));
    let at = opening.at;
    if query.class() == CLASS_IN && query.host().is_some_and(|host| host.as_str() == home::NAME) {
        return own_name(road, &opening, asker, &query);
    }
    let known = match known {
        Ok(known) => known,
        Err(denial) => return Some(refused(road, &snapshot, opening, &denial, &query)),
    };
    let inspected = names::look(road, &snapshot, &known, &query, &mut opening);
    let entry = match judge(road, &snapshot, (&known, &query), inspected, at) {
        Ok((leave, asked, inspected)) => {
            let allowed = (&leave, &inspected);
            road.shared.ledger.open_query(allowed, &opening).await.map(|entry| (asked, entry))
        }
        Err(denial) => Err(denial),
    };
    let (asked, entry) = match entry {
        Ok(opened) => opened,
        Err(denial) => {
            return Some(turned_away(road, &snapshot, opening, (asker, &known, denial), &query));
        }
    };
    let keep = |address| snapshot.policy.may_be_given(&known, address);
    let recipient = Recipient { agent: Some(&known.agent().name), transport: asker.transport, keep: &keep };
    let mut answered = road.exchange.answer(&query, recipient, at).await;
    let denial = withheld(road, &known, asked.as_ref(), &answered);
    if let Some(denial) = &denial {
        let (code, id) = (denial.reason.code(), opening.request_id.to_string());
        let is_tunnel = denial.reason == Reason::DnsTunnel;
        let told = if is_tunnel { reply::denied } else { reply::emptied };
        answered.reply = told(&query, code, &id);
        answered.rcode = if is_tunnel { Rcode::NxDomain.low().into() } else { 0 };
    }
    entry.close(Outcome {
        status: Some(answered.rcode),
        bytes_out: bytes.len() as u64,
        bytes_in: answered.reply.len() as u64,
        latency: started.elapsed(),
        added_latency: Some(started.elapsed().saturating_sub(answered.elapsed)),
        dialled: answered.upstream,
        end: ended(&answered),
        evidence: seen(road, &answered),
        denial,
        ..Outcome::default()
    });
    Some(answered.reply)
}

/// Whether a name may be looked up: first by policy, then by what the agent has carried out in names already. No query
/// leaves for one that may not.
fn judge<'a>(
    road: &Road,
    snapshot: &Snapshot,
    (known, query): (&Known, &'a Query),
    inspected: Result<Inspected, Denial>,
    at: Timestamp,
) -> Result<(Leave, Option<Looked<'a>>, Inspected), Denial> {
    let kind = RecordType(query.kind());
    let lookup = Lookup { host: query.host(), text: query.text(), kind, class: query.class() };
    let agent = &known.agent().name;
    let leave = snapshot.policy.query(known, &lookup, road.shared.circumstances(snapshot, known, at))?;
    let inspected = inspected?;
    // The root is no host name, and a document's.
    let Some(host) = query.host() else { return Ok((leave, None, inspected)) };
    let chooser = leave.chooser();
    let flagged = query.dnssec_ok() || query.checking_disabled();
    let (by_agent, base) = (chooser.is_agent(), chooser.base(host));
    let asked = Looked { host, kind, by_agent, base, flagged };
    road.shared.guard.admit(agent, &asked, at)?;
    Ok((leave, Some(asked), inspected))
}

/// Why the agent must not hear an answer: it serves a tunnel or is one of too many, or has no address but those that it may not be given.
fn withheld(road: &Road, known: &Known, asked: Option<&Looked<'_>>, answered: &Answered) -> Option<Denial> {
    let agent = &known.agent().name;
    let removed = &answered.removed;
    let asked = asked?;
    let heard = Heard {
        records: answered.failure.is_none() && (reply::answers(&answered.reply) > 0 || removed.emptied),
        addresses: answered.addresses > 0 || removed.count > 0,
        left: answered.left,
        bytes: u32::try_from(answered.length).unwrap_or(u32::MAX),
    };
    if let Err(denial) = road.shared.guard.answered(agent, asked, heard) {
        return Some(denial);
    }
    removed.emptied.then(|| not_to_be_given(agent, asked.host, &removed.addresses))
}

/// A name that leads nowhere but inside.
fn not_to_be_given(agent: &str, host: &HostName, removed: &[IpAddr]) -> Denial {
    let metadata = removed.iter().any(|address| classify(*address) == AddressClass::Metadata);
    let reason = if metadata { Reason::DestinationMetadata } else { Reason::DestinationPrivate };
    let detail = format!(
        "Agent {agent} may not be given the addresses of {host}: none is public, and no route names them by CIDR."
    );
    Denial::built_in(reason, detail).seen(classes(removed))
}

fn classes(addresses: &[IpAddr]) -> String {
    let classes = addresses.iter().map(|address| format!("{address} is {}", classify(*address)));
    classes.collect::<Vec<_>>().join(", ")
}

/// What became of an answer that is not as the upstream gave it, for the record.
fn seen(road: &Road, answered: &Answered) -> Option<String> {
    let removed = &answered.removed;
    match &answered.failure {
        Some(failure) => Some(road.shared.resolvers.seen(*failure)),
        None if removed.count > removed.addresses.len() => Some(format!(
            "{}, and {} more",
            classes(&removed.addresses),
            removed.count - removed.addresses.len()
        )),
        None if removed.count > 0 => Some(classes(&removed.addresses)),
        None => None,
    }
}

fn ended(answered: &Answered) -> Option<&'static str> {
    match &answered.failure {
        Some(_) => Some("upstream-failed"),
        None if answered.removed.count > 0 => Some("addresses-removed"),
        None => None,
    }
}

/// The gateway's own name: the addresses of this host on the workload's network.
fn own_name(road: &Road, opening: &Opening, asker: Asker, query: &Query) -> Option<Vec<u8>> {
    let answer = reply::own(query, road.shared.home.addresses(asker.client.0.ip()), home::TTL);
    let outcome = Outcome { status: Some(0), bytes_in: answer.len() as u64, ..Outcome::default() };
    // What is public may be read even when the record cannot be written; the ledger counts the loss.
    let _ = road.shared.ledger.event(opening, &outcome);
    Some(answer)
}

/// Refuses a known agent's query, and shuts the agent out where a rule says so. Where nothing proves who sent the datagram,
/// the client is told to ask again over TCP, and hears the rest there.
fn turned_away(
    road: &Road,
    snapshot: &Snapshot,
    opening: Opening,
    (asker, known, denial): (Asker, &Known, Denial),
    query: &Query,
) -> Vec<u8> {
    let agent = &known.agent().name;
    if asker.transport == Transport::Tcp {
        road.shared.heed(agent, &denial);
        return refused(road, snapshot, opening, &denial, query);
    }
    let shuts_out = denial.quarantine().is_some();
    let denial = road.shared.heed_datagram(asker.client, agent, denial);
    let reply = refused(road, snapshot, opening, &denial, query);
    if shuts_out && denial.quarantine().is_none() { reply::over_tcp(query) } else { reply }
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
    let ((id, at), source) = (road.stamp(), asker.client.0.ip());
    Opening {
        request_id: id,
        connection_id: None,
        at,
        kind: Kind::Dns,
        subject: Subject {
            agent: known.map(|known| known.agent().clone()),
            source: Some(source),
            execution: known.and_then(|known| road.shared.going_on(&known.agent().name, source)),
            host: query.and_then(Query::host).cloned(),
            destination: Some(asker.destination.0),
        },
        asked: Asked {
            method: query.map(Query::kind_text),
            path: query.map(|query| query.text().to_owned()),
            protocol: Some(word(asker.transport)),
            ..Asked::default()
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
