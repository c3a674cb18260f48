//! Numbers of central and eastern Europe, of the Balkans and of Turkey.
//!
//! Each entry names who defines the number, and shows what it finds and what it leaves; checks of more than a line stand below
//! them. Nothing here searches: read `numbers.rs` next.

use super::super::{Confidence, Detector, FAIR, NAMED, RARE, WEAK};
use crate::decide::dlp::detector::Check::Sum;
use crate::decide::dlp::sums::{check_11, digit, is_day, luhn, mod_11_10, number, two, weighted};

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "pl-pesel",
        source: "Ustawa o ewidencji ludności: PESEL",
        format: "[0-9]{11}",
        check: Sum(|value| {
            // Months of the 20th century, and 20 more for those of the 21st.
            two(value, 2) < 40
                && is_day(two(value, 4), two(value, 2) % 20)
                && weighted(value, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
        }),
        context: &["pesel", "ewidencyjny", "obywatel", "polish id"],
        examples: &["44051401359"],
        lookalikes: &["44051401358", "44051441359"],
        ..RARE
    },
    Detector {
        name: "pl-nip",
        source: "Ustawa o zasadach ewidencji podatników: NIP",
        format: "[0-9]{3}-?[0-9]{3}-?[0-9]{2}-?[0-9]{2}",
        check: Sum(|value| weighted(value, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == digit(value, 9)),
        context: &["nip", "podatnik", "podatkowa", "vat"],
        examples: &["NIP 123-456-32-18"],
        lookalikes: &["NIP 123-456-32-19"],
        ..WEAK
    },
    Detector {
        name: "cz-birth-number",
        source: "Zákon 133/2000 Sb.: rodné číslo, in Slovakia too",
        format: "[0-9]{6}/[0-9]{3,4}",
        check: Sum(czech_birth),
        context: &["rodné číslo", "rodne cislo", "rodného čísla", "rč", "r.č"],
        examples: &["736028/5163"],
        lookalikes: &["736028/5164", "733228/5163"],
        ..FAIR
    },
    Detector {
        name: "cz-birth-number-plain",
        source: "Zákon 133/2000 Sb.: rodné číslo, without its stroke",
        format: "[0-9]{10}",
        check: Sum(czech_birth),
        context: &["rodné číslo", "rodne cislo", "rodného čísla", "rč", "r.č"],
        examples: &["rodné číslo 7360285163"],
        lookalikes: &["rodné číslo 7360285164"],
        ..NAMED
    },
    Detector {
        name: "ro-cnp",
        source: "Ordonanța 97/2005: cod numeric personal",
        format: "[0-9]{13}",
        check: Sum(|value| {
            let rest = weighted(value, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
            value[0] != b'0'
                && is_day(two(value, 5), two(value, 3))
                && (if rest == 10 { 1 } else { rest }) == digit(value, 12)
        }),
        context: &["cnp", "cod numeric personal"],
        examples: &["CNP 1800101221144", "2800101221146"],
        lookalikes: &["1800101221145", "1801301221144"],
        ..RARE
    },
    Detector {
        name: "bg-egn",
        source: "Единен граждански номер (ЕГН)",
        format: "[0-9]{10}",
        check: Sum(|value| {
            is_day(two(value, 4), two(value, 2) % 20)
                && weighted(value, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == digit(value, 9)
        }),
        context: &["егн", "ЕГН", "egn", "граждански"],
        examples: &["ЕГН 7523169263"],
        lookalikes: &["ЕГН 7523169264"],
        ..WEAK
    },
    Detector {
        name: "hr-oib",
        source: "Zakon o osobnom identifikacijskom broju: OIB",
        format: "(?:HR)?[0-9]{11}",
        check: Sum(|value| mod_11_10(value.strip_prefix(b"HR").unwrap_or(value))),
        context: &["oib", "osobni identifikacijski"],
        examples: &["OIB 33392005961"],
        lookalikes: &["OIB 33392005962"],
        ..WEAK
    },
    Detector {
        name: "gr-amka",
        source: "ΑΜΚΑ: αριθμός μητρώου κοινωνικής ασφάλισης",
        format: "[0-9]{11}",
        check: Sum(|value| is_day(two(value, 0), two(value, 2)) && luhn(value)),
        context: &["αμκα", "ΑΜΚΑ", "amka"],
        examples: &["AMKA 01013099997"],
        lookalikes: &["AMKA 01013099998", "AMKA 32013099997"],
        ..RARE
    },
    Detector {
        name: "gr-afm",
        source: "ΑΑΔΕ: αριθμός φορολογικού μητρώου",
        format: "(?:EL)?[0-9]{9}",
        check: Sum(|value| {
            let value = value.strip_prefix(b"EL").unwrap_or(value);
            weighted(value, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == digit(value, 8)
        }),
        context: &["αφμ", "ΑΦΜ", "α.φ.μ", "Α.Φ.Μ", "afm"],
        examples: &["ΑΦΜ 094259216"],
        lookalikes: &["ΑΦΜ 094259217"],
        ..WEAK
    },
    Detector {
        name: "hu-tax-id",
        source: "Nemzeti Adó- és Vámhivatal: adóazonosító jel",
        format: "[0-9]{10}",
        check: Sum(|value| {
            value[0] == b'8' && weighted(value, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11 == digit(value, 9)
        }),
        context: &["adóazonosító", "adoazonosito", "adószám"],
        examples: &["adóazonosító jel 8071592153"],
        lookalikes: &["adóazonosító jel 8071592154"],
        ..NAMED
    },
    Detector {
        name: "yu-emso",
        source: "Yugoslav register of 1976, in Slovenia, Serbia, Bosnia, Montenegro and North Macedonia: EMŠO, JMBG",
        format: "[0-9]{13}",
        check: Sum(|value| {
            let sum = weighted(value, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
            matches!(value[4], b'0' | b'9')
                && is_day(two(value, 0), two(value, 2))
                && check_11(sum) == digit(value, 12)
        }),
        context: &["emšo", "emŠo", "emso", "jmbg", "јмбг", "ЈМБГ", "matični broj"],
        examples: &["0101006500006"],
        lookalikes: &["0101006500007", "3201006500006"],
        ..RARE
    },
    Detector {
        name: "ru-snils",
        source: "Пенсионный фонд России: СНИЛС",
        format: "[0-9]{3}-[0-9]{3}-[0-9]{3}[ -][0-9]{2}|[0-9]{11}",
        check: Sum(|value| {
            u64::from(weighted(value, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100) == two(value, 9)
        }),
        context: &["снилс", "СНИЛС", "snils"],
        examples: &["112-233-445 95", "СНИЛС 11223344595"],
        lookalikes: &["112-233-445 96"],
        ..FAIR
    },
    Detector {
        name: "ru-inn",
        source: "ФНС России: ИНН физического лица",
        format: "[0-9]{12}",
        check: Sum(|value| {
            weighted(value, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digit(value, 10)
                && weighted(value, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digit(value, 11)
        }),
        context: &["инн", "ИНН", "inn"],
        examples: &["ИНН 500100732259"],
        lookalikes: &["ИНН 500100732258"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.2 },
        ..FAIR
    },
    Detector {
        name: "ua-tax-number",
        source: "Україна: РНОКПП",
        format: "[0-9]{10}",
        check: Sum(|value| {
            let sum = weighted(&value[1..], &[5, 7, 9, 4, 6, 10, 5, 7]);
            // The first weight is minus one.
            (sum + 11 - digit(value, 0) % 11) % 11 % 10 == digit(value, 9)
        }),
        context: &["рнокпп", "РНОКПП", "іпн", "ІПН", "rnokpp"],
        examples: &["РНОКПП 1759013776"],
        lookalikes: &["РНОКПП 1759013775"],
        ..WEAK
    },
    Detector {
        name: "tr-national-id",
        source: "Nüfus ve Vatandaşlık İşleri: T.C. kimlik numarası",
        format: "[0-9]{11}",
        check: Sum(|value| {
            let (odd, even) =
                (weighted(value, &[1, 0, 1, 0, 1, 0, 1, 0, 1]), weighted(value, &[0, 1, 0, 1, 0, 1, 0, 1]));
            value[0] != b'0'
                && (odd * 7 + 100 - even) % 10 == digit(value, 9)
                && (odd + even + digit(value, 9)) % 10 == digit(value, 10)
        }),
        context: &["kimlik", "tckn", "tc no", "t.c.", "tc kimlik", "vatandaşlık"],
        examples: &["10000000146"],
        lookalikes: &["10000000147", "12345678900"],
        ..FAIR
    },
];

/// Women's months are 50 more, and 20 more where a day's numbers ran out. Numbers of nine digits are older than the sum.
fn czech_birth(value: &[u8]) -> bool {
    let month = two(value, 2) % 50;
    let is_born = is_day(two(value, 4), month) || (month > 20 && is_day(two(value, 4), month - 20));
    let sum = number(value);
    let is_right = match value.len() {
        9 => two(value, 0) < 54,
        _ => sum.is_multiple_of(11) || (number(&value[..9]) % 11 == 10 && digit(value, 9) == 0),
    };
    is_born && is_right
}
