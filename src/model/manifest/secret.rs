//! `kind: Secret`, as Kubernetes has it: documents that `clawgress apply` takes and policy files may not hold.
//!
//! What it says of a mistake shows neither a value nor the line it stands in. Texts are kept here as long as a file is read,
//! and overwritten where they are values. Read next: `cli/apply.rs`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::documents;
use super::fields::Item;
use super::header::METADATA;
use super::kinds::{KINDS, standing};
use super::report::{Report, did_you_mean, quoted};
use super::schema::{AnyOf, Field, Form, Object, Shape, words};
use super::source::SourceFile;
use super::tree::{Node, Value};
use super::values;
use crate::model::types::limits::{SECRET_BYTES, SECRET_KEY_BYTES};
use crate::model::types::{SecretKey, SecretName};

/// The word in documents.
pub const KIND: &str = "Secret";

const API_VERSIONS: [(&str, ()); 1] = [("v1", ())];

static KEY: Form = Form { words: "key", pattern: "^[-._a-zA-Z0-9]+$", longest: SECRET_KEY_BYTES };

/// A secret.
pub static DOCUMENT: Object = Object::new(
    "A secret of Kubernetes' shape, for `clawgress apply` alone: its values go into the vault.",
    &[
        Field::required("apiVersion", Shape::choice(&words(&API_VERSIONS)), "The group."),
        Field::required("kind", Shape::Text(&values::ANY), "What the document is."),
        Field::required("metadata", Shape::Object(&METADATA), "What it is called."),
        Field::optional("type", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::not_yet("immutable", "Whether the values may change."),
        Field::optional(
            "data",
            Shape::Map { keys: &KEY, values: &values::ANY },
            "Values in Base64, by their keys.",
        ),
        Field::optional(
            "stringData",
            Shape::Map { keys: &KEY, values: &values::ANY },
            "Values as they are, by their keys; they come before those of `data`.",
        ),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["data", "stringData"],
    lacking: "the document has neither `data` nor `stringData`",
    hint: "write the values as they are below `stringData`, or in Base64 below `data`",
}]);

/// One document, read.
pub struct SecretDocument {
    /// Its name.
    pub name: SecretName,
    /// Its values, at least one.
    pub values: BTreeMap<SecretKey, Zeroizing<Vec<u8>>>,
}

/// Reads files of secrets.
///
/// # Errors
/// A report of every mistake in every file, ordered by place, without the lines.
pub fn read(files: &[SourceFile]) -> Result<Vec<SecretDocument>, Report> {
    let mut found: Vec<SecretDocument> = Vec::new();
    let read = documents::each(files, |item, _| {
        let Some(read) = document(item) else { return };
        if found.iter().any(|other| other.name == read.name) {
            let again = format!("Secret {} is defined twice", quoted(read.name.as_str()));
            item.scope.mistake(item.key_span(), again, None);
        }
        found.push(read);
    });
    read.map(|()| found).map_err(Report::without_lines)
}

fn document(item: &Item<'_>) -> Option<SecretDocument> {
    if item.node().get("kind").and_then(Node::text).is_some_and(|kind| kind != KIND) {
        other_kind(item);
        return None;
    }
    let fields = item.object(&DOCUMENT)?;
    fields.required("apiVersion").and_then(|item| item.choice(&API_VERSIONS));
    fields.required("kind").and_then(|item| item.text());
    let metadata = fields.required("metadata").and_then(|item| item.object(&METADATA));
    let name = metadata.and_then(|metadata| values::name(&metadata.required("name")?));
    let (mut values, mut whole) = (BTreeMap::new(), true);
    for (field, decode) in [("data", true), ("stringData", false)] {
        let Some(map) = fields.get(field) else { continue };
        let Some(entries) = map.entries() else {
            whole = false;
            continue;
        };
        for entry in entries {
            match value(&entry, field, decode) {
                Some((key, value)) => drop(values.insert(key, value)),
                None => whole = false,
            }
        }
    }
    let name = SecretName::parse(&name?)?;
    if whole && values.is_empty() {
        item.scope.mistake(item.key_span(), "the document has no value", None);
        whole = false;
    }
    whole.then_some(SecretDocument { name, values })
}

fn other_kind(item: &Item<'_>) {
    for item in item.entries().unwrap_or_default().iter().filter(|entry| entry.name == "kind") {
        let Some(word) = item.text() else { continue };
        if standing(word).is_some() {
            let hint = "`clawgress apply` takes `Secret` alone, other kinds come later: policy documents stand in the policy \
                        folder, and `clawgress reload` puts them in force";
            item.mistake_hint(format!("{} cannot be applied", quoted(word)), hint);
        } else {
            let near = did_you_mean(word, KINDS.iter().map(|(name, _)| *name));
            let hint = near.unwrap_or_else(|| format!("it can be {}", quoted(KIND)));
            item.mistake_hint(format!("unknown kind {}", quoted(word)), hint);
        }
    }
}

