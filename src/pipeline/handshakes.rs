//! Slots for TLS handshakes: one agent has so many under way at once on a worker, and the rest of its own wait.
//!
//! A handshake is by far the dearest thing that a workload can ask for with a few bytes. A flood of them waits behind
//! itself and not in front of others. Who went away while it waited costs nothing more.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::peeked::Peeked;
use super::road::Road;
use crate::model::types::limits::{HANDSHAKE_SLOT_TIME, TLS_HANDSHAKE_TIME};
use crate::model::types::{Denial, Reason};
use crate::platform::sys::socket;

/// One slot. Without a place there is nobody to share with.
#[derive(Debug)]
#[must_use]
pub struct Slot {
    _held: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Does the work in this slot. After `HANDSHAKE_SLOT_TIME` the slot is the next one's: work that lasts longer waits for somebody
    /// far away, and takes nothing from anybody here.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        if let Ok(done) = timeout(HANDSHAKE_SLOT_TIME, work.as_mut()).await {
            return done;
        }
        drop(self);
        work.await
    }
}

/// Waits for a slot, at most `TLS_HANDSHAKE_TIME`.
///
/// # Errors
/// `overload` where none came in time, `tls.handshake` where the workload is gone when it comes.
pub async fn take(road: &Road, agent: Option<&Arc<str>>, stream: &Peeked) -> Result<Slot, Denial> {
    let Some(slots) = road.places.handshakes(agent) else { return Ok(Slot { _held: None }) };
    if let Ok(slot) = slots.clone().try_acquire_owned() {
        return Ok(Slot { _held: Some(slot) });
    }
    let Ok(Ok(slot)) = Box::pin(timeout(TLS_HANDSHAKE_TIME, slots.acquire_owned())).await else {
        let detail = "Too many TLS handshakes of this agent are under way. Try again.";
        return Err(Denial::built_in(Reason::Overload, detail));
    };
    if socket::is_over(stream.stream()) {
        let detail = "The connection ended before its TLS handshake began.";
        return Err(Denial::built_in(Reason::TlsHandshake, detail));
    }
    Ok(Slot { _held: Some(slot) })
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slot_whose_work_waits_for_somebody_far_away_is_soon_the_next_ones() {
        let slots = Arc::new(Semaphore::new(1));
        let begun = Instant::now();
        let first = Slot { _held: Some(slots.clone().acquire_owned().await.unwrap()) };
        let slow = first.run(async {
            sleep(HANDSHAKE_SLOT_TIME * 10).await;
            "done"
        });
        let next = async {
            let _slot = slots.acquire().await.unwrap();
            begun.elapsed()
        };
        let (done, waited) = tokio::join!(slow, next);
        assert_eq!((done, begun.elapsed().as_millis()), ("done", (HANDSHAKE_SLOT_TIME * 10).as_millis()));
        assert!(waited >= HANDSHAKE_SLOT_TIME && waited < HANDSHAKE_SLOT_TIME * 2, "{waited:?}");
    }
}
