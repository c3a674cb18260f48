//! Host names as policy and records know them: lower case, ASCII (A-labels), no trailing dot.
//!
//! A `HostName` can only be made by parsing, so two equal hosts are equal strings. It never holds an IP
//! address. Read next: `address.rs`.

use std::fmt;
use std::sync::Arc;

/// Longest name in octets, without the trailing dot (RFC 1035, section 2.3.4).
pub const MAX_HOST_NAME: usize = 253;
/// Longest label in octets (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// A canonical DNS host name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Arc<str>);

/// Why a text is not a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// Nothing is left once the trailing dot is gone.
    #[error("is empty")]
    Empty,
    /// More than [`MAX_HOST_NAME`] octets.
    #[error("is longer than 253 characters")]
    TooLong,
    /// A label is empty, longer than [`MAX_LABEL`] octets, or begins or ends with a hyphen.
    #[error("has an empty, overlong or hyphen-edged label")]
    Label,
    /// A character that no host name may carry, or Unicode that IDNA refuses (UTS 46).
    #[error("has a character that no host name may carry")]
    Character,
    /// An IP address literal: routes name addresses by CIDR.
    #[error("is an IP address, not a host name")]
    Address,
}

impl HostName {
    /// Parses a name in any case, with or without one trailing dot; Unicode goes through IDNA (UTS 46).
    ///
    /// Underscores are accepted: service names use them and resolvers answer for them.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        if text.is_ascii() {
            return Self::parse_ascii(text);
        }
        // No character takes more than four bytes, so nothing longer becomes a name; IDNA is not asked to try.
        if text.len() > 4 * MAX_HOST_NAME {
            return Err(HostNameError::TooLong);
        }
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL)
            .map_err(|_| HostNameError::Character)?;
        Self::parse_ascii(&ascii)
    }

    fn parse_ascii(text: &str) -> Result<Self, HostNameError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(HostNameError::Empty);
        }
        if name.len() > MAX_HOST_NAME {
            return Err(HostNameError::TooLong);
        }
        for label in name.split('.') {
            check_label(label)?;
        }
        if looks_like_address(name) {
            return Err(HostNameError::Address);
        }
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Ok(Self(name.to_ascii_lowercase().into()));
        }
        Ok(Self(name.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its first label: `b.c` for `a.b.c`, nothing for a single label.
    pub fn parent(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, rest)| rest)
    }
}

/// The name itself and every name above it but the root, the longest first: `a.b`, `b` for `a.b`. Of any text with dots.
pub fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, rest)| rest))
}

fn check_label(label: &str) -> Result<(), HostNameError> {
    if label.is_empty() || label.len() > MAX_LABEL || label.starts_with('-') || label.ends_with('-') {
        return Err(HostNameError::Label);
    }
    if label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        Ok(())
    } else {
        Err(HostNameError::Character)
    }
}

/// A last label that is a number makes the whole an address to WHATWG URL parsers and to `inet_aton`
/// (`1.2.3.4`, `0x7f.1`, `2130706433`), so it is never a name.
fn looks_like_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostName({})", self.0)
    }
}

/// A host as documents write it: one name, or `*.` and a name, which stands for exactly one more label
/// (Gateway API `Hostname`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// Exactly this name.
    Exact(HostName),
    /// Any single label in front of this name.
    Wildcard(HostName),
}

impl HostPattern {
    /// Parses `api.example.com` or `*.example.com`; a star anywhere else is refused.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        match text.strip_prefix("*.") {
            Some(rest) => HostName::parse(rest).map(Self::Wildcard),
            None => HostName::parse(text).map(Self::Exact),
        }
    }

    /// Whether the pattern stands for this name.
    pub fn matches(&self, name: &HostName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Wildcard(base) => name.parent() == Some(base.as_str()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Wildcard(base) => write!(f, "*.{base}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hosts_have_equal_text_whatever_their_spelling() {
        let plain = HostName::parse("api.example.com").unwrap();
        for spelling in ["API.Example.COM", "api.example.com.", "Api.example.com."] {
            assert_eq!(HostName::parse(spelling).unwrap(), plain, "{spelling}");
        }
        assert_eq!(HostName::parse("bücher.example").unwrap().as_str(), "xn--bcher-kva.example");
        for mixed in
            ["BÜCHER.example", "XN--BCHER-KVA.Example", "bücher\u{3002}example", "bu\u{308}cher.example."]
        {
            assert_eq!(HostName::parse(mixed).unwrap().as_str(), "xn--bcher-kva.example", "{mixed}");
        }
        let both = HostName::parse("xn--bcher-kva.bücher.example").unwrap();
        assert_eq!(both.as_str(), "xn--bcher-kva.xn--bcher-kva.example");
    }

    #[test]
    fn addresses_in_any_notation_are_not_names() {
        for text in ["192.0.2.1", "127.1", "2130706433", "0x7f.1", "1.2.3.0x4", "192.0.2.1."] {
            assert_eq!(HostName::parse(text), Err(HostNameError::Address), "{text}");
        }
    }

    #[test]
    fn malformed_names_are_refused_with_their_reason() {
        let long = "a".repeat(64);
        for (text, why) in [
            ("", HostNameError::Empty),
            (&"\u{fc}".repeat(2000), HostNameError::TooLong),
            (".", HostNameError::Empty),
            ("a..b", HostNameError::Label),
            ("a.b..", HostNameError::Label),
            ("-a.b", HostNameError::Label),
            (long.as_str(), HostNameError::Label),
            ("a b.c", HostNameError::Character),
            ("a@b.c", HostNameError::Character),
            ("a/b", HostNameError::Character),
            ("a:80", HostNameError::Character),
            ("*.a", HostNameError::Character),
        ] {
            assert_eq!(HostName::parse(text), Err(why), "{text}");
        }
        assert_eq!(HostName::parse(&["abcdefg"; 40].join(".")), Err(HostNameError::TooLong));
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let pattern = HostPattern::parse("*.openai.com").unwrap();
        let matches = |name| pattern.matches(&HostName::parse(name).unwrap());
        assert!(matches("api.openai.com"));
        assert!(!matches("eu.api.openai.com"));
        assert!(!matches("openai.com"));
        assert!(!matches("evilopenai.com"));
    }
}
