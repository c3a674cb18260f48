//! A small authoritative DNS server: the answers a test gives it, and a log of what it was asked. Over UDP and TCP, and
//! over TLS and HTTPS where a test says so.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NULL, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::backends::{Backends, Wire};
use super::family::Family;
use super::pki::Leaf;
use super::{RESOLVER_V4, RESOLVER_V6};

/// The longest chain of CNAME records that is followed.
const CHAIN: usize = 8;

/// Names and their records. A name without records of the type asked for has no data; any other does not exist.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    ttl: u32,
    records: BTreeMap<Name, Vec<RData>>,
    additional: Vec<(Name, RData)>,
    silent: Vec<Name>,
    /// TTL and MINIMUM of the SOA record that a denial carries.
    denial: Option<(u32, u32)>,
}

impl Zone {
    /// An empty zone with a time to live of 60 s.
    pub fn new() -> Self {
        Self { ttl: 60, ..Self::default() }
    }

    /// The time to live of every record, in seconds.
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = seconds;
        self
    }

    /// A and AAAA records, one for each address.
    pub fn host(mut self, name: &str, addresses: &[&str]) -> Self {
        for address in addresses {
            let data = match address.parse().expect("an address") {
                IpAddr::V4(v4) => RData::A(A(v4)),
                IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
            };
            self = self.record(name, data);
        }
        self
    }

    /// A CNAME record.
    pub fn alias(self, name: &str, target: &str) -> Self {
        self.record(name, RData::CNAME(CNAME(absolute(target))))
    }

    /// A TXT record, for answers of a size to choose.
    pub fn text(self, name: &str, text: &str) -> Self {
        let parts =
            text.as_bytes().chunks(255).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        self.record(name, RData::TXT(TXT::new(parts)))
    }

    /// Any record.
    pub fn record(mut self, name: &str, data: RData) -> Self {
        self.records.entry(absolute(name)).or_default().push(data);
        self
    }

    /// A record of any type by its data on the wire.
    pub fn raw(self, name: &str, kind: u16, data: &[u8]) -> Self {
        let rdata = NULL::with(data.to_vec());
        self.record(name, RData::Unknown { code: RecordType::from(kind), rdata })
    }

    /// A record that every answer carries in its additional section.
    pub fn additional(mut self, name: &str, data: RData) -> Self {
        self.additional.push((absolute(name), data));
        self
    }

    /// A name about which nothing is said at all.
    pub fn silent(mut self, name: &str) -> Self {
        self.silent.push(absolute(name));
        self
    }

    /// Denials carry an SOA record with this TTL and MINIMUM. Without it they carry none.
    pub fn denial(mut self, ttl: u32, minimum: u32) -> Self {
        self.denial = Some((ttl, minimum));
        self
    }

    /// What an answer carries behind its answer section.
    fn others(&self, answers: &[Record], kind: RecordType) -> (Option<Record>, Vec<Record>) {
        let found = answers.iter().any(|record| record.record_type() == kind || kind == RecordType::ANY);
        let soa = self.denial.filter(|_| !found).map(|(ttl, minimum)| {
            let soa = SOA::new(absolute("ns.example"), absolute("admin.example"), 1, 2, 3, 4, minimum);
            Record::from_rdata(absolute("example"), ttl, RData::SOA(soa))
        });
        let additional = self.additional.iter();
        let additional =
            additional.map(|(name, data)| Record::from_rdata(name.clone(), self.ttl, data.clone()));
        (soa, additional.collect())
    }

    /// The same in one family: every address is its twin.
    fn of(mut self, family: Family) -> Self {
        for records in self.records.values_mut() {
            for data in records.iter_mut() {
                if let (Family::V6, RData::A(A(v4))) = (family, &data) {
                    let twin = family.twin(&v4.to_string()).parse();
                    *data = RData::AAAA(AAAA(twin.unwrap_or_else(|_| panic!("{v4} has no twin"))));
                }
            }
            records.retain(|data| family != Family::V4 || data.record_type() != RecordType::AAAA);
            let mut seen = Vec::new();
            records.retain(|data| {
                !seen.contains(data) && {
                    seen.push(data.clone());
                    true
                }
            });
        }
        self
    }

    fn answer(&self, name: &Name, kind: RecordType) -> (ResponseCode, Vec<Record>) {
        let mut answers = Vec::new();
        let mut current = name.to_lowercase();
        for _ in 0..CHAIN {
            let Some(records) = self.records.get(&current) else {
                return (ResponseCode::NXDomain, answers);
            };
            let mut next = None;
            for data in records {
                if data.record_type() == kind || kind == RecordType::ANY {
                    answers.push(Record::from_rdata(current.clone(), self.ttl, data.clone()));
                } else if let RData::CNAME(target) = data {
                    answers.push(Record::from_rdata(current.clone(), self.ttl, data.clone()));
                    next = Some(target.0.to_lowercase());
                }
            }
            match next {
                Some(target) => current = target,
                None => break,
            }
        }
        (ResponseCode::NoError, answers)
    }
}

/// One query that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name, lower case, without the last dot.
    pub name: String,
    /// The type, such as `AAAA`.
    pub kind: String,
    /// `udp`, `tcp`, `tls` or `https`.
    pub transport: &'static str,
    /// The whole query.
    pub bytes: Vec<u8>,
    /// Who asked.
    pub from: IpAddr,
}

