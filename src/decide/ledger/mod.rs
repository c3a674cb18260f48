//! The append-only record: a journal on the road, a filler into SQLite behind it.
//!
//! A decision is appended to the journal (`journal.rs`) before the bytes it allows leave; that append is the promise,
//! and what cannot be appended is refused. `filler.rs` puts the records into `ledger.db` in order, `query.rs` reads
//! them for operators. At start the journal is replayed and decisions without an outcome are closed as `interrupted`.
//! Never changes a record, never waits for SQLite on the road. Read next: `entry.rs`.

mod config;
pub mod record;
mod health;
mod json;
mod judged;
mod canonical;
pub mod frame;
pub mod recover;
mod journal;
mod sync;
mod columns;
mod spendings;
mod store;
mod filler;
mod recorder;
mod tab;
mod entry;
pub mod query;
mod copy;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::decide::dlp::Inspected;
use crate::decide::policy::{Clearance, Leave, Passage};
use crate::decide::quota::{Charge, Past, Reservation, Spent};
use crate::model::types::{Denial, PolicyRef, Reason, RequestId, Timestamp};
use crate::platform::sys::clock;

use canonical::Closing;
use filler::{Filler, FillerThread};
use journal::{Journal, Room};
use judged::{Charged, Judged};
use record::{Asked, Decision, Kind, Opening, Outcome, Subject, Verdict};
use recorder::Recorder;
use store::Store;
use sync::Syncer;

pub use config::{Durability, Error, LedgerConfig, OnUnavailable};
pub use copy::{Extent, examine};
pub use entry::Entry;
pub use health::Health;
pub use query::{Filter, IdPrefix, Page, Reader, Row, Stats, Window};
pub use tab::ByteMeter;

/// Time a barrier waits for the database.
const BARRIER_TIME: Duration = Duration::from_secs(10);

