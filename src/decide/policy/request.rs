//! The second question: may this request go? By its head here; what it carries is asked about by `request/permit.rs`.
//!
//! Judged against the set in force now, which may be newer than the one that opened the connection. Rules see the
//! one canonical request; nothing is matched against raw bytes.

mod doubt;
mod permit;
mod rules;
mod services;
mod shadow;
mod terms;

use std::cell::OnceCell;
use std::net::SocketAddr;

use super::amounts::Amounts;
use super::circumstances::Circumstances;
use super::clearance::{Clearance, both};
use super::credentials::Credentials;
use super::inspections::Inspections;
use super::l4_index::Asker;
use super::loose::Readings;
use super::passage::{Mode, NameSource, Passage, Route};
use super::plan::{Effect, GatewayPlan, HttpEntry, L4Entry, Listeners, PolicySet};
use super::rules::{Findings, Rules};
use super::words;
use crate::model::condition::{Content, Uses};
use crate::model::manifest::resources::{
    DefaultPolicy, HeaderMatch, HttpMatch, L4Protocol, ListenerProtocol, PathMatch, QueryMatch,
};
use crate::model::types::address::{classify, embedded};
use crate::model::types::{AddressClass, Denial, HostName};
use crate::perceive::identity::Known;
use crate::perceive::request::Request;
use doubt::Doubt;
use permit::Taken;
pub use permit::{Bound, Permit};
use services::{Served, Through};

impl PolicySet {
    /// Judges one request on a connection that may live, by each method by which servers may take it: it goes where it may
    /// go by all of them, and is bound by what binds it by any.
    ///
    /// # Errors
    /// The [`Denial`] that the agent gets.
    pub fn request<'a>(
        &'a self,
        known: &'a Known,
        passage: &'a Passage,
        request: &'a Request<'a>,
        circumstances: Circumstances<'a>,
    ) -> Result<Permit<'a>, Denial> {
        let mut permit = self.by_one_method(known, passage, Taken::AsSent(request), circumstances)?;
        for method in request.other_methods() {
            let taken = Taken::ByAnotherMethod(Box::new(request.taken_as(method)));
            let further = self.by_one_method(known, passage, taken, circumstances);
            permit = permit.and(further.map_err(|denial| words::by_another_method(denial, request, method))?);
        }
        Ok(permit)
    }

    fn by_one_method<'a>(
        &'a self,
        known: &'a Known,
        passage: &'a Passage,
        request: Taken<'a>,
        circumstances: Circumstances<'a>,
    ) -> Result<Permit<'a>, Denial> {
        let plan = self.gateways.get(known.gateway());
        let (Some(plan), Some(agent)) = (plan, self.agents.get(&known.agent().name)) else {
            return Err(words::unknown_agent(known));
        };
        circumstances.admit(known)?;
        let judge = Judge {
            plan,
            rules: &self.rules,
            amounts: &self.amounts,
            credentials: &self.credentials,
            inspections: &self.inspections,
            agent: *agent,
            known,
            request,
            circumstances,
            content: None,
            destination: passage.destination(),
            readings: OnceCell::new(),
        };
        let verdict = judge.verdict(passage)?;
        Permit::new(judge, passage, verdict)
    }

    /// Why a request on a refused connection is refused, where the request itself tells more than the connection did.
    pub fn refused_request(
        &self,
        known: &Known,
        destination: SocketAddr,
        request: &Request<'_>,
        circumstances: Circumstances<'_>,
    ) -> Option<Denial> {
        let plan = self.gateways.get(known.gateway())?;
        let agent = *self.agents.get(&known.agent().name)?;
        let judge = Judge {
            plan,
            rules: &self.rules,
            amounts: &self.amounts,
            credentials: &self.credentials,
            inspections: &self.inspections,
            agent,
            known,
            request: Taken::AsSent(request),
            circumstances,
            content: None,
            destination,
            readings: OnceCell::new(),
        };
        judge.denied_by_http(judge.request.name()).or_else(|| judge.refused_by_rules())
    }
}

