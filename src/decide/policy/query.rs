//! The question before the first: may this name be looked up? A query leaves the host, so a name that no route of the
//! agent can ever match is refused before any resolver hears of it.
//!
//! Order: encrypted resolvers, routes, default, rules. What documents write out carries nothing out, whoever asks for it; of
//! what the agent chose itself, `decide::tunnel` watches how much it carries.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::circumstances::Circumstances;
use super::plan::{Agents, Effect, GatewayPlan, PolicySet};
use super::rules::Concerned;
use super::words;
use crate::model::manifest::resources::DefaultPolicy;
use crate::model::types::address::classify;
use crate::model::types::host::ancestors;
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
    ) -> Result<Chooser, Denial> {
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
        let chooser = plan.names.chooser(*agent, lookup, plan.default);
        // Nothing but class IN is ever let through.
        let host = lookup.host.filter(|_| lookup.class == CLASS_IN);
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let concerned = Concerned { known, host, destination: nowhere, circumstances };
        let chooser = chooser.or_else(|| circumstances.approved_lookup(known, lookup));
        self.rules
            .judge_name(*agent, &concerned, chooser)?
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

/// The names that the documents of one gateway let each agent look up.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<Box<str>, Agents>,
    /// By what stands behind the `*`.
    wildcard: HashMap<Box<str>, Agents>,
    /// Everything above those, `.` at last: zones that a validating stub asks about.
    above: HashMap<Box<str>, Agents>,
    /// Those with a route that asks for no name and no network.
    everything: Option<Agents>,
}

impl Names {
    /// What the rules of a gateway come to.
    pub(super) fn of(plan: &GatewayPlan) -> Self {
        let mut names = Self::default();
        for entry in &plan.l4 {
            let opens = matches!(entry.effect, Effect::Allow) && !entry.listeners.is_empty();
            names.add(&entry.hosts, &entry.agents, opens);
            if opens && entry.hosts.is_empty() && entry.cidrs.is_empty() {
                match &mut names.everything {
                    Some(agents) => agents.join(&entry.agents),
                    none => *none = Some(entry.agents.clone()),
                }
            }
        }
        for entry in &plan.http {
            let opens = matches!(entry.effect, Effect::Allow) && !entry.listeners.is_empty();
            names.add(&entry.hosts, &entry.agents, opens);
        }
        names
    }

    /// The hosts of one rule. Of one that denies, those that stand there letter by letter: the agent shall hear the
    /// administrator's words, which have no place in an answer of DNS.
    fn add(&mut self, hosts: &[HostPattern], agents: &Agents, opens: bool) {
        for host in hosts {
            let (map, name) = match host {
                HostPattern::Exact(name) => (&mut self.exact, name),
                HostPattern::Wildcard(base) if opens => (&mut self.wildcard, base),
                HostPattern::Wildcard(_) => continue,
            };
            put(map, name.as_str(), agents);
            let own = matches!(host, HostPattern::Wildcard(_)).then_some(name.as_str());
            for above in own.into_iter().chain(ancestors(name.as_str()).skip(1)).chain(["."]) {
                put(&mut self.above, above, agents);
            }
        }
    }

    fn chooser(&self, agent: usize, lookup: &Lookup<'_>, default: DefaultPolicy) -> Option<Chooser> {
        if lookup.class != CLASS_IN {
            return None;
        }
        let mine = |agents: Option<&Agents>| agents.is_some_and(|agents| agents.contains(agent));
        let name = lookup.host.map_or(lookup.text, HostName::as_str);
        let open = default == DefaultPolicy::AllowAll || mine(self.everything.as_ref());
        if lookup.kind.is_of_a_zone() && (mine(self.above.get(name)) || open && name == ".") {
            return Some(Chooser::Documents);
        }
        // What is no host name can be no route's, and nothing could be remembered for it.
        let host = lookup.host?.as_str();
        if mine(self.exact.get(host)) {
            return Some(Chooser::Documents);
        }
        let named = |name: &str| {
            let base = name.split_once('.').map(|(_, base)| base);
            let by_wildcard = || base.filter(|base| mine(self.wildcard.get(*base)));
            match mine(self.exact.get(name)) {
                true => Some(Chooser::Agent),
                false => by_wildcard().map(|base| Chooser::Wildcard(base.len())),
            }
        };
        let by_route = || named(host).or_else(|| behind_service(host).find_map(named));
        if open { Some(Chooser::Agent) } else { by_route() }
    }
}

fn put(map: &mut HashMap<Box<str>, Agents>, name: &str, agents: &Agents) {
    match map.get_mut(name) {
        Some(known) => known.join(agents),
        None => {
            map.insert(name.into(), agents.clone());
        }
    }
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
