//! Requests in a time, for many subjects: the generic cell rate algorithm of `governor`, with its numbers kept here.
//!
//! Several rates may hold for one request, and then all of them are charged or none. Governor gives nothing back, but it
//! leaves to others where its number stands: so each rate decides on a copy, and the copies are kept once all agree. The
//! figures come with each question: others take effect at once and do not forget what was used. Time is an argument.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use crate::model::types::RateHold;
use crate::model::types::limits::RATES_KEPT;

/// The longest that a full burst takes to come back, in nanoseconds: 146 years, so that no sum of times overflows.
const FAR: u64 = u64::MAX / 4;

/// See the module. All times are counted from one moment that whoever holds it chooses.
#[derive(Debug)]
pub struct Rates<K> {
    /// Nanoseconds until which everything charged takes.
    charged: HashMap<K, u64>,
    room: usize,
}

/// Of the rates that refuse, the one that does so for longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// Its place among those that were asked.
    pub which: usize,
    /// When it has room again, from now on.
    pub wait: Duration,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self { charged: HashMap::new(), room: RATES_KEPT }
    }
}

impl<K: Eq + Hash> Rates<K> {
    /// Charges one request to each of these rates.
    ///
    /// # Errors
    /// Where one of them has no room. Nothing is charged then.
    pub fn charge<'a>(
        &mut self,
        asked: impl IntoIterator<Item = (K, &'a RateHold)>,
        now: Duration,
    ) -> Result<(), Excess> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(FAR).min(FAR);
        let (mut agreed, mut refused) = (Vec::new(), None::<Excess>);
        for (which, (key, hold)) in asked.into_iter().enumerate() {
            let rate = Rate::of(hold);
            // A batch of calls asks for the same rate several times.
            let asked = agreed.iter().rev().find(|(other, _)| *other == key).map(|(_, until)| *until);
            let before = asked.or_else(|| {
                let until = self.charged.get_mut(&key)?;
                // What was charged by other figures holds for no longer than a full burst by these.
                *until = (*until).min(now + rate.full());
                Some(*until)
            });
            match rate.decide(before, now) {
                Ok(until) => agreed.push((key, until)),
                Err(wait) if refused.is_none_or(|excess| excess.wait < wait) => {
                    refused = Some(Excess { which, wait });
                }
                Err(_) => {}
            }
        }
        if let Some(excess) = refused {
            return Err(excess);
        }
        for (key, until) in agreed {
            if self.charged.len() >= self.room && !self.charged.contains_key(&key) {
                self.make_room(now);
            }
            self.charged.insert(key, until);
        }
        Ok(())
    }

    /// Forgets what is at rest, for which a new number would say the same; and what is nearest to it, where that leaves
    /// more than half.
    fn make_room(&mut self, now: u64) {
        self.charged.retain(|_, until| *until > now);
        let half = self.room / 2;
        if self.charged.len() > half {
            let mut all: Vec<u64> = self.charged.values().copied().collect();
            let nearest = all.len() - half - 1;
            let (_, bound, _) = all.select_nth_unstable(nearest);
            let bound = *bound;
            self.charged.retain(|_, until| *until > bound);
        }
    }
}

/// The figures of one rate.
struct Rate {
    /// Nanoseconds in which one request comes back.
    period: u64,
    burst: NonZeroU32,
}

impl Rate {
    fn of(hold: &RateHold) -> Self {
        let period = u64::try_from((hold.window / hold.requests.get()).as_nanos()).unwrap_or(FAR);
        let period = period.clamp(1, FAR);
        let most = u32::try_from(FAR / period).ok().and_then(NonZeroU32::new);
        Self { period, burst: most.map_or(hold.burst, |most| hold.burst.min(most)) }
    }

    /// Nanoseconds in which a full burst comes back.
    fn full(&self) -> u64 {
        self.period * u64::from(self.burst.get())
    }

    /// Asks governor for one request; answers with its number afterwards, or how long there is no room.
    fn decide(&self, before: Option<u64>, now: u64) -> Result<u64, Duration> {
        let quota = Quota::with_period(Duration::from_nanos(self.period));
        let quota = quota.expect("invariant: a nanosecond at least").allow_burst(self.burst);
        let number = Number(Cell::new(before.map(Nanos::from)));
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(quota, number, Told::default());
        limiter.clock().0.set(now.into());
        match limiter.check() {
            Ok(()) => Ok(limiter.into_state_store().0.get().map_or(now, u64::from)),
            Err(not_until) => Err(not_until.wait_time_from(now.into())),
        }
    }
}

/// Governor's number, where governor leaves it to others to keep.
struct Number(Cell<Option<Nanos>>);

impl StateStore for Number {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(self.0.get())?;
        self.0.set(Some(next));
        Ok(outcome)
    }
}

