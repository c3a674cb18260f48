//! `kind: InferencePolicy`: which model, how much of it, and which content not (kars CRD reference, InferencePolicy).
//!
//! Fallbacks are of the primary's provider: another has another host, another key and other words.

use std::sync::Arc;

use super::ai_route::{COUNT, count};
use super::fields::{Fields, Item};
use super::header::{Header, Index};
use super::kinds::Kind;
use super::patterns::{self, MODEL_NAME};
use super::report::quoted;
use super::resources::{InferenceAction, InferencePolicy, PreferredModel, Selector};
use super::schema::{AnyOf, Field, Object, Shape, words};
use super::tool_policy::{REFERENCE, by_labels, reference};
use super::values;
use crate::model::types::quota_limits::FALLBACK_MODELS;
use crate::model::types::{Provider, SafetyFloors, Severity};

const ACTIONS: [(&str, Option<InferenceAction>); 5] = [
    ("*", None),
    ("chat", Some(InferenceAction::Chat)),
    ("responses", Some(InferenceAction::Responses)),
    ("image", Some(InferenceAction::Image)),
    ("embeddings", Some(InferenceAction::Embeddings)),
];

/// As the reference names them, and OpenAI.
const PROVIDERS: [(&str, Provider); 6] = [
    ("azure-openai", Provider::AzureOpenAi),
    ("anthropic", Provider::Anthropic),
    ("gemini", Provider::Google),
    ("bedrock", Provider::Bedrock),
    ("ollama", Provider::Custom),
    ("openai", Provider::OpenAi),
];

const SEVERITIES: [(&str, Severity); 4] = [
    ("Safe", Severity::Safe),
    ("Low", Severity::Low),
    ("Medium", Severity::Medium),
    ("High", Severity::High),
];

const SEVERITY: Shape = Shape::choice(&words(&SEVERITIES));

/// `spec` of a policy of inference.
pub static SPEC: Object = Object::new(
    "Which models agents may call, how many tokens that may use, and which content is refused.",
    &[
        Field::required("appliesTo", Shape::Object(&APPLIES_TO), "Whose calls it is about."),
        Field::optional("displayName", Shape::Text(&values::ANY), "A name for people, without meaning."),
        Field::optional("modelPreference", Shape::Object(&PREFERENCE), "The models that may be called."),
        Field::optional("tokenBudget", Shape::Object(&BUDGET), "How many tokens each agent may use."),
        Field::optional("contentSafety", Shape::Object(&SAFETY), "Which content is refused."),
        Field::not_yet("bundleRef", "A signed artifact in place of the fields here."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["modelPreference", "tokenBudget", "contentSafety"],
    lacking: "this policy asks for nothing",
    hint: "write `modelPreference`, `tokenBudget` or `contentSafety`",
}]);

static APPLIES_TO: Object = Object::new(
    "Whose calls a policy is about: all that is given must hold.",
    &[
        Field::optional("sandboxName", Shape::Text(&REFERENCE), "The agent; empty or absent is any."),
        Field::optional("sandboxMatchLabels", values::LABELS, "Labels of the agent."),
        Field::optional("action", Shape::choice(&words(&ACTIONS)), "What is asked of models.")
            .by_default("*"),
    ],
);

static PREFERENCE: Object = Object::new(
    "Models in the order in which they are asked.",
    &[
        Field::required("primary", Shape::Object(&MODEL), "The first that is asked."),
        Field::optional(
            "fallback",
            Shape::List(&Shape::Object(&MODEL)),
            "Those that are asked where the one before fails, of the same provider.",
        ),
    ],
);

static MODEL: Object = Object::new(
    "A model of a provider.",
    &[
        Field::required("provider", Shape::choice(&words(&PROVIDERS)), "Whose it is."),
        Field::required("deployment", Shape::Text(&MODEL_NAME), "The model, as requests name it."),
    ],
);

static BUDGET: Object = Object::new(
    "How many tokens may be used.",
    &[
        Field::optional(
            "perRequestTokens",
            Shape::Whole(COUNT),
            "Of one call, question and answer together.",
        ),
        Field::optional("dailyTokens", Shape::Whole(COUNT), "Of one agent in a day of UTC."),
        Field::optional("monthlyTokens", Shape::Whole(COUNT), "Of one agent in a month of UTC."),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["perRequestTokens", "dailyTokens", "monthlyTokens"],
    lacking: "this budget has no limit",
    hint: "write at least one, such as `dailyTokens: 200000`",
}]);

static SAFETY: Object = Object::new(
    "From which severity on content is refused, by the provider's own annotations.",
    &[
        Field::optional("hate", SEVERITY, "Hate."),
        Field::optional("selfHarm", SEVERITY, "Harm to oneself."),
        Field::optional("sexual", SEVERITY, "Sexual content."),
        Field::optional("violence", SEVERITY, "Violence."),
        Field::optional(
            "requirePromptShields",
            Shape::Bool,
            "Whether answers without the annotations of prompt shields are refused.",
        )
        .by_default("false"),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["hate", "selfHarm", "sexual", "violence", "requirePromptShields"],
    lacking: "`contentSafety` asks for nothing",
    hint: "write at least one category, such as `violence: Medium`",
}]);

