//! Lanes and gates at a clock that stands still or is never reached: what passes tells how fast it went.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::super::tempo::{Counts, Meter, Tempo};
use super::*;
use crate::decide::quota::Pace;
use crate::model::types::Reason;

const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];

fn tempo(rates: &[(&[Direction], u64)]) -> Tempo {
    let bound = |tempo: Tempo, (directions, rate): &(&[Direction], u64)| {
        tempo.bound(directions, &Arc::new(Pace::even(*rate)))
    };
    rates.iter().fold(Tempo::free(Instant::now()), bound)
}

fn lane(tempo: Tempo, direction: Direction) -> Lane {
    Lane::new(LiveTempo::new(tempo), direction)
}

fn context() -> Context<'static> {
    Context::from_waker(std::task::Waker::noop())
}

async fn polled(lane: &mut Lane) -> Poll<Result<(), Spent>> {
    std::future::poll_fn(|cx| Poll::Ready(lane.poll(cx))).await
}

/// Takes so many bytes, and charges them in parts.
struct Purse {
    left: Cell<u64>,
    ahead: Cell<u64>,
    part: u64,
    moved: RefCell<Vec<(Direction, u64)>>,
}

impl Counts for Rc<Purse> {
    fn room(&self, _: Direction, least: u64) -> Result<u64, Denial> {
        if self.ahead.get() < least {
            let more = self.left.get().min(self.part.max(least));
            self.left.set(self.left.get() - more);
            self.ahead.set(self.ahead.get() + more);
        }
        let enough = self.ahead.get() >= least;
        enough.then(|| self.ahead.get()).ok_or_else(|| Denial::built_in(Reason::QuotaBytes, "used up"))
    }

    fn ahead(&self, _: Direction) -> u64 {
        self.ahead.get()
    }

    fn moved(&self, direction: Direction, bytes: u64) {
        self.ahead.set(self.ahead.get().saturating_sub(bytes));
        self.moved.borrow_mut().push((direction, bytes));
    }
}

/// A tempo whose bytes are paid for from a purse.
fn metered(tempo: Tempo, (left, part): (u64, u64)) -> (LiveTempo, Rc<Purse>) {
    let (ahead, moved) = (Cell::default(), RefCell::default());
    let purse = Rc::new(Purse { left: Cell::new(left), ahead, part, moved });
    let live = LiveTempo::new(tempo);
    live.count_by(Meter::new(purse.clone()));
    (live, purse)
}

#[tokio::test]
async fn a_datagram_of_any_size_goes_where_nothing_is_owed_and_is_lost_where_something_is() {
    let slow = tempo(&[(&BOTH, 1024)]);
    let mut one = lane(slow.clone(), Direction::Up);
    assert!(one.takes(60_000));
    assert!(!one.takes(1));
    assert!(!lane(slow, Direction::Down).takes(1), "both directions and all flows share it");
    assert!(lane(tempo(&[]), Direction::Up).takes(60_000), "nothing binds");
}

#[tokio::test]
async fn a_pace_of_one_direction_leaves_the_other_free() {
    let slow = tempo(&[(&[Direction::Down], 1024)]);
    let (mut up, mut down) = (lane(slow.clone(), Direction::Up), lane(slow, Direction::Down));
    assert_eq!((up.turn(), down.turn()), (usize::MAX, 256));
    up.moved(1 << 30);
    down.moved(1 << 20);
    assert!(polled(&mut up).await.is_ready());
    assert!(polled(&mut down).await.is_pending());
}

#[tokio::test]
async fn whoever_rests_by_an_old_tempo_is_woken_and_goes_by_the_new_one() {
    let live = LiveTempo::new(tempo(&[(&BOTH, 1)]));
    let mut lane = Lane::new(live.clone(), Direction::Up);
    lane.moved(1 << 20);
    let woken = std::future::poll_fn(|cx| lane.poll(cx));
    let change = async {
        tokio::task::yield_now().await;
        live.set(tempo(&[]));
    };
    // The old rest lasts for days.
    assert_eq!(tokio::join!(woken, change).0, Ok(()));
    live.set(tempo(&[(&BOTH, 1)]));
    assert!(polled(&mut lane).await.is_ready());
    lane.moved(1 << 20);
    assert!(polled(&mut lane).await.is_pending(), "bound anew");
}

