//! Claims about the memory.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const START: Timestamp = Timestamp(1_790_000_000_000_000);

fn host(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn v4(n: usize) -> IpAddr {
    IpAddr::from(u32::try_from(0xc612_0000 + n).unwrap().to_be_bytes())
}

struct Lab {
    memory: Memory,
    alice: Arc<str>,
}

fn lab() -> Lab {
    Lab { memory: Memory::new(), alice: "alice".into() }
}

impl Lab {
    fn give(&self, name: &str, address: &str, ttl: Duration, now: Timestamp) {
        self.memory.remember(&self.alice, &host(name), &[(ip(address), ttl)], now);
    }

    fn names(&self, address: &str, now: Timestamp) -> Vec<String> {
        self.memory.names("alice", ip(address), now).iter().map(ToString::to_string).collect()
    }
}

#[test]
fn two_names_on_one_address_are_both_believed_newest_first() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", HOUR, START);
    lab.give("b.example", "192.0.2.1", HOUR, START);
    assert_eq!(lab.names("192.0.2.1", START), ["b.example", "a.example"]);
    lab.give("a.example", "192.0.2.1", HOUR, START);
    assert_eq!(lab.names("192.0.2.1", START), ["a.example", "b.example"]);
    assert!(lab.memory.knows("alice", ip("192.0.2.1"), &host("b.example"), START));
    assert!(!lab.memory.knows("alice", ip("192.0.2.2"), &host("b.example"), START));
    assert!(!lab.memory.knows("alice", ip("192.0.2.1"), &host("c.example"), START));
}

#[test]
fn what_one_agent_was_given_is_not_believed_of_another() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", HOUR, START);
    assert!(!lab.memory.knows("bob", ip("192.0.2.1"), &host("a.example"), START));
    assert!(lab.memory.names("bob", ip("192.0.2.1"), START).is_empty());
    assert!(lab.memory.addresses("bob", &host("a.example"), START).is_empty());
    lab.memory.keep_agents(|agent| agent != "alice");
    assert!(lab.names("192.0.2.1", START).is_empty());
}

#[test]
fn belief_lasts_for_the_ttl_between_floor_and_ceiling() {
    let tick = Duration::from_micros(1);
    for (ttl, lasts) in [
        (Duration::ZERO, DNS_BELIEF_FLOOR),
        (HOUR, HOUR),
        (Duration::from_secs(u64::from(u32::MAX)), DNS_BELIEF_CEILING),
    ] {
        let lab = lab();
        lab.give("a.example", "192.0.2.1", ttl, START);
        assert_eq!(lab.names("192.0.2.1", START.plus(lasts - tick)), ["a.example"], "{ttl:?}");
        assert!(lab.names("192.0.2.1", START.plus(lasts)).is_empty(), "{ttl:?}");
    }
}

#[test]
fn a_shorter_ttl_takes_nothing_back() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", HOUR, START);
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    assert_eq!(lab.names("192.0.2.1", START.plus(HOUR / 2)), ["a.example"]);
}

#[test]
fn renewal_keeps_a_belief_in_use_but_not_past_the_ceiling_nor_after_its_end() {
    let lab = lab();
    let (address, name) = (ip("192.0.2.1"), host("a.example"));
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    let mut now = START;
    while START.plus(DNS_BELIEF_CEILING) > now {
        assert!(lab.memory.renew("alice", address, &name, now), "{now}");
        now = now.plus(DNS_BELIEF_FLOOR / 2);
    }
    assert!(!lab.memory.knows("alice", address, &name, now), "the ceiling holds");
    assert!(!lab.memory.renew("alice", address, &name, now));
    assert!(!lab.memory.renew("bob", address, &name, START));
}

#[test]
fn past_the_bound_the_oldest_is_forgotten_unless_it_is_in_use() {
    let lab = lab();
    for n in 0..DNS_NAMES_PER_AGENT {
        lab.memory.remember(&lab.alice, &host(&format!("n{n}.example")), &[(v4(n), HOUR)], START);
    }
    assert!(lab.memory.renew("alice", v4(0), &host("n0.example"), START));
    lab.give("more.example", "192.0.2.1", HOUR, START);
    assert!(lab.memory.knows("alice", v4(0), &host("n0.example"), START), "in use");
    assert!(!lab.memory.knows("alice", v4(1), &host("n1.example"), START), "the oldest");
    assert!(lab.memory.knows("alice", v4(2), &host("n2.example"), START));
    let shard = lab.memory.shard("alice");
    assert_eq!(shard["alice"].count, DNS_NAMES_PER_AGENT);
    assert_eq!(shard["alice"].by_address.len(), DNS_NAMES_PER_AGENT);
}

#[test]
fn names_of_one_address_and_the_order_of_forgetting_are_bounded() {
    let lab = lab();
    for n in 0..3 * DNS_NAMES_PER_ADDRESS {
        lab.give(&format!("n{n}.example"), "192.0.2.1", HOUR, START);
        lab.give("same.example", "192.0.2.2", HOUR, START);
        lab.memory.renew("alice", ip("192.0.2.2"), &host("same.example"), START);
    }
    let names = lab.names("192.0.2.1", START);
    assert_eq!(names.len(), DNS_NAMES_PER_ADDRESS);
    assert_eq!(names[0], format!("n{}.example", 3 * DNS_NAMES_PER_ADDRESS - 1));
    let shard = lab.memory.shard("alice");
    assert_eq!(shard["alice"].count, DNS_NAMES_PER_ADDRESS + 1);
    assert!(shard["alice"].order.len() <= 2 * shard["alice"].count + 64);
}

#[test]
fn what_has_expired_makes_room() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    lab.give("b.example", "192.0.2.2", HOUR, START.plus(HOUR));
    let shard = lab.memory.shard("alice");
    assert_eq!(shard["alice"].count, 1);
    assert!(!shard["alice"].by_address.contains_key(&ip("192.0.2.1")));
}

#[test]
fn the_agent_that_asked_least_recently_is_forgotten_past_the_bound() {
    let memory = Memory::new();
    for n in 0..DNS_AGENTS + 500 {
        let now = START.plus(Duration::from_micros(u64::try_from(n).unwrap()));
        memory.remember(&format!("agent-{n}").into(), &host("a.example"), &[(v4(1), HOUR)], now);
    }
    let kept: usize = memory.shards.iter().map(|shard| locked(shard).len()).sum();
    assert!(kept <= DNS_AGENTS, "{kept}");
    let last = format!("agent-{}", DNS_AGENTS + 499);
    assert!(memory.knows(&last, v4(1), &host("a.example"), START));
}

#[test]
fn a_mapped_address_and_its_ipv4_address_are_one() {
    let lab = lab();
    lab.give("a.example", "::ffff:192.0.2.1", HOUR, START);
    assert_eq!(lab.names("192.0.2.1", START), ["a.example"]);
    assert_eq!(lab.names("::ffff:192.0.2.1", START), ["a.example"]);
    assert_eq!(lab.memory.addresses("alice", &host("a.example"), START).as_slice(), [ip("192.0.2.1")]);
}
