//! What rules of EgressPolicies say of a request: they refuse it, let it through, or bind it.

use super::{Judge, Passage, Route};
use crate::decide::policy::obligations::Obligations;
use crate::decide::policy::passage::NameSource;
use crate::decide::policy::rules::{Concerned, Findings, Opens};
use crate::model::condition::{Destination, Facts, Uses};
use crate::model::types::Denial;

impl<'a> Judge<'a> {
    /// What rules come to, unless one of them refuses.
    pub(super) fn found(&self, source: NameSource) -> Result<Findings<'a>, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(Findings::default());
        }
        let found = self.rules.look(self.agent, &self.facts(source));
        found.check(&self.concerned()).map(|()| found)
    }

    /// Where a network opened the connection, a request may say any name or none: rules for the names that were given
    /// for the address refuse it all the same. Answers with what they ask of what the request carries.
    pub(super) fn check_shadow(&self, passage: &Passage) -> Result<Uses, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(Uses::default());
        }
        let facts = self.facts(passage.name_source());
        passage.shadow.iter().try_fold(Uses::default(), |asks, name| {
            let destination = Destination { host: Some(name), ..facts.destination };
            let concerned = Concerned { host: Some(name), ..self.concerned() };
            let found = self.rules.look(self.agent, &Facts { destination, ..facts });
            found.check(&concerned).map(|()| asks.and(found.asks()))
        })
    }

    /// Why rules refuse a request on a connection that is refused already.
    pub(super) fn refused_by_rules(&self) -> Option<Denial> {
        self.found(NameSource::None).err()
    }

    /// What binds that which a route lets through, unless a rule for the route refuses; and what rules for the route ask
    /// of what the request carries.
    pub(super) fn bound(
        &self,
        found: Findings<'a>,
        route: &Route,
        source: NameSource,
    ) -> Result<(Option<Box<Obligations>>, Uses), Denial> {
        if self.rules.none_for(self.agent) {
            return Ok((None, Uses::default()));
        }
        let behind = self.rules.look_behind(self.agent, route, &self.facts(source));
        behind.check(&self.concerned())?;
        let asks = behind.asks();
        Ok((found.bind(behind, route), asks))
    }

    /// Where the gateway dialled its own answer for a name, the address asked for says nothing.
    fn facts(&self, source: NameSource) -> Facts<'_> {
        let address = (source != NameSource::Resolve).then_some(self.destination.ip());
        let port = Some(self.destination.port());
        Facts {
            agent: self.known.agent(),
            destination: Destination { host: self.request.name(), address, port },
            request: Some(self.request),
            content: self.content,
            usage: self.circumstances.usage,
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
