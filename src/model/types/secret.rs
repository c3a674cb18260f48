//! A value that nobody may see: never shown, never copied by accident, and overwritten when it is no longer needed. And
//! what such values are called, which everybody may see.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::host::MAX_HOST_NAME;
use super::limits::SECRET_KEY_BYTES;

/// A secret value.
pub struct Secret(Box<dyn AsRef<[u8]> + Send + Sync>);

impl Secret {
    /// Takes a value over; the buffer that it came in is not kept.
    pub fn new(value: Vec<u8>) -> Self {
        // A boxed slice has no spare capacity that could keep an older copy.
        let value = Zeroizing::new(value);
        Self(Box::new(Zeroizing::new(Box::<[u8]>::from(value.as_slice()))))
    }

    /// A value that lies in memory of another kind, which overwrites it when it is no longer needed.
    pub fn held_by(value: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Box::new(value))
    }

    /// The value, for whoever has to use it; the rules of the house say who may.
    pub fn open(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The name of a secret: that of a Kubernetes object (RFC 1123 subdomain).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(Arc<str>);

/// The name of one value of a secret: a key of Kubernetes' `data`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey(Arc<str>);

impl SecretName {
    /// What a name may be.
    pub const RULE: &'static str = "names have at most 253 lower-case letters, digits, `-` and `.`";

    /// Nothing where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = text.len() <= MAX_HOST_NAME
            && text.starts_with(plain)
            && text.ends_with(plain)
            && text.chars().all(|c| plain(c) || c == '-' || c == '.');
        fits.then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretKey {
    /// What a key may be.
    pub const RULE: &'static str = "keys have at most 253 letters, digits, `-`, `_` and `.`";

    /// The key of a value that was set without one.
    pub fn default_key() -> Self {
        Self("value".into())
    }

    /// Nothing where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=SECRET_KEY_BYTES).contains(&text.len()) && text.chars().all(plain);
        (fits && text != "." && text != "..").then(|| Self(text.into()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new(b"swordfish".to_vec());
        assert_eq!((format!("{secret:?}"), secret.open()), ("Secret(..)".to_owned(), &b"swordfish"[..]));
    }
    #[test]
    fn names_and_keys_are_those_of_kubernetes() {
        for name in ["openai", "a", "team-red.prod", "0"] {
            assert_eq!(SecretName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "Openai", "-a", "a.", "a/b", "a b", "a_b", &"x".repeat(254)] {
            assert_eq!(SecretName::parse(name), None, "{name}");
        }
        for key in ["value", "API_KEY", "tls.key", "-"] {
            assert_eq!(SecretKey::parse(key).unwrap().as_str(), key);
        }
        for key in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(254)] {
            assert_eq!(SecretKey::parse(key), None, "{key}");
        }
        assert_eq!(SecretKey::parse("value"), Some(SecretKey::default_key()));
    }
}
