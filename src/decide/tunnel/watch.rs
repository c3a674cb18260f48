//! What one agent was let look up: the names that are known, the counts of each zone, and what left for them.

use std::collections::{HashMap, HashSet, VecDeque};

use super::counts::{Counts, Load, Over, Trip, is_within};
use super::label;
use super::traffic::Traffic;
use super::zone::Parts;
use super::{Asked, Heard};
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
    traffic: Traffic,
}

impl Watch {
    /// Lets a name go out, and counts it: as a query, and where it is new.
    pub fn admit(&mut self, asked: &Asked<'_>, name: u64, now: Timestamp) -> Result<(), Trip> {
        let parts = asked.parts();
        self.traffic.is_open(&parts, now)?;
        if asked.tells_by_its_name() && !self.known.contains(&name) {
            self.admit_new(asked, &parts, name, now)?;
        }
        self.traffic.leaves(&parts);
        Ok(())
    }

    fn admit_new(
        &mut self,
        asked: &Asked<'_>,
        parts: &Parts<'_>,
        name: u64,
        now: Timestamp,
    ) -> Result<(), Trip> {
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
        let suffix = parts.suffix.map(|(suffix, _)| (suffix, whole, DNS_TUNNEL_SUFFIX_FACTOR));
        let zone = (own.bytes > 0 || own.record).then_some((parts.zone, own, 1));
        let counted = [suffix, zone];
        // A name that is refused for what others did adds to no count, however often it is asked for.
        for (zone, load, _) in counted.into_iter().flatten() {
            self.counts(zone, now)?.is_open(zone, load, now)?;
        }
        for (zone, load, factor) in counted.into_iter().flatten() {
            self.counts(zone, now)?.add(zone, load, factor, now)?;
        }
        self.count_for_agent(whole.bytes, now)?;
        self.remember(name);
        Ok(())
    }

    /// Hears what came back for a name.
    pub fn answered(&mut self, asked: &Asked<'_>, name: u64, heard: Heard) -> Result<(), Trip> {
        let parts = asked.parts();
        if !heard.left {
            self.traffic.stayed(&parts);
        } else if asked.by_agent {
            self.traffic.brought(&parts, heard.bytes)?;
        }
        // Many hosts have no IPv6 address; an alias without an IPv4 address is rare.
        let is_alias = heard.records && !heard.addresses && asked.kind == RecordType::A;
        let is_looked_at = asked.by_agent && matches!(asked.kind, RecordType::A | RecordType::AAAA);
        if let Some(counts) = self.zones.get_mut(parts.zone)
            && is_looked_at
            && (heard.addresses || is_alias)
        {
            counts.answered(name, heard.addresses);
        }
        if is_looked_at && is_alias && load(asked, parts.chosen()).encoded {
            return Err(Trip::Encoded { kind: asked.kind });
        }
        Ok(())
    }

    fn count_for_agent(&mut self, bytes: u32, now: Timestamp) -> Result<(), Trip> {
        if !is_within(DNS_TUNNEL_WINDOW, self.since, now) {
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes += bytes;
        let Some(over) =
            Over::first([("bytes in new names of all zones", self.bytes, DNS_TUNNEL_BYTES_PER_AGENT)])
        else {
            return Ok(());
        };
        self.shut_since = Some(now);
        Err(Trip::Agent { over })
    }

    /// The counts of a zone. Refused where as many are in use as can be.
    fn counts(&mut self, zone: &str, now: Timestamp) -> Result<&mut Counts, Trip> {
        if !self.zones.contains_key(zone) && self.zones.len() >= DNS_TUNNEL_ZONES_PER_AGENT {
            self.zones.retain(|_, counts| !counts.is_over(now));
            if self.zones.len() >= DNS_TUNNEL_ZONES_PER_AGENT {
                return Err(Trip::Zones);
            }
        }
        Ok(self.zones.entry(zone.into()).or_default())
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
