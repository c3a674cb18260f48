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
    Zone { zone: String, over: Over, shuts: Shuts },
    /// New names of the zone are refused for a while.
    Shut { zone: String, shuts: Shuts },
    /// The agent's own, over all zones.
    Agent { over: Over },
    /// The same for a while.
    AgentShut,
    /// As many zones as can be counted are in use; nothing is shut by it.
    Zones,
    /// Too much left within one window, to a zone's servers or to all: nothing more does until it is over.
    Traffic { zone: Option<String>, over: Over },
    /// One name that looks like encoded data, asked for what brings data back.
    Encoded { kind: RecordType },
}

/// What was counted, and how much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over {
    pub what: &'static str,
    pub count: u32,
    pub bound: u32,
}

impl Over {
    /// The first of these counts that is past its bound.
    pub fn first(counts: impl IntoIterator<Item = (&'static str, u32, u32)>) -> Option<Self> {
        let mut counts = counts.into_iter().map(|(what, count, bound)| Self { what, count, bound });
        counts.find(|over| over.count > over.bound)
    }
}

/// What is refused for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shuts {
    /// All new names.
    Names,
    /// New names that are asked for anything but an address.
    Records,
}

/// One zone's counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    window: Window,
    shut_since: Option<Timestamp>,
    records_shut_since: Option<Timestamp>,
}

/// What one window has. It begins with the first new name after the last one's end.
#[derive(Debug, Default)]
struct Window {
    since: Timestamp,
    names: u32,
    bytes: u32,
    random_labels: u32,
    records: u32,
    /// Names whose answer was an alias that leads nowhere; as many as are allowed and one more.
    aliases: SmallVec<[u64; 5]>,
}

impl Counts {
    /// Whether nothing here matters any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let is_shut = is_shut(self.shut_since, now) || is_shut(self.records_shut_since, now);
        !is_shut && !is_within(DNS_TUNNEL_WINDOW, self.window.since, now)
    }

    /// Refuses where a bound was reached a while ago, and counts nothing: a name that is asked for again is one name.
    pub fn is_open(&self, zone: &str, load: Load, now: Timestamp) -> Result<(), Trip> {
        let shut = |shuts| Err(Trip::Shut { zone: zone.to_owned(), shuts });
        if is_shut(self.shut_since, now) {
            return shut(Shuts::Names);
        }
        if load.record && is_shut(self.records_shut_since, now) {
            return shut(Shuts::Records);
        }
        Ok(())
    }

    /// Counts a new name; `factor` is how many times what a zone may this one may.
    pub fn add(&mut self, zone: &str, load: Load, factor: u32, now: Timestamp) -> Result<(), Trip> {
        if !is_within(DNS_TUNNEL_WINDOW, self.window.since, now) {
            self.window = Window { since: now, ..Window::default() };
        }
        let window = &mut self.window;
        window.names += 1;
        window.bytes += load.bytes;
        window.random_labels += load.random_labels;
        window.records += u32::from(load.record);
        let aliases = u32::try_from(window.aliases.len()).unwrap_or(u32::MAX);
        let bounds = [
            ("random-looking labels", window.random_labels, DNS_TUNNEL_RANDOM_LABELS * factor),
            ("aliases without an address", aliases, DNS_TUNNEL_ALIASES * factor),
            ("bytes in new names", window.bytes, DNS_TUNNEL_BYTES * factor),
            ("new names", window.names, DNS_TUNNEL_NAMES * factor),
        ];
        let records = ("names asked for no address", window.records, DNS_TUNNEL_RECORDS * factor);
        let (over, shuts) = match Over::first(bounds) {
            Some(over) => (over, Shuts::Names),
            None => match Over::first([records]).filter(|_| load.record) {
                Some(over) => (over, Shuts::Records),
                None => return Ok(()),
            },
        };
        match shuts {
            Shuts::Names => self.shut_since = Some(now),
            Shuts::Records => self.records_shut_since = Some(now),
        }
        Err(Trip::Zone { zone: zone.to_owned(), over, shuts })
    }

    /// Hears whether a name's answer led to an address.
    pub fn answered(&mut self, name: u64, leads: bool) {
        let aliases = &mut self.window.aliases;
        let at = aliases.iter().position(|known| *known == name);
        match (leads, at) {
            (true, Some(at)) => {
                aliases.swap_remove(at);
            }
            (false, None) if aliases.len() <= DNS_TUNNEL_ALIASES as usize => aliases.push(name),
            _ => {}
        }
    }
}

/// Whether names are refused after a bound was reached.
fn is_shut(since: Option<Timestamp>, now: Timestamp) -> bool {
    since.is_some_and(|since| is_within(DNS_TUNNEL_SHUT_TIME, since, now))
}
