//! One worker: a thread, a runtime and the sockets it listens on. Connections never leave the worker that took them.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use super::road::{Road, Shared};
use super::shift::{DRAIN_TIME, Stage, reached};
use super::{connection, datagrams, dns, refuse};
use crate::model::types::limits::ACCEPTS_IN_A_ROW;
use crate::perceive::intercept::{Accepted, DnsDatagrams, Doors, FlowSockets, Listener};

/// How often the pool is swept.
const SWEEP: Duration = Duration::from_secs(10);

/// What a worker is given at its start.
pub struct Post {
    /// What it listens on.
    pub doors: Doors,
    /// Where the daemon stands.
    pub stage: watch::Receiver<Stage>,
    /// Dropped once nothing is left of what was live when the daemon began to drain.
    pub busy: mpsc::Sender<()>,
}

/// Runs a worker on this thread until the daemon closes. `ready` hears whether it could begin to listen.
pub fn run(shared: Arc<Shared>, post: Post, ready: oneshot::Sender<io::Result<()>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let Post { doors, stage, busy } = post;
        let road = Road::new(shared, stage);
        let taking = match listen(&road, doors) {
            Ok(taking) => taking,
            Err(error) => return drop(ready.send(Err(error))),
        };
        // The daemon may have given up meanwhile; then nobody listens.
        let _ = ready.send(Ok(()));
        serve(&road, taking, busy).await;
    });
}

/// Begins to take what comes through the doors.
fn listen(road: &Rc<Road>, doors: Doors) -> io::Result<JoinSet<()>> {
    let mut taking = JoinSet::new();
    for door in doors.proxy {
        taking.spawn_local(take(road.clone(), Listener::of(door)?, connection::serve));
    }
    for door in doors.dns_streams {
        taking.spawn_local(take(road.clone(), Listener::of(door)?, dns::stream));
    }
    for door in doors.dns {
        taking.spawn_local(dns::datagrams(road.clone(), Rc::new(DnsDatagrams::of(door)?)));
    }
    for door in doors.flows {
        taking.spawn_local(datagrams::flows(road.clone(), FlowSockets::of(door)?));
    }
    Ok(taking)
}

async fn serve(road: &Rc<Road>, mut taking: JoinSet<()>, busy: mpsc::Sender<()>) {
    let mut stage = road.stage.clone();
    tokio::select! {
        () = reached(&mut stage, Stage::Draining) => {}
        () = sweep(road) => {}
    }
    let before = road.shifts.change();
    tokio::select! {
        () = before.ended() => {}
        () = reached(&mut stage, Stage::Closing) => {}
    }
    drop(busy);
    reached(&mut stage, Stage::Closing).await;
    let mut left = before.cut().await;
    taking.shutdown().await;
    let since = road.shifts.change();
    if timeout(DRAIN_TIME, since.ended()).await.is_err() {
        left += since.cut().await;
    }
    if left > 0 {
        tracing::info!(connections = left, "connections were cut when the daemon stopped");
    }
}

/// Takes connections for ever, each in a task of its own and in a place of its own.
async fn take<F>(road: Rc<Road>, listener: Listener, serve: impl Fn(Rc<Road>, Accepted) -> F)
where
    F: Future<Output = ()> + 'static,
{
    for number in 1_usize.. {
        if number.is_multiple_of(ACCEPTS_IN_A_ROW) {
            tokio::task::yield_now().await;
        }
        let accepted = listener.accept().await;
        let known = road.snapshot().directory.by_source(accepted.client()).ok();
        let Some(place) = road.places.take(known.as_ref().map(|known| known.agent().name.clone())) else {
            refuse::overloaded(&road, accepted, known);
            continue;
        };
        let held = (place, road.shifts.held());
        // Not an async block: it would hold what it awaits twice, for as long as the connection lives.
        tokio::task::spawn_local(serve(road.clone(), accepted).map(move |()| drop(held)));
    }
}

async fn sweep(road: &Road) {
    loop {
        tokio::time::sleep(SWEEP).await;
        road.pool.sweep(Instant::now());
    }
}
