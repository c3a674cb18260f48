//! Messages made to order, and an upstream on loopback that answers, lies or keeps silent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;

use super::super::message::Query;
use super::super::wire::{HEADER, kind};

/// One record, already in wire form.
pub type Record = Vec<u8>;

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

/// A query as a stub resolver writes it; `edns` is payload and DO.
pub fn query_bytes(id: u16, host: &str, kind: u16, edns: Option<(u16, bool)>) -> Vec<u8> {
    let labels: Vec<&[u8]> = host.split('.').map(str::as_bytes).collect();
    let mut bytes = raw_query_with(&labels, kind, edns);
    bytes[..2].copy_from_slice(&id.to_be_bytes());
    bytes
}

pub fn raw_query(labels: &[&[u8]]) -> Vec<u8> {
    raw_query_with(labels, kind::A, None)
}

pub fn raw_query_with(labels: &[&[u8]], kind: u16, edns: Option<(u16, bool)>) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    for label in labels {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label);
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    if let Some((payload, dnssec_ok)) = edns {
        bytes.extend_from_slice(&[0, 0, 41]);
        bytes.extend_from_slice(&payload.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
    }
    bytes
}

pub fn query(host: &str, kind: u16, edns: Option<(u16, bool)>) -> Query {
    Query::parse(&query_bytes(0x4242, host, kind, edns)).unwrap()
}

pub fn other(owner: &str, kind: u16, ttl: u32, data: &[u8]) -> Record {
    let mut out = name(owner);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    out.extend_from_slice(data);
    out
}

pub fn a(owner: &str, address: [u8; 4], ttl: u32) -> Record {
    other(owner, kind::A, ttl, &address)
}

pub fn aaaa(owner: &str, address: &str, ttl: u32) -> Record {
    let address: std::net::Ipv6Addr = address.parse().unwrap();
    other(owner, kind::AAAA, ttl, &address.octets())
}

pub fn cname(owner: &str, target: &str, ttl: u32) -> Record {
    other(owner, kind::CNAME, ttl, &name(target))
}

/// NOERROR with these answers and the query's own id, question and (where it has one) OPT.
pub fn response(query: &Query, answers: &[Record]) -> Vec<u8> {
    let mut bytes = query.bytes()[..HEADER + query.question().len()].to_vec();
    bytes[2] |= 0x80;
    bytes[3] = 0x80;
    bytes[6..8].copy_from_slice(&u16::try_from(answers.len()).unwrap().to_be_bytes());
    bytes[10..12].copy_from_slice(&[0, u8::from(query.edns().is_some())]);
    for answer in answers {
        bytes.extend_from_slice(answer);
    }
    if query.edns().is_some() {
        bytes.extend_from_slice(&[0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
    bytes
}

/// What the upstream does with one query over UDP. Over TCP it always answers.
#[derive(Clone)]
pub enum Act {
    Answer(Vec<Record>),
    Rcode(u8),
    /// The code, no answers, and these records of authority.
    Nothing(u8, Vec<Record>),
    Truncate,
    Silence,
    /// Another id, another question, another port, no response bit, bytes of no meaning; then the answer.
    Lie(Vec<Record>),
    /// The answer, but only once `Upstream::release` has been called.
    Hold(Vec<Record>),
    /// A header and question that fit, and records that do not parse.
    Broken,
}

/// An upstream on loopback, UDP and TCP on one port.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<(Query, SocketAddr)>>>,
    release: Arc<Notify>,
    arrived: Arc<Notify>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Acts in order, the last one for ever; TCP answers with `tcp`.
    pub async fn start(acts: Vec<Act>, tcp: Vec<Record>) -> Self {
        let (udp, listener) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(listener) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, listener);
            }
        };
        let address = udp.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (release, arrived) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve_tcp(listener, tcp, connections.clone()));
        tokio::spawn(serve_udp(udp, acts.into(), seen.clone(), (release.clone(), arrived.clone())));
        Self { address, seen, release, arrived, connections }
    }

    /// Queries over UDP so far, with the ports they came from.
    pub fn seen(&self) -> Vec<(Query, SocketAddr)> {
        self.seen.lock().unwrap().clone()
    }

    /// Connections over TCP so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits for the next query over UDP.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub fn release(&self) {
        self.release.notify_waiters();
    }
}