#[derive(Debug)]
struct Judge<'a> {
    plan: &'a GatewayPlan,
    rules: &'a Rules,
    amounts: &'a Amounts,
    credentials: &'a Credentials,
    inspections: &'a Inspections,
    agent: usize,
    known: &'a Known,
    request: Taken<'a>,
    circumstances: Circumstances<'a>,
    /// What the request carries, once that is known.
    content: Option<&'a Content>,
    destination: SocketAddr,
    /// The path as lenient servers read it, once a denying rule has asked.
    readings: OnceCell<Readings>,
}

/// What comes of a request so far, and what its rules ask of what it carries.
type Verdict = (Result<Clearance, Denial>, Uses);

impl<'a> Judge<'a> {
    /// What comes of it by its head.
    fn verdict(&self, passage: &Passage) -> Result<Verdict, Denial> {
        if let Some(seen) = self.request.dns_words() {
            return Err(words::encrypted_dns_request(self.known, &self.request, self.destination).seen(seen));
        }
        let source = passage.name_source();
        if let Some(denial) = self.denied_by_l4(source) {
            return Err(denial);
        }
        self.check_network(passage)?;
        let (host, port) = (self.request.name(), self.destination.port());
        let place = (L4Protocol::Tcp, port);
        if source == NameSource::Resolve && self.plan.denies_networks(self.agent, host, place) {
            return Err(words::unverified(self.known, host, self.destination));
        }
        if let Some(denial) = self.denied_by_http(self.request.name()) {
            return Err(denial);
        }
        self.ruled(passage)
    }

    /// What rules and routes come to, by what is known.
    ///
    /// # Errors
    /// What refuses it whatever else becomes known.
    fn ruled(&self, passage: &Passage) -> Result<Verdict, Denial> {
        let source = passage.name_source();
        let denying = self.check_denied_services(self.request.name(), passage)?;
        let (found, asks) = self.found(source)?;
        let asks = denying.and(asks).and(self.check_shadow(passage)?);
        let by_rule = || self.of_opening_rules(&found, source, Findings::allows);
        let (route, served) = match self.by_route(passage, by_rule) {
            Ok(opened) => opened,
            // A rule may let it through yet.
            Err(denial) if self.of_opening_rules(&found, source, Findings::may_allow) => {
                return Ok((Err(denial), asks));
            }
            Err(denial) => return Err(denial),
        };
        let through = match served {
            Served::Not => Through::default(),
            Served::Through(through) => through,
            // Which of them lets it through is not known yet, so nothing behind one of them is asked, but what to read for it.
            Served::Waits(services, part) => {
                let behind = services.iter().map(|service| self.asks_behind(&service.route, passage));
                let asks = behind.fold(asks.with(part), Uses::and);
                let each = services.iter().map(|service| self.inspection(&service.route, passage));
                let may = services.iter().map(|service| &service.route.policy);
                let (inspection, credentials) = (each.fold(None, both), self.credentials.of(self.agent, may));
                let clearance = Clearance { route, obligations: None, holds: None, credentials, inspection };
                return Ok((Ok(clearance), asks));
            }
        };
        let (obligations, behind) = self.bound(found, &route, passage)?;
        let (holds, amounts) = self.held(&route, &through, passage)?;
        let others = through.services.iter().map(|service| &service.route.policy);
        let credentials = self.credentials.of(self.agent, std::iter::once(&route.policy).chain(others));
        let inspection = self.inspection(&route, passage);
        Ok((
            Ok(Clearance { route, obligations, holds, credentials, inspection }),
            asks.and(behind).and(amounts),
        ))
    }

