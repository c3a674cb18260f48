//! Payment cards, and accounts at banks.

use super::{Confidence, Detector, EVEN, FAIR, STRONG, WEAK, iban};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::sums::{luhn, number, weighted};

const CARD_WORDS: &[&str] = &[
    "card",
    "credit",
    "debit",
    "cc",
    "ccn",
    "pan",
    "visa",
    "mastercard",
    "amex",
    "american express",
    "maestro",
    "discover",
    "diners",
    "jcb",
    "unionpay",
    "cvv",
    "cvc",
    "kreditkarte",
    "karte",
    "kartennummer",
    "carte",
    "tarjeta",
    "carta di credito",
    "cartão",
    "kaart",
    "karta",
    "kort",
    "cardholder",
    "expiry",
    "charge",
    "payment",
    "billing",
];

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "payment-card",
        source: "ISO/IEC 7812-1; the issuer ranges of the card networks",
        format: "(?:[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{2,4}|\
            [0-9]{4}[ .-]?[0-9]{6}[ .-]?[0-9]{4,5})",
        check: Sum(card),
        context: CARD_WORDS,
        confidence: Confidence { bare: 0.7, in_context: 0.95, wrong_sum: 0.3 },
        examples: &[
            "5105 1051 0510 5100",
            "4111-1111-1111-1111",
            "378282246310005",
            "3056.930902.5904",
            "6011111111111117",
        ],
        lookalikes: &["5105 1051 0510 5101", "1234567812345670", "4111-1111-1111-111"],
        ..STRONG
    },
    Detector {
        name: "payment-card-other",
        source: "ISO/IEC 7812-1; any issuer, by the words near it",
        format: "[0-9]{12,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}(?:[ -][0-9]{1,4}(?:[ -][0-9]{1,3})?)?",
        check: Sum(other_card),
        context: CARD_WORDS,
        examples: &["card 4222222222222", "maestro 6759649826438453"],
        lookalikes: &["card 4222222222223", "4222222222222 items"],
        ..WEAK
    },
    Detector {
        name: "iban",
        source: "ISO 13616-1; SWIFT IBAN registry",
        format: "[A-Z]{2}[0-9]{2}(?:[ .-]?[A-Z0-9]){11,30}",
        check: Sum(iban::is_right),
        context: &[
            "iban",
            "account",
            "konto",
            "kontonummer",
            "compte",
            "cuenta",
            "conto",
            "rekening",
            "bank",
            "bic",
            "swift",
        ],
        examples: &[
            "DE89 3704 0044 0532 0130 00",
            "GB82WEST12345698765432",
            "fr14 2004 1010 0505 0001 3m02 606",
        ],
        lookalikes: &["DE89 3704 0044 0532 0130 01", "GB82WEST1234569876543", "ZZ82WEST12345698765432"],
        confidence: Confidence { bare: 0.9, in_context: 0.99, wrong_sum: 0.3 },
        ..STRONG
    },
    Detector {
        name: "us-bank-routing",
        source: "American Bankers Association: routing number policy",
        anchors: &["routing", "aba", "rtn", "ach"],
        format: "[0-9]{9}",
        check: Sum(routing),
        context: &["routing number", "aba number", "bank", "account"],
        examples: &["routing number 021000021", "021000021"],
        lookalikes: &["routing number 021000022", "021000021 packets"],
        alone: EVEN,
        ..FAIR
    },
    Detector {
        name: "us-bank-routing-grouped",
        source: "American Bankers Association: routing number, with hyphens as on cheques",
        format: "[0-9]{4}-[0-9]{4}-[0-9]",
        check: Sum(routing),
        context: &["routing", "aba", "rtn", "ach", "bank"],
        examples: &["ABA 0210-0002-1", "0210-0002-1"],
        lookalikes: &["0210-0002-2", "0210-0002-1-44"],
        ..FAIR
    },
    Detector {
        name: "bank-account",
        source: "a number of eight to seventeen digits, by the words before it",
        anchors: &[
            "bank account",
            "account number",
            "account no",
            "acct no",
            "acct number",
            "accountnumber",
            "account #",
            "account#",
            "acct#",
            "acct #",
            "checking account",
            "savings account",
            "kontonummer",
            "numéro de compte",
            "número de cuenta",
        ],
        format: "[0-9]{8,17}",
        check: None,
        context: &["bank", "iban", "deposit", "checking", "savings", "wire", "transfer"],
        examples: &["bank account 945456787654"],
        lookalikes: &["945456787654"],
        ..FAIR
    },
];

/// Luhn, in the ranges of the networks.
fn card(value: &[u8]) -> bool {
    let prefix = number(value.get(..6).unwrap_or_default());
    let is_issued = match value.len() {
        14 => matches!(prefix, 300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999),
        15 => matches!(prefix, 340_000..=349_999 | 370_000..=379_999),
        16 => {
            matches!(
                prefix,
                222_100..=272_099
                    | 352_800..=358_999
                    | 400_000..=499_999
                    | 501_800..=502_099
                    | 503_800..=503_899
                    | 510_000..=559_999
                    | 589_300..=589_399
                    | 601_100..=601_199
                    | 620_000..=629_999
                    | 630_400..=630_499
                    | 640_000..=659_999
                    | 675_900..=676_399
            ) || matches!(prefix, 300_000..=305_999 | 360_000..=369_999 | 380_000..=399_999)
        }
        _ => false,
    };
    is_issued && luhn(value)
}

/// Luhn, and the first digit of an industry that issues cards: airlines, travel, banks, merchants.
fn other_card(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'1'..=b'6')) && luhn(value)
}

fn routing(value: &[u8]) -> bool {
    matches!(number(value.get(..2).unwrap_or_default()), 0..=12 | 21..=32)
        && weighted(value, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}
