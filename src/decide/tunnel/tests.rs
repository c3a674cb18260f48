//! What the guard does not let pass: each bound, and the patterns of real tunnels. What it must let pass is in `honest`,
//! what may leave for names that are known in `leaving`.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::types::Reason;
use crate::model::types::limits::{
    DNS_TUNNEL_ALIASES, DNS_TUNNEL_BYTES, DNS_TUNNEL_BYTES_PER_AGENT, DNS_TUNNEL_NAMES,
    DNS_TUNNEL_RANDOM_LABELS, DNS_TUNNEL_RECORDS, DNS_TUNNEL_SHUT_TIME, DNS_TUNNEL_WINDOW,
    DNS_TUNNEL_ZONES_PER_AGENT,
};

mod honest;
mod leaving;

/// A guard, alice, and her clock.
struct Scene {
    guard: Guard,
    alice: Arc<str>,
    now: Timestamp,
}

impl Scene {
    fn new() -> Self {
        Self { guard: Guard::new(), alice: "alice".into(), now: Timestamp(1_800_000_000_000_000) }
    }

    fn later(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    fn asks(&self, name: &str, kind: RecordType) -> Result<(), Denial> {
        let host = HostName::parse(name).unwrap_or_else(|error| panic!("{name} {error}"));
        let asked = Asked { host: &host, kind, by_agent: true, base: None, flagged: false };
        self.guard.admit(&self.alice, &asked, self.now)?;
        // The cache knows it.
        self.guard.answered(&self.alice, &asked, Heard::default())
    }

    /// Asks, and a query leaves that brings back so many bytes.
    fn sends(&self, name: &str, kind: RecordType, bytes: u32) -> Result<(), Denial> {
        let host = HostName::parse(name).unwrap();
        self.sends_so(&Asked { host: &host, kind, by_agent: true, base: None, flagged: false }, bytes)
    }

    fn sends_so(&self, asked: &Asked<'_>, bytes: u32) -> Result<(), Denial> {
        self.guard.admit(&self.alice, asked, self.now)?;
        self.guard.answered(&self.alice, asked, Heard { records: true, addresses: true, left: true, bytes })
    }

    /// What is seen where it is refused.
    fn refusal(&self, name: &str, kind: RecordType) -> Option<String> {
        let denial = self.asks(name, kind).err()?;
        assert_eq!(denial.reason, Reason::DnsTunnel);
        denial.evidence
    }

    fn hears(&self, name: &str, kind: RecordType, addresses: bool) -> Result<(), Denial> {
        let host = HostName::parse(name).unwrap();
        let asked = Asked { host: &host, kind, by_agent: true, base: None, flagged: false };
        self.guard.answered(&self.alice, &asked, Heard { records: true, addresses, ..Heard::default() })
    }

    /// How many of these names are let out.
    fn passed(&self, names: impl IntoIterator<Item = String>, kind: RecordType) -> usize {
        names.into_iter().filter(|name| self.asks(name, kind).is_ok()).count()
    }
}

/// As a client looks a host up: its addresses, and how HTTPS is spoken there.
const FOR_A_CONNECTION: [RecordType; 3] = [RecordType::A, RecordType::AAAA, RecordType::HTTPS];

/// Deterministic bytes that look random.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let step = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(Some(seed ^ 0x9e37_79b9), step).skip(1).map(|state| (state >> 40) as u8)
}

fn encoded(seed: u64, length: usize, alphabet: &str) -> String {
    let letters = alphabet.as_bytes();
    noise(seed).take(length).map(|byte| char::from(letters[usize::from(byte) % letters.len()])).collect()
}

const HEX: &str = "0123456789abcdef";
const BASE32: &str = "abcdefghijklmnopqrstuvwxyz012345";

#[test]
fn too_many_records_shut_records_alone() {
    let mut scene = Scene::new();
    let records = (0..50).map(|n| format!("n{n}.example.com"));
    assert_eq!(scene.passed(records, RecordType::TXT), DNS_TUNNEL_RECORDS as usize);
    for minute in 0..9 {
        let hosts = (0..50).map(|n| format!("h{minute}-{n}.example.com"));
        assert_eq!(scene.passed(hosts, RecordType::A), 50);
        assert!(scene.refusal("new.example.com", RecordType::MX).is_some());
        scene.later(DNS_TUNNEL_WINDOW);
    }
    scene.later(DNS_TUNNEL_WINDOW);
    assert_eq!(scene.refusal("new.example.com", RecordType::MX), None);
}

