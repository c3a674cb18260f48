//! What all requests of one connection share, and how they reach the upstream: by a kept connection, or a new one.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};

use http::request;
use smallvec::SmallVec;
use tokio::time::timeout;

use super::anew::Again;
use super::arrival::{Arrival, Judged};
use super::claimed;
use super::paces::Asker;
use super::road::Road;
use super::underway::{self, Underway};
use crate::act::dial::Protocol;
use crate::act::upstream::{Key, LiveTempo, Offer, Sender, Tempo};
use crate::decide::ledger::Entry;
use crate::decide::policy::{Clearance, NameSource, Passage, is_approval};
use crate::model::condition::Content;
use crate::model::types::agreed_name::{AgreedName, Scheme};
use crate::model::types::limits::TLS_HANDSHAKE_TIME;
use crate::model::types::{Denial, HostName, Reason};
use crate::perceive::dns::Held;
use crate::perceive::hello::{Alpn, Hello};
use crate::perceive::identity::Known;
use crate::perceive::request::Request;
use crate::platform::sys::clock;

/// Which kind of upstream connection a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// What the workload's own protocol asks for.
    Usual,
    /// HTTP/1.1 whatever the workload speaks: upgrades are of HTTP/1.1 alone.
    Http1,
}

/// What all requests of one connection share.
pub struct Site {
    /// The worker's road.
    pub road: Rc<Road>,
    /// How the connection arrived.
    pub arrival: Arrival,
    /// Who speaks.
    pub known: Known,
    /// What policy says of the connection.
    pub passage: Passage,
    /// The belief by which it lives; held for its end.
    _held: Option<Held>,
    /// The names on which DNS, SNI and certificate agree.
    pub agreed: AgreedName,
    /// Which kept upstream connections may serve it.
    pub key: Rc<Key>,
    /// What the client offered in ALPN.
    pub offer: SmallVec<[Alpn; 2]>,
    /// The upstream connection that was made for it, until the first request takes it.
    pub first: RefCell<Option<Sender>>,
    /// Where it really led last, if not to the address asked for.
    pub dialled: Cell<Option<SocketAddr>>,
    /// Requests whose bodies have not passed yet.
    underway: RefCell<SmallVec<[Weak<Underway>; 1]>>,
    /// Why the connection was cut, once it is: for the records of its requests.
    pub cut: Rc<OnceCell<Denial>>,
    /// Switched protocols: what still runs when HTTP is over.
    pub tunnel: RefCell<Option<tokio::task::JoinHandle<()>>>,
}

impl Site {
    /// A connection that may live and will be read.
    pub fn new(road: Rc<Road>, judged: Judged, scheme: Scheme) -> Self {
        let Judged { arrival, known, hello, passage, held } = judged;
        let port = arrival.destination.0.port();
        let agreed = match passage.host() {
            Some(host) => AgreedName::new(host.clone(), port, scheme).or(passage.also().iter().cloned()),
            None => AgreedName::of_address(arrival.destination.0.ip(), port, scheme),
        };
        let (offer, speaks_h2) = match hello {
            Hello::Tls(hello) => (hello.alpn.clone(), hello.alpn.contains(&Alpn::H2)),
            other => (SmallVec::new(), other == Hello::Http2),
        };
        let key = Key {
            agent: known.agent().name.clone(),
            host: passage.host().cloned(),
            address: key_address(&passage),
            tls: scheme == Scheme::Https,
            offer: if speaks_h2 { Offer::Http2 } else { Offer::Http1 },
        };
        let (first, dialled, tunnel) = (RefCell::default(), Cell::default(), RefCell::default());
        Self {
            road,
            arrival,
            known,
            passage,
            _held: held,
            agreed,
            key: Rc::new(key),
            offer,
            first,
            dialled,
            underway: RefCell::default(),
            cut: Rc::default(),
            tunnel,
        }
    }

    /// Notes a request that may go. To be kept until its bodies have passed.
    pub fn begin(
        &self,
        (head, content): (&request::Parts, Content),
        clearance: &Clearance,
        host: Option<&HostName>,
    ) -> Rc<Underway> {
        let route = clearance.route();
        let host = host.filter(|_| is_approval(&route.policy));
        let underway = Rc::new(Underway {
            head: underway::copy(head),
            content,
            tempo: LiveTempo::new(self.tempo(clearance)),
            granted: RefCell::new(host.map(|host| (host.clone(), route.policy.clone()))),
        });
        let mut all = self.underway.borrow_mut();
        all.retain(|one| one.strong_count() > 0);
        all.push(Rc::downgrade(&underway));
        underway
    }

