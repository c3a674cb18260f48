//! The rules that can concern an agent, found by the route that they are for and by the host that they name.
//!
//! Most conditions ask for a host, and can hold for no other: `false && anything` is false, whatever else they ask for. Each
//! question gives the rules that a walk over all of an agent's would not rule out by that, in the order in which they speak.
//! Read next: `findings.rs`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Rule, Rules};
use crate::decide::policy::index::Map;
use crate::model::condition::Part;
use crate::model::types::{HostName, PolicyRef};

/// Numbers of rules, ascending: as they speak.
type Numbers = SmallVec<[u32; 8]>;

/// The rules that can concern an agent.
#[derive(Debug)]
pub(super) struct Own {
    /// All of them.
    pub(super) numbers: Box<[u32]>,
    /// Whether one of them asks what time it is.
    pub(super) ask_time: bool,
    /// Whether one of them asks what the agent has used up.
    pub(super) ask_usage: bool,
    everywhere: ByHost,
    behind: Map<Arc<str>, ByHost>,
}

/// Rules by the hosts for which their conditions can hold.
#[derive(Debug, Default)]
struct ByHost {
    any: Vec<u32>,
    named: Map<Box<str>, Vec<u32>>,
}

impl Own {
    /// These rules, ascending.
    pub(super) fn of<'r>(rules: impl Iterator<Item = &'r Rule> + Clone) -> Self {
        let (mut everywhere, mut behind) = (ByHost::default(), Map::<_, ByHost>::default());
        for rule in rules.clone() {
            match &rule.route {
                Some(route) => behind.entry(route.0.clone()).or_default().add(rule),
                None => everywhere.add(rule),
            }
        }
        let ask_time = rules.clone().any(|rule| rule.asks_for(Part::Time));
        let ask_usage = rules.clone().any(|rule| rule.asks_for(Part::Usage));
        Self { numbers: rules.map(|rule| rule.rank).collect(), ask_time, ask_usage, everywhere, behind }
    }
}

impl ByHost {
    fn add(&mut self, rule: &Rule) {
        match rule.when().and_then(|when| when.hosts()) {
            Some(hosts) => hosts.into_iter().for_each(|host| {
                let numbers = self.named.entry(host.into()).or_default();
                // A condition may name a host twice.
                if numbers.last() != Some(&rule.rank) {
                    numbers.push(rule.rank);
                }
            }),
            None => self.any.push(rule.rank),
        }
    }

    fn collect(&self, host: Option<&HostName>, into: &mut Numbers) {
        into.extend_from_slice(&self.any);
        if let Some(named) = self.named.get(host.map_or("", HostName::as_str)) {
            into.extend_from_slice(named);
        }
    }
}

impl Rules {
    /// Those that hold for everything of an agent.
    pub(super) fn everywhere(&self, agent: usize, host: Option<&HostName>) -> impl Iterator<Item = &Rule> {
        let mut numbers = Numbers::new();
        if let Some(own) = self.of_agents.get(agent) {
            own.everywhere.collect(host, &mut numbers);
        }
        self.ascending(numbers)
    }

    /// Those that hold for what one of these routes lets through.
    pub(super) fn behind(
        &self,
        agent: usize,
        routes: &[&PolicyRef],
        host: Option<&HostName>,
    ) -> impl Iterator<Item = &Rule> {
        let mut numbers = Numbers::new();
        let own = self.of_agents.get(agent);
        for found in routes.iter().filter_map(|route| own?.behind.get(&route.0)) {
            found.collect(host, &mut numbers);
        }
        self.ascending(numbers)
    }

    fn ascending(&self, mut numbers: Numbers) -> impl Iterator<Item = &Rule> {
        numbers.sort_unstable();
        // One route may be asked about twice.
        numbers.dedup();
        numbers.into_iter().map(|number| &self.all[number as usize])
    }
}
