//! Whether a value is written like a secret: what it is made of, how it is spread, and whether words are in it.
//!
//! Machines make secrets of letters and digits in no order; people make passwords of words with something added. Names, paths,
//! templates, calls, dates and numbers are neither. Every judgement is one pass over a bounded value. Read next: `assignment.rs`.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smallvec::SmallVec;

use super::name::Named;
use super::words::{Words, pairs};

/// What a value is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape<'a> {
    value: &'a [u8],
    length: usize,
    lower: usize,
    upper: usize,
    /// Digits among it.
    pub digits: usize,
    signs: usize,
    /// Changes between letters and digits, and between cases within a word.
    changes: usize,
    /// Pairs of letters, and how many of them English does not have.
    pairs: usize,
    odd: usize,
    /// Whether it has only digits of base 16.
    pub is_hex: bool,
}

impl<'a> Shape<'a> {
    /// Of this value.
    pub fn of(value: &'a [u8]) -> Self {
        let mut shape = Self { value, length: value.len(), is_hex: true, ..Self::default() };
        let mut before = 0u8;
        for byte in value {
            shape.is_hex &= byte.is_ascii_hexdigit();
            match byte {
                b'a'..=b'z' => shape.lower += 1,
                b'A'..=b'Z' => shape.upper += 1,
                b'0'..=b'9' => shape.digits += 1,
                _ => shape.signs += 1,
            }
            // A capital and then small letters are a word; small letters and then a capital begin one.
            let changes = before.is_ascii_digit() && byte.is_ascii_alphabetic()
                || before.is_ascii_alphabetic() && byte.is_ascii_digit()
                || before.is_ascii_lowercase() && byte.is_ascii_uppercase();
            shape.changes += usize::from(changes);
            before = *byte;
        }
        (shape.pairs, shape.odd) = pairs(value);
        shape
    }

    /// Bits of entropy for each byte.
    fn entropy(&self) -> f32 {
        let mut counts = [0u16; 256];
        self.value.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        // What stands once adds nothing to this sum.
        let repeated = counts
            .iter()
            .filter(|count| **count > 1)
            .map(|count| f32::from(*count) * f32::from(*count).log2());
        let length = self.length.max(1) as f32;
        length.log2() - repeated.sum::<f32>() / length
    }

    /// Whether anything speaks for it, at first sight.
    pub fn may_be_secret(&self, quoted: bool) -> bool {
        self.digits > 0 && (self.letters() > 0 || quoted && self.digits >= 5)
            || self.odd > 0
            || quoted && self.signs > 0
    }

    /// Whether it is a number that counts nothing.
    fn is_long_number(&self) -> bool {
        self.digits == self.length && self.length >= 16 && self.entropy() >= 2.5
    }

    fn letters(&self) -> usize {
        self.lower + self.upper
    }

    /// Whether a machine made it: long, and in no order.
    pub fn is_random(&self, least: usize) -> bool {
        if self.length < least || self.letters() + self.digits < self.length - self.length / 5 {
            return false;
        }
        let apart = self.changes * 6 >= self.length;
        let mixed = self.digits > 0 && self.letters() > 0 && apart;
        let unlike_words = self.is_hex || self.odd * 100 >= self.pairs * 8 || self.changes * 3 >= self.length;
        let strange = self.pairs >= 5 && self.odd * 100 >= self.pairs * 28;
        let least = if self.is_hex || self.length < 20 { 2.5 } else { 3.2 };
        (mixed && unlike_words || strange) && self.entropy() >= least
    }

    /// Whether its letters are no word of any kind.
    fn is_gibberish(&self) -> bool {
        self.odd >= 2 && self.odd * 100 >= self.pairs * 25
    }
}

/// How sure it is that a value with such a name is secret: nothing where it is not.
pub fn judge(words: &Words, named: Named, shape: &Shape<'_>, quoted: bool) -> Option<f32> {
    let value = shape.value;
    // What is cheap to tell comes first: most values are none.
    let uuid = is_uuid(value);
    let sure = match named {
        Named::Password if uuid => 0.6,
        Named::Password => password(words, shape, quoted)?,
        Named::Secret if uuid => 0.7,
        Named::Secret if shape.is_random(16) => 0.85,
        Named::Secret if quoted && shape.is_random(10) => 0.7,
        Named::Secret if shape.is_random(8) && shape.digits > 1 => 0.6,
        Named::Secret if shape.is_long_number() => 0.55,
        Named::Perhaps if uuid => return None,
        Named::Perhaps if shape.is_random(20) => 0.7,
        Named::Perhaps if quoted && shape.is_random(12) => 0.6,
        Named::Secret | Named::Perhaps => return None,
    };
    let other = value.iter().any(u8::is_ascii_control)
        || is_date(value)
        || is_path(value)
        || is_code(value)
        || is_hash(value)
        || is_public(value);
    (!other && !is_of_words(words, shape)).then_some(sure)
}