#[test]
fn names_under_a_suffix_that_nobody_registers_in_are_counted_together() {
    for base in ["lan", "internal", "corp", "cluster.local"] {
        let names = |length| (0..300).map(move |n| format!("{}.{base}", encoded(n, length, BASE32)));
        assert_eq!(
            Scene::new().passed(names(60), RecordType::A),
            DNS_TUNNEL_RANDOM_LABELS as usize,
            "{base}"
        );
        assert_eq!(Scene::new().passed(names(5), RecordType::A), DNS_TUNNEL_NAMES as usize, "{base}");
        let login = format!("lahrfm241cinwfcnoqqrxu0upuikxeta.{base}");
        assert!(Scene::new().refusal(&login, RecordType::TXT).is_some(), "{base}");
    }
}

#[test]
fn a_refused_name_that_is_tried_again_shuts_nobody_else_out() {
    let scene = Scene::new();
    let account = |n| format!("{}.acct.blob.core.windows.net", encoded(n, 24, HEX));
    assert_eq!(scene.passed((0..11).map(account), RecordType::A), DNS_TUNNEL_RANDOM_LABELS as usize);
    for _ in 0..500 {
        let seen = scene.refusal(&account(99), RecordType::A).unwrap();
        assert_eq!(seen, "acct.blob.core.windows.net: a bound was reached within the last 10 minutes");
    }
    assert_eq!(scene.refusal("backups.blob.core.windows.net", RecordType::A), None);
    assert_eq!(scene.refusal("zone1.other.blob.core.windows.net", RecordType::A), None);
}

#[test]
fn a_type_that_nobody_asks_for_in_earnest_counts_on_any_name() {
    let scene = Scene::new();
    let host = HostName::parse("api.example.com").unwrap();
    let passed = |kinds: std::ops::Range<u16>| {
        kinds
            .filter(|kind| {
                let asked = Asked {
                    host: &host,
                    kind: RecordType(*kind),
                    by_agent: false,
                    base: None,
                    flagged: false,
                };
                scene.guard.admit(&scene.alice, &asked, scene.now).is_ok()
            })
            .count()
    };
    assert_eq!(passed(1000..60_000), DNS_TUNNEL_RECORDS as usize);
    let usual = Asked { host: &host, kind: RecordType::TXT, by_agent: false, base: None, flagged: false };
    scene.guard.admit(&scene.alice, &usual, scene.now).unwrap();
}

#[test]
fn each_bound_of_a_zone_is_told_with_its_numbers() {
    let hex = |length| (0..200).map(move |name| encoded(name, length, HEX));
    let cases: [(Vec<String>, RecordType, usize, String); 4] = [
        (
            hex(24).collect(),
            RecordType::A,
            DNS_TUNNEL_RANDOM_LABELS as usize,
            format!(
                "example.com: {} random-looking labels within 60 s, {DNS_TUNNEL_RANDOM_LABELS} are allowed",
                DNS_TUNNEL_RANDOM_LABELS + 1
            ),
        ),
        (
            (0..200).map(|name| format!("n{name}")).collect(),
            RecordType::A,
            DNS_TUNNEL_NAMES as usize,
            format!(
                "example.com: {} new names within 60 s, {DNS_TUNNEL_NAMES} are allowed",
                DNS_TUNNEL_NAMES + 1
            ),
        ),
        (
            (0..200).map(|name| format!("{:038}", name)).collect(),
            RecordType::AAAA,
            DNS_TUNNEL_BYTES as usize / 38,
            format!("example.com: 2052 bytes in new names within 60 s, {DNS_TUNNEL_BYTES} are allowed"),
        ),
        (
            (0..200).map(|name| format!("n{name}")).collect(),
            RecordType::TXT,
            DNS_TUNNEL_RECORDS as usize,
            format!(
                "example.com: {} names asked for no address within 60 s, {DNS_TUNNEL_RECORDS} are allowed",
                DNS_TUNNEL_RECORDS + 1
            ),
        ),
    ];
    for (labels, kind, passed, evidence) in cases {
        let scene = Scene::new();
        let names: Vec<_> = labels.iter().map(|label| format!("{label}.example.com")).collect();
        for name in &names[..passed] {
            assert_eq!(scene.refusal(name, kind), None, "{name}");
        }
        assert_eq!(scene.refusal(&names[passed], kind), Some(evidence));
        let again = match kind {
            RecordType::TXT => {
                "example.com: the bound for what is no address was reached within the last 10 minutes"
            }
            _ => "example.com: a bound was reached within the last 10 minutes",
        };
        assert_eq!(scene.refusal(&names[passed + 1], kind).as_deref(), Some(again));
    }
}

