//! Lanes and gates at a clock that stands still or is never reached: what passes tells how fast it went.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::super::tempo::{Meter, Tempo};
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

/// What a meter was told.
type Told = Rc<RefCell<Vec<(Direction, u64)>>>;

/// A meter that takes so many bytes, and what it was told.
fn meter(room: u64) -> (Meter, Told) {
    let told = Told::default();
    let all = told.clone();
    let meter = Meter::new(move |direction, bytes| {
        all.borrow_mut().push((direction, bytes));
        let sum: u64 = all.borrow().iter().map(|(_, bytes)| bytes).sum();
        if sum > room { Err(Denial::built_in(Reason::QuotaRequests, "used up")) } else { Ok(()) }
    });
    (meter, told)
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
async fn a_meter_hears_of_all_bytes_now_and_then_and_at_the_end() {
    let (endless, told) = meter(u64::MAX);
    let live = LiveTempo::metered(tempo(&[]), Some(endless));
    let (mut up, mut down) = (Lane::new(live.clone(), Direction::Up), Lane::new(live, Direction::Down));
    for _ in 0..5 {
        up.moved(METER_BYTES as usize / 2);
    }
    assert_eq!(*told.borrow(), [(Direction::Up, METER_BYTES); 2]);
    down.moved(1);
    drop((down, up));
    assert_eq!(told.borrow()[2..], [(Direction::Down, 1), (Direction::Up, METER_BYTES / 2)]);
    let (nothing, _) = meter(0);
    let live = LiveTempo::metered(tempo(&[]), Some(nothing));
    Lane::new(live.clone(), Direction::Up).moved(1);
    assert!(live.spent().is_none(), "it was over already");
}

#[tokio::test]
async fn where_the_meter_says_no_both_directions_end_those_that_rest_as_well() {
    let (meter, _) = meter(METER_BYTES);
    let live = LiveTempo::metered(tempo(&[(&[Direction::Down], 1)]), Some(meter));
    let (mut up, mut down) =
        (Lane::new(live.clone(), Direction::Up), Lane::new(live.clone(), Direction::Down));
    down.moved(1000);
    let rests = std::future::poll_fn(|cx| down.poll(cx));
    let spend = async {
        tokio::task::yield_now().await;
        for _ in 0..2 {
            assert!(live.spent().is_none());
            up.moved(METER_BYTES as usize);
        }
    };
    assert_eq!(tokio::join!(rests, spend).0, Err(Spent));
    assert_eq!(polled(&mut up).await, Poll::Ready(Err(Spent)));
    assert!(!up.takes(1));
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
    let (meter, _) = meter(0);
    let mut gate = Gate::of(LiveTempo::metered(tempo(&[]), Some(meter)), Direction::Up);
    assert_eq!(passes(&mut gate, &mut vec![data(5), data(1 << 20)]), [1 << 20]);
    assert!(gate.spent().is_some());
}
