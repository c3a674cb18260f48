//! Settings of the kernel's network (sysctl) that interception needs, and those that break it in silence.

use ipnet::IpNet;

use super::super::facts;
use super::super::ruleset::Interception;
use super::super::{DNS_PORT, PROXY_PORT, UDP_PORT};
use super::Check;

/// What is intercepted is delivered here and needs no forwarding; but only what would be forwarded meets the hook that
/// refuses the rest, and without it that would vanish in silence.
pub(super) fn forwarding(wanted: &Interception) -> Vec<Check> {
    let families = [
        (
            "forwarding.ipv4",
            "net.ipv4.ip_forward",
            wanted.subnets.iter().any(|net| matches!(net, IpNet::V4(_))),
        ),
        (
            "forwarding.ipv6",
            "net.ipv6.conf.all.forwarding",
            wanted.subnets.iter().any(|net| matches!(net, IpNet::V6(_))),
        ),
    ];
    families
        .into_iter()
        .filter(|(_, _, needed)| *needed)
        .map(|(name, key, _)| match sysctl(key).as_deref().and_then(facts::is_on) {
            Some(true) => Check::ok(name, format!("{key} is on")),
            Some(false) => Check::fail(name, format!("{key} is 0"), format!("sysctl -w {key}=1")),
            None => Check::fail(name, format!("{key} cannot be read"), format!("sysctl {key}")),
        })
        .collect()
}

/// Settings that let a packet's mark spread to what the kernel answers: it would be routed back to this host. With
/// `tcp_fwmark_accept` no intercepted connection is ever established; with `fwmark_reflect` only resets are lost.
pub(super) fn marks() -> Vec<Check> {
    let keys = ["net.ipv4.tcp_fwmark_accept", "net.ipv4.fwmark_reflect", "net.ipv6.fwmark_reflect"];
    let check = |key: &str| {
        // A kernel without IPv6 has no such key, and no such danger.
        let on = facts::is_on(&sysctl(key)?)?;
        let name = format!("marks.{}", key.trim_start_matches("net."));
        let repair = format!("sysctl -w {key}=0");
        Some(match on {
            false => Check::ok(name, format!("{key} is 0")),
            true if key.ends_with("tcp_fwmark_accept") => Check::fail(
                name,
                format!("{key} is 1: no intercepted connection would be established"),
                repair,
            ),
            true => {
                Check::warn(name, format!("{key} is 1: resets of intercepted connections are lost"), repair)
            }
        })
    };
    keys.into_iter().filter_map(check).collect()
}

/// A port that the kernel also gives to outgoing connections may be taken when the daemon starts.
pub(super) fn ports() -> Check {
    const NAME: &str = "ports";
    let ours = [DNS_PORT, PROXY_PORT, UDP_PORT];
    let Some(range) = sysctl("net.ipv4.ip_local_port_range").as_deref().and_then(facts::port_range) else {
        return Check::warn(
            NAME,
            "net.ipv4.ip_local_port_range cannot be read",
            "sysctl net.ipv4.ip_local_port_range",
        );
    };
    let reserved = sysctl("net.ipv4.ip_local_reserved_ports").unwrap_or_default();
    if facts::ephemeral(&ours, range, &reserved).is_empty() {
        return Check::ok(
            NAME,
            format!("{DNS_PORT}, {PROXY_PORT} and {UDP_PORT} are given to no outgoing connection"),
        );
    }
    let mut list = reserved.trim().to_owned();
    for port in ours.into_iter().filter(|port| !facts::is_reserved(&reserved, *port)) {
        list = if list.is_empty() { port.to_string() } else { format!("{list},{port}") };
    }
    Check::fail(
        NAME,
        format!(
            "{DNS_PORT}, {PROXY_PORT} or {UDP_PORT} lies in net.ipv4.ip_local_port_range ({} to {})",
            range.0, range.1
        ),
        format!("sysctl -w net.ipv4.ip_local_reserved_ports={list}"),
    )
}

/// The kernel answers refused datagrams with ICMP, and rations that: about six at once, then one in a while. Taking the
/// one kind of error that refusals are out of the rationed kinds is enough, and the least: the wait between errors
/// (`icmp_ratelimit`) set to 0 still leaves the bound of the whole host (`icmp_msgs_per_sec`), and the errors of routers
/// (time exceeded, packet too big) stay rationed.
pub(super) fn icmp_rate() -> Option<Check> {
    const NAME: &str = "icmp-rate";
    let v4 = ("net.ipv4.icmp_ratemask", facts::icmp_ratemask as fn(&str) -> Option<Option<String>>);
    let v6 = ("net.ipv6.icmp.ratemask", facts::icmpv6_ratemask as fn(&str) -> Option<Option<String>>);
    // A kernel without IPv6 has no such key, and nothing to answer.
    let found: Vec<_> =
        [v4, v6].into_iter().filter_map(|(key, better)| Some((key, better(&sysctl(key)?)?))).collect();
    let wanted: Vec<String> =
        found.iter().filter_map(|(key, better)| Some(format!("{key}={}", better.as_ref()?))).collect();
    if found.is_empty() {
        return None;
    }
    Some(match wanted.is_empty() {
        true => Check::ok(NAME, "every refused datagram is answered"),
        false => Check::warn(
            NAME,
            "after a burst some refused datagrams are answered and the others time out",
            format!("sysctl -w {}", wanted.join(" ")),
        ),
    })
}

/// With `src_valid_mark` the source of a packet that we marked is looked up with the mark: our local route claims it,
/// and the packet is dropped as a martian, whatever `rp_filter` says (tried: 0, 1 and 2 alike, because a policy rule
/// switches the full check on). Of `rp_filter` nothing is asked: the rules look at the way back themselves.
pub(super) fn source_mark(interface: &str) -> Option<Check> {
    let by_mark: Vec<bool> = ["all", interface]
        .into_iter()
        .filter_map(|of| facts::is_on(&sysctl_path(&["ipv4", "conf", of, "src_valid_mark"])?))
        .collect();
    let name = format!("src-valid-mark.{interface}");
    match by_mark[..] {
        [] => None,
        [false, ..] if !by_mark.contains(&true) => Some(Check::ok(name, "src_valid_mark is 0")),
        _ => Some(Check::fail(
            name,
            format!("src_valid_mark is 1 at `{interface}`: intercepted packets would be dropped as martians"),
            format!(
                "sysctl -w net.ipv4.conf.all.src_valid_mark=0 net.ipv4.conf.{interface}.src_valid_mark=0"
            ),
        )),
    }
}

pub(super) fn sysctl(key: &str) -> Option<String> {
    sysctl_path(&key.split('.').skip(1).collect::<Vec<_>>())
}

/// Names of interfaces may hold dots, so the path is given in parts.
fn sysctl_path(parts: &[&str]) -> Option<String> {
    std::fs::read_to_string(format!("/proc/sys/net/{}", parts.join("/"))).ok()
}
