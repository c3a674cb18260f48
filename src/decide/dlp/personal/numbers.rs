//! Finds the entries of the catalogue that have digits, all in one pass. Read next: `context.rs`.
//!
//! Every word that holds a digit may begin a value, and so may short words of letters before it (`DE 136 695 976`). One
//! automaton of all formats walks on from there until no format goes on, at most `LONGEST` bytes, and each match that ends
//! where a word ends is weighed. A word longer than any value is passed over whole, so the work is linear.

use std::ops::Range;
use std::sync::LazyLock;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use super::context::{Context, Entries, Near};
use super::phone::{self, Kind};
use super::spelling::{OTHER, character, is_digit, word_end, word_start};
use super::{CATALOGUE, FIRST_CONTACT, FIRST_WALLET, wallet};
use crate::decide::dlp::detector::Found;
use crate::decide::dlp::detector::{Check, Detector};
use crate::decide::dlp::sums::is_number;
use crate::model::types::FindingClasses;

/// Bytes of the longest value with its separators.
const LONGEST: usize = 72;
/// Letters and digits of the longest value.
const LONGEST_VALUE: usize = 48;
/// Letters of a word that may stand before the first digit of a value, with a separator.
const PREFIX: usize = 4;
/// Such words before one value.
const PREFIXES: usize = 2;
/// The entries of telephone numbers: those with a form of their own, and those that words tell.
const PHONE: usize = FIRST_CONTACT + 1;
const NATIONAL: usize = FIRST_CONTACT + 2;
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

struct Formats {
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
}

static FORMATS: LazyLock<Formats> = LazyLock::new(|| {
    let automaton = dense::Builder::new()
        .configure(
            dense::Config::new().match_kind(MatchKind::All).start_kind(StartKind::Anchored).accelerate(false),
        )
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build_many(&CATALOGUE[..FIRST_WALLET].iter().map(|entry| entry.format).collect::<Vec<_>>())
        .expect("invariant: the catalogue's formats make an automaton");
    let start = automaton
        .start_state(&start::Config::new().anchored(Anchored::Yes))
        .expect("invariant: an anchored automaton has an anchored start");
    Formats { automaton, start }
});

/// Adds what is found in a text.
pub fn find(text: &[u8], wanted: FindingClasses, found: &mut Vec<Found>) {
    let mut reader =
        Reader { text, wanted, context: Context::default(), formats: &FORMATS, phoned: 0, found };
    let mut at = 0;
    while let Some(digit) = next_digit(text, at) {
        let mut start = word_start(text, digit, at);
        // The letter of `\n` is none of the word after it.
        if start > 0 && text[start - 1] == b'\\' && matches!(text[start], b'n' | b't' | b'r') {
            start += 1;
        }
        at = word_end(text, digit).max(digit + 1);
        if let Some(place) = wallet::of(&text[start..at]) {
            let near = *reader.context.near(text, &(start..at));
            reader.weigh(FIRST_WALLET + place, start..at, &text[start..at], &near);
        }
        if at - start > LONGEST_VALUE {
            continue;
        }
        if start == digit
            && digit >= reader.phoned
            && phone::may_begin(text, digit)
            && reader.may_be_phone(digit..at)
        {
            reader.phone(digit);
        }
        let mut before = start;
        for _ in 0..PREFIXES {
            let Some(word) = reader.prefix(before) else { break };
            reader.walk(word);
            before = word;
        }
        reader.walk(start);
    }
}

/// The next place of a digit.
fn next_digit(text: &[u8], mut at: usize) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Eight bytes at once: of each that is an ASCII digit the highest bit stays.
    while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*bytes);
        let apart = word ^ (EACH * 0x30);
        let digits = !(((apart & (EACH * 0x7f)) + EACH * 0x76) | apart) & (EACH * 0x80);
        let place = if word & (EACH * 0x80) == 0 {
            (digits != 0).then(|| at + digits.trailing_zeros() as usize / 8)
        } else {
            (at..at + 8).find(|place| is_digit(text, *place))
        };
        if place.is_some() {
            return place;
        }
        at += 8;
    }
    (at..text.len()).find(|place| is_digit(text, *place))
}

struct Reader<'a> {
    text: &'a [u8],
    wanted: FindingClasses,
    context: Context,
    formats: &'static Formats,
    /// Where the last telephone number ends.
    phoned: usize,
    found: &'a mut Vec<Found>,
}

/// Letters and digits of a value, in capitals.
struct Value {
    bytes: [u8; LONGEST_VALUE],
    length: usize,
    read_to: usize,
}

impl Value {
    /// What stands before a place.
    fn read(&mut self, text: &[u8], end: usize) -> &[u8] {
        while self.read_to < end && self.length < LONGEST_VALUE {
            let (byte, length) = character(text, self.read_to);
            if byte.is_ascii_alphanumeric() {
                self.bytes[self.length] = byte;
                self.length += 1;
            }
            self.read_to += length;
        }
        &self.bytes[..self.length]
    }
}

impl Near {
    /// Whether anybody would be told of a match of an entry.
    fn tells(&self, place: usize) -> bool {
        let entry = &CATALOGUE[place];
        let is_named = entry.anchors.is_empty() || self.anchors.has(place);
        !BY_WORDS.has(place) || (is_named && (self.context.has(place) || entry.confidence.bare >= FLOOR))
    }
}

