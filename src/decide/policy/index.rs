//! Looking rules up by host name, without walking all of them.

use std::collections::HashMap;

use crate::model::types::{HostName, HostPattern};

/// A value for each host pattern: exact names in one map, wildcards in another by their base. A wildcard is one label, so
/// the second is a trie of labels, one label deep.
#[derive(Debug)]
pub(super) struct HostIndex<T> {
    exact: HashMap<Box<str>, T>,
    wildcard: HashMap<Box<str>, T>,
}

impl<T> Default for HostIndex<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: HashMap::new() }
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
