//! Operators: which types they take and give.
//!
//! Numbers of both kinds are never mixed, but for a whole number that is written beside a fraction: `x > 1` where `x`
//! is a double.

use cel::common::ast::{CallExpr, IdedExpr, operators as op};

use super::super::node::{Comparison, Node, Operator};
use super::super::types::Type;
use super::super::value::Literal;
use super::{Checker, Typed};

/// An operator as it is written, and what it is.
const COMPARISONS: &[(&str, &str, Comparison)] = &[
    (op::EQUALS, "==", Comparison::Equal),
    (op::NOT_EQUALS, "!=", Comparison::NotEqual),
    (op::LESS, "<", Comparison::Less),
    (op::LESS_EQUALS, "<=", Comparison::LessOrEqual),
    (op::GREATER, ">", Comparison::Greater),
    (op::GREATER_EQUALS, ">=", Comparison::GreaterOrEqual),
];

const COMPUTATIONS: &[(&str, &str, Operator)] = &[
    (op::ADD, "+", Operator::Add),
    (op::SUBSTRACT, "-", Operator::Subtract),
    (op::MULTIPLY, "*", Operator::Multiply),
    (op::DIVIDE, "/", Operator::Divide),
    (op::MODULO, "%", Operator::Remainder),
];

/// Reads whole numbers that are written beside fractions as such.
pub fn settle_numbers(items: &mut [Typed]) {
    if items.iter().any(|item| item.of == Type::Double) {
        for item in items {
            if let Node::Literal(Literal::Int(number)) = item.node {
                // CEL compares int and double by value; so does this wherever a double can say the number.
                #[allow(clippy::cast_precision_loss, reason = "numbers in conditions are written by people")]
                let number = number as f64;
                *item = Typed::literal(Literal::Double(number), Type::Double);
            }
        }
    }
}