impl Reader<'_> {
    /// Where the short word of letters begins that stands right before a word.
    fn prefix(&self, word: usize) -> Option<usize> {
        let end = word.checked_sub(1)?;
        if !matches!(self.text[end], b' ' | b'-') {
            return None;
        }
        let start = word_start(self.text, end, end.saturating_sub(PREFIX + 1));
        let letters = &self.text[start..end];
        (matches!(letters.len(), 1..=PREFIX) && letters.iter().all(u8::is_ascii_alphabetic)).then_some(start)
    }

    /// Follows all formats from a place, and weighs what matches.
    fn walk(&mut self, start: usize) {
        let formats = self.formats;
        let automaton = &formats.automaton;
        let (text, bound) = (self.text, self.text.len().min(start + LONGEST));
        let mut state = formats.start;
        let mut value = Value { bytes: [0; LONGEST_VALUE], length: 0, read_to: start };
        let mut at = start;
        loop {
            let (byte, length) = if at < bound { character(text, at) } else { (OTHER, 0) };
            state = automaton.next_state(state, byte);
            if automaton.is_special_state(state) {
                if automaton.is_dead_state(state) {
                    return;
                }
                if automaton.is_match_state(state) && !byte.is_ascii_alphanumeric() {
                    self.matched(state, start..at, &mut value);
                }
            }
            if length == 0 {
                return;
            }
            at += length;
        }
    }

    /// Weighs what matches at a state of the automaton. What no word speaks for is not looked at.
    fn matched(&mut self, state: StateID, range: Range<usize>, value: &mut Value) {
        let automaton = &self.formats.automaton;
        let near = *self.context.near(self.text, &range);
        let is_short = self.text.len() < 2 * LONGEST;
        for number in 0..automaton.match_len(state) {
            let place = automaton.match_pattern(state, number).as_usize();
            if near.tells(place) || (is_short && CATALOGUE[place].alone > 0.0) {
                self.weigh(place, range.clone(), value.read(self.text, range.end), &near);
            }
        }
    }

    /// Whether a telephone number that anybody would be told of may begin with that word.
    fn may_be_phone(&mut self, word: Range<usize>) -> bool {
        let is_marked = word.start > 0 && matches!(self.text[word.start - 1], b'+' | b'(');
        let may_be_american = matches!(word.len(), 1 | 3);
        let may_be_alone = self.text.len() < 2 * LONGEST;
        is_marked
            || may_be_american
            || may_be_alone
            || self.context.near(self.text, &word).anchors.has(NATIONAL)
    }

    /// Adds the telephone number whose first digit stands there.
    fn phone(&mut self, digit: usize) {
        let Some(number) = phone::at(self.text, digit) else { return };
        self.phoned = number.range.end;
        let near = self.context.near(self.text, &number.range);
        let is_anchored = near.anchors.has(NATIONAL);
        let is_labelled = near.context.has(NATIONAL);
        let (place, is_sure) = match number.kind {
            Kind::International => (PHONE, is_anchored),
            Kind::NorthAmerican if is_anchored || !self.is_crowded(&number.range) => (PHONE, is_anchored),
            Kind::NorthAmericanSpaced | Kind::Grouped if is_anchored => (NATIONAL, is_labelled),
            Kind::Solid if is_labelled => (NATIONAL, false),
            _ if number.is_distinctive && self.is_alone(&number.range, b"") => (NATIONAL, false),
            _ => return,
        };
        let confidence = CATALOGUE[place].confidence;
        let confidence = if is_sure { confidence.in_context } else { confidence.bare };
        self.add(&CATALOGUE[place], number.range, b"", confidence);
    }

    /// Adds a match of an entry's format, if there is enough that speaks for it.
    fn weigh(&mut self, place: usize, range: Range<usize>, value: &[u8], near: &Near) {
        let entry = &CATALOGUE[place];
        if !self.wanted.has(entry.class) || self.text.get(range.end) == Some(&b'@') {
            return;
        }
        if let Some(confidence) = self.confidence(place, &range, value, near) {
            self.add(entry, range, value, confidence);
        }
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
        if !near.tells(place) {
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

    fn add(&mut self, entry: &'static Detector, range: Range<usize>, value: &[u8], confidence: f32) {
        let is_uniform = !value.is_empty() && value.iter().all(|byte| *byte == value[0]);
        let confidence = if is_uniform { confidence.min(entry.confidence.wrong_sum) } else { confidence };
        if confidence < FLOOR {
            return;
        }
        self.found.push(Found {
            range,
            detector: entry.name.into(),
            class: entry.class,
            confidence,
            is_example: is_uniform,
        });
    }

    /// Whether the text is nothing but the value. A moment in seconds or milliseconds is written that way, too, and so is what
    /// somebody typed along the keys: both say nothing.
    fn is_alone(&self, range: &Range<usize>, value: &[u8]) -> bool {
        let is_blank = |bytes: &[u8]| bytes.len() < LONGEST && bytes.iter().all(u8::is_ascii_whitespace);
        let follows = |pair: &[u8]| (pair[0] - b'0' + 1) % 10 == pair[1] - b'0';
        let is_typed = is_number(value) && value.windows(2).all(follows);
        let says_nothing = is_typed || is_moment(&self.text[range.clone()]);
        !says_nothing && is_blank(&self.text[..range.start]) && is_blank(&self.text[range.end..])
    }

    /// Whether numbers go on beside it: the end of a UUID, a version, one cell of a table of figures, a bank account.
    fn is_crowded(&self, range: &Range<usize>) -> bool {
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
