//! Kept upstream connections of one worker: per agent, destination and what its client can speak.
//!
//! Never shared between agents, so that one agent's connection state can never serve another. Bounded per key and in
//! all; what idles too long is closed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use hyper::client::conn::http2;

use super::answers::Asker;
use super::body::RequestBody;
use super::counted::Joint;
use super::faults;
use crate::act::dial::Protocol;
use crate::model::types::limits::{HTTP2_STREAMS, POOL_IDLE_ALL, POOL_IDLE_PER_KEY, POOL_IDLE_TIME};
use crate::model::types::{Denial, HostName};
use crate::perceive::response::Refusal;

/// Requests in flight on one HTTP/2 connection before another is opened: what common servers allow. Where a server
/// allows fewer, that counts.
const STREAMS_PER_CONNECTION: usize = 100;
const _: () = assert!(STREAMS_PER_CONNECTION <= HTTP2_STREAMS as usize);

/// What the workload's client can speak: upstream is offered the same, so that neither side is pushed into a
/// version it did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offer {
    /// HTTP/1.1 only, or no ALPN at all.
    Http1,
    /// HTTP/2, and perhaps HTTP/1.1.
    Http2,
}

/// Which connections may serve a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The agent.
    pub agent: Arc<str>,
    /// The name that was verified, where there is one.
    pub host: Option<HostName>,
    /// The address dialled; only the port counts where the gateway resolves the name itself.
    pub address: SocketAddr,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// What the client can speak.
    pub offer: Offer,
}

/// The pool of one worker.
#[derive(Debug, Clone, Default)]
pub struct Pool(Rc<RefCell<Shelves>>);

#[derive(Debug, Default)]
struct Shelves {
    by_key: HashMap<Key, Shelf>,
    idle: usize,
}

#[derive(Debug, Default)]
struct Shelf {
    http1: Vec<Idle>,
    http2: Vec<Shared>,
}

#[derive(Debug)]
struct Idle {
    sender: Asker,
    peer: SocketAddr,
    since: Instant,
}

#[derive(Debug, Clone)]
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    peer: SocketAddr,
    joint: Rc<Joint>,
    since: Rc<Cell<Instant>>,
}

/// A connection in use by one request.
#[derive(Debug)]
pub(super) enum Line {
    Http1(Asker),
    Http2(http2::SendRequest<RequestBody>, Rc<Joint>),
}

/// A connection in use, and the way back into the pool. Dropped without [`Lease::give_back`] it is not reused.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) line: Option<Line>,
    /// The address that was really dialled.
    pub(super) peer: SocketAddr,
    key: Rc<Key>,
    pool: Pool,
}

impl Pool {
    /// What a usable kept connection speaks, if there is one.
    pub fn protocol(&self, key: &Key) -> Option<Protocol> {
        let shelves = self.0.borrow();
        let shelf = shelves.by_key.get(key)?;
        if shelf.http2.iter().any(Shared::has_room) {
            return Some(Protocol::H2);
        }
        shelf.http1.iter().any(|idle| idle.sender.is_ready()).then_some(Protocol::Http11)
    }

    /// Takes a usable kept connection.
    pub(super) fn take(&self, key: &Rc<Key>) -> Option<Lease> {
        let mut shelves = self.0.borrow_mut();
        let Shelves { by_key, idle } = &mut *shelves;
        let shelf = by_key.get_mut(&**key)?;
        let line = match shelf.http2.iter().find(|shared| shared.has_room()) {
            Some(shared) => Some((shared.line(), shared.peer)),
            None => shelf.take_http1(idle),
        };
        line.map(|(line, peer)| Lease { line: Some(line), peer, key: key.clone(), pool: self.clone() })
    }

    /// Puts a fresh HTTP/2 connection on the shelf, for this request and others beside it.
    pub(super) fn share(
        &self,
        key: &Rc<Key>,
        (sender, joint): (http2::SendRequest<RequestBody>, Rc<Joint>),
        peer: SocketAddr,
    ) -> Lease {
        let since = Rc::new(Cell::new(Instant::now()));
        let shared = Shared { sender, peer, joint, since };
        let line = shared.line();
        self.0.borrow_mut().by_key.entry((**key).clone()).or_default().http2.push(shared);
        Lease { line: Some(line), peer, key: key.clone(), pool: self.clone() }
    }

