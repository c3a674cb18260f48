//! A connection as it is known: how it arrived, and what was found out about it until it was judged.

use std::time::Instant;

use super::road::Shared;
use crate::decide::ledger::record::Subject;
use crate::decide::policy::{Mode, Passage};
use crate::model::types::agreed_name::{AgreedName, Scheme};
use crate::model::types::{ClientAddress, HostName, OriginalDestination, RequestId, Timestamp};
use crate::perceive::dns::Held;
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;

/// A connection as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Its id.
    pub id: RequestId,
    /// When it was accepted, by the wall clock.
    pub at: Timestamp,
    /// When it was accepted, for measuring.
    pub started: Instant,
    /// The workload.
    pub client: ClientAddress,
    /// Where it wanted to go.
    pub destination: OriginalDestination,
}

/// A connection that may live, with all that was found out about it.
#[derive(Debug)]
pub struct Judged {
    /// How it arrived.
    pub arrival: Arrival,
    /// Who speaks.
    pub known: Known,
    /// What it said first.
    pub hello: Hello,
    /// What policy says of it.
    pub passage: Passage,
    /// The belief by which it lives, where it lives by one.
    pub held: Option<Held>,
}

/// Who and what is refused.
#[derive(Debug)]
pub struct Refused {
    /// How it arrived.
    pub arrival: Arrival,
    /// Who speaks, where that is known.
    pub known: Option<Known>,
    /// What it said first, where that could be read.
    pub hello: Option<Hello>,
}

impl Refused {
    /// The host the workload claims to want.
    pub fn host(&self) -> Option<&HostName> {
        match self.hello.as_ref()? {
            Hello::Tls(hello) => hello.server_name.as_ref(),
            Hello::Http1(hello) => hello.host.as_ref(),
            _ => None,
        }
    }

    /// Whom its requests may name, so that they can be read for the record.
    pub fn agreed(&self) -> Option<AgreedName> {
        let port = self.arrival.destination.0.port();
        let scheme = if matches!(self.hello, Some(Hello::Tls(_))) { Scheme::Https } else { Scheme::Http };
        self.host().map(|host| AgreedName::new(host.clone(), port, scheme))
    }

    /// Who and where.
    pub fn subject(&self, shared: &Shared) -> Subject {
        let source = self.arrival.client.0.ip();
        let known = self.known.as_ref();
        Subject {
            agent: known.map(|known| known.agent().clone()),
            source: Some(source),
            execution: known.and_then(|known| shared.going_on(&known.agent().name, source)),
            host: self.host().cloned(),
            destination: Some(self.arrival.destination.0),
        }
    }
}

/// The word for the protocol in records.
pub fn protocol(mode: Mode) -> &'static str {
    match mode {
        Mode::Terminate => "tls-terminate",
        Mode::PassThrough => "tls-passthrough",
        Mode::PlainHttp => "http",
        Mode::Relay => "tcp",
        Mode::Datagrams => "udp",
    }
}
