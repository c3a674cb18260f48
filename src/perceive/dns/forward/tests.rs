//! Claims about the forwarder, each against an upstream on loopback that does one thing.

use std::collections::HashSet;

use super::super::message::Query;
use super::super::tests::encrypted;
use super::super::tests::lab::{self, Act, Upstream, a};
use super::super::wire::kind;
use crate::model::config::DnsTransport;
use crate::model::types::limits::DNS_PIPELINED;
use tokio::net::UdpSocket;

use super::*;

fn truth() -> Vec<lab::Record> {
    vec![a("a.example", [192, 0, 2, 1], 60)]
}

async fn forward(upstreams: &[&Upstream], query: &Query) -> Result<Answer, ForwardError> {
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
    Forwarder::hasty(&addresses).forward(&Canonical::of(query)).await
}

fn given(forwarded: &Answer) -> Vec<String> {
    forwarded.found.addresses.iter().map(|(address, _)| address.to_string()).collect()
}

#[tokio::test]
async fn an_answer_comes_back_with_what_it_says_and_who_said_it() {
    let upstream = Upstream::start(vec![Act::Answer(truth())], Vec::new()).await;
    let query = lab::query("A.eXample", kind::A, Some((1232, true)));
    let forwarded = forward(&[&upstream], &query).await.unwrap();
    assert_eq!(given(&forwarded), ["192.0.2.1"]);
    assert_eq!(forwarded.upstream, upstream.address);
}

#[tokio::test]
async fn every_query_has_a_fresh_id_and_port_and_is_otherwise_the_gateways_own() {
    let upstream = Upstream::start(vec![Act::Answer(truth())], Vec::new()).await;
    let query = lab::query("A.eXample", kind::A, Some((4096, true)));
    for _ in 0..24 {
        forward(&[&upstream], &query).await.unwrap();
    }
    let seen = upstream.seen();
    let ids: HashSet<u16> = seen.iter().map(|(query, _)| query.id()).collect();
    let ports: HashSet<u16> = seen.iter().map(|(_, from)| from.port()).collect();
    // One repetition among 24 of 65,536 is possible, three are not worth fearing.
    assert!(ids.len() >= 22 && ports.len() >= 22, "{ids:?} {ports:?}");
    let own = Canonical::of(&query).message(0, false);
    assert!(seen.iter().all(|(sent, _)| sent.bytes()[2..] == own[2..]));
}

#[tokio::test]
async fn lies_are_ignored_and_the_truth_is_waited_for() {
    let upstream = Upstream::start(vec![Act::Lie(truth())], Vec::new()).await;
    let query = lab::query("a.example", kind::A, None);
    let forwarded = forward(&[&upstream], &query).await.unwrap();
    assert_eq!(given(&forwarded), ["192.0.2.1"]);
    assert_eq!(upstream.seen().len(), 1, "a lie does not cost a try");
}

#[tokio::test]
async fn a_truncated_answer_is_fetched_over_tcp_from_the_same_upstream() {
    let many: Vec<_> = (0..200).map(|n| a("a.example", [192, 0, 2, n], 60)).collect();
    let upstream = Upstream::start(vec![Act::Truncate], many.clone()).await;
    let query = lab::query("a.example", kind::A, None);
    let forwarded = forward(&[&upstream], &query).await.unwrap();
    assert_eq!(given(&forwarded).len(), 200);

    // An answer that is longer than we said we take is no different.
    let upstream = Upstream::start(vec![Act::Answer(many)], truth()).await;
    assert_eq!(given(&forward(&[&upstream], &query).await.unwrap()), ["192.0.2.1"]);
}

#[tokio::test]
async fn a_silent_upstream_is_passed_over_and_then_asked_last() {
    let silent = Upstream::start(vec![Act::Silence], Vec::new()).await;
    let good = Upstream::start(vec![Act::Answer(truth())], Vec::new()).await;
    let forwarder = Forwarder::hasty(&[silent.address, good.address]);
    let asked = Canonical::of(&lab::query("a.example", kind::A, None));
    assert_eq!(forwarder.forward(&asked).await.unwrap().upstream, good.address);
    assert_eq!(forwarder.upstreams.all_away(), None);
    rested(&forwarder, 0).await;
    let before = silent.seen().len();
    for _ in 0..3 {
        assert_eq!(forwarder.forward(&asked).await.unwrap().upstream, good.address);
    }
    assert_eq!((silent.seen().len(), good.seen().len()), (before, 4), "it rests");
}

