//! IP packets byte by byte, for whoever forges: any source address, options, extension headers, parts.
//!
//! They leave through raw sockets with a header of their own, so the frame's sender stays the true one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Namespace;

/// One packet to be.
#[derive(Debug, Clone)]
pub struct Packet {
    source: IpAddr,
    to: IpAddr,
    /// Protocol number, or the first next header.
    pub protocol: u8,
    /// What follows the fixed header; for IPv4 its options too.
    pub payload: Vec<u8>,
    /// IPv4: flags and offset.
    pub parts: u16,
    /// IPv4: options, a multiple of four bytes.
    pub options: Vec<u8>,
}

/// More parts follow (RFC 791, section 3.1).
pub const MORE: u16 = 0x2000;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no address"))
}

impl Packet {
    /// A packet of any protocol.
    pub fn new(source: &str, to: &str, protocol: u8, payload: &[u8]) -> Self {
        let (source, to) = (address(source), address(to));
        assert_eq!(source.is_ipv4(), to.is_ipv4(), "one family");
        Self { source, to, protocol, payload: payload.to_vec(), parts: 0, options: Vec::new() }
    }

    /// A UDP datagram from port 40000.
    pub fn udp(source: &str, to: &str, port: u16, payload: &[u8]) -> Self {
        let mut packet = Self::new(source, to, 17, &[]);
        let length = u16::try_from(8 + payload.len()).expect("a short datagram");
        let mut datagram = [40_000_u16, port, length, 0].map(u16::to_be_bytes).concat();
        datagram.extend(payload);
        packet.payload = packet.summed(datagram, 6);
        packet
    }

    /// The same datagram from another port.
    pub fn leaving_by(mut self, port: u16) -> Self {
        let mut datagram = std::mem::take(&mut self.payload);
        datagram[..2].copy_from_slice(&port.to_be_bytes());
        datagram[6..8].fill(0);
        self.payload = self.summed(datagram, 6);
        self
    }

    /// The first segment of a TCP connection from port 40000.
    pub fn syn(source: &str, to: &str, port: u16) -> Self {
        let mut packet = Self::new(source, to, 6, &[]);
        let mut segment = [40_000_u16, port].map(u16::to_be_bytes).concat();
        segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
        packet.payload = packet.summed(segment, 16);
        packet
    }

    /// An echo request with so many bytes of data.
    pub fn echo(source: &str, to: &str, number: u16, data: usize) -> Self {
        let [high, low] = number.to_be_bytes();
        let mut rest = vec![0, 77, high, low];
        rest.extend(vec![b'x'; data]);
        Self::icmp(source, to, if address(source).is_ipv4() { 8 } else { 128 }, 0, &rest)
    }

    /// An error of this type and code that quotes a packet.
    pub fn icmp_error(source: &str, to: &str, kind: u8, code: u8, quoted: &Self) -> Self {
        Self::icmp(source, to, kind, code, &[vec![0; 4], quoted.bytes()].concat())
    }