    /// Who asks, for what is counted.
    pub fn asker(&self) -> Asker<'_> {
        self.road.shared.asker(&self.known, self.arrival.client)
    }

    /// How fast what is permitted like this may go.
    pub fn tempo(&self, clearance: &Clearance) -> Tempo {
        self.road.shared.paces.tempo(self.asker(), clearance.into())
    }

    /// Something else is in force, or it is later: when to ask again. What goes on goes at the pace in force.
    ///
    /// # Errors
    /// Why the connection may go on no longer.
    pub fn renewed(&self) -> Result<Again, Denial> {
        match self.lapsed() {
            Some(denial) => Err(denial),
            None => {
                self.pace_anew();
                Ok(Again::of(&self.road, &self.known))
            }
        }
    }

    /// Because its agent is shut out, or an approval that it or one of its requests lives by has ended, and no other has
    /// taken its place. New documents end nothing here: each request is judged by them.
    fn lapsed(&self) -> Option<Denial> {
        let snapshot = self.road.snapshot();
        let circumstances = snapshot.circumstances(clock::now());
        let port = self.arrival.destination.0.port();
        let lost = |host: &HostName| circumstances.approved(&self.known, Some(host), port).is_none();
        let denial = circumstances.admit(&self.known).err().or_else(|| {
            let route = self.passage.route();
            let own = self.passage.host().filter(|host| is_approval(&route.policy) && lost(host));
            let mut ended = own.map(|host| (host.clone(), route.policy.clone()));
            for one in self.underway.borrow().iter().filter_map(Weak::upgrade) {
                ended = ended.or_else(|| one.granted.borrow().clone().filter(|(host, _)| lost(host)));
            }
            let (host, policy) = ended?;
            let detail = format!("What let agent {} reach {host}:{port} has ended.", self.known.agent().name);
            Some(Denial::by(Reason::PolicyNoRoute, policy, None, detail))
        })?;
        // The first reason counts.
        let _ = self.cut.set(denial.clone());
        Some(denial)
    }

    /// Each request that is underway goes as one that is asked now. What would be refused now goes on as it went.
    fn pace_anew(&self) {
        let snapshot = self.road.snapshot();
        let known = snapshot.directory.by_source(self.arrival.client).ok();
        let Some(known) = known.filter(|known| known.agent().name == self.known.agent().name) else { return };
        let circumstances = self.road.shared.circumstances(&snapshot, &known, clock::now());
        for one in self.underway.borrow().iter().filter_map(Weak::upgrade) {
            let Ok(request) = Request::read(&self.agreed, &one.head) else { continue };
            let permit = snapshot.policy.request(&known, &self.passage, &request, circumstances);
            if let Ok(clearance) = permit.and_then(|permit| permit.settle(&one.content)) {
                one.tempo.set(self.tempo(&clearance));
            }
        }
    }

    /// A connection to the upstream: a kept one, or a new one.
    ///
    /// # Errors
    /// The denial that says why the upstream cannot be reached or trusted.
    pub async fn reach(&self, entry: &Entry, leg: Leg) -> Result<Sender, Denial> {
        match Sender::kept(&self.road.pool, &self.key(leg)) {
            Some(sender) => {
                self.note(sender.peer());
                Ok(sender)
            }
            None => Box::pin(self.dial(entry, leg)).await,
        }
    }

    fn key(&self, leg: Leg) -> Rc<Key> {
        match leg {
            Leg::Http1 if self.key.offer != Offer::Http1 => {
                Rc::new(Key { offer: Offer::Http1, ..(*self.key).clone() })
            }
            _ => self.key.clone(),
        }
    }

    /// The address for the record, where it is another than the one asked for.
    fn note(&self, peer: SocketAddr) {
        self.dialled.set((peer != self.arrival.destination.0).then_some(peer));
    }

    /// A new connection to the upstream.
    ///
    /// # Errors
    /// As [`Site::reach`].
    pub async fn dial(&self, entry: &Entry, leg: Leg) -> Result<Sender, Denial> {
        let key = self.key(leg);
        let offer =
            if leg == Leg::Http1 && !self.offer.is_empty() { &[Alpn::Http11][..] } else { &self.offer };
        let found = claimed::addresses(&self.road, &self.known, &self.passage).await?;
        let resolve = async |_: &_| found.clone();
        let dialled = self.road.shared.dialler.connect(&self.passage, entry, offer, resolve).await?;
        let (stream, address, protocol) = dialled.into_parts();
        self.note(address);
        let protocol = protocol.unwrap_or(match key.offer {
            Offer::Http1 => Protocol::Http11,
            Offer::Http2 => Protocol::H2,
        });
        let begun = Sender::fresh(&self.road.pool, &key, (stream, address), protocol);
        let failed = |what: String| {
            let detail = "The destination accepted the connection and then failed to speak HTTP.";
            Denial::built_in(Reason::UpstreamFailed, detail).seen(format!("{address}: {what}"))
        };
        match timeout(TLS_HANDSHAKE_TIME, begun).await {
            Ok(begun) => begun.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed("no progress".to_owned())),
        }
    }
}

/// Where the gateway resolves the name itself, any of its answers will do: only the port tells connections apart.
fn key_address(passage: &Passage) -> SocketAddr {
    let destination = passage.destination();
    match passage.name_source() {
        NameSource::Resolve => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), destination.port()),
        NameSource::Given | NameSource::None => destination,
    }
}