/// Waits until an upstream is held to be away.
async fn rested(forwarder: &Forwarder, upstream: usize) {
    while !forwarder.upstreams.at(upstream).rests() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_silent_for_one_name_alone_stays_the_first() {
    // It keeps silent once, and then answers: what it hears next is the question about the root.
    let first = Upstream::start(vec![Act::Silence, Act::Answer(truth())], Vec::new()).await;
    let other = Upstream::start(vec![Act::Answer(truth())], Vec::new()).await;
    let forwarder = Forwarder::hasty(&[first.address, other.address]);
    let asked = Canonical::of(&lab::query("a.example", kind::A, None));
    assert_eq!(forwarder.forward(&asked).await.unwrap().upstream, other.address);
    while forwarder.upstreams.at(0).is_examined() {
        tokio::task::yield_now().await;
    }
    assert_eq!(first.seen()[1].0.text(), ".");
    assert!(!forwarder.upstreams.at(0).rests());
    assert_eq!(forwarder.forward(&asked).await.unwrap().upstream, first.address);
}

#[tokio::test]
async fn a_failure_tells_what_each_upstream_did_until_one_answers() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let late = Upstream::start(vec![Act::Silence; 6], Vec::new()).await;
    let forwarder = Forwarder::hasty(&[closed, late.address]);
    let asked = Canonical::of(&lab::query("a.example", kind::A, None));
    let failure = forwarder.forward(&asked).await.unwrap_err();
    let seen = forwarder.upstreams.seen(failure);
    assert!(
        seen.starts_with(&format!("no upstream resolver answered in time: {closed}: Connection refused")),
        "{seen}"
    );
    assert!(seen.ends_with(&format!("; {}: no answer in time", late.address)), "{seen}");
    rested(&forwarder, 0).await;
    rested(&forwarder, 1).await;
    assert!(forwarder.upstreams.all_away().is_some());
    forwarder.upstreams.at(1).answered();
    assert_eq!(forwarder.upstreams.all_away(), None);
    let busy = forwarder.upstreams.seen(ForwardError::Busy);
    assert_eq!(busy, "too many queries are in flight");
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let upstream = Upstream::start(vec![Act::Silence, Act::Answer(truth())], Vec::new()).await;
    let forwarded = forward(&[&upstream], &lab::query("a.example", kind::A, None)).await.unwrap();
    assert_eq!(given(&forwarded), ["192.0.2.1"]);
}

#[tokio::test]
async fn silence_everywhere_ends_within_the_bounds() {
    let silent = Upstream::start(vec![Act::Silence], Vec::new()).await;
    let begun = Instant::now();
    let error = forward(&[&silent], &lab::query("a.example", kind::A, None)).await.unwrap_err();
    assert_eq!(error, ForwardError::Silent);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!((2..=DNS_TRIES).contains(&silent.seen().len()), "{}", silent.seen().len());
}

#[tokio::test]
async fn a_closed_port_is_passed_over_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let good = Upstream::start(vec![Act::Answer(truth())], Vec::new()).await;
    let asked = Canonical::of(&lab::query("a.example", kind::A, None));
    let forwarder = Forwarder::hasty(&[closed, good.address]);
    assert_eq!(forwarder.forward(&asked).await.unwrap().upstream, good.address);
    assert_eq!(Forwarder::hasty(&[closed]).forward(&asked).await, Err(ForwardError::Unreachable));
    assert_eq!(Forwarder::hasty(&[]).forward(&asked).await, Err(ForwardError::NoUpstream));
}

#[tokio::test]
async fn a_failing_upstream_counts_only_where_no_other_does_better() {
    let failing = Upstream::start(vec![Act::Rcode(2)], Vec::new()).await;
    let refusing = Upstream::start(vec![Act::Rcode(5)], Vec::new()).await;
    let good = Upstream::start(vec![Act::Rcode(3)], Vec::new()).await;
    let query = lab::query("a.example", kind::A, None);
    assert_eq!(forward(&[&failing, &refusing, &good], &query).await.unwrap().found.rcode, 3);
    assert_eq!(forward(&[&failing, &refusing], &query).await.unwrap().found.rcode, 2);
    assert_eq!(failing.seen().len(), 2, "what has answered is not asked twice");
}

#[tokio::test]
async fn a_malformed_answer_is_no_answer() {
    let broken = Upstream::start(vec![Act::Broken], Vec::new()).await;
    let good = Upstream::start(vec![Act::Answer(truth())], Vec::new()).await;
    let query = lab::query("a.example", kind::A, None);
    assert_eq!(forward(&[&broken, &good], &query).await.unwrap().upstream, good.address);
    assert_eq!(forward(&[&broken], &query).await, Err(ForwardError::Malformed));
}

