//! What conditions mean, and what is said of those that mean nothing.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Condition, Destination, Facts, Part, RequestFacts, Unevaluable, Usage};
use crate::model::types::limits::{
    CONDITION_AUTOMATON_BYTES, CONDITION_BYTES, CONDITION_DEPTH, CONDITION_LOOPS, CONDITION_NODES,
    CONDITION_WORK, POLICY_AUTOMATA_BYTES,
};
use crate::model::types::{AgentProfile, HostName, Timestamp};

/// `POST https://api.example/v1/files?dry=yes&tag=a&tag=b`, of 20 MB.
struct Upload;

impl RequestFacts for Upload {
    fn method(&self) -> &str {
        "POST"
    }
    fn path(&self) -> &str {
        "/v1/files"
    }
    fn scheme(&self) -> &str {
        "https"
    }
    fn protocol(&self) -> &str {
        "HTTP/2"
    }
    fn content_length(&self) -> Option<u64> {
        Some(20_000_000)
    }
    fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        let fields: [(&str, &[u8]); 6] = [
            ("accept", b"*/*"),
            ("x-team", b"Red"),
            ("x-twice", b"same"),
            ("x-twice", b"same"),
            ("x-bytes", b"\xff"),
            ("x-team", b"blue"),
        ];
        Box::new(fields.into_iter())
    }
    fn query_bytes(&self) -> usize {
        0
    }
    fn query(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> + '_> {
        let pairs = [("dry", "yes"), ("tag", "a"), ("tag", "b")];
        Box::new(pairs.into_iter().map(|(name, value)| (Cow::Borrowed(name), Some(Cow::Borrowed(value)))))
    }
}

/// A request without a body.
struct Glance;

impl RequestFacts for Glance {
    fn method(&self) -> &str {
        "GET"
    }
    fn path(&self) -> &str {
        "/"
    }
    fn scheme(&self) -> &str {
        "http"
    }
    fn protocol(&self) -> &str {
        "HTTP/1.1"
    }
    fn content_length(&self) -> Option<u64> {
        None
    }
    fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        Box::new(std::iter::empty())
    }
    fn query_bytes(&self) -> usize {
        0
    }
    fn query(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> + '_> {
        Box::new(std::iter::empty())
    }
}

fn alice() -> AgentProfile {
    AgentProfile {
        name: "alice".into(),
        team: Some("red".into()),
        project: None,
        environment: Some("test".into()),
        labels: BTreeMap::from([("tier".into(), "dev".into())]),
    }
}

/// Friday, 2026-11-27, 22:15:00 UTC.
fn friday_night() -> Timestamp {
    Timestamp::parse("2026-11-27T22:15:00Z").unwrap()
}

fn judge(text: &str, request: Option<&dyn RequestFacts>, address: Option<&str>) -> Result<bool, Unevaluable> {
    let condition = Condition::check(text).unwrap_or_else(|faults| panic!("{text}: {faults:#?}"));
    let agent = alice();
    let host = HostName::parse("api.example").unwrap();
    let address = address.map(|address| address.parse::<SocketAddr>().unwrap());
    let (address, port) = (address.map(|address| address.ip()), address.map(|address| address.port()));
    let destination = Destination { host: Some(&host), address, port };
    let at = friday_night();
    condition.holds(&Facts { agent: &agent, destination, request, content: None, usage: None, at })
}

/// What it is for the upload over IPv4, which is the same over IPv6 where it names no address.
fn on_upload(text: &str) -> Result<bool, Unevaluable> {
    let answer = judge(text, Some(&Upload), Some("192.0.2.10:443"));
    if !text.contains("destination.address") {
        assert_eq!(judge(text, Some(&Upload), Some("[2001:db8::10]:443")), answer, "{text}");
    }
    answer
}

