//! L4 rules of one transport, found by host, network and port at once.
//!
//! Each question gives the rules that a walk over all of them would give, in the same order: those under an exact name,
//! then those under a wildcard, each by document and place in it. Read next: `ranks.rs`, `connection.rs`.

use std::net::{IpAddr, SocketAddr};

use super::index::HostIndex;
use super::plan::{Effect, L4Entry};
use super::ranks::{Dimension, Ranks, Rows, chosen};
use super::trie::{self, PrefixTrie};
use crate::model::manifest::resources::L4Protocol;
use crate::model::types::HostName;

/// Ranks are places in `GatewayPlan::l4`.
#[derive(Debug)]
pub(super) struct L4Index {
    /// Rules that need a name, whether or not they name networks beside.
    by_host: HostIndex<Named>,
    /// Rules that need no name, by their networks.
    by_network: PrefixTrie<IpAddr>,
    /// Rules for every destination.
    everywhere: Ranks,
    /// Rules that deny networks and need no name.
    denied_networks: Ranks,
    /// Allowing rules by their networks, whether or not they need a name.
    allowed_networks: PrefixTrie<IpAddr>,
    every_port: Ranks,
    ports: PrefixTrie<u16>,
    agents: Rows,
}

/// The rules of one host pattern.
#[derive(Debug, Default)]
struct Named {
    all: Ranks,
    denying: Ranks,
    /// Those that name networks beside the host.
    networks: Ranks,
}

/// Who asks, about which port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub agent: usize,
    pub port: u16,
}

impl L4Index {
    /// The rules of one transport among all of a gateway, for so many agents.
    pub(super) fn of(entries: &[L4Entry], protocol: L4Protocol, agents: usize) -> Self {
        let mut by_host = HostIndex::<Named>::default();
        let (mut everywhere, mut denied_networks, mut every_port) = Default::default();
        let (mut by_network, mut allowed_networks, mut ports) = (Vec::new(), Vec::new(), Vec::new());
        for (rank, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.protocol == protocol) {
            let denies = matches!(entry.effect, Effect::Deny { .. });
            for host in &entry.hosts {
                let named = by_host.of(host);
                named.all.push(rank);
                if denies {
                    named.denying.push(rank);
                }
                if !entry.cidrs.is_empty() {
                    named.networks.push(rank);
                }
            }
            let networks = entry.cidrs.iter().map(|cidr| trie::network(cidr, rank));
            if !denies {
                allowed_networks.extend(networks.clone());
            }
            match (entry.hosts.is_empty(), entry.cidrs.is_empty()) {
                (true, true) => Ranks::push(&mut everywhere, rank),
                (true, false) => {
                    by_network.extend(networks);
                    if denies {
                        Ranks::push(&mut denied_networks, rank);
                    }
                }
                (false, _) => {}
            }
            if entry.ports.is_empty() {
                Ranks::push(&mut every_port, rank);
            }
            ports.extend(entry.ports.iter().flat_map(|range| trie::ports(*range, rank)));
        }
        Self {
            by_host,
            by_network: PrefixTrie::of(by_network),
            everywhere,
            denied_networks,
            allowed_networks: PrefixTrie::of(allowed_networks),
            every_port,
            ports: PrefixTrie::of(ports),
            agents: Rows::of(agents, entries.iter().map(|entry| &entry.agents)),
        }
    }

    /// Rules that name the host and the port. Whether a network beside the name holds is not looked at.
    pub(super) fn named(&self, asker: Asker, host: &HostName) -> impl Iterator<Item = usize> {
        self.by_host.find(host).flat_map(move |rules| self.chosen(asker, Dimension::of(&rules.all)))
    }

    /// Those of them that deny.
    pub(super) fn denying(&self, asker: Asker, host: &HostName) -> impl Iterator<Item = usize> {
        self.by_host.find(host).flat_map(move |rules| self.chosen(asker, Dimension::of(&rules.denying)))
    }

    /// Those of them that name networks beside the host.
    pub(super) fn with_networks(&self, asker: Asker, host: &HostName) -> impl Iterator<Item = usize> {
        self.by_host.find(host).flat_map(move |rules| self.chosen(asker, Dimension::of(&rules.networks)))
    }

    /// Rules that need no name and cover the place.
    pub(super) fn addressed(&self, agent: usize, place: SocketAddr) -> impl Iterator<Item = usize> {
        let mut rules = Dimension::of(&self.everywhere);
        rules.extend(self.by_network.around(place.ip()));
        self.chosen(Asker { agent, port: place.port() }, rules)
    }

    /// Rules for every destination that cover the port.
    pub(super) fn unaddressed(&self, asker: Asker) -> impl Iterator<Item = usize> {
        self.chosen(asker, Dimension::of(&self.everywhere))
    }

    /// Whether a rule that needs no name denies a network on this port.
    pub(super) fn denies_a_network(&self, asker: Asker) -> bool {
        self.chosen(asker, Dimension::of(&self.denied_networks)).next().is_some()
    }

    /// Whether a rule of the agent allows a network around the address, on whatever port and under whatever name.
    pub(super) fn allows_network(&self, agent: usize, address: IpAddr) -> bool {
        let mut rules = Dimension::default();
        rules.extend(self.allowed_networks.around(address));
        chosen([rules, self.agents.of_agent(agent)], |_| !0).next().is_some()
    }

    /// Of these rules, those for the agent and the port.
    fn chosen<'a>(&'a self, asker: Asker, rules: Dimension<'a>) -> impl Iterator<Item = usize> + 'a {
        let found = (!rules.is_empty()).then(|| {
            let mut ports = Dimension::of(&self.every_port);
            ports.extend(self.ports.around(asker.port));
            chosen([rules, self.agents.of_agent(asker.agent), ports], |_| !0)
        });
        found.into_iter().flatten()
    }
}
