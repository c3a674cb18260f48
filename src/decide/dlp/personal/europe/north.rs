//! Numbers of the Nordic and the Baltic states.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::super::{Confidence, Detector, FAIR, NAMED, RARE, STRONG, WEAK};
use crate::decide::dlp::detector::Check::Sum;
use crate::decide::dlp::sums::{check_11, digit, is_day, luhn, number, two, weighted};

const SWEDISH_ORGANISATIONS: &[&str] = &[
    "organisationsnummer",
    "organisationsnumret",
    "orgnummer",
    "orgnr",
    "org.nr",
    "org nr",
    "organisation number",
    "organization number",
    "corporate identity",
    "företag",
    "momsnr",
];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "fi-hetu",
        source: "Digital and Population Data Services Agency: personal identity code",
        format: "[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]",
        check: Sum(|value| {
            let (born, own) = (&value[..6], &value[value.len() - 4..]);
            let whole = number(born) * 1000 + number(&own[..3]);
            is_day(two(born, 0), two(born, 2))
                && number(&own[..3]) >= 2
                && b"0123456789ABCDEFHJKLMNPRSTUVWXY"[(whole % 31) as usize] == own[3]
        }),
        context: &[
            "hetu",
            "henkilötunnus",
            "henkilötunnukseni",
            "personbeteckning",
            "personal identity code",
        ],
        examples: &["131052-308T", "010594Y9032"],
        lookalikes: &["131052-308U", "321052-308T"],
        ..STRONG
    },
    Detector {
        name: "se-personnummer",
        source: "Skatteverket: personnummer och samordningsnummer",
        format: "[0-9]{6}(?:[0-9]{2})?[-+][0-9]{4}|[0-9]{12}",
        check: Sum(swedish_person),
        context: &["personnummer", "personnumret", "personnr", "pnr", "samordningsnummer", "swedish id"],
        examples: &["811228-9874", "19811228-9874"],
        lookalikes: &["811228-9875", "811328-9874"],
        ..FAIR
    },
    Detector {
        name: "se-personnummer-plain",
        source: "Skatteverket: personnummer, as ten digits",
        format: "[0-9]{10}",
        check: Sum(swedish_person),
        context: &["personnummer", "personnumret", "personnr", "pnr", "samordningsnummer", "swedish id"],
        examples: &["personnummer 8112289874"],
        lookalikes: &["personnummer 8112289875"],
        ..NAMED
    },
    Detector {
        name: "se-organisationsnummer",
        source: "Bolagsverket: organisationsnummer",
        format: "(?:[0-9]{2})?[0-9]{6}-[0-9]{4}",
        check: Sum(swedish_organisation),
        context: SWEDISH_ORGANISATIONS,
        examples: &["organisationsnummer 556703-7485"],
        lookalikes: &["organisationsnummer 556703-7486"],
        confidence: Confidence { bare: 0.4, in_context: 0.8, wrong_sum: 0.2 },
        ..WEAK
    },
    Detector {
        name: "se-organisationsnummer-plain",
        source: "Bolagsverket: organisationsnummer, without its hyphen",
        format: "[0-9]{10}(?:[0-9]{2})?",
        check: Sum(swedish_organisation),
        context: SWEDISH_ORGANISATIONS,
        examples: &["organisationsnummer 5567037485"],
        lookalikes: &["organisationsnummer 5567037486", "5567037485"],
        confidence: Confidence { bare: 0.2, in_context: 0.8, wrong_sum: 0.2 },
        ..WEAK
    },
    Detector {
        name: "no-fodselsnummer",
        source: "Skatteetaten: fødselsnummer og D-nummer",
        format: "[0-9]{6} ?[0-9]{5}",
        check: Sum(|value| {
            two(value, 0) < 72
                && is_day(two(value, 0) % 40, two(value, 2) % 40)
                && weighted(value, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
                && weighted(value, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        }),
        context: &["fødselsnummer", "fodselsnummer", "personnummer", "personnumret", "d-nummer", "fnr"],
        examples: &["13097248022"],
        lookalikes: &["13097248023", "33097248022"],
        confidence: Confidence { bare: 0.7, in_context: 0.95, wrong_sum: 0.2 },
        ..STRONG
    },
    Detector {
        name: "dk-cpr",
        source: "CPR-kontoret: personnummer",
        format: "[0-9]{6}[- ]?[0-9]{4}",
        check: Sum(|value| {
            is_day(two(value, 0), two(value, 2))
                && weighted(value, &[4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        }),
        context: &["cpr", "cpr-nummer", "personnummer", "personnumret", "cprnr"],
        examples: &["CPR 211062-5629"],
        lookalikes: &["CPR 321062-5629"],
        confidence: Confidence { bare: 0.4, in_context: 0.85, wrong_sum: 0.4 },
        ..WEAK
    },
    Detector {
        name: "baltic-personal-code",
        source: "EVS 585 (isikukood) and Lithuania's asmens kodas",
        format: "[0-9]{11}",
        check: Sum(baltic_code),
        context: &["isikukood", "asmens kodas", "personal code"],
        examples: &["37605030299", "isikukood 36805280109"],
        lookalikes: &["37605030298", "37613030299"],
        ..RARE
    },
    Detector {
        name: "lv-personal-code",
        source: "Latvia: personas kods",
        format: "[0-9]{6}-[0-9]{5}",
        check: Sum(|value| {
            let sum = weighted(value, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
            is_day(two(value, 0), two(value, 2)) && (1101 - sum) % 11 % 10 == digit(value, 10)
        }),
        context: &["personas kods", "personal code"],
        examples: &["161175-19997"],
        lookalikes: &["161175-19998", "321175-19997"],
        ..FAIR
    },
    Detector {
        name: "is-kennitala",
        source: "Þjóðskrá: kennitala",
        format: "[0-9]{6}-?[0-9]{4}",
        check: Sum(|value| {
            two(value, 0) < 72
                && is_day(two(value, 0) % 40, two(value, 2))
                && matches!(value[9], b'0' | b'8' | b'9')
                && check_11(weighted(value, &[3, 2, 7, 6, 5, 4, 3, 2])) == digit(value, 8)
        }),
        context: &["kennitala", "kt."],
        examples: &["kennitala 120174-3399"],
        lookalikes: &["kennitala 120174-3389"],
        ..NAMED
    },
];

fn swedish_person(value: &[u8]) -> bool {
    let (century, value) = value.split_at(value.len() - 10);
    matches!(century, b"" | b"19" | b"20") && is_day(two(value, 4) % 60, two(value, 2)) && luhn(value)
}

/// The third digit keeps it apart from a person's, whose month it begins.
fn swedish_organisation(value: &[u8]) -> bool {
    let (century, value) = value.split_at(value.len() - 10);
    matches!(century, b"" | b"16")
        && matches!(value[0], b'1' | b'2' | b'5'..=b'9')
        && value[2] > b'1'
        && luhn(value)
}

fn baltic_code(value: &[u8]) -> bool {
    let first = weighted(value, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(value, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
    let sum = if first == 10 { second % 10 } else { first };
    matches!(value[0], b'1'..=b'6') && is_day(two(value, 5), two(value, 3)) && sum == digit(value, 10)
}
