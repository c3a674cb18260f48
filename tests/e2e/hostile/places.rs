//! Places and files: one agent gets its share and no more, whoever is turned away is told at once and recorded, and
//! a gateway without files goes on.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use socket2::{Domain, SockRef, Socket, Type};

use super::{Bystander, opened, place, recorded, resident, resolved, sockets, stayed_small};
use crate::e2e::dialogue::{NAME, OPENED, PATIENCE, opening_gateway, plain, zone};
use crate::e2e::probes::{alice_with_network, call};
use crate::e2e::streaming::{PLAIN, get, servers};
use crate::lab::backends::eventually;
use crate::lab::{ALICE_V4, Daemon, Lab, Namespace, topology};

/// Files that the daemon of most tests may open. Half of seven eighths of them are places, a quarter of those is one
/// agent's share, over all workers: 56 places.
const FILES: u64 = 512;
/// The share, for any number of cores.
const SHARE: usize = 56;

/// Connects so many times from this address. Whoever is turned away is reset, soon.
fn crowd(space: &Namespace, source: &str, tried: usize) -> Vec<TcpStream> {
    let (source, to) = (place(space, &format!("{source}:0")), place(space, PLAIN));
    // The request is not finished, so that a connection which is served says nothing.
    let one = |_| {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
        socket.bind(&source.into()).expect("an address of hers");
        socket.connect_timeout(&to.into(), PATIENCE).ok()?;
        let mut stream = TcpStream::from(socket);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: site").ok()?;
        Some(stream)
    };
    space.enter(|| (0..tried).filter_map(one).collect())
}

/// Waits until all are reset but those that have a share to live on.
fn only_a_share_stays(all: &mut Vec<TcpStream>) {
    for stream in all.iter() {
        stream.set_nonblocking(true).expect("a socket option");
    }
    eventually("all but a share are reset", || {
        all.retain_mut(
            |stream| matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock),
        );
        (all.len() <= SHARE).then_some(())
    });
    assert!(!all.is_empty(), "nobody was served");
}

#[apply(over_both)]
fn an_agent_takes_its_share_of_places_and_what_is_more_is_turned_away_on_record(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let daemon = lab.confined_daemon(FILES, &[("all.yaml", OPENED)]);
    servers(&lab, &["http/1.1"]);
    daemon.logged("few files may be open");
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let tried = 4 * SHARE;
    let mut held = crowd(lab.workload(), ALICE_V4, tried);
    only_a_share_stays(&mut held);
    recorded(
        &daemon,
        tried - SHARE,
        &json!({
            "kind": "connection", "agent_id": "alice", "decision": "deny", "reason": "overload", "destination_port": 80,
        }),
    );
    bob.is_served(10);
    stayed_small(&daemon, before, SHARE);
    // What she gives back she may take again.
    drop(held);
    recorded(&daemon, 1, &json!({"decision": "deny", "reason": "protocol.malformed"}));
    eventually("alice is served again", || {
        let mut one = opened(lab.workload(), PLAIN, 1, get("/status/200").as_bytes());
        let mut answer = [0; 12];
        one[0].read_exact(&mut answer).ok().filter(|()| &answer == b"HTTP/1.1 200")
    });
}

#[apply(over_both)]
fn sources_that_no_agent_has_share_one_share_whatever_their_addresses(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let without_alice = OPENED.replace("10.77.0.2/32, 'fd77::2/128'", "10.77.0.99/32");
    let daemon = lab.confined_daemon(FILES, &[("all.yaml", &without_alice)]);
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let tried = 2 * SHARE;
    let mut held = Vec::new();
    for host in 20..24 {
        let source = format!("10.77.0.{host}");
        // Without asking whether somebody else has it (IPv6), or it could not be used for a second.
        let address = lab.twin(&format!("{source}/32"));
        let nodad = if address.contains(':') { " nodad" } else { "" };
        let more = format!("addr add {address} dev eth0{nodad}\n");
        topology::ip(Some(lab.workload()), &more);
        held.extend(crowd(lab.workload(), &source, tried / 2));
    }
    only_a_share_stays(&mut held);
    eventually("those turned away are on record", || {
        let rows = daemon.records(&["--kind", "connection"]);
        let overload = rows.iter().filter(|row| row["reason"] == "overload" && row.get("agent_id").is_none());
        (overload.count() >= tried - SHARE).then_some(())
    });
    bob.is_served(5);
}

