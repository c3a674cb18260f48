//! What every query of a workload pays: an answer from the cache, and the look at what it must not hold.
//!
//! The cache is filled once from an upstream on loopback; what is measured asks nobody. Forwarding is measured on the
//! whole road, by `lab/run`.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use clawgress::model::config::DnsServer;
use clawgress::model::types::AddressClass;
use clawgress::model::types::address::classify;
use clawgress::perceive::dns::{
    Answered, Cache, Exchange, Forwarder, Memory, Query, Recipient, Transport, Upstreams, hygiene,
};
use clawgress::platform::sys::clock;
use divan::{Bencher, black_box};
use rustls::{ClientConfig, RootCertStore};

const QUESTION: &[u8] = b"\x08host-500\x07example\0\0\x01\0\x01";
/// An OPT record for 1232 bytes.
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
/// An HTTPS record as content networks publish it.
const SERVICE: &[u8] = b"\xc0\x0c\0\x41\0\x01\0\0\x01\x2c\0\x3d\0\x01\0\0\x01\0\x06\x02h3\x02h2\
    \0\x04\0\x08\xc0\0\x02\x0a\xc0\0\x02\x0b\0\x06\0\x20\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0b";

fn query() -> Query {
    let bytes = [b"\0\x07\x01\x20\0\x01\0\0\0\0\0\x01", QUESTION, OPT].concat();
    Query::parse(&bytes).expect("invariant: a query")
}

fn address(octets: [u8; 4]) -> Vec<u8> {
    [b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04", &octets[..]].concat()
}

fn response(records: &[Vec<u8>]) -> Vec<u8> {
    let [high, low] = u16::try_from(records.len()).unwrap_or(0).to_be_bytes();
    [&[0, 7, 0x81, 0xa0, 0, 1, high, low, 0, 0, 0, 0], QUESTION, &records.concat()].concat()
}

fn public(address: IpAddr) -> bool {
    classify(address) == AddressClass::Public
}

/// Answers one query, and then no more.
fn upstream(records: Vec<Vec<u8>>) -> DnsServer {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("invariant: loopback");
    let server = DnsServer::plain(socket.local_addr().expect("invariant: bound"));
    std::thread::spawn(move || {
        let mut asked = [0; 512];
        let (_, from) = socket.recv_from(&mut asked)?;
        let mut answer = response(&records);
        answer[..2].copy_from_slice(&asked[..2]);
        socket.send_to(&answer, from)
    });
    server
}

/// Answers of a cache that is filled with these records.
fn kept(bencher: Bencher<'_, '_>, records: Vec<Vec<u8>>) {
    let tls = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("invariant: a runtime");
    let exchange = runtime.block_on(async {
        let forwarder = Forwarder::new(Arc::new(Upstreams::new([upstream(records)])), &Arc::new(tls).into());
        Exchange::new(Arc::new(forwarder), Arc::new(Cache::default()), Arc::new(Memory::new()))
    });
    let (agent, query): (Arc<str>, _) = ("agent-500".into(), query());
    let recipient = Recipient { agent: Some(&agent), transport: Transport::Udp, keep: &public };
    let answer =
        || -> Answered { runtime.block_on(exchange.answer(black_box(&query), recipient, clock::now())) };
    assert!(answer().failure.is_none() && answer().upstream.is_none(), "from the cache");
    bencher.bench_local(answer);
}

#[divan::bench_group(sample_size = 200)]
mod from_the_cache {
    use super::*;

    #[divan::bench]
    fn two_addresses(bencher: Bencher<'_, '_>) {
        kept(bencher, vec![address([192, 0, 2, 10]), address([192, 0, 2, 11])]);
    }

    #[divan::bench]
    fn two_addresses_of_which_one_is_removed(bencher: Bencher<'_, '_>) {
        kept(bencher, vec![address([192, 0, 2, 10]), address([10, 0, 0, 1])]);
    }

    #[divan::bench]
    fn parse_the_query(bencher: Bencher<'_, '_>) {
        let query = query();
        bencher.bench(|| Query::parse(black_box(query.bytes())));
    }
}

#[divan::bench_group(sample_size = 20)]
mod cleaning {
    use super::*;

    fn clean(bencher: Bencher<'_, '_>, records: &[Vec<u8>]) {
        let response = response(records);
        bencher.bench(|| hygiene::clean(black_box(&response), &public));
    }

    #[divan::bench]
    fn nothing_to_remove(bencher: Bencher<'_, '_>) {
        clean(bencher, &[address([192, 0, 2, 10]), address([192, 0, 2, 11])]);
    }

    #[divan::bench]
    fn a_service_record(bencher: Bencher<'_, '_>) {
        clean(bencher, &[SERVICE.to_vec()]);
    }

    /// As many records as are taken of an answer, each with a name of its own, every other to be removed.
    #[divan::bench]
    fn the_longest_answer(bencher: Bencher<'_, '_>) {
        let named = |number: u16| {
            let [high, low] = number.to_be_bytes();
            [&[2, high, low][..], &address([if number.is_multiple_of(2) { 10 } else { 192 }, 0, 2, low])]
                .concat()
        };
        clean(bencher, &(0..512).map(named).collect::<Vec<_>>());
    }
}
