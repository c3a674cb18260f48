//! One claim over each address family.
//!
//! Every address of the laboratory has a twin in the other family with the same last number: `192.0.2.11` is
//! `2001:db8:1::11`. Tests write IPv4. A lab of IPv6 reads the twin wherever it is told an address: its zones,
//! services and connections, and the arguments of its programs. What a test hears, it compares with `Lab::twin`. A lab of
//! one family has no address of the other, so nothing can go there unnoticed.

use std::net::Ipv4Addr;

/// Beginnings of addresses that differ in family alone: outside, workloads, and what tests use besides.
const TWINS: [(&str, &str); 8] = [
    ("192.0.2.", "2001:db8:1::"),
    ("10.77.0.", "fd77::"),
    ("10.1.2.", "fd01:2::"),
    ("10.9.8.", "fd09:8::"),
    ("10.9.9.", "fd09:9::"),
    ("169.254.169.", "fd00:ec2::"),
    ("198.51.100.", "2001:db8:99::"),
    ("203.0.113.", "2001:db8:113::"),
];

/// The families that a lab has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Both: for tests that name addresses of both themselves.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Family {
    /// Whether a lab of this family may have this address, or network.
    pub fn has(self, address: &str) -> bool {
        match self {
            Self::Both => true,
            Self::V4 => !address.contains("::"),
            Self::V6 => address.contains("::"),
        }
    }

    /// The type of the records that hold its addresses.
    pub fn record(self) -> &'static str {
        if self == Self::V6 { "AAAA" } else { "A" }
    }

    /// A text with the twin of each address of the lab that stands in it: with brackets in a URL and before a port, and
    /// with the length of a whole address where it had one.
    pub fn twin(self, text: &str) -> String {
        if self != Self::V6 {
            return text.to_owned();
        }
        let (mut told, mut rest) = (String::new(), text);
        while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
            let (before, from) = rest.split_at(start);
            let end = from.find(|character: char| !(character.is_ascii_alphanumeric() || character == '.'));
            let (word, behind) = from.split_at(end.unwrap_or(from.len()));
            told.push_str(before);
            rest = behind;
            let Some(twin) = twin(word) else {
                told.push_str(word);
                continue;
            };
            let in_brackets = told.ends_with("//") || behind.starts_with(':');
            told.push_str(&if in_brackets { format!("[{twin}]") } else { twin });
            if let Some(behind) = behind.strip_prefix("/32") {
                told.push_str("/128");
                rest = behind;
            }
        }
        told + rest
    }
}

/// The twin of an IPv4 address of the lab.
fn twin(address: &str) -> Option<String> {
    address.parse::<Ipv4Addr>().ok()?;
    let known = |(v4, v6): &(&str, &str)| Some(format!("{v6}{}", address.strip_prefix(v4)?));
    TWINS.iter().find_map(known)
}

/// As an attribute, `#[apply(over_both)]`: a claim about a lab, about a world in one, or about a family becomes two
/// tests, `claim::over_ipv4` and `claim::over_ipv6`.
macro_rules! over_both {
    ($(#[$meta:meta])* fn $claim:ident($place:ident: $Place:ty) $body:block) => {
        $(#[$meta])*
        fn $claim($place: $Place) $body

        mod $claim {
            use crate::lab::Family;

            #[test]
            fn over_ipv4() {
                super::$claim(Family::V4.into());
            }

            #[test]
            fn over_ipv6() {
                super::$claim(Family::V6.into());
            }
        }
    };
}

#[test]
fn a_text_has_its_twin() {
    for (text, twin) in [
        ("192.0.2.11", "2001:db8:1::11"),
        ("192.0.2.11:443", "[2001:db8:1::11]:443"),
        ("192.0.2.11/32", "2001:db8:1::11/128"),
        ("http://192.0.2.10/small", "http://[2001:db8:1::10]/small"),
        ("site.example:443:192.0.2.14", "site.example:443:2001:db8:1::14"),
        (
            "listen 192.0.2.11:443 ssl; listen 127.0.0.1:80;",
            "listen [2001:db8:1::11]:443 ssl; listen 127.0.0.1:80;",
        ),
        ("h2.site.example and 192.0.2.1.example", "h2.site.example and 192.0.2.1.example"),
    ] {
        assert_eq!(Family::V6.twin(text), twin);
        assert_eq!(Family::V4.twin(text), text);
    }
}
