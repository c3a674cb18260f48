//! Looking rules up by host name, without walking all of them.

use crate::model::types::{HostName, HostPattern};

/// What decisions look things up in. Its keys come from documents alone, so nobody who is judged can make them collide,
/// and a hash that only has to be fast will do.
pub(super) type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// A value for each host pattern: exact names in one map, wildcards in another by their base. A wildcard is one label, so
/// the second is a trie of labels, one label deep.
#[derive(Debug)]
pub(super) struct HostIndex<T> {
    exact: Map<Box<str>, T>,
    wildcard: Map<Box<str>, T>,
}

impl<T> Default for HostIndex<T> {
    fn default() -> Self {
        Self { exact: Map::default(), wildcard: Map::default() }
    }
}

impl<T: Default> HostIndex<T> {
    /// The value of a pattern, made where there is none.
    pub(super) fn of(&mut self, pattern: &HostPattern) -> &mut T {
        let (map, key) = match pattern {
            HostPattern::Exact(name) => (&mut self.exact, name),
            HostPattern::Wildcard(base) => (&mut self.wildcard, base),
        };
        map.entry(key.as_str().into()).or_default()
    }

    /// The values of the patterns that match the name: the exact one first.
    pub(super) fn find(&self, name: &HostName) -> impl Iterator<Item = &T> {
        let exact = self.exact.get(name.as_str());
        let wildcard = name.parent().and_then(|parent| self.wildcard.get(parent));
        exact.into_iter().chain(wildcard)
    }
}
