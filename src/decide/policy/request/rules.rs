//! What rules of EgressPolicies say of a request: they refuse it, let it through, or bind it.

use super::{Judge, Obligations, Passage, Route};
use crate::decide::policy::passage::NameSource;
use crate::decide::policy::rules::{Concerned, Findings, Opens};
use crate::model::condition::{Destination, Facts};
use crate::model::types::{Denial, HostName};

impl<'a> Judge<'a> {
    /// What rules come to, unless one of them refuses.
    pub(super) fn found(&self, source: NameSource) -> Result<Findings<'a>, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(Findings::default());
        }
        let found = self.rules.look(self.agent, &self.facts(source));
        found.check(&self.concerned()).map(|()| found)
    }

    /// Refuses what a rule refuses under another name than the request's own.
    pub(super) fn check_rules_for(&self, name: &HostName, source: NameSource) -> Result<(), Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(());
        }
        let facts = self.facts(source);
        let destination = Destination { host: Some(name), ..facts.destination };
        let concerned = Concerned { host: Some(name), ..self.concerned() };
        self.rules.look(self.agent, &Facts { destination, ..facts }).check(&concerned)
    }

    /// The rule that lets this request through though no route does. A name that is believed for nothing but its network is no
    /// name to it.
    pub(super) fn allowed_by_rule(&self, found: &Findings<'a>, source: NameSource) -> Option<Route> {
        if self.rules.none_for(self.agent) || !self.is_unproven(source) {
            return found.allows();
        }
        let facts = self.facts(source);
        let destination = Destination { host: None, ..facts.destination };
        self.rules.look(self.agent, &Facts { destination, ..facts }).allows()
    }

    /// Why rules refuse a request on a connection that is refused already.
    pub(super) fn refused_by_rules(&self) -> Option<Denial> {
        self.found(NameSource::None).err()
    }

    /// What binds that which a route lets through, unless a rule for the route refuses.
    pub(super) fn bound(
        &self,
        found: Findings<'a>,
        route: &Route,
        source: NameSource,
    ) -> Result<Option<Box<Obligations>>, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(None);
        }
        let behind = self.rules.look_behind(self.agent, route, &self.facts(source));
        behind.check(&self.concerned())?;
        Ok(found.bind(behind, route))
    }

    /// Where the gateway dialled its own answer for a name, the address asked for says nothing.
    fn facts(&self, source: NameSource) -> Facts<'_> {
        let address = (source != NameSource::Resolve).then_some(self.destination.ip());
        let port = Some(self.destination.port());
        Facts {
            agent: self.known.agent(),
            destination: Destination { host: self.request.name(), address, port },
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
