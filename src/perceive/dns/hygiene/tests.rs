//! Claims about what is taken out of an answer, held against hickory's reading of what is left.

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use proptest::prelude::*;

use super::super::tests::lab::{self, Record as Wire, a, aaaa, cname, other};
use super::super::wire::{HEADER, Question};
use super::*;

/// What a policy without CIDR routes would say, of documentation addresses alone.
fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets().starts_with(&[192, 0, 2]),
        IpAddr::V6(v6) => v6.segments().starts_with(&[0x2001, 0xdb8]),
    }
}

fn cleaned(kind: u16, records: &[Wire]) -> (Cleaned, Vec<u8>) {
    let query = lab::query("a.example", kind, Some((1232, false)));
    let mut response = lab::response(&query, records);
    response[3] |= 0x20; // AD
    (clean(&response, &public).unwrap(), response)
}

/// The message that is left, which must be read whole by us and by hickory.
fn left(kind: u16, records: &[Wire]) -> Message {
    let (cleaned, _) = cleaned(kind, records);
    let bytes = cleaned.message.expect("it changes");
    assert_eq!(clean(&bytes, &public).unwrap().message, None, "what is clean stays as it is");
    let message = Message::from_vec(&bytes).unwrap();
    assert!(!message.metadata.authentic_data && message.edns.is_some());
    message
}

fn text(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| format!("{} {}", record.name, record.data)).collect()
}

#[test]
fn an_answer_that_needs_no_change_is_not_touched() {
    let plain = service(1, b"\0", &[(1, b"\x02h2"), (3, &[0x20, 0xfb])]);
    let records = [
        a("a.example", [192, 0, 2, 1], 60),
        aaaa("a.example", "2001:db8::1", 60),
        other("a.example", 65, 60, &plain),
    ];
    let (cleaned, _) = cleaned(kind::ANY, &records);
    assert_eq!(cleaned, Cleaned { message: None, removed: Removed::default() });
}

#[test]
fn addresses_that_are_not_kept_go_through_chains_of_aliases_and_in_every_section() {
    let records = [
        cname("a.example", "b.example", 60),
        a("b.example", [10, 0, 0, 1], 60),
        a("b.example", [192, 0, 2, 1], 60),
        aaaa("b.example", "fd00::1", 60),
        aaaa("b.example", "::ffff:10.0.0.1", 60),
    ];
    let message = left(kind::ANY, &records);
    assert_eq!(text(&message), ["a.example. b.example.", "b.example. 192.0.2.1"]);
    let (cleaned, mut response) = cleaned(kind::A, &records[..3]);
    assert_eq!((cleaned.removed.count, cleaned.removed.emptied), (1, false));
    // The same records as authority and additional ones.
    for section in [9, 11] {
        let own = u8::from(section == 11);
        response[7] = 0;
        response[9] = 0;
        response[11] = 1;
        response[section] = 3 + own;
        let parsed = Message::from_vec(&clean(&response, &public).unwrap().message.unwrap()).unwrap();
        assert_eq!(parsed.authorities.len() + parsed.additionals.len(), 2, "{section}");
    }
}

#[test]
fn records_of_a_class_that_nobody_asked_for_are_dropped_in_every_section() {
    let of_class = |class: u16| {
        let mut record = a("a.example", [192, 0, 2, 9], 60);
        record[13..15].copy_from_slice(&class.to_be_bytes());
        record
    };
    for class in [0, 3, 254, 255, 0x8001] {
        let records = [of_class(class), a("a.example", [192, 0, 2, 1], 60), of_class(class)];
        assert_eq!(text(&left(kind::A, &records)), ["a.example. 192.0.2.1"], "class {class}");
        let (_, mut response) = cleaned(kind::A, &records);
        for section in [9, 11] {
            (response[7], response[9], response[11]) = (0, 0, 1);
            response[section] = 3 + u8::from(section == 11);
            let parsed = Message::from_vec(&clean(&response, &public).unwrap().message.unwrap()).unwrap();
            assert_eq!(parsed.authorities.len() + parsed.additionals.len(), 1, "class {class}, {section}");
        }
    }
}

