//! Handlers for backups. Each turns one call into one question and back; the files themselves never pass here.

use super::backend::Backend;
use super::routes::{Call, Reply, done, json};
use crate::operate::api::{BackupQuery, Fault};

pub(super) fn begin(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: BackupQuery = serde_json::from_slice(&call.body)
        .map_err(|error| Fault::invalid(format!("the question is not one: {error}")))?;
    let begun = backend.begin_backup(&call.caller, &query)?;
    let key = if query.with_master_key { "with the master key" } else { "without the master key" };
    done(&begun, format!("begun, {key}"))
}

pub(super) fn show(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    json(&backend.backup(id(call))?)
}

pub(super) fn remove(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    json(&backend.remove_backup(id(call))?)
}

fn id(call: &Call) -> &str {
    call.segments.first().map_or("", String::as_str)
}
