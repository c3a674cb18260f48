//! Which entries the words near a value speak for.
//!
//! Words are looked for only around values that match a format, and no byte is read twice for it: values come in ascending
//! order, and what was read before is remembered for as long as it is near.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{CATALOGUE, FIRST_WALLET};
use crate::decide::dlp::detector::Check;

/// A set of entries, by their places in the catalogue.
pub type Entries = u128;

/// Bytes before a value in which a word speaks for it: about a sentence.
const BEFORE: usize = 72;
/// Bytes after it.
const AFTER: usize = 32;

/// Words that speak for any number with a checksum that people are given.
const OF_ANY: &[&str] = &[
    "national id",
    "nationalid",
    "national identification",
    "national identity",
    "identity number",
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

struct Words {
    automaton: AhoCorasick,
    meanings: Vec<Near>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut meanings: BTreeMap<&str, Near> = BTreeMap::new();
    for (at, entry) in CATALOGUE.iter().enumerate() {
        for word in entry.context {
            meanings.entry(word).or_default().context |= 1 << at;
        }
        for word in entry.anchors {
            meanings.entry(word).or_default().anchors |= 1 << at;
        }
        if at < FIRST_WALLET && matches!(entry.check, Check::Sum(_)) {
            OF_ANY.iter().for_each(|word| meanings.entry(word).or_default().context |= 1 << at);
        }
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(meanings.keys())
        .expect("invariant: the catalogue's words make an automaton");
    Words { automaton, meanings: meanings.into_values().collect() }
});

/// The words of one text, as far as they were read.
#[derive(Debug, Default)]
pub struct Context {
    read_to: usize,
    last: VecDeque<(Range<usize>, Near)>,
}

impl Context {
    /// What the words around a value speak for. Values are asked for in ascending order of where they begin.
    pub fn near(&mut self, text: &[u8], value: &Range<usize>) -> Near {
        let from = value.start.saturating_sub(BEFORE);
        let to = text.len().min(value.end + AFTER);
        if self.read_to < to {
            self.read(text, self.read_to.max(from), to);
        }
        while self.last.front().is_some_and(|(word, _)| word.end < from) {
            self.last.pop_front();
        }
        let mut near = Near::default();
        for (word, meaning) in &self.last {
            if word.end <= value.start || (word.start >= value.end && word.end <= to) {
                near.context |= meaning.context;
                near.anchors |= meaning.anchors;
            }
        }
        near
    }

    /// Reads the words of a part, and those that began before it.
    fn read(&mut self, text: &[u8], from: usize, to: usize) {
        // A word that the last part cut in two is read whole.
        const LONGEST: usize = 32;
        let begin = from.saturating_sub(LONGEST);
        for word in WORDS.automaton.find_overlapping_iter(&text[begin..to]) {
            let range = begin + word.start()..begin + word.end();
            if range.end > from && stands_alone(text, &range) {
                self.last.push_back((range, WORDS.meanings[word.pattern().as_usize()]));
            }
        }
        self.read_to = to;
    }
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
