//! Which entries the words near a value speak for.
//!
//! Words are looked for only around values that match a format, and no byte is read twice for it: values come in ascending
//! order, and what was read before is remembered for as long as it is near.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{CATALOGUE, FIRST_VEHICLE};
use crate::decide::dlp::detector::Check;

/// A set of entries, by their places in the catalogue.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entries([u64; SETS]);

const SETS: usize = CATALOGUE.len().div_ceil(64);

impl Entries {
    /// None of them.
    pub const NONE: Self = Self([0; SETS]);

    /// Whether the entry at a place is in it.
    pub fn has(self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    /// Puts the entry at a place into it.
    pub const fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn join(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, others)| *own |= others);
    }
}

/// Bytes before a value in which a word speaks for it: about a sentence.
const BEFORE: usize = 72;
/// Bytes after it.
const AFTER: usize = 32;
/// Bytes read beyond what is asked for, so that values close to each other share the work.
const AHEAD: usize = 48;

/// Words that speak for any number with a checksum that people are given.
const OF_ANY: &[&str] = &[
    "national id",
    "nationalid",
    "national identification",
    "national identity",
    "identity number",
    "identity code",
    "personal code",
    "identification number",
    "identity card",
    "id card",
    "personal number",
    "citizen id",
    "tax id",
    "taxid",
    "tax number",
    "taxpayer",
];

/// What words near a value speak for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Near {
    /// The entries of whose context one stands near.
    pub context: Entries,
    /// The entries of whose anchors one stands near.
    pub anchors: Entries,
}

impl Near {
    fn join(&mut self, other: &Self) {
        self.context.join(other.context);
        self.anchors.join(other.anchors);
    }

    /// Whether no word is near at all.
    pub fn is_nothing(&self) -> bool {
        std::ptr::eq(self, &NOTHING)
    }
}

/// What no words speak for.
static NOTHING: Near = Near { context: Entries::NONE, anchors: Entries::NONE };

struct Words {
    automaton: AhoCorasick,
    meanings: Vec<Near>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut meanings: BTreeMap<&str, Near> = BTreeMap::new();
    for (at, entry) in CATALOGUE.iter().enumerate() {
        for word in entry.context {
            meanings.entry(word).or_default().context.insert(at);
        }
        for word in entry.anchors {
            meanings.entry(word).or_default().anchors.insert(at);
        }
        if at < FIRST_VEHICLE && matches!(entry.check, Check::Sum(_)) {
            OF_ANY.iter().for_each(|word| meanings.entry(word).or_default().context.insert(at));
        }
    }
    // Of words that hold others only the longest is looked for, and means what those mean, too.
    let apart = meanings.clone();
    for (word, meaning) in &mut meanings {
        for (_, part) in apart.iter().filter(|(part, _)| holds(word, part)) {
            meaning.join(part);
        }
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(meanings.keys())
        .expect("invariant: the catalogue's words make an automaton");
    Words { automaton, meanings: meanings.into_values().collect() }
});

/// The words of one text, as far as they were read.
#[derive(Debug, Default)]
pub struct Context {
    read_to: usize,
    last: VecDeque<(Range<usize>, &'static Near)>,
    /// What was asked for last: several formats match the same value.
    asked: Range<usize>,
    answer: Near,
    /// What the words before a place speak for, where values begin that end in several places.
    begun: Option<usize>,
    front: Near,
}

impl Context {
    /// What the words around a value speak for. Values are asked for in ascending order of where they begin.
    pub fn near(&mut self, text: &[u8], value: &Range<usize>) -> &Near {
        if self.asked == *value {
            return &self.answer;
        }
        let to = self.come_to(text, value);
        if self.last.is_empty() {
            return &NOTHING;
        }
        if self.begun != Some(value.start) {
            self.begun = Some(value.start);
            self.front = Near::default();
            let before = self.last.iter().take_while(|(word, _)| word.end <= value.start);
            before.for_each(|(_, meaning)| self.front.join(meaning));
        }
        self.answer = self.front;
        let behind = self.last.iter().rev().take_while(|(word, _)| word.start >= value.end);
        behind.filter(|(word, _)| word.end <= to).for_each(|(_, meaning)| self.answer.join(meaning));
        self.asked = value.clone();
        &self.answer
    }

    /// Whether any word around or in a value speaks for an entry.
    pub fn speaks(&mut self, text: &[u8], value: &Range<usize>, place: usize) -> bool {
        self.come_to(text, value);
        self.last.iter().any(|(_, meaning)| meaning.context.has(place) || meaning.anchors.has(place))
    }

    /// Reads as far as words may speak for a value, and forgets what is too far before it. Where that ends.
    #[inline(always)]
    fn come_to(&mut self, text: &[u8], value: &Range<usize>) -> usize {
        let from = value.start.saturating_sub(BEFORE);
        let to = text.len().min(value.end + AFTER);
        if self.read_to < to {
            self.read(text, self.read_to.max(from), text.len().min(to + AHEAD));
        }
        while self.last.front().is_some_and(|(word, _)| word.end < from) {
            self.last.pop_front();
        }
        to
    }

    /// Reads the words of a part, and those that began before it.
    fn read(&mut self, text: &[u8], from: usize, to: usize) {
        // A word that the last part cut in two is read whole.
        const LONGEST: usize = 32;
        let begin = from.saturating_sub(LONGEST);
        for word in WORDS.automaton.find_iter(&text[begin..to]) {
            let range = begin + word.start()..begin + word.end();
            if range.end > from && stands_alone(text, &range) {
                self.last.push_back((range, &WORDS.meanings[word.pattern().as_usize()]));
            }
        }
        self.read_to = to;
    }
}

/// Whether a word stands in another, as a word.
fn holds(word: &str, part: &str) -> bool {
    word.match_indices(part).any(|(at, _)| stands_alone(word.as_bytes(), &(at..at + part.len())))
}

/// Whether it is a word and not a part of one: `card_number`, `cardNumber` and `cards` hold the word `card`, `discard` does not.
fn stands_alone(text: &[u8], word: &Range<usize>) -> bool {
    let at = |place: usize| text.get(place).copied().unwrap_or(b' ');
    let first = at(word.start);
    let before = if word.start == 0 { b' ' } else { at(word.start - 1) };
    let escaped = word.start > 1 && at(word.start - 2) == b'\\' && matches!(before, b'n' | b't' | b'r');
    let begins = !before.is_ascii_alphabetic()
        || !first.is_ascii_alphabetic()
        || escaped
        || (before.is_ascii_lowercase() && first.is_ascii_uppercase());
    let last = at(word.end - 1);
    let after = at(word.end);
    let after = if after == b's' { at(word.end + 1) } else { after };
    let ends = !after.is_ascii_alphabetic()
        || !last.is_ascii_alphabetic()
        || (last.is_ascii_lowercase() && after.is_ascii_uppercase());
    begins && ends
}