#[test]
fn a_zone_that_is_shut_still_answers_what_it_knows_leaves_others_alone_and_opens_again() {
    let mut scene = Scene::new();
    let first = "www.example.com";
    scene.asks(first, RecordType::A).unwrap();
    let flood = (0..200).map(|name| format!("n{name}.example.com"));
    assert!(scene.passed(flood, RecordType::A) < 200);
    assert_eq!(scene.refusal(first, RecordType::A), None, "seen before");
    assert_eq!(scene.refusal("www.other.example", RecordType::A), None, "another zone");
    let bob: Arc<str> = "bob".into();
    let host = HostName::parse("new.example.com").unwrap();
    let asked = Asked { host: &host, kind: RecordType::A, by_agent: true, base: None, flagged: false };
    scene.guard.admit(&bob, &asked, scene.now).expect("another agent");
    scene.later(DNS_TUNNEL_SHUT_TIME - Duration::from_secs(1));
    assert!(scene.refusal("new.example.com", RecordType::A).is_some());
    scene.later(Duration::from_secs(1));
    assert_eq!(scene.refusal("new.example.com", RecordType::A), None);
}

#[test]
fn a_random_name_is_refused_at_once_where_the_answer_brings_data_back() {
    let scene = Scene::new();
    // iodine logs in with such a name.
    let login = "lahrfm241cinwfcnoqqrxu0upuikxeta.example.com";
    for kind in [
        RecordType::TXT,
        RecordType::NULL,
        RecordType::CNAME,
        RecordType::MX,
        RecordType::SRV,
        RecordType(65_399),
    ] {
        let seen = scene.refusal(login, kind).unwrap_or_else(|| panic!("{kind:?}"));
        assert!(seen.starts_with("example.com: a random-looking label, type "), "{seen}");
    }
    assert_eq!(scene.refusal(login, RecordType::A), None, "the answer may be an address");
    assert_eq!(scene.hears(login, RecordType::A, false).unwrap_err().reason, Reason::DnsTunnel);
    assert_eq!(scene.hears(login, RecordType::A, true), Ok(()));
    assert_eq!(scene.hears("www.example.com", RecordType::A, false), Ok(()), "a dead alias of a host");
    assert_eq!(scene.hears(login, RecordType::AAAA, false), Ok(()), "hosts without IPv6 are common");
}

#[test]
fn aliases_that_lead_to_no_address_are_counted_until_an_address_is_found() {
    let scene = Scene::new();
    let name = |number: u32| format!("n{number}.example.com");
    // Hosts with IPv6 alone, whose aliases have no IPv4 address.
    for number in 0..50 {
        assert_eq!(scene.refusal(&name(number), RecordType::A), None);
        scene.hears(&name(number), RecordType::A, false).unwrap();
        scene.hears(&name(number), RecordType::AAAA, true).unwrap();
    }
    for number in 50..=50 + DNS_TUNNEL_ALIASES {
        assert_eq!(scene.refusal(&name(number), RecordType::A), None);
        scene.hears(&name(number), RecordType::A, false).unwrap();
    }
    let seen = scene.refusal(&name(99), RecordType::A).unwrap();
    let expected = format!(
        "example.com: {} aliases without an address within 60 s, {DNS_TUNNEL_ALIASES} are allowed",
        DNS_TUNNEL_ALIASES + 1
    );
    assert_eq!(seen, expected);
}

#[test]
fn patterns_of_well_known_tunnels_carry_little() {
    // dnscat2: hexadecimal labels in front of the zone, several a name; dns2tcp: base64 with a counter, asked for TXT;
    // exfiltration by a shell: the file in hexadecimal, with a counter.
    let dnscat =
        (0..500_u64).map(|n| format!("{}.{}.example.com", encoded(n, 60, HEX), encoded(n + 1000, 60, HEX)));
    let dns2tcp = (0..500_u64).map(|n| format!("{}.xauth.example.com", encoded(n, 40, BASE32)));
    let shell = (0..500_u64).map(|n| format!("{n}.{}.example.com", encoded(n, 30, HEX)));
    let short = (0..500_u64).map(|n| format!("{}.example.com", encoded(n, 6, BASE32)));
    for (what, names, kind, most) in [
        ("dnscat2", dnscat.collect::<Vec<_>>(), RecordType::A, 5),
        ("dns2tcp", dns2tcp.collect(), RecordType::TXT, 0),
        ("shell", shell.collect(), RecordType::A, 10),
        ("short labels", short.collect(), RecordType::A, 120),
        (
            "short labels with answers",
            (0..500).map(|n| format!("c{n}.example.com")).collect(),
            RecordType::TXT,
            20,
        ),
    ] {
        let passed = Scene::new().passed(names, kind);
        assert!(passed <= most, "{what}: {passed} names went out");
    }
}

