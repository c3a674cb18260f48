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

/// The digit that eleven less the rest by eleven is, where ten and eleven are zero.
pub fn check_11(sum: u32) -> u32 {
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
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
    /// What the rest may grow to before it is taken again: two more digits fit behind it.
    const MOST: u64 = u64::MAX / 1000;
    let mut rest = 0_u64;
    for byte in value {
        rest = match byte {
            b'0'..=b'9' => rest * 10 + u64::from(byte - b'0'),
            b'A'..=b'Z' => rest * 100 + u64::from(byte - b'A') + 10,
            _ => return 97,
        };
        if rest > MOST {
            rest %= 97;
        }
    }
    (rest % 97) as u32
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
    KECCAK_ROUNDS.iter().for_each(|constant| keccak_round(&mut lanes, *constant));
    let mut hash = [0; 32];
    for (bytes, lane) in hash.as_chunks_mut::<8>().0.iter_mut().zip(lanes) {
        *bytes = lane.to_le_bytes();
    }
    hash
}

/// Where each lane moves in turn, from the second on, and how far it is turned.
const KECCAK_MOVES: [(usize, u32); 24] = {
    let mut moves = [(0, 0); 24];
    let (mut x, mut y, mut step) = (1, 0, 0);
    while step < 24 {
        (x, y) = (y, (2 * x + 3 * y) % 5);
        moves[step] = (x + 5 * y, ((step + 1) * (step + 2) / 2 % 64) as u32);
        step += 1;
    }
    moves
};

/// What each round adds: bits of a shift register, at the places one less than a power of two.
const KECCAK_ROUNDS: [u64; 24] = {
    let mut rounds = [0; 24];
    let (mut register, mut round) = (1_u8, 0);
    while round < 24 {
        let mut bit = 0;
        while bit < 7 {
            if register & 1 == 1 {
                rounds[round] ^= 1 << ((1_u32 << bit) - 1);
            }
            // The polynomial x^8 + x^6 + x^5 + x^4 + 1.
            register = register << 1 ^ if register & 0x80 == 0 { 0 } else { 0x71 };
            bit += 1;
        }
        round += 1;
    }
    rounds
};

/// One round: theta, rho and pi, chi, iota.
fn keccak_round(lanes: &mut [u64; 25], constant: u64) {
    let mut columns = [0; 5];
    for row in lanes.as_chunks::<5>().0 {
        columns.iter_mut().zip(row).for_each(|(column, lane)| *column ^= lane);
    }
    for row in lanes.as_chunks_mut::<5>().0 {
        for (x, lane) in row.iter_mut().enumerate() {
            *lane ^= columns[(x + 4) % 5] ^ columns[(x + 1) % 5].rotate_left(1);
        }
    }
    let mut moved = lanes[1];
    for (place, turn) in KECCAK_MOVES {
        moved = std::mem::replace(&mut lanes[place], moved.rotate_left(turn));
    }
    for row in lanes.as_chunks_mut::<5>().0 {
        let before = *row;
        for (x, lane) in row.iter_mut().enumerate() {
            *lane = before[x] ^ !before[(x + 1) % 5] & before[(x + 2) % 5];
        }
    }
    lanes[0] ^= constant;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luhn_holds_for_the_example_of_iso_7812_and_not_for_its_neighbours() {
        assert!(luhn(b"17893729974"));
        assert!(
            (0..9).all(|digit| !luhn(format!("1789372997{}", [0, 1, 2, 3, 5, 6, 7, 8, 9][digit]).as_bytes()))
        );
        assert!(!luhn(b"") && !luhn(b"1789372997a"));
    }

    #[test]
    fn iso_7064_holds_for_its_examples() {
        assert_eq!(mod_97("370400440532013000DE89".bytes()), 1);
        assert_eq!(mod_97("79444".bytes()), 1);
        assert!(mod_11_10(b"07945") && !mod_11_10(b"07946") && !mod_11_10(b"") && !mod_11_10(b"0794A"));
    }

    #[test]
    fn verhoeff_sees_every_swap_of_neighbours() {
        assert!(verhoeff(b"2363") && !verhoeff(b"3263") && !verhoeff(b"2633") && !verhoeff(b"2336"));
    }

    #[test]
    fn gs1_and_icao_hold_for_their_examples() {
        assert!(gs1(b"6291041500213") && !gs1(b"6291041500214"));
        assert_eq!((icao(b"L898902C3"), icao(b"740812"), icao(b"120415")), (6, 2, 9));
    }

    #[test]
    fn a_month_has_its_days() {
        assert!(is_day(31, 1) && is_day(29, 2) && is_day(30, 4));
        assert!(!is_day(0, 1) && !is_day(30, 2) && !is_day(31, 4) && !is_day(1, 0) && !is_day(1, 13));
    }

    #[test]
    fn base58_check_gives_the_version_and_refuses_a_wrong_sum() {
        assert_eq!(base58_check(b"1111111111111111111114oLvT2"), Some(0));
        assert_eq!(base58_check(b"1111111111111111111114oLvT3"), None);
        assert_eq!(base58_check(&[b'z'; 40]), None);
    }

    #[test]
    fn bech32_holds_for_the_vectors_of_both_proposals() {
        for value in [
            "a12uel5l",
            "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
            "a1lqfn3a",
        ] {
            assert!(bech32(value.as_bytes()), "{value}");
        }
        for value in ["a12uel5m", "1nwldj5", "li1dgmt3", "x1b4n0q5v", ""] {
            assert!(!bech32(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn keccak_holds_for_the_empty_message() {
        assert_eq!(keccak_256(b"")[..8], [0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c]);
    }
}
