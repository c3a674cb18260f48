//! Numbers that Korea gives to people and to those who trade.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::{Confidence, Detector, FAIR, STRONG, WEAK};
use crate::decide::dlp::detector::Check::Sum;
use crate::decide::dlp::sums::{digit, is_day, two, weighted};

const KOREAN_RESIDENTS: &[&str] = &["주민등록번호", "주민번호", "rrn", "resident registration", "korean rrn"];
const KOREAN_FOREIGNERS: &[&str] =
    &["외국인등록번호", "외국인번호", "frn", "foreigner registration", "alien registration", "korean frn"];
const KOREAN_BUSINESS: &[&str] = &[
    "사업자등록번호",
    "사업자번호",
    "사업자",
    "brn",
    "business registration",
    "business number",
    "korean brn",
];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "kr-resident-number",
        source: "주민등록법: 주민등록번호; the serial has no check digit since October 2020",
        format: "[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])-[1-4][0-9]{6}",
        check: Sum(|value| is_day(two(value, 4), two(value, 2)) && korean(value, 11)),
        context: KOREAN_RESIDENTS,
        examples: &["주민등록번호 960121-1234561", "960121-1234561"],
        lookalikes: &["960121-1234565", "961321-1234567", "960121-9234567", "build 211105-3482915"],
        confidence: Confidence { bare: 0.7, in_context: 0.95, wrong_sum: 0.5 },
        ..STRONG
    },
    Detector {
        name: "kr-resident-number-plain",
        source: "주민등록법: 주민등록번호, without its hyphen",
        format: "[0-9]{6}[1-4][0-9]{6}",
        check: Sum(|value| is_day(two(value, 4), two(value, 2)) && korean(value, 11)),
        context: KOREAN_RESIDENTS,
        examples: &["주민등록번호 9601211234561", "9601211234561"],
        lookalikes: &["9601211234565", "9613211234567"],
        confidence: Confidence { bare: 0.7, in_context: 0.95, wrong_sum: 0.45 },
        ..STRONG
    },
    Detector {
        name: "kr-foreigner-number",
        source: "출입국관리법: 외국인등록번호",
        format: "[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])-[5-8][0-9]{6}",
        check: Sum(|value| is_day(two(value, 4), two(value, 2)) && korean(value, 13)),
        context: KOREAN_FOREIGNERS,
        examples: &["외국인등록번호 960121-5678905", "960121-5678905"],
        lookalikes: &["961321-5678901", "build 960121-5678901"],
        confidence: Confidence { bare: 0.7, in_context: 0.95, wrong_sum: 0.5 },
        ..STRONG
    },
    Detector {
        name: "kr-foreigner-number-plain",
        source: "출입국관리법: 외국인등록번호, without its hyphen",
        format: "[0-9]{6}[5-8][0-9]{6}",
        check: Sum(|value| is_day(two(value, 4), two(value, 2)) && korean(value, 13)),
        context: KOREAN_FOREIGNERS,
        examples: &["외국인등록번호 9601215678905", "9601215678905"],
        lookalikes: &["9601215678901", "9613215678901"],
        ..FAIR
    },
    Detector {
        name: "kr-business-number",
        source: "국세청: 사업자등록번호",
        format: "[0-9]{3}-[0-9]{2}-[0-9]{5}",
        check: Sum(korean_business),
        context: KOREAN_BUSINESS,
        examples: &["사업자등록번호 124-81-00998"],
        lookalikes: &["사업자등록번호 124-81-00999"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..WEAK
    },
    Detector {
        name: "kr-business-number-plain",
        source: "국세청: 사업자등록번호, without hyphens",
        format: "[0-9]{10}",
        check: Sum(korean_business),
        context: KOREAN_BUSINESS,
        examples: &["사업자번호 1248100998"],
        lookalikes: &["사업자번호 1248100999", "1248100998"],
        ..WEAK
    },
    Detector {
        name: "kr-driving-licence",
        source: "경찰청: 운전면허번호",
        format: "[0-9]{2}-[0-9]{2}-[0-9]{6}-[0-9]{2}|[0-9]{2} [0-9]{2} [0-9]{6} [0-9]{2}",
        check: Sum(|value| matches!(two(value, 0), 11..=28)),
        context: &["운전면허", "면허번호", "driver", "driving", "license", "licence"],
        examples: &["11-22-345678-90"],
        lookalikes: &["31-22-345678-90"],
        confidence: Confidence { wrong_sum: 0.1, ..FAIR.confidence },
        ..FAIR
    },
];

fn korean(value: &[u8], base: u32) -> bool {
    let sum = weighted(value, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    (base - sum % 11) % 10 == digit(value, 12)
}

fn korean_business(value: &[u8]) -> bool {
    let last = digit(value, 8) * 5;
    let sum = weighted(value, &[1, 3, 7, 1, 3, 7, 1, 3]) + last / 10 + last % 10 + digit(value, 9);
    two(value, 0) > 9 && two(value, 3) > 0 && sum.is_multiple_of(10)
}
