//! What stands for a time, as the three questions ask for it: is the agent shut out, and does an approval open what no
//! route named?
//!
//! An approval never opens what a rule denies, nor an address that is not safe: whoever asks has looked at both before.

use super::circumstances::Circumstances;
use super::passage::Route;
use super::query::{Chooser, Leave, Lookup, behind_service};
use super::standing::{OfAgent, Opening};
use super::words;
use crate::model::types::host::ancestors;
use crate::model::types::record_type::CLASS_IN;
use crate::model::types::{Denial, HostName, PolicyRef, Timestamp};
use crate::perceive::identity::Known;

impl Circumstances<'_> {
    /// Refuses an agent that is quarantined.
    ///
    /// # Errors
    /// `identity.quarantined`.
    pub fn admit(&self, known: &Known) -> Result<(), Denial> {
        match self.standing.quarantined(&known.agent().name, self.at) {
            Some(quarantine) => Err(words::quarantined(known, quarantine)),
            None => Ok(()),
        }
    }

    /// The approval that lets this agent reach a host on a TCP port. It speaks for every request there.
    pub fn approved(&self, known: &Known, host: Option<&HostName>, port: u16) -> Option<Route> {
        let of_agent = self.standing.of(&known.agent().name)?;
        let covers =
            |opening: &&Opening| opening.port.is_none_or(|own| own == port) && self.at < opening.until;
        let opening = of_agent.openings(host?.as_str()).find(covers)?;
        Some(Route { policy: opening.policy.clone(), rule: None })
    }

    /// Whether an approval lets this agent call a tool of a server.
    pub(super) fn approves_tool(&self, known: &Known, server: &str, tool: &str) -> bool {
        let of_agent = self.standing.of(&known.agent().name);
        let mut tools = of_agent.into_iter().flat_map(|of_agent| &of_agent.tools);
        tools.any(|(one, until)| *one.server == *server && *one.tool == *tool && self.at < *until)
    }

    /// Who chose a name that an approval lets this agent look up.
    pub(super) fn approved_lookup(&self, known: &Known, lookup: &Lookup<'_>) -> Option<Leave> {
        let of_agent = self.standing.of(&known.agent().name).filter(|_| lookup.class == CLASS_IN)?;
        let name = lookup.host.map_or(lookup.text, HostName::as_str);
        let by = |chooser, opening: &Opening| Leave {
            chooser,
            route: Route { policy: opening.policy.clone(), rule: None },
        };
        if lookup.kind.is_of_a_zone()
            && let Some(opening) = of_agent.below(name, self.at)
        {
            return Some(by(Chooser::Documents, opening));
        }
        let host = lookup.host?.as_str();
        let stands = |opening: &&Opening| self.at < opening.until;
        if let Some(opening) = of_agent.exact.get(host).into_iter().flatten().find(stands) {
            return Some(by(Chooser::Documents, opening));
        }
        let named = |name: &str| of_agent.openings(name).find(stands);
        let opening = named(host).or_else(|| behind_service(host).find_map(named))?;
        Some(by(Chooser::Agent, opening))
    }
}

/// Whether an approval is what allowed something.
pub fn is_approval(policy: &PolicyRef) -> bool {
    policy.0.starts_with("EgressApproval/")
}

impl OfAgent {
    /// What is open for a name, the exact ones first.
    fn openings(&self, name: &str) -> impl Iterator<Item = &Opening> {
        let parent = name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).into_iter().chain(parent).flatten()
    }

    /// What is open for a name below this zone: a validating stub asks about zones. Of several the first by name.
    fn below(&self, zone: &str, at: Timestamp) -> Option<&Opening> {
        let lies =
            |name: &str, own: usize| zone == "." || ancestors(name).skip(own).any(|above| above == zone);
        let exact = self.exact.iter().filter(|(name, _)| lies(name, 1));
        let wildcard = self.wildcard.iter().filter(|(base, _)| lies(base, 0));
        let open = exact.chain(wildcard).flat_map(|(_, openings)| openings);
        open.filter(|opening| at < opening.until).min_by_key(|opening| &opening.policy.0)
    }
}
