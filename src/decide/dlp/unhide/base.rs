//! Bytes out of base64, base32 and hexadecimal digits, whoever wrote them.
//!
//! These are no strict readers: both alphabets of base64 are read as one, padding may be missing, line ends are passed over.
//! A byte of no alphabet ends the reading; what was read until then is the answer. Read next: `encoded.rs`.

/// What a byte stands for that is in no alphabet.
const NONE: u8 = 0xff;

const fn alphabet(members: &[&[u8]]) -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut set = 0;
    while set < members.len() {
        let mut at = 0;
        while at < members[set].len() {
            values[members[set][at] as usize] = at as u8;
            at += 1;
        }
        set += 1;
    }
    values
}

/// What each letter of base64 stands for; 255 for what is none.
pub const SIX: [u8; 256] = alphabet(&[
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
]);
static FIVE: [u8; 256] =
    alphabet(&[b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"abcdefghijklmnopqrstuvwxyz234567"]);
static FOUR: [u8; 256] = alphabet(&[b"0123456789abcdef", b"0123456789ABCDEF"]);

/// What base64 stands for (RFC 4648, sections 4 and 5).
pub fn base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut rest = text;
    // Whole groups first; whatever is odd is left to the slow reader.
    while let Some((four, behind)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = four.map(|byte| SIX[usize::from(byte)]);
        if a | b | c | d == NONE {
            break;
        }
        bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        rest = behind;
    }
    gather(rest, &SIX, 6, &mut bytes);
    bytes
}

/// What sixteen letters of base64 stand for, without a look at whether they are such.
pub fn base64_block(letters: &[u8; 16]) -> [u8; 12] {
    let value = |at: usize| SIX[usize::from(letters[at])];
    std::array::from_fn(|at| {
        let letter = at / 3 * 4 + at % 3;
        let shift = 2 * (at as u32 % 3);
        value(letter) << (2 + shift) | value(letter + 1) >> (4 - shift)
    })
}

/// What base32 stands for (RFC 4648, section 6), in either case.
pub fn base32(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 8 * 5 + 5);
    gather(text, &FIVE, 5, &mut bytes);
    bytes
}

/// What hexadecimal digits stand for.
pub fn hex(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    gather(text, &FOUR, 4, &mut bytes);
    bytes
}

/// The value of a hexadecimal digit.
pub fn digit(byte: u8) -> Option<u8> {
    Some(FOUR[usize::from(byte)]).filter(|value| *value != NONE)
}

/// Bytes out of so many bits of each letter; bits that make no byte are dropped.
fn gather(text: &[u8], values: &[u8; 256], width: u32, bytes: &mut Vec<u8>) {
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text {
        let value = values[usize::from(*byte)];
        if value == NONE {
            if byte.is_ascii_whitespace() {
                continue;
            }
            break;
        }
        bits = bits << width | u32::from(value);
        held += width;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_are_read_in_either_alphabet_with_and_without_padding() {
        for (plain, six, five) in [
            ("f", "Zg==", "MY======"),
            ("fo", "Zm8=", "MZXQ===="),
            ("foo", "Zm9v", "MZXW6==="),
            ("foobar", "Zm9vYmFy", "MZXW6YTBOI======"),
        ] {
            assert_eq!(base64(six.as_bytes()), plain.as_bytes());
            assert_eq!(base64(six.trim_end_matches('=').as_bytes()), plain.as_bytes());
            assert_eq!(base32(five.as_bytes()), plain.as_bytes());
            assert_eq!(base32(five.to_lowercase().as_bytes()), plain.as_bytes());
        }
        assert_eq!(base64(b"-_-_"), base64(b"+/+/"));
        assert_eq!(base64(b"Zm9v\r\n  YmFy"), b"foobar", "wrapped lines are one");
        assert_eq!(hex(b"666f6F626172"), b"foobar");
        assert_eq!(base64_block(b"c3dvcmRmaXNoIGFu"), *b"swordfish an");
    }
}