fn password(words: &Words, shape: &Shape<'_>, quoted: bool) -> Option<f32> {
    let value = shape.value;
    if value.contains(&b' ') {
        return None;
    }
    if shape.letters() == 0 {
        return (quoted && shape.length >= 6 && shape.signs < 2).then_some(0.55);
    }
    if shape.digits == 0 && shape.odd == 0 {
        return None;
    }
    let people = value.iter().any(|byte| b"!@#$%^&*?+=~-_".contains(byte));
    let word = shape.digits <= 2 && is_word(words, value);
    // `user2`, `http1`: a word that is counted.
    let counted = word && shape.changes <= 1 && !people;
    match () {
        () if counted => None,
        () if shape.digits > 0 && (shape.changes > 1 || shape.is_gibberish() || people) => {
            Some(if quoted { 0.85 } else { 0.75 })
        }
        () if shape.digits > 0 && quoted => Some(0.6),
        () if shape.digits > 1 && shape.length >= 8 => Some(0.55),
        () if shape.is_gibberish() => Some(if quoted { 0.8 } else { 0.65 }),
        () if shape.odd >= 1 && shape.odd * 5 >= shape.pairs && shape.upper == 0 && quoted && !word => {
            Some(0.55)
        }
        () => None,
    }
}

/// Whether its letters are words, one after the other.
fn is_word(words: &Words, value: &[u8]) -> bool {
    let letters: SmallVec<[u8; 48]> =
        value.iter().filter(|byte| byte.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).take(49).collect();
    words.has(&letters) || words.make_up(&letters)
}

/// What stands in calls, variables and formats, and in no secret.
static CODE: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .prefilter(false)
        .build([
            "${", "{{", "#{", "$(", "<%", "%s", "%v", "%d", "://", "()", "->", "::", "=>", "%{", "@{", "{0}",
            "][", "['", "[\"", "\\u", "&&", "||", "/*",
        ])
        .expect("invariant: a few signs make an automaton")
});

/// Whether it is written in a language of programs or templates: a call, a variable, a format.
pub fn is_code(value: &[u8]) -> bool {
    let closed = |open: u8, close: u8| value.first() == Some(&open) && value.last() == Some(&close);
    CODE.is_match(value)
        || is_template(value)
        || closed(b'<', b'>')
        || closed(b'{', b'}')
        || closed(b'[', b']')
        || closed(b'(', b')')
        || closed(b'%', b'%')
        || closed(b'@', b'@')
        || matches!(value, [b'$', next, ..] if next.is_ascii_alphabetic() || *next == b'_')
        || matches!(value, [b'&' | b'*' | b',' | b';' | b'=' | b')' | b'>', ..])
}

/// Whether a variable stands in it, between the signs that a language of templates puts around one.
fn is_template(value: &[u8]) -> bool {
    const AROUND: &[(&[u8], &[u8])] =
        &[(b"${", b"}"), (b"{{", b"}}"), (b"#{", b"}"), (b"$(", b")"), (b"%{", b"}"), (b"@{", b"}")];
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b" _.-:|'\"()/$".contains(&byte);
    if !value.iter().any(|byte| matches!(byte, b'{' | b'(')) {
        return false;
    }
    AROUND.iter().any(|(open, close)| {
        memchr::memmem::find(value, open).is_some_and(|at| {
            let inside = &value[at + open.len()..];
            let length = inside.iter().take_while(|byte| name(**byte)).count();
            inside[length..].starts_with(close) || length == inside.len()
        })
    })
}

/// Whether it is a path, or the name of a file.
fn is_path(value: &[u8]) -> bool {
    const ENDINGS: &[&[u8]] = &[
        b".pem", b".key", b".json", b".crt", b".txt", b".yaml", b".yml", b".js", b".ts", b".py", b".go",
        b".rb", b".php", b".java", b".html", b".xml", b".conf", b".ini", b".env", b".creds", b".nk", b".pub",
        b".com", b".org", b".net", b".io",
    ];
    ENDINGS.iter().any(|ending| value.ends_with(ending))
        || matches!(value, [b'/', next, ..] if next.is_ascii_lowercase())
            && value.iter().filter(|byte| **byte == b'/').count() > 1
        || value.starts_with(b"./")
        || value.starts_with(b"../")
        || value.starts_with(b"~/")
        || value.starts_with(b"\\\\")
}

fn is_date(value: &[u8]) -> bool {
    matches!(value, [a, b, c, d, b'-', e, f, b'-', ..] if [a, b, c, d, e, f].iter().all(|digit| digit.is_ascii_digit()))
}

