//! What all documents have in common: group, kind, name, labels; and the index of all names of a set.
//!
//! Headers of the whole set are read before any `spec`, so that references can be checked where they stand.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fields::{Fields, Item};
use super::kinds::{API_VERSIONS, KINDS, Kind, Standing, standing};
use super::report::{did_you_mean, one_of, quoted};
use super::resources::{Gateway, Origin};
use super::schema::{Field, Object, Shape, words};
use super::source::Place;
use super::tree::Node;
use super::values;
use crate::model::types::AgentProfile;

/// The name of a document whose own is missing or wrong.
const NAMELESS: &str = "";

/// Every document. `kind` says what its `spec` is.
pub static DOCUMENT: Object = Object::new(
    "A document: what it is, what it is called, and what it asks for.",
    &[
        Field::required(
            "apiVersion",
            Shape::choice(&words(&API_VERSIONS)),
            "The group; all of them mean the same.",
        ),
        Field::required("kind", Shape::Text(&values::ANY), "What the document is."),
        Field::required("metadata", Shape::Object(&METADATA), "What it is called."),
        Field::required("spec", Shape::Anything, "What it asks for."),
        Field::optional("status", Shape::Anything, "Accepted and not read."),
    ],
);

/// `metadata` of every document.
pub static METADATA: Object = Object::new(
    "What a document is called.",
    &[
        Field::required(
            "name",
            Shape::Text(&values::NAME),
            "Its name; a document is known by kind and name.",
        ),
        Field::optional("namespace", Shape::Text(&values::NAME), "Accepted and without meaning."),
        Field::optional("labels", values::LABELS, "Labels; those of an agent are what selectors look at."),
        Field::optional(
            "annotations",
            Shape::Map { keys: &values::ANY, values: &values::ANY },
            "Texts for people, without meaning.",
        ),
    ],
);

