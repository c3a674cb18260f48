//! A restart, an upgrade or a crash refuses nobody: the sockets outlive the daemon, and what comes meanwhile waits in
//! them. The service manager of these tests is `lab::manager`; the same with real systemd is in `tests/long`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::probes::{LISTENERS, at};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::services::HttpServer;
use crate::lab::{Daemon, Lab, Namespace, RESOLVER_V4, Stopping, Zone};

/// Where the site of these tests stands, in both families.
const SITE: [&str; 2] = ["192.0.2.11", "2001:db8:1::11"];
/// Where bytes come back as they are.
const ECHO: &str = "192.0.2.12";
/// How long a client waits for anything: through a whole restart.
const PATIENCE: Duration = Duration::from_secs(10);
/// Restarts of one run.
const RESTARTS: usize = 20;

struct World {
    site: [HttpServer; 2],
    lab: Lab,
}

impl World {
    fn new() -> Self {
        let lab = Lab::new();
        let site = SITE.map(|address| lab.backends().http(&at(address, 80), Wire::Plain));
        lab.backends().echo(&at(ECHO, 7000), Wire::Plain);
        Self { site, lab }
    }

    fn daemon(&self, settings: &serde_json::Value) -> Daemon<'_> {
        let policies = alice_and_gateway(LISTENERS)
            + "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: outside}\n\
               spec:\n  parentRefs: [{kind: EgressGateway, name: default}]\n  rules:\n  \
               - matches: [{destinationCIDRs: [192.0.2.0/24, \"2001:db8:1::/64\"]}]\n  \
               - matches: [{destinationHostnames: [site.example]}]\n";
        self.lab.daemon(settings, &[("all.yaml", &policies)])
    }

    fn workload(&self) -> &Namespace {
        self.lab.workload()
    }
}

fn connect(address: &str, port: u16) -> std::io::Result<TcpStream> {
    let to: SocketAddr = at(address, port).parse().expect("an address with a port");
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    let host = at(&stream.peer_addr()?.ip().to_string(), 80);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// All of the answer, which must be a 200.
fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("answered `{text}`")))
    }
}

/// One new connection and its request.
fn visit(address: &str) -> std::io::Result<()> {
    let mut stream = connect(address, 80)?;
    ask(&mut stream, "/status/200")?;
    answer(&mut stream)
}

/// One new raw connection, and its bytes back.
fn echoed() -> std::io::Result<()> {
    let mut stream = connect(ECHO, 7000)?;
    stream.write_all(b"anybody there?\n")?;
    stream.read_exact(&mut [0; 15])
}

/// A query for `site.example`, and whether its answer came.
fn looked_up() -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04site\x07example\x00\x00\x01\x00\x01";
    socket.send_to(query, at(RESOLVER_V4, 53))?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    if answer[..length].starts_with(b"\x12\x34\x81\x80") {
        Ok(())
    } else {
        Err(std::io::Error::other("no answer"))
    }
}

/// A kind of client, and what it does once.
type Client = (&'static str, fn() -> std::io::Result<()>);

/// Clients of every kind that open one connection after another until `until` has returned; how many were served, and
/// what failed.
fn load(workload: &Namespace, until: impl FnOnce(&AtomicUsize) + Send) -> (usize, Vec<String>) {
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let clients: [Client; 4] = [
        ("HTTP over IPv4", || visit(SITE[0])),
        ("HTTP over IPv6", || visit(SITE[1])),
        ("raw TCP", echoed),
        ("DNS", looked_up),
    ];
    let failed = workload.enter(|| {
        std::thread::scope(|scope| {
            let (stop, served) = (&stop, &served);
            let client = |(kind, once): Client| {
                scope.spawn(move || {
                    let mut failed = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        match once() {
                            Ok(()) => drop(served.fetch_add(1, Ordering::Relaxed)),
                            Err(error) => failed.push(format!("{kind}: {error}")),
                        }
                    }
                    failed
                })
            };
            let running: Vec<_> = clients.into_iter().chain(clients).map(client).collect();
            let stopping = Stopping::when_dropped(stop);
            until(served);
            drop(stopping);
            running.into_iter().flat_map(|client| client.join().expect("a client")).collect()
        })
    });
    (served.into_inner(), failed)
}

/// Waits until this many more were served.
fn more(served: &AtomicUsize, count: usize) {
    let before = served.load(Ordering::Relaxed);
    eventually("clients are served", || (served.load(Ordering::Relaxed) >= before + count).then_some(()));
}

#[test]
fn no_new_connection_fails_across_twenty_restarts_under_load() {
    let world = World::new();
    let _resolver = world.lab.resolver(Zone::new().host("site.example", &SITE));
    let mut daemon = world.daemon(&json!({}));
    let (served, failed) = load(world.workload(), |served| {
        for _ in 0..RESTARTS {
            more(served, 50);
            daemon.restart();
        }
        more(served, 50);
    });
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), failed.len() + served);
    let ends = daemon.records(&[]);
    let cut = ends.iter().filter(|row| row["end"] == "interrupted").count();
    assert_eq!(cut, 0, "an orderly end leaves nothing open");
}