#[test]
fn many_zones_together_carry_no_more_than_an_agent_may() {
    let scene = Scene::new();
    let names = (0..2000).map(|n| format!("{:030}.z{n}.com", n));
    let passed = scene.passed(names, RecordType::A);
    assert!(passed <= DNS_TUNNEL_BYTES_PER_AGENT as usize / 30, "{passed}");
    let seen = scene.refusal("new.example.net", RecordType::A).unwrap();
    assert_eq!(seen, "a bound over all zones was reached within the last 10 minutes");
    // Names of hosts alone, as a crawler asks for.
    let crawler = Scene::new();
    assert_eq!(crawler.passed((0..900).map(|n| format!("www.site{n}.com")), RecordType::A), 900);
    assert_eq!(crawler.passed((0..900).map(|n| format!("site{n}.com")), RecordType::A), 900);
}

#[test]
fn whoever_runs_a_public_suffix_hears_no_more_than_four_zones_may() {
    // Each of these is a zone of its own, because the list says so; the names are all told to one operator.
    let scene = Scene::new();
    let passed = scene.passed((0..2000).map(|n| format!("{}.github.io", encoded(n, 24, HEX))), RecordType::A);
    assert_eq!(passed, 4 * DNS_TUNNEL_RANDOM_LABELS as usize);
    // A tunnel right below a suffix is one, too.
    let login = "lahrfm241cinwfcnoqqrxu0upuikxeta.github.io";
    assert!(Scene::new().refusal(login, RecordType::TXT).is_some());
    assert!(Scene::new().hears(login, RecordType::A, false).is_ok(), "an agent that has asked nothing");
    let scene = Scene::new();
    scene.asks(login, RecordType::A).unwrap();
    assert_eq!(scene.hears(login, RecordType::A, false).unwrap_err().reason, Reason::DnsTunnel);
}

#[test]
fn more_zones_than_can_be_counted_are_refused_until_some_are_over() {
    let mut scene = Scene::new();
    let names = |from: usize| (from..from + DNS_TUNNEL_ZONES_PER_AGENT + 50).map(|n| format!("w.z{n}.com"));
    assert_eq!(scene.passed(names(0), RecordType::A), DNS_TUNNEL_ZONES_PER_AGENT);
    scene.later(DNS_TUNNEL_WINDOW);
    assert_eq!(scene.passed(names(10_000), RecordType::A), DNS_TUNNEL_ZONES_PER_AGENT);
}

#[test]
fn a_clock_that_is_set_back_shuts_nobody_out() {
    let mut scene = Scene::new();
    assert!(scene.passed((0..200).map(|n| format!("n{n}.example.com")), RecordType::A) < 200);
    scene.now = Timestamp(scene.now.0 - 3_600_000_000);
    assert_eq!(scene.refusal("new.example.com", RecordType::A), None);
}

proptest! {
    #[test]
    fn no_order_of_names_carries_more_out_of_a_zone_than_its_bounds(
        names in proptest::collection::vec(("[a-z0-9]{1,63}(\\.[a-z0-9]{1,40})?", 0_u16..70), 1..200)
    ) {
        let scene = Scene::new();
        let mut count = std::collections::BTreeSet::new();
        for (front, kind) in names {
            let name = format!("{front}.example.com");
            if scene.asks(&name, RecordType(kind)).is_ok() {
                count.insert((front, kind));
            }
        }
        let names: std::collections::BTreeSet<_> = count.iter().map(|(front, _)| front).collect();
        prop_assert!(names.len() <= DNS_TUNNEL_NAMES as usize);
        prop_assert!(names.iter().map(|front| front.len()).sum::<usize>() <= DNS_TUNNEL_BYTES as usize);
    }
}

#[test]
fn labels_in_place_of_a_wildcard_at_a_public_suffix_are_counted_and_other_sites_are_not() {
    let below = |base: Option<&str>, name: &str| {
        let host = HostName::parse(name).unwrap();
        let scene = Scene::new();
        let ask = |n: usize| {
            let host = HostName::parse(&format!("s{n}.{}", host.parent().unwrap())).unwrap();
            let asked = Asked { host: &host, kind: RecordType::A, by_agent: true, base, flagged: false };
            scene.guard.admit(&scene.alice, &asked, scene.now)
        };
        (0..1000).find_map(|n| Some((n, ask(n).err()?.evidence.unwrap())))
    };
    let bound = DNS_TUNNEL_NAMES;
    for (suffix, name) in [("com", "x.com"), ("co.uk", "x.co.uk"), ("ck", "x.ck")] {
        let seen = format!("{suffix}: {} new names within 60 s, {bound} are allowed", bound + 1);
        assert_eq!(below(Some(suffix), name), Some((bound as usize, seen)));
    }
    // Under `allow-all` each is a site of its own.
    assert_eq!(below(None, "x.com"), None);
}
