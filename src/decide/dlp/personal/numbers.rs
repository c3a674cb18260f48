//! Finds the entries of the catalogue that have digits, all in one pass. Read next: `figures.rs`, `formats.rs`, `weighing.rs`.
//!
//! Every word that holds a digit may begin a value, and so may short words of letters before it (`DE 136 695 976`). One
//! automaton of all formats walks on from there until no format goes on, at most `LONGEST` bytes, and each match that ends
//! where a word ends is weighed. A word longer than any value is passed over whole, so the work is linear.

use std::ops::Range;
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::context::Context;
use super::figures::{Figure, Figures};
use super::formats::{Formats, Step};
use super::phone::{self, Kind};
use super::spelling::{character, word_start};
use super::surest::Candidates;
use super::weighing::{LONGEST, LONGEST_VALUE, Scales, is_by_words, tells};
use super::{CATALOGUE, FIRST_CONTACT, FIRST_WALLET, iban, wallet};
use crate::model::types::FindingClasses;

/// Letters of a word that may stand before the first digit of a value, with a separator.
const PREFIX: usize = 4;
/// Such words before one value.
const PREFIXES: usize = 2;
/// Bytes before a word with a digit in which what it belongs to may begin.
const BEFORE: usize = PREFIXES * (PREFIX + 1);
/// Places in which an account number may end: words that its separators make.
const ACCOUNT_ENDS: usize = 20;
/// The entries of telephone numbers: those with a form of their own, and those that words tell.
const PHONE: usize = FIRST_CONTACT + 1;
const NATIONAL: usize = FIRST_CONTACT + 2;

struct Automaton {
    formats: Formats,
    /// Of what may end at each match, what tells without a word near it.
    alone: Box<[Box<[u8]>]>,
    /// The entry of account numbers.
    account: usize,
}

static AUTOMATON: LazyLock<Automaton> = LazyLock::new(|| {
    let account = CATALOGUE.iter().position(|entry| entry.name == iban::NAME);
    let account = account.expect("invariant: the catalogue has account numbers");
    // They are much longer than all others, and are followed by hand: what no byte matches stands in their place.
    let format = |place: usize| if place == account { r"[^\x00-\xff]" } else { CATALOGUE[place].format };
    let formats = Formats::new(&(0..FIRST_WALLET).map(format).collect::<Vec<_>>());
    let alone =
        |list: &[u8]| list.iter().copied().filter(|place| !is_by_words(usize::from(*place))).collect();
    let alone = formats.all_matches().map(alone).collect();
    Automaton { formats, alone, account }
});

/// Adds what is found in a text.
pub fn find(text: &[u8], wanted: FindingClasses, found: &mut impl Candidates) {
    let scales = Scales { text, wanted };
    let mut reader =
        Reader { text, scales, context: Context::default(), automaton: &AUTOMATON, phoned: 0, found };
    for figure in Figures::of(text) {
        reader.read(figure);
    }
}

struct Reader<'a, C> {
    text: &'a [u8],
    scales: Scales<'a>,
    context: Context,
    automaton: &'static Automaton,
    /// Where the last telephone number ends.
    phoned: usize,
    found: &'a mut C,
}

/// Letters and digits of a value, in capitals.
struct Value {
    bytes: [u8; LONGEST_VALUE],
    length: usize,
    read_to: usize,
}

impl Value {
    /// One that begins there.
    fn at(start: usize) -> Self {
        Self { bytes: [0; LONGEST_VALUE], length: 0, read_to: start }
    }

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

impl<C: Candidates> Reader<'_, C> {
    /// Follows everything that may begin with a word that holds a digit.
    #[inline(always)]
    fn read(&mut self, Figure { mut start, digit, end }: Figure) {
        self.found.settle(start.saturating_sub(BEFORE));
        // The letter of `\n` is none of the word after it.
        if start > 0 && self.text[start - 1] == b'\\' && matches!(self.text[start], b'n' | b't' | b'r') {
            start += 1;
        }
        if end - start >= wallet::SHORTEST {
            self.wallet(start..end);
            if end - start > LONGEST_VALUE {
                return;
            }
        }
        if start == digit
            && digit >= self.phoned
            && phone::may_begin(self.text, digit)
            && self.may_be_phone(digit..end)
        {
            self.phone(digit);
        }
        let mut before = start;
        for _ in 0..PREFIXES {
            let Some(word) = self.prefix(before) else { break };
            self.walk(word);
            before = word;
        }
        self.walk(start);
        if start < digit && end - start >= iban::HEAD {
            self.account(start);
        }
    }