#[test]
fn of_many_addresses_that_are_removed_a_metadata_service_is_always_shown() {
    let inside: Vec<Wire> = (1..7).map(|n| a("a.example", [10, 0, 0, n], 60)).collect();
    let (gone, _) = cleaned(kind::A, &[inside, vec![a("a.example", [169, 254, 169, 254], 60)]].concat());
    assert_eq!(gone.removed.count, 7);
    let shown: Vec<String> = gone.removed.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["169.254.169.254", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
}

#[test]
fn an_answer_that_loses_its_last_address_is_emptied_and_its_first_four_are_shown() {
    let mut records: Vec<Wire> = (1..7).map(|n| a("a.example", [10, 0, 0, n], 60)).collect();
    let (gone, _) = cleaned(kind::A, &records);
    assert!(gone.removed.emptied);
    assert_eq!((gone.removed.count, gone.removed.addresses.len()), (6, DNS_REMOVED_SHOWN));
    records.push(a("a.example", [192, 0, 2, 1], 60));
    assert!(!cleaned(kind::A, &records).0.removed.emptied);
    assert!(!cleaned(kind::A, &[]).0.removed.emptied, "what was empty was not emptied");
}

fn service(priority: u8, target: &[u8], parameters: &[(u8, &[u8])]) -> Vec<u8> {
    let mut data = [&[0, priority], target].concat();
    for (key, value) in parameters {
        data.extend_from_slice(&[0, *key, 0, u8::try_from(value.len()).unwrap()]);
        data.extend_from_slice(value);
    }
    data
}

/// The data that is left of one HTTPS record; nothing where it goes.
fn stripped(data: &[u8]) -> Option<Vec<u8>> {
    let message = left(65, &[other("a.example", 65, 60, data)]);
    let query = lab::query("a.example", 65, None);
    assert_eq!(message.queries.len(), 1);
    let (cleaned, _) = cleaned(65, &[other("a.example", 65, 60, data)]);
    let bytes = cleaned.message.unwrap();
    let mut records = super::super::wire::Records::new(&bytes, HEADER + query.question().len()).unwrap();
    (bytes[7] == 1).then(|| records.next().unwrap().data.to_vec())
}

const OWN: &[u8] = b"\0";

#[test]
fn ech_hints_and_the_path_of_a_resolver_are_stripped() {
    let data = service(
        1,
        OWN,
        &[
            (1, b"\x02h2"),
            (3, &[1, 0xbb]),
            (4, &[192, 0, 2, 1]),
            (5, b"ech"),
            (6, &[0; 16]),
            (7, b"/q{?dns}"),
        ],
    );
    assert_eq!(stripped(&data), Some(service(1, OWN, &[(1, b"\x02h2"), (3, &[1, 0xbb])])));
    // The owner by its own name, in any case, is the owner.
    let named = service(1, b"\x01A\x07eXample\0", &[(5, b"ech")]);
    assert_eq!(stripped(&named), Some(service(1, b"\x01A\x07eXample\0", &[])));
}

#[test]
fn protocols_over_quic_are_stripped_and_with_the_last_the_whole_key() {
    for (alpn, expected) in [
        (&b"\x02h3\x02h2"[..], Some(&b"\x02h2"[..])),
        (b"\x05h3-29\x02h2\x05h3-Q0\x08http/1.1", Some(b"\x02h2\x08http/1.1")),
        (b"\x02hq\x0ahq-interop\x03doq\x07doq-i02\x03dot", Some(b"\x03dot")),
        (b"\x04quic\x02h2", Some(b"\x02h2")),
        (b"\x02h3", None),
    ] {
        let expected = match expected {
            Some(alpn) => service(1, OWN, &[(1, alpn), (2, b"")]),
            None => service(1, OWN, &[]),
        };
        assert_eq!(stripped(&service(1, OWN, &[(1, alpn), (2, b"")])), Some(expected), "{alpn:?}");
    }
    let (untouched, _) =
        cleaned(65, &[other("a.example", 65, 60, &service(1, OWN, &[(1, b"\x03h32\x02h2")]))]);
    assert_eq!(untouched.message, None, "`h32` is no `h3`");
}

#[test]
fn what_is_mandatory_names_no_key_that_is_gone() {
    let data = service(1, OWN, &[(0, &[0, 1, 0, 5]), (1, b"\x02h2"), (5, b"ech")]);
    assert_eq!(stripped(&data), Some(service(1, OWN, &[(0, &[0, 1]), (1, b"\x02h2")])));
    let data = service(1, OWN, &[(0, &[0, 5]), (5, b"ech")]);
    assert_eq!(stripped(&data), Some(service(1, OWN, &[])));
    let data = service(1, OWN, &[(0, &[0, 1]), (1, b"\x02h3"), (3, &[1, 0xbb])]);
    assert_eq!(stripped(&data), Some(service(1, OWN, &[(3, &[1, 0xbb])])));
}

#[test]
fn a_record_that_leads_to_another_name_goes_in_either_mode() {
    for priority in [0, 1] {
        assert_eq!(stripped(&service(priority, b"\x01b\x07example\0", &[])), None);
        assert_eq!(stripped(&service(priority, b"\x01b\x01a\x07example\0", &[])), None);
    }
    let (alias, _) = cleaned(65, &[other("a.example", 65, 60, &service(0, OWN, &[]))]);
    assert_eq!(alias.message, None, "`.` in AliasMode says that there is no service");
}

#[test]
fn what_cannot_be_read_is_refused_whole() {
    for (why, kind, data) in [
        ("a short A", 1, vec![192, 0, 2]),
        ("a long AAAA", 28, vec![0; 17]),
        ("no target", 65, vec![0, 1]),
        ("a compressed target", 65, vec![0, 1, 0xc0, 12]),
        ("a cut parameter", 65, service(1, OWN, &[(1, b"\x02h2")])[..8].to_vec()),
        ("keys that do not ascend", 65, service(1, OWN, &[(5, b"e"), (5, b"e")])),
        ("an empty ALPN", 65, service(1, OWN, &[(1, b"")])),
        ("an ALPN id without length", 65, service(1, OWN, &[(1, b"\0")])),
        ("an ALPN id that is cut", 65, service(1, OWN, &[(1, b"\x05h2")])),
        ("half a mandatory key", 65, service(1, OWN, &[(0, &[0, 5, 0]), (5, b"e")])),
    ] {
        let query = lab::query("a.example", kind, None);
        let response = lab::response(&query, &[other("a.example", kind, 60, &data)]);
        assert_eq!(clean(&response, &public), Err(Malformed), "{why}");
    }
}

#[test]
fn names_in_the_data_of_what_stays_are_whole_though_what_they_pointed_to_is_gone() {
    let query = lab::query("a.example", kind::ANY, None);
    let mut response = lab::response(&query, &[]);
    // The first record goes; its owner `gone.a.example` is what all others point to.
    let gone = u8::try_from(response.len()).unwrap();
    response.extend_from_slice(b"\x04gone\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01");
    let point = [0xc0, gone];
    for (kind, before, names, after) in [
        (2, &[][..], 1, &[][..]),
        (5, &[], 1, &[]),
        (6, &[], 2, &[7; 20]),
        (12, &[], 1, &[]),
        (15, &[0, 10], 1, &[]),
        (17, &[], 2, &[]),
        (33, &[0, 1, 0, 2, 1, 0xbb], 1, &[]),
        (35, &[0, 1, 0, 2, 1, b'u', 1, b's', 0], 1, &[]),
        (39, &[], 1, &[]),
    ] {
        let data = [before, &point.repeat(names), after].concat();
        response.extend_from_slice(&[
            0xc0,
            12,
            0,
            kind,
            0,
            1,
            0,
            0,
            0,
            60,
            0,
            u8::try_from(data.len()).unwrap(),
        ]);
        response.extend_from_slice(&data);
    }
    response[7] = 10;
    let before = Message::from_vec(&response).unwrap();
    let bytes = clean(&response, &public).unwrap().message.unwrap();
    let after = Message::from_vec(&bytes).unwrap();
    // hickory does not read the names of RP and DNAME, the sixth and the last.
    let read = |message: &Message, from: usize| {
        let mut text = text(message).split_off(from);
        text.pop();
        text.remove(5);
        text
    };
    assert_eq!(read(&after, 0), read(&before, 1), "the same data");
    let whole = b"\x04gone\x01a\x07example\0";
    assert_eq!(
        bytes.windows(whole.len()).filter(|window| window == whole).count(),
        5,
        "RP, SRV, NAPTR, DNAME"
    );
    assert!(after.answers.iter().all(|record| !matches!(record.data, RData::A(_))));
}

#[test]
fn signatures_and_unknown_types_stay_byte_for_byte_beside_what_is_removed() {
    let signature =
        [&[0, 1, 13, 2, 0, 0, 0, 60, 1, 2, 3, 4, 1, 2, 3, 4, 0, 9][..], b"\x07example\0", &[7; 64]].concat();
    let odd = vec![0xc0, 12, 1, 2, 3];
    let records = [
        a("a.example", [10, 0, 0, 1], 60),
        other("a.example", 46, 60, &signature),
        other("a.example", 65_280, 60, &odd),
    ];
    let (cleaned, _) = cleaned(kind::ANY, &records);
    let bytes = cleaned.message.unwrap();
    for data in [&signature, &odd] {
        assert!(bytes.windows(data.len()).any(|window| window == *data));
    }
}

/// Records of the kinds that are looked at, good and bad, and of others.
fn record() -> impl Strategy<Value = Wire> {
    let kind = prop_oneof![
        Just(1_u16),
        Just(28),
        Just(64),
        Just(65),
        Just(5),
        Just(15),
        Just(33),
        Just(35),
        any::<u16>()
    ];
    let v4 = any::<bool>().prop_map(|public| if public { vec![192, 0, 2, 1] } else { vec![10, 0, 0, 1] });
    let service = (0..2_u8, prop::collection::vec((0..9_u8, prop::collection::vec(any::<u8>(), 0..6)), 0..5))
        .prop_map(|(priority, mut parameters)| {
            parameters.sort();
            let parameters: Vec<(u8, &[u8])> =
                parameters.iter().map(|(key, value)| (*key, value.as_slice())).collect();
            service(priority, OWN, &parameters)
        });
    let data =
        prop_oneof![v4, service, prop::collection::vec(any::<u8>(), 0..30), Just(vec![0, 1, 0xc0, 12])];
    ("[ab]\\.(example|EXAMPLE)", kind, any::<u32>(), data)
        .prop_map(|(owner, kind, ttl, data)| other(&owner, kind, ttl, &data))
}

proptest! {
    #[test]
    fn whatever_is_cleaned_is_clean_and_is_read_by_others(
        records in prop::collection::vec(record(), 0..6),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        edns: bool,
    ) {
        let query = lab::query("a.example", kind::ANY, edns.then_some((1232, true)));
        let mut response = lab::response(&query, &records);
        for (at, value) in edits {
            let at = at.index(response.len());
            response[at] = value;
        }
        let Ok(cleaned) = clean(&response, &public) else { return Ok(()) };
        let bytes = cleaned.message.as_ref().unwrap_or(&response);
        let again = clean(bytes, &public).expect("what was written can be read");
        prop_assert_eq!(again.message, None);
        prop_assert_eq!(again.removed.count, 0);
        prop_assert!(Question::read(bytes).is_some());
        if let (Some(bytes), Ok(before)) = (&cleaned.message, Message::from_vec(&response)) {
            let after = Message::from_vec(bytes).expect("hickory could read it before");
            let count = |message: &Message| message.answers.len() + message.authorities.len() + message.additionals.len();
            prop_assert!(count(&after) <= count(&before) && count(&after) + cleaned.removed.count <= count(&before));
        }
    }
}
