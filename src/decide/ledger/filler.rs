//! The thread behind the road: reads the journal and puts its records, in order, into `ledger.db`.
//!
//! It looks every 50 ms and is never woken by an append, so that the road pays for no wake-up; only a barrier wakes it.
//! A number that the database already holds is left out, which makes every record arrive exactly once whatever was
//! interrupted. A segment is removed when all of it is in the database and the database is on the disk. While the
//! database cannot be written the journal grows to its bound. Never writes to the journal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use super::frame::{self, Found, SEGMENT_HEAD};
use super::journal::Journal;
use super::recover::{Sealed, segment_name, segment_path};
use super::store::Store;

/// Time between two looks at the journal.
const LOOK_TIME: Duration = Duration::from_millis(50);
/// Longest time between two tries while the database cannot be written.
const RETRY_TIME: Duration = Duration::from_secs(2);
/// Records in one transaction.
const BATCH_ROWS: usize = 8192;
/// Bytes of the journal looked at for one transaction.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// Why the filler makes no progress.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    #[error("cannot write to `ledger.db`: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("cannot read or remove a segment of the journal: {0}")]
    Journal(#[from] io::Error),
}

/// How far the filler is.
#[derive(Debug, Clone, Default)]
pub struct Filled {
    /// The last number in the database.
    pub seq: u64,
    /// Bytes of frames read since the start.
    pub bytes: u64,
    /// Why it stands still, if it does.
    pub failure: Option<Arc<str>>,
    /// Segments in which a frame could no longer be read.
    pub damaged: u64,
}

/// One pass at a time; the thread is around it.
pub struct Filler {
    journal: Arc<Journal>,
    store: Store,
    /// The segment that is read, and where.
    segment: u64,
    file: Option<File>,
    offset: u64,
    /// The number of the frame at `offset`.
    next: u64,
    filled: Filled,
}

impl Filler {
    /// Continues where the database ends.
    pub fn new(journal: Arc<Journal>, store: Store) -> rusqlite::Result<Self> {
        let filled = Filled { seq: store.last()?, ..Filled::default() };
        Ok(Self { journal, store, segment: 0, file: None, offset: 0, next: 0, filled })
    }

