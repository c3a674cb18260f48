//! Which agents a label selector selects, computed for all agents at once.
//!
//! Says what `Selector::selects` says of each agent (a test compares them), without asking each selector of each agent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ranks::Ranks;
use crate::model::manifest::resources::{Requirement, Selector};

/// The labels of all agents, by key and by key and value.
pub(super) struct Labels<'a> {
    agents: usize,
    keys: HashMap<&'a str, Ranks>,
    values: HashMap<(&'a str, &'a str), Ranks>,
}

impl<'a> Labels<'a> {
    /// The labels of each agent, in the order of their bits.
    pub(super) fn of(agents: impl Iterator<Item = &'a BTreeMap<String, String>>) -> Self {
        let mut labels = Self { agents: 0, keys: HashMap::new(), values: HashMap::new() };
        for (agent, own) in agents.enumerate() {
            labels.agents += 1;
            for (key, value) in own {
                labels.keys.entry(key).or_default().push(agent);
                labels.values.entry((key, value)).or_default().push(agent);
            }
        }
        labels
    }

    /// A bit for each agent: whether it is selected.
    pub(super) fn selected_by(&self, selector: &Selector) -> Arc<[u64]> {
        let mut selected: Vec<u64> = vec![!0; self.agents.div_ceil(64)];
        if let Some(last) = selected.last_mut().filter(|_| !self.agents.is_multiple_of(64)) {
            *last = (1 << (self.agents % 64)) - 1;
        }
        for requirement in &selector.requirements {
            let (key, values, wanted) = match requirement {
                Requirement::In(key, values) => (key, Some(values), true),
                Requirement::NotIn(key, values) => (key, Some(values), false),
                Requirement::Exists(key) => (key, None, true),
                Requirement::DoesNotExist(key) => (key, None, false),
            };
            let mut having: Vec<u64> = vec![0; selected.len()];
            let by_value =
                values.into_iter().flatten().filter_map(|value| self.values.get(&(&**key, &**value)));
            let by_key = values.is_none().then(|| self.keys.get(&**key)).flatten();
            for (number, bits) in by_value.chain(by_key).flat_map(Ranks::words) {
                having[*number] |= bits;
            }
            selected
                .iter_mut()
                .zip(having)
                .for_each(|(bits, having)| *bits &= if wanted { having } else { !having });
        }
        selected.into()
    }
}
