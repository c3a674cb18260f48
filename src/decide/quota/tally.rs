//! What one account has used up, minute by minute, so that any window is one subtraction.
//!
//! Each entry says how much there was up to the end of its minute. What is older than a day is kept by quarters of an hour,
//! on whose boundaries every midnight of today's time zones lies; a quarter counts as its last minute, so that nothing stops
//! counting too early. Arithmetic alone.

use std::collections::VecDeque;

/// Minutes that are kept one by one: a day, and an hour for the longest of them.
const FINE: i64 = 25 * 60;
/// Minutes of a quarter of an hour.
const QUARTER: i64 = 15;
/// Entries beyond which older ones are put together; 31 days in quarters and a day in minutes are 4,470.
const ENTRIES: usize = 6144;
/// Minutes that are kept: the longest window is a month of 31 days in which clocks are set back; and what rounding adds.
const KEPT: i64 = 31 * 24 * 60 + 60 + QUARTER;

/// See the module.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// In order; each minute, and everything up to its end.
    entries: VecDeque<(i64, i64)>,
    /// Everything before the first entry.
    forgotten: i64,
    /// How much of it is reserved and not settled.
    pub reserved: u64,
}

impl Tally {
    /// Adds to a minute; less than nothing takes away.
    pub fn add(&mut self, minute: i64, amount: i64) {
        if amount == 0 {
            return;
        }
        let place = self.entries.partition_point(|(at, _)| *at < minute);
        if self.entries.get(place).is_none_or(|(at, _)| *at != minute) {
            let before = self.before(place);
            self.entries.insert(place, (minute, before));
        }
        for (_, through) in self.entries.range_mut(place..) {
            *through = through.saturating_add(amount);
        }
        if self.entries.len() > ENTRIES {
            self.put_together();
        }
    }

    /// What was charged in this minute and later.
    pub fn since(&self, minute: i64) -> i64 {
        let place = self.entries.partition_point(|(at, _)| *at < minute);
        self.total().saturating_sub(self.before(place))
    }

    /// The first minute behind which no more than `allowed` was charged, of those from `first` on; nothing where that is so
    /// already.
    pub fn until(&self, first: i64, allowed: i64) -> Option<i64> {
        let total = self.total();
        if self.since(first) <= allowed {
            return None;
        }
        let place = self.entries.partition_point(|(at, _)| *at < first);
        let mut later = self.entries.range(place..);
        later.find(|(_, through)| total.saturating_sub(*through) <= allowed).map(|(minute, _)| *minute)
    }

    /// Begins anew: only what is reserved goes on counting, from this minute on.
    pub fn reset(&mut self, minute: i64) {
        self.entries.clear();
        self.forgotten = 0;
        self.add(minute, i64::try_from(self.reserved).unwrap_or(i64::MAX));
    }

    /// Whether nothing in it counts any more at this minute, nor will.
    pub fn is_over(&self, minute: i64) -> bool {
        self.reserved == 0 && self.entries.back().is_none_or(|(last, _)| last + KEPT < minute)
    }

    fn total(&self) -> i64 {
        self.entries.back().map_or(self.forgotten, |(_, through)| *through)
    }

    /// Everything before the entry at `place`.
    fn before(&self, place: usize) -> i64 {
        let earlier = place.checked_sub(1).and_then(|place| self.entries.get(place));
        earlier.map_or(self.forgotten, |(_, through)| *through)
    }

    /// Forgets what is too old for any window and keeps the rest of what is older than a day by quarters of an hour.
    fn put_together(&mut self) {
        let newest = self.entries.back().map_or(0, |(minute, _)| *minute);
        while let Some((minute, through)) = self.entries.front().copied()
            && minute < newest - KEPT
        {
            self.forgotten = through;
            self.entries.pop_front();
        }
        let mut kept: VecDeque<(i64, i64)> = VecDeque::with_capacity(self.entries.len());
        for (minute, through) in self.entries.drain(..) {
            let end = minute.div_euclid(QUARTER) * QUARTER + QUARTER - 1;
            let label = if minute < newest - FINE { end } else { minute };
            match kept.back_mut().filter(|(last, _)| *last >= label) {
                Some(last) => last.1 = through,
                None => kept.push_back((label, through)),
            }
        }
        self.entries = kept;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_is_the_sum_of_its_minutes_in_whatever_order_they_came() {
        let mut tally = Tally::default();
        for (minute, amount) in [(10, 5), (12, 7), (10, 1), (11, 100), (12, -2), (9, 0)] {
            tally.add(minute, amount);
        }
        let sums = [9, 10, 11, 12, 13].map(|minute| tally.since(minute));
        assert_eq!(sums, [111, 111, 105, 5, 0]);
        assert_eq!(tally.until(9, 111), None);
        assert_eq!(tally.until(9, 110), Some(10));
        assert_eq!(tally.until(9, 104), Some(11));
        assert_eq!(tally.until(9, 4), Some(12));
    }

    #[test]
    fn what_is_reserved_goes_on_counting_after_a_reset() {
        let mut tally = Tally::default();
        tally.add(10, 50);
        tally.reserved = 8;
        tally.reset(20);
        assert_eq!((tally.since(0), tally.since(20)), (8, 8));
        assert!(!tally.is_over(i64::MAX / 2));
        tally.reserved = 0;
        assert!(!tally.is_over(20 + KEPT) && tally.is_over(21 + KEPT));
    }

    proptest! {
        /// A month of every minute stays small, and what is put together counts as long as it did.
        #[test]
        fn old_minutes_are_put_together_and_never_count_for_less(amounts in prop::collection::vec(1..1000_i64, 20_000)) {
            let (mut tally, mut plain) = (Tally::default(), BTreeMap::new());
            for (place, amount) in amounts.iter().enumerate() {
                let minute = place as i64 * 2;
                tally.add(minute, *amount);
                plain.insert(minute, *amount);
            }
            prop_assert!(tally.entries.len() <= ENTRIES);
            let newest = amounts.len() as i64 * 2 - 2;
            for back in [0, 1, 60, 1440, 1445, 2880, 10_080, 33_333] {
                let first = newest - back;
                let exact: i64 = plain.range(first..).map(|(_, amount)| amount).sum();
                let quarter: i64 = plain.range(first - QUARTER..).map(|(_, amount)| amount).sum();
                prop_assert!(tally.since(first) >= exact && tally.since(first) <= quarter);
                let midnight = first.div_euclid(QUARTER) * QUARTER;
                let exact: i64 = plain.range(midnight..).map(|(_, amount)| amount).sum();
                prop_assert_eq!(tally.since(midnight), exact);
            }
        }
    }
}
