//! The question before the first: may this name be looked up? A query leaves the host, so a name that no route of the
//! agent can ever match is refused before any resolver hears of it.
//!
//! Order: encrypted resolvers, routes, default, rules. What documents write out carries nothing out, whoever asks for it; of
//! what the agent chose itself, `decide::tunnel` watches how much it carries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::circumstances::Circumstances;
use super::index::Map;
use super::passage::Route;
use super::plan::{Agents, Effect, GatewayPlan, Listeners, PolicySet};
use super::ranks::{Dimension, Ranks, Rows, chosen};
use super::rules::Concerned;
use super::words;
use crate::model::manifest::resources::DefaultPolicy;
use crate::model::types::address::classify;
use crate::model::types::host::ancestors;
use crate::model::types::provider::fits_name as fits;
use crate::model::types::record_type::CLASS_IN;
use crate::model::types::{AddressClass, Denial, HostName, HostPattern, RecordType};
use crate::perceive::identity::Known;

/// Labels in front of a host that name a service: `_8443._https`, `_mongodb._tcp` (RFC 8552, RFC 9460).
const SERVICE_LABELS: usize = 3;

/// What an agent asks a resolver for.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// The name, where it is a host name.
    pub host: Option<&'a HostName>,
    /// The name as text, `.` for the root.
    pub text: &'a str,
    /// QTYPE.
    pub kind: RecordType,
    /// QCLASS.
    pub class: u16,
}

impl<'a> Lookup<'a> {
    /// A lookup of a host's address.
    pub fn of_host(host: &'a HostName) -> Self {
        Self { host: Some(host), text: host.as_str(), kind: RecordType::A, class: CLASS_IN }
    }

    /// What keeps every route from naming it, under any default.
    fn obstacle(&self) -> Option<&'static str> {
        match self.host {
            _ if self.class != CLASS_IN => Some("only class IN is answered"),
            None => Some("it is no host name"),
            Some(_) => None,
        }
    }
}

/// Who chose a name that may be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chooser {
    /// It stands in a document letter by letter, or above one that does.
    Documents,
    /// The agent: a route for every host or `allow-all` lets it through, or it is a service at a host that a document names.
    Agent,
    /// The agent, up to the last so many bytes of it: a wildcard with that base lets it through.
    Wildcard(usize),
}

impl Chooser {
    /// Whether any part of it is the agent's choice.
    pub fn is_agent(self) -> bool {
        self != Self::Documents
    }

    /// What stands behind the `*` of the wildcard that let this name through.
    pub fn base(self, host: &HostName) -> Option<&str> {
        let Self::Wildcard(length) = self else { return None };
        host.as_str().get(host.as_str().len().checked_sub(length)?..)
    }
}

/// Proof that policy lets a name be looked up. Made by `PolicySet::query` alone.
#[derive(Debug)]
#[must_use]
pub struct Leave {
    pub(super) chooser: Chooser,
    pub(super) route: Route,
}

impl Leave {
    /// Who chose the name.
    pub fn chooser(&self) -> Chooser {
        self.chooser
    }

    /// What lets it be looked up: a route that names it, though that may refuse what comes behind; the default, an
    /// approval, or a rule.
    pub fn route(&self) -> &Route {
        &self.route
    }
}

impl PolicySet {
    /// Judges a lookup of a known agent.
    ///
    /// # Errors
    /// `dns.denied` where no route names the host, `protocol.encrypted-dns` where it is an encrypted resolver.
    pub fn query(
        &self,
        known: &Known,
        lookup: &Lookup<'_>,
        circumstances: Circumstances<'_>,
    ) -> Result<Leave, Denial> {
        let (Some(plan), Some(agent)) =
            (self.gateways.get(known.gateway()), self.agents.get(&known.agent().name))
        else {
            return Err(words::unknown_agent(known));
        };
        circumstances.admit(known)?;
        if let Some((host, listed)) = lookup.host.and_then(|host| Some((host, self.resolvers.listed(host)?)))
        {
            return Err(words::listed_resolver(known, host.as_str(), listed));
        }
        let leave = plan.names.leave(*agent, lookup, plan);
        // Nothing but class IN is ever let through.
        let host = lookup.host.filter(|_| lookup.class == CLASS_IN);
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let concerned = Concerned { known, host, destination: nowhere, circumstances };
        let leave = leave.or_else(|| circumstances.approved_lookup(known, lookup));
        self.rules
            .judge_name(*agent, &concerned, leave)?
            .ok_or_else(|| words::no_lookup(known, lookup.text, lookup.obstacle(), &plan.policy))
    }

