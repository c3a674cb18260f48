//! Where people are reached: e-mail addresses and telephone numbers.
//!
//! Both are too freely written for the automaton of `numbers`, and are read by hand: an address around its `@`, a number in
//! `phone`, from a digit on.

use super::{Confidence, Detector, FAIR, STRONG};
use crate::decide::dlp::detector::Check::{None, Sum};
use crate::decide::dlp::detector::Found;
use crate::model::types::{FindingClass, FindingClasses};

pub const ENTRIES: &[Detector] = &[
    Detector {
        name: "email-address",
        source: "RFC 5322, section 3.4.1; the Public Suffix List",
        format: "[^@\\s]{1,64}@[^@\\s]{4,253}",
        check: Sum(has_known_suffix),
        examples: &["Write to maria.huber@posteo.de.", "\"user\":\"TANJA+x@teleworm.us\""],
        lookalikes: &[
            "image@2x.png",
            "@types/node@18.1.0",
            "git@github.com:owner/name",
            "root@localhost",
            "a@b.c",
        ],
        confidence: Confidence { bare: 0.8, in_context: 0.8, wrong_sum: 0.3 },
        ..STRONG
    },
    Detector {
        name: "phone-number",
        source: "ITU-T E.164; North American Numbering Plan",
        format: "\\+[0-9][0-9 ()./-]{6,22}[0-9]|1?[ .-]?\\(?[2-9][0-9]{2}\\)?[ .-]{0,2}[2-9][0-9]{2}[ .-][0-9]{4}",
        check: None,
        context: ALL_WORDS,
        examples: &[
            "+49 30 901820",
            "+639171234567",
            "(415) 555-0132",
            "541-714-1388",
            "call 1-800-555-0199 x12",
        ],
        lookalikes: &["123-456-7890", "+1", "x + 12345678", "541714-1388"],
        confidence: Confidence { bare: 0.6, in_context: 0.9, wrong_sum: 0.3 },
        ..STRONG
    },
    Detector {
        name: "phone-number-national",
        source: "national numbering plans: seven to thirteen digits, by the words near them",
        anchors: ALL_WORDS,
        format: "\\(?[0-9][0-9 ()./-]{5,18}[0-9]",
        check: None,
        context: STRONG_WORDS,
        examples: &[
            "Phone: 021-4006034",
            "They're not answering at 78 651 450",
            "Mobile: 0171 2345678",
            "fax 3660170548",
        ],
        lookalikes: &["021-4006034", "call 3660170548 times", "Phone: 12"],
        confidence: Confidence { bare: 0.55, in_context: 0.75, wrong_sum: 0.3 },
        ..FAIR
    },
];

/// Words that only numbers of telephones stand beside.
const STRONG_WORDS: &[&str] = &[
    "phone",
    "telephone",
    "tel",
    "mobile",
    "cell",
    "cellphone",
    "fax",
    "whatsapp",
    "handy",
    "telefon",
    "telefonnummer",
    "mobil",
    "mobilfunk",
    "téléphone",
    "portable",
    "teléfono",
    "telefono",
    "móvil",
    "cellulare",
    "telefone",
    "celular",
    "telefoon",
    "phonenumber",
    "msisdn",
    "电话",
    "手机",
    "電話",
    "전화",
    "телефон",
    "هاتف",
];

/// Words that others stand beside, too.
const OTHER_WORDS: &[&str] = &[
    "call",
    "calling",
    "dial",
    "sms",
    "texting",
    "text me",
    "messages to",
    "reach",
    "answering",
    "hotline",
    "us number",
    "uk number",
    "cn number",
    "my number",
];

/// Both.
const ALL_WORDS: &[&str] = &{
    let mut all = [""; STRONG_WORDS.len() + OTHER_WORDS.len()];
    let (strong, others) = all.split_at_mut(STRONG_WORDS.len());
    strong.copy_from_slice(STRONG_WORDS);
    others.copy_from_slice(OTHER_WORDS);
    all
};

/// The entry of addresses, by its place here.
const EMAIL: &Detector = &ENTRIES[0];

/// Bytes of a local part and of a domain: RFC 5321.
const LOCAL: usize = 64;
const DOMAIN: usize = 253;

