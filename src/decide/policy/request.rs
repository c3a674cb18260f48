//! The second question: may this request go?
//!
//! Judged against the set in force now, which may be newer than the one that opened the connection. Rules see the
//! one canonical request; nothing is matched against raw bytes.

mod rules;

use std::cell::OnceCell;
use std::net::SocketAddr;

use super::circumstances::Circumstances;
use super::loose::Readings;
use super::obligations::Obligations;
use super::passage::{Mode, NameSource, Passage, Route};
use super::permit::Permit;
use super::plan::{Effect, GatewayPlan, HttpEntry, L4Entry, PolicySet};
use super::rules::Rules;
use super::words;
use crate::model::manifest::resources::{
    DefaultPolicy, HeaderMatch, HttpMatch, L4Protocol, ListenerProtocol, PathMatch, QueryMatch,
};
use crate::model::types::address::classify;
use crate::model::types::{AddressClass, Denial, HostName};
use crate::perceive::identity::Known;
use crate::perceive::request::Request;

impl PolicySet {
    /// Judges one request on a connection that may live.
    ///
    /// # Errors
    /// The [`Denial`] that the agent gets.
    pub fn request(
        &self,
        known: &Known,
        passage: &Passage,
        request: &Request<'_>,
        circumstances: Circumstances<'_>,
    ) -> Result<Permit, Denial> {
        let plan = self.gateways.get(known.gateway());
        let (Some(plan), Some(agent)) = (plan, self.agents.get(&known.agent().name)) else {
            return Err(words::unknown_agent(known));
        };
        circumstances.admit(known)?;
        let judge = Judge {
            plan,
            rules: &self.rules,
            agent: *agent,
            known,
            request,
            circumstances,
            destination: passage.destination(),
            readings: OnceCell::new(),
        };
        judge.verdict(passage).map(|(route, obligations)| Permit { route, obligations })
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
        let (rules, readings) = (&self.rules, OnceCell::new());
        let judge = Judge { plan, rules, agent, known, request, circumstances, destination, readings };
        judge.denied_by_http().or_else(|| judge.refused_by_rules())
    }
}

struct Judge<'a> {
    plan: &'a GatewayPlan,
    rules: &'a Rules,
    agent: usize,
    known: &'a Known,
    request: &'a Request<'a>,
    circumstances: Circumstances<'a>,
    destination: SocketAddr,
    /// The path as lenient servers read it, once a denying rule has asked.
    readings: OnceCell<Readings>,
}

impl<'a> Judge<'a> {
    /// What lets it through, and what binds it.
    fn verdict(&self, passage: &Passage) -> Result<(Route, Option<Box<Obligations>>), Denial> {
        if let Some(seen) = self.request.dns_words() {
            return Err(words::encrypted_dns_request(self.known, self.request, self.destination).seen(seen));
        }
        let source = passage.name_source();
        let l4 = |entry: &&L4Entry| {
            let cidr_holds = || source != NameSource::Resolve && entry.names_address(self.destination);
            entry.covers_port(self.destination.port()) && (entry.cidrs.is_empty() || cidr_holds())
        };
        if let Some(entry) = self.l4().filter(l4).find(|entry| !matches!(entry.effect, Effect::Allow)) {
            return Err(words::denied(self.known, &entry.effect, &entry.route, self.destination));
        }
        self.check_network(passage, l4)?;
        let (host, port) = (self.request.name(), self.destination.port());
        let place = (L4Protocol::Tcp, port);
        if source == NameSource::Resolve && self.plan.denies_networks(self.agent, host, place) {
            return Err(words::unverified(self.known, host, self.destination));
        }
        if let Some(denial) = self.denied_by_http() {
            return Err(denial);
        }
        let found = self.found(source)?;
        let route = self.by_route(passage, l4, || found.allows())?;
        let obligations = self.bound(found, &route, source)?;
        Ok((route, obligations))
    }

