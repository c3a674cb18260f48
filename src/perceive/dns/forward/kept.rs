//! One connection to an upstream, kept and shared by all queries of a worker (RFC 7766, section 6.2.1).
//!
//! It is dialled when it is first needed, and once more where a kept one turns out to have ended meanwhile. One that keeps
//! silent is let go. Never holds more than one connection that takes queries.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::canonical::Canonical;

/// A connection that queries share.
pub(super) trait Live: Clone {
    /// Where it leads, and how it is made.
    type Way;

    /// Connects, and proves the server where it must prove itself.
    async fn dial(way: &Self::Way, pulse: Arc<Pulse>) -> io::Result<Self>;

    /// Whether it takes no more queries.
    fn is_closed(&self) -> bool;

    /// Asks one question and waits for its answer.
    async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>>;
}

/// The place of the connection.
#[derive(Debug)]
pub(super) struct Kept<L: Live> {
    way: L::Way,
    place: Mutex<Option<(L, Arc<Pulse>)>>,
}

impl<L: Live> Kept<L> {
    pub fn new(way: L::Way) -> Self {
        Self { way, place: Mutex::new(None) }
    }

    pub fn way(&self) -> &L::Way {
        &self.way
    }

    /// Asks over the connection there is, or a new one.
    pub async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>> {
        let (live, pulse, fresh) = self.live().await?;
        match live.ask(asked).await {
            // It ended while nobody looked. What cannot be read is no better over another connection.
            Err(error) if !fresh && error.kind() != io::ErrorKind::InvalidData => {
                self.drop_if(|kept| Arc::ptr_eq(kept, &pulse)).await;
                self.live().await?.0.ask(asked).await
            }
            outcome => outcome,
        }
    }

    /// The connection, and whether it was made just now. Whoever comes while it is dialled waits for it.
    async fn live(&self) -> io::Result<(L, Arc<Pulse>, bool)> {
        let mut place = self.place.lock().await;
        if let Some((live, pulse)) = place.as_ref().filter(|(live, _)| !live.is_closed()) {
            return Ok((live.clone(), pulse.clone(), false));
        }
        let pulse = Arc::new(Pulse::new());
        let live = L::dial(&self.way, pulse.clone()).await?;
        *place = Some((live.clone(), pulse.clone()));
        Ok((live, pulse, true))
    }

    async fn drop_if(&self, is_dead: impl Fn(&Arc<Pulse>) -> bool) {
        let mut place = self.place.lock().await;
        if place.as_ref().is_some_and(|(_, pulse)| is_dead(pulse)) {
            *place = None;
        }
    }

    /// Lets the connection go if nothing was heard on it since.
    pub fn forget(&self, since: Instant) {
        // Where somebody dials, there is none to forget.
        let Ok(mut place) = self.place.try_lock() else { return };
        if place.as_ref().is_some_and(|(_, pulse)| !pulse.heard_since(since)) {
            *place = None;
        }
    }
}

/// When something was last heard on a connection.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// Microseconds after `start`.
    last: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Something was heard, or is about to be said.
    pub fn beat(&self) {
        self.last
            .store(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The last moment of it.
    pub fn last(&self) -> Instant {
        self.start + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }

    fn heard_since(&self, since: Instant) -> bool {
        self.last() > since
    }
}
