//! Whether a value is written like a secret: what it is made of, how it is spread, and whether words are in it.
//!
//! Machines make secrets of letters and digits in no order; people make passwords of words with something added. Names, paths,
//! templates, calls, dates and numbers are neither. Every judgement is one pass over a bounded value. Read next: `assignment.rs`.

use super::name::Named;
use super::words::{Words, pairs};
use crate::model::types::limits::FOUND_VALUE_BYTES as VALUE_BYTES;

/// What a value is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Bytes of it.
    pub length: usize,
    lower: usize,
    upper: usize,
    /// Digits among it.
    pub digits: usize,
    signs: usize,
    /// Changes between letters and digits, and between cases within a word.
    changes: usize,
    /// Pairs of letters, and how many of them English does not have.
    pairs: usize,
    odd: usize,
    /// Bits of entropy for each byte.
    entropy: f32,
    /// Whether it has only digits of base 16.
    pub is_hex: bool,
}

impl Shape {
    /// Of this value.
    pub fn of(value: &[u8]) -> Self {
        let mut shape = Self { length: value.len(), is_hex: true, ..Self::default() };
        let mut counts = [0u16; 256];
        let mut before = 0u8;
        for byte in value {
            counts[usize::from(*byte)] += 1;
            shape.is_hex &= byte.is_ascii_hexdigit();
            match byte {
                b'a'..=b'z' => shape.lower += 1,
                b'A'..=b'Z' => shape.upper += 1,
                b'0'..=b'9' => shape.digits += 1,
                _ => shape.signs += 1,
            }
            // A capital and then small letters are a word; small letters and then a capital begin one.
            let changes = before.is_ascii_digit() && byte.is_ascii_alphabetic()
                || before.is_ascii_alphabetic() && byte.is_ascii_digit()
                || before.is_ascii_lowercase() && byte.is_ascii_uppercase();
            shape.changes += usize::from(changes);
            before = *byte;
        }
        (shape.pairs, shape.odd) = pairs(value);
        let length = value.len().max(1) as f32;
        shape.entropy = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| f32::from(*count) / length)
            .map(|part| -part * part.log2())
            .sum();
        shape
    }

    fn letters(&self) -> usize {
        self.lower + self.upper
    }

    /// Whether a machine made it: long, and in no order.
    pub fn is_random(&self, least: usize) -> bool {
        if self.length < least || self.letters() + self.digits < self.length - self.length / 6 {
            return false;
        }
        let spread = self.entropy >= if self.is_hex || self.length < 20 { 2.6 } else { 3.2 };
        let mixed = self.digits > 0 && self.letters() > 0 && self.changes * 6 >= self.length;
        let strange = self.pairs >= 5 && self.odd * 100 >= self.pairs * 28;
        spread
            && (mixed && (self.is_hex || self.odd * 100 >= self.pairs * 8 || self.changes * 3 >= self.length)
                || strange)
    }

    /// Whether its letters are no word of any kind.
    fn is_gibberish(&self) -> bool {
        self.odd >= 2 && self.odd * 100 >= self.pairs * 25
    }
}

/// How sure it is that a value with such a name is secret: nothing where it is not.
pub fn judge(words: &Words, named: Named, value: &[u8], quoted: bool) -> Option<f32> {
    if value.len() < 4 || value.len() > VALUE_BYTES || is_code(value) || is_path(value) {
        return None;
    }
    let shape = Shape::of(value);
    if shape.letters() == 0 && !(named == Named::Password && quoted && shape.length >= 6 && shape.signs < 2)
        || value.iter().any(|byte| byte.is_ascii_control())
        || is_date(value)
        || is_of_words(words, value)
    {
        return None;
    }
    let uuid = is_uuid(value);
    match named {
        Named::Password if uuid => Some(0.6),
        Named::Password => password(words, &shape, value, quoted),
        Named::Secret if uuid => Some(0.7),
        Named::Secret if shape.is_random(16) => Some(0.85),
        Named::Secret if quoted && shape.is_random(10) => Some(0.7),
        Named::Secret if shape.is_random(8) && shape.digits > 1 => Some(0.6),
        Named::Perhaps if uuid => None,
        Named::Perhaps if shape.is_random(20) => Some(0.7),
        Named::Perhaps if quoted && shape.is_random(12) => Some(0.6),
        Named::Secret | Named::Perhaps => None,
    }
}