/// Names of RFC 2142 and their like: they reach whoever is in charge, not a person.
const ROLES: &[&str] = &[
    "abuse",
    "admin",
    "administrator",
    "billing",
    "bounce",
    "bounces",
    "contact",
    "donotreply",
    "git",
    "help",
    "hello",
    "hostmaster",
    "info",
    "legal",
    "mailer-daemon",
    "marketing",
    "news",
    "newsletter",
    "no-reply",
    "noc",
    "noreply",
    "postmaster",
    "press",
    "privacy",
    "root",
    "sales",
    "security",
    "service",
    "support",
    "team",
    "webmaster",
];

/// Adds the e-mail addresses of a text.
pub fn find(text: &[u8], wanted: FindingClasses, found: &mut Vec<Found>) {
    if !wanted.has(FindingClass::Pii) {
        return;
    }
    let mut end = 0;
    for at in memchr::memchr_iter(b'@', text) {
        let local = local_start(text, at, end);
        let domain = &text[at + 1..domain_end(text, at + 1)];
        if local == at || !has_known_suffix(domain) || is_login(text, local, at + 1 + domain.len()) {
            continue;
        }
        end = at + 1 + domain.len();
        let is_role = ROLES.iter().any(|role| text[local..at].eq_ignore_ascii_case(role.as_bytes()));
        let confidence = if is_role { 0.4 } else { EMAIL.confidence.bare };
        found.push(Found {
            range: local..end,
            detector: EMAIL.name.into(),
            class: EMAIL.class,
            confidence,
            is_example: is_reserved(domain),
        });
    }
}

/// Where the local part begins that ends there, not before `bound`.
fn local_start(text: &[u8], at: usize, bound: usize) -> usize {
    let bound = bound.max(at.saturating_sub(LOCAL));
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte) || byte >= 0x80;
    let start =
        text[bound..at].iter().rposition(|byte| !is_local(*byte)).map_or(bound, |place| bound + place + 1);
    // The letter of `\n` is none of the name after it.
    let start = if start > 0 && text[start - 1] == b'\\' && start < at { start + 1 } else { start };
    let blank = text[start..at].iter().take_while(|byte| b".%+-".contains(byte)).count();
    if at > start && text[at - 1] == b'.' { at } else { start + blank }
}

/// Where the domain ends that begins there: labels of letters, digits and hyphens, joined by single points.
fn domain_end(text: &[u8], start: usize) -> usize {
    let bound = text.len().min(start + DOMAIN);
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte >= 0x80;
    let mut end = start;
    while end < bound {
        let goes_on =
            text[end] == b'.' && end > start && text.get(end + 1).is_some_and(|next| is_label(*next));
        if !is_label(text[end]) && !goes_on {
            break;
        }
        end += 1;
    }
    end
}

/// Whether its last labels are a suffix under which names are registered, and one stands before them.
fn has_known_suffix(domain: &[u8]) -> bool {
    let last = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default().len();
    if last < 2 || domain.len() <= last + 1 {
        return false;
    }
    let domain = domain.to_ascii_lowercase();
    !is_file_ending(&domain[domain.len() - last..])
        && (is_reserved(&domain)
            || psl::suffix(&domain)
                .is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() < domain.len()))
}

/// Endings of files that are top-level domains, too, and seldom those of an address.
fn is_file_ending(last: &[u8]) -> bool {
    matches!(last, b"zip" | b"mov" | b"py" | b"rs" | b"sh" | b"md" | b"so" | b"ps" | b"pl")
}

/// Domains that RFC 2606 and RFC 6761 keep for examples.
fn is_reserved(domain: &[u8]) -> bool {
    let ends = |name: &[u8]| {
        domain.len().checked_sub(name.len()).is_some_and(|before| {
            domain[before..].eq_ignore_ascii_case(name) && (before == 0 || domain[before - 1] == b'.')
        })
    };
    [&b"example.com"[..], b"example.org", b"example.net", b"example", b"invalid", b"test", b"localhost"]
        .into_iter()
        .any(ends)
}

/// Whether it is how one logs in (`git@host:path`, `https://name:word@host`) rather than an address.
fn is_login(text: &[u8], start: usize, end: usize) -> bool {
    let is_path = text.get(end) == Some(&b':')
        && text.get(end + 1).is_some_and(|next| next.is_ascii_alphanumeric() || matches!(next, b'/' | b'~'));
    let before = &text[start.saturating_sub(LOCAL)..start];
    let word = before.iter().rposition(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''));
    let before = &before[word.map_or(0, |place| place + 1)..];
    let is_mail = before.ends_with(b"mailto:");
    is_path || (!is_mail && memchr::memmem::find(before, b"://").is_some() && !before.contains(&b'?'))
}
