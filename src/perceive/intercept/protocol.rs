//! Protocol numbers (IANA), as IPv4 has them in `protocol` and IPv6 in its next headers.
//!
//! The one place for them: rules, packets that are read, and records mean the same by a name.

/// ICMP over IPv4 (RFC 792).
pub const ICMP: u8 = 1;
/// Membership of groups over IPv4 (RFC 3376).
pub const IGMP: u8 = 2;
/// TCP (RFC 9293).
pub const TCP: u8 = 6;
/// UDP (RFC 768).
pub const UDP: u8 = 17;
/// DCCP (RFC 4340).
pub const DCCP: u8 = 33;
/// ICMP over IPv6 (RFC 4443).
pub const ICMPV6: u8 = 58;
/// SCTP (RFC 9260).
pub const SCTP: u8 = 132;
/// UDP-Lite (RFC 3828).
pub const UDP_LITE: u8 = 136;

/// IPv6 extension header: options that every router reads (RFC 8200, section 4.3).
pub const HOP_BY_HOP: u8 = 0;
/// IPv6 extension header: where a packet has to pass (RFC 8200, section 4.4).
pub const ROUTING: u8 = 43;
/// IPv6 extension header: which part of a packet this is (RFC 8200, section 4.5).
pub const FRAGMENT: u8 = 44;
/// IPv6 extension header: options that the destination reads (RFC 8200, section 4.6).
pub const DESTINATION_OPTIONS: u8 = 60;
/// IPv6 extension header: mobility (RFC 6275).
pub const MOBILITY: u8 = 135;
/// IPv6 extension header: host identity (RFC 7401).
pub const HIP: u8 = 139;
/// IPv6 extension header: several ways to one host (RFC 5533).
pub const SHIM6: u8 = 140;
/// Those that steer a packet, or of which nobody here has need.
pub const STEERING: [u8; 6] = [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS, MOBILITY, HIP, SHIM6];