    /// How far it is.
    pub fn filled(&self) -> &Filled {
        &self.filled
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Puts one batch into the database; returns whether there may be more.
    pub fn step(&mut self) -> Result<bool, FillError> {
        let view = self.journal.view();
        let Some(place) = view.segments.iter().position(|segment| segment.first >= self.segment) else {
            return Ok(false);
        };
        let segment = view.segments[place];
        if segment.first != self.segment || self.file.is_none() {
            self.file = Some(File::open(segment_path(self.journal.dir(), segment.first))?);
            self.segment = segment.first;
            self.offset = SEGMENT_HEAD as u64;
            self.next = segment.first;
            self.skip_filled(&segment);
        }
        if self.offset < segment.len {
            self.fill(&segment)?;
            return Ok(true);
        }
        match view.segments.get(place + 1) {
            Some(next) => {
                self.segment = next.first;
                self.file = None;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// A segment that is in the database already is passed over unread.
    fn skip_filled(&mut self, segment: &Sealed) {
        if segment.next <= self.filled.seq + 1 {
            self.filled.bytes += segment.len - self.offset;
            self.offset = segment.len;
            self.next = segment.next;
        }
    }

    fn fill(&mut self, segment: &Sealed) -> Result<(), FillError> {
        let wanted = (segment.len - self.offset).min(BATCH_BYTES);
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut bytes, self.offset)?;
        }
        let mut rows = Vec::with_capacity(BATCH_ROWS);
        let mut at = 0;
        let mut seq = self.next;
        let mut found = Found::End;
        while rows.len() < BATCH_ROWS {
            found = frame::read(&bytes, at, seq);
            let Found::Frame { payload, end } = found else { break };
            if seq > self.filled.seq {
                rows.push((seq, payload));
            }
            at = end;
            seq += 1;
        }
        if !rows.is_empty() {
            self.store.insert(&rows)?;
        }
        let unreadable = at == 0 || found == Found::Bad;
        self.next = seq;
        self.offset += at as u64;
        self.filled.bytes += at as u64;
        self.filled.seq = self.filled.seq.max(seq - 1);
        if unreadable {
            self.leave_damaged(segment, seq)?;
        }
        Ok(())
    }

    /// What was whole when it was written is so no more. What follows in this segment is given up and the file set
    /// aside; waiting here would hold back everything after it.
    fn leave_damaged(&mut self, segment: &Sealed, seq: u64) -> Result<(), FillError> {
        let name = segment_name(segment.first);
        tracing::error!(
            segment = name,
            seq,
            "a frame of the journal cannot be read; the segment is set aside"
        );
        self.journal.rotate().map_err(|error| io::Error::other(error.to_string()))?;
        self.journal.mark_damaged(segment.first);
        let view = self.journal.view();
        let sealed = view.segments.iter().find(|sealed| sealed.first == segment.first);
        let (len, next) = sealed.map_or((segment.len, segment.next), |sealed| (sealed.len, sealed.next));
        self.filled.bytes += len - self.offset;
        self.filled.seq = self.filled.seq.max(next - 1);
        self.filled.damaged += 1;
        self.offset = len;
        Ok(())
    }

    /// Removes what is safely in the database.
    pub fn remove_filled(&mut self) -> Result<(), FillError> {
        let oldest = self.journal.view().segments.first().map_or(0, |segment| segment.first);
        if oldest < self.segment {
            self.store.sync()?;
            self.journal.remove_before(self.segment)?;
        }
        Ok(())
    }

    /// Steps until nothing is left.
    pub fn drain(&mut self) -> Result<(), FillError> {
        while self.step()? {}
        self.remove_filled()
    }
}

#[derive(Default)]
struct Signal {
    wake: bool,
    stop: bool,
}

struct Shared {
    signal: Mutex<Signal>,
    changed: Condvar,
    filled: watch::Sender<Filled>,
}

impl Shared {
    fn tell(&self, change: impl FnOnce(&mut Signal)) {
        change(&mut self.signal.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits for a signal, at most `time`; returns whether to stop.
    fn wait(&self, time: Duration) -> bool {
        let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |signal: &mut Signal| !signal.wake && !signal.stop;
        let (mut signal, _) =
            self.changed.wait_timeout_while(signal, time, idle).unwrap_or_else(PoisonError::into_inner);
        signal.wake = false;
        signal.stop
    }
}

/// The thread, as the rest of the ledger sees it.
pub struct FillerThread {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FillerThread {
    /// Hands the filler to a thread of its own.
    pub fn start(filler: Filler) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            signal: Mutex::default(),
            changed: Condvar::new(),
            filled: watch::Sender::new(filler.filled().clone()),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("ledger-fill".into()).spawn(move || run(filler, &theirs))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// How far it is.
    pub fn filled(&self) -> Filled {
        self.shared.filled.borrow().clone()
    }

    /// Waits until the record `seq` is in the database; gives up when `within` is over.
    pub async fn reach(&self, seq: u64, within: Duration) -> bool {
        let mut filled = self.shared.filled.subscribe();
        if filled.borrow().seq >= seq {
            return true;
        }
        self.shared.tell(|signal| signal.wake = true);
        let reached = filled.wait_for(|filled| filled.seq >= seq);
        matches!(tokio::time::timeout(within, reached).await, Ok(Ok(_)))
    }

    /// Puts what is there into the database, once, and ends the thread.
    pub fn stop(&self) {
        self.shared.tell(|signal| signal.stop = true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Drop for FillerThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(mut filler: Filler, shared: &Shared) {
    let mut pause = LOOK_TIME;
    loop {
        let stop = shared.wait(pause);
        let failure = pass(&mut filler, shared).err();
        pause = match &failure {
            Some(_) => (pause * 2).min(RETRY_TIME),
            None => LOOK_TIME,
        };
        report(&mut filler, shared, failure.as_ref());
        if stop {
            return;
        }
    }
}

/// Fills until nothing is left, telling those who wait after each batch.
fn pass(filler: &mut Filler, shared: &Shared) -> Result<(), FillError> {
    while filler.step()? {
        shared.filled.send_replace(filler.filled().clone());
        // Under steady load one pass may not end: room is made all the same.
        filler.remove_filled()?;
    }
    filler.remove_filled()
}

fn report(filler: &mut Filler, shared: &Shared, failure: Option<&FillError>) {
    let before = filler.filled.failure.take();
    if let Some(failure) = failure {
        let text = failure.to_string();
        if before.is_none() {
            tracing::warn!(error = text, "the journal grows until the ledger can be written again");
        }
        filler.filled.failure = Some(text.into());
    } else if before.is_some() {
        tracing::info!("the ledger can be written again");
    }
    shared.filled.send_replace(filler.filled().clone());
}
