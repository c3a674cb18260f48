//! How sure it is that what matches a format is what the format is for: by its checksum, the words near it, and its neighbours.
//!
//! Where neither speaks for a value, nobody is told of it. Nothing is searched here: `numbers` finds what is weighed. Read next:
//! `context.rs`.

use std::ops::Range;

use super::CATALOGUE;
use super::context::{Entries, Near};
use super::spelling::{word_end, word_start};
use super::surest::Candidate;
use crate::decide::dlp::detector::Check;
use crate::decide::dlp::sums::is_number;
use crate::model::types::FindingClasses;

/// Bytes of the longest value with its separators.
pub const LONGEST: usize = 72;
/// Letters and digits of the longest value.
pub const LONGEST_VALUE: usize = 48;
/// Below this nobody is told.
const FLOOR: f32 = 0.25;
/// How sure at most a value is that is a part of a longer row of numbers, and of which no word says what it is.
const CROWDED: f32 = 0.4;

/// From here on a value is sure enough without separators.
const LIKELY: f32 = 0.7;
/// How sure at most a value of digits alone is, without a word that says what it is: of the numbers in logs some are right in
/// every way but one, that nobody was given them.
const SOLID: f32 = 0.45;
/// From here on a right checksum is context enough for a value that is the whole text: fewer than one in twenty would have it.
const ALONE: f32 = 0.4;
/// From here on a format says so much that a wrong checksum does not speak against a value that is the whole text.
const COUNTED: f32 = 0.5;

/// The entries of which nobody would be told without a word near them.
static BY_WORDS: Entries = {
    let mut entries = Entries::NONE;
    let mut place = 0;
    while place < CATALOGUE.len() {
        if !CATALOGUE[place].anchors.is_empty() || CATALOGUE[place].confidence.bare < FLOOR {
            entries.insert(place);
        }
        place += 1;
    }
    entries
};

/// Whether nobody would be told of an entry's match without a word near it.
pub fn is_by_words(place: usize) -> bool {
    BY_WORDS.has(place)
}

/// Whether anybody would be told of a match of an entry with these words near it.
pub fn tells(near: &Near, place: usize) -> bool {
    let entry = &CATALOGUE[place];
    let is_named = entry.anchors.is_empty() || near.anchors.has(place);
    !BY_WORDS.has(place) || (is_named && (near.context.has(place) || entry.confidence.bare >= FLOOR))
}

/// A text whose values are weighed, and what is wanted of it.
#[derive(Debug, Clone, Copy)]
pub struct Scales<'a> {
    pub text: &'a [u8],
    pub wanted: FindingClasses,
}

impl Scales<'_> {
    /// A match of an entry's format, if there is enough that speaks for it.
    pub fn weigh(&self, place: usize, range: Range<usize>, value: &[u8], near: &Near) -> Option<Candidate> {
        let entry = &CATALOGUE[place];
        if !self.wanted.has(entry.class) || self.text.get(range.end) == Some(&b'@') {
            return None;
        }
        let confidence = self.confidence(place, &range, value, near)?;
        self.told(place, range, value, confidence)
    }

    /// How sure a match is; nothing where nothing speaks for it.
    fn confidence(&self, place: usize, range: &Range<usize>, value: &[u8], near: &Near) -> Option<f32> {
        let entry = &CATALOGUE[place];
        let sure = &entry.confidence;
        let (is_anchored, in_context) = (near.anchors.has(place), near.context.has(place));
        if let Check::Sum(is_right) = entry.check
            && !is_right(value)
        {
            let counts =
                in_context || is_anchored || (sure.wrong_sum >= COUNTED && self.is_alone(range, value));
            return counts.then_some(sure.wrong_sum);
        }
        if !tells(near, place) {
            return (entry.alone > 0.0 && self.is_alone(range, value)).then_some(entry.alone);
        }
        Some(match entry.check {
            _ if in_context => sure.in_context,
            Check::Sum(_) if sure.bare >= ALONE && self.is_alone(range, value) => sure.in_context,
            _ if is_anchored => sure.bare,
            _ if entry.alone > sure.bare && self.is_alone(range, value) => entry.alone,
            _ if self.is_crowded(range) || is_figure(&self.text[range.clone()], value) => {
                sure.bare.min(CROWDED)
            }
            Check::Sum(_) if sure.bare < LIKELY && is_number(value) && range.len() == value.len() => {
                sure.bare.min(SOLID)
            }
            _ => sure.bare,
        })
    }

    /// A match of an entry that is so sure, if anybody is told of it.
    pub fn told(
        &self,
        place: usize,
        range: Range<usize>,
        value: &[u8],
        confidence: f32,
    ) -> Option<Candidate> {
        let is_uniform = !value.is_empty() && value.iter().all(|byte| *byte == value[0]);
        let wrong = CATALOGUE[place].confidence.wrong_sum;
        let confidence = if is_uniform { confidence.min(wrong) } else { confidence };
        (confidence >= FLOOR).then_some(Candidate { range, place, confidence, is_example: is_uniform })
    }

    /// Whether the text is nothing but the value. A moment in seconds or milliseconds is written that way, too, and so is what
    /// somebody typed along the keys: both say nothing.
    pub fn is_alone(&self, range: &Range<usize>, value: &[u8]) -> bool {
        let is_blank = |bytes: &[u8]| bytes.len() < LONGEST && bytes.iter().all(u8::is_ascii_whitespace);
        let follows = |pair: &[u8]| (pair[0] - b'0' + 1) % 10 == pair[1] - b'0';
        let is_typed = is_number(value) && value.windows(2).all(follows);
        let says_nothing = is_typed || is_moment(&self.text[range.clone()]);
        !says_nothing && is_blank(&self.text[..range.start]) && is_blank(&self.text[range.end..])
    }

    /// Whether numbers go on beside it: the end of a UUID, a version, one cell of a table of figures, a bank account.
    pub fn is_crowded(&self, range: &Range<usize>) -> bool {
        let text = self.text;
        let is_spaced = text[range.clone()].contains(&b' ');
        let joins =
            |byte: u8| matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'+') || (byte == b' ' && is_spaced);
        let row = |word: &[u8], separator: u8| {
            let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
            digits > if separator == b' ' { 3 } else { 0 } || is_country(word)
        };
        let is_negative = text[..range.start].ends_with(b" -") && range.len() < LONGEST_VALUE;
        let left = is_negative
            || range.start.checked_sub(1).is_some_and(|before| {
                let start = word_start(text, before, before.saturating_sub(16));
                joins(text[before]) && row(&text[start..before], text[before])
            });
        left || text.get(range.end).is_some_and(|separator| {
            let bound = text.len().min(range.end + 17);
            let end = word_end(&text[..bound], range.end + 1);
            joins(*separator) && row(&text[range.end + 1..end], *separator)
        })
    }
}

/// Whether it is written as figures are that nobody is given: a part of a hash, a moment, one digit and zeros.
fn is_figure(written: &[u8], value: &[u8]) -> bool {
    let is_hash = written.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && !is_number(value);
    is_hash || is_moment(written) || value[1..].iter().all(|byte| *byte == value[1])
}

/// Whether it is how an IBAN begins: a country and two digits.
fn is_country(word: &[u8]) -> bool {
    matches!(word, [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9'])
}

/// Whether it may be a moment of these decades, in seconds or milliseconds.
fn is_moment(written: &[u8]) -> bool {
    matches!(written.len(), 10 | 13) && matches!(written[..2], [b'1', b'5'..=b'8']) && is_number(written)
}