/// Whether it is written like a UUID, and not made of the time (RFC 9562, versions 1, 2, 6 and 7): those can be guessed.
pub fn is_uuid(value: &[u8]) -> bool {
    let written = value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    written
        && !(matches!(value[14], b'1' | b'2' | b'6' | b'7')
            && matches!(value[19], b'8' | b'9' | b'a' | b'b' | b'A' | b'B'))
}

/// Whether it is what a password or a file was hashed to, as libraries write it: a value to compare with, which opens nothing.
fn is_hash(value: &[u8]) -> bool {
    const SCHEMES: &[&[u8]] = &[
        b"$1$",
        b"$2a$",
        b"$2b$",
        b"$2x$",
        b"$2y$",
        b"$5$",
        b"$6$",
        b"$7$",
        b"$y$",
        b"$apr1$",
        b"$argon2",
        b"$pbkdf2",
        b"$scrypt$",
        b"{SHA",
        b"{SSHA",
        b"{CRYPT}",
        b"pbkdf2_sha",
        b"pbkdf2:sha",
        b"scrypt:",
        b"SCRAM-SHA-",
        b"sha1:",
        b"sha256:",
        b"sha512:",
        b"sha256-",
        b"sha384-",
        b"sha512-",
        b"SHA256:",
        b"md5:",
        b"MD5:",
    ];
    matches!(value.first(), Some(b'$' | b'{' | b'p' | b's' | b'S' | b'm' | b'M'))
        && SCHEMES.iter().any(|scheme| value.starts_with(scheme))
}

/// Whether it is a public key, a certificate or an address that everybody may know.
fn is_public(value: &[u8]) -> bool {
    const KINDS: &[&[u8]] = &[
        b"ssh-rsa ",
        b"ssh-ed25519 ",
        b"ecdsa-sha2-",
        b"AAAAB3NzaC1",
        b"AAAAC3NzaC1",
        b"AAAAE2VjZHNh",
        b"age1",
    ];
    matches!(value.first(), Some(b's' | b'e' | b'A' | b'a'))
        && KINDS.iter().any(|kind| value.starts_with(kind))
        || is_public_der(value)
        || is_mixed_hex(value)
}

/// Whether it is base 64 of a DER sequence that begins with another one (X.509, RFC 5280): a public key or a certificate. A
/// private key begins with its version, a number.
fn is_public_der(value: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    // The letter of a sequence's first six bits.
    if value.first() != Some(&b'M') {
        return false;
    }
    let Some(Ok(head)) = value.first_chunk::<8>().map(|letters| STANDARD.decode(letters)) else {
        return false;
    };
    let long = |length: u8| usize::from(length.saturating_sub(0x80));
    value.len() >= 40
        && head[0] == SEQUENCE
        && head.get(2 + long(head[1])) == Some(&SEQUENCE)
        && long(head[1]) <= 2
}

/// Whether it is base 16 in both cases: machines write secrets in one, and addresses with a checksum in the case of their
/// letters (EIP-55) in both.
fn is_mixed_hex(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"0x").unwrap_or(value);
    let of = |test: fn(&u8) -> bool| digits.iter().any(test);
    digits.len() >= 32
        && digits.iter().all(u8::is_ascii_hexdigit)
        && of(u8::is_ascii_lowercase)
        && of(u8::is_ascii_uppercase)
}

/// Whether it is made of words with signs, capitals or single digits between them: a name, a sentence, a path.
fn is_of_words(words: &Words, shape: &Shape<'_>) -> bool {
    let value = shape.value;
    if shape.digits * 8 > value.len() || shape.pairs >= 6 && shape.odd * 4 >= shape.pairs {
        return false;
    }
    let mut known = 0;
    let mut unknown = 0;
    let mut parts = 0;
    let mut part: SmallVec<[u8; 48]> = SmallVec::new();
    let mut close = |part: &mut SmallVec<[u8; 48]>| {
        if !part.is_empty() {
            parts += 1;
            let (all, odd) = pairs(part);
            match part.len() > 1
                && (words.has(part) || words.make_up(part) || part.len() > 3 && odd * 8 <= all && odd < 2)
            {
                true => known += part.len(),
                false => unknown += part.len(),
            }
            part.clear();
        }
    };
    let mut before = 0u8;
    for byte in value {
        if byte.is_ascii_alphabetic() {
            if byte.is_ascii_uppercase() && before.is_ascii_lowercase() {
                close(&mut part);
            }
            part.push(byte.to_ascii_lowercase());
        } else {
            close(&mut part);
        }
        before = *byte;
    }
    close(&mut part);
    // Long values of many short parts are words by accident only.
    unknown * 4 <= known && parts * 3 <= value.len().max(6)
}
