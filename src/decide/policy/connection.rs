//! The first question: may this connection live, and how?
//!
//! Order: side doors, names, safe destination, deny rules, routes, rules that allow, default. Deny wins; absence denies. Whether the
//! resolved address of a claimed name is safe is checked where it is dialled, with the `Passage` in hand.

mod claim;
mod entries;
mod rules;
mod services;
mod shadow;
mod side_doors;
mod stale;

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::amounts::Amounts;
use super::circumstances::Circumstances;
use super::obligations::Obligations;
use super::passage::{Mode, NameSource, Passage, Route};
use super::plan::{Effect, GatewayPlan, HttpEntry, L4Entry, Listeners, PolicySet};
use super::rules::Rules;
use super::words;
use crate::model::manifest::resources::{DefaultPolicy, L4Protocol, ListenerProtocol};
use crate::model::types::address::classify;
use crate::model::types::{AddressClass, Denial, HostName, OriginalDestination, Reason};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use claim::Claim;

/// A connection as it presents itself.
#[derive(Debug, Clone, Copy)]
pub struct Flow<'a> {
    /// Where the workload wanted to go.
    pub destination: OriginalDestination,
    /// What it said first.
    pub hello: &'a Hello,
    /// Names that the gateway's resolver gave this agent for this address, newest first.
    pub given: &'a [HostName],
    /// Names that it gave once and that are believed no more, newest first: claims, where nothing else names the host.
    pub stale: &'a [HostName],
    /// Names that it gave once, claims or not: what denies them holds where the address alone opens the connection.
    pub once: &'a [HostName],
}

/// How a refusal reaches the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// In HTTP; TLS is first opened with our leaf for the claimed name.
    Http,
    /// By a fatal TLS alert.
    Alert,
    /// By a TCP reset.
    Reset,
    /// By an ICMP error.
    Unreachable,
}

/// A connection that may not live.
#[derive(Debug)]
#[must_use]
pub struct Refusal {
    /// Why.
    pub denial: Denial,
    /// How to say so.
    pub answer: Answer,
}

impl PolicySet {
    /// Judges a connection of a known agent.
    ///
    /// # Errors
    /// A [`Refusal`] with the reason and with how the workload hears of it.
    pub fn connection(
        &self,
        known: &Known,
        flow: Flow<'_>,
        circumstances: Circumstances<'_>,
    ) -> Result<Passage, Refusal> {
        let plan = self.gateways.get(known.gateway());
        let verdict = match (plan, self.agents.get(&known.agent().name)) {
            (Some(plan), Some(agent)) => {
                let (rules, amounts) = (&self.rules, &self.amounts);
                let judge = Judge { plan, rules, amounts, agent: *agent, known, flow, circumstances };
                let admitted = circumstances.admit(known);
                let checked = || self.resolvers.check(known, flow.hello, flow.destination.0);
                admitted.and_then(|()| checked()).and_then(|()| judge.verdict())
            }
            // The set changed between the look-up of the agent and this question.
            _ => Err(words::unknown_agent(known)),
        };
        let opens = plan.is_some_and(|plan| plan.listeners.has(ListenerProtocol::TlsTerminate));
        verdict.map_err(|denial| {
            // Whoever hides a name would take our leaf for the wrong one.
            let opens = opens && denial.reason != Reason::TlsEch;
            Refusal { answer: answer_to(flow.hello, opens), denial }
        })
    }

    /// How a denial reaches a source that no agent has.
    pub fn answer_to_unknown(&self, hello: &Hello) -> Answer {
        answer_to(hello, self.opens_tls)
    }
}

fn answer_to(hello: &Hello, opens_tls: bool) -> Answer {
    match hello {
        Hello::Tls(hello) if opens_tls && hello.server_name.is_some() => Answer::Http,
        Hello::Tls(_) => Answer::Alert,
        Hello::Http1(_) | Hello::Http2 => Answer::Http,
        Hello::Opaque | Hello::Silent => Answer::Reset,
        Hello::Datagram => Answer::Unreachable,
    }
}

