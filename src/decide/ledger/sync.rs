//! Grouped fsync for `durability: power`: many waiters, one `fdatasync` on a thread of its own.
//!
//! While one sync runs, records gather for the next, so the disk's pace sets the size of the groups. After a failed
//! sync the kernel may have dropped the pages it could not write: what was waiting is refused for good and a new
//! segment is begun, because a later success would prove nothing about those bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use super::journal::Journal;

/// Time a decision waits for the disk before it is refused.
pub const SYNC_TIME: Duration = Duration::from_secs(5);

/// Why a record is not known to be on the disk.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum SyncError {
    #[error("the disk failed to keep the journal")]
    Failed,
    #[error("the disk did not keep the journal within {} s", SYNC_TIME.as_secs())]
    Timeout,
    #[error("the ledger has stopped")]
    Stopped,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Every record up to here is on the disk, unless it is not above `failed`.
    durable: u64,
    /// Records up to here were waiting when a sync failed.
    failed: u64,
}

struct Shared {
    wanted: AtomicU64,
    stop: AtomicBool,
    progress: watch::Sender<Progress>,
}

/// The syncing thread, as its waiters see it.
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    pub fn start(journal: Arc<Journal>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            wanted: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            progress: watch::Sender::new(Progress::default()),
        });
        let theirs = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("ledger-sync".into()).spawn(move || run(&journal, &theirs))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until the record `seq` is on the disk.
    pub async fn durable(&self, seq: u64) -> Result<(), SyncError> {
        self.shared.wanted.fetch_max(seq, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        let mut progress = self.shared.progress.subscribe();
        let reached = progress.wait_for(|at| at.durable >= seq || at.failed >= seq);
        match tokio::time::timeout(SYNC_TIME, reached).await {
            Ok(Ok(at)) if at.failed >= seq => Err(SyncError::Failed),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(SyncError::Stopped),
            Err(_) => Err(SyncError::Timeout),
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn run(journal: &Journal, shared: &Shared) {
    while !shared.stop.load(Ordering::Acquire) {
        let progress = *shared.progress.borrow();
        if shared.wanted.load(Ordering::Acquire) <= progress.durable.max(progress.failed) {
            thread::park();
            continue;
        }
        match sync(journal) {
            Ok(last) => shared.progress.send_modify(|at| at.durable = last),
            Err((last, error)) => {
                tracing::error!(%error, "the disk failed to keep the journal; decisions are refused");
                // If this fails as well, appends fail too, and that is reported there.
                let _ = journal.rotate();
                shared.progress.send_modify(|at| at.failed = last);
            }
        }
    }
}

/// Writes and syncs what there is. Either way with the last number that was tried.
fn sync(journal: &Journal) -> Result<u64, (u64, std::io::Error)> {
    let unsynced = journal.take_unsynced().map_err(|error| (journal.last(), error))?;
    let files = unsynced.files.iter().map(|file| file.sync_data());
    let dir = unsynced.dir.iter().map(|dir| dir.sync_all());
    let synced = files.chain(dir).collect::<std::io::Result<()>>();
    synced.map(|()| unsynced.last).map_err(|error| (unsynced.last, error))
}
