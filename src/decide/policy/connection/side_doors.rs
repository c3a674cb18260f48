//! Side doors: what would go around the judgement of names, and is refused before any route is looked at.
//!
//! QUIC, encrypted DNS, CONNECT, another protocol on the port of TLS, and TLS that hides its name where the name decides.
//! Requests that are DNS by their own words are met in `request.rs`.

use super::{Judge, L4Entry, Listeners, PolicySet, Route, words};
use crate::model::manifest::resources::{
    ENCRYPTED_DNS_PORT, L4Protocol, ListenerProtocol, QUIC_PORT, TLS_PORT,
};
use crate::model::types::{Denial, OriginalDestination};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;

impl PolicySet {
    /// Why a destination is refused by its port alone, whatever is said there.
    pub fn refused_port(&self, known: &Known, destination: OriginalDestination) -> Option<Denial> {
        let place = destination.0;
        (place.port() == ENCRYPTED_DNS_PORT).then(|| words::encrypted_dns_port(known, place, L4Protocol::Tcp))
    }
}

impl<'a> Judge<'a> {
    /// Refuses what goes around every judgement of names, whatever routes say.
    pub(super) fn check_side_doors(&self, addressed: &[&'a L4Entry]) -> Result<(), Denial> {
        let destination = self.flow.destination.0;
        match (self.transport(), destination.port()) {
            (L4Protocol::Udp, QUIC_PORT) => return Err(words::quic(self.known, destination)),
            (_, ENCRYPTED_DNS_PORT) => {
                return Err(words::encrypted_dns_port(self.known, destination, self.transport()));
            }
            (L4Protocol::Tcp, TLS_PORT) if self.is_unread() && !self.is_meant(addressed) => {
                return Err(words::not_tls(self.known, destination, self.flow.hello));
            }
            _ => {}
        }
        match self.flow.hello {
            Hello::Http1(hello) => match &hello.connect {
                Some(target) => Err(words::connect(self.known, destination, target)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether nobody would read it, if it were relayed: bytes, silence, or HTTP without a listener for that.
    fn is_unread(&self) -> bool {
        match self.flow.hello {
            Hello::Tls(_) => false,
            Hello::Http1(_) | Hello::Http2 => !self.plan.listeners.has(ListenerProtocol::Http),
            Hello::Opaque | Hello::Silent | Hello::Datagram => true,
        }
    }

    /// Whether somebody meant something else than TLS to use its port here: there is no listener for TLS, or a route
    /// of TCP alone covers the address or one of its names.
    fn is_meant(&self, addressed: &[&'a L4Entry]) -> bool {
        use ListenerProtocol::{TlsPassthrough, TlsTerminate};
        let listeners = self.plan.listeners;
        let takes_tls = listeners.has(TlsTerminate) || listeners.has(TlsPassthrough);
        let only = Listeners::default().with(ListenerProtocol::Tcp);
        let names = self.flow.given.iter().chain(self.flow.stale);
        let mut named = names.flat_map(|name| self.by_host(name));
        let meant = |entry: &L4Entry| entry.listeners == only;
        !takes_tls || addressed.iter().any(|entry| meant(entry)) || named.any(meant)
    }

    /// Whether the name in the open decides, and may not be the one that the server hears: TLS with ECH that nobody
    /// opens. Where TLS is opened we are a server without ECH, and the client falls back.
    pub(super) fn hides_its_name(&self, listeners: Listeners) -> bool {
        let Hello::Tls(hello) = self.flow.hello else { return false };
        hello.ech && !listeners.has(ListenerProtocol::TlsTerminate) && !listeners.has_hidden_names()
    }

    /// A route that is attached to a TCP or UDP listener and to nothing else: whoever wrote it means bytes that nobody
    /// reads, as for SSH to a host whose web pages other routes govern.
    pub(super) fn raw_by_intent(&self, entries: &[&'a L4Entry]) -> Option<&'a Route> {
        let only = Listeners::default().with(match self.transport() {
            L4Protocol::Tcp => ListenerProtocol::Tcp,
            L4Protocol::Udp => ListenerProtocol::Udp,
        });
        let meant = entries.iter().find(|entry| self.is_raw() && entry.listeners == only);
        meant.map(|entry| &entry.route)
    }
}
