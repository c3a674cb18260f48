//! Numbers of Germany, Austria and Switzerland.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::super::{Confidence, Detector, FAIR, NAMED, RARE, STRONG};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{digit, gs1, icao, is_day, mod_11_10, two, weighted};

const GERMAN_TAX: &[&str] =
    &["steuernummer", "steuer-nr", "steuernr", "st.-nr", "st-nr", "stnr", "finanzamt", "steuerbescheid"];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "de-tax-id",
        source: "Bundeszentralamt für Steuern: Identifikationsnummer, § 139b AO",
        format: "[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        check: Sum(german_tax_id),
        context: &[
            "steuer-id",
            "steuerid",
            "steueridentifikationsnummer",
            "identifikationsnummer",
            "idnr",
            "steuerliche",
            "steuer-identifikationsnummer",
            "steuernummer",
            "tin",
            "german tax",
        ],
        examples: &["86095742719", "Steuer-ID: 47 036 892 816"],
        lookalikes: &["86095742718", "12345678912", "11112345678"],
        ..RARE
    },
    Detector {
        name: "de-tax-number",
        source: "Bundesländer: Steuernummer",
        anchors: GERMAN_TAX,
        format: "[0-9]{2,3} [0-9]{3,4} [0-9]{4,5}|[0-9]{10,11}|[0-9]{13}",
        check: None,
        examples: &["Steuernummer 15181508156", "Finanzamt: 151 815 08156"],
        lookalikes: &["15181508156"],
        ..FAIR
    },
    Detector {
        name: "de-tax-number-strokes",
        source: "Bundesländer: Steuernummer, as the notices of assessment write it",
        format: "[0-9]{2,3}/[0-9]{3}/[0-9]{5}|[0-9]{3}/[0-9]{4}/[0-9]{4}|0[0-9]{2}/[0-9]{3}/[0-9]{5}",
        check: None,
        context: GERMAN_TAX,
        examples: &["Steuernummer 151/815/08156", "93/815/08152"],
        lookalikes: &["file 151/815/08156", "Steuernummer 2024/03/12"],
        ..NAMED
    },
    Detector {
        name: "de-pension-insurance",
        source: "§ 147 SGB VI; VKVV § 4",
        format: "[0-9]{2} ?[0-9]{6} ?[A-Z] ?[0-9]{3}",
        check: Sum(german_pension),
        context: &[
            "rentenversicherung",
            "rentenversicherungsnummer",
            "sozialversicherung",
            "sozialversicherungsnummer",
            "versicherungsnummer",
            "rvnr",
            "svnr",
            "sv-nummer",
            "rv-nummer",
        ],
        examples: &["15 070649 C 103", "65070803A019"],
        lookalikes: &["15070649C104", "15074649C103"],
        confidence: Confidence { bare: 0.7, in_context: 0.95, wrong_sum: 0.3 },
        ..STRONG
    },
    Detector {
        name: "de-id-card",
        source: "ICAO 9303; Personalausweisverordnung",
        format: "[A-Z][A-Z0-9]{8}(?:[0-9]D?)?",
        check: Sum(german_document),
        context: &[
            "ausweis",
            "personalausweis",
            "ausweisnummer",
            "ausweis-nr",
            "reisepass",
            "passnummer",
            "pass-nr",
            "passport",
            "id card",
            "identity card",
            "perso",
        ],
        examples: &["T220001293", "L01X00T471"],
        lookalikes: &["T220001294"],
        confidence: Confidence { bare: 0.4, in_context: 0.85, wrong_sum: 0.35 },
        ..STRONG
    },
    Detector {
        name: "de-id-card-older",
        source: "Personalausweisverordnung: Seriennummer of cards before November 2010",
        format: "T[0-9]{8}",
        check: None,
        context: &["ausweis", "personalausweis", "ausweisnummer", "id card", "identity card"],
        examples: &["Personalausweis T48291570", "T48291570"],
        lookalikes: &["part T48291570 is missing"],
        ..NAMED
    },
    Detector {
        name: "de-id-card-serial",
        source: "Personalausweisverordnung: Seriennummer, by the words before it",
        anchors: &["ausweis", "personalausweis", "ausweisnummer", "ausweisnr", "seriennummer"],
        format: "[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8}",
        check: None,
        context: &["personalausweis", "ausweis nr", "ausweisnummer", "gültig"],
        examples: &["Ausweis T22000129"],
        lookalikes: &["T22000129", "Ausweis T2200012"],
        ..FAIR
    },
    Detector {
        name: "de-vat-id",
        source: "Bundeszentralamt für Steuern: Umsatzsteuer-Identifikationsnummer",
        format: "DE ?[0-9]{9}|DE ?[0-9]{3} [0-9]{3} [0-9]{3}",
        check: Sum(|value| mod_11_10(&value[2..])),
        context: &["ust-id", "ust-idnr", "ustid", "umsatzsteuer", "vat", "mwst"],
        examples: &["DE136695976", "DE 136 695 976"],
        lookalikes: &["DE136695975", "AT136695976"],
        ..FAIR
    },
    Detector {
        name: "at-social-security",
        source: "Dachverband der Sozialversicherungsträger: Versicherungsnummer",
        format: "[0-9]{4}[ -]?[0-9]{6}",
        check: Sum(|value| {
            value[0] != b'0'
                && is_day(two(value, 4), two(value, 6).min(12))
                && weighted(value, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == digit(value, 3)
        }),
        context: &[
            "sozialversicherungsnummer",
            "versicherungsnummer",
            "svnr",
            "sv-nummer",
            "sv-nr",
            "e-card",
        ],
        examples: &["SVNR 1237 010180"],
        lookalikes: &["SVNR 1238 010180", "SVNR 1237 320180"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.25 },
        ..FAIR
    },
    Detector {
        name: "ch-ahv",
        source: "Zentrale Ausgleichsstelle: AHV-Nummer, GS1 prefix 756",
        format: "[0-9]{3}[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}",
        check: Sum(|value| value.starts_with(b"756") && gs1(value)),
        context: &["ahv", "avs", "ahvn13", "navs13", "sozialversicherungsnummer"],
        examples: &["756.9217.0769.85"],
        lookalikes: &["756.9217.0769.84"],
        ..STRONG
    },
];

