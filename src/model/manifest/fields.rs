//! Reading a tree against what is expected, without stopping at the first mistake.
//!
//! An `Item` is a value that knows its field's name and place; `Fields` is a mapping whose keys have been compared
//! with the known ones. Whoever asks for a value gets nothing once a mistake about it has been noted, and goes
//! on. A field without a value is a mistake, because a commented-out restriction must not become "no restriction".

use std::cell::RefCell;

use super::report::{Diagnostic, Mistakes, did_you_mean, one_of, quoted};
use super::source::{Place, Source, Span};
use super::tree::{Key, Node, Value};
use crate::model::types::limits;

/// What fields say that are known and not enforced.
const REMOVE: &str = "remove it: what it asks for would not be done";

/// One file being judged and where its mistakes go.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'s> {
    source: &'s Source<'s>,
    mistakes: &'s RefCell<Mistakes>,
}

impl<'s> Scope<'s> {
    /// Mistakes in `source` go to `mistakes`.
    pub fn new(source: &'s Source<'s>, mistakes: &'s RefCell<Mistakes>) -> Self {
        Self { source, mistakes }
    }

    /// Notes a mistake, with advice where there is any.
    pub fn mistake(self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.mistakes.borrow_mut().add(|| {
            let mut diagnostic = Diagnostic::at(self.source, span, message);
            diagnostic.hint = hint;
            diagnostic
        });
    }

    /// Whether further mistakes are only counted, so that no advice need be sought.
    pub fn is_full(self) -> bool {
        self.mistakes() >= limits::POLICY_MISTAKES
    }

    /// How many mistakes there are in all files so far.
    pub fn mistakes(self) -> usize {
        self.mistakes.borrow().count()
    }

    /// Where a byte stands.
    pub fn place(self, span: Span) -> Place {
        self.source.place(span.start)
    }

    /// The text of a stretch.
    pub fn slice(self, span: Span) -> &'s str {
        self.source.slice(span)
    }
}

/// What a value is a part of, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Document,
    Field,
    Entry,
}

/// A value, the name of the field it belongs to, and its place.
#[derive(Debug, Clone, Copy)]
pub struct Item<'s> {
    /// The file.
    pub scope: Scope<'s>,
    /// The field's name; entries of a list have the list's.
    pub name: &'s str,
    part: Part,
    key: Span,
    node: &'s Node,
}

impl<'s> Item<'s> {
    /// A whole document.
    pub fn document(scope: Scope<'s>, node: &'s Node) -> Self {
        Self { scope, name: "document", part: Part::Document, key: beginning(node), node }
    }

    /// What messages call it.
    fn title(&self) -> String {
        match self.part {
            Part::Document => "the document".to_owned(),
            Part::Field => quoted(self.name),
            Part::Entry => format!("an entry of {}", quoted(self.name)),
        }
    }

