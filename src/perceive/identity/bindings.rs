//! Which source addresses are agents', and from which card some of them alone are believed: for the kernel, which checks
//! it before anything is handed over.
//!
//! Pure. The longest prefix decides here as it does in `Directory`: an agent inside another's network is taken out of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::manifest::Resources;
use crate::model::types::MacAddress;

/// Networks of agents, as sets that neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings {
    /// Every network of every agent.
    pub agents: Vec<IpNet>,
    /// The networks of agents that name a card, each with that card.
    pub cards: Vec<(IpNet, MacAddress)>,
}

impl Bindings {
    /// Computes them for a valid set.
    pub fn of(resources: &Resources) -> Self {
        let agents = resources.agents.values();
        let mut all: Vec<IpNet> = agents.clone().flat_map(|agent| agent.sources.iter().copied()).collect();
        all.sort();
        let mut by_card: BTreeMap<MacAddress, Vec<IpNet>> = BTreeMap::new();
        for agent in agents {
            let Some(mac) = agent.mac else { continue };
            let own = agent.sources.iter().flat_map(|net| without_what_is_inside(*net, &all));
            by_card.entry(mac).or_default().extend(own);
        }
        let mut cards: Vec<_> = by_card
            .into_iter()
            .flat_map(|(mac, nets)| IpNet::aggregate(&nets).into_iter().map(move |net| (net, mac)))
            .collect();
        cards.sort();
        Self { agents: IpNet::aggregate(&all), cards }
    }

    /// Whether the kernel lets this source through from one card alone.
    pub fn prove(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.cards.iter().any(|(net, _)| net.contains(&source))
    }
}

/// What is left of a network when every longer prefix inside it is taken out. Where all are sorted, by address and then
/// by length, those follow it.
fn without_what_is_inside(net: IpNet, all: &[IpNet]) -> Vec<IpNet> {
    let after = all.get(all.partition_point(|other| *other <= net)..).unwrap_or_default();
    let inside: Vec<IpNet> = after.iter().copied().take_while(|other| net.contains(other)).collect();
    let mut left = Vec::new();
    cut(net, &inside, &mut left);
    left
}

/// Halves a network until each piece is whole or taken. Ends after as many steps as an address has bits.
fn cut(net: IpNet, taken: &[IpNet], left: &mut Vec<IpNet>) {
    if taken.is_empty() {
        return left.push(net);
    }
    if taken.contains(&net) {
        return;
    }
    for half in halves(net) {
        let inside: Vec<IpNet> = taken.iter().copied().filter(|other| half.contains(other)).collect();
        cut(half, &inside, left);
    }
}

/// The two halves of a network; none of a single address.
fn halves(net: IpNet) -> Vec<IpNet> {
    let longer = net.prefix_len() + 1;
    match net {
        IpNet::V4(v4) => v4.subnets(longer).map(|nets| nets.map(IpNet::V4).collect()).unwrap_or_default(),
        IpNet::V6(v6) => v6.subnets(longer).map(|nets| nets.map(IpNet::V6).collect()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::manifest::resources::{Agent, Origin};
    use crate::model::types::AgentProfile;

    /// Agents by name: their networks, and their card where it is not empty.
    fn bindings(agents: &[(&str, &[&str], &str)]) -> Bindings {
        let mut resources = Resources::default();
        for (name, sources, mac) in agents {
            let profile = AgentProfile {
                name: (*name).into(),
                team: None,
                project: None,
                environment: None,
                labels: Default::default(),
            };
            let agent = Agent {
                profile: Arc::new(profile),
                sources: sources.iter().map(|net| net.parse().unwrap()).collect(),
                mac: MacAddress::parse(mac).ok(),
                gateway: "default".into(),
                origin: Origin { file: "a.yaml".into(), line: 1 },
            };
            resources.agents.insert((*name).into(), agent);
        }
        Bindings::of(&resources)
    }

    fn cards(bindings: &Bindings) -> Vec<String> {
        bindings.cards.iter().map(|(net, mac)| format!("{net} {mac}")).collect()
    }

    const POOL: &str = "02:00:00:00:00:01";
    const ALICE: &str = "02:00:00:00:00:02";

    #[test]
    fn an_agent_without_a_card_inside_a_pool_with_one_is_not_bound() {
        let found = bindings(&[
            ("pool", &["10.77.0.0/30", "fd77::/126"], POOL),
            ("alice", &["10.77.0.2/32", "fd77::2/128"], ""),
        ]);
        let expected =
            ["10.77.0.0/31", "10.77.0.3/32", "fd77::/127", "fd77::3/128"].map(|net| format!("{net} {POOL}"));
        assert_eq!(cards(&found), expected);
        assert_eq!(found.agents, ["10.77.0.0/30", "fd77::/126"].map(|net| net.parse::<IpNet>().unwrap()));
    }

    #[test]
    fn the_longest_prefix_names_the_card() {
        let found = bindings(&[("pool", &["10.77.0.0/31"], POOL), ("alice", &["10.77.0.1/32"], ALICE)]);
        assert_eq!(cards(&found), [format!("10.77.0.0/32 {POOL}"), format!("10.77.0.1/32 {ALICE}")]);
        let proved =
            ["10.77.0.1", "::ffff:10.77.0.1", "10.77.0.2"].map(|text| found.prove(text.parse().unwrap()));
        assert_eq!(proved, [true, true, false]);
    }

    #[test]
    fn networks_of_one_agent_inside_each_other_and_beside_each_other_are_one() {
        let found = bindings(&[("pool", &["10.77.0.0/25", "10.77.0.128/25", "10.77.0.9/32"], POOL)]);
        assert_eq!(cards(&found), [format!("10.77.0.0/24 {POOL}")]);
    }

    #[test]
    fn an_agent_that_names_no_card_is_bound_to_none() {
        let found = bindings(&[("alice", &["10.77.0.2/32"], "")]);
        assert_eq!((found.cards.len(), found.agents.len()), (0, 1));
    }
}
