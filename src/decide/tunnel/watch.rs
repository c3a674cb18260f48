//! What one agent was let look up: the names that cost nothing any more, and the counts of each zone.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Asked;
use super::counts::{Counts, Load, Trip, is_within};
use super::label;
use super::zone::Parts;
use crate::model::types::limits::{
    DNS_TUNNEL_BYTES_PER_AGENT, DNS_TUNNEL_NAMES_KNOWN, DNS_TUNNEL_SHUT_TIME, DNS_TUNNEL_SUFFIX_FACTOR,
    DNS_TUNNEL_WINDOW, DNS_TUNNEL_ZONES_PER_AGENT,
};
use crate::model::types::{RecordType, Timestamp};

/// Bytes that a type of one's own choice carries.
const KIND_BYTES: usize = 2;

/// One agent's counts.
#[derive(Debug, Default)]
pub(super) struct Watch {
    zones: HashMap<Box<str>, Counts>,
    known: HashSet<u64>,
    /// The names that are known, the oldest first.
    order: VecDeque<u64>,
    since: Timestamp,
    bytes: u32,
    shut_since: Option<Timestamp>,
}

impl Watch {
    /// Lets a name go out, and counts it where it is new.
    pub fn admit(&mut self, asked: &Asked<'_>, name: u64, now: Timestamp) -> Result<(), Trip> {
        if self.known.contains(&name) {
            return Ok(());
        }
        let parts = Parts::of(asked.host);
        let (own, whole) = (load(asked, parts.payload), load(asked, parts.chosen()));
        // A zone's own name is chosen once, by whoever registered it.
        if whole.bytes == 0 && !whole.record {
            return Ok(());
        }
        if self.shut_since.is_some_and(|since| is_within(DNS_TUNNEL_SHUT_TIME, since, now)) {
            return Err(Trip::AgentShut);
        }
        if whole.record && whole.encoded {
            return Err(Trip::Encoded { kind: asked.kind });
        }
        if let Some((suffix, _)) = parts.suffix {
            self.count(suffix, whole, DNS_TUNNEL_SUFFIX_FACTOR, now)?;
        }
        if own.bytes > 0 || own.record {
            self.count(parts.zone, own, 1, now)?;
        }
        self.count_for_agent(whole.bytes, now)?;
        self.remember(name);
        Ok(())
    }

    /// Hears what came back for a name.
    pub fn answered(
        &mut self,
        asked: &Asked<'_>,
        name: u64,
        records: bool,
        addresses: bool,
    ) -> Result<(), Trip> {
        let parts = Parts::of(asked.host);
        // Many hosts have no IPv6 address; an alias without an IPv4 address is rare.
        let is_alias = records && !addresses && asked.kind == RecordType::A;
        if let Some(counts) = self.zones.get_mut(parts.zone).filter(|_| addresses || is_alias) {
            counts.answered(name, addresses);
        }
        if is_alias && load(asked, parts.chosen()).encoded {
            return Err(Trip::Encoded { kind: asked.kind });
        }
        Ok(())
    }

    fn count_for_agent(&mut self, bytes: u32, now: Timestamp) -> Result<(), Trip> {
        if !is_within(DNS_TUNNEL_WINDOW, self.since, now) {
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes += bytes;
        if self.bytes > DNS_TUNNEL_BYTES_PER_AGENT {
            self.shut_since = Some(now);
            let what = "bytes in new names of all zones";
            return Err(Trip::Agent { what, count: self.bytes, bound: DNS_TUNNEL_BYTES_PER_AGENT });
        }
        Ok(())
    }

    fn count(&mut self, zone: &str, load: Load, factor: u32, now: Timestamp) -> Result<(), Trip> {
        if !self.zones.contains_key(zone) {
            if self.zones.len() >= DNS_TUNNEL_ZONES_PER_AGENT {
                self.zones.retain(|_, counts| !counts.is_over(now));
            }
            if self.zones.len() >= DNS_TUNNEL_ZONES_PER_AGENT {
                return Err(Trip::Zones);
            }
            self.zones.insert(zone.into(), Counts::default());
        }
        match self.zones.get_mut(zone) {
            Some(counts) => counts.add(zone, load, factor, now),
            None => Ok(()),
        }
    }

    fn remember(&mut self, name: u64) {
        if self.order.len() >= DNS_TUNNEL_NAMES_KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        if self.known.insert(name) {
            self.order.push_back(name);
        }
    }
}

/// What the agent chose of a name, with the part in front of its zone.
fn load(asked: &Asked<'_>, payload: &str) -> Load {
    let labels = || payload.split('.').filter(|_| asked.by_agent);
    let random_labels = labels().filter(|label| label::is_random(label)).count();
    let is_of_a_service = labels().any(|label| label.starts_with('_'));
    Load {
        bytes: bytes(asked, payload),
        // A name has at most 253 bytes.
        random_labels: u32::try_from(random_labels).unwrap_or(u32::MAX),
        record: asked.wants_records(),
        encoded: !is_of_a_service && labels().any(label::is_surely_random),
    }
}

fn bytes(asked: &Asked<'_>, payload: &str) -> u32 {
    let chosen = if asked.by_agent { payload.len() } else { 0 };
    let kind = if asked.kind.is_usual() { 0 } else { KIND_BYTES };
    u32::try_from(chosen + kind).unwrap_or(u32::MAX)
}
