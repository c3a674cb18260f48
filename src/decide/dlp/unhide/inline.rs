//! What is undone character by character: percent, escapes of strings, entities of HTML, letters in disguise.
//!
//! Each is a few bytes that stand for one character wherever they appear, so they are undone wherever they appear, whatever
//! the message claims to be. Nothing is lost by that: the text as it came is read too. A sequence that is not well formed
//! stays as it is. Read next: `encoded.rs`.

use super::base::digit;
use super::entities;
use super::letters::{Fold, fold};
use super::patches::Patches;

/// One to four bytes that a sequence stands for; none where it stands for nothing.
type Plain = ([u8; 4], usize);

/// Every change of such a sequence in a text that is wanted.
pub fn inline(text: &[u8], is_wanted: impl Fn(usize, usize) -> bool) -> Patches {
    let mut patches = Patches::default();
    let mut marks = Marks::new(text);
    let mut word = Word::default();
    while let Some(at) = marks.next() {
        let undone = match text[at] {
            b'\\' => escape(&text[at..]),
            b'%' => percent(&text[at..]),
            b'&' => entities::entity(&text[at..]).map(|(width, letter)| (width, encoded(letter))),
            _ => disguise(text, at, &mut word),
        };
        let Some((width, (bytes, len))) = undone else {
            marks.skip(at + 1);
            continue;
        };
        if is_wanted(at, at + width) && text[at..at + width] != bytes[..len] {
            patches.push(at..at + width, &bytes[..len]);
        }
        marks.skip(at + width);
    }
    patches
}

/// The changes of the escapes that JSON has (RFC 8259, section 7).
pub fn json_escapes(text: &[u8]) -> Patches {
    let mut patches = Patches::default();
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', &text[at..]).map(|next| at + next) {
        at = next + 1;
        if let Some((width, (bytes, len))) = escape(&text[next..]).filter(|_| in_json(text.get(next + 1))) {
            patches.push(next..next + width, &bytes[..len]);
            at = next + width;
        }
    }
    patches
}

fn in_json(letter: Option<&u8>) -> bool {
    letter.is_some_and(|letter| b"\"\\/bfnrtu".contains(letter))
}

/// The changes of a form or a query: percent, and plus for a space (WHATWG, "URL", section 5.1).
pub fn form_escapes(text: &[u8]) -> Patches {
    let mut patches = Patches::default();
    for at in memchr::memchr2_iter(b'+', b'%', text) {
        if text[at] == b'+' {
            patches.push(at..at + 1, b" ");
        } else if let Some((width, (bytes, len))) = percent(&text[at..]) {
            patches.push(at..at + width, &bytes[..len]);
        }
    }
    patches
}

/// The changes of quoted-printable (RFC 2045, section 6.7), in a text that has it: lines that go on, or several bytes of it.
pub fn quoted_printable(text: &[u8], is_wanted: impl Fn(usize, usize) -> bool) -> Patches {
    let mut patches = Patches::default();
    for at in memchr::memchr_iter(b'=', text) {
        let (width, plain) = match text.get(at + 1..).unwrap_or_default() {
            [b'\n', ..] => (2, None),
            [b'\r', b'\n', ..] => (3, None),
            [high @ (b'0'..=b'9' | b'A'..=b'F'), low @ (b'0'..=b'9' | b'A'..=b'F'), ..] => {
                (3, number(&[*high, *low]).map(|value| value as u8))
            }
            _ => continue,
        };
        if at >= patches.end() && is_wanted(at, at + width) {
            patches.push(at..at + width, plain.as_slice());
        }
    }
    patches
}

/// Places where something may have to be undone.
struct Marks<'a> {
    text: &'a [u8],
    at: usize,
    /// The next of `\`, `%` and `&`, and the next byte outside ASCII.
    sign: Option<usize>,
    letter: Option<usize>,
}

