//! Addresses of crypto-currencies: long words with checksums. Unlike all others their letters are read as they stand.

use super::{Confidence, Detector, STRONG};
use crate::decide::dlp::detector::Check::Sum;
use crate::decide::dlp::sums::{base58_check, bech32, keccak_256};

const WORDS: &[&str] =
    &["wallet", "bitcoin", "btc", "address", "ethereum", "eth", "litecoin", "crypto", "deposit", "send"];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "bitcoin-address",
        source: "Bitcoin: Base58Check, versions 0 and 5; the same of Litecoin and Dogecoin",
        format: "[13LMD][1-9A-HJ-NP-Za-km-z]{25,34}",
        check: Sum(base58),
        context: WORDS,
        examples: &["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"],
        lookalikes: &["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLz"],
        ..STRONG
    },
    Detector {
        name: "bech32-address",
        source: "BIP 173 and BIP 350: segregated witness addresses",
        format: "(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,71}",
        check: Sum(|value| bech32(&value.to_ascii_lowercase())),
        context: WORDS,
        examples: &[
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        ],
        lookalikes: &["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"],
        ..STRONG
    },
    Detector {
        name: "ethereum-address",
        source: "EIP-55: mixed-case checksum address encoding",
        format: "0x[0-9a-fA-F]{40}",
        check: Sum(eip_55),
        context: WORDS,
        examples: &["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
        lookalikes: &[
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        ],
        confidence: Confidence { bare: 0.8, in_context: 0.95, wrong_sum: 0.4 },
        ..STRONG
    },
];

/// Bytes of the shortest address.
pub const SHORTEST: usize = 14;

/// The entry whose format a word has, by its place among the entries here.
pub fn of(word: &[u8]) -> Option<usize> {
    let starts = |prefixes: [&[u8]; 3]| {
        prefixes
            .iter()
            .any(|prefix| word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
    };
    match (word.len(), word.first()?) {
        (42, b'0') if word[1] == b'x' && word[2..].iter().all(u8::is_ascii_hexdigit) => Some(2),
        (SHORTEST..=75, _) if starts([b"bc1", b"tb1", b"ltc1"]) => Some(1),
        (26..=35, b'1' | b'3' | b'L' | b'M' | b'D') => Some(0),
        _ => None,
    }
}

fn base58(word: &[u8]) -> bool {
    matches!(base58_check(word), Some(0 | 5 | 22 | 30 | 48 | 50))
}

/// A letter is a capital where the hash of the address in small letters has a digit of eight or more.
fn eip_55(word: &[u8]) -> bool {
    let digits = &word[2..];
    let hash = keccak_256(&digits.to_ascii_lowercase());
    digits.iter().enumerate().all(|(at, byte)| {
        let nibble = hash[at / 2] >> (if at % 2 == 0 { 4 } else { 0 }) & 15;
        byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble > 7)
    })
}
