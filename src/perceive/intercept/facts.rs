//! What the host's settings mean for interception.
//!
//! Pure: texts from /proc and netlink in, meanings out. `checks` fetches the texts and turns meanings into advice.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// A switch of sysctl: anything but 0 is on.
pub fn is_on(value: &str) -> Option<bool> {
    number(value).map(|value| value != 0)
}

/// A number as sysctl files have it.
pub fn number(value: &str) -> Option<u64> {
    value.trim().parse().ok()
}

/// What `net.ipv4.icmp_ratemask` should be instead, so that destination-unreachable (type 3, RFC 792) is not rationed;
/// nothing where it is so, or cannot be read.
pub fn icmp_ratemask(value: &str) -> Option<Option<String>> {
    const UNREACHABLE: u64 = 1 << 3;
    let mask = number(value)?;
    Some((mask & UNREACHABLE != 0).then(|| (mask & !UNREACHABLE).to_string()))
}

/// The same for `net.ipv6.icmp.ratemask`, as in `0-1,3-127`, and type 1 (RFC 4443).
pub fn icmpv6_ratemask(value: &str) -> Option<Option<String>> {
    const UNREACHABLE: u8 = 1;
    let mut types = BTreeSet::new();
    for entry in value.trim().split(',').filter(|entry| !entry.is_empty()) {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        types.extend(first.parse::<u8>().ok()?..=last.parse().ok()?);
    }
    if !types.remove(&UNREACHABLE) {
        return Some(None);
    }
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for one in types {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(one) => *last = one,
            _ => ranges.push((one, one)),
        }
    }
    let text = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    Some(Some(ranges.into_iter().map(text).collect::<Vec<_>>().join(",")))
}

/// `net.ipv4.ip_local_port_range`: two ports and white space.
pub fn port_range(value: &str) -> Option<(u16, u16)> {
    let mut ports = value.split_whitespace().map(str::parse);
    match (ports.next(), ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) => Some((first, last)),
        _ => None,
    }
}

/// Whether `net.ipv4.ip_local_reserved_ports`, as in `8080,9000-9100`, covers the port.
pub fn is_reserved(list: &str, port: u16) -> bool {
    list.trim().split(',').any(|entry| match entry.split_once('-') {
        Some((first, last)) => match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port),
            _ => false,
        },
        None => entry.parse() == Ok(port),
    })
}

/// Those of `ports` that the kernel may give to any outgoing connection.
pub fn ephemeral(ports: &[u16], (first, last): (u16, u16), reserved: &str) -> Vec<u16> {
    ports
        .iter()
        .copied()
        .filter(|port| (first..=last).contains(port) && !is_reserved(reserved, *port))
        .collect()
}

/// The subnets that no address of the interfaces lies in and to which none of these routes leads, nor to a part of them:
/// no way leads back to their workloads.
pub fn without_way<'a>(subnets: &'a [IpNet], addresses: &[IpAddr], routes: &[IpNet]) -> Vec<&'a IpNet> {
    let neighbours = |subnet: &IpNet| addresses.iter().any(|address| subnet.contains(address));
    let routed = |subnet: &IpNet| routes.iter().any(|to| to.contains(subnet) || subnet.contains(to));
    subnets.iter().filter(|subnet| !neighbours(subnet) && !routed(subnet)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_are_taken_out_of_the_rationed_errors() {
        assert_eq!(icmp_ratemask("6168\n"), Some(Some("6160".into())));
        assert_eq!(icmp_ratemask("6160"), Some(None));
        assert_eq!(icmp_ratemask("x"), None);
        assert_eq!(icmpv6_ratemask("0-1,3-127\n"), Some(Some("0,3-127".into())));
        assert_eq!(icmpv6_ratemask("0-127"), Some(Some("0,2-127".into())));
        assert_eq!(icmpv6_ratemask("1"), Some(Some(String::new())));
        assert_eq!(icmpv6_ratemask("0,3-127\n"), Some(None));
        assert_eq!(icmpv6_ratemask("\n"), Some(None));
        assert_eq!(icmpv6_ratemask("a-b"), None);
    }

    #[test]
    fn a_port_in_the_ephemeral_range_is_found_unless_reserved() {
        let range = port_range("10000\t60999\n").unwrap();
        assert_eq!(ephemeral(&[13_053, 13_128], range, "\n"), [13_053, 13_128]);
        assert_eq!(ephemeral(&[13_053, 13_128], range, "13053,13100-13200\n"), [0; 0]);
        assert_eq!(ephemeral(&[13_053, 13_128], (32_768, 60_999), ""), [0; 0]);
        assert_eq!(port_range("1 2 3"), None);
    }

    #[test]
    fn a_subnet_without_an_address_of_ours_or_a_route_is_found() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let subnets = ["10.77.0.0/24", "10.78.0.0/16", "fd77::/64", "fd78::/64"].map(net);
        let addresses = ["10.77.0.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        let missing = |routes: &[&str]| {
            let routes: Vec<IpNet> = routes.iter().map(|to| net(to)).collect();
            without_way(&subnets, &addresses, &routes)
                .into_iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(missing(&["10.79.0.0/16", "fe80::/64"]), ["10.78.0.0/16", "fd77::/64", "fd78::/64"]);
        assert_eq!(missing(&["10.78.3.0/24", "fd77::/64", "fd78::/48"]), [""; 0]);
        assert_eq!(missing(&["0.0.0.0/0"]), ["fd77::/64", "fd78::/64"]);
    }
}
