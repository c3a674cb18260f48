//! What becomes of packets: intercepted, refused at once, or let alone, with and without the daemon.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::office::{CLIENT, GATEWAY, LONG, OUTSIDE, Office, example, refused, with_upstream};
use crate::model::types::FailMode;
use crate::perceive::intercept::apply::{self, Table};
use crate::perceive::intercept::{DNS_PORT, PROXY_PORT};

#[test]
fn tcp_and_dns_reach_the_gateway_with_their_destination_and_the_rest_is_refused_at_once() {
    let office = Office::new(FailMode::Closed);
    with_upstream(&office, || {
        office.with_daemon(true, || {
            for ((outside, own), client) in OUTSIDE.into_iter().zip(GATEWAY).zip(CLIENT) {
                for port in [4000, 22, 65_535] {
                    let to = format!("{outside}:{port}");
                    assert_eq!(office.call(&to).unwrap(), format!("proxy {client} to {to}"));
                }
                for to in [format!("{outside}:53"), format!("{own}:53")] {
                    assert_eq!(office.call(&to).unwrap(), format!("dns {client} to {to}"));
                    // Twice: the socket that answered first stands bound to that address, and takes no query.
                    for _ in 0..2 {
                        assert_eq!(office.ask(&to).unwrap(), format!("dns {client} to {to}"));
                    }
                }
                assert_eq!(office.call(&format!("{own}:80")).unwrap(), format!("proxy {client} to {own}:80"));
                refused(|| office.ask(&format!("{outside}:4000")));
                refused(|| office.ask(&format!("{outside}:443")));
                refused(|| office.ask(&format!("{own}:123")));
                refused(|| office.ask(&format!("{own}:{DNS_PORT}")));
            }
        });
    });
    let counted = office.gateway.run(|_| apply::counters().unwrap());
    let packets = |name| counted.iter().find(|counter| counter.name == name).unwrap().packets;
    assert_eq!((packets("refused_quic"), packets("refused_udp"), packets("refused_gateway")), (2, 4, 2));
}

#[test]
fn closed_refuses_everything_when_the_listener_or_the_daemon_is_gone() {
    let office = Office::new(FailMode::Closed);
    with_upstream(&office, || {
        office.with_daemon(false, || {
            for outside in OUTSIDE {
                refused(|| office.call(&format!("{outside}:4000")));
                office.ask(&format!("{outside}:53")).unwrap();
            }
        });
        for host in OUTSIDE.into_iter().chain(GATEWAY) {
            refused(|| office.call(&format!("{host}:4000")));
            refused(|| office.call(&format!("{host}:53")));
            refused(|| office.ask(&format!("{host}:4000")));
            refused(|| office.ask(&format!("{host}:53")));
        }
    });
}

#[test]
fn open_forwards_when_the_daemon_is_gone_and_refuses_other_udp_while_it_lives() {
    let office = Office::new(FailMode::Open);
    with_upstream(&office, || {
        office.with_daemon(true, || {
            for outside in OUTSIDE {
                assert!(office.call(&format!("{outside}:4000")).unwrap().starts_with("proxy "));
                assert!(office.ask(&format!("{outside}:53")).unwrap().starts_with("dns "));
                refused(|| office.ask(&format!("{outside}:4000")));
            }
        });
        office.with_daemon(false, || {
            for outside in OUTSIDE {
                assert_eq!(office.call(&format!("{outside}:4000")).unwrap(), "upstream");
                refused(|| office.ask(&format!("{outside}:4000")));
            }
        });
        for (outside, own) in OUTSIDE.into_iter().zip(GATEWAY) {
            assert_eq!(office.call(&format!("{outside}:4000")).unwrap(), "upstream");
            assert_eq!(office.ask(&format!("{outside}:4000")).unwrap(), "question");
            assert_eq!(office.ask(&format!("{outside}:53")).unwrap(), "question");
            refused(|| office.call(&format!("{own}:4000")));
            refused(|| office.ask(&format!("{own}:4000")));
        }
    });
}

