//! Header fields of a request that goes out, as Transform rules will have them.
//!
//! Behind the judgement: what is judged and recorded is what the agent sent. Fields by which a message is framed, routed or
//! believed are none of theirs; the loader sees to that.

use http::{HeaderMap, HeaderName};

use crate::decide::policy::Obligations;

/// Makes the changes in their order: what a rule removes is gone, what it sets stands alone.
pub fn apply(headers: &mut HeaderMap, bound: Option<&Obligations>) {
    for transform in bound.map_or(&[][..], Obligations::transforms) {
        for name in &transform.remove {
            headers.remove(name);
        }
        for (name, value) in &transform.set {
            headers.insert(name, value.clone());
        }
    }
}

/// The names that rules set or remove: none of them goes out behind the body either.
pub fn names(bound: Option<&Obligations>) -> Vec<HeaderName> {
    let transforms = bound.map_or(&[][..], Obligations::transforms);
    transforms.iter().flat_map(|transform| transform.names()).cloned().collect()
}
