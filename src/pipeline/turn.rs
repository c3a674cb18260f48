//! Turns: one agent has so many TLS handshakes under way at once on a worker, and the rest of its own wait.
//!
//! A handshake is by far the dearest thing that a workload can ask for with a few bytes. A flood of them waits behind
//! itself and not in front of others. Who went away while it waited costs nothing more.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::peeked::Peeked;
use super::road::Road;
use crate::model::types::limits::{TLS_HANDSHAKE_TIME, TURN_TIME};
use crate::model::types::{Denial, Reason};
use crate::platform::sys::socket;

/// One turn. Without a place there is nobody to share with.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    _held: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Uses the turn for this work. After `TURN_TIME` it is the next one's: work that lasts longer waits for somebody
    /// far away, and takes nothing from anybody here.
    pub async fn spend<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        if let Ok(done) = timeout(TURN_TIME, work.as_mut()).await {
            return done;
        }
        drop(self);
        work.await
    }
}

/// Waits for a turn, at most `TLS_HANDSHAKE_TIME`.
///
/// # Errors
/// `overload` where none came in time, `tls.handshake` where the workload is gone when it comes.
pub async fn take(road: &Road, agent: Option<&Arc<str>>, stream: &Peeked) -> Result<Turn, Denial> {
    let Some(turns) = road.places.turns(agent) else { return Ok(Turn { _held: None }) };
    if let Ok(turn) = turns.clone().try_acquire_owned() {
        return Ok(Turn { _held: Some(turn) });
    }
    let Ok(Ok(turn)) = Box::pin(timeout(TLS_HANDSHAKE_TIME, turns.acquire_owned())).await else {
        let detail = "Too many TLS handshakes of this agent are under way. Try again.";
        return Err(Denial::built_in(Reason::Overload, detail));
    };
    if socket::is_over(stream.stream()) {
        let detail = "The connection ended before its TLS handshake began.";
        return Err(Denial::built_in(Reason::TlsHandshake, detail));
    }
    Ok(Turn { _held: Some(turn) })
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_waits_for_somebody_far_away_is_soon_the_next_ones() {
        let turns = Arc::new(Semaphore::new(1));
        let begun = Instant::now();
        let first = Turn { _held: Some(turns.clone().acquire_owned().await.unwrap()) };
        let slow = first.spend(async {
            sleep(TURN_TIME * 10).await;
            "done"
        });
        let next = async {
            let _turn = turns.acquire().await.unwrap();
            begun.elapsed()
        };
        let (done, waited) = tokio::join!(slow, next);
        assert_eq!((done, begun.elapsed().as_millis()), ("done", (TURN_TIME * 10).as_millis()));
        assert!(waited >= TURN_TIME && waited < TURN_TIME * 2, "{waited:?}");
    }
}
