//! Reads a message in every way in which it may be meant, each reading made of another one, down to a bound.
//!
//! A reading is looked through, and then whatever in it stands for something else is undone and read in its turn. Only what
//! is new in a reading is looked at again: what was undone, and what it completes. So the work is a small multiple of the
//! message, and where it would be more, the message counts as not read. Read next: `messages.rs`, which takes messages apart.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use super::detector::{DetectorName, Found};
use super::hash::ValueHash;
use super::inspect::{Inspector, OF_THE_VAULT};
use super::marks;
use super::unhide::{
    Chain, Joined, Map, Patches, Unreadable, Way, Window, encoded, inline, quoted_printable,
};
use crate::model::types::FindingClass;
use crate::model::types::limits::{DLP_DECODED_LEAST, DLP_DECODED_PER_BYTE, DLP_DEPTH, DLP_MATCHES};

/// How sure a finding has to be of which only pieces were sent together.
const SURE_ACROSS: f32 = 0.75;
/// Digits of a number that is found so.
const DIGITS_ACROSS: usize = 8;

/// A finding, in the bytes as they came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub range: Range<usize>,
    pub class: FindingClass,
    pub detector: DetectorName,
    pub confidence: f32,
    pub is_example: bool,
    pub hash: ValueHash,
    /// Whether it stands in no one piece of the message.
    is_joined: bool,
    way: Way,
}

impl Seen {
    /// Makes one of two findings of one thing: the surer one, over all that is part of it.
    fn unite(&mut self, other: Self) {
        if self.is_joined != other.is_joined {
            // What stands in one piece is it, and the neighbouring piece has nothing to do with it.
            if self.is_joined {
                *self = other;
            }
            return;
        }
        let range = if self.hash == other.hash {
            // The same value: the shorter way to write it is enough.
            if other.range.len() < self.range.len() { other.range.clone() } else { self.range.clone() }
        } else {
            self.range.start.min(other.range.start)..self.range.end.max(other.range.end)
        };
        if (!other.is_example, other.confidence) > (!self.is_example, self.confidence) {
            *self = other;
        }
        self.range = range;
    }
}

/// One reading of a message, or of part of one.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub text: &'a [u8],
    pub chain: Chain<'a>,
    pub depth: usize,
    pub fresh: Fresh<'a>,
    /// Whether it is made of pieces that stood apart.
    pub is_joined: bool,
}

/// What is new in a reading.
#[derive(Clone, Copy)]
pub enum Fresh<'a> {
    /// All of it.
    All,
    /// What stands in these places. The text goes on in front of it, and behind it, where that is said.
    Near(&'a [Range<usize>], [bool; 2]),
    /// What crosses one of these seams.
    Across(&'a [Range<usize>]),
}

impl Fresh<'_> {
    /// Whether something that is undone there was not there to be undone before.
    fn has(self, range: &Range<usize>) -> bool {
        match self {
            Self::All => true,
            Self::Near(places, _) => {
                let first = places.partition_point(|place| place.end <= range.start);
                places.get(first).is_some_and(|place| place.start < range.end)
            }
            Self::Across(seams) => {
                let first = seams.partition_point(|seam| seam.start <= range.start);
                seams.get(first).is_some_and(|seam| seam.start < range.end)
            }
        }
    }

    /// Whether a finding counts.
    fn counts(self, text: &[u8], found: &Found) -> bool {
        match self {
            Self::All => true,
            // At a cut it may be part of what goes on there.
            Self::Near(_, [before, behind]) => {
                let is_cut = before && found.range.start == 0 || behind && found.range.end == text.len();
                !is_cut || self.has(&found.range)
            }
            Self::Across(_) => self.has(&found.range) && is_sure_across(text, found),
        }
    }
}

/// Whether a finding that crosses a seam is more than chance: a credential, a long number, an address.
fn is_sure_across(text: &[u8], found: &Found) -> bool {
    match found.class {
        FindingClass::Keys | FindingClass::Secrets | FindingClass::Custom => found.confidence >= SURE_ACROSS,
        FindingClass::Pii => {
            let value = &text[found.range.clone()];
            let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
            found.confidence >= SURE_ACROSS && (digits >= DIGITS_ACROSS || value.contains(&b'@'))
        }
        FindingClass::Phi | FindingClass::Placeholder => false,
    }
}

/// A message while it is read.
pub struct Descent<'i> {
    inspector: &'i Inspector,
    seen: Vec<Seen>,
    found: Vec<Found>,
    /// Windows that were read, whose memory is used again.
    spare: Vec<Window>,
    /// Bytes that further readings may have.
    pub(super) room: usize,
    unreadable: Option<Unreadable>,
    readings: Cell<usize>,
}

impl<'i> Descent<'i> {
    /// Begins with a message of so many bytes.
    pub fn new(inspector: &'i Inspector, bytes: usize) -> Self {
        let room = bytes.saturating_mul(DLP_DECODED_PER_BYTE).saturating_add(DLP_DECODED_LEAST);
        let (seen, found, spare) = (Vec::new(), Vec::new(), Vec::new());
        Self { inspector, seen, found, spare, room, unreadable: None, readings: Cell::new(0) }
    }