async fn serve_udp(
    socket: UdpSocket,
    mut acts: VecDeque<Act>,
    seen: Arc<Mutex<Vec<(Query, SocketAddr)>>>,
    (release, arrived): (Arc<Notify>, Arc<Notify>),
) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; 65_535];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let query = Query::parse(&buffer[..length]).expect("the forwarder sends queries");
        seen.lock().unwrap().push((query.clone(), from));
        let act = if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() };
        let wait = matches!(act, Act::Hold(_)).then(|| release.clone().notified_owned());
        arrived.notify_one();
        let socket = socket.clone();
        tokio::spawn(async move {
            if let Some(wait) = wait {
                wait.await;
            }
            for (bytes, own_port) in play(&act, &query) {
                if own_port {
                    socket.send_to(&bytes, from).await.unwrap();
                } else {
                    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                    stranger.send_to(&bytes, from).await.unwrap();
                }
            }
        });
    }
}

/// What is sent, and whether from the port that was asked.
fn play(act: &Act, query: &Query) -> Vec<(Vec<u8>, bool)> {
    let truth = |answers: &[Record]| response(query, answers);
    let lie = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = response(query, &[a(query.text(), [203, 0, 113, 66], 60)]);
        change(&mut bytes);
        bytes
    };
    match act {
        Act::Silence => Vec::new(),
        Act::Answer(answers) | Act::Hold(answers) => vec![(truth(answers), true)],
        Act::Rcode(code) => {
            let mut bytes = truth(&[]);
            bytes[3] |= code;
            vec![(bytes, true)]
        }
        Act::Nothing(code, authority) => {
            // Without an OPT record, whose place would be behind them.
            let mut bytes = query.bytes()[..HEADER + query.question().len()].to_vec();
            bytes[11] = 0;
            let mut bytes = response(&Query::parse(&bytes).unwrap(), authority);
            bytes[3] |= code;
            bytes.copy_within(6..8, 8);
            bytes[6..8].fill(0);
            vec![(bytes, true)]
        }
        Act::Truncate => {
            let mut bytes = truth(&[]);
            bytes[2] |= 0x02;
            vec![(bytes, true)]
        }
        Act::Broken => {
            let mut bytes = truth(&[]);
            bytes[7] = 3;
            vec![(bytes, true)]
        }
        Act::Lie(answers) => vec![
            (lie(&|bytes| bytes[1] ^= 1), true),
            (lie(&|bytes| bytes[HEADER + 1] ^= 1), true),
            (lie(&|bytes| bytes[HEADER + 1] ^= 0x20), true),
            (lie(&|bytes| bytes[2] &= 0x7f), true),
            (lie(&|bytes| bytes.truncate(20)), true),
            (lie(&|bytes| bytes[5] = 0), true),
            (lie(&|_| {}), false),
            (truth(answers), true),
        ],
    }
}

/// Answers every query, under the names of lies and delays as they say: `late` after the next one, `silent` never, `last` and then no
/// more, `lie` for another question, `first` only as the first of its connection, which else ends.
async fn serve_tcp(listener: TcpListener, answers: Vec<Record>, connections: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::Relaxed);
        let (mut held, mut first) = (None, true);
        while let Ok(length) = stream.read_u16().await {
            let mut bytes = vec![0; usize::from(length)];
            stream.read_exact(&mut bytes).await.unwrap();
            let query = Query::parse(&bytes).unwrap();
            let mut reply = response(&query, &answers);
            match query.text() {
                "late.example" => {
                    held = Some(reply);
                    continue;
                }
                "silent.example" => continue,
                "lie.example" => reply[HEADER + 1] = b'L',
                "first.example" if !first => break,
                _ => {}
            }
            first = false;
            for reply in [Some(reply), held.take()].into_iter().flatten() {
                // In two parts, as a network may deliver it.
                stream.write_u16(u16::try_from(reply.len()).unwrap()).await.unwrap();
                stream.flush().await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
            if query.text() == "last.example" {
                break;
            }
        }
    }
}
