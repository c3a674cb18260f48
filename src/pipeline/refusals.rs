//! Which refused flows of packets are on record already, so that a flow is recorded once and not with each of its datagrams.
//!
//! Anybody can send from any port to any other without an answer, so this is bounded per source and in all; past a
//! bound one record speaks for the rest. Reads no clock, and refuses nothing by itself.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::model::types::limits::{FLOW_REFUSAL_TIME, FLOW_REFUSALS_PER_SOURCE, FLOW_REFUSALS_PER_WORKER};
use crate::model::types::{Denial, Reason};

/// How often the memory is searched for what is over, once it is full.
const SWEEP: Duration = Duration::from_secs(1);

/// Sources for which there is no room share this place.
const CROWD: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// What goes on record for a refused datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// The refusal of its flow.
    Flow,
    /// That this and further refusals are not recorded one by one.
    Overload,
    /// Nothing more.
    Nothing,
}

/// What goes on record where [`Record::Overload`] does; the last reason is seen in it.
pub fn too_many(last: Reason) -> Denial {
    let detail = "Too many flows of this source were refused; not each of them is recorded.";
    let seen = format!(
        "{FLOW_REFUSALS_PER_SOURCE} flows of one source, or many of forged sources; the last reason was {last}"
    );
    Denial::built_in(Reason::Overload, detail).seen(seen)
}

/// The memory of one worker, or of who reads what the kernel refused.
#[derive(Debug)]
pub struct Refusals {
    sources: HashMap<IpAddr, Recent>,
    /// Flows of all sources.
    flows: usize,
    swept: Instant,
}

/// A flow and why it was refused. For another reason it is another: who can bring both about in turn gains no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefusedFlow {
    /// Protocol number (IANA).
    pub protocol: u8,
    /// Who sent; port 0 where the protocol has none.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// Why not.
    pub reason: Reason,
}

/// What one source was refused of late.
#[derive(Debug)]
struct Recent {
    since: Instant,
    flows: HashSet<RefusedFlow>,
    overloaded: bool,
}

impl Refusals {
    /// An empty memory.
    pub fn new(now: Instant) -> Self {
        Self { sources: HashMap::new(), flows: 0, swept: now }
    }

    /// Notes that a packet of this flow is refused, and says what of it goes on record.
    pub fn note(&mut self, flow: RefusedFlow, now: Instant) -> Record {
        if self.flows >= FLOW_REFUSALS_PER_WORKER && now.saturating_duration_since(self.swept) >= SWEEP {
            self.sweep(now);
        }
        let full = self.flows >= FLOW_REFUSALS_PER_WORKER;
        let from = flow.from.ip();
        let source = if full && !self.sources.contains_key(&from) { CROWD } else { from };
        let new = || Recent { since: now, flows: HashSet::new(), overloaded: false };
        let recent = self.sources.entry(source).or_insert_with(new);
        if recent.is_over(now) {
            self.flows -= recent.flows.len();
            *recent = new();
        }
        if recent.flows.contains(&flow) {
            return Record::Nothing;
        }
        if !full && recent.flows.len() < FLOW_REFUSALS_PER_SOURCE {
            self.flows += 1;
            recent.flows.insert(flow);
            return Record::Flow;
        }
        if std::mem::replace(&mut recent.overloaded, true) { Record::Nothing } else { Record::Overload }
    }

    fn sweep(&mut self, now: Instant) {
        self.swept = now;
        self.sources.retain(|_, recent| !recent.is_over(now));
        self.flows = self.sources.values().map(|recent| recent.flows.len()).sum();
    }
}

impl Recent {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= FLOW_REFUSAL_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, port: u16) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), port)
    }

    const NO: Reason = Reason::PolicyNoRoute;

    fn flow(from: SocketAddr, to: SocketAddr, reason: Reason) -> RefusedFlow {
        RefusedFlow { protocol: 17, from, to, reason }
    }

    #[test]
    fn a_flow_is_recorded_once_for_each_reason_and_again_when_its_time_is_over() {
        let begun = Instant::now();
        let mut refusals = Refusals::new(begun);
        let (from, to) = (at("10.77.0.2", 4000), at("192.0.2.9", 123));
        let mut note = |reason, now| refusals.note(flow(from, to, reason), now);
        assert_eq!(note(NO, begun), Record::Flow);
        assert_eq!(note(NO, begun), Record::Nothing);
        assert_eq!(note(Reason::PolicyDenied, begun), Record::Flow);
        assert_eq!(note(NO, begun), Record::Nothing, "not even where the reasons take turns");
        assert_eq!(note(NO, begun + FLOW_REFUSAL_TIME), Record::Flow);
    }

    #[test]
    fn one_source_has_its_bound_and_takes_no_room_of_another() {
        let now = Instant::now();
        let mut refusals = Refusals::new(now);
        let to = at("192.0.2.9", 123);
        let mut told = |source: &str, port| refusals.note(flow(at(source, port), to, NO), now);
        for port in 0..u16::try_from(FLOW_REFUSALS_PER_SOURCE).unwrap() {
            assert_eq!(told("10.77.0.2", port), Record::Flow);
        }
        assert_eq!(told("10.77.0.2", 50_000), Record::Overload);
        assert_eq!(told("10.77.0.2", 50_001), Record::Nothing);
        assert_eq!(told("10.77.0.2", 0), Record::Nothing, "known already");
        assert_eq!(told("10.77.0.3", 50_001), Record::Flow);
    }

    #[test]
    fn forged_sources_without_end_take_no_memory_without_end() {
        let begun = Instant::now();
        let mut refusals = Refusals::new(begun);
        let to = at("192.0.2.9", 123);
        let mut records = [0, 0];
        for number in 0..u128::try_from(2 * FLOW_REFUSALS_PER_WORKER).unwrap() {
            let source = SocketAddr::new(Ipv6Addr::from((0xfd77 << 112) + number + 1).into(), 9);
            match refusals.note(flow(source, to, NO), begun) {
                Record::Flow => records[0] += 1,
                Record::Overload => records[1] += 1,
                Record::Nothing => {}
            }
        }
        assert_eq!(records, [FLOW_REFUSALS_PER_WORKER, 1]);
        assert_eq!(refusals.sources.len(), FLOW_REFUSALS_PER_WORKER + 1);
        // And what is over makes room.
        assert_eq!(refusals.note(flow(at("10.77.0.2", 1), to, NO), begun + FLOW_REFUSAL_TIME), Record::Flow);
        assert_eq!((refusals.sources.len(), refusals.flows), (1, 1));
    }
}
