//! Which addresses may be dialled for a passage, and in which order. Pure.
//!
//! A destination that is not public is refused unless a CIDR route names the very address the workload asked for.
//! Of an answer that mixes public and other addresses only the public ones are dialled, as workloads are given no others.
//! Addresses of this gateway are always refused, and so is an address of which the host cannot say whether it is.

use std::io;
use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use crate::decide::policy::{NameSource, Passage};
use crate::model::types::address::{self, AddressClass, classify};
use crate::model::types::{Denial, HostName, Reason, limits};

/// Addresses in the order in which they are tried.
pub(super) type Candidates = SmallVec<[SocketAddr; limits::DIAL_CANDIDATES]>;

/// What of a passage matters for dialling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) host: Option<&'a HostName>,
    pub(super) name_source: NameSource,
    /// Never an IPv4-mapped address.
    pub(super) destination: SocketAddr,
    pub(super) private_allowed: bool,
}

impl<'a> From<&'a Passage> for Wanted<'a> {
    fn from(passage: &'a Passage) -> Self {
        Self {
            host: passage.host(),
            name_source: passage.name_source(),
            destination: address::unmapped(passage.destination()),
            private_allowed: passage.private_allowed(),
        }
    }
}

impl std::fmt::Display for Wanted<'_> {
    /// `host:port`, or the address where no name is involved.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host {
            Some(host) => write!(f, "{host}:{}", self.destination.port()),
            None => self.destination.fmt(f),
        }
    }
}

/// Orders addresses by the resolver's preference with the families taking turns (RFC 8305, section 4), without
/// duplicates, at most `DIAL_CANDIDATES` of them.
pub(super) fn interleave(answer: &[IpAddr], port: u16) -> Candidates {
    let mut unique: SmallVec<[IpAddr; 16]> = SmallVec::new();
    for ip in answer.iter().map(IpAddr::to_canonical) {
        if !unique.contains(&ip) {
            unique.push(ip);
        }
    }
    let Some(first) = unique.first() else { return Candidates::new() };
    let first_is_v4 = first.is_ipv4();
    let mut same = unique.iter().filter(|ip| ip.is_ipv4() == first_is_v4);
    let mut other = unique.iter().filter(|ip| ip.is_ipv4() != first_is_v4);
    let mut ordered = Candidates::new();
    while ordered.len() < limits::DIAL_CANDIDATES {
        let before = ordered.len();
        ordered.extend(same.next().map(|ip| SocketAddr::new(*ip, port)));
        ordered.extend(other.next().map(|ip| SocketAddr::new(*ip, port)));
        if ordered.len() == before {
            break;
        }
    }
    ordered.truncate(limits::DIAL_CANDIDATES);
    ordered
}

/// Tells whether an address is this gateway's own; fails where the host is too short of something to tell.
pub type IsOwn = fn(IpAddr) -> io::Result<bool>;

/// Those of the addresses that may be dialled. One that may not is passed over, as DNS answers lose it too; where none
/// is left, the first says why.
pub(super) fn allowed(
    wanted: &Wanted<'_>,
    found: &[IpAddr],
    is_own: IsOwn,
) -> Result<SmallVec<[IpAddr; 8]>, Denial> {
    let mut kept = SmallVec::new();
    let mut refusal = None;
    for ip in found.iter().map(IpAddr::to_canonical) {
        match check(wanted, ip, is_own) {
            Ok(()) => kept.push(ip),
            // What cannot be told now may be told of the next no better.
            Err(denial) if denial.reason == Reason::Overload => return Err(denial),
            Err(denial) => refusal = refusal.or(Some(denial)),
        }
    }
    match refusal {
        Some(denial) if kept.is_empty() => Err(denial),
        _ => Ok(kept),
    }
}

fn check(wanted: &Wanted<'_>, ip: IpAddr, is_own: IsOwn) -> Result<(), Denial> {
    // A translator or a relay would bring it back here.
    let inside = address::embedded(ip).into_iter().map(IpAddr::V4);
    for own in [ip].into_iter().chain(inside) {
        if is_own(own).map_err(|error| untold(wanted, ip, &error))? {
            return Err(refused(wanted, Reason::DestinationPrivate, "this gateway's own", ip));
        }
    }
    // Only the address the workload itself asked for: a name may lead back to it, and to no neighbour of it.
    let named_by_route = wanted.private_allowed && ip == wanted.destination.ip();
    match classify(ip) {
        AddressClass::Public => Ok(()),
        _ if named_by_route => Ok(()),
        AddressClass::Metadata => {
            Err(refused(wanted, Reason::DestinationMetadata, "of the class metadata", ip))
        }
        class => Err(refused(wanted, Reason::DestinationPrivate, &format!("of the class {class}"), ip)),
    }
}

fn untold(wanted: &Wanted<'_>, ip: IpAddr, error: &io::Error) -> Denial {
    Denial::built_in(Reason::Overload, format!("The gateway cannot open another connection to {wanted}."))
        .seen(format!("whether {ip} is this gateway's own cannot be told: {error}"))
}