#[tokio::test]
async fn past_the_bound_of_queries_in_flight_the_next_fails_at_once() {
    let upstream = Upstream::start(vec![Act::Hold(truth())], Vec::new()).await;
    let mut forwarder = Forwarder::hasty(&[upstream.address]);
    forwarder.bounds.each = Duration::from_secs(20);
    forwarder.bounds.all = Duration::from_secs(20);
    let asked = Canonical::of(&lab::query("a.example", kind::A, None));
    let release = async {
        upstream.arrived().await;
        upstream.arrived().await;
        assert_eq!(forwarder.forward(&asked).await, Err(ForwardError::Busy));
        upstream.release();
    };
    let (first, second, ()) = tokio::join!(forwarder.forward(&asked), forwarder.forward(&asked), release);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(forwarder.in_flight.load(Ordering::Relaxed), 0, "places are given back");
}

fn stream_to(upstream: &Upstream) -> Forwarder {
    let server = DnsServer { address: upstream.address, transport: DnsTransport::Tcp };
    Forwarder::hasty_to(&[server], &encrypted::trusting_nobody())
}

#[tokio::test]
async fn queries_over_a_stream_share_one_connection_and_are_answered_in_any_order() {
    let upstream = Upstream::start(vec![Act::Silence], truth()).await;
    let forwarder = stream_to(&upstream);
    let [first, second] =
        ["late.example", "a.example"].map(|name| Canonical::of(&lab::query(name, kind::A, None)));
    // The upstream holds what is `late` back until the next query has been answered.
    let (late, other) = tokio::join!(forwarder.forward(&first), forwarder.forward(&second));
    assert_eq!((late.unwrap().found.rcode, other.unwrap().found.rcode), (0, 0));
    forwarder.forward(&second).await.unwrap();
    assert_eq!(upstream.connections(), 1);
    assert!(upstream.seen().is_empty(), "nothing goes over UDP");
}

#[tokio::test]
async fn a_kept_connection_that_has_ended_meanwhile_is_dialled_once_more() {
    let upstream = Upstream::start(vec![Act::Silence], truth()).await;
    let forwarder = stream_to(&upstream);
    let last = Canonical::of(&lab::query("last.example", kind::A, None));
    for connections in 1..4 {
        // The upstream closes behind the answer, and again behind the question.
        forwarder.forward(&last).await.unwrap();
        assert_eq!(upstream.connections(), connections);
    }
}

#[tokio::test]
async fn a_question_that_a_kept_connection_ended_on_is_asked_once_more_over_a_new_one() {
    let upstream = Upstream::start(vec![Act::Silence], truth()).await;
    let forwarder = stream_to(&upstream);
    let first = Canonical::of(&lab::query("first.example", kind::A, None));
    for connections in 1..4 {
        assert_eq!(forwarder.forward(&first).await.unwrap().found.rcode, 0);
        assert_eq!(upstream.connections(), connections);
    }
}

#[tokio::test]
async fn a_stream_that_answers_another_question_is_not_believed() {
    let upstream = Upstream::start(vec![Act::Silence], truth()).await;
    let lie = Canonical::of(&lab::query("lie.example", kind::A, None));
    assert_eq!(stream_to(&upstream).forward(&lie).await, Err(ForwardError::Unreachable));
}

#[tokio::test]
async fn questions_that_nobody_waits_for_keep_no_other_from_a_stream() {
    let upstream = Upstream::start(vec![Act::Silence], truth()).await;
    let mut forwarder = stream_to(&upstream);
    (forwarder.bounds.each, forwarder.bounds.all) = (Duration::from_secs(20), Duration::from_secs(20));
    let forwarder = Arc::new(forwarder);
    let asked = Canonical::of(&lab::query("a.example", kind::A, None));
    let silent = Canonical::of(&lab::query("silent.example", kind::A, None));
    forwarder.forward(&asked).await.unwrap();
    let give_up = async |count: usize| {
        let ask = |_| {
            let (forwarder, silent) = (forwarder.clone(), silent.clone());
            tokio::spawn(async move { forwarder.ask(0, &silent).await.is_ok() })
        };
        let asking: Vec<_> = (0..count).map(ask).collect();
        // Each has its turn before this one has it again.
        tokio::task::yield_now().await;
        // Its answer tells that those before it were asked.
        forwarder.forward(&asked).await.unwrap();
        for one in asking {
            one.abort();
            assert!(one.await.is_err(), "nobody answers it");
        }
    };
    give_up(DNS_PIPELINED - 1).await;
    give_up(8).await;
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn the_hosts_resolvers_are_the_first_three_named() {
    let text = "# nameserver 192.0.2.9\n; c\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\n\
                nameserver fe80::1%eth0\nnameserver nonsense\nnameserver 127.0.0.53\nnameserver 192.0.2.4\n";
    let expected = ["192.0.2.1:53", "[2001:db8::1]:53", "127.0.0.53:53"].map(|text| text.parse().unwrap());
    assert_eq!(host_resolvers(text), expected);
    assert_eq!(host_resolvers(""), []);
}
