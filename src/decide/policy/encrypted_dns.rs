//! Encrypted DNS resolvers (over HTTPS, TLS, QUIC): through one of them an agent would look names up
//! past this gateway, and no name it then claims could be believed.
//!
//! The shipped list is `encrypted_dns.txt`; the administrator adds to it and takes out of it. No list is ever whole:
//! what it does not know is met by routes like any other host. Read next: `query.rs`, `connection.rs`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::index::Map;
use super::words;
use crate::model::config::{Resolver, Resolvers};
use crate::model::types::address::embedded;
use crate::model::types::host::ancestors;
use crate::model::types::{Denial, HostName};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;

/// What is shipped: one name or address a line.
const SHIPPED: &str = include_str!("encrypted_dns.txt");

/// Where encrypted DNS is spoken at an address that also serves other things: HTTPS, its alternative, and DNS over TLS
/// and QUIC (RFC 7858, RFC 9250).
const PORTS: [u16; 3] = [443, 853, 8443];

/// Names and networks of encrypted resolvers, and what the administrator allows of them.
#[derive(Debug, Clone, Default)]
pub struct EncryptedDns {
    /// Whether the name, and what is below it, is refused; the longest name that is known decides.
    names: Map<Box<str>, bool>,
    /// The same for networks; the longest prefix decides.
    networks: Map<IpNet, bool>,
    /// The lengths of prefixes in `networks`.
    lengths: BTreeSet<u8>,
}

impl EncryptedDns {
    /// The shipped list, without what the administrator allows, and with what is denied beside it.
    pub fn new(settings: &Resolvers) -> Self {
        let mut list = Self::default();
        for line in shipped() {
            match line.parse::<IpAddr>() {
                Ok(address) => list.put_network(IpNet::from(address), true),
                Err(_) => list.put_name(line, true),
            }
        }
        settings.allow.iter().for_each(|resolver| list.allow(resolver));
        for resolver in &settings.deny {
            match resolver {
                Resolver::Name(name) => list.put_name(name.as_str(), true),
                Resolver::Network(network) => list.put_network(*network, true),
            }
        }
        list
    }

    /// Takes out a resolver and everything below it.
    fn allow(&mut self, resolver: &Resolver) {
        match resolver {
            Resolver::Name(name) => {
                self.names.retain(|listed, _| !ancestors(listed).any(|above| above == name.as_str()));
                self.put_name(name.as_str(), false);
            }
            Resolver::Network(network) => {
                self.networks.retain(|listed, _| !network.contains(listed));
                self.put_network(*network, false);
            }
        }
    }

    fn put_name(&mut self, name: &str, refused: bool) {
        self.names.insert(name.into(), refused);
    }

    fn put_network(&mut self, network: IpNet, refused: bool) {
        self.networks.insert(network.trunc(), refused);
        self.lengths.insert(network.prefix_len());
    }

    /// The name on the list that makes this host an encrypted resolver: its own, or one above it.
    pub fn listed<'h>(&self, host: &'h HostName) -> Option<&'h str> {
        let known = |name| self.names.get(name).map(|refused| (name, *refused));
        let (name, refused) = ancestors(host.as_str()).find_map(known)?;
        refused.then_some(name)
    }

    /// The address on the list that makes this one an encrypted resolver's: itself, or the IPv4 address that a translator or
    /// a relay would lead on to (mapped, NAT64, 6to4, Teredo and their like).
    pub fn listed_address(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        match self.knows(address) {
            Some(refused) => refused.then_some(address),
            None => {
                embedded(address).into_iter().map(IpAddr::V4).find(|inner| self.knows(*inner) == Some(true))
            }
        }
    }

    /// Whether the address is refused, where a network around it is known.
    fn knows(&self, address: IpAddr) -> Option<bool> {
        let around = |length: &u8| IpNet::new(address, *length).ok().map(|network| network.trunc());
        self.lengths.iter().rev().filter_map(around).find_map(|net| self.networks.get(&net).copied())
    }

    /// The address on the list that a connection to this place would reach.
    pub fn standing_at(&self, place: SocketAddr) -> Option<IpAddr> {
        PORTS.contains(&place.port()).then(|| self.listed_address(place.ip())).flatten()
    }

    /// Refuses a connection or flow to an encrypted resolver: by the name it claims, whatever the port, or by its address.
    ///
    /// # Errors
    /// The denial, `protocol.encrypted-dns`.
    pub(super) fn check(&self, known: &Known, hello: &Hello, destination: SocketAddr) -> Result<(), Denial> {
        let claimed = match hello {
            Hello::Tls(hello) => hello.server_name.as_ref(),
            Hello::Http1(hello) => hello.host.as_ref(),
            Hello::Http2 | Hello::Opaque | Hello::Silent | Hello::Datagram => None,
        };
        if let Some((name, listed)) = claimed.and_then(|name| Some((name, self.listed(name)?))) {
            return Err(words::listed_resolver(known, &words::place(Some(name), destination), listed));
        }
        if let Some(listed) = self.standing_at(destination) {
            return Err(words::listed_resolver(known, &destination.to_string(), &listed.to_string()));
        }
        Ok(())
    }
}

