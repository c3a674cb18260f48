//! DNS as a weapon: messages that no parser should meet, queries by the thousand, connections that dribble, answers
//! that cannot be sent.

use std::io::Write;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::json;

use super::{
    Bystander, DNS, besieged, datagrams, held, is_ended, many, opened, place, query, recorded, resident,
    resolved, stayed_small,
};
use crate::e2e::dialogue::{NAME, ORIGIN, opening_gateway, zone};
use crate::e2e::streaming::servers;
use crate::lab::packets::Packet;
use crate::lab::{ALICE_V4, GATEWAY_V4, Lab};

/// A query whose question section is this.
fn with_question(question: &[u8]) -> Vec<u8> {
    [&[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], question].concat()
}

#[apply(over_both)]
fn messages_that_no_parser_should_meet_are_refused_and_recorded(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let label = [&[60][..], &[b'a'; 60]].concat();
    let messages: Vec<(&str, Vec<u8>)> = vec![
        ("a name that points at itself", with_question(&[0xc0, 12, 0, 1, 0, 1])),
        ("two that point at each other", with_question(&[0xc0, 14, 0xc0, 12, 0, 1, 0, 1])),
        ("a label that goes past the end", with_question(&[63; 30])),
        ("a name of more than 255 bytes", with_question(&[&label.repeat(5)[..], &[0, 0, 1, 0, 1]].concat())),
        ("no question", with_question(&[])),
        ("65,535 questions", [&[0, 1, 1, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0][..], &[0, 0, 1, 0, 1]].concat()),
        ("half a header", vec![0, 1, 1, 0, 0]),
        ("a giant", with_question(&[0; 1400])),
        ("bytes behind the query", [query(lab.family(), NAME, 7), vec![0; 1000]].concat()),
    ];
    let gateway = place(lab.workload(), DNS);
    lab.workload().enter(|| {
        let socket = datagrams(gateway);
        for (what, message) in &messages {
            socket.send(message).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    });
    recorded(
        &daemon,
        messages.len(),
        &json!({"kind": "dns", "decision": "deny", "reason": "protocol.malformed"}),
    );
    bob.is_served(1);
    // The same by the thousand.
    let at = AtomicU16::new(0);
    let attack = || {
        let socket = datagrams(gateway);
        for _ in 0..100 {
            let turn = usize::from(at.fetch_add(1, Ordering::Relaxed));
            let _ = socket.send(&messages[turn % messages.len()].1);
        }
    };
    besieged(lab.workload(), attack, || bob.is_served(many(5)));
    // Each has a record; those of some thousand queries wait to be written.
    stayed_small(&daemon, before, 256);
}

#[apply(over_both)]
fn queries_by_the_thousand_leave_room_for_those_of_others(lab: Lab) {
    let (resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let before = resident(&daemon);
    let (id, family, gateway) = (AtomicU16::new(0), lab.family(), place(lab.workload(), DNS));
    let attack = || {
        let socket = datagrams(gateway);
        for _ in 0..100 {
            let id = id.fetch_add(1, Ordering::Relaxed);
            // Half of them for a name that is answered, half for names that are not.
            let name = if id.is_multiple_of(2) { NAME.to_owned() } else { format!("n{id}.example") };
            let _ = socket.send(&query(family, &name, id));
        }
    };
    besieged(lab.workload(), attack, || bob.is_served(many(5)));
    stayed_small(&daemon, before, 512);
    recorded(&daemon, 100, &json!({"kind": "dns", "decision": "allow", "status": 0}));
    recorded(&daemon, 100, &json!({"kind": "dns", "decision": "deny", "reason": "dns.denied"}));
    assert!(resolver.asked().iter().all(|query| query.name == NAME), "a name that no route allows left");
}

#[apply(over_both)]
fn connections_that_dribble_queries_hold_nobody_up_and_are_recorded(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    let mut bob = Bystander::new(&lab, &daemon);
    let (before, each) = (resident(&daemon), held(60, 2));
    let whole = query(lab.family(), NAME, 9);
    let prefix = u16::try_from(whole.len()).expect("a short query").to_be_bytes();
    let mut held = opened(lab.workload(), DNS, each, &[&prefix, &whole[..20]].concat());
    held.extend(opened(lab.workload(), DNS, each, &[0xff, 0xff]));
    for stream in &mut held {
        stream.write_all(&[0]).expect("one byte more");
    }
    bob.is_served(10);
    let said = lab
        .bob()
        .command("dig")
        .args(["+tcp", "+short", "+tries=1", NAME, lab.family().record()])
        .run()
        .succeeded();
    assert_eq!(said.trim(), lab.twin(ORIGIN));
    stayed_small(&daemon, before, held.len());
    drop(held);
    let broken =
        json!({"kind": "dns", "protocol": "dns-tcp", "decision": "deny", "reason": "protocol.malformed"});
    recorded(&daemon, 2 * each, &broken);
    // What is shorter than a header is refused without waiting for more.
    let mut short = opened(lab.workload(), DNS, 1, &[0, 3, 1, 2, 3]);
    assert!(is_ended(&mut short[0]));
    recorded(&daemon, 2 * each + 1, &broken);
}

#[apply(over_both)]
fn answers_that_cannot_be_sent_fill_no_log(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["http/1.1"]);
    // Nobody can be answered at port 0.
    let message = query(lab.family(), NAME, 3);
    let datagram = Packet::udp(&lab.twin(ALICE_V4), &lab.twin(GATEWAY_V4), 53, &message).leaving_by(0);
    for _ in 0..200 {
        datagram.send(lab.workload());
    }
    recorded(&daemon, 200, &json!({"kind": "dns", "query_name": NAME, "phase": "complete"}));
    daemon.logged("a DNS answer could not be sent");
    let log = std::fs::read_to_string(lab.folder().join("daemon.log")).expect("the daemon's log");
    // One for each socket that hears queries would be fine, too; not one for each query.
    assert!(log.matches("could not be sent").count() <= 2, "{log}");
    assert!(resolved(lab.bob(), NAME));
}
