//! Replies that the gateway writes itself: refusals, failures, and truncated forms of what an upstream said.
//!
//! Pure. Every reply echoes id and question. A reason is told by an Extended DNS Error (RFC 8914), and only to a
//! client that speaks EDNS; a refusal carries no SOA record, so no resolver behind it caches it (RFC 2308, section 5).

use std::net::IpAddr;

use super::message::Query;
use super::wire::{Rcode, kind, opt_of, push_opt};

/// An Extended DNS Error (RFC 8914): INFO-CODE and EXTRA-TEXT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedError<'a> {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT, UTF-8; cut to [`EXTRA_TEXT`] bytes.
    pub text: &'a str,
}

/// Longest EXTRA-TEXT written, in bytes: with any question it fits into 512 bytes.
pub const EXTRA_TEXT: usize = 200;

impl ExtendedError<'_> {
    /// `Other Error`.
    pub const OTHER: u16 = 0;
    /// `Blocked`: by the operator of the resolver.
    pub const BLOCKED: u16 = 15;
    /// `No Reachable Authority`.
    pub const NO_REACHABLE_AUTHORITY: u16 = 22;
    /// `Network Error`.
    pub const NETWORK_ERROR: u16 = 23;
}

/// How the client asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Replies are bounded by the client's payload size.
    Udp,
    /// Replies are bounded by the length prefix.
    Tcp,
}

/// A reply without records: the code, and why, for a client that can read it.
pub fn refused(query: &Query, rcode: Rcode, error: Option<ExtendedError<'_>>) -> Vec<u8> {
    bare(query, rcode.low(), error)
}

fn bare(query: &Query, rcode: u8, error: Option<ExtendedError<'_>>) -> Vec<u8> {
    let mut reply = begin(query, rcode);
    if let Some(edns) = query.edns() {
        match error {
            Some(error) => {
                let text = cut(error.text);
                let mut option = Vec::with_capacity(6 + text.len());
                option.extend_from_slice(&15u16.to_be_bytes());
                // `cut` bounds the text well below 64 KiB.
                option.extend_from_slice(&u16::try_from(2 + text.len()).unwrap_or(2).to_be_bytes());
                option.extend_from_slice(&error.code.to_be_bytes());
                option.extend_from_slice(text.as_bytes());
                push_opt(&mut reply, edns.dnssec_ok, 0, &option);
            }
            None => push_opt(&mut reply, edns.dnssec_ok, 0, &[]),
        }
        reply[11] = 1;
    }
    reply
}

/// A denial (CONTRACT section 5): NXDOMAIN without SOA; `Blocked` with `CODE REQUEST-ID` where the query had EDNS.
pub fn denied(query: &Query, code: &str, request_id: &str) -> Vec<u8> {
    let text = format!("{code} {request_id}");
    refused(query, Rcode::NxDomain, Some(ExtendedError { code: ExtendedError::BLOCKED, text: &text }))
}

/// What is told where every address of an answer was removed (`hygiene`): the name exists and has none that this agent
/// may be given; `Blocked` with `CODE REQUEST-ID` where the query had EDNS. Without SOA, so nobody caches it.
pub fn emptied(query: &Query, code: &str, request_id: &str) -> Vec<u8> {
    let text = format!("{code} {request_id}");
    bare(query, 0, Some(ExtendedError { code: ExtendedError::BLOCKED, text: &text }))
}

/// An answer of the gateway's own: the addresses of the asked family, each for `ttl` seconds. None is an empty answer.
pub fn own(query: &Query, addresses: &[IpAddr], ttl: u32) -> Vec<u8> {
    let mut reply = begin(query, 0);
    let mut count = 0_u16;
    for address in addresses {
        let data: &[u8] = match address {
            IpAddr::V4(v4) if query.kind() == kind::A => &v4.octets(),
            IpAddr::V6(v6) if query.kind() == kind::AAAA => &v6.octets(),
            _ => continue,
        };
        // The owner is the question's name, by a pointer to it behind the header.
        reply.extend_from_slice(&[0xc0, 12]);
        reply.extend_from_slice(&query.kind().to_be_bytes());
        reply.extend_from_slice(&query.class().to_be_bytes());
        reply.extend_from_slice(&ttl.to_be_bytes());
        reply.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        reply.extend_from_slice(data);
        count += 1;
    }
    reply[6..8].copy_from_slice(&count.to_be_bytes());
    if let Some(edns) = query.edns() {
        push_opt(&mut reply, edns.dnssec_ok, 0, &[]);
        reply[11] = 1;
    }
    reply
}