/// A document of an enforced kind; its `spec` has not been looked at.
#[derive(Debug)]
pub struct Header<'s> {
    /// Its kind.
    pub kind: Kind,
    /// `metadata.name`, or [`NAMELESS`].
    pub name: Arc<str>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec`; a document without it has had its mistake noted.
    pub spec: Option<Item<'s>>,
    /// The whole document.
    pub document: Item<'s>,
    /// `metadata.name`, or the document.
    pub named_at: Item<'s>,
}

impl Header<'_> {
    /// Where the document begins.
    pub fn origin(&self) -> Origin {
        let Place { file, line, .. } = self.document.scope.place(self.document.key_span());
        Origin { file, line }
    }
}

/// Reads the common part. Nothing if the document is of no enforced kind. A document without a valid name keeps
/// [`NAMELESS`], so that the mistakes in its `spec` are found too.
pub fn read<'s>(document: Item<'s>) -> Option<Header<'s>> {
    // A document of an unknown or refused kind has fields of its own: only the kind is spoken of.
    let kind = kind(&document)?;
    let fields = document.object(&DOCUMENT)?;
    fields.required("apiVersion").and_then(|item| item.choice(&API_VERSIONS));
    // What it is, its kind declares.
    let spec = fields.required("spec").map(|item| item.undeclared());
    let metadata = fields.required("metadata").and_then(|item| item.object(&METADATA));
    let mut header =
        Header { kind, name: NAMELESS.into(), labels: BTreeMap::new(), spec, document, named_at: document };
    let Some(metadata) = metadata else { return Some(header) };
    metadata.get("namespace").and_then(|item| values::name(&item));
    annotations(&metadata);
    header.labels = metadata.get("labels").map(|item| values::labels(&item)).unwrap_or_default();
    if let Some(item) = metadata.required("name") {
        header.named_at = item;
        header.name = values::name(&item).unwrap_or(header.name);
    }
    Some(header)
}

fn kind(document: &Item<'_>) -> Option<Kind> {
    let fields = match &document.node().value {
        super::tree::Value::Map(_) => document.node(),
        _ => {
            // Says what it is instead.
            document.entries();
            return None;
        }
    };
    let Some((key, _)) = fields.entry("kind") else {
        let message = "the document lacks the field `kind`";
        document.scope.mistake(
            document.key_span(),
            message,
            Some(format!("it can be {}", one_of(enforced()))),
        );
        return None;
    };
    let entries = document.entries()?;
    let item = entries.into_iter().find(|entry| entry.key_span() == key.span)?;
    let word = item.text()?;
    match standing(word) {
        Some(Standing::Enforced(kind)) => return Some(kind),
        Some(Standing::NotYet) => {
            let hint = "remove the document: what it asks for would not be done";
            item.mistake_hint(format!("{} is not yet enforced", quoted(word)), hint);
        }
        Some(Standing::Elsewhere(hint)) => {
            // Of a secret nothing is shown, not even the line: the whole document may stand in it.
            let message = format!("{} is not accepted in policy files", quoted(word));
            item.scope.mistake_unshown(item.span(), message, hint);
        }
        None => {
            let hint = did_you_mean(word, KINDS.iter().map(|(name, _)| *name))
                .unwrap_or_else(|| format!("it can be {}", one_of(enforced())));
            item.mistake_hint(format!("unknown kind {}", quoted(word)), hint);
        }
    }
    None
}

fn enforced() -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(|(_, standing)| matches!(standing, Standing::Enforced(_))).map(|(name, _)| *name)
}

/// Annotations are kept and mean nothing: any text will do.
fn annotations(metadata: &Fields<'_>) {
    for entry in metadata.get("annotations").and_then(|item| item.entries()).unwrap_or_default() {
        if entry.node().text().is_none() {
            entry.text();
        }
    }
}

/// All names of a set, and the gateways once they are read.
#[derive(Debug, Default)]
pub struct Index {
    names: BTreeMap<Kind, BTreeMap<Arc<str>, Place>>,
    /// Gateways that were read without a mistake.
    pub gateways: BTreeMap<Arc<str>, Gateway>,
    /// Teams and projects, once agents are read.
    pub groups: Groups,
    /// Whether every document of every file is in the index: only then a missing name is a mistake.
    pub whole: bool,
    /// Names of documents whose kind nobody knows: they are not called missing.
    unread: BTreeSet<String>,
}

/// Teams and projects: they are what agents say, and have no documents of their own.
#[derive(Debug, Default)]
pub struct Groups {
    /// Teams that some agent has.
    pub teams: BTreeSet<Arc<str>>,
    /// Projects that some agent has.
    pub projects: BTreeSet<Arc<str>>,
    /// An agent could not be read: its own may be missing.
    pub partial: bool,
}

impl Groups {
    /// Takes in an agent; nothing where it could not be read.
    pub fn add(&mut self, agent: Option<&AgentProfile>) {
        self.partial |= agent.is_none();
        self.teams.extend(agent.and_then(|agent| agent.team.clone()));
        self.projects.extend(agent.and_then(|agent| agent.project.clone()));
    }
}

impl Index {
    /// Adds a name. A second document of the same kind and name is a mistake, and false is returned.
    pub fn add(&mut self, header: &Header<'_>) -> bool {
        if &*header.name == NAMELESS {
            self.whole = false;
            return true;
        }
        let item = &header.named_at;
        let place = item.scope.place(item.span());
        match self.names.entry(header.kind).or_default().entry(header.name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(place);
                true
            }
            Entry::Occupied(first) => {
                let message = format!("{} {} is defined twice", header.kind.as_str(), quoted(&header.name));
                item.mistake_hint(message, format!("the first is at {}", first.get()));
                false
            }
        }
    }

    /// Takes note of a document that is of no enforced kind.
    pub fn leave_out(&mut self, document: &Item<'_>) {
        let text = |node: Option<&'_ Node>| node.and_then(Node::text).map(str::to_owned);
        let root = document.node();
        // What is known and refused is nothing that a reference here could mean.
        if text(root.get("kind")).is_some_and(|kind| standing(&kind).is_some()) {
            return;
        }
        match text(root.get("metadata").and_then(|metadata| metadata.get("name"))) {
            Some(name) => drop(self.unread.insert(name)),
            None => self.whole = false,
        }
    }

    /// Whether every document could be read, so that their number means something.
    pub fn is_complete(&self) -> bool {
        self.whole && self.unread.is_empty()
    }

    /// Names of a kind, in order.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.names.get(&kind).into_iter().flatten().map(|(name, _)| &**name)
    }

    /// How many documents of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.names.get(&kind).map_or(0, BTreeMap::len)
    }

    /// Whether there is a document of this kind and name.
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        self.names.get(&kind).is_some_and(|names| names.contains_key(name))
    }

    /// The name an item holds, which has to be that of a document.
    pub fn resolve(&self, kind: Kind, item: &Item<'_>) -> Option<Arc<str>> {
        let text = item.text()?;
        if self.has(kind, text) {
            return Some(text.into());
        }
        if self.whole && !self.unread.contains(text) {
            let message = format!("there is no {} named {}", kind.as_str(), quoted(text));
            let hint = if item.scope.is_full() { None } else { self.advice(kind, text) };
            item.scope.mistake(item.span(), message, hint);
        }
        None
    }

    fn advice(&self, kind: Kind, name: &str) -> Option<String> {
        did_you_mean(name, self.names(kind)).or_else(|| match self.count(kind) {
            0 => Some(format!("there is no {}", kind.as_str())),
            1..=5 => Some(format!("there is {}", one_of(self.names(kind)))),
            _ => None,
        })
    }
}
