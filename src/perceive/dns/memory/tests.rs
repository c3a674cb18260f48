//! Claims about the memory.

use std::cell::Cell;

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
    memory: Arc<Memory>,
    alice: Arc<str>,
}

fn lab() -> Lab {
    Lab { memory: Arc::new(Memory::new()), alice: "alice".into() }
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

thread_local! {
    /// What the clock of a test's uses says.
    static NOW: Cell<Timestamp> = const { Cell::new(START) };
}

impl Lab {
    /// A use that begins at `now`.
    fn hold(&self, name: &str, address: &str, now: Timestamp) -> Option<Held> {
        NOW.set(now);
        self.memory.hold(&self.alice, (ip(address), &host(name)), || NOW.get())
    }

    fn stale(&self, address: &str, now: Timestamp) -> Vec<String> {
        self.memory.stale("alice", ip(address), now).iter().map(ToString::to_string).collect()
    }

    fn counts(&self) -> (usize, usize, usize) {
        let shard = self.memory.shard("alice");
        let beliefs = &shard["alice"];
        (beliefs.count, beliefs.used, beliefs.by_address.values().map(SmallVec::len).sum())
    }
}

fn end(held: impl Sized, now: Timestamp) {
    NOW.set(now);
    drop(held);
}

#[test]
fn a_name_stays_believed_while_a_connection_uses_it_and_for_the_floor_after_its_end() {
    for address in ["192.0.2.1", "2001:db8::1"] {
        let lab = lab();
        lab.give("a.example", address, Duration::ZERO, START);
        let held = lab.hold("a.example", address, START).expect("it is believed");
        assert_eq!(lab.names(address, START.plus(HOUR)), ["a.example"], "long after its TTL");
        assert!(lab.memory.knows(
            "alice",
            ip(address),
            &host("a.example"),
            START.plus(DNS_BELIEF_CEILING * 3)
        ));
        end(held, START.plus(HOUR));
        let tick = Duration::from_micros(1);
        assert_eq!(lab.names(address, START.plus(HOUR + DNS_BELIEF_FLOOR - tick)), ["a.example"]);
        assert!(lab.names(address, START.plus(HOUR + DNS_BELIEF_FLOOR)).is_empty());
        assert_eq!(lab.stale(address, START.plus(HOUR + DNS_BELIEF_FLOOR)), ["a.example"]);
    }
}

#[test]
fn uses_that_follow_each_other_keep_a_belief_until_the_ceiling_and_no_longer() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    let mut now = START;
    while START.plus(DNS_BELIEF_CEILING) > now {
        let held = lab.hold("a.example", "192.0.2.1", now);
        assert!(held.is_some(), "{now}");
        now = now.plus(DNS_BELIEF_FLOOR / 2);
        end(held, now);
    }
    assert!(lab.hold("a.example", "192.0.2.1", now).is_none(), "the ceiling holds");
    assert_eq!(lab.stale("192.0.2.1", now), ["a.example"], "from now on it is a claim");
}

#[test]
fn only_what_is_believed_can_be_used_and_by_its_own_agent() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    assert!(lab.hold("b.example", "192.0.2.1", START).is_none());
    assert!(lab.hold("a.example", "192.0.2.2", START).is_none());
    assert!(lab.hold("a.example", "192.0.2.1", START.plus(DNS_BELIEF_FLOOR)).is_none());
    assert!(lab.memory.hold(&"bob".into(), (ip("192.0.2.1"), &host("a.example")), || START).is_none());
}

#[test]
fn a_belief_is_let_go_once_its_last_use_has_ended() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    let uses: Vec<_> = (0..3).map(|_| lab.hold("a.example", "::ffff:192.0.2.1", START)).collect();
    assert_eq!(lab.counts(), (1, 1, 1));
    // An answer meanwhile changes nothing about who uses it.
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    assert_eq!(lab.counts(), (1, 1, 1));
    for (left, held) in uses.into_iter().enumerate() {
        assert_eq!(lab.names("192.0.2.1", START.plus(HOUR)), ["a.example"], "{left}");
        end(held, START);
    }
    assert_eq!(lab.counts(), (1, 0, 1));
    assert!(lab.names("192.0.2.1", START.plus(HOUR)).is_empty());
}

#[test]
fn an_agent_that_is_removed_and_comes_back_is_not_held_by_old_uses() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    let old = lab.hold("a.example", "192.0.2.1", START);
    lab.memory.keep_agents(|_| false);
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    end(old, START);
    assert_eq!(lab.counts(), (1, 0, 1));
    assert!(lab.names("192.0.2.1", START.plus(DNS_BELIEF_FLOOR)).is_empty());
}

#[test]
fn a_name_that_has_expired_is_a_claim_for_seven_days() {
    let lab = lab();
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    lab.give("b.example", "192.0.2.1", HOUR, START);
    assert!(lab.stale("192.0.2.1", START).is_empty());
    assert_eq!(lab.stale("192.0.2.1", START.plus(DNS_BELIEF_FLOOR)), ["a.example"]);
    assert_eq!(lab.stale("192.0.2.1", START.plus(HOUR)), ["b.example", "a.example"]);
    assert!(lab.names("192.0.2.1", START.plus(HOUR)).is_empty(), "it is not believed");
    assert!(lab.stale("192.0.2.1", START.plus(DNS_STALE_TIME)).is_empty());
    assert!(lab.memory.stale("bob", ip("192.0.2.1"), START.plus(HOUR)).is_empty());
}

