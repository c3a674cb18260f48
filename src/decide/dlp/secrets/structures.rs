//! What is known by how it is built and not by one expression: keys in PEM, tokens that say what they are, credentials in
//! addresses and commands.
//!
//! Each reader starts at a word, looks at a bounded piece of text and says how far it has looked, so that no text makes it look at
//! one place many times. Read next: `grammar.rs`, where each has its entry in the catalogue.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::examples::{contains_word, is_example};
use super::super::formats::stands_apart;
use super::value::{Shape, is_code};
use super::words::Words;
use crate::model::types::limits::FOUND_BYTES as KEY_BYTES;

/// Bytes of the longest token.
const TOKEN_BYTES: usize = 4 * 1024;
/// Bytes of an address up to its path.
const AUTHORITY_BYTES: usize = 256;
/// Bytes of a command line.
const COMMAND_BYTES: usize = 512;

/// What a reader found.
pub struct Structure {
    /// The entry of the catalogue.
    pub name: &'static str,
    /// Where it stands.
    pub range: Range<usize>,
    /// How sure that is.
    pub confidence: f32,
    /// Whether it is one of a documentation.
    pub is_example: bool,
}

/// What a reader says: what it found, and up to where no further look is needed.
pub type Look = (Option<Structure>, usize);

/// Looks at a text where one of its words stands.
pub type Reader = fn(&Words, &[u8], usize) -> Look;

/// The readers, and the words at which each starts.
pub const READERS: &[(&[&str], Reader)] = &[
    (&["-----begin "], pem),
    (&["putty-user-key-file-"], putty),
    (
        &[
            "eyja", "eyjb", "eyjc", "eyjd", "eyje", "eyjf", "eyjg", "eyjh", "eyji", "eyjj", "eyjk", "eyjl",
            "eyjm", "eyjn", "eyjo", "eyjp", "eyjq", "eyjr", "eyjs", "eyjt", "eyju", "eyjv", "eyjw", "eyjx",
            "eyjy", "eyjz", "eyj0", "eyj1", "eyj2", "eyj3", "ewog", "ewok", "eya", "eyi6",
        ],
        web_token,
    ),
    (&["\"kty", "'kty", "kty:", "kty\\"], web_key),
    (
        &[
            "a://", "b://", "c://", "d://", "e://", "f://", "g://", "h://", "i://", "j://", "k://", "l://",
            "m://", "n://", "o://", "p://", "q://", "r://", "s://", "t://", "u://", "v://", "w://", "x://",
            "y://", "z://", "0://", "1://", "2://", "3://", "4://",
        ],
        address,
    ),
    (&["basic "], basic),
    (&["curl "], curl),
    (&["login "], netrc),
    (
        &[
            "mnemonic",
            "seed phrase",
            "seed_phrase",
            "seedphrase",
            "recovery phrase",
            "recovery_phrase",
            "secret phrase",
            "backup phrase",
        ],
        mnemonic,
    ),
];

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Whether a password is one that documentations and tests have: words, or words that are counted.
fn is_common(words: &Words, password: &[u8]) -> bool {
    let counted = password.iter().rev().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let lower = password[..password.len() - counted].to_ascii_lowercase();
    words.has(&lower) || words.make_up(&lower) || is_example(password)
}

fn found(name: &'static str, range: Range<usize>, confidence: f32, is_example: bool) -> Option<Structure> {
    Some(Structure { name, range, confidence, is_example })
}

fn position(text: &[u8], sign: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, sign)
}

fn window(text: &[u8], from: usize, bytes: usize) -> &[u8] {
    &text[from.min(text.len())..from.saturating_add(bytes).min(text.len())]
}

