//! Other programs' rules: whether one of them stands in the way of what is intercepted.
//!
//! A packet that `tproxy` hands over comes to this host's input hook, with the address of the world that it was meant for. In
//! nftables a drop in any chain is final, whatever ours says. Pure: the listing comes in. Read next: `walk.rs`.

mod ruleset;
mod expression;
mod walk;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::facts::Seen;
use crate::operate::api::Check;
use crate::perceive::intercept::{MARK, TABLE_NAME};
use expression::Packet;
use ruleset::{Place, Ruleset};
use walk::{End, Where, through};

/// Priority of our own chain that marks packets: before it they have no mark.
const MARKED_FROM: i64 = -150;

/// What was seen of others' rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firewall {
    /// `nft -j list ruleset`.
    pub listing: Seen<Value>,
    /// Tables of the older iptables, which nft does not list: IPv4, then IPv6.
    pub legacy: [Seen<Vec<String>>; 2],
    /// Workload-facing interfaces.
    pub interfaces: Vec<String>,
    /// An address of a workload of each family that there is.
    pub sources: Vec<IpAddr>,
    /// Whether something is forwarded too: pings, or everything while the daemon is away.
    pub forwards: bool,
}

/// Something in the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Obstacle {
    owner: Owner,
    hook: &'static str,
    place: Place,
    interface: String,
    turned: Option<u64>,
    doubtful: bool,
}

/// Whose rules these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Ufw,
    Firewalld,
    Iptables,
    Other,
}

/// Judges others' rules.
pub fn judge(firewall: &Firewall) -> Vec<Check> {
    const NAME: &str = "firewall";
    let mut checks = match &firewall.listing {
        Seen::Is(listing) => match Ruleset::read(listing) {
            Some(ruleset) => of(&ruleset, firewall),
            None => vec![Check::skip(NAME, "the listing of nft cannot be read")],
        },
        Seen::Absent => vec![Check::skip(NAME, "nft is not there")],
        Seen::Hidden(why) => {
            vec![Check::skip(NAME, format!("other programs' rules cannot be listed: {why}"))]
        }
    };
    checks.extend(legacy(&firewall.legacy));
    checks
}

fn of(ruleset: &Ruleset, firewall: &Firewall) -> Vec<Check> {
    let found = obstacles(ruleset, firewall);
    if !found.is_empty() {
        let mut checks: Vec<Check> = Vec::new();
        for obstacle in &found {
            let check = told(obstacle, firewall);
            if !checks.iter().any(|known| known.name == check.name) {
                checks.push(check);
            }
        }
        return checks;
    }
    let others = ruleset.chains.iter().filter(|(place, chain)| chain.hook.is_some() && !ours(place)).count();
    let known = neighbours(ruleset);
    let named =
        if known.is_empty() { String::new() } else { format!(" (of {} among them)", known.join(", ")) };
    vec![Check::ok("firewall", format!("{others} base chains of others{named}, none in the way"))]
}

fn ours(place: &Place) -> bool {
    place.0 == "inet" && place.1 == TABLE_NAME
}

/// Those whose rules are known by their names.
fn neighbours(ruleset: &Ruleset) -> Vec<&'static str> {
    const KNOWN: [(&str, &str); 9] = [
        ("DOCKER", "Docker"),
        ("LIBVIRT_", "libvirt"),
        ("guest_", "libvirt"),
        ("fwd.", "LXD or Incus"),
        ("NETAVARK", "podman"),
        ("CNI-", "podman"),
        ("KUBE-", "Kubernetes"),
        ("ts-", "Tailscale"),
        ("ufw", "ufw"),
    ];
    let found: BTreeSet<&str> = KNOWN
        .iter()
        .filter(|(front, _)| ruleset.chains.keys().any(|(_, _, chain)| chain.starts_with(front)))
        .map(|(_, name)| *name)
        .collect();
    found.into_iter().collect()
}

