//! The journal, and how it is: what could be recorded, what could not, and why.
//!
//! Whoever appends comes by here, so that one outage is told once and counted always. Read next: `entry.rs`.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::OnUnavailable;
use super::frame;
use super::journal::{AppendError, Journal, Room};

thread_local! {
    /// One frame under construction; grows to the largest record of its thread.
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The journal with its bookkeeping.
pub(super) struct Recorder {
    pub journal: Arc<Journal>,
    pub on_unavailable: OnUnavailable,
    /// Decisions and events that could not be recorded; what they would have allowed was refused.
    pub refused: AtomicU64,
    /// Outcomes and denials that could not be recorded.
    pub lost: AtomicU64,
    failure: Mutex<Option<Arc<str>>>,
    failures: AtomicU64,
}

impl Recorder {
    pub fn new(journal: Arc<Journal>, on_unavailable: OnUnavailable) -> Self {
        Self {
            journal,
            on_unavailable,
            refused: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            failure: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// Appends the record that `encode` writes. An opening is in the journal once it is committed.
    pub fn append(&self, room: Room, encode: impl FnOnce(&mut Vec<u8>)) -> Result<u64, AppendError> {
        let write = |buffer: &mut Vec<u8>| {
            frame::begin(buffer);
            encode(buffer);
            self.journal.append(buffer, room)
        };
        // While a thread ends, an entry that it dropped may find the buffer gone.
        let appended = if FRAME.try_with(|_| ()).is_ok() {
            FRAME.with_borrow_mut(write)
        } else {
            write(&mut Vec::new())
        };
        match room {
            Room::Event => self.noted(appended),
            // Of what waits nothing is known yet.
            Room::Opening | Room::Closing => appended.inspect_err(|error| self.failed(error)),
        }
    }

    /// Makes sure that an opening is in the journal.
    pub fn commit(&self, seq: u64) -> Result<(), AppendError> {
        self.noted(self.journal.commit(seq))
    }

    /// Keeps what a write says of the journal.
    fn noted<T>(&self, written: Result<T, AppendError>) -> Result<T, AppendError> {
        match &written {
            Ok(_) if self.failures.load(Ordering::Relaxed) == 0 => {}
            Ok(_) => self.recovered(),
            Err(error) => self.failed(error),
        }
        written
    }

    /// Why the last append failed, if it did.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(&self, error: &AppendError) {
        if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(%error, "the journal takes no records; nothing new is allowed");
        }
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string().into());
    }

    fn recovered(&self) {
        let failures = self.failures.swap(0, Ordering::Relaxed);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if failures > 0 {
            tracing::info!(failures, "the journal takes records again");
        }
    }
}
