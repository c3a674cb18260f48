//! What a rule with a condition costs: judging it, and checking its text when it is loaded.

use std::borrow::Cow;

use clawgress::model::condition::{Condition, Destination, Facts, RequestFacts};
use clawgress::model::types::AgentProfile;
use divan::{Bencher, black_box};

use super::{destination, host};

/// `POST https://host-500.example/v1/messages` with eight header fields.
struct Post;

impl RequestFacts for Post {
    fn method(&self) -> &str {
        "POST"
    }
    fn path(&self) -> &str {
        "/v1/messages"
    }
    fn scheme(&self) -> &str {
        "https"
    }
    fn protocol(&self) -> &str {
        "HTTP/1.1"
    }
    fn content_length(&self) -> Option<u64> {
        Some(16_384)
    }
    fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        let names = [
            "accept",
            "accept-encoding",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
        ];
        Box::new(names.into_iter().map(|name| (name, &b"value"[..])).chain([("x-team", &b"red"[..])]))
    }
    fn query_bytes(&self) -> usize {
        0
    }
    fn query(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> + '_> {
        Box::new([("beta".into(), Some("true".into()))].into_iter())
    }
}

const CONDITIONS: &[(&str, &str)] = &[
    ("host and method", r#"destination.host.endsWith(".example") && request.method == "POST""#),
    (
        "size and time",
        "has(request.content_length) && request.content_length > 10000 && time.hour < 24 - time.minute",
    ),
    ("pattern", r#"request.path.matches("^/v[0-9]+/[a-z]+$")"#),
    ("one of three hosts", r#"destination.host in ["a.example", "b.example", "host-500.example"]"#),
    (
        "any header",
        r#"request.headers.exists(name, name.startsWith("x-") && request.headers[name] == "red")"#,
    ),
];

fn names() -> impl Iterator<Item = &'static str> {
    CONDITIONS.iter().map(|(name, _)| *name)
}

fn text(name: &str) -> &'static str {
    CONDITIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
        .expect("invariant: a condition")
}

#[divan::bench(args = names(), sample_size = 200)]
fn judge(bencher: Bencher<'_, '_>, name: &str) {
    let condition = Condition::check(text(name)).expect("invariant: a condition");
    let agent = AgentProfile {
        name: "alice".into(),
        team: None,
        project: None,
        environment: None,
        labels: Default::default(),
    };
    let host = host();
    let destination = Destination {
        host: Some(&host),
        address: Some(destination().ip()),
        port: Some(destination().port()),
    };
    let (request, at) = (Some(&Post as &dyn RequestFacts), Default::default());
    let facts = Facts { agent: &agent, destination, request, content: None, usage: None, at };
    assert_eq!(condition.holds(&facts), Ok(true), "{name}");
    bencher.bench_local(|| condition.holds(black_box(&facts)));
}

#[divan::bench(args = names())]
fn check(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.bench_local(|| Condition::check(black_box(text)).is_ok());
}
