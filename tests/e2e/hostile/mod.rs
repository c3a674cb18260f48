//! Hostile workloads: alice does what she can to take the gateway from others, bob goes on working.
//!
//! Each attack is a claim about three things: bob's requests are answered while it lasts, the daemon's memory stays
//! within a stated bound, and the record says how each attacking connection ended. `CLAWGRESS_TEST_SCALE` makes the
//! attacks larger. Read next: `slow`, `places`, `floods`, `tls`, `dns`.

pub mod dns;
pub mod floods;
pub mod places;
pub mod slow;
pub mod tls;

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, getrlimit, pidfd_getfd, pidfd_open, setrlimit,
};
use serde_json::Value;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::dialogue::{NAME, PATIENCE, Talk, over_tls};
use super::streaming::{TLS, get};
use crate::lab::backends::{eventually, within};
use crate::lab::{Daemon, Family, Lab, Namespace};

/// What one connection of a workload may cost in the daemon, at most, however it behaves: a debug build has futures
/// of twice the size.
pub const EACH: u64 = 64 * 1024;
/// What the daemon may grow by besides: caches that fill once.
pub const SLACK: u64 = 16 * 1024 * 1024;

/// Where the gateway answers queries.
pub const DNS: &str = "10.77.0.1:53";

/// So many times, or more often where the tests are asked for larger attacks.
pub fn many(few: usize) -> usize {
    let scale = std::env::var("CLAWGRESS_TEST_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1);
    few * scale
}

/// So many connections of each of some kinds, held at once: more where the tests are asked for larger attacks, but no
/// more than one workload's share of places has room for.
pub fn held(few: usize, kinds: usize) -> usize {
    // This process holds both ends of everything.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("a limit of open files");
    let files = limit.maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    // Seven 64ths of the files are its share, or 4,096 places on one worker.
    let room = (files / 16).min(2048) / kinds;
    many(few).min(room.max(few))
}

/// The daemon's own memory in bytes (proc(5), `RssAnon`): what it allocated, without the pages of its program, which come
/// in as code is used for the first time.
pub fn resident(daemon: &Daemon<'_>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// The descriptors that the daemon has open.
pub fn descriptors(daemon: &Daemon<'_>) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("the daemon runs").count()
}

/// Panics if the daemon has grown by more than so many connections may cost.
pub fn stayed_small(daemon: &Daemon<'_>, before: u64, connections: usize) {
    let grown = resident(daemon).saturating_sub(before);
    let bound = EACH * connections as u64 + SLACK;
    assert!(grown < bound, "{} KiB for {connections} connections", grown / 1024);
}

/// Connections from a namespace, each of which has said the same.
pub fn opened(space: &Namespace, address: &str, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let address = place(space, address);
    space.enter(|| {
        let one = |_| {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
            stream.write_all(said).expect("the gateway takes bytes");
            stream
        };
        (0..count).map(one).collect()
    })
}

/// An address in the family that a namespace has.
pub fn place(space: &Namespace, address: &str) -> SocketAddr {
    space.family().twin(address).parse().expect("an address with a port")
}

/// A socket for datagrams to this address.
pub fn datagrams(to: SocketAddr) -> UdpSocket {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).expect("a socket");
    socket.connect(to).expect("a peer");
    socket
}

/// A connection whose owner has hardly any room for what comes back.
pub fn narrow(space: &Namespace, address: &str) -> TcpStream {
    let address = place(space, address);
    space.enter(|| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP));
        let socket = socket.expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a socket option");
        socket.connect_timeout(&address.into(), PATIENCE).expect("a connection");
        socket.into()
    })
}

/// Bob, who does nothing wrong.
pub struct Bystander<'a> {
    lab: &'a Lab,
    daemon: &'a Daemon<'a>,
    kept: Talk,
}

impl<'a> Bystander<'a> {
    /// With a connection that he keeps.
    pub fn new(lab: &'a Lab, daemon: &'a Daemon<'_>) -> Self {
        let kept = over_tls(lab.bob(), TLS, NAME, daemon.authority());
        let mut bob = Self { lab, daemon, kept };
        bob.is_served(1);
        bob
    }

