//! TLS by those who know it: hellos in odd pieces and sizes, with post-quantum keys, retried; then garbage, alerts,
//! changes of keys and of mind.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, NamedGroup, StreamOwned};
use serde_json::json;

use super::{Bystander, besieged, is_ended, many, opened, recorded, resident, stayed_small};
use crate::e2e::dialogue::{NAME, client_config, client_hello, connect, opening_gateway, zone};
use crate::e2e::streaming::{TLS, get, servers};
use crate::lab::backends::eventually;
use crate::lab::{Lab, Namespace};

/// A connection on which the first bytes leave in small pieces, each in a segment of its own.
struct Pieces {
    stream: TcpStream,
    size: usize,
    left: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.stream.write(bytes);
        }
        let length = bytes.len().min(self.size).min(self.left);
        self.left -= length;
        self.stream.write(&bytes[..length])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

type Client = StreamOwned<ClientConnection, Pieces>;

/// A client whose first `left` bytes leave in pieces of `size`.
fn client(space: &Namespace, config: &Arc<ClientConfig>, size: usize, left: usize) -> Client {
    let name = ServerName::try_from(NAME).expect("a name");
    let session = ClientConnection::new(config.clone(), name).expect("a TLS client");
    StreamOwned::new(session, Pieces { stream: connect(space, TLS), size, left })
}

/// One request and the status of its answer.
fn status(client: &mut Client) -> String {
    client.write_all(get("/status/200").as_bytes()).expect("a request leaves");
    let mut line = [0; 12];
    client.read_exact(&mut line).expect("an answer");
    String::from_utf8_lossy(&line).into_owned()
}

const FINE: &str = "HTTP/1.1 200";

fn changed(config: &Arc<ClientConfig>, change: impl FnOnce(&mut ClientConfig)) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(config);
    change(&mut config);
    Arc::new(config)
}

#[apply(over_both)]
fn a_hello_may_come_in_any_pieces_and_in_any_records(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let usual = client_config(daemon.authority(), &["http/1.1"]);
    // Byte by byte; in two packets, as a browser's; the name itself cut.
    for (size, left) in [(1, 2000), (700, 2000), (1400, 2000), (3, 300)] {
        assert_eq!(status(&mut client(lab.workload(), &usual, size, left)), FINE, "pieces of {size}");
    }
    // In records of 27 bytes of content, which is all that rustls lets us do, and those in pieces too.
    let small = changed(&usual, |config| config.max_fragment_size = Some(32));
    for (size, left) in [(1 << 20, 0), (1, 2000), (33, 4000)] {
        assert_eq!(
            status(&mut client(lab.workload(), &small, size, left)),
            FINE,
            "records in pieces of {size}"
        );
    }
}

#[apply(over_both)]
fn post_quantum_keys_and_hellos_of_many_records_are_served(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let usual = client_config(daemon.authority(), &["http/1.1"]);
    let mut hybrid = client(lab.workload(), &usual, 1000, 2000);
    assert_eq!(status(&mut hybrid), FINE);
    let group = hybrid.conn.negotiated_key_exchange_group().expect("a handshake").name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert!(client_hello(daemon.authority(), NAME).len() > 1216, "the key alone has 1,216 bytes");
    // More than one record holds, by protocols that nobody speaks.
    let long =
        changed(&usual, |config| config.alpn_protocols.extend((0..62).map(|n| vec![b'a' + n % 26; 250])));
    let mut hello = Vec::new();
    let name = ServerName::try_from(NAME).expect("a name");
    ClientConnection::new(long.clone(), name).expect("a client").write_tls(&mut hello).expect("a hello");
    assert!(hello.len() > 16 * 1024 + 5, "{} bytes", hello.len());
    assert_eq!(status(&mut client(lab.workload(), &long, 1400, 20_000)), FINE);
}

