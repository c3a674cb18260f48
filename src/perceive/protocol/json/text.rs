//! A string as it passes: escapes undone, bytes proven to be UTF-8, in pieces (RFC 8259, section 7).
//!
//! Half of a surrogate pair stands for no character and is read as U+FFFD, as most readers do.

use memchr::memchr2;

/// What is between two pieces of a string.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The beginning of a character whose rest has not come yet.
    carry: [u8; 4],
    carried: usize,
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    Unicode {
        digits: u8,
        value: u16,
    },
}

/// How far a piece of the input went.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// All of it belongs to the string, which goes on.
    On(usize),
    /// The string has ended with the quotation mark that is the last of these bytes.
    Ended(usize),
}

impl Step {
    /// How many bytes were read.
    pub fn taken(&self) -> usize {
        let (Self::On(taken) | Self::Ended(taken)) = self;
        *taken
    }
}

/// How many of these bytes, from the first, are ASCII that stands for itself: no quotation mark, backslash or control
/// character. Eight at a time.
#[inline]
pub fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let eight = u64::from_le_bytes(*eight);
        // The high bit of a byte is set where the byte is zero, or stands above one that is; the lowest is exact.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let special = eight
            | eight.wrapping_sub(ONES * 0x20) & !eight
            | zero(eight ^ (ONES * b'"' as u64))
            | zero(eight ^ (ONES * b'\\' as u64));
        let special = special & HIGHS;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &u8| matches!(byte, 0x20..0x80) && !matches!(byte, b'"' | b'\\');
    at + bytes[at..].iter().take_while(|byte| is_plain(byte)).count()
}

impl Text {
    /// Takes what belongs to the string from the beginning of `bytes`, which must not be empty, and gives what it says to
    /// `piece`.
    pub fn take(&mut self, bytes: &[u8], mut piece: impl FnMut(&str)) -> Result<Step, &'static str> {
        match self.escape {
            Escape::None => self.plain(bytes, &mut piece),
            Escape::Begun => self.escaped(bytes[0], &mut piece).map(|()| Step::On(1)),
            Escape::Unicode { digits, value } => {
                let digit = char::from(bytes[0]).to_digit(16).ok_or("a `\\u` without four hex digits")?;
                let value = value << 4 | digit as u16;
                self.escape = Escape::Unicode { digits: digits + 1, value };
                if digits == 3 {
                    self.escape = Escape::None;
                    self.unit(value, &mut piece);
                }
                Ok(Step::On(1))
            }
        }
    }

    fn plain(&mut self, bytes: &[u8], piece: &mut impl FnMut(&str)) -> Result<Step, &'static str> {
        let end = memchr2(b'"', b'\\', bytes);
        let run = &bytes[..end.unwrap_or(bytes.len())];
        // Looks at all of them rather than stopping at the first, which takes many at a time.
        if run.iter().fold(false, |found, byte| found | (*byte < 0x20)) {
            return Err("a control character in a string");
        }
        if !run.is_empty() {
            self.lonely(piece);
        }
        self.characters(run, end.is_none(), piece)?;
        let Some(end) = end else { return Ok(Step::On(bytes.len())) };
        if bytes[end] == b'"' {
            self.lonely(piece);
            return Ok(Step::Ended(end + 1));
        }
        self.escape = Escape::Begun;
        Ok(Step::On(end + 1))
    }

    /// Bytes that stand for themselves; whether more of the same run may follow.
    fn characters(
        &mut self,
        mut run: &[u8],
        more: bool,
        piece: &mut impl FnMut(&str),
    ) -> Result<(), &'static str> {
        const NOT_UTF8: &str = "bytes that are not UTF-8";
        while self.carried > 0 {
            let Some((next, rest)) = run.split_first() else {
                return if more { Ok(()) } else { Err(NOT_UTF8) };
            };
            self.carry[self.carried] = *next;
            self.carried += 1;
            run = rest;
            match str::from_utf8(&self.carry[..self.carried]) {
                Ok(character) => {
                    piece(character);
                    self.carried = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(NOT_UTF8),
                Err(_) => {}
            }
        }
        let (whole, cut) = match str::from_utf8(run) {
            Ok(whole) => (whole, &[][..]),
            Err(error) if error.error_len().is_some() || !more => return Err(NOT_UTF8),
            Err(error) => {
                let (whole, cut) = run.split_at(error.valid_up_to());
                (str::from_utf8(whole).unwrap_or_default(), cut)
            }
        };
        self.carry[..cut.len()].copy_from_slice(cut);
        self.carried = cut.len();
        if !whole.is_empty() {
            piece(whole);
        }
        Ok(())
    }

    fn escaped(&mut self, byte: u8, piece: &mut impl FnMut(&str)) -> Result<(), &'static str> {
        self.escape = Escape::None;
        let says = match byte {
            b'"' => "\"",
            b'\\' => "\\",
            b'/' => "/",
            b'b' => "\u{8}",
            b'f' => "\u{c}",
            b'n' => "\n",
            b'r' => "\r",
            b't' => "\t",
            b'u' => {
                self.escape = Escape::Unicode { digits: 0, value: 0 };
                return Ok(());
            }
            _ => return Err("an escape that JSON does not have"),
        };
        self.lonely(piece);
        piece(says);
        Ok(())
    }

    /// One unit of UTF-16.
    fn unit(&mut self, unit: u16, piece: &mut impl FnMut(&str)) {
        if let Some(high) = self.high.take() {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                piece(character.encode_utf8(&mut [0; 4]));
                return;
            }
            piece("\u{fffd}");
        }
        match char::from_u32(unit.into()) {
            Some(character) => piece(character.encode_utf8(&mut [0; 4])),
            None if unit < 0xdc00 => self.high = Some(unit),
            None => piece("\u{fffd}"),
        }
    }

    /// A first half that no second half follows.
    fn lonely(&mut self, piece: &mut impl FnMut(&str)) {
        if self.high.take().is_some() {
            piece("\u{fffd}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_plain_run_ends_at_the_first_byte_that_means_something() {
        for length in 0..40 {
            let mut bytes = vec![b'a'; length];
            bytes.extend([b' ', b'~', 0x7f, b'!', b'#', b'[', b']']);
            assert_eq!(plain(&bytes), bytes.len());
            for special in [b'"', b'\\', 0, 0x0a, 0x1f, 0x80, 0xc3, 0xff] {
                for end in 0..bytes.len() {
                    let mut bytes = bytes.clone();
                    bytes[end] = special;
                    assert_eq!(plain(&bytes), end, "{bytes:?}");
                }
            }
        }
    }
}
