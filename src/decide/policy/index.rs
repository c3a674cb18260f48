//! Looking rules up by host name, without walking all of them.

use std::collections::HashMap;

use crate::model::types::{HostName, HostPattern};

/// Values by host pattern: exact names in one map, one-label wildcards in another by their base.
#[derive(Debug)]
pub(super) struct HostIndex<T> {
    exact: HashMap<Box<str>, Vec<T>>,
    wildcard: HashMap<Box<str>, Vec<T>>,
}

impl<T> Default for HostIndex<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: HashMap::new() }
    }
}

impl<T> HostIndex<T> {
    /// Files a value under a pattern.
    pub(super) fn insert(&mut self, pattern: &HostPattern, value: T) {
        let (map, key) = match pattern {
            HostPattern::Exact(name) => (&mut self.exact, name),
            HostPattern::Wildcard(base) => (&mut self.wildcard, base),
        };
        map.entry(key.as_str().into()).or_default().push(value);
    }

    /// Everything filed under a pattern that matches the name: exact names first.
    pub(super) fn find(&self, name: &HostName) -> impl Iterator<Item = &T> {
        let exact = self.exact.get(name.as_str());
        let wildcard = name.parent().and_then(|parent| self.wildcard.get(parent));
        exact.into_iter().chain(wildcard).flatten()
    }
}
