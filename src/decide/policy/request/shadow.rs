//! Requests on a connection that its address opened: by another name, or none, nobody goes around what denies a name that the
//! address was given for. Read next: `../connection/shadow.rs`.

use super::{Asker, Effect, Judge, L4Entry, NameSource, Passage, words};
use crate::model::condition::Uses;
use crate::model::types::{Denial, HostName};

impl Judge<'_> {
    /// Refuses what is denied under one of those names. Answers with what rules ask of what the request carries.
    pub(super) fn check_shadow(&self, passage: &Passage) -> Result<Uses, Denial> {
        self.check_others(passage, |name| {
            let asks = self.check_by_name(name, passage.name_source())?;
            Ok(asks.and(self.check_denied_services(Some(name), passage)?))
        })
    }

    /// Refuses what is refused under one of those names. A request that a route names by its own goes by its own.
    pub(super) fn check_others(
        &self,
        passage: &Passage,
        check: impl Fn(&HostName) -> Result<Uses, Denial>,
    ) -> Result<Uses, Denial> {
        let named = || self.request.name().is_some_and(|name| self.is_named(name));
        if passage.shadow.is_empty() || passage.name_source() == NameSource::Given && named() {
            return Ok(Uses::default());
        }
        let mut others = passage.shadow.iter().filter(|name| Some(*name) != self.request.name());
        others.try_fold(Uses::default(), |asks, name| match check(name) {
            Ok(more) => Ok(asks.and(more)),
            Err(denial) => Err(words::by_another_name(denial, name, self.destination)),
        })
    }

    fn check_by_name(&self, name: &HostName, source: NameSource) -> Result<Uses, Denial> {
        let asker = Asker { agent: self.agent, port: self.destination.port() };
        let mut denying = self.plan.tcp.denying(asker, name).map(|rank| &self.plan.l4[rank]);
        let here = |entry: &L4Entry| entry.cidrs.is_empty() || entry.leads_to(self.destination);
        if let Some(entry) = denying.find(|entry| here(entry)) {
            return Err(words::denied(self.known, &entry.effect, &entry.route, self.destination));
        }
        if let Some(denial) = self.denied_by_http(Some(name)) {
            return Err(denial);
        }
        self.check_rules_for(name, source)
    }

    /// Whether a route allows something by this name.
    fn is_named(&self, name: &HostName) -> bool {
        let asker = Asker { agent: self.agent, port: self.destination.port() };
        let mut named = self.plan.tcp.named(asker, name).map(|rank| &self.plan.l4[rank]);
        let here = |entry: &L4Entry| entry.cidrs.is_empty() || entry.names_address(self.destination);
        let allows = |entry: &L4Entry| matches!(entry.effect, Effect::Allow) && here(entry);
        named.any(allows) || self.plan.opens_requests(self.agent, name)
    }
}
