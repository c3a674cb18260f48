//! An entry of the catalogue: one kind of thing that is looked for, by its format, its checksum and its context; and what a
//! match of it is called.
//!
//! Entries are values: nothing here searches. How they are put into automata is in `formats.rs`; the catalogues themselves are
//! in `secrets` and `personal`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

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
    /// How sure it is where the text is nothing else, for what is less sure among other words. Zero says that this changes
    /// nothing.
    pub alone: f32,
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

/// The name of what found something: one of the catalogue, or of a document.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DetectorName(Kept);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kept {
    Known(&'static str),
    Written(Arc<str>),
}

impl DetectorName {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Known(name) => name,
            Kept::Written(name) => name,
        }
    }

    /// Whether a document or the vault has given it. What such a one finds is told beside what others find in the same place:
    /// another policy may say something else of it.
    pub fn is_written(&self) -> bool {
        matches!(self.0, Kept::Written(_))
    }
}

impl From<&'static str> for DetectorName {
    fn from(name: &'static str) -> Self {
        Self(Kept::Known(name))
    }
}

impl From<Arc<str>> for DetectorName {
    fn from(name: Arc<str>) -> Self {
        Self(Kept::Written(name))
    }
}

impl fmt::Display for DetectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DetectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// One thing that was found in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where it stands.
    pub range: Range<usize>,
    /// What found it.
    pub detector: DetectorName,
    /// What kind of thing it is.
    pub class: FindingClass,
    /// How sure that is, from 0.0 to 1.0.
    pub confidence: f32,
    /// Whether it is an obvious placeholder or a value of a documentation, which nobody can use.
    pub is_example: bool,
}

impl Detector {
    /// A credential of a service, by this name and from this source. What follows says how it is known.
    pub const fn key(name: &'static str, source: &'static str) -> Self {
        Self {
            name,
            class: FindingClass::Keys,
            source,
            anchors: &[],
            format: "",
            check: Check::None,
            context: &[],
            confidence: Confidence { bare: 0.9, in_context: 0.95, wrong_sum: 0.6 },
            alone: 0.0,
            examples: &[],
            lookalikes: &[],
        }
    }

    /// It stands at one of these words, or around it.
    #[must_use]
    pub const fn at(mut self, anchors: &'static [&'static str]) -> Self {
        self.anchors = anchors;
        self
    }

    /// It is written like this.
    #[must_use]
    pub const fn like(mut self, format: &'static str) -> Self {
        self.format = format;
        self
    }

    /// It adds up to this.
    #[must_use]
    pub const fn summed(mut self, sum: fn(&[u8]) -> bool) -> Self {
        self.check = Check::Sum(sum);
        self
    }

    /// Its format says nothing by itself: it is the value of something whose name, or what stands before it, has one of these
    /// words.
    #[must_use]
    pub const fn near(mut self, words: &'static [&'static str]) -> Self {
        self.context = words;
        self.confidence = Confidence { bare: 0.0, in_context: 0.8, wrong_sum: 0.0 };
        self
    }

    /// It is this sure.
    #[must_use]
    pub const fn sure(mut self, bare: f32) -> Self {
        self.confidence.bare = bare;
        self
    }

    /// Values that are found.
    #[must_use]
    pub const fn finds(mut self, examples: &'static [&'static str]) -> Self {
        self.examples = examples;
        self
    }

    /// Values that are not.
    #[must_use]
    pub const fn leaves(mut self, lookalikes: &'static [&'static str]) -> Self {
        self.lookalikes = lookalikes;
        self
    }
}