impl<'a> Marks<'a> {
    fn new(text: &'a [u8]) -> Self {
        let mut marks = Self { text, at: 0, sign: Some(0), letter: Some(0) };
        (marks.sign, marks.letter) = (marks.find_sign(), marks.find_letter());
        marks
    }

    fn find_sign(&self) -> Option<usize> {
        match self.text.get(self.at)? {
            // They often follow each other.
            b'\\' | b'%' | b'&' => Some(self.at),
            _ => memchr::memchr3(b'\\', b'%', b'&', &self.text[self.at..]).map(|next| self.at + next),
        }
    }

    fn find_letter(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let first = |bytes: &[u8]| bytes.iter().position(|byte| !byte.is_ascii());
        if let Some(next) = first(&rest[..rest.len().min(8)]) {
            return Some(self.at + next);
        }
        let mut skipped = 0;
        for block in rest.chunks(64) {
            if !block.is_ascii() {
                return first(block).map(|next| self.at + skipped + next);
            }
            skipped += block.len();
        }
        None
    }

    fn next(&mut self) -> Option<usize> {
        match (self.sign, self.letter) {
            (Some(sign), Some(letter)) => Some(sign.min(letter)),
            (sign, letter) => sign.or(letter),
        }
    }

    /// Goes on from there.
    fn skip(&mut self, to: usize) {
        self.at = to;
        if self.sign.is_some_and(|sign| sign < to) {
            self.sign = self.find_sign();
        }
        if self.letter.is_some_and(|letter| letter < to) {
            self.letter = self.find_letter();
        }
    }
}

fn encoded(letter: char) -> Plain {
    let mut bytes = [0; 4];
    let len = letter.encode_utf8(&mut bytes).len();
    (bytes, len)
}

fn byte(value: u8) -> Plain {
    ([value, 0, 0, 0], 1)
}

/// `%41`, and `%u0041` as old scripts wrote it.
fn percent(text: &[u8]) -> Option<(usize, Plain)> {
    if let [_, b'u' | b'U', digits @ ..] = text {
        return Some((6, encoded(char::from_u32(number(digits.get(..4)?)?)?)));
    }
    Some((3, byte(number(text.get(1..3)?)? as u8)))
}

/// The number that all of these digits write.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum: u32, byte| Some(sum << 4 | u32::from(digit(*byte)?)))
}

/// `\u0041`, `\u{41}`, `\U00000041`, `\x41`, `\101`, `\n`, and a sign that is escaped for safety, as in `\"`.
fn escape(text: &[u8]) -> Option<(usize, Plain)> {
    let letter = *text.get(1)?;
    Some(match letter {
        b'u' => return unicode(text),
        b'U' => (10, encoded(char::from_u32(number(text.get(2..10)?)?)?)),
        b'x' => (4, byte(number(text.get(2..4)?)? as u8)),
        b'n' => (2, byte(b'\n')),
        b'r' => (2, byte(b'\r')),
        b't' => (2, byte(b'\t')),
        b'b' | b'f' | b'v' => (2, byte(b' ')),
        b'0'..=b'3' if text.get(1..4)?.iter().all(|byte| (b'0'..=b'7').contains(byte)) => {
            let value = text[1..4].iter().fold(0_u32, |sum, byte| sum << 3 | u32::from(byte - b'0'));
            (4, byte(value as u8))
        }
        // A line that goes on.
        b'\n' => (2, ([0; 4], 0)),
        b'\r' if text.get(2) == Some(&b'\n') => (3, ([0; 4], 0)),
        sign if sign.is_ascii_punctuation() || sign == b' ' => (2, byte(sign)),
        _ => return None,
    })
}

/// One character, or two halves of one.
fn unicode(text: &[u8]) -> Option<(usize, Plain)> {
    if text.get(2) == Some(&b'{') {
        let close = text.iter().take(10).position(|byte| *byte == b'}')?;
        return Some((close + 1, encoded(char::from_u32(number(&text[3..close])?)?)));
    }
    let first = number(text.get(2..6)?)?;
    if let Some(letter) = char::from_u32(first) {
        return Some((6, encoded(letter)));
    }
    let second = text
        .get(6..12)
        .filter(|second| second.starts_with(b"\\u"))
        .and_then(|second| number(&second[2..]))?;
    let pair = char::decode_utf16([first as u16, second as u16]).next()?.ok()?;
    Some((12, encoded(pair)))
}

