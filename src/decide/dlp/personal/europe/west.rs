//! Numbers of Britain, Ireland, France, the Iberian peninsula, Italy and the Low Countries.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::super::{Confidence, Detector, EVEN, FAIR, RARE, STRONG, WEAK};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{check_11, digit, is_day, luhn, number, two, verhoeff, weighted};

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "uk-nino",
        source: "HMRC: National Insurance Manual NIM39110",
        format: "[A-Z]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[A-D]",
        check: Sum(british_insurance),
        context: &["national insurance", "nino", "ni number", "insurance number", "hmrc"],
        examples: &["AB 12 34 56 C", "my NINO is je123456d"],
        lookalikes: &["BG123612A", "AA 12 34 56 H", "AB12345678C"],
        ..STRONG
    },
    Detector {
        name: "uk-utr",
        source: "HMRC: Unique Taxpayer Reference",
        anchors: &["utr", "unique taxpayer", "taxpayer reference"],
        format: "[0-9]{5} ?[0-9]{5}",
        check: Sum(|value| {
            let rest = weighted(&value[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
            b"21987654321"[rest as usize] == value[0]
        }),
        context: &["hmrc", "self assessment", "tax return"],
        examples: &["UTR 1123456789"],
        lookalikes: &["UTR 2123456789", "1123456789"],
        ..FAIR
    },
    Detector {
        name: "uk-driving-licence",
        source: "DVLA: driver number",
        format: "[A-Z9]{5}[0-9]{6}[A-Z][A-Z9][A-Z0-9][A-Z]{2}",
        check: Sum(|value| is_day(two(value, 8), two(value, 6) % 50) && value[0] != b'9'),
        context: &["driving", "driver", "licence", "license", "dvla"],
        examples: &["MORGA657054SM9IJ"],
        lookalikes: &["MORGA697054SM9IJ", "99999657054SM9IJ"],
        ..STRONG
    },
    Detector {
        name: "fr-nir",
        source: "INSEE: numéro d'inscription au répertoire",
        format: "[0-9] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        check: Sum(french_nir),
        context: &[
            "nir",
            "insee",
            "sécurité sociale",
            "securite sociale",
            "numéro de sécu",
            "assuré",
            "social security",
        ],
        examples: &["2 55 08 14 168 025 38", "188057208107893"],
        lookalikes: &["2 55 08 14 168 025 39", "255181416802538"],
        confidence: Confidence { bare: 0.65, ..STRONG.confidence },
        ..STRONG
    },
    Detector {
        name: "fr-tax-id",
        source: "Direction générale des finances publiques: numéro fiscal",
        format: "[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        check: Sum(|value| value[0] < b'4' && number(&value[..10]) % 511 == number(&value[10..])),
        context: &["numéro fiscal", "numero fiscal", "spi", "impôts", "impots", "fiscal"],
        examples: &["30 23 217 600 053"],
        lookalikes: &["30 23 217 600 054"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.2 },
        ..FAIR
    },
    Detector {
        name: "es-nif",
        source: "Real Decreto 1553/2005; Agencia Tributaria: NIF",
        format: "[0-9]{7,8}[ -]?[A-Z]",
        check: Sum(spanish_letter),
        context: &["dni", "nif", "documento nacional", "identidad", "españa", "spanish id"],
        examples: &["12345678Z", "DNI 1111111-G"],
        lookalikes: &["12345678A", "12345678U"],
        ..FAIR
    },
    Detector {
        name: "es-nie",
        source: "Orden INT/2058/2008; Agencia Tributaria: NIE",
        format: "[A-Z][ -]?[0-9]{7,8}[ -]?[A-Z]",
        check: Sum(spanish_letter),
        context: &["nie", "extranjero", "extranjería", "identidad", "foreigner"],
        examples: &["X9613851N", "Y-8063915-Z"],
        lookalikes: &["X9613851M", "W9613851N"],
        ..STRONG
    },
    Detector {
        name: "es-social-security",
        source: "Tesorería General de la Seguridad Social: número de afiliación",
        anchors: &["seguridad social", "nuss", "naf", "afiliación"],
        format: "[0-9]{2}[ /-]?[0-9]{7,8}[ /-]?[0-9]{2}",
        check: Sum(spanish_affiliation),
        examples: &["Seguridad Social 28/1234567/42"],
        lookalikes: &["Seguridad Social 28/1234567/41", "28/1234567/42"],
        ..FAIR
    },
    Detector {
        name: "it-codice-fiscale",
        source: "Decreto Ministeriale 23 dicembre 1976; Agenzia delle Entrate",
        format: "[A-Z]{6}[A-Z0-9]{2}[A-Z][A-Z0-9]{2}[A-Z][A-Z0-9]{3}[A-Z]|\
            [A-Z]{3} [A-Z]{3} [A-Z0-9]{2}[A-Z][A-Z0-9]{2} [A-Z][A-Z0-9]{3}[A-Z]",
        check: Sum(codice_fiscale),
        context: &["codice fiscale", "cod. fisc", "cf", "tax code"],
        examples: &["RSSMRA85T10A562S", "rss mra 85t10 a562s"],
        lookalikes: &["RSSMRA85T10A562T", "RSSMRA85F10A562S"],
        ..STRONG
    },
    Detector {
        name: "it-vat",
        source: "Agenzia delle Entrate: partita IVA",
        format: "(?:IT ?)?[0-9]{11}",
        check: Sum(italian_vat),
        context: &["partita iva", "p. iva", "p.iva", "piva", "iva", "vat"],
        examples: &["01333550323", "IT01333550323"],
        lookalikes: &["01333550324", "01333559992"],
        ..FAIR
    },
    Detector {
        name: "it-identity-card",
        source: "Ministero dell'Interno: carta d'identità",
        anchors: &[
            "carta d'identità",
            "carta d'identita",
            "carta di identità",
            "carta identità",
            "carta identita",
            "identity card",
            "documento d'identità",
        ],
        format: "[A-Z]{2} ?[0-9]{7}|[0-9]{7}[A-Z]{2}|[A-Z]{2}[0-9]{5}[A-Z]{2}",
        check: None,
        examples: &["carta d'identità CA12345AB", "CA12345AB"],
        lookalikes: &["part CA12345AB is missing"],
        alone: EVEN,
        ..FAIR
    },
    Detector {
        name: "nl-bsn",
        source: "Wet algemene bepalingen burgerservicenummer; the eleven-proof",
        format: "[0-9]{9}|[0-9]{4}[. ][0-9]{2}[. ][0-9]{3}|[0-9]{3}[. -][0-9]{3}[. -][0-9]{3}",
        check: Sum(|value| {
            let sum = weighted(value, &[9, 8, 7, 6, 5, 4, 3, 2]);
            sum > 0 && sum % 11 == digit(value, 8)
        }),
        context: &["bsn", "burgerservicenummer", "burger service", "sofinummer", "sofi", "dutch citizen"],
        examples: &["BSN 111222333"],
        lookalikes: &["BSN 111222334", "invoice 111222333 was paid"],
        ..WEAK
    },
    Detector {
        name: "be-national-number",
        source: "Koninklijk besluit 3 april 1984: rijksregisternummer",
        format: "[0-9]{2}[. ]?[0-9]{2}[. ]?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}",
        check: Sum(|value| {
            let (born, sum) = (number(&value[..9]), number(&value[9..]));
            let month = two(value, 2) % 20;
            (month == 0 || is_day(two(value, 4).max(1), month))
                && (97 - born % 97 == sum || 97 - (2_000_000_000 + born) % 97 == sum)
        }),
        context: &[
            "rijksregister",
            "rijksregisternummer",
            "registre national",
            "numéro national",
            "nrn",
            "insz",
            "niss",
            "bis-nummer",
        ],
        examples: &["85.07.30-033.28", "00012511119"],
        lookalikes: &["85.07.30-033.29", "85.07.32-033.28"],
        confidence: Confidence { bare: 0.65, in_context: 0.95, wrong_sum: 0.3 },
        ..STRONG
    },
    Detector {
        name: "pt-nif",
        source: "Autoridade Tributária: número de identificação fiscal",
        format: "[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        check: Sum(|value| {
            matches!(value[0], b'1'..=b'3' | b'5' | b'6' | b'8' | b'9')
                && check_11(weighted(value, &[9, 8, 7, 6, 5, 4, 3, 2])) == digit(value, 8)
        }),
        context: &["nif", "contribuinte", "identificação fiscal", "número fiscal"],
        examples: &["NIF 123456789"],
        lookalikes: &["NIF 123456780"],
        ..WEAK
    },
    Detector {
        name: "pt-citizen-card",
        source: "Instituto dos Registos e do Notariado: Cartão de Cidadão",
        format: "[0-9]{8} ?[0-9] ?[A-Z0-9][A-Z][0-9]",
        check: Sum(portuguese_card),
        context: &["cartão de cidadão", "cartao de cidadao", "cidadão", "bilhete de identidade"],
        examples: &["00000000 0 ZZ4"],
        lookalikes: &["00000000 0 ZZ5"],
        ..FAIR
    },
    Detector {
        name: "ie-pps",
        source: "Department of Social Protection: PPS number",
        format: "[0-9]{7}[A-W][A-IW]?",
        check: Sum(|value| {
            let second =
                value.get(8).map_or(0, |letter| if *letter == b'W' { 0 } else { u32::from(letter - b'@') });
            let sum = weighted(value, &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
            b"WABCDEFGHIJKLMNOPQRSTUV"[(sum % 23) as usize] == value[7]
        }),
        context: &["pps", "ppsn", "personal public service", "revenue"],
        examples: &["PPS 1234567T", "1234567FA"],
        lookalikes: &["PPS 1234567U"],
        ..FAIR
    },
    Detector {
        name: "lu-national-id",
        source: "Luxembourg: numéro d'identification national",
        format: "[0-9]{13}",
        check: Sum(|value| {
            let without = [&value[..11], &value[12..]].concat();
            matches!(&value[..2], b"19" | b"20")
                && is_day(two(value, 6), two(value, 4))
                && luhn(&value[..12])
                && verhoeff(&without)
        }),
        context: &["matricule", "numéro d'identification"],
        examples: &["matricule 1993120105720"],
        lookalikes: &["1993120105721"],
        ..RARE
    },
];

