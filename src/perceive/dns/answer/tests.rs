//! Claims about how an upstream's answer is read, and how it is given.

use hickory_proto::op::Message;
use proptest::prelude::*;

use super::super::tests::lab::{self, a};
use super::*;

const UPSTREAM: ([u8; 4], u16) = ([192, 0, 2, 53], 53);

fn read(response: Vec<u8>, query: &Query) -> Result<Answer, Malformed> {
    Answer::read(response, &Canonical::of(query), UPSTREAM.into())
}

fn query(edns: Option<(u16, bool)>) -> Query {
    lab::query("a.example", kind::A, edns)
}

/// An OPT record with BADVERS's upper bits, an NSID and an Extended DNS Error.
const OPT: [u8; 25] =
    [0, 0, 41, 4, 0xd0, 1, 0, 0, 0, 0, 14, 0, 3, 0, 2, 7, 7, 0, 15, 0, 4, 0, 22, b'x', b'y'];

#[test]
fn the_upstreams_opt_stays_here_and_its_errors_go_to_clients_that_speak_edns() {
    let mut response = lab::response(&query(None), &[a("a.example", [192, 0, 2, 1], 60)]);
    response.extend_from_slice(&OPT);
    response[11] = 1;
    let answer = read(response, &query(None)).unwrap();
    assert_eq!(answer.found.rcode, 16);
    let plain = query(None);
    let reply = answer.close(answer.reply(&plain, Duration::ZERO), &plain);
    assert!(Message::from_vec(&reply).unwrap().edns.is_none());
    let edns = query(Some((1232, true)));
    let reply = answer.close(answer.reply(&edns, Duration::ZERO), &edns);
    let parsed = Message::from_vec(&reply).unwrap();
    let opt = parsed.edns.unwrap();
    assert!(opt.flags().dnssec_ok, "the client's own");
    assert_eq!(opt.options().as_ref().len(), 1, "the error and nothing else: {opt:?}");
    assert!(reply.ends_with(&OPT[17..]));
}

#[test]
fn an_opt_in_front_of_other_records_is_taken_out_and_the_rest_still_reads() {
    let mut response = lab::response(&query(None), &[a("a.example", [192, 0, 2, 1], 60)]);
    let mut opt = OPT;
    opt[5] = 0; // no upper bits
    response.extend_from_slice(&opt);
    // Behind it: `b.a.example`, by a pointer to the question.
    response.extend_from_slice(&[1, b'b', 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 2]);
    response[11] = 2;
    let answer = read(response, &query(None)).unwrap();
    let parsed = Message::from_vec(&answer.reply(&query(None), Duration::ZERO)).unwrap();
    assert_eq!(parsed.additionals[0].name.to_ascii(), "b.a.example.");
    assert_eq!((parsed.answers.len(), parsed.edns.is_none()), (1, true));
    assert_eq!(answer.holds, Duration::from_secs(9), "OPT has no TTL");
}

#[test]
fn two_opt_records_are_malformed() {
    let mut response = lab::response(&query(None), &[]);
    response.extend_from_slice(&[OPT, OPT].concat());
    response[11] = 2;
    assert_eq!(read(response, &query(None)), Err(Malformed));
}

#[test]
fn a_reply_has_the_clients_id_spelling_and_flags_and_the_upstreams_code() {
    let mut response = lab::response(&query(None), &[]);
    response[2] |= 0x04; // AA
    response[3] |= 0x20 | 3; // AD, NXDOMAIN
    let answer = read(response, &query(None)).unwrap();
    let mut bytes = lab::query_bytes(0xbeef, "A.eXample", kind::A, None);
    bytes[2] &= !1;
    bytes[3] |= 0x10;
    let reply = answer.reply(&Query::parse(&bytes).unwrap(), Duration::ZERO);
    assert_eq!(reply[..4], [0xbe, 0xef, 0x80, 0x80 | 0x10 | 3]);
    assert_eq!(&reply[12..bytes.len()], &bytes[12..]);
    bytes[3] |= 0x20;
    let reply = answer.reply(&Query::parse(&bytes).unwrap(), Duration::ZERO);
    assert_eq!(reply[3] & 0x20, 0x20, "AD for a client that reads it");
}

#[test]
fn an_answer_of_more_records_than_any_server_gives_is_none() {
    let records = |count: usize| vec![a("a.example", [192, 0, 2, 1], 60); count];
    assert!(read(lab::response(&query(None), &records(DNS_RECORDS_PER_ANSWER)), &query(None)).is_ok());
    let more = lab::response(&query(None), &records(DNS_RECORDS_PER_ANSWER + 1));
    assert_eq!(read(more, &query(None)), Err(Malformed));
}

proptest! {
    #[test]
    fn no_response_makes_reading_or_giving_it_panic(
        tail in proptest::collection::vec(any::<u8>(), 0..300),
        counts in any::<[u8; 6]>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        age in any::<u32>(),
    ) {
        let query = query(Some((1232, false)));
        let mut bytes = lab::response(&query, &[lab::cname("a.example", "b.example", 1), a("b.example", [192, 0, 2, 1], 1)]);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut raw = bytes.clone();
        raw.truncate(12 + query.question().len());
        raw[6..12].copy_from_slice(&counts);
        raw.extend_from_slice(&tail);
        for response in [bytes, raw] {
            if Canonical::of(&query).answered_by(&response, query.id()).is_none() {
                continue;
            }
            if let Ok(answer) = read(response, &query) {
                let age = Duration::from_secs(age.into());
                let reply = answer.close(answer.reply(&query, age), &query);
                prop_assert_eq!(&reply[..2], &query.bytes()[..2]);
                prop_assert!(answer.given(age).len() == answer.found.addresses.len());
            }
        }
    }
}
