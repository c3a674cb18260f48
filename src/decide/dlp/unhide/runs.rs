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
    least: usize,
    at: usize,
}

/// Runs of at least so many bytes of a kind.
pub fn runs<'a>(text: &'a [u8], class: &'static Class, least: usize) -> Runs<'a> {
    Runs { text, class, least, at: 0 }
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let (text, least) = (self.text, self.least);
        let is_other = |at: usize| !self.class[usize::from(text[at])];
        let mut at = self.at;
        // Every run that begins here or later covers its own first `least` bytes.
        while at + least <= text.len() {
            let mut last = at + least;
            while last > at && !is_other(last - 1) {
                last -= 1;
            }
            if last > at {
                at = last;
                continue;
            }
            let mut end = at + least;
            while end < text.len() && !is_other(end) {
                end += 1;
            }
            self.at = end;
            return Some(at..end);
        }
        self.at = text.len();
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
}
