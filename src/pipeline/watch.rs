//! What a workload's stream tells those who serve requests on it, and hears from them: bytes, time, requests that are
//! being answered, and what the byte guard refused. Shared; never reads or writes the stream itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::types::Denial;
use crate::perceive::hello::connect_target;
use crate::perceive::request::guard::{Advance, Guard, Refusal, State};

/// What a stream tells those who serve it. Shared with the stream, which may move into an upgraded connection.
#[derive(Debug)]
pub struct Watch {
    born: Instant,
    /// Milliseconds since `born` at which bytes last moved.
    moved: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    /// Requests handed to be answered so far, those that have an answer, and those not answered to the end yet.
    begun: AtomicU64,
    answered: AtomicU64,
    busy: AtomicU64,
    /// Whether the stream is over, but for what the workload still sends.
    lingers: AtomicBool,
    /// Whether the stream is to be reset instead of closed.
    cut: AtomicBool,
    /// Only for HTTP/1.
    guarding: Option<Mutex<Guarding>>,
}

#[derive(Debug, Default)]
struct Guarding {
    guard: Guard,
    refused: Option<Refused>,
}

/// A refused message.
#[derive(Debug)]
struct Refused {
    /// Its number on the connection, from 0.
    number: u64,
    /// Whether its head had passed and its body was refused.
    in_body: bool,
    why: Refusal,
    /// Where a CONNECT was to lead.
    target: Option<Box<str>>,
}

/// A request that is being answered; over when dropped.
#[derive(Debug)]
pub struct Busy(Arc<Watch>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watch {
    /// Nothing has happened yet.
    pub fn new(http1: bool) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            moved: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            lingers: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            guarding: http1.then(Mutex::default),
        })
    }

    fn guarding(&self) -> Option<MutexGuard<'_, Guarding>> {
        self.guarding.as_ref().map(|guarding| guarding.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request begins to be answered; its number on the connection, from 0.
    pub fn next_request(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    /// Requests handed to be answered so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Counts a request as being answered until the returned value is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Whether any request is being answered.
    pub fn busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// Whether a request has no answer yet.
    pub fn awaits_answer(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > self.answered.load(Ordering::Relaxed)
    }

    /// Whether the answers are out, and only what the workload still sends is waited for, within bounds of its own.
    pub fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// From now on it is so.
    pub fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    /// Whether the stream is to be reset: an answer that ends where it was cut off must not look whole.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// From now on it is so.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// Whether the rest of a request was refused after its head had passed.
    pub fn refused_in_body(&self) -> bool {
        self.guarding()
            .is_some_and(|guarding| guarding.refused.as_ref().is_some_and(|refused| refused.in_body))
    }

    /// Whether the guard has heard of the answer to the request that passed last.
    pub fn guard_is_answered(&self) -> bool {
        self.guarding().is_none_or(|guarding| guarding.guard.is_answered())
    }

    /// Why request `number` was refused before hyper saw it: what is being answered is our stand-in.
    pub fn refusal(&self, number: u64) -> Option<Denial> {
        let guarding = self.guarding()?;
        let refused = guarding.refused.as_ref()?;
        let denial = || match &refused.target {
            Some(target) => refused.why.denial().seen(format!("CONNECT {target}")),
            None => refused.why.denial(),
        };
        (refused.number == number && !refused.in_body).then(denial)
    }

    /// Why the rest of request `number` was refused after its head had passed.
    pub fn refusal_in_body(&self, number: u64) -> Option<Refusal> {
        let guarding = self.guarding()?;
        let refused = guarding.refused.as_ref()?;
        (refused.number == number && refused.in_body).then_some(refused.why)
    }

    /// A request has its final answer. With 101 what follows is not HTTP; false where nobody asked for that.
    pub fn answered(&self, switches: bool) -> bool {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let Some(mut guarding) = self.guarding() else { return !switches };
        if switches {
            return guarding.guard.become_opaque();
        }
        guarding.guard.answered();
        true
    }

    /// How long no byte has moved.
    pub fn still(&self) -> Duration {
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.born.elapsed().saturating_sub(moved)
    }

    /// Bytes from the workload.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes to the workload.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Counts bytes from the workload, and says how long the stream has been there.
    pub fn received_more(&self, bytes: usize) -> Duration {
        self.count(&self.received, bytes)
    }

    /// Counts bytes to the workload.
    pub fn sent_more(&self, bytes: usize) {
        self.count(&self.sent, bytes);
    }

    fn count(&self, counter: &AtomicU64, bytes: usize) -> Duration {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = self.born.elapsed();
        self.moved.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        now
    }

    /// Shows bytes to the guard and keeps what it refuses.
    pub fn examine(&self, bytes: &[u8]) -> Option<Advance> {
        let mut guarding = self.guarding()?;
        let advance = guarding.guard.advance(bytes);
        if let State::Refused(why) = advance.state
            && guarding.refused.is_none()
        {
            let in_body = guarding.guard.refused_in_body();
            let number = guarding.guard.requests() - u64::from(in_body);
            let target = if why == Refusal::Connect {
                connect_target(&bytes[advance.skip + advance.pass..])
            } else {
                None
            };
            guarding.refused = Some(Refused { number, in_body, why, target });
        }
        Some(advance)
    }

    /// Refuses what the guard cannot see: that nothing follows, or not in time. `state` is where the connection stands.
    pub fn refuse(&self, state: State, why: Refusal) {
        if let Some(mut guarding) = self.guarding() {
            let in_body = state == State::Body;
            let number = guarding.guard.requests() - u64::from(in_body);
            guarding.refused = Some(Refused { number, in_body, why, target: None });
        }
    }
}
