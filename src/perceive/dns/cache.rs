//! Answers that hold, and answers that are on their way: who asks what was just asked hears the same.
//!
//! One cache for all workers and agents, bounded in bytes. Agents share what the world says, never what they are believed
//! to know (`memory`). Equal questions at one time are one query: the first to ask asks upstream, the others wait for it,
//! each no longer than its own time; where the first goes away, the next takes its place.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache as Store;
use tokio::time::{Instant, timeout_at};

use crate::model::types::limits::{DNS_CACHE_BYTES, DNS_FAILURE_HOLD, DNS_QUERY_TIME};

use super::answer::Answer;
use super::canonical::Canonical;
use super::forward::{ForwardError, Forwarder};

/// The forwarder ends in [`DNS_QUERY_TIME`] by itself, and has begun a moment later.
const GRACE: Duration = Duration::from_millis(100);
/// What an answer is taken to cost in the cache, in bytes, to size its table.
const USUAL_COST: u64 = 1024;

/// The cache; shared by all workers.
#[derive(Debug)]
pub struct Cache {
    kept: Store<Canonical, Kept, Cost>,
}

/// An answer, or why there is none.
#[derive(Debug, Clone)]
struct Kept {
    result: Result<Arc<Answer>, ForwardError>,
    since: Instant,
    until: Instant,
}

#[derive(Debug, Clone)]
struct Cost;

impl Weighter<Canonical, Kept> for Cost {
    fn weight(&self, asked: &Canonical, kept: &Kept) -> u64 {
        let answer = kept.result.as_ref().map_or(0, |answer| answer.cost());
        (size_of::<Canonical>() + asked.question().len() + size_of::<Kept>() + answer) as u64
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The answer as the upstream gave it.
    pub answer: Arc<Answer>,
    /// How long ago.
    pub age: Duration,
    /// Whether it was there already, so that nobody was asked for it.
    pub cached: bool,
    /// Whether a query left for this very question: equal ones at one time are one query, of who came first.
    pub left: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self::bounded(DNS_CACHE_BYTES)
    }
}

impl Cache {
    /// An empty cache of so many bytes.
    pub fn bounded(bytes: u64) -> Self {
        let items = usize::try_from(bytes / USUAL_COST).unwrap_or(usize::MAX).max(1);
        Self { kept: Store::with_weighter(items, bytes, Cost) }
    }

    /// The answer to `asked`: from here while it holds, else from `forwarder`, within [`DNS_QUERY_TIME`] of now.
    ///
    /// # Errors
    /// What went wrong upstream, also where that is remembered for [`DNS_FAILURE_HOLD`]; `Silent` where another's query
    /// was waited for too long.
    pub async fn look_up(&self, asked: &Canonical, forwarder: &Forwarder) -> Result<Looked, ForwardError> {
        let begun = Instant::now();
        let mut found = self.kept.get(asked);
        loop {
            if let Some(kept) = found {
                // What another was told while this one waited is shared, even if it holds no longer.
                if kept.until > begun || kept.since >= begun {
                    return kept.looked(begun);
                }
                self.kept.remove_if(asked, |other| other.since == kept.since);
            }
            let place = self.kept.get_value_or_guard_async(asked);
            match timeout_at(begun + DNS_QUERY_TIME, place).await {
                Err(_) => return Err(ForwardError::Silent),
                Ok(Ok(kept)) => found = Some(kept),
                Ok(Err(place)) => {
                    let asking = timeout_at(begun + DNS_QUERY_TIME + GRACE, forwarder.forward(asked));
                    // Whose turn came late may have no time left: then the next has its turn.
                    let Ok(told) = asking.await else { return Err(ForwardError::Silent) };
                    let kept = Kept::new(told.map(Arc::new));
                    let looked = kept.looked(begun).map(|looked| Looked { left: true, ..looked });
                    let (since, holds) = (kept.since, kept.until > kept.since);
                    // Refused only where the place was taken back meanwhile; then nothing is kept.
                    let _ = place.insert(kept);
                    if !holds {
                        self.kept.remove_if(asked, |other| other.since == since);
                    }
                    return looked;
                }
            }
        }
    }
}

impl Kept {
    fn new(result: Result<Arc<Answer>, ForwardError>) -> Self {
        let holds = match &result {
            Ok(answer) => answer.holds,
            Err(ForwardError::Silent | ForwardError::Unreachable | ForwardError::Malformed) => {
                DNS_FAILURE_HOLD
            }
            Err(ForwardError::Busy | ForwardError::NoUpstream) => Duration::ZERO,
        };
        let since = Instant::now();
        Self { result, since, until: since + holds }
    }

    fn looked(&self, begun: Instant) -> Result<Looked, ForwardError> {
        let answer = self.result.clone()?;
        let age = begun.saturating_duration_since(self.since);
        Ok(Looked { answer, age, cached: self.since < begun, left: false })
    }
}

#[cfg(test)]
mod tests;