    /// Whether an answer may give this address to the agent: a public one, or one that a route of the agent names by
    /// CIDR, which could be dialled without a name.
    pub fn may_be_given(&self, known: &Known, address: IpAddr) -> bool {
        if classify(address) == AddressClass::Public {
            return true;
        }
        let (Some(plan), Some(agent)) =
            (self.gateways.get(known.gateway()), self.agents.get(&known.agent().name))
        else {
            return false;
        };
        // What an IPv4-mapped address leads to is the IPv4 address, and that is what a route names.
        let address = address.to_canonical();
        [&plan.tcp, &plan.udp].iter().any(|index| index.allows_network(*agent, address))
    }
}

/// The names that the documents of one gateway let each agent look up, each with the rules that name it.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: Map<Box<str>, Ranks>,
    /// By what stands behind the `*`.
    wildcard: Map<Box<str>, Ranks>,
    /// Hosts of providers that have their star inside a label.
    starred: Vec<(&'static str, Ranks)>,
    /// Everything above those, `.` at last: zones that a validating stub asks about.
    above: Map<Box<str>, Ranks>,
    /// Those that ask for no name and no network.
    everything: Ranks,
    agents: Rows,
    /// By their ranks: what opens something before what opens nothing, L4 rules before HTTP rules before services, and then as documents
    /// are named and written.
    routes: Vec<Route>,
}

/// What a rule says of names.
struct Naming<'a> {
    route: &'a Route,
    agents: &'a Agents,
    hosts: &'a [HostPattern],
    starred: &'a [&'static str],
    opens: bool,
    everything: bool,
}

impl Names {
    /// What the rules of a gateway come to, for so many agents.
    pub(super) fn of(plan: &GatewayPlan, agents: usize) -> Self {
        let opens =
            |effect: &Effect, listeners: Listeners| matches!(effect, Effect::Allow) && !listeners.is_empty();
        let l4 = plan.l4.iter().map(|entry| Naming {
            route: &entry.route,
            agents: &entry.agents,
            hosts: &entry.hosts,
            starred: &[],
            opens: opens(&entry.effect, entry.listeners),
            everything: entry.hosts.is_empty() && entry.cidrs.is_empty(),
        });
        let http = plan.http.iter().map(|entry| Naming {
            route: &entry.route,
            agents: &entry.agents,
            hosts: &entry.hosts,
            starred: &[],
            opens: opens(&entry.effect, entry.listeners),
            everything: false,
        });
        let services = plan.services.iter().map(|service| Naming {
            route: &service.route,
            agents: &service.agents,
            hosts: &service.hosts,
            starred: &service.starred,
            opens: opens(&service.effect, service.listeners),
            everything: false,
        });
        let (mut all, closed): (Vec<_>, Vec<_>) = l4.chain(http).chain(services).partition(|one| one.opens);
        all.extend(closed);
        let mut names =
            Self { agents: Rows::of(agents, all.iter().map(|one| one.agents)), ..Self::default() };
        for (rank, one) in all.iter().enumerate() {
            names.routes.push(one.route.clone());
            names.add(rank, one);
        }
        names
    }