#[tokio::test]
async fn no_more_moves_in_a_turn_than_is_paid_for() {
    let (live, purse) = metered(tempo(&[]), (1000, 400));
    let (mut up, mut down) =
        (Lane::new(live.clone(), Direction::Up), Lane::new(live.clone(), Direction::Down));
    let mut moved = Vec::new();
    while polled(&mut up).await == Poll::Ready(Ok(())) {
        moved.push(up.turn());
        up.moved(up.turn());
    }
    assert_eq!(moved, [400, 400, 200]);
    assert_eq!(polled(&mut down).await, Poll::Ready(Err(Spent)), "both directions end");
    assert_eq!(purse.moved.borrow().iter().map(|(_, bytes)| bytes).sum::<u64>(), 1000);
    assert_eq!(live.spent().map(|denial| denial.reason), Some(Reason::QuotaBytes));
    down.moved(0);
}

#[tokio::test]
async fn where_nothing_is_left_those_that_rest_end_as_well() {
    let (live, _) = metered(tempo(&[(&[Direction::Down], 1)]), (2000, 2000));
    let (mut up, mut down) =
        (Lane::new(live.clone(), Direction::Up), Lane::new(live.clone(), Direction::Down));
    down.moved(1000);
    let rests = std::future::poll_fn(|cx| down.poll(cx));
    let spend = async {
        tokio::task::yield_now().await;
        assert!(up.takes(1500) && live.spent().is_none());
        assert!(!up.takes(1500));
    };
    assert_eq!(tokio::join!(rests, spend).0, Err(Spent));
    assert_eq!(polled(&mut up).await, Poll::Ready(Err(Spent)));
    assert!(!up.takes(1) && !live.takes(Direction::Up, 1));
    assert_eq!(live.spent().map(|denial| denial.detail), Some("used up".to_owned()));
}

/// What a gate lets through of these frames without waiting.
fn passes(gate: &mut Gate, frames: &mut Vec<Frame<Bytes>>) -> Vec<usize> {
    let mut sizes = Vec::new();
    loop {
        let next = |_: &mut Context<'_>| Poll::Ready(frames.pop().map(Ok::<_, Spent>));
        match gate.poll(&mut context(), next) {
            Poll::Ready(Some(Ok(frame))) => sizes.push(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(Some(Err(Spent)) | None) | Poll::Pending => return sizes,
        }
    }
}

fn data(length: usize) -> Frame<Bytes> {
    Frame::data(Bytes::from(vec![b'd'; length]))
}

#[tokio::test]
async fn a_frame_larger_than_a_turn_passes_in_pieces_and_what_is_left_still_counts() {
    let mut gate = Gate::of(LiveTempo::new(tempo(&[(&BOTH, 1024)])), Direction::Down);
    let mut frames = vec![data(600)];
    assert_eq!(passes(&mut gate, &mut frames), [256]);
    assert!(!gate.is_empty());
    assert_eq!(gate.hint(SizeHint::with_exact(10)).exact(), Some(354));
    gate.tempo.set(tempo(&[]));
    assert_eq!(passes(&mut gate, &mut frames), [344]);
    assert!(gate.is_empty());
}

#[tokio::test]
async fn an_open_gate_passes_frames_as_they_are_and_one_that_is_spent_none() {
    let mut gate = Gate::of(LiveTempo::new(tempo(&[])), Direction::Up);
    assert_eq!(passes(&mut gate, &mut vec![data(0), data(1 << 20)]), [1 << 20, 0]);
    assert!(gate.lane.is_none(), "it costs nothing");
    let (live, _) = metered(tempo(&[]), (600, 400));
    let mut gate = Gate::of(live, Direction::Up);
    let mut frames = vec![data(5), data(0), data(600)];
    assert_eq!(passes(&mut gate, &mut frames), [400, 200, 0]);
    assert!(gate.spent().is_some(), "of what comes then nothing passes");
}
