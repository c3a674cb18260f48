//! Which of a host's interfaces workloads may be behind, and why the others are none.
//!
//! Pure. The interface that leads out is never one: the gateway itself leaves through it.

use ipnet::IpNet;
use serde::Serialize;

use crate::perceive::intercept::links::{Interface, Kind};

/// Who has made an interface, as far as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// A bridge that some administrator made.
    Own,
    /// Incus.
    Incus,
    /// LXD.
    Lxd,
    /// libvirt.
    Libvirt,
    /// podman.
    Podman,
    /// Docker.
    Docker,
    /// One end of a pair for a single workload.
    Veth,
    /// A VLAN.
    Vlan,
    /// A network card of its own.
    Card,
}

/// An interface, and what is thought of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// Its name.
    pub name: String,
    /// Whose it is, where workloads may be behind it.
    pub runtime: Option<Runtime>,
    /// Networks of workloads on it.
    pub networks: Vec<IpNet>,
    /// What was seen, and what follows from it.
    pub why: String,
}

/// What is thought of each interface but loopback: those that workloads may be behind come first, the likeliest before all.
pub fn opinions(interfaces: &[Interface]) -> Vec<Opinion> {
    let mut all: Vec<Opinion> = interfaces.iter().filter(|one| one.name != "lo").map(opinion).collect();
    all.sort_by(|a, b| {
        let rank = |one: &Opinion| (one.runtime.is_none(), one.runtime);
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    all
}

/// The one to propose: of the likeliest kind, and the only one of it.
///
/// # Errors
/// The names between which somebody has to choose; none where there is nothing to choose from.
pub fn likeliest(opinions: &[Opinion]) -> Result<&Opinion, Vec<&str>> {
    let Some(first) = opinions.first().filter(|one| one.runtime.is_some()) else { return Err(Vec::new()) };
    let same: Vec<&str> =
        opinions.iter().filter(|one| one.runtime == first.runtime).map(|one| one.name.as_str()).collect();
    if same.len() == 1 { Ok(first) } else { Err(same) }
}

/// Whether the world is behind it.
pub fn leads_out(interface: &Interface) -> bool {
    interface.routes.iter().any(|net| net.prefix_len() == 0)
}

/// Networks of an interface that workloads can have addresses in: no single addresses, and none that hold on the link alone.
pub fn networks(interface: &Interface) -> Vec<IpNet> {
    let mut found: Vec<IpNet> = Vec::new();
    for net in &interface.networks {
        let link_local = match net {
            IpNet::V4(net) => net.network().is_link_local(),
            IpNet::V6(net) => net.network().is_unicast_link_local(),
        };
        if !link_local && net.prefix_len() < net.max_prefix_len() && !found.contains(net) {
            found.push(*net);
        }
    }
    found
}

fn opinion(interface: &Interface) -> Opinion {
    let networks = networks(interface);
    let (runtime, what) = kind(interface);
    let none = |why: String| Opinion { name: interface.name.clone(), runtime: None, networks: vec![], why };
    if leads_out(interface) {
        return none(format!(
            "{what}; the default route leads through it: this host leaves there, so it is never intercepted"
        ));
    }
    let Some(runtime) = runtime else { return none(what) };
    if !interface.up {
        return none(format!("{what}, switched off: ip link set {} up", interface.name));
    }
    if networks.is_empty() {
        return none(format!(
            "{what} without an address of its own: workloads have no way through this host (ip addr add ADDRESS dev {})",
            interface.name
        ));
    }
    let met = match interface.neighbours.len() {
        0 => "nobody seen behind it yet".to_owned(),
        1 => "1 neighbour seen behind it".to_owned(),
        several => format!("{several} neighbours seen behind it"),
    };
    Opinion { name: interface.name.clone(), runtime: Some(runtime), networks, why: format!("{what}; {met}") }
}

/// Whose it is, and what it is in words.
fn kind(interface: &Interface) -> (Option<Runtime>, String) {
    let name = interface.name.as_str();
    if interface.port {
        return (None, "a port of another interface, which stands for it".to_owned());
    }
    let hex = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let numbered = |front: &str| {
        name.strip_prefix(front)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let bridge = interface.kind == Kind::Bridge;
    let (runtime, what) = match interface.kind {
        _ if bridge && numbered("virbr") => (Runtime::Libvirt, "a bridge of libvirt"),
        _ if bridge && numbered("lxdbr") => (Runtime::Lxd, "a bridge of LXD"),
        _ if bridge && numbered("incusbr") => (Runtime::Incus, "a bridge of Incus"),
        _ if bridge && name == "docker0" => (Runtime::Docker, "Docker's own bridge"),
        _ if bridge && name.strip_prefix("br-").is_some_and(hex) => (Runtime::Docker, "a network of Docker"),
        _ if bridge && (numbered("cni-podman") || numbered("podman")) => {
            (Runtime::Podman, "a bridge of podman")
        }
        Kind::Bridge => (Runtime::Own, "a bridge"),
        Kind::Veth => (Runtime::Veth, "one end of a pair, for a workload of its own"),
        Kind::Vlan => (Runtime::Vlan, "a VLAN"),
        Kind::Card => (Runtime::Card, "a network card"),
        Kind::Tunnel => {
            return (None, "a tunnel: name it with --interface if workloads are behind it".to_owned());
        }
        Kind::Other => {
            return (
                None,
                "a virtual interface of a kind that is not known here: name it with --interface".to_owned(),
            );
        }
    };
    (Some(runtime), what.to_owned())
}
