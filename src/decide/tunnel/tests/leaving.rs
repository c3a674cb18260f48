//! Queries that leave for names that are known already, and the bytes that come back: how much of both there may be.

use proptest::prelude::*;

use super::*;
use crate::model::types::limits::{
    DNS_TUNNEL_ANSWER_BYTES, DNS_TUNNEL_ANSWER_BYTES_PER_AGENT, DNS_TUNNEL_QUERIES,
    DNS_TUNNEL_QUERIES_PER_AGENT,
};

#[test]
fn a_written_name_that_is_asked_for_in_unusual_ways_may_leave_so_often() {
    let host = HostName::parse("api.example.com").unwrap();
    for (kind, flagged) in [(RecordType::TXT, false), (RecordType::NS, false), (RecordType::A, true)] {
        let scene = Scene::new();
        let asked = Asked { host: &host, kind, by_agent: false, base: None, flagged };
        let left = (0..2000).filter(|_| scene.sends_so(&asked, 64 * 1024).is_ok()).count();
        assert_eq!(left, DNS_TUNNEL_QUERIES as usize, "{kind:?}");
        let usual = Asked { host: &host, kind: RecordType::A, by_agent: false, base: None, flagged: false };
        scene.sends_so(&usual, 512).expect("its address, as everybody asks");
    }
}

#[test]
fn known_names_in_any_order_carry_no_more_than_so_many_queries_can() {
    let mut scene = Scene::new();
    let names: Vec<_> = (0..112).map(|n| format!("{}{}.tun.example.com", n / 16, n % 16)).collect();
    assert_eq!(scene.passed(names.iter().cloned(), RecordType::A), names.len());
    for _ in 0..3 {
        let all = names.iter().cycle().zip(FOR_A_CONNECTION.into_iter().cycle()).take(20_000);
        let left = all.filter(|(name, kind)| scene.sends(name, *kind, 60).is_ok()).count();
        assert_eq!(left, DNS_TUNNEL_QUERIES as usize);
        let seen = scene.refusal(&names[0], RecordType::A).unwrap();
        let counted = DNS_TUNNEL_QUERIES + 1;
        assert_eq!(
            seen,
            format!("example.com: {counted} queries that left within 60 s, {DNS_TUNNEL_QUERIES} are allowed")
        );
        assert_eq!(scene.refusal("www.example.org", RecordType::A), None, "another zone");
        scene.later(DNS_TUNNEL_WINDOW);
    }
    assert_eq!(scene.refusal(&names[0], RecordType::A), None, "no zone is shut for longer");
}

#[test]
fn one_known_name_brings_in_no_more_than_its_zone_may() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        let size = 51_200;
        let heard = (0..1000).filter(|_| scene.sends("dl.tun.example.com", RecordType::TXT, size).is_ok());
        assert_eq!(heard.count(), (DNS_TUNNEL_ANSWER_BYTES / size) as usize);
        let seen = scene.refusal("dl.tun.example.com", RecordType::TXT).unwrap();
        let counted = (DNS_TUNNEL_ANSWER_BYTES / size + 1) * size;
        let bound = DNS_TUNNEL_ANSWER_BYTES;
        assert_eq!(seen, format!("example.com: {counted} bytes of answers within 60 s, {bound} are allowed"));
        scene.later(DNS_TUNNEL_WINDOW);
    }
}

#[test]
fn a_query_that_is_under_way_counts_and_one_that_stayed_does_not() {
    let scene = Scene::new();
    let host = HostName::parse("one.example.com").unwrap();
    let asked = Asked { host: &host, kind: RecordType::A, by_agent: true, base: None, flagged: false };
    let admit = || scene.guard.admit(&scene.alice, &asked, scene.now);
    assert_eq!((0..1000).filter(|_| admit().is_ok()).count(), DNS_TUNNEL_QUERIES as usize);
    scene.guard.answered(&scene.alice, &asked, Heard::default()).unwrap();
    assert_eq!(admit(), Ok(()));
    assert_eq!(admit().unwrap_err().reason, Reason::DnsTunnel);
}

#[test]
fn zones_and_customers_of_one_company_share_what_may_leave() {
    let scene = Scene::new();
    let send = |name: String, bytes| scene.sends(&name, RecordType::A, bytes).is_ok();
    let company = (0..20_000).filter(|n| send(format!("site{}.github.io", n % 30), 100)).count();
    assert_eq!(company, 4 * DNS_TUNNEL_QUERIES as usize);
    let scene = Scene::new();
    let send = |name: String, bytes| scene.sends(&name, RecordType::A, bytes).is_ok();
    let zones = (0..20_000).filter(|n| send(format!("www.site{}.com", n % 900), 100)).count();
    assert_eq!(zones, DNS_TUNNEL_QUERIES_PER_AGENT as usize);
    let scene = Scene::new();
    let send = |name: String, bytes| scene.sends(&name, RecordType::A, bytes).is_ok();
    let bytes = (0..2000).filter(|n| send(format!("www.site{}.com", n % 900), 8192)).count();
    assert_eq!(bytes, (DNS_TUNNEL_ANSWER_BYTES_PER_AGENT / 8192) as usize);
}

proptest! {
    #[test]
    fn no_order_of_questions_leaves_or_brings_in_more_than_a_zone_may(
        questions in proptest::collection::vec((0_usize..40, 0_usize..30, 0_u32..70_000, any::<bool>()), 1..1500)
    ) {
        let scene = Scene::new();
        let (mut queries, mut bytes) = (0, 0);
        for (name, kind, size, left) in questions {
            let host = HostName::parse(&format!("n{name}.example.com")).unwrap();
            let kind = FOR_A_CONNECTION.get(kind).copied().unwrap_or(RecordType::TXT);
            let asked = Asked { host: &host, kind, by_agent: true, base: None, flagged: false };
            if scene.guard.admit(&scene.alice, &asked, scene.now).is_err() {
                continue;
            }
            queries += u32::from(left);
            let heard = Heard { records: true, addresses: true, left, bytes: size };
            if scene.guard.answered(&scene.alice, &asked, heard).is_ok() && left {
                bytes += size;
            }
        }
        prop_assert!(queries <= DNS_TUNNEL_QUERIES, "{queries}");
        prop_assert!(bytes <= DNS_TUNNEL_ANSWER_BYTES, "{bytes}");
    }
}
