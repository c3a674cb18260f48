//! Typed addresses and the one classifier of destinations.
//!
//! The classes follow the IANA special-purpose registries (RFC 6890 and updates). Documentation ranges count as
//! public, so that laboratories can use them. Addresses that embed an IPv4 address (mapped, 6to4, Teredo, NAT64)
//! are judged by what they embed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where a connection came from: the workload's own address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub SocketAddr);

/// Where the workload wanted to go, as the kernel saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OriginalDestination(pub SocketAddr);

/// An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) as the IPv4 address it is; others unchanged.
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Reachable through the public internet, or a documentation range.
    Public,
    /// RFC 1918, unique local (RFC 4193), carrier-grade NAT (RFC 6598) and other private ranges.
    Private,
    /// This host.
    Loopback,
    /// RFC 3927, `fe80::/10`.
    LinkLocal,
    /// The metadata service of a cloud.
    Metadata,
    /// Multicast and limited broadcast.
    Multicast,
    /// Unspecified, benchmark, reserved or discard-only ranges.
    Reserved,
}

impl AddressClass {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Classifies a destination address.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => worse(classify_v4(v4), classify_v6(v6)),
            None => classify_v6(v6),
        },
    }
}

/// AWS, GCP, Azure, OCI and most others: 169.254.169.254; ECS and EKS pods: 169.254.170.2 and .23; Alibaba:
/// 100.100.100.200; Azure's wire server: 168.63.129.16; Oracle's older form: 192.0.0.192.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// AWS (`fd00:ec2::254`, EKS `fd00:ec2::23`), GCP (`fd20:ce::254`), OCI (`fd00:c1::a9fe:a9fe`).
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    if METADATA_V4.contains(&address) {
        return AddressClass::Metadata;
    }
    match (a, b, c) {
        (127, ..) => AddressClass::Loopback,
        (169, 254, _) => AddressClass::LinkLocal,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => AddressClass::Private,
        (224..=239, ..) | (255, 255, 255) => AddressClass::Multicast,
        (0 | 240..=255, ..) | (192, 0, 0) | (198, 18..=19, _) | (192, 88, 99) => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    if METADATA_V6.contains(&address) {
        return AddressClass::Metadata;
    }
    if address.is_loopback() {
        return AddressClass::Loopback;
    }
    let first = address.segments()[0];
    match first {
        0xff00..=0xffff => AddressClass::Multicast,
        0xfe80..=0xfebf => AddressClass::LinkLocal,
        0xfec0..=0xfeff | 0xfc00..=0xfdff => AddressClass::Private,
        0x2000..=0x3fff => AddressClass::Public,
        // The well-known NAT64 prefix is as public as the address it embeds.
        0x0064 if nat64(address).is_some() => AddressClass::Public,
        0x0000 if address.to_ipv4_mapped().is_some() => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

/// The IPv4 address inside a mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056) or Teredo (RFC 4380) address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        [0x2001, 0, .., high, low] => Some(from(!high, !low)),
        _ => nat64(address),
    }
}

/// `64:ff9b::/96`.
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => None,
    }
}

fn worse(inner: AddressClass, outer: AddressClass) -> AddressClass {
    if inner == AddressClass::Public { outer } else { inner }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> AddressClass {
        classify(text.parse().unwrap())
    }

    #[test]
    fn documentation_ranges_count_as_public() {
        for text in
            ["192.0.2.1", "198.51.100.7", "203.0.113.255", "2001:db8::1", "1.1.1.1", "2606:4700::1111"]
        {
            assert_eq!(class(text), AddressClass::Public, "{text}");
        }
    }

    #[test]
    fn what_is_not_public_has_its_class() {
        use AddressClass::*;
        for (text, expected) in [
            ("10.0.0.1", Private),
            ("172.31.255.255", Private),
            ("100.64.0.1", Private),
            ("fd77::1", Private),
            ("127.0.0.53", Loopback),
            ("::1", Loopback),
            ("169.254.1.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("100.100.100.200", Metadata),
            ("fd00:ec2::254", Metadata),
            ("224.0.0.251", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::fb", Multicast),
            ("0.0.0.0", Reserved),
            ("::", Reserved),
            ("240.0.0.1", Reserved),
            ("100::1", Reserved),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }

    #[test]
    fn an_embedded_address_is_judged_by_what_it_embeds() {
        use AddressClass::*;
        for (text, expected) in [
            ("::ffff:10.0.0.1", Private),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:192.0.2.1", Public),
            ("64:ff9b::7f00:1", Loopback),
            ("64:ff9b::c000:201", Public),
            ("2002:a00:1::", Private),
            ("2001:0:0:0:0:0:f5ff:fffe", Private),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }
}
