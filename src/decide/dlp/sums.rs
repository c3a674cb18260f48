//! Check digits: what numbers that people are given have to add up to.
//!
//! Each function says whether a value is right; none of them fails. Values are ASCII, without separators, in capitals; what
//! holds another character is wrong. Rules of one authority alone stand beside its entry in `personal`.

use sha2::{Digest, Sha256};

/// The digit at a place; a large number where there is none, so that no sum comes out right.
pub fn digit(value: &[u8], at: usize) -> u32 {
    match value.get(at) {
        Some(byte @ b'0'..=b'9') => u32::from(byte - b'0'),
        _ => 1 << 16,
    }
}

/// Whether all of it are digits.
pub fn is_number(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_digit)
}

/// A short number as a number. What is not one is read as more than any.
pub fn number(value: &[u8]) -> u64 {
    if value.len() > 18 || !is_number(value) {
        return u64::MAX;
    }
    value.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'))
}

/// The number that two digits make.
pub fn two(value: &[u8], at: usize) -> u64 {
    number(value.get(at..at + 2).unwrap_or_default())
}

/// The sum of the first digits, each with its weight.
pub fn weighted(value: &[u8], weights: &[u32]) -> u32 {
    weights
        .iter()
        .enumerate()
        .fold(0, |sum, (at, weight)| sum.wrapping_add(digit(value, at).wrapping_mul(*weight)))
}

/// ISO/IEC 7812-1: every second digit from the right doubled, all to a multiple of ten.
pub fn luhn(value: &[u8]) -> bool {
    is_number(value) && luhn_sum(value).is_multiple_of(10)
}

/// The sum that `luhn` wants to be a multiple of ten.
pub fn luhn_sum(value: &[u8]) -> u32 {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    value
        .iter()
        .rev()
        .map(|byte| u32::from(byte.wrapping_sub(b'0')))
        .enumerate()
        .fold(0, |sum, (at, digit)| sum + if at % 2 == 1 { doubled(digit) } else { digit })
}

/// ISO/IEC 7064 MOD 97-10 over letters and digits, from the first; 1 where a value with its check digits is right.
pub fn mod_97(value: impl Iterator<Item = u8>) -> u32 {
    value.fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => 97,
    })
}

