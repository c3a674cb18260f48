//! One worker: a thread, a runtime and the sockets it listens on. Connections never leave the worker that took them.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;

use super::road::{Road, Shared};
use super::{connection, datagrams, dns, refuse};
use crate::model::types::limits::ACCEPTS_IN_A_ROW;
use crate::perceive::intercept::{
    Accepted, DNS_PORT, DnsDatagrams, FlowSockets, Listener, PROXY_PORT, UDP_PORT,
};

/// How often the pool is swept.
const SWEEP: Duration = Duration::from_secs(10);
/// How long connections may take to end once the daemon drains.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The sockets of one worker.
struct Sockets {
    proxy: Listener,
    dns_streams: Listener,
    dns: DnsDatagrams,
    flows: FlowSockets,
}

impl Sockets {
    fn bind() -> io::Result<Self> {
        Ok(Self {
            proxy: Listener::bind(PROXY_PORT)?,
            dns_streams: Listener::bind(DNS_PORT)?,
            dns: DnsDatagrams::bind(DNS_PORT)?,
            flows: FlowSockets::bind(UDP_PORT)?,
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
    tokio::task::spawn_local(take(road.clone(), sockets.dns_streams, dns::stream));
    tokio::task::spawn_local(datagrams::flows(road.clone(), sockets.flows));
    tokio::task::spawn_local(sweep(road.clone()));
    tokio::select! {
        () = take(road.clone(), sockets.proxy, connection::serve) => {}
        _ = drain.wait_for(|drains| *drains) => {}
    }
    let ended = async {
        while road.places.taken() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(DRAIN_TIME, ended).await.is_err() {
        tracing::info!(connections = road.places.taken(), "connections were cut when the daemon stopped");
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
        // Not an async block: it would hold what it awaits twice, for as long as the connection lives.
        tokio::task::spawn_local(serve(road.clone(), accepted).map(move |()| drop(place)));
    }
}

async fn sweep(road: Rc<Road>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        road.pool.sweep(Instant::now());
    }
}
