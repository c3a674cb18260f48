//! The JSON Schemas against the loader: what loads is valid, and what a schema can say of a mistake it says.

use std::collections::BTreeSet;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

use super::super::kinds::{KINDS, Standing};
use super::super::schema::{Field, Object, Presence, Shape};
use super::super::source::Source;
use super::super::tree::{self, Node};
use super::super::{catalogue, digest};
use super::*;

/// The schemas of all enforced kinds, compiled by a library that knows nothing of ours.
struct Judge {
    schemas: Schemas,
    kinds: Vec<(&'static str, SchemaIndex)>,
}

thread_local! {
    static JUDGE: Judge = Judge::new();
}

impl Judge {
    fn new() -> Self {
        let (mut schemas, mut compiler, mut kinds) = (Schemas::new(), Compiler::new(), Vec::new());
        compiler.set_default_draft(Draft::V2020_12);
        for (kind, standing) in KINDS {
            let Standing::Enforced(known) = standing else { continue };
            let schema = catalogue::schema(*known);
            let id = schema["$id"].as_str().expect("an id").to_owned();
            compiler.add_resource(&id, schema).expect("a schema of draft 2020-12");
            let index = compiler.compile(&id, &mut schemas).unwrap_or_else(|error| panic!("{kind}: {error}"));
            kinds.push((*kind, index));
        }
        Self { schemas, kinds }
    }

