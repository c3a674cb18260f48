//! `kind: EgressDenyPolicy`: turns a route from allow to deny, with words of the administrator's own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::fields::Item;
use super::header::{Header, Index};
use super::references::{TARGET_REF, deny_target};
use super::report::quoted;
use super::resources::{DenyPolicy, DenyTarget};
use super::schema::{Field, Form, Object, Shape};
use crate::model::types::DenyResponse;

/// Status of a denial whose `denyResponse` names none.
const DEFAULT_STATUS: u16 = 403;
/// Statuses that refuse (RFC 9110, sections 15.5 and 15.6).
const STATUSES: RangeInclusive<i64> = 400..=599;

/// Words of an administrator's own.
pub(super) static MESSAGE: Form = Form { words: "text", pattern: r"\S", longest: 1024 };

/// `spec` of a deny policy.
pub static SPEC: Object = Object::new(
    "Turns a route round: what it would let through is refused.",
    &[
        Field::required("targetRef", Shape::Object(&TARGET_REF), "The route that is turned round."),
        Field::optional(
            "denyResponse",
            Shape::Object(&RESPONSE),
            "How the refusal is told where there is HTTP.",
        ),
    ],
);

static RESPONSE: Object = Object::new(
    "How a refusal is told where there is HTTP.",
    &[
        Field::optional("statusCode", Shape::Whole(STATUSES), "The status.").by_default("403"),
        Field::optional("message", Shape::Text(&MESSAGE), "What is said in place of the usual sentence."),
    ],
);

/// What is answered for each route, and by which policy, over all documents of a set.
pub type Answers = HashMap<DenyTarget, (Arc<str>, Option<Arc<DenyResponse>>)>;

/// Reads one policy.
pub fn read(header: &Header<'_>, index: &Index, answers: &mut Answers) -> Option<DenyPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let response = fields.get("denyResponse").and_then(|item| response(&item)).map(Arc::new);
    let item = fields.required("targetRef")?;
    let target = deny_target(&item, index)?;
    match answers.entry(target.clone()) {
        Entry::Vacant(first) => drop(first.insert((header.name.clone(), response.clone()))),
        Entry::Occupied(first) if first.get().1 != response => {
            let name = quoted(&first.get().0);
            let message =
                format!("EgressDenyPolicy {name} answers for this route with another `denyResponse`");
            item.mistake_hint(message, "only one of them would speak: give both the same, or remove one");
        }
        Entry::Occupied(_) => {}
    }
    Some(DenyPolicy { target, response, origin: header.origin() })
}

fn response(item: &Item<'_>) -> Option<DenyResponse> {
    let fields = item.object(&RESPONSE)?;
    let status = match fields.get("statusCode") {
        Some(item) => item.whole(STATUSES).and_then(|status| u16::try_from(status).ok()),
        None => Some(DEFAULT_STATUS),
    };
    let message = fields.get("message").and_then(|item| item.text_of(&MESSAGE)).map(Arc::from);
    Some(DenyResponse { status: status?, message })
}