/// A new connection and a query, from every interface and in every family.
fn obstacles(ruleset: &Ruleset, firewall: &Firewall) -> BTreeSet<Obstacle> {
    let mut found = BTreeSet::new();
    let hooks: &[&'static str] =
        if firewall.forwards { &["prerouting", "input", "forward"] } else { &["prerouting", "input"] };
    for interface in &firewall.interfaces {
        for source in &firewall.sources {
            for (protocol, port) in [("tcp", 443), ("udp", 53)] {
                for hook in hooks {
                    let packet = Packet { interface, source: *source, protocol, port, mark: 0 };
                    found.extend(obstacle(ruleset, &packet, hook));
                }
            }
        }
    }
    found
}

fn obstacle(ruleset: &Ruleset, packet: &Packet<'_>, hook: &'static str) -> Vec<Obstacle> {
    let others = ruleset.at(hook, packet.source.is_ipv6()).into_iter().filter(|(place, ..)| !ours(place));
    let found = others.filter_map(|(place, chain, at)| {
        let marked = hook == "input" || (hook == "prerouting" && at.priority > MARKED_FROM);
        let packet = Packet { mark: if marked { u64::from(MARK) } else { 0 }, ..*packet };
        let (at, turned) = match through(ruleset, place, chain, &packet) {
            End::Dropped(at) => (at, None),
            End::Turned(at) if hook == "prerouting" => (at.clone(), at.handle),
            End::Turned(_) | End::Passes => return None,
        };
        let Where { place: inner, doubtful, .. } = at;
        let place = if turned.is_some() { inner } else { place.clone() };
        let owner = owner(ruleset, &place);
        Some(Obstacle { owner, hook, place, interface: packet.interface.to_owned(), turned, doubtful })
    });
    found.collect()
}

fn owner(ruleset: &Ruleset, (family, table, _): &Place) -> Owner {
    let has = |front: &str| {
        ruleset.chains.keys().any(|(f, t, chain)| f == family && t == table && chain.starts_with(front))
    };
    if has("ufw-before") || has("ufw6-before") {
        Owner::Ufw
    } else if table == "firewalld" {
        Owner::Firewalld
    } else if family != "inet"
        && ["filter", "nat", "mangle", "raw"].contains(&table.as_str())
        && (has("INPUT") || has("PREROUTING") || has("FORWARD"))
    {
        Owner::Iptables
    } else {
        Owner::Other
    }
}

fn told(obstacle: &Obstacle, firewall: &Firewall) -> Check {
    let (family, table, chain) = &obstacle.place;
    let whose = match obstacle.owner {
        Owner::Ufw => "ufw".to_owned(),
        Owner::Firewalld => "firewalld".to_owned(),
        Owner::Iptables | Owner::Other => format!("{family}.{table}.{chain}"),
    };
    if let Some(handle) = obstacle.turned {
        return Check::fail(
            format!("firewall.{whose}"),
            format!(
                "a rule in `{family} {table} {chain}` turns what comes from `{}` somewhere else",
                obstacle.interface
            ),
            format!(
                "nft delete rule {family} {table} {chain} handle {handle}; then take it out where it is written"
            ),
        );
    }
    let name = if obstacle.hook == "forward" {
        format!("firewall.forward.{whose}")
    } else {
        format!("firewall.{whose}")
    };
    let repair = repair(obstacle, firewall);
    let what = match obstacle.hook {
        "forward" => "pings and what `failMode: open` lets pass is dropped",
        _ => "what is intercepted is dropped before the gateway sees it",
    };
    let by = format!("`{family} {table} {chain}` ({})", obstacle.hook);
    if obstacle.doubtful {
        let found = format!(
            "{by} may drop what comes from `{}`: some of its rules are extensions that nft does not show",
            obstacle.interface
        );
        return Check::warn(name, found, repair);
    }
    let found = format!("{by} drops what comes from `{}`: {what}", obstacle.interface);
    if obstacle.hook == "forward" {
        Check::warn(name, found, repair)
    } else {
        Check::fail(name, found, repair)
    }
}

/// One command, for all interfaces.
fn repair(obstacle: &Obstacle, firewall: &Firewall) -> String {
    let each = |command: &dyn Fn(&str) -> String| {
        firewall.interfaces.iter().map(|name| command(name)).collect::<Vec<_>>().join(" && ")
    };
    let hook = obstacle.hook;
    let (family, table, chain) = &obstacle.place;
    match obstacle.owner {
        // Before `ufw-not-local`, which drops whatever is not addressed to this host: a rule of `ufw allow` comes behind it.
        Owner::Ufw if hook == "input" => {
            let edit = each(&|name| {
                format!(
                    "sed -i '/^# End required lines/a -A ufw-before-input -i {name} -j ACCEPT' /etc/ufw/before.rules && \
                     sed -i '/^# End required lines/a -A ufw6-before-input -i {name} -j ACCEPT' /etc/ufw/before6.rules"
                )
            });
            format!("{edit} && ufw reload")
        }
        Owner::Ufw => each(&|name| format!("ufw route allow in on {name}")),
        Owner::Firewalld => {
            let change =
                each(&|name| format!("firewall-cmd --permanent --zone=trusted --change-interface={name}"));
            format!("{change} && firewall-cmd --reload")
        }
        Owner::Iptables => {
            let program = if family == "ip6" { "ip6tables" } else { "iptables" };
            let of = if table == "filter" { String::new() } else { format!("-t {table} ") };
            each(&|name| format!("{program} {of}-I {chain} -i {name} -j ACCEPT"))
        }
        Owner::Other => {
            each(&|name| format!("nft insert rule {family} {table} {chain} iifname {name} accept"))
        }
    }
}

/// The older iptables keeps rules of its own in the kernel.
fn legacy(seen: &[Seen<Vec<String>>; 2]) -> Vec<Check> {
    let programs = ["iptables-legacy", "ip6tables-legacy"];
    let found = seen.iter().zip(programs).filter_map(|(tables, program)| {
        let tables = tables.is().filter(|tables| !tables.is_empty())?;
        Some(Check::warn(
            format!("firewall.{program}"),
            format!("there are rules of {program} ({}), which cannot be looked at from here", tables.join(", ")),
            format!("{program}-save shows them; {program} -I INPUT -i INTERFACE -j ACCEPT lets the gateway's traffic in"),
        ))
    });
    found.collect()
}

#[cfg(test)]
mod tests;
