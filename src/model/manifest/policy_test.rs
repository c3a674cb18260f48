//! `kind: PolicyTest`: what its documents have.
//!
//! They stand in files of their own and are no policy: the loader refuses them, and `model/cases` reads them. Read next:
//! `cases/read.rs`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::fields::{Fields, Item};
use super::header::{DOCUMENT, METADATA};
use super::http_route::HEADER_NAME;
use super::kinds::API_VERSIONS;
use super::report::quoted;
use super::schema::{Field, Form, Object, Shape, words};
use super::tree::Node;
use super::values;
use crate::model::types::Decision;

/// The word in documents.
pub const KIND: &str = "PolicyTest";

/// What may be expected: the words of records.
pub const EXPECTS: [(&str, Decision); 7] = [
    ("allow", Decision::Allow),
    ("deny", Decision::Deny),
    ("throttle", Decision::Throttle),
    ("quarantine", Decision::Quarantine),
    ("transform", Decision::Transform),
    ("alert", Decision::Alert),
    ("log-only", Decision::LogOnly),
];

static TEXT: Form = Form { words: "text", pattern: r"\S", longest: usize::MAX };
static FILE: Form = Form { words: "name of a file", pattern: "^[^/]*[^/ ][^/]*$", longest: usize::MAX };
static ASK: Form = Form {
    words: "`GET https://host/path`, `host:port`, `udp://host:port` or `dns://name`",
    pattern: r"\S",
    longest: usize::MAX,
};
static MOMENT: Form =
    Form { words: "moment such as `2026-01-31T22:00:00Z`", pattern: r"\S", longest: usize::MAX };
static CODE: Form = Form { words: "code of a denial", pattern: r"\S", longest: usize::MAX };

/// Tokens of one call: more than any model takes.
pub const TOKENS: RangeInclusive<i64> = 0..=100_000_000;

/// `spec` of policy tests.
pub static SPEC: Object = Object::new(
    "Tests of policy: who asks what, and what must come of it. They stand in files named `*.test.yaml`, beside the policies they are about.",
    &[
        Field::optional(
            "policies",
            Shape::List(&Shape::Text(&FILE)),
            "Files beside this one whose documents are the set; without it all of the folder.",
        ),
        Field::required("cases", Shape::List(&Shape::Object(&CASE)), "What is claimed."),
    ],
);

/// An entry of `cases`.
pub static CASE: Object = Object::new(
    "One claim.",
    &[
        Field::required("name", Shape::Text(&TEXT), "What it claims, in words."),
        Field::required("agent", Shape::Text(&TEXT), "Who asks."),
        Field::required("ask", Shape::Text(&ASK), "For what."),
        Field::optional(
            "headers",
            Shape::Map { keys: &HEADER_NAME, values: &TEXT },
            "Header fields of a request.",
        ),
        Field::optional("ai", Shape::Object(&AI), "The call of a model that the request carries."),
        Field::optional("mcp", Shape::Object(&MCP), "The message to a tool server that the request carries."),
        Field::optional("at", Shape::Text(&MOMENT), "When; conditions on `time` need it."),
        Field::required(
            "expect",
            Shape::choice(&words(&EXPECTS)),
            "The decision; `allow` stands for whatever goes out, and `deny` for whatever does not.",
        ),
        Field::optional("reason", Shape::Text(&CODE), "The code of the denial; `expect: deny` needs it."),
        Field::optional("policy", Shape::Text(&TEXT), "The document that decides, as `Kind/name`."),
        Field::optional("rule", Shape::Text(&TEXT), "The rule in it."),
    ],
);

/// `ai` of a case.
pub static AI: Object = Object::new(
    "The call of a model.",
    &[
        Field::required("model", Shape::Text(&TEXT), "The model that is asked for."),
        Field::optional("stream", Shape::Bool, "Whether the answer is to come in pieces."),
        Field::optional(
            "maxOutputTokens",
            Shape::Whole(TOKENS),
            "Tokens that the answer may have at most; absent where none are named.",
        ),
        Field::optional(
            "estimatedTokens",
            Shape::Whole(TOKENS),
            "Tokens of the question, as they are estimated; 0 where absent.",
        ),
    ],
);

/// `mcp` of a case.
pub static MCP: Object = Object::new(
    "A message to a tool server.",
    &[
        Field::required("method", Shape::Text(&TEXT), "The JSON-RPC method, such as `tools/call`."),
        Field::optional("tool", Shape::Text(&TEXT), "The tool that is called."),
    ],
);

/// Reads what stands around `spec`: the name, where there is one, and the spec. Of a document of another kind that alone is told.
pub fn head<'s>(document: &Item<'s>) -> Option<(Option<Arc<str>>, Fields<'s>)> {
    if document.node().get("kind").and_then(Node::text).is_some_and(|kind| kind != KIND) {
        let entries = document.entries().unwrap_or_default();
        for item in entries.iter().filter(|entry| entry.name == "kind") {
            let hint = format!("it can be {}", quoted(KIND));
            item.mistake_hint(format!("unknown `kind` {}", quoted(item.written())), hint);
        }
        return None;
    }
    let fields = document.object(&DOCUMENT)?;
    fields.required("apiVersion").and_then(|item| item.choice(&API_VERSIONS));
    fields.required("kind").and_then(|item| item.text());
    let metadata = fields.required("metadata").and_then(|item| item.object(&METADATA));
    let name = metadata.and_then(|metadata| values::name(&metadata.required("name")?));
    Some((name, fields.required("spec")?.undeclared().object(&SPEC)?))
}
