//! What identifies people, and what is known of their health: numbers with their check digits, addresses, and what words near
//! a value say that it is.
//!
//! The entries stand by region and by kind: `payment`, `europe`, `america`, `asia`, `korea`, `south`, `health`, `document`,
//! `vehicle`, `wallet`, `contact`. Their formats are written for capitals and ASCII digits and their checks for letters and
//! digits alone; `numbers` reads every text that way. It visits each place where a digit stands, follows all formats at once in
//! one automaton, and weighs what matches by checksum, `context` and neighbours. Where one place may be several things, the
//! surest stays.

mod iban;
mod payment;
mod europe;
mod america;
mod asia;
mod korea;
mod south;
mod health;
mod document;
mod vehicle;
mod wallet;
mod spelling;
mod phone;
mod contact;
mod context;
mod figures;
mod formats;
mod surest;
mod weighing;
mod numbers;

use super::detector::Found;
use super::detector::{Check, Confidence, Detector};
use crate::model::types::{FindingClass, FindingClasses};
use surest::{Candidates, Surest};

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &JOINED;

const PARTS: [&[Detector]; 14] = [
    payment::ENTRIES,
    europe::west::ENTRIES,
    europe::germany::ENTRIES,
    europe::north::ENTRIES,
    europe::east::ENTRIES,
    america::ENTRIES,
    asia::ENTRIES,
    korea::ENTRIES,
    south::ENTRIES,
    health::ENTRIES,
    document::ENTRIES,
    vehicle::ENTRIES,
    wallet::ENTRIES,
    contact::ENTRIES,
];

const COUNT: usize = count(PARTS.len());
/// The place of the first address of a crypto-currency. Those before it are what the automaton of `numbers` reads.
const FIRST_WALLET: usize = count(PARTS.len() - 2);
/// The place of the first entry of `vehicle`: what stands behind it is no number that a person is given.
const FIRST_VEHICLE: usize = count(PARTS.len() - 3);
/// The place of the first entry of `contact`.
const FIRST_CONTACT: usize = count(PARTS.len() - 1);

/// The entries of the first parts.
const fn count(parts: usize) -> usize {
    let (mut count, mut part) = (0, 0);
    while part < parts {
        count += PARTS[part].len();
        part += 1;
    }
    count
}

static JOINED: [Detector; COUNT] = {
    let mut joined = [STRONG; COUNT];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut entry = 0;
        while entry < PARTS[part].len() {
            joined[at] = PARTS[part][entry];
            at += 1;
            entry += 1;
        }
        part += 1;
    }
    joined
};

/// What most entries have in common, where format and checksum leave little doubt.
const STRONG: Detector = Detector {
    name: "",
    class: FindingClass::Pii,
    source: "",
    anchors: &[],
    format: "",
    check: Check::None,
    context: &[],
    confidence: Confidence { bare: 0.8, in_context: 0.95, wrong_sum: 0.3 },
    alone: 0.0,
    examples: &[],
    lookalikes: &[],
};

/// Where one value in some fifty of that length would match by chance: alone it is just enough.
const FAIR: Detector =
    Detector { confidence: Confidence { bare: 0.55, in_context: 0.9, wrong_sum: 0.25 }, ..STRONG };

/// Where a date has to be right, too, or as much: one in three hundred.
const RARE: Detector =
    Detector { confidence: Confidence { bare: 0.65, in_context: 0.9, wrong_sum: 0.25 }, ..STRONG };

/// Where one in ten would: a word near it has to speak for it.
const WEAK: Detector =
    Detector { confidence: Confidence { bare: 0.2, in_context: 0.8, wrong_sum: 0.25 }, ..STRONG };

/// What counts by the words near it, or where it is all that is sent: then it is as likely as not.
const NAMED: Detector = Detector { alone: EVEN, ..WEAK };

/// As likely as not.
const EVEN: f32 = 0.5;

/// Adds what stands in a text, of these classes: in ascending order, where no two of a class overlap.
pub fn detect(text: &[u8], wanted: FindingClasses, found: &mut Vec<Found>) {
    if !wanted.has(FindingClass::Pii) && !wanted.has(FindingClass::Phi) {
        return;
    }
    let mut addresses = Vec::new();
    contact::find(text, wanted, &mut addresses);
    let mut surest = Surest::beside(addresses, found);
    numbers::find(text, wanted, &mut surest);
    surest.settle(usize::MAX);
}

#[cfg(test)]
mod tests;
