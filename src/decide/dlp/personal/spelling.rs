//! How numbers are written: digits of several scripts and the separators between groups, read as ASCII.

/// What stands for every character that no format holds.
pub const OTHER: u8 = 0;

/// ASCII in capitals; what begins a longer character has the highest bit.
pub const CAPITALS: [u8; 256] = {
    let mut capitals = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        capitals[byte] = (byte as u8).to_ascii_uppercase();
        byte += 1;
    }
    capitals
};

/// The character at a place, in capitals and as ASCII where it is a digit or a separator, and its length in bytes.
#[inline(always)]
pub fn character(text: &[u8], at: usize) -> (u8, usize) {
    let byte = CAPITALS[usize::from(text[at])];
    if byte < 0x80 { (byte, 1) } else { longer_character(&text[at..]) }
}

/// The same of one that is not ASCII.
#[cold]
pub fn longer_character(text: &[u8]) -> (u8, usize) {
    match text {
        // No-break space.
        [0xc2, 0xa0, ..] => (b' ', 2),
        // Thin, figure and narrow no-break spaces.
        [0xe2, 0x80, 0x82..=0x8a | 0xaf, ..] => (b' ', 3),
        // Hyphens and dashes, and the minus sign.
        [0xe2, 0x80, 0x90..=0x95, ..] | [0xe2, 0x88, 0x92, ..] => (b'-', 3),
        // Full-width digits.
        [0xef, 0xbc, digit @ 0x90..=0x99, ..] => (b'0' + (digit - 0x90), 3),
        // Arabic-Indic digits, and those of Persian and Urdu.
        [0xd9, digit @ 0xa0..=0xa9, ..] => (b'0' + (digit - 0xa0), 2),
        [0xdb, digit @ 0xb0..=0xb9, ..] => (b'0' + (digit - 0xb0), 2),
        _ => (OTHER, 1),
    }
}

/// Whether a digit stands there.
#[inline(always)]
pub fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| match byte {
        b'0'..=b'9' => true,
        0xef | 0xd9 | 0xdb => longer_character(&text[at..]).0.is_ascii_digit(),
        _ => false,
    })
}

/// Where the word ends that stands there: letters and digits without a separator.
pub fn word_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len() {
        if text[at].is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        if text[at].is_ascii() {
            break;
        }
        let (letter, length) = character(text, at);
        if !letter.is_ascii_alphanumeric() {
            break;
        }
        at += length;
    }
    at
}

/// Where the word of ASCII letters and digits begins that ends there, not before `bound`.
pub fn word_start(text: &[u8], end: usize, bound: usize) -> usize {
    text[bound..end].iter().rposition(|byte| !byte.is_ascii_alphanumeric()).map_or(bound, |at| bound + at + 1)
}