#[test]
fn the_gateways_own_sockets_take_nothing_that_was_not_intercepted() {
    let office = Office::new(FailMode::Closed);
    office.with_daemon(true, || {
        let refused_there = office.upstream.run(|_| {
            TcpStream::connect_timeout(&SocketAddr::from(([192, 0, 2, 1], PROXY_PORT)), LONG)
                .unwrap_err()
                .kind()
        });
        assert_eq!(refused_there, std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_hosts_own_connections_to_a_workload_stay_untouched() {
    let office = Office::new(FailMode::Closed);
    office.with_daemon(true, || {
        let server = office.workload.run(|_| std::net::TcpListener::bind("10.77.0.2:9000").unwrap());
        let answer = office.gateway.run(|_| {
            let mut stream = TcpStream::connect_timeout(&"10.77.0.2:9000".parse().unwrap(), LONG).unwrap();
            server.accept().unwrap().0.write_all(b"workload").unwrap();
            let mut answer = [0; 8];
            stream.read_exact(&mut answer).unwrap();
            answer
        });
        assert_eq!(&answer, b"workload");
    });
}
#[test]
fn allow_local_opens_a_port_of_this_host_and_no_other() {
    let office = Office::new(FailMode::Closed);
    let mut wanted = example(FailMode::Closed);
    wanted.allow_local = vec![8080];
    office.gateway.run(|_| Table::default().apply(&wanted).unwrap());
    let servers =
        office.gateway.run(|_| [8080, 8081].map(|port| std::net::TcpListener::bind(("::", port)).unwrap()));
    for listener in servers {
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.and_then(|mut stream| stream.write_all(b"host"));
            }
        });
    }
    office.with_daemon(true, || {
        for own in GATEWAY {
            assert_eq!(office.call(&format!("{own}:8080")).unwrap(), "host");
            assert!(office.call(&format!("{own}:8081")).unwrap().starts_with("proxy "));
        }
    });
    for own in GATEWAY {
        assert_eq!(office.call(&format!("{own}:8080")).unwrap(), "host");
        refused(|| office.call(&format!("{own}:8081")));
    }
}

/// An ICMP "fragmentation needed" as the workload's network would send it to `far`, about a packet that `far` sent to
/// the workload's `port` (RFC 792, RFC 1191).
fn fragmentation_needed(far: [u8; 4], port: u16) -> Vec<u8> {
    let mut message = vec![3, 4, 0, 0, 0, 0, 5, 20];
    message.extend([0x45, 0, 5, 220, 0, 1, 0x40, 0, 64, 6, 0, 0]);
    message.extend(far);
    message.extend([10, 77, 0, 2]);
    message.extend(4000_u16.to_be_bytes());
    message.extend(port.to_be_bytes());
    message.extend([0; 4]);
    let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) & 0xffff;
    message[2..4].copy_from_slice(&(checksum as u16).to_be_bytes());
    message
}

#[test]
fn icmp_errors_reach_the_flow_they_belong_to_and_others_are_refused() {
    let office = Office::new(FailMode::Closed);
    let (far, refused_icmp) = ([192, 0, 2, 9], || {
        let counted = office.gateway.run(|_| apply::counters().unwrap());
        counted.iter().find(|counter| counter.name == "refused_icmp").unwrap().packets
    });
    let listener =
        office.gateway.run(|_| crate::platform::sys::socket::transparent_listener(PROXY_PORT).unwrap());
    office.workload.run(|_| {
        let stream = TcpStream::connect_timeout(&SocketAddr::from((far, 4000)), LONG).unwrap();
        let port = stream.local_addr().unwrap().port();
        let icmp =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(socket2::Protocol::ICMPV4))
                .unwrap();
        let to = socket2::SockAddr::from(SocketAddr::from((far, 0)));
        assert_eq!(icmp.send_to(&fragmentation_needed(far, port), &to).unwrap(), 36);
        assert_eq!(refused_icmp(), 0, "an error of our own flow");
        assert_eq!(icmp.send_to(&fragmentation_needed(far, port ^ 1), &to).unwrap(), 36);
        assert_eq!(refused_icmp(), 1, "an error of no flow");
    });
    drop(listener);
}