/// A clock that shows what it is told; at first, the moment from which times are counted.
#[derive(Default)]
struct Told(Cell<Nanos>);

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::{PolicyRef, Subject};

    fn rate(requests: u32, window: Duration, burst: u32) -> RateHold {
        RateHold {
            policy: PolicyRef::new("RateLimitPolicy", "r"),
            subject: Subject::Named("Agent/alice".into()),
            requests: NonZeroU32::new(requests).unwrap(),
            window,
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn after(which: usize, seconds: u64) -> Result<(), Excess> {
        Err(Excess { which, wait: at(seconds) })
    }

    #[test]
    fn a_burst_goes_at_once_and_requests_come_back_evenly_within_the_window() {
        let (mut rates, hold) = (Rates::default(), rate(6, MINUTE, 3));
        let mut ask = |seconds| rates.charge([("alice", &hold)], at(seconds));
        for _ in 0..3 {
            assert_eq!(ask(100), Ok(()));
        }
        assert_eq!(ask(100), after(0, 10));
        assert_eq!(ask(109), after(0, 1));
        assert_eq!((ask(110), ask(110)), (Ok(()), after(0, 10)));
        // After a pause there is the burst again, and no more.
        assert_eq!((ask(500), ask(500), ask(500), ask(500)), (Ok(()), Ok(()), Ok(()), after(0, 10)));
    }

    #[test]
    fn in_each_window_there_are_as_many_as_the_figure_says_and_one_burst() {
        let (mut rates, hold) = (Rates::default(), rate(7, MINUTE, 2));
        let asked = (0..600).filter(|second| rates.charge([("alice", &hold)], at(*second)).is_ok()).count();
        assert!((69..=72).contains(&asked), "{asked} in ten windows");
    }

    #[test]
    fn all_rates_of_a_request_are_charged_or_none_and_the_longest_wait_is_told() {
        let (mut rates, wide, narrow) = (Rates::default(), rate(2, at(10), 2), rate(1, MINUTE, 1));
        assert_eq!(rates.charge([("agent", &wide), ("route", &narrow)], at(0)), Ok(()));
        for _ in 0..5 {
            assert_eq!(rates.charge([("agent", &wide), ("route", &narrow)], at(0)), after(1, 60));
        }
        // What was refused took nothing of the other rate.
        assert_eq!(rates.charge([("agent", &wide)], at(0)), Ok(()));
        assert_eq!(rates.charge([("agent", &wide), ("route", &narrow)], at(0)), after(1, 60));
        assert_eq!(rates.charge([("agent", &wide), ("other", &narrow)], at(0)), after(0, 5));
    }

    #[test]
    fn one_that_asks_several_times_is_charged_for_all_of_them_or_for_none() {
        let (mut rates, hold) = (Rates::default(), rate(3, MINUTE, 3));
        let mut ask = |times: usize| rates.charge((0..times).map(|_| ("alice", &hold)), at(0));
        assert_eq!(ask(4), after(3, 20));
        assert_eq!(ask(2), Ok(()));
        assert_eq!((ask(2), ask(1), ask(1)), (after(1, 20), Ok(()), after(0, 20)));
    }

    #[test]
    fn each_subject_has_its_own() {
        let (mut rates, hold) = (Rates::default(), rate(1, MINUTE, 1));
        assert_eq!(rates.charge([("alice", &hold)], at(0)), Ok(()));
        assert_eq!(rates.charge([("bob", &hold)], at(0)), Ok(()));
        assert_eq!(rates.charge([("alice", &hold)], at(0)), after(0, 60));
    }

    #[test]
    fn other_figures_hold_at_once_and_forget_nothing_that_was_used() {
        let (mut rates, hour) = (Rates::default(), rate(1, 60 * MINUTE, 1));
        assert_eq!(rates.charge([("alice", &hour)], at(0)), Ok(()));
        assert_eq!(rates.charge([("alice", &hour)], at(0)), after(0, 3600));
        let minute = rate(1, MINUTE, 1);
        assert_eq!(rates.charge([("alice", &minute)], at(0)), after(0, 60));
        let more = rate(60, 60 * MINUTE, 2);
        assert_eq!(rates.charge([("alice", &more)], at(60)), Ok(()));
        assert_eq!(rates.charge([("alice", &hour)], at(60)), after(0, 60));
    }

    #[test]
    fn figures_of_any_size_overflow_nothing() {
        let year = at(366 * 86_400);
        let extremes = [
            rate(1, year, u32::MAX),
            rate(u32::MAX, Duration::from_nanos(1), u32::MAX),
            rate(1, Duration::MAX, 1),
        ];
        for hold in extremes {
            let mut rates = Rates::default();
            assert_eq!(rates.charge([("alice", &hold)], at(0)), Ok(()));
            let _ = rates.charge([("alice", &hold)], Duration::MAX);
            let _ = rates.charge([("alice", &hold)], Duration::MAX);
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_furthest_from_rest_is_remembered() {
        let mut rates = Rates { room: 100, ..Rates::default() };
        let (short, long) = (rate(1, at(10), 1), rate(1, 60 * MINUTE, 1));
        assert_eq!(rates.charge([(0, &long)], at(0)), Ok(()));
        for other in 1..1000 {
            assert_eq!(rates.charge([(other, &short)], at(0)), Ok(()));
            assert!(rates.charged.len() <= 100);
        }
        assert_eq!(rates.charge([(0, &long)], at(0)), after(0, 3600));
        assert_eq!(rates.charge([(5000, &short)], at(11)), Ok(()));
        assert!(rates.charge([(0, &long)], at(11)).is_err());
    }
}