impl Checker<'_> {
    /// An operator, if the call is one.
    pub(super) fn operator(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let name = call.func_name.as_str();
        Some(match call.args.as_slice() {
            [a] if name == op::LOGICAL_NOT => {
                let inner = self.bool_operand("!", a);
                Typed::new(Node::Not(Box::new(inner)), Type::Bool)
            }
            [a] if name == op::NEGATE => self.negate(node, a),
            [a, b] if name == op::LOGICAL_AND => {
                let both = [self.bool_operand("&&", a), self.bool_operand("&&", b)];
                Typed::new(Node::And(Box::new(both)), Type::Bool)
            }
            [a, b] if name == op::LOGICAL_OR => {
                let both = [self.bool_operand("||", a), self.bool_operand("||", b)];
                Typed::new(Node::Or(Box::new(both)), Type::Bool)
            }
            [a, b, c] if name == op::CONDITIONAL => self.choose(node, [a, b, c]),
            [a, b] if name == op::IN => self.member(node, [a, b]),
            [a, b] if name == op::INDEX => self.index(node, [a, b]),
            [a, b] => match COMPARISONS.iter().find(|(known, ..)| *known == name) {
                Some((_, sign, comparison)) => self.compare(node, [a, b], (sign, *comparison)),
                None => {
                    let (_, sign, operator) = COMPUTATIONS.iter().find(|(known, ..)| *known == name)?;
                    self.compute(node, [a, b], (sign, *operator))
                }
            },
            _ => return None,
        })
    }

    /// Both sides, with numbers settled.
    fn pair(&mut self, [a, b]: [&IdedExpr; 2]) -> [Typed; 2] {
        let mut both = [self.expression(a), self.expression(b)];
        settle_numbers(&mut both);
        both
    }

    fn bool_operand(&mut self, sign: &str, node: &IdedExpr) -> Node {
        let operand = self.expression(node);
        if !operand.of.fits(&Type::Bool) {
            let message =
                format!("`{sign}` needs true or false, and {} is {:#}", self.shown(node), operand.of);
            self.fault(self.parsed.range(node), message, None);
        }
        operand.node
    }

    fn negate(&mut self, node: &IdedExpr, operand: &IdedExpr) -> Typed {
        let inner = self.expression(operand);
        match inner.of {
            Type::Int | Type::Double => Typed::new(Node::Negate(Box::new(inner.node)), inner.of),
            Type::Any => self.of_nothing(operand),
            of => {
                let message = format!("`-` needs a number, and {} is {of:#}", self.shown(operand));
                self.wrong(self.parsed.range(node), message, None)
            }
        }
    }

    fn choose(&mut self, node: &IdedExpr, [a, b, c]: [&IdedExpr; 3]) -> Typed {
        let condition = self.bool_operand("? :", a);
        let [yes, no] = self.pair([b, c]);
        match yes.of.join(&no.of) {
            Some(of) => Typed::new(Node::Choose(Box::new([condition, yes.node, no.node])), of),
            None => {
                let message =
                    format!("both sides of `:` need one type, and these are {} and {}", yes.of, no.of);
                self.wrong(self.parsed.range(node), message, None)
            }
        }
    }

    fn compare(
        &mut self,
        node: &IdedExpr,
        ends: [&IdedExpr; 2],
        (sign, comparison): (&str, Comparison),
    ) -> Typed {
        let [a, b] = self.pair(ends);
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let takes = |of: &Type| if equality { of.has_equality() } else { of.has_order() };
        if a.of.join(&b.of).is_none() {
            let shown = [self.shown(ends[0]), self.shown(ends[1])];
            let message = format!("{} is {:#} and {} is {:#}", shown[0], a.of, shown[1], b.of);
            let hint = convert(&a.of, &b.of);
            return self.wrong(
                self.parsed.range(node),
                format!("`{sign}` compares one type: {message}"),
                hint,
            );
        }
        if let Some(of) = [&a.of, &b.of].into_iter().find(|of| !takes(of)) {
            let message = format!("`{sign}` cannot compare values of type {of}");
            return self.wrong(self.parsed.range(node), message, None);
        }
        if equality {
            self.check_domain(&a.node, &b.node, ends[1]);
            self.check_domain(&b.node, &a.node, ends[0]);
        } else {
            self.check_order(comparison, [&a.node, &b.node], self.parsed.range(node));
        }
        Typed::new(Node::Compare(comparison, Box::new([a.node, b.node])), Type::Bool)
    }

    fn compute(
        &mut self,
        node: &IdedExpr,
        ends: [&IdedExpr; 2],
        (sign, operator): (&str, Operator),
    ) -> Typed {
        let [a, b] = self.pair(ends);
        let range = self.parsed.range(node);
        let Some(of) = a.of.join(&b.of) else {
            let shown = [self.shown(ends[0]), self.shown(ends[1])];
            let message = format!("{} is {:#} and {} is {:#}", shown[0], a.of, shown[1], b.of);
            return self.wrong(
                range,
                format!("`{sign}` takes two of one type: {message}"),
                convert(&a.of, &b.of),
            );
        };
        let takes = match operator {
            Operator::Add => matches!(of, Type::Int | Type::Double | Type::Text | Type::Any),
            Operator::Remainder => matches!(of, Type::Int | Type::Any),
            _ => matches!(of, Type::Int | Type::Double | Type::Any),
        };
        if !takes {
            return self.wrong(range, format!("`{sign}` cannot take values of type {of}"), None);
        }
        let divides = matches!(operator, Operator::Divide | Operator::Remainder);
        if divides && matches!(b.node, Node::Literal(Literal::Int(0))) && b.of == Type::Int {
            return self.wrong(range, "this divides by zero", None);
        }
        Typed::new(Node::Compute(operator, Box::new([a.node, b.node])), of)
    }

    /// `a in b`: an entry of a list, or a key of a map.
    fn member(&mut self, node: &IdedExpr, [a, b]: [&IdedExpr; 2]) -> Typed {
        let (mut item, mut whole) = (self.expression(a), self.expression(b));
        let range = self.parsed.range(node);
        match &whole.of {
            Type::List(of) if item.of.fits(of) && item.of.has_equality() && of.has_equality() => {
                self.check_domain(&item.node, &whole.node, b);
                Typed::new(among(item.node, whole.node), Type::Bool)
            }
            Type::List(of) if **of == Type::Double && matches!(item.node, Node::Literal(Literal::Int(_))) => {
                let mut both = [item, Typed::literal(Literal::Double(0.0), Type::Double)];
                settle_numbers(&mut both);
                [item, _] = both;
                Typed::new(Node::In(Box::new([item.node, whole.node])), Type::Bool)
            }
            Type::Map(_) if item.of.fits(&Type::Text) => {
                if let Node::Literal(Literal::Text(key)) = &item.node {
                    self.check_key(&whole.node, key, self.parsed.range(a));
                }
                Typed::new(Node::In(Box::new([item.node, whole.node])), Type::Bool)
            }
            Type::Any => self.of_nothing(b),
            Type::List(_) | Type::Map(_) => {
                let of = std::mem::replace(&mut whole.of, Type::Any);
                let message = format!("{} is {:#}, and cannot be in {of:#}", self.shown(a), item.of);
                self.wrong(range, message, None)
            }
            of => {
                let message = format!("`in` looks into a list or a map, and {} is {of:#}", self.shown(b));
                let hint =
                    (*of == Type::Text).then(|| "a part of a text is found by `text.contains(part)`".into());
                self.wrong(range, message, hint)
            }
        }
    }

    fn index(&mut self, node: &IdedExpr, [a, b]: [&IdedExpr; 2]) -> Typed {
        let (whole, key) = (self.expression(a), self.expression(b));
        let (wanted, of) = match &whole.of {
            Type::List(of) => (Type::Int, (**of).clone()),
            Type::Map(of) => (Type::Text, (**of).clone()),
            Type::Any => return self.of_nothing(a),
            of => {
                let message = format!("`[...]` looks into a list or a map, and {} is {of:#}", self.shown(a));
                return self.wrong(self.parsed.range(node), message, None);
            }
        };
        if !key.of.fits(&wanted) {
            let message =
                format!("{:#} is asked by {wanted:#}, and {} is {:#}", whole.of, self.shown(b), key.of);
            return self.wrong(self.parsed.range(b), message, None);
        }
        if let Node::Literal(Literal::Text(text)) = &key.node {
            self.check_key(&whole.node, text, self.parsed.range(b));
        }
        Typed::new(Node::Index(Box::new([whole.node, key.node])), of)
    }
}

/// A value in a list; of texts that are written in the condition, by search.
fn among(item: Node, list: Node) -> Node {
    if let Node::Literal(Literal::List(items)) = &list {
        let texts: Option<Vec<Box<str>>> = items
            .iter()
            .map(|item| match item {
                Literal::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        if let Some(mut texts) = texts.filter(|texts| !texts.is_empty()) {
            texts.sort_unstable();
            return Node::InTexts(Box::new(item), texts.into());
        }
    }
    Node::In(Box::new([item, list]))
}

/// How to bring two types together.
fn convert(a: &Type, b: &Type) -> Option<String> {
    match (a, b) {
        (Type::Int, Type::Text) | (Type::Text, Type::Int) => {
            Some("numbers are written without quotes; `int(...)` reads one from a text".into())
        }
        (Type::Int, Type::Double) | (Type::Double, Type::Int) => Some("`double(...)` converts an int".into()),
        (Type::Bool, Type::Text) | (Type::Text, Type::Bool) => {
            Some("`true` and `false` are written without quotes".into())
        }
        _ => None,
    }
}
