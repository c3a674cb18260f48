//! Interception: nftables rules, policy routes and TPROXY sockets, and the checks that they can work here.
//!
//! The kernel hands every TCP connection and DNS query of a workload, and UDP to ports that policy names, to a socket of
//! the gateway and refuses the rest.
//! Here a packet becomes an [`Accepted`] or a [`Datagram`]: a socket, who speaks, and where it wanted to go. Decides
//! nothing about either. Reads the host's settings but never changes any besides the table `inet clawgress` and one
//! policy rule and route per family.
//!
//! Read `ruleset` for what is intercepted and refused (its documented twin is `nftables/clawgress.nft`).

pub mod protocol;
mod words;
mod chains;
pub mod ruleset;
pub mod listing;
pub mod apply;
pub mod routes;
pub mod doors;
pub mod accept;
mod icmp;
pub mod flows;
mod packet;
pub mod drops;
pub mod links;
pub mod facts;
pub mod checks;

pub use accept::{Accepted, Datagram, DnsDatagrams, Listener};
pub use doors::Doors;
pub use drops::{Drops, Fate, Told};
pub use flows::{FlowSockets, Why};
pub use packet::{Odd, Packet};
pub use ruleset::{FromPolicy, Interception};
pub use words::TABLE_NAME;

/// Port of the listener that takes every intercepted TCP connection.
pub const PROXY_PORT: u16 = 13_128;
/// Port of the resolver's sockets, UDP and TCP, that take every DNS query.
pub const DNS_PORT: u16 = 13_053;
/// Port of the socket that takes the first datagrams of UDP flows.
pub const UDP_PORT: u16 = 13_129;

/// Mark of a packet that was handed to one of our sockets; it lives from prerouting to the routing decision. Its
/// bits keep clear of those that others claim: Kubernetes (0xc000), Tailscale (0xff0000), Calico (0xffff0000), Cilium
/// (0x0f00).
pub const MARK: u32 = 0x20c1;
/// Mark of a datagram that came in parts, until somebody takes it.
pub const PARTS_MARK: u32 = 0x20c2;
/// Mark of an echo request that may pass, until it has left.
pub const PASSED_MARK: u32 = 0x20c3;
/// The log group of nftables by which the kernel tells of what it drops; one daemon in a network namespace reads it. The
/// same number as the routing table, far from the small ones that people choose by hand.
pub const LOG_GROUP: u16 = 8385;
/// Routing table in which every address is this host's own. The same number as the mark; above the tables that the
/// kernel (253 to 255), Tailscale (52), Cilium (2004) and wg-quick (51820) use.
pub const TABLE: u32 = 8385;
/// Priority of the policy rule: right after the kernel's own table (0) and before anybody who routes by default, such
/// as Tailscale (5210), VRFs (1000) or wg-quick.
pub const RULE_PRIORITY: u32 = 100;

#[cfg(test)]
mod tests;
