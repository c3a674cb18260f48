//! The workers of the road, from their start until the last of them has left.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::Error;
use crate::perceive::intercept::Doors;
use crate::pipeline::Shared;
use crate::pipeline::shift::{DRAIN_TIME, Stage};
use crate::pipeline::worker::{self, Post};

/// Workers that listen.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    stage: watch::Sender<Stage>,
    /// Ends once nothing is left anywhere of what was live when the daemon began to drain.
    busy: mpsc::Receiver<()>,
}

impl Workers {
    /// Starts so many, each with its share of the doors, and waits until all of them listen.
    ///
    /// # Errors
    /// Where one cannot.
    pub async fn start(shared: &Arc<Shared>, doors: Doors, count: usize) -> Result<Self, Error> {
        let (stage, staged) = watch::channel(Stage::Serving);
        let (busy, at_rest) = mpsc::channel(1);
        let mut threads = Vec::with_capacity(count);
        for (number, doors) in doors.deal(count).into_iter().enumerate() {
            let (ready, listens) = oneshot::channel();
            let (shared, post) = (shared.clone(), Post { doors, stage: staged.clone(), busy: busy.clone() });
            let worker = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || worker::run(shared, post, ready));
            threads.push(worker.map_err(|error| Error::Part(format!("cannot start a worker: {error}")))?);
            let listens: io::Result<()> =
                listens.await.unwrap_or_else(|_| Err(io::Error::other("the worker ended")));
            listens.map_err(|error| Error::Part(format!("a worker cannot listen: {error}")))?;
        }
        Ok(Self { threads, stage, busy: at_rest })
    }

    /// Where the daemon stands.
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Lets everything live come to its end, within its time, and waits until all workers have left.
    pub async fn leave(mut self) {
        self.stage.send_replace(Stage::Draining);
        // Whoever is still busy after that is cut by its worker.
        let _ = timeout(DRAIN_TIME, self.busy.recv()).await;
        self.stage.send_replace(Stage::Closing);
        let joined = move || self.threads.into_iter().for_each(|worker| drop(worker.join()));
        let _ = tokio::task::spawn_blocking(joined).await;
    }
}
