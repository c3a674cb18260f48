//! From a syntax tree to an expression in which every name is declared and every type fits, or to all that is wrong.
//!
//! A part that is wrong has the type `any`, so that what surrounds it is still looked at and is not blamed for it. Read
//! next: `check/operators.rs` and `check/calls.rs`.

use std::ops::Range;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, SelectExpr};

mod literals;
mod constants;
mod domains;
mod calls;
mod operators;

use super::Fault;
use super::catalogue::{self, Object, Variable};
use super::node::Node;
use super::syntax::Parsed;
use super::types::Type;
use super::uses::Uses;
use super::value::Literal;
use crate::model::types::wording::{did_you_mean, one_of, quoted};

/// An expression and its type.
struct Typed {
    node: Node,
    of: Type,
}

/// A name that a loop gives to what it is at.
struct Local {
    name: String,
    of: Type,
}

/// What has been found so far.
struct Checker<'t> {
    parsed: &'t Parsed<'t>,
    faults: Vec<Fault>,
    uses: Uses,
    locals: Vec<Local>,
    /// What is asked of something of which no type is known. Where all else is right, that comes out of an empty list or map.
    of_nothing: Vec<Fault>,
    /// Bytes that automata may have yet.
    budget: &'t mut usize,
}

/// Checks a whole condition, of which the automata may have so many bytes.
///
/// # Errors
/// All faults, in the order of the text.
pub fn check<'t>(parsed: &'t Parsed<'t>, budget: &'t mut usize) -> Result<(Node, Uses), Vec<Fault>> {
    let (faults, locals, of_nothing) = Default::default();
    let mut checker = Checker { parsed, faults, uses: Uses::default(), locals, of_nothing, budget };
    let whole = checker.expression(&parsed.root);
    if !whole.of.fits(&Type::Bool) {
        let message = format!("a condition is true or false, and this is {:#}", whole.of);
        checker.fault(
            parsed.range(&parsed.root),
            message,
            Some("compare it with something, as in `... == ...`".into()),
        );
    }
    if checker.faults.is_empty() {
        checker.faults = std::mem::take(&mut checker.of_nothing);
    }
    if checker.faults.is_empty() {
        return Ok((whole.node, checker.uses));
    }
    checker.faults.sort_by_key(|fault| (fault.range.start, fault.range.end));
    Err(checker.faults)
}

impl Typed {
    fn new(node: Node, of: Type) -> Self {
        Self { node, of }
    }

    fn literal(literal: Literal, of: Type) -> Self {
        Self { node: Node::Literal(literal), of }
    }

    /// Stands for what is wrong: no constant, so that nothing is computed from it.
    fn wrong() -> Self {
        Self { node: Node::Local(usize::MAX), of: Type::Any }
    }
}