fn run(text: &[u8], from: usize, most: usize, belongs: impl Fn(u8) -> bool) -> usize {
    window(text, from, most).iter().take_while(|byte| belongs(**byte)).count()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn is_base64_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A private key between its lines of dashes.
fn pem(_: &Words, text: &[u8], at: usize) -> Look {
    const LABEL_BYTES: usize = 48;
    let label_at = at + b"-----begin ".len();
    let label = window(text, label_at, LABEL_BYTES);
    let Some(dashes) = position(label, b"-----") else { return (None, label_at) };
    let label = &label[..dashes];
    if position(label, b"PRIVATE KEY").is_none() {
        return (None, label_at);
    }
    let body_at = label_at + dashes + 5;
    let body = window(text, body_at, KEY_BYTES);
    // What is no letter of a key, a quote or an escape ends it, where its end was cut off.
    let length = position(body, b"-----").unwrap_or_else(|| {
        body.iter()
            .take_while(|byte| {
                is_base64(**byte)
                    || byte.is_ascii_whitespace()
                    || matches!(byte, b'\\' | b'"' | b'\'' | b',' | b':')
            })
            .count()
    });
    let body = &body[..length];
    let after = body_at + length;
    let end = match window(text, after, LABEL_BYTES + 16) {
        end if end.starts_with(b"-----END") => {
            after + 8 + position(&end[8..], b"-----").map_or(0, |dashes| dashes + 5)
        }
        _ => after,
    };
    let letters: Vec<u8> = body.iter().copied().filter(|byte| is_base64(*byte)).collect();
    let shape = Shape::of(&letters);
    if letters.len() < 40 || !shape.is_random(40) {
        return (None, after);
    }
    let locked = position(label, b"ENCRYPTED").is_some()
        || position(&body[..body.len().min(80)], b"ENCRYPTED").is_some();
    (found("private-key", at..end, if locked { 0.4 } else { 0.95 }, false), end)
}

/// A private key as PuTTY writes it.
fn putty(_: &Words, text: &[u8], at: usize) -> Look {
    let file = window(text, at, KEY_BYTES);
    let next = at + 20;
    let Some(lines) = position(file, b"Private-Lines:") else { return (None, at + file.len().min(512)) };
    let start = lines + b"Private-Lines:".len();
    let end = position(&file[start..], b"Private-MAC").map_or(file.len(), |end| start + end);
    let letters: Vec<u8> = file[start..end].iter().copied().filter(|byte| is_base64(*byte)).collect();
    if letters.len() < 40 {
        return (None, next);
    }
    let locked = position(&file[..lines], b"Encryption: none").is_none();
    (found("putty-private-key", at..at + end, if locked { 0.4 } else { 0.95 }, false), at + end)
}

/// A JSON Web Token: three parts, of which the first says how it is signed.
fn web_token(_: &Words, text: &[u8], at: usize) -> Look {
    let length = run(text, at, TOKEN_BYTES, |byte| is_base64_url(byte) || matches!(byte, b'.' | b'='));
    let end = at + length;
    if !stands_apart(text, at) {
        return (None, at + 4);
    }
    let token = &text[at..end];
    let mut parts = token.split(|byte| *byte == b'.');
    let header = parts.next().unwrap_or_default();
    let payload = parts.next().unwrap_or_default();
    let signature = parts.next().unwrap_or_default();
    if header.len() < 12 || payload.len() < 8 || header.len() > 2048 {
        return (None, end);
    }
    let Ok(header) = URL_SAFE.decode(header) else { return (None, end) };
    let says = header.first() == Some(&b'{')
        && [&b"\"alg\""[..], b"\"typ\"", b"\"enc\"", b"\"kid\""]
            .iter()
            .any(|name| position(&header, name).is_some());
    // A claim set alone is signed by nobody; with a signature it opens something.
    let confidence = match says {
        true if signature.len() >= 16 => 0.9,
        true if token.ends_with(b".") || !signature.is_empty() => 0.6,
        _ => return (None, end),
    };
    // What its claims say tells a documentation from a token.
    let claims = URL_SAFE.decode(&payload[..payload.len().min(2048) / 4 * 4]).unwrap_or_default();
    let example = is_example(&header) || claims.is_ascii() && is_example(&claims);
    let trimmed = token.iter().rev().take_while(|byte| **byte == b'.').count();
    (found("json-web-token", at..end - trimmed, confidence, example), end)
}

/// The private part of a JSON Web Key: `d`, or `k` of a symmetric one.
fn web_key(_: &Words, text: &[u8], at: usize) -> Look {
    let before = &text[at.saturating_sub(TOKEN_BYTES)..at];
    let start = at - before.iter().rev().take_while(|byte| !matches!(byte, b'{' | b'}')).count();
    let end = at + run(text, at, TOKEN_BYTES, |byte| !matches!(byte, b'{' | b'}'));
    let mut best: Option<Range<usize>> = None;
    for name in start..end {
        if !matches!(text[name], b'd' | b'k')
            || name > 0 && !matches!(text[name - 1], b'"' | b'\'' | b' ' | b'\t' | b'\n' | b',' | b'{')
        {
            continue;
        }
        let mut here = name + 1;
        let skip =
            |here: &mut usize, signs: &[u8]| *here += run(text, *here, 8, |byte| signs.contains(&byte));
        skip(&mut here, b"\\\"' ");
        if text.get(here) != Some(&b':') {
            continue;
        }
        here += 1;
        skip(&mut here, b" \t");
        let opened = here;
        skip(&mut here, b"\\\"'");
        let length = run(text, here, 1024, is_base64_url);
        if here > opened && length >= 16 && best.as_ref().is_none_or(|best| best.len() < length) {
            best = Some(here..here + length);
        }
    }
    let key = best.and_then(|range| {
        let example = is_example(&text[range.clone()]);
        found("json-web-key", range, 0.9, example)
    });
    (key, end)
}

/// A name and a password in an address.
fn address(words: &Words, text: &[u8], at: usize) -> Look {
    let start = at + 4;
    let length = run(text, start, AUTHORITY_BYTES, |byte| {
        byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'/' | b'?'
                    | b'#'
                    | b'"'
                    | b'\''
                    | b'<'
                    | b'>'
                    | b'`'
                    | b'\\'
                    | b','
                    | b';'
                    | b')'
                    | b'('
                    | b'|'
            )
    });
    let authority = &text[start..start + length];
    let looked = start + length;
    let Some(sign) = authority.iter().rposition(|byte| *byte == b'@') else { return (None, looked) };
    let Some(colon) = authority[..sign].iter().position(|byte| *byte == b':') else { return (None, looked) };
    let (user, password) = (&authority[..colon], &authority[colon + 1..sign]);
    let template = password.iter().any(|byte| matches!(byte, b'{' | b'}' | b'[' | b']' | b'*'))
        || password.first() == Some(&b'$')
        || matches!(password, [b'%', next] if next.is_ascii_alphabetic());
    if password.is_empty() || template || password.len() < 3 {
        return (None, looked);
    }
    let common = is_common(words, password) || user.eq_ignore_ascii_case(password);
    (found("address-with-password", start + colon + 1..start + sign, 0.85, common), looked)
}

