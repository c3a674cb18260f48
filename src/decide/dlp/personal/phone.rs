//! Reads telephone numbers: international ones with their `+`, North American ones by their plan, and others by how their
//! digits are grouped. What words near them say is weighed in `numbers`.

use std::ops::Range;

use super::spelling::{character, is_digit};

/// A number as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Number {
    pub range: Range<usize>,
    pub kind: Kind,
    /// Whether few other numbers are written that way: with a leading zero, parentheses, or pairs at the end.
    pub is_distinctive: bool,
}

/// What its form says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With `+` and a country's code.
    International,
    /// Three, three and four digits as the North American plan allows them, joined by hyphens, points or in parentheses.
    NorthAmerican,
    /// The same with spaces, as columns of figures have them.
    NorthAmericanSpaced,
    /// Digits in groups.
    Grouped,
    /// Digits without separators.
    Solid,
}

/// Fewest digits of a number.
const FEWEST: usize = 7;
/// Most digits of a number: E.164, and two for a prefix.
const DIGITS: usize = 17;
/// Most groups of digits.
const GROUPS: usize = 7;

/// Groups of digits, as far as they are read.
#[derive(Default, Clone, Copy)]
struct Groups {
    digits: [u8; DIGITS],
    count: usize,
    lengths: [usize; GROUPS],
    groups: usize,
    has_space: bool,
    has_parenthesis: bool,
}

/// What was known where a group ended.
#[derive(Default, Clone, Copy)]
struct End {
    at: usize,
    count: usize,
    has_space: bool,
    has_parenthesis: bool,
}

/// Whether a number may begin with the digits that stand there: they are enough, or others may follow.
pub fn may_begin(text: &[u8], digit: usize) -> bool {
    let digits = text[digit..].iter().take(FEWEST).take_while(|byte| byte.is_ascii_digit()).count();
    let follows = |byte: u8| byte >= 0x80 || b" ().-/".contains(&byte);
    digits == FEWEST || text.get(digit + digits).is_some_and(|byte| follows(*byte))
}

/// The longest number whose first digit stands there.
pub fn at(text: &[u8], digit: usize) -> Option<Number> {
    let (start, has_plus) = beginning(text, digit)?;
    let mut groups = Groups { has_parenthesis: text[start..digit].contains(&b'('), ..Groups::default() };
    let (mut at, mut ends) = (digit, [End::default(); GROUPS]);
    loop {
        groups.lengths[groups.groups] = group(text, &mut at, &mut groups)?;
        let Groups { count, has_space, has_parenthesis, .. } = groups;
        ends[groups.groups] = End { at, count, has_space, has_parenthesis };
        groups.groups += 1;
        let Some(next) = separator(text, at, &mut groups) else { break };
        if groups.groups == GROUPS || groups.count == DIGITS {
            break;
        }
        at = next;
    }
    // The longest is asked first, because most are none however long.
    let mut enough = (1..=groups.groups).rev().take_while(|count| ends[count - 1].count >= FEWEST);
    enough.find_map(|count| {
        let groups = groups.first(count, ends[count - 1]);
        let end = ends[count - 1].at;
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() && *byte != b'x' || *byte == b'_';
        let kind = groups.kind(has_plus).filter(|_| !text.get(end).is_some_and(goes_on))?;
        let number = Number { range: start..end, kind, is_distinctive: groups.is_distinctive() };
        Some(with_extension(text, number))
    })
}

/// Where a number begins that has its first digit there, and whether with `+`.
fn beginning(text: &[u8], digit: usize) -> Option<(usize, bool)> {
    let before = |place: usize| place.checked_sub(1).map_or(b' ', |place| text[place]);
    let mut start = digit;
    if before(start) == b'(' {
        start -= 1;
    }
    let has_plus = before(start) == b'+';
    if has_plus {
        start -= 1;
    }
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./$#@&".contains(&byte);
    let is_escaped = start > 1 && before(start - 1) == b'\\';
    let is_free = !joins(before(start)) || is_escaped;
    is_free.then_some((start, has_plus))
}

/// Reads a group of digits; none where there are too many.
fn group(text: &[u8], at: &mut usize, groups: &mut Groups) -> Option<usize> {
    let mut length = 0;
    while *at < text.len() {
        let (byte, bytes) = match text[*at] {
            digit @ b'0'..=b'9' => (digit, 1),
            0..0x80 => break,
            _ => character(text, *at),
        };
        if !byte.is_ascii_digit() {
            break;
        }
        *groups.digits.get_mut(groups.count)? = byte;
        groups.count += 1;
        length += 1;
        *at += bytes;
    }
    (length > 0).then_some(length)
}

/// Where the next group begins, after one separator or two.
fn separator(text: &[u8], mut at: usize, groups: &mut Groups) -> Option<usize> {
    let mut before = b'0';
    for _ in 0..2 {
        if at >= text.len() {
            return None;
        }
        let (byte, length) = character(text, at);
        if byte == before {
            return None;
        }
        before = byte;
        match byte {
            b' ' => groups.has_space = true,
            b'(' | b')' => groups.has_parenthesis = true,
            b'-' | b'.' | b'/' => {}
            _ => return None,
        }
        at += length;
        if is_digit(text, at) {
            return Some(at);
        }
    }
    None
}

