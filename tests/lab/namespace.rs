//! One network namespace: programs run in it, closures enter it, and all of it is gone when it is dropped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fd::AsFd;
use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::backends::eventually;
use super::family::Family;
use super::program::Program;
use super::topology;

/// Where `ip netns` keeps its handles.
pub const FOLDER: &str = "/run/netns";

/// Files that `ip netns exec` puts in place of those in `/etc`.
const ETC: &str = "/etc/netns";

/// A namespace made by `ip netns`.
pub struct Namespace {
    name: String,
    home: PathBuf,
    family: Family,
}

impl Namespace {
    /// Takes charge of a namespace that `ip netns add` has made.
    pub fn adopt(name: String, home: &Path, family: Family) -> Self {
        Self { name, home: home.to_owned(), family }
    }

    /// The families that it has.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its programs are at home: the lab's folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A program to be run in here with a clean environment: `PATH` and `HOME` (the lab's folder), nothing else.
    pub fn command(&self, program: &str) -> Program {
        Program::new(self, program)
    }

    /// Runs a closure on a thread that has joined the namespace: the sockets it makes belong here.
    pub fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let handle = self.handle();
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                join(&handle);
                inside()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Waits until somebody in here takes connections at this address.
    pub fn listening(&self, address: &str) {
        let here: SocketAddr = self.family.twin(address).parse().expect("an address with a port");
        self.enter(|| eventually(&format!("{here} is taken"), || TcpStream::connect(here).ok()));
    }

    /// The handle that `join` takes, for threads that live longer than a call.
    pub fn handle(&self) -> File {
        File::open(Path::new(FOLDER).join(&self.name)).expect("the namespace's handle")
    }

    /// Gives this namespace one more address, `203.0.113.7/32`, on its loopback link. The gateway's default route
    /// leads to the upstream, so an address there can be reached from everywhere.
    pub fn add_address(&self, address: &str) {
        let address = self.family.twin(address);
        let nodad = if address.contains(':') { " nodad" } else { "" };
        topology::ip(Some(self), &format!("addr add {address} dev lo{nodad}\n"));
    }

    /// Sets a sysctl here, such as `net/ipv4/ip_forward`.
    pub fn set(&self, key: &str, value: &str) {
        self.enter(|| topology::set(key, value));
    }

    /// Points programs in here at a resolver, by a `resolv.conf` and an `nsswitch.conf` of their own: what the host
    /// has in their place may answer from outside the namespace.
    pub fn resolve_with(&self, server: &str) {
        let (folder, server) = (Path::new(ETC).join(&self.name), self.family.twin(server));
        fs::create_dir_all(&folder).expect("folder for the namespace's files");
        let resolver = format!("nameserver {server}\noptions timeout:2 attempts:1\n");
        for (file, text) in [
            ("resolv.conf", resolver.as_str()),
            ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        ] {
            // A file that the host lacks cannot be covered, and `ip netns exec` would complain.
            if Path::new("/etc").join(file).exists() {
                fs::write(folder.join(file), text).expect("a file of the namespace");
            }
        }
    }

    /// Tells programs in here where hosts are, so that they do not ask: names that no resolver answers for.
    pub fn knows(&self, address: &str, names: &[&str]) {
        let path = Path::new(ETC).join(&self.name).join("hosts");
        let (known, address) = (fs::read_to_string(&path).unwrap_or_default(), self.family.twin(address));
        fs::write(path, format!("{known}{address} {}\n", names.join(" "))).expect("a file of the namespace");
    }

    /// Puts an authority into the system's store, as an administrator of this host would: for programs in here alone.
    pub fn trust(&self, authority: &Path) {
        let ssl = Path::new(ETC).join(&self.name).join("ssl");
        let own = self.home.join(format!("{}-authorities", self.name));
        let script = "set -e
            mkdir -p \"$1\" \"$2\"
            cp /etc/ssl/openssl.cnf \"$1\"
            cp -a /etc/ssl/certs \"$1\"
            cp \"$3\" \"$2/own.crt\"
            update-ca-certificates --hooksdir /nonexistent --localcertsdir \"$2\" --etccertsdir \"$1/certs\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).args([ssl.as_path(), &own, authority]);
        let output = shell.output().expect("a shell runs");
        assert!(
            output.status.success(),
            "the store is not made: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Moves the calling thread into a namespace. Only for threads that end inside it.
pub fn join(handle: &File) {
    move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network)).expect("joining needs root");
}

/// Ends every process in a namespace and deletes it. Quiet where it is gone already.
pub fn remove(name: &str) {
    let handle = Path::new(FOLDER).join(name);
    if let Ok(metadata) = fs::metadata(&handle) {
        kill_all_in((metadata.dev(), metadata.ino()));
    }
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
    let _ = fs::remove_dir_all(Path::new(ETC).join(name));
}

/// Kills what runs in the namespace with this device and inode. A process is in it because the lab started it.
fn kill_all_in(namespace: (u64, u64)) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let inside = fs::metadata(entry.path().join("ns/net"))
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == namespace);
        let other = Pid::from_raw(pid).filter(|pid| *pid != getpid());
        if let Some(pid) = other.filter(|_| inside) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
