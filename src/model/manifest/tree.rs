//! YAML text to trees in which every key and every value knows its place.
//!
//! YAML 1.2 core scalars; a quoted scalar is always a string. What documents never need and what makes their meaning
//! hard to see is refused: anchors, aliases, tags, directives, keys that are not scalars, duplicate keys. Depth
//! and number of nodes are bounded. An alias is never followed. Read next: `fields.rs`.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span as ParserSpan};

use super::report::{Diagnostic, Mistakes, quoted};
use super::source::{Source, Span};
use crate::model::types::limits;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where: the whole of a scalar, the first byte of a mapping or list. Empty for a value that is not there.
    pub span: Span,
    /// What.
    pub value: Value,
}

/// What a node holds (YAML 1.2 core schema).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, also a whole one that is out of range.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in its own order; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As written, without quotes.
    pub name: String,
    /// Where.
    pub span: Span,
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// The key and its value, if this is a mapping that has it.
    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads all documents of a file; empty ones are left out.
///
/// Duplicate keys and the like are collected while reading goes on; after a syntax error nothing more of the file can
/// be trusted, so what stood before it is returned together with the error.
///
/// `budget` is how many more keys and values the whole set may have; it starts at [`limits::POLICY_NODES`].
pub fn parse(source: &Source<'_>, budget: &mut usize) -> (Vec<Node>, Mistakes) {
    let mut options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: limits::POLICY_DEPTH,
        block_nesting_limit: limits::POLICY_DEPTH,
    };
    options.set_emit_comments(false);
    let mut builder =
        Builder { source, documents: Vec::new(), open: Vec::new(), budget, faults: Mistakes::default() };
    for event in Parser::new_from_str_with_options(source.text(), options) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, byte_span(&span)),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or_default().min(source.text().len());
                Err(syntax_error(source, at, error.kind()))
            }
        };
        if let Err(fault) = taken {
            builder.faults.add(|| *fault);
            break;
        }
    }
    (builder.documents, builder.faults)
}

fn byte_span(span: &ParserSpan) -> Span {
    span.byte_range().map_or(Span::default(), |range| Span { start: range.start, end: range.end })
}

fn syntax_error(source: &Source<'_>, at: usize, kind: &ErrorKind) -> Box<Diagnostic> {
    let fault = |message: String| Diagnostic::at(source, Span { start: at, end: at + 1 }, message);
    Box::new(match kind {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => {
            // The parser names the place behind the tabs.
            let start = source.text().get(..at).map_or(at, |before| before.trim_end_matches('\t').len());
            let end = at.max(start + 1);
            Diagnostic::at(source, Span { start, end }, "a tab cannot indent").hint("indent with spaces")
        }
        ErrorKind::UnknownAnchor => fault("aliases are not accepted".into()).hint("write the value out"),
        ErrorKind::DirectiveDisallowed => {
            fault("directives are not accepted".into()).hint("remove the line; documents are YAML 1.2")
        }
        kind => {
            let text = kind.to_string();
            if text.contains("nest") || text.contains("recursion") {
                return too_deep(source, Span { start: at, end: at + 1 });
            }
            fault(format!("this is not valid YAML: {text}"))
        }
    })
}

fn too_deep(source: &Source<'_>, span: Span) -> Box<Diagnostic> {
    let message = format!("mappings and lists are nested more than {} deep", limits::POLICY_DEPTH);
    Box::new(Diagnostic::at(source, span, message))
}

/// A collection whose end has not come yet.
enum Open {
    List(Span, Vec<Node>),
    Map { span: Span, entries: Vec<(Key, Node)>, seen: HashMap<String, usize>, key: Option<Key> },
}

struct Builder<'s, 'f> {
    source: &'s Source<'f>,
    documents: Vec<Node>,
    open: Vec<Open>,
    budget: &'s mut usize,
    faults: Mistakes,
}

type Taken = Result<(), Box<Diagnostic>>;