#[test]
fn what_comes_while_the_daemon_is_dead_waits_for_the_next_one() {
    let world = World::new();
    let _resolver = world.lab.resolver(Zone::new().host("site.example", &SITE));
    let mut daemon = world.daemon(&json!({}));
    daemon.crash();
    let waiting = world.workload().enter(|| {
        SITE.map(|address| {
            let mut stream = connect(address, 80).expect("the kernel takes it");
            ask(&mut stream, "/status/200").expect("and what is sent");
            stream
        })
    });
    let query = world.workload().enter(|| {
        std::thread::scope(|scope| {
            let query = scope.spawn(looked_up);
            daemon.start_with_kept();
            query.join().expect("no panic")
        })
    });
    query.expect("the query that waited is answered");
    for mut stream in waiting {
        answer(&mut stream).expect("the request that waited is answered");
    }
    for address in SITE {
        daemon.record(&json!({"kind": "request", "destination_address": address, "decision": "allow"}));
    }
}

#[test]
fn while_it_drains_what_is_live_ends_and_what_comes_is_served() {
    let world = World::new();
    let mut daemon = world.daemon(&json!({}));
    let (mut slow, mut endless, mut silent) = world.workload().enter(|| {
        let asked = |address, path| {
            let mut stream = connect(address, 80).expect("taken");
            ask(&mut stream, path).expect("sent");
            stream
        };
        let silent = connect(SITE[0], 80).expect("taken");
        (asked(SITE[0], "/wait"), asked(SITE[1], "/wait"), silent)
    });
    let arrived = || world.site.iter().all(|site| site.seen().iter().any(|seen| seen.path == "/wait"));
    eventually("both requests arrive", || arrived().then_some(()));
    let begun = Instant::now();
    world.workload().enter(|| {
        std::thread::scope(|scope| {
            daemon.ask_to_end();
            let ending = scope.spawn(|| daemon.await_end());
            // Whoever has come before and said nothing yet is served, once.
            ask(&mut silent, "/status/200")
                .and_then(|()| answer(&mut silent))
                .expect("the silent one is served");
            // Whoever comes now is served at once: the endless one is still there, and the daemon with it.
            visit(SITE[0]).expect("a new one is served");
            assert!(!ending.is_finished(), "the daemon still drains");
            world.site[0].release();
            answer(&mut slow).expect("the slow one comes to its end");
            endless.read(&mut [0]).expect_err("the endless one is cut, and does not look whole");
            assert_eq!(ending.join().expect("no panic"), 0);
        });
    });
    assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
    daemon.start_with_kept();
    daemon.record(&json!({"path": "/wait", "destination_address": SITE[0], "status": 200}));
    daemon.record(&json!({"path": "/wait", "destination_address": SITE[1], "end": "shutdown"}));
}

#[test]
fn the_sockets_are_kept_from_the_start_and_each_only_once() {
    let world = World::new();
    let mut daemon = world.daemon(&json!({}));
    let count =
        |daemon: &Daemon<'_>, name: &str| daemon.kept().into_iter().filter(|kept| *kept == name).count();
    let workers = count(&daemon, "proxy");
    assert!(workers > 0);
    for _ in 0..2 {
        for name in ["proxy", "dns-streams", "dns", "flows"] {
            assert_eq!(count(&daemon, name), workers, "{name}");
        }
        daemon.restart();
    }
}

#[test]
fn a_daemon_that_cannot_start_gives_the_sockets_up_and_whoever_waits_is_refused() {
    let world = World::new();
    let mut daemon = world.daemon(&json!({}));
    daemon.crash();
    let mut waiting = world.workload().enter(|| connect(SITE[0], 80).expect("the kernel takes it"));
    let settings = std::fs::read_to_string(daemon.config()).expect("settings");
    std::fs::write(daemon.config(), settings.replace("agents0", "nowhere0")).expect("broken settings");
    let said = daemon.fail_with_kept();
    assert!(said.contains("nowhere0"), "{said}");
    assert!(daemon.kept().is_empty(), "{:?}", daemon.kept());
    let begun = Instant::now();
    world.workload().enter(|| waiting.read(&mut [0]).expect_err("reset"));
    assert!(begun.elapsed() < PATIENCE, "it hung");
}

#[test]
fn with_fail_mode_open_nothing_is_kept_for_traffic_is_to_pass_by() {
    let world = World::new();
    let daemon = world.daemon(&json!({"failMode": "open"}));
    assert!(daemon.kept().is_empty(), "{:?}", daemon.kept());
}
