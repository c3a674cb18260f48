//! Slowness as a weapon: heads, hellos and bodies that never end, answers that nobody takes. How long each is borne
//! stands in unit tests with a clock of their own, and in real time in `long`.

use std::io::{Read, Write};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Bystander, held, narrow, opened, recorded, resident, stayed_small};
use crate::e2e::dialogue::{NAME, client_hello, opening_gateway, over_tls, plain, zone};
use crate::e2e::streaming::{PLAIN, TLS, get, servers};
use crate::lab::Lab;
use crate::lab::backends::{Wire, eventually};

#[apply(over_both)]
fn first_messages_that_never_end_hold_nobody_up(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let (before, each) = (resident(&daemon), held(60, 6));
    let hello = client_hello(daemon.authority(), NAME);
    let mut held = Vec::new();
    for (address, said) in [
        (PLAIN, &b"GET / HTTP/1.1\r\nHost: site.exa"[..]),
        (PLAIN, b"PRI * HTTP/2.0\r\n"),
        (PLAIN, b""),
        (TLS, &hello[..hello.len() - 1]),
        (TLS, &hello),
        (TLS, b""),
    ] {
        held.extend(opened(lab.workload(), address, each, said));
    }
    bob.is_served(10);
    stayed_small(&daemon, before, held.len());
    drop(held);
    recorded(&daemon, 3 * each, &json!({"decision": "deny", "reason": "protocol.malformed"}));
    recorded(&daemon, 2 * each, &json!({"decision": "deny", "reason": "protocol.unspoken"}));
    recorded(&daemon, each, &json!({"decision": "deny", "reason": "tls.handshake"}));
    bob.is_served(1);
}

#[apply(over_both)]
fn later_heads_and_bodies_that_never_end_hold_nobody_up(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let (before, each) = (resident(&daemon), held(40, 2));
    let (mut heads, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..each {
        let mut talk = over_tls(lab.workload(), TLS, NAME, daemon.authority());
        assert_eq!(talk.ask(get("/status/200")).status, 200);
        talk.say("GET /slow HTTP/1.1\r\nHost: site.exa");
        heads.push(talk);
        let mut talk = plain(lab.workload(), PLAIN);
        talk.say(format!("POST /upload HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000000\r\n\r\nslow"));
        bodies.push(talk);
    }
    bob.is_served(10);
    for talk in &mut bodies {
        talk.say("er");
    }
    bob.is_served(5);
    // Each body has an upstream connection, too.
    stayed_small(&daemon, before, 3 * each);
    drop((heads, bodies));
    recorded(
        &daemon,
        each,
        &json!({"kind": "request", "path": "/upload", "phase": "complete", "bytes_out": 6}),
    );
    recorded(&daemon, 2 * each, &json!({"kind": "connection", "phase": "complete"}));
}

#[apply(over_both)]
fn answers_that_nobody_takes_are_held_back_and_not_gathered(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let (before, count) = (resident(&daemon), held(60, 1));
    let ask = |_| {
        let mut stream = narrow(lab.workload(), PLAIN);
        stream.write_all(get("/download/1000000000").as_bytes()).expect("a request");
        stream
    };
    let mut held: Vec<_> = (0..count).map(ask).collect();
    // Every answer has begun, and none can go on.
    for stream in &mut held {
        stream.read_exact(&mut [0; 15]).expect("an answer begins");
    }
    bob.is_served(10);
    // Besides the connection: what hyper reads from the upstream in one go, and writes to the workload.
    stayed_small(&daemon, before, 5 * count);
    drop(held);
    recorded(&daemon, count, &json!({"path": "/download/1000000000", "status": 200, "end": "client-closed"}));
}

#[apply(over_both)]
fn what_waits_in_the_kernel_for_workloads_that_take_nothing_is_bounded(lab: Lab) {
    /// Of each connection: the bound, and what the kernel takes in one go beyond it.
    const WAITING: u64 = 512 * 1024;
    let (_resolver, _daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut held: Vec<_> = (0..4)
        .map(|_| {
            let mut stream =
                opened(lab.workload(), PLAIN, 1, get("/download/1000000000").as_bytes()).remove(0);
            // Quick at first, so that it is trusted with more.
            stream.read_exact(&mut vec![0; 40_000_000]).expect("an answer");
            stream
        })
        .collect();
    let waiting = || -> Vec<u64> {
        let listed = lab.gateway().command("ss").args(["-Htn", "sport", "=", "80"]).run().succeeded();
        let queue = |line: &str| line.split_whitespace().nth(2)?.parse().ok();
        listed.lines().filter_map(queue).collect()
    };
    let (mut before, mut same) = (Vec::new(), 0);
    let stuck = eventually("nothing moves any more", || {
        let now = waiting();
        same = if now == before { same + 1 } else { 0 };
        before.clone_from(&now);
        (same == 50 && now.len() == held.len()).then_some(now)
    });
    assert!(stuck.iter().all(|bytes| *bytes > 0 && *bytes < WAITING), "{stuck:?}");
    for stream in &mut held {
        stream.read_exact(&mut vec![0; 20_000_000]).expect("it goes on when it is taken");
    }
}

#[apply(over_both)]
fn a_workload_that_takes_nothing_is_bounded_by_the_kernel_on_every_connection_that_is_served(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut tls = over_tls(lab.workload(), TLS, NAME, daemon.authority());
    let mut plain = plain(lab.workload(), PLAIN);
    for talk in [&mut tls, &mut plain] {
        assert_eq!(talk.ask(get("/status/200")).status, 200);
        let port = talk.tcp().local_addr().expect("an address").port();
        let bounds = super::sockets(&daemon, |socket| {
            let peer = socket.peer_addr().ok()?.as_socket()?;
            (peer.port() == port).then(|| socket.tcp_user_timeout().expect("a socket option"))
        });
        // Five minutes, as the limits say.
        assert_eq!(bounds, [Some(std::time::Duration::from_secs(300))]);
    }
}

#[apply(over_both)]
fn bodies_pass_opaque_however_much_they_would_unpack_to(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    // 200 MiB of nothing, in 200 KiB, and the same within itself.
    let pack = "head -c 200M /dev/zero | gzip -9 | tee inner.gz | gzip -9; head -c 16 inner.gz >&2";
    let packed = lab.upstream().command("sh").args(["-c", pack]).run();
    packed.succeeded();
    let bomb = packed.stdout;
    assert!(bomb.len() > 100 && bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let sent = bomb.clone();
    lab.backends().serve(PLAIN, Wire::Plain, move |mut stream, _| {
        let sent = sent.clone();
        async move {
            let mut request = vec![0; 4 << 20];
            let mut length = 0;
            // The request is a bomb of the same size.
            while length < sent.len() {
                length += stream.read(&mut request[length..]).await?;
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                sent.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&sent).await
        }
    });
    let before = resident(&daemon);
    let mut talk = plain(lab.workload(), PLAIN);
    let length = bomb.len();
    talk.say(format!(
        "POST /bomb HTTP/1.1\r\nHost: {NAME}\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
    ));
    talk.say(&bomb);
    let heard = talk.hear();
    assert_eq!(heard.field("content-encoding"), Some("gzip"));
    assert!(heard.body == bomb, "the body is not the one that was sent");
    stayed_small(&daemon, before, 1);
    daemon.record(&json!({"path": "/bomb", "status": 200, "bytes_in": length, "bytes_out": length}));
}