    /// The tree below.
    pub fn node(&self) -> &'s Node {
        self.node
    }

    /// The value's own place, or its key's where the value has none of its own.
    pub fn span(&self) -> Span {
        match self.node.value {
            Value::List(_) | Value::Map(_) | Value::Null => self.key,
            _ => self.node.span,
        }
    }

    /// The place of the field's name.
    pub fn key_span(&self) -> Span {
        self.key
    }

    /// Where bytes of a text stand, where it is written on one line without escapes; else the whole value's place.
    pub fn part(&self, bytes: std::ops::Range<usize>) -> Span {
        let (Some(text), written) = (self.node.text(), self.scope.slice(self.node.span)) else {
            return self.span();
        };
        let quote = written.chars().next().filter(|first| matches!(first, '\'' | '"'));
        let lead = quote.map_or(0, char::len_utf8);
        let inner = written.get(lead..written.len().saturating_sub(lead)).unwrap_or_default();
        // A single-quoted text writes its quotes twice (YAML 1.2.2, section 7.3.2).
        let doubled = quote == Some('\'') && inner.replace("''", "'") == text;
        if inner != text && !doubled {
            return self.span();
        }
        let begin = self.node.span.start + lead;
        let at = |offset: usize| {
            let before = text.get(..offset.min(text.len())).unwrap_or(text);
            begin + before.len() + if doubled { before.matches('\'').count() } else { 0 }
        };
        Span { start: at(bytes.start), end: at(bytes.end) }
    }

    /// Notes a mistake at this value.
    pub fn mistake(&self, message: impl Into<String>) {
        self.scope.mistake(self.span(), message, None);
    }

    /// Notes a mistake at this value, with advice.
    pub fn mistake_hint(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.scope.mistake(self.span(), message, Some(hint.into()));
    }

    /// Refuses this value, which a reference accepts and no engine enforces yet.
    pub fn not_yet(&self) {
        let message =
            format!("{} is not yet enforced", quoted(&format!("{}: {}", self.name, self.written())));
        self.mistake_hint(message, REMOVE);
    }

    /// The value as it is written, for scalars.
    pub fn written(&self) -> &'s str {
        match &self.node.value {
            Value::Text(text) => text,
            _ => self.scope.slice(self.node.span),
        }
    }

    fn wrong_type(&self, expected: &str) {
        let found = match &self.node.value {
            Value::Null => "empty",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        let hint = match &self.node.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) if expected == "a text" => {
                Some(format!("write it in quotes: `\"{}\"`", self.written()))
            }
            Value::Text(_) | Value::Map(_) | Value::Int(_) if expected == "a list" => {
                Some("write it as `[...]`, or on lines of its own with `- ` in front".to_owned())
            }
            Value::Text(text) if expected == "a whole number" && text.parse::<i64>().is_ok() => {
                Some("remove the quotes".to_owned())
            }
            _ => None,
        };
        let message = format!("{} must be {expected}, this is {found}", self.title());
        self.scope.mistake(self.span(), message, hint);
    }

    /// A text that is neither empty nor has control characters.
    pub fn text(&self) -> Option<&'s str> {
        let Value::Text(text) = &self.node.value else {
            self.wrong_type("a text");
            return None;
        };
        if text.trim().is_empty() {
            self.mistake(format!("{} is an empty text", self.title()));
            return None;
        }
        if let Some(character) = text.chars().find(|c| c.is_control()) {
            let code = u32::from(character);
            self.mistake(format!("{} has the control character U+{code:04X}", self.title()));
            return None;
        }
        Some(text)
    }

    /// A whole number inside a range.
    pub fn whole(&self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let outside = || {
            let (first, last) = (range.start(), range.end());
            self.mistake(format!(
                "{} {} is not between {first} and {last}",
                quoted(self.name),
                self.written()
            ));
        };
        match self.node.value {
            Value::Int(number) if range.contains(&number) => return Some(number),
            Value::Int(_) => outside(),
            Value::Float(number) if number.is_infinite() || number.fract() == 0.0 => outside(),
            _ => self.wrong_type("a whole number"),
        }
        None
    }

    /// A port, 1 to 65535.
    pub fn port(&self) -> Option<u16> {
        self.whole(1..=65_535).and_then(|number| u16::try_from(number).ok())
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let hint = did_you_mean(word, names()).unwrap_or_else(|| format!("it can be {}", one_of(names())));
        self.mistake_hint(format!("unknown {} {}", quoted(self.name), quoted(word)), hint);
        None
    }

    /// The entries of a list that has at least one.
    pub fn list(&self) -> Option<Vec<Item<'s>>> {
        self.list_or("name at least one, or remove the field")
    }

    /// The same, with the hint for an empty one.
    fn list_or(&self, hint: &str) -> Option<Vec<Item<'s>>> {
        let Value::List(nodes) = &self.node.value else {
            self.wrong_type("a list");
            return None;
        };
        if nodes.is_empty() {
            let message = format!("{} is an empty list", quoted(self.name));
            self.mistake_hint(message, hint);
            return None;
        }
        let entries = nodes.iter().map(|node| {
            let start = beginning(node);
            let key = if start.end > start.start { start } else { self.key };
            Item { scope: self.scope, name: self.name, part: Part::Entry, key, node }
        });
        Some(entries.collect())
    }

    /// A mapping with no keys but the known ones.
    pub fn fields(&self, known: &[&str]) -> Option<Fields<'s>> {
        let Value::Map(entries) = &self.node.value else {
            self.wrong_type("a mapping");
            return None;
        };
        for (key, value) in entries {
            if !known.contains(&key.name.as_str()) {
                let near =
                    if self.scope.is_full() { None } else { did_you_mean(&key.name, known.iter().copied()) };
                let hint = near.unwrap_or_else(|| format!("known here: {}", one_of(known.iter().copied())));
                self.scope.mistake(key.span, format!("unknown field {}", quoted(&key.name)), Some(hint));
            } else if value.value == Value::Null {
                let message = format!("field {} has no value", quoted(&key.name));
                self.scope.mistake(key.span, message, Some("give it one, or remove the line".into()));
            }
        }
        Some(Fields { owner: *self })
    }

    /// A mapping with keys of the writer's own choice, such as labels.
    pub fn entries(&self) -> Option<Vec<Item<'s>>> {
        let Value::Map(entries) = &self.node.value else {
            self.wrong_type("a mapping");
            return None;
        };
        let items = entries.iter().map(|(key, node)| field(self.scope, key, node));
        Some(items.collect())
    }
}

fn field<'s>(scope: Scope<'s>, key: &'s Key, node: &'s Node) -> Item<'s> {
    Item { scope, name: &key.name, part: Part::Field, key: key.span, node }
}

/// Where a node begins: a mapping with its first key.
fn beginning(node: &Node) -> Span {
    match &node.value {
        Value::Map(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ => node.span,
    }
}

/// A mapping whose keys are known.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'s> {
    owner: Item<'s>,
}

impl<'s> Fields<'s> {
    /// The mapping as a value.
    pub fn owner(&self) -> Item<'s> {
        self.owner
    }

    /// A field that may be absent.
    pub fn get(&self, name: &str) -> Option<Item<'s>> {
        let (key, node) = self.owner.node.entry(name)?;
        (node.value != Value::Null).then(|| field(self.owner.scope, key, node))
    }

    /// A field that has to be there.
    pub fn required(&self, name: &str) -> Option<Item<'s>> {
        if self.owner.node.entry(name).is_none() {
            let message = format!("{} lacks the field {}", self.owner.title(), quoted(name));
            self.owner.scope.mistake(self.owner.key, message, None);
        }
        self.get(name)
    }

    /// The entries of a list field that may be absent.
    pub fn list(&self, name: &str) -> Vec<Item<'s>> {
        self.get(name).and_then(|item| item.list()).unwrap_or_default()
    }

    /// The entries of a list field that has to be there.
    pub fn required_list(&self, name: &str) -> Vec<Item<'s>> {
        self.required(name).and_then(|item| item.list_or("name at least one")).unwrap_or_default()
    }

    /// Refuses fields that a reference accepts and no engine enforces yet.
    pub fn not_yet(&self, names: &[&str]) {
        for name in names {
            if let Some(item) = self.get(name) {
                let message = format!("{} is not yet enforced", quoted(name));
                item.scope.mistake(item.key, message, Some(REMOVE.into()));
            }
        }
    }
}