/// What stands behind `Basic`, if it is a name and a password.
fn basic(words: &Words, text: &[u8], at: usize) -> Look {
    let start = at + 6;
    let length = run(text, start, 512, is_base64);
    let value = &text[start..start + length];
    match credentials_in(words, value) {
        Some(example) => (found("basic-authorization", start..start + length, 0.85, example), start + length),
        None => (None, start + length),
    }
}

/// Whether base 64 hides a name and a password, and whether they are those of an example.
pub fn credentials_in(words: &Words, value: &[u8]) -> Option<bool> {
    if !(8..=512).contains(&value.len()) {
        return None;
    }
    let decoded = STANDARD.decode(value).or_else(|_| URL_SAFE.decode(value)).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
    if password.is_empty() || user.is_empty() || !decoded.iter().all(|byte| matches!(byte, 32..=126)) {
        return None;
    }
    Some(is_common(words, password) || user == password)
}

/// `curl -u name:password`.
fn curl(words: &Words, text: &[u8], at: usize) -> Look {
    let line = window(text, at + 5, COMMAND_BYTES);
    let line = &line[..position(line, b"curl ").unwrap_or(line.len())];
    for option in [&b"-u "[..], b"--user ", b"-u'", b"-u\"", b"--user="] {
        let Some(place) = position(line, option).filter(|place| *place == 0 || line[place - 1] == b' ')
        else {
            continue;
        };
        let mut start = place + option.len();
        let quote = line[start - 1..].iter().take(2).find(|byte| matches!(byte, b'"' | b'\'')).copied();
        if line.get(start).is_some_and(|byte| matches!(byte, b'"' | b'\'')) {
            start += 1;
        }
        let length = line[start..].iter().take_while(|byte| match quote {
            Some(quote) => **byte != quote && **byte != b'\n',
            None => byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'|' | b';'),
        });
        let value = &line[start..start + length.count()];
        let Some(colon) = value.iter().position(|byte| *byte == b':') else { continue };
        let password = &value[colon + 1..];
        if password.len() < 3
            || matches!(password.first(), Some(b'$' | b'<' | b'{' | b'%'))
            || is_code(value)
            || is_code(password)
        {
            continue;
        }
        let common = is_common(words, password);
        let range = at + 5 + start + colon + 1..at + 5 + start + value.len();
        let looked = range.end;
        return (found("command-with-password", range, 0.8, common), looked);
    }
    (None, at + 5)
}