/// Reads one policy.
pub fn read(header: &Header<'_>, index: &Index) -> Option<InferencePolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let whose = fields.required("appliesTo").and_then(|item| applies_to(&item, index));
    let models = fields.get("modelPreference").map_or_else(|| Some(Vec::new()), |item| preference(&item));
    let budget = fields.get("tokenBudget").map_or(Some([None; 3]), |item| budget(&item));
    let safety = fields.get("contentSafety").map_or(Some(None), |item| safety(&item).map(Some));
    let (agent, labels, action) = whose?;
    let [per_request, daily, monthly] = budget?;
    let (models, safety, origin) = (models?, safety?, header.origin());
    Some(InferencePolicy { agent, labels, action, models, per_request, daily, monthly, safety, origin })
}

/// The agent, its labels, and what is asked of models.
type Whose = (Option<Arc<str>>, Option<Selector>, Option<InferenceAction>);

fn applies_to(item: &Item<'_>, index: &Index) -> Option<Whose> {
    let fields = item.object(&APPLIES_TO)?;
    let agent = reference(&fields, "sandboxName", Kind::Agent, index);
    let labels = by_labels(&fields);
    let action = fields.get("action").map_or(Some(None), |item| item.choice(&ACTIONS));
    Some((agent?, labels, action?))
}

fn preference(item: &Item<'_>) -> Option<Vec<PreferredModel>> {
    let fields = item.object(&PREFERENCE)?;
    let primary = fields.required("primary").and_then(|item| model(&item));
    let items = fields.list("fallback");
    if let Some(item) = items.get(FALLBACK_MODELS) {
        item.mistake_hint(
            format!("a policy has at most {FALLBACK_MODELS} fallbacks"),
            "each is asked only after those before it have failed",
        );
    }
    let found: Vec<_> = items.iter().take(FALLBACK_MODELS).map(|item| (item, model(item))).collect();
    let mut models = vec![primary?];
    for (item, model) in found {
        let model = model?;
        if model.provider != models[0].provider {
            let first = quoted(word_of(models[0].provider));
            let message = format!(
                "a fallback cannot be of {}: the primary is of {first}",
                quoted(word_of(model.provider))
            );
            let hint =
                "another provider has another host, another key and other words: name a model of the same";
            item.mistake_hint(message, hint);
        } else if models.iter().any(|known| known.deployment == model.deployment) {
            item.mistake_hint(format!("{} is named twice", quoted(&model.deployment)), "remove one");
        }
        models.push(model);
    }
    Some(models)
}

fn word_of(provider: Provider) -> &'static str {
    PROVIDERS.iter().find(|(_, known)| *known == provider).map_or("custom", |(word, _)| word)
}

fn model(item: &Item<'_>) -> Option<PreferredModel> {
    let fields = item.object(&MODEL)?;
    let provider = fields.required("provider").and_then(|item| item.choice(&PROVIDERS));
    let deployment = fields.required("deployment").and_then(|item| patterns::model_name(&item));
    Some(PreferredModel { provider: provider?, deployment: deployment? })
}

/// Of a request, a day and a month.
fn budget(item: &Item<'_>) -> Option<[Option<u64>; 3]> {
    let fields = item.object(&BUDGET)?;
    let [request, daily, monthly] =
        ["perRequestTokens", "dailyTokens", "monthlyTokens"].map(|name| count(&fields, name));
    if let (Some(Some(day)), Some(Some(month))) = (daily, monthly)
        && month < day
        && let Some(item) = fields.get("monthlyTokens")
    {
        let message = format!("`monthlyTokens` {month} is less than `dailyTokens` {day}");
        item.mistake_hint(message, "what a day may use, a month must have room for");
    }
    Some([request?, daily?, monthly?])
}

fn safety(item: &Item<'_>) -> Option<SafetyFloors> {
    let fields = item.object(&SAFETY)?;
    let floors = ["hate", "selfHarm", "sexual", "violence"].map(|name| floor(&fields, name));
    let shields = fields.get("requirePromptShields").map_or(Some(false), |item| item.boolean());
    let [hate, self_harm, sexual, violence] = floors;
    Some(SafetyFloors {
        hate: hate?,
        self_harm: self_harm?,
        sexual: sexual?,
        violence: violence?,
        require_prompt_shields: shields?,
    })
}

fn floor(fields: &Fields<'_>, name: &str) -> Option<Option<Severity>> {
    fields.get(name).map_or(Some(None), |item| item.choice(&SEVERITIES).map(Some))
}
