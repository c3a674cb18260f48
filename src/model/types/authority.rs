//! The authority of a request: a host and perhaps a port (RFC 3986, section 3.2), as `Host`, `:authority` and the
//! absolute-form of a target carry it.
//!
//! Stricter than the grammar, because every doubt here is a doubt about whom a request is for: no userinfo, no
//! percent-encoding, no zone, no empty or padded port. Never guesses and never resolves.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::host::{HostName, HostNameError};

/// Digits of the largest port.
const PORT_DIGITS: usize = 5;

/// A host as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A DNS name, canonical.
    Name(HostName),
    /// An IP literal: dotted IPv4, or IPv6 in brackets.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

/// A host and the port written with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, where one is written; 1 to 65535.
    pub port: Option<u16>,
}

/// Why a text is not an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// `user@host` (RFC 9110, section 4.2.4 forbids it in HTTP).
    #[error("carries user information in front of the host")]
    Userinfo,
    /// Empty, zero, padded or above 65535.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// The host is neither a name nor an IP literal.
    #[error("{0}")]
    Host(HostNameError),
}

impl Authority {
    /// Parses `host`, `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`. Unicode names go through IDNA.
    pub fn parse(text: &[u8]) -> Result<Self, AuthorityError> {
        let text = std::str::from_utf8(text).map_err(|_| AuthorityError::Host(HostNameError::Character))?;
        if memchr::memchr(b'@', text.as_bytes()).is_some() {
            return Err(AuthorityError::Userinfo);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (literal, after) =
                rest.split_once(']').ok_or(AuthorityError::Host(HostNameError::Character))?;
            let address: Ipv6Addr =
                literal.parse().map_err(|_| AuthorityError::Host(HostNameError::Character))?;
            let port = match after.strip_prefix(':') {
                Some(digits) => Some(port(digits)?),
                None if after.is_empty() => None,
                None => return Err(AuthorityError::Port),
            };
            return Ok(Self { host: Host::Address(address.into()), port });
        }
        let (host, port) = match memchr::memchr(b':', text.as_bytes()) {
            Some(colon) => (&text[..colon], Some(port(&text[colon + 1..])?)),
            None => (text, None),
        };
        Ok(Self { host: name_or_v4(host)?, port })
    }

    /// The name, unless the host is an IP literal.
    pub fn name(&self) -> Option<&HostName> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

fn name_or_v4(text: &str) -> Result<Host, AuthorityError> {
    match HostName::parse(text) {
        Ok(name) => Ok(Host::Name(name)),
        // `127.1` or `0x7f.1` is no name and, to strict readers, no address either: only the dotted form is.
        Err(HostNameError::Address) => match text.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Host::Address(address.into())),
            Err(_) => Err(AuthorityError::Host(HostNameError::Address)),
        },
        Err(error) => Err(AuthorityError::Host(error)),
    }
}

fn port(digits: &str) -> Result<u16, AuthorityError> {
    let plain = digits.len() <= PORT_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if plain && port != 0 && !digits.starts_with('0') => Ok(port),
        _ => Err(AuthorityError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for (text, canonical) in [
            ("API.example.com.", "api.example.com"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[2001:DB8::1]:443", "[2001:db8::1]:443"),
            ("[::1]", "[::1]"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(Authority::parse(text.as_bytes()).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn a_doubtful_authority_is_refused_with_its_reason() {
        use AuthorityError::{Host, Port, Userinfo};
        for (text, why) in [
            ("", Host(HostNameError::Empty)),
            (":80", Host(HostNameError::Empty)),
            ("a@b.example", Userinfo),
            ("b.example:", Port),
            ("b.example:0", Port),
            ("b.example:080", Port),
            ("b.example:+80", Port),
            ("b.example:65536", Port),
            ("b.example:80:80", Port),
            ("[::1]80", Port),
            ("[::1", Host(HostNameError::Character)),
            ("[fe80::1%25eth0]", Host(HostNameError::Character)),
            ("127.1", Host(HostNameError::Address)),
            ("127.0.0.01", Host(HostNameError::Address)),
            ("b%2eexample", Host(HostNameError::Character)),
            ("b example", Host(HostNameError::Character)),
            ("a,b.example", Host(HostNameError::Character)),
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), Err(why), "{text}");
        }
        assert_eq!(Authority::parse(b"\xff.example"), Err(Host(HostNameError::Character)));
    }
}
