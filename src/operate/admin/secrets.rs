//! Handlers for secrets. Each turns one call into one question and back; what they say for the record names secrets and
//! never holds a value.

use super::backend::Backend;
use super::routes::{Call, Reply, done, json};
use crate::model::types::SecretName;
use crate::operate::api::{Fault, SecretValue, SetSecrets};

pub(super) fn list(backend: &dyn Backend, _: &Call) -> Result<Reply, Fault> {
    json(&backend.secrets()?)
}

pub(super) fn set(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    // What the reader says of a mistake may quote a value.
    let query: SetSecrets = serde_json::from_slice(&call.body)
        .map_err(|error| Fault::invalid(format!("the question is not one: column {}", error.column())))?;
    let set = backend.set_secrets(&call.caller, &query)?;
    let each = |one: &SecretValue| format!("{} is version {}", one.title(), one.version);
    let words = set.iter().map(each).collect::<Vec<_>>().join(", ");
    done(&set, words)
}

pub(super) fn remove(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let name = call.segments.first().map_or("", String::as_str);
    let mut key = None;
    for (word, value) in call.pairs() {
        match (word, key.replace(value)) {
            ("key", None) => {}
            _ => return Err(Fault::invalid(format!("a secret is not removed by `{word}`"))),
        }
    }
    let gone = backend.remove_secret(&call.caller, name, key)?;
    let words = gone.iter().map(SecretValue::title).collect::<Vec<_>>().join(", ");
    done(&gone, format!("gone: {words}"))
}

/// The secrets that a body speaks of, by their names. What is no name is left out: it may be a value in the wrong place.
pub(super) fn object(body: &[u8]) -> Option<String> {
    let query: SetSecrets = serde_json::from_slice(body).ok()?;
    let named = query.secrets.into_iter().map(|one| one.name);
    let mut names: Vec<String> = named.filter(|name| SecretName::parse(name).is_some()).collect();
    names.dedup();
    (!names.is_empty()).then(|| names.join(" "))
}
