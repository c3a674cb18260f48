//! What servers read in different ways counts as each reading that refuses, and as none that opens.
//!
//! Read next: `../request.rs`, which asks.

/// What a request does that servers read in different ways: a header or parameter sent several times with different
/// values, a path with an encoded or doubled slash. It never opens an allowing rule by its other readings, and meets
/// a denying one by any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    Misses,
    Matches,
}

impl Doubt {
    pub(super) fn settle(self, mut values: impl Iterator<Item = bool>) -> bool {
        match (self, values.next()) {
            (_, None) => false,
            (Self::Misses, Some(first)) => first && values.all(|holds| holds),
            (Self::Matches, Some(first)) => first || values.any(|holds| holds),
        }
    }
}
