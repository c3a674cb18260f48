//! A bound on how much goes in a second, shared by whoever holds it.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): one number says until when everything that was reserved takes,
//! and a part of a second's worth may be ahead of its time. What is reserved is told how long it has to wait, in the order in
//! which it asked; so that waiting costs nothing here, and nobody is woken in vain.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A second.
const SECOND: u64 = 1_000_000_000;
/// What of bytes may be ahead of its time: enough for a scheduler that wakes somebody late, and too little to tell in some
/// seconds.
const SLACK: u64 = SECOND / 10;
/// Turns in which a second's worth of bytes is moved.
const TURNS_PER_SECOND: u64 = 64;
/// Bytes of one turn at least: a quarter of a second at the slowest pace that documents set.
const LEAST_TURN: u64 = 256;

/// See the module. All times are counted from one moment that whoever holds it chooses.
#[derive(Debug)]
pub struct Pace {
    per_second: u64,
    /// Nanoseconds of what may be ahead of its time.
    ahead: u64,
    /// Nanoseconds until which everything reserved takes.
    booked: AtomicU64,
}

impl Pace {
    /// So many units a second, at least one; a second's worth may go at once.
    pub fn new(per_second: u64) -> Self {
        Self { per_second: per_second.max(1), ahead: SECOND, booked: AtomicU64::new(0) }
    }

    /// So many bytes a second, evenly: a tenth of a second's worth may go at once.
    pub fn even(per_second: u64) -> Self {
        Self { ahead: SLACK, ..Self::new(per_second) }
    }

    /// Bytes that one flow moves before it lets the others have their turn.
    pub fn turn(&self) -> u64 {
        (self.per_second / TURNS_PER_SECOND).max(LEAST_TURN)
    }

    /// Reserves units at this moment; answers how long they have to wait.
    ///
    /// # Errors
    /// Where that is longer than `patience`: how much longer. Nothing is reserved then.
    pub fn reserve(&self, units: u64, now: Duration, patience: Duration) -> Result<Duration, Duration> {
        let now = nanoseconds(now);
        let cost = self.cost(units);
        let mut booked = self.booked.load(Ordering::Relaxed);
        loop {
            let then = booked.max(now).saturating_add(cost);
            let wait = Duration::from_nanos(then.saturating_sub(now).saturating_sub(self.ahead));
            if let Some(excess) = wait.checked_sub(patience).filter(|excess| !excess.is_zero()) {
                return Err(excess);
            }
            match self.booked.compare_exchange_weak(booked, then, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(wait),
                Err(other) => booked = other,
            }
        }
    }

    /// Reserves units whatever they have to wait for; answers how long that is.
    pub fn book(&self, units: u64, now: Duration) -> Duration {
        self.reserve(units, now, Duration::MAX).unwrap_or_default()
    }

    /// Gives back what was reserved and will not be used.
    pub fn give_back(&self, units: u64) {
        let cost = self.cost(units);
        // Never fails: the function always answers.
        let _ = self
            .booked
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |booked| Some(booked.saturating_sub(cost)));
    }

    /// Whether nothing that was reserved matters any more: a new pace would answer the same.
    pub fn is_at_rest(&self, now: Duration) -> bool {
        self.booked.load(Ordering::Relaxed) <= nanoseconds(now)
    }

    fn cost(&self, units: u64) -> u64 {
        let cost = u128::from(units) * u128::from(SECOND) / u128::from(self.per_second);
        u64::try_from(cost).unwrap_or(u64::MAX)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_PATIENCE: Duration = Duration::ZERO;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_seconds_worth_goes_at_once_and_the_rest_at_its_pace() {
        let pace = Pace::new(5);
        for _ in 0..5 {
            assert_eq!(pace.reserve(1, at(0), NO_PATIENCE), Ok(at(0)));
        }
        assert_eq!(pace.reserve(1, at(0), NO_PATIENCE), Err(at(200)));
        assert_eq!(pace.reserve(1, at(200), NO_PATIENCE), Ok(at(0)));
        assert_eq!(pace.reserve(1, at(200), NO_PATIENCE), Err(at(200)));
        // After a pause there is a second's worth again, and no more.
        for _ in 0..5 {
            assert_eq!(pace.reserve(1, at(60_000), NO_PATIENCE), Ok(at(0)));
        }
        assert_eq!(pace.reserve(1, at(60_000), NO_PATIENCE), Err(at(200)));
    }

    #[test]
    fn who_waits_waits_in_the_order_of_asking_and_who_would_wait_too_long_reserves_nothing() {
        let pace = Pace::new(2);
        let patience = at(1000);
        let waits: Vec<_> = (0..6).map(|_| pace.reserve(1, at(0), patience)).collect();
        let expected = [Ok(at(0)), Ok(at(0)), Ok(at(500)), Ok(at(1000)), Err(at(500)), Err(at(500))];
        assert_eq!(waits, expected);
        pace.give_back(1);
        assert_eq!(pace.reserve(1, at(0), patience), Ok(at(1000)));
    }

    #[test]
    fn however_much_is_booked_it_goes_at_its_pace() {
        let pace = Pace::new(1024);
        assert_eq!(pace.book(1024, at(0)), at(0));
        assert_eq!(pace.book(2048, at(0)), at(2000));
        assert_eq!(pace.book(0, at(500)), at(1500));
        assert!(!pace.is_at_rest(at(2999)) && pace.is_at_rest(at(3000)));
        assert_eq!(Pace::new(1).book(u64::MAX, at(0)), Duration::from_nanos(u64::MAX - SECOND));
    }

    #[test]
    fn of_bytes_a_tenth_of_a_second_goes_at_once_and_a_turn_is_a_small_part_of_one() {
        let pace = Pace::even(64_000);
        assert_eq!(pace.book(6400, at(0)), at(0));
        assert_eq!(pace.book(64_000, at(0)), at(1000));
        assert_eq!((pace.turn(), Pace::even(1024).turn(), Pace::even(1 << 30).turn()), (1000, 256, 1 << 24));
    }
}
