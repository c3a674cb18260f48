//! Places for connections on one worker: how many there are follows from the files that the process may open, and
//! how many one agent may hold is bounded, so that neither a flood nor a small limit takes the last one.
//!
//! Whoever gets no place is turned away at once and recorded, by the worker. Never waits, never queues.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::model::types::limits::{
    CONNECTIONS_PER_AGENT, CONNECTIONS_PER_WORKER, FILES_PER_CONNECTION, HANDSHAKES_PER_AGENT, UDP_FLOWS,
    UDP_FLOWS_PER_WORKER,
};

/// The part of the files that is kept for everything but connections: the ledger, queries to resolvers, the local API,
/// upstream connections that wait to be used again.
const KEPT: u64 = 8;
/// The part of a worker's places that one agent may hold.
const SHARE: usize = CONNECTIONS_PER_WORKER / CONNECTIONS_PER_AGENT;

/// How many places a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub all: usize,
    /// For one agent; sources that no agent has count as one.
    pub each: usize,
    /// UDP flows, which take places too.
    pub flows: usize,
}

impl Room {
    /// The room of each of so many workers, where the process may open `files` files in all.
    pub fn of(files: u64, workers: usize) -> Self {
        let usable = (files - files / KEPT) / FILES_PER_CONNECTION / workers.max(1) as u64;
        let all = usize::try_from(usable).unwrap_or(usize::MAX).clamp(SHARE, CONNECTIONS_PER_WORKER);
        let flows = (UDP_FLOWS / workers.max(1)).min(UDP_FLOWS_PER_WORKER);
        Self { all, each: all / SHARE, flows }
    }
}

/// The places of one worker.
#[derive(Debug)]
pub struct Places {
    room: Room,
    taken: Cell<usize>,
    /// Absent without a place. `None` is everybody whom no agent's documents name.
    by_agent: RefCell<HashMap<Option<Arc<str>>, Holder>>,
}

/// What the connections of one agent share.
#[derive(Debug)]
struct Holder {
    taken: usize,
    /// Turns to open TLS.
    handshakes: Arc<Semaphore>,
}

impl Default for Holder {
    fn default() -> Self {
        Self { taken: 0, handshakes: Arc::new(Semaphore::new(HANDSHAKES_PER_AGENT)) }
    }
}

/// One place; given back when dropped.
#[derive(Debug)]
pub struct Place(Rc<Places>, Option<Arc<str>>);

impl Places {
    /// All of them free.
    pub fn new(room: Room) -> Rc<Self> {
        Rc::new(Self { room, taken: Cell::new(0), by_agent: RefCell::default() })
    }

    /// Takes a place for this agent, unless all are taken, or too many by itself.
    pub fn take(self: &Rc<Self>, agent: Option<Arc<str>>) -> Option<Place> {
        if self.taken.get() >= self.room.all {
            return None;
        }
        let mut by_agent = self.by_agent.borrow_mut();
        // At first it has none, and there is room for one.
        let holder = by_agent.entry(agent.clone()).or_default();
        if holder.taken >= self.room.each {
            return None;
        }
        holder.taken += 1;
        self.taken.set(self.taken.get() + 1);
        Some(Place(self.clone(), agent))
    }

    /// The slots for TLS handshakes of an agent that holds a place.
    pub fn handshakes(&self, agent: Option<&Arc<str>>) -> Option<Arc<Semaphore>> {
        self.by_agent.borrow().get(&agent.cloned()).map(|holder| holder.handshakes.clone())
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.get()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (places, agent) = (&self.0, &self.1);
        let mut by_agent = places.by_agent.borrow_mut();
        if let Some(holder) = by_agent.get_mut(agent) {
            holder.taken -= 1;
            if holder.taken == 0 {
                by_agent.remove(agent);
            }
        }
        places.taken.set(places.taken.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_takes_its_share_and_others_still_find_places() {
        let places = Places::new(Room { all: 8, each: 2, flows: 8 });
        let agent = |name: &str| Some(Arc::<str>::from(name));
        let held: Vec<_> = (0..5).map(|_| places.take(agent("alice"))).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        let strangers: Vec<_> = (0..3).map(|_| places.take(None)).collect();
        assert_eq!(strangers.iter().flatten().count(), 2, "all strangers together have one share");
        assert!(places.take(agent("bob")).is_some());
        drop(held);
        assert!(places.take(agent("alice")).is_some(), "places are given back");
        drop(strangers);
        assert_eq!((places.taken(), places.by_agent.borrow().len()), (0, 0));
    }

    #[test]
    fn when_all_places_are_taken_nobody_gets_one() {
        let places = Places::new(Room { all: 4, each: 2, flows: 4 });
        let held: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .flat_map(|name| [places.take(Some(name.into())), places.take(Some(name.into()))])
            .collect();
        assert_eq!(held.iter().flatten().count(), 4);
        assert!(places.take(Some("d".into())).is_none());
    }

    #[test]
    fn handshake_slots_are_those_of_one_agent_and_last_as_long_as_its_places() {
        let places = Places::new(Room { all: 8, each: 4, flows: 8 });
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let held = [Some(alice.clone()), Some(bob.clone()), None].map(|agent| places.take(agent).unwrap());
        let of_alice = places.handshakes(Some(&alice)).unwrap();
        let all = of_alice.try_acquire_many(u32::try_from(HANDSHAKES_PER_AGENT).unwrap()).unwrap();
        assert!(places.handshakes(Some(&alice)).unwrap().try_acquire().is_err());
        assert!(places.handshakes(Some(&bob)).unwrap().try_acquire().is_ok());
        assert!(places.handshakes(None).unwrap().try_acquire().is_ok());
        drop((all, held));
        assert!(places.handshakes(Some(&alice)).is_none());
    }

    #[test]
    fn places_follow_from_the_files_that_may_be_open_and_are_never_without_end() {
        let told = |files, workers| {
            let room = Room::of(files, workers);
            (room.all, room.each)
        };
        assert_eq!(told(1 << 20, 2), (CONNECTIONS_PER_WORKER, CONNECTIONS_PER_AGENT));
        assert_eq!(told(1024, 2), (224, 56));
        assert_eq!(told(20_000, 1), (8750, 2187));
        // A limit that leaves nothing still lets one connection of an agent in.
        assert_eq!(told(16, 64), (4, 1));
    }

    #[test]
    fn udp_flows_of_all_workers_together_leave_ports_for_dns_however_many_workers_there_are() {
        for workers in [0, 1, 2, 3, 8, 64, 512] {
            let flows = Room::of(1 << 20, workers).flows;
            assert!(flows >= 32 && flows * workers <= UDP_FLOWS, "{workers}: {flows}");
        }
        assert_eq!(Room::of(1 << 20, 1).flows, UDP_FLOWS_PER_WORKER);
    }
}