/// The upstream's response cut to what a client over UDP takes: header, question and OPT, with TC set, so that the
/// client asks again over TCP (RFC 2181, section 9). A response that fits stays as it is.
pub fn fitted(response: Vec<u8>, query: &Query, transport: Transport) -> Vec<u8> {
    let room = match transport {
        Transport::Tcp => return response,
        Transport::Udp => query.payload(),
    };
    if response.len() <= room {
        return response;
    }
    let mut reply = begin(query, 0);
    // The upstream's own flags (AA, RA, AD, CD and the code), and TC.
    reply[2] = response[2] | 0x02;
    reply[3] = response[3];
    if let Some(edns) = query.edns() {
        let (high, dnssec_ok, options) = opt_of(&response).unwrap_or((0, edns.dnssec_ok, &[]));
        // Name, type, class, TTL and length of an OPT record take 11 bytes.
        let fits = reply.len() + 11 + options.len() <= room;
        push_opt(&mut reply, dnssec_ok, high, if fits { options } else { &[] });
        reply[11] = 1;
    }
    reply
}

/// No answer, with TC set: the client asks again over TCP (RFC 2181, section 9), where the handshake proves its address.
pub fn over_tcp(query: &Query) -> Vec<u8> {
    let mut reply = bare(query, 0, None);
    reply[2] |= 0x02;
    reply
}

/// How many records the answer section of a reply is said to have (RFC 1035, section 4.1.1).
pub fn answers(reply: &[u8]) -> u16 {
    reply.first_chunk::<8>().map_or(0, |head| u16::from_be_bytes([head[6], head[7]]))
}

/// Header and question of a reply. A query's question always fits into 512 bytes.
fn begin(query: &Query, rcode: u8) -> Vec<u8> {
    let asked = query.bytes();
    let mut reply = Vec::with_capacity(512);
    // QR and the client's RD; RA, the client's CD and the code.
    reply.extend_from_slice(&[
        asked[0],
        asked[1],
        0x80 | (asked[2] & 0x01),
        0x80 | (asked[3] & 0x10) | rcode,
    ]);
    reply.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    reply.extend_from_slice(query.question());
    reply
}

