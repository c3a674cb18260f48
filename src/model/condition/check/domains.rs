//! Comparisons that could never hold: with what a variable never is, a number out of its range, a key that no header field
//! has.
//!
//! CEL would accept them, and the rule would wait for ever. Read next: `literals.rs`, which words a variable can be.

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr};
use http::HeaderName;

use super::super::catalogue::Domain;
use super::super::functions::Does;
use super::super::node::{Comparison, Node};
use super::super::value::Literal;
use super::{Checker, literals};
use crate::model::types::wording::quoted;

/// What is compared with, by name and by what it can be.
fn bounded(node: &Node) -> Option<(&'static str, Domain)> {
    match node {
        Node::Variable(variable) => Some((variable.name, variable.domain)),
        Node::Field(field, _) => Some((field.name, field.domain)),
        _ => None,
    }
}

/// The first and the last number of a domain of numbers.
fn ends(domain: Domain) -> Option<(i64, i64)> {
    match domain {
        Domain::Numbers(first, last) => Some((first, last)),
        Domain::Count => Some((0, i64::MAX)),
        _ => None,
    }
}

/// Where a number has to be.
fn within(domain: Domain) -> String {
    match domain {
        Domain::Numbers(first, last) => format!("it goes from {first} to {last}"),
        _ => "it goes from 0 on".to_owned(),
    }
}

impl Checker<'_> {
    /// Looks at `value`, which stands at `place`, as something to compare a variable with.
    pub(super) fn check_domain(&mut self, variable: &Node, value: &Node, place: &IdedExpr) {
        let Some((name, domain)) = bounded(variable) else { return };
        match value {
            Node::Literal(Literal::List(items)) => {
                let Expr::List(list) = &place.expr else { return };
                for (item, node) in items.iter().zip(&list.elements) {
                    self.check_word(name, domain, item, self.parsed.range(node));
                }
            }
            Node::List(items) => {
                let Expr::List(list) = &place.expr else { return };
                for (item, node) in items.iter().zip(&list.elements) {
                    self.check_domain(variable, item, node);
                }
            }
            Node::Literal(literal) => self.check_word(name, domain, literal, self.parsed.range(place)),
            _ => {}
        }
    }

    fn check_word(&mut self, name: &str, domain: Domain, literal: &Literal, range: Range<usize>) {
        match (ends(domain), literal) {
            (_, Literal::Text(text)) => {
                if let Some(hint) = literals::never_is(domain, text) {
                    self.fault(range, format!("`{name}` is never {}", quoted(text)), Some(hint));
                }
            }
            (Some((first, last)), Literal::Int(number)) if !(first..=last).contains(number) => {
                self.fault(range, format!("`{name}` is never {number}"), Some(within(domain)));
            }
            _ => {}
        }
    }

    /// Looks at an order of two values: a number that is never less, or never greater, than another.
    pub(super) fn check_order(&mut self, comparison: Comparison, both: [&Node; 2], range: Range<usize>) {
        use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
        let (variable, number, comparison) = match (both, comparison) {
            ([variable, Node::Literal(Literal::Int(number))], comparison) => (variable, *number, comparison),
            ([Node::Literal(Literal::Int(number)), variable], Less) => (variable, *number, Greater),
            ([Node::Literal(Literal::Int(number)), variable], LessOrEqual) => {
                (variable, *number, GreaterOrEqual)
            }
            ([Node::Literal(Literal::Int(number)), variable], Greater) => (variable, *number, Less),
            ([Node::Literal(Literal::Int(number)), variable], GreaterOrEqual) => {
                (variable, *number, LessOrEqual)
            }
            _ => return,
        };
        let Some((name, domain)) = bounded(variable) else { return };
        let Some((first, last)) = ends(domain) else { return };
        let (possible, words) = match comparison {
            Less => (first < number, format!("less than {number}")),
            LessOrEqual => (first <= number, format!("{number} or less")),
            Greater => (last > number, format!("greater than {number}")),
            GreaterOrEqual => (last >= number, format!("{number} or more")),
            Comparison::Equal | Comparison::NotEqual => return,
        };
        if !possible {
            self.fault(range, format!("`{name}` is never {words}"), Some(within(domain)));
        }
    }

    /// Looks at a text that a variable is asked to contain, to begin or to end with.
    pub(super) fn check_part(&mut self, variable: &Node, does: Does, part: &Node, range: Range<usize>) {
        let (Some((name, domain)), Node::Literal(Literal::Text(text))) = (bounded(variable), part) else {
            return;
        };
        let asks = match does {
            Does::StartsWith => "begins with",
            Does::EndsWith => "ends with",
            _ => "contains",
        };
        if let Some(hint) = literals::never_has(domain, does, text) {
            self.fault(range, format!("`{name}` never {asks} {}", quoted(text)), Some(hint));
        }
    }

    /// Looks at a key that a map is asked for.
    pub(super) fn check_key(&mut self, map: &Node, key: &str, range: Range<usize>) {
        let Some((name, Domain::LowerCaseKeys)) = bounded(map) else { return };
        if HeaderName::from_bytes(key.as_bytes()).is_err() {
            let hint = "names of header fields have no blanks and few signs";
            self.fault(range, format!("`{name}` never has the key {}", quoted(key)), Some(hint.into()));
        } else if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let hint = format!("did you mean {}?", quoted(&key.to_ascii_lowercase()));
            self.fault(range, format!("the keys of `{name}` are in lower case"), Some(hint));
        }
    }
}
