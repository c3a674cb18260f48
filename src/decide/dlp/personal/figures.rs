//! The words of a text that hold a digit: everything else is passed over, sixty-four bytes at a time.
//!
//! A word is made of ASCII letters and digits, and of the digits of other scripts that `spelling` reads. Each is told once, in
//! the order of the text, and no byte is looked at more than twice. Read next: `numbers.rs`.

use super::super::blocks::{self, BLOCK, block, which};
use super::spelling::{is_digit, word_end, word_start};

/// A word that holds a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Where it begins.
    pub start: usize,
    /// Where its first digit stands.
    pub digit: usize,
    /// Where it ends.
    pub end: usize,
}

/// The words of one text.
#[derive(Debug)]
pub struct Figures<'a> {
    text: &'a [u8],
    /// Where the last word ends.
    at: usize,
    /// Where the block begins that is looked at.
    base: usize,
    /// Its places that may be digits and were not told yet.
    digits: u64,
    /// Its places that are no ASCII letters or digits.
    others: u64,
}

impl<'a> Figures<'a> {
    /// Those of a text.
    pub fn of(text: &'a [u8]) -> Self {
        let mut figures = Self { text, at: 0, base: 0, digits: 0, others: 0 };
        figures.look(0);
        figures
    }

    /// Looks at the block that begins there.
    #[inline(always)]
    fn look(&mut self, base: usize) {
        let block = block(self.text, base);
        self.base = base;
        // The bytes that digits of other scripts begin with may be digits.
        self.digits =
            which(&block, |byte| blocks::is_digit(byte) | (byte == 0xef) | (byte == 0xd9) | (byte == 0xdb));
        self.others = match self.digits {
            0 => 0,
            _ => !which(&block, |byte| blocks::is_digit(byte) | blocks::is_letter(byte)),
        };
    }

    /// Where the word begins whose first digit stands at this place of the block.
    #[inline(always)]
    fn start(&self, place: usize) -> usize {
        let before = self.others & ((1 << place) - 1);
        match before {
            0 => word_start(self.text, self.base + place, self.at),
            _ => (self.base + BLOCK - before.leading_zeros() as usize).max(self.at),
        }
    }

    /// Where the word ends that has a digit at this place of the block.
    #[inline(always)]
    fn end(&self, place: usize) -> usize {
        let behind = self.others >> place;
        let end = self.base + place + behind.trailing_zeros().min(64) as usize;
        if behind != 0 && self.text.get(end).is_none_or(u8::is_ascii) {
            return end.min(self.text.len());
        }
        self.far_end(if behind == 0 { self.base + BLOCK } else { end })
    }

    /// The same of a word that goes on at this place, in the next block or in another script.
    #[cold]
    fn far_end(&self, mut end: usize) -> usize {
        loop {
            let others =
                !which(&block(self.text, end), |byte| blocks::is_digit(byte) | blocks::is_letter(byte));
            if others != 0 {
                return word_end(self.text, (end + others.trailing_zeros() as usize).min(self.text.len()));
            }
            end += BLOCK;
        }
    }
}

impl Iterator for Figures<'_> {
    type Item = Figure;

    #[inline(always)]
    fn next(&mut self) -> Option<Figure> {
        loop {
            while self.digits == 0 {
                if self.base + BLOCK >= self.text.len() {
                    return None;
                }
                self.look(self.base + BLOCK);
            }
            let place = self.digits.trailing_zeros() as usize;
            self.digits &= self.digits - 1;
            let digit = self.base + place;
            if self.text[digit] >= 0x80 && !is_digit(self.text, digit) {
                continue;
            }
            let start = self.start(place);
            let end = match self.text[digit] {
                0x80.. => word_end(self.text, digit).max(digit + 1),
                _ => self.end(place),
            };
            self.at = end;
            if end - self.base < BLOCK {
                self.digits &= u64::MAX << (end - self.base);
            } else {
                self.look(end - end % BLOCK);
                self.digits &= u64::MAX << (end % BLOCK);
            }
            return Some(Figure { start, digit, end });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        Figures::of(text.as_bytes()).map(|word| &text[word.start..word.end]).collect()
    }

    #[test]
    fn words_that_hold_a_digit_are_told_whole_and_once() {
        assert_eq!(words("none of it"), [""; 0]);
        assert_eq!(words("a1 b 22c-3 (x4y5)"), ["a1", "22c", "3", "x4y5"]);
        assert_eq!(words("４１１１-１ ٤٢"), ["４１１１", "１", "٤٢"]);
        assert_eq!(words("x１2y é1é"), ["x１2y", "1"]);
    }

    #[test]
    fn a_word_over_the_seam_of_blocks_is_one() {
        for before in 0..140 {
            for length in [1, 2, 63, 64, 65, 130, 200] {
                let word = "a1".repeat(length);
                let text = format!("{}{word}-{word}", " ".repeat(before));
                assert_eq!(words(&text), [&word, &word], "{before} {length}");
                let text = format!("{}{word}", "-".repeat(before));
                assert_eq!(words(&text), [&word], "{before} {length}");
            }
        }
    }
}
