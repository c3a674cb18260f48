//! DNS: a query is read as a DNS library reads it, every reply of ours is one that it can read, and an answer gives
//! the addresses that a plain reading of RFC 1034 finds, no others.

use std::net::IpAddr;

use clawgress::model::types::limits::{DNS_ADDRESSES_PER_ANSWER, DNS_CHAIN_LINKS};
use clawgress::perceive::dns::reply::{ExtendedError, Transport, fitted, own, refused};
use clawgress::perceive::dns::{Query, Rcode, found};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RData, Record};

/// Type A and class IN.
const A: u16 = 1;

/// Two bytes say how long the query is; the rest answers it. What is no query is answered as if `a.example` had been
/// asked for.
pub fn check(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (asked, response) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes(*length))));
    match Query::parse(asked) {
        Ok(query) => {
            is_read_alike(&query);
            replies_are_readable(&query, response);
            addresses_are_those_of_the_chain(&query, response);
        }
        Err(error) => {
            if let Some(reply) = error.reply(asked) {
                Message::from_vec(&reply).expect("a short reply that can be read");
            }
        }
    }
    let plain =
        Query::parse(b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01").expect("a query");
    addresses_are_those_of_the_chain(&plain, rest);
}

fn is_read_alike(query: &Query) {
    assert!(query.text().is_ascii() && query.text().len() <= 1016);
    assert!(Query::parse(query.bytes()).as_ref() == Ok(query), "its own bytes");
    let Ok(message) = Message::from_vec(query.bytes()) else { return };
    let asked = &message.queries[0];
    assert_eq!((message.queries.len(), message.metadata.id), (1, query.id()));
    assert_eq!(
        (u16::from(asked.query_type()), u16::from(asked.query_class())),
        (query.kind(), query.class())
    );
    if let Some(host) = query.host() {
        let theirs = asked.name().to_ascii().to_ascii_lowercase();
        assert_eq!(host.as_str(), theirs.trim_end_matches('.'), "the name");
    }
    let theirs = message.edns.as_ref().map(|edns| edns.max_payload().max(512));
    assert_eq!(query.edns().map(|edns| edns.payload), theirs, "the payload size");
}

fn replies_are_readable(query: &Query, response: &[u8]) {
    let error = ExtendedError { code: 15, text: "policy.denied" };
    let addresses: [IpAddr; 2] = ["192.0.2.1".parse().expect("v4"), "2001:db8::1".parse().expect("v6")];
    for reply in [
        refused(query, Rcode::NxDomain, Some(error)),
        refused(query, Rcode::ServFail, None),
        own(query, &addresses, 5),
    ] {
        let message = Message::from_vec(&reply).expect("a reply that can be read");
        assert_eq!((message.metadata.id, message.queries.len()), (query.id(), 1));
    }
    let reply = fitted(response.to_vec(), query, Transport::Udp);
    assert!(reply.len() <= query.payload().max(512) || reply == response, "{} bytes", reply.len());
    assert_eq!(fitted(response.to_vec(), query, Transport::Tcp), response);
}

fn addresses_are_those_of_the_chain(query: &Query, response: &[u8]) {
    let Ok(found) = found::read(response, (query.kind(), query.class())) else { return };
    assert!(found.addresses.len() <= DNS_ADDRESSES_PER_ANSWER);
    assert!(found.addresses.iter().all(|(_, ttl)| ttl.as_secs() <= i32::MAX as u64), "{found:?}");
    assert!(found.rcode == 0 || found.addresses.is_empty(), "{found:?}");
    let Ok(message) = Message::from_vec(response) else { return };
    let comparable =
        found.rcode == 0 && query.kind() == A && query.class() == 1 && message.queries.len() == 1;
    if !comparable {
        return;
    }
    let ours: Vec<(IpAddr, u64)> = found.addresses.iter().map(|(ip, ttl)| (*ip, ttl.as_secs())).collect();
    let expected = plain_reading(message.queries[0].name(), &message.answers);
    assert_eq!(ours, expected.unwrap_or_default(), "{message}");
}

/// Follows the aliases from the name that was asked for, by RFC 1034, section 3.6.2; nothing if they do not end.
fn plain_reading(asked: &Name, answers: &[Record]) -> Option<Vec<(IpAddr, u64)>> {
    let seconds = |ttl: u32| if ttl > i32::MAX as u32 { 0 } else { ttl };
    let mine: Vec<&Record> = answers.iter().filter(|record| record.dns_class == DNSClass::IN).collect();
    let (mut owner, mut least) = (asked.clone(), u32::MAX);
    for links in 0.. {
        let alias = mine.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == owner => Some((target.0.clone(), record.ttl)),
            _ => None,
        });
        let Some((target, ttl)) = alias else { break };
        if links == DNS_CHAIN_LINKS {
            return None;
        }
        least = least.min(seconds(ttl));
        owner = target;
    }
    let addresses =
        mine.iter().filter(|record| record.name == owner).filter_map(|record| match &record.data {
            RData::A(address) => Some((IpAddr::V4(address.0), u64::from(least.min(seconds(record.ttl))))),
            _ => None,
        });
    Some(addresses.take(DNS_ADDRESSES_PER_ANSWER).collect())
}
