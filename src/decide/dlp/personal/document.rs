//! What identifies a person only by the words near it: documents whose numbers have no check digit, and dates of birth.

use super::{Confidence, Detector, FAIR, NAMED, STRONG, WEAK};
use crate::decide::dlp::detector::Check::{None, Sum};

/// What passports are called.
const PASSPORTS: &[&str] = &[
    "passport",
    "travel document",
    "reisepass",
    "reisepassnummer",
    "passnummer",
    "pass-nr",
    "pasaporte",
    "passeport",
    "passaporto",
    "passaporte",
    "paspoort",
    "paszport",
    "pasaport",
    "여권",
    "여권번호",
    "护照",
    "護照",
    "パスポート",
    "旅券",
    "паспорт",
    "паспорта",
];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "driving-licence",
        source: "the issuers' formats, by the words before them",
        anchors: &[
            "driver's license",
            "driver's licence",
            "drivers license",
            "drivers licence",
            "driver license",
            "driver licence",
            "driving license",
            "driving licence",
            "driver’s license",
            "license number",
            "licence number",
            "dl number",
            "dl no",
            "driverslicense",
            "driver_license",
            "driver lic",
            "driving permit",
            "learner's permit",
            "dl#",
            "dl:",
            "fahrerlaubnis",
            "führerschein",
            "führerscheinnummer",
            "permis de conduire",
            "patente",
            "patente di guida",
            "permiso de conducir",
            "carnet de conducir",
            "rijbewijs",
            "운전면허",
        ],
        format: "[A-Z]{1,3}[0-9]{5,14}[A-Z]{0,2}|[0-9]{7,9}\
            |[A-Z][0-9]{3}[ -][0-9]{3,4}[ -][0-9]{3,4}(?:[ -][0-9]{1,4})?\
            |[A-Z][A-Z0-9]{2}[0-9]{6}[A-Z0-9]{2}|[A-Z][0-9][A-Z0-9][0-9]{5}[0-9A-Z][A-Z]\
            |[A-Z0-9][0-9][A-Z][0-9]{2}[A-Z0-9]{3,8}",
        check: None,
        context: &["driver", "driving", "license", "licence", "dmv"],
        examples: &["My driver's license number is F162823540116", "driving licence LH329609T"],
        lookalikes: &["F162823540116"],
        ..FAIR
    },
    Detector {
        name: "passport",
        source: "ICAO 9303 and the issuers' formats, by the words before them",
        anchors: PASSPORTS,
        format: "[A-Z]{1,3} ?[0-9]{5,8}[A-Z]?|[0-9]{8,9}|[0-9]{2} ?[0-9]{2} [0-9]{6}|[A-Z][0-9]{3}[A-Z][0-9]{4}|[0-9]{2}[A-Z]{2}[0-9]{5}\
            |[CFGHJK][0-9CFGHJ-NPRTV-Z]{8}[0-9]?",
        check: None,
        context: &["passport number", "passport no", "passport #", "nationality", "expires", "expiry"],
        examples: &["My passport number is CD7654321", "pasaporte AAA123456"],
        lookalikes: &["CD7654321"],
        ..FAIR
    },
    Detector {
        name: "passport-two-letters",
        source: "ICAO 9303: passports of Italy, Poland and others, two letters and seven digits",
        format: "[A-Z]{2}[0-9]{7}",
        check: None,
        context: PASSPORTS,
        examples: &["passaporto YA1234567", "KV4470192"],
        lookalikes: &["part KV4470192 is missing"],
        ..NAMED
    },
    Detector {
        name: "es-passport",
        source: "Dirección General de la Policía: pasaporte",
        format: "[A-Z]{3}[0-9]{6}",
        check: None,
        context: PASSPORTS,
        examples: &["pasaporte PAB482915", "XDC482915"],
        lookalikes: &["part XDC482915 is missing"],
        ..NAMED
    },
    Detector {
        name: "in-passport",
        source: "Passport Seva: Indian passport",
        format: "[A-PR-WY][1-9][0-9] ?[0-9]{4}[1-9]",
        check: None,
        context: PASSPORTS,
        examples: &["passport K82 40157", "my passport: K8240157"],
        lookalikes: &["passport K8240150", "K8240157", "ticket K8240157 is open"],
        ..WEAK
    },
    Detector {
        name: "kr-passport",
        source: "외교부: 여권번호, since December 2021 with a letter among the digits",
        format: "[DGMORS][0-9]{3}[A-Z][0-9]{4}|[DGMORS][0-9]{8}",
        check: None,
        context: PASSPORTS,
        examples: &["여권번호 M482K9157", "M482K9157", "S48291570"],
        lookalikes: &["T482K9157", "part M482K9157 is missing"],
        ..NAMED
    },
    Detector {
        name: "de-driving-licence",
        source: "Fahrerlaubnis-Verordnung, Anlage 8: number of the driving licence",
        format: "[A-Z]{2}[0-9]{8}[A-Z0-9]|[A-Z][0-9]{3}[0-9A-Z]{5}[0-9X][0-9A-Z]",
        check: Sum(german_driver),
        context: &[
            "führerschein",
            "führerscheinnummer",
            "führerschein-nr",
            "fuehrerschein",
            "fahrerlaubnis",
            "fahrerlaubnisnummer",
            "fahrerlaubnisklasse",
            "driving licence",
            "driving license",
            "driver's license",
            "driver's licence",
        ],
        examples: &["Führerschein HB48291570K", "Fahrerlaubnis: B07239K6155", "HB48291570K"],
        lookalikes: &["part HB48291570K is missing", "HB4829157", "DE482915703"],
        ..NAMED
    },
    Detector {
        name: "it-driving-licence",
        source: "Ministero delle Infrastrutture e dei Trasporti: patente di guida",
        format: "[A-Z]{2}[0-9]{7}[A-Z]|U1[B-DF-HJ-NP-TU-Z0-9]{7}[A-Z]",
        check: None,
        context: &["patente", "patente di guida", "driving licence", "driver's license", "guida"],
        examples: &["patente MI4829157K", "U1B48C2D7K"],
        lookalikes: &["part MI4829157K is missing", "U1A48C2D7K"],
        ..NAMED
    },
    Detector {
        name: "uk-postcode",
        source: "Royal Mail, Postcode Address File: some fifteen addresses each",
        format: "[A-PR-UWYZ](?:[0-9]{1,2}|[A-HK-Y][0-9]|[A-HK-Y][0-9][0-9ABEHMNPRV-Y]|[0-9][A-HJKPSTUW]) ?\
            [0-9][ABD-HJLNP-UW-Z]{2}|GIR ?0AA",
        check: None,
        context: &["postcode", "post code", "postal code", "postcodes"],
        examples: &["postcode LS27 8QD", "KT4 7WQ"],
        lookalikes: &["part KT4 7WQ is missing", "postcode KT4 7CQ"],
        ..NAMED
    },
    Detector {
        name: "date-of-birth",
        source: "GDPR, article 4(1); a date, by the label of its field",
        anchors: &[
            "dob",
            "d.o.b",
            "date of birth:",
            "birth date",
            "birthdate",
            "birthday:",
            "date_of_birth",
            "dateofbirth",
            "birth_date",
            "born:",
            "geburtsdatum",
            "date de naissance",
            "fecha de nacimiento",
            "data di nascita",
            "data de nascimento",
            "geboortedatum",
            "fødselsdato",
            "födelsedatum",
            "data urodzenia",
        ],
        format: "[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|\
            [0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}(?:[0-9]{2})?|\
            [0-9]{1,2}[ .-]{1,2}[A-Z]{3,9}[ ,.-]{1,2}[0-9]{4}",
        check: None,
        examples: &["DOB: 03/14/1985", "\"date_of_birth\": \"1985-03-14\"", "born: 14 March 1985"],
        lookalikes: &["03/14/1985", "released 1985-03-14", "she was born on 03/14/1985"],
        confidence: Confidence { bare: 0.7, in_context: 0.8, wrong_sum: 0.1 },
        ..STRONG
    },
    Detector {
        name: "ip-address",
        source: "RFC 791; GDPR, recital 30: an address of the public Internet",
        format: "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
        check: None,
        context: &["client ip", "user ip", "remote addr", "ip address", "visitor", "x-forwarded-for"],
        examples: &[],
        lookalikes: &["client ip 41.176.181.243", "version 4.1.76.2"],
        confidence: Confidence { bare: 0.2, in_context: 0.45, wrong_sum: 0.0 },
        ..STRONG
    },
];

/// The second form has digits among the five that count up. Two letters and nine digits may also be a tax number of the
/// European Union, which begins with its country.
fn german_driver(value: &[u8]) -> bool {
    const COUNTRIES: &[u8] =
        b"AT BE BG CH CY CZ DE DK EE EL ES FI FR GB HR HU IE IT LT LU LV MT NL NO PL PT RO SE SI SK XI";
    let digits = |value: &[u8]| value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_tax =
        digits(value) == 9 && COUNTRIES.split(|byte| *byte == b' ').any(|country| value.starts_with(country));
    digits(&value[4..9]) > 2 && !is_tax
}
