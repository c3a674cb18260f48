//! Which addresses a response really gives for the name that was asked for.
//!
//! Pure. Only records of the answer section count, and only those that the question leads to by CNAMEs; whatever
//! else a response carries (other owners, authority, additional) is ignored, so that an answer for one name can
//! never make the gateway believe another. Address hints of HTTPS records do not count: no client is given them
//! (`hygiene`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use smallvec::SmallVec;

use crate::model::types::limits::{DNS_ADDRESSES_PER_ANSWER, DNS_CHAIN_LINKS};

use super::wire::{CLASS_IN, HEADER, Header, Malformed, Record, kind, opt_of, records_of, seconds};

/// An address and how long it holds: the smallest TTL on the way to it.
pub type Address = (IpAddr, Duration);

/// What a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The response code with its extended bits (RFC 6891, section 6.1.3).
    pub rcode: u16,
    /// The addresses, in the response's order, at most [`DNS_ADDRESSES_PER_ANSWER`].
    pub addresses: SmallVec<[Address; 4]>,
    /// Whether the chain of CNAMEs has an end within [`DNS_CHAIN_LINKS`]; where not, there are no addresses.
    pub chain_ends: bool,
}

/// Reads a response that has already been matched to a query of this type and class.
pub fn read(response: &[u8], (asked_kind, class): (u16, u16)) -> Result<Found, Malformed> {
    let header = Header::read(response).ok_or(Malformed)?;
    let (mut records, _) = records_of(response, header).ok_or(Malformed)?;
    let mut answers: SmallVec<[Record<'_>; 8]> = SmallVec::new();
    for _ in 0..header.answers {
        let record = records.next().ok_or(Malformed)?;
        if record.class == CLASS_IN && matters(record.kind, asked_kind) {
            answers.push(record);
        }
    }
    let high = if header.additionals == 0 { 0 } else { opt_of(response).map_or(0, |(high, ..)| high) };
    let rcode = u16::from(high) << 4 | header.rcode();
    let mut found = Found { rcode, addresses: SmallVec::new(), chain_ends: true };
    if rcode != 0 || class != CLASS_IN || answers.is_empty() {
        return Ok(found);
    }
    let mut decoder = BinDecoder::new(response);
    decoder.read_slice(HEADER).map_err(|_| Malformed)?;
    let asked = Name::read(&mut decoder).map_err(|_| Malformed)?;
    match follow(response, &answers, asked)? {
        Some((owner, ttl)) => collect(&answers, &owner, ttl, &mut found)?,
        None => found.chain_ends = false,
    }
    Ok(found)
}

/// Whether a record can be part of the answer to a question of type `asked`.
fn matters(found: u16, asked: u16) -> bool {
    found == kind::CNAME || (matches!(found, kind::A | kind::AAAA) && (found == asked || asked == kind::ANY))
}

/// The end of the CNAME chain and the smallest TTL on the way; `None` for a loop or too long a chain. Where a name
/// has two CNAMEs (which RFC 2181, section 10.1 forbids) the first counts.
fn follow(response: &[u8], answers: &[Record<'_>], asked: Name) -> Result<Option<(Name, u32)>, Malformed> {
    let (mut owner, mut ttl) = (asked, u32::MAX);
    for _ in 0..=DNS_CHAIN_LINKS {
        let link = answers.iter().find(|record| record.kind == kind::CNAME && record.owner == owner);
        let Some(link) = link else { return Ok(Some((owner, ttl))) };
        let mut decoder = BinDecoder::new(response);
        decoder.read_slice(link.data_at).map_err(|_| Malformed)?;
        owner = Name::read(&mut decoder).map_err(|_| Malformed)?;
        if decoder.index() != link.data_at + link.data.len() {
            return Err(Malformed);
        }
        ttl = ttl.min(seconds(link.ttl));
    }
    Ok(None)
}

fn collect(answers: &[Record<'_>], owner: &Name, ttl: u32, found: &mut Found) -> Result<(), Malformed> {
    for record in answers.iter().filter(|record| record.owner == *owner) {
        let ttl = Duration::from_secs(u64::from(ttl.min(seconds(record.ttl))));
        let mut take = |address: IpAddr| {
            if found.addresses.len() < DNS_ADDRESSES_PER_ANSWER {
                found.addresses.push((address, ttl));
            }
        };
        match record.kind {
            kind::A => take(v4(record.data).ok_or(Malformed)?),
            kind::AAAA => take(v6(record.data).ok_or(Malformed)?),
            _ => {}
        }
    }
    Ok(())
}

fn v4(data: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(data).ok().map(|octets| Ipv4Addr::from(octets).into())
}

/// An IPv4-mapped address is the IPv4 address it stands for: that is where the kernel would connect to.
fn v6(data: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(data).ok().map(|octets| IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::Query;
    use super::super::tests::lab::{self, a, aaaa, cname};
    use super::*;

    fn read(response: &[u8], query: &Query) -> Result<Found, Malformed> {
        super::read(response, (query.kind(), query.class()))
    }

    fn addresses(query: &Query, records: &[lab::Record]) -> Vec<(String, u64)> {
        let found = read(&lab::response(query, records), query).unwrap();
        assert_eq!(found.rcode, 0);
        found.addresses.iter().map(|(address, ttl)| (address.to_string(), ttl.as_secs())).collect()
    }

    #[test]
    fn the_chain_is_followed_to_its_end_with_the_smallest_ttl_in_any_order() {
        let query = lab::query("WWW.shop.example", kind::A, None);
        let records = [
            a("edge.cdn.example", [192, 0, 2, 1], 300),
            cname("shop.cdn.example", "edge.cdn.example", 20),
            cname("www.shop.example", "shop.cdn.example", 60),
            a("edge.cdn.example", [192, 0, 2, 2], 10),
        ];
        assert_eq!(addresses(&query, &records), [("192.0.2.1".into(), 20), ("192.0.2.2".into(), 10)]);
    }

    #[test]
    fn records_of_other_names_are_ignored() {
        let query = lab::query("a.example", kind::A, None);
        let records = [
            a("api.openai.com", [203, 0, 113, 66], 3600),
            a("a.example", [192, 0, 2, 1], 60),
            cname("b.example", "a.example", 60),
            aaaa("a.example", "2001:db8::1", 60),
        ];
        assert_eq!(addresses(&query, &records), [("192.0.2.1".into(), 60)]);
    }

    #[test]
    fn addresses_of_the_alias_itself_do_not_count() {
        let query = lab::query("a.example", kind::A, None);
        let records = [a("a.example", [192, 0, 2, 66], 60), cname("a.example", "b.example", 60)];
        assert_eq!(addresses(&query, &records), []);
    }

    #[test]
    fn a_chain_without_end_gives_nothing() {
        let query = lab::query("a.example", kind::A, None);
        let records = [
            cname("a.example", "b.example", 60),
            cname("b.example", "a.example", 60),
            a("a.example", [192, 0, 2, 1], 60),
        ];
        let found = read(&lab::response(&query, &records), &query).unwrap();
        assert!(!found.chain_ends && found.addresses.is_empty());
    }

    #[test]
    fn hints_of_https_records_are_no_addresses_because_nobody_is_given_them() {
        let query = lab::query("a.example", kind::HTTPS, None);
        let data = [&[0, 1, 0][..], &[0, 4, 0, 4, 192, 0, 2, 1]].concat();
        assert_eq!(addresses(&query, &[lab::other("a.example", kind::HTTPS, 30, &data)]), []);
    }

    #[test]
    fn an_address_of_the_wrong_length_is_malformed() {
        let query = lab::query("a.example", kind::A, None);
        let response = lab::response(&query, &[lab::other("a.example", kind::A, 60, &[192, 0, 2])]);
        assert_eq!(read(&response, &query), Err(Malformed));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address_it_stands_for() {
        let query = lab::query("a.example", kind::AAAA, None);
        let given = addresses(&query, &[aaaa("a.example", "::ffff:192.0.2.1", 60)]);
        assert_eq!(given, [("192.0.2.1".into(), 60)]);
    }

    #[test]
    fn a_negative_ttl_is_zero() {
        let query = lab::query("a.example", kind::A, None);
        assert_eq!(addresses(&query, &[a("a.example", [192, 0, 2, 1], u32::MAX)]), [("192.0.2.1".into(), 0)]);
    }

    proptest! {
        #[test]
        fn no_response_makes_the_reader_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..300),
            counts in any::<[u8; 6]>(),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let query = lab::query("a.example", kind::A, None);
            let good = [cname("a.example", "b.example", 1), a("b.example", [192, 0, 2, 1], 1)];
            let mut bytes = lab::response(&query, &good);
            for (at, value) in edits {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = read(&bytes, &query);
            bytes.truncate(12 + query.question().len());
            bytes[6..12].copy_from_slice(&counts);
            bytes.extend_from_slice(&tail);
            let _ = read(&bytes, &query);
        }
    }
}
