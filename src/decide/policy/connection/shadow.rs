//! What an address may be besides the name under which it is reached.
//!
//! Where a route names the host, its name decides. Where the address alone opens the connection, the agent is free in the
//! name that it says, or says none: then whatever denies a name that it was given for this address holds, be it one that
//! has expired, and HTTP rules for that name cannot be gone around. Never opens anything.

use super::claim::Claim;
use super::{Effect, Judge, L4Entry};
use crate::decide::policy::passage::NameSource;
use crate::model::types::{Denial, HostName};

impl<'a> Judge<'a> {
    /// The names that count beside `name`, which may be among them.
    pub(super) fn shadow(
        &self,
        name: Option<&HostName>,
        claim: &Claim<'a>,
        addressed: &[&L4Entry],
    ) -> impl Iterator<Item = &'a HostName> + Clone + use<'a> {
        let (given, once) = match self.is_opened_by_address(name, claim.source, addressed) {
            true => (self.flow.given, self.flow.once),
            false => (claim.shadow, &[][..]),
        };
        given.iter().chain(once)
    }

    /// Refuses what is denied under one of them.
    pub(super) fn check_shadow(
        &self,
        name: Option<&HostName>,
        claim: &Claim<'a>,
        addressed: &[&L4Entry],
    ) -> Result<(), Denial> {
        let names = self.shadow(name, claim, addressed).filter(|shadow| Some(*shadow) != name);
        self.check_names(names, claim.source)
    }

    /// Refuses what an L4 rule denies under one of these names.
    pub(super) fn check_denied_names<'n>(
        &self,
        names: impl Iterator<Item = &'n HostName>,
    ) -> Result<(), Denial> {
        let mut named = names.flat_map(|name| self.l4_index().denying(self.asker(), name));
        named.find_map(|rank| self.denied_by(&self.plan.l4[rank])).map_or(Ok(()), Err)
    }

    /// Those that requests have to be judged by as well: by which name each is made is known with it alone.
    pub(super) fn shadow_of_requests(
        &self,
        name: Option<&HostName>,
        source: NameSource,
        addressed: &[&L4Entry],
    ) -> Vec<HostName> {
        let by_network = addressed.iter().any(|entry| entry.names_address(self.flow.destination.0));
        let counts = source == NameSource::None || source == NameSource::Given && by_network;
        let names = self.flow.given.iter().chain(self.flow.once).filter(|_| counts);
        names.filter(|shadow| Some(*shadow) != name).cloned().collect()
    }

    /// Whether no route opens the connection by its name.
    fn is_opened_by_address(
        &self,
        name: Option<&HostName>,
        source: NameSource,
        addressed: &[&L4Entry],
    ) -> bool {
        let by_network = || addressed.iter().any(|entry| entry.names_address(self.flow.destination.0));
        let others = self.flow.given.len() > 1 || !self.flow.once.is_empty();
        match source {
            NameSource::Resolve => false,
            NameSource::None => true,
            NameSource::Given => {
                others
                    && (!self.names_its_host() || by_network())
                    && !name.is_some_and(|name| self.is_named(name))
            }
        }
    }

    /// Whether a route allows something by this name.
    fn is_named(&self, name: &HostName) -> bool {
        let holds = |entry: &L4Entry| {
            let here = entry.cidrs.is_empty() || entry.names_address(self.flow.destination.0);
            here && matches!(entry.effect, Effect::Allow)
        };
        self.by_host(name).any(holds) || self.plan.opens_requests(self.agent, name)
    }
}
