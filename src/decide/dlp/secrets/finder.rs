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

/// How sure at most it is that a value is secret which is written like a key of a service, but has not its length: it opens
/// nothing.
const CUT: f32 = 0.45;
/// Bytes of the shortest prefix that only one service gives its keys.
const PREFIX_LEAST: usize = 5;
/// Bytes in which such a prefix ends.
const PREFIX_MOST: usize = 24;

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

/// One look over one text: how far it was read already, by whom, and what was found.
struct Look<'a> {
    finder: &'a Finder,
    text: &'a [u8],
    names: usize,
    readers: [usize; READERS.len()],
    formats: SmallVec<[(u16, usize); 8]>,
    found: &'a mut Vec<Found>,
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
        let own = [FindingClass::Keys, FindingClass::Secrets, FindingClass::Placeholder];
        if !own.into_iter().any(|class| wanted.has(class)) {
            return;
        }
        let start = found.len();
        let mut look = Look {
            finder: self,
            text,
            names: 0,
            readers: [0; READERS.len()],
            formats: SmallVec::new(),
            found,
        };
        self.anchors.each(text, |at, word| {
            let (length, targets) = &self.targets[word];
            for target in targets {
                match *target {
                    Target::Format(number) => look.format(number, at, *length),
                    Target::Reader(number) => look.structure(number, at),
                    Target::Name => look.name(at),
                }
            }
        });
        let mut at = 0;
        found.retain(|found| {
            at += 1;
            at <= start || wanted.has(found.class)
        });
    }

    /// Whether a value begins like the keys of a service, and is shorter than all of them.
    fn is_cut(&self, value: &[u8]) -> bool {
        // Prefixes end with one of these signs, and most values have none.
        if memchr::memchr2(b'_', b'-', &value[..value.len().min(PREFIX_MOST)]).is_none() {
            return false;
        }
        let begins = |format: &&Format| {
            format.detector.anchors.iter().any(|anchor| {
                anchor.len() >= PREFIX_LEAST
                    && anchor.ends_with(['_', '-'])
                    && value
                        .get(..anchor.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(anchor.as_bytes()))
            })
        };
        let whole = |format: &Format| {
            let example = format.detector.examples.iter().map(|example| example.len()).min();
            example.is_none_or(|example| value.len() >= example) || format.ends(value, 0).is_some()
        };
        let mut like = self.formats.iter().filter(begins).peekable();
        like.peek().is_some() && !like.any(whole)
    }

    /// The credential of a service that a value is, by its shape and what stands near its name.
    fn known(&self, text: &[u8], given: &Assignment, shape: &Shape<'_>) -> Option<Found> {
        let value = &text[given.value.clone()];
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

impl Look<'_> {
    fn format(&mut self, number: u16, at: usize, length: usize) {
        let format = &self.finder.formats[usize::from(number)];
        // A match is not looked into again.
        if self.formats.iter().any(|(of, until)| *of == number && at < *until) {
            return;
        }
        let Some((end, match_)) = format.at(self.text, at, length) else { return };
        self.formats.retain(|(of, _)| *of != number);
        self.formats.push((number, end));
        self.found.extend(match_);
    }

    fn structure(&mut self, number: u8, at: usize) {
        if at < self.readers[usize::from(number)] {
            return;
        }
        let (structure, looked) = READERS[usize::from(number)].1(&self.finder.words, self.text, at);
        self.readers[usize::from(number)] = looked.max(at + 1);
        if let Some(structure) = structure {
            self.found.push(Found {
                range: structure.range,
                detector: structure.name.into(),
                class: class_of(structure.name),
                confidence: structure.confidence,
                is_example: structure.is_example,
            });
        }
    }

    fn name(&mut self, at: usize) {
        if at < self.names {
            return;
        }
        let name = assignment::name_around(self.text, at);
        self.names = name.end.max(at + 1);
        // Most values are none, and that is told faster than what their names say.
        let Some(given) = assignment::given(self.text, name) else { return };
        let value = &self.text[given.value.clone()];
        if value.len() < 4 || value.len() > FOUND_VALUE_BYTES {
            return;
        }
        let shape = Shape::of(value);
        if !shape.may_be_secret(given.quoted) {
            return;
        }
        let Some(named) = self.finder.names.say(&self.text[given.name.clone()]) else { return };
        if let Some(match_) = self.judge(named, &given, &shape) {
            self.found.push(match_);
        }
    }

    fn judge(&self, named: Named, given: &Assignment, shape: &Shape<'_>) -> Option<Found> {
        let value = &self.text[given.value.clone()];
        if let Some(known) = self.finder.known(self.text, given, shape) {
            return Some(known);
        }
        let hidden = structures::credentials_in(&self.finder.words, value)
            .filter(|_| given.quoted && named == Named::Perhaps);
        let confidence = match hidden {
            Some(_) => 0.8,
            None => value::judge(&self.finder.words, named, shape, given.quoted)?,
        };
        let confidence = if self.finder.is_cut(value) || is_other_than_bot(value) {
            confidence.min(CUT)
        } else {
            confidence
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
}

/// Whether a value has a number, a colon and letters, as only the tokens of Telegram's bots have, but not as many letters.
fn is_other_than_bot(value: &[u8]) -> bool {
    const LETTERS: usize = 35;
    let number = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match value[number..].split_first() {
        Some((b':', rest)) => (8..=10).contains(&number) && rest.len() != LETTERS && rest.iter().all(letters),
        _ => false,
    }
}

fn class_of(name: &str) -> FindingClass {
    grammar::CATALOGUE
        .iter()
        .find(|detector| detector.name == name)
        .map_or(FindingClass::Secrets, |detector| detector.class)
}
