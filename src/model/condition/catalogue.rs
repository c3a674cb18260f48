//! What a condition may name: every variable once, with its type, its meaning and how it is read from the facts.
//!
//! The checker, the evaluation and `docs/conditions.md` (a test compares) come from these tables. A new variable is one
//! line here. Functions stand in `functions.rs`.

use std::borrow::Cow;
use std::net::IpAddr;

use super::content::Finding;
use super::facts::Facts;
use super::types::Type;
use super::uses::Part;
use super::value::{List, Map, Value};
use crate::model::types::FindingClass;
use crate::model::types::address::classify;
use crate::model::types::time::Civil;

/// One variable.
#[derive(Debug)]
pub struct Variable {
    /// How a condition spells it, such as `request.method`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Which part of the world it belongs to.
    pub part: Part,
    /// Whether it may be absent, so that `has()` may ask for it.
    pub optional: bool,
    /// Which values it can have.
    pub domain: Domain,
    /// What it means, in a sentence without its full stop.
    pub meaning: &'static str,
    /// Its value, if there is one. Asked only where its part is known.
    pub(super) read: for<'a> fn(&Facts<'a>) -> Option<Value<'a>>,
}

/// The type of a variable or field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `double`.
    Double,
    /// `string`.
    Text,
    /// `list<string>`.
    Texts,
    /// `map<string, string>`.
    TextMap,
    /// A list of objects.
    Objects(&'static Object),
}

/// Which values a variable can have; a condition that compares it with another one could never hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Any of its type.
    Any,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A number from the first to the second.
    Numbers(i64, i64),
    /// A number that is never below zero.
    Count,
    /// The name of a document.
    Name,
    /// A host name as `HostName` has it, or nothing.
    Host,
    /// An IP address as it is written in one way only.
    Address,
    /// A method of HTTP that reaches a rule.
    Method,
    /// A canonical path, or `*`.
    Path,
    /// A map by names of header fields, in lower case.
    LowerCaseKeys,
}

/// What a list of the catalogue holds.
#[derive(Debug)]
pub struct Object {
    /// What it is called in messages.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// One field of a finding, the only object there is.
#[derive(Debug)]
pub struct Field {
    /// How a condition spells it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Which values it can have.
    pub domain: Domain,
    /// What it means, in a sentence without its full stop.
    pub meaning: &'static str,
    /// Its value.
    pub(super) read: for<'a> fn(&'a Finding) -> Value<'a>,
}

impl Kind {
    /// The type it is to the checker.
    pub fn type_of(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Double => Type::Double,
            Self::Text => Type::Text,
            Self::Texts => Type::List(Box::new(Type::Text)),
            Self::TextMap => Type::Map(Box::new(Type::Text)),
            Self::Objects(object) => Type::List(Box::new(Type::Object(object))),
        }
    }
}

impl Variable {
    const fn new(name: &'static str, kind: Kind, part: Part, meaning: &'static str) -> Self {
        Self { name, kind, part, optional: false, domain: Domain::Any, meaning, read: |_| None }
    }

    const fn maybe(self) -> Self {
        Self { optional: true, ..self }
    }

    const fn within(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }

    const fn read(self, read: for<'a> fn(&Facts<'a>) -> Option<Value<'a>>) -> Self {
        Self { read, ..self }
    }
}

/// The variable of this name.
pub fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// What stands before the first dot: `agent`, `destination` and so on, each once.
pub fn roots<'a>() -> impl Iterator<Item = &'a str> {
    let names = VARIABLES.iter().map(|variable| variable.name.split('.').next().unwrap_or_default());
    let mut last = "";
    names.filter(move |root| std::mem::replace(&mut last, root) != *root)
}

/// The fields behind such a root.
pub fn fields_of(root: &str) -> impl Iterator<Item = &'static str> + '_ {
    VARIABLES.iter().filter_map(move |variable| variable.name.strip_prefix(root)?.strip_prefix('.'))
}

/// One finding of inspection.
static FINDING: Object = Object {
    name: "finding",
    fields: &[
        Field {
            name: "class",
            kind: Kind::Text,
            domain: Domain::Words(FindingClass::WORDS),
            meaning: "What kind of thing it is",
            read: |finding| Value::text(finding.class.as_str()),
        },
        Field {
            name: "detector",
            kind: Kind::Text,
            domain: Domain::Any,
            meaning: "What found it, such as `iban`",
            read: |finding| Value::text(&finding.detector),
        },
        Field {
            name: "confidence",
            kind: Kind::Double,
            domain: Domain::Any,
            meaning: "How sure that is, from 0.0 to 1.0",
            read: |finding| Value::Double(finding.confidence),
        },
    ],
};

