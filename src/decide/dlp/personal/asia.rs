//! Numbers that states of Asia, Africa and Oceania give to people, and tax numbers of those who trade.

use super::{Confidence, Detector, EVEN, FAIR, NAMED, RARE, STRONG, WEAK};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{digit, is_day, luhn, number, two, verhoeff, weighted};

const PHILIPPINE_TAX: &[&str] =
    &["tin", "bir", "taxpayer identification", "taxpayer id", "rdo", "revenue district office"];
const THAI: &[&str] = &["บัตรประชาชน", "เลขประจำตัว", "เลขบัตรประชาชน", "รหัสปชช", "รหัสประชาชน", "thai", "tnin"];
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
        ..WEAK
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
        source: "NIMC: National Identification Number, with Verhoeff's check digit",
        format: "[0-9]{11}",
        check: Sum(verhoeff),
        context: &["nigeria", "nigerian", "nimc"],
        examples: &["nimc 48291570365"],
        lookalikes: &["48291570362"],
        ..NAMED
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

fn korean(value: &[u8], base: u32) -> bool {
    let sum = weighted(value, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    (base - sum % 11) % 10 == digit(value, 12)
}

fn korean_business(value: &[u8]) -> bool {
    let last = digit(value, 8) * 5;
    let sum = weighted(value, &[1, 3, 7, 1, 3, 7, 1, 3]) + last / 10 + last % 10 + digit(value, 9);
    two(value, 0) > 9 && two(value, 3) > 0 && sum.is_multiple_of(10)
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
