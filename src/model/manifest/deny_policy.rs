//! `kind: EgressDenyPolicy`: turns a route from allow to deny, with words of the administrator's own.

use std::sync::Arc;

use super::fields::Item;
use super::header::{Header, Index};
use super::references::deny_target;
use super::resources::DenyPolicy;
use crate::model::types::DenyResponse;

/// Status of a denial whose `denyResponse` names none.
const DEFAULT_STATUS: u16 = 403;
/// Longest `message`, in bytes.
const MESSAGE_BYTES: usize = 1024;

/// Reads one policy.
pub fn read(header: &Header<'_>, index: &Index) -> Option<DenyPolicy> {
    let fields = header.spec?.fields(&["targetRef", "denyResponse"])?;
    let response = fields.get("denyResponse").and_then(|item| response(&item)).map(Arc::new);
    let target = deny_target(&fields.required("targetRef")?, index)?;
    Some(DenyPolicy { target, response, origin: header.origin() })
}

fn response(item: &Item<'_>) -> Option<DenyResponse> {
    let fields = item.fields(&["statusCode", "message"])?;
    let status = match fields.get("statusCode") {
        Some(item) => item.whole(400..=599).and_then(|status| u16::try_from(status).ok()),
        None => Some(DEFAULT_STATUS),
    };
    let message = fields.get("message").and_then(|item| message(&item));
    Some(DenyResponse { status: status?, message })
}

/// The administrator's own sentence for the agent.
pub fn message(item: &Item<'_>) -> Option<Arc<str>> {
    let text = item.text()?;
    if text.len() > MESSAGE_BYTES {
        item.mistake(format!("`message` has {} bytes, more than {MESSAGE_BYTES}", text.len()));
        return None;
    }
    Some(text.into())
}
