//! Property tests: the claims of the fuzz targets, held against inputs that are nearly right, and claims about more
//! than one input. `PROPTEST_CASES` sets how many there are.

mod conditions;
mod deciding;
mod documents;
mod framing;
mod inspecting;
mod journal;
mod lookups;
mod naming;
mod protocol;
mod resolving;
mod sniffing;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::seeds::targets;

/// Holds the claim of a target against these bytes.
fn holds(target: &str, bytes: &[u8]) {
    targets::target(target).unwrap_or_else(|| panic!("no target {target}"))(bytes);
}

/// These bytes with up to three of them changed, cut out or doubled.
fn damaged(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    (bytes, edits).prop_map(|(mut bytes, edits)| {
        for (at, value, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = value,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    })
}
