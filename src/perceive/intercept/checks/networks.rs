//! The interfaces that workloads are behind.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::facts;
use super::super::links::{Interface, Kind};
use super::super::ruleset::Interception;
use super::Check;
use super::settings::sysctl;

pub(super) fn interfaces(wanted: &Interception, found: &[Interface]) -> Vec<Check> {
    let mut checks = Vec::new();
    let (mut addresses, mut routes): (Vec<IpAddr>, Vec<IpNet>) = Default::default();
    for name in &wanted.interfaces {
        let check = format!("interface.{name}");
        match found.iter().find(|interface| interface.name == *name) {
            None => checks.push(Check::fail(
                check,
                format!("there is no interface `{name}`"),
                "ip link; then name it in spec.intercept.interfaces",
            )),
            Some(interface) => {
                addresses.extend(&interface.addresses);
                routes.extend(&interface.routes);
                checks.push(if interface.up {
                    Check::ok(check, "up")
                } else {
                    Check::fail(check, format!("`{name}` is down"), format!("ip link set {name} up"))
                });
            }
        }
    }
    for subnet in facts::without_way(&wanted.subnets, &addresses, &routes) {
        let device = wanted.interfaces.first().map_or("INTERFACE", String::as_str);
        checks.push(Check::warn(
            format!("subnet.{subnet}"),
            format!(
                "no workload-facing interface has an address in {subnet}, and no route leads there through one: its \
                 packets are dropped as forged"
            ),
            format!("ip addr add ADDRESS/{} dev {device}", subnet.prefix_len()),
        ));
    }
    checks
}

/// With `br_netfilter` (Docker and Kubernetes load it) a bridge shows its packets to the rules before they are handed up,
/// and forgets the socket that tproxy chose: nothing would reach this gateway.
pub(super) fn bridges(wanted: &Interception, found: &[Interface]) -> Vec<Check> {
    let bridged = found.iter().any(|one| one.kind == Kind::Bridge && wanted.interfaces.contains(&one.name));
    let families = [
        ("net.bridge.bridge-nf-call-iptables", wanted.subnets.iter().any(|net| matches!(net, IpNet::V4(_)))),
        ("net.bridge.bridge-nf-call-ip6tables", wanted.subnets.iter().any(|net| matches!(net, IpNet::V6(_)))),
    ];
    let check = |(key, _): (&str, bool)| {
        let on = facts::is_on(&sysctl(key)?)?;
        let name = format!("bridge.{}", key.trim_start_matches("net.bridge."));
        Some(match on {
            false => Check::ok(name, format!("{key} is 0")),
            true => Check::fail(
                name,
                format!("{key} is 1: tproxy does not work on a bridge"),
                format!("sysctl -w {key}=0"),
            ),
        })
    };
    families.into_iter().filter(|(_, needed)| bridged && *needed).filter_map(check).collect()
}
