//! One worker: a thread, a runtime and the sockets it listens on. Connections never leave the worker that took them.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;

use super::road::{Road, Shared};
use super::{connection, dns, refuse};
use crate::perceive::intercept::{DNS_PORT, DnsDatagrams, Listener, PROXY_PORT};

/// How often the pool is swept.
const SWEEP: Duration = Duration::from_secs(10);
/// How long connections may take to end once the daemon drains.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The sockets of one worker.
struct Sockets {
    proxy: Listener,
    dns_streams: Listener,
    dns: DnsDatagrams,
}

impl Sockets {
    fn bind() -> io::Result<Self> {
        Ok(Self {
            proxy: Listener::bind(PROXY_PORT)?,
            dns_streams: Listener::bind(DNS_PORT)?,
            dns: DnsDatagrams::bind(DNS_PORT)?,
        })
    }
}

/// Runs a worker on this thread until the daemon drains. `ready` hears whether the sockets could be bound.
pub fn run(shared: Arc<Shared>, drain: watch::Receiver<bool>, ready: oneshot::Sender<io::Result<()>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let sockets = match Sockets::bind() {
            Ok(sockets) => sockets,
            Err(error) => return drop(ready.send(Err(error))),
        };
        // The daemon may have given up meanwhile; then nobody listens.
        let _ = ready.send(Ok(()));
        serve(Road::new(shared, drain), sockets).await;
    });
}

async fn serve(road: Rc<Road>, sockets: Sockets) {
    let mut drain = road.drain.clone();
    tokio::task::spawn_local(dns::datagrams(road.clone(), Rc::new(sockets.dns)));
    tokio::task::spawn_local(dns_streams(road.clone(), sockets.dns_streams));
    tokio::task::spawn_local(sweep(road.clone()));
    tokio::select! {
        () = connections(road.clone(), sockets.proxy) => {}
        _ = drain.wait_for(|drains| *drains) => {}
    }
    let ended = async {
        while road.live() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(DRAIN_TIME, ended).await.is_err() {
        tracing::info!(connections = road.live(), "connections were cut when the daemon stopped");
    }
}

async fn connections(road: Rc<Road>, listener: Listener) {
    loop {
        let accepted = listener.accept().await;
        let Some(place) = road.place(accepted.client()) else {
            refuse::overloaded(&road, accepted);
            continue;
        };
        let road = road.clone();
        tokio::task::spawn_local(async move {
            connection::serve(road, accepted).await;
            drop(place);
        });
    }
}

async fn dns_streams(road: Rc<Road>, listener: Listener) {
    loop {
        let accepted = listener.accept().await;
        let Some(place) = road.place(accepted.client()) else {
            refuse::overloaded(&road, accepted);
            continue;
        };
        let road = road.clone();
        tokio::task::spawn_local(async move {
            dns::stream(road, accepted).await;
            drop(place);
        });
    }
}

async fn sweep(road: Rc<Road>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        road.pool.sweep(Instant::now());
    }
}