/// The lines of the shipped list that say something.
fn shipped() -> impl Iterator<Item = &'static str> {
    SHIPPED.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(deny: &[&str], allow: &[&str]) -> EncryptedDns {
        let read = |texts: &[&str]| texts.iter().map(|text| resolver(text)).collect();
        EncryptedDns::new(&Resolvers { deny: read(deny), allow: read(allow) })
    }

    fn resolver(text: &str) -> Resolver {
        match text.parse::<IpNet>() {
            Ok(network) => Resolver::Network(network),
            Err(_) => Resolver::Name(HostName::parse(text).unwrap()),
        }
    }

    fn names(list: &EncryptedDns, name: &str) -> bool {
        list.listed(&HostName::parse(name).unwrap()).is_some()
    }

    fn addresses(list: &EncryptedDns, address: &str) -> bool {
        list.listed_address(address.parse().unwrap()).is_some()
    }

    #[test]
    fn every_line_of_the_shipped_list_is_an_address_or_a_canonical_name_that_no_other_covers() {
        let lines: Vec<&str> = shipped().collect();
        let distinct: BTreeSet<&str> = lines.iter().copied().collect();
        assert_eq!((lines.len(), lines.len() > 300), (distinct.len(), true), "a line stands there twice");
        for line in lines {
            match line.parse::<IpAddr>() {
                Ok(address) => assert_eq!(address.to_string(), line),
                Err(_) => {
                    assert_eq!(HostName::parse(line).unwrap().as_str(), line);
                    let covering = ancestors(line).skip(1).find(|above| distinct.contains(above));
                    assert_eq!(covering, None, "{line}");
                }
            }
        }
    }

    #[test]
    fn known_resolvers_are_known_by_name_by_what_is_below_it_and_by_address() {
        let list = list(&[], &[]);
        for name in [
            "use-application-dns.net",
            "dns.google",
            "mozilla.cloudflare-dns.com",
            "abc123.dns.nextdns.io",
            "mask.icloud.com",
            "mask-h2.icloud.com",
            "doh.dns.apple.com",
            "_dns.resolver.arpa",
            "dns.quad9.net",
            "customer.cloudflare-gateway.com",
        ] {
            assert!(names(&list, name), "{name}");
        }
        for name in
            ["google", "www.google.com", "icloud.com", "nextdns.io", "example", "evildns.google.example"]
        {
            assert!(!names(&list, name), "{name}");
        }
        for address in
            ["1.1.1.1", "::ffff:1.1.1.1", "8.8.4.4", "2606:4700:4700::1111", "2620:fe::fe", "9.9.9.9"]
        {
            assert!(addresses(&list, address), "{address}");
        }
        for address in ["1.1.1.4", "192.0.2.1", "2606:4700::1111", "10.0.0.1"] {
            assert!(!addresses(&list, address), "{address}");
        }
    }

    #[test]
    fn an_address_is_a_resolver_on_the_ports_of_encrypted_dns_alone() {
        let list = list(&[], &[]);
        let stands = |place: &str| list.standing_at(place.parse().unwrap()).is_some();
        assert!(
            ["1.1.1.1:443", "1.1.1.1:853", "[2606:4700:4700::1111]:8443"].iter().all(|place| stands(place))
        );
        assert!(!stands("1.1.1.1:80") && !stands("192.0.2.1:443"));
    }

    #[test]
    fn a_listed_address_inside_another_is_found_by_what_it_is_inside() {
        let list = list(&["2002:c000:201::/48"], &["8.8.4.4/32", "64:ff9b::909:909/128"]);
        for (text, listed) in [
            ("::ffff:1.1.1.1", Some("1.1.1.1")),
            ("64:ff9b::1.1.1.1", Some("1.1.1.1")),
            ("2002:101:101::1", Some("1.1.1.1")),
            // Teredo, whose client's address has its bits turned over.
            ("2001:0:c000:201:0:0:fefe:fefe", Some("1.1.1.1")),
            ("2001:db8::5efe:101:101", Some("1.1.1.1")),
            ("2002:c000:201::7", Some("2002:c000:201::7")),
            ("64:ff9b::192.0.2.1", None),
            // What is allowed is, inside another as well; and the other by itself.
            ("64:ff9b::8.8.4.4", None),
            ("64:ff9b::9.9.9.9", None),
        ] {
            let found = list.listed_address(text.parse().unwrap()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), listed, "{text}");
        }
    }

    #[test]
    fn the_administrator_adds_to_the_list_and_takes_out_of_it() {
        let list = list(
            &["doh.corp.example", "198.51.100.0/24", "evil.dns.google"],
            &["dns.google", "cloudflare-dns.com", "1.1.1.0/24", "198.51.100.7/32"],
        );
        assert!(names(&list, "doh.corp.example") && names(&list, "a.doh.corp.example"));
        assert!(!names(&list, "corp.example"));
        assert!(
            !names(&list, "dns.google") && !names(&list, "x.dns.google") && names(&list, "evil.dns.google")
        );
        assert!(!names(&list, "security.cloudflare-dns.com"), "what is below an allowed name is allowed");
        assert!(names(&list, "dns.quad9.net"));
        assert!(
            addresses(&list, "198.51.100.9") && !addresses(&list, "198.51.100.7"),
            "the longest prefix decides"
        );
        assert!(!addresses(&list, "1.1.1.1") && addresses(&list, "1.0.0.1"));
    }

    #[test]
    fn one_customer_of_a_resolver_can_be_allowed() {
        let list = list(&[], &["abc123.dns.nextdns.io"]);
        assert!(!names(&list, "abc123.dns.nextdns.io"));
        assert!(names(&list, "dns.nextdns.io") && names(&list, "other1.dns.nextdns.io"));
    }
}
