//! What agents hold in the place of a secret. It opens nothing; where it leads to another host than the one that its secret is
//! bound to, somebody may have asked for it.

use super::super::detector::{Confidence, Detector};
use crate::model::types::FindingClass;

const PLAIN: Detector = Detector::key("placeholder", "Clawgress, docs/credentials.md");

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[Detector {
    class: FindingClass::Placeholder,
    confidence: Confidence { bare: 0.9, in_context: 0.9, wrong_sum: 0.3 },
    ..PLAIN
        .at(&["clawgress:"])
        .like(r"clawgress:[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?(?:/[A-Za-z0-9._-]{1,64})?")
        .summed(is_name)
        .finds(&["clawgress:anthropic", "clawgress:aws/session-token"])
        .leaves(&["clawgress: a gateway", "clawgress:http://a.example"])
}];

/// Names are made of words, and that says nothing against this one. No placeholder has the scheme of a URL for a name.
fn is_name(value: &[u8]) -> bool {
    !value.ends_with(b":http") && !value.ends_with(b":https")
}