fn failed(text: &str) -> String {
    match on_upload(text) {
        Err(Unevaluable::Failed(why)) => why,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn conditions_hold_as_cel_says() {
    let holding = [
        "true",
        r#"agent.name == "alice" && agent.team == "red" && agent.project == "" && agent.environment != "prod""#,
        r#"agent.labels.tier == "dev" && agent.labels["tier"] in ["dev", "test"] && "tier" in agent.labels"#,
        r#"has(agent.labels.tier) && !has(agent.labels.zone) && !("zone" in agent.labels)"#,
        r#"destination.host.endsWith(".example") && request.method == "POST""#,
        r#"destination.port == 443 && destination.class == "public" && destination.port in [80, 443]"#,
        r#"request.path.startsWith("/v1/") && request.path.contains("file") && request.scheme == "https""#,
        r#"request.protocol == "HTTP/2" && request.query.dry == "yes" && request.query["dry"] != "no""#,
        r#"has(request.content_length) && request.content_length > 10000000 && time.hour >= 22"#,
        r#"time.hour == 22 && time.minute == 15 && time.weekday == 5 && time.day == 27 && time.month == 11 && time.year == 2026"#,
        "time.hour < 24 && time.unix == 1795817700 && !(time.weekday in [0, 6])",
        r#"request.path.matches("^/v[0-9]+/[^/]+$") && matches(request.path, "files") && !request.path.matches("^files")"#,
        r#""Ä1".matches("\\W\\d") && "a_1".matches(r"^\w+$") && "x DROP y".matches("\\bDROP\\b") && "é".matches("^.$")"#,
        r#"request.headers["x-twice"] == "same" && "x-team" in request.headers && has(request.headers.accept)"#,
        r#"request.headers.exists(name, name.startsWith("x-")) && !request.headers.all(name, name.startsWith("x-"))"#,
        r#"size(request.headers) == 4 && request.query.size() == 2 && "größe".size() == 5 && size([1, 2]) == 2"#,
        "[1, 2, 3].exists_one(x, x > 2) && ![1, 2, 3].exists_one(x, x > 1)",
        r#"["a", "b"].map(x, x + "!") == ["a!", "b!"] && [1, 2, 3].map(x, x > 1, x * 2) == [4, 6]"#,
        "[1, 2, 3].filter(x, x % 2 == 1) == [1, 3] && [3, 4][1] == 4 && [[1], [2]].exists(x, 2 in x)",
        r#"int("12") + int(3.9) == 15 && double("1.5") == 1.5 && double(2) == 2 && string(7) + string(true) == "7true""#,
        "1.5 > 1 && 2 in [1.5, 2] && (1.0 / 0.0) > 1e300 && -(3) == -3 && 7 / 2 == 3 && -7 % 3 == -1",
        r#"(agent.team == "red" ? 1 : 2) == 1 && {"a": 1, "b": 2}[agent.team == "red" ? "b" : "a"] == 2"#,
        r#""ABC".lowerAscii() == "abc" && "äbC".upperAscii() == "äBC" && "a" < "b" && 2.0 >= 2.0"#,
        r#"[1, 2].all(x, [1, 2].exists(y, x == y)) && [] == [].filter(x, x == 1) && !(1 in [])"#,
    ];
    for text in holding {
        assert_eq!(on_upload(text), Ok(true), "{text}");
        assert_eq!(on_upload(&format!("!({text})")), Ok(false), "{text}");
    }
    for (family, text) in [("192.0.2.10:443", "192.0.2.10"), ("[2001:db8::10]:443", "2001:db8::10")] {
        let text = format!("destination.address == {text:?}");
        assert_eq!(judge(&text, None, Some(family)), Ok(true), "{text}");
    }
}

#[test]
fn what_has_no_value_says_why() {
    let cases = [
        ("9223372036854775807 + time.hour > 0", "a number does not fit into 64 bits"),
        ("-(time.hour - 22 - 9223372036854775807 - 1) > 0", "a number does not fit into 64 bits"),
        ("1 / (time.hour - 22) > 0", "it divides by zero"),
        ("1 % (time.hour - 22) > 0", "it divides by zero"),
        ("[1, 2][time.hour] == 1", "a list of 2 has no entry at the place that is asked for"),
        (r#"agent.labels.zone == "a""#, "agent.labels has no value at `zone`"),
        (r#"{"a": 1}[agent.name] == 1"#, "the map has no value at the key that is asked for"),
        (r#"request.headers["x-team"] == "Red""#, "request.headers has several values at `x-team`"),
        (r#"request.query.tag == "a""#, "request.query has several values at `tag`"),
        (r#"request.headers["x-bytes"] == "a""#, "request.headers has no UTF-8 text at `x-bytes`"),
        ("int(agent.name) == 1", "a text that should be a number is none"),
        ("int(1e30 * double(time.hour)) == 1", "a number does not fit into 64 bits"),
        (
            r#"agent.labels[request.headers["x-twice"]] == "a""#,
            "agent.labels has no value at the key that is asked for",
        ),
    ];
    for (text, why) in cases {
        assert_eq!(failed(text), why, "{text}");
    }
    let absent = judge("request.content_length > 5", Some(&Glance), None);
    let why = "`request.content_length` has no value here; ask `has(request.content_length)` first";
    assert_eq!(absent, Err(Unevaluable::Failed(why.into())));
    assert_eq!(
        judge("has(request.content_length) && request.content_length > 5", Some(&Glance), None),
        Ok(false)
    );
}

#[test]
fn one_side_that_decides_is_enough() {
    let fails = "1 / (time.hour - 22) > 0";
    assert_eq!(on_upload(&format!("{fails} || true")), Ok(true));
    assert_eq!(on_upload(&format!("false && {fails}")), Ok(false));
    assert_eq!(on_upload(&format!("{fails} && false")), Ok(false));
    assert_eq!(failed(&format!("{fails} || false")), "it divides by zero");
    assert_eq!(on_upload("[22, 1].exists(x, 1 / (time.hour - x) == 0)"), Ok(true));
    assert_eq!(on_upload("[22, 1].all(x, 1 / (time.hour - x) == 1)"), Ok(false));
    assert_eq!(failed("[22, 1].exists(x, 1 / (time.hour - x) == 1)"), "it divides by zero");
}

#[test]
fn what_is_not_known_yet_is_told_apart_from_what_fails() {
    let by_name = |text| judge(text, None, None);
    assert_eq!(by_name(r#"request.method == "GET""#), Err(Unevaluable::NotYet(Part::Request)));
    assert_eq!(by_name("has(request.content_length)"), Err(Unevaluable::NotYet(Part::Request)));
    assert_eq!(by_name("destination.port == 443"), Err(Unevaluable::NotYet(Part::DestinationPort)));
    assert_eq!(by_name(r#"destination.host == "other.example" && request.method == "GET""#), Ok(false));
    assert_eq!(by_name(r#"destination.host == "api.example" || request.method == "GET""#), Ok(true));
    assert_eq!(
        by_name(r#"1 / (time.hour - 22) > 0 && request.method == "GET""#),
        Err(Unevaluable::NotYet(Part::Request))
    );
    assert_eq!(by_name(r#"ai.model == "x""#), Err(Unevaluable::NotYet(Part::Ai)));
    assert_eq!(by_name("dlp.matches.exists(m, m.confidence > 0.8)"), Err(Unevaluable::NotYet(Part::Dlp)));
    let (destination, usage) = (Destination::default(), Some(&Usage::default()));
    let at = friday_night();
    let nameless = Facts { agent: &alice(), destination, request: None, content: None, usage, at };
    let condition = Condition::check(r#"destination.host == """#).unwrap();
    assert_eq!(condition.holds(&nameless), Ok(true));
    assert_eq!(Condition::check("usage.tokens_today < 5").unwrap().holds(&nameless), Ok(true));
    let uncounted = Err(Unevaluable::Failed("nobody tells what the agent has used".into()));
    assert_eq!(by_name("usage.tokens_today < 5"), uncounted);
}

#[test]
fn a_condition_tells_what_it_needs() {
    let uses = |text: &str| Condition::check(text).unwrap().uses();
    let name = uses(r#"agent.team == "red" && destination.host == "a.example" && time.hour > 3"#);
    assert!(name.by_name() && name.by_connection(), "{name:?}");
    assert_eq!(name.parts().collect::<Vec<_>>(), [Part::Agent, Part::DestinationHost, Part::Time]);
    let connection = uses("destination.port == 22");
    assert!(!connection.by_name() && connection.by_connection());
    let request = uses("has(request.content_length)");
    assert!(!request.by_name() && !request.by_connection());
    let later = uses(r#"has(ai.model) || has(mcp.tool) || size(dlp.matches) > 0 || usage.tokens_today > 5"#);
    assert_eq!(later.of_content().parts().collect::<Vec<_>>(), [Part::Ai, Part::Mcp, Part::Dlp]);
    assert!(request.of_content().is_empty() && !later.by_connection());
    assert_eq!(uses("true").parts().count(), 0);
}

#[test]
fn no_request_makes_a_condition_expensive() {
    let text =
        r#"[1,2,3,4,5,6,7,8,9].exists(a, [1,2,3,4,5,6,7,8,9].exists(b, request.headers.exists(c, c == "")))"#;
    struct Many;
    impl RequestFacts for Many {
        fn method(&self) -> &str {
            "GET"
        }
        fn path(&self) -> &str {
            "/"
        }
        fn scheme(&self) -> &str {
            "http"
        }
        fn protocol(&self) -> &str {
            "HTTP/1.1"
        }
        fn content_length(&self) -> Option<u64> {
            None
        }
        fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
            const NAMES: &str =
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
            Box::new((0..2000).map(|n| (&NAMES[n % 26..n % 26 + 1 + n / 40], &b""[..])))
        }
        fn query_bytes(&self) -> usize {
            0
        }
        fn query(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> + '_> {
            Box::new(std::iter::empty())
        }
    }
    let answer = judge(text, Some(&Many), None);
    let why = "it takes more than 262144 steps on what was sent".to_owned();
    assert_eq!(answer, Err(Unevaluable::Failed(why.clone())));
    assert_eq!(judge(&format!("{text} || true"), Some(&Many), None), Err(Unevaluable::Failed(why)));
}

/// `GET /`, as large as a request may be: what is asked of a part of it is counted.
#[derive(Default)]
struct Large {
    fields: Vec<(&'static str, Vec<u8>)>,
    query_bytes: usize,
    queries: Cell<u32>,
}

impl RequestFacts for Large {
    fn method(&self) -> &str {
        "GET"
    }
    fn path(&self) -> &str {
        "/"
    }
    fn scheme(&self) -> &str {
        "http"
    }
    fn protocol(&self) -> &str {
        "HTTP/1.1"
    }
    fn content_length(&self) -> Option<u64> {
        None
    }
    fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        Box::new(self.fields.iter().map(|(name, value)| (*name, &value[..])))
    }
    fn query_bytes(&self) -> usize {
        self.query_bytes
    }
    fn query(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> + '_> {
        self.queries.set(self.queries.get() + 1);
        Box::new((0..400).map(|n| (n.to_string().into(), Some("".into()))))
    }
}

fn too_much() -> Result<bool, Unevaluable> {
    Err(Unevaluable::Failed("it takes more than 262144 steps on what was sent".into()))
}

#[test]
fn each_look_into_a_query_is_paid_for_by_the_bytes_that_are_decoded_for_it() {
    const BYTES: u32 = 64 * 1024;
    let long = || Large { query_bytes: BYTES as usize, ..Large::default() };
    for text in [
        r#"request.query.exists(k, request.query[k].contains("x"))"#,
        r#"request.query.all(k, k in request.query)"#,
        r#"["a", "b", "c", "d", "e"].exists(k, size(request.query) == 0)"#,
    ] {
        let request = long();
        assert_eq!(judge(text, Some(&request), None), too_much(), "{text}");
        let decoded = request.queries.get();
        assert!(decoded <= CONDITION_WORK / BYTES + 1, "{text}: {decoded}");
    }
    let few = r#"has(request.query.x) || request.query["1"] == """#;
    assert_eq!(judge(few, Some(&long()), None), Ok(true));
}

#[test]
fn the_value_of_a_field_is_paid_for_by_its_bytes() {
    let value = vec![b'a'; 32 * 1024];
    let fields = vec![("x-a", value.clone()), ("x-a", value), ("x-b", Vec::new())];
    let request = Large { fields, ..Large::default() };
    let asked = |key: &str| {
        judge(&format!("[1, 2, 3, 4, 5].all(n, {key:?} in request.headers)"), Some(&request), None)
    };
    assert_eq!(asked("x-a"), too_much());
    assert_eq!(asked("x-b"), Ok(true));
}

#[test]
fn the_patterns_of_a_set_share_a_budget_and_the_one_that_outgrows_it_is_a_fault() {
    let large = |letter: &str| format!(r#"agent.name.matches("{letter}[01]{{9}}")"#);
    let mut budget = POLICY_AUTOMATA_BYTES;
    Condition::check_within(&large("1"), &mut budget).unwrap();
    let one = POLICY_AUTOMATA_BYTES - budget;
    assert!(one > 8 * 1024, "{one}");
    let mut left = one + one / 2;
    let both = format!("{} || {}", large("1"), large("0"));
    let faults = Condition::check_within(&both, &mut left).unwrap_err();
    let message =
        "with the pattern `0[01]{9}` all patterns of the set grow beyond 32 MiB when they are compiled";
    assert_eq!((faults.len(), &*faults[0].message), (1, message));
    assert_eq!(&both[faults[0].range.clone()], r#""0[01]{9}""#);
    // What is refused has cost its time as well.
    let mut left = CONDITION_AUTOMATON_BYTES;
    assert!(Condition::check_within(r#"agent.name.matches("1[01]{40}")"#, &mut left).is_err());
    assert_eq!(left, 0);
    assert!(Condition::check_within(r#"agent.name.matches("a")"#, &mut left).is_err());
    assert!(Condition::check_within(r#"agent.name.contains("a")"#, &mut left).is_ok());
}

/// The faults as `range message (hint)`.
fn faults(text: &str) -> Vec<String> {
    let Err(faults) = Condition::check(text) else { panic!("{text} is accepted") };
    faults
        .iter()
        .map(|fault| {
            let shown = &text[fault.range.clone()];
            let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("[{shown}] {}{hint}", fault.message)
        })
        .collect()
}

mod content;
mod mistakes;

#[test]
fn bounds_are_faults() {
    let long = format!("agent.name == \"{}\"", "a".repeat(CONDITION_BYTES));
    assert!(faults(&long)[0].contains("bytes; at most 4096 are read"));
    let nested = format!("{}true{}", "(".repeat(CONDITION_DEPTH + 1), ")".repeat(CONDITION_DEPTH + 1));
    assert!(faults(&nested)[0].contains("nested deeper than 48 levels here"), "{:?}", faults(&nested));
    let chained = format!("1{} > 1", "+1".repeat(CONDITION_DEPTH));
    assert!(faults(&chained)[0].contains("nested deeper than 48 levels here"), "{:?}", faults(&chained));
    let wide = format!("1 in [1{}]", ",1".repeat(CONDITION_NODES));
    assert!(faults(&wide)[0].contains("more than 1024 names, values and operators"), "{:?}", faults(&wide));
    let loops = |count: usize| {
        let open: String = (0..count).map(|n| format!("[1].all(x{n}, ")).collect();
        format!("{open}true{}", ")".repeat(count))
    };
    Condition::check(&loops(CONDITION_LOOPS)).unwrap();
    assert!(faults(&loops(CONDITION_LOOPS + 1))[0].contains("more than 3 loops are inside each other here"));
    let hosts: Vec<String> = (0..200).map(|n| format!("\"h{n}.example\"")).collect();
    let listed = format!("destination.host in [{}]", hosts.join(", "));
    assert_eq!(on_upload(&listed), Ok(false));
}

#[test]
fn each_part_that_is_joined_at_the_top_is_judged_by_itself_and_told_as_it_was_written() {
    let agent = alice();
    let host = HostName::parse("api.example").unwrap();
    let destination = Destination { host: Some(&host), ..Destination::default() };
    let facts =
        Facts { agent: &agent, destination, request: None, content: None, usage: None, at: friday_night() };
    let text = r#"agent.team == "red" && (time.hour < 6 || time.hour > 22)
        && request.method == "GET" && !has(agent.labels.zone)"#;
    let condition = Condition::check(text).unwrap();
    let unknown = Err(Unevaluable::NotYet(Part::Request));
    let expected = [
        (r#"agent.team == "red""#, Ok(true)),
        ("time.hour < 6 || time.hour > 22", Ok(false)),
        (r#"request.method == "GET""#, unknown),
        ("!has(agent.labels.zone)", Ok(true)),
    ];
    assert_eq!(condition.parts(&facts), expected);
    let alone = Condition::check(r#"agent.team == "blue""#).unwrap();
    assert_eq!(alone.parts(&facts), [(r#"agent.team == "blue""#, Ok(false))]);
}
