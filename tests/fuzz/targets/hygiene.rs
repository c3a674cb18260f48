//! Answers: whatever is cleaned holds no address that may not be given and no parameter that leads past the gateway, as
//! a DNS library reads it; everything else of it is as it was, in its order.

use std::net::IpAddr;

use clawgress::perceive::dns::hygiene::clean;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::SVCB;
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// A stand-in for policy: even addresses may be given.
fn keep(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[3].is_multiple_of(2),
        IpAddr::V6(v6) => v6.octets()[15].is_multiple_of(2),
    }
}

pub fn check(response: &[u8]) {
    let Ok(cleaned) = clean(response, &keep) else { return };
    let Some(written) = &cleaned.message else {
        assert_eq!(cleaned.removed.count, 0, "an address went from what did not change");
        if let Ok(message) = Message::from_vec(response) {
            sections(&message).into_iter().flatten().for_each(is_harmless);
        }
        return;
    };
    let again = clean(written, &keep).expect("what was written can be read");
    assert_eq!((again.message, again.removed.count), (None, 0), "not clean at once");
    assert_eq!(
        (written[..3].to_vec(), written[3] | 0x20),
        (response[..3].to_vec(), response[3] | 0x20),
        "flags"
    );
    let Ok(before) = Message::from_vec(response) else { return };
    let after = Message::from_vec(written).expect("it could be read before");
    assert!(!after.metadata.authentic_data, "AD of what was changed");
    assert_eq!(before.queries, after.queries);
    for (before, after) in sections(&before).into_iter().zip(sections(&after)) {
        after.iter().for_each(is_harmless);
        assert_eq!(others(before), others(after));
    }
}

fn sections(message: &Message) -> [&[Record]; 3] {
    [&message.answers, &message.authorities, &message.additionals]
}

fn is_harmless(record: &Record) {
    if record.dns_class != DNSClass::IN {
        return;
    }
    match &record.data {
        RData::A(address) => assert!(keep(IpAddr::V4(address.0)), "{record}"),
        RData::AAAA(address) => assert!(keep(IpAddr::V6(address.0)), "{record}"),
        RData::HTTPS(service) => leads_nowhere(&record.name, &service.0),
        RData::SVCB(service) => leads_nowhere(&record.name, service),
        _ => {}
    }
}

fn leads_nowhere(owner: &Name, service: &SVCB) {
    assert!(service.target_name.is_root() || service.target_name == *owner, "{owner} {service}");
    for (key, value) in &service.svc_params {
        assert!(![4, 5, 6, 7].contains(&u16::from(*key)), "{owner} {service}");
        if let SvcParamValue::Alpn(alpn) = value {
            assert!(
                !alpn.0.iter().any(|id| id == "h3" || id.starts_with("h3-") || id == "doq"),
                "{owner} {service}"
            );
        }
    }
}

/// The records that hygiene has no business with.
fn others(section: &[Record]) -> Vec<String> {
    // A record of another class is left out of what is given; OPT has none.
    let touched = |record: &&Record| match record.dns_class {
        DNSClass::IN => {
            matches!(record.data, RData::A(_) | RData::AAAA(_) | RData::HTTPS(_) | RData::SVCB(_))
        }
        _ => record.record_type() != RecordType::OPT,
    };
    // Of some types the library does not read the names, which are written out when they had been compressed.
    let unread = |record: &&Record| {
        matches!(u16::from(record.record_type()), 3 | 4 | 7..=9 | 14 | 17 | 18 | 21 | 24 | 26 | 30 | 36 | 39)
    };
    section.iter().filter(|record| !touched(record) && !unread(record)).map(ToString::to_string).collect()
}
