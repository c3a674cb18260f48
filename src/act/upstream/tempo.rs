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

/// What counts the bytes says that no more may move; the tempo knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no more bytes may move")]
pub struct Spent;

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

/// What counts the bytes of one flow or exchange against budgets, before they move.
pub trait Counts {
    /// How many bytes may move now, at least `least` where any limit counts them.
    ///
    /// # Errors
    /// Why nothing more may move.
    fn room(&self, direction: Direction, least: u64) -> Result<u64, Denial>;
    /// How many may move without asking.
    fn ahead(&self, direction: Direction) -> u64;
    /// So many have moved.
    fn moved(&self, direction: Direction, bytes: u64);
}

/// Shared by whoever moves the bytes.
#[derive(Clone)]
pub struct Meter(Rc<dyn Counts>);

impl Meter {
    /// Counts with this one.
    pub fn new(counts: impl Counts + 'static) -> Self {
        Self(Rc::new(counts))
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
    meter: OnceCell<Meter>,
    /// Why nothing more may move, once that is so.
    spent: OnceCell<Denial>,
}

impl LiveTempo {
    /// Begins with this one, and counts nothing.
    pub fn new(tempo: Tempo) -> Self {
        let (now, changes, resting) = (RefCell::new(tempo), Cell::new(0), RefCell::default());
        let (meter, spent) = (OnceCell::new(), OnceCell::new());
        Self(Rc::new(Live { now, changes, resting, meter, spent }))
    }

    /// From now on what moves is counted. To be called before anything moves; the first meter stays.
    pub fn count_by(&self, meter: Meter) {
        let _ = self.0.meter.set(meter);
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

    fn is_metered(&self) -> bool {
        self.0.meter.get().is_some()
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

    /// Whether so many bytes may move at once; then they are counted as moved. Where they may not, nothing moves any more.
    pub fn takes(&self, direction: Direction, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let takes = bytes == 0 || self.room(direction, bytes).is_ok();
        if takes {
            self.moved(direction, bytes);
        }
        takes
    }

    /// How many bytes may move, at least `least`.
    ///
    /// # Errors
    /// Where so many may not; then nothing moves any more, in any direction.
    pub(super) fn room(&self, direction: Direction, least: u64) -> Result<u64, Spent> {
        if self.is_spent() {
            return Err(Spent);
        }
        let Some(Meter(counts)) = self.0.meter.get() else { return Ok(u64::MAX) };
        counts.room(direction, least).map_err(|denial| {
            self.end(denial);
            Spent
        })
    }

    /// How many bytes the meter lets move without being asked.
    pub(super) fn ahead(&self, direction: Direction) -> u64 {
        self.0.meter.get().map_or(u64::MAX, |Meter(counts)| counts.ahead(direction))
    }

    /// Tells the meter of bytes.
    pub(super) fn moved(&self, direction: Direction, bytes: u64) {
        if let Some(Meter(counts)) = self.0.meter.get() {
            counts.moved(direction, bytes);
        }
    }

    /// The first reason counts.
    fn end(&self, denial: Denial) {
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
