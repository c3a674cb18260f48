//! The fingerprint of a set of documents: the same whatever files they stand in, in which order and layout.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::resources::Document;
use super::source::SourceFile;
use super::tree;

/// `sha256:` and 64 hex digits over the documents, which are sorted by kind and name.
pub fn digest(documents: &[Document]) -> String {
    let mut out = String::from("[");
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        canonical(&document.body, &mut out);
    }
    out.push(']');
    sha256(&out)
}

/// The same over files as they are, for those that hold no valid set: names and bytes, each with its length.
pub fn of_files(files: &[SourceFile]) -> String {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|file| [file.path.as_bytes(), &*file.bytes]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    written(&hash.finalize())
}

/// The same over one part of one document.
pub fn of_part(node: &tree::Node) -> String {
    let mut out = String::new();
    canonical(&json(node), &mut out);
    sha256(&out)
}

fn sha256(canonical: &str) -> String {
    written(&Sha256::digest(canonical.as_bytes()))
}

fn written(hash: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in hash {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// JSON without spaces, with sorted keys.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(&Value::String(key.clone()), out);
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// A document as JSON, without `status`, which is not read. Numbers that JSON lacks become texts.
pub fn body(node: &tree::Node) -> Value {
    match json(node) {
        Value::Object(mut map) => {
            map.remove("status");
            Value::Object(map)
        }
        other => other,
    }
}

fn json(node: &tree::Node) -> Value {
    match &node.value {
        tree::Value::Null => Value::Null,
        tree::Value::Bool(value) => Value::Bool(*value),
        tree::Value::Int(value) => Value::from(*value),
        tree::Value::Float(value) => serde_json::Number::from_f64(*value)
            .map_or_else(|| Value::String(value.to_string()), Value::Number),
        tree::Value::Text(value) => Value::String(value.clone()),
        tree::Value::List(items) => Value::Array(items.iter().map(json).collect()),
        tree::Value::Map(entries) => {
            Value::Object(entries.iter().map(|(key, node)| (key.name.clone(), json(node))).collect())
        }
    }
}
