//! Reading a tree against what is expected, without stopping at the first mistake.
//!
//! An `Item` is a value that knows its field's name, place and declared shape; `Fields` is a mapping whose keys have
//! been compared with its declaration (`schema.rs`). Whoever asks for a value gets nothing once a mistake about it
//! has been noted, and goes on. A field without a value is a mistake, because a commented-out restriction must not
//! become "no restriction". A reader that asks for what is not declared fails its tests.

use std::ops::RangeInclusive;

use super::report::{did_you_mean, one_of, quoted};
use super::schema::{Form, Object, Presence, Shape};
use super::scope::Scope;
use super::source::Span;
use super::tree::{Key, Node, Value};

/// What fields say that are known and not enforced.
const REMOVE: &str = "remove it: what it asks for would not be done";

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
    /// What it is declared to be, where its mapping was read by a declaration.
    shape: Option<&'static Shape>,
}

impl<'s> Item<'s> {
    /// A whole document.
    pub fn document(scope: Scope<'s>, node: &'s Node) -> Self {
        Self { scope, name: "document", part: Part::Document, key: beginning(node), node, shape: None }
    }

    /// The same, to be read by a declaration that its mapping does not know.
    pub fn undeclared(self) -> Self {
        Self { shape: None, ..self }
    }

    /// Whether nothing else is declared of it.
    fn may_be(&self, expected: impl FnOnce(&Shape) -> bool) -> bool {
        self.shape.is_none_or(expected)
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

    /// The same, of a form, and not longer than that has it. Its own reader looks at the rest.
    pub fn text_of(&self, form: &'static Form) -> Option<&'s str> {
        debug_assert!(self.may_be(|shape| matches!(shape, Shape::Text(it) if std::ptr::eq(*it, form))));
        let text = self.text()?;
        if text.len() > form.longest {
            self.mistake(format!("{} is longer than {} bytes", self.title(), form.longest));
            return None;
        }
        Some(text)
    }

    /// A whole number inside a range.
    pub fn whole(&self, range: RangeInclusive<i64>) -> Option<i64> {
        debug_assert!(self.may_be(|shape| matches!(shape, Shape::Whole(it) if *it == range)));
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

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        debug_assert!(self.may_be(|shape| matches!(shape, Shape::Bool | Shape::False)));
        match self.node.value {
            Value::Bool(true) if matches!(self.shape, Some(Shape::False)) => self.not_yet(),
            Value::Bool(value) => return Some(value),
            _ => self.wrong_type("`true` or `false`"),
        }
        None
    }

    /// A port, 1 to 65535.
    pub fn port(&self) -> Option<u16> {
        self.whole(1..=65_535).and_then(|number| u16::try_from(number).ok())
    }

    /// One of a few words. Others that are declared are not enforced yet.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        self.choice_or(choices, |word| format!("unknown {} {}", quoted(self.name), quoted(word)))
    }

    /// The same, with what is said of any other word.
    pub fn choice_or<T: Copy>(
        &self,
        choices: &[(&str, T)],
        otherwise: impl FnOnce(&str) -> String,
    ) -> Option<T> {
        let same = |words: &[&str]| words.iter().eq(choices.iter().map(|(name, _)| name));
        debug_assert!(self.may_be(|shape| matches!(shape, Shape::Choice { words, .. } if same(words))));
        let word = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        if let Some(Shape::Choice { not_yet, .. }) = self.shape
            && not_yet.contains(&word)
        {
            self.not_yet();
            return None;
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let hint = did_you_mean(word, names()).unwrap_or_else(|| format!("it can be {}", one_of(names())));
        self.mistake_hint(otherwise(word), hint);
        None
    }

    /// The entries of a list that has at least one, unless it is declared that it may be empty.
    pub fn list(&self) -> Option<Vec<Item<'s>>> {
        self.list_or("name at least one, or remove the field")
    }

    /// The same, with the hint for an empty one.
    fn list_or(&self, hint: &str) -> Option<Vec<Item<'s>>> {
        let Value::List(nodes) = &self.node.value else {
            self.wrong_type("a list");
            return None;
        };
        if nodes.is_empty() && !matches!(self.shape, Some(Shape::ListOrNone(_))) {
            let message = format!("{} is an empty list", quoted(self.name));
            self.mistake_hint(message, hint);
            return None;
        }
        let shape = match self.shape {
            Some(Shape::List(each) | Shape::ListOrNone(each)) => Some(*each),
            _ => None,
        };
        let entries = nodes.iter().map(|node| {
            let start = beginning(node);
            let key = if start.end > start.start { start } else { self.key };
            Item { key, node, part: Part::Entry, shape, ..*self }
        });
        Some(entries.collect())
    }

