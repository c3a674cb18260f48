//! Letters that look like others, and characters that nobody sees.
//!
//! A key with a Cyrillic `А` or full-width digits in it reads the same to people and to many programs, and one with a
//! zero-width space is the same once pasted. Each such character is folded to the ASCII one that it stands for (Unicode
//! Technical Standard 39, "confusables", and the compatibility forms of the standard's chapter 22). Letters that merely look
//! alike are folded by `inline.rs` only within a word that has ASCII in it: a Russian sentence stays what it is.

/// What a character is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Nothing: nobody sees it.
    Away,
    /// That ASCII character, whatever stands beside it: it is the same one in another guise.
    Same(u8),
    /// That ASCII character, where it hides among such: it is another one that looks like it.
    Alike(u8),
}

/// What a character outside ASCII is read as, where it is read as anything else.
pub fn fold(letter: char) -> Option<Fold> {
    let code = u32::from(letter);
    Some(match code {
        // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul fillers, Mongolian separators.
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x3164 | 0xffa0 => {
            Fold::Away
        }
        // Zero width, directions, invisible operators; variation selectors; the mark of byte order; annotations.
        0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff | 0xfff9..=0xfffb => {
            Fold::Away
        }
        // Marks upon letters.
        0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f => Fold::Away,
        // Tags spell ASCII that nobody sees.
        0xe0020..=0xe007e => Fold::Same((code - 0xe0000) as u8),
        0xe0000..=0xe01ef => Fold::Away,
        // Full width.
        0xff01..=0xff5e => Fold::Same((code - 0xfee0) as u8),
        // Spaces and hyphens of other widths: within numbers they group digits.
        0xa0 | 0x1680 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Fold::Alike(b' '),
        0x2010..=0x2015 | 0x2212 | 0xfe58 | 0xfe63 => Fold::Alike(b'-'),
        0x2024 => Fold::Alike(b'.'),
        0x2044 | 0x2215 => Fold::Alike(b'/'),
        0x1d400..=0x1d7ff => Fold::Same(mathematical(code)?),
        _ => compatible(code).map(Fold::Same).or_else(|| alike(letter).map(Fold::Alike))?,
    })
}

/// Letters and digits of the mathematical alphabets.
fn mathematical(code: u32) -> Option<u8> {
    match code {
        0x1d400..=0x1d6a3 => {
            let at = ((code - 0x1d400) % 52) as u8;
            Some(if at < 26 { b'A' + at } else { b'a' + at - 26 })
        }
        0x1d7ce..=0x1d7ff => Some(b'0' + ((code - 0x1d7ce) % 10) as u8),
        _ => None,
    }
}

/// Letters and digits that are enclosed, raised or lowered, and the letter-like signs that the mathematical ones leave out.
fn compatible(code: u32) -> Option<u8> {
    Some(match code {
        0x24b6..=0x24cf => b'A' + (code - 0x24b6) as u8,
        0x24d0..=0x24e9 => b'a' + (code - 0x24d0) as u8,
        0x2460..=0x2468 => b'1' + (code - 0x2460) as u8,
        0x24ea | 0x2070 | 0x2080 => b'0',
        0x1f130..=0x1f149 => b'A' + (code - 0x1f130) as u8,
        0x1f150..=0x1f169 => b'A' + (code - 0x1f150) as u8,
        0x1f170..=0x1f189 => b'A' + (code - 0x1f170) as u8,
        0x2074..=0x2079 => b'4' + (code - 0x2074) as u8,
        0x2081..=0x2089 => b'1' + (code - 0x2081) as u8,
        0xb9 => b'1',
        0xb2 => b'2',
        0xb3 => b'3',
        // Digits of other scripts have the values of ours.
        0x660..=0x669 => b'0' + (code - 0x660) as u8,
        0x6f0..=0x6f9 => b'0' + (code - 0x6f0) as u8,
        0x966..=0x96f => b'0' + (code - 0x966) as u8,
        0x2102 | 0x212d => b'C',
        0x210a => b'g',
        0x210b..=0x210d => b'H',
        0x210e => b'h',
        0x2110 | 0x2111 => b'I',
        0x2112 => b'L',
        0x2113 => b'l',
        0x2115 => b'N',
        0x2119 => b'P',
        0x211a => b'Q',
        0x211b..=0x211d => b'R',
        0x2124 | 0x2128 => b'Z',
        0x212a => b'K',
        0x212c => b'B',
        0x212f => b'e',
        0x2130 => b'E',
        0x2131 => b'F',
        0x2133 => b'M',
        0x2134 => b'o',
        _ => return None,
    })
}