    /// The hosts of one rule. Of one that denies, those that stand there letter by letter: the agent shall hear the
    /// administrator's words, which have no place in an answer of DNS.
    fn add(&mut self, rank: usize, one: &Naming<'_>) {
        if one.opens && one.everything {
            self.everything.push(rank);
        }
        for host in one.hosts {
            let (map, name) = match host {
                HostPattern::Exact(name) => (&mut self.exact, name),
                HostPattern::Wildcard(base) if one.opens => (&mut self.wildcard, base),
                HostPattern::Wildcard(_) => continue,
            };
            put(map, name.as_str(), rank);
            let own = matches!(host, HostPattern::Wildcard(_)).then_some(name.as_str());
            for above in own.into_iter().chain(ancestors(name.as_str()).skip(1)).chain(["."]) {
                put(&mut self.above, above, rank);
            }
        }
        for pattern in one.starred.iter().filter(|_| one.opens) {
            match self.starred.iter_mut().find(|(known, _)| known == pattern) {
                Some((_, ranks)) => ranks.push(rank),
                None => self.starred.push((pattern, Ranks::of(rank))),
            }
            for above in ancestors(behind_star(pattern)).chain(["."]) {
                put(&mut self.above, above, rank);
            }
        }
    }

    /// What routes and the default say of a name.
    fn leave(&self, agent: usize, lookup: &Lookup<'_>, plan: &GatewayPlan) -> Option<Leave> {
        if lookup.class != CLASS_IN {
            return None;
        }
        let first = |ranks: Option<&Ranks>| {
            chosen([Dimension::of(ranks?), self.agents.of_agent(agent)], |_| !0).next()
        };
        let by = |chooser, rank: usize| Leave { chooser, route: self.routes[rank].clone() };
        let name = lookup.host.map_or(lookup.text, HostName::as_str);
        // What lets through what nothing names.
        let unnamed = |chooser| match first(Some(&self.everything)) {
            Some(rank) => Some(by(chooser, rank)),
            None if plan.default == DefaultPolicy::DenyAll => None,
            None => Some(Leave { chooser, route: plan.default_route.clone() }),
        };
        if lookup.kind.is_of_a_zone() {
            if let Some(rank) = first(self.above.get(name)) {
                return Some(by(Chooser::Documents, rank));
            }
            if name == "."
                && let Some(leave) = unnamed(Chooser::Documents)
            {
                return Some(leave);
            }
        }
        // What is no host name can be no route's, and nothing could be remembered for it.
        let host = lookup.host?.as_str();
        if let Some(rank) = first(self.exact.get(host)) {
            return Some(by(Chooser::Documents, rank));
        }
        let named = |name: &str| {
            if let Some(rank) = first(self.exact.get(name)) {
                return Some(by(Chooser::Agent, rank));
            }
            let base = name.split_once('.')?.1;
            if let Some(rank) = first(self.wildcard.get(base)) {
                return Some(by(Chooser::Wildcard(base.len()), rank));
            }
            let mut starred = self.starred.iter().filter(|(pattern, _)| fits(pattern, name));
            let (pattern, rank) =
                starred.find_map(|(pattern, ranks)| Some((pattern, first(Some(ranks))?)))?;
            Some(by(Chooser::Wildcard(behind_star(pattern).len()), rank))
        };
        let by_route = named(host).or_else(|| behind_service(host).find_map(named));
        match unnamed(Chooser::Agent) {
            // A route that names it speaks for it, as it does for connections.
            Some(leave) => Some(by_route.map_or(leave, |by| Leave { chooser: Chooser::Agent, ..by })),
            None => by_route,
        }
    }
}

fn put(map: &mut Map<Box<str>, Ranks>, name: &str, rank: usize) {
    match map.get_mut(name) {
        Some(known) => known.push(rank),
        None => {
            map.insert(name.into(), Ranks::of(rank));
        }
    }
}

/// What stands behind the label of a pattern's star.
fn behind_star(pattern: &str) -> &str {
    let behind = pattern.split_once('*').map_or(pattern, |(_, behind)| behind);
    behind.split_once('.').map_or(behind, |(_, base)| base)
}

/// A name without the labels in front of it that name a service: without one, two, three.
pub(super) fn behind_service(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        let (label, rest) = name.split_once('.')?;
        label.starts_with('_').then_some(rest)
    })
    .skip(1)
    .take(SERVICE_LABELS)
}

#[cfg(test)]
mod tests;
