//! Which L4 rules concern a connection: by its address, by a name, by its network.
//!
//! What is found here may allow or deny; whoever asks looks at that. Read next: `shadow.rs`.

use std::net::SocketAddr;

use super::{Few, Judge, L4Entry};
use crate::decide::policy::l4_index::{Asker, L4Index};
use crate::decide::policy::passage::NameSource;
use crate::model::manifest::resources::L4Protocol;
use crate::model::types::HostName;
use crate::model::types::address::embedded;

impl<'a> Judge<'a> {
    /// Entries of this agent that need no name and cover the original destination.
    pub(super) fn by_address(&self) -> Few<&'a L4Entry> {
        self.addressed(self.flow.destination.0).collect()
    }

    /// Those that cover an IPv4 address inside the original destination. A translator leads there, so what denies it holds; what
    /// allows it says nothing about the address that carries it.
    pub(super) fn by_inner_address(&self) -> impl Iterator<Item = &'a L4Entry> {
        let destination = self.flow.destination.0;
        let inside = embedded(destination.ip()).into_iter();
        inside.flat_map(move |inner| self.addressed(SocketAddr::new(inner.into(), destination.port())))
    }

    fn addressed(&self, place: SocketAddr) -> impl Iterator<Item = &'a L4Entry> + use<'a> {
        let plan = self.plan;
        self.l4_index().addressed(self.agent, place).map(|rank| &plan.l4[rank])
    }

    /// Entries of this agent that name the host and cover the port. Whether a CIDR beside the name holds is known
    /// only where the original destination is dialled.
    pub(super) fn by_host(&self, name: &HostName) -> impl Iterator<Item = &'a L4Entry> {
        let plan = self.plan;
        self.l4_index().named(self.asker(), name).map(|rank| &plan.l4[rank])
    }

    /// Entries that hold for a name, and those of `addressed` that do. Where the gateway dials its own answer, no CIDR says
    /// anything about the address that it will find.
    pub(super) fn entries(
        &self,
        name: Option<&HostName>,
        source: NameSource,
        addressed: &[&'a L4Entry],
    ) -> Few<&'a L4Entry> {
        let (destination, resolve) = (self.flow.destination.0, source == NameSource::Resolve);
        let holds =
            |entry: &&L4Entry| entry.cidrs.is_empty() || (!resolve && entry.names_address(destination));
        let named = name.into_iter().flat_map(|name| self.by_host(name));
        named.chain(addressed.iter().copied()).filter(holds).collect()
    }

    /// Whether an entry names the host beside a network.
    pub(super) fn is_beside_a_network(&self, name: &HostName) -> bool {
        self.by_host(name).any(|entry| !entry.cidrs.is_empty())
    }

    /// Whether one of these entries names the destination by its network, for what begins like this connection.
    pub(super) fn by_network(&self, addressed: &[&L4Entry]) -> bool {
        addressed.iter().any(|entry| self.opens_network(entry))
    }

    /// What a route opens to TLS it does not open to plain HTTP, if no listener of its own takes that.
    pub(super) fn opens_network(&self, entry: &L4Entry) -> bool {
        let takers = self.takers(false, false);
        entry.names_address(self.flow.destination.0) && !entry.listeners.and(takers).is_empty()
    }

    pub(super) fn asker(&self) -> Asker {
        Asker { agent: self.agent, port: self.flow.destination.0.port() }
    }

    pub(super) fn l4_index(&self) -> &'a L4Index {
        self.plan.l4_index(self.transport())
    }

    pub(super) fn transport(&self) -> L4Protocol {
        self.flow.hello.transport()
    }
}
