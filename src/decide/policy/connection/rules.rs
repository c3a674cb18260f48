//! What rules of EgressPolicies say of a connection: they refuse it, open it, or bind it.
//!
//! What a rule needs a request for, or what that carries, is not known here, and is asked again with each. Read next:
//! `../rules.rs`.

use super::claim::Claim;
use super::{Judge, L4Entry, Listeners, Opening, Route};
use crate::decide::policy::passage::NameSource;
use crate::decide::policy::rules::{Concerned, Findings, Opens};
use crate::model::condition::{Destination, Facts};
use crate::model::manifest::resources::ListenerProtocol;
use crate::model::types::{Denial, HostName};

impl<'a> Judge<'a> {
    /// Refuses what a rule refuses, under any name that the connection may have.
    pub(super) fn check_rules(&self, claim: &Claim<'_>) -> Result<(), Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(());
        }
        // What says no name is asked about as that, whatever the address was given for.
        if claim.names.is_empty() {
            self.refuse(None, None, claim.source)?;
        }
        self.check_rules_for(claim.names.iter().chain(claim.shadow), claim.source)
    }

    fn check_rules_for<'n>(
        &self,
        mut names: impl Iterator<Item = &'n HostName>,
        source: NameSource,
    ) -> Result<(), Denial> {
        names.try_for_each(|name| self.refuse(None, Some(name), source))
    }

    /// Refuses what a rule refuses under one name: one that holds for everything, or one that holds for what `route` lets
    /// through. An IPv4 address inside the destination is where a translator leads, so it is asked about as well.
    fn refuse(
        &self,
        route: Option<&Route>,
        name: Option<&HostName>,
        source: NameSource,
    ) -> Result<(), Denial> {
        let look = |facts: &Facts<'_>| match route {
            Some(route) => self.rules.look_behind(self.agent, &[&route.policy], facts),
            None => self.rules.look(self.agent, facts),
        };
        let (facts, concerned) = (self.facts(name, source), self.concerned(name));
        look(&facts).check(&concerned)?;
        facts.inside().try_for_each(|facts| look(&facts).check(&concerned))
    }

    /// Refuses what is denied under one of these names, by a route or by a rule.
    pub(super) fn check_names<'n>(
        &self,
        names: impl Iterator<Item = &'n HostName> + Clone,
        source: NameSource,
    ) -> Result<(), Denial> {
        self.check_denied_names(names.clone())?;
        if self.rules.none_for(self.agent) { Ok(()) } else { self.check_rules_for(names, source) }
    }

    /// The rule that lets through what no route names, with the listeners that may take it.
    pub(super) fn opened_by_rule(
        &self,
        name: Option<&HostName>,
        source: NameSource,
        takers: Listeners,
    ) -> Option<Opening> {
        let listeners = self.plan.listeners.and(takers);
        if self.rules.none_for(self.agent) || listeners.is_empty() {
            return None;
        }
        let reading = Listeners::default().with(ListenerProtocol::TlsTerminate).with(ListenerProtocol::Http);
        let (rule, listeners) = match self.found(name, source).opens()? {
            Opens::Always(rule) => (rule, listeners),
            Opens::Requests(rule) => (rule, listeners.and(reading)),
        };
        (!listeners.is_empty()).then(|| Opening { route: rule.place(), listeners, obligations: None })
    }

    /// Whether TLS hides the name without which nobody can open it, where a rule may refuse its requests, under any name that
    /// it may have: leaving the name out is no way around that rule. Not so for a route that is attached to nothing that
    /// opens TLS.
    pub(super) fn evades_rules<'n>(
        &self,
        name: Option<&'n HostName>,
        (source, addressed): (NameSource, &[&'a L4Entry]),
        shadow: impl Iterator<Item = &'n HostName>,
    ) -> bool {
        let hides = name.is_some()
            && self.lacks_a_server_name()
            && self.plan.listeners.has(ListenerProtocol::TlsTerminate)
            && !self.rules.none_for(self.agent);
        hides && {
            let by = |name| self.opener_of_tls(name, (source, addressed));
            name.is_some_and(|name| by(name).is_some())
                && name
                    .into_iter()
                    .chain(shadow)
                    .any(|name| by(name).is_some_and(|opener| self.has_to_read(name, source, opener)))
        }
    }

    /// What would open TLS that says this name: the route that comes first, or none but a rule or the default. Nothing where all
    /// routes are attached to what opens no TLS.
    fn opener_of_tls(
        &self,
        name: &HostName,
        (source, addressed): (NameSource, &[&'a L4Entry]),
    ) -> Option<Option<&'a Route>> {
        let entries = self.entries(Some(name), source, addressed);
        let opener = entries.iter().find(|entry| entry.listeners.has(ListenerProtocol::TlsTerminate));
        (entries.is_empty() || opener.is_some()).then(|| opener.map(|entry| &entry.route))
    }

    /// Whether a rule may refuse requests of this name, be it for what its opener lets through.
    fn has_to_read(&self, name: &HostName, source: NameSource, opener: Option<&Route>) -> bool {
        let facts = self.facts(Some(name), source);
        let behind = |route: &Route| self.rules.look_behind(self.agent, &[&route.policy], &facts);
        self.rules.look(self.agent, &facts).has_to_read()
            || opener.is_some_and(|route| behind(route).has_to_read())
    }

    /// An opening with what binds it, unless a rule for what its route lets through refuses, under any name that it may have.
    pub(super) fn bound<'n>(
        &self,
        name: Option<&'n HostName>,
        (source, mut shadow): (NameSource, impl Iterator<Item = &'n HostName>),
        opening: Opening,
    ) -> Result<Opening, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(opening);
        }
        // An HTTP route lets requests through, and each of them is asked about by itself: here it is the first of several.
        let route = Some(&opening.route).filter(|route| !route.is_of_requests());
        let behind = match route {
            Some(route) => {
                self.refuse(Some(route), name, source)?;
                shadow.try_for_each(|name| self.refuse(Some(route), Some(name), source))?;
                self.rules.look_behind(self.agent, &[&route.policy], &self.facts(name, source))
            }
            None => Findings::default(),
        };
        let obligations =
            self.found(name, source).of_connection().bind(behind.of_connection(), &opening.route);
        Ok(Opening { obligations, ..opening })
    }

    fn found(&self, name: Option<&HostName>, source: NameSource) -> Findings<'a> {
        self.rules.look(self.agent, &self.facts(name, source))
    }

    /// Where the gateway dials its own answer for a name, nobody knows the address yet.
    fn facts<'f>(&'f self, name: Option<&'f HostName>, source: NameSource) -> Facts<'f> {
        let asked = self.flow.destination.0;
        let address = (source != NameSource::Resolve).then_some(asked.ip());
        Facts {
            agent: self.known.agent(),
            destination: Destination { host: name, address, port: Some(asked.port()) },
            request: None,
            content: None,
            usage: self.circumstances.usage.as_ref(),
            at: self.circumstances.at,
        }
    }

    fn concerned<'f>(&'f self, host: Option<&'f HostName>) -> Concerned<'f> {
        let (destination, circumstances) = (self.flow.destination.0, self.circumstances);
        Concerned { known: self.known, host, destination, circumstances }
    }
}
