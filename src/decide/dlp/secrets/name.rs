//! What the name of a value says of it: that it is a password, a token, a key, or nothing of the kind.
//!
//! A name is taken apart into its words. The last of them says what the value is (`token_url` is an address), the others narrow
//! it (`primary_key` opens nothing). Read next: `assignment.rs`.

use std::collections::HashMap;

use smallvec::SmallVec;

/// What a value is by its name, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A password or passphrase: it may be short, and chosen by a person.
    Password,
    /// A secret, a token or a key to something: made by a machine.
    Secret,
    /// Something that may be one: a key of any kind, a nonce, a salt.
    Perhaps,
}

/// Words of which a name has fewer.
const MOST_WORDS: usize = 12;

/// What a word of a name can say, each as one bit.
type Says = u8;
/// Names of passwords.
const PASSWORD: Says = 1 << 0;
/// Names of what machines made to open something.
const SECRET: Says = 1 << 1;
/// Names of what may be one of these.
const PERHAPS: Says = 1 << 2;
/// With these before it, a key is a secret.
const OPENING: Says = 1 << 3;
/// After these a value is about the secret, not the secret.
const ABOUT: Says = 1 << 4;
/// With these among its words, a key opens nothing.
const HARMLESS: Says = 1 << 5;
/// These say where or how it is kept, at the end of a name.
const BESIDE: Says = 1 << 6;
/// With these among its words, a key opens nothing; a token does.
const ROUTINE: Says = 1 << 7;

const WORDS: &[(Says, &str)] = &[
    (PASSWORD, "password passwd passphrase pass pwd pw passcode psw passwort passw userpass dbpass"),
    (
        SECRET,
        "secret token apikey credential credentials cred creds authtoken accesstoken secretkey accesskey \
    privatekey bearer psk jwt seed nkey authkey pat",
    ),
    (
        PERHAPS,
        "key auth nonce salt authorization verifier session sessionid cookie secrets tokens keys passwords \
    api",
    ),
    (
        OPENING,
        "api secret access auth private signing encryption master client service shared account consumer app \
    application deploy license licence storage subscription hmac webhook admin root oauth session",
    ),
    (
        ABOUT,
        "id ids name names url uri path paths file filename dir type types size length len count field label \
    regex pattern prefix suffix timeout expires expiry expiration ttl alg algo algorithm method format \
    version var variable header param params policy class provider error err msg message help hint \
    description desc required enabled valid validator validation mode scheme index usage usages ops bits \
    manager service handler generator endpoint host port at date time timestamp user username email \
    title text state status strength reset prompt placeholder input factory store storage ring chain map \
    list set pair code codes word words board press down up frame space point spec ref refs selector \
    kind scope scopes limit limits budget budgets ize izer rotation age days callback function func fn \
    test tests issuer audience server realm domain config settings options opts template column table \
    attr attribute property tag tags prop num number position offset order schema parser context \
    constraint event events request response query client sequence",
    ),
    (
        HARMLESS,
        "encrypted wrapped sealed public pub max min total prompt completion input output next continuation page cursor pagination eos \
    bos pad special stop sync no missing invalid has is num n",
    ),
    (
        ROUTINE,
        "foreign primary cache sort partition keyword hot arrow shortcut object idempotency dedup row column index group routing \
    translation i18n locale composite unique compound natural surrogate range lookup map dict json yaml event message bucket s3 redis",
    ),
    (
        BESIDE,
        "value val str string text plain raw base64 b64 hex prod production dev development staging stage \
    live old new current default real local test data env here hash bytes",
    ),
];

/// Names that end like a word of the list and are words of their own.
const OTHERS: &[&[u8]] = &[
    b"bypass",
    b"compass",
    b"encompass",
    b"trespass",
    b"surpass",
    b"overpass",
    b"monkey",
    b"turkey",
    b"whiskey",
    b"hockey",
    b"donkey",
    b"jockey",
    b"hotkey",
];

/// Bytes of a name that are read: the last of it.
const NAME_BYTES: usize = 96;

/// What words of names say.
#[derive(Debug)]
pub struct Names(HashMap<&'static [u8], Says, foldhash::fast::FixedState>);

/// Letters of the longest word that a word may end like.
const ENDING_LETTERS: usize = 12;

/// The words of a name, in lower case, each with what it says.
type Parts<'a> = SmallVec<[(&'a [u8], Says); MOST_WORDS]>;

impl Names {
    /// All of them.
    pub fn new() -> Self {
        let mut of = HashMap::default();
        for (says, words) in WORDS {
            for word in words.split_ascii_whitespace() {
                *of.entry(word.as_bytes()).or_default() |= says;
            }
        }
        Self(of)
    }