    /// What is wrong with a document of an enforced kind; nothing to say of others.
    fn judge(&self, body: &Value) -> Option<Result<(), String>> {
        let kind = body.get("kind")?.as_str()?;
        let (_, index) = self.kinds.iter().find(|(name, _)| *name == kind)?;
        Some(self.schemas.validate(body, *index).map_err(|error| format!("{error:#}")))
    }
}

/// What mistakes say that a schema can express.
const EXPRESSIBLE: &[&str] = &[
    "unknown field `",
    "unknown `",
    "` lacks the field `",
    " must be a ",
    "` has no value",
    "is an empty list",
    " is not between ",
    "names no destination",
    "names no port",
    "is not yet enforced",
    "cannot be a route's parent",
    "is not a kind of route",
    "a policy cannot be for",
    "is not a header name",
    " is not a name",
    "a listener here has no `port`",
    "does not begin with `/`",
];
/// What only looks like it: fields that need each other, and what is not read.
const NOT_EXPRESSIBLE: &[&str] = &[
    "a condition on",
    "field `endPort`",
    "field `startPort`",
    "lacks the field `values`",
    "`channel` is not yet enforced",
    "more than one gateway",
    "`status`",
];

fn is_expressible(message: &str) -> bool {
    EXPRESSIBLE.iter().any(|part| message.contains(part))
        && !NOT_EXPRESSIBLE.iter().any(|part| message.contains(part))
}

/// Holds the loader's answer against the schema of each document.
pub fn compare(files: &[SourceFile], answer: &Result<Resources, Report>) {
    for file in files {
        let Ok(source) = Source::read(file) else { continue };
        let (documents, faults) = tree::parse(&source, &mut 100_000);
        if !faults.is_empty() {
            continue;
        }
        let first_line = |node: &Node| match &node.value {
            tree::Value::Map(entries) => source.place(entries[0].0.span.start).line,
            _ => source.place(node.span.start).line,
        };
        for (index, node) in documents.iter().enumerate() {
            let Some(judgement) = JUDGE.with(|judge| judge.judge(&digest::body(node))) else { continue };
            let last = documents.get(index + 1).map_or(usize::MAX, first_line);
            let lines = first_line(node)..last;
            match answer {
                Ok(_) => assert_eq!(judgement, Ok(()), "loads, and is not valid:\n{}", source.text()),
                Err(report) => {
                    let own = report.errors.iter().filter(|e| e.file == file.path && lines.contains(&e.line));
                    let told: Vec<_> = own.filter(|e| is_expressible(&e.message)).collect();
                    assert!(
                        told.is_empty() || judgement.is_err(),
                        "valid, and refused: {told:?}\n{}",
                        source.text()
                    );
                }
            }
        }
    }
}

/// Every mapping in a schema that names its fields.
fn objects<'v>(schema: &'v Value, found: &mut Vec<&'v Value>) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") {
                found.push(schema);
            }
            map.values().for_each(|value| objects(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[test]
fn every_schema_is_closed_and_says_what_each_field_means() {
    for listed in catalogue::kinds().filter(|listed| listed.state == "enforced") {
        let Some(Standing::Enforced(kind)) = super::super::kinds::standing(listed.kind) else {
            panic!("{}", listed.kind)
        };
        let schema = catalogue::schema(kind);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$id"], format!("urn:clawgress:schema:{}", listed.kind));
        assert_eq!((&schema["title"], &schema["description"]), (&listed.kind.into(), &listed.meaning.into()));
        assert_eq!(schema["properties"]["kind"]["const"], listed.kind);
        let mut found = Vec::new();
        objects(&schema, &mut found);
        assert!(found.len() > 3, "{}", listed.kind);
        for object in found {
            assert_eq!(object["additionalProperties"], false, "{object}");
            for (name, field) in object["properties"].as_object().expect("a mapping") {
                let meaning = field["description"].as_str().unwrap_or_default();
                assert!(meaning.ends_with('.'), "{}: {name}: {meaning:?} is no sentence", listed.kind);
            }
        }
    }
}

#[test]
fn what_is_not_yet_enforced_is_in_no_schema_and_says_so() {
    let gateway = catalogue::schema(super::super::kinds::Kind::EgressGateway);
    let otlp = &gateway["properties"]["spec"]["properties"]["otlp"];
    assert_eq!(otlp["not"], serde_json::json!({}));
    assert_eq!(otlp["description"], "Not yet enforced: Where records are sent besides the ledger.");
    let mode = &gateway["properties"]["spec"]["properties"]["mode"];
    assert_eq!(mode["enum"], serde_json::json!(["Enforce"]));
    assert_eq!(mode["description"], "Whether decisions are carried out. Not yet enforced: Learn.");
}

/// Documents in which every field with a default can be left out.
const DEFAULTS: &str = r#"
{"apiVersion": "clawgress.io/v1alpha1", "kind": "EgressGateway", "metadata": {"name": "default"}, "spec": {"listeners": [
  {"name": "a", "protocol": "TLS", "tls": {}}, {"name": "b", "protocol": "TLS", "tls": {"mode": "Passthrough"}}]}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "EgressL4Route", "metadata": {"name": "route"}, "spec": {
  "parentRefs": [{"name": "default"}], "rules": [{"matches": [{"ports": [{"port": 1}]}]}]}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "EgressHTTPRoute", "metadata": {"name": "route"}, "spec": {
  "parentRefs": [{"name": "default"}], "hostnames": ["a.example"], "rules": [{"matches": [
    {"path": {}, "headers": [{"name": "a", "value": "b"}], "queryParams": [{"name": "a", "value": "b"}]}]}]}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "EgressDenyPolicy", "metadata": {"name": "deny"}, "spec": {
  "targetRef": {"kind": "EgressL4Route", "name": "route"}, "denyResponse": {}}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "Agent", "metadata": {"name": "a"}, "spec": {
  "sources": {"addresses": ["192.0.2.1/32"]}}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "EgressPolicy", "metadata": {"name": "rules"}, "spec": {
  "targetRef": {"kind": "EgressGateway", "name": "default"}, "rules": [{"name": "a", "action": "LogOnly"}]}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "EgressApproval", "metadata": {"name": "grant"}, "spec": {
  "agent": "a", "hosts": [{"host": "a.example"}], "reason": "x", "ttl": "1h"}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "McpServer", "metadata": {"name": "tools"}, "spec": {
  "url": "https://a.example/mcp", "allowedTools": []}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "ToolPolicy", "metadata": {"name": "gate"}, "spec": {
  "appliesTo": {"tool": "*"}, "rateLimit": {"rps": 1}}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "InferencePolicy", "metadata": {"name": "models"}, "spec": {
  "appliesTo": {}, "contentSafety": {"hate": "Low"}}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "BudgetPolicy", "metadata": {"name": "budget"}, "spec": {
  "targetRef": {"kind": "Agent", "name": "a"}, "limits": [{"unit": "tokens", "max": 1, "window": "day"}]}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "CredentialInjectionPolicy", "metadata": {"name": "keys"}, "spec": {
  "parentRefs": [{"kind": "EgressHTTPRoute", "name": "route"}], "secretRef": {"name": "keys"}, "target": "ProviderAuth",
  "providerAuth": {"type": "AWSv4"}}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "BandwidthPolicy", "metadata": {"name": "bytes"}, "spec": {
  "targetRef": {"kind": "Agent", "name": "a"}, "up": {"maxBytes": 1, "window": "day"}}}
---
{"apiVersion": "clawgress.io/v1alpha1", "kind": "DLPPolicy", "metadata": {"name": "findings"}, "spec": {
  "classes": [{"class": "keys", "action": "Block"}],
  "custom": [{"name": "codename", "words": ["Bluebird"], "action": "Alert"}]}}
"#;

/// Every way to write one default out, with the field it is of.
fn written_out(value: &Value, object: &'static Object) -> Vec<(*const Field, Value)> {
    let mut found = Vec::new();
    for field in object.fields {
        let with = |inner: Value| {
            let mut whole = value.clone();
            whole[field.name] = inner;
            whole
        };
        match (value.get(field.name), &field.shape, field.presence) {
            (None, shape, Presence::Default(text)) => {
                let written = match shape {
                    Shape::Whole(_) => text.parse::<i64>().expect("a number").into(),
                    Shape::Bool | Shape::False => text.parse::<bool>().expect("true or false").into(),
                    Shape::Share => text.parse::<f64>().expect("a number").into(),
                    _ => text.into(),
                };
                found.push((std::ptr::from_ref(field), with(written)));
            }
            (Some(inner), Shape::Object(each), _) => {
                let inner = written_out(inner, each);
                found.extend(inner.into_iter().map(|(field, inner)| (field, with(inner))));
            }
            (Some(Value::Array(items)), Shape::List(Shape::Object(each)), _) => {
                for (index, item) in items.iter().enumerate() {
                    for (field, inner) in written_out(item, each) {
                        let mut items = items.clone();
                        items[index] = inner;
                        found.push((field, with(items.into())));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Every declared default below a mapping.
fn declared(object: &'static Object, found: &mut BTreeSet<*const Field>) {
    for field in object.fields {
        if matches!(field.presence, Presence::Default(_)) {
            found.insert(std::ptr::from_ref(field));
        }
        match &field.shape {
            Shape::Object(each) | Shape::List(Shape::Object(each)) => declared(each, found),
            _ => {}
        }
    }
}

#[test]
fn a_default_that_is_written_out_changes_nothing() {
    let resources = |text: &str| {
        load(&[file("a.yaml", text)])
            .map(|set| {
                let routes = (set.l4_routes, set.http_routes, set.deny_policies);
                let rules = (set.egress_policies, set.approvals);
                let tools = (set.mcp_servers, set.tool_policies, set.inference_policies);
                let amounts = (set.budgets, set.bandwidths);
                let contents = (set.credentials, set.dlp_policies);
                let all = format!(
                    "{:?} {:?} {routes:?} {rules:?} {tools:?} {amounts:?} {contents:?}",
                    set.agents, set.gateways
                );
                // Where documents stand is no part of what they mean.
                all.split("origin: Origin")
                    .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
                    .collect::<String>()
            })
            .map_err(|report| mistakes(Err(report)))
    };
    let plain = resources(DEFAULTS).expect("the documents load");
    let mut left = BTreeSet::new();
    let specs = KINDS.iter().filter_map(|(_, standing)| match standing {
        Standing::Enforced(kind) => Some(catalogue::spec(*kind)),
        _ => None,
    });
    specs.for_each(|spec| declared(spec, &mut left));
    assert!(left.len() >= 11, "{}", left.len());
    for document in DEFAULTS.split("---") {
        let value: Value = serde_json::from_str(document).expect("JSON");
        let kind = value["kind"].as_str().expect("a kind");
        let Some(Standing::Enforced(kind)) = super::super::kinds::standing(kind) else { panic!("{kind}") };
        let spec = catalogue::spec(kind);
        for (field, changed) in written_out(&value["spec"], spec) {
            let mut whole = value.clone();
            whole["spec"] = changed;
            match resources(&DEFAULTS.replace(document, &format!("\n{whole}\n"))) {
                Ok(all) => {
                    assert_eq!(all, plain, "{whole}");
                    left.remove(&field);
                }
                Err(told) => assert!(told[0].contains("only `mode: Passthrough` has `ech`"), "{told:?}"),
            }
        }
    }
    assert!(left.is_empty(), "{} defaults are in no document of this test", left.len());
}
