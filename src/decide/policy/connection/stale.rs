//! Names that were given for an address and have expired: no longer believed, and not forgotten.
//!
//! Clients keep to an address for longer than they were told. Where nothing else says which host is meant, the name that
//! it once was given for is what they claim. Never opens the address itself.

use super::{Claim, Judge, L4Entry};
use crate::decide::policy::passage::{NameSource, Passage};
use crate::model::types::{Denial, Reason};

impl<'a> Judge<'a> {
    /// A client may keep to an address for longer than its name was believed. Where the connection names no host, and
    /// no fresh name for its address is there to judge by, one that has expired counts as a claim: what is dialled is
    /// the gateway's own answer for it. `refusal` is why the address alone opens nothing.
    pub(super) fn by_stale_names(
        &self,
        refusal: Denial,
        addressed: &[&'a L4Entry],
    ) -> Result<Passage, Denial> {
        let may_help = matches!(refusal.reason, Reason::PolicyNoRoute | Reason::DestinationPrivate);
        if !may_help || self.flow.stale.is_empty() {
            return Err(refusal);
        }
        let claim = Claim { names: self.flow.stale, source: NameSource::Resolve, shadow: &[] };
        self.by_claim(&claim, addressed, false).map_err(|anew| match anew.reason {
            Reason::PolicyNoRoute => refusal,
            _ => anew,
        })
    }
}
