//! Where bytes of one kind follow each other: the places where something may be encoded.
//!
//! A run of at least so many bytes covers one of every so many places. So the search looks there first and walks back; in
//! prose it meets a byte of another kind after a few steps and leaps on. Every byte is looked at twice at most. Nothing here
//! says whether a run is an encoding. Read next: `encoded.rs`.

use std::ops::Range;

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
    /// Whether a block of bytes is all of the kind, told faster than byte by byte.
    is_block: Option<fn(&[u8; BLOCK]) -> bool>,
    least: usize,
    at: usize,
}

/// Bytes that are looked at as one where a run is long, as those of pictures are.
const BLOCK: usize = 64;

/// Runs of at least so many bytes of a kind.
pub fn runs<'a>(text: &'a [u8], class: &'static Class, least: usize) -> Runs<'a> {
    Runs { text, class, is_block: None, least, at: 0 }
}

/// Runs of at least so many letters of base64.
pub fn base64_runs(text: &[u8], least: usize) -> Runs<'_> {
    Runs { is_block: Some(is_base64), ..runs(text, &BASE64, least) }
}

/// Whether all of a block are letters of base64: without a branch, so that many are compared at once.
fn is_base64(block: &[u8; BLOCK]) -> bool {
    let is_letter = |byte: u8| {
        ((byte | 0x20).wrapping_sub(b'a') < 26)
            | (byte.wrapping_sub(b'0') < 10)
            | (byte == b'+')
            | (byte == b'/')
            | (byte == b'-')
            | (byte == b'_')
    };
    block.iter().fold(true, |all, byte| all & is_letter(*byte))
}

impl Runs<'_> {
    /// The place behind the last byte of another kind; the beginning where there is none.
    fn behind_other(&self, range: Range<usize>) -> usize {
        let text = &self.text[range.clone()];
        let mut rest = text;
        // Several at once, because where in them one stands is anybody's guess, and each wrong guess costs as much as all.
        while let Some((front, last)) = rest.split_last_chunk::<8>() {
            let mut others = 0_u32;
            for (nth, byte) in last.iter().enumerate() {
                others |= u32::from(!self.class[usize::from(*byte)]) << nth;
            }
            if others != 0 {
                return range.start + front.len() + others.ilog2() as usize + 1;
            }
            rest = front;
        }
        let other = rest.iter().rposition(|byte| !self.class[usize::from(*byte)]);
        range.start + other.map_or(0, |other| other + 1)
    }

    /// Where a run ends that goes at least so far.
    fn end_of(&self, mut end: usize) -> usize {
        let is_member = |byte: &u8| self.class[usize::from(*byte)];
        let most = (end + BLOCK).min(self.text.len());
        end += self.text[end..most].iter().take_while(|byte| is_member(byte)).count();
        if end < most {
            return end;
        }
        if let Some(is_block) = self.is_block {
            while self.text[end..].first_chunk().is_some_and(is_block) {
                end += BLOCK;
            }
        }
        end + self.text[end..].iter().take_while(|byte| is_member(byte)).count()
    }
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut at = self.at;
        // Every run that begins here or later covers its own first `least` bytes.
        while at + self.least <= self.text.len() {
            let last = self.behind_other(at..at + self.least);
            if last > at {
                at = last;
                continue;
            }
            self.at = self.end_of(at + self.least);
            return Some(at..self.at);
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
