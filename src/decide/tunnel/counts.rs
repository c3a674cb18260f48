//! What one agent carried out in names of one zone, within one window of time.

use std::time::Duration;

use smallvec::SmallVec;

use crate::model::types::limits::{
    DNS_TUNNEL_ALIASES, DNS_TUNNEL_BYTES, DNS_TUNNEL_NAMES, DNS_TUNNEL_RANDOM_LABELS, DNS_TUNNEL_RECORDS,
    DNS_TUNNEL_SHUT_TIME, DNS_TUNNEL_WINDOW,
};
use crate::model::types::{RecordType, Timestamp};

/// Whether a span of time that began then lasts still. A clock that was set back ends it.
pub(super) fn is_within(span: Duration, since: Timestamp, now: Timestamp) -> bool {
    since <= now && now.since(since) < span
}

/// What a new name adds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// Bytes that the agent chose.
    pub bytes: u32,
    /// Labels that look like encoded data.
    pub random_labels: u32,
    /// Whether it is asked for anything but an address.
    pub record: bool,
    /// Whether it can hardly be anything but data, and stands at no service's place (RFC 8552): keys of mail and proofs of
    /// possession stand there under random labels.
    pub encoded: bool,
}

/// A bound that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trip {
    /// One of a zone's.
    Zone { zone: String, what: &'static str, count: u32, bound: u32 },
    /// New names of the zone are refused for a while.
    Shut { zone: String },
    /// The agent's own, over all zones.
    Agent { what: &'static str, count: u32, bound: u32 },
    /// The same for a while.
    AgentShut,
    /// As many zones as can be counted are in use; nothing is shut by it.
    Zones,
    /// One name that looks like encoded data, asked for what brings data back.
    Encoded { kind: RecordType },
}

/// One zone's counts. A window begins with the first new name after the last one's end.
#[derive(Debug, Default)]
pub(super) struct Counts {
    since: Timestamp,
    names: u32,
    bytes: u32,
    random_labels: u32,
    records: u32,
    /// Names whose answer was an alias that leads nowhere; as many as are allowed and one more.
    aliases: SmallVec<[u64; 5]>,
    shut_since: Option<Timestamp>,
}

impl Counts {
    /// Whether nothing here matters any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        !is_within(DNS_TUNNEL_WINDOW, self.since, now) && !self.is_shut(now)
    }

    /// Whether new names are refused after a bound was reached.
    fn is_shut(&self, now: Timestamp) -> bool {
        self.shut_since.is_some_and(|since| is_within(DNS_TUNNEL_SHUT_TIME, since, now))
    }

    /// Counts a new name; `factor` is how many times what a zone may this one may.
    pub fn add(&mut self, zone: &str, load: Load, factor: u32, now: Timestamp) -> Result<(), Trip> {
        if self.is_shut(now) {
            return Err(Trip::Shut { zone: zone.to_owned() });
        }
        if self.is_over(now) {
            *self = Self { since: now, ..Self::default() };
        }
        self.names += 1;
        self.bytes += load.bytes;
        self.random_labels += load.random_labels;
        self.records += u32::from(load.record);
        let aliases = u32::try_from(self.aliases.len()).unwrap_or(u32::MAX);
        let bounds = [
            ("random-looking labels", self.random_labels, DNS_TUNNEL_RANDOM_LABELS),
            ("names asked for no address", self.records, DNS_TUNNEL_RECORDS),
            ("aliases without an address", aliases, DNS_TUNNEL_ALIASES),
            ("bytes in new names", self.bytes, DNS_TUNNEL_BYTES),
            ("new names", self.names, DNS_TUNNEL_NAMES),
        ];
        match bounds.into_iter().find(|(_, count, bound)| *count > bound * factor) {
            None => Ok(()),
            Some((what, count, bound)) => {
                self.shut_since = Some(now);
                Err(Trip::Zone { zone: zone.to_owned(), what, count, bound: bound * factor })
            }
        }
    }

    /// Hears whether a name's answer led to an address.
    pub fn answered(&mut self, name: u64, leads: bool) {
        let at = self.aliases.iter().position(|known| *known == name);
        match (leads, at) {
            (true, Some(at)) => {
                self.aliases.swap_remove(at);
            }
            (false, None) if self.aliases.len() <= DNS_TUNNEL_ALIASES as usize => self.aliases.push(name),
            _ => {}
        }
    }
}
