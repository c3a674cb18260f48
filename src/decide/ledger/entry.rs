//! The one way to the journal, and the proof that something is in it.
//!
//! An [`Entry`] exists only for a decision that was appended. Closing it appends the outcome. Where the task that holds
//! it is cancelled, because the client went away or the worker ends, nobody is left to close it: only `Drop` runs
//! then, so `Drop` appends an outcome that says `abandoned`. That is one more append, no waiting.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::canonical::{self, Closing};
use super::journal::Room;
use super::judged::Judged;
use super::record::{Kind, Opening, Outcome};
use super::recorder::Recorder;
use super::tab::{ByteMeter, Tab};
use crate::decide::quota::{Refused, Reservation, Wanted};
use crate::model::types::{RequestId, Timestamp, Unit};
use crate::platform::sys::clock;

/// Proof that a decision is in the journal. Made by the `open_...` methods of `Ledger` alone.
#[must_use]
pub struct Entry {
    recorder: Arc<Recorder>,
    closing: Closing,
    /// False once closed, or where an outage was allowed to leave no record.
    open: bool,
    /// What was charged for it.
    tab: Option<Arc<Tab>>,
}

impl Entry {
    pub(super) fn new(
        recorder: &Arc<Recorder>,
        opening: &Opening,
        (open, reservation): (bool, Option<Reservation>),
        judged: &Judged<'_>,
    ) -> Self {
        let Opening { at, request_id, kind, .. } = *opening;
        let (recorder, closing) = (Arc::clone(recorder), Closing { at, request_id, kind });
        let tab = |reservation| Arc::new(Tab::new(&recorder, closing, (open, reservation), judged));
        let tab = reservation.map(tab);
        Self { recorder, closing, open, tab }
    }

    /// The id that joins decision and outcome.
    pub fn request_id(&self) -> RequestId {
        self.closing.request_id
    }

    /// What it is about.
    pub fn kind(&self) -> Kind {
        self.closing.kind
    }

    /// Looks at what is charged for it by now; nothing where no budget holds.
    pub fn charged<T>(&self, look: impl FnOnce(&Reservation) -> T) -> Option<T> {
        self.tab.as_ref()?.look(look)
    }

    /// Charges more while it goes on, on record before it returns; how much there is, at most what was wanted. Where no budget
    /// holds there is all of it. `now` is the time of accounts.
    ///
    /// # Errors
    /// Where too little is left, or where it cannot be recorded: nothing is charged then.
    pub fn charge_more(&self, unit: Unit, wanted: Wanted, now: Timestamp) -> Result<u64, Refused> {
        self.tab.as_ref().map_or(Ok(wanted.most()), |tab| tab.more(unit, wanted, now))
    }

    /// What charges its bytes before they move; nothing where no budget counts them. Whoever takes it tells it of all of them:
    /// they are settled, whatever the outcome says.
    pub fn byte_meter(&self) -> Option<ByteMeter> {
        self.tab.as_ref().and_then(ByteMeter::of)
    }

    /// Appends the outcome. What cannot be appended is counted, and closed as `interrupted` at the next start.
    pub fn close(mut self, outcome: Outcome) {
        let charged = self.tab.take().and_then(|tab| tab.settle(outcome.spent));
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
