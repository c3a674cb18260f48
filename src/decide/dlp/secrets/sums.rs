//! Checksums that providers put into their tokens.
//!
//! Each says whether a whole token adds up. What does not is less likely a token; it may still be one that was changed on its way.

use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The last six characters are the CRC-32 of those between them and the prefix, in base 62 (GitHub, npm).
pub fn crc32_after_prefix(token: &[u8]) -> bool {
    let Some(prefix) = token.iter().position(|byte| *byte == b'_') else { return false };
    let Some(end) = token.len().checked_sub(6).filter(|end| *end > prefix) else { return false };
    let mut rest = crc32fast::hash(&token[prefix + 1..end]);
    let mut digits = [0; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    token[end..] == digits
}

/// Base58 with four bytes of a double SHA-256 at its end (Bitcoin).
pub fn base58check(text: &[u8]) -> bool {
    // The longest, an extended key, has 82 bytes.
    let mut bytes = [0u8; 90];
    let mut used = 0;
    if text.len() > 112 {
        return false;
    }
    for letter in text {
        let Some(mut carry) = BASE58.iter().position(|known| known == letter) else { return false };
        for byte in bytes.iter_mut().take(used) {
            carry += usize::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            let Some(byte) = bytes.get_mut(used) else { return false };
            *byte = carry as u8;
            carry >>= 8;
            used += 1;
        }
    }
    let mut decoded: Vec<u8> = bytes[..used].to_vec();
    decoded.extend(text.iter().take_while(|letter| **letter == b'1').map(|_| 0));
    decoded.reverse();
    let Some((body, sum)) = decoded.split_last_chunk::<4>() else { return false };
    Sha256::digest(Sha256::digest(body))[..4] == sum[..]
}

/// Bech32 (BIP 173): the last six letters are a BCH code over the part before the last `1` and the letters after it.
pub fn bech32(text: &[u8]) -> bool {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let lower = text.to_ascii_lowercase();
    let Some(one) = lower.iter().rposition(|byte| *byte == b'1') else { return false };
    let (prefix, data) = (&lower[..one], &lower[one + 1..]);
    let mut sum = 1u32;
    let mut step = |value: u8| {
        const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let top = sum >> 25;
        sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 != 0 {
                sum ^= generator;
            }
        }
    };
    prefix.iter().for_each(|byte| step(byte >> 5));
    step(0);
    prefix.iter().for_each(|byte| step(byte & 31));
    for letter in data {
        match LETTERS.iter().position(|known| known == letter) {
            Some(value) => step(value as u8),
            None => return false,
        }
    }
    sum == 1
}

/// A seed of NATS: base 32 with a CRC-16 (XMODEM) at its end, the lower byte first.
pub fn nkey(text: &[u8]) -> bool {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len()), 0u32, 0u32);
    for letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return false,
        };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    let Some((body, sum)) = bytes.split_last_chunk::<2>() else { return false };
    let crc = body.iter().fold(0u16, |crc, byte| {
        (0..8)
            .fold(crc ^ u16::from(*byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 != 0 { 0x1021 } else { 0 })
    });
    u16::from_le_bytes(*sum) == crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors_add_up_and_changed_ones_do_not() {
        // BIP 173, valid strings; the genesis address; BIP 32, test vector 1.
        for (sum, text) in [
            (bech32 as fn(&[u8]) -> bool, "A12UEL5L"),
            (bech32, "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"),
            (base58check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
            (
                base58check,
                "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
            ),
        ] {
            assert!(sum(text.as_bytes()), "{text}");
            let mut changed = text.as_bytes().to_vec();
            let last = changed.len() - 1;
            changed[last] = if changed[last] == b'z' { b'y' } else { b'z' };
            assert!(!sum(&changed), "{text}");
        }
    }

    #[test]
    fn no_text_breaks_a_sum() {
        for text in
            [&b""[..], b"1", b"_", b"ghp_", b"11111111111111111111", &[255; 200], &[b'z'; 200], &[b'A'; 58]]
        {
            for sum in [crc32_after_prefix as fn(&[u8]) -> bool, base58check, bech32, nkey] {
                sum(text);
            }
        }
    }
}
