//! Whether a label looks like encoded data: long, or made of letters that do not follow each other in words.
//!
//! One such label means little: clouds name clusters and buckets so. Many different ones of one zone do not.

/// A label longer than this, in bytes, is no word that somebody thought of.
const LONG: usize = 40;
/// A run without hyphens shorter than this is not looked at: `tenant4f2a`, `sn-4g5edn6k`.
const RUN: usize = 12;
/// A run of this length, in bytes, that looks random is no name of a host at all, where it is asked for data.
const LONG_RUN: usize = 20;
/// A run of digits no longer than this may be a number that means something: an account, nanoseconds since 1970.
const NUMBER: usize = 19;
/// Of a hundred pairs of neighbours in words, at least this many are among `PAIRS`; in random letters and digits about ten.
const PAIRS_PERCENT: usize = 30;
/// The same for a run of `LONG_RUN` and more, where chance is less.
const LONG_PAIRS_PERCENT: usize = 40;
/// Different characters that a run has at least: `aaaaaaaaaaab` says nothing.
const DIFFERENT: u32 = 6;

/// The 80 pairs of letters that are most frequent in runs of twelve letters and more in the names of 94,000 packages, in the
/// order of the alphabet. With them one such name in sixteen is taken for data, and one random label in sixty for a word;
/// of random labels as long as iodine's login, which has 32 bytes, one in sixty thousand.
const PAIRS: &str = "ac ag al am an ap ar as at ba ca ce ch ck cl co ct da de di ea ec ed el em en er es et fi ge he \
                     ib ic il im in io is it la le li lo ma me na nc nd ne ng ns nt ol om on or ot ou pa pe pl pr py \
                     ra re ri ro se si ss st ta te th ti to tr ut ve";

/// Whether it looks like encoded data.
pub(super) fn is_random(label: &str) -> bool {
    label.len() > LONG || label.split(['-', '_']).any(is_random_run)
}

/// Whether it can hardly be anything else.
pub(super) fn is_surely_random(label: &str) -> bool {
    label.split(['-', '_']).any(|run| run.len() >= LONG_RUN && is_random_run(run))
}

fn is_random_run(run: &str) -> bool {
    let is_number = run.len() <= NUMBER && run.bytes().all(|byte| byte.is_ascii_digit());
    if run.len() < RUN || is_number || different(run) < DIFFERENT {
        return false;
    }
    let common = run.as_bytes().windows(2).filter(|pair| is_common(pair)).count();
    let percent = if run.len() < LONG_RUN { PAIRS_PERCENT } else { LONG_PAIRS_PERCENT };
    common * 100 < percent * (run.len() - 1)
}

fn is_common(pair: &[u8]) -> bool {
    // Each takes three bytes, with the space behind it.
    PAIRS.as_bytes().chunks(3).any(|known| known.starts_with(pair))
}

/// How many different letters and digits there are.
fn different(run: &str) -> u32 {
    let bit = |byte: u8| match byte {
        b'a'..=b'z' => 1_u64 << (byte - b'a'),
        b'0'..=b'9' => 1 << (26 + byte - b'0'),
        _ => 0,
    };
    run.bytes().fold(0, |set, byte| set | bit(byte)).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_data_looks_random() {
        for label in [
            // iodine: login, a codec's test, data in base32.
            "lahrfm241cinwfcnoqqrxu0upuikxeta",
            "laqfcnntrbj1t1ayodtnn32vagcuptea",
            "z2sqaabbccddeeffgghhiijjkkllmmnnooppqqrrssttuuvvwwxxyyzz",
            "0eaba82m2hbxjyxq1zpqk5wlvo3a",
            // Hexadecimal: dnscat2, and whoever has `xxd`.
            "9f2c01ab33de",
            "5f8a0043f1c2b7e6d09a",
            "646f6e742074656c6c",
            // The same where every byte is a digit or a small letter.
            "6361726420343131312030303030303132",
            // Base64url in lower case.
            "zg9uj3qgdgvsbcbhbnlvbmu",
            "3f2b8c1e-9d4a-4c6b-8f1e-2a7b9c0d1e2f",
        ] {
            assert!(is_random(label), "{label}");
            let is_long = label.len() >= LONG_RUN && !label.contains('-');
            assert_eq!(is_surely_random(label), is_long, "{label}");
        }
    }

    #[test]
    fn words_and_numbers_do_not() {
        for label in [
            "www",
            "api",
            "tenant-17",
            "documentation",
            "internationalization",
            "my-production-kubernetes-cluster",
            "elasticsearch2024",
            "staticcontentdelivery",
            "bedrock-runtime",
            "cognitiveservices",
            "1234567890123",
            "1764338000123456789",
            "000000000000000001",
            "ip-10-20-30-40",
            "ec2-203-0-113-25",
            "r4---sn-4g5edn6k",
            "selector1-example-com",
            "dualstack",
            "us-east-1",
            "_mongodb",
        ] {
            assert!(!is_random(label), "{label}");
        }
    }

    #[test]
    fn pairs_are_in_order_and_none_stands_there_twice() {
        let pairs: Vec<&str> = PAIRS.split(' ').collect();
        assert!(pairs.iter().all(|pair| pair.len() == 2));
        assert!(pairs.is_sorted_by(|a, b| a < b), "{pairs:?}");
    }
}