    /// ICMP or ICMPv6; `rest` is what follows the checksum.
    pub fn icmp(source: &str, to: &str, kind: u8, code: u8, rest: &[u8]) -> Self {
        let mut packet = Self::new(source, to, 1, &[]);
        let mut message = [&[kind, code, 0, 0], rest].concat();
        if packet.source.is_ipv4() {
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum);
            packet.payload = message;
        } else {
            packet.protocol = 58;
            packet.payload = packet.summed(message, 2);
        }
        packet
    }

    /// With IPv4 options.
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// With an IPv6 extension header in front: eight bytes, the first of which becomes the next header.
    pub fn behind(mut self, header: u8, mut bytes: [u8; 8]) -> Self {
        bytes[0] = self.protocol;
        self.payload.splice(0..0, bytes);
        self.protocol = header;
        self
    }

    /// Two parts of it; the first has so many bytes, a multiple of eight.
    pub fn in_parts(&self, first: usize) -> [Self; 2] {
        let (head, tail) = self.payload.split_at(first);
        let units = u16::try_from(first / 8).expect("a short packet");
        [(head, 0, true), (tail, units, false)].map(|(bytes, offset, more)| self.part(bytes, offset, more))
    }

    /// Itself as one part that is the whole (RFC 6946; in IPv4 that is any packet).
    pub fn atomic(&self) -> Self {
        self.part(&self.payload, 0, false)
    }

    fn part(&self, bytes: &[u8], offset: u16, more: bool) -> Self {
        let mut part = Self { payload: bytes.to_vec(), ..self.clone() };
        if self.source.is_ipv4() {
            part.parts = offset | if more { MORE } else { 0 };
            return part;
        }
        let [high, low] = ((offset << 3) | u16::from(more)).to_be_bytes();
        part.behind(44, [0, 0, high, low, 0, 0, 0x12, 0x34])
    }

    /// Fills the checksum over the pseudo header in (RFC 768, RFC 8200, section 8.1).
    fn summed(&self, mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
        let mut pseudo = match (self.source, self.to) {
            (IpAddr::V4(source), IpAddr::V4(to)) => [source.octets(), to.octets()].concat(),
            (IpAddr::V6(source), IpAddr::V6(to)) => [source.octets(), to.octets()].concat(),
            _ => unreachable!("one family"),
        };
        pseudo.extend([0, self.protocol]);
        pseudo.extend(u16::try_from(bytes.len()).expect("a short packet").to_be_bytes());
        pseudo.extend(&bytes);
        let sum = checksum(&pseudo);
        bytes[at..at + 2].copy_from_slice(&sum);
        bytes
    }

    fn bytes(&self) -> Vec<u8> {
        match (self.source, self.to) {
            (IpAddr::V4(source), IpAddr::V4(to)) => self.v4(source, to),
            (IpAddr::V6(source), IpAddr::V6(to)) => self.v6(source, to),
            _ => unreachable!("one family"),
        }
    }

    fn v4(&self, source: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
        let words = u8::try_from(5 + self.options.len() / 4).expect("few options");
        let length = 20 + self.options.len() + self.payload.len();
        let [high, low] = u16::try_from(length).expect("a short packet").to_be_bytes();
        let [flags, offset] = self.parts.to_be_bytes();
        let mut bytes = vec![0x40 | words, 0, high, low, 0x12, 0x34, flags, offset, 64, self.protocol, 0, 0];
        bytes.extend(source.octets());
        bytes.extend(to.octets());
        bytes.extend(&self.options);
        let sum = checksum(&bytes);
        bytes[10..12].copy_from_slice(&sum);
        bytes.extend(&self.payload);
        bytes
    }

    fn v6(&self, source: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
        let [high, low] = u16::try_from(self.payload.len()).expect("a short packet").to_be_bytes();
        let mut bytes = vec![0x60, 0, 0, 0, high, low, self.protocol, 64];
        bytes.extend(source.octets());
        bytes.extend(to.octets());
        bytes.extend(&self.payload);
        bytes
    }

    /// Sends it from a namespace.
    pub fn send(&self, from: &Namespace) {
        send_all(from, std::slice::from_ref(self));
    }
}

/// Sends packets of one family, one after the other.
pub fn send_all(from: &Namespace, packets: &[Packet]) {
    from.enter(|| {
        let v4 = packets.first().is_none_or(|packet| packet.to.is_ipv4());
        let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
        // IPPROTO_RAW: the header is in the bytes (raw(7)).
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(255))).expect("a raw socket");
        socket.set_broadcast(true).expect("a socket");
        for packet in packets {
            let to = SockAddr::from(SocketAddr::new(packet.to, 0));
            socket.send_to(&packet.bytes(), &to).expect("it is sent");
        }
    });
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(sum).expect("folded");
    (!sum).to_be_bytes()
}
