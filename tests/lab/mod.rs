//! The laboratory: a small internet in network namespaces, real clients and servers in it, and the gateway between.
//!
//! ```text
//! alice 10.77.0.2, fd77::2 ─┐                gateway                        upstream
//!                           ├─ agents0 (bridge) 10.77.0.1, fd77::1
//! bob   10.77.0.3, fd77::3 ─┘        192.0.2.1, 2001:db8:1::1 ─ outside ─ 192.0.2.10 to .19, .53, 2001:db8:1::10 to ::19, ::53
//! ```
//!
//! Outside stand documentation addresses alone. Forwarding is on and the upstream knows the way back, so what a
//! workload is refused is refused by the gateway and not by a missing route. `Lab` removes everything when it is
//! dropped, and prints the logs of its programs when the test panics. `Lab::of` builds it in one family alone. Needs root.

pub mod backends;
pub mod daemon;
#[macro_use]
pub mod family;
pub mod forge;
pub mod frames;
pub mod manager;
pub mod mcp;
pub mod namespace;
pub mod nginx;
pub mod packets;
pub mod pki;
pub mod program;
pub mod resolver;
pub mod services;
pub mod stopping;
pub mod topology;
pub mod websocket;

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

pub use backends::Backends;
pub use daemon::Daemon;
pub use family::Family;
pub use namespace::Namespace;
pub use nginx::Nginx;
pub use pki::{Leaf, Pki};
pub use resolver::{Resolver, Zone};
pub use stopping::Stopping;

/// The gateway's addresses on the workloads' side.
pub const GATEWAY_V4: &str = "10.77.0.1";
/// The same for IPv6.
pub const GATEWAY_V6: &str = "fd77::1";
/// The workload that tests speak of first.
pub const ALICE_V4: &str = "10.77.0.2";
/// The same for IPv6.
pub const ALICE_V6: &str = "fd77::2";
/// The second workload.
pub const BOB_V4: &str = "10.77.0.3";
/// The same for IPv6.
pub const BOB_V6: &str = "fd77::3";
/// The first of the upstream's ten addresses, `.10` to `.19`.
pub const UPSTREAM_V4: &str = "192.0.2.10";
/// The same for IPv6, `::10` to `::19`.
pub const UPSTREAM_V6: &str = "2001:db8:1::10";
/// Where the resolver listens.
pub const RESOLVER_V4: &str = "192.0.2.53";
/// The same for IPv6.
pub const RESOLVER_V6: &str = "2001:db8:1::53";

/// One laboratory. Fields are dropped in order: programs first, then the namespaces, then the folder.
pub struct Lab {
    pki: OnceCell<Pki>,
    backends: OnceCell<Backends>,
    alice: Namespace,
    bob: Namespace,
    gateway: Namespace,
    upstream: Namespace,
    folder: tempfile::TempDir,
}

impl Lab {
    /// A lab of both families. Takes a fraction of a second; several labs can stand at once.
    pub fn new() -> Self {
        Self::of(Family::Both)
    }

    /// A lab of this family; see `family`.
    pub fn of(family: Family) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the laboratory needs root for its network namespaces\n  hint: sudo make test"
        );
        topology::sweep();
        let folder = tempfile::Builder::new().prefix("clab-").tempdir().expect("a temporary folder");
        let [alice, bob, gateway, upstream] = topology::build(folder.path(), family);
        Self { pki: OnceCell::new(), backends: OnceCell::new(), alice, bob, gateway, upstream, folder }
    }

    /// The first workload, `alice`.
    pub fn workload(&self) -> &Namespace {
        &self.alice
    }

    /// The second workload, `bob`.
    pub fn bob(&self) -> &Namespace {
        &self.bob
    }

    /// Where the daemon runs.
    pub fn gateway(&self) -> &Namespace {
        &self.gateway
    }

    /// The outside world.
    pub fn upstream(&self) -> &Namespace {
        &self.upstream
    }

    /// The families that it has.
    pub fn family(&self) -> Family {
        self.gateway.family()
    }

    /// A text with its addresses in this lab's family; see `Family::twin`.
    pub fn twin(&self, text: &str) -> String {
        self.family().twin(text)
    }

    /// A folder of this lab alone, removed with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the lab's folder and says where it is.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folder of a lab file");
        fs::write(&path, content).expect("lab file");
        path
    }

    /// The certificate authority of the outside world, made on first use.
    pub fn pki(&self) -> &Pki {
        self.pki.get_or_init(|| Pki::new(self.folder()))
    }

    /// The servers of our own in the upstream namespace, on a thread made on first use.
    pub fn backends(&self) -> &Backends {
        self.backends.get_or_init(|| Backends::new(&self.upstream))
    }

    /// An authoritative DNS server on `RESOLVER_V4` and `RESOLVER_V6`, port 53, UDP and TCP.
    pub fn resolver(&self, zone: Zone) -> Resolver {
        Resolver::start(self.backends(), zone)
    }

    /// A real nginx in the upstream namespace. `conf` stands inside its `http` block; `ready` is an address that
    /// it listens on.
    pub fn nginx(&self, conf: &str, ready: &str) -> Nginx {
        Nginx::start(self, conf, ready)
    }

    /// The usual HTTPS site for these names; see `nginx::site`.
    pub fn site(&self, names: &[&str]) -> Nginx {
        nginx::site(self, names)
    }

    /// The daemon in the gateway namespace, ready to serve. `settings` is merged into the `spec` of the usual
    /// `clawgress.yaml`; each policy is a file name and its documents.
    pub fn daemon(&self, settings: &serde_json::Value, policies: &[(&str, &str)]) -> Daemon<'_> {
        Daemon::start(self, settings, policies, None)
    }

    /// The same with a bound on the files it may open (`RLIMIT_NOFILE`).
    pub fn confined_daemon(&self, files: u64, policies: &[(&str, &str)]) -> Daemon<'_> {
        Daemon::start(self, &serde_json::json!({}), policies, Some(files))
    }
}

impl From<Family> for Lab {
    fn from(family: Family) -> Self {
        Self::of(family)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut logs: Vec<PathBuf> = fs::read_dir(self.folder())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        logs.sort();
        for path in logs {
            let text = fs::read(&path).unwrap_or_default();
            if !text.is_empty() {
                eprintln!("--- {}\n{}", path.display(), String::from_utf8_lossy(&text));
            }
        }
    }
}
