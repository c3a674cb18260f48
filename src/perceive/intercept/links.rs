//! The interfaces of this host, their addresses and neighbours and the routes through them, as netlink tells them.
//!
//! Reads only. The network namespace is that of the calling thread.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use rtnetlink::{Error, Handle};

/// What an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bridge, whose ports carry the workloads.
    Bridge,
    /// One end of a pair, the other of which is in another namespace.
    Veth,
    /// A VLAN of another interface.
    Vlan,
    /// A tunnel: WireGuard, tun, GRE and the like.
    Tunnel,
    /// A network card, or what the kernel does not say more of.
    Card,
    /// Any other kind of virtual interface.
    Other,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether the administrator has switched it on.
    pub up: bool,
    /// What it is.
    pub kind: Kind,
    /// Whether it is a port of another one, a bridge for instance.
    pub port: bool,
    /// Its own addresses, link-local ones too.
    pub addresses: Vec<IpAddr>,
    /// The networks that those lie in, whole ones.
    pub networks: Vec<IpNet>,
    /// Where routes of the main table lead through it, neighbours' networks too.
    pub routes: Vec<IpNet>,
    /// Whether a router has told of a default route through it (RFC 4861).
    pub advertised: bool,
    /// Hosts on its link that the kernel knows.
    pub neighbours: Vec<IpAddr>,
}

/// Every interface of this network namespace.
pub async fn interfaces() -> io::Result<Vec<Interface>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let driver = tokio::spawn(connection);
    let links: Result<Vec<_>, _> = handle.link().get().execute().try_collect().await;
    let listed: Result<Vec<_>, _> = handle.address().get().execute().try_collect().await;
    let routed = routes(&handle).await;
    let met: Result<Vec<_>, _> = handle.neighbours().get().execute().try_collect().await;
    driver.abort();

    let mut about: HashMap<u32, About> = HashMap::new();
    for message in listed.map_err(io::Error::other)? {
        let about = about.entry(message.header.index).or_default();
        if let Some(address) = own_address(&message) {
            about.addresses.push(address);
            about.networks.extend(IpNet::new(address, message.header.prefix_len).map(|net| net.trunc()));
        }
    }
    for message in routed.map_err(io::Error::other)? {
        for (interface, network) in ways(&message) {
            let about = about.entry(interface).or_default();
            about.advertised |= network.prefix_len() == 0 && message.header.protocol == RouteProtocol::Ra;
            about.routes.push(network);
        }
    }
    for message in met.map_err(io::Error::other)? {
        about.entry(message.header.ifindex).or_default().neighbours.extend(neighbour(&message));
    }
    let interface = |message: LinkMessage| {
        let found = about.remove(&message.header.index).unwrap_or_default();
        Some(found.of(name(&message)?, &message))
    };
    Ok(links.map_err(io::Error::other)?.into_iter().filter_map(interface).collect())
}

/// What netlink tells of an interface in other messages than its own.
#[derive(Default)]
struct About {
    addresses: Vec<IpAddr>,
    networks: Vec<IpNet>,
    routes: Vec<IpNet>,
    advertised: bool,
    neighbours: Vec<IpAddr>,
}

impl About {
    fn of(self, name: String, message: &LinkMessage) -> Interface {
        let Self { addresses, networks, routes, advertised, neighbours } = self;
        let up = message.header.flags.contains(LinkFlags::Up);
        let port =
            message.attributes.iter().any(|one| matches!(one, LinkAttribute::Controller(of) if *of != 0));
        let kind = kind(message);
        Interface { name, up, kind, port, addresses, networks, routes, advertised, neighbours }
    }
}

fn name(message: &LinkMessage) -> Option<String> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

fn kind(message: &LinkMessage) -> Kind {
    let told = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(info) => info.iter().find_map(|one| match one {
            LinkInfo::Kind(kind) => Some(kind),
            _ => None,
        }),
        _ => None,
    });
    match told {
        None => Kind::Card,
        Some(InfoKind::Bridge) => Kind::Bridge,
        Some(InfoKind::Veth) => Kind::Veth,
        Some(InfoKind::Vlan) => Kind::Vlan,
        Some(InfoKind::Tun | InfoKind::Wireguard | InfoKind::GreTun | InfoKind::IpIp | InfoKind::SitTun) => {
            Kind::Tunnel
        }
        Some(_) => Kind::Other,
    }
}

/// IPv6 has no other end, and names its own address like a peer's.
fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

/// A host that has answered at some time.
fn neighbour(message: &NeighbourMessage) -> Option<IpAddr> {
    let known = [
        NeighbourState::Reachable,
        NeighbourState::Stale,
        NeighbourState::Delay,
        NeighbourState::Probe,
        NeighbourState::Permanent,
    ];
    if !known.contains(&message.header.state) {
        return None;
    }
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    })
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
