//! The time by which amounts are counted: a wall clock that nobody can turn.
//!
//! It follows the wall clock where that goes as time does. Where the wall clock is set, it goes on from where it was, at most
//! one in a hundred faster or slower than the clock of the machine's uptime, until both agree again: so a budget comes
//! back no sooner because a clock was set forward, and no later than a hundredth because it was set back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::types::Timestamp;

/// How much it may be faster or slower than uptime: one part in so many.
const SLEW: i64 = 100;
/// Microseconds of uptime after which it counts from a new place; what is rounded away is nothing in so long a time.
const STRIDE: i64 = 1_000_000;

/// See the module.
#[derive(Debug)]
pub struct BudgetClock(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What it said at `boot`, the uptime in microseconds.
    anchor: Timestamp,
    boot: i64,
    /// What it said last.
    said: Timestamp,
}

impl BudgetClock {
    /// Begins with the later of the wall clock and the last moment at which something was charged. `boot` is the machine's
    /// uptime, sleep included.
    pub fn new(wall: Timestamp, boot: Duration, last: Option<Timestamp>) -> Self {
        let begin = last.map_or(wall, |last| last.max(wall));
        Self(Mutex::new(State { anchor: begin, boot: microseconds(boot), said: begin }))
    }

    /// The moment for what is charged now. Never earlier than the one before.
    pub fn at(&self, wall: Timestamp, boot: Duration) -> Timestamp {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = microseconds(boot).saturating_sub(state.boot).max(0);
        let earliest = state.anchor.0.saturating_add(elapsed - elapsed / SLEW);
        let latest = state.anchor.0.saturating_add(elapsed + elapsed / SLEW);
        let at = Timestamp(wall.0.clamp(earliest, latest)).max(state.said);
        state.said = at;
        if elapsed >= STRIDE {
            (state.anchor, state.boot) = (at, state.boot + elapsed);
        }
        at
    }
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_795_867_200_000_000);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_says_what_the_wall_clock_says_where_nobody_sets_it() {
        let clock = BudgetClock::new(NOON, seconds(7), None);
        for passed in [0, 1, 59, 3600, 86_400] {
            let wall = NOON.plus(seconds(passed));
            assert_eq!(clock.at(wall, seconds(7 + passed)), wall);
        }
    }

    #[test]
    fn a_clock_set_forward_by_a_day_brings_it_forward_by_a_hundredth_of_what_passes() {
        let clock = BudgetClock::new(NOON, seconds(0), None);
        let day = seconds(86_400);
        assert_eq!(clock.at(NOON.plus(day), seconds(0)), NOON);
        // Asked every second, or once.
        for passed in (1..=1000).chain([5000]) {
            let at = clock.at(NOON.plus(day + seconds(passed)), seconds(passed));
            assert_eq!(at, NOON.plus(Duration::from_millis(passed * 1010)));
        }
        // Set back again, both agree as soon as it has been reached.
        let agreed = clock.at(NOON.plus(seconds(6000)), seconds(6000));
        assert_eq!(
            agreed,
            NOON.plus(seconds(6000)).max(NOON.plus(Duration::from_millis(5_050_000 + 990_000)))
        );
        assert_eq!(clock.at(NOON.plus(seconds(20_000)), seconds(20_000)), NOON.plus(seconds(20_000)));
    }

    #[test]
    fn a_clock_set_back_by_years_neither_takes_it_back_nor_stops_it() {
        let clock = BudgetClock::new(NOON, seconds(0), None);
        let mut last = NOON;
        for passed in 1..=100 {
            let at = clock.at(Timestamp(0), seconds(passed));
            assert_eq!(at.since(last), Duration::from_millis(990));
            last = at;
        }
        assert_eq!(clock.at(Timestamp(0), seconds(3)), last, "uptime never goes back, and if it did");
    }

    #[test]
    fn however_often_it_is_asked_it_is_no_slower_and_no_faster() {
        let clock = BudgetClock::new(NOON, seconds(0), None);
        let mut at = NOON;
        for step in 1..=3_000_000_u64 {
            at = clock.at(NOON.plus(seconds(1 << 30)), Duration::from_micros(step));
        }
        let passed = at.since(NOON).as_micros();
        assert!((3_029_998..=3_030_000).contains(&passed), "{passed}");
    }

    #[test]
    fn it_begins_no_earlier_than_the_last_charge_on_record() {
        let later = NOON.plus(seconds(50));
        assert_eq!(BudgetClock::new(NOON, seconds(0), Some(later)).at(NOON, seconds(0)), later);
        assert_eq!(BudgetClock::new(later, seconds(0), Some(NOON)).at(later, seconds(0)), later);
    }
}
