//! How fast bytes may move, and how many: the paces that bind a flow or an exchange in each direction, the clock by which
//! they go, and what counts the bytes.
//!
//! What lives long may get other paces meanwhile ([`LiveTempo`]). Moves nothing and waits for nothing: each direction of what
//! moves has its [`Lane`](super::Lane), which does.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::decide::quota::{Pace, Share};
use crate::model::types::{Denial, Direction};

/// See the module. Without paces everything moves as fast as it can.
#[derive(Debug, Clone)]
pub struct Tempo {
    up: SmallVec<[Arc<Pace>; 1]>,
    down: SmallVec<[Arc<Pace>; 1]>,
    begun: Instant,
}

impl Tempo {
    /// Bound by nothing yet; times of paces are counted from `begun`.
    pub fn free(begun: Instant) -> Self {
        Self { up: SmallVec::new(), down: SmallVec::new(), begun }
    }

    /// Bound by this pace too. What moves in both directions shares one that binds both.
    #[must_use]
    pub fn bound(mut self, directions: &[Direction], pace: &Arc<Pace>) -> Self {
        for direction in directions {
            match direction {
                Direction::Up => self.up.push(pace.clone()),
                Direction::Down => self.down.push(pace.clone()),
            }
        }
        self
    }

    fn paces(&self, direction: Direction) -> &[Arc<Pace>] {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// The time by the clock of its paces.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// What counts the bytes of one flow or exchange against budgets: told which way how many more have moved, every
/// `METER_BYTES` and at the end, it says no where nothing more may move.
#[derive(Clone)]
pub struct Meter(Rc<dyn Fn(Direction, u64) -> Result<(), Denial>>);

impl Meter {
    /// Counts with this function.
    pub fn new(count: impl Fn(Direction, u64) -> Result<(), Denial> + 'static) -> Self {
        Self(Rc::new(count))
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

/// A tempo that may change while something moves at it. Copies are the same one.
#[derive(Debug, Clone)]
pub struct LiveTempo(Rc<Live>);

#[derive(Debug)]
struct Live {
    now: RefCell<Tempo>,
    /// How often it has changed.
    changes: Cell<u32>,
    /// Who rests by the old one.
    resting: RefCell<SmallVec<[Waker; 2]>>,
    meter: Option<Meter>,
    /// Why nothing more may move, once that is so.
    spent: OnceCell<Denial>,
}

impl LiveTempo {
    /// Begins with this one, and counts nothing.
    pub fn new(tempo: Tempo) -> Self {
        Self::metered(tempo, None)
    }

    /// The same, counted.
    pub fn metered(tempo: Tempo, meter: Option<Meter>) -> Self {
        let (now, changes, resting) = (RefCell::new(tempo), Cell::new(0), RefCell::default());
        Self(Rc::new(Live { now, changes, resting, meter, spent: OnceCell::new() }))
    }

    /// From now on it is this one, for those who rest as well.
    pub fn set(&self, tempo: Tempo) {
        self.0.now.replace(tempo);
        self.0.changes.set(self.0.changes.get().wrapping_add(1));
        self.wake_all();
    }

    /// Why nothing more may move, where its meter has said so.
    pub fn spent(&self) -> Option<Denial> {
        self.0.spent.get().cloned()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.spent.get().is_some()
    }

    /// Whether nothing binds this direction and nothing is counted.
    pub(super) fn is_free(&self, direction: Direction) -> bool {
        !self.is_metered() && self.0.now.borrow().paces(direction).is_empty()
    }

    pub(super) fn is_metered(&self) -> bool {
        self.0.meter.is_some()
    }

    pub(super) fn changes(&self) -> u32 {
        self.0.changes.get()
    }

    /// The time by its clock.
    pub(super) fn now(&self) -> Duration {
        self.0.now.borrow().now()
    }

    /// A part in the paces of this direction, for one flow.
    pub(super) fn share(&self, direction: Direction) -> Share {
        let tempo = self.0.now.borrow();
        Share::new(tempo.paces(direction).iter().cloned(), tempo.now())
    }

    /// Tells the meter of bytes.
    ///
    /// # Errors
    /// Why nothing more may move.
    pub(super) fn count(&self, direction: Direction, bytes: u64) -> Result<(), Denial> {
        self.0.meter.as_ref().map_or(Ok(()), |Meter(count)| count(direction, bytes))
    }

    /// From now on nothing moves any more, in any direction. The first reason counts.
    pub(super) fn end(&self, denial: Denial) {
        if self.0.spent.set(denial).is_ok() {
            self.wake_all();
        }
    }

    /// Wakes this task, too, once it changes. A body has a task on each side, and hardly more.
    pub(super) fn wake(&self, cx: &Context<'_>) {
        let mut resting = self.0.resting.borrow_mut();
        if !resting.iter().any(|waker| waker.will_wake(cx.waker())) {
            resting.push(cx.waker().clone());
        }
    }

    fn wake_all(&self) {
        self.0.resting.take().into_iter().for_each(Waker::wake);
    }
}
