//! The one way to the journal, and the proof that something is in it.
//!
//! An [`Entry`] exists only for a decision that was appended. Closing it appends the outcome. Where the task that holds
//! it is cancelled, because the client went away or the worker ends, nobody is left to close it: only `Drop` runs
//! then, so `Drop` appends an outcome that says `abandoned`. That is one more append, no waiting.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::decide::quota::{More, Refused, Reservation, Wanted};
use crate::model::types::{RequestId, Timestamp, Unit};
use crate::platform::sys::clock;

use super::OnUnavailable;
use super::canonical::{self, Closing};
use super::frame;
use super::journal::{AppendError, Journal, Room};
use super::judged::Charged;
use super::record::{Kind, Opening, Outcome};

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

/// Proof that a decision is in the journal. Made by the `open_...` methods of `Ledger` alone.
#[must_use]
pub struct Entry {
    recorder: Arc<Recorder>,
    closing: Closing,
    /// False once closed, or where an outage was allowed to leave no record.
    open: bool,
    /// What was charged for it.
    reservation: Option<Box<Reservation>>,
}

impl Entry {
    pub(super) fn new(
        recorder: &Arc<Recorder>,
        opening: &Opening,
        (open, reservation): (bool, Option<Reservation>),
    ) -> Self {
        let Opening { at, request_id, kind, .. } = *opening;
        let (recorder, closing) = (Arc::clone(recorder), Closing { at, request_id, kind });
        let reservation = reservation.map(Box::new);
        Self { recorder, closing, open, reservation }
    }

    /// The id that joins decision and outcome.
    pub fn request_id(&self) -> RequestId {
        self.closing.request_id
    }

    /// What it is about.
    pub fn kind(&self) -> Kind {
        self.closing.kind
    }

    /// What was charged for it; nothing where no budget holds.
    pub fn reservation(&self) -> Option<&Reservation> {
        self.reservation.as_deref()
    }

    /// Charges more while it goes on, on record before it returns; how much there is, at most what was wanted. Where no budget
    /// holds there is all of it. `now` is the time of accounts.
    ///
    /// # Errors
    /// Where too little is left, or where it cannot be recorded: nothing is charged then.
    pub fn charge_more(&mut self, unit: Unit, wanted: Wanted, now: Timestamp) -> Result<u64, Refused> {
        let Some(reservation) = &mut self.reservation else {
            return Ok(match wanted {
                Wanted::Exactly(amount) | Wanted::AtMost { most: amount, .. } => amount,
                Wanted::Unknown => 0,
            });
        };
        let more = reservation.more(unit, wanted, now)?;
        let granted = more.granted;
        if more.charges.is_empty() || !self.open {
            return Ok(granted);
        }
        let closing = Closing { at: clock::now(), ..self.closing };
        let charged = Charged { execution: None, charges: more.charges.clone(), at: more.at };
        let write = |out: &mut Vec<u8>| canonical::write_progress(out, &closing, &charged);
        match self.recorder.append(Room::Event, write) {
            Ok(_) => Ok(granted),
            Err(error) => self.unrecorded(more, &error.to_string()).map(|()| granted),
        }
    }

    /// What follows where a charge cannot be recorded.
    fn unrecorded(&mut self, more: More, error: &str) -> Result<(), Refused> {
        self.recorder.refused.fetch_add(1, Ordering::Relaxed);
        if self.recorder.on_unavailable == OnUnavailable::Allow {
            return Ok(());
        }
        if let Some(reservation) = &mut self.reservation {
            reservation.undo(more);
        }
        Err(Refused::Unrecorded(error.to_owned()))
    }

    /// Appends the outcome. What cannot be appended is counted, and closed as `interrupted` at the next start.
    pub fn close(mut self, outcome: Outcome) {
        let charged = match (self.reservation.take(), &outcome.spent) {
            (Some(reservation), Some(spent)) => {
                let at = reservation.at();
                Some(Charged { execution: None, charges: reservation.settle(spent), at })
            }
            // It stays charged as it was.
            (_, None) | (None, _) => None,
        };
        self.end(|out, closing| canonical::write_outcome(out, closing, &outcome, charged.as_ref()));
    }

    fn end(&mut self, write: impl FnOnce(&mut Vec<u8>, &Closing)) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let closing = Closing { at: clock::now(), ..self.closing };
        let appended = self.recorder.append(Room::Closing, |out| write(out, &closing));
        let written = appended.and_then(|seq| match closing.kind {
            // Its caller hears of it now, and few follow that would bring it company.
            Kind::Admin => self.recorder.commit(seq),
            _ => Ok(()),
        });
        if written.is_err() {
            self.recorder.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("closing", &self.closing)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let opened = self.closing.at;
        self.end(|out, closing| {
            canonical::write_end(out, closing, Some(closing.at.since(opened)), "abandoned");
        });
    }
}
