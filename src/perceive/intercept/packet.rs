//! The beginning of a packet that the kernel told of, read for the record: from whom, to whom, what, and what is odd
//! about it.
//!
//! Pure. The bytes are a workload's, cut after `DROPS_BYTES`; whatever they claim, nothing beyond them is read and nothing
//! follows from them but a record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::protocol::{DCCP, FRAGMENT, HOP_BY_HOP, ICMPV6, IGMP, SCTP, STEERING, TCP, UDP, UDP_LITE};

/// Types of multicast listener discovery (RFC 2710, section 3; RFC 3810, section 5).
const MLD: [u8; 4] = [130, 131, 132, 143];
/// Extension headers behind each other that are looked through for the protocol.
const EXTENSIONS: usize = 8;

/// What could be read of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Protocol number (IANA) behind all headers that could be read.
    pub protocol: u8,
    /// Source and destination port, where the protocol has them and they are there.
    pub ports: Option<(u16, u16)>,
    /// What is odd about it.
    pub odd: Option<Odd>,
}

/// What sets a packet apart before it is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// IPv4 options, or an IPv6 extension header that steers it.
    Extension,
    /// A part of a packet.
    Fragment,
}

impl Packet {
    /// Reads it; nothing where not even the fixed header is there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::read_v4(bytes),
            6 => Self::read_v6(bytes),
            _ => None,
        }
    }

    /// RFC 791, section 3.1.
    fn read_v4(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; 20] = bytes.first_chunk()?;
        let length = usize::from(header[0] & 0x0f) * 4;
        let (protocol, parts) = (header[9], u16::from_be_bytes([header[6], header[7]]) & 0x3fff);
        let odd = if length > 20 && protocol != IGMP {
            Some(Odd::Extension)
        } else {
            (parts != 0).then_some(Odd::Fragment)
        };
        let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
        let destination = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
        let first = parts & 0x1fff == 0;
        let ports = first.then(|| ports(protocol, bytes.get(length..)?)).flatten();
        Some(Self { source: source.into(), destination: destination.into(), protocol, ports, odd })
    }

    /// RFC 8200, sections 3 and 4.
    fn read_v6(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; 40] = bytes.first_chunk()?;
        let address = |at: usize| header[at..].first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets));
        let outermost = header[6];
        let mut packet = Self {
            source: address(8)?.into(),
            destination: address(24)?.into(),
            protocol: header[6],
            ports: None,
            odd: None,
        };
        let (mut rest, mut first) = (bytes.get(40..).unwrap_or_default(), true);
        for _ in 0..EXTENSIONS {
            let protocol = packet.protocol;
            // Both begin with the next header; a fragment header is as long as the shortest of the others.
            let length = match (protocol, rest.get(1)) {
                (FRAGMENT, _) => 8,
                (_, Some(units)) if STEERING.contains(&protocol) => usize::from(*units) * 8 + 8,
                _ => break,
            };
            let Some(next) = rest.first() else { break };
            if protocol == FRAGMENT {
                let offset = rest.get(2..4).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]) >> 3);
                first &= offset == Some(0);
            }
            packet.protocol = *next;
            rest = rest.get(length..).unwrap_or_default();
            if !first {
                break;
            }
        }
        // As the rule has it: directly behind, and of these types alone.
        let directly = outermost == HOP_BY_HOP && bytes.get(40) == Some(&ICMPV6);
        let membership = directly && rest.first().is_some_and(|kind| MLD.contains(kind));
        packet.odd = match outermost {
            FRAGMENT => Some(Odd::Fragment),
            _ if STEERING.contains(&outermost) && !membership => Some(Odd::Extension),
            _ => None,
        };
        packet.ports = first.then(|| ports(packet.protocol, rest)).flatten();
        Some(packet)
    }

    /// The word for its protocol in records.
    pub fn word(&self) -> &'static str {
        match self.protocol {
            1 => "icmp",
            2 => "igmp",
            4 => "ipip",
            6 => "tcp",
            17 => "udp",
            33 => "dccp",
            41 => "ipv6",
            47 => "gre",
            50 => "esp",
            51 => "ah",
            58 => "icmpv6",
            132 => "sctp",
            136 => "udplite",
            _ => "ip",
        }
    }
}

