//! DNS: queries and answers with compressed names in any case, aliases, and damage.

use proptest::prelude::*;

use super::{damaged, holds};

/// Few names, so that records meet; in any case, because the case of names is no difference (RFC 4343).
fn name() -> impl Strategy<Value = String> {
    "([aA]|[bB]|[cC]|www\\.[aA])\\.(example|EXAMPLE)"
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn header(flags: u16, answers: usize, additionals: u8) -> Vec<u8> {
    let [high, low] = flags.to_be_bytes();
    vec![0, 7, high, low, 0, 1, 0, answers as u8, 0, 0, 0, additionals]
}

const OPT: [u8; 11] = [0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0];

/// A record whose owner is written out, or points at the question.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let owner = prop_oneof![name().prop_map(|name| wire(&name)), Just(vec![0xc0, 12])];
    let alias = prop_oneof![
        name().prop_map(|name| wire(&name)),
        Just(vec![0xc0, 12]),
        Just(b"\x01b\xc0\x0e".to_vec())
    ];
    let data = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 4).prop_map(|octets| (1_u16, octets)),
        3 => alias.prop_map(|alias| (5, alias)),
        1 => prop::collection::vec(any::<u8>(), 16).prop_map(|octets| (28, octets)),
        1 => service().prop_map(|data| (65, data)),
        1 => (any::<u16>(), prop::collection::vec(any::<u8>(), 0..20)),
    ];
    let ttl = prop_oneof![0..100_u32, any::<u32>()];
    (owner, data, ttl, prop_oneof![9 => Just(1_u16), 1 => any::<u16>()]).prop_map(
        |(owner, (kind, data), ttl, class)| {
            let length = u16::try_from(data.len()).expect("short");
            [
                &owner[..],
                &kind.to_be_bytes(),
                &class.to_be_bytes(),
                &ttl.to_be_bytes(),
                &length.to_be_bytes(),
                &data,
            ]
            .concat()
        },
    )
}

/// The data of an HTTPS record with some of its parameters, ascending.
fn service() -> impl Strategy<Value = Vec<u8>> {
    let parameters: [(u8, &[u8]); 8] = [
        (0, &[0, 1, 0, 5]),
        (1, b"\x02h3\x02h2"),
        (2, b""),
        (3, &[1, 0xbb]),
        (4, &[192, 0, 2, 1]),
        (5, b"ech"),
        (6, &[0; 16]),
        (7, b"/q{?dns}"),
    ];
    let target = prop_oneof![3 => Just(vec![0]), 1 => name().prop_map(|name| wire(&name))];
    (any::<u8>(), target, any::<u8>()).prop_map(move |(priority, target, some)| {
        let some = parameters.iter().filter(|(key, _)| some >> key & 1 == 1);
        let some = some.flat_map(|(key, value)| [&[0, *key, 0, value.len() as u8], *value].concat());
        [&[0, priority % 2], &target[..]].concat().into_iter().chain(some).collect()
    })
}

/// A query with its answer, as the target takes them.
fn dialogue() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![5 => Just(1_u16), 1 => Just(28), 1 => Just(65), 1 => any::<u16>()];
    (name(), kind, any::<bool>(), prop::collection::vec(record(), 0..8)).prop_map(
        |(name, kind, edns, records)| {
            let question = [&wire(&name)[..], &kind.to_be_bytes(), &[0, 1]].concat();
            let opt = if edns { &OPT[..] } else { &[] };
            let query = [&header(0x0100, 0, u8::from(edns)), &question, opt].concat();
            let answers = records.concat();
            let response =
                [&header(0x8180, records.len(), u8::from(edns)), &question, &answers, opt].concat();
            let length = u16::try_from(query.len()).expect("short");
            [&length.to_be_bytes()[..], &query, &response].concat()
        },
    )
}

proptest! {
    #[test]
    fn an_answer_gives_the_addresses_of_the_chain_and_no_others(bytes in dialogue()) {
        holds("dns", &bytes);
    }

    #[test]
    fn no_damage_to_a_message_gives_other_addresses_than_a_plain_reading(bytes in damaged(dialogue())) {
        holds("dns", &bytes);
    }

    #[test]
    fn any_bytes_are_a_query_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        holds("dns", &bytes);
    }

    #[test]
    fn whatever_is_given_of_an_answer_holds_nothing_that_leads_past_the_gateway(bytes in damaged(dialogue())) {
        // Behind the query, whose length stands in front.
        let Some(length) = bytes.first_chunk() else { return Ok(()) };
        let query = usize::from(u16::from_be_bytes(*length));
        holds("hygiene", bytes.get(2 + query..).unwrap_or_default());
    }
}
