//! How fast bytes may move: the paces that bind a flow or a body, and the clock by which they go.
//!
//! What has moved is paid for afterwards, with a rest before the next: nothing is ever held here. Both directions, and
//! everything of an agent under the same rule, pay into the same pace. What lives long may get another tempo meanwhile.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use smallvec::SmallVec;
use tokio::time::{Sleep, sleep};

use crate::decide::quota::Pace;
use crate::platform::sys::splice::Pacing;

/// Turns in which a second's worth is moved.
const TURNS_PER_SECOND: u64 = 8;
/// Bytes of one turn at least: a packet.
const LEAST_TURN: u64 = 1024;

/// See the module. Without paces everything moves as fast as it can.
#[derive(Debug, Clone)]
pub struct Tempo {
    paces: SmallVec<[Arc<Pace>; 1]>,
    begun: Instant,
}

impl Tempo {
    /// Bound by these paces, whose times are counted from `begun`.
    pub fn new(paces: impl IntoIterator<Item = Arc<Pace>>, begun: Instant) -> Self {
        Self { paces: paces.into_iter().collect(), begun }
    }

    /// Whether nothing binds it.
    pub fn is_free(&self) -> bool {
        self.paces.is_empty()
    }

    /// Whether a datagram may go now; then it is paid for.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        let takes = self.rest_after(0).is_zero();
        if takes {
            self.rest_after(bytes);
        }
        takes
    }
}

impl Pacing for Tempo {
    fn turn(&self) -> usize {
        let slowest = self.paces.iter().map(|pace| pace.per_second()).min();
        let turn = slowest.map(|bytes| (bytes / TURNS_PER_SECOND).max(LEAST_TURN));
        turn.map_or(usize::MAX, |turn| usize::try_from(turn).unwrap_or(usize::MAX))
    }

    fn rest_after(&self, bytes: usize) -> Duration {
        if self.is_free() {
            return Duration::ZERO;
        }
        let now = self.begun.elapsed();
        self.paces.iter().map(|pace| pace.book(bytes as u64, now)).max().unwrap_or_default()
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
}

impl LiveTempo {
    /// Begins with this one.
    pub fn new(tempo: Tempo) -> Self {
        let (now, changes, resting) = (RefCell::new(tempo), Cell::new(0), RefCell::default());
        Self(Rc::new(Live { now, changes, resting }))
    }

    /// From now on it is this one, for those who rest as well.
    pub fn set(&self, tempo: Tempo) {
        self.0.now.replace(tempo);
        self.0.changes.set(self.0.changes.get().wrapping_add(1));
        self.0.resting.take().into_iter().for_each(Waker::wake);
    }

    fn is_free(&self) -> bool {
        self.0.now.borrow().is_free()
    }

    /// Wakes this task, too, once it changes. A body has a task on each side, and hardly more.
    fn wake(&self, cx: &Context<'_>) {
        let mut resting = self.0.resting.borrow_mut();
        if !resting.iter().any(|waker| waker.will_wake(cx.waker())) {
            resting.push(cx.waker().clone());
        }
    }
}

/// The rests between what moves at a tempo, for whoever is polled.
#[derive(Debug)]
pub struct Rests {
    tempo: LiveTempo,
    /// The changes of the tempo that the rest knows of.
    changes: u32,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Rests {
    /// Begins with a rest for what others have moved.
    pub fn new(tempo: LiveTempo) -> Self {
        let mut rests = Self { tempo, changes: 0, rest: None };
        rests.after(0);
        rests
    }

    /// Bytes have moved.
    pub fn after(&mut self, bytes: usize) {
        self.changes = self.tempo.0.changes.get();
        let rest = self.tempo.0.now.borrow().rest_after(bytes);
        self.rest = (!rest.is_zero()).then(|| Box::pin(sleep(rest)));
    }

    /// Ready when more may move.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.changes != self.tempo.0.changes.get() {
            self.after(0);
        }
        if let Some(rest) = &mut self.rest {
            if rest.as_mut().poll(cx).is_pending() {
                self.tempo.wake(cx);
                return Poll::Pending;
            }
            self.rest = None;
        }
        Poll::Ready(())
    }
}

/// Lets the frames of a body pass at a tempo.
#[derive(Debug)]
pub(super) struct Gate {
    tempo: LiveTempo,
    /// Once somebody has asked for a frame that something binds.
    rests: Option<Rests>,
}

impl Gate {
    /// A gate, open as long as nothing binds.
    pub(super) fn of(tempo: LiveTempo) -> Self {
        Self { tempo, rests: None }
    }

    /// Another one at the same tempo.
    pub(super) fn again(&self) -> Self {
        Self::of(self.tempo.clone())
    }

    /// The next frame, once those before it have had their time.
    pub(super) fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if self.rests.is_none() && self.tempo.is_free() {
            return next(cx);
        }
        let rests = self.rests.get_or_insert_with(|| Rests::new(self.tempo.clone()));
        ready!(rests.poll(cx));
        let polled = next(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            rests.after(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_of_any_size_goes_where_nothing_is_owed_and_is_lost_where_something_is() {
        let pace = Arc::new(Pace::new(1024));
        let tempo = Tempo::new([pace.clone()], Instant::now());
        assert!(tempo.takes(60_000));
        assert!(!tempo.takes(1));
        let other = Tempo::new([pace], tempo.begun);
        assert!(!other.takes(1), "flows under one rule share it");
        assert!(Tempo::new([], Instant::now()).takes(60_000), "nothing binds");
    }

    #[test]
    fn a_turn_is_a_part_of_a_second_and_the_slowest_pace_counts() {
        let tempo =
            |rates: &[u64]| Tempo::new(rates.iter().map(|rate| Arc::new(Pace::new(*rate))), Instant::now());
        assert_eq!(tempo(&[]).turn(), usize::MAX);
        assert_eq!(tempo(&[1 << 20]).turn(), 1 << 17);
        assert_eq!(tempo(&[1 << 20, 2048]).turn(), 1024);
        assert_eq!(tempo(&[]).rest_after(1 << 30), Duration::ZERO);
    }

    #[test]
    fn whoever_rests_by_an_old_tempo_is_woken_and_goes_by_the_new_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let slow = Arc::new(Pace::new(1));
            let live = LiveTempo::new(Tempo::new([slow], Instant::now()));
            let mut rests = Rests::new(live.clone());
            rests.after(1 << 20);
            let woken = std::future::poll_fn(|cx| rests.poll(cx));
            let change = async {
                tokio::task::yield_now().await;
                live.set(Tempo::new([], Instant::now()));
            };
            // The old rest lasts for days.
            tokio::join!(woken, change);
            live.set(Tempo::new([Arc::new(Pace::new(1))], Instant::now()));
            rests.after(1 << 20);
            let polled = std::future::poll_fn(|cx| Poll::Ready(rests.poll(cx))).await;
            assert!(polled.is_pending(), "bound anew");
        });
    }
}
