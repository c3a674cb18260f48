//! What stands for a time, as the three questions ask for it: is the agent shut out, and does an approval open what no
//! route named?
//!
//! An approval never opens what a rule denies, nor an address that is not safe: whoever asks has looked at both before.

use super::circumstances::Circumstances;
use super::passage::Route;
use super::query::{Chooser, Lookup, behind_service};
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

    /// Who chose a name that an approval lets this agent look up.
    pub(super) fn approved_lookup(&self, known: &Known, lookup: &Lookup<'_>) -> Option<Chooser> {
        let of_agent = self.standing.of(&known.agent().name).filter(|_| lookup.class == CLASS_IN)?;
        let name = lookup.host.map_or(lookup.text, HostName::as_str);
        if lookup.kind.is_of_a_zone() && of_agent.is_above(name, self.at) {
            return Some(Chooser::Documents);
        }
        let host = lookup.host?.as_str();
        let stands = |openings: Option<&Vec<Opening>>| {
            openings.is_some_and(|openings| openings.iter().any(|opening| self.at < opening.until))
        };
        if stands(of_agent.exact.get(host)) {
            return Some(Chooser::Documents);
        }
        let named = |name: &str| of_agent.openings(name).any(|opening| self.at < opening.until);
        (named(host) || behind_service(host).any(named)).then_some(Chooser::Agent)
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

    /// Whether an approved name lies below this zone: a validating stub asks about zones.
    fn is_above(&self, zone: &str, at: Timestamp) -> bool {
        let stands = |openings: &Vec<Opening>| openings.iter().any(|opening| at < opening.until);
        let exact = self.exact.iter().filter(|(_, openings)| stands(openings));
        let wildcard = self.wildcard.iter().filter(|(_, openings)| stands(openings));
        let mut above = exact
            .flat_map(|(name, _)| ancestors(name).skip(1))
            .chain(wildcard.flat_map(|(base, _)| ancestors(base)))
            .chain(["."]);
        let any = self.exact.values().chain(self.wildcard.values()).any(stands);
        any && above.any(|above| above == zone)
    }
}