    /// Uses a fresh HTTP/1 connection for one request; it comes to the shelf when it is given back.
    pub(super) fn lend(&self, key: &Rc<Key>, sender: Asker, peer: SocketAddr) -> Lease {
        Lease { line: Some(Line::Http1(sender)), peer, key: key.clone(), pool: self.clone() }
    }

    /// Closes what has idled past its time. To be called now and then.
    pub fn sweep(&self, now: Instant) {
        let mut shelves = self.0.borrow_mut();
        let fresh = |since: Instant| now.saturating_duration_since(since) < POOL_IDLE_TIME;
        let mut idle = 0;
        shelves.by_key.retain(|_, shelf| {
            shelf.http1.retain(|kept| !kept.sender.is_closed() && fresh(kept.since));
            shelf.http2.retain(|shared| {
                !shared.sender.is_closed() && (shared.joint.in_flight.get() > 0 || fresh(shared.since.get()))
            });
            idle += shelf.http1.len();
            !shelf.http1.is_empty() || !shelf.http2.is_empty()
        });
        shelves.idle = idle;
    }

    fn keep(&self, key: &Key, sender: Asker, peer: SocketAddr) {
        let mut shelves = self.0.borrow_mut();
        if shelves.idle >= POOL_IDLE_ALL || sender.is_closed() {
            return;
        }
        let shelf = match shelves.by_key.get_mut(key) {
            Some(shelf) => shelf,
            None => shelves.by_key.entry(key.clone()).or_default(),
        };
        if shelf.http1.len() < POOL_IDLE_PER_KEY {
            shelf.http1.push(Idle { sender, peer, since: Instant::now() });
            shelves.idle += 1;
        }
    }
}

impl Shelf {
    /// The connection used last is the likeliest to be alive. One that is still finishing its last exchange stays.
    fn take_http1(&mut self, idle: &mut usize) -> Option<(Line, SocketAddr)> {
        let before = self.http1.len();
        self.http1.retain(|kept| !kept.sender.is_closed());
        let ready = self.http1.iter().rposition(|kept| kept.sender.is_ready());
        let line = ready.map(|at| {
            let kept = self.http1.swap_remove(at);
            (Line::Http1(kept.sender), kept.peer)
        });
        *idle = idle.saturating_sub(before - self.http1.len());
        line
    }
}

impl Shared {
    fn has_room(&self) -> bool {
        let allowed = || self.joint.allowed().min(STREAMS_PER_CONNECTION);
        !self.sender.is_closed() && self.joint.in_flight.get() < allowed()
    }

    fn line(&self) -> Line {
        self.joint.in_flight.set(self.joint.in_flight.get() + 1);
        self.since.set(Instant::now());
        Line::Http2(self.sender.clone(), self.joint.clone())
    }
}

impl Lease {
    /// Takes the connection out of use for others: it does not answer.
    pub(super) fn retire(&self) {
        let Some(Line::Http2(_, joint)) = &self.line else { return };
        if let Some(shelf) = self.pool.0.borrow_mut().by_key.get_mut(&*self.key) {
            shelf.http2.retain(|shared| !Rc::ptr_eq(&shared.joint, joint));
        }
    }

    /// Why what came on the connection was refused, if it was.
    pub(super) fn refused(&self) -> Option<Denial> {
        match &self.line {
            Some(Line::Http1(asker)) => asker.refused().map(Refusal::answer_denial),
            Some(Line::Http2(_, joint)) => joint.flood.get().map(faults::flood),
            None => None,
        }
    }

    /// Whether TLS is spoken on the connection.
    pub(super) fn tls(&self) -> bool {
        self.key.tls
    }

    /// The exchange ended in order: the connection may serve again.
    pub(super) fn give_back(mut self) {
        if let Some(Line::Http1(sender)) = self.line.take_if(|line| matches!(line, Line::Http1(_))) {
            self.pool.keep(&self.key, sender, self.peer);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Line::Http2(_, joint)) = &self.line {
            joint.in_flight.set(joint.in_flight.get().saturating_sub(1));
        }
    }
}
