//! Looks for all credentials and secret values in one pass over a text.
//!
//! `Anchors` tells where a word of interest stands; each word leads to formats, to a reader of a structure, or to the name of a
//! value. What was read once for one word is not read again for the next. Formats without words of their own are tried on
//! values alone. Read next: `assignment.rs`, `structures.rs`.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use smallvec::SmallVec;

use super::super::anchors::Anchors;
use super::super::detector::{Check, Detector, Found};
use super::super::examples::is_example;
use super::super::formats::Format;
use super::assignment::{self, Assignment};
use super::name::{Named, Names};
use super::structures::{self, READERS};
use super::value::{self, Shape};
use super::words::Words;
use super::{CATALOGUE, grammar};
use crate::model::types::limits::FOUND_VALUE_BYTES;
use crate::model::types::{FindingClass, FindingClasses};

/// Bytes before a name that may say whose it is.
const BEFORE_BYTES: usize = 48;
/// Bytes of the shortest value on which formats are tried.
const VALUE_LEAST: usize = 12;

/// What a word of interest leads to.
#[derive(Debug, Clone, Copy)]
enum Target {
    Format(u16),
    Reader(u8),
    Name,
}

/// What looks for credentials and secret values.
#[derive(Debug)]
pub struct Finder {
    anchors: Anchors,
    /// For each word, its length and what it leads to.
    targets: Vec<(usize, SmallVec<[Target; 2]>)>,
    formats: Vec<Format>,
    /// Formats that are tried on values: those that need a word near, and those that need none.
    shapes: Vec<Format>,
    /// The words of `shapes`, and whose each is.
    near: AhoCorasick,
    near_of: Vec<u16>,
    words: Words,
    names: Names,
}

/// How far one text was looked at already, by whom.
struct Progress {
    names: usize,
    readers: [usize; READERS.len()],
    formats: SmallVec<[(u16, usize); 8]>,
}

impl Finder {
    /// For the whole catalogue.
    pub fn built_in() -> Self {
        let all =
            || CATALOGUE.iter().flat_map(|part| part.iter()).filter(|detector| !detector.format.is_empty());
        let formats: Vec<Format> =
            all().filter(|detector| !detector.anchors.is_empty()).map(Format::new).collect();
        let shapes: Vec<Format> =
            all().filter(|detector| detector.anchors.is_empty()).map(Format::new).collect();
        let mut of: HashMap<&'static str, SmallVec<[Target; 2]>> = HashMap::new();
        for (number, format) in (0..).zip(&formats) {
            for anchor in format.detector.anchors {
                of.entry(anchor).or_default().push(Target::Format(number));
            }
        }
        for (number, (anchors, _)) in (0..).zip(READERS) {
            for anchor in *anchors {
                of.entry(anchor).or_default().push(Target::Reader(number));
            }
        }
        for anchor in assignment::ANCHORS {
            of.entry(anchor).or_default().push(Target::Name);
        }
        let mut of: Vec<_> = of.into_iter().collect();
        of.sort_unstable_by_key(|(word, _)| *word);
        let (mut near, mut near_of) = (Vec::new(), Vec::new());
        for (number, shape) in (0..).zip(&shapes) {
            for word in shape.detector.context {
                near.push(*word);
                near_of.push(number);
            }
        }
        let near = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(near)
            .expect("invariant: a few hundred words make an automaton");
        Self {
            anchors: Anchors::new(of.iter().map(|(word, _)| *word)),
            targets: of.into_iter().map(|(word, targets)| (word.len(), targets)).collect(),
            formats,
            shapes,
            near,
            near_of,
            words: Words::new(),
            names: Names::new(),
        }
    }

    /// Adds what stands in a text, of these classes, in no order.
    pub fn find(&self, text: &[u8], wanted: FindingClasses, found: &mut Vec<Found>) {
        if !wanted.has(FindingClass::Keys) && !wanted.has(FindingClass::Secrets) {
            return;
        }
        let mut progress = Progress { names: 0, readers: [0; READERS.len()], formats: SmallVec::new() };
        self.anchors.each(text, |at, word| {
            let (length, targets) = &self.targets[word];
            for target in targets {
                match *target {
                    Target::Format(number) => self.format(text, at, *length, number, &mut progress, found),
                    Target::Reader(number) => self.structure(text, at, number, &mut progress, found),
                    Target::Name => self.name(text, at, &mut progress, found),
                }
            }
        });
        found.retain(|found| wanted.has(found.class));
    }

