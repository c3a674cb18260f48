//! Which HTTP is offered to the upstream, and which to the client once the upstream has chosen. Pure.
//!
//! The upstream is offered what the client offered: `h2` and `http/1.1`, or `http/1.1` alone where the client offered
//! only that or nothing. So the two legs speak the same version wherever that is possible, and crossing, which costs
//! a translation, happens only where an upstream leaves no choice.

use crate::perceive::hello::Alpn;

/// A version of HTTP over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1, which is also spoken where nothing was negotiated.
    Http11,
    /// HTTP/2.
    H2,
}

impl Protocol {
    /// The ALPN protocol id (IANA registry).
    pub fn id(self) -> &'static [u8] {
        match self {
            Self::Http11 => b"http/1.1",
            Self::H2 => b"h2",
        }
    }

    /// What a negotiated id stands for; without one, or with one that was never offered, HTTP/1.1.
    pub fn of(id: Option<&[u8]>) -> Self {
        if id == Some(b"h2") { Self::H2 } else { Self::Http11 }
    }
}

/// What the upstream is offered first, in order of preference.
pub fn first_offer(client: &[Alpn]) -> &'static [Protocol] {
    if client.contains(&Alpn::H2) { &[Protocol::H2, Protocol::Http11] } else { &[Protocol::Http11] }
}

/// What the upstream is offered after it has refused `first` with `no_application_protocol` (RFC 7301, section
/// 3.2): the version that was not in it. Nothing where both were.
pub fn second_offer(first: &[Protocol]) -> Option<&'static [Protocol]> {
    match first {
        [Protocol::Http11] => Some(&[Protocol::H2]),
        [Protocol::H2] => Some(&[Protocol::Http11]),
        _ => None,
    }
}

/// What the client is told to speak: what the upstream speaks where the client can, else the version it can.
pub fn choose_client_alpn(client: &[Alpn], upstream: Protocol) -> Protocol {
    let h2 = client.contains(&Alpn::H2);
    if upstream == Protocol::H2 && h2 {
        return Protocol::H2;
    }
    if client.is_empty() || client.contains(&Alpn::Http11) { Protocol::Http11 } else { Protocol::H2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Alpn::{H2 as ClientH2, Http11 as ClientHttp11, Other};
    use Protocol::{H2, Http11};

    #[test]
    fn the_upstream_is_offered_what_the_client_offered() {
        for (client, expected) in [
            (&[][..], &[Http11][..]),
            (&[ClientHttp11], &[Http11]),
            (&[Other], &[Http11]),
            (&[ClientH2, ClientHttp11], &[H2, Http11]),
            (&[ClientHttp11, ClientH2], &[H2, Http11]),
            (&[ClientH2], &[H2, Http11]),
        ] {
            assert_eq!(first_offer(client), expected, "{client:?}");
        }
    }

    #[test]
    fn a_refused_offer_is_followed_by_the_version_that_was_not_in_it() {
        assert_eq!(second_offer(&[Http11]), Some(&[H2][..]));
        assert_eq!(second_offer(&[H2]), Some(&[Http11][..]));
        assert_eq!(second_offer(&[H2, Http11]), None);
    }

    #[test]
    fn the_client_speaks_what_the_upstream_speaks_where_it_can() {
        for (client, upstream, expected) in [
            (&[ClientH2, ClientHttp11][..], H2, H2),
            (&[ClientH2, ClientHttp11], Http11, Http11),
            (&[ClientH2], H2, H2),
            (&[ClientH2], Http11, H2),
            (&[ClientHttp11], H2, Http11),
            (&[ClientHttp11], Http11, Http11),
            (&[], H2, Http11),
            (&[], Http11, Http11),
            (&[Other, ClientHttp11], H2, Http11),
        ] {
            assert_eq!(choose_client_alpn(client, upstream), expected, "{client:?} {upstream:?}");
        }
    }

    #[test]
    fn an_upstream_that_negotiates_nothing_speaks_http11() {
        assert_eq!(Protocol::of(None), Http11);
        assert_eq!(Protocol::of(Some(b"h2")), H2);
        assert_eq!(Protocol::of(Some(b"http/1.1")), Http11);
    }
}
