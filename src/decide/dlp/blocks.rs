//! Asks of many bytes at once which of them are of a kind.
//!
//! Texts are long and what is looked for is rare, so most bytes are told apart sixty-four at a time: one comparison for each
//! without a branch, which compilers turn into a few instructions, and one bit for each answer. Nothing here knows what a byte
//! means.

/// Bytes of a block: one for each bit of an answer.
pub const BLOCK: usize = 64;

/// What moves the lowest bit of each of eight bytes to a place of its own in the highest byte.
const TOGETHER: u64 = 0x0102_0408_1020_4080;

/// The block that begins at a place; zeros stand behind the end of the text.
#[inline(always)]
pub fn block(text: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = text.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(whole) => *whole,
        None => {
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            last
        }
    }
}

/// One bit for each byte of a block, the first the lowest: whether it is of a kind.
#[inline(always)]
pub fn which(block: &[u8; BLOCK], is_kind: impl Fn(u8) -> bool) -> u64 {
    let mut answers = [0_u8; BLOCK];
    for (answer, byte) in answers.iter_mut().zip(block) {
        *answer = u8::from(is_kind(*byte));
    }
    let (eights, _) = answers.as_chunks::<8>();
    eights
        .iter()
        .rev()
        .fold(0, |bits, eight| bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(TOGETHER) >> 56)
}

/// Whether a byte is an ASCII digit, without a branch.
#[inline(always)]
pub fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

/// Whether a byte is an ASCII letter, without a branch.
#[inline(always)]
pub fn is_letter(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_its_own_bit() {
        let bytes: Vec<u8> = (0..=255).collect();
        for at in (0..256).step_by(7) {
            let block = block(&bytes, at);
            let digits = which(&block, is_digit);
            let letters = which(&block, is_letter);
            for (place, byte) in block.iter().enumerate() {
                assert_eq!(digits >> place & 1 == 1, byte.is_ascii_digit(), "{byte}");
                assert_eq!(letters >> place & 1 == 1, byte.is_ascii_alphabetic(), "{byte}");
            }
        }
        assert_eq!(which(&block(b"12x", 1), is_digit), 1, "behind the end there is nothing");
    }
}
