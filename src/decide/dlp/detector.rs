//! An entry of the catalogue: one kind of thing that is looked for, by its format, its checksum and its context.

use crate::model::types::FindingClass;

/// One kind of thing that is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    /// Its name in records and documents: lower case, words joined by hyphens.
    pub name: &'static str,
    /// What kind of thing it finds.
    pub class: FindingClass,
    /// Who defines the format: a standard, an authority, the provider's page.
    pub source: &'static str,
    /// Lower-case words of which one stands in every match, or near it where `format` says so: looked for first, in whatever
    /// case. Empty where it is found by its shape alone.
    pub anchors: &'static [&'static str],
    /// The format, as an expression of `regex-automata`, bounded in length. Where it has a group, that is what must not leave.
    pub format: &'static str,
    /// What a match has to add up to.
    pub check: Check,
    /// Lower-case words that make a match more likely where one stands near it.
    pub context: &'static [&'static str],
    /// How sure a match is.
    pub confidence: Confidence,
    /// Values that are found.
    pub examples: &'static [&'static str],
    /// Values that look like it and are not found, or at no more than half.
    pub lookalikes: &'static [&'static str],
}

/// What a value has to add up to.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// It has no checksum.
    None,
    /// It has one, and this says whether it is right.
    Sum(fn(&[u8]) -> bool),
}

/// How sure a match is, from 0.0 to 1.0, by the evidence for it.
#[derive(Debug, Clone, Copy)]
pub struct Confidence {
    /// By its format, with a right checksum where it has one.
    pub bare: f32,
    /// With a word of its context near it, too.
    pub in_context: f32,
    /// With a wrong checksum.
    pub wrong_sum: f32,
}
