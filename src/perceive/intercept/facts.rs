//! What the host's settings mean for interception.
//!
//! Pure: texts from /proc and netlink in, meanings out. `checks` fetches the texts and turns meanings into advice.

use std::net::IpAddr;

use ipnet::IpNet;

/// `net.ipv4.conf.*.rp_filter`: what the kernel does with packets whose source it would route elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversePath {
    /// 0: forged sources pass.
    Off,
    /// 1: the source must be reached through the same interface.
    Strict,
    /// 2: the source must be reached through any interface.
    Loose,
}

/// The value in force for an interface: the larger of its own and that of `all` (Linux `ip-sysctl.rst`).
pub fn reverse_path(of_all: &str, of_interface: &str) -> Option<ReversePath> {
    match number(of_all)?.max(number(of_interface)?) {
        0 => Some(ReversePath::Off),
        1 => Some(ReversePath::Strict),
        _ => Some(ReversePath::Loose),
    }
}

/// A switch of sysctl: anything but 0 is on.
pub fn is_on(value: &str) -> Option<bool> {
    number(value).map(|value| value != 0)
}

/// A number as sysctl files have it.
pub fn number(value: &str) -> Option<u64> {
    value.trim().parse().ok()
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

/// The subnets that no address of the interfaces lies in: their workloads are not neighbours of this host.
pub fn without_address<'a>(subnets: &'a [IpNet], addresses: &[IpAddr]) -> Vec<&'a IpNet> {
    subnets.iter().filter(|subnet| !addresses.iter().any(|address| subnet.contains(address))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_reverse_path_value_is_in_force() {
        assert_eq!(reverse_path("0\n", "1\n"), Some(ReversePath::Strict));
        assert_eq!(reverse_path("2\n", "1\n"), Some(ReversePath::Loose));
        assert_eq!(reverse_path("0\n", "0\n"), Some(ReversePath::Off));
        assert_eq!(reverse_path("0\n", ""), None);
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
    fn a_subnet_without_an_address_of_ours_is_found() {
        let subnets: Vec<IpNet> =
            ["10.77.0.0/24", "fd77::/64"].iter().map(|net| net.parse().unwrap()).collect();
        let missing = without_address(&subnets, &["10.77.0.1".parse().unwrap(), "fe80::1".parse().unwrap()]);
        assert_eq!(missing, [&subnets[1]]);
    }
}
