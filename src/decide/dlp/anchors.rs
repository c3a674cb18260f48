//! Finds where one of many words stands in a text, in whatever case, in one pass over it.
//!
//! A set of bits over folded groups of three bytes is asked at every second byte; each word is at least four bytes long, so one
//! of two neighbouring groups of it is met. What the set lets through is compared with the words themselves. The work for one
//! byte is bounded by the words that share a group, and the words are ours: no text can add to them.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

/// Where words stand. Read next: `formats.rs`.
#[derive(Debug)]
pub struct Anchors {
    /// One bit for each hash of a group of three that belongs to a word.
    bits: Box<[u64; BITS / 64]>,
    /// For four bytes that stand in words, folded: those words.
    fours: HashMap<u32, SmallVec<[Place; 2]>, FixedState>,
    words: Vec<Box<[u8]>>,
}

/// That four bytes stand in a word, so many bytes from its beginning.
#[derive(Debug, Clone, Copy)]
struct Place {
    word: u16,
    offset: u8,
}

/// Bytes of the shortest word.
const SHORTEST: usize = 4;
const HASH_BITS: u32 = 16;
const BITS: usize = 1 << HASH_BITS;
/// Makes capitals small; some signs fall together with others, which the comparison sorts out.
const FOLD: u32 = 0x2020_2020;
const THREE: u32 = 0x00ff_ffff;

impl Anchors {
    /// Of these words, in lower case; their places in the list are their numbers. Shorter words than four bytes are none.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: Vec<Box<[u8]>> = words.into_iter().map(|word| word.as_bytes().into()).collect();
        let mut anchors =
            Self { bits: Box::new([0; BITS / 64]), fours: HashMap::default(), words: Vec::new() };
        for (number, word) in words.iter().enumerate() {
            let starts = (word.len() + 1).saturating_sub(SHORTEST);
            let Some(best) = (0..starts).min_by_key(|at| usual(word, *at)) else { continue };
            let Some(four) = four(&word[best..]) else { continue };
            // One of the two groups of the four stands at an even place.
            for group in [four & THREE, four >> 8] {
                let hash = hash(group);
                anchors.bits[hash >> 6] |= 1 << (hash & 63);
            }
            let place = Place {
                word: u16::try_from(number).unwrap_or(u16::MAX),
                offset: u8::try_from(best).unwrap_or(u8::MAX),
            };
            anchors.fours.entry(four).or_default().push(place);
        }
        anchors.words = words;
        anchors
    }

    /// Calls back with where a word begins and its number. A later one may begin a little before one that was told already.
    pub fn each(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut at = 0;
        for four in text.windows(4).step_by(2) {
            let four = u32::from_le_bytes([four[0], four[1], four[2], four[3]]) | FOLD;
            if self.knows(four & THREE) {
                self.compare(text, at, four, &mut found);
                self.compare_before(text, at, four, &mut found);
            }
            at += 2;
        }
        // The last group of a text of odd length has no fourth byte behind it.
        if let (3, [.., a, b, c]) = (text.len() - at.min(text.len()), text) {
            let group = u32::from_le_bytes([*a, *b, *c, 0]) | FOLD & THREE;
            if self.knows(group) {
                self.compare_before(text, at, group, &mut found);
            }
        }
    }

    #[inline(always)]
    fn knows(&self, group: u32) -> bool {
        let hash = hash(group);
        self.bits[hash >> 6] >> (hash & 63) & 1 != 0
    }

    /// Compares the words in which these three bytes are the last of four.
    fn compare_before(&self, text: &[u8], at: usize, four: u32, found: &mut impl FnMut(usize, usize)) {
        if let Some(before) = at.checked_sub(1) {
            self.compare(text, before, four << 8 | u32::from(text[before]) | FOLD, found);
        }
    }

    /// Compares the words in which these four bytes stand.
    fn compare(&self, text: &[u8], at: usize, four: u32, found: &mut impl FnMut(usize, usize)) {
        for place in self.fours.get(&four).into_iter().flatten() {
            let word = &self.words[usize::from(place.word)];
            let Some(start) = at.checked_sub(usize::from(place.offset)) else { continue };
            if text.get(start..start + word.len()).is_some_and(|there| there.eq_ignore_ascii_case(word)) {
                found(start, usize::from(place.word));
            }
        }
    }
}

/// The first four bytes, folded.
fn four(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|four| u32::from_le_bytes(*four) | FOLD)
}

#[inline(always)]
fn hash(group: u32) -> usize {
    (group.wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS)) as usize
}

/// How usual four bytes are in English, about: the less, the fewer comparisons.
fn usual(word: &[u8], at: usize) -> u32 {
    // Letters by how often they stand in English, the most frequent first.
    const LETTERS: &[u8] = b"etaoinsrhdlucmfywgpbvkxqjz";
    let rank = |byte: u8| match LETTERS.iter().position(|letter| *letter == byte) {
        Some(place) => 26 - u32::try_from(place).unwrap_or(26),
        None if byte == b' ' => 26,
        None => 4,
    };
    let group = |at: usize| word[at..at + 3].iter().map(|byte| rank(*byte)).product::<u32>();
    group(at) + group(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(words: &[&str], text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        Anchors::new(words.iter().copied()).each(text.as_bytes(), |at, word| found.push((at, word)));
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn a_word_is_found_at_any_place_and_in_any_case() {
        let words = ["ghp_", "password"];
        for before in 0..9 {
            for after in 0..5 {
                let text = format!("{}GHp_{}", " ".repeat(before), " ".repeat(after));
                assert_eq!(places(&words, &text), [(before, 0)], "{text:?}");
                let text = format!("{}passWORD{}", "x".repeat(before), "x".repeat(after));
                assert_eq!(places(&words, &text), [(before, 1)], "{text:?}");
            }
        }
    }

    #[test]
    fn words_that_share_letters_are_all_found() {
        assert_eq!(places(&["pass", "passwd", "asswd_"], "passwd_"), [(0, 0), (0, 1), (1, 2)]);
        assert_eq!(places(&["pass"], "pas spass"), [(5, 0)]);
    }
}
