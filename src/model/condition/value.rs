//! Values while a condition is judged: borrowed from the facts and from the condition wherever that is possible.
//!
//! The checker has seen to it that types fit, so the readers of one type need no other answer than nothing. Read next:
//! `evaluate.rs`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::content::Finding;
use super::facts::RequestFacts;

/// A value that stands in the condition itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    List(Box<[Self]>),
}

impl Literal {
    /// A value as it would stand in a condition; nothing for what is not written as one literal.
    pub fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Double(value) => Self::Double(*value),
            Value::Text(value) => Self::Text(value.as_ref().into()),
            Value::List(items) => {
                Self::List(items.iter().map(|item| Self::of(&item)).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// The same as a value.
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Text(value) => Value::text(value),
            Self::List(items) => Value::List(List::Written(items)),
        }
    }
}

/// Any value.
#[derive(Clone)]
pub enum Value<'a> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    List(List<'a>),
    Map(Map<'a>),
    Finding(&'a Finding),
}

/// Values in order.
#[derive(Clone)]
pub enum List<'a> {
    /// As the condition has them.
    Written(&'a [Literal]),
    /// As a request has them.
    Texts(&'a [Box<str>]),
    /// As inspection has them.
    Findings(&'a [Finding]),
    /// As they were computed.
    Made(Rc<[Value<'a>]>),
}

/// Values by text.
#[derive(Clone)]
pub enum Map<'a> {
    Labels(&'a BTreeMap<String, String>),
    Headers(&'a dyn RequestFacts),
    Query(&'a dyn RequestFacts),
    Made(Rc<[(&'a str, Value<'a>)]>),
}

impl<'a> Value<'a> {
    /// A borrowed text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The number of bytes that comparing or copying it looks at.
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(list) => list.iter().map(|item| 1 + item.weight()).sum(),
            _ => 1,
        }
    }

    /// Whether both are the same; of different types never.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(&b))
            }
            _ => false,
        }
    }

    /// Which is less; nothing for numbers that are none, and for what has no order.
    pub fn order(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl<'a> List<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Written(items) => items.len(),
            Self::Texts(texts) => texts.len(),
            Self::Findings(findings) => findings.len(),
            Self::Made(items) => items.len(),
        }
    }

    /// The one at this place, from 0.
    pub fn get(&self, place: usize) -> Option<Value<'a>> {
        match self {
            Self::Written(items) => items.get(place).map(Literal::value),
            Self::Texts(texts) => texts.get(place).map(|text| Value::text(text)),
            Self::Findings(findings) => findings.get(place).map(Value::Finding),
            Self::Made(items) => items.get(place).cloned(),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

/// What a map has under a key.
pub enum Found<'a> {
    /// Nothing.
    Nothing,
    /// One value, however often it was sent.
    One(Value<'a>),
    /// Different values, of which servers take one or another.
    Several,
    /// Bytes that are no text.
    NotText,
}

impl<'a> Map<'a> {
    /// What stands under this key, and what finding it cost: entries, and bytes that had to be read.
    pub fn get(&self, key: &str) -> (Found<'a>, usize) {
        match self {
            Self::Labels(labels) => {
                (labels.get(key).map_or(Found::Nothing, |value| Found::One(Value::text(value))), 1)
            }
            Self::Headers(request) => headers(*request, key),
            Self::Query(request) => query(*request, key),
            Self::Made(entries) => {
                let found = entries.iter().find(|(name, _)| *name == key);
                (found.map_or(Found::Nothing, |(_, value)| Found::One(value.clone())), entries.len())
            }
        }
    }

    /// Its keys, each once, and what finding them cost.
    pub fn keys(&self) -> (Vec<Cow<'a, str>>, usize) {
        let mut keys: Vec<Cow<'a, str>> = match self {
            Self::Labels(labels) => labels.keys().map(|key| Cow::Borrowed(key.as_str())).collect(),
            Self::Headers(request) => request.headers().map(|(name, _)| Cow::Borrowed(name)).collect(),
            Self::Query(request) => request.query().map(|(name, _)| name).collect(),
            Self::Made(entries) => entries.iter().map(|(key, _)| Cow::Borrowed(*key)).collect(),
        };
        let decoded = if let Self::Query(request) = self { request.query_bytes() } else { 0 };
        let looked_at = keys.len() + decoded;
        keys.sort_unstable();
        keys.dedup();
        (keys, looked_at)
    }
}

/// The value of a header field. A field that was sent several times has a value only if they agree: servers join
/// them, take the first or take the last.
fn headers<'a>(request: &'a dyn RequestFacts, key: &str) -> (Found<'a>, usize) {
    let mut looked_at = 0;
    let mut seen = |name: &str, value: &[u8]| {
        let read = if name == key { value.len() } else { 0 };
        looked_at += 1 + read;
    };
    let fields = request.headers().inspect(|(name, value)| seen(name, value));
    let mut values = fields.filter(|(name, _)| *name == key);
    let found = match values.next() {
        None => Found::Nothing,
        Some((_, first)) if values.any(|(_, other)| other != first) => Found::Several,
        Some((_, first)) => {
            std::str::from_utf8(first).map_or(Found::NotText, |text| Found::One(Value::text(text)))
        }
    };
    drop(values);
    (found, looked_at)
}

/// The value of a query parameter, by the same rule. All of them are decoded for it.
fn query<'a>(request: &'a dyn RequestFacts, key: &str) -> (Found<'a>, usize) {
    let mut looked_at = request.query_bytes();
    let mut values = request.query().inspect(|_| looked_at += 1).filter(|(name, _)| name == key);
    let found = match values.next() {
        None => Found::Nothing,
        Some((_, first)) if values.any(|(_, other)| other != first) => Found::Several,
        Some((_, first)) => first.map_or(Found::NotText, |text| Found::One(Value::Text(text))),
    };
    drop(values);
    (found, looked_at)
}
