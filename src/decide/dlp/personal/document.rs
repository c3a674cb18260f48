//! What identifies a person only by the words near it: documents whose numbers have no check digit, and dates of birth.

use super::{Confidence, Detector, FAIR, STRONG};
use crate::decide::dlp::detector::Check::None;

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
        anchors: &[
            "passport",
            "reisepass",
            "passnummer",
            "pasaporte",
            "passeport",
            "passaporto",
            "passaporte",
            "paspoort",
            "paszport",
            "여권",
            "护照",
            "パスポート",
            "паспорт",
        ],
        format: "[A-Z]{1,3} ?[0-9]{5,8}[A-Z]?|[0-9]{8,9}|[A-Z][0-9]{3}[A-Z][0-9]{4}|[0-9]{2}[A-Z]{2}[0-9]{5}\
            |[CFGHJK][0-9CFGHJ-NPRTV-Z]{8}[0-9]?",
        check: None,
        context: &["passport number", "passport no", "passport #", "nationality", "expires", "expiry"],
        examples: &["My passport number is CD7654321", "pasaporte AAA123456"],
        lookalikes: &["CD7654321"],
        ..FAIR
    },
    Detector {
        name: "vehicle-registration",
        source: "the issuers' formats, by the words before them",
        anchors: &[
            "registration number",
            "vehicle registration",
            "license plate",
            "licence plate",
            "number plate",
            "plates",
            "plate number",
            "kennzeichen",
            "plaka",
            "vehicle number",
            "bike's registration",
        ],
        format: "[A-Z]{2}[ -]?[0-9]{1,2}[ -]?[A-Z]{1,3}[ -]?[0-9]{3,4}|[A-Z]{2}[0-9]{2} ?[A-Z]{3}\
            |[A-Z]{3}-[0-9]{3}[A-Z]{2}|[A-Z]{1,3}[ -][A-Z]{1,2}[ -]?[0-9]{1,4}[EH]?\
            |[0-9]{2} [A-Z]{1,3} [0-9]{2,4}|[A-Z][0-9]{1,3} ?[A-Z]{3}",
        check: None,
        context: &["car", "vehicle", "bike", "registered"],
        examples: &["registration number OD02BA2341", "Kennzeichen M-AB 1234"],
        lookalikes: &["OD02BA2341"],
        ..FAIR
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
