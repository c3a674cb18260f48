//! Where bytes of one kind follow each other: the places where something may be encoded.
//!
//! Of sixty-four bytes at once it is asked which are of the kind, and where so many of the answers follow each other; most
//! blocks have no such place and are done with. Every byte is looked at twice at most. Nothing here says whether a run is an
//! encoding. Read next: `encoded.rs`.

use std::ops::Range;

use super::super::blocks::{BLOCK, block, is_digit, is_letter, which};

/// A kind of bytes.
pub type Class = [bool; 256];

/// The kind that these bytes make up.
pub const fn class(members: &[u8]) -> Class {
    let mut class = [false; 256];
    let mut at = 0;
    while at < members.len() {
        class[members[at] as usize] = true;
        at += 1;
    }
    class
}

/// What base64 is written with, in both alphabets, without its padding.
pub const BASE64: Class = class(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_");
/// What base32 is written with.
pub const BASE32: Class = class(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
/// What hexadecimal numbers are written with.
pub const HEX: Class = class(b"0123456789abcdefABCDEF");
/// What lists of them are written with.
pub const LISTED: Class = class(b"0123456789abcdefABCDEFxX ,:;-\n\r\t");
/// What is shown as one letter, digit or sign.
pub const SHOWN: Class = shown();

const fn shown() -> Class {
    let mut class = class(b"\t\n\r");
    let mut byte = b' ';
    while byte <= b'~' {
        class[byte as usize] = true;
        byte += 1;
    }
    class
}

/// The runs of a text.
#[derive(Debug)]
pub struct Runs<'a> {
    text: &'a [u8],
    class: &'static Class,
    /// Which of a block of bytes are of the kind, where that is told faster than byte by byte.
    members: Option<fn(&[u8; BLOCK]) -> u64>,
    least: usize,
    at: usize,
}

/// Runs of at least so many bytes of a kind: at most 64.
pub fn runs<'a>(text: &'a [u8], class: &'static Class, least: usize) -> Runs<'a> {
    Runs { text, class, members: None, least, at: 0 }
}

/// Runs of at least so many letters of base64.
pub fn base64_runs(text: &[u8], least: usize) -> Runs<'_> {
    Runs { members: Some(base64_members), ..runs(text, &BASE64, least) }
}

/// Runs of at least so many bytes of lists of numbers.
pub fn list_runs(text: &[u8], least: usize) -> Runs<'_> {
    Runs { members: Some(list_members), ..runs(text, &LISTED, least) }
}

/// Which of a block are letters of base64: without a branch, so that many are compared at once.
fn base64_members(block: &[u8; BLOCK]) -> u64 {
    which(block, |byte| {
        is_letter(byte) | is_digit(byte) | (byte == b'+') | (byte == b'/') | (byte == b'-') | (byte == b'_')
    })
}

/// Which of a block stand in lists of numbers.
fn list_members(block: &[u8; BLOCK]) -> u64 {
    which(block, |byte| {
        let small = byte | 0x20;
        let is_sign = (byte == b' ') | (byte == b',') | (byte == b'-') | (byte == b':') | (byte == b';');
        let is_end = (byte == b'\n') | (byte == b'\r') | (byte == b'\t');
        is_digit(byte) | (small.wrapping_sub(b'a') < 6) | (small == b'x') | is_sign | is_end
    })
}

/// The places of which so many in a row are marked, from there on.
fn rows(mut marks: u64, least: usize) -> u64 {
    let mut length = 1;
    while 2 * length <= least {
        marks &= marks >> length;
        length *= 2;
    }
    marks & marks >> (least - length)
}

impl Runs<'_> {
    /// Which bytes of the block that begins there are of the kind; none behind the end.
    #[inline(always)]
    fn members(&self, at: usize) -> u64 {
        let block = block(self.text, at);
        match self.members {
            Some(members) => members(&block),
            None => which(&block, |byte| self.class[usize::from(byte)]),
        }
    }

    /// Where a run ends that goes at least so far.
    fn end_of(&self, mut end: usize) -> usize {
        loop {
            let others = !self.members(end);
            if others != 0 {
                return end + others.trailing_zeros() as usize;
            }
            end += BLOCK;
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut at = self.at;
        while at + self.least <= self.text.len() {
            let starts = rows(self.members(at), self.least);
            if starts != 0 {
                let start = at + starts.trailing_zeros() as usize;
                self.at = self.end_of(start + self.least);
                return Some(start..self.at);
            }
            // A run that begins further on in the block may not be whole in it.
            at += BLOCK + 1 - self.least;
        }
        self.at = self.text.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_whole_wherever_they_stand() {
        let found = |text: &str| -> Vec<String> {
            runs(text.as_bytes(), &HEX, 4).map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(found("abcd xyz 12345 fee 99999999"), ["abcd", "12345", "99999999"]);
        assert_eq!(found("abc"), [""; 0]);
        assert_eq!(found("-abcd-abc-0123456789"), ["abcd", "0123456789"]);
    }

    #[test]
    fn what_is_told_of_blocks_is_what_is_told_of_bytes() {
        let bytes: Vec<u8> = (0..=255).collect();
        for at in (0..256).step_by(64) {
            let block = block(&bytes, at);
            for (members, class) in [(base64_members(&block), BASE64), (list_members(&block), LISTED)] {
                for (place, byte) in block.iter().enumerate() {
                    assert_eq!(members >> place & 1 == 1, class[usize::from(*byte)], "{byte}");
                }
            }
        }
    }

    #[test]
    fn short_runs_beside_each_other_are_none_and_the_next_is_found_at_any_place() {
        for before in 0..150 {
            let text = [&b"abc-".repeat(before)[..], b"012345678901-", b"-ab"].concat();
            let found: Vec<_> = runs(&text, &HEX, 12).map(|run| (run.start, run.len())).collect();
            assert_eq!(found, [(4 * before, 12)]);
        }
    }

    #[test]
    fn a_long_run_ends_where_its_kind_does_and_nowhere_else() {
        let letters: Vec<u8> = (0..=255).filter(|byte| BASE64[usize::from(*byte)]).collect();
        for len in [12, 75, 76, 77, 139, 140, 141, 1000] {
            for other in (0..=255).filter(|byte| !BASE64[usize::from(*byte)]) {
                let mut text: Vec<u8> = letters.iter().copied().cycle().take(len).collect();
                text.push(other);
                text.extend_from_slice(&letters);
                let found: Vec<_> = base64_runs(&text, 12).collect();
                assert_eq!(found, [0..len, len + 1..text.len()], "{other}");
            }
        }
    }
}
