//! International bank account numbers: ISO 13616, by the registry that SWIFT keeps of each country's account numbers.

use super::spelling::{OTHER, character};
use crate::decide::dlp::sums::mod_97;

/// The entry of these numbers.
pub const NAME: &str = "iban";
/// Characters of a country and its check digits.
pub const HEAD: usize = 4;
/// Letters and digits of a number: the fewest and the most that its format has.
const LENGTHS: std::ops::RangeInclusive<usize> = 15..=34;

/// A country, and the parts of its account numbers.
type Country = (&'static [u8; 2], &'static [(u8, u8)]);

/// Countries and what follows their four first characters: numbers of digits (n), letters (a) and either (c).
const REGISTRY: &[Country] = &[
    (b"AD", &[(8, b'n'), (12, b'c')]),
    (b"AE", &[(19, b'n')]),
    (b"AL", &[(8, b'n'), (16, b'c')]),
    (b"AT", &[(16, b'n')]),
    (b"AZ", &[(4, b'a'), (20, b'c')]),
    (b"BA", &[(16, b'n')]),
    (b"BE", &[(12, b'n')]),
    (b"BG", &[(4, b'a'), (6, b'n'), (8, b'c')]),
    (b"BH", &[(4, b'a'), (14, b'c')]),
    (b"BI", &[(23, b'n')]),
    (b"BR", &[(23, b'n'), (1, b'a'), (1, b'c')]),
    (b"BY", &[(4, b'c'), (4, b'n'), (16, b'c')]),
    (b"CH", &[(5, b'n'), (12, b'c')]),
    (b"CR", &[(18, b'n')]),
    (b"CY", &[(8, b'n'), (16, b'c')]),
    (b"CZ", &[(20, b'n')]),
    (b"DE", &[(18, b'n')]),
    (b"DJ", &[(23, b'n')]),
    (b"DK", &[(14, b'n')]),
    (b"DO", &[(4, b'c'), (20, b'n')]),
    (b"EE", &[(16, b'n')]),
    (b"EG", &[(25, b'n')]),
    (b"ES", &[(20, b'n')]),
    (b"FI", &[(14, b'n')]),
    (b"FK", &[(2, b'a'), (12, b'n')]),
    (b"FO", &[(14, b'n')]),
    (b"FR", &[(10, b'n'), (11, b'c'), (2, b'n')]),
    (b"GB", &[(4, b'a'), (14, b'n')]),
    (b"GE", &[(2, b'a'), (16, b'n')]),
    (b"GI", &[(4, b'a'), (15, b'c')]),
    (b"GL", &[(14, b'n')]),
    (b"GR", &[(7, b'n'), (16, b'c')]),
    (b"GT", &[(24, b'c')]),
    (b"HN", &[(4, b'a'), (20, b'n')]),
    (b"HR", &[(17, b'n')]),
    (b"HU", &[(24, b'n')]),
    (b"IE", &[(4, b'a'), (14, b'n')]),
    (b"IL", &[(19, b'n')]),
    (b"IQ", &[(4, b'a'), (15, b'n')]),
    (b"IS", &[(22, b'n')]),
    (b"IT", &[(1, b'a'), (10, b'n'), (12, b'c')]),
    (b"JO", &[(4, b'a'), (4, b'n'), (18, b'c')]),
    (b"KW", &[(4, b'a'), (22, b'c')]),
    (b"KZ", &[(3, b'n'), (13, b'c')]),
    (b"LB", &[(4, b'n'), (20, b'c')]),
    (b"LC", &[(4, b'a'), (24, b'c')]),
    (b"LI", &[(5, b'n'), (12, b'c')]),
    (b"LT", &[(16, b'n')]),
    (b"LU", &[(3, b'n'), (13, b'c')]),
    (b"LV", &[(4, b'a'), (13, b'c')]),
    (b"LY", &[(21, b'n')]),
    (b"MC", &[(10, b'n'), (11, b'c'), (2, b'n')]),
    (b"MD", &[(20, b'c')]),
    (b"ME", &[(18, b'n')]),
    (b"MK", &[(3, b'n'), (10, b'c'), (2, b'n')]),
    (b"MN", &[(16, b'n')]),
    (b"MR", &[(23, b'n')]),
    (b"MT", &[(4, b'a'), (5, b'n'), (18, b'c')]),
    (b"MU", &[(4, b'a'), (19, b'n'), (3, b'a')]),
    (b"NI", &[(4, b'a'), (20, b'n')]),
    (b"NL", &[(4, b'a'), (10, b'n')]),
    (b"NO", &[(11, b'n')]),
    (b"OM", &[(3, b'n'), (16, b'c')]),
    (b"PK", &[(4, b'a'), (16, b'c')]),
    (b"PL", &[(24, b'n')]),
    (b"PS", &[(4, b'a'), (21, b'c')]),
    (b"PT", &[(21, b'n')]),
    (b"QA", &[(4, b'a'), (21, b'c')]),
    (b"RO", &[(4, b'a'), (16, b'c')]),
    (b"RS", &[(18, b'n')]),
    (b"RU", &[(14, b'n'), (15, b'c')]),
    (b"SA", &[(2, b'n'), (18, b'c')]),
    (b"SC", &[(4, b'a'), (20, b'n'), (3, b'a')]),
    (b"SD", &[(14, b'n')]),
    (b"SE", &[(20, b'n')]),
    (b"SI", &[(15, b'n')]),
    (b"SK", &[(20, b'n')]),
    (b"SM", &[(1, b'a'), (10, b'n'), (12, b'c')]),
    (b"SO", &[(19, b'n')]),
    (b"ST", &[(21, b'n')]),
    (b"SV", &[(4, b'a'), (20, b'n')]),
    (b"TL", &[(19, b'n')]),
    (b"TN", &[(20, b'n')]),
    (b"TR", &[(6, b'n'), (16, b'c')]),
    (b"UA", &[(6, b'n'), (19, b'c')]),
    (b"VA", &[(18, b'n')]),
    (b"VG", &[(4, b'a'), (16, b'n')]),
    (b"XK", &[(16, b'n')]),
    (b"YE", &[(4, b'a'), (4, b'n'), (18, b'c')]),
];