#[apply(over_both)]
fn a_client_whose_key_is_of_no_use_is_asked_for_another_and_served(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    // The key is one of P-521, which is not served: HelloRetryRequest (RFC 8446, section 4.1.4).
    for groups in ["P-521:X25519", "P-521:P-256"] {
        let client =
            lab.workload().command("openssl").args(["s_client", "-connect", TLS, "-servername", NAME]);
        let client = client.args([
            "-tls1_3",
            "-groups",
            groups,
            "-msg",
            "-ign_eof",
            "-verify_return_error",
            "-CAfile",
        ]);
        let request = format!("GET /status/200 HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
        let said = client.arg(daemon.authority()).input(request).run().succeeded();
        assert!(said.contains(FINE), "{said}");
        assert_eq!(said.matches(", ClientHello").count(), 2, "no retry: {said}");
    }
}

#[apply(over_both)]
fn a_session_gets_no_tickets_and_no_early_data(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let config =
        changed(&client_config(daemon.authority(), &["http/1.1"]), |config| config.enable_early_data = true);
    for _ in 0..3 {
        let mut client = client(lab.workload(), &config, 1 << 20, 0);
        assert!(client.conn.early_data().is_none(), "early data was offered to a session that nobody kept");
        assert_eq!(status(&mut client), FINE);
        assert_eq!(client.conn.tls13_tickets_received(), 0);
        assert_eq!(client.conn.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

/// A record of TLS.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short record").to_be_bytes();
    [&[kind, 3, 1], &length[..], content].concat()
}

#[apply(over_both)]
fn what_is_no_hello_is_refused_at_once_and_recorded_as_malformed(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let hello = client_hello(daemon.authority(), NAME);
    let body = &hello[5..];
    let ssl2 = [&[0x80, 28, 1, 3, 1, 0, 3, 0, 0, 0, 16, 1, 2, 3][..], &[7; 16]].concat();
    let mut twice = body.to_vec();
    twice.extend(body);
    let attacks: Vec<(&str, Vec<u8>)> = vec![
        ("a fatal alert first", record(21, &[2, 40])),
        ("a warning first", record(21, &[1, 90])),
        ("a change of cipher first", record(20, &[1])),
        ("SSL 2.0", ssl2),
        ("an empty record", record(22, &[])),
        ("an empty record inside", [record(22, &body[..40]), record(22, &[])].concat()),
        ("a longer record than there may be", [&[22, 3, 1, 0x40, 1][..], &[1; 64]].concat()),
        ("another message", record(22, &[2, 0, 0, 2, 3, 3])),
        ("a message longer than there may be", record(22, &[1, 1, 0, 0])),
        ("a hello in which nothing fits", record(22, &[1, 0, 0, 4, 3, 3, 1, 1])),
        ("two hellos in one record", record(22, &twice)),
        ("an alert inside the hello", [record(22, &body[..50]), record(21, &[1, 90])].concat()),
        ("early data inside the hello", [record(22, &body[..50]), record(23, &[0; 64])].concat()),
    ];
    for (what, bytes) in &attacks {
        let mut stream = opened(lab.workload(), TLS, 1, bytes);
        assert!(is_ended(&mut stream[0]), "{what}: a hang");
    }
    recorded(
        &daemon,
        attacks.len(),
        &json!({"kind": "connection", "decision": "deny", "reason": "protocol.malformed"}),
    );
    bob.is_served(1);
}

#[apply(over_both)]
fn what_follows_a_hello_and_is_no_handshake_ends_it_with_its_reason(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let hello = client_hello(daemon.authority(), NAME);
    let floods: [(&str, Vec<u8>); 6] = [
        ("warnings without end", record(21, &[1, 90]).repeat(2000)),
        ("changes of cipher without end", record(20, &[1]).repeat(2000)),
        ("empty records without end", record(23, &[]).repeat(2000)),
        ("the hello again and again", hello.repeat(20)),
        ("noise", record(23, &[0x5a; 300]).repeat(20)),
        ("a fatal alert", record(21, &[2, 80])),
    ];
    for (what, flood) in &floods {
        let mut stream = opened(lab.workload(), TLS, 1, &hello);
        let _ = stream[0].write_all(flood);
        assert!(is_ended(&mut stream[0]), "{what}: a hang");
    }
    let denied = |reason: &str| {
        let rows = daemon.records(&["--agent", "alice", "--kind", "connection"]);
        rows.iter().filter(|row| row["decision"] == "deny" && row["reason"] == reason).count()
    };
    eventually("each is on record", || {
        (denied("protocol.malformed") + denied("tls.handshake") == floods.len()).then_some(())
    });
    stayed_small(&daemon, before, floods.len());
    bob.is_served(1);
}

#[apply(over_both)]
fn versions_that_nobody_should_speak_are_refused_with_their_reason(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    // TLS 1.0 and 1.1: a hello without `supported_versions`, by hand, because no library offers them any more.
    let name = NAME.as_bytes();
    let length = u8::try_from(name.len()).expect("a short name");
    let sni = [&[0, 0, 0, length + 5, 0, length + 3, 0, 0, length][..], name].concat();
    for minor in [0, 1, 2] {
        let mut body = vec![3, minor];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0, 0x2f, 1, 0, 0, u8::try_from(sni.len()).expect("short")]);
        body.extend(&sni);
        let message = [&[1, 0, 0, u8::try_from(body.len()).expect("short")][..], &body].concat();
        let mut stream = opened(lab.workload(), TLS, 1, &record(22, &message));
        assert!(is_ended(&mut stream[0]));
    }
    recorded(
        &daemon,
        3,
        &json!({"kind": "connection", "destination_host": NAME, "decision": "deny", "reason": "tls.handshake"}),
    );
}

#[apply(over_both)]
fn a_client_that_wants_to_negotiate_again_is_not_served_on(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let client = lab.workload().command("openssl").args(["s_client", "-connect", TLS, "-servername", NAME]);
    let client = client.args(["-tls1_2", "-CAfile"]).arg(daemon.authority());
    // `R` alone on a line begins a new handshake on the connection (openssl-s_client(1)).
    let finished = client.input("R\n").run();
    assert_ne!(finished.code(), 0, "{finished}");
    assert!(finished.errors().contains("no renegotiation"), "{finished}");
    recorded(&daemon, 1, &json!({"kind": "connection", "protocol": "tls-terminate", "phase": "complete"}));
}

#[apply(over_both)]
fn keys_that_change_without_end_cost_others_nothing(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let config = client_config(daemon.authority(), &["http/1.1"]);
    let alice = lab.workload();
    let attack = || {
        let mut client = client(alice, &config, 1 << 20, 0);
        assert_eq!(status(&mut client), FINE);
        for _ in 0..many(500) {
            if client.conn.refresh_traffic_keys().is_err() || client.flush().is_err() {
                return;
            }
        }
    };
    besieged(lab.workload(), attack, || bob.is_served(10));
    stayed_small(&daemon, before, 20);
}

#[apply(over_both)]
fn handshakes_that_are_begun_by_the_hundred_hold_nobody_up(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let hello = client_hello(daemon.authority(), NAME);
    let alice = lab.workload();
    let attack = || drop(opened(alice, TLS, 20, &hello));
    let turns = besieged(lab.workload(), attack, || bob.is_served(3));
    stayed_small(&daemon, before, 20 * (turns as usize).min(50));
    recorded(&daemon, 20, &json!({"kind": "connection", "decision": "deny", "reason": "tls.handshake"}));
}