/// The word that was looked at last, and whether it has ASCII letters or digits in it.
#[derive(Default)]
struct Word {
    end: usize,
    has_ascii: bool,
}

/// A character in disguise.
fn disguise(text: &[u8], at: usize, word: &mut Word) -> Option<(usize, Plain)> {
    let width = match text[at] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let letter = std::str::from_utf8(text.get(at..at + width)?).ok()?.chars().next()?;
    let plain = match fold(letter) {
        Some(Fold::Away) => ([0; 4], 0),
        Some(Fold::Same(ascii)) => byte(ascii),
        Some(Fold::Alike(b' ' | b'-')) if !groups(text, at, width) => encoded(letter),
        Some(Fold::Alike(ascii)) if is_mixed(text, at, word) => byte(ascii),
        _ => encoded(letter),
    };
    Some((width, plain))
}

/// Whether both neighbours are letters or digits.
fn groups(text: &[u8], at: usize, width: usize) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    is_word(at.checked_sub(1).and_then(|before| text.get(before))) && is_word(text.get(at + width))
}

/// Whether the word here has ASCII letters or digits.
fn is_mixed(text: &[u8], at: usize, word: &mut Word) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'_' | b'-');
    if at >= word.end {
        let least = at.saturating_sub(MIXED_BYTES);
        let start =
            text[least..at].iter().rposition(|byte| !is_part(byte)).map_or(least, |gap| least + gap + 1);
        let most = (at + MIXED_BYTES).min(text.len());
        word.end = text[at..most].iter().position(|byte| !is_part(byte)).map_or(most, |gap| at + gap);
        word.has_ascii = text[start..word.end].iter().any(u8::is_ascii_alphanumeric);
    }
    word.has_ascii
}

/// Bytes of a word that are looked at on either side.
const MIXED_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(text: &str) -> String {
        let mapped = inline(text.as_bytes(), |_, _| true).apply(text.as_bytes());
        String::from_utf8_lossy(&mapped.text).into_owned()
    }

    #[test]
    fn whatever_stands_for_a_character_is_that_character() {
        for hidden in [
            "%41%6b",
            "%u0041k",
            r"\u0041\u006b",
            r"\x41\x6B",
            r"\u{41}k",
            r"\101\153",
            "&#65;&#x6b;",
            "A\u{200b}k",
            "\u{ff21}\u{ff4b}",
            "\u{410}k",
            "\\A\\k",
        ] {
            let plain = undone(hidden);
            assert!(plain == "Ak" || hidden == "\\A\\k", "{hidden} is {plain}");
        }
        assert_eq!(undone(r#"a\"b\/c\\d\ne"#), "a\"b/c\\d\ne");
        assert_eq!(undone("&lt;a&gt;&amp;&quot;&commat;&period;"), "<a>&\"@.");
        assert_eq!(undone(r"\ud83d\ude00"), "\u{1f600}");
    }

    #[test]
    fn what_stands_for_nothing_stays() {
        for text in
            ["100% of it", "%zz", r"\u12", "AT&T;", "&nosuch;", "привет мир", "naïve", "2 – 3", r"\ud800"]
        {
            assert_eq!(undone(text), text);
        }
        assert_eq!(undone("Ключ: АKIА"), "Ключ: AKIA", "only the word that mixes alphabets is folded");
    }

    #[test]
    fn strings_of_json_keep_what_json_does_not_escape() {
        let text = br#""a\x41\u0041\"""#;
        assert_eq!(json_escapes(text).apply(text).text, br#""a\x41A"""#);
        let text = b"a+b=%2B1";
        assert_eq!(form_escapes(text).apply(text).text, b"a b=+1");
    }
}