impl Groups {
    /// So many of them, as they were where the last of these ended.
    fn first(self, groups: usize, End { count, has_space, has_parenthesis, .. }: End) -> Self {
        Self { groups, count, has_space, has_parenthesis, ..self }
    }

    fn kind(&self, has_plus: bool) -> Option<Kind> {
        let digits = &self.digits[..self.count];
        let lengths = &self.lengths[..self.groups];
        if self.count < FEWEST || digits.iter().all(|digit| *digit == digits[0]) {
            return None;
        }
        if has_plus {
            return (self.count > 7 && self.count < 16 && is_country(digits)).then_some(Kind::International);
        }
        let (one, own) = match lengths {
            [1, rest @ ..] if digits[0] == b'1' => (1, rest),
            _ => (0, lengths),
        };
        if own == [3, 3, 4] {
            let is_planned = digits[one] > b'1' && digits[one + 3] > b'1';
            let is_plain = self.has_space && !self.has_parenthesis;
            return is_planned.then_some(if is_plain {
                Kind::NorthAmericanSpaced
            } else {
                Kind::NorthAmerican
            });
        }
        let is_year = |at: usize| matches!(&digits[at..at + 2], b"19" | b"20");
        match (self.groups, self.count) {
            // A date.
            (3, 8) if (lengths == [4, 2, 2] && is_year(0)) || (lengths == [2, 2, 4] && is_year(4)) => None,
            (1, 7..=13) => Some(Kind::Solid),
            (2.., 7..=13) if lengths.iter().skip(1).all(|length| (2..=8).contains(length)) => {
                Some(Kind::Grouped)
            }
            _ => None,
        }
    }

    fn is_distinctive(&self) -> bool {
        let has_trunk = self.digits[0] == b'0' && self.digits[1] != b'0' && self.count == 11;
        let is_zero_alone = self.lengths[0] == 1 || self.groups == 1;
        let has_pairs = matches!(self.lengths[..self.groups], [3, 3, 2, 2] | [4, 3, 2, 2] | [2, 2, 2, 2, 2]);
        (has_trunk && (is_zero_alone || self.has_parenthesis)) || has_pairs
    }
}

/// Whether the digits begin with a code that the ITU gave to a country or a service.
fn is_country(digits: &[u8]) -> bool {
    match digits {
        [b'1', area, ..] => *area > b'1',
        [b'7', next, ..] => matches!(next, b'3'..=b'9' | b'0'),
        [b'2', b'0' | b'7', ..] => true,
        [b'2', next, third, ..] => {
            matches!((next, third), (b'1', b'1'..=b'3' | b'6' | b'8') | (b'2' | b'3' | b'5' | b'6', _))
                || matches!((next, third), (b'4', _) | (b'9', b'0' | b'1' | b'7'..=b'9'))
        }
        [b'3', b'0'..=b'4' | b'6' | b'9', ..] => true,
        [b'3', b'5', third, ..] => *third != b'4' || digits.len() > 9,
        [b'3', b'7', third, ..] => *third != b'9' || digits.len() > 9,
        [b'3', b'8', third, ..] => matches!(third, b'0'..=b'3' | b'5'..=b'7' | b'9'),
        [b'4', b'2', third, ..] => matches!(third, b'0' | b'1' | b'3'),
        [b'4', _, ..] => true,
        [b'5', b'0' | b'9', _, ..] => true,
        [b'5', ..] => true,
        [b'6', b'7' | b'8' | b'9', third, ..] => *third != b'1' || digits.len() > 8,
        [b'6', ..] => true,
        [b'8', b'1' | b'2' | b'4' | b'6', ..] => true,
        [b'8', b'0' | b'5' | b'7' | b'8', third, ..] => matches!(third, b'0' | b'2'..=b'6' | b'8'),
        [b'9', b'0'..=b'5' | b'8', ..] => true,
        [b'9', b'6', third, ..] => *third != b'9',
        [b'9', b'7', third, ..] => matches!(third, b'0'..=b'7'),
        [b'9', b'9', third, ..] => matches!(third, b'2'..=b'6' | b'8'),
        _ => false,
    }
}

/// With the extension that may follow: `x12`, `ext. 12`.
fn with_extension(text: &[u8], number: Number) -> Number {
    let rest = &text[number.range.end..text.len().min(number.range.end + 14)];
    let marks: [&[u8]; 4] = [b"x", b" x", b" ext. ", b" ext "];
    let Some(mark) = marks.into_iter().find(|mark| rest.starts_with(mark)) else { return number };
    let digits = rest[mark.len()..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = number.range.end + if matches!(digits, 1..=6) { mark.len() + digits } else { 0 };
    Number { range: number.range.start..end, ..number }
}
