//! Values that stand for a value: placeholders, and what documentations show. Nobody can use them.
//!
//! What is said here holds for every kind of value: words that say so, one letter many times, letters or digits in their order.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Words that say that this is no value.
const WORDS: &[&str] = &[
    "example",
    "sample",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "change me",
    "your",
    "dummy",
    "redacted",
    "foobar",
    "replace",
    "insert",
    "xxxx",
    "****",
    "....",
    "----",
    "____",
    "todo",
    "fixme",
];
static SAY_SO: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .prefilter(false)
        .build(WORDS)
        .expect("invariant: a few words make an automaton")
});

/// So many of one byte in a row are no accident, unless the value is more than three times as long.
const SAME: usize = 6;
/// Nor are so many in the order of the alphabet or of numbers.
const IN_ORDER: usize = 8;

/// Bytes of the longest part that repeats itself.
const PERIOD: usize = 4;
/// Bytes of the shortest of them.
const TYPED_LEAST: usize = 8;
/// Bytes of the longest value that people type along the alphabet.
const TYPED_MOST: usize = 32;
/// Bytes of the longest value that is looked at for parts that repeat.
const PERIODIC_MOST: usize = 512;

/// Whether a value is obviously a placeholder, or one of a documentation.
pub fn is_example(value: &[u8]) -> bool {
    repeats(value) || is_in_order(value) || is_stepped(value) || is_periodic(value) || SAY_SO.is_match(value)
}

/// Whether a lower-case word stands in a text, in whatever case.
pub fn contains_word(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|there| there.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether one byte stands in it many times in a row, or few do in all of it.
fn repeats(value: &[u8]) -> bool {
    let mut row = 0;
    let mut last = None;
    for byte in value {
        row = if last == Some(byte) { row + 1 } else { 1 };
        last = Some(byte);
        if row >= SAME.max(value.len() / 3) {
            return true;
        }
    }
    let mut seen = [false; 256];
    value.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    value.len() >= 8 && seen.iter().filter(|seen| **seen).count() <= 3
}

fn is_in_order(value: &[u8]) -> bool {
    let mut row = 1;
    for pair in value.windows(2) {
        let next = pair[1] == pair[0].wrapping_add(1) || (pair[0] == b'9' && pair[1] == b'0');
        row = if next && pair[1].is_ascii_alphanumeric() { row + 1 } else { 1 };
        if row >= IN_ORDER {
            return true;
        }
    }
    false
}

/// Whether most of its letters and digits follow the one before them: `AbCeFG123` was typed along the alphabet.
fn is_stepped(value: &[u8]) -> bool {
    if !(TYPED_LEAST..=TYPED_MOST).contains(&value.len()) {
        return false;
    }
    let steps = |pair: &&[u8]| {
        let (first, second) = (pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase());
        first.is_ascii_alphanumeric() && second == first + 1
    };
    value.windows(2).filter(steps).count() * 5 >= value.len() * 3
}

/// Whether a short part of it stands again and again: `a1b2a1b2a1b2a1b2`.
fn is_periodic(value: &[u8]) -> bool {
    (4 * PERIOD..=PERIODIC_MOST).contains(&value.len())
        && (1..=PERIOD).any(|period| {
            let again: usize =
                value[period..].iter().zip(value).map(|(here, before)| usize::from(here == before)).sum();
            again * 4 >= (value.len() - period) * 3
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_value_is_known() {
        for value in [
            "AKIAIOSFODNN7EXAMPLE",
            "your-key-here",
            "xxxxxxxx",
            "<your token>",
            "00000000",
            "sk-1234567890",
            "changeme",
            "abababab",
            "abcdefghij",
            "BcDfGH234",
            "qrstuv-4567-qrst",
            "k7w2k7w2k7w2k7w2",
            "GQ83162162162162162162",
        ] {
            assert!(is_example(value.as_bytes()), "{value}");
        }
        for value in [
            "AKIAQ3EGRJ5WZ7TNVX4B",
            "hunter2",
            "Tr0ub4dor&3",
            "b5a2-99f1-0c3e",
            "def7Qa91",
            "9c41d07b9c41e2f8",
        ] {
            assert!(!is_example(value.as_bytes()), "{value}");
        }
    }
}