const CLASSES: &[&str] =
    &["public", "private", "cgnat", "loopback", "link-local", "metadata", "multicast", "reserved"];

/// Every variable, by part, in the order of the documentation.
pub static VARIABLES: &[Variable] = &[
    Variable::new("agent.name", Kind::Text, Part::Agent, "The name of the Agent document")
        .within(Domain::Name)
        .read(|facts| Some(Value::text(&facts.agent.name))),
    Variable::new("agent.team", Kind::Text, Part::Agent, "Its team; empty where the document has none")
        .read(|facts| or_empty(facts.agent.team.as_deref())),
    Variable::new("agent.project", Kind::Text, Part::Agent, "Its project; empty where the document has none")
        .read(|facts| or_empty(facts.agent.project.as_deref())),
    Variable::new(
        "agent.environment",
        Kind::Text,
        Part::Agent,
        "Its environment; empty where the document has none",
    )
    .read(|facts| or_empty(facts.agent.environment.as_deref())),
    Variable::new("agent.labels", Kind::TextMap, Part::Agent, "The labels of the document")
        .read(|facts| Some(Value::Map(Map::Labels(&facts.agent.labels)))),
    Variable::new(
        "destination.host",
        Kind::Text,
        Part::DestinationHost,
        "The host name that DNS, SNI and request agree on, in lower case; empty where there is none",
    )
    .within(Domain::Host)
    .read(|facts| or_empty(facts.destination.host.map(|host| host.as_str()))),
    Variable::new(
        "destination.address",
        Kind::Text,
        Part::DestinationAddress,
        "The IP address, IPv6 as RFC 5952 writes it",
    )
    .within(Domain::Address)
    .read(|facts| address(facts, |address| Value::Text(Cow::Owned(address.to_canonical().to_string())))),
    Variable::new("destination.port", Kind::Int, Part::DestinationPort, "The port")
        .within(Domain::Numbers(0, 65_535))
        .read(|facts| facts.destination.port.map(|port| Value::Int(port.into()))),
    Variable::new(
        "destination.class",
        Kind::Text,
        Part::DestinationAddress,
        "What kind of place the address is",
    )
    .within(Domain::Words(CLASSES))
    .read(|facts| address(facts, |address| Value::text(classify(address).as_str()))),
    Variable::new("request.method", Kind::Text, Part::Request, "The HTTP method, in capital letters")
        .within(Domain::Method)
        .read(|facts| facts.request.map(|request| Value::text(request.method()))),
    Variable::new(
        "request.path",
        Kind::Text,
        Part::Request,
        "The canonical path without the query, such as `/v1/messages`",
    )
    .within(Domain::Path)
    .read(|facts| facts.request.map(|request| Value::text(request.path()))),
    Variable::new("request.scheme", Kind::Text, Part::Request, "How the connection is protected")
        .within(Domain::Words(&["http", "https"]))
        .read(|facts| facts.request.map(|request| Value::text(request.scheme()))),
    Variable::new("request.protocol", Kind::Text, Part::Request, "The version of HTTP")
        .within(Domain::Words(&["HTTP/1.0", "HTTP/1.1", "HTTP/2"]))
        .read(|facts| facts.request.map(|request| Value::text(request.protocol()))),
    Variable::new("request.query", Kind::TextMap, Part::Request, "The decoded parameters of the query")
        .read(|facts| facts.request.map(|request| Value::Map(Map::Query(request)))),
    Variable::new(
        "request.headers",
        Kind::TextMap,
        Part::Request,
        "The header fields, their names in lower case",
    )
    .within(Domain::LowerCaseKeys)
    .read(|facts| facts.request.map(|request| Value::Map(Map::Headers(request)))),
    Variable::new(
        "request.content_length",
        Kind::Int,
        Part::Request,
        "Bytes of the body, where the head says so",
    )
    .within(Domain::Count)
    .maybe()
    .read(|facts| facts.request?.content_length().map(whole)),
    Variable::new("ai.provider", Kind::Text, Part::Ai, "The provider of the model")
        .maybe()
        .read(|facts| facts.ai()?.provider.as_deref().map(Value::text)),
    Variable::new("ai.model", Kind::Text, Part::Ai, "The model that is asked for")
        .maybe()
        .read(|facts| facts.ai()?.model.as_deref().map(Value::text)),
    Variable::new("ai.stream", Kind::Bool, Part::Ai, "Whether the answer is streamed")
        .read(|facts| Some(Value::Bool(facts.ai()?.stream))),
    Variable::new("ai.max_output_tokens", Kind::Int, Part::Ai, "Tokens that the answer may have at most")
        .maybe()
        .read(|facts| facts.ai()?.max_output_tokens.map(whole)),
    Variable::new("ai.estimated_tokens", Kind::Int, Part::Ai, "Tokens of the question, as estimated")
        .read(|facts| Some(whole(facts.ai()?.estimated_tokens))),
    Variable::new("ai.tools", Kind::Texts, Part::Ai, "The names of the tools that the model may call")
        .read(|facts| Some(Value::List(List::Texts(&facts.ai()?.tools)))),
    Variable::new("mcp.server", Kind::Text, Part::Mcp, "The McpServer")
        .maybe()
        .read(|facts| facts.mcp()?.server.as_deref().map(Value::text)),
    Variable::new("mcp.method", Kind::Text, Part::Mcp, "The JSON-RPC method, such as `tools/call`")
        .maybe()
        .read(|facts| facts.mcp()?.method.as_deref().map(Value::text)),
    Variable::new("mcp.tool", Kind::Text, Part::Mcp, "The tool that is called")
        .maybe()
        .read(|facts| facts.mcp()?.tool.as_deref().map(Value::text)),
    Variable::new("dlp.matches", Kind::Objects(&FINDING), Part::Dlp, "What inspection found in the request")
        .read(|facts| Some(Value::List(List::Findings(facts.content?.findings.as_deref()?)))),
    Variable::new("usage.requests_today", Kind::Int, Part::Usage, "Requests of the agent since midnight")
        .read(|facts| Some(whole(facts.usage?.requests_today))),
    Variable::new("usage.tokens_today", Kind::Int, Part::Usage, "Tokens that the agent used since midnight")
        .read(|facts| Some(whole(facts.usage?.tokens_today))),
    Variable::new(
        "usage.bytes_today",
        Kind::Int,
        Part::Usage,
        "Bytes that the agent sent and got since midnight",
    )
    .read(|facts| Some(whole(facts.usage?.bytes_today))),
    Variable::new(
        "usage.cost_usd_today",
        Kind::Double,
        Part::Usage,
        "US dollars that the agent cost since midnight",
    )
    .read(|facts| Some(Value::Double(facts.usage?.cost_usd_today))),
    Variable::new("time.hour", Kind::Int, Part::Time, "The hour")
        .within(Domain::Numbers(0, 23))
        .read(|facts| time(facts, |civil| civil.hour)),
    Variable::new("time.minute", Kind::Int, Part::Time, "The minute")
        .within(Domain::Numbers(0, 59))
        .read(|facts| time(facts, |civil| civil.minute)),
    Variable::new("time.weekday", Kind::Int, Part::Time, "The day of the week; Sunday is 0")
        .within(Domain::Numbers(0, 6))
        .read(|facts| time(facts, |civil| civil.weekday)),
    Variable::new("time.day", Kind::Int, Part::Time, "The day of the month")
        .within(Domain::Numbers(1, 31))
        .read(|facts| time(facts, |civil| civil.day)),
    Variable::new("time.month", Kind::Int, Part::Time, "The month")
        .within(Domain::Numbers(1, 12))
        .read(|facts| time(facts, |civil| civil.month)),
    Variable::new("time.year", Kind::Int, Part::Time, "The year")
        .read(|facts| time(facts, |civil| civil.year)),
    Variable::new("time.unix", Kind::Int, Part::Time, "Seconds since 1970-01-01 00:00:00")
        .read(|facts| Some(Value::Int(facts.at.0.div_euclid(1_000_000)))),
];

/// A count; one that 64 bits with a sign cannot hold is as many as they can.
fn whole<'a>(count: u64) -> Value<'a> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn or_empty(text: Option<&str>) -> Option<Value<'_>> {
    Some(Value::text(text.unwrap_or_default()))
}

fn address<'a>(facts: &Facts<'a>, read: impl Fn(IpAddr) -> Value<'a>) -> Option<Value<'a>> {
    facts.destination.address.map(read)
}

fn time<'a>(facts: &Facts<'a>, read: impl Fn(Civil) -> i64) -> Option<Value<'a>> {
    Some(Value::Int(read(facts.at.civil())))
}