    /// So many times: a request on the kept connection, one on a new connection, and a name looked up.
    pub fn is_served(&mut self, times: usize) {
        for _ in 0..times {
            assert_eq!(self.kept.ask(get("/status/200")).status, 200);
            let mut fresh = over_tls(self.lab.bob(), TLS, NAME, self.daemon.authority());
            assert_eq!(fresh.ask(get("/status/200")).status, 200);
            assert!(resolved(self.lab.bob(), NAME), "{NAME} is not resolved");
        }
    }
}

/// Whether a name has an address, asked as a stub resolver does: again where no answer comes.
pub fn resolved(space: &Namespace, name: &str) -> bool {
    let (query, gateway) = (query(space.family(), name, 0x1234), place(space, DNS));
    space.enter(|| {
        let socket = datagrams(gateway);
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket option");
        (0..5).any(|_| {
            let mut answer = [0; 512];
            socket.send(&query).expect("a query leaves");
            // RFC 1035, section 4.1.1: no error, and at least one answer.
            matches!(socket.recv(&mut answer), Ok(length) if length > 12 && answer[3] & 15 == 0 && answer[7] > 0)
        })
    })
}

/// A query for the address of a name, in IPv4 unless there is none.
pub fn query(family: Family, name: &str, id: u16) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).expect("a label"));
        query.extend(label.as_bytes());
    }
    // RFC 3596, section 2.1: AAAA is 28.
    query.extend([0, 0, if family == Family::V6 { 28 } else { 1 }, 0, 1]);
    query
}

/// Does something over and over in a namespace while the other is done, and returns how often.
pub fn besieged(space: &Namespace, attack: impl Fn() + Send + Sync, other: impl FnOnce()) -> u64 {
    let (done, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            space.enter(|| {
                while !done.load(Ordering::Relaxed) {
                    attack();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        eventually("the attack begins", || (count.load(Ordering::Relaxed) > 0).then_some(()));
        let begun = count.load(Ordering::Relaxed);
        // Also where the other panics: a scope waits for its threads.
        let _end = Ending(&done);
        other();
        let during = count.load(Ordering::Relaxed) - begun;
        assert!(during > 0, "the attack stood still");
        during
    })
}

struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until at least so many of alice's records have these fields.
pub fn recorded(daemon: &Daemon<'_>, count: usize, fields: &Value) {
    let wanted = fields.as_object().expect("fields as an object");
    let time =
        Duration::from_secs(5) + Duration::from_millis(20) * u32::try_from(count).expect("not that many");
    within(time, &format!("{count} records with {fields}"), || {
        // Of a flood the newest will do.
        let newest = (8 * count).max(1000).to_string();
        let rows = daemon.records(&["--agent", "alice", "--limit", &newest]);
        let fits = |row: &&Value| wanted.iter().all(|(name, value)| row.get(name) == Some(value));
        (rows.iter().filter(fits).count() >= count).then_some(())
    });
}

/// Whether the peer has ended the connection, orderly or not; waits for it.
pub fn is_ended(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 16 * 1024];
    loop {
        match std::io::Read::read(stream, &mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                let hung =
                    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                return !hung;
            }
        }
    }
}

/// What is found out about the daemon's sockets, one by one.
pub fn sockets<T>(daemon: &Daemon<'_>, look: impl Fn(SockRef<'_>) -> Option<T>) -> Vec<T> {
    let handle = pidfd_open(Pid::from_raw(daemon.pid()).expect("a process id"), PidfdFlags::empty());
    let handle = handle.expect("a handle of the daemon");
    let folder = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("its files").flatten();
    let numbers = folder.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let copies =
        numbers.filter_map(|number: i32| pidfd_getfd(&handle, number, PidfdGetfdFlags::empty()).ok());
    copies.filter_map(|copy: OwnedFd| look(SockRef::from(&copy))).collect()
}