fn password(words: &Words, shape: &Shape, value: &[u8], quoted: bool) -> Option<f32> {
    if value.contains(&b' ') {
        return None;
    }
    if shape.letters() == 0 {
        return Some(0.55);
    }
    let people = value.iter().any(|byte| b"!@#$%^&*?+=~-_".contains(byte));
    let letters: Vec<u8> =
        value.iter().filter(|byte| byte.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).collect();
    let word = words.has(&letters) || words.make_up(&letters);
    // `user2`, `http1`: a word that is counted.
    let counted = word && shape.digits <= 2 && !people;
    match () {
        () if counted => None,
        () if shape.digits > 0 && (shape.changes > 1 || shape.is_gibberish() || people) => {
            Some(if quoted { 0.85 } else { 0.75 })
        }
        () if shape.digits > 0 && quoted => Some(0.6),
        () if shape.digits > 1 && shape.length >= 8 => Some(0.55),
        () if shape.is_gibberish() => Some(if quoted { 0.8 } else { 0.65 }),
        () if shape.odd >= 1 && shape.odd * 5 >= shape.pairs && shape.upper == 0 && quoted && !word => {
            Some(0.55)
        }
        () => None,
    }
}

/// Whether it is written in a language of programs or templates: a call, a variable, a format.
fn is_code(value: &[u8]) -> bool {
    const INSIDE: &[&[u8]] = &[
        b"${", b"{{", b"#{", b"$(", b"<%", b"%s", b"%v", b"%d", b"://", b"()", b"->", b"::", b"=>", b"%{",
        b"@{", b"{0}", b"][", b"['", b"[\"", b"\\u", b"&&", b"||", b"/*",
    ];
    let closed = |open: u8, close: u8| value.first() == Some(&open) && value.last() == Some(&close);
    INSIDE.iter().any(|mark| value.windows(mark.len()).any(|there| there == *mark))
        || closed(b'<', b'>')
        || closed(b'{', b'}')
        || closed(b'[', b']')
        || closed(b'(', b')')
        || closed(b'%', b'%')
        || closed(b'@', b'@')
        || matches!(value, [b'$', next, ..] if next.is_ascii_alphabetic() || *next == b'_')
        || matches!(value, [b'&' | b'*' | b',' | b';' | b'=' | b')' | b'>', ..])
}

/// Whether it is a path, or the name of a file.
fn is_path(value: &[u8]) -> bool {
    const ENDINGS: &[&[u8]] = &[
        b".pem", b".key", b".json", b".crt", b".txt", b".yaml", b".yml", b".js", b".ts", b".py", b".go",
        b".rb", b".php", b".java", b".html", b".xml", b".conf", b".ini", b".env", b".creds", b".nk", b".pub",
        b".com", b".org", b".net", b".io",
    ];
    ENDINGS.iter().any(|ending| value.ends_with(ending))
        || matches!(value, [b'/', next, ..] if next.is_ascii_lowercase())
            && value.iter().filter(|byte| **byte == b'/').count() > 1
        || value.starts_with(b"./")
        || value.starts_with(b"../")
        || value.starts_with(b"~/")
        || value.starts_with(b"\\\\")
}

fn is_date(value: &[u8]) -> bool {
    matches!(value, [a, b, c, d, b'-', e, f, b'-', ..] if [a, b, c, d, e, f].iter().all(|digit| digit.is_ascii_digit()))
}

/// Whether it is written like a UUID.
pub fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether it is made of words with signs, capitals or single digits between them: a name, a sentence, a path.
fn is_of_words(words: &Words, value: &[u8]) -> bool {
    let mut known = 0;
    let mut unknown = 0;
    let mut digits = 0;
    let mut parts = 0;
    let mut part: Vec<u8> = Vec::new();
    let mut close = |part: &mut Vec<u8>| {
        if !part.is_empty() {
            parts += 1;
            let (all, odd) = pairs(part);
            match part.len() > 1
                && (words.has(part) || words.make_up(part) || part.len() > 3 && odd * 8 <= all && odd < 2)
            {
                true => known += part.len(),
                false => unknown += part.len(),
            }
            part.clear();
        }
    };
    let mut before = 0u8;
    for byte in value {
        if byte.is_ascii_alphabetic() {
            if byte.is_ascii_uppercase() && before.is_ascii_lowercase() {
                close(&mut part);
            }
            part.push(byte.to_ascii_lowercase());
        } else {
            digits += usize::from(byte.is_ascii_digit());
            close(&mut part);
        }
        before = *byte;
    }
    close(&mut part);
    // Long values of many short parts are words by accident only.
    digits * 8 <= value.len() && unknown * 4 <= known && parts * 3 <= value.len().max(6)
}
