//! What records tell of findings: kind, place and keyed hash of each, never the text.
//!
//! Their number is bounded; of more there is a count.

use std::sync::Arc;

use super::finding::{FindingAction, FindingClass};
use super::limits::DLP_RECORDED;

/// One finding, as a record tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// What kind of thing it is.
    pub class: FindingClass,
    /// What found it.
    pub detector: Arc<str>,
    /// How sure that is, from 0.0 to 1.0.
    pub confidence: f32,
    /// What became of it; nothing where no policy says anything of it.
    pub action: Option<FindingAction>,
    /// Where it stood.
    pub location: String,
    /// A keyed hash of the text: equal texts have equal hashes.
    pub hash: String,
}

/// The findings of one thing on record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sightings {
    /// The first of them, at most [`DLP_RECORDED`].
    pub told: Vec<Sighting>,
    /// How many more there are.
    pub more: u64,
}

impl Sightings {
    /// One more.
    pub fn add(&mut self, one: Sighting) {
        if self.told.len() < DLP_RECORDED { self.told.push(one) } else { self.more += 1 }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}
