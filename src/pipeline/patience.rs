//! Patience with a workload whose request body is waited for: it must go on, as long as the request has no answer.
//!
//! A clock is set when a body is first waited for and looked at when it runs out: what goes on well costs one timer
//! for a body and nothing for a read. Never looks at bytes, only at their number.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Sleep, sleep};

use crate::model::types::limits::{BODY_PROGRESS, BODY_TIME};

/// One connection's patience.
#[derive(Debug, Default)]
pub struct Patience(Option<Clock>);

#[derive(Debug)]
struct Clock {
    /// Bytes received when it was set.
    received: u64,
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    fn set(received: u64) -> Self {
        Self { received, sleep: Box::pin(sleep(BODY_TIME)) }
    }
}

impl Patience {
    /// A body is waited for. Ready when patience is at its end: less than `BODY_PROGRESS` bytes came in `BODY_TIME`, and
    /// the request is not answered. Then it begins anew.
    pub fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        received: u64,
        answered: impl FnOnce() -> bool,
    ) -> Poll<()> {
        let clock = self.0.get_or_insert_with(|| Clock::set(received));
        ready!(clock.sleep.as_mut().poll(cx));
        if received < clock.received + BODY_PROGRESS && !answered() {
            self.0 = None;
            return Poll::Ready(());
        }
        let clock = self.0.insert(Clock::set(received));
        // It has just been set, so this can only register the task.
        clock.sleep.as_mut().poll(cx)
    }

    /// No body is waited for.
    pub fn rest(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    /// Waits for the end of patience while so many bytes have come.
    async fn end(patience: &mut Patience, received: u64, answered: bool) {
        poll_fn(|cx| patience.poll_end(cx, received, || answered)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_waited_for_no_longer_than_its_bound() {
        let (mut patience, begun) = (Patience::default(), Instant::now());
        end(&mut patience, 7, false).await;
        assert_eq!(begun.elapsed().as_secs(), BODY_TIME.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dribble_ends_as_standing_still_does_and_a_slow_line_goes_on() {
        let (mut patience, begun) = (Patience::default(), Instant::now());
        // A byte now and then is nothing.
        for received in 0..3 {
            let waited = tokio::time::timeout(BODY_TIME / 4, end(&mut patience, received, false)).await;
            assert!(waited.is_err());
        }
        end(&mut patience, 3, false).await;
        assert_eq!(begun.elapsed().as_secs(), BODY_TIME.as_secs());
        let (mut patience, mut received) = (Patience::default(), 0);
        for _ in 0..100 {
            let waited = tokio::time::timeout(BODY_TIME * 3 / 4, end(&mut patience, received, false)).await;
            assert!(waited.is_err(), "{received} bytes in");
            received += 2 * BODY_PROGRESS;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn behind_an_answer_there_is_no_hurry() {
        let mut patience = Patience::default();
        let waited = tokio::time::timeout(BODY_TIME * 20, end(&mut patience, 7, true)).await;
        assert!(waited.is_err());
    }
}