    /// Adds the address of a crypto-currency that a word is.
    fn wallet(&mut self, word: Range<usize>) {
        let Some(place) = wallet::of(&self.text[word.clone()]) else { return };
        let near = self.context.near(self.text, &word);
        let candidate = self.scales.weigh(FIRST_WALLET + place, word.clone(), &self.text[word], near);
        candidate.into_iter().for_each(|one| self.found.add(one));
    }

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
        let formats = &self.automaton.formats;
        let text = &self.text[..self.text.len().min(start + LONGEST)];
        let mut value = Value::at(start);
        let (mut at, mut state) = (start, formats.start());
        loop {
            let (kind, length) = formats.kind(text, at);
            match formats.step(&mut state, kind) {
                Step::On => {}
                Step::Over => return,
                Step::Match(number, goes_on) => {
                    self.matched(number, start..at, &mut value);
                    if !goes_on {
                        return;
                    }
                }
            }
            if length == 0 {
                return;
            }
            at += length;
        }
    }

    /// Whether the text may be nothing but one value.
    fn is_short(&self) -> bool {
        self.text.len() < 2 * LONGEST
    }

    /// Weighs what matches. What neither a word nor the length of the text speaks for is not looked at.
    fn matched(&mut self, state: u16, range: Range<usize>, value: &mut Value) {
        let is_short = self.is_short();
        let near = self.context.near(self.text, &range);
        let list = if near.is_nothing() && !is_short {
            &self.automaton.alone[usize::from(state)]
        } else {
            self.automaton.formats.matches(state)
        };
        for place in list.iter().map(|place| usize::from(*place)) {
            if tells(near, place) || (is_short && CATALOGUE[place].alone > 0.0) {
                let value = value.read(self.text, range.end);
                let candidate = self.scales.weigh(place, range.clone(), value, near);
                candidate.into_iter().for_each(|one| self.found.add(one));
            }
        }
    }

    /// Follows an account number from a place, and weighs it where it may end. Only what has the length that its country gives
    /// them can be right; of what is wrong the longest is enough, and nobody is told of it where no word speaks for it.
    fn account(&mut self, start: usize) {
        let text = &self.text[..self.text.len().min(start + LONGEST)];
        let Some(mut account) = iban::Account::at(text, start) else { return };
        let (entry, own) = (self.automaton.account, account.country_length());
        let (mut ends, mut only): (SmallVec<[_; ACCOUNT_ENDS]>, _) = (SmallVec::new(), None);
        while let Some((end, length)) = account.next_end(only) {
            if ends.is_empty()
                && only.is_none()
                && !self.is_short()
                && !self.context.speaks(self.text, &(start..text.len()), entry)
            {
                only = own.filter(|own| *own >= length);
                match only {
                    None => return,
                    Some(only) if only > length => continue,
                    Some(_) => {}
                }
            }
            ends.push((end, length));
        }
        let mut value = Value::at(start);
        let mut is_told = false;
        for (end, length) in ends.into_iter().rev() {
            if is_told && own != Some(length) {
                continue;
            }
            let near = self.context.near(self.text, &(start..end));
            let value = &value.read(self.text, end)[..length];
            if let Some(one) = self.scales.weigh(entry, start..end, value, near) {
                self.found.add(one);
                is_told = true;
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
        let scales = &self.scales;
        let (place, is_sure) = match number.kind {
            Kind::International => (PHONE, is_anchored),
            Kind::NorthAmerican if is_anchored || !scales.is_crowded(&number.range) => (PHONE, is_anchored),
            Kind::NorthAmericanSpaced | Kind::Grouped if is_anchored => (NATIONAL, is_labelled),
            Kind::Solid if is_labelled => (NATIONAL, false),
            _ if number.is_distinctive && scales.is_alone(&number.range, b"") => (NATIONAL, false),
            _ => return,
        };
        let confidence = CATALOGUE[place].confidence;
        let confidence = if is_sure { confidence.in_context } else { confidence.bare };
        let candidate = scales.told(place, number.range, b"", confidence);
        candidate.into_iter().for_each(|one| self.found.add(one));
    }
}