    /// Leads from a text that was made of another back to the message.
    pub(super) fn through<'c>(&self, chain: &'c Chain<'c>, map: &'c Map) -> Chain<'c> {
        self.readings.set(self.readings.get() + 1);
        chain.through(map, self.readings.get())
    }

    /// Says that something was not read.
    pub(super) fn note(&mut self, what: Unreadable) {
        self.unreadable = self.unreadable.max(Some(what));
    }

    /// Takes what a reading needs of the room that is left. Whether there was enough.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.room = left.unwrap_or(0);
        if left.is_none() {
            self.note(Unreadable::TooDeep);
        }
        left.is_some()
    }

    /// Looks through a reading and all that are made of it.
    pub(super) fn descend(&mut self, reading: Reading<'_>) {
        self.look(reading);
        let is_wanted = |range: &Range<usize>| reading.fresh.has(range);
        let is_last = reading.depth >= DLP_DEPTH;
        for patches in encoded(reading.text, is_wanted, self.room) {
            if is_last && !patches.is_empty() {
                self.note(Unreadable::TooDeep);
            } else {
                self.undo(reading, &patches);
            }
        }
        if !is_last {
            let is_wanted = |start, end| reading.fresh.has(&(start..end));
            self.undo(reading, &inline(reading.text, is_wanted));
            self.undo(reading, &quoted_printable(reading.text, is_wanted));
        }
    }

    /// Reads what changes make of a reading.
    pub(super) fn undo(&mut self, reading: Reading<'_>, patches: &Patches) {
        let mut windows = patches.windows(reading.text);
        let mut window = self.spare.pop().unwrap_or_default();
        while windows.next(&mut window) && self.take(window.mapped.text.len()) {
            let cut = [window.is_cut_before, window.is_cut_behind];
            self.descend(Reading {
                text: &window.mapped.text,
                chain: self.through(&reading.chain, &window.mapped.map),
                depth: reading.depth + 1,
                fresh: Fresh::Near(&window.fresh, cut),
                is_joined: reading.is_joined,
            });
        }
        self.spare.push(window);
    }

    /// Reads what was split in a reading, joined.
    pub(super) fn join(&mut self, reading: Reading<'_>, joined: &Joined) {
        if joined.seams.is_empty() || !self.take(joined.mapped.text.len()) {
            return;
        }
        self.descend(Reading {
            text: &joined.mapped.text,
            chain: self.through(&reading.chain, &joined.mapped.map),
            depth: reading.depth + 1,
            fresh: Fresh::Across(&joined.seams),
            is_joined: true,
        });
    }

    /// Looks for findings in one reading.
    fn look(&mut self, reading: Reading<'_>) {
        let mut found = std::mem::take(&mut self.found);
        if !self.inspector.wanted.is_empty() {
            self.inspector.detectors.detect(reading.text, self.inspector.wanted, &mut found);
        }
        if let Some(known) = &self.inspector.known {
            known.find(reading.text, &mut |range, name| {
                found.push(Found {
                    range,
                    detector: DetectorName::from(Arc::from(format!("{OF_THE_VAULT}{name}"))),
                    class: FindingClass::Keys,
                    confidence: 1.0,
                    is_example: false,
                });
            });
        }
        for found in found.drain(..).filter(|found| reading.fresh.counts(reading.text, found)) {
            self.add(reading, found);
        }
        self.found = found;
    }

    /// Adds a finding, unless it is what redaction left.
    fn add(&mut self, reading: Reading<'_>, found: Found) {
        let way = reading.chain.way(found.range.clone());
        let range = way.first().map_or(0..0, |(_, range)| range.clone());
        if range.is_empty() || marks::is_mark(reading.text, &found.range) {
            return;
        }
        if self.seen.len() >= DLP_MATCHES {
            self.note(Unreadable::TooDeep);
            return;
        }
        let hash = self.inspector.key.hash(&reading.text[found.range]);
        let Found { class, detector, confidence, is_example, .. } = found;
        let is_joined = reading.is_joined;
        self.seen.push(Seen { range, class, detector, confidence, is_example, hash, is_joined, way });
    }

    /// What was seen, each once and in order, and what was not read.
    pub(super) fn finish(mut self) -> (Vec<Seen>, Option<Unreadable>) {
        self.seen.sort_by(|one, other| {
            let place = |one: &Seen, other: &Seen| (one.range.start, other.range.end, one.hash);
            place(one, other).cmp(&place(other, one))
        });
        let mut kept: Vec<Seen> = Vec::with_capacity(self.seen.len());
        for seen in self.seen {
            // What is wider comes first, so whatever this is part of is among the last.
            let last = kept.iter_mut().rev().take(SEVERAL).filter(|outer| is_same(outer, &seen));
            // Of several that it may be, it is the one of its own value.
            match last.reduce(|first, next| if next.hash == seen.hash { next } else { first }) {
                Some(outer) => outer.unite(seen),
                None => kept.push(seen),
            }
        }
        (kept, self.unreadable)
    }
}

/// Findings in front of one that are compared with it.
const SEVERAL: usize = 64;

/// Whether two findings have bytes in common in the last reading that is of both: an encoding may hide several things, each of
/// which was sent as all of it.
fn meet(one: &Way, other: &Way) -> bool {
    let both = one.iter().zip(other).take_while(|(one, other)| one.0 == other.0);
    both.last().is_none_or(|((_, one), (_, other))| one.start < other.end && other.start < one.end)
}

/// Whether two findings are of one thing: of one class, and one within the other, or of one value.
fn is_same(outer: &Seen, inner: &Seen) -> bool {
    let overlaps = inner.range.start < outer.range.end;
    let is_within = inner.range.end <= outer.range.end;
    let is_joined = outer.is_joined != inner.is_joined;
    let is_rival =
        outer.detector == inner.detector || !outer.detector.is_written() && !inner.detector.is_written();
    overlaps
        && is_rival
        && meet(&outer.way, &inner.way)
        && outer.class == inner.class
        && (is_within || is_joined || outer.hash == inner.hash)
}
