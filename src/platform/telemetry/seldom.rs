//! Warnings that somebody outside can bring about as often as they like: one in a while, and how many were kept back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one message through in each period, and counts the others.
#[derive(Debug)]
pub struct Seldom {
    period: Duration,
    /// When the last one was let through, and how many were kept back since.
    last: Mutex<(Option<Instant>, u64)>,
}

impl Seldom {
    /// At most one message in this time.
    pub const fn every(period: Duration) -> Self {
        Self { period, last: Mutex::new((None, 0)) }
    }

    /// Whether the message may be written: then the number of those kept back since the last one.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0.is_some_and(|last| now.saturating_duration_since(last) < self.period) {
            last.1 += 1;
            return None;
        }
        last.0 = Some(now);
        Some(std::mem::take(&mut last.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_a_period_passes_and_says_how_many_did_not() {
        let (seldom, start) = (Seldom::every(Duration::from_secs(10)), Instant::now());
        let due = |seconds| seldom.due(start + Duration::from_secs(seconds));
        assert_eq!((due(0), due(1), due(9)), (Some(0), None, None));
        assert_eq!((due(10), due(11)), (Some(2), None));
        assert_eq!(due(40), Some(1));
    }
}
