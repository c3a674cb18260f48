//! Host names, patterns, authorities and addresses: one text for each, reached in one step.

use std::net::{IpAddr, Ipv6Addr};

use clawgress::model::types::address::{AddressClass, classify};
use clawgress::model::types::{Authority, Host, HostName, HostPattern};

/// Any bytes as name, pattern, authority and address.
pub fn check(bytes: &[u8]) {
    if let Ok(authority) = Authority::parse(bytes) {
        let text = authority.to_string();
        assert_eq!(Authority::parse(text.as_bytes()).as_ref(), Ok(&authority), "{text}");
        assert!(
            text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase() || byte <= b' '),
            "{text}"
        );
        agrees_with_uri(&authority, &text);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(name) = HostName::parse(text) {
            is_canonical(&name, text);
        }
        if let Ok(pattern) = HostPattern::parse(text) {
            assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
        }
    }
    if let Some(octets) = bytes.first_chunk::<16>() {
        embedded_addresses_are_no_way_round(Ipv6Addr::from(*octets));
    }
}

fn is_canonical(name: &HostName, from: &str) {
    let text = name.as_str();
    assert_eq!(HostName::parse(text).as_ref(), Ok(name), "from {from}");
    assert!(text.parse::<IpAddr>().is_err() && text.len() <= 253 && !text.ends_with('.'), "{text}");
    assert!(
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)),
        "{text}"
    );
    for other in [text.to_ascii_uppercase(), format!("{text}.")] {
        assert_eq!(HostName::parse(&other).as_ref(), Ok(name), "{other}");
    }
    assert!(HostPattern::Exact(name.clone()).matches(name));
}

/// What the HTTP library makes of a canonical authority is the same host and port.
fn agrees_with_uri(authority: &Authority, text: &str) {
    let uri: http::uri::Authority = text.parse().expect("the HTTP library takes it");
    let port = text.rsplit_once(':').filter(|_| authority.port.is_some()).map(|(_, port)| port);
    assert_eq!(uri.port().as_ref().map(|port| port.as_str().to_owned()), port.map(str::to_owned), "{text}");
    let host = match &authority.host {
        Host::Name(name) => name.to_string(),
        Host::Address(IpAddr::V4(v4)) => v4.to_string(),
        Host::Address(IpAddr::V6(v6)) => format!("[{v6}]"),
    };
    assert_eq!(uri.host(), host, "{text}");
}

/// An IPv4 address is no better inside an IPv6 address than alone.
fn embedded_addresses_are_no_way_round(v6: Ipv6Addr) {
    let [.., a, b, c, d] = v6.octets();
    let v4 = std::net::Ipv4Addr::new(a, b, c, d);
    let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let alone = classify(v4.into());
    for embedded in [
        v4.to_ipv6_mapped(),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        // Teredo, as client and as server of one that is public.
        Ipv6Addr::new(0x2001, 0, 0xc000, 0x0201, 0, 0, !high, !low),
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !0xc000, !0x0201),
        // ISATAP.
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0x5efe, high, low),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0x200, 0x5efe, high, low),
    ] {
        assert_eq!(classify(embedded.into()), alone, "{embedded} holds {v4}");
    }
    // Nor under a prefix of any kind, nor where the form itself is no place.
    let [mut isatap, compatible] = [v6.segments(), [0, 0, 0, 0, 0, 0, high, low]];
    isatap[4..].copy_from_slice(&[0, 0x5efe, high, low]);
    for embedded in [isatap, compatible, [0x64, 0xff9b, 1, 0, 0, 0, high, low]].map(Ipv6Addr::from) {
        let class = classify(embedded.into());
        assert!(class != AddressClass::Public || alone == AddressClass::Public, "{embedded} holds {v4}");
        assert!(
            class == AddressClass::Metadata || alone != AddressClass::Metadata || embedded.segments()[2] == 1
        );
    }
    let class = classify(v6.into());
    let inside = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unique_local();
    assert!(class != AddressClass::Public || !(inside || v6.is_unicast_link_local()), "{v6}");
    assert!(class != AddressClass::Public || !v4_is_inside(v6), "{v6}");
}

fn v4_is_inside(v6: Ipv6Addr) -> bool {
    v6.to_ipv4_mapped().is_some_and(|v4| v4.is_private() || v4.is_loopback() || v4.is_link_local())
}
