//! ICMP errors for datagrams that the gateway took and refuses, in the form in which the kernel refuses those that it
//! keeps.
//!
//! Pure: addresses in, bytes out. The datagram itself is quoted by its headers alone, written anew: they tell the
//! workload's kernel which socket has to hear of it, and nobody looks at the rest.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::protocol::UDP;

/// Why a datagram does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It may not: communication administratively prohibited (RFC 1812, section 5.2.7.1; RFC 4443, section 3.1).
    Prohibited,
    /// Nobody listens there: the destination said so itself.
    NoPort,
    /// No way leads there: network unknown over IPv4, a route that rejects over IPv6. Not the codes that say it more
    /// usually, host or address unreachable: Linux tells a UDP socket nothing of those, and it would wait for its answer.
    NoWay,
}

/// A datagram that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Quoted {
    /// The workload that sent it.
    pub from: SocketAddr,
    /// Where it was to go.
    pub to: SocketAddr,
    /// Bytes of its payload.
    pub length: usize,
}

const HOPS: u8 = 64;
const UDP_HEADER: usize = 8;

/// The ICMP message: type, code, checksum, four unused bytes, and the quoted headers. ICMPv6 messages are left without
/// their checksum, in which the kernel's choice of a source address counts. Nothing where the families differ.
pub fn error(quoted: &Quoted, why: Why) -> Option<Vec<u8>> {
    match (quoted.from.ip().to_canonical(), quoted.to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => Some(error_v4(quoted, from, to, why)),
        (IpAddr::V6(from), IpAddr::V6(to)) => Some(error_v6(quoted, from, to, why)),
        _ => None,
    }
}

/// RFC 792, "Destination Unreachable Message"; RFC 1122, section 3.2.2.1.
fn error_v4(quoted: &Quoted, from: Ipv4Addr, to: Ipv4Addr, why: Why) -> Vec<u8> {
    let code = match why {
        Why::Prohibited => 13,
        Why::NoPort => 3,
        Why::NoWay => 6,
    };
    let mut header = vec![0x45, 0];
    header.extend(sixteen(20 + UDP_HEADER + quoted.length));
    header.extend([0, 0, 0, 0, HOPS, UDP, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    write_checksum(&mut header, 10);
    let mut message = vec![3, code, 0, 0, 0, 0, 0, 0];
    message.extend(header);
    message.extend(udp_header(quoted));
    write_checksum(&mut message, 2);
    message
}

/// RFC 4443, section 3.1.
fn error_v6(quoted: &Quoted, from: Ipv6Addr, to: Ipv6Addr, why: Why) -> Vec<u8> {
    let code = match why {
        Why::Prohibited => 1,
        Why::NoPort => 4,
        Why::NoWay => 6,
    };
    let mut message = vec![1, code, 0, 0, 0, 0, 0, 0];
    message.extend([0x60, 0, 0, 0]);
    message.extend(sixteen(UDP_HEADER + quoted.length));
    message.extend([UDP, HOPS]);
    message.extend(from.octets());
    message.extend(to.octets());
    message.extend(udp_header(quoted));
    message
}

/// Without a checksum: nobody looks at that of a quoted datagram.
fn udp_header(quoted: &Quoted) -> [u8; UDP_HEADER] {
    let [a, b] = quoted.from.port().to_be_bytes();
    let [c, d] = quoted.to.port().to_be_bytes();
    let [e, f] = sixteen(UDP_HEADER + quoted.length);
    [a, b, c, d, e, f, 0, 0]
}

fn sixteen(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

/// RFC 1071. The place of the checksum must be zero, and the length even.
fn write_checksum(bytes: &mut [u8], at: usize) {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let folded = u16::try_from(sum).unwrap_or(u16::MAX);
    bytes[at..at + 2].copy_from_slice(&(!folded).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(from: &str, to: &str, length: usize) -> Quoted {
        Quoted { from: from.parse().unwrap(), to: to.parse().unwrap(), length }
    }

    /// The sum over everything, its checksum included, has every bit set where it is right.
    fn sums_up(bytes: &[u8]) -> bool {
        let mut copy = bytes.to_vec();
        copy.extend([0, 0]);
        let end = bytes.len();
        write_checksum(&mut copy, end);
        copy[end..] == [0, 0]
    }

    #[test]
    fn ipv4_quotes_the_headers_under_two_right_checksums() {
        let message = error(&quoted("10.77.0.2:40000", "192.0.2.9:123", 48), Why::Prohibited).unwrap();
        assert_eq!((message[0], message[1], message.len()), (3, 13, 36));
        assert!(sums_up(&message) && sums_up(&message[8..28]));
        assert_eq!(message[10..12], [0, 76], "header, UDP header and payload");
        assert_eq!(message[20..28], [10, 77, 0, 2, 192, 0, 2, 9]);
        assert_eq!(message[28..34], [0x9c, 0x40, 0, 123, 0, 56]);
        let codes = [Why::NoPort, Why::NoWay]
            .map(|why| error(&quoted("10.77.0.2:1", "192.0.2.9:2", 0), why).unwrap()[1]);
        assert_eq!(codes, [3, 6]);
    }

    #[test]
    fn ipv6_quotes_the_headers_and_leaves_the_checksum_to_the_kernel() {
        let message = error(&quoted("[fd77::2]:1", "[2001:db8::9]:2", 1), Why::Prohibited).unwrap();
        assert_eq!((message[0], message[1], message.len()), (1, 1, 56));
        assert_eq!(message[2..4], [0, 0]);
        assert_eq!(message[8], 0x60);
        assert_eq!(message[12..16], [0, 9, UDP, HOPS]);
        let codes =
            [Why::NoPort, Why::NoWay].map(|why| error(&quoted("[::2]:1", "[::3]:2", 0), why).unwrap()[1]);
        assert_eq!(codes, [4, 6]);
    }

    #[test]
    fn the_largest_datagram_has_a_length_and_mixed_families_have_no_message() {
        let largest = error(&quoted("10.77.0.2:1", "192.0.2.9:2", 65_507), Why::Prohibited).unwrap();
        assert_eq!(largest[10..12], [0xff, 0xff]);
        assert!(sums_up(&largest));
        assert_eq!(error(&quoted("10.77.0.2:1", "[2001:db8::9]:2", 1), Why::Prohibited), None);
    }
}
