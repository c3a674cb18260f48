//! Who speaks? The network proves an agent by its source address; an unknown source is a denial.
//!
//! Never guesses: no address, no agent. What the kernel is to check of a source address before that is computed in
//! `bindings.rs`. Read next: `decide/policy`.

mod bindings;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::model::manifest::Resources;
use crate::model::types::{AgentProfile, ClientAddress, Denial, Reason};

pub use bindings::Bindings;

/// Proof that a source address belongs to a declared agent. Made by [`Directory::by_source`] alone.
#[derive(Debug)]
#[must_use]
pub struct Known {
    agent: Arc<AgentProfile>,
    gateway: Arc<str>,
}

impl Known {
    /// The agent.
    pub fn agent(&self) -> &Arc<AgentProfile> {
        &self.agent
    }

    /// The gateway it leaves through.
    pub fn gateway(&self) -> &Arc<str> {
        &self.gateway
    }
}

/// All declared agents by their source addresses; the longest prefix decides.
#[derive(Debug, Default)]
pub struct Directory {
    /// By name, ascending.
    agents: Vec<(Arc<AgentProfile>, Arc<str>)>,
    /// Longest prefixes first, so that the first hit decides.
    prefixes: Vec<Prefix>,
}

/// All networks of one family and one prefix length.
#[derive(Debug)]
struct Prefix {
    length: u8,
    ipv6: bool,
    networks: HashMap<IpAddr, usize>,
}

impl Directory {
    /// Compiles the agents of a valid set.
    pub fn build(resources: &Resources) -> Self {
        let mut directory = Self::default();
        for agent in resources.agents.values() {
            let index = directory.agents.len();
            directory.agents.push((agent.profile.clone(), agent.gateway.clone()));
            for network in &agent.sources {
                directory.add(*network, index);
            }
        }
        directory.prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.length));
        directory
    }

    fn add(&mut self, network: IpNet, agent: usize) {
        let (length, ipv6) = (network.prefix_len(), network.network().is_ipv6());
        let found = self.prefixes.iter().position(|prefix| prefix.length == length && prefix.ipv6 == ipv6);
        let at = found.unwrap_or_else(|| {
            self.prefixes.push(Prefix { length, ipv6, networks: HashMap::new() });
            self.prefixes.len() - 1
        });
        self.prefixes[at].networks.insert(network.network(), agent);
    }

    /// The agent that the network proves by the source address.
    ///
    /// # Errors
    /// `identity.unknown` where no agent has this address.
    pub fn by_source(&self, client: ClientAddress) -> Result<Known, Denial> {
        let address = client.0.ip().to_canonical();
        self.find(address).map(|index| self.known(index)).ok_or_else(|| {
            let detail = format!("No agent is registered for the source address {address}.");
            Denial::built_in(Reason::IdentityUnknown, detail)
        })
    }

    /// The agent of this name, for questions that an operator asks.
    pub fn by_name(&self, name: &str) -> Option<Known> {
        let found = self.agents.binary_search_by(|(agent, _)| (*agent.name).cmp(name)).ok();
        found.map(|index| self.known(index))
    }

    /// How many agents are declared.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether no agent is declared.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    fn find(&self, address: IpAddr) -> Option<usize> {
        self.prefixes.iter().filter(|prefix| prefix.ipv6 == address.is_ipv6()).find_map(|prefix| {
            let network = IpNet::new(address, prefix.length).ok()?.network();
            prefix.networks.get(&network).copied()
        })
    }

    fn known(&self, index: usize) -> Known {
        let (agent, gateway) = &self.agents[index];
        Known { agent: agent.clone(), gateway: gateway.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manifest::resources::{Agent, Origin};

    fn agent(name: &str, sources: &[&str]) -> Agent {
        let profile = AgentProfile {
            name: name.into(),
            team: None,
            project: None,
            environment: None,
            labels: Default::default(),
        };
        Agent {
            profile: Arc::new(profile),
            sources: sources.iter().map(|text| text.parse().unwrap()).collect(),
            mac: None,
            gateway: "default".into(),
            origin: Origin { file: "a.yaml".into(), line: 1 },
        }
    }

    fn directory(agents: &[Agent]) -> Directory {
        let mut resources = Resources::default();
        for agent in agents {
            resources.agents.insert(agent.profile.name.clone(), agent.clone());
        }
        Directory::build(&resources)
    }

    fn who(directory: &Directory, address: &str) -> Result<String, Reason> {
        let client = ClientAddress((address.parse::<IpAddr>().unwrap(), 40_000).into());
        directory
            .by_source(client)
            .map(|known| known.agent().name.to_string())
            .map_err(|denial| denial.reason)
    }

    #[test]
    fn the_longest_prefix_names_the_agent() {
        let directory = directory(&[
            agent("pool", &["10.77.0.0/24", "fd77::/64"]),
            agent("alice", &["10.77.0.2/32", "fd77::2/128"]),
        ]);
        assert_eq!(who(&directory, "10.77.0.2"), Ok("alice".into()));
        assert_eq!(who(&directory, "10.77.0.3"), Ok("pool".into()));
        assert_eq!(who(&directory, "fd77::2"), Ok("alice".into()));
        assert_eq!(who(&directory, "fd77::9"), Ok("pool".into()));
    }

    #[test]
    fn an_unknown_source_is_denied_as_identity_unknown() {
        let directory = directory(&[agent("alice", &["10.77.0.2/32"])]);
        assert_eq!(who(&directory, "10.77.0.9"), Err(Reason::IdentityUnknown));
        assert_eq!(who(&directory, "fd77::2"), Err(Reason::IdentityUnknown));
    }

    #[test]
    fn a_mapped_source_is_the_ipv4_agent() {
        let directory = directory(&[agent("alice", &["10.77.0.2/32"])]);
        assert_eq!(who(&directory, "::ffff:10.77.0.2"), Ok("alice".into()));
    }
}
