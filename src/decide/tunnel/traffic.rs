//! What leaves for one agent's names, new or not: queries that no cache answered, and the bytes that came back.
//!
//! Whoever runs a zone sees in which order its known names are asked for, and can make answers hold for no time, so that
//! every query reaches it. An order of known names is data. A query is counted before it may leave and taken back where
//! it did not. Past a bound nothing leaves until the window is over; no zone is shut for longer by it. Reads no clock.

use std::collections::HashMap;

use super::counts::{Over, Trip, is_within};
use super::zone::Parts;
use crate::model::types::Timestamp;
use crate::model::types::limits::{
    DNS_TUNNEL_ANSWER_BYTES, DNS_TUNNEL_ANSWER_BYTES_PER_AGENT, DNS_TUNNEL_QUERIES,
    DNS_TUNNEL_QUERIES_PER_AGENT, DNS_TUNNEL_SUFFIX_FACTOR, DNS_TUNNEL_WINDOW, DNS_TUNNEL_ZONES_PER_AGENT,
};

/// One agent's, by zone and in all. Where as many zones are counted as can be, further ones count in all alone.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    zones: HashMap<Box<str>, Tally>,
    all: Tally,
}

/// One window's. It begins with the first query after the last one's end.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    since: Timestamp,
    queries: u32,
    bytes: u32,
}

/// How much of both.
#[derive(Debug, Clone, Copy)]
struct Bound {
    queries: u32,
    bytes: u32,
}

const ALL: Bound = Bound { queries: DNS_TUNNEL_QUERIES_PER_AGENT, bytes: DNS_TUNNEL_ANSWER_BYTES_PER_AGENT };

impl Bound {
    const fn times(factor: u32) -> Self {
        Self { queries: DNS_TUNNEL_QUERIES * factor, bytes: DNS_TUNNEL_ANSWER_BYTES * factor }
    }
}

impl Tally {
    fn is_over(&self, now: Timestamp) -> bool {
        !is_within(DNS_TUNNEL_WINDOW, self.since, now)
    }

    /// What is past its bound once so many more queries have left.
    fn over(&self, more: u32, bound: Bound) -> Option<Over> {
        Over::first([
            ("queries that left", self.queries.saturating_add(more), bound.queries),
            ("bytes of answers", self.bytes, bound.bytes),
        ])
    }
}

impl Traffic {
    /// Refuses where one more query would be too many.
    pub fn is_open(&mut self, parts: &Parts<'_>, now: Timestamp) -> Result<(), Trip> {
        if self.all.is_over(now) {
            self.all = Tally { since: now, ..Tally::default() };
        }
        for (zone, bound) in zones(parts) {
            self.begin(zone, now);
            if let Some(over) = self.zones.get(zone).and_then(|tally| tally.over(1, bound)) {
                return Err(Trip::Traffic { zone: Some(zone.to_owned()), over });
            }
        }
        self.all.over(1, ALL).map_or(Ok(()), |over| Err(Trip::Traffic { zone: None, over }))
    }

    /// Counts a query that is about to leave.
    pub fn leaves(&mut self, parts: &Parts<'_>) {
        self.each(parts, |tally| tally.queries += 1);
    }

    /// It was answered here.
    pub fn stayed(&mut self, parts: &Parts<'_>) {
        self.each(parts, |tally| tally.queries = tally.queries.saturating_sub(1));
    }

    /// It left, and this came back. Refused where it is too much.
    pub fn brought(&mut self, parts: &Parts<'_>, bytes: u32) -> Result<(), Trip> {
        self.each(parts, |tally| tally.bytes = tally.bytes.saturating_add(bytes));
        for (zone, bound) in zones(parts) {
            if let Some(over) = self.zones.get(zone).and_then(|tally| tally.over(0, bound)) {
                return Err(Trip::Traffic { zone: Some(zone.to_owned()), over });
            }
        }
        self.all.over(0, ALL).map_or(Ok(()), |over| Err(Trip::Traffic { zone: None, over }))
    }

    /// Makes sure that a zone has a window that lasts, where there is a place for one.
    fn begin(&mut self, zone: &str, now: Timestamp) {
        let fresh = Tally { since: now, ..Tally::default() };
        if let Some(tally) = self.zones.get_mut(zone) {
            if tally.is_over(now) {
                *tally = fresh;
            }
            return;
        }
        if self.zones.len() >= DNS_TUNNEL_ZONES_PER_AGENT {
            self.zones.retain(|_, tally| !tally.is_over(now));
        }
        if self.zones.len() < DNS_TUNNEL_ZONES_PER_AGENT {
            self.zones.insert(zone.into(), fresh);
        }
    }

    fn each(&mut self, parts: &Parts<'_>, change: impl Fn(&mut Tally)) {
        for (zone, _) in zones(parts) {
            if let Some(tally) = self.zones.get_mut(zone) {
                change(tally);
            }
        }
        change(&mut self.all);
    }
}

/// Who hears of a name: its zone, and the company whose suffix it stands under.
fn zones<'a>(parts: &Parts<'a>) -> impl Iterator<Item = (&'a str, Bound)> {
    let suffix = parts.suffix.map(|(suffix, _)| (suffix, Bound::times(DNS_TUNNEL_SUFFIX_FACTOR)));
    std::iter::once((parts.zone, Bound::times(1))).chain(suffix)
}