    fn format(
        &self,
        text: &[u8],
        at: usize,
        length: usize,
        number: u16,
        progress: &mut Progress,
        found: &mut Vec<Found>,
    ) {
        let format = &self.formats[usize::from(number)];
        // A match is not looked into again.
        if progress.formats.iter().any(|(of, until)| *of == number && at < *until) {
            return;
        }
        let Some((end, match_)) = format.at(text, at, length) else { return };
        progress.formats.retain(|(of, _)| *of != number);
        progress.formats.push((number, end));
        found.extend(match_);
    }

    fn structure(&self, text: &[u8], at: usize, number: u8, progress: &mut Progress, found: &mut Vec<Found>) {
        let until = &mut progress.readers[usize::from(number)];
        if at < *until {
            return;
        }
        let (structure, looked) = READERS[usize::from(number)].1(&self.words, text, at);
        *until = looked.max(at + 1);
        if let Some(structure) = structure {
            found.push(Found {
                range: structure.range,
                detector: structure.name.into(),
                class: class_of(structure.name),
                confidence: structure.confidence,
                is_example: structure.is_example,
            });
        }
    }

    fn name(&self, text: &[u8], at: usize, progress: &mut Progress, found: &mut Vec<Found>) {
        if at < progress.names {
            return;
        }
        let name = assignment::name_around(text, at);
        progress.names = name.end.max(at + 1);
        // Most values are none, and that is told faster than what their names say.
        let Some(given) = assignment::given(text, name) else { return };
        let value = &text[given.value.clone()];
        if value.len() < 4 || value.len() > FOUND_VALUE_BYTES || !Shape::of(value).may_be_secret(given.quoted)
        {
            return;
        }
        let Some(named) = self.names.say(&text[given.name.clone()]) else { return };
        if let Some(match_) = self.judge(text, named, &given) {
            found.push(match_);
        }
    }

    fn judge(&self, text: &[u8], named: Named, given: &Assignment) -> Option<Found> {
        let value = &text[given.value.clone()];
        if let Some(known) = self.known(text, given, value) {
            return Some(known);
        }
        let hidden = structures::credentials_in(&self.words, value)
            .filter(|_| given.quoted && named == Named::Perhaps);
        let confidence = match hidden {
            Some(_) => 0.8,
            None => value::judge(&self.words, named, value, given.quoted)?,
        };
        let detector = if named == Named::Password { grammar::PASSWORD } else { grammar::SECRET };
        Some(Found {
            range: given.value.clone(),
            detector: detector.into(),
            class: FindingClass::Secrets,
            confidence,
            is_example: hidden.unwrap_or(false) || is_example(value),
        })
    }

    /// The credential of a service that a value is, by its shape and what stands near its name.
    fn known(&self, text: &[u8], given: &Assignment, value: &[u8]) -> Option<Found> {
        if value.len() < VALUE_LEAST || value.len() > FOUND_VALUE_BYTES {
            return None;
        }
        let shape = Shape::of(value);
        if !shape.is_random(VALUE_LEAST) && !value::is_uuid(value) {
            return None;
        }
        let around = &text[given.name.start.saturating_sub(BEFORE_BYTES)..given.name.end];
        let mut named: SmallVec<[u16; 8]> = self
            .near
            .find_overlapping_iter(around)
            .map(|word| self.near_of[word.pattern().as_usize()])
            .collect();
        named.sort_unstable();
        named.dedup();
        let near = named.iter().map(|number| (&self.shapes[usize::from(*number)], true));
        let alone =
            self.shapes.iter().filter(|shape| shape.detector.context.is_empty()).map(|shape| (shape, false));
        let (shape, near) = near.chain(alone).find(|(shape, _)| shape.is(value))?;
        let Detector { name, class, check, confidence, .. } = shape.detector;
        let confidence = match check {
            Check::Sum(sum) if !sum(value) => confidence.wrong_sum,
            _ if near => confidence.in_context,
            _ => confidence.bare,
        };
        Some(Found {
            range: given.value.clone(),
            detector: (*name).into(),
            class: *class,
            confidence,
            is_example: is_example(value),
        })
    }
}

fn class_of(name: &str) -> FindingClass {
    grammar::CATALOGUE
        .iter()
        .find(|detector| detector.name == name)
        .map_or(FindingClass::Secrets, |detector| detector.class)
}