struct Judge<'a> {
    plan: &'a GatewayPlan,
    rules: &'a Rules,
    amounts: &'a Amounts,
    agent: usize,
    known: &'a Known,
    flow: Flow<'a>,
    circumstances: Circumstances<'a>,
}

/// Most questions meet a handful of rules.
type Few<T> = SmallVec<[T; 8]>;

/// What a set of matching routes adds up to.
struct Opening {
    route: Route,
    listeners: Listeners,
    obligations: Option<Box<Obligations>>,
}

impl<'a> Judge<'a> {
    fn verdict(&self) -> Result<Passage, Denial> {
        let addressed = self.by_address();
        self.check_side_doors(&addressed)?;
        let destination = self.flow.destination.0;
        let named_by_cidr = self.by_network(&addressed);
        let claim = self.claim(named_by_cidr)?;
        let nameless = claim.names.is_empty() && !self.names_its_host();
        match self.by_claim(&claim, &addressed, named_by_cidr) {
            Err(refusal) if nameless => self.by_stale_names(refusal, &addressed),
            Err(refusal) if refusal.reason == Reason::PolicyNoRoute && self.lacks_a_server_name() => {
                Err(words::no_name(self.known, destination))
            }
            verdict => verdict,
        }
    }

    /// Judges by the names of one claim, each by itself.
    fn by_claim(
        &self,
        claim: &Claim<'a>,
        addressed: &[&'a L4Entry],
        named_by_cidr: bool,
    ) -> Result<Passage, Denial> {
        let destination = self.flow.destination.0;
        let Claim { names, source, .. } = *claim;
        // Where the original destination is dialled, a route may name it by CIDR beside the host.
        let confirmed = |name: &HostName| {
            let mut beside = self.l4_index().with_networks(self.asker(), name);
            source != NameSource::Resolve && beside.any(|rank| self.opens_network(&self.plan.l4[rank]))
        };
        if source != NameSource::Resolve && !named_by_cidr && !names.iter().any(confirmed) {
            self.check_class(destination)?;
        }
        self.check_denied(claim, addressed)?;
        let candidates = names.iter().map(Some).chain(names.is_empty().then_some(None));
        let mut refusal = None;
        for name in candidates {
            let private_allowed = named_by_cidr || name.is_some_and(confirmed);
            let safe = if private_allowed || source == NameSource::Resolve {
                Ok(())
            } else {
                self.check_class(destination)
            };
            let denied = safe.and_then(|()| self.check_shadow(name, claim, addressed));
            match denied.and_then(|()| self.open(name, claim, addressed)) {
                Ok(opening) => {
                    let shadow = self.shadow_of_requests(name, source, addressed);
                    return Ok(Passage { shadow, ..self.passage(name, claim, opening, private_allowed) });
                }
                Err(denial) => refusal = refusal.or(Some(denial)),
            }
        }
        Err(refusal.unwrap_or_else(|| words::no_route(self.known, None, destination, &self.plan.policy)))
    }

    /// Refuses an address that is not public.
    fn check_class(&self, destination: SocketAddr) -> Result<(), Denial> {
        match classify(destination.ip()) {
            AddressClass::Public => Ok(()),
            class => Err(words::unsafe_destination(self.known, destination, class)),
        }
    }

    /// Deny rules for the destination and for every name it may have.
    fn check_denied(&self, claim: &Claim<'_>, addressed: &[&'a L4Entry]) -> Result<(), Denial> {
        let names = claim.names.iter().chain(claim.shadow);
        let mut denying = addressed.iter().copied().chain(self.by_inner_address());
        if let Some(denial) = denying.find_map(|entry| self.denied_by(entry)) {
            return Err(denial);
        }
        self.check_denied_names(names)?;
        let (name, port) = (claim.names.first(), self.flow.destination.0.port());
        let place = (self.transport(), port);
        if claim.source == NameSource::Resolve && self.plan.denies_networks(self.agent, name, place) {
            return Err(words::unverified(self.known, name, self.flow.destination.0));
        }
        self.check_rules(claim)
    }

