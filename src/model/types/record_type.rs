//! Types of DNS records by number, as far as decisions are about them (IANA DNS parameters).
//!
//! A type that is unknown here is a number like any other. Read next: `perceive::dns::message`, which reads them.

/// QTYPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordType(pub u16);

/// The class of the internet (RFC 1035, section 3.2.4).
pub const CLASS_IN: u16 = 1;

impl RecordType {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// A name server.
    pub const NS: Self = Self(2);
    /// Another name for a name.
    pub const CNAME: Self = Self(5);
    /// The start of a zone.
    pub const SOA: Self = Self(6);
    /// Anything (RFC 1035, section 3.3.10, experimental).
    pub const NULL: Self = Self(10);
    /// The name of an address.
    pub const PTR: Self = Self(12);
    /// A mail server.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
    /// A service's host and port.
    pub const SRV: Self = Self(33);
    /// What EDNS adds to a message (RFC 6891).
    pub const OPT: Self = Self(41);
    /// The digest of a zone's key (RFC 4034).
    pub const DS: Self = Self(43);
    /// A zone's key (RFC 4034).
    pub const DNSKEY: Self = Self(48);
    /// How a service is reached (RFC 9460).
    pub const SVCB: Self = Self(64);
    /// The same for HTTP (RFC 9460).
    pub const HTTPS: Self = Self(65);
    /// What changed in a zone (RFC 1995).
    pub const IXFR: Self = Self(251);
    /// A whole zone (RFC 5936).
    pub const AXFR: Self = Self(252);
    /// All that is there of a name (RFC 8482).
    pub const ANY: Self = Self(255);

    /// Types that programs ask for in earnest: A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, NAPTR, CERT, DNAME, DS, SSHFP,
    /// RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM, TLSA, SMIMEA, CDS, CDNSKEY, OPENPGPKEY, SVCB, HTTPS, SPF, ANY, URI, CAA.
    const USUAL: [u16; 30] = [
        1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 37, 39, 43, 44, 46, 47, 48, 50, 51, 52, 53, 59, 60, 61, 64, 65,
        99, 255, 256, 257,
    ];

    /// Whether programs ask for this type in earnest. Any other is a number of 16 bits that the asker chose.
    pub fn is_usual(self) -> bool {
        Self::USUAL.contains(&self.0)
    }

    /// Whether it is asked for in order to connect: an address, or how a service is reached.
    pub fn leads_to_an_address(self) -> bool {
        matches!(self, Self::A | Self::AAAA | Self::SVCB | Self::HTTPS)
    }

    /// Whether a validating stub needs it of every zone on the way from the root (RFC 4035, section 5).
    pub fn is_of_a_zone(self) -> bool {
        matches!(self, Self::NS | Self::SOA | Self::DS | Self::DNSKEY)
    }
}
