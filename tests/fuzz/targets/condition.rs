//! A condition: any text is refused with places inside it or judged without a panic and with types that fit, and where
//! the interpreter of the crate `cel` has an answer too, it is the same.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use clawgress::model::condition::{
    AiCall, Condition, Content, Destination, Facts, Finding, RequestFacts, Sought, Unevaluable, Usage,
};
use clawgress::model::types::{AgentProfile, FindingClass, HostName, Timestamp};
use serde::Serialize;

/// Any text as a condition.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Condition::check(text) {
        Ok(condition) => {
            // That there is an answer without a panic is all that is asked.
            let _ = answers(&condition);
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "{text}");
            for fault in faults {
                assert!(text.get(fault.range.clone()).is_some(), "{text}: {fault:?} is outside");
                assert!(
                    !fault.message.is_empty() && !fault.message.contains("expecting"),
                    "{text}: {fault:?}"
                );
            }
        }
    }
}

/// What a condition says of a look-up, a connection, a request, and what that carries; that of the request is what CEL says.
pub fn answers(condition: &Condition) -> [Result<bool, Unevaluable>; 4] {
    let agent = agent();
    let host = HostName::parse("api.example").expect("a name");
    let at = Timestamp::parse("2026-11-27T22:15:00Z").expect("a time");
    let (content, usage) = (content(), Usage { requests_today: 7, ..Usage::default() });
    let facts = |address: Option<SocketAddr>,
                 request: Option<&'static dyn RequestFacts>,
                 content: Option<&Content>| {
        let port = address.map(|address| address.port());
        let destination =
            Destination { host: Some(&host), address: address.map(|address| address.ip()), port };
        condition.holds(&Facts { agent: &agent, destination, request, content, usage: Some(&usage), at })
    };
    let address = Some(SocketAddr::from(([192, 0, 2, 10], 443)));
    let answers = [
        facts(None, None, None),
        facts(address, None, None),
        facts(address, Some(&Post), None),
        facts(address, Some(&Post), Some(&content)),
    ];
    for pair in answers.windows(2) {
        if let (Ok(early), late) = (&pair[0], &pair[1]) {
            assert_eq!(Ok(early), late.as_ref(), "{}: what is known early stays", condition.text());
        }
    }
    if let (Ok(ours), Some(theirs)) = (&answers[2], by_cel(condition.text())) {
        assert_eq!(*ours, theirs, "{}: the interpreter of cel says otherwise", condition.text());
    }
    answers
}

/// The call of a model, in which something was found, and of no tool.
fn content() -> Content {
    let model = Some("small".into());
    let ai = AiCall { model, tools: vec!["search".into()], ..AiCall::default() };
    let finding = Finding { class: FindingClass::Keys, detector: "pem".into(), confidence: 0.9 };
    Content {
        ai: Sought::Found(ai),
        mcp: Sought::Absent,
        findings: Some(vec![finding]),
        ..Content::default()
    }
}

fn agent() -> AgentProfile {
    AgentProfile {
        name: "alice".into(),
        team: Some("red".into()),
        project: None,
        environment: Some("test".into()),
        labels: BTreeMap::from([("tier".into(), "dev".into())]),
    }
}

/// `POST https://api.example/v1/files?dry=yes` with 20 bytes.
struct Post;

const HEADERS: [(&str, &str); 2] = [("accept", "*/*"), ("x-team", "Red")];

impl RequestFacts for Post {
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
        Some(20)
    }
    fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        Box::new(HEADERS.into_iter().map(|(name, value)| (name, value.as_bytes())))
    }
    fn query_bytes(&self) -> usize {
        0
    }
    fn query(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> + '_> {
        Box::new(std::iter::once(("dry".into(), Some("yes".into()))))
    }
}

/// The same facts as CEL has them.
#[derive(Serialize)]
struct Request {
    method: &'static str,
    path: &'static str,
    scheme: &'static str,
    protocol: &'static str,
    content_length: i64,
    headers: BTreeMap<&'static str, &'static str>,
    query: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct Agent {
    name: &'static str,
    team: &'static str,
    project: &'static str,
    environment: &'static str,
    labels: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct Place {
    host: &'static str,
    address: &'static str,
    port: i64,
    class: &'static str,
}

#[derive(Serialize)]
struct Time {
    hour: i64,
    minute: i64,
    weekday: i64,
    day: i64,
    month: i64,
    year: i64,
    unix: i64,
}

/// The answer of another evaluation, if it has one.
fn by_cel(text: &str) -> Option<bool> {
    let program = cel::Program::compile(text).ok()?;
    let mut context = cel::Context::default();
    let labels = BTreeMap::from([("tier", "dev")]);
    let agent = Agent { name: "alice", team: "red", project: "", environment: "test", labels };
    context.add_variable("agent", agent).expect("a value");
    let place = Place { host: "api.example", address: "192.0.2.10", port: 443, class: "public" };
    context.add_variable("destination", place).expect("a value");
    let request = Request {
        method: "POST",
        path: "/v1/files",
        scheme: "https",
        protocol: "HTTP/2",
        content_length: 20,
        headers: BTreeMap::from(HEADERS),
        query: BTreeMap::from([("dry", "yes")]),
    };
    context.add_variable("request", request).expect("a value");
    let time = Time { hour: 22, minute: 15, weekday: 5, day: 27, month: 11, year: 2026, unix: 1_795_817_700 };
    context.add_variable("time", time).expect("a value");
    match program.execute(&context) {
        Ok(cel::Value::Bool(truth)) => Some(truth),
        _ => None,
    }
}