    /// What this name says, if it says anything.
    pub fn say(&self, name: &[u8]) -> Option<Named> {
        let name = &name[name.len().saturating_sub(NAME_BYTES)..];
        let mut lower = [0; NAME_BYTES];
        let lower = &mut lower[..name.len()];
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let mut parts = self.parts(name, lower);
        // A number at the end only counts, and what follows names where the value is used.
        while parts.len() > 1
            && parts
                .last()
                .is_some_and(|(word, says)| says & BESIDE != 0 || word.iter().all(u8::is_ascii_digit))
        {
            parts.pop();
        }
        let ((last, says), before) = parts.split_last()?;
        let among = before.iter().fold(0, |all, (_, says)| all | says);
        if says & ABOUT != 0 {
            return None;
        }
        let ending = if *says == 0 { self.ending(last) } else { 0 };
        let (says, last) = (*says, *last);
        if (says | ending) & PASSWORD != 0 {
            return Some(Named::Password);
        }
        let harmless = among & HARMLESS != 0;
        if (says | ending) & SECRET != 0 {
            return match harmless {
                true if last.ends_with(b"token") => None,
                true => Some(Named::Perhaps),
                false => Some(Named::Secret),
            };
        }
        if harmless || among & ROUTINE != 0 {
            return None;
        }
        let key = last.ends_with(b"key") && !OTHERS.contains(&last);
        match () {
            () if last == b"key" && among & OPENING != 0 => Some(Named::Secret),
            () if says & PERHAPS != 0 || key => Some(Named::Perhaps),
            // `secretFoo`: what narrows comes after.
            () if parts.len() > 3 => None,
            () if among & PASSWORD != 0 => Some(Named::Password),
            () if among & SECRET != 0 => Some(Named::Secret),
            () => None,
        }
    }

    /// What a word says by how it ends (`userpassword`), unless it is another word.
    fn ending(&self, word: &[u8]) -> Says {
        let ends = (1..word.len()).filter(|start| word.len() - start <= ENDING_LETTERS).filter_map(|start| {
            let says = self.0.get(&word[start..])?;
            let least = if says & PASSWORD != 0 { 4 } else { 5 };
            (says & (PASSWORD | SECRET) != 0 && word.len() - start >= least)
                .then_some(says & (PASSWORD | SECRET))
        });
        if OTHERS.contains(&word) { 0 } else { ends.fold(0, |all, says| all | says) }
    }

    /// Its words: apart at signs, where small letters become large, and at digits.
    fn parts<'a>(&self, name: &[u8], lower: &'a [u8]) -> Parts<'a> {
        let mut parts = Parts::new();
        let mut start = 0;
        let mut close = |range: std::ops::Range<usize>| {
            if let Some(word) = lower.get(range).filter(|word| !word.is_empty()) {
                if parts.len() == MOST_WORDS {
                    parts.remove(0);
                }
                parts.push((word, self.0.get(word).copied().unwrap_or(0)));
            }
        };
        for (at, byte) in name.iter().enumerate() {
            if !byte.is_ascii_alphanumeric() {
                close(start..at);
                start = at + 1;
            } else if at > start && begins_word(name, at) {
                close(start..at);
                start = at;
            }
        }
        close(start..name.len());
        parts
    }
}

/// Whether a word begins here within letters: `APIKey` is `api` and `key`.
fn begins_word(name: &[u8], at: usize) -> bool {
    let (before, here, after) = (name[at - 1], name[at], name.get(at + 1).copied().unwrap_or(0));
    match here {
        b'A'..=b'Z' => {
            before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || before.is_ascii_uppercase() && after.is_ascii_lowercase()
        }
        b'0'..=b'9' => before.is_ascii_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_says_what_a_value_is() {
        for (name, named) in [
            ("password", Some(Named::Password)),
            ("DB_PASSWORD", Some(Named::Password)),
            ("userPass2", Some(Named::Password)),
            ("client_secret", Some(Named::Secret)),
            ("SLACK_BOT_TOKEN", Some(Named::Secret)),
            ("apiKey", Some(Named::Secret)),
            ("APIKey", Some(Named::Secret)),
            ("x-api-key", Some(Named::Secret)),
            ("stripe.secretKeyProd", Some(Named::Secret)),
            ("nkey", Some(Named::Secret)),
            ("oauth_nonce", Some(Named::Perhaps)),
            ("key", Some(Named::Perhaps)),
            ("token_url", None),
            ("password_field", None),
            ("max_tokens", None),
            ("primary_key", None),
            ("publicKey", None),
            ("monkey", None),
            ("author", None),
            ("bypass", None),
            ("keyboard", None),
        ] {
            assert_eq!(Names::new().say(name.as_bytes()), named, "{name}");
        }
    }
}