/// The number that the daemon's next file will have.
fn next_file(daemon: &Daemon<'_>) -> u64 {
    let taken =
        |number: &u64| std::fs::exists(format!("/proc/{}/fd/{number}", daemon.pid())).unwrap_or(false);
    (0..).find(|number| !taken(number)).expect("a free number")
}

/// Lets the daemon open so many files, from now on.
fn limit_files(daemon: &Daemon<'_>, files: u64) {
    let limit = Rlimit { current: Some(files), maximum: Some(files.max(20_000)) };
    prlimit(Pid::from_raw(daemon.pid()), Resource::Nofile, limit).expect("a limit of another process");
}

#[apply(over_both)]
fn without_a_file_to_open_those_who_are_served_are_served_on_and_others_as_soon_as_there_is_one(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = plain(lab.bob(), PLAIN);
    assert_eq!(bob.ask(get("/status/200")).status, 200);
    let mut waiting = plain(lab.bob(), PLAIN);
    // From here on nothing is left.
    limit_files(&daemon, next_file(&daemon));
    let mut alice = opened(lab.workload(), PLAIN, 50, get("/status/200").as_bytes());
    daemon.logged("cannot accept connections");
    for _ in 0..20 {
        assert_eq!(bob.ask(get("/status/200")).status, 200);
    }
    limit_files(&daemon, 20_000);
    assert_eq!(waiting.ask(get("/status/200")).status, 200);
    for stream in &mut alice {
        stream.read_exact(&mut [0; 12]).expect("whoever waited is served");
    }
    let log = std::fs::read_to_string(lab.folder().join("daemon.log")).expect("the daemon's log");
    assert_eq!(log.matches("cannot accept connections").count(), 1, "{log}");
}

#[apply(over_both)]
fn an_upstream_for_which_no_file_is_left_is_refused_at_once(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    assert!(resolved(lab.workload(), NAME));
    let mut alice = plain(lab.workload(), PLAIN);
    alice.say(format!("GET /status/200 HTTP/1.1\r\nHost: {NAME}\r\n"));
    let port = alice.tcp().local_addr().expect("an address").port();
    eventually("alice is there", || {
        let hers =
            |socket: SockRef<'_>| socket.peer_addr().ok()?.as_socket().filter(|peer| peer.port() == port);
        (!sockets(&daemon, hers).is_empty()).then_some(())
    });
    limit_files(&daemon, next_file(&daemon));
    let heard = alice.ask("\r\n");
    limit_files(&daemon, 20_000);
    // Too little is left to see whether the destination is the gateway itself.
    heard.is_refusal(503, "overload");
    daemon.record(&json!({
        "kind": "request", "agent_id": "alice", "decision": "deny", "reason": "overload", "path": "/status/200",
    }));
}

#[apply(over_both)]
fn with_every_port_of_the_host_taken_the_gateway_still_knows_itself(lab: Lab) {
    // Ports are what UDP flows and DNS live on: workloads can take many.
    lab.gateway().set("net/ipv4/ip_local_port_range", "40000 40003");
    let own = "192.0.2.1:4000";
    let here = lab.twin(own);
    let service = lab.gateway().enter(|| TcpListener::bind(&here).expect("a service of the gateway's host"));
    service.set_nonblocking(true).expect("a socket option");
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    call(lab.workload(), own).expect_err("refused");
    daemon.record(&json!({"destination_address": lab.twin("192.0.2.1"), "reason": "destination.private"}));
    let taken = lab.gateway().enter(|| {
        [40_000, 40_001, 40_002, 40_003].map(|port| UdpSocket::bind(("::", port)).expect("a free port"))
    });
    call(lab.workload(), own).expect_err("refused");
    daemon.record(
        &json!({"destination_address": lab.twin("192.0.2.1"), "agent_id": "alice", "reason": "overload"}),
    );
    assert!(
        matches!(service.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock),
        "it was dialled"
    );
    drop(taken);
}
