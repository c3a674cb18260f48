//! Claims about one query and its reply, against an upstream on loopback.

use hickory_proto::op::{Message, ResponseCode};

use super::super::tests::lab::{self, Act, Upstream, a};
use super::super::wire::kind;
use super::*;
use crate::model::types::HostName;

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

struct Lab {
    upstream: Upstream,
    exchange: Exchange,
    alice: Arc<str>,
}

async fn lab(act: Act, tcp: Vec<lab::Record>) -> Lab {
    let upstream = Upstream::start(vec![act], tcp).await;
    let forwarder = Arc::new(Forwarder::hasty(&[upstream.address]));
    let exchange = Exchange::new(forwarder, Arc::default(), Arc::new(Memory::new()));
    Lab { upstream, exchange, alice: "alice".into() }
}

/// Only 192.0.2.0/24 and 2001:db8::/32 may be given.
fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets().starts_with(&[192, 0, 2]),
        IpAddr::V6(v6) => v6.segments().starts_with(&[0x2001, 0xdb8]),
    }
}

fn to(agent: Option<&Arc<str>>, transport: Transport) -> Recipient<'_> {
    Recipient { agent, transport, keep: &public }
}

impl Lab {
    async fn answer(&self, query: &Query) -> Answered {
        self.exchange.answer(query, to(Some(&self.alice), Transport::Udp), NOW).await
    }

    fn knows(&self, agent: &str, address: &str, name: &str) -> bool {
        let name = HostName::parse(name).unwrap();
        self.exchange.memory().knows(agent, address.parse().unwrap(), &name, NOW)
    }
}

#[tokio::test]
async fn the_agent_that_asked_and_no_other_is_believed_to_have_the_address() {
    let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
    let query = lab::query("A.example", kind::A, None);
    let answered = lab.answer(&query).await;
    assert_eq!((answered.rcode, answered.addresses, answered.failure), (0, 1, None));
    assert_eq!(answered.upstream, Some(lab.upstream.address));
    assert_eq!(Message::from_vec(&answered.reply).unwrap().answers.len(), 1);
    assert!(lab.knows("alice", "192.0.2.1", "a.example"));
    assert!(!lab.knows("bob", "192.0.2.1", "a.example"));
}

#[tokio::test]
async fn a_query_of_nobody_is_answered_and_not_remembered() {
    let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
    let query = lab::query("a.example", kind::A, None);
    let answered = lab.exchange.answer(&query, to(None, Transport::Udp), NOW).await;
    assert_eq!(answered.addresses, 1);
    assert!(!lab.knows("alice", "192.0.2.1", "a.example"));
}

#[tokio::test]
async fn a_name_that_no_host_can_have_is_forwarded_and_not_remembered() {
    let lab = lab(Act::Answer(Vec::new()), Vec::new()).await;
    let query = Query::parse(&lab::raw_query(&[b"\x00a", b"example"])).unwrap();
    let answered = lab.answer(&query).await;
    assert_eq!((answered.rcode, answered.addresses), (0, 0));
    assert_eq!(lab.upstream.seen()[0].0.text(), "\\000a.example");
}

#[tokio::test]
async fn an_answer_too_long_for_the_client_is_cut_but_remembered_whole() {
    let many: Vec<_> = (0..100).map(|n| a("a.example", [192, 0, 2, n], 60)).collect();
    let lab = lab(Act::Truncate, many).await;
    let query = lab::query("a.example", kind::A, None);
    let answered = lab.answer(&query).await;
    assert!(answered.reply.len() <= 512);
    assert!(Message::from_vec(&answered.reply).unwrap().metadata.truncation);
    assert_eq!(answered.addresses, 100);
    assert!(lab.knows("alice", "192.0.2.99", "a.example"));
    let whole = lab.exchange.answer(&query, to(Some(&lab.alice), Transport::Tcp), NOW).await;
    assert_eq!(Message::from_vec(&whole.reply).unwrap().answers.len(), 100);
}

#[tokio::test]
async fn a_silent_upstream_is_servfail_with_its_reason() {
    let lab = lab(Act::Silence, Vec::new()).await;
    let answered = lab.answer(&lab::query("a.example", kind::A, Some((1232, false)))).await;
    assert_eq!((answered.rcode, answered.failure), (2, Some(ForwardError::Silent)));
    let reply = Message::from_vec(&answered.reply).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    let error = [&[0, 22], b"no upstream resolver answered in time".as_slice()].concat();
    assert!(answered.reply.ends_with(&error), "EDE 22");
}

