//! Handlers for the certificate authorities. Each turns one call into one question and back.

use super::backend::Backend;
use super::routes::{Call, Reply, done, json};
use crate::model::manifest::values::write_duration;
use crate::model::types::limits::ROTATION_OVERLAP_MAX;
use crate::operate::api::{Authority, AuthorityState, Fault, RotateQuery};

pub(super) fn list(backend: &dyn Backend, _: &Call) -> Result<Reply, Fault> {
    json(&backend.authorities()?)
}

pub(super) fn rotate(backend: &dyn Backend, call: &Call) -> Result<Reply, Fault> {
    let query: RotateQuery = serde_json::from_slice(&call.body)
        .map_err(|error| Fault::invalid(format!("the question is not one: {error}")))?;
    if query.now && query.overlap_s.is_some() {
        return Err(Fault::invalid("at once and after an overlap exclude each other"));
    }
    if query.overlap_s.is_some_and(|seconds| seconds > ROTATION_OVERLAP_MAX.as_secs()) {
        let most = write_duration(ROTATION_OVERLAP_MAX);
        return Err(Fault::invalid(format!("the overlap is longer than {most}")));
    }
    let all = backend.rotate_authority(&call.caller, &query)?;
    let of = |state: AuthorityState| all.iter().find(|one| one.state == state);
    let named = |one: &Authority| format!("{} ({})", one.subject, one.fingerprint);
    let words = match (of(AuthorityState::Upcoming), of(AuthorityState::Signing)) {
        (Some(next), _) => {
            let from = next.signs_from.map(|at| format!(" from {at} on")).unwrap_or_default();
            format!("{} signs{from}", named(next))
        }
        (None, Some(signing)) => format!("{} signs from now on", named(signing)),
        (None, None) => String::new(),
    };
    done(&all, words)
}
