//! Names that were given for an address and have expired: no longer believed, and not forgotten.
//!
//! Clients keep to an address for longer than they were told. Where nothing else says which host is meant, the name that
//! it once was given for is what they claim. Never opens the address itself.

use super::claim::Claim;
use super::{Judge, L4Entry, words};
use crate::decide::policy::passage::{NameSource, Passage};
use crate::model::types::{Denial, Reason};

impl<'a> Judge<'a> {
    /// A client may keep to an address for longer than its name was believed. Where the connection names no host, and
    /// no fresh name for its address is there to judge by, one that has expired counts as a claim: what is dialled is
    /// the gateway's own answer for it. Where routes open several, the client has to look up which it means.
    /// `refusal` is why the address alone opens nothing.
    pub(super) fn by_stale_names(
        &self,
        refusal: Denial,
        addressed: &[&'a L4Entry],
    ) -> Result<Passage, Denial> {
        let may_help = matches!(refusal.reason, Reason::PolicyNoRoute | Reason::DestinationPrivate);
        if !may_help || self.flow.stale.is_empty() {
            return Err(refusal);
        }
        let mut opened = None;
        let mut denied = None;
        for name in self.flow.stale {
            let names = std::slice::from_ref(name);
            let claim = Claim { names, source: NameSource::Resolve, shadow: self.flow.stale };
            match self.by_claim(&claim, addressed, false) {
                // They lead to different places now, and nothing says which of them is meant.
                Ok(_) if opened.is_some() => {
                    return Err(words::unverified(self.known, None, self.flow.destination.0));
                }
                Ok(passage) => opened = Some(passage),
                Err(anew) if anew.reason != Reason::PolicyNoRoute => denied = denied.or(Some(anew)),
                Err(_) => {}
            }
        }
        opened.ok_or_else(|| denied.unwrap_or(refusal))
    }
}
