//! Whether this host can intercept: one named result per condition, with what was found and the command that mends it.
//!
//! The daemon runs these at start and `clawgress doctor` prints them. Looks only, and changes nothing: the kernel's
//! abilities are tried with `nft --check`. Whether the ports are free shows when they are bound.

use std::net::IpAddr;

use ipnet::IpNet;

use super::apply::{NftError, nft};
use super::facts::{self, ReversePath};
use super::links::{self, Interface};
use super::ruleset::{Interception, replacement};
use super::{DNS_PORT, PROXY_PORT, UDP_PORT};
use crate::platform::sys::process::{Capability, capabilities};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Works, with a consequence that should be known.
    Warn,
    /// Interception does not work, or not safely.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Stable name, such as `forwarding.ipv4`.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, in one sentence.
    pub found: String,
    /// The command that mends it; absent where nothing needs mending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Ok, found: found.into(), repair: None }
    }

    fn warn(name: impl Into<String>, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Warn, found: found.into(), repair: Some(repair.into()) }
    }

    fn fail(name: impl Into<String>, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Fail, found: found.into(), repair: Some(repair.into()) }
    }
}

/// Every failed check with its repair, as the one message with which the daemon refuses to start; absent where none
/// failed.
pub fn refusal(checks: &[Check]) -> Option<String> {
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Fail)
        .map(|check| match &check.repair {
            Some(repair) => format!("{}: {}\nhint: {repair}", check.name, check.found),
            None => format!("{}: {}", check.name, check.found),
        })
        .collect();
    (!failed.is_empty()).then(|| format!("this host cannot intercept:\n{}", failed.join("\n")))
}

/// Runs all checks in the network namespace of the calling thread.
pub async fn run(wanted: &Interception) -> Vec<Check> {
    let mut checks = privileges();
    checks.extend(nftables(wanted));
    checks.extend(forwarding(wanted));
    checks.extend(marks());
    checks.push(ports());
    checks.extend(icmp_rate());
    match links::interfaces().await {
        Ok(found) => {
            checks.extend(interfaces(wanted, &found));
            checks.extend(bridges(wanted, &found));
        }
        Err(error) => checks.push(Check::fail(
            "interfaces",
            format!("the kernel does not list its interfaces: {error}"),
            "setcap cap_net_admin+ep or start as root",
        )),
    }
    checks.extend(wanted.interfaces.iter().filter_map(|interface| reverse_path(interface)));
    checks
}

fn privileges() -> Vec<Check> {
    let held = match capabilities() {
        Ok(held) => held,
        Err(error) => {
            return vec![Check::fail("capabilities", error.to_string(), "mount -t proc proc /proc")];
        }
    };
    [Capability::NetAdmin, Capability::NetRaw, Capability::NetBindService]
        .map(|needed| {
            let name = format!("capabilities.{}", needed.name());
            if held.has(needed) {
                Check::ok(name, "held")
            } else {
                let repair =
                    format!("start as root, or with AmbientCapabilities={} in the unit", needed.name());
                Check::fail(name, format!("this process lacks {}", needed.name()), repair)
            }
        })
        .into()
}

/// The program, then the kernel: a dry run of the very rules names the first expression that is not known.
fn nftables(wanted: &Interception) -> Vec<Check> {
    let version = match nft(&["--version"], "", "asking for its version") {
        Ok(version) => Check::ok("nft", version.trim().to_owned()),
        Err(error @ NftError::NoProgram(_)) => {
            return vec![Check::fail("nft", first_line(&error), "apt install nftables")];
        }
        Err(error) => {
            return vec![Check::fail("nft", first_line(&error), "apt install --reinstall nftables")];
        }
    };
    let modules = "modprobe -a nft_tproxy nft_socket nft_fib_inet nft_reject_inet";
    let rules = serde_json::to_string(&replacement(wanted)).unwrap_or_default();
    let kernel = match nft(&["-c", "-j", "-f", "-"], &rules, "trying the rules") {
        Ok(_) => Check::ok("kernel", "knows tproxy, socket, fib and reject"),
        Err(_) => Check::fail("kernel", unknown_expressions(), modules),
    };
    vec![version, kernel]
}

