//! What rules of EgressPolicies say of a connection: they refuse it, open it, or bind it.
//!
//! What a rule needs a request for, or what that carries, is not known here, and is asked again with each. Read next:
//! `../rules.rs`.

use super::claim::Claim;
use super::{Judge, L4Entry, Listeners, Opening};
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
        let mut names = claim.names.iter().chain(claim.shadow).peekable();
        if names.peek().is_none() {
            return self.found(None, claim.source).check(&self.concerned(None));
        }
        names.try_for_each(|name| self.found(Some(name), claim.source).check(&self.concerned(Some(name))))
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

    /// Whether TLS hides the name without which nobody can open it, where a rule may refuse its requests: leaving the
    /// name out is no way around that rule. Not so for a route that is attached to nothing that opens TLS.
    pub(super) fn evades_rules(
        &self,
        name: Option<&HostName>,
        source: NameSource,
        entries: &[&L4Entry],
    ) -> bool {
        let opens = |entry: &&L4Entry| entry.listeners.has(ListenerProtocol::TlsTerminate);
        name.is_some()
            && self.lacks_a_server_name()
            && self.plan.listeners.has(ListenerProtocol::TlsTerminate)
            && (entries.is_empty() || entries.iter().any(opens))
            && !self.rules.none_for(self.agent)
            && self.found(name, source).has_to_read()
    }

    /// An opening with what binds it.
    pub(super) fn bound(
        &self,
        name: Option<&HostName>,
        source: NameSource,
        opening: Opening,
    ) -> Result<Opening, Denial> {
        if self.rules.none_for(self.agent) {
            return Ok(opening);
        }
        let behind = self.rules.look_behind(self.agent, &opening.route, &self.facts(name, source));
        behind.check(&self.concerned(name))?;
        let obligations = self.found(name, source).bind(behind, &opening.route);
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
            usage: self.circumstances.usage,
            at: self.circumstances.at,
        }
    }

    fn concerned<'f>(&'f self, host: Option<&'f HostName>) -> Concerned<'f> {
        let (destination, circumstances) = (self.flow.destination.0, self.circumstances);
        Concerned { known: self.known, host, destination, circumstances }
    }
}