impl Checker<'_> {
    fn fault(&mut self, range: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.faults.push(Fault { range, message: message.into(), hint });
    }

    /// Notes a fault and goes on.
    fn wrong(&mut self, range: Range<usize>, message: impl Into<String>, hint: Option<String>) -> Typed {
        self.fault(range, message, hint);
        Typed::wrong()
    }

    /// Stands for what is asked of a part that has no type: it is wrong itself and blamed already, or comes out of an empty list or
    /// map, and then it would have no value on any facts.
    fn of_nothing(&mut self, part: &IdedExpr) -> Typed {
        let message = format!("{} comes out of an empty list or map: it never has a value", self.shown(part));
        self.of_nothing.push(Fault::new(self.parsed.range(part), message));
        Typed::wrong()
    }

    /// How a message quotes an expression.
    fn shown(&self, node: &IdedExpr) -> String {
        quoted(self.parsed.slice(self.parsed.range(node)))
    }

    fn expression(&mut self, node: &IdedExpr) -> Typed {
        let typed = self.read(node);
        self.settled(node, typed)
    }

    fn read(&mut self, node: &IdedExpr) -> Typed {
        match &node.expr {
            Expr::Literal(literal) => self.literal(node, literal),
            Expr::Ident(name) => self.name(node, name),
            Expr::Select(select) => self.select(node, select),
            Expr::Call(call) => self.call(node, call),
            Expr::List(list) => self.list(&list.elements),
            Expr::Map(map) => self.map(&map.entries),
            Expr::Struct(made) => {
                let name = self.parsed.name_of_call(node.id, &made.type_name);
                self.wrong(name, format!("{} is not a type of conditions", quoted(&made.type_name)), None)
            }
            Expr::Unspecified | Expr::Comprehension(_) => {
                self.wrong(self.parsed.range(node), "this is not a part of conditions", None)
            }
        }
    }

    fn literal(&mut self, node: &IdedExpr, literal: &LiteralValue) -> Typed {
        let text = self.shown(node);
        let range = self.parsed.range(node);
        match literal {
            LiteralValue::Boolean(value) => Typed::literal(Literal::Bool(*value.inner()), Type::Bool),
            LiteralValue::Int(value) => Typed::literal(Literal::Int(*value.inner()), Type::Int),
            LiteralValue::Double(value) => Typed::literal(Literal::Double(*value.inner()), Type::Double),
            LiteralValue::String(value) => Typed::literal(Literal::Text(value.inner().into()), Type::Text),
            LiteralValue::UInt(_) => {
                let hint = "numbers are signed here: write it without the `u`";
                self.wrong(range, format!("{text} is an unsigned number"), Some(hint.into()))
            }
            LiteralValue::Bytes(_) => {
                let hint = "everything is text here: write it without the `b`";
                self.wrong(range, format!("{text} is a value of bytes"), Some(hint.into()))
            }
            LiteralValue::Null => {
                let hint = "`has(...)` asks whether an optional value is there";
                self.wrong(range, "nothing is `null` here", Some(hint.into()))
            }
        }
    }

    fn name(&mut self, node: &IdedExpr, name: &str) -> Typed {
        if let Some(place) = self.locals.iter().rposition(|local| local.name == name) {
            return Typed::new(Node::Local(place), self.locals[place].of.clone());
        }
        let range = self.parsed.range(node);
        if catalogue::roots().any(|root| root == name) {
            let hint = format!("name one of its fields: {}", one_of(catalogue::fields_of(name)));
            return self.wrong(range, format!("{} is not a value by itself", quoted(name)), Some(hint));
        }
        let message = format!("{} is not declared", quoted(name));
        let hint = self.nearest(name);
        self.wrong(range, message, Some(hint))
    }

    /// What an undeclared name may have meant: a variable, one without its group, or one of another group's.
    fn nearest(&self, name: &str) -> String {
        let mut names: Vec<&str> = self.locals.iter().map(|local| local.name.as_str()).collect();
        names.extend(catalogue::roots());
        let by_field = catalogue::VARIABLES.iter().find(|one| one.name.rsplit('.').next() == Some(name));
        by_field
            .map(|one| format!("did you mean `{}`?", one.name))
            .or_else(|| did_you_mean(name, names))
            .unwrap_or_else(|| format!("a condition may name {}", one_of(catalogue::roots())))
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr) -> Typed {
        if let Some(root) = self.root(&select.operand) {
            return match self.variable(node, root, &select.field) {
                Some(variable) => Typed::new(Node::Variable(variable), variable.kind.type_of()),
                None => Typed::wrong(),
            };
        }
        let operand = self.expression(&select.operand);
        match &operand.of {
            Type::Any => self.of_nothing(&select.operand),
            Type::Object(object) => {
                let object = *object;
                self.object_field(node, (operand.node, object), &select.field)
            }
            Type::Map(of) => {
                let of = (**of).clone();
                self.check_key(&operand.node, &select.field, self.parsed.field(node));
                let key = Node::Literal(Literal::Text(select.field.as_str().into()));
                Typed::new(Node::Index(Box::new([operand.node, key])), of)
            }
            of => {
                let message = format!("{} is {of:#} and has no fields", self.shown(&select.operand));
                self.wrong(self.parsed.field(node), message, None)
            }
        }
    }

    /// The group of variables that an expression names, unless a loop has taken the name.
    fn root<'e>(&self, node: &'e IdedExpr) -> Option<&'e str> {
        match &node.expr {
            Expr::Ident(name) if self.locals.iter().any(|local| local.name == *name) => None,
            Expr::Ident(name) => catalogue::roots().any(|root| root == name).then_some(name.as_str()),
            _ => None,
        }
    }

    fn variable(&mut self, node: &IdedExpr, root: &str, field: &str) -> Option<&'static Variable> {
        if let Some(found) = catalogue::variable(&format!("{root}.{field}")) {
            self.uses = self.uses.with(found.part);
            return Some(found);
        }
        let elsewhere = catalogue::VARIABLES.iter().find(|one| one.name.rsplit('.').next() == Some(field));
        let hint = did_you_mean(field, catalogue::fields_of(root))
            .or_else(|| elsewhere.map(|one| format!("did you mean `{}`?", one.name)))
            .unwrap_or_else(|| format!("it has {}", one_of(catalogue::fields_of(root))));
        self.fault(self.parsed.field(node), format!("`{root}` has no field {}", quoted(field)), Some(hint));
        None
    }

    fn object_field(&mut self, node: &IdedExpr, (of, object): (Node, &'static Object), field: &str) -> Typed {
        if let Some(field) = object.fields.iter().find(|one| one.name == field) {
            let kind = field.kind.type_of();
            return Typed::new(Node::Field(field, Box::new(of)), kind);
        }
        let names = || object.fields.iter().map(|one| one.name);
        let hint = did_you_mean(field, names()).unwrap_or_else(|| format!("it has {}", one_of(names())));
        let message = format!("a {} has no field {}", object.name, quoted(field));
        self.wrong(self.parsed.field(node), message, Some(hint))
    }

    /// `has(...)`: whether an optional variable has a value, or a map a key.
    fn has(&mut self, node: &IdedExpr, call: &CallExpr) -> Typed {
        let [argument] = call.args.as_slice() else {
            let message = format!("`has` takes one field, and here are {}", call.args.len());
            return self.wrong(
                self.parsed.range(node),
                message,
                Some("as in `has(request.content_length)`".into()),
            );
        };
        let Expr::Select(select) = &argument.expr else {
            let hint =
                "it asks for a field, as in `has(request.content_length)`; for a key write `\"key\" in map`";
            let message = format!("`has` cannot ask for {}", self.shown(argument));
            self.expression(argument);
            return self.wrong(self.parsed.range(argument), message, Some(hint.into()));
        };
        if let Some(root) = self.root(&select.operand) {
            let Some(variable) = self.variable(argument, root, &select.field) else { return Typed::wrong() };
            if !variable.optional && !variable.part.is_of_some() {
                let message = format!("`{}` is always there", variable.name);
                return self.wrong(self.parsed.range(node), message, Some("leave `has(...)` out".into()));
            }
            return Typed::new(Node::Present(variable), Type::Bool);
        }
        let operand = self.expression(&select.operand);
        match &operand.of {
            Type::Any => self.of_nothing(&select.operand),
            Type::Map(_) => {
                self.check_key(&operand.node, &select.field, self.parsed.field(argument));
                let key = Node::Literal(Literal::Text(select.field.as_str().into()));
                Typed::new(Node::In(Box::new([key, operand.node])), Type::Bool)
            }
            of => {
                let message =
                    format!("`has` cannot ask for a field of {}, {of:#}", self.shown(&select.operand));
                self.wrong(self.parsed.range(argument), message, None)
            }
        }
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Typed {
        let mut items: Vec<Typed> = elements.iter().map(|element| self.expression(element)).collect();
        operators::settle_numbers(&mut items);
        let of = self.common(elements, &items, "a list");
        let literals: Option<Vec<Literal>> = items.iter().map(|item| literal_of(&item.node)).collect();
        let node = match literals {
            Some(literals) => Node::Literal(Literal::List(literals.into())),
            None => Node::List(items.into_iter().map(|item| item.node).collect()),
        };
        Typed::new(node, Type::List(Box::new(of)))
    }

    /// The one type of the values of a list or map.
    fn common(&mut self, nodes: &[IdedExpr], items: &[Typed], what: &str) -> Type {
        let mut common = Type::Any;
        for (node, item) in nodes.iter().zip(items) {
            match common.join(&item.of) {
                Some(joined) => common = joined,
                None => {
                    let shown = self.shown(node);
                    let message = format!("{what} of values of type {common} has {shown}, {:#}", item.of);
                    self.fault(self.parsed.range(node), message, None);
                }
            }
        }
        common
    }

    fn map(&mut self, entries: &[IdedEntryExpr]) -> Typed {
        let mut keys: Vec<Box<str>> = Vec::new();
        let mut nodes = Vec::new();
        let mut values = Vec::new();
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            match &entry.key.expr {
                Expr::Literal(LiteralValue::String(key))
                    if keys.iter().any(|other| **other == *key.inner()) =>
                {
                    let message = format!("the key {} is there twice", self.shown(&entry.key));
                    self.fault(self.parsed.range(&entry.key), message, None);
                }
                Expr::Literal(LiteralValue::String(key)) => keys.push(key.inner().into()),
                _ => {
                    let message =
                        format!("{} is not a key: keys are texts in quotes", self.shown(&entry.key));
                    self.fault(self.parsed.range(&entry.key), message, None);
                }
            }
            values.push(self.expression(&entry.value));
            nodes.push(entry.value.clone());
        }
        operators::settle_numbers(&mut values);
        let of = self.common(&nodes, &values, "a map");
        let whole = keys.len() == values.len();
        let entries = keys.into_iter().zip(values).map(|(key, value)| (key, value.node)).collect();
        // Of a map with a wrong key nothing is computed.
        let node = if whole { Node::Map(entries) } else { Typed::wrong().node };
        Typed::new(node, Type::Map(Box::new(of)))
    }
}

fn literal_of(node: &Node) -> Option<Literal> {
    match node {
        Node::Literal(literal) => Some(literal.clone()),
        _ => None,
    }
}
