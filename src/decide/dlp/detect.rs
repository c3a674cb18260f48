//! Finds what the catalogue and documents name in plain text. Read next: `detector.rs`, `secrets/finder.rs`.
//!
//! One text in, findings out: ascending, each with its class, its detector and how sure it is. Nothing is undone here that hides
//! a text, and nothing is kept between two texts.

use super::custom::{Custom, CustomMistake, CustomPattern};
use super::detector::Found;
use super::{personal, secrets};
use crate::model::types::limits::FOUND_BYTES;
use crate::model::types::{FindingClass, FindingClasses};

/// What looks for everything that is to be found.
#[derive(Debug)]
pub struct Detectors {
    secrets: secrets::Finder,
    custom: Custom,
}

impl Detectors {
    /// Those of the catalogue.
    pub fn built_in() -> Self {
        let detectors = Self { secrets: secrets::Finder::built_in(), custom: Custom::default() };
        // What is built when it is first needed is built now, and not while a request waits for it.
        detectors.detect(b"account number 1234567890", FindingClasses::all(), &mut Vec::new());
        detectors
    }

    /// Those of the catalogue, and what documents name.
    pub fn with(custom: &[CustomPattern]) -> Result<Self, CustomMistake> {
        Ok(Self { custom: Custom::new(custom)?, ..Self::built_in() })
    }

    /// Adds what stands in a text, of these classes: ascending, and no two of a class over one another.
    pub fn detect(&self, text: &[u8], wanted: FindingClasses, found: &mut Vec<Found>) {
        let mut here = Vec::new();
        self.secrets.find(text, wanted, &mut here);
        personal::detect(text, wanted, &mut here);
        self.custom.find(text, wanted, &mut here);
        settle(&mut here);
        found.append(&mut here);
    }

    /// Bytes of the longest match with what has to be seen before it: so many are held back of a text that passes in pieces.
    pub fn longest(&self) -> usize {
        FOUND_BYTES + 1024
    }
}

/// Brings findings into their order, and keeps of those that overlap in a class the surest, then the longest. What is a key of a
/// service is no other secret as well.
fn settle(found: &mut Vec<Found>) {
    found.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    // The last of each class that was kept: what is sorted by its beginning overlaps no earlier one without it.
    let mut last: [Option<usize>; FindingClass::ALL.len()] = [None; _];
    for next in found.drain(..) {
        if next.detector.is_written() {
            kept.push(next);
            continue;
        }
        let rivals = match next.class {
            FindingClass::Keys | FindingClass::Secrets => [FindingClass::Keys, FindingClass::Secrets],
            class => [class, class],
        };
        let rival = rivals
            .into_iter()
            .filter_map(|class| last[class as usize])
            .find(|number| kept[*number].range.end > next.range.start);
        match rival {
            Some(number) if rank(&next) > rank(&kept[number]) => {
                let class = next.class;
                if kept[number].class != class && last[kept[number].class as usize] == Some(number) {
                    last[kept[number].class as usize] = None;
                }
                kept[number] = next;
                last[class as usize] = Some(number);
            }
            Some(_) => {}
            None => {
                last[next.class as usize] = Some(kept.len());
                kept.push(next);
            }
        }
    }
    kept.sort_by_key(|found| (found.range.start, found.range.end, found.class));
    *found = kept;
}

/// What is kept before what: what counts, keys, the surest.
fn rank(found: &Found) -> (bool, bool, u32) {
    let sure = found.confidence >= 0.5;
    (sure, sure && found.class == FindingClass::Keys, (found.confidence * 1000.0) as u32)
}
