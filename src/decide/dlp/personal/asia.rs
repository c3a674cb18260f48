//! Numbers that states of Asia give to people, and tax numbers of those who trade.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::{Confidence, Detector, EVEN, FAIR, NAMED, STRONG, WEAK};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{digit, is_day, luhn, two, verhoeff, weighted};

const PHILIPPINE_TAX: &[&str] =
    &["tin", "bir", "taxpayer identification", "taxpayer id", "rdo", "revenue district office"];
const THAI: &[&str] = &["บัตรประชาชน", "เลขประจำตัว", "เลขบัตรประชาชน", "รหัสปชช", "รหัสประชาชน", "thai", "tnin"];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "in-aadhaar",
        source: "UIDAI: Aadhaar numbers, with Verhoeff's check digit",
        format: "[0-9]{4}[ :-]?[0-9]{4}[ :-]?[0-9]{4}",
        check: Sum(|value| value[0] > b'1' && !value.iter().eq(value.iter().rev()) && verhoeff(value)),
        context: &["aadhaar", "aadhar", "adhaar", "uidai", "uid", "आधार", "ஆதார்", "ఆధార్"],
        examples: &["Aadhaar 2341 2341 2346"],
        lookalikes: &["Aadhaar 2341 2341 2347", "1341 2341 2346"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.25 },
        ..WEAK
    },
    Detector {
        name: "in-pan",
        source: "Income Tax Department: Permanent Account Number",
        format: "[A-Z]{5}[0-9]{4}[A-Z]",
        check: Sum(|value| b"ABCFGHLJPT".contains(&value[3]) && &value[5..9] != b"0000"),
        context: &["pan", "permanent account", "income tax"],
        examples: &["PAN ABCPD1234E"],
        lookalikes: &["ABCPD0000E", "ABCDD1234E"],
        confidence: Confidence { bare: 0.55, in_context: 0.9, wrong_sum: 0.1 },
        ..FAIR
    },
    Detector {
        name: "in-gstin",
        source: "Goods and Services Tax Network: GSTIN",
        format: "[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][0-9A-Z]Z[0-9A-Z]",
        check: Sum(gstin),
        context: &["gstin", "gst", "goods and services tax"],
        examples: &["27AAPFU0939F1ZV", "GSTIN: 27AAPFU0939F1ZV"],
        lookalikes: &["27AAPFU0939F1ZW", "27AAPFU0939F1ZV5"],
        confidence: Confidence { bare: 0.8, in_context: 0.95, wrong_sum: 0.5 },
        ..STRONG
    },
    Detector {
        name: "in-voter-id",
        source: "Election Commission of India: EPIC number",
        anchors: &["voter", "epic", "electoral", "election"],
        format: "[A-Z]{3}[0-9]{7}",
        check: None,
        context: &["voter id", "epic number"],
        examples: &["voter id KDX4829157", "KDX4829157"],
        lookalikes: &["part KDX4829157 is missing"],
        alone: EVEN,
        ..FAIR
    },
    Detector {
        name: "cn-resident-id",
        source: "GB 11643-1999: 公民身份号码",
        format: "[0-9]{17}[0-9X]",
        check: Sum(|value| {
            let sum = weighted(value, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
            matches!(value[0], b'1'..=b'8')
                && matches!(two(value, 6), 19 | 20)
                && is_day(two(value, 12), two(value, 10))
                && b"10X98765432"[(sum % 11) as usize] == value[17]
        }),
        context: &["身份证", "公民身份", "身份號", "居民身份", "resident id", "shenfenzheng"],
        examples: &["11010519491231002X"],
        lookalikes: &["110105194912310021", "11010519491331002X"],
        ..STRONG
    },
    Detector {
        name: "jp-my-number",
        source: "総務省令第85号: 個人番号",
        format: "[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}",
        check: Sum(|value| {
            let rest = weighted(value, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            (if rest < 2 { 0 } else { 11 - rest }) == digit(value, 11)
        }),
        context: &["マイナンバー", "個人番号", "my number", "mynumber"],
        examples: &["マイナンバー 1234 5678 9018"],
        lookalikes: &["マイナンバー 1234 5678 9019"],
        ..WEAK
    },
    Detector {
        name: "tw-national-id",
        source: "內政部: 國民身分證統一編號",
        format: "[A-Z][0-9A-D][0-9]{8}",
        check: Sum(taiwanese),
        context: &["身分證", "身份證", "統一編號", "taiwan", "national id"],
        examples: &["A123456789"],
        lookalikes: &["A123456788"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.25 },
        ..FAIR
    },
    Detector {
        name: "hk-id",
        source: "Immigration Department: Hong Kong identity card",
        format: "[A-Z]{1,2}[0-9]{6}\\([0-9A]\\)",
        check: Sum(hong_kong),
        context: &["hkid", "身份證", "hong kong", "identity card"],
        examples: &["G123456(A)", "HKID AB987654(3)"],
        lookalikes: &["G123456(B)", "G123456(7)"],
        ..STRONG
    },
    Detector {
        name: "sg-fin",
        source: "Immigration & Checkpoints Authority: NRIC and FIN",
        // The letters that end those of citizens, and those of foreigners.
        format: "[ST][0-9]{7}[A-JZ]|[FG][0-9]{7}[K-NP-RTUWX]|M[0-9]{7}[JK-NP-RTUWX]",
        check: Sum(singaporean),
        context: &["nric", "fin", "singapore", "work pass", "identity card"],
        examples: &["S2740116C", "G1122144R", "NRIC S2740116D"],
        lookalikes: &["S2740116K", "PA12348L", "part S2740116D is missing"],
        confidence: Confidence { bare: 0.65, in_context: 0.95, wrong_sum: 0.5 },
        ..STRONG
    },
    Detector {
        name: "sg-uen",
        source: "ACRA: Unique Entity Number",
        format: "[0-9]{8,9}[A-Z]|[A-Z][0-9]{2}[A-Z]{2}[0-9]{4}[A-Z]",
        check: Sum(singaporean_entity),
        context: &["uen", "unique entity", "acra"],
        examples: &["53125226D", "201434292D", "S57TU0392K"],
        lookalikes: &["53125226E", "201434292E"],
        ..FAIR
    },
    Detector {
        name: "th-national-id",
        source: "กรมการปกครอง: เลขประจำตัวประชาชน",
        format: "[0-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]|[0-9] [0-9]{4} [0-9]{5} [0-9]{2} [0-9]",
        check: Sum(thai),
        context: THAI,
        examples: &["4-5678-90123-45-9"],
        lookalikes: &["4-5678-90123-45-8"],
        ..STRONG
    },
    Detector {
        name: "th-national-id-plain",
        source: "กรมการปกครอง: เลขประจำตัวประชาชน, without hyphens",
        format: "[0-9]{13}",
        check: Sum(thai),
        context: THAI,
        examples: &["เลขประจำตัวประชาชน 4567890123459"],
        lookalikes: &["4567890123458", "1594567890124"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..WEAK
    },
    Detector {
        name: "my-nric",
        source: "Jabatan Pendaftaran Negara: MyKad",
        format: "[0-9]{6}-[0-9]{2}-[0-9]{4}",
        check: Sum(|value| {
            is_day(two(value, 4), two(value, 2))
                && !matches!(two(value, 6), 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97)
        }),
        context: &["mykad", "nric", "kad pengenalan", "malaysia"],
        examples: &["770305-02-1234"],
        lookalikes: &["771305-02-1234", "770305-17-1234"],
        ..FAIR
    },
    Detector {
        name: "id-nik",
        source: "Direktorat Jenderal Kependudukan: Nomor Induk Kependudukan",
        anchors: &["nik", "ktp", "kependudukan"],
        format: "[0-9]{16}",
        check: Sum(|value| is_day(two(value, 6) % 40, two(value, 8))),
        context: &["nomor induk", "ktp"],
        examples: &["NIK 3171011708450001"],
        lookalikes: &["3171011708450001", "NIK 3171011713450001"],
        ..FAIR
    },
    Detector {
        name: "ph-tin",
        source: "Bureau of Internal Revenue: Taxpayer Identification Number",
        anchors: PHILIPPINE_TAX,
        format: "[0-9]{3}-[0-9]{3}-[0-9]{3}(?:-[0-9]{3,5})?",
        check: None,
        context: &["philippines", "bir"],
        examples: &["TIN 123-456-789-000"],
        lookalikes: &["123-456-789-000"],
        ..FAIR
    },
    Detector {
        name: "ph-tin-plain",
        source: "Bureau of Internal Revenue: Taxpayer Identification Number, without hyphens",
        anchors: PHILIPPINE_TAX,
        format: "[0-9]{9}(?:[0-9]{3})?",
        check: Sum(|value| weighted(value, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == digit(value, 8)),
        context: &["philippines", "bir"],
        examples: &["TIN 482915705"],
        lookalikes: &["TIN 482915704", "482915705"],
        ..FAIR
    },
    Detector {
        name: "pk-cnic",
        source: "NADRA: Computerised National Identity Card",
        format: "[0-9]{5}-[0-9]{7}-[0-9]",
        check: Sum(|value| matches!(value[0], b'1'..=b'7')),
        context: &["cnic", "nadra", "nicop", "identity card"],
        examples: &["CNIC 35202-1234567-1", "35202-1234567-1"],
        lookalikes: &["95202-1234567-1"],
        confidence: Confidence { wrong_sum: 0.1, ..FAIR.confidence },
        ..FAIR
    },
    Detector {
        name: "ae-emirates-id",
        source: "Federal Authority for Identity and Citizenship: Emirates ID",
        format: "[0-9]{3}-?[0-9]{4}-?[0-9]{7}-?[0-9]",
        check: Sum(|value| value.starts_with(b"784") && matches!(two(value, 3), 19 | 20) && luhn(value)),
        context: &["emirates id", "emirates", "هوية"],
        examples: &["784-1980-1234567-8"],
        lookalikes: &["784-1980-1234567-9"],
        confidence: Confidence { bare: 0.8, in_context: 0.95, wrong_sum: 0.4 },
        ..STRONG
    },
    Detector {
        name: "sa-national-id",
        source: "Absher: national ID and iqama",
        format: "[0-9]{10}",
        check: Sum(|value| matches!(value[0], b'1' | b'2') && luhn(value)),
        context: &["iqama", "saudi", "الهوية", "رقم الهوية", "absher"],
        examples: &["iqama 1000000008"],
        lookalikes: &["iqama 1000000007"],
        ..WEAK
    },
    Detector {
        name: "ir-national-code",
        source: "Iran: کد ملی",
        format: "[0-9]{10}|[0-9]{3}-[0-9]{6}-[0-9]",
        check: Sum(|value| {
            let rest = weighted(value, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            (if rest < 2 { rest } else { 11 - rest }) == digit(value, 9)
        }),
        context: &["کد ملی", "کدملی", "melli", "iranian"],
        examples: &["کد ملی ۰۴۹۹۳۷۰۸۹۹", "melli 0499370899"],
        lookalikes: &["melli 0499370898"],
        ..WEAK
    },
    Detector {
        name: "kz-iin",
        source: "Kazakhstan: жеке сәйкестендіру нөмірі",
        format: "[0-9]{12}",
        check: Sum(|value| {
            let first = weighted(value, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
            let second = weighted(value, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
            matches!(value[6], b'1'..=b'6')
                && is_day(two(value, 4), two(value, 2))
                && (if first == 10 { second } else { first }) == digit(value, 11)
        }),
        context: &["иин", "ИИН", "жсн", "ЖСН", "iin"],
        examples: &["ИИН 930312350016"],
        lookalikes: &["ИИН 930312350017"],
        ..NAMED
    },
    Detector {
        name: "il-id",
        source: "Israel, Population and Immigration Authority: teudat zehut",
        format: "[0-9]{8}-?[0-9]",
        check: Sum(luhn),
        context: &["teudat zehut", "zehut", "תעודת זהות", "ת.ז", "מספר זהות", "israeli id"],
        examples: &["ת.ז 123456782"],
        lookalikes: &["ת.ז 123456783"],
        ..WEAK
    },
];

/// The place of a letter or digit, digits first.
fn place(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        _ => u32::from(byte.wrapping_sub(b'A')) + 10,
    }
}

/// Weights of one and two from the left; both places of a product in base 36 count.
fn gstin(value: &[u8]) -> bool {
    let sum: u32 = value[..14]
        .iter()
        .zip([1, 2].into_iter().cycle())
        .map(|(byte, weight)| place(*byte) * weight / 36 + place(*byte) * weight % 36)
        .sum();
    (36 - sum % 36) % 36 == place(value[14])
}

fn taiwanese(value: &[u8]) -> bool {
    // Letters by their place in an old list of counties.
    const COUNTIES: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let of = |letter: u8| COUNTIES.iter().position(|one| *one == letter).unwrap_or_default() as u32 + 10;
    let first = of(value[0]);
    let second = if value[1].is_ascii_digit() { digit(value, 1) } else { of(value[1]) % 10 };
    let rest = weighted(&value[2..], &[7, 6, 5, 4, 3, 2, 1, 1]);
    let is_given = matches!(value[1], b'1' | b'2' | b'8' | b'9' | b'A'..=b'D');
    is_given && (first / 10 + first % 10 * 9 + second * 8 + rest).is_multiple_of(10)
}

fn hong_kong(value: &[u8]) -> bool {
    let (last, rest) = (value[value.len() - 1], &value[..value.len() - 1]);
    // A card of one letter is summed as if a blank stood before it, which counts 36.
    let blank = if rest.len() == 7 { 36 * 9 } else { 0 };
    let sum: u32 = rest.iter().rev().zip(2..).map(|(byte, weight)| place(*byte) * weight).sum();
    (sum + blank + place(last)).is_multiple_of(11)
}

fn singaporean(value: &[u8]) -> bool {
    let sum = weighted(&value[1..], &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, sum) = match value[0] {
        b'S' => (b"JZIHGFEDCBA", sum),
        b'T' => (b"JZIHGFEDCBA", sum + 4),
        b'F' => (b"XWUTRQPNMLK", sum),
        b'G' => (b"XWUTRQPNMLK", sum + 4),
        b'M' => (b"KLJNPQRTUWX", 10 - (sum + 3) % 11),
        _ => return false,
    };
    letters[(sum % 11) as usize] == value[8]
}

fn singaporean_entity(value: &[u8]) -> bool {
    let Some((last, rest)) = value.split_last() else { return false };
    match (rest.len(), rest[0]) {
        (8, _) => b"XMKECAWLJDB"[(weighted(rest, &[10, 4, 9, 3, 8, 2, 7, 1]) % 11) as usize] == *last,
        (9, b'0'..=b'9') => {
            b"ZKCMDNERGWH"[(weighted(rest, &[10, 8, 6, 4, 9, 7, 5, 3, 1]) % 11) as usize] == *last
        }
        _ => {
            const LETTERS: &[u8; 33] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789 ";
            let of = |byte: u8| LETTERS.iter().position(|one| *one == byte).unwrap_or(32) as u32;
            let sum: u32 = rest.iter().zip([4, 3, 5, 3, 10, 2, 2, 5, 7]).map(|(byte, w)| of(*byte) * w).sum();
            LETTERS[((sum + 11 * 9 - 5) % 11) as usize] == *last
        }
    }
}

/// The second and third digits are those of a province.
fn thai(value: &[u8]) -> bool {
    let is_province = matches!(two(value, 1), 10..=27 | 30..=58 | 60..=67 | 70..=77 | 80..=86 | 90..=96);
    let sum = weighted(value, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    matches!(value[0], b'1'..=b'8') && is_province && (11 - sum % 11) % 10 == digit(value, 12)
}