/// ISO/IEC 7064 MOD 11,10: the last digit checks those before it.
pub fn mod_11_10(value: &[u8]) -> bool {
    let Some((last, rest)) = value.split_last() else { return false };
    if !is_number(value) {
        return false;
    }
    let product = rest.iter().fold(10, |product, byte| {
        let sum = (u32::from(byte - b'0') + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(last - b'0')
}

const VERHOEFF_PRODUCT: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const VERHOEFF_PLACES: [[u8; 10]; 8] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
    [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
    [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
    [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
    [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

/// Verhoeff's code over the dihedral group of ten.
pub fn verhoeff(value: &[u8]) -> bool {
    let product = |sum: u8, (at, byte): (usize, &u8)| {
        let place = VERHOEFF_PLACES[at % 8][usize::from(byte - b'0')];
        VERHOEFF_PRODUCT[usize::from(sum)][usize::from(place)]
    };
    is_number(value) && value.iter().rev().enumerate().fold(0, product) == 0
}

/// GS1: weights of one and three from the right, to a multiple of ten.
pub fn gs1(value: &[u8]) -> bool {
    let sum = |sum: u32, (at, byte): (usize, &u8)| {
        sum + u32::from(byte - b'0') * if at.is_multiple_of(2) { 1 } else { 3 }
    };
    is_number(value) && value.iter().rev().enumerate().fold(0, sum).is_multiple_of(10)
}

/// ICAO 9303: weights of 7, 3 and 1, letters from ten; the digit that checks the value.
pub fn icao(value: &[u8]) -> u32 {
    let number = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    };
    value
        .iter()
        .zip([7, 3, 1].into_iter().cycle())
        .fold(0, |sum, (byte, weight)| sum + number(*byte) * weight)
        % 10
}

/// Whether a month has that day.
pub fn is_day(day: u64, month: u64) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Base58Check, as Bitcoin writes addresses: 21 bytes and four of their double SHA-256. Gives the first byte.
pub fn base58_check(value: &[u8]) -> Option<u8> {
    let mut bytes = [0_u8; 25];
    for byte in value {
        let mut carry = BASE58.iter().position(|letter| letter == byte)?;
        for place in bytes.iter_mut().rev() {
            carry += usize::from(*place) * 58;
            *place = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    let (payload, sum) = bytes.split_at(21);
    (Sha256::digest(Sha256::digest(payload))[..4] == *sum).then_some(bytes[0])
}

const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// BIP 173 and BIP 350: whether the last six characters check the rest, in small letters.
pub fn bech32(value: &[u8]) -> bool {
    let Some(parting) = value.iter().rposition(|byte| *byte == b'1') else { return false };
    let (prefix, data) = (&value[..parting], &value[parting + 1..]);
    if prefix.is_empty() || data.len() < 6 {
        return false;
    }
    let mut sum = 1;
    prefix.iter().for_each(|byte| bech32_step(&mut sum, byte >> 5));
    bech32_step(&mut sum, 0);
    prefix.iter().for_each(|byte| bech32_step(&mut sum, byte & 31));
    for byte in data {
        match BECH32.iter().position(|letter| letter == byte) {
            Some(place) => bech32_step(&mut sum, place.to_le_bytes()[0]),
            None => return false,
        }
    }
    sum == 1 || sum == 0x2bc8_30a3
}

fn bech32_step(sum: &mut u32, value: u8) {
    const POLYNOMIAL: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = *sum >> 25;
    *sum = (*sum & 0x01ff_ffff) << 5 ^ u32::from(value);
    for (bit, part) in POLYNOMIAL.iter().enumerate() {
        if top >> bit & 1 == 1 {
            *sum ^= part;
        }
    }
}

/// The hash of Ethereum: Keccak of 1600 bits before it became SHA-3, for what fits into one block of 136 bytes.
pub fn keccak_256(message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 136;
    let mut block = [0_u8; BLOCK];
    let length = message.len().min(BLOCK - 1);
    block[..length].copy_from_slice(&message[..length]);
    block[length] |= 1;
    block[BLOCK - 1] |= 0x80;
    let mut lanes = [0_u64; 25];
    for (lane, bytes) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*bytes);
    }
    let mut register = 1_u8;
    (0..24).for_each(|_| keccak_round(&mut lanes, &mut register));
    let mut hash = [0; 32];
    for (bytes, lane) in hash.as_chunks_mut::<8>().0.iter_mut().zip(lanes) {
        *bytes = lane.to_le_bytes();
    }
    hash
}

/// One round: theta, rho and pi, chi, iota, whose constants come from a shift register.
fn keccak_round(lanes: &mut [u64; 25], register: &mut u8) {
    let column = |lanes: &[u64; 25], x: usize| (0..5).fold(0, |all, y| all ^ lanes[x + 5 * y]);
    let columns: [u64; 5] = std::array::from_fn(|x| column(lanes, x));
    for (at, lane) in lanes.iter_mut().enumerate() {
        *lane ^= columns[(at + 4) % 5] ^ columns[(at + 1) % 5].rotate_left(1);
    }
    let (mut x, mut y) = (1, 0);
    let mut moved = lanes[1];
    for step in 1..25_u32 {
        (x, y) = (y, (2 * x + 3 * y) % 5);
        let turned = moved.rotate_left(step * (step + 1) / 2 % 64);
        moved = std::mem::replace(&mut lanes[x + 5 * y], turned);
    }
    for row in lanes.as_chunks_mut::<5>().0 {
        let before = *row;
        for (x, lane) in row.iter_mut().enumerate() {
            *lane = before[x] ^ !before[(x + 1) % 5] & before[(x + 2) % 5];
        }
    }
    for bit in 0..7 {
        if *register & 1 == 1 {
            lanes[0] ^= 1 << ((1_u32 << bit) - 1);
        }
        *register = *register << 1 ^ if *register & 0x80 == 0 { 0 } else { 0x71 };
    }
}
