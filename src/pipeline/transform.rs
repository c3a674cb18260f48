//! Header fields of a request that goes out, as Transform rules will have them.
//!
//! Behind the judgement: what is judged and recorded is what the agent sent. Fields by which a message is framed, routed or
//! believed are none of theirs; the loader sees to that.

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use crate::decide::policy::Obligations;
use crate::model::manifest::resources::Transform;
use crate::model::types::field::reads_alike;

/// Makes the changes in their order: what a rule removes is gone, what it sets stands alone, in every spelling that some
/// server takes for it.
pub fn apply(headers: &mut HeaderMap, bound: Option<&Obligations>) {
    for transform in bound.map_or(&[][..], Obligations::transforms) {
        change(headers, transform);
    }
}

fn change(headers: &mut HeaderMap, transform: &Transform) {
    let stays = |name: &HeaderName| transform.set.iter().any(|(set, _)| set == name);
    let names = |sent: &HeaderName| transform.names().any(|name| reads_alike(name.as_str(), sent.as_str()));
    let gone: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| names(name) && !stays(name)).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
    for (name, value) in &transform.set {
        headers.insert(name, value.clone());
    }
}

/// The names that rules set or remove: none of them goes out behind the body either.
pub fn names(bound: Option<&Obligations>) -> Vec<HeaderName> {
    let transforms = bound.map_or(&[][..], Obligations::transforms);
    transforms.iter().flat_map(|transform| transform.names()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_field_is_changed_in_every_spelling_that_some_server_takes_for_it() {
        let name = HeaderName::from_static;
        let mut headers = HeaderMap::new();
        for sent in ["x-team", "x_team", "x.team", "x_note", "x-teams", "x-kept"] {
            headers.append(name(sent), HeaderValue::from_static("blue"));
        }
        let transform = Transform {
            set: vec![(name("x-team"), HeaderValue::from_static("red"))],
            remove: vec![name("x-note")],
        };
        change(&mut headers, &transform);
        let mut left: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        left.sort_unstable();
        assert_eq!(left, [("x-kept", &b"blue"[..]), ("x-team", b"red"), ("x-teams", b"blue")]);
    }
}