impl Builder<'_, '_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Taken {
        if event.is_node() {
            self.count(span)?;
            self.note_indirection(&event, span);
        }
        match event {
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                if self.awaits_key() {
                    self.key("", span);
                } else {
                    self.add(Node { span, value: Value::Null });
                }
                Ok(())
            }
            Event::Scalar(text, style, ..) => self.scalar(&text, style, span),
            Event::SequenceStart(..) => self.start(Open::List(span, Vec::new()), span),
            Event::MappingStart(..) => {
                self.start(Open::Map { span, entries: Vec::new(), seen: HashMap::new(), key: None }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                match self.open.pop() {
                    Some(Open::List(span, items)) => self.add(Node { span, value: Value::List(items) }),
                    Some(Open::Map { span, entries, .. }) => {
                        self.add(Node { span, value: Value::Map(entries) })
                    }
                    None => {}
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, span: Span) -> Taken {
        let Some(left) = self.budget.checked_sub(1) else {
            let message = format!("the files have more than {} keys and values", limits::POLICY_NODES);
            return Err(Box::new(Diagnostic::at(self.source, span, message)));
        };
        *self.budget = left;
        Ok(())
    }

    /// Anchors, tags and aliases are noted, and what they stand at is read as if they were not there.
    fn note_indirection(&mut self, event: &Event<'_>, span: Span) {
        let (what, hint) = match event {
            Event::Alias(_) | Event::UnresolvedAlias(_) => ("aliases", "write the value out"),
            _ if event.anchor_id().is_some_and(|id| id != 0) => {
                ("anchors", "remove it, and write the value out")
            }
            _ if event.tag().is_some() => ("tags", "remove it; a quoted value is a text"),
            _ => return,
        };
        let fault = || Diagnostic::at(self.source, span, format!("{what} are not accepted")).hint(hint);
        self.faults.add(fault);
    }

    fn start(&mut self, open: Open, span: Span) -> Taken {
        if self.awaits_key() {
            let fault = Diagnostic::at(self.source, span, "a key must be a plain word");
            return Err(Box::new(fault.hint("quote a text that begins with `{` or `[`")));
        }
        if self.open.len() >= limits::POLICY_DEPTH {
            return Err(too_deep(self.source, span));
        }
        self.open.push(open);
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Taken {
        if self.awaits_key() {
            self.key(text, span);
            return Ok(());
        }
        let value = if style == ScalarStyle::Plain { resolve(text) } else { Value::Text(text.to_owned()) };
        self.add(Node { span, value });
        Ok(())
    }

    /// A second value for a key is reported and read to its end, so that mistakes in it are found too.
    fn key(&mut self, name: &str, span: Span) {
        let Some(Open::Map { seen, key, .. }) = self.open.last_mut() else { return };
        if let Some(first) = seen.get(name) {
            self.faults.add(|| {
                let first = self.source.place(*first);
                let message = format!("field {} is given twice", quoted(name));
                Diagnostic::at(self.source, span, message).hint(format!("the first is at {first}"))
            });
        } else {
            seen.insert(name.to_owned(), span.start);
        }
        *key = Some(Key { name: name.to_owned(), span });
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => {
                if node.value != Value::Null {
                    self.documents.push(node);
                }
            }
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { entries, seen, key, .. }) => {
                let Some(key) = key.take() else { return };
                // Only the first of two equal keys stays.
                if seen.get(&key.name) == Some(&key.span.start) {
                    entries.push((key, node));
                }
            }
        }
    }
}

/// A plain scalar's meaning (YAML 1.2.2, section 10.3.2).
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Value::Text(text.to_owned());
    }
    number(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return valid
                .then(|| i64::from_str_radix(digits, radix).map_or(Value::Float(f64::INFINITY), Value::Int));
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Value::Float(f64::INFINITY));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Value::Float(f64::NAN));
    }
    if unsigned.is_empty() || !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Some(
            text.parse().map_or_else(|_| Value::Float(text.parse().unwrap_or(f64::INFINITY)), Value::Int),
        );
    }
    let shaped =
        unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if shaped { text.parse().ok().map(Value::Float) } else { None }
}

#[cfg(test)]
mod tests;
