//! The interfaces of this host, their addresses and the routes through them, as netlink tells them.
//!
//! Reads only. The network namespace is that of the calling thread.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use rtnetlink::{Error, Handle};

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
    /// Where routes of the main table lead through it, neighbours' networks too.
    pub routes: Vec<IpNet>,
}

/// Every interface of this network namespace.
pub async fn interfaces() -> io::Result<Vec<Interface>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let driver = tokio::spawn(connection);
    let links: Result<Vec<_>, _> = handle.link().get().execute().try_collect().await;
    let listed: Result<Vec<_>, _> = handle.address().get().execute().try_collect().await;
    let routed = routes(&handle).await;
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
    let mut routes: HashMap<u32, Vec<IpNet>> = HashMap::new();
    for message in routed.map_err(io::Error::other)? {
        for (interface, network) in ways(&message) {
            routes.entry(interface).or_default().push(network);
        }
    }
    let interface = |message: rtnetlink::packet_route::link::LinkMessage| {
        let name = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })?;
        let addresses = addresses.remove(&message.header.index).unwrap_or_default();
        let routes = routes.remove(&message.header.index).unwrap_or_default();
        let bridge = message.attributes.iter().any(|attribute| match attribute {
            LinkAttribute::LinkInfo(info) => info.contains(&LinkInfo::Kind(InfoKind::Bridge)),
            _ => false,
        });
        let up = message.header.flags.contains(LinkFlags::Up);
        Some(Interface { name, up, bridge, addresses, routes })
    };
    Ok(links.map_err(io::Error::other)?.into_iter().filter_map(interface).collect())
}

/// The routes of both families.
async fn routes(handle: &Handle) -> Result<Vec<RouteMessage>, Error> {
    let mut all = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut asked = RouteMessage::default();
        asked.header.address_family = family;
        all.extend(handle.route().get(asked).execute().try_collect::<Vec<_>>().await?);
    }
    Ok(all)
}

/// Through which interfaces a route of the main table leads, and where.
fn ways(route: &RouteMessage) -> Vec<(u32, IpNet)> {
    let header = &route.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return Vec::new();
    }
    let destination = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    });
    // A default route names no destination.
    let any = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let Ok(network) = IpNet::new(destination.unwrap_or(any), header.destination_prefix_length) else {
        return Vec::new();
    };
    let interfaces = route.attributes.iter().flat_map(|attribute| match attribute {
        RouteAttribute::Oif(interface) => vec![*interface],
        RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
        _ => Vec::new(),
    });
    interfaces.map(|interface| (interface, network)).collect()
}
