//! Typed addresses and the one classifier of destinations.
//!
//! The classes follow the IANA special-purpose registries (RFC 6890 and updates). Documentation ranges count as
//! public, so that laboratories can use them. An address that embeds IPv4 addresses (mapped, translated, compatible,
//! NAT64, 6to4, Teredo, ISATAP) is no better than the worst of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smallvec::SmallVec;

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
    /// RFC 1918, unique local (RFC 4193), local-use NAT64 (RFC 8215) and other private ranges.
    Private,
    /// Carrier-grade NAT (RFC 6598): the inside of a provider, or of a cloud.
    CarrierNat,
    /// This host.
    Loopback,
    /// RFC 3927, `fe80::/10`.
    LinkLocal,
    /// The metadata service of a cloud, or one that clouds serve beside it (credentials, DNS, time).
    Metadata,
    /// Multicast and limited broadcast.
    Multicast,
    /// Unspecified, benchmark, identifier, reserved or discard-only ranges.
    Reserved,
}

impl AddressClass {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::CarrierNat => "cgnat",
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

/// Classifies a destination address. Total, and the same for an IPv4 address and its mapped form.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => {
            let inner = embedded(address).into_iter().map(classify_v4);
            inner.chain([classify_v6(v6)]).reduce(worse).unwrap_or(AddressClass::Reserved)
        }
    }
}

/// What is not public beats what is, and a metadata service beats all.
fn worse(one: AddressClass, other: AddressClass) -> AddressClass {
    match (one, other) {
        (AddressClass::Public, _) | (_, AddressClass::Metadata) => other,
        _ => one,
    }
}

/// AWS, GCP, Azure, OCI, OpenStack and most others: 169.254.169.254; AWS DNS and time: .253 and .123; GKE: .252; ECS and
/// EKS pods: 169.254.170.2 and .23; Tencent: 169.254.0.23; Scaleway: 169.254.42.42; Alibaba: 100.100.100.200; Azure's
/// wire server: 168.63.129.16; Oracle's older form: 192.0.0.192.
const METADATA_V4: [Ipv4Addr; 11] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 169, 252),
    Ipv4Addr::new(169, 254, 169, 123),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// AWS (`fd00:ec2::254`; DNS `::253`, time `::123`, EKS `::23`), GCP (`fd20:ce::254`), OCI (`fd00:c1::a9fe:a9fe`), Akamai
/// (`fd00:a9fe:a9fe::1`), Scaleway (`fd00:42::42`), OpenStack (`fe80::a9fe:a9fe`).
const METADATA_V6: [Ipv6Addr; 9] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    if METADATA_V4.contains(&address) {
        return AddressClass::Metadata;
    }
    match (a, b, c) {
        (127, ..) => AddressClass::Loopback,
        (169, 254, _) => AddressClass::LinkLocal,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => AddressClass::Private,
        (100, 64..=127, _) => AddressClass::CarrierNat,
        (224..=239, ..) | (255, 255, 255) => AddressClass::Multicast,
        (0 | 240..=255, ..) | (192, 0, 0) | (198, 18..=19, _) | (192, 88, 99) => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

/// The class of an IPv6 address, whatever it embeds.
fn classify_v6(address: Ipv6Addr) -> AddressClass {
    if METADATA_V6.contains(&address) {
        return AddressClass::Metadata;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xfec0..=0xfeff | 0xfc00..=0xfdff, ..] => AddressClass::Private,
        // RFC 8215: somebody's own translator, which may lead anywhere inside.
        [0x64, 0xff9b, 1, ..] => AddressClass::Private,
        // As public as the address inside: Teredo, mapped addresses, the well-known NAT64 prefix.
        [0x2001, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            AddressClass::Public
        }
        // Of the protocol assignments (RFC 2928) only AMT (RFC 7450) and AS112 (RFC 7535) are places; the rest is
        // benchmarks (RFC 5180), identifiers (ORCHID, RFC 7343) and anycast.
        [0x2001, 3, ..] | [0x2001, 4, 0x112, ..] => AddressClass::Public,
        [0x2001, 0..=0x1ff, ..] => AddressClass::Reserved,
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

/// The IPv4 addresses inside an IPv6 address: mapped and compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052),
/// 6to4 (RFC 3056), Teredo's server and client (RFC 4380), ISATAP (RFC 5214) under any prefix. At most three.
pub fn embedded(address: IpAddr) -> SmallVec<[Ipv4Addr; 3]> {
    let IpAddr::V6(v6) = address else { return SmallVec::new() };
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let mut inside = SmallVec::new();
    match v6.segments() {
        // `::` and `::1` have meanings of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => {}
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inside.push(from(high, low)),
        [0x2002, high, low, ..] => inside.push(from(high, low)),
        [0x2001, 0, high, low, .., masked_high, masked_low] => {
            inside.extend([from(high, low), from(!masked_high, !masked_low)]);
        }
        _ => {}
    }
    if let [.., 0 | 0x200, 0x5efe, high, low] = v6.segments() {
        inside.push(from(high, low));
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> AddressClass {
        classify(text.parse().unwrap())
    }

    #[test]
    fn documentation_ranges_count_as_public() {
        for text in [
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.255",
            "2001:db8::1",
            "3fff::1",
            "1.1.1.1",
            "2606:4700::1111",
        ] {
            assert_eq!(class(text), AddressClass::Public, "{text}");
        }
    }

    #[test]
    fn special_ranges_that_are_places_on_the_internet_are_public() {
        for text in
            ["192.31.196.1", "192.52.193.1", "192.175.48.1", "2001:3::1", "2001:4:112::1", "2620:4f:8000::1"]
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
            ("100.64.0.1", CarrierNat),
            ("100.127.255.255", CarrierNat),
            ("fd77::1", Private),
            ("127.0.0.53", Loopback),
            ("::1", Loopback),
            ("169.254.1.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("100.100.100.200", Metadata),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::253", Metadata),
            ("fe80::a9fe:a9fe", Metadata),
            ("169.254.169.123", Metadata),
            ("169.254.169.253", Metadata),
            ("169.254.169.252", Metadata),
            ("169.254.0.23", Metadata),
            ("64:ff9b:1::101:101", Private),
            ("192.0.0.1", Reserved),
            ("198.19.255.255", Reserved),
            ("2001:2::1", Reserved),
            ("2001:10::1", Reserved),
            ("2001:20::1", Reserved),
            ("5f00::1", Reserved),
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
            ("64:ff9b::6440:1", CarrierNat),
            ("64:ff9b::c000:201", Public),
            ("2002:a00:1::", Private),
            ("2002:c000:201::1", Public),
            // Teredo: the server, then the client, whose bits are turned over.
            ("2001:0:c000:201:0:0:f5ff:fffe", Private),
            ("2001:0:a00:1:0:0:3fff:fdfe", Private),
            ("2001:0:c000:201:0:0:3fff:fdfe", Public),
            // ISATAP under any prefix, and beside another embedding.
            ("2001:db8::5efe:a00:1", Private),
            ("2001:db8::200:5efe:7f00:1", Loopback),
            ("2001:db8::200:5efe:c000:201", Public),
            ("2002:c000:201::5efe:a9fe:a9fe", Metadata),
            ("2002:a00:1::5efe:a9fe:a9fe", Metadata),
            ("fd77::5efe:c000:201", Private),
            // Compatible and translated addresses are no places, whatever is inside.
            ("::192.0.2.1", Reserved),
            ("::10.0.0.1", Private),
            ("::169.254.169.254", Metadata),
            ("::ffff:0:192.0.2.1", Reserved),
            ("::ffff:0:127.0.0.1", Loopback),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }
}
