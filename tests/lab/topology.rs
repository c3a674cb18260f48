//! Builds the four namespaces with two calls of `ip`, and removes what dead test processes left behind.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::family::Family;
use super::namespace::{self, Namespace};
use super::{GATEWAY_V4, RESOLVER_V4};

/// Every namespace of the lab is called `clab-PID-COUNTER-ROLE`.
const PREFIX: &str = "clab-";

/// Roles, in the order in which `build` returns them.
const ROLES: [&str; 4] = ["alice", "bob", "gateway", "upstream"];

/// Makes the namespaces, wires them and gives them addresses and routes.
pub fn build(home: &Path, family: Family) -> [Namespace; 4] {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let names = ROLES.map(|role| format!("{PREFIX}{}-{number}-{role}", std::process::id()));
    ip(None, &names.iter().map(|name| format!("netns add {name}\n")).collect::<String>());
    let spaces = names.map(|name| Namespace::adopt(name, home, family));
    for space in &spaces {
        space.enter(|| {
            for (key, value) in SETTINGS {
                set(key, value);
            }
            for key in BRIDGED {
                if Path::new("/proc/sys").join(key).exists() {
                    set(key, "0");
                }
            }
        });
    }
    let [alice, bob, gateway, upstream] = &spaces;
    wire(
        gateway,
        &format!(
            "link set lo up
             link add agents0 type bridge stp_state 0 mcast_snooping 0
             link add port-alice type veth peer name eth0 address 02:00:00:00:00:02 netns {}
             link add port-bob type veth peer name eth0 address 02:00:00:00:00:03 netns {}
             link add outside type veth peer name eth0 netns {}
             link set port-alice master agents0 up
             link set port-bob master agents0 up
             link set agents0 up
             link set outside up
             addr add 10.77.0.1/24 dev agents0
             addr add fd77::1/64 dev agents0 nodad
             addr add 192.0.2.1/24 dev outside
             addr add 2001:db8:1::1/64 dev outside nodad
             route add default via 192.0.2.10
             route add default via 2001:db8:1::10\n",
            alice.name(),
            bob.name(),
            upstream.name()
        ),
    );
    for (workload, host) in [(alice, 2), (bob, 3)] {
        wire(
            workload,
            &format!(
                "link set lo up
                 link set eth0 up
                 addr add 10.77.0.{host}/24 dev eth0
                 addr add fd77::{host}/64 dev eth0 nodad
                 route add default via 10.77.0.1
                 route add default via fd77::1\n"
            ),
        );
        workload.resolve_with(GATEWAY_V4);
    }
    let mut outside = String::from("link set lo up\nlink set eth0 up\n");
    for host in (10..20).chain([53]) {
        outside.push_str(&format!("addr add 192.0.2.{host}/24 dev eth0\n"));
        outside.push_str(&format!("addr add 2001:db8:1::{host}/64 dev eth0 nodad\n"));
    }
    outside.push_str("route add 10.77.0.0/24 via 192.0.2.1\nroute add fd77::/64 via 2001:db8:1::1\n");
    wire(upstream, &outside);
    gateway.resolve_with(RESOLVER_V4);
    upstream.resolve_with(RESOLVER_V4);
    spaces
}

/// Wires one namespace, with addresses and routes of its own family alone.
fn wire(space: &Namespace, batch: &str) {
    let wanted = |line: &&str| line.contains("link ") || space.family().has(line);
    ip(Some(space), &batch.lines().filter(wanted).map(|line| format!("{line}\n")).collect::<String>());
}

/// What makes a namespace quick (no duplicate address detection) and a router that answers whatever it refuses, as
/// `clawgress doctor` asks. Forwarding everywhere does no harm: a workload has one link.
const SETTINGS: [(&str, &str); 9] = [
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/icmp_ratemask", "6160"),
    ("net/ipv6/icmp/ratemask", "0,3-127"),
];

/// With `br_netfilter` loaded a bridge shows its packets to the rules too early for tproxy. Without it there are no
/// such settings.
const BRIDGED: [&str; 2] = ["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"];

/// Sets one sysctl of the namespace that the calling thread is in.
pub fn set(key: &str, value: &str) {
    fs::write(Path::new("/proc/sys").join(key), value)
        .unwrap_or_else(|error| panic!("sysctl `{key}` cannot be set to `{value}`: {error}"));
}

/// Runs a batch of `ip` commands, in a namespace or outside.
pub fn ip(space: Option<&Namespace>, batch: &str) {
    let mut command = Command::new("ip");
    if let Some(space) = space {
        command.args(["-n", space.name()]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`ip` runs (package iproute2)");
    child.stdin.take().expect("piped").write_all(batch.as_bytes()).expect("`ip` reads its batch");
    let output = child.wait_with_output().expect("`ip` ends");
    assert!(output.status.success(), "`ip` failed: {}\n{batch}", String::from_utf8_lossy(&output.stderr));
}

/// Removes the namespaces of test processes that are gone, with what still runs in them.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(namespace::FOLDER) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()).map(str::to_owned);
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            namespace::remove(&name);
        }
    }
}
