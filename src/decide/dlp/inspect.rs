//! Inspects a whole message: takes it apart by its form, undoes what hides its content, and says what is found in it.
//!
//! Every finding names the bytes that were sent for it, the place in the message, and a keyed hash of its value; the value
//! itself is in no result. The same value that several readings show counts once. What could not be read is named, and the
//! caller decides. Nothing here refuses, changes or records anything. Read next: `descent.rs`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::descent::Descent;
use super::detect::Detectors;
use super::detector::DetectorName;
use super::form::Form;
use super::hash::HashKey;
use super::places::{places, places_from};
use super::trail::Trail;
use super::unhide::Unreadable;
use crate::model::types::{FindingClass, FindingClasses};

/// Values that are looked for as they are: those of the vault.
pub trait Known: Send + Sync {
    /// Tells each place in a text where one stands, and its name.
    fn find(&self, text: &[u8], each: &mut dyn FnMut(Range<usize>, &str));

    /// Bytes of the longest.
    fn longest(&self) -> usize;

    /// Where at the end of a text one may have begun that has a space or a line end in it; the length of the text where none
    /// has. Values of a single word need no answer.
    fn open(&self, text: &[u8]) -> usize {
        text.len()
    }
}

/// What inspects messages: which findings are wanted, and what finds them.
#[derive(Clone)]
pub struct Inspector {
    pub(super) detectors: Arc<Detectors>,
    pub(super) known: Option<Arc<dyn Known>>,
    pub(super) key: HashKey,
    pub(super) wanted: FindingClasses,
}

/// What was found in a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// Every finding, by its place.
    pub matches: Vec<Match>,
    /// What could not be read; of several, the gravest.
    pub unreadable: Option<Unreadable>,
}

/// The front of the name of what finds a value of the vault; the secret's own name stands behind it.
pub(super) const OF_THE_VAULT: &str = "vault:";

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Where it stands in the bytes as they came, with all of what hides it.
    pub range: Range<usize>,
    /// What kind of thing it is.
    pub class: FindingClass,
    /// What found it.
    pub detector: DetectorName,
    /// How sure that is, from 0.0 to 1.0.
    pub confidence: f32,
    /// Whether it is an obvious placeholder or a value of a documentation.
    pub is_example: bool,
    /// Where it stands, in the words of its form.
    pub location: Location,
    /// The keyed hash of its value: equal values have equal ones.
    pub hash: String,
}

impl Match {
    /// Whether it is a value of the vault.
    pub fn is_of_vault(&self) -> bool {
        self.detector.as_str().starts_with(OF_THE_VAULT)
    }
}

/// Where in a message something stands: `body/messages/0/content`, `query/token`, `header/x-api-key`, `path`, `host`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location(Box<str>);

impl Location {
    /// The place as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Location {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Inspector {
    /// Whether it knows any value beside its detectors.
    pub fn knows_any(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.longest() > 0)
    }

    /// One that wants findings of these classes, and every known value.
    pub fn new(
        detectors: Arc<Detectors>,
        known: Option<Arc<dyn Known>>,
        key: HashKey,
        wanted: FindingClasses,
    ) -> Self {
        Self { detectors, known, key, wanted }
    }

    /// Everything that is found in a message of this form.
    pub fn inspect(&self, bytes: &[u8], form: Form<'_>) -> Findings {
        self.placed(bytes, form, |ranges| places(bytes, form, ranges))
    }

    /// The same in part of a message, in front of which this much was walked.
    pub(super) fn inspect_from(&self, bytes: &[u8], form: Form<'_>, trail: &Trail) -> Findings {
        self.placed(bytes, form, |ranges| places_from(trail.clone(), bytes, ranges))
    }

    fn placed(
        &self,
        bytes: &[u8],
        form: Form<'_>,
        places: impl FnOnce(&[Range<usize>]) -> Vec<String>,
    ) -> Findings {
        let (seen, unreadable) = Descent::new(self, bytes.len()).read(bytes, form);
        let ranges: Vec<Range<usize>> = seen.iter().map(|seen| seen.range.clone()).collect();
        let matches = seen
            .into_iter()
            .zip(places(&ranges))
            .map(|(seen, place)| Match {
                range: seen.range,
                class: seen.class,
                detector: seen.detector,
                confidence: seen.confidence,
                is_example: seen.is_example,
                location: place.into(),
                hash: seen.hash.to_string(),
            })
            .collect();
        Findings { matches, unreadable }
    }

    /// Bytes of the longest thing that is looked for.
    pub fn longest(&self) -> usize {
        self.detectors.longest().max(self.known.as_ref().map_or(0, |known| known.longest()))
    }
}