    /// What lets it through: where rules about requests name the host, one of them; else an L4 route; what no route does, a
    /// rule may, and the default.
    fn by_route(
        &self,
        passage: &Passage,
        by_rule: impl FnOnce() -> Option<Route>,
    ) -> Result<(Route, Served<'a>), Denial> {
        let default = self.plan.default == DefaultPolicy::AllowAll;
        if let Some(host) = self.request.name().filter(|host| self.plan.allows_requests(self.agent, host)) {
            // A host that nobody proved they do not open: they say what may be asked of it, where something else opens it.
            let unproven = self.is_unproven(passage.name_source());
            let counts = !unproven || default || self.opener(passage).is_some();
            let denial = match self.by_request(passage) {
                Ok(Some(opened)) if counts => return Ok(opened),
                Ok(_) => None,
                Err(denial) => Some(denial),
            };
            let route = by_rule().or_else(|| self.by_approval(passage));
            return route.map(|route| (route, Served::Not)).ok_or_else(|| {
                denial.or_else(|| self.undeclared_server(host, passage)).unwrap_or_else(|| {
                    words::no_route_for_request(
                        self.known,
                        &self.request,
                        self.destination,
                        &self.plan.policy,
                    )
                })
            });
        }
        let route = match self.opener(passage) {
            Some(entry) => Some(entry.route.clone()),
            None => by_rule().or_else(|| default.then(|| self.plan.default_route.clone())),
        };
        let route = route.or_else(|| self.by_approval(passage));
        route.map(|route| (route, Served::Not)).ok_or_else(|| {
            words::no_route(self.known, self.request.name(), self.destination, &self.plan.policy)
        })
    }

    /// The rule about requests that lets it through: of a service, where it is for one; else of an HTTP route.
    fn by_request(&self, passage: &Passage) -> Result<Option<(Route, Served<'a>)>, Denial> {
        let served = self.served(passage)?;
        let first = match &served {
            Served::Through(through) => through.services.first(),
            Served::Waits(services, _) => services.first(),
            Served::Not => None,
        };
        if let Some(service) = first {
            return Ok(Some((service.route.clone(), served)));
        }
        let mut allowing = self.plan.http_index.allowing(self.agent, &self.request, listener_of(passage));
        let found = allowing.find_map(|rank| self.matching(rank, Doubt::Misses));
        Ok(found.map(|entry| (entry.route.clone(), Served::Not)))
    }

