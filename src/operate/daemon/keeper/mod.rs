//! Keeps what stands for a time: reads the registry at the start, puts approvals and quarantines in force, ends them at
//! their time, and writes down what changes.
//!
//! What shuts out counts at once, and is written down as soon as that is possible; what lets through counts once it is
//! written. So a slow, locked or lost database never opens anything, and no decision waits for one. Read next: `state.rs`.

mod state;
mod commands;
mod listing;
mod then;
pub mod refusals;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::model::types::Timestamp;
use crate::model::types::limits::REGISTRY_BUSY_TIME;
use crate::pipeline::Shared;
use crate::platform::registry::{self, Registry};
use crate::platform::sys::clock;
use state::{Change, Event, State};
pub use then::Then;

/// How long after a failed write another is tried.
const RETRY: Duration = Duration::from_secs(2);
/// How often what ends by itself is looked at, at least: the wall clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// The same where nothing ends by itself.
const IDLE: Duration = Duration::from_secs(3600);

/// Looks after the registry.
pub struct Keeper {
    registry: Registry,
    shared: Arc<Shared>,
    max_ttl: Duration,
    runtime: Handle,
    state: Mutex<State>,
    /// Held by whoever writes, so that changes follow one another.
    writing: Turn<()>,
    /// Something is to be looked at.
    wake: Notify,
    /// Something is to be written down.
    unsaved: Notify,
    /// Why the last write failed.
    failure: Mutex<Option<String>>,
}

impl Keeper {
    /// Reads the registry and puts in force what stands in it. Must be called inside the operator's runtime.
    ///
    /// # Errors
    /// Where the registry cannot be read: nobody may go on as if nothing stood in it.
    pub async fn start(
        registry: Registry,
        shared: Arc<Shared>,
        max_ttl: Duration,
    ) -> Result<Arc<Self>, registry::Error> {
        let state = State::read(&registry).await?;
        let keeper = Arc::new(Self {
            registry,
            shared,
            max_ttl,
            runtime: Handle::current(),
            state: Mutex::new(state),
            writing: Turn::default(),
            wake: Notify::new(),
            unsaved: Notify::new(),
            failure: Mutex::default(),
        });
        keeper.step();
        keeper.write().await;
        Ok(keeper)
    }

    /// Runs until the daemon ends. What is over ends, and what rules impose is taken up, whether the database is there or not.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(self.look_after(), self.write_down());
    }

    /// Ends what [`Keeper::run`] runs as, takes up what rules have imposed to the last, and writes it down: for when nobody
    /// decides any more. Waits for the database no longer than a command does.
    pub async fn finish(&self, running: JoinHandle<()>) {
        running.abort();
        // What it was writing is over, or done, once it has ended.
        let _ = running.await;
        self.take_up(clock::now());
        if timeout(2 * REGISTRY_BUSY_TIME, self.write()).await != Ok(true) {
            tracing::error!("the daemon ends before all that stands for a time is written down");
        }
    }

    /// Puts in force what stands under the documents in force now, which may have been replaced.
    pub fn follow(&self) {
        self.put_in_force(&self.state(), clock::now());
    }

    async fn look_after(&self) {
        let (mut changed, mut imposed) = (self.shared.watch(), self.shared.quarantines.watch());
        loop {
            let pause = self.step();
            tokio::select! {
                () = self.wake.notified() => {}
                _ = changed.changed() => {}
                _ = imposed.changed() => {}
                () = sleep(pause) => {}
            }
        }
    }

    async fn write_down(&self) {
        loop {
            while !self.write().await {
                sleep(RETRY).await;
            }
            self.unsaved.notified().await;
        }
    }

    /// Why the registry cannot be written now, where it cannot. Waits for the database.
    pub async fn trouble(&self) -> Option<String> {
        match self.registry.look(clock::now()).await {
            Err(error) => Some(error.to_string()),
            Ok(()) => self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// One look at everything; how long nothing needs another. Waits for nothing.
    fn step(&self) -> Duration {
        let at = clock::now();
        self.take_up(at);
        let resources = self.shared.snapshot.load().resources.clone();
        let (events, pause) = {
            let mut state = self.state();
            state.see(&resources, at);
            let events = state.expire(&resources, at, self.max_ttl);
            self.put_in_force(&state, at);
            if !state.unwritten.is_empty() {
                self.unsaved.notify_one();
            }
            (events, state.next_end(&resources, self.max_ttl).map_or(IDLE, |end| end.since(at).min(LOOK)))
        };
        self.record(events);
        pause
    }

    /// Takes up what rules have imposed: once, whoever else does the same.
    fn take_up(&self, at: Timestamp) {
        let events: Vec<Event> = {
            let mut state = self.state();
            let waiting = self.shared.quarantines.waiting();
            if waiting.is_empty() {
                return;
            }
            let events = waiting.iter().map(|one| state.impose(one, at)).collect();
            self.put_in_force(&state, at);
            self.shared.quarantines.taken(&waiting);
            events
        };
        self.record(events);
    }

    /// Puts in force what stands now. The state stays locked, so that nobody puts an older one over it.
    fn put_in_force(&self, state: &State, at: Timestamp) {
        let resources = self.shared.snapshot.load().resources.clone();
        self.shared.put_standing(state.standing(&resources, at, self.max_ttl));
    }

    fn record(&self, events: impl IntoIterator<Item = Event>) {
        for Event { what, object, detail } in events {
            self.shared.ledger.system(what, &object, Some(detail));
        }
    }

    /// Writes down what is not written yet, oldest first. Whether all of it is. Whatever counts only once it is written
    /// counts from then on.
    async fn write(&self) -> bool {
        let _turn = self.writing.lock().await;
        loop {
            let Some(change) = self.state().unwritten.front().cloned() else {
                self.note(None);
                return true;
            };
            if let Err(error) = change.apply(&self.registry).await {
                self.note(Some(error.to_string()));
                return false;
            }
            let sighting = {
                let mut state = self.state();
                state.written(&change);
                let Change::See(sighting) = change else { continue };
                self.put_in_force(&state, clock::now());
                sighting
            };
            // It ends by itself from now on.
            self.wake.notify_one();
            let resources = self.shared.snapshot.load().resources.clone();
            self.record(
                resources.approvals.get(&sighting.name).map(|document| state::seen(&sighting, document)),
            );
        }
    }

    fn note(&self, failure: Option<String>) {
        let mut known = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &failure) {
            (None, Some(why)) => tracing::error!("{why}; it is tried again"),
            (Some(_), None) => tracing::info!("the registry can be written again"),
            _ => {}
        }
        *known = failure;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
