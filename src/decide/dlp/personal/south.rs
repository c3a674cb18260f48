//! Numbers that states of Africa and Oceania give to people, and tax numbers of those who trade.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::{Confidence, Detector, FAIR, NAMED, RARE, WEAK};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{digit, is_day, luhn, number, two, verhoeff, weighted};

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "eg-national-id",
        source: "Egypt, Civil Status Organization: الرقم القومي",
        anchors: &["egypt", "egyptian", "الرقم القومي", "national id", "national number"],
        format: "[0-9]{14}",
        check: Sum(|value| {
            matches!(value[0], b'2' | b'3')
                && is_day(two(value, 5), two(value, 3))
                && matches!(two(value, 7), 1..=4 | 11..=19 | 21..=29 | 31..=35 | 88)
        }),
        examples: &["الرقم القومي 29001011234567"],
        lookalikes: &["29001011234567", "الرقم القومي 29013011234567"],
        ..FAIR
    },
    Detector {
        name: "za-id",
        source: "Identification Act 68 of 1997",
        format: "[0-9]{6} ?[0-9]{4} ?[0-9]{3}",
        check: Sum(|value| value[10] < b'3' && is_day(two(value, 4), two(value, 2)) && luhn(value)),
        context: &[
            "rsa id",
            "south african",
            "south africa",
            "id number",
            "identity document",
            "permanent resident",
        ],
        examples: &["8001015009087"],
        lookalikes: &["8001015009088", "8013015009087"],
        ..RARE
    },
    Detector {
        name: "ng-nin",
        source: "NIMC: National Identification Number",
        anchors: &[
            "nin",
            "nimc",
            "national identification number",
            "national identity number",
            "nigerian id",
        ],
        format: "[0-9]{11}|[0-9]{4}[ -][0-9]{3}[ -][0-9]{4}",
        check: None,
        context: &["nigeria", "nigerian", "nimc"],
        examples: &["NIN 12345678901"],
        lookalikes: &["12345678901"],
        ..FAIR
    },
    Detector {
        name: "ng-nin-plain",
        source: "NIMC: National Identification Number; Verhoeff's check digit, which is used and not published",
        format: "[0-9]{11}",
        check: Sum(verhoeff),
        context: &["nigeria", "nigerian", "nimc"],
        examples: &["nimc 48291570365"],
        lookalikes: &["nimc 48291570362", "48291570365"],
        ..WEAK
    },
    Detector {
        name: "au-tfn",
        source: "Australian Taxation Office: tax file number",
        format: "[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        check: Sum(|value| weighted(value, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)),
        context: &["tfn", "tax file"],
        examples: &["TFN 876 543 210", "876543210"],
        lookalikes: &["TFN 876 543 211", "876543210 packets"],
        ..NAMED
    },
    Detector {
        name: "au-abn",
        source: "Australian Business Register: ABN",
        format: "[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        check: Sum(|value| {
            value[0] != b'0'
                && (weighted(value, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10).is_multiple_of(89)
        }),
        context: &["abn", "australian business"],
        examples: &["51 824 753 556"],
        lookalikes: &["51 824 753 557", "51 824 753 5564"],
        ..FAIR
    },
    Detector {
        name: "au-acn",
        source: "Australian Securities and Investments Commission: ACN",
        format: "[0-9]{3} [0-9]{3} [0-9]{3}",
        check: Sum(australian_company),
        context: &["acn", "australian company"],
        examples: &["ACN 005 499 981"],
        lookalikes: &["ACN 005 499 982"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..WEAK
    },
    Detector {
        name: "au-acn-plain",
        source: "Australian Securities and Investments Commission: ACN, without spaces; those given out begin with 0, 1 or 6",
        format: "[016][0-9]{8}",
        check: Sum(australian_company),
        context: &["acn", "australian company"],
        examples: &["ACN 005499981", "005499981"],
        lookalikes: &["ACN 005499982", "005499981 rows"],
        ..NAMED
    },
    Detector {
        name: "nz-ird",
        source: "Inland Revenue: IRD number",
        format: "[0-9]{2,3}[ -]?[0-9]{3}[ -]?[0-9]{3}",
        check: Sum(new_zealand_tax),
        context: &["ird", "inland revenue"],
        examples: &["IRD 49-091-850"],
        lookalikes: &["IRD 49-091-851"],
        ..WEAK
    },
];

fn australian_company(value: &[u8]) -> bool {
    (weighted(value, &[8, 7, 6, 5, 4, 3, 2, 1]) + digit(value, 8)).is_multiple_of(10)
}

fn new_zealand_tax(value: &[u8]) -> bool {
    let whole = number(value);
    let padded = [b"0".as_slice(), value].concat();
    let value = if value.len() == 8 { &padded } else { value };
    let check = |weights: &[u32]| match weighted(value, weights) % 11 {
        0 => 0,
        rest => 11 - rest,
    };
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let right = if first == 10 { check(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
    (10_000_000..150_000_000).contains(&whole) && right == digit(value, 8)
}
