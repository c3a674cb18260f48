//! `kind: DLPPolicy`: what is looked for in messages, and what becomes of what is found.
//!
//! A document may bring detectors of its own; what they look for is checked here as far as one document tells. Each of them
//! needs something that says what becomes of its findings. Read next: `resources/dlp.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::dfa::{dense, regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use super::fields::{Fields, Item};
use super::header::Header;
use super::reach::Reach;
use super::references::{POLICY_TARGET, policy_target};
use super::report::{Diagnostic, did_you_mean, quoted};
use super::resources::{ClassRule, CustomDetector, DlpPolicy, Finds};
use super::schema::{AnyOf, Field, Form, Object, Shape, words};
use super::source::Place;
use super::values;
use crate::model::types::detectors::DETECTORS;
use crate::model::types::limits::{
    CUSTOM_AUTOMATON_BYTES, CUSTOM_PATTERN_BYTES, CUSTOM_PATTERNS, CUSTOM_WORD_BYTES, CUSTOM_WORDS,
    DLP_CLASSES,
};
use crate::model::types::{FindingAction, FindingClass, FindingWays};

const CLASSES: [(&str, FindingClass); 6] = [
    ("secrets", FindingClass::Secrets),
    ("keys", FindingClass::Keys),
    ("pii", FindingClass::Pii),
    ("phi", FindingClass::Phi),
    ("placeholder", FindingClass::Placeholder),
    ("custom", FindingClass::Custom),
];

const ACTIONS: [(&str, FindingAction); 4] = [
    ("Block", FindingAction::Block),
    ("Redact", FindingAction::Redact),
    ("Alert", FindingAction::Alert),
    ("HashLog", FindingAction::HashLog),
];

const WAYS: [(&str, FindingWays); 3] =
    [("Outbound", FindingWays::Outbound), ("Inbound", FindingWays::Inbound), ("Both", FindingWays::Both)];

const UNSCANNABLE: [(&str, bool); 2] = [("Block", true), ("Allow", false)];
const OVER_HOLD: [(&str, bool); 2] = [("Stream", false), ("Block", true)];

/// How sure a finding has to be unless a document says otherwise.
const LEAST: f32 = 0.5;

/// A regular expression.
static PATTERN: Form =
    Form { words: "regular expression, ASCII", pattern: "", longest: CUSTOM_PATTERN_BYTES };
/// A word.
static TEXT: Form = Form { words: "text, in any case", pattern: "", longest: CUSTOM_WORD_BYTES };

/// `spec` of a policy of findings.
pub static SPEC: Object = Object::new(
    "What is looked for in messages, and what becomes of what is found. Without a target it holds for every gateway.",
    &[
        Field::optional("targetRef", Shape::Object(&POLICY_TARGET), "Whose messages are looked into."),
        Field::optional(
            "classes",
            Shape::List(&Shape::Object(&CLASS)),
            "What becomes of the findings of a class; where several entries hold, the strongest action.",
        ),
        Field::optional(
            "custom",
            Shape::List(&Shape::Object(&CUSTOM)),
            "What is looked for beside the catalogue.",
        ),
        Field::optional(
            "unscannable",
            Shape::choice(&words(&UNSCANNABLE)),
            "What becomes of a message that cannot be inspected, where it has a class with `Block` or `Redact`.",
        )
        .by_default("Block"),
        Field::optional(
            "overHold",
            Shape::choice(&words(&OVER_HOLD)),
            "What becomes of a body that is longer than `dlp.holdBytes`, where it has such a class: it is inspected as \
             it passes, or refused.",
        )
        .by_default("Stream"),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["classes", "custom"],
    lacking: "this policy looks for nothing",
    hint: "write `classes`, such as `[{class: keys, action: Block}]`",
}]);

static CLASS: Object = Object::new(
    "What becomes of the findings of a class.",
    &[
        Field::required("class", Shape::choice(&words(&CLASSES)), "What kind of thing."),
        Field::required("action", Shape::choice(&words(&ACTIONS)), "What becomes of it."),
        Field::optional("minConfidence", Shape::Share, "How sure a finding has to be.").by_default("0.5"),
        Field::optional("direction", Shape::choice(&words(&WAYS)), "Which way a message goes.")
            .by_default("Outbound"),
        Field::optional("detectors", Shape::List(&Shape::Text(&values::NAME)), "Those of the class alone."),
        Field::optional("examples", Shape::Bool, "Whether placeholders and documentation values count.")
            .by_default("false"),
    ],
);

static CUSTOM: Object = Object::new(
    "What is looked for beside the catalogue: a pattern, or words.",
    &[
        Field::required("name", Shape::Text(&values::NAME), "The name of the detector, once in the set."),
        Field::optional("pattern", Shape::Text(&PATTERN), "What it matches."),
        Field::optional("words", Shape::List(&Shape::Text(&TEXT)), "Any of these, in any case."),
        Field::optional("class", Shape::choice(&words(&CLASSES)), "What kind of thing it finds.")
            .by_default("custom"),
        Field::optional(
            "action",
            Shape::choice(&words(&ACTIONS)),
            "What becomes of it; without this, `classes` have to say.",
        ),
        Field::optional("direction", Shape::choice(&words(&WAYS)), "Which way; for `action`.")
            .by_default("Outbound"),
    ],
)
.with_any_of(&[AnyOf {
    fields: &["pattern", "words"],
    lacking: "this detector finds nothing",
    hint: "write `pattern` or `words`",
}]);

