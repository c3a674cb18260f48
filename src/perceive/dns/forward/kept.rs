//! The connections to one upstream, kept and shared by all queries of a worker (RFC 7766, section 6.2.1).
//!
//! One is dialled when it is first needed, another where the server takes no more questions at once on those there are, and
//! one more where a kept one turns out to have ended meanwhile. One that keeps silent is let go. Never holds more than
//! [`DNS_CONNECTIONS_PER_UPSTREAM`]; where all are full, questions wait for their turn.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::super::canonical::Canonical;
use crate::model::types::limits::{DNS_CONNECTIONS_PER_UPSTREAM, DNS_FURTHER_DIAL_TIME, DNS_REST_TIME};

/// A connection that queries share.
pub(super) trait Live: Sized {
    /// Where it leads, and how it is made.
    type Way;

    /// Connects, and proves the server where it must prove itself.
    async fn dial(way: &Self::Way, pulse: Arc<Pulse>) -> io::Result<Self>;

    /// Whether it takes no more queries.
    fn is_closed(&self) -> bool;

    /// How many questions it takes at once, as far as is known by now.
    fn allowed(&self) -> usize;

    /// Asks one question and waits for its answer. `ResourceBusy` where the server takes no more for now.
    async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>>;
}

/// The places of the connections.
#[derive(Debug)]
pub(super) struct Kept<L: Live> {
    way: L::Way,
    places: Mutex<Places<L>>,
}

#[derive(Debug)]
struct Places<L> {
    all: Vec<Arc<Place<L>>>,
    /// A further one could not be made: none is tried until then.
    rests_until: Option<Instant>,
}

/// One connection. Whoever asks over it holds it, so that its owners but one are the questions under way.
#[derive(Debug)]
struct Place<L> {
    live: L,
    pulse: Arc<Pulse>,
}

impl<L: Live> Kept<L> {
    pub fn new(way: L::Way) -> Self {
        Self { way, places: Mutex::new(Places { all: Vec::new(), rests_until: None }) }
    }

    pub fn way(&self) -> &L::Way {
        &self.way
    }

    /// Asks over a connection there is, or a new one.
    pub async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>> {
        let (place, fresh) = self.place().await?;
        let error = match place.live.ask(asked).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match error.kind() {
            // By now it is known how many it takes.
            io::ErrorKind::ResourceBusy => {}
            // What cannot be read is no better over another connection.
            io::ErrorKind::InvalidData => return Err(error),
            _ if fresh => return Err(error),
            // It ended while nobody looked.
            _ => self.places.lock().await.all.retain(|kept| !Arc::ptr_eq(kept, &place)),
        }
        drop(place);
        self.place().await?.0.live.ask(asked).await
    }

    /// A connection, and whether it was made just now. Whoever comes while one is dialled waits for it.
    async fn place(&self) -> io::Result<(Arc<Place<L>>, bool)> {
        let mut places = self.places.lock().await;
        places.all.retain(|place| !place.live.is_closed());
        if let Some(place) = places.all.iter().find(|place| has_room(place)) {
            return Ok((place.clone(), false));
        }
        let Some(least) = places.all.iter().min_by_key(|place| Arc::strong_count(place)).cloned() else {
            return self.dialled(&mut places).await.map(|place| (place, true));
        };
        let rests = places.rests_until.is_some_and(|until| Instant::now() < until);
        if rests || places.all.len() >= DNS_CONNECTIONS_PER_UPSTREAM {
            return Ok((least, false));
        }
        // The server may keep a client to fewer connections, and need not say so.
        match timeout(DNS_FURTHER_DIAL_TIME, self.dialled(&mut places)).await {
            Ok(Ok(place)) => Ok((place, true)),
            Ok(Err(_)) | Err(_) => {
                places.rests_until = Some(Instant::now() + DNS_REST_TIME);
                Ok((least, false))
            }
        }
    }

    async fn dialled(&self, places: &mut Places<L>) -> io::Result<Arc<Place<L>>> {
        let pulse = Arc::new(Pulse::new());
        let live = L::dial(&self.way, pulse.clone()).await?;
        let place = Arc::new(Place { live, pulse });
        places.all.push(place.clone());
        Ok(place)
    }

    /// Lets the connections go on which nothing was heard since.
    pub fn forget(&self, since: Instant) {
        // Where somebody dials, there is none to forget, or none that can take a question.
        let Ok(mut places) = self.places.try_lock() else { return };
        places.all.retain(|place| place.pulse.heard_since(since));
    }
}

fn has_room<L: Live>(place: &Arc<Place<L>>) -> bool {
    Arc::strong_count(place) - 1 < place.live.allowed()
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