    fn denied_by(&self, entry: &L4Entry) -> Option<Denial> {
        let destination = self.flow.destination.0;
        if !entry.cidrs.is_empty() && !entry.leads_to(destination) {
            return None;
        }
        match &entry.effect {
            Effect::Allow => None,
            effect => Some(words::denied(self.known, effect, &entry.route, destination)),
        }
    }

    /// The routes that open the connection under one name, or the denial that says why none does.
    fn open(
        &self,
        name: Option<&HostName>,
        claim: &Claim<'a>,
        addressed: &[&'a L4Entry],
    ) -> Result<Opening, Denial> {
        let destination = self.flow.destination.0;
        let resolve = claim.source == NameSource::Resolve;
        // What is believed for nothing but its network opens nothing by its name.
        let believed = name.filter(|_| claim.source != NameSource::None);
        let entries = self.entries(believed, claim.source, addressed);
        let shadow = self.shadow(name, claim, addressed);
        let mut known = name.into_iter().chain(shadow.clone());
        let governed = known.find(|name| self.plan.governs(self.agent, name));
        let evades = self.evades_rules(name, (claim.source, addressed), shadow.clone());
        let takers = self.takers(governed.is_some() || evades, name.is_some());
        let of_l4 = entries.iter().map(|entry| (entry.listeners, &entry.route));
        let of_http = self.http_routes(believed).map(|entry| (entry.listeners, &entry.route));
        let offers: Few<_> = of_l4.chain(of_http).chain(self.service_routes(believed)).collect();
        let listeners = offers.iter().fold(Listeners::default(), |set, offer| set.or(offer.0)).and(takers);
        let route = offers.iter().find(|offer| !offer.0.and(listeners).is_empty()).map(|offer| offer.1);
        let opening = match route.or_else(|| self.raw_by_intent(&entries)) {
            Some(route) if !listeners.is_empty() || self.is_raw() => {
                Opening { route: route.clone(), listeners, obligations: None }
            }
            _ if resolve && name.is_some_and(|name| self.is_beside_a_network(name)) => {
                return Err(words::unverified(self.known, name, destination));
            }
            _ => match self.opened_by_rule(believed, claim.source, takers) {
                Some(opening) => opening,
                None => self.by_default(name, claim.source, takers).map_err(|denial| match governed {
                    Some(host) if takers.is_empty() => denial.seen(words::governed(host)),
                    _ => denial,
                })?,
            },
        };
        if self.hides_its_name(opening.listeners) && (resolve || !self.by_network(addressed)) {
            return Err(words::ech(self.known, name, destination));
        }
        self.bound(name, (claim.source, shadow), opening)
    }

    fn is_raw(&self) -> bool {
        matches!(self.flow.hello, Hello::Opaque | Hello::Silent | Hello::Datagram)
    }

    fn by_default(
        &self,
        name: Option<&HostName>,
        source: NameSource,
        takers: Listeners,
    ) -> Result<Opening, Denial> {
        let listeners = self.plan.listeners.and(takers);
        if self.plan.default == DefaultPolicy::AllowAll && !listeners.is_empty() {
            return Ok(Opening { route: self.plan.default_route.clone(), listeners, obligations: None });
        }
        if let Some(denied) = name.and_then(|name| self.denied_host(name)) {
            return Err(denied);
        }
        // A name that is believed for nothing but its network opens nothing.
        self.by_approval(name.filter(|_| source != NameSource::None), listeners)
            .ok_or_else(|| words::no_route(self.known, name, self.flow.destination.0, &self.plan.policy))
    }

    /// What an operator opened for a time, for TCP, on the listeners that take it.
    fn by_approval(&self, name: Option<&HostName>, listeners: Listeners) -> Option<Opening> {
        let taken = !listeners.is_empty() && self.transport() == L4Protocol::Tcp;
        let port = self.flow.destination.0.port();
        let route = self.circumstances.approved(self.known, name.filter(|_| taken), port)?;
        Some(Opening { route, listeners, obligations: None })
    }

    /// A host whose every request a flipped route denies: the denial speaks with the policy's own words.
    fn denied_host(&self, name: &HostName) -> Option<Denial> {
        let http = self.plan.http_index.denies_all(self.agent, name).map(|rank| self.http_entry(rank));
        let service = self.plan.services.denies_all(self.agent, name);
        let http = http.map(|entry| (&entry.effect, &entry.route));
        let (effect, route) = http.or_else(|| service.map(|service| (&service.effect, &service.route)))?;
        Some(words::denied(self.known, effect, route, self.flow.destination.0))
    }

    /// The HTTP routes that allow something on this host: of those for one listener the first.
    fn http_routes(&self, name: Option<&HostName>) -> impl Iterator<Item = &'a HttpEntry> {
        let name = name.filter(|_| self.speaks_http());
        let ranks = name.into_iter().flat_map(|name| self.plan.http_index.openers(self.agent, name));
        ranks.map(|rank| self.http_entry(rank))
    }