/// The running server.
pub struct Resolver {
    family: Family,
    shared: Arc<Shared>,
}

struct Shared {
    zone: Mutex<Zone>,
    asked: Mutex<Vec<Asked>>,
    /// Over TCP, TLS and HTTPS.
    connections: AtomicUsize,
}

impl Resolver {
    pub(super) fn start(backends: &Backends, zone: Zone) -> Self {
        let family = backends.family();
        let shared = Arc::new(Shared {
            zone: Mutex::new(zone.of(family)),
            asked: Mutex::new(Vec::new()),
            connections: AtomicUsize::new(0),
        });
        let addresses = [format!("{RESOLVER_V4}:53"), format!("[{RESOLVER_V6}]:53")];
        for address in addresses.iter().filter(|address| family.has(address)) {
            let socket = backends.udp(address);
            let here = shared.clone();
            backends.spawn(async move {
                let mut buffer = vec![0; 65_535];
                while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                    if let Some(reply) = here.reply(&buffer[..length], "udp", from.ip()) {
                        let _ = socket.send_to(&reply, from).await;
                    }
                }
            });
            stream(&shared, backends, address, (Wire::Plain, "tcp"));
        }
        Self { family, shared }
    }

    /// Serves the same zone over TLS (RFC 7858) on this address and port.
    pub fn over_tls(&self, backends: &Backends, address: &str, leaf: &Leaf) {
        stream(&self.shared, backends, address, (Wire::Tls(leaf, &[]), "tls"));
    }

    /// Serves the same zone over HTTPS (RFC 8484) on this address and port, at `/dns-query`.
    pub fn over_https(&self, backends: &Backends, address: &str, leaf: &Leaf) {
        let shared = self.shared.clone();
        backends.serve(address, Wire::Tls(leaf, &["h2"]), move |stream, from| {
            let shared = shared.clone();
            async move {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let service = service_fn(move |request| web(shared.clone(), request, from.ip()));
                let served = http2::Builder::new(TokioExecutor::new());
                served.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
            }
        });
    }

    /// Connections over TCP, TLS and HTTPS so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Every query so far, in the order of arrival.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no test thread panics here").clone()
    }

    /// Whether this name was asked for, with any type.
    pub fn was_asked_for(&self, name: &str) -> bool {
        self.asked().iter().any(|query| query.name == name)
    }

    /// Answers from this zone from now on.
    pub fn replace(&self, zone: Zone) {
        *self.shared.zone.lock().expect("no test thread panics here") = zone.of(self.family);
    }
}

impl Shared {
    fn reply(&self, bytes: &[u8], transport: &'static str, from: IpAddr) -> Option<Vec<u8>> {
        let query = Message::from_vec(bytes).ok()?;
        let question = query.queries.first()?.clone();
        let name = question.name().to_lowercase().to_ascii();
        self.asked.lock().expect("no test thread panics here").push(Asked {
            name: name.trim_end_matches('.').to_owned(),
            kind: question.query_type().to_string(),
            transport,
            bytes: bytes.to_vec(),
            from,
        });
        let zone = self.zone.lock().expect("no test thread panics here");
        if zone.silent.contains(&question.name().to_lowercase()) {
            return None;
        }
        let (code, answers) = zone.answer(question.name(), question.query_type());
        let (soa, additional) = zone.others(&answers, question.query_type());
        drop(zone);
        let mut reply = Message::error_msg(query.metadata.id, OpCode::Query, code);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.metadata.authoritative = true;
        reply.add_query(question);
        reply.add_answers(answers);
        reply.add_authorities(soa);
        reply.add_additionals(additional);
        let limit = if transport == "udp" { usize::from(query.max_payload()) } else { usize::from(u16::MAX) };
        if query.edns.is_some() {
            reply.set_edns(Edns::new());
        }
        let bytes = reply.to_vec().ok()?;
        if bytes.len() <= limit { Some(bytes) } else { reply.truncate().to_vec().ok() }
    }
}

/// Serves messages behind their length, one after the other.
fn stream(
    shared: &Arc<Shared>,
    backends: &Backends,
    address: &str,
    (wire, transport): (Wire<'_>, &'static str),
) {
    let shared = shared.clone();
    backends.serve(address, wire, move |mut stream, from| {
        let shared = shared.clone();
        async move {
            shared.connections.fetch_add(1, Ordering::Relaxed);
            while let Ok(length) = stream.read_u16().await {
                let mut query = vec![0; length.into()];
                stream.read_exact(&mut query).await?;
                let Some(reply) = shared.reply(&query, transport, from.ip()) else { break };
                stream.write_u16(u16::try_from(reply.len()).unwrap_or(u16::MAX)).await?;
                stream.write_all(&reply).await?;
                stream.flush().await?;
            }
            Ok(())
        }
    });
}

/// Answers one request as RFC 8484 has it, and anything else with the status that says what is wrong.
async fn web(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    from: IpAddr,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    const MESSAGE: &str = "application/dns-message";
    let usual = request.method() == Method::POST
        && request.uri().path() == "/dns-query"
        && request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == MESSAGE);
    let query = request.into_body().collect().await?.to_bytes();
    let reply = usual.then(|| shared.reply(&query, "https", from)).flatten();
    let status = if reply.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let mut response = Response::new(Full::new(Bytes::from(reply.unwrap_or_default())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MESSAGE));
    Ok(response)
}

fn absolute(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("a name").to_lowercase();
    name.set_fqdn(true);
    name
}
