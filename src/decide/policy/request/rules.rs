//! What rules of EgressPolicies say of a request: they refuse it, let it through, or bind it.

use smallvec::SmallVec;

use super::{Judge, Passage, Route};
use crate::decide::policy::obligations::Obligations;
use crate::decide::policy::passage::NameSource;
use crate::decide::policy::rules::{Concerned, Findings, Opens};
use crate::model::condition::{Destination, Facts, Uses};
use crate::model::types::{Denial, HostName, PolicyRef};

impl<'a> Judge<'a> {
    /// What rules come to, unless one of them refuses, and what they ask of what the request carries.
    pub(super) fn found(&self, source: NameSource) -> Result<(Findings<'a>, Uses), Denial> {
        if self.rules.none_for(self.agent) {
            return Ok((Findings::default(), Uses::default()));
        }
        self.asked(&[], self.request.name(), source)
    }

    /// Refuses what a rule refuses under another name than the request's own. Answers with what rules ask of what the request
    /// carries.
    pub(super) fn check_rules_for(&self, name: &HostName, source: NameSource) -> Result<Uses, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(Uses::default());
        }
        self.asked(&[], Some(name), source).map(|(_, asks)| asks)
    }

    /// What rules come to under one name, unless one of them refuses, and what they ask of what the request carries: those for
    /// everything, or those for what these routes let through. An IPv4 address inside the destination is where a translator
    /// leads, so it is asked about as well.
    fn asked(
        &self,
        routes: &[&PolicyRef],
        host: Option<&HostName>,
        source: NameSource,
    ) -> Result<(Findings<'a>, Uses), Denial> {
        let look = |facts: &Facts<'_>| match routes {
            [] => self.rules.look(self.agent, facts),
            routes => self.rules.look_behind(self.agent, routes, facts),
        };
        let facts = self.facts(host, source);
        let concerned = Concerned { host, ..self.concerned() };
        let found = look(&facts);
        found.check(&concerned)?;
        let asks = facts.inside().try_fold(found.asks(), |asks, facts| {
            let inside = look(&facts);
            inside.check(&concerned).map(|()| asks.and(inside.asks()))
        })?;
        Ok((found, asks))
    }

    /// Asks the rules that may let this request through though no route does. A name that is believed for nothing but its network is
    /// no name to them.
    pub(super) fn of_opening_rules<T>(
        &self,
        found: &Findings<'a>,
        source: NameSource,
        answer: impl FnOnce(&Findings<'a>) -> T,
    ) -> T {
        if self.rules.none_for(self.agent) || !self.is_unproven(source) {
            return answer(found);
        }
        answer(&self.rules.look(self.agent, &self.facts(None, source)))
    }

    /// Why rules refuse a request on a connection that is refused already.
    pub(super) fn refused_by_rules(&self) -> Option<Denial> {
        self.found(NameSource::None).err()
    }

    /// What binds that which a route lets through, unless a rule for the route refuses; and what rules for the route ask of what
    /// the request carries. Where an L4 route opened the connection, it lets through what an HTTP route allows there, too.
    pub(super) fn bound(
        &self,
        found: Findings<'a>,
        route: &Route,
        passage: &Passage,
    ) -> Result<(Option<Box<Obligations>>, Uses), Denial> {
        if self.rules.none_for(self.agent) {
            return Ok((None, Uses::default()));
        }
        let source = passage.name_source();
        let routes = self.routes(route, passage);
        let (behind, asks) = self.asked(&routes, self.request.name(), source)?;
        let others = |name: &HostName| self.asked(&routes, Some(name), source).map(|(_, asks)| asks);
        let asks = asks.and(self.check_others(passage, others)?);
        Ok((found.bind(behind, route), asks))
    }

    /// The routes by which a request goes: first the one that lets it through, then those that opened its connection.
    pub(super) fn routes<'r>(&self, route: &'r Route, passage: &'r Passage) -> SmallVec<[&'r PolicyRef; 3]>
    where
        'a: 'r,
    {
        let opened = Some(passage.route()).filter(|opened| !opened.is_of_requests());
        let now = self.opener(passage).map(|entry| &entry.route);
        [Some(route), opened, now].into_iter().flatten().map(|route| &route.policy).collect()
    }

    /// What rules for a route ask of what the request carries, whatever they come to.
    pub(super) fn asks_behind(&self, route: &Route, passage: &Passage) -> Uses {
        if self.rules.none_for(self.agent) {
            return Uses::default();
        }
        let facts = self.facts(self.request.name(), passage.name_source());
        self.rules.look_behind(self.agent, &self.routes(route, passage), &facts).asks()
    }

    /// Where the gateway dialled its own answer for a name, the address asked for says nothing.
    fn facts<'f>(&'f self, host: Option<&'f HostName>, source: NameSource) -> Facts<'f> {
        let address = (source != NameSource::Resolve).then_some(self.destination.ip());
        let port = Some(self.destination.port());
        Facts {
            agent: self.known.agent(),
            destination: Destination { host, address, port },
            request: Some(&*self.request),
            content: self.content,
            usage: self.circumstances.usage.as_ref(),
            at: self.circumstances.at,
        }
    }

    fn concerned(&self) -> Concerned<'_> {
        let (known, circumstances) = (self.known, self.circumstances);
        Concerned { known, host: self.request.name(), destination: self.destination, circumstances }
    }
}

impl Findings<'_> {
    /// The rule that lets this request through though no route does.
    pub(super) fn allows(&self) -> Option<Route> {
        match self.opens()? {
            Opens::Always(rule) => Some(rule.place()),
            // It waits for what the request carries.
            Opens::Requests(_) => None,
        }
    }

    /// Whether a rule may let it through, by what the request carries.
    pub(super) fn may_allow(&self) -> bool {
        matches!(self.opens(), Some(Opens::Requests(_)))
    }
}