/// Letters of other scripts that look like ASCII: Cyrillic, Greek, Armenian, other Latin, small capitals, Roman numerals.
fn alike(letter: char) -> Option<u8> {
    Some(match letter {
        'З' | 'з' => b'3',
        'б' => b'6',
        'А' | 'Α' | 'ᴀ' => b'A',
        'В' | 'Β' | 'ʙ' => b'B',
        'С' | 'Ϲ' | 'ᴄ' | 'Ⅽ' => b'C',
        'ᴅ' | 'Ⅾ' => b'D',
        'Е' | 'Ε' | 'ᴇ' => b'E',
        'Н' | 'Η' => b'H',
        'І' | 'Ι' | 'ɪ' | 'Ⅰ' => b'I',
        'Ј' | 'ᴊ' => b'J',
        'К' | 'Κ' | 'ᴋ' => b'K',
        'Լ' | 'ʟ' | 'Ⅼ' => b'L',
        'М' | 'Μ' | 'ᴍ' | 'Ⅿ' => b'M',
        'Ν' | 'ɴ' => b'N',
        'О' | 'Ο' | 'Օ' | 'ᴏ' => b'O',
        'Р' | 'Ρ' | 'ᴘ' => b'P',
        'Ԛ' => b'Q',
        'ʀ' => b'R',
        'Ѕ' | 'Տ' | 'ꜱ' => b'S',
        'Т' | 'Τ' | 'ᴛ' => b'T',
        'ᴜ' => b'U',
        'ᴠ' | 'Ⅴ' => b'V',
        'Ԝ' | 'ᴡ' => b'W',
        'Х' | 'Χ' | 'Ⅹ' => b'X',
        'У' | 'Ү' | 'Υ' | 'ʏ' => b'Y',
        'Ζ' | 'ᴢ' => b'Z',
        'а' | 'α' | 'ɑ' => b'a',
        'Ь' | 'ь' => b'b',
        'с' | 'ϲ' | 'ⅽ' => b'c',
        'ԁ' | 'ⅾ' => b'd',
        'е' => b'e',
        'ց' | 'ɡ' => b'g',
        'һ' | 'հ' => b'h',
        'і' | 'ι' | 'ı' | 'ⅰ' => b'i',
        'ј' | 'ϳ' => b'j',
        'κ' => b'k',
        'ӏ' | 'ⅼ' => b'l',
        'ⅿ' => b'm',
        'ո' => b'n',
        'о' | 'ο' | 'օ' => b'o',
        'р' | 'ρ' => b'p',
        'ԛ' => b'q',
        'г' => b'r',
        'ѕ' => b's',
        'τ' => b't',
        'υ' | 'ս' => b'u',
        'ѵ' | 'ν' | 'ⅴ' => b'v',
        'ԝ' => b'w',
        'х' | 'ⅹ' => b'x',
        'у' | 'γ' => b'y',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guise_of_a_letter_is_that_letter_and_others_are_left() {
        for guise in ['Ａ', '𝐀', '𝙰', 'Ⓐ', '🄰'] {
            assert_eq!(fold(guise), Some(Fold::Same(b'A')), "{guise}");
        }
        for guise in ['А', 'Α', 'ᴀ'] {
            assert_eq!(fold(guise), Some(Fold::Alike(b'A')), "{guise}");
        }
        for digit in ['７', '𝟕', '⑦', '٧', '⁷'] {
            assert_eq!(fold(digit), Some(Fold::Same(b'7')), "{digit}");
        }
        for unseen in ['\u{200b}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}', '\u{336}', '\u{e0100}'] {
            assert_eq!(fold(unseen), Some(Fold::Away), "{unseen:?}");
        }
        assert_eq!(fold('\u{e0041}'), Some(Fold::Same(b'A')), "a tag spells a letter");
        for other in ['ж', 'λ', '日', 'é', '”'] {
            assert_eq!(fold(other), None, "{other}");
        }
    }
}