/// The detectors of a set, and what may not be meant.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<Arc<str>, Place>,
    words: usize,
    /// What is right, and may not be what was meant.
    pub warnings: Vec<Diagnostic>,
}

/// Reads one policy; gateways, agents and routes have been read.
pub fn read(header: &Header<'_>, reach: Reach<'_>, names: &mut Names) -> Option<DlpPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let target = match fields.get("targetRef") {
        Some(item) => {
            let target = policy_target(&item, reach.index);
            let unseen = target.as_ref().is_some_and(|target| !reach.shows_requests(target));
            names.warnings.extend(unseen.then(|| passed_through(&item)));
            target.map(Some)
        }
        None => Some(None),
    };
    let items = fields.list("custom");
    let read: Vec<_> = items.iter().map(|item| detector(item, names)).collect();
    let is_whole = read.iter().all(Option::is_some);
    let (custom, own): (Vec<_>, Vec<_>) = read.into_iter().flatten().unzip();
    let mut classes = class_rules(&fields, &custom);
    classes.extend(own.into_iter().flatten());
    if is_whole {
        items.iter().zip(&custom).for_each(|(item, one)| check_said(item, one, &classes));
    }
    let word = |name: &str, table: &'static [(&'static str, bool); 2], default: bool| {
        fields.get(name).map_or(Some(default), |item| item.choice(table))
    };
    let blocks_unscannable = word("unscannable", &UNSCANNABLE, true);
    let blocks_over_hold = word("overHold", &OVER_HOLD, false);
    Some(DlpPolicy {
        target: target?,
        classes,
        custom,
        blocks_unscannable: blocks_unscannable?,
        blocks_over_hold: blocks_over_hold?,
        origin: header.origin(),
    })
}

fn passed_through(item: &Item<'_>) -> Diagnostic {
    let message = "no listener that the policy is about shows messages: names that are looked up are inspected, and \
                   nothing else";
    item.scope.warning(
        item.key_span(),
        message,
        "messages are seen on a listener that opens TLS, or reads HTTP",
    )
}

/// Whether something says what becomes of what it finds.
fn check_said(item: &Item<'_>, one: &CustomDetector, classes: &[ClassRule]) {
    let says = |rule: &ClassRule| {
        rule.class == one.class && (rule.detectors.is_empty() || rule.detectors.contains(&one.name))
    };
    if !classes.iter().any(says) {
        let message = format!("nothing says what becomes of what {} finds", quoted(&one.name));
        let class = one.class.as_str();
        let hint = format!("give it an `action`, or `classes` an entry with `class: {class}`");
        item.mistake_hint(message, hint);
    }
}

fn class_rules(fields: &Fields<'_>, custom: &[CustomDetector]) -> Vec<ClassRule> {
    let items = fields.list("classes");
    if let Some(item) = items.get(DLP_CLASSES) {
        item.mistake_hint(
            format!("a policy has at most {DLP_CLASSES} entries of `classes`"),
            "write another for the rest",
        );
    }
    items.iter().take(DLP_CLASSES).filter_map(|item| class_rule(item, custom)).collect()
}

fn class_rule(item: &Item<'_>, custom: &[CustomDetector]) -> Option<ClassRule> {
    let fields = item.object(&CLASS)?;
    let class = fields.required("class").and_then(|item| item.choice(&CLASSES));
    let action = fields.required("action").and_then(|item| item.choice(&ACTIONS));
    let least = fields.get("minConfidence").map_or(Some(LEAST), |item| values::share(&item));
    let ways = ways(&fields);
    let listed = fields.list("detectors");
    let detectors: Vec<_> = listed.iter().filter_map(|item| known_detector(item, class?, custom)).collect();
    let examples = fields.get("examples").map_or(Some(false), |item| item.boolean());
    // A list of which nothing is left would mean all of the class.
    if detectors.len() < listed.len() {
        return None;
    }
    Some(ClassRule {
        class: class?,
        action: action?,
        least: least?,
        ways: ways?,
        detectors,
        examples: examples?,
    })
}

fn ways(fields: &Fields<'_>) -> Option<FindingWays> {
    fields.get("direction").map_or_else(|| Some(FindingWays::default()), |item| item.choice(&WAYS))
}

/// One of the catalogue's detectors or of this document's, of that class.
fn known_detector(item: &Item<'_>, class: FindingClass, custom: &[CustomDetector]) -> Option<Arc<str>> {
    let name = values::name(item)?;
    let text = &*name;
    let own = custom.iter().map(|one| (&*one.name, one.class));
    let all = || own.clone().chain(DETECTORS.iter().copied());
    match all().find(|(name, _)| *name == text) {
        Some((_, of)) if of == class => Some(name),
        Some((_, of)) => {
            let message =
                format!("detector {} finds {}, and not {}", quoted(text), of.as_str(), class.as_str());
            item.mistake_hint(message, format!("it belongs to an entry with `class: {}`", of.as_str()));
            None
        }
        None => {
            let message = format!("unknown detector {}", quoted(text));
            let hint = did_you_mean(text, all().map(|(name, _)| name))
                .unwrap_or_else(|| "docs/dlp.md lists those of the catalogue".to_owned());
            item.mistake_hint(message, hint);
            None
        }
    }
}

