//! One flow's part in the paces that it shares with others: what it has moved, and until when it rests for that.
//!
//! What moves is booked at once and paid for afterwards. A flow moves one turn, then rests until its turn's booking is due;
//! turns are equal and due in the order in which they were booked, so that flows that always have something to move have
//! equal parts, whenever they began and however small their pieces are (deficit round robin: Shreedhar and Varghese,
//! 1995). One that moves little rests little. Time is an argument.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::pace::Pace;

/// See the module.
#[derive(Debug)]
pub struct Share {
    parts: SmallVec<[Part; 1]>,
    /// Until when it rests, by the clock of its paces.
    due: Duration,
}

/// Its part in one pace.
#[derive(Debug)]
struct Part {
    pace: Arc<Pace>,
    /// Bytes moved since its last rest.
    moved: u64,
}

impl Share {
    /// Joins those who move at these paces, and begins behind what they have moved.
    pub fn new(paces: impl IntoIterator<Item = Arc<Pace>>, now: Duration) -> Self {
        let parts: SmallVec<[Part; 1]> = paces.into_iter().map(|pace| Part { pace, moved: 0 }).collect();
        let due = parts.iter().map(|part| now + part.pace.book(0, now)).max().unwrap_or_default();
        Self { parts, due }
    }

    /// Whether nothing binds it.
    pub fn is_free(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes that are left of its turn, at least one.
    pub fn turn(&self) -> u64 {
        let left = |part: &Part| part.pace.turn().saturating_sub(part.moved).max(1);
        self.parts.iter().map(left).min().unwrap_or(u64::MAX)
    }

    /// Takes note of bytes that were moved.
    pub fn moved(&mut self, bytes: u64, now: Duration) {
        for part in &mut self.parts {
            let wait = part.pace.book(bytes, now);
            part.moved += bytes;
            if part.moved >= part.pace.turn() {
                part.moved = 0;
                self.due = self.due.max(now + wait);
            }
        }
    }

    /// How long it rests before it may move more.
    pub fn rest(&self, now: Duration) -> Duration {
        self.due.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A flow that always has something to move, in pieces of at most this size, and wakes this late.
    struct Greedy {
        share: Share,
        piece: u64,
        late: Duration,
        next: Duration,
        moved: u64,
    }

    impl Greedy {
        fn new(paces: &[&Arc<Pace>], begins: Duration, piece: u64) -> Self {
            let share = Share::new(paces.iter().copied().cloned(), begins);
            let next = begins + share.rest(begins);
            Self { share, piece, late: Duration::from_millis(1), next, moved: 0 }
        }

        fn step(&mut self) {
            let bytes = self.share.turn().min(self.piece);
            self.share.moved(bytes, self.next);
            self.moved += bytes;
            let rest = self.share.rest(self.next);
            // A piece takes a moment to move.
            let lasts = if rest.is_zero() { Duration::from_micros(10) } else { rest + self.late };
            self.next += lasts;
        }
    }

    /// Lets flows move in the order of their moments until then.
    fn run(flows: &mut [&mut Greedy], until: Duration) {
        while let Some(flow) = flows.iter_mut().min_by_key(|flow| flow.next).filter(|flow| flow.next < until)
        {
            flow.step();
        }
    }

    fn assert_about(seen: u64, expected: u64, percent: u64) {
        assert!(seen.abs_diff(expected) * 100 <= expected * percent, "{seen} instead of {expected}");
    }

    #[test]
    fn some_seconds_of_one_flow_are_what_the_pace_says() {
        for rate in [1024, 10_000, 1 << 20, 125_000_000] {
            let pace = Arc::new(Pace::even(rate));
            let mut flow = Greedy::new(&[&pace], SECOND, 65_536);
            run(&mut [&mut flow], 11 * SECOND);
            assert_about(flow.moved, 10 * rate, 5);
        }
    }

    #[test]
    fn flows_have_equal_parts_whatever_their_pieces_and_whenever_they_began() {
        let pace = Arc::new(Pace::even(1 << 20));
        let mut old = Greedy::new(&[&pace], Duration::ZERO, 65_536);
        run(&mut [&mut old], 5 * SECOND);
        let before = old.moved;
        let mut others: Vec<Greedy> =
            [1400, 16_384, 65_536, 100, 3000].map(|piece| Greedy::new(&[&pace], 5 * SECOND, piece)).into();
        let mut all: Vec<&mut Greedy> = std::iter::once(&mut old).chain(&mut others).collect();
        run(&mut all, 15 * SECOND);
        let moved: Vec<u64> =
            std::iter::once(old.moved - before).chain(others.iter().map(|flow| flow.moved)).collect();
        let part = (10 << 20) / 6;
        moved.iter().for_each(|moved| assert_about(*moved, part, 10));
        assert_about(moved.iter().sum(), 10 << 20, 5);
    }

    #[test]
    fn who_asks_for_little_waits_for_one_turn_of_the_others_and_no_longer() {
        let pace = Arc::new(Pace::even(1 << 20));
        let mut greedy = [(); 10].map(|()| Greedy::new(&[&pace], Duration::ZERO, 65_536));
        let mut all: Vec<&mut Greedy> = greedy.iter_mut().collect();
        run(&mut all, 5 * SECOND);
        let small = Share::new([pace.clone()], 5 * SECOND);
        let turns = Duration::from_secs(1) * 11 / 64;
        assert!(small.rest(5 * SECOND) <= turns, "{:?}", small.rest(5 * SECOND));
    }

    #[test]
    fn the_slower_of_two_paces_holds_and_leaves_the_rest_of_the_faster_to_others() {
        let (wide, narrow) = (Arc::new(Pace::even(1 << 20)), Arc::new(Pace::even(1 << 17)));
        let mut bound = Greedy::new(&[&wide, &narrow], Duration::ZERO, 65_536);
        let mut other = Greedy::new(&[&wide], Duration::ZERO, 65_536);
        run(&mut [&mut bound, &mut other], 10 * SECOND);
        assert_about(bound.moved, 10 << 17, 5);
        assert_about(other.moved, 70 << 17, 5);
    }

    #[test]
    fn nothing_holds_back_who_is_free() {
        let mut free = Share::new([], SECOND);
        free.moved(1 << 40, SECOND);
        assert_eq!((free.is_free(), free.turn(), free.rest(SECOND)), (true, u64::MAX, Duration::ZERO));
    }
}
