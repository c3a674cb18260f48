//! Which addresses a response really gives for the name that was asked for.
//!
//! Pure. Only records of the answer section count, and only those that the question leads to by CNAMEs; whatever
//! else a response carries (other owners, authority, additional) is ignored, so that an answer for one name can
//! never make the gateway believe another. Address hints of HTTPS records (RFC 9460, section 7.3) count for the
//! name that was asked for, because clients connect to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use smallvec::SmallVec;

use crate::model::types::HostName;
use crate::model::types::limits::{DNS_ADDRESSES_PER_ANSWER, DNS_CHAIN_LINKS};

use super::message::Query;
use super::wire::{CLASS_IN, HEADER, Header, Record, kind, opt_of, records_of};

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

/// A response whose records cannot be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response's records are malformed")]
pub struct Malformed;

/// Reads a response that has already been matched to its query.
pub fn read(response: &[u8], query: &Query) -> Result<Found, Malformed> {
    let header = Header::read(response).ok_or(Malformed)?;
    let (mut records, _) = records_of(response, header).ok_or(Malformed)?;
    let mut answers: SmallVec<[Record<'_>; 8]> = SmallVec::new();
    for _ in 0..header.answers {
        let record = records.next().ok_or(Malformed)?;
        if record.class == CLASS_IN && matters(record.kind, query.kind()) {
            answers.push(record);
        }
    }
    let high = if header.additionals == 0 { 0 } else { opt_of(response).map_or(0, |(high, ..)| high) };
    let rcode = u16::from(high) << 4 | header.rcode();
    let mut found = Found { rcode, addresses: SmallVec::new(), chain_ends: true };
    if rcode != 0 || query.class() != CLASS_IN || answers.is_empty() {
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

/// The name whose beliefs an answer feeds: the one asked for; for HTTPS on another port (`_8443._https.NAME`, RFC
/// 9460, section 9.1) the origin's.
pub fn believed_name(query: &Query) -> Option<HostName> {
    let host = query.host()?;
    if query.kind() == kind::HTTPS && host.as_str().starts_with('_') {
        let (_, rest) = host.as_str().split_once("._https.")?;
        return HostName::parse(rest).ok();
    }
    Some(host.clone())
}

/// Whether a record can be part of the answer to a question of type `asked`.
fn matters(found: u16, asked: u16) -> bool {
    found == kind::CNAME
        || (matches!(found, kind::A | kind::AAAA | kind::HTTPS) && (found == asked || asked == kind::ANY))
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
            kind::HTTPS => hints(record.data, &mut take).ok_or(Malformed)?,
            _ => {}
        }
    }
    Ok(())
}

/// `ipv4hint` and `ipv6hint` of an HTTPS record (RFC 9460, section 2.2): priority, target, parameters.
fn hints(data: &[u8], take: &mut impl FnMut(IpAddr)) -> Option<()> {
    const IPV4_HINT: u16 = 4;
    const IPV6_HINT: u16 = 6;
    let mut rest = data.get(2..)?;
    loop {
        let (&length, tail) = rest.split_first()?;
        // The target is never compressed.
        rest = tail.get(usize::from(length)..)?;
        match length {
            0 => break,
            1..=63 => {}
            _ => return None,
        }
    }
    while !rest.is_empty() {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let (key, length) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        let (value, after) = tail.split_at_checked(usize::from(length))?;
        match key {
            IPV4_HINT => value.chunks(4).try_for_each(|chunk| v4(chunk).map(&mut *take))?,
            IPV6_HINT => value.chunks(16).try_for_each(|chunk| v6(chunk).map(&mut *take))?,
            _ => {}
        }
        rest = after;
    }
    Some(())
}

fn v4(data: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(data).ok().map(|octets| Ipv4Addr::from(octets).into())
}

/// An IPv4-mapped address is the IPv4 address it stands for: that is where the kernel would connect to.
fn v6(data: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(data).ok().map(|octets| IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
}

/// A TTL with its top bit set counts as zero (RFC 2181, section 8).
fn seconds(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::lab::{self, a, aaaa, cname};
    use super::*;

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
    fn hints_of_https_records_count_for_the_name_asked_for() {
        let query = lab::query("a.example", kind::HTTPS, None);
        let mut data = vec![0, 1, 0]; // priority 1, target `.`
        data.extend_from_slice(&[0, 1, 0, 3, 2, b'h', b'2']); // alpn
        data.extend_from_slice(&[0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 2]);
        data.extend_from_slice(&[0, 6, 0, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        let given = addresses(&query, &[lab::other("a.example", kind::HTTPS, 30, &data)]);
        assert_eq!(given, [("192.0.2.1".into(), 30), ("192.0.2.2".into(), 30), ("2001:db8::9".into(), 30)]);
        data.pop();
        let broken = lab::response(&query, &[lab::other("a.example", kind::HTTPS, 30, &data)]);
        assert_eq!(read(&broken, &query), Err(Malformed));
    }

    #[test]
    fn https_on_another_port_speaks_of_its_origin() {
        let query = lab::query("_8443._https.a.example", kind::HTTPS, None);
        assert_eq!(believed_name(&query).unwrap().as_str(), "a.example");
        let query = lab::query("_sip._tcp.a.example", kind::A, None);
        assert_eq!(believed_name(&query).unwrap().as_str(), "_sip._tcp.a.example");
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
