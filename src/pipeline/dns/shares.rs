//! Who is answered where more queries wait in a socket than a worker takes at once.
//!
//! A burst is answered, whoever it is of, and also where nobody else asks; of a flood each agent keeps so little that others
//! are heard. Pure counting: who asks and what is dropped is told by the caller. Read next: `super::datagrams`.

use std::collections::HashMap;
use std::sync::Arc;

use super::Asker;
use crate::model::types::limits::{DNS_BATCH_PER_AGENT, DNS_BURST_PER_AGENT};

/// Who asked how much since the first of the full batches that follow each other. Sources that no agent has are as one.
pub(super) struct Shares<A = Asker>(HashMap<Option<Arc<str>>, Share<A>>);

impl<A> Default for Shares<A> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

struct Share<A> {
    /// Of all these batches, answered.
    answered: usize,
    /// Of the last one.
    in_batch: usize,
    dropped: usize,
    asker: A,
}

impl<A: Copy> Shares<A> {
    /// Whether the agent has a query left.
    pub fn admit(&mut self, agent: Option<Arc<str>>, asker: A) -> bool {
        let fresh = Share { answered: 0, in_batch: 0, dropped: 0, asker };
        let share = self.0.entry(agent).or_insert(fresh);
        share.in_batch += 1;
        let is_heard = share.answered < DNS_BURST_PER_AGENT || share.in_batch <= DNS_BATCH_PER_AGENT;
        *(if is_heard { &mut share.answered } else { &mut share.dropped }) += 1;
        is_heard
    }

    /// What was dropped of each agent, so that it can be put on record: once for each, not once for each query.
    pub fn end_batch(&mut self) -> impl Iterator<Item = (usize, A)> {
        self.0.values_mut().filter_map(|share| {
            share.in_batch = 0;
            let dropped = std::mem::take(&mut share.dropped);
            (dropped > 0).then_some((dropped, share.asker))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::limits::DNS_BATCH;

    /// How many of a batch with so many queries of each agent are answered, by agent, and what is said to be dropped.
    fn batch(shares: &mut Shares<()>, queries: &[(&str, usize)]) -> (Vec<usize>, usize) {
        let mut ask = |name: &str| shares.admit(Some(name.into()), ());
        let answered =
            queries.iter().map(|(name, count)| (0..*count).filter(|_| ask(name)).count()).collect();
        (answered, shares.end_batch().map(|(dropped, ())| dropped).sum())
    }

    #[test]
    fn a_lone_agents_burst_of_a_whole_batch_is_answered_and_a_flood_is_cut() {
        let mut shares = Shares::default();
        assert_eq!(batch(&mut shares, &[("alice", DNS_BATCH)]), (vec![DNS_BATCH], 0));
        for _ in 0..3 {
            let cut = DNS_BATCH - DNS_BATCH_PER_AGENT;
            assert_eq!(batch(&mut shares, &[("alice", DNS_BATCH)]), (vec![DNS_BATCH_PER_AGENT], cut));
        }
    }

    #[test]
    fn an_agent_that_comes_into_anothers_flood_is_heard_whole() {
        let mut shares = Shares::default();
        batch(&mut shares, &[("alice", DNS_BATCH)]);
        let (answered, dropped) = batch(&mut shares, &[("alice", 200), ("bob", 56)]);
        assert_eq!((answered, dropped), (vec![DNS_BATCH_PER_AGENT, 56], 200 - DNS_BATCH_PER_AGENT));
    }

    #[test]
    fn sources_that_no_agent_has_are_cut_as_one() {
        let mut shares = Shares::default();
        let heard = (0..3 * DNS_BURST_PER_AGENT).filter(|_| shares.admit(None, ())).count();
        assert_eq!((heard, shares.end_batch().count()), (DNS_BURST_PER_AGENT, 1));
    }
}