/// Letters and pairs of letters that HMRC gives to nobody.
fn british_insurance(value: &[u8]) -> bool {
    let is_given = !b"DFIQUV".contains(&value[0]) && !b"DFIOQUV".contains(&value[1]);
    is_given && !matches!(&value[..2], b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ")
}

fn french_nir(value: &[u8]) -> bool {
    let month = two(value, 3);
    let place = match &value[5..7] {
        b"2A" => 19,
        b"2B" => 18,
        _ => two(value, 5),
    };
    let own = number(&value[7..13]);
    if place > 99 || own > 999_999 {
        return false;
    }
    let whole = (number(&value[..5]) * 100 + place) * 1_000_000 + own;
    matches!(value[0], b'1'..=b'4' | b'7' | b'8')
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97 - whole % 97 == two(value, 13)
}

/// The letter that the number's rest by 23 has. A foreigner's first letter stands for a digit.
fn spanish_letter(value: &[u8]) -> bool {
    let Some((letter, rest)) = value.split_last() else { return false };
    let whole = match rest[0] {
        b'A'..b'X' => return false,
        first @ b'X'..=b'Z' => {
            let places = rest.len() as u32 - 1;
            u64::from(first - b'X') * 10_u64.pow(places) + number(&rest[1..])
        }
        _ => number(rest),
    };
    b"TRWAGMYFPDXBNJZSQVHLCKE"[(whole % 23) as usize] == *letter
}

fn spanish_affiliation(value: &[u8]) -> bool {
    let (body, sum) = value.split_at(value.len() - 2);
    let own = number(&body[2..]);
    let whole = if own < 10_000_000 { own + two(body, 0) * 10_000_000 } else { number(body) };
    whole % 97 == number(sum)
}

/// Values of the characters in odd places, as the decree lists them.
const ODD: [u32; 26] =
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/// Letters stand for months, and for digits where two people would have the same code.
fn codice_fiscale(value: &[u8]) -> bool {
    let is_digit = |at: usize| matches!(value[at], b'0'..=b'9' | b'L'..=b'N' | b'P'..=b'V');
    if ![6, 7, 9, 10, 12, 13, 14].into_iter().all(is_digit) || !b"ABCDEHLMPRST".contains(&value[8]) {
        return false;
    }
    let place = |byte: u8| usize::from(byte.wrapping_sub(if byte.is_ascii_digit() { b'0' } else { b'A' }));
    let sum: u32 = value[..15]
        .iter()
        .enumerate()
        .map(|(at, byte)| if at % 2 == 0 { ODD[place(*byte)] } else { place(*byte) as u32 })
        .sum();
    u32::from(value[15] - b'A') == sum % 26
}

/// The seventh to ninth digits name a province's office.
fn italian_vat(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"IT").unwrap_or(value);
    let office = number(&value[7..10]);
    matches!(office, 1..=100 | 120 | 121 | 888 | 999) && number(&value[..7]) > 0 && luhn(value)
}

/// Letters are numbers from ten; every second character from the right counts twice, less nine where that is more.
fn portuguese_card(value: &[u8]) -> bool {
    let sum: u32 = value
        .iter()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let own = if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 };
            let own = u32::from(own) * if at % 2 == 1 { 2 } else { 1 };
            if at % 2 == 1 && own > 9 { own - 9 } else { own }
        })
        .sum();
    sum.is_multiple_of(10)
}
