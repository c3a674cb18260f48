//! Which names are believed, in real time: what expires becomes a claim, and what is in use does not expire.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use clawgress::model::types::limits::DNS_BELIEF_FLOOR;
use serde_json::json;

use crate::e2e::dialogue::{PATIENCE, connect};
use crate::lab::backends::Wire;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{Lab, Zone};

/// Where the names are at first, and where they are later.
const OLD: [&str; 2] = ["192.0.2.16", "2001:db8:1::16"];
const NEW: [&str; 2] = ["192.0.2.17", "2001:db8:1::17"];
const KEPT: [&str; 2] = ["192.0.2.18", "2001:db8:1::18"];

fn at(address: &str) -> String {
    let ip = address.parse().expect("an address");
    SocketAddr::new(ip, 7000).to_string()
}

/// TCP and UDP services that say which address they stand on.
fn who(lab: &Lab, address: &'static str) {
    lab.backends().serve(&at(address), Wire::Plain, move |mut stream, _| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut buffer = [0; 64];
        while stream.read(&mut buffer).await? > 0 {
            stream.write_all(address.as_bytes()).await?;
        }
        Ok(())
    });
    let socket = lab.backends().udp(&at(address));
    lab.backends().spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(address.as_bytes(), from).await;
        }
    });
}

fn over_tcp(lab: &Lab, address: &str) -> String {
    let mut stream = connect(lab.workload(), &at(address));
    stream.write_all(b"\x01who").expect("sent");
    let mut buffer = [0; 64];
    let length = stream.read(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// The answer of a socket that hears the asked address alone.
fn over_udp(lab: &Lab, address: &str) -> String {
    let socket = lab.workload().enter(|| {
        let socket =
            UdpSocket::bind(if address.contains(':') { "[::]:0" } else { "0.0.0.0:0" }).expect("a socket");
        socket.connect(at(address)).expect("a route");
        socket
    });
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    socket.send(b"who").expect("sent");
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn an_expired_name_is_resolved_anew_over_tcp_and_udp_and_a_name_in_use_does_not_expire() {
    let lab = Lab::new();
    let zone = |good: &[&str]| Zone::new().ttl(0).host("good.example", good).host("kept.example", &KEPT);
    let resolver = lab.resolver(zone(&OLD));
    let listeners = "{name: tcp, protocol: TCP}, {name: udp, protocol: UDP}";
    let route = "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: names}\nspec:\n  \
                 parentRefs: [{kind: EgressGateway, name: default}]\n  rules: [{matches: [\
                 {destinationHostnames: [good.example, kept.example]}, \
                 {protocol: UDP, destinationHostnames: [good.example, kept.example]}]}]\n";
    let daemon =
        lab.daemon(&json!({}), &[("base.yaml", &alice_and_gateway(listeners)), ("names.yaml", route)]);
    OLD.into_iter().chain(NEW).chain(KEPT).for_each(|address| who(&lab, address));
    for name in ["good.example", "kept.example"] {
        lab.workload().command("getent").args(["ahosts", name]).run().succeeded();
    }
    // One name is in use from now on: once by a connection, once by a flow of datagrams.
    let mut held = connect(lab.workload(), &at(KEPT[0]));
    held.write_all(b"\x01on").expect("sent");
    assert!(held.read(&mut [0; 64]).is_ok_and(|length| length > 0));
    let flow = lab.workload().enter(|| UdpSocket::bind("[::]:0")).expect("a socket");
    let ping = || flow.send_to(b"on", at(KEPT[1])).expect("sent");
    ping();
    resolver.replace(zone(&NEW));
    // What is waited for is that time has passed.
    for _ in 0..=DNS_BELIEF_FLOOR.as_secs() / 60 {
        std::thread::sleep(Duration::from_secs(60));
        ping();
    }
    let asked = resolver.asked().len();
    for (old, new) in OLD.into_iter().zip(NEW) {
        for answer in [over_tcp(&lab, old), over_udp(&lab, old)] {
            assert!(
                NEW.contains(&answer.as_str()),
                "{old}: {answer}, as the gateway's own answer for {new} says"
            );
        }
    }
    assert!(resolver.asked().len() > asked, "the gateway has asked for the name itself");
    for kept in KEPT {
        assert_eq!((over_tcp(&lab, kept), over_udp(&lab, kept)), (kept.to_owned(), kept.to_owned()));
    }
    held.write_all(b"\x01on").expect("it lives");
    for protocol in ["tcp", "udp"] {
        daemon.record(&json!({
            "kind": "connection", "decision": "allow", "protocol": protocol, "destination_host": "good.example",
        }));
    }
    assert!(daemon.records(&[]).iter().all(|row| row["decision"] != "deny"));
}
