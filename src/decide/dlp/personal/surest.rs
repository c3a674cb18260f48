//! Keeps of the findings of one place the surest, while they come.
//!
//! Formats overlap, so one row of digits may match many of them from many places. What begins at one place is one candidate, the
//! surest and then the longest; candidates wait until no other can begin before them, and then are kept or not by what was kept
//! before. So few wait at a time, however many match.

use std::ops::Range;

use super::CATALOGUE;
use crate::decide::dlp::detector::Found;
use crate::model::types::FindingClass;

/// A finding of an entry that may be kept.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it stands.
    pub range: Range<usize>,
    /// The entry, by its place in the catalogue.
    pub place: usize,
    /// How sure it is.
    pub confidence: f32,
    /// Whether nobody can use it.
    pub is_example: bool,
}

impl Candidate {
    fn class(&self) -> FindingClass {
        CATALOGUE[self.place].class
    }

    fn found(self) -> Found {
        let entry = &CATALOGUE[self.place];
        Found {
            range: self.range,
            detector: entry.name.into(),
            class: entry.class,
            confidence: self.confidence,
            is_example: self.is_example,
        }
    }
}

/// What takes findings while they come.
pub trait Candidates {
    /// Adds one.
    fn add(&mut self, one: Candidate);

    /// Nothing that begins before this place is still to come.
    fn settle(&mut self, until: usize);
}

/// The findings of one text.
#[derive(Debug)]
pub struct Surest<'a> {
    /// Those that may still be followed by what begins before them.
    waiting: Vec<Candidate>,
    /// Those that were found by themselves, the last first.
    others: Vec<Found>,
    found: &'a mut Vec<Found>,
    /// Those of others in front of our own.
    before: usize,
}

impl<'a> Surest<'a> {
    /// Beside what was found by itself, in ascending order.
    pub fn beside(mut others: Vec<Found>, found: &'a mut Vec<Found>) -> Self {
        others.reverse();
        let before = found.len();
        Self { waiting: Vec::new(), others, found, before }
    }
}

impl Candidates for Surest<'_> {
    fn add(&mut self, one: Candidate) {
        let is_rival =
            |other: &&mut Candidate| other.range.start == one.range.start && other.class() == one.class();
        match self.waiting.iter_mut().rev().find(is_rival) {
            Some(other) => {
                if (one.confidence, one.range.end) > (other.confidence, other.range.end) {
                    *other = one;
                }
            }
            None => self.waiting.push(one),
        }
    }

    #[inline(always)]
    fn settle(&mut self, until: usize) {
        if !self.waiting.is_empty() || self.others.last().is_some_and(|other| other.range.start < until) {
            self.settle_some(until);
        }
    }
}

impl Surest<'_> {
    fn settle_some(&mut self, until: usize) {
        self.waiting.sort_by_key(|one| (one.range.start, std::cmp::Reverse(one.range.end)));
        let ready = self.waiting.partition_point(|one| one.range.start < until);
        for one in self.waiting.drain(..ready) {
            let rank = |found: &Found| (found.range.start, std::cmp::Reverse(found.range.end));
            let own = (one.range.start, std::cmp::Reverse(one.range.end));
            while let Some(other) = self.others.pop_if(|other| rank(other) < own) {
                keep(other, self.before, self.found);
            }
            keep(one.found(), self.before, self.found);
        }
        while let Some(other) = self.others.pop_if(|other| other.range.start < until) {
            keep(other, self.before, self.found);
        }
    }
}

/// Adds what does not overlap what is there, and puts it in the place of what is less sure.
fn keep(one: Found, before: usize, found: &mut Vec<Found>) {
    while let Some(last) = found[before..].iter().rposition(|other| other.class == one.class) {
        let other = &found[before + last];
        if other.range.end <= one.range.start {
            break;
        }
        let length = |found: &Found| found.range.len();
        if (other.confidence, length(other)) >= (one.confidence, length(&one)) {
            return;
        }
        found.remove(before + last);
    }
    found.push(one);
}

/// All of them, whatever stands in the same place.
#[cfg(test)]
impl Candidates for Vec<Found> {
    fn add(&mut self, one: Candidate) {
        self.push(one.found());
    }

    fn settle(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_overlaps_the_surest_is_kept_and_then_the_longest() {
        let one =
            |range: Range<usize>, confidence| Candidate { range, place: 0, confidence, is_example: false };
        let kept = |all: Vec<Candidate>| {
            let mut found = Vec::new();
            let mut surest = Surest::beside(Vec::new(), &mut found);
            for candidate in all {
                surest.settle(candidate.range.start.saturating_sub(10));
                surest.add(candidate);
            }
            surest.settle(usize::MAX);
            found.into_iter().map(|found| (found.range.start, found.range.end)).collect::<Vec<_>>()
        };
        assert_eq!(kept(vec![one(0..5, 0.5), one(0..9, 0.5), one(3..8, 0.5)]), [(0, 9)]);
        assert_eq!(kept(vec![one(0..9, 0.5), one(3..8, 0.6), one(20..22, 0.3)]), [(3, 8), (20, 22)]);
        assert_eq!(
            kept(vec![one(8..9, 0.5), one(4..6, 0.6)]),
            [(4, 6), (8, 9)],
            "what begins before comes late"
        );
    }
}