#[tokio::test]
async fn an_agent_past_its_share_fails_at_once_and_takes_nothing_from_others() {
    let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
    let query = lab::query("a.example", kind::A, None);
    let shares = &lab.exchange.shares;
    let taken: Vec<_> = (0..DNS_IN_FLIGHT_PER_AGENT).map(|_| Share::take(shares, Some(&lab.alice))).collect();
    assert!(taken.iter().all(Option::is_some));
    let answered = lab.answer(&query).await;
    assert_eq!((answered.rcode, answered.failure), (2, Some(ForwardError::Busy)));
    let bob = lab.exchange.answer(&query, to(Some(&"bob".into()), Transport::Udp), NOW).await;
    assert_eq!(bob.addresses, 1);
    drop(taken);
    assert_eq!(lab.answer(&query).await.addresses, 1);
    assert!(locked(shares).is_empty(), "places are given back");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_said_not_to() {
    let lab = lab(Act::Rcode(3), Vec::new()).await;
    let answered = lab.answer(&lab::query("a.example", kind::A, None)).await;
    assert_eq!((answered.rcode, answered.addresses, answered.failure), (3, 0, None));
}

#[tokio::test]
async fn an_answer_that_is_kept_is_given_and_remembered_without_asking_again() {
    let lab = lab(Act::Answer(vec![a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
    let first = lab.answer(&lab::query("a.example", kind::A, None)).await;
    assert_eq!(first.upstream, Some(lab.upstream.address));
    let bob: Arc<str> = "bob".into();
    let query = lab::query("A.EXAMPLE", kind::A, Some((1232, false)));
    let second = lab.exchange.answer(&query, to(Some(&bob), Transport::Udp), NOW).await;
    assert_eq!((second.upstream, second.addresses), (None, 1));
    assert!(lab.knows("bob", "192.0.2.1", "a.example"), "before the reply goes out");
    assert_eq!(lab.upstream.seen().len(), 1);
    let reply = Message::from_vec(&second.reply).unwrap();
    assert_eq!(reply.queries[0].name().to_ascii(), "A.EXAMPLE.", "in the client's own spelling");
    assert!(reply.edns.is_some() && Message::from_vec(&first.reply).unwrap().edns.is_none());
}

#[tokio::test]
async fn equal_questions_at_one_time_are_one_query_upstream() {
    let lab = lab(Act::Hold(vec![a("a.example", [192, 0, 2, 1], 0)]), Vec::new()).await;
    let query = lab::query("a.example", kind::A, None);
    let release = async {
        lab.upstream.arrived().await;
        lab.upstream.release();
    };
    let (first, second, third, ()) =
        tokio::join!(lab.answer(&query), lab.answer(&query), lab.answer(&query), release);
    assert_eq!([first.addresses, second.addresses, third.addresses], [1; 3], "even where its TTL is 0");
    assert_eq!(lab.upstream.seen().len(), 1);
}

#[tokio::test]
async fn addresses_that_the_agent_may_not_be_given_are_neither_given_nor_remembered() {
    let answers = vec![a("a.example", [10, 0, 0, 1], 60), a("a.example", [192, 0, 2, 1], 60)];
    let lab = lab(Act::Answer(answers), Vec::new()).await;
    let answered = lab.answer(&lab::query("a.example", kind::A, None)).await;
    let reply = Message::from_vec(&answered.reply).unwrap();
    assert_eq!((reply.answers.len(), answered.addresses), (1, 1));
    assert_eq!(answered.removed.addresses.to_vec(), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    assert!(!answered.removed.emptied);
    assert!(!lab.knows("alice", "10.0.0.1", "a.example") && lab.knows("alice", "192.0.2.1", "a.example"));
    // What is kept is the upstream's answer: whoever may have the address is given it.
    let query = lab::query("a.example", kind::A, None);
    let all = Recipient { agent: None, transport: Transport::Udp, keep: &|_| true };
    assert_eq!(lab.exchange.answer(&query, all, NOW).await.addresses, 2);
    assert_eq!(lab.upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_of_which_no_address_is_left_says_that_it_was_emptied() {
    let answers = vec![lab::cname("a.example", "b.example", 60), a("b.example", [127, 0, 0, 1], 60)];
    let lab = lab(Act::Answer(answers), Vec::new()).await;
    let answered = lab.answer(&lab::query("a.example", kind::A, None)).await;
    assert!(answered.removed.emptied);
    assert_eq!((answered.rcode, answered.addresses, answered.removed.count), (0, 0, 1));
    assert!(!lab.knows("alice", "127.0.0.1", "a.example"));
}

#[tokio::test]
async fn an_address_of_another_class_is_neither_given_nor_remembered() {
    let mut strange = a("a.example", [192, 0, 2, 9], 60);
    strange[13..15].copy_from_slice(&3u16.to_be_bytes());
    let lab = lab(Act::Answer(vec![strange, a("a.example", [192, 0, 2, 1], 60)]), Vec::new()).await;
    let answered = lab.answer(&lab::query("a.example", kind::A, None)).await;
    let given = Message::from_vec(&answered.reply).unwrap().answers;
    assert_eq!((given.len(), given[0].data.to_string()), (1, "192.0.2.1".to_owned()));
    assert!(!lab.knows("alice", "192.0.2.9", "a.example"));
}
