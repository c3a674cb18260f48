//! Number plates of vehicles. None has a check digit: what counts is a word near it, or that nothing else is sent.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::{Detector, FAIR, NAMED};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::two;

/// What number plates are called.
const PLATES: &[&str] = &[
    "number plate",
    "licence plate",
    "license plate",
    "plate number",
    "plate",
    "plates",
    "vehicle registration",
    "vehicle number",
    "registration number",
    "registration plate",
    "vrn",
];

pub const ENTRIES: &[Detector] = &[
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
            "nummernschild",
            "kfz",
            "targa",
            "matrícula",
            "plaque d'immatriculation",
            "rejestracyjny",
            "nummerplaat",
            "vrn",
            "plaka",
            "plakası",
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
        name: "uk-number-plate",
        source: "DVLA, INF104: number plates since September 2001",
        format: "[A-HJ-PR-Y]{2}[0-9]{2}[ -]?[A-HJ-PR-Z]{3}",
        check: Sum(|value| matches!(two(value, 2), 2..=29 | 51..=79)),
        context: &[
            "number plate",
            "licence plate",
            "license plate",
            "plate",
            "plates",
            "registration number",
            "reg no",
            "car reg",
            "vrn",
            "vehicle",
            "car",
            "dvla",
            "v5c",
            "logbook",
        ],
        examples: &["my car is KX62 LMT", "KX62LMT", "reg no KX62-LMT"],
        lookalikes: &["KX42 LMT", "my car is KX42 LMT", "KX62 LIT"],
        ..NAMED
    },
    Detector {
        name: "uk-number-plate-older",
        source: "DVLA, INF104: number plates before September 2001, with the letter of the year before or behind",
        format: "[A-HJ-NPR-TV-Y][1-9][0-9]{0,2}[ -]?[A-HJ-PR-Y][A-HJ-PR-Z]{2}|\
            [A-HJ-PR-Z]{3}[ -]?[1-9][0-9]{0,2}[ -]?[A-HJ-NPR-TV-Y]",
        check: None,
        context: PLATES,
        examples: &["number plate P731 KLM", "KLM 731P"],
        lookalikes: &["KLM 731I", "the H100 GPU", "route KLM 731P is full"],
        ..NAMED
    },
    Detector {
        name: "de-number-plate",
        source: "Fahrzeug-Zulassungsverordnung, § 9: Kennzeichen",
        format: "[A-Z]{1,3}-[A-Z]{1,2}[ -][1-9][0-9]{0,3}[EH]?|[A-Z]{1,3} [A-Z]{1,2} [1-9][0-9]{1,3}[EH]?",
        check: None,
        context: &[
            "kennzeichen",
            "kfz-kennzeichen",
            "nummernschild",
            "kfz",
            "fahrzeug",
            "fahrzeugschein",
            "zulassung",
            "pkw",
            "license plate",
            "licence plate",
            "number plate",
        ],
        examples: &["Kennzeichen HH-KM 482", "KA-EF-31H", "HH KM 482"],
        lookalikes: &["ticket HH-KM 482", "HHHH-KM 482"],
        ..NAMED
    },
    Detector {
        name: "in-number-plate",
        source: "Central Motor Vehicles Rules 1989, rule 50: letters of the state, number of the district",
        format: "[A-Z]{2}[ -]?[0-9]{1,2}[ -]?[A-Z]{1,3}[ -]?[0-9]{4}|[2-9][0-9][ -]?BH[ -]?[0-9]{4}[ -]?[A-Z]{1,2}",
        check: Sum(indian_state),
        context: &[
            "number plate",
            "license plate",
            "plate",
            "registration",
            "vehicle",
            "car",
            "bike",
            "rto",
            "vahan",
            "गाड़ी",
            "वाहन",
        ],
        examples: &["vehicle KA 05 MN 4821", "KA05MN4821", "22 BH 4821 AA"],
        lookalikes: &["XY05MN4821", "KA05MN0000"],
        ..NAMED
    },
    Detector {
        name: "tr-number-plate",
        source: "Karayolları Trafik Yönetmeliği: number of the province, 01 to 81",
        format: "[0-9]{2}[ -]?[A-PR-VYZ][ -]?[0-9]{4,5}|[0-9]{2}[ -]?[A-PR-VYZ]{2}[ -]?[0-9]{3,4}|\
            [0-9]{2}[ -]?[A-PR-VYZ]{3}[ -]?[0-9]{2,3}",
        check: Sum(|value| matches!(two(value, 0), 1..=81)),
        context: &["plaka", "plakası", "plakalı", "plate", "license plate", "number plate", "araç", "taşıt"],
        examples: &["plaka 34 KLM 482", "34KLM482", "06 K 4821"],
        lookalikes: &["82 KLM 482", "unit 34 KLM 482", "44 of 45"],
        ..NAMED
    },
    Detector {
        name: "ng-number-plate",
        source: "Federal Road Safety Corps: letters of the local government, number, year and batch",
        format: "[A-Z]{3}[ -]?[0-9]{3}[A-Z]{2}",
        check: None,
        context: PLATES,
        examples: &["plate KJA-482EF", "KJA-482EF"],
        lookalikes: &["part KJA-482EF is missing"],
        ..NAMED
    },
];

/// Begins with the letters of a state or a union territory, and its number is not zero; `BH` stands for all of them.
fn indian_state(value: &[u8]) -> bool {
    const STATES: &[u8] = b"AN AP AR AS BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN TR TS UA UK UP WB";
    let is_given = |place: &[u8]| place != b"0000";
    if &value[2..4] == b"BH" {
        return is_given(&value[4..8]);
    }
    STATES.split(|byte| *byte == b' ').any(|state| value.starts_with(state))
        && is_given(&value[value.len() - 4..])
}