/// Of each pair of letters the length of that country's numbers, and its place in the registry. Zero where there is none.
static BY_LETTERS: [[(u8, u8); 26]; 26] = {
    let mut by_letters = [[(0, 0); 26]; 26];
    let mut entry = 0;
    while entry < REGISTRY.len() {
        let (country, parts) = REGISTRY[entry];
        let (mut length, mut part) = (4, 0);
        while part < parts.len() {
            length += parts[part].0;
            part += 1;
        }
        by_letters[(country[0] - b'A') as usize][(country[1] - b'A') as usize] = (length, entry as u8);
        entry += 1;
    }
    by_letters
};

/// The place of a capital in the alphabet.
fn letter(byte: u8) -> Option<usize> {
    byte.is_ascii_uppercase().then(|| usize::from(byte - b'A'))
}

/// Whether it has the form that its country's accounts have, and its check digits are right.
pub fn is_right(value: &[u8]) -> bool {
    let Some((head, mut account)) = value.split_at_checked(4) else { return false };
    let [Some(first), Some(second)] = [letter(head[0]), letter(head[1])] else { return false };
    let (length, entry) = BY_LETTERS[first][second];
    if usize::from(length) != value.len() {
        return false;
    }
    for (length, kind) in REGISTRY[usize::from(entry)].1 {
        let Some((part, rest)) = account.split_at_checked(usize::from(*length)) else { return false };
        let fits = |byte: &u8| match kind {
            b'n' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_alphanumeric(),
        };
        if !part.iter().all(fits) {
            return false;
        }
        account = rest;
    }
    account.is_empty() && mod_97(value[4..].iter().chain(head).copied()) == 1
}

/// A number while it is followed: a country, check digits, then letters and digits with single separators among them.
#[derive(Debug)]
pub struct Account<'a> {
    text: &'a [u8],
    /// Where its next character stands, and that.
    at: usize,
    next: (u8, usize),
    length: usize,
    country: [u8; 2],
}

impl<'a> Account<'a> {
    /// One that begins there.
    pub fn at(text: &'a [u8], start: usize) -> Option<Self> {
        let mut account = Self { text, at: start, next: (OTHER, 0), length: HEAD, country: [0; 2] };
        let mut head = [0; HEAD];
        account.pass(0);
        for letter in &mut head {
            *letter = account.next.0;
            account.pass(account.next.1);
        }
        let [first, second, check @ ..] = head;
        account.country = [first, second];
        let is_head = first.is_ascii_uppercase() && second.is_ascii_uppercase();
        (is_head && check.iter().all(u8::is_ascii_digit)).then_some(account)
    }

    /// Letters and digits that the numbers of its country have.
    pub fn country_length(&self) -> Option<usize> {
        let [first, second] = self.country.map(letter);
        let (length, _) = BY_LETTERS[first?][second?];
        Some(usize::from(length)).filter(|length| *length > 0)
    }

    /// The next place where it may end, and its letters and digits up to there: where a word ends, and if `only` is given,
    /// where it has so many.
    pub fn next_end(&mut self, only: Option<usize>) -> Option<(usize, usize)> {
        let most = only.unwrap_or(*LENGTHS.end());
        loop {
            if matches!(self.next.0, b' ' | b'.' | b'-') {
                self.pass(self.next.1);
            }
            if !self.next.0.is_ascii_alphanumeric() || self.length >= most {
                return None;
            }
            self.pass(self.next.1);
            self.length += 1;
            let ends = !self.next.0.is_ascii_alphanumeric() && LENGTHS.contains(&self.length);
            if ends && only.is_none_or(|only| only == self.length) {
                return Some((self.at, self.length));
            }
        }
    }

    fn pass(&mut self, bytes: usize) {
        self.at += bytes;
        self.next = if self.at < self.text.len() { character(self.text, self.at) } else { (OTHER, 0) };
    }
}