/// Tries the unusual expressions one by one, to say which one is missing.
fn unknown_expressions() -> String {
    let tries = [
        ("tproxy", "meta l4proto tcp tproxy to :1"),
        ("socket", "socket transparent 1"),
        ("fib", "fib daddr type local"),
        ("reject", "reject with icmpx admin-prohibited"),
    ];
    let refused: Vec<String> = tries
        .into_iter()
        .filter_map(|(name, rule)| {
            let chain = "type filter hook prerouting priority mangle;";
            let table = format!("table inet clawgress_probe {{ chain probe {{ {chain} {rule} }} }}");
            let error = nft(&["-c", "-f", "-"], &table, "trying an expression").err()?;
            Some(format!("`{name}` ({})", first_line(&error)))
        })
        .collect();
    if refused.is_empty() {
        "the rules as a whole are refused, though each expression is known".to_owned()
    } else {
        format!("refused: {}", refused.join(", "))
    }
}

fn first_line(error: &NftError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// What is intercepted is delivered here and needs no forwarding; but only what would be forwarded meets the hook that
/// refuses the rest, and without it that would vanish in silence.
fn forwarding(wanted: &Interception) -> Vec<Check> {
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
fn marks() -> Vec<Check> {
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
fn ports() -> Check {
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

/// The kernel answers refused datagrams with ICMP, and rations that: about six at once, then one per this time.
fn icmp_rate() -> Vec<Check> {
    [("icmp-rate.ipv4", "net.ipv4.icmp_ratelimit"), ("icmp-rate.ipv6", "net.ipv6.icmp.ratelimit")]
        .into_iter()
        .filter_map(|(name, key)| match facts::number(&sysctl(key)?)? {
            0 => Some(Check::ok(name, "every refused datagram is answered")),
            wait => Some(Check::warn(
                name,
                format!("after a burst, one refused datagram in {wait} ms is answered; the others time out"),
                format!("sysctl -w {key}=0"),
            )),
        })
        .collect()
}

fn interfaces(wanted: &Interception, found: &[Interface]) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut addresses: Vec<IpAddr> = Vec::new();
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
                checks.push(if interface.up {
                    Check::ok(check, "up")
                } else {
                    Check::fail(check, format!("`{name}` is down"), format!("ip link set {name} up"))
                });
            }
        }
    }
    for subnet in facts::without_address(&wanted.subnets, &addresses) {
        let device = wanted.interfaces.first().map_or("INTERFACE", String::as_str);
        checks.push(Check::warn(
            format!("subnet.{subnet}"),
            format!("no workload-facing interface has an address in {subnet}"),
            format!("ip addr add ADDRESS/{} dev {device}", subnet.prefix_len()),
        ));
    }
    checks
}

/// With `br_netfilter` (Docker and Kubernetes load it) a bridge shows its packets to the rules before they are handed up,
/// and forgets the socket that tproxy chose: nothing would reach this gateway.
fn bridges(wanted: &Interception, found: &[Interface]) -> Vec<Check> {
    let bridged =
        found.iter().any(|interface| interface.bridge && wanted.interfaces.contains(&interface.name));
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

/// With `src_valid_mark` the source of a packet that we marked is looked up with the mark: our local route claims it,
/// and the packet is dropped as a martian, whatever `rp_filter` says (tried: 0, 1 and 2 alike, because a policy rule
/// switches the full check on). Without a filter, workloads may forge addresses of other interfaces.
fn reverse_path(interface: &str) -> Option<Check> {
    let read = |of: &str, what: &str| sysctl_path(&["ipv4", "conf", of, what]);
    let filter = facts::reverse_path(&read("all", "rp_filter")?, &read(interface, "rp_filter")?)?;
    let by_mark = ["all", interface].map(|of| read(of, "src_valid_mark").as_deref().and_then(facts::is_on));
    let name = format!("rp-filter.{interface}");
    if by_mark.contains(&Some(true)) {
        return Some(Check::fail(
            name,
            format!("src_valid_mark is 1 at `{interface}`: intercepted packets would be dropped as martians"),
            format!(
                "sysctl -w net.ipv4.conf.all.src_valid_mark=0 net.ipv4.conf.{interface}.src_valid_mark=0"
            ),
        ));
    }
    Some(match filter {
        ReversePath::Off => Check::warn(
            name,
            format!(
                "rp_filter is 0 at `{interface}`: a workload may use a source address of another interface"
            ),
            format!("sysctl -w net.ipv4.conf.{interface}.rp_filter=1"),
        ),
        ReversePath::Strict => Check::ok(name, "strict"),
        ReversePath::Loose => Check::ok(name, "loose"),
    })
}

fn sysctl(key: &str) -> Option<String> {
    sysctl_path(&key.split('.').skip(1).collect::<Vec<_>>())
}

/// Names of interfaces may hold dots, so the path is given in parts.
fn sysctl_path(parts: &[&str]) -> Option<String> {
    std::fs::read_to_string(format!("/proc/sys/net/{}", parts.join("/"))).ok()
}