    /// The L4 rule that opens connections like this one to be read.
    fn opener(&self, passage: &Passage) -> Option<&'a L4Entry> {
        let (source, listener) = (passage.name_source(), listener_of(passage));
        self.l4(source).find(|entry| entry.listeners.has(listener) && self.opens(entry, source))
    }

    /// Whether the name is believed for nothing but the network that its connection leads to.
    fn is_unproven(&self, source: NameSource) -> bool {
        source == NameSource::None && self.request.name().is_some()
    }

    /// A name that is believed for nothing but its network opens nothing.
    fn opens(&self, entry: &L4Entry, source: NameSource) -> bool {
        entry.hosts.is_empty() || !self.is_unproven(source)
    }

    /// What an operator opened for a time: every request to that host and port. A name that is believed for nothing but
    /// its network opens nothing.
    fn by_approval(&self, passage: &Passage) -> Option<Route> {
        let name = self.request.name().filter(|_| passage.name_source() != NameSource::None);
        self.circumstances.approved(self.known, name, self.destination.port())
    }

    /// What a network opened stays open as long as a route names it: the connection may be older than the set in force.
    fn check_network(&self, passage: &Passage) -> Result<(), Denial> {
        let source = passage.name_source();
        let by_network = passage.private_allowed() || self.is_unproven(source);
        let takers = match listener_of(passage) {
            ListenerProtocol::TlsTerminate => Listeners::of_tls(),
            _ => Listeners::of_http(),
        };
        let names = |entry: &L4Entry| {
            let takes = !entry.listeners.and(takers).is_empty();
            matches!(entry.effect, Effect::Allow)
                && !entry.cidrs.is_empty()
                && takes
                && self.opens(entry, source)
        };
        if !by_network || self.l4(source).any(names) {
            return Ok(());
        }
        match classify(self.destination.ip()) {
            AddressClass::Public => Err(words::unverified(self.known, self.request.name(), self.destination)),
            class => Err(words::unsafe_destination(self.known, self.destination, class)),
        }
    }

    fn denied_by_http(&self, host: Option<&HostName>) -> Option<Denial> {
        let readings = || self.readings.get_or_init(|| Readings::of(self.request.path()));
        let mut denying = self.plan.http_index.denying(self.agent, (host, &self.request), readings);
        let entry = denying.find_map(|rank| self.matching(rank, Doubt::Matches))?;
        Some(words::denied(self.known, &entry.effect, &entry.route, self.destination))
    }

    /// An address that has another one in it leads there: what denies either denies the request.
    fn denied_by_l4(&self, source: NameSource) -> Option<Denial> {
        let inner = embedded(self.destination.ip()).into_iter();
        let inside = inner.map(|inner| SocketAddr::new(inner.into(), self.destination.port()));
        let mut places = std::iter::once(self.destination).chain(inside);
        let denies = |entry: &&L4Entry| !matches!(entry.effect, Effect::Allow);
        let entry = places.find_map(|place| self.l4_at(source, place).find(denies))?;
        Some(words::denied(self.known, &entry.effect, &entry.route, self.destination))
    }

    /// L4 rules for the request's name and port, and for its address.
    fn l4(&self, source: NameSource) -> impl Iterator<Item = &'a L4Entry> {
        self.l4_at(source, self.destination)
    }

    /// The same for another address. Where the gateway dials its own answer for a claimed name, no CIDR holds.
    fn l4_at(&self, source: NameSource, destination: SocketAddr) -> impl Iterator<Item = &'a L4Entry> {
        let (plan, agent) = (self.plan, self.agent);
        let asker = Asker { agent, port: destination.port() };
        let by_address = source != NameSource::Resolve;
        let named = self.request.name().into_iter().flat_map(move |host| plan.tcp.named(asker, host));
        let named = named
            .map(|rank| &plan.l4[rank])
            .filter(move |entry| entry.cidrs.is_empty() || by_address && entry.names_address(destination));
        let addressed = by_address.then(|| plan.tcp.addressed(agent, destination));
        let unaddressed = (!by_address).then(|| plan.tcp.unaddressed(asker));
        let others = addressed.into_iter().flatten().chain(unaddressed.into_iter().flatten());
        named.chain(others.map(|rank| &plan.l4[rank]))
    }

    /// The rule of this rank, where its match holds for the request.
    fn matching(&self, rank: usize, doubt: Doubt) -> Option<&'a HttpEntry> {
        let (at, one) = self.plan.http_index.place(rank);
        let entry = &self.plan.http[at];
        entry.matches.get(one).is_none_or(|one| self.matches_request(one, doubt)).then_some(entry)
    }

    fn matches_request(&self, one: &HttpMatch, doubt: Doubt) -> bool {
        let request = &self.request;
        let header = |wanted: &HeaderMatch| {
            doubt.settle(request.header_values(&wanted.name).map(|value| value == wanted.value.as_bytes()))
        };
        let parameter = |wanted: &QueryMatch| {
            let values = request.query_pairs().filter(|(name, _)| *name == wanted.name);
            doubt.settle(values.map(|(_, value)| value == wanted.value))
        };
        one.method.as_deref().is_none_or(|method| method == request.method().as_str())
            && one.path.as_ref().is_none_or(|path| self.meets_path(path, doubt))
            && one.headers.iter().all(header)
            && one.query.iter().all(parameter)
    }

    fn meets_path(&self, path: &PathMatch, doubt: Doubt) -> bool {
        let canonical = self.request.path();
        matches_path(path, canonical) || doubt == Doubt::Matches && self.by_another_reading(path, canonical)
    }

    fn by_another_reading(&self, path: &PathMatch, canonical: &str) -> bool {
        self.readings.get_or_init(|| Readings::of(canonical)).any(|reading| matches_path(path, reading))
    }
}

/// The listener that reads the requests of a connection.
fn listener_of(passage: &Passage) -> ListenerProtocol {
    match passage.mode() {
        Mode::Terminate | Mode::PassThrough => ListenerProtocol::TlsTerminate,
        Mode::PlainHttp | Mode::Relay | Mode::Datagrams => ListenerProtocol::Http,
    }
}

/// Gateway API path matching: `PathPrefix` covers whole path elements, so `/a/b` covers `/a/b/c` but not `/a/bc`.
pub(super) fn matches_path(path: &PathMatch, canonical: &str) -> bool {
    match path {
        PathMatch::Exact(exact) => canonical == exact,
        PathMatch::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            canonical.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}