    /// What lets it through: where HTTP routes name the host, one of them; else an L4 route; what no route does, a rule
    /// may, and the default. `covers` tells the L4 rules for its port and address.
    fn by_route(
        &self,
        passage: &Passage,
        covers: impl Fn(&&'a L4Entry) -> bool,
        by_rule: impl FnOnce() -> Option<Route>,
    ) -> Result<Route, Denial> {
        let listener = match passage.mode() {
            Mode::Terminate | Mode::PassThrough => ListenerProtocol::TlsTerminate,
            Mode::PlainHttp | Mode::Relay | Mode::Datagrams => ListenerProtocol::Http,
        };
        let mut allowing = self.http().filter(|entry| matches!(entry.effect, Effect::Allow)).peekable();
        if allowing.peek().is_some() {
            let found = allowing
                .find(|entry| entry.listeners.has(listener) && self.matches(entry))
                .map(|entry| entry.route.clone());
            return found.or_else(by_rule).or_else(|| self.by_approval(passage)).ok_or_else(|| {
                words::no_route_for_request(self.known, self.request, self.destination, &self.plan.policy)
            });
        }
        if let Some(entry) = self.l4().filter(covers).find(|entry| entry.listeners.has(listener)) {
            return Ok(entry.route.clone());
        }
        if let Some(route) = by_rule() {
            return Ok(route);
        }
        if self.plan.default == DefaultPolicy::AllowAll {
            return Ok(Route { policy: self.plan.policy.clone(), rule: Some("defaultPolicy".into()) });
        }
        self.by_approval(passage).ok_or_else(|| {
            words::no_route(self.known, self.request.name(), self.destination, &self.plan.policy)
        })
    }

    /// What an operator opened for a time: every request to that host and port. A name that is believed for nothing but
    /// its network opens nothing.
    fn by_approval(&self, passage: &Passage) -> Option<Route> {
        let name = self.request.name().filter(|_| passage.name_source() != NameSource::None);
        self.circumstances.approved(self.known, name, self.destination.port())
    }

    /// What a network opened stays open as long as a route names it: the connection may be older than the set in force.
    /// `covers` tells the rules for its port and address.
    fn check_network(&self, passage: &Passage, covers: impl Fn(&&'a L4Entry) -> bool) -> Result<(), Denial> {
        let unproven = passage.name_source() == NameSource::None && self.request.name().is_some();
        let by_network = passage.private_allowed() || unproven;
        let names = |entry: &L4Entry| matches!(entry.effect, Effect::Allow) && !entry.cidrs.is_empty();
        if !by_network || self.l4().filter(covers).any(names) {
            return Ok(());
        }
        match classify(self.destination.ip()) {
            AddressClass::Public => Err(words::unverified(self.known, self.request.name(), self.destination)),
            class => Err(words::unsafe_destination(self.known, self.destination, class)),
        }
    }

    fn denied_by_http(&self) -> Option<Denial> {
        let mut denying = self.http().filter(|entry| !matches!(entry.effect, Effect::Allow));
        let entry = denying.find(|entry| self.matches(entry))?;
        Some(words::denied(self.known, &entry.effect, &entry.route, self.destination))
    }

    fn http(&self) -> impl Iterator<Item = &'a HttpEntry> {
        let (plan, agent) = (self.plan, self.agent);
        let found = self.request.name().map(|host| plan.http_by_host.find(host));
        found
            .into_iter()
            .flatten()
            .map(|index| &plan.http[*index])
            .filter(move |entry| entry.agents.contains(agent))
    }

    fn l4(&self) -> impl Iterator<Item = &'a L4Entry> {
        let (plan, agent) = (self.plan, self.agent);
        let named = self.request.name().map(|host: &HostName| plan.l4_by_host.find(host));
        let indices = named.into_iter().flatten().chain(&plan.l4_by_address);
        let entries = indices.map(|index| &plan.l4[*index]);
        entries.filter(move |entry| entry.protocol == L4Protocol::Tcp && entry.agents.contains(agent))
    }

    fn matches(&self, entry: &HttpEntry) -> bool {
        let doubt = match entry.effect {
            Effect::Allow => Doubt::Misses,
            Effect::Deny { .. } => Doubt::Matches,
        };
        entry.matches.is_empty() || entry.matches.iter().any(|one| self.matches_request(one, doubt))
    }

    fn matches_request(&self, one: &HttpMatch, doubt: Doubt) -> bool {
        let request = self.request;
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

/// What a request does that servers read in different ways: a header or parameter sent several times with different
/// values, a path with an encoded or doubled slash. It never opens an allowing rule by its other readings, and meets
/// a denying one by any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Misses,
    Matches,
}

impl Doubt {
    fn settle(self, mut values: impl Iterator<Item = bool>) -> bool {
        match (self, values.next()) {
            (_, None) => false,
            (Self::Misses, Some(first)) => first && values.all(|holds| holds),
            (Self::Matches, Some(first)) => first || values.any(|holds| holds),
        }
    }
}

/// Gateway API path matching: `PathPrefix` covers whole path elements, so `/a/b` covers `/a/b/c` but not `/a/bc`.
fn matches_path(path: &PathMatch, canonical: &str) -> bool {
    match path {
        PathMatch::Exact(exact) => canonical == exact,
        PathMatch::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            canonical.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}