    /// A mapping as it is declared: with no field but the declared ones, with all that must be there, without those
    /// that are not enforced yet.
    pub fn object(&self, object: &'static Object) -> Option<Fields<'s>> {
        debug_assert!(self.may_be(|shape| matches!(shape, Shape::Object(it) if std::ptr::eq(*it, object))));
        let Value::Map(entries) = &self.node.value else {
            self.wrong_type("a mapping");
            return None;
        };
        for (key, node) in entries {
            match object.field(&key.name).map(|field| field.presence) {
                None => {
                    let accepted = object.fields.iter().filter(|field| field.is_accepted());
                    self.unknown(key, object.fields.iter().map(|field| field.name), accepted.map(|f| f.name));
                }
                Some(_) if node.value == Value::Null => self.without_value(key),
                Some(Presence::NotYet) => self.not_yet_field(key),
                Some(Presence::Refused { message, hint }) => {
                    self.scope.mistake(key.span, message, Some(hint.into()));
                }
                Some(Presence::Required | Presence::Optional | Presence::Default(_)) => {}
            }
        }
        let missing = |name: &&str| self.node.entry(name).is_none();
        let required = object.fields.iter().filter(|field| field.presence == Presence::Required);
        for field in required.filter(|field| missing(&field.name)) {
            self.lacks_one_of(field.name, field.shape.words());
        }
        for any_of in object.any_of.iter().filter(|any_of| any_of.fields.iter().all(missing)) {
            self.mistake_hint(any_of.lacking, any_of.hint);
        }
        Some(Fields { owner: *self, object })
    }

    /// Notes a field that nobody knows. The nearest of the known ones is advised, else the accepted ones are named.
    fn unknown<'n>(
        &self,
        key: &Key,
        known: impl Iterator<Item = &'n str>,
        accepted: impl Iterator<Item = &'n str>,
    ) {
        let advice =
            || did_you_mean(&key.name, known).unwrap_or_else(|| format!("known here: {}", one_of(accepted)));
        let hint = (!self.scope.is_full()).then(advice);
        self.scope.mistake(key.span, format!("unknown field {}", quoted(&key.name)), hint);
    }

    fn without_value(&self, key: &Key) {
        let message = format!("field {} has no value", quoted(&key.name));
        self.scope.mistake(key.span, message, Some("give it one, or remove the line".into()));
    }

    fn not_yet_field(&self, key: &Key) {
        let message = format!("{} is not yet enforced", quoted(&key.name));
        self.scope.mistake(key.span, message, Some(REMOVE.into()));
    }

    /// Notes a field that has to be there and is not.
    pub fn lacks(&self, name: &str) {
        self.lacks_one_of(name, &[]);
    }

    /// The same, with the words that it can be.
    fn lacks_one_of(&self, name: &str, words: &[&str]) {
        let message = format!("{} lacks the field {}", self.title(), quoted(name));
        let hint = (!words.is_empty()).then(|| format!("it can be {}", one_of(words.iter().copied())));
        self.scope.mistake(self.key, message, hint);
    }

    /// A mapping with keys of the writer's own choice, such as labels.
    pub fn entries(&self) -> Option<Vec<Item<'s>>> {
        let Value::Map(entries) = &self.node.value else {
            self.wrong_type("a mapping");
            return None;
        };
        let items = entries.iter().map(|(key, node)| field(self.scope, key, node, None));
        Some(items.collect())
    }
}

fn field<'s>(scope: Scope<'s>, key: &'s Key, node: &'s Node, shape: Option<&'static Shape>) -> Item<'s> {
    Item { scope, name: &key.name, part: Part::Field, key: key.span, node, shape }
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
    object: &'static Object,
}

impl<'s> Fields<'s> {
    /// The mapping as a value.
    pub fn owner(&self) -> Item<'s> {
        self.owner
    }

    /// A field that may be absent.
    pub fn get(&self, name: &str) -> Option<Item<'s>> {
        let declared = self.object.field(name);
        debug_assert!(declared.is_some(), "`{name}` is not declared");
        let (key, node) = self.owner.node.entry(name)?;
        let shape = declared.map(|field| &field.shape);
        (node.value != Value::Null).then(|| field(self.owner.scope, key, node, shape))
    }

    /// A field that has to be there. That it is not has been noted already.
    pub fn required(&self, name: &str) -> Option<Item<'s>> {
        let declared = self.object.field(name);
        debug_assert!(
            declared.is_some_and(|field| field.presence == Presence::Required),
            "`{name}` is not declared as required"
        );
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
}