/// The ports with which a transport header begins: TCP, UDP, DCCP, SCTP and UDP-Lite have them in one place.
fn ports(protocol: u8, rest: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *rest.first_chunk()?;
    [TCP, UDP, DCCP, SCTP, UDP_LITE]
        .contains(&protocol)
        .then_some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(first: u8, parts: u16, protocol: u8, rest: &[u8]) -> Vec<u8> {
        let [high, low] = parts.to_be_bytes();
        let mut bytes = vec![first, 0, 0, 0, 0, 0, high, low, 64, protocol, 0, 0, 10, 77, 0, 2, 192, 0, 2, 9];
        bytes.extend(rest);
        bytes
    }

    fn v6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        bytes.extend("fd77::2".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend("2001:db8::9".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend(rest);
        bytes
    }

    fn seen(bytes: &[u8]) -> (&'static str, Option<(u16, u16)>, Option<Odd>) {
        let packet = Packet::read(bytes).unwrap();
        (packet.word(), packet.ports, packet.odd)
    }

    /// Ports 4000 and 443.
    const PORTS: [u8; 4] = [0x0f, 0xa0, 0x01, 0xbb];

    #[test]
    fn addresses_protocol_and_ports_are_read_in_both_families() {
        let packet = Packet::read(&v4(0x45, 0, 17, &PORTS)).unwrap();
        assert_eq!(
            (packet.source, packet.destination),
            ("10.77.0.2".parse().unwrap(), "192.0.2.9".parse().unwrap())
        );
        assert_eq!(seen(&v4(0x45, 0x4000, 17, &PORTS)), ("udp", Some((4000, 443)), None));
        assert_eq!(seen(&v6(6, &PORTS)), ("tcp", Some((4000, 443)), None));
        assert_eq!(seen(&v6(132, &PORTS)), ("sctp", Some((4000, 443)), None));
        assert_eq!(seen(&v4(0x45, 0, 1, &PORTS)), ("icmp", None, None));
        assert_eq!(seen(&v4(0x45, 0, 47, &PORTS)), ("gre", None, None));
        assert_eq!(seen(&v4(0x45, 0, 17, &PORTS[..3])), ("udp", None, None));
    }

    #[test]
    fn parts_and_options_are_odd() {
        let odd = |bytes: &[u8]| seen(bytes).2;
        assert_eq!(seen(&v4(0x45, 0x2000, 17, &PORTS)), ("udp", Some((4000, 443)), Some(Odd::Fragment)));
        assert_eq!(
            seen(&v4(0x45, 0x0001, 17, &PORTS)),
            ("udp", None, Some(Odd::Fragment)),
            "no port in a later part"
        );
        assert_eq!(odd(&v4(0x46, 0, 17, &[1; 8])), Some(Odd::Extension));
        assert_eq!(odd(&v4(0x46, 0, 2, &[1; 8])), None, "IGMP has a router alert");
        let part = |offset: u8| [&[17, 0, 0, offset, 0, 0, 0, 1][..], &PORTS].concat();
        assert_eq!(seen(&v6(44, &part(1))), ("udp", Some((4000, 443)), Some(Odd::Fragment)));
        assert_eq!(seen(&v6(44, &part(8))), ("udp", None, Some(Odd::Fragment)));
        for header in [0, 43, 60, 135, 139, 140] {
            let options = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &PORTS].concat();
            assert_eq!(
                seen(&v6(header, &options)),
                ("udp", Some((4000, 443)), Some(Odd::Extension)),
                "{header}"
            );
        }
        assert_eq!(odd(&v6(0, &[58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0])), None, "MLD");
        assert_eq!(
            odd(&v6(0, &[58, 0, 1, 4, 0, 0, 0, 0, 128, 0, 0, 0])),
            Some(Odd::Extension),
            "an echo request behind options is none"
        );
        assert_eq!(odd(&v6(50, &PORTS)), None, "ESP is another protocol");
    }

    #[test]
    fn whatever_is_cut_or_claimed_reading_ends() {
        let whole = v6(0, &[0; 88]);
        for length in 0..whole.len() {
            let _ = Packet::read(&whole[..length]);
        }
        for first in 0..=255 {
            for length in [0, 1, 19, 20, 39, 40, 41, 128] {
                let mut bytes = vec![0xff; length];
                bytes.iter_mut().take(1).for_each(|byte| *byte = first);
                let _ = Packet::read(&bytes);
            }
        }
        assert_eq!(Packet::read(&[]), None);
        assert_eq!(Packet::read(&v4(0x45, 0, 17, &[])[..19]), None);
    }
}
