//! Looks at the host: interfaces, settings of the kernel, resolvers. Changes nothing.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::perceive::dns::host_resolvers;
use crate::perceive::intercept::links::{self, Interface};

/// What is on this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its resolvers, from /etc/resolv.conf.
    pub resolvers: Vec<SocketAddr>,
    /// Settings of the kernel that matter here and what they are, by their paths below /proc/sys.
    pub settings: Vec<(String, String)>,
    /// Whether the installed service makes this host forward by itself, behind its rules.
    pub forwards_itself: bool,
    /// Whether the package has settings of the kernel of its own, which a file of the same name would take the place of.
    pub packaged: bool,
}

/// Where units are, the administrator's before the package's.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// The package's settings of the kernel.
const PACKAGED: &str = "/usr/lib/sysctl.d/60-clawgress.conf";

impl Host {
    /// A setting, as it is.
    pub fn setting(&self, path: &str) -> Option<&str> {
        self.settings.iter().find(|(known, _)| known == path).map(|(_, value)| value.as_str())
    }
}

/// Looks.
///
/// # Errors
/// Where the kernel does not list its interfaces.
pub async fn look() -> io::Result<Host> {
    let interfaces = links::interfaces().await?;
    let resolvers = host_resolvers(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let mut paths = vec![
        "net/ipv4/ip_forward".to_owned(),
        "net/ipv6/conf/all/forwarding".to_owned(),
        "net/bridge/bridge-nf-call-iptables".to_owned(),
        "net/bridge/bridge-nf-call-ip6tables".to_owned(),
    ];
    let advertised = interfaces.iter().filter(|one| one.advertised);
    paths.extend(advertised.map(|one| format!("net/ipv6/conf/{}/accept_ra", one.name)));
    let read = |path: String| {
        let value = fs::read_to_string(PathBuf::from("/proc/sys").join(&path)).ok()?;
        Some((path, value.trim().to_owned()))
    };
    let unit =
        UNITS.iter().find_map(|folder| fs::read_to_string(format!("{folder}/clawgressd.service")).ok());
    Ok(Host {
        interfaces,
        resolvers,
        settings: paths.into_iter().filter_map(read).collect(),
        forwards_itself: unit.is_some_and(|unit| unit.contains("--forward")),
        packaged: Path::new(PACKAGED).exists(),
    })
}