    fn http_entry(&self, rank: usize) -> &'a HttpEntry {
        &self.plan.http[self.plan.http_index.place(rank).0]
    }

    /// The listeners that take a connection which begins like this one. Where HTTP routes govern the host, allowing or
    /// denying, its requests must be read: only listeners that can read them take it, and nothing takes bytes that
    /// are no HTTP, or that name no host.
    fn takers(&self, governed: bool, named: bool) -> Listeners {
        use ListenerProtocol::{Http, Tcp, TlsPassthrough, TlsTerminate, Udp};
        let protocols: &[ListenerProtocol] = match self.flow.hello {
            _ if governed && (!named || self.is_raw()) => &[],
            Hello::Tls(_) if named && self.lacks_a_server_name() => {
                if governed {
                    &[]
                } else {
                    &[Tcp, TlsPassthrough]
                }
            }
            Hello::Tls(_) if governed => &[TlsTerminate],
            Hello::Tls(_) => &[Tcp, TlsTerminate, TlsPassthrough],
            Hello::Http1(_) | Hello::Http2 if governed => &[Http],
            Hello::Http1(_) | Hello::Http2 => &[Tcp, Http],
            Hello::Opaque | Hello::Silent => &[Tcp],
            Hello::Datagram => &[Udp],
        };
        protocols.iter().copied().fold(Listeners::default().with_hidden_names(), Listeners::with)
    }

    fn passage(
        &self,
        name: Option<&HostName>,
        claim: &Claim<'_>,
        opening: Opening,
        private_allowed: bool,
    ) -> Passage {
        use ListenerProtocol::{Http, TlsPassthrough, TlsTerminate};
        let mode = match self.flow.hello {
            Hello::Tls(_) if opening.listeners.has(TlsTerminate) => Mode::Terminate,
            Hello::Tls(_) if opening.listeners.has(TlsPassthrough) => Mode::PassThrough,
            Hello::Http1(_) | Hello::Http2 if opening.listeners.has(Http) => Mode::PlainHttp,
            Hello::Datagram => Mode::Datagrams,
            _ => Mode::Relay,
        };
        let also = match self.flow.hello {
            Hello::Http2 => self.flow.given.iter().filter(|other| Some(*other) != name).cloned().collect(),
            _ => Vec::new(),
        };
        let route = opening.route;
        Passage {
            mode,
            host: name.cloned(),
            also,
            shadow: Vec::new(),
            name_source: claim.source,
            destination: self.flow.destination.0,
            private_allowed,
            obligations: opening.obligations,
            holds: self.held(mode, &route),
            route,
        }
    }
}
