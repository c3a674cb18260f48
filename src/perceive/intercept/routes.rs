//! The policy rule and the route that turn a marked packet to this host, for IPv4 and IPv6, by netlink.
//!
//! `tproxy` hands a packet to a socket, but routing would still send it on: its destination is not ours. So marked
//! packets are looked up in a table of their own, in which every address is local. Adding what is there and removing
//! what is not are no errors. Never touches another rule or table. Network managers may sweep rules that are not
//! theirs (systemd-networkd does when it restarts), so the daemon calls `ensure` again from time to time; without
//! them a marked packet meets the forward hook, which refuses it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Error, Handle, IpVersion, RouteMessageBuilder};

use super::{MARK, RULE_PRIORITY, TABLE};

/// Index of `lo`, the same in every network namespace.
const LOOPBACK: u32 = 1;
/// Copies of our rule that are looked for when it is removed: a bound, not an expectation.
const COPIES: usize = 16;

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[source] io::Error),
    /// The kernel refused.
    #[error(
        "cannot {doing} for {family}: {cause}\nhint: the daemon needs CAP_NET_ADMIN in its network namespace"
    )]
    Refused {
        /// `add the policy rule` and so on.
        doing: &'static str,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// In the kernel's words.
        cause: String,
    },
}

/// What [`ensure`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routes {
    /// All was there.
    Unchanged,
    /// At least one rule or route was missing and was added.
    Added,
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn version(self) -> IpVersion {
        match self {
            Self::V4 => IpVersion::V4,
            Self::V6 => IpVersion::V6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// Adds what is missing. A kernel without IPv6 is served for IPv4 alone, unless `ipv6` asks for it.
pub async fn ensure(ipv6: bool) -> Result<Routes, RouteError> {
    let link = Link::open()?;
    let mut changed = Routes::Unchanged;
    for family in [Family::V4, Family::V6] {
        let added = match link.ensure_family(family).await {
            Err(_) if matches!(family, Family::V6) && !ipv6 => false,
            outcome => outcome?,
        };
        if added {
            changed = Routes::Added;
        }
    }
    Ok(changed)
}

/// Whether the rules and routes that [`ensure`] adds are there; for IPv6 only where `ipv6` asks.
pub async fn in_place(ipv6: bool) -> Result<bool, RouteError> {
    let link = Link::open()?;
    let needed = [(Family::V4, true), (Family::V6, ipv6)];
    for (family, _) in needed.into_iter().filter(|(_, needed)| *needed) {
        if !link.holds(family).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes our rules and routes; they need not be there.
pub async fn remove() -> Result<(), RouteError> {
    let link = Link::open()?;
    for family in [Family::V4, Family::V6] {
        link.remove_family(family).await?;
    }
    Ok(())
}

/// A netlink connection and the task that drives it.
struct Link {
    handle: Handle,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    fn open() -> Result<Self, RouteError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(RouteError::Socket)?;
        Ok(Self { handle, driver: tokio::spawn(connection) })
    }

    async fn ensure_family(&self, family: Family) -> Result<bool, RouteError> {
        let route = self.handle.route().add(local_default(family)).execute().await;
        let route = fresh(route).map_err(refused("add the local route", family))?;
        let mut rule = self.handle.rule().add();
        *rule.message_mut() = policy_rule(family);
        let rule = fresh(rule.execute().await).map_err(refused("add the policy rule", family))?;
        Ok(route || rule)
    }

    async fn holds(&self, family: Family) -> Result<bool, RouteError> {
        let rules = self.handle.rule().get(family.version()).execute().try_collect::<Vec<_>>().await;
        let rules = rules.map_err(refused("list the policy rules", family))?;
        let wanted = [RuleAttribute::FwMark(MARK), RuleAttribute::Table(TABLE)];
        let ruled =
            rules.iter().any(|rule| wanted.iter().all(|attribute| rule.attributes.contains(attribute)));
        // With a destination in it the question would be how to get there, and the answer one cached route.
        let mut all = RouteMessage::default();
        all.header.address_family = local_default(family).header.address_family;
        let routes = self.handle.route().get(all).execute().try_collect::<Vec<_>>().await;
        let routes = routes.map_err(refused("list the routes", family))?;
        let ours = |route: &RouteMessage| route.attributes.contains(&RouteAttribute::Table(TABLE));
        Ok(ruled && routes.iter().any(|route| ours(route) && route.header.kind == RouteType::Local))
    }

    async fn remove_family(&self, family: Family) -> Result<(), RouteError> {
        for _ in 0..COPIES {
            let gone = self.handle.rule().del(policy_rule(family)).execute().await;
            if !was_there(gone).map_err(refused("remove the policy rule", family))? {
                break;
            }
        }
        // Whoever added it: `ip route` by hand says another protocol.
        let mut route = local_default(family);
        route.header.protocol = RouteProtocol::Unspec;
        let gone = self.handle.route().del(route).execute().await;
        was_there(gone).map_err(refused("remove the local route", family)).map(drop)
    }
}

fn refused(doing: &'static str, family: Family) -> impl FnOnce(Error) -> RouteError {
    move |error| RouteError::Refused { doing, family: family.name(), cause: cause(&error) }
}

fn cause(error: &Error) -> String {
    match error {
        Error::NetlinkError(message) => io::Error::from_raw_os_error(-message.raw_code()).to_string(),
        other => other.to_string(),
    }
}

/// Whether something was added; that it was there already is no error.
fn fresh(outcome: Result<(), Error>) -> Result<bool, Error> {
    match outcome {
        Ok(()) => Ok(true),
        Err(Error::NetlinkError(message)) if -message.raw_code() == libc::EEXIST => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether something was removed; that it was not there is no error. An absent family has no rules at all.
fn was_there(outcome: Result<(), Error>) -> Result<bool, Error> {
    const ABSENT: [i32; 3] = [libc::ENOENT, libc::ESRCH, libc::EAFNOSUPPORT];
    match outcome {
        Ok(()) => Ok(true),
        Err(Error::NetlinkError(message)) if ABSENT.contains(&-message.raw_code()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `ip rule add priority PRIORITY fwmark MARK lookup TABLE`.
fn policy_rule(family: Family) -> RuleMessage {
    let mut rule = RuleMessage::default();
    rule.header.family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    rule.header.action = RuleAction::ToTable;
    rule.attributes = vec![
        RuleAttribute::Priority(RULE_PRIORITY),
        RuleAttribute::FwMark(MARK),
        RuleAttribute::FwMask(u32::MAX),
        RuleAttribute::Table(TABLE),
    ];
    rule
}

/// `ip route add local default dev lo table TABLE`.
fn local_default(family: Family) -> RouteMessage {
    let any: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let route = RouteMessageBuilder::<IpAddr>::new().destination_prefix(any, 0).map(|route| {
        route
            .output_interface(LOOPBACK)
            .table_id(TABLE)
            .protocol(RouteProtocol::Static)
            .scope(RouteScope::Host)
            .kind(RouteType::Local)
            .build()
    });
    route.expect("invariant: zero is a valid prefix length in both families")
}