/// A detector, and what becomes of its findings where it says that by itself.
fn detector(item: &Item<'_>, names: &mut Names) -> Option<(CustomDetector, Option<ClassRule>)> {
    let fields = item.object(&CUSTOM)?;
    let name = fields.required("name").and_then(|item| own_name(&item, names));
    let class = fields.get("class").map_or(Some(FindingClass::Custom), |item| item.choice(&CLASSES));
    let finds = match (fields.get("pattern"), fields.get("words")) {
        (Some(_), Some(item)) => {
            item.mistake_hint("a detector has `pattern` or `words`, not both", "make it two detectors");
            None
        }
        (Some(item), None) => pattern(&item).map(Finds::Pattern),
        (None, Some(item)) => all_words(&item, names).map(Finds::Words),
        (None, None) => None,
    };
    let ways = ways(&fields);
    let action = match (fields.get("action"), fields.get("direction")) {
        (Some(item), _) => item.choice(&ACTIONS).map(Some),
        (None, None) => Some(None),
        (None, Some(item)) => {
            let message = "`direction` has no meaning without `action`";
            item.scope.mistake(item.key_span(), message, Some("entries of `classes` have their own".into()));
            None
        }
    };
    let (name, class, ways) = (name?, class?, ways?);
    let rule = action?.map(|action| ClassRule {
        class,
        action,
        least: 0.0,
        ways,
        detectors: vec![name.clone()],
        examples: true,
    });
    Some((CustomDetector { name, class, finds: finds? }, rule))
}

/// A name that no other detector has.
fn own_name(item: &Item<'_>, names: &mut Names) -> Option<Arc<str>> {
    let name = values::name(item)?;
    if DETECTORS.iter().any(|(known, _)| **known == *name) {
        let message = format!("a detector of the catalogue has the name {}", quoted(&name));
        item.mistake_hint(message, "give it another one");
        return None;
    }
    if let Some(first) = names.known.get(&name) {
        let hint = format!("the first is at {first}; records tell detectors apart by their names");
        item.mistake_hint(format!("two detectors have the name {}", quoted(&name)), hint);
        return None;
    }
    if names.known.len() == CUSTOM_PATTERNS {
        let message = format!("the documents have more than {CUSTOM_PATTERNS} detectors of their own");
        item.mistake_hint(message, "words that mean the same belong to one of them");
    }
    names.known.insert(name.clone(), item.scope.place(item.span()));
    Some(name)
}

/// A pattern whose automaton is bounded, and that finds nothing where nothing is: made as whoever looks makes it.
fn pattern(item: &Item<'_>) -> Option<Arc<str>> {
    let text = item.text_of(&PATTERN)?;
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    if let Err(error) = syntax::parse_with(text, &syntax) {
        // The parser draws the pattern and the place; the last line says what is wrong.
        let said = error.to_string();
        let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
        item.mistake_hint(
            format!("pattern {} is none: {last}", quoted(text)),
            "the syntax is that of Rust's `regex`, without look-around and back-references",
        );
        return None;
    }
    let automaton = regex::Builder::new()
        .syntax(syntax)
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(CUSTOM_AUTOMATON_BYTES)))
        .dense(
            dense::Config::new()
                .dfa_size_limit(Some(CUSTOM_AUTOMATON_BYTES))
                .determinize_size_limit(Some(2 * CUSTOM_AUTOMATON_BYTES)),
        )
        .build(text);
    match automaton.map(|automaton| automaton.try_search(&Input::new(b""))) {
        Ok(Ok(None)) => Some(text.into()),
        Ok(_) => {
            item.mistake_hint(
                format!("pattern {} matches where nothing stands", quoted(text)),
                "ask for at least one character, such as by `+` in the place of `*`",
            );
            None
        }
        Err(_) => {
            item.mistake_hint(
                format!(
                    "pattern {} needs an automaton of more than {CUSTOM_AUTOMATON_BYTES} bytes",
                    quoted(text)
                ),
                "use smaller bounds than `{m,n}` has now, or words",
            );
            None
        }
    }
}

fn all_words(item: &Item<'_>, names: &mut Names) -> Option<Vec<Arc<str>>> {
    let items = item.list()?;
    names.words += items.len();
    if names.words > CUSTOM_WORDS {
        let message = format!("the documents have more than {CUSTOM_WORDS} words");
        item.mistake_hint(message, "leave out those that another contains");
        return None;
    }
    let words: Vec<_> =
        items.iter().filter_map(|item| item.text_of(&TEXT).map(|text| Arc::from(text.trim()))).collect();
    (words.len() == items.len()).then_some(words)
}
