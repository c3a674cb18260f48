//! What rules of EgressPolicies say of a request: they refuse it, let it through, or bind it.

use smallvec::SmallVec;

use super::{Judge, Obligations, Passage, Route};
use crate::decide::policy::passage::NameSource;
use crate::decide::policy::rules::{Concerned, Findings, Opens};
use crate::model::condition::{Destination, Facts};
use crate::model::types::{Denial, HostName, PolicyRef};

impl<'a> Judge<'a> {
    /// What rules come to, unless one of them refuses.
    pub(super) fn found(&self, source: NameSource) -> Result<Findings<'a>, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(Findings::default());
        }
        self.asked(&[], self.request.name(), source)
    }

    /// Refuses what a rule refuses under another name than the request's own.
    pub(super) fn check_rules_for(&self, name: &HostName, source: NameSource) -> Result<(), Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(());
        }
        self.asked(&[], Some(name), source).map(drop)
    }

    /// What rules come to under one name, unless one of them refuses: those for everything, or those for what these routes let
    /// through. An IPv4 address inside the destination is where a translator leads, so it is asked about as well.
    fn asked(
        &self,
        routes: &[&PolicyRef],
        host: Option<&HostName>,
        source: NameSource,
    ) -> Result<Findings<'a>, Denial> {
        let look = |facts: &Facts<'_>| match routes {
            [] => self.rules.look(self.agent, facts),
            routes => self.rules.look_behind(self.agent, routes, facts),
        };
        let facts = self.facts(host, source);
        let concerned = Concerned { host, ..self.concerned() };
        let found = look(&facts);
        found.check(&concerned)?;
        facts.inside().try_for_each(|facts| look(&facts).check(&concerned)).map(|()| found)
    }

    /// The rule that lets this request through though no route does. A name that is believed for nothing but its network is no
    /// name to it.
    pub(super) fn allowed_by_rule(&self, found: &Findings<'a>, source: NameSource) -> Option<Route> {
        if self.rules.none_for(self.agent) || !self.is_unproven(source) {
            return found.allows();
        }
        self.rules.look(self.agent, &self.facts(None, source)).allows()
    }

    /// Why rules refuse a request on a connection that is refused already.
    pub(super) fn refused_by_rules(&self) -> Option<Denial> {
        self.found(NameSource::None).err()
    }

    /// What binds that which a route lets through, unless a rule for the route refuses. Where an L4 route opened the connection,
    /// it lets through what an HTTP route allows there, too.
    pub(super) fn bound(
        &self,
        found: Findings<'a>,
        route: &Route,
        passage: &Passage,
    ) -> Result<Option<Box<Obligations>>, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(None);
        }
        let source = passage.name_source();
        let opened = Some(passage.route()).filter(|opened| !opened.is_of_requests());
        let now = self.opener(passage).map(|entry| &entry.route);
        let routes: SmallVec<[&PolicyRef; 3]> =
            [Some(route), opened, now].into_iter().flatten().map(|route| &route.policy).collect();
        let behind = self.asked(&routes, self.request.name(), source)?;
        self.check_others(passage, |name| self.asked(&routes, Some(name), source).map(drop))?;
        Ok(found.bind(behind, route))
    }

    /// Where the gateway dialled its own answer for a name, the address asked for says nothing.
    fn facts<'f>(&'f self, host: Option<&'f HostName>, source: NameSource) -> Facts<'f> {
        let address = (source != NameSource::Resolve).then_some(self.destination.ip());
        let port = Some(self.destination.port());
        Facts {
            agent: self.known.agent(),
            destination: Destination { host, address, port },
            request: Some(self.request),
            at: self.circumstances.at,
        }
    }

    fn concerned(&self) -> Concerned<'_> {
        let (host, destination, at) = (self.request.name(), self.destination, self.circumstances.at);
        Concerned { known: self.known, host, destination, at }
    }
}

impl Findings<'_> {
    /// The rule that lets this request through though no route does.
    pub(super) fn allows(&self) -> Option<Route> {
        match self.opens()? {
            Opens::Always(rule) => Some(rule.place()),
            // Everything is known here but what no engine tells.
            Opens::Requests(_) => None,
        }
    }
}