/// One value with its key. What is wrong with it is told without either where a value may stand in the place of a key.
fn value(entry: &Item<'_>, field: &str, decode: bool) -> Option<(SecretKey, Zeroizing<Vec<u8>>)> {
    let mistake = |message: String, hint: &str| {
        entry.scope.mistake(entry.key_span(), message, Some(hint.to_owned()));
    };
    let Some(key) = SecretKey::parse(entry.name).filter(|_| entry.node().value != Value::Null) else {
        let message = format!("an entry of `{field}` is no key with a value");
        mistake(message, SecretKey::RULE);
        return None;
    };
    let Value::Text(text) = &entry.node().value else {
        mistake(format!("{} must be a text", quoted(entry.name)), "write it in quotes");
        return None;
    };
    let bytes = if decode {
        let written: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
        match STANDARD.decode(&*written) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(_) => {
                let hint = "write it as it is below `stringData`, or encode it: `base64 -w0`";
                mistake(format!("{} is not Base64", quoted(entry.name)), hint);
                return None;
            }
        }
    } else {
        Zeroizing::new(text.as_bytes().to_vec())
    };
    if bytes.is_empty() {
        mistake(format!("{} is empty", quoted(entry.name)), "an empty value is none: remove the line");
        return None;
    }
    if bytes.len() > SECRET_BYTES {
        let message = format!("{} has {} bytes, more than {SECRET_BYTES}", quoted(entry.name), bytes.len());
        mistake(message, "a secret is a key or a token: keep files elsewhere");
        return None;
    }
    Some((key, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: openai}\n";

    /// A name, and values by their keys.
    type Read = (String, Vec<(String, String)>);

    fn read_text(text: &str) -> Result<Vec<Read>, String> {
        let read =
            read(&[SourceFile::new("s.yaml", text.as_bytes())]).map_err(|report| report.to_string())?;
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let one = |document: SecretDocument| {
            let values = document.values.iter().map(|(key, value)| (key.as_str().to_owned(), shown(value)));
            (document.name.as_str().to_owned(), values.collect())
        };
        Ok(read.into_iter().map(one).collect())
    }

    fn said(text: &str) -> String {
        read_text(text).unwrap_err()
    }

    #[test]
    fn values_are_read_as_they_are_or_from_base64_and_the_plain_one_comes_first() {
        let text = format!(
            "{HEAD}type: Opaque\ndata: {{value: c3dvcmQ=, other: \"Zmlz\\n aA==\"}}\nstringData: {{value: \"fish\\n\"}}\n---\n\
             apiVersion: v1\nkind: Secret\nmetadata: {{name: two}}\nstringData: {{a: b}}\n"
        );
        let values =
            |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(
            read_text(&text).unwrap(),
            [
                ("openai".to_owned(), values(&[("other", "fish"), ("value", "fish\n")])),
                ("two".to_owned(), values(&[("a", "b")])),
            ]
        );
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        for (text, expected) in [
            (
                format!("{HEAD}data: {{value: \"sword fish!\"}}\n"),
                "s.yaml:4:8 = hint: write it as it is below `stringData`",
            ),
            (format!("{HEAD}stringData: {{value: 77777}}\n"), "`value` must be a text"),
            (format!("{HEAD}stringData: {{swordfish}}\n"), "an entry of `stringData` is no key with a value"),
            (
                format!("{HEAD}stringData: {{\"sword fish\": x}}\n"),
                "an entry of `stringData` is no key with a value",
            ),
            (format!("{HEAD}stringData: {{value: \"\"}}\n"), "`value` is empty"),
            (
                format!("{HEAD}stringData: {{value: {}}}\n", "x".repeat(65_537)),
                "`value` has 65537 bytes, more than 65536",
            ),
            (format!("{HEAD}stringData: {{}}\n"), "the document has no value"),
            (HEAD.to_owned(), "the document has neither `data` nor `stringData`"),
            (format!("{HEAD}immutable: true\nstringData: {{a: b}}\n"), "`immutable` is not yet enforced"),
            (HEAD.replace("openai", "Open/AI") + "stringData: {a: b}\n", "name `Open/AI` is not a name"),
            (HEAD.replace("v1", "v2") + "stringData: {a: b}\n", "unknown `apiVersion` `v2`"),
            (
                format!("{HEAD}stringData: {{a: b}}\n---\n{HEAD}stringData: {{a: b}}\n"),
                "Secret `openai` is defined twice",
            ),
            ("kind: EgressPolicy\n".to_owned(), "`EgressPolicy` cannot be applied"),
            ("kind: ConfigMap\n".to_owned(), "unknown kind `ConfigMap`"),
            ("stringData: {a: b}\n".to_owned(), "lacks the field `kind`"),
            ("stringData: [swordfish\n".to_owned(), "this is not valid YAML"),
        ] {
            let said = said(&text).split_whitespace().collect::<Vec<_>>().join(" ");
            let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(&expected), "{text}: {said}");
            assert!(said.contains("s.yaml:"), "{said}");
        }
    }

    #[test]
    fn no_mistake_shows_a_value() {
        for values in [
            "data: {value: swordfish!}",
            "stringData: {swordfish}",
            "stringData: swordfish",
            "stringData: [swordfish]",
            "stringData: {a: {b: swordfish}}",
            "stringData: {a: [swordfish]}",
            "stringData: {a: !t swordfish}",
            "stringData: {a: swordfish}\nextra: swordfish",
            "stringData: {a: swordfish, a: swordfish}",
            "stringData: {a: \"swordfish}",
            "stringData: {a: 'swordfish' x}",
        ] {
            let said = said(&format!("{HEAD}{values}\n"));
            assert!(!said.contains("swordfish"), "{values}: {said}");
        }
    }
}
