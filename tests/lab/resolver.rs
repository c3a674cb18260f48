//! A small authoritative DNS server: the answers a test gives it, and a log of what it was asked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::backends::{Backends, Wire};
use super::{RESOLVER_V4, RESOLVER_V6};

/// The longest chain of CNAME records that is followed.
const CHAIN: usize = 8;

/// Names and their records. A name without records of the type asked for has no data; any other does not exist.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    ttl: u32,
    records: BTreeMap<Name, Vec<RData>>,
}

impl Zone {
    /// An empty zone with a time to live of 60 s.
    pub fn new() -> Self {
        Self { ttl: 60, records: BTreeMap::new() }
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

    fn answer(&self, name: &Name, kind: RecordType) -> (ResponseCode, Vec<Record>) {
        let mut answers = Vec::new();
        let mut current = name.to_lowercase();
        for _ in 0..CHAIN {
            let Some(records) = self.records.get(&current) else {
                return (ResponseCode::NXDomain, answers);
            };
            let mut next = None;
            for data in records {
                if data.record_type() == kind {
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
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// Who asked.
    pub from: IpAddr,
}

/// The running server.
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    zone: Mutex<Zone>,
    asked: Mutex<Vec<Asked>>,
}

impl Resolver {
    pub(super) fn start(backends: &Backends, zone: Zone) -> Self {
        let shared = Arc::new(Shared { zone: Mutex::new(zone), asked: Mutex::new(Vec::new()) });
        for address in [format!("{RESOLVER_V4}:53"), format!("[{RESOLVER_V6}]:53")] {
            let socket = backends.udp(&address);
            let here = shared.clone();
            backends.spawn(async move {
                let mut buffer = vec![0; 65_535];
                while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                    if let Some(reply) = here.reply(&buffer[..length], "udp", from.ip()) {
                        let _ = socket.send_to(&reply, from).await;
                    }
                }
            });
            let here = shared.clone();
            backends.serve(&address, Wire::Plain, move |mut stream, from| {
                let here = here.clone();
                async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut query = vec![0; length.into()];
                        stream.read_exact(&mut query).await?;
                        let Some(reply) = here.reply(&query, "tcp", from.ip()) else { break };
                        stream.write_u16(u16::try_from(reply.len()).unwrap_or(u16::MAX)).await?;
                        stream.write_all(&reply).await?;
                    }
                    Ok(())
                }
            });
        }
        Self { shared }
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
        *self.shared.zone.lock().expect("no test thread panics here") = zone;
    }
}

impl Shared {
    fn reply(&self, query: &[u8], transport: &'static str, from: IpAddr) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let question = query.queries.first()?.clone();
        let name = question.name().to_lowercase().to_ascii();
        self.asked.lock().expect("no test thread panics here").push(Asked {
            name: name.trim_end_matches('.').to_owned(),
            kind: question.query_type().to_string(),
            transport,
            from,
        });
        let (code, answers) = self
            .zone
            .lock()
            .expect("no test thread panics here")
            .answer(question.name(), question.query_type());
        let mut reply = Message::error_msg(query.metadata.id, OpCode::Query, code);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.metadata.authoritative = true;
        reply.add_query(question);
        reply.add_answers(answers);
        let limit = if transport == "udp" { usize::from(query.max_payload()) } else { usize::from(u16::MAX) };
        if query.edns.is_some() {
            reply.set_edns(Edns::new());
        }
        let bytes = reply.to_vec().ok()?;
        if bytes.len() <= limit { Some(bytes) } else { reply.truncate().to_vec().ok() }
    }
}

fn absolute(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("a name").to_lowercase();
    name.set_fqdn(true);
    name
}