/// At most [`EXTRA_TEXT`] bytes, cut between characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(EXTRA_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, ResponseCode};
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    use proptest::prelude::*;

    use super::super::message::Edns;
    use super::super::tests::lab;
    use super::super::wire::{HEADER, kind};
    use super::*;

    fn error_of(message: &Message) -> Option<(u16, String)> {
        let option = message.edns.as_ref()?.option(EdnsCode::Unknown(15))?;
        let EdnsOption::Unknown(15, bytes) = option else { panic!("{option:?}") };
        let (code, text) = bytes.split_first_chunk().unwrap();
        Some((u16::from_be_bytes(*code), String::from_utf8(text.to_vec()).unwrap()))
    }

    #[test]
    fn a_denial_is_nxdomain_without_soa_and_says_why_where_the_query_had_edns() {
        let query = lab::query("paste.example", kind::A, Some((1232, true)));
        let reply = denied(&query, "policy.no-route", "0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10");
        let message = Message::from_vec(&reply).unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(message.metadata.id, query.id());
        assert!(message.authorities.is_empty(), "an SOA would let it be cached");
        assert_eq!(
            error_of(&message),
            Some((15, "policy.no-route 0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10".into()))
        );
        assert!(message.edns.unwrap().flags().dnssec_ok);
    }

    #[test]
    fn an_emptied_answer_is_no_data_without_soa_and_says_why() {
        let query = lab::query("Rebind.example", kind::AAAA, Some((1232, false)));
        let message = Message::from_vec(&emptied(&query, "destination.private", "0199c0de")).unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        assert!(message.answers.is_empty() && message.authorities.is_empty());
        assert_eq!(error_of(&message), Some((15, "destination.private 0199c0de".into())));
    }

    #[test]
    fn a_client_without_edns_gets_no_edns_back() {
        let query = lab::query("paste.example", kind::A, None);
        let message = Message::from_vec(&denied(&query, "policy.no-route", "id")).unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
        assert!(message.edns.is_none());
        assert!(message.metadata.recursion_desired && message.metadata.recursion_available);
    }

    #[test]
    fn who_is_to_ask_over_tcp_gets_no_answer_that_looks_like_one() {
        for edns in [None, Some((1232, true))] {
            let query = lab::query("canary.example", kind::A, edns);
            let message = Message::from_vec(&over_tcp(&query)).unwrap();
            assert!(message.metadata.truncation && message.answers.is_empty());
            assert_eq!(message.metadata.response_code, ResponseCode::NoError);
            assert_eq!((message.metadata.id, message.edns.is_some()), (query.id(), edns.is_some()));
        }
    }

    #[test]
    fn a_long_response_is_cut_to_the_payload_with_tc_and_the_opt_kept() {
        let query = lab::query("a.example", kind::A, Some((512, false)));
        let addresses: Vec<_> = (0..100).map(|n| lab::a("a.example", [192, 0, 2, n], 60)).collect();
        let response = lab::response(&query, &addresses);
        assert!(response.len() > 512);
        assert_eq!(fitted(response.clone(), &query, Transport::Tcp), response);
        let short = fitted(response, &query, Transport::Udp);
        let message = Message::from_vec(&short).unwrap();
        assert!(message.metadata.truncation);
        assert_eq!(message.metadata.id, query.id());
        assert!(message.answers.is_empty());
        assert!(message.edns.is_some());
        assert_eq!(message.queries.len(), 1);
    }

    #[test]
    fn no_client_is_sent_more_over_udp_than_our_own_bound() {
        let query = lab::query("a.example", kind::A, Some((u16::MAX, false)));
        let mut response = lab::response(&query, &[]);
        response.resize(60_000, 0);
        let short = fitted(response, &query, Transport::Udp);
        assert!(Message::from_vec(&short).unwrap().metadata.truncation);
    }

    #[test]
    fn a_response_that_fits_is_untouched() {
        let query = lab::query("a.example", kind::A, None);
        let response = lab::response(&query, &[lab::a("a.example", [192, 0, 2, 1], 60)]);
        assert_eq!(fitted(response.clone(), &query, Transport::Udp), response);
    }

    proptest! {
        #[test]
        fn every_reply_parses_fits_and_echoes_the_question(
            labels in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..63), 0..4),
            text in ".{0,300}",
            size in proptest::option::of(any::<u16>()),
            padding in 0usize..3000,
        ) {
            let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
            let query = Query::parse(&lab::raw_query_with(&labels, kind::A, size.map(|size| (size, false)))).unwrap();
            let error = ExtendedError { code: 15, text: &text };
            let mut response = lab::response(&query, &[]);
            response.resize(response.len() + padding, 0);
            let replies = [
                refused(&query, Rcode::NxDomain, Some(error)),
                refused(&query, Rcode::ServFail, None),
                fitted(response, &query, Transport::Udp),
            ];
            for (at, reply) in replies.iter().enumerate() {
                prop_assert!(reply.len() <= query.payload(), "{at}");
                prop_assert_eq!(&reply[HEADER..HEADER + query.question().len()], query.question());
                if at < 2 || reply[2] & 2 != 0 {
                    prop_assert!(Message::from_vec(reply).is_ok(), "{at}: {:?}", Message::from_vec(reply));
                }
            }
        }
    }

    #[test]
    fn edns_of_a_query_is_never_below_512() {
        let query = lab::query("a.example", kind::A, Some((0, false)));
        assert_eq!(query.edns(), Some(Edns { payload: 512, dnssec_ok: false }));
    }
}
