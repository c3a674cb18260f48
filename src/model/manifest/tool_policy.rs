//! `kind: ToolPolicy`: by whose leave, and how often, some tools may be called (kars CRD reference, ToolPolicy).
//!
//! Commerce and profiles of the reference are refused until an engine reads them.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::fields::{Fields, Item};
use super::header::{Header, Index};
use super::kinds::Kind;
use super::patterns::{self, TOOL};
use super::report::quoted;
use super::resources::{Requirement, Selector, ToolPolicy, ToolRate};
use super::schema::{AnyOf, Field, Form, Object, Shape, words};
use super::values;
use crate::model::types::ToolPattern;
use crate::model::types::host::MAX_HOST_NAME;
use crate::model::types::quota_limits::{RATE_PER_SECOND_MOST, RATE_REQUESTS_MOST, RATE_WINDOW_MOST};

/// How many requests or calls.
pub(super) const REQUESTS: RangeInclusive<i64> = 1..=RATE_REQUESTS_MOST;

const APPROVALS: [(&str, bool); 2] = [("never", false), ("always", true)];

/// The name of a document, or nothing for any.
pub(super) static REFERENCE: Form =
    Form { words: "name", pattern: r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", longest: MAX_HOST_NAME };

/// `spec` of a gate for tools.
pub static SPEC: Object = Object::new(
    "By whose leave, and how often, some tools may be called.",
    &[
        Field::required("appliesTo", Shape::Object(&APPLIES_TO), "Which calls it is about."),
        Field::optional("approval", Shape::Object(&APPROVAL), "Whether calls need an approval."),
        Field::optional("rateLimit", Shape::Object(&RATE), "How often each agent may call."),
        Field::not_yet("commerce", "How much money may be moved."),
        Field::not_yet("agtProfile", "A profile of the administrator's own."),
        Field::not_yet("bundleRef", "A signed artifact in place of the fields here."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["approval", "rateLimit"],
    lacking: "this policy asks for nothing",
    hint: "write `approval` or `rateLimit`",
}]);

static APPLIES_TO: Object = Object::new(
    "Which calls a policy is about: all that is given must hold.",
    &[
        Field::required("tool", Shape::Text(&TOOL), "The tool, as its server names it; `*` is every one."),
        Field::optional(
            "mcpServer",
            Shape::Text(&REFERENCE),
            "The McpServer; empty or absent is any server.",
        ),
        Field::optional("sandboxMatchLabels", values::LABELS, "Labels of the agent."),
    ],
);

static APPROVAL: Object = Object::new(
    "Whether calls need an approval.",
    &[
        Field::required(
            "mode",
            Shape::Choice { words: &words(&APPROVALS), not_yet: &["aboveThreshold"] },
            "With `always` each call needs an EgressApproval that names the tool. `never` asks for nothing; `always` in \
             another policy holds all the same.",
        ),
        Field::not_yet("threshold", "From which amount on an approval is needed."),
        Field::optional(
            "channel",
            Shape::Text(&values::ANY),
            "By which way people are asked. Accepted beside `mode: never`, where nobody is; otherwise not yet enforced.",
        ),
    ],
);

static RATE: Object = Object::new(
    "How often each agent may call.",
    &[
        Field::required("rps", Shape::Whole(REQUESTS), "Calls a second, over the window."),
        Field::optional(
            "burst",
            Shape::Whole(REQUESTS),
            "Calls at once; without it as many as a window has.",
        ),
        Field::optional("window", Shape::Text(&values::DURATION), "The window.").by_default("1s"),
    ],
);

/// Reads one policy.
pub fn read(header: &Header<'_>, index: &Index) -> Option<ToolPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let whose = fields.required("appliesTo").and_then(|item| applies_to(&item, index));
    let needs_approval = fields.get("approval").map_or(Some(false), |item| needs_approval(&item));
    let rate = fields.get("rateLimit").map_or(Some(None), |item| rate(&item).map(Some));
    let (tool, server, labels) = whose?;
    let (needs_approval, rate) = (needs_approval?, rate?);
    Some(ToolPolicy { tool, server, labels, needs_approval, rate, origin: header.origin() })
}

/// The tool, its server, and labels of the agent.
type Whose = (ToolPattern, Option<Arc<str>>, Option<Selector>);

fn applies_to(item: &Item<'_>, index: &Index) -> Option<Whose> {
    let fields = item.object(&APPLIES_TO)?;
    let tool = fields.required("tool").and_then(|item| patterns::tool(&item));
    let server = reference(&fields, "mcpServer", Kind::McpServer, index);
    let labels = by_labels(&fields);
    Some((tool?, server?, labels))
}

/// A document by its name, where one is named; nothing where there is none of that name.
pub(super) fn reference(
    fields: &Fields<'_>,
    name: &str,
    kind: Kind,
    index: &Index,
) -> Option<Option<Arc<str>>> {
    match fields.get(name).filter(|item| item.node().text() != Some("")) {
        Some(item) => index.resolve(kind, &item).map(Some),
        None => Some(None),
    }
}

/// `sandboxMatchLabels`; none are every agent's.
pub(super) fn by_labels(fields: &Fields<'_>) -> Option<Selector> {
    let labels = fields.get("sandboxMatchLabels").map(|item| values::labels(&item))?;
    let requirements = labels.into_iter().map(|(key, value)| Requirement::In(key, vec![value])).collect();
    Some(Selector { requirements }).filter(|selector: &Selector| !selector.requirements.is_empty())
}

fn needs_approval(item: &Item<'_>) -> Option<bool> {
    let fields = item.object(&APPROVAL)?;
    let needed = fields.required("mode").and_then(|item| item.choice(&APPROVALS));
    if let Some(channel) = fields.get("channel") {
        channel.text_of(&values::ANY)?;
        if needed != Some(false) {
            let hint =
                "remove it: nobody is asked; `clawgress approve AGENT --tool SERVER/TOOL` lets calls through";
            channel.scope.mistake(channel.key_span(), "`channel` is not yet enforced", Some(hint.to_owned()));
        }
    }
    needed
}

fn rate(item: &Item<'_>) -> Option<ToolRate> {
    let fields = item.object(&RATE)?;
    let rps = fields.required("rps").and_then(|item| requests(&item));
    let burst = fields.get("burst").map_or(Some(None), |item| requests(&item).map(Some));
    let window = fields.get("window").map_or(Some(Duration::from_secs(1)), |item| window(&item));
    let (rps, burst, window) = (rps?, burst?, window?);
    let calls = u64::from(rps.get()).saturating_mul(window.as_secs());
    let calls = u32::try_from(calls).ok().and_then(NonZeroU32::new);
    let Some(calls) = calls.filter(|_| u64::from(rps.get()) <= RATE_PER_SECOND_MOST) else {
        let message =
            format!("{rps} calls a second in a window of {} s are more than are counted", window.as_secs());
        item.mistake_hint(
            message,
            format!("at most {RATE_PER_SECOND_MOST} a second, and {} in a window", u32::MAX),
        );
        return None;
    };
    Some(ToolRate { calls, window, burst: burst.unwrap_or(calls) })
}

/// How many requests or calls.
pub(super) fn requests(item: &Item<'_>) -> Option<NonZeroU32> {
    item.whole(REQUESTS).and_then(|count| u32::try_from(count).ok()).and_then(NonZeroU32::new)
}

/// A window of whole seconds, at most [`RATE_WINDOW_MOST`].
pub(super) fn window(item: &Item<'_>) -> Option<Duration> {
    let window = values::duration(item)?;
    if window.subsec_nanos() != 0 || window > RATE_WINDOW_MOST {
        let days = RATE_WINDOW_MOST.as_secs() / 86_400;
        let message =
            format!("{} {} is not of whole seconds, at most {days} days", item.name, quoted(item.written()));
        item.mistake_hint(message, "what holds for longer is a BudgetPolicy");
        return None;
    }
    Some(window)
}