/// One digit of the first ten stands twice or three times, all others at most once.
fn german_tax_id(value: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    value[..10].iter().for_each(|byte| counts[usize::from(byte - b'0')] += 1);
    let of = |times: u8| counts.iter().filter(|count| **count == times).count();
    let is_mixed = matches!((of(2), of(3), of(1)), (1, 0, 8) | (0, 1, 7));
    value[0] != b'0' && is_mixed && mod_11_10(value)
}

/// The letter counts as two digits; products of two digits count by their sum.
fn german_pension(value: &[u8]) -> bool {
    let letter = u32::from(value[8] - b'A') + 1;
    let born = value[..8].iter().map(|byte| u32::from(byte - b'0'));
    let rest = value[9..11].iter().map(|byte| u32::from(byte - b'0'));
    let digits = born.chain([letter / 10, letter % 10]).chain(rest);
    let sum: u32 = digits
        .zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(digit, weight)| digit * weight / 10 + digit * weight % 10)
        .sum();
    is_day(two(value, 2) % 50, two(value, 4)) && sum % 10 == digit(value, 11)
}

/// The last digit checks those before it; where only nine characters are given, the ninth does.
fn german_document(value: &[u8]) -> bool {
    let value = value.strip_suffix(b"D").unwrap_or(value);
    let is_written = |byte: &u8| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte);
    value.iter().all(is_written) && icao(&value[..value.len() - 1]) == digit(value, value.len() - 1)
}
