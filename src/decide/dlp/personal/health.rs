//! Numbers of patients and of those who treat them, and codes of what they have.

use super::{Confidence, Detector, EVEN, FAIR, STRONG, WEAK};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{digit, luhn_sum, two, weighted};
use crate::model::types::FindingClass;

/// What the entries here have in common.
const HEALTH: Detector = Detector { class: FindingClass::Phi, ..STRONG };

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "us-npi",
        source: "CMS: National Provider Identifier, Luhn with the prefix 80840",
        format: "[0-9]{10}|[0-9]{4}[ -][0-9]{3}[ -][0-9]{3}",
        check: Sum(|value| matches!(value[0], b'1' | b'2') && (luhn_sum(value) + 24).is_multiple_of(10)),
        context: &["npi", "provider", "national provider", "physician", "prescriber"],
        examples: &["NPI 1234567893", "NPI 1245-319-599", "Provider identifier 1245319599"],
        lookalikes: &["NPI 1234567890", "id 1234567893 of the run"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..HEALTH
    },
    Detector {
        name: "us-dea",
        source: "Drug Enforcement Administration: registration number",
        format: "[A-Z][A-Z9][0-9]{7}",
        check: Sum(|value| {
            let (letters, value) = value.split_at(2);
            b"ABCDEFGHJKLMPRSTUX".contains(&letters[0])
                && (weighted(value, &[1, 2, 1, 2, 1, 2]) % 10) == digit(value, 6)
        }),
        context: &["dea", "prescriber", "controlled substance", "drug enforcement"],
        examples: &["DEA BB1388568"],
        lookalikes: &["DEA BB1388569", "OB1388568"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.3 },
        ..HEALTH
    },
    Detector {
        name: "us-mbi",
        source: "CMS: Medicare Beneficiary Identifier",
        format: "[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]\
            -?[AC-HJKMNP-RT-Y]{2}[0-9]{2}",
        check: None,
        context: &["mbi", "medicare", "beneficiary"],
        examples: &["1EG4-TE5-MK73", "Medicare 1EG4TE5MK73"],
        lookalikes: &["1SG4-TE5-MK73"],
        confidence: Confidence { bare: 0.6, in_context: 0.95, wrong_sum: 0.3 },
        ..HEALTH
    },
    Detector {
        name: "uk-nhs-number",
        source: "NHS Data Dictionary: NHS number",
        format: "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}",
        check: Sum(|value| {
            let rest = weighted(value, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            rest != 1 && (11 - rest) % 11 == digit(value, 9)
        }),
        context: &["nhs", "national health", "patient", "chi number"],
        examples: &["NHS number 943 476 5919", "NHS 9434765919"],
        lookalikes: &["NHS number 943 476 5918"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..HEALTH
    },
    Detector {
        name: "au-medicare",
        source: "Services Australia: Medicare card number",
        format: "[0-9]{4} ?[0-9]{5} ?[0-9]{1,2}",
        check: Sum(|value| {
            matches!(value[0], b'2'..=b'6')
                && weighted(value, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == digit(value, 8)
        }),
        context: &["medicare"],
        examples: &["Medicare 2123 45670 1"],
        lookalikes: &["Medicare 2123 45671 1", "2123456701 rows"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..HEALTH
    },
    Detector {
        name: "ca-health-card",
        source: "Ontario Ministry of Health: health card number",
        anchors: &["ohip", "health card", "health insurance", "health number"],
        format: "[0-9]{4}[ -]?[0-9]{3}[ -]?[0-9]{3}(?:[ -]?[A-Z]{2})?",
        check: Sum(|value| luhn_sum(&value[..10]).is_multiple_of(10)),
        examples: &["OHIP 9876543217"],
        lookalikes: &["9876543217", "OHIP 9876543218"],
        confidence: FAIR.confidence,
        ..HEALTH
    },
    Detector {
        name: "de-kvnr",
        source: "§ 290 SGB V: Krankenversichertennummer",
        format: "[A-Z][0-9]{9}",
        check: Sum(|value| {
            let letter = u32::from(value[0] - b'A') + 1;
            let rest = value[1..9].iter().map(|byte| u32::from(byte - b'0'));
            let sum: u32 = [letter / 10, letter % 10]
                .into_iter()
                .chain(rest)
                .zip([1, 2].into_iter().cycle())
                .map(|(digit, weight)| digit * weight / 10 + digit * weight % 10)
                .sum();
            sum % 10 == digit(value, 9)
        }),
        context: &[
            "kvnr",
            "krankenversicherung",
            "krankenversichertennummer",
            "versichertennummer",
            "krankenkasse",
            "versicherten-nr",
            "gesundheitskarte",
        ],
        examples: &["KVNR A123456780"],
        lookalikes: &["KVNR A123456787"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.3 },
        ..HEALTH
    },
    Detector {
        name: "de-lanr",
        source: "Kassenärztliche Bundesvereinigung: lebenslange Arztnummer",
        format: "[0-9]{9}",
        check: Sum(|value| {
            two(value, 7) > 0 && (10 - weighted(value, &[4, 9, 4, 9, 4, 9]) % 10) % 10 == digit(value, 6)
        }),
        context: &["lanr", "arztnummer", "arzt-nr", "arzt-nummer", "vertragsarzt", "kassenarzt", "hausarzt"],
        examples: &["LANR 123456601", "482915401"],
        lookalikes: &["LANR 123456701", "482915401 rows"],
        confidence: WEAK.confidence,
        alone: EVEN,
        ..HEALTH
    },
    Detector {
        name: "de-bsnr",
        source: "Kassenärztliche Bundesvereinigung: Betriebsstättennummer",
        anchors: &[
            "bsnr",
            "betriebsstättennummer",
            "betriebsstätten-nummer",
            "betriebsstätten",
            "betriebsstätte",
            "betriebsstaettennummer",
            "nebenbetriebsstätte",
            "hauptbetriebsstätte",
            "praxisnummer",
            "kv-nummer",
        ],
        format: "[0-9]{9}",
        check: None,
        examples: &["Betriebsstättennummer: 021234568"],
        lookalikes: &["021234568"],
        confidence: FAIR.confidence,
        ..HEALTH
    },
    Detector {
        name: "hu-taj",
        source: "Nemzeti Egészségbiztosítási Alapkezelő: TAJ szám",
        format: "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}",
        check: Sum(|value| weighted(value, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == digit(value, 8)),
        context: &["taj", "taj szám", "társadalombiztosítási"],
        examples: &["TAJ 111 111 110"],
        lookalikes: &["TAJ 111 111 112"],
        confidence: WEAK.confidence,
        ..HEALTH
    },
    Detector {
        name: "nz-nhi",
        source: "HISO 10046: National Health Index number",
        format: "[A-Z]{3}[0-9]{4}",
        check: Sum(|value| {
            let of = |letter: u8| {
                b"ABCDEFGHJKLMNPQRSTUVWXYZ".iter().position(|one| *one == letter).unwrap_or(0) as u32 + 1
            };
            let sum =
                of(value[0]) * 7 + of(value[1]) * 6 + of(value[2]) * 5 + weighted(&value[3..], &[4, 3, 2]);
            !sum.is_multiple_of(11) && (11 - sum % 11) % 10 == digit(value, 6)
        }),
        context: &["nhi", "national health index"],
        examples: &["NHI ZAC5361"],
        lookalikes: &["NHI ZAC5362"],
        confidence: Confidence { bare: 0.2, in_context: 0.85, wrong_sum: 0.2 },
        ..HEALTH
    },
    Detector {
        name: "medical-record-number",
        source: "HIPAA, 45 CFR 164.514(b)(2): medical record numbers, by the words before them",
        anchors: &[
            "mrn",
            "medical record",
            "patient id",
            "patientid",
            "patient number",
            "patient no",
            "patient_id",
            "chart number",
            "krankenakte",
            "patientennummer",
            "health plan",
            "member id",
            "insurance id",
        ],
        format: "[A-Z]{0,3}-?[0-9]{5,12}",
        check: None,
        context: &["patient", "hospital", "clinic", "admission", "diagnosis", "medical record number"],
        examples: &["MRN: 00847261", "patient id P-1284756"],
        lookalikes: &["00847261", "build 00847261"],
        confidence: Confidence { bare: 0.6, in_context: 0.8, wrong_sum: 0.3 },
        ..HEALTH
    },
    Detector {
        name: "icd-10",
        source: "WHO: ICD-10, and its clinical modification, by the words before them",
        anchors: &[
            "icd",
            "icd-10",
            "icd10",
            "icd-10-cm",
            "diagnosis code",
            "diagnosis",
            "diagnosed",
            "diagnose",
        ],
        format: "[A-TV-Z][0-9][0-9AB](?:\\.[0-9A-Z]{1,4})?",
        check: None,
        context: &["icd", "icd-10", "icd10", "patient", "diagnosis code"],
        examples: &["ICD-10: E11.9", "diagnosis code F32.1"],
        lookalikes: &["E11.9"],
        confidence: Confidence { bare: 0.5, in_context: 0.8, wrong_sum: 0.3 },
        ..HEALTH
    },
];