#[test]
fn rotating_answers_with_short_ttls_push_out_nothing_that_is_fresh() {
    let lab = lab();
    lab.give("keep.example", "2001:db8::1", DNS_BELIEF_CEILING, START);
    // Another address each second, for a week of an agent's life in three hours.
    for second in 0..3 * 3600 {
        let now = START.plus(Duration::from_secs(second));
        let address = v4(usize::try_from(second).unwrap());
        lab.memory.remember(&lab.alice, &host("cdn.example"), &[(address, Duration::from_secs(1))], now);
        assert!(lab.memory.knows("alice", address, &host("cdn.example"), now));
        let back = second.saturating_sub(DNS_BELIEF_FLOOR.as_secs() - 1);
        let earlier = v4(usize::try_from(back).unwrap());
        assert!(lab.memory.knows("alice", earlier, &host("cdn.example"), now), "the floor, at {second}");
    }
    let now = START.plus(HOUR * 3);
    assert!(lab.memory.knows("alice", ip("2001:db8::1"), &host("keep.example"), now));
    assert!(lab.counts().0 <= DNS_NAMES_PER_AGENT);
}

#[test]
fn past_the_bound_the_oldest_is_forgotten_unless_it_is_in_use() {
    let lab = lab();
    for n in 0..DNS_NAMES_PER_AGENT {
        lab.memory.remember(&lab.alice, &host(&format!("n{n}.example")), &[(v4(n), HOUR)], START);
    }
    NOW.set(START);
    let held = lab.memory.hold(&lab.alice, (v4(0), &host("n0.example")), || NOW.get());
    for n in 0..2 {
        lab.give("more.example", &format!("192.0.2.{n}"), HOUR, START);
    }
    assert!(lab.memory.knows("alice", v4(0), &host("n0.example"), START), "in use");
    assert!(!lab.memory.knows("alice", v4(1), &host("n1.example"), START), "the oldest");
    assert!(lab.memory.knows("alice", v4(2), &host("n2.example"), START));
    assert_eq!(lab.counts(), (DNS_NAMES_PER_AGENT + 1, 1, DNS_NAMES_PER_AGENT + 1));
    end(held, START);
    lab.give("most.example", "192.0.2.9", HOUR, START);
    assert_eq!(lab.counts(), (DNS_NAMES_PER_AGENT, 0, DNS_NAMES_PER_AGENT));
    assert!(lab.memory.knows("alice", v4(0), &host("n0.example"), START), "used last");
}

#[test]
fn names_of_one_address_and_the_order_of_forgetting_are_bounded() {
    let lab = lab();
    lab.give("old.example", "192.0.2.1", HOUR, START);
    let held = lab.hold("old.example", "192.0.2.1", START);
    for n in 0..3 * DNS_NAMES_PER_ADDRESS {
        lab.give(&format!("n{n}.example"), "192.0.2.1", HOUR, START);
        lab.give("same.example", "192.0.2.2", HOUR, START);
        end(lab.hold("same.example", "192.0.2.2", START), START);
    }
    assert!(lab.memory.knows("alice", ip("192.0.2.1"), &host("old.example"), START), "in use");
    end(held, START);
    let names = lab.names("192.0.2.1", START);
    assert_eq!(names.len(), DNS_NAMES_PER_ADDRESS);
    assert_eq!(names[0], format!("n{}.example", 3 * DNS_NAMES_PER_ADDRESS - 1));
    let shard = lab.memory.shard("alice");
    assert_eq!(shard["alice"].count, DNS_NAMES_PER_ADDRESS + 1);
    assert!(shard["alice"].order.len() <= 2 * shard["alice"].count + 64);
}

#[test]
fn what_has_expired_goes_first_where_room_is_wanted_and_is_forgotten_at_its_age() {
    let lab = lab();
    lab.give("first.example", "192.0.2.1", HOUR, START);
    lab.memory.remember(&lab.alice, &host("short.example"), &[(v4(0), Duration::ZERO)], START);
    let later = START.plus(DNS_BELIEF_FLOOR);
    for n in 0..DNS_NAMES_PER_AGENT {
        lab.memory.remember(&lab.alice, &host(&format!("n{n}.example")), &[(v4(n + 1), HOUR)], later);
    }
    assert!(lab.memory.stale("alice", v4(0), later).is_empty(), "expired");
    let lab = self::lab();
    lab.give("a.example", "192.0.2.1", Duration::ZERO, START);
    lab.give("b.example", "192.0.2.2", HOUR, START.plus(DNS_STALE_TIME));
    assert_eq!(lab.counts(), (1, 0, 1));
}

#[test]
fn no_use_of_any_length_in_any_order_leaves_a_count_behind() {
    let lab = lab();
    let mut uses = Vec::new();
    for n in 0..2000_u64 {
        let now = START.plus(Duration::from_secs(n * 7));
        let address = v4(usize::try_from(n % 50).unwrap());
        lab.memory.remember(&lab.alice, &host(&format!("n{}.example", n % 9)), &[(address, HOUR)], now);
        NOW.set(now);
        uses.extend(
            lab.memory.hold(&lab.alice, (address, &host(&format!("n{}.example", n % 5))), || NOW.get()),
        );
        if n % 3 == 0 {
            let at = usize::try_from(n * 31).unwrap() % uses.len().max(1);
            uses.get(at).is_some().then(|| uses.swap_remove(at));
        }
    }
    assert!(!uses.is_empty());
    uses.clear();
    let (count, used, there) = lab.counts();
    assert_eq!((used, count), (0, there));
    let shard = lab.memory.shard("alice");
    assert!(
        shard["alice"].by_address.values().flatten().all(|belief| belief.uses == 0 && belief.turn != IN_USE)
    );
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