/// The ledger; clones are the same one.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    /// What an earlier run has charged, until somebody takes it.
    past: Mutex<Past>,
    recorder: Arc<Recorder>,
    syncer: Option<Syncer>,
    filler: FillerThread,
    database: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl Ledger {
    /// Opens the ledger in the state folder, replays the journal and closes what an earlier run left open. Blocks while
    /// it reads at most the journal's bound.
    pub fn start(config: &LedgerConfig) -> Result<Self, Error> {
        let journal_dir = config.dir.join("journal");
        let database = config.dir.join("ledger.db");
        let lock = lock_journal(&journal_dir)?;
        let store = Store::open(&database, config.durability)?;
        let fail = |source| Error::Database { path: database.clone(), source };
        let in_journal = |what| {
            let path = journal_dir.clone();
            move |source| Error::File { what, path, source }
        };
        let recovered = recover::recover(&journal_dir).map_err(in_journal("read the journal"))?;
        let next = recovered.next.max(store.last().map_err(fail)? + 1);
        let power = config.durability == Durability::Power;
        let journal = Journal::create(&journal_dir, config.journal_bytes, power, &recovered, next);
        let journal = Arc::new(journal.map_err(in_journal("begin a segment in"))?);
        let mut filler = Filler::new(Arc::clone(&journal), store).map_err(fail)?;
        filler.drain().map_err(|error| Error::Replay(error.to_string()))?;

        let recorder = Arc::new(Recorder::new(Arc::clone(&journal), config.on_unavailable));
        let past = Mutex::new(filler.store().past().map_err(fail)?);
        let open = filler.store().open_decisions().map_err(fail)?;
        close_interrupted(&recorder, &open);
        let thread = |source| Error::File { what: "start a thread for", path: journal_dir.clone(), source };
        let syncer = if power { Some(Syncer::start(journal).map_err(thread)?) } else { None };
        let filler = FillerThread::start(filler).map_err(thread)?;
        let ledger = Self(Arc::new(Inner { past, recorder, syncer, filler, database, _lock: lock }));
        for note in recovered.notes {
            tracing::warn!(segment = note.segment, detail = note.detail, "{}", note.event);
            ledger.system(note.event, &note.segment, Some(note.detail));
        }
        Ok(ledger)
    }

    /// What an earlier run has charged, as it was when the ledger started; once.
    pub fn take_past(&self) -> Past {
        std::mem::take(&mut *self.0.past.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that a connection is allowed, and what is charged for it. For `durability: process` it gives way once and waits for
    /// nothing. What cannot be recorded is given back.
    pub async fn open_connection(
        &self,
        passage: &Passage,
        opening: &Opening,
        reservation: Option<Reservation>,
    ) -> Result<Entry, Denial> {
        let (decision, by) = passage.speaks();
        self.open(opening, decision, (Some(&by.policy), by.rule.as_deref()), reservation).await
    }

    /// Records that a request is allowed, and what is charged for it, in one append. For `durability: process` it gives way once
    /// and waits for nothing. What cannot be recorded is given back.
    pub async fn open_request(
        &self,
        (clearance, inspected): (&Clearance, &Inspected),
        opening: &Opening,
        reservation: Option<Reservation>,
    ) -> Result<Entry, Denial> {
        let (decision, by) = clearance.speaks();
        match inspected.alert().filter(|_| decision == Decision::Allow) {
            Some(policy) => self.open(opening, Decision::Alert, (Some(policy), None), reservation).await,
            None => self.open(opening, decision, (Some(&by.policy), by.rule.as_deref()), reservation).await,
        }
    }

    /// Records that a DNS query may be asked. For `durability: process` it gives way once and waits
    /// for nothing.
    pub async fn open_query(
        &self,
        (leave, inspected): (&Leave, &Inspected),
        opening: &Opening,
    ) -> Result<Entry, Denial> {
        let by = leave.route();
        match inspected.alert() {
            Some(policy) => self.open(opening, Decision::Alert, (Some(policy), None), None).await,
            None => self.open(opening, Decision::Allow, (Some(&by.policy), by.rule.as_deref()), None).await,
        }
    }

    /// Records that an operator's action is about to have effect. For `durability: process` it gives way once and waits
    /// for nothing.
    pub async fn open_action(&self, opening: &Opening) -> Result<Entry, Denial> {
        self.open(opening, Decision::Allow, (None, None), None).await
    }

    async fn open(
        &self,
        opening: &Opening,
        decision: Decision,
        (policy, rule): (Option<&PolicyRef>, Option<&str>),
        mut reservation: Option<Reservation>,
    ) -> Result<Entry, Denial> {
        let recorder = &self.0.recorder;
        let evidence = opening.verdict.evidence.as_deref();
        let judged = Judged { decision, reason: None, policy, rule, evidence };
        let (charged, alert) = match &reservation {
            Some(reservation) => (Some(Charged::of(reservation)), reservation.alert()),
            None => (None, None),
        };
        let write = |out: &mut Vec<u8>| {
            let judged = alert.as_ref().map_or(judged, |(policy, seen)| judged.alerted(policy, seen));
            canonical::write_opening(out, opening, &judged, (None, charged.as_ref()));
        };
        let appended = recorder.append(Room::Opening, write);
        if let Err(error) = &appended {
            self.unavailable(error)?;
        }
        // Whatever becomes of it now, it stays charged, unless an outcome says what it used.
        reservation.iter_mut().for_each(Reservation::recorded);
        let entry = Entry::new(recorder, opening, (appended.is_ok(), reservation), &judged);
        let Ok(seq) = appended else { return Ok(entry) };
        if let Err(denial) = self.kept(seq).await {
            // The decision may be in the journal or not; if it is, this says that nothing followed from it.
            let spent = Some(Spent::NOTHING);
            entry.close(Outcome { denial: Some(denial.clone()), spent, ..Outcome::default() });
            return Err(denial);
        }
        Ok(entry)
    }

    /// Waits until a decision survives what it has to survive. Decisions that are made in the same turn share one
    /// write: each gives way once, and whichever comes back first writes for all.
    async fn kept(&self, seq: u64) -> Result<(), Denial> {
        let Inner { recorder, syncer, .. } = &*self.0;
        let Some(syncer) = syncer else {
            give_way().await;
            return recorder.commit(seq).or_else(|error| self.unavailable(&error));
        };
        syncer.durable(seq).await.or_else(|error| self.unavailable(&error))
    }

    /// Records a refusal, with the status the workload sees where its protocol has one. It cannot fail: a refusal that
    /// cannot be recorded stays a refusal and is counted.
    pub fn refuse(&self, opening: &Opening, denial: &Denial) {
        let ended = Outcome { status: refusal_status(opening, denial), ..Outcome::default() };
        let judged = Judged::denied(denial, Some(opening));
        let write = |out: &mut Vec<u8>| canonical::write_opening(out, opening, &judged, (Some(&ended), None));
        if self.0.recorder.append(Room::Event, write).is_err() {
            self.0.recorder.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records something that is decided and done at once: a DNS query, an operator's action, an event. A denial in
    /// the outcome overrides the verdict. What cannot be recorded must not have effect: `audit.unavailable`.
    pub fn event(&self, opening: &Opening, outcome: &Outcome) -> Result<(), Denial> {
        self.noted(opening, outcome, None)
    }

    /// Records what an operator has granted or begun anew, as an event of its own. `at` is in the time of accounts. What cannot be
    /// recorded must not have effect: `audit.unavailable`.
    pub fn charge(
        &self,
        (event, detail): (&str, String),
        charges: Vec<Charge>,
        at: Timestamp,
    ) -> Result<(), Denial> {
        let object = charges.first().map(|one| one.account.to_string()).unwrap_or_default();
        let charged = Charged { execution: None, charges, at, alert: None };
        self.noted(&system_opening(event, &object, Some(detail)), &Outcome::default(), Some(charged))
    }

    fn noted(&self, opening: &Opening, outcome: &Outcome, charged: Option<Charged>) -> Result<(), Denial> {
        let judged = match &outcome.denial {
            Some(denial) => Judged::denied(denial, Some(opening)),
            None => Judged::of(opening),
        };
        let write = |out: &mut Vec<u8>| {
            canonical::write_opening(out, opening, &judged, (Some(outcome), charged.as_ref()))
        };
        match self.0.recorder.append(Room::Event, write) {
            Ok(_) => Ok(()),
            Err(error) => self.unavailable(&error),
        }
    }

    /// Records what the gateway itself did or noticed: an event's name, what it was about, and details.
    pub fn system(&self, event: &str, object: &str, detail: Option<String>) {
        // A lost one is counted; nothing depends on it.
        let _ = self.event(&system_opening(event, object, detail), &Outcome::default());
    }

    fn unavailable(&self, error: &dyn std::error::Error) -> Result<(), Denial> {
        self.0.recorder.refused.fetch_add(1, Ordering::Relaxed);
        match self.0.recorder.on_unavailable {
            OnUnavailable::Allow => Ok(()),
            OnUnavailable::Deny => {
                let detail = "The gateway cannot record this decision, so nothing was sent. Try again later.";
                Err(Denial::built_in(Reason::AuditUnavailable, detail).seen(error.to_string()))
            }
        }
    }

    /// Waits until everything appended before now is in the database, at most ten seconds.
    pub async fn barrier(&self) -> Result<(), Error> {
        let last = self.0.recorder.journal.last();
        if self.0.filler.reach(last, BARRIER_TIME).await {
            return Ok(());
        }
        Err(Error::Lag { why: self.0.filler.filled().failure })
    }

    /// A connection of its own for queries; it sees what is in the database (see [`Ledger::barrier`]).
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::open(&self.0.database)
    }

    /// How the ledger is.
    pub fn health(&self) -> Health {
        let recorder = &self.0.recorder;
        let filled = self.0.filler.filled();
        let (used, appended) = recorder.journal.bytes();
        Health {
            journal_failure: recorder.failure(),
            database_failure: filled.failure,
            backlog_bytes: appended.saturating_sub(filled.bytes),
            journal_bytes: used,
            journal_bound: recorder.journal.bound(),
            refused: recorder.refused.load(Ordering::Relaxed),
            lost: recorder.lost.load(Ordering::Relaxed),
            damaged_segments: filled.damaged,
        }
    }

    /// Puts what is in the journal into the database and ends the filler. Later records stay in the journal until the
    /// next start. Blocks; the last clone that is dropped does the same.
    pub fn stop(&self) {
        self.0.filler.stop();
    }
}

/// Gives way, once, to tasks that are ready already.
async fn give_way() {
    let mut gave = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The status the workload sees: none where the protocol knows none.
fn refusal_status(opening: &Opening, denial: &Denial) -> Option<u16> {
    /// RFC 1035, section 4.1.1.
    const NXDOMAIN: u16 = 3;
    match (opening.kind, opening.asked.protocol) {
        (Kind::Dns, _) => Some(NXDOMAIN),
        (Kind::Request | Kind::Admin, _) | (Kind::Connection, Some("http" | "tls-terminate")) => {
            Some(denial.status())
        }
        (Kind::Connection | Kind::System, _) => None,
    }
}

fn system_opening(event: &str, object: &str, detail: Option<String>) -> Opening {
    Opening {
        request_id: clock::request_id(),
        connection_id: None,
        at: clock::now(),
        kind: Kind::System,
        subject: Subject { agent: None, source: None, execution: None, host: None, destination: None },
        asked: Asked {
            method: Some(event.to_owned()),
            path: Some(object.to_owned()),
            protocol: None,
            ..Asked::default()
        },
        verdict: Verdict {
            decision: Decision::Allow,
            reason: None,
            policy: None,
            rule: None,
            policy_digest: "".into(),
            evidence: detail,
        },
    }
}

/// Makes the journal's folder and takes its lock, so that two daemons never share it.
fn lock_journal(dir: &Path) -> Result<File, Error> {
    let fail = |what| move |source| Error::File { what, path: dir.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail("make the folder"))?;
    let lock = File::options().create(true).append(true).mode(0o600).open(dir.join("lock"));
    let lock = lock.map_err(fail("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: dir.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(fail("lock")(source)),
    }
}

/// Appends an outcome for each decision whose process ended before it. What does not fit stays open until the next
/// start.
fn close_interrupted(recorder: &Recorder, open: &[store::Open]) {
    for decision in open {
        let kind = Kind::parse(&decision.kind).unwrap_or(Kind::System);
        let request_id: RequestId = decision.request_id;
        let closing = Closing { at: clock::now(), request_id, kind };
        let write = |out: &mut Vec<u8>| canonical::write_end(out, &closing, None, "interrupted");
        if recorder.append(Room::Closing, write).is_err() {
            return;
        }
    }
}