/// `login name password word`, as in `.netrc`.
fn netrc(words: &Words, text: &[u8], at: usize) -> Look {
    let line = window(text, at + 6, 192);
    let mut parts = line.split(|byte| byte.is_ascii_whitespace()).filter(|part| !part.is_empty());
    let (Some(_), Some(b"password" | b"passwd"), Some(password)) = (parts.next(), parts.next(), parts.next())
    else {
        return (None, at + 6);
    };
    if password.len() < 4 || matches!(password.first(), Some(b'$' | b'<' | b'{' | b'%')) {
        return (None, at + 6);
    }
    let start = at + 6 + (password.as_ptr().addr() - line.as_ptr().addr());
    let common = is_common(words, password);
    (found("netrc-password", start..start + password.len(), 0.8, common), start + password.len())
}

/// The words from which the keys of a wallet are made (BIP 39), where they are called so.
fn mnemonic(_: &Words, text: &[u8], at: usize) -> Look {
    let named =
        at + run(text, at, 24, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b' ')).max(8);
    let named = at
        + window(text, at, named - at)
            .iter()
            .rposition(|byte| matches!(byte, b'e' | b'c' | b'E' | b'C'))
            .map_or(8, |last| last + 1);
    let gap =
        run(text, named, 24, |byte| matches!(byte, b' ' | b'"' | b'\'' | b':' | b'=' | b'\\' | b'`' | b'\n'));
    let gap = gap + if window(text, named + gap, 3) == b"is " { 3 } else { 0 };
    let start = named + gap + run(text, named + gap, 4, |byte| matches!(byte, b' ' | b'"' | b'\'' | b':'));
    let (mut end, mut count, mut here) = (start, 0, start);
    while count < 24 {
        let length = run(text, here, 9, |byte| byte.is_ascii_lowercase());
        if !(3..=8).contains(&length) {
            break;
        }
        end = here + length;
        count += 1;
        let space = run(text, end, 2, |byte| matches!(byte, b' ' | b','));
        if space == 0 {
            break;
        }
        here = end + space;
    }
    match count {
        12 | 15 | 18 | 21 | 24 => {
            (found("seed-phrase", start..end, 0.85, contains_word(&text[start..end], "test test")), end)
        }
        _ => (None, at + 8),
    }
}
