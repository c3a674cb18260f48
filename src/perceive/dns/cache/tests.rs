//! Claims about what is kept and for how long, with a clock that the tests move.

use super::super::message::Query;
use super::super::tests::lab::{self, Act, Upstream, a};
use super::super::wire::kind;
use super::*;

struct Lab {
    upstream: Upstream,
    forwarder: Forwarder,
    cache: Cache,
}

async fn lab(act: Act) -> Lab {
    let upstream = Upstream::start(vec![act], Vec::new()).await;
    let forwarder = Forwarder::hasty(&[upstream.address]);
    Lab { upstream, forwarder, cache: Cache::default() }
}

impl Lab {
    async fn ask(&self, query: &Query) -> Result<Looked, ForwardError> {
        self.cache.look_up(&Canonical::of(query), &self.forwarder).await
    }

    /// Asks, lets the time pass, asks again: how often upstream was asked.
    async fn asked_twice(&self, apart: Duration) -> usize {
        let query = lab::query("a.example", kind::A, None);
        let before = self.upstream.seen().len();
        let _ = self.ask(&query).await;
        tokio::time::pause();
        tokio::time::advance(apart).await;
        tokio::time::resume();
        let _ = self.ask(&query).await;
        self.upstream.seen().len() - before
    }
}

fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    let numbers: Vec<u8> = [1, 2, 3, 4, minimum].into_iter().flat_map(u32::to_be_bytes).collect();
    lab::other("example", kind::SOA, ttl, &[&[0, 0][..], &numbers].concat())
}

#[tokio::test]
async fn an_answer_holds_for_its_smallest_ttl_and_counts_down() {
    let lab =
        lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60), a("a.example", [192, 0, 2, 2], 30)])).await;
    let query = lab::query("a.example", kind::A, None);
    lab.ask(&query).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20)).await;
    let looked = lab.ask(&query).await.unwrap();
    assert!(looked.cached);
    let left: Vec<u64> = looked.answer.given(looked.age).iter().map(|(_, ttl)| ttl.as_secs()).collect();
    assert_eq!(left, [39, 9], "a little more than 20 s have passed");
    let reply = hickory_proto::op::Message::from_vec(&looked.answer.reply(&query, looked.age)).unwrap();
    assert_eq!(reply.answers.iter().map(|record| record.ttl).collect::<Vec<_>>(), [40, 10]);
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    assert!(!lab.ask(&query).await.unwrap().cached, "30 s are over");
}

#[tokio::test]
async fn an_answer_without_ttl_is_not_kept() {
    let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 0)])).await;
    assert_eq!(lab.asked_twice(Duration::ZERO).await, 2);
    assert!(lab.cache.kept.is_empty());
}

#[tokio::test]
async fn that_there_is_nothing_holds_as_long_as_the_soa_record_says_rfc_2308_section_5() {
    for (authority, apart, queries) in [
        (vec![soa(600, 120)], 119, 1),
        (vec![soa(600, 120)], 121, 2),
        (vec![soa(60, 600)], 59, 1),
        (vec![soa(60, 600)], 61, 2),
        (vec![soa(86_400, 86_400)], 899, 1),
        (vec![soa(86_400, 86_400)], 901, 2),
        (Vec::new(), 0, 2),
    ] {
        for rcode in [0, 3] {
            let lab = lab(Act::Nothing(rcode, authority.clone())).await;
            assert_eq!(lab.asked_twice(Duration::from_secs(apart)).await, queries, "{rcode} {apart} s");
        }
    }
}

#[tokio::test]
async fn the_soa_record_of_a_kept_denial_counts_down_from_what_holds() {
    let lab = lab(Act::Nothing(3, vec![soa(600, 120)])).await;
    let query = lab::query("a.example", kind::A, None);
    let looked = lab.ask(&query).await.unwrap();
    for (age, ttl) in [(0, 120), (50, 70)] {
        let bytes = looked.answer.reply(&query, Duration::from_secs(age));
        let reply = hickory_proto::op::Message::from_vec(&bytes).unwrap();
        assert_eq!(reply.authorities[0].ttl, ttl);
    }
}

#[tokio::test]
async fn failures_are_kept_for_a_moment() {
    for act in [Act::Rcode(2), Act::Silence, Act::Broken] {
        let lab = lab(act).await;
        let query = lab::query("a.example", kind::A, None);
        let _ = lab.ask(&query).await;
        let asked = lab.upstream.seen().len();
        let _ = lab.ask(&query).await;
        assert_eq!(lab.upstream.seen().len(), asked);
        tokio::time::pause();
        tokio::time::advance(DNS_FAILURE_HOLD).await;
        tokio::time::resume();
        let _ = lab.ask(&query).await;
        assert!(lab.upstream.seen().len() > asked);
    }
    let refusing = lab(Act::Rcode(5)).await;
    assert_eq!(refusing.asked_twice(Duration::ZERO).await, 2, "a refusal is nobody's state");
}

#[tokio::test]
async fn where_the_first_to_ask_goes_away_the_next_asks_in_its_place() {
    let lab = lab(Act::Hold(vec![a("a.example", [192, 0, 2, 1], 60)])).await;
    let query = lab::query("a.example", kind::A, None);
    let mut first = Box::pin(lab.ask(&query));
    tokio::select! {
        _ = &mut first => panic!("nothing was answered yet"),
        () = lab.upstream.arrived() => {}
    }
    let release = async {
        drop(first);
        lab.upstream.arrived().await;
        lab.upstream.release();
    };
    let (second, ()) = tokio::join!(lab.ask(&query), release);
    assert!(second.is_ok());
}

#[tokio::test]
async fn the_cache_stays_within_its_bytes() {
    let upstream =
        Upstream::start(vec![Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)])], Vec::new()).await;
    let forwarder = Forwarder::hasty(&[upstream.address]);
    let cache = Cache::bounded(64 * 1024);
    for number in 0..200 {
        let query = lab::query(&format!("host-{number}.example"), kind::A, None);
        cache.look_up(&Canonical::of(&query), &forwarder).await.unwrap();
    }
    assert!(cache.kept.weight() <= 64 * 1024 && cache.kept.len() < 200, "{} bytes", cache.kept.weight());
}