fn refused(wanted: &Wanted<'_>, reason: Reason, what: &str, ip: IpAddr) -> Denial {
    let verb = if wanted.host.is_some() { "leads to" } else { "is" };
    let kind = match reason {
        Reason::DestinationMetadata => "a cloud metadata service",
        _ => "an address that is not public",
    };
    let detail = format!("{wanted} {verb} {kind}, and no route names that network. Nothing was sent.");
    Denial::built_in(reason, detail).seen(format!("{wanted} leads to {ip}, which is {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn reason(
        name_source: NameSource,
        private_allowed: bool,
        destination: &str,
        found: &[&str],
    ) -> Option<Reason> {
        let host = HostName::parse("name.example").unwrap();
        let wanted = Wanted {
            host: Some(&host),
            name_source,
            destination: destination.parse().unwrap(),
            private_allowed,
        };
        let is_own =
            |ip: IpAddr| Ok(ip == IpAddr::from([203, 0, 113, 1]) || ip == IpAddr::from([10, 77, 0, 1]));
        allowed(&wanted, &ips(found), is_own).err().map(|denial| denial.reason)
    }

    fn dialled(found: &[&str]) -> Vec<String> {
        let wanted = Wanted {
            host: None,
            name_source: NameSource::Resolve,
            destination: "192.0.2.1:443".parse().unwrap(),
            private_allowed: false,
        };
        let kept = allowed(&wanted, &ips(found), |ip| Ok(ip == IpAddr::from([203, 0, 113, 1])));
        kept.unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_take_turns_from_the_first_one() {
        let answer = ips(&["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.1", "2001:db8::2"]);
        let order: Vec<String> = interleave(&answer, 443).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["192.0.2.1:443", "[2001:db8::1]:443", "192.0.2.2:443", "[2001:db8::2]:443"]);
    }

    #[test]
    fn a_long_answer_is_cut() {
        let answer: Vec<IpAddr> = (0..200).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        assert_eq!(interleave(&answer, 1).len(), limits::DIAL_CANDIDATES);
        assert!(interleave(&[], 1).is_empty());
    }

    #[test]
    fn public_addresses_pass() {
        assert_eq!(reason(NameSource::Resolve, false, "10.0.0.9:443", &["192.0.2.1", "2001:db8::1"]), None);
        assert_eq!(reason(NameSource::Given, false, "192.0.2.1:443", &["192.0.2.1"]), None);
    }

    #[test]
    fn of_a_mixed_answer_the_public_addresses_alone_are_dialled() {
        let mixed = ["10.0.0.1", "192.0.2.1", "169.254.169.254", "203.0.113.1", "2001:db8::1", "fd00::1"];
        assert_eq!(dialled(&mixed), ["192.0.2.1", "2001:db8::1"]);
        for bad in ["127.0.0.1", "::1", "169.254.1.1", "fd00::1", "0.0.0.0", "224.0.0.1", "::ffff:10.0.0.1"] {
            let found = reason(NameSource::Resolve, false, "192.0.2.1:443", &[bad]);
            assert_eq!(found, Some(Reason::DestinationPrivate), "{bad}");
        }
    }

    #[test]
    fn a_metadata_service_has_its_own_reason() {
        for bad in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
            let found = reason(NameSource::Resolve, false, "192.0.2.1:443", &[bad]);
            assert_eq!(found, Some(Reason::DestinationMetadata), "{bad}");
        }
    }

    #[test]
    fn a_cidr_route_opens_the_original_destination_and_no_other_address() {
        for source in [NameSource::None, NameSource::Given, NameSource::Resolve] {
            assert_eq!(reason(source, true, "10.0.0.9:443", &["10.0.0.9"]), None, "{source:?}");
            let closed = reason(source, false, "10.0.0.9:443", &["10.0.0.9"]);
            assert_eq!(closed, Some(Reason::DestinationPrivate), "{source:?}");
        }
        let neighbour = reason(NameSource::Resolve, true, "10.0.0.9:443", &["10.0.0.8"]);
        assert_eq!(neighbour, Some(Reason::DestinationPrivate));
    }

    #[test]
    fn the_agent_hears_whether_it_asked_for_the_address_or_a_name_led_there() {
        let name = HostName::parse("inside.example").unwrap();
        for (host, begins) in [
            (Some(&name), "inside.example:443 leads to an address that is not public, and no route names"),
            (None, "192.0.2.1:443 is an address that is not public, and no route names"),
        ] {
            let destination = "192.0.2.1:443".parse().unwrap();
            let wanted =
                Wanted { host, name_source: NameSource::Resolve, destination, private_allowed: false };
            let denial = allowed(&wanted, &ips(&["10.0.0.1"]), |_| Ok(false)).unwrap_err();
            assert!(denial.detail.starts_with(begins), "{}", denial.detail);
        }
    }

    #[test]
    fn own_addresses_are_refused_even_where_a_route_names_them() {
        assert_eq!(
            reason(NameSource::None, true, "10.77.0.1:22", &["10.77.0.1"]),
            Some(Reason::DestinationPrivate)
        );
        for own in ["203.0.113.1", "::ffff:203.0.113.1", "64:ff9b::cb00:7101", "2002:cb00:7101::1"] {
            let found = reason(NameSource::Resolve, false, "192.0.2.1:443", &[own]);
            assert_eq!(found, Some(Reason::DestinationPrivate), "public, but this gateway's own: {own}");
        }
    }

    #[test]
    fn what_the_host_cannot_tell_from_its_own_is_refused_for_want_of_room() {
        let wanted = Wanted {
            host: None,
            name_source: NameSource::None,
            destination: "192.0.2.1:443".parse().unwrap(),
            private_allowed: false,
        };
        let short = |_| Err(io::Error::from_raw_os_error(24));
        let denial = allowed(&wanted, &ips(&["192.0.2.1"]), short).unwrap_err();
        assert_eq!(denial.reason, Reason::Overload);
    }
}
