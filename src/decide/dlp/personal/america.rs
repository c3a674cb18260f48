//! Numbers that American states give to people, and tax numbers of those who trade.

use super::{Confidence, Detector, FAIR, STRONG, WEAK};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{check_11, digit, is_day, luhn, number, two, weighted};

const SSN_WORDS: &[&str] = &[
    "ssn",
    "ssns",
    "social security",
    "social-security",
    "socialsecurity",
    "soc sec",
    "social",
    "ss#",
    "ss number",
];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "us-ssn",
        source: "Social Security Administration: number randomization",
        format: "[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3}\\.[0-9]{2}\\.[0-9]{4}",
        check: Sum(social_security),
        context: SSN_WORDS,
        examples: &["536-90-4399", "536.90.4399", "here's my SSN: 141-01-9056"],
        lookalikes: &[
            "000-12-3456",
            "666-12-3456",
            "536-00-4399",
            "536-90-0000",
            "078-05-1120",
            "901-12-3456",
            "536-90.4399",
        ],
        confidence: Confidence { bare: 0.65, in_context: 0.95, wrong_sum: 0.25 },
        ..STRONG
    },
    Detector {
        name: "us-ssn-spaced",
        source: "Social Security Administration: with spaces, as other figures are written, too",
        format: "[0-9]{3} [0-9]{2} [0-9]{4}",
        check: Sum(social_security),
        context: SSN_WORDS,
        examples: &["SSN: 536 90 4399", "536 90 4399"],
        lookalikes: &["Suite 536 90 4399 Oakridge Lane"],
        confidence: Confidence { bare: 0.4, in_context: 0.9, wrong_sum: 0.25 },
        ..STRONG
    },
    Detector {
        name: "us-ssn-plain",
        source: "Social Security Administration: nine digits, by the words before them",
        anchors: SSN_WORDS,
        format: "[0-9]{9}",
        check: Sum(social_security),
        examples: &["ssn 536904399"],
        lookalikes: &["ssn 666904399", "536904399"],
        confidence: Confidence { bare: 0.8, in_context: 0.8, wrong_sum: 0.25 },
        ..STRONG
    },
    Detector {
        name: "us-itin",
        source: "Internal Revenue Service: Individual Taxpayer Identification Number",
        format: "[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}",
        check: Sum(taxpayer),
        context: &["itin", "taxpayer", "irs", "tax"],
        examples: &["911-70-1234"],
        lookalikes: &["911-69-1234", "911-93-1234"],
        ..FAIR
    },
    Detector {
        name: "us-itin-plain",
        source: "Internal Revenue Service: ITIN without hyphens",
        format: "[0-9]{9}",
        check: Sum(taxpayer),
        context: &["itin", "taxpayer", "irs"],
        examples: &["ITIN 911701234"],
        lookalikes: &["ITIN 911691234", "order 911701234 of today"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..WEAK
    },
    Detector {
        name: "us-ein",
        source: "Internal Revenue Service: Employer Identification Number",
        anchors: &["ein", "employer identification", "fein", "federal tax id"],
        format: "[0-9]{2}-?[0-9]{7}",
        check: None,
        context: &["irs", "tax", "employer"],
        examples: &["EIN 12-3456789"],
        lookalikes: &["12-3456789"],
        ..FAIR
    },
    Detector {
        name: "ca-sin",
        source: "Service Canada: Social Insurance Number",
        format: "[0-9]{3}-[0-9]{3}-[0-9]{3}|[0-9]{3} [0-9]{3} [0-9]{3}",
        check: Sum(insurance),
        context: &["sin", "social insurance", "nas", "assurance sociale", "canada"],
        examples: &["my SIN is 130-692-544", "130 692 544"],
        lookalikes: &["my SIN is 130-692-545", "130-692-544 boxes"],
        confidence: Confidence { bare: 0.4, ..WEAK.confidence },
        ..WEAK
    },
    Detector {
        name: "ca-sin-plain",
        source: "Service Canada: Social Insurance Number, as nine digits",
        format: "[0-9]{9}",
        check: Sum(insurance),
        context: &["sin", "social insurance", "nas", "assurance sociale"],
        examples: &["SIN 130692544"],
        lookalikes: &["SIN 130692545", "130692544"],
        ..WEAK
    },
    Detector {
        name: "br-cpf",
        source: "Receita Federal: Cadastro de Pessoas Físicas",
        format: "[0-9]{3}\\.[0-9]{3}\\.[0-9]{3}[-/][0-9]{2}|[0-9]{9}-?[0-9]{2}",
        check: Sum(brazil_person),
        context: &["cpf", "cadastro de pessoas", "contribuinte", "receita federal"],
        examples: &["529.982.247-25", "CPF 52998224725"],
        lookalikes: &["529.982.247-26", "529.982.247-35"],
        ..FAIR
    },
    Detector {
        name: "br-cnpj",
        source: "Receita Federal: Cadastro Nacional da Pessoa Jurídica",
        format: "[0-9]{2}\\.[0-9]{3}\\.[0-9]{3}/[0-9]{4}-[0-9]{2}|[0-9]{14}",
        check: Sum(|value| {
            let first = weighted(value, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
            let second = weighted(value, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
            check_11(first) == digit(value, 12) && check_11(second) == digit(value, 13)
        }),
        context: &["cnpj", "pessoa jurídica", "empresa"],
        examples: &["11.222.333/0001-81", "CNPJ 11222333000181"],
        lookalikes: &["11.222.333/0001-82"],
        ..FAIR
    },
    Detector {
        name: "mx-curp",
        source: "Registro Nacional de Población: CURP",
        format: "[A-Z]{4}[0-9]{6}[A-Z]{6}[A-Z0-9][0-9]",
        check: Sum(curp),
        context: &["curp", "clave única", "clave unica"],
        examples: &["BOXW310820HNERXN09"],
        lookalikes: &["BOXW310820HNERXN08", "BOXW311320HNERXN09"],
        confidence: Confidence { bare: 0.9, in_context: 0.98, wrong_sum: 0.45 },
        ..STRONG
    },
    Detector {
        name: "mx-rfc",
        source: "Servicio de Administración Tributaria: Registro Federal de Contribuyentes",
        format: "[A-Z]{4}-?[0-9]{6}-?[A-Z0-9]{3}",
        check: Sum(rfc),
        context: &["rfc", "contribuyentes", "sat"],
        examples: &["RFC GODE561231GR8"],
        lookalikes: &["RFC GODE561331GR8", "RFC GODE561231GR7"],
        ..FAIR
    },
    Detector {
        name: "cl-rut",
        source: "Servicio de Impuestos Internos: Rol Único Tributario",
        format: "[0-9]{1,2}\\.[0-9]{3}\\.[0-9]{3}-[0-9K]",
        check: Sum(rut),
        context: &["rut", "run", "rol único", "rol unico", "cédula"],
        examples: &["12.531.909-2"],
        lookalikes: &["12.531.909-3"],
        ..FAIR
    },
    Detector {
        name: "cl-rut-plain",
        source: "Servicio de Impuestos Internos: Rol Único Tributario, without points",
        format: "[0-9]{7,8}-[0-9K]",
        check: Sum(rut),
        context: &["rut", "run", "rol único", "rol unico", "cédula"],
        examples: &["RUT 12531909-2"],
        lookalikes: &["RUT 12531909-3"],
        ..WEAK
    },
    Detector {
        name: "ar-cuit",
        source: "ARCA (AFIP): CUIT and CUIL",
        format: "[0-9]{2}-[0-9]{8}-[0-9]",
        check: Sum(cuit),
        context: &["cuit", "cuil", "afip", "arca"],
        examples: &["20-26756539-3"],
        lookalikes: &["20-26756539-4"],
        ..STRONG
    },
    Detector {
        name: "ar-cuit-plain",
        source: "ARCA (AFIP): CUIT and CUIL, without hyphens",
        format: "[0-9]{11}",
        check: Sum(cuit),
        context: &["cuit", "cuil", "afip", "arca"],
        examples: &["CUIT 20267565393"],
        lookalikes: &["CUIT 20267565394"],
        ..WEAK
    },
    Detector {
        name: "co-nit",
        source: "DIAN: Número de Identificación Tributaria",
        format: "[0-9]{3}\\.?[0-9]{3}\\.?[0-9]{3}-[0-9]",
        check: Sum(|value| {
            let rest = weighted(value, &[41, 37, 29, 23, 19, 17, 13, 7, 3]) % 11;
            (if rest < 2 { rest } else { 11 - rest }) == digit(value, 9)
        }),
        context: &["nit", "dian", "cédula"],
        examples: &["NIT 213.123.432-1"],
        lookalikes: &["NIT 213.123.432-2"],
        ..WEAK
    },
    Detector {
        name: "ec-cedula",
        source: "Registro Civil del Ecuador: cédula de identidad",
        format: "[0-9]{9}-?[0-9]",
        check: Sum(|value| matches!(two(value, 0), 1..=24 | 30) && value[2] < b'7' && luhn(value)),
        context: &["cédula", "cedula", "ecuador"],
        examples: &["cédula 1714616123"],
        lookalikes: &["cédula 1714616124"],
        ..WEAK
    },
    Detector {
        name: "uy-ci",
        source: "Dirección Nacional de Identificación Civil: cédula de identidad",
        format: "[0-9]\\.[0-9]{3}\\.[0-9]{3}-[0-9]",
        check: Sum(|value| weighted(value, &[2, 9, 8, 7, 6, 3, 4, 1]).is_multiple_of(10)),
        context: &["cédula", "cedula", "uruguay", "c.i."],
        examples: &["cédula 1.234.567-2"],
        lookalikes: &["cédula 1.234.567-3"],
        ..WEAK
    },
    Detector {
        name: "do-cedula",
        source: "Junta Central Electoral: cédula de identidad y electoral",
        format: "[0-9]{3}-[0-9]{7}-[0-9]",
        check: Sum(luhn),
        context: &["cédula", "cedula", "dominicana"],
        examples: &["001-1391820-5"],
        lookalikes: &["001-1391820-6"],
        ..FAIR
    },
];

fn social_security(value: &[u8]) -> bool {
    let (area, group, serial) = (number(&value[..3]), two(value, 3), number(&value[5..]));
    // Two numbers that were printed in advertisements belong to nobody.
    let is_printed = matches!(value, b"078051120" | b"219099999");
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !is_printed
}

/// The fourth and fifth digits that the IRS gives out.
fn taxpayer(value: &[u8]) -> bool {
    value[0] == b'9' && matches!(two(value, 3), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// The first digit is that of a province, or nine for who stays a while.
fn insurance(value: &[u8]) -> bool {
    !matches!(value[0], b'0' | b'8') && luhn(value)
}

fn brazil_person(value: &[u8]) -> bool {
    let first = weighted(value, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let second = weighted(value, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    check_11(first) == digit(value, 9) && check_11(second) == digit(value, 10)
}

/// Letters count from ten in an alphabet with Ñ, which stands after N.
fn curp(value: &[u8]) -> bool {
    let own = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte - b'A') + 11,
    };
    let sum: u32 = value[..17].iter().zip(0..).map(|(byte, at)| own(*byte) * (18 - at)).sum();
    b"AEIOUX".contains(&value[1])
        && b"HMX".contains(&value[10])
        && is_day(two(value, 8), two(value, 6))
        && (10 - sum % 10) % 10 == digit(value, 17)
}

fn rfc(value: &[u8]) -> bool {
    let own = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte - b'A') + 11,
    };
    if value.len() != 13 {
        return false;
    }
    let sum: u32 = value[..12].iter().zip(0..).map(|(byte, at)| own(*byte) * (13 - at)).sum();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        rest => b'0' + rest.to_le_bytes()[0],
    };
    is_day(two(value, 8), two(value, 6)) && check == value[12]
}

/// Weights of two to seven from the right, again and again.
fn rut(value: &[u8]) -> bool {
    let Some((last, rest)) = value.split_last() else { return false };
    let sum: u32 = rest
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7].into_iter().cycle())
        .map(|(byte, w)| u32::from(byte - b'0') * w)
        .sum();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        rest => b'0' + rest.to_le_bytes()[0],
    };
    check == *last
}

fn cuit(value: &[u8]) -> bool {
    let check = match 11 - weighted(value, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => 0,
        10 => 9,
        rest => rest,
    };
    matches!(two(value, 0), 20 | 23..=27 | 30 | 33 | 34) && check == digit(value, 10)
}
