//! A number as it passes: its characters are kept where it is cut, up to a bound, and judged once it ends (RFC 8259,
//! section 6).

use crate::model::types::limits::JSON_NUMBER_BYTES;

/// The characters of a number so far.
#[derive(Debug, Clone)]
pub struct Number {
    kept: [u8; JSON_NUMBER_BYTES],
    length: usize,
}

impl Number {
    /// None yet.
    pub fn new() -> Self {
        Self { kept: [0; JSON_NUMBER_BYTES], length: 0 }
    }

    /// Forgets what was kept.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Keeps more of it; whether there was room.
    pub fn keep(&mut self, run: &[u8]) -> bool {
        let Some(room) = self.kept.get_mut(self.length..self.length + run.len()) else { return false };
        room.copy_from_slice(run);
        self.length += run.len();
        true
    }

    /// What was kept.
    pub fn kept(&self) -> &[u8] {
        &self.kept[..self.length]
    }
}

/// How many of these bytes, from the first, may belong to a number.
pub fn run(bytes: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    bytes.iter().position(|byte| !is_part(byte)).unwrap_or(bytes.len())
}

/// Whether this is `[minus] int [frac] [exp]`.
pub fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let integer = digits(text);
    if integer == 0 || (integer > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[integer..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

/// A number of JSON as a count, where it is one: whole, not negative, below 2^53. `28`, `28.0` and `2.8e1` are the same.
pub fn count(text: &str) -> Option<u64> {
    const MOST: u64 = 1 << 53;
    let count = match text.parse() {
        Ok(whole) => whole,
        Err(_) => {
            let number: f64 = text.parse().ok()?;
            // Beyond the bound, and below zero, the cast saturates.
            (number.fract() == 0.0 && number >= 0.0).then_some(number as u64)?
        }
    };
    (count < MOST).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::{count, is_number};

    #[test]
    fn a_number_is_what_the_grammar_says_and_nothing_else() {
        for text in ["0", "-0", "7", "10", "-12.50", "1e9", "1E+9", "0.5e-3"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "01", "+1", ".5", "1.", "1e", "1e+", "--1", "1.2.3", "1-2", "0e1e1"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_count_is_whole_and_not_negative_however_it_is_written() {
        for (text, value) in [("0", 0), ("28", 28), ("28.0", 28), ("2.8e1", 28), ("-0", 0), ("-0.0", 0)] {
            assert_eq!(count(text), Some(value), "{text}");
        }
        for text in ["-1", "0.5", "1e-1", "9007199254740992", "1e300", "1e999"] {
            assert_eq!(count(text), None, "{text}");
        }
    }
}
