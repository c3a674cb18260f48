//! All kinds with their declarations: what `clawgress schema` lists and `docs/reference.md` is made of.
//!
//! The page is printed from the declarations beside the readers, and so says what the loader does. Read next: `schema.rs`.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::header::DOCUMENT;
use super::json_schema::json_schema;
use super::kinds::{KINDS, Kind, Standing};
use super::schema::{Field, Object, Presence, Shape};
use super::{
    agent, ai_route, approval, bandwidth_policy, budget_policy, credential_policy, deny_policy, dlp_policy,
    egress_policy, gateway, http_route, inference_policy, l4_route, mcp_route, mcp_server, policy_test,
    rate_limit_policy, tool_policy,
};

/// A kind as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub kind: &'static str,
    /// `enforced`, `not yet enforced` or `elsewhere`.
    pub state: &'static str,
    /// What it is, where it is enforced; where it belongs, where that is elsewhere.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub meaning: &'static str,
}

/// Every known kind, enforced ones first.
pub fn kinds() -> impl Iterator<Item = Listed> {
    KINDS.iter().map(|(kind, standing)| match standing {
        Standing::Enforced(known) => Listed { kind, state: "enforced", meaning: spec(*known).meaning },
        Standing::NotYet => Listed { kind, state: "not yet enforced", meaning: "" },
        Standing::Elsewhere(where_) => Listed { kind, state: "elsewhere", meaning: where_ },
    })
}

/// What the `spec` of a kind is.
pub fn spec(kind: Kind) -> &'static Object {
    match kind {
        Kind::Agent => &agent::SPEC,
        Kind::EgressGateway => &gateway::SPEC,
        Kind::EgressL4Route => &l4_route::SPEC,
        Kind::EgressHttpRoute => &http_route::SPEC,
        Kind::EgressDenyPolicy => &deny_policy::SPEC,
        Kind::EgressPolicy => &egress_policy::SPEC,
        Kind::EgressApproval => &approval::SPEC,
        Kind::AiProviderRoute => &ai_route::SPEC,
        Kind::McpRoute => &mcp_route::SPEC,
        Kind::McpServer => &mcp_server::SPEC,
        Kind::ToolPolicy => &tool_policy::SPEC,
        Kind::InferencePolicy => &inference_policy::SPEC,
        Kind::BudgetPolicy => &budget_policy::SPEC,
        Kind::RateLimitPolicy => &rate_limit_policy::SPEC,
        Kind::BandwidthPolicy => &bandwidth_policy::SPEC,
        Kind::DlpPolicy => &dlp_policy::SPEC,
        Kind::CredentialInjectionPolicy => &credential_policy::SPEC,
    }
}

/// The JSON Schema of an enforced kind.
pub fn schema(kind: Kind) -> Value {
    json_schema(kind.as_str(), &DOCUMENT, spec(kind))
}

/// The JSON Schema of policy tests, which are no policy.
pub fn test_schema() -> Value {
    json_schema(policy_test::KIND, &DOCUMENT, &policy_test::SPEC)
}

/// `docs/reference.md`.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Every document\n\n");
    table(&mut page, "", &DOCUMENT);
    for (kind, standing) in KINDS {
        if let Standing::Enforced(known) = standing {
            section(&mut page, kind, spec(*known));
        }
    }
    section(&mut page, policy_test::KIND, &policy_test::SPEC);
    let waiting = KINDS.iter().filter(|(_, standing)| *standing == Standing::NotYet);
    let waiting: Vec<String> = waiting.map(|(kind, _)| format!("`{kind}`")).collect();
    let _ = write!(page, "\n## Known, and refused whole\n\nNot yet enforced: {}.\n", waiting.join(", "));
    for (kind, standing) in KINDS {
        if let Standing::Elsewhere(hint) = standing {
            // Writing to a String cannot fail.
            let _ = write!(page, "\n`{kind}`: {hint}.\n");
        }
    }
    page
}

const INTRODUCTION: &str = "# Reference of policy documents

<!-- Printed by `clawgress schema --markdown` from the declarations in `src/model/manifest`; a test compares. -->

Every kind with an engine, and policy tests, field by field. `clawgress schema` lists all kinds; `clawgress schema KIND` prints a JSON Schema for
editors, such as `# yaml-language-server: $schema=agent.json` on a document's first line. An unknown field is an error, as is a
field without a value. What is marked \"not yet enforced\" is known from the reference that defines the kind, and refused: nothing is
accepted and then ignored. `[]` stands for each entry of a list, which has at least one.
";

fn section(page: &mut String, kind: &str, spec: &'static Object) {
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {kind}\n\n{}\n\n", spec.meaning);
    table(page, "spec.", spec);
}

fn table(page: &mut String, path: &str, object: &'static Object) {
    page.push_str("| field | what | | meaning |\n|---|---|---|---|\n");
    rows(page, path, object);
}

fn rows(page: &mut String, path: &str, object: &'static Object) {
    for field in object.fields {
        let (brackets, each) = entry(&field.shape);
        let path = format!("{path}{}{brackets}", field.name);
        let _ = writeln!(
            page,
            "| `{path}` | {} | {} | {} |",
            type_words(each),
            presence(field, object),
            meaning(field)
        );
        if let (Shape::Object(inner), true) = (each, field.is_accepted()) {
            rows(page, &format!("{path}."), inner);
        }
    }
}

/// What each entry is, where it is a list.
fn entry(shape: &'static Shape) -> (&'static str, &'static Shape) {
    match shape {
        Shape::List(each) | Shape::ListOrNone(each) => ("[]", each),
        other => ("", other),
    }
}

fn type_words(shape: &Shape) -> String {
    match shape {
        Shape::Anything | Shape::Object(_) | Shape::List(_) | Shape::ListOrNone(_) => String::new(),
        Shape::Text(form) => form.words.to_owned(),
        Shape::Choice { words, .. } => ticked(words),
        Shape::Whole(range) => format!("{} to {}", range.start(), range.end()),
        Shape::Size => "bytes, such as `256MiB`".to_owned(),
        Shape::Amount => "amount, such as `1000`, `25.00` or `1GiB`".to_owned(),
        Shape::Share => "number from 0 to 1".to_owned(),
        Shape::Bool => "`true`, `false`".to_owned(),
        Shape::False => "`false`".to_owned(),
        Shape::Map { keys, values } => format!("{} to {}", keys.words, values.words),
    }
}

fn presence(field: &Field, owner: &Object) -> String {
    match field.presence {
        Presence::Required => "required".to_owned(),
        Presence::Default(value) => format!("default `{value}`"),
        Presence::NotYet => "not yet enforced".to_owned(),
        Presence::Refused { .. } => "refused".to_owned(),
        Presence::Optional if owner.any_of.iter().any(|any_of| any_of.fields.contains(&field.name)) => {
            "one of these".to_owned()
        }
        Presence::Optional => String::new(),
    }
}

fn meaning(field: &Field) -> String {
    match (field.presence, &field.shape) {
        (Presence::Refused { message, hint }, _) => format!("{message}; {hint}."),
        (_, Shape::Choice { not_yet: later @ [_, ..], .. }) => {
            format!("{} Not yet enforced: {}.", field.meaning, ticked(later))
        }
        (_, Shape::False) => format!("{} Not yet enforced: `true`.", field.meaning),
        _ => field.meaning.to_owned(),
    }
}

fn ticked(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
