//! The interfaces of this host and their addresses, as netlink tells them.
//!
//! Reads only. The network namespace is that of the calling thread.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo};

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether the administrator has switched it on.
    pub up: bool,
    /// Whether it is a bridge, whose ports carry the workloads.
    pub bridge: bool,
    /// Its own addresses, link-local ones too.
    pub addresses: Vec<IpAddr>,
}

/// Every interface of this network namespace.
pub async fn interfaces() -> io::Result<Vec<Interface>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let driver = tokio::spawn(connection);
    let links: Result<Vec<_>, _> = handle.link().get().execute().try_collect().await;
    let listed: Result<Vec<_>, _> = handle.address().get().execute().try_collect().await;
    driver.abort();

    let mut addresses: HashMap<u32, Vec<IpAddr>> = HashMap::new();
    for message in listed.map_err(io::Error::other)? {
        let own = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        });
        // IPv6 has no other end, and names its own address like a peer's.
        let own = own.or_else(|| {
            message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
        });
        addresses.entry(message.header.index).or_default().extend(own);
    }
    let interface = |message: rtnetlink::packet_route::link::LinkMessage| {
        let name = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })?;
        let addresses = addresses.remove(&message.header.index).unwrap_or_default();
        let bridge = message.attributes.iter().any(|attribute| match attribute {
            LinkAttribute::LinkInfo(info) => info.contains(&LinkInfo::Kind(InfoKind::Bridge)),
            _ => false,
        });
        Some(Interface { name, up: message.header.flags.contains(LinkFlags::Up), bridge, addresses })
    };
    Ok(links.map_err(io::Error::other)?.into_iter().filter_map(interface).collect())
}
