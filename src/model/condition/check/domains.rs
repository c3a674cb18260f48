//! Comparisons that could never hold: with a word that a variable never is, a number out of its range, a key in capital
//! letters where all keys are small.
//!
//! CEL would accept them, and the rule would wait for ever.

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr};

use super::super::catalogue::Domain;
use super::super::node::Node;
use super::super::value::Literal;
use super::Checker;
use crate::model::types::wording::{did_you_mean, one_of, quoted};

impl Checker<'_> {
    /// Looks at `value`, which stands at `place`, as something to compare a variable with.
    pub(super) fn check_domain(&mut self, variable: &Node, value: &Node, place: &IdedExpr) {
        let (name, domain) = match variable {
            Node::Variable(variable) => (variable.name, variable.domain),
            Node::Field(field, _) => (field.name, field.domain),
            _ => return,
        };
        match value {
            Node::Literal(Literal::List(items)) => {
                let Expr::List(list) = &place.expr else { return };
                for (item, node) in items.iter().zip(&list.elements) {
                    self.check_word(name, domain, item, self.parsed.range(node));
                }
            }
            Node::Literal(literal) => self.check_word(name, domain, literal, self.parsed.range(place)),
            _ => {}
        }
    }

    fn check_word(&mut self, name: &str, domain: Domain, literal: &Literal, range: Range<usize>) {
        match (domain, literal) {
            (Domain::Words(words), Literal::Text(text)) if !words.contains(&&**text) => {
                let hint = did_you_mean(text, words.iter().copied())
                    .unwrap_or_else(|| format!("it is {}", one_of(words.iter().copied())));
                self.fault(range, format!("`{name}` is never {}", quoted(text)), Some(hint));
            }
            (Domain::Numbers(first, last), Literal::Int(number)) if !(first..=last).contains(number) => {
                self.fault(
                    range,
                    format!("`{name}` is never {number}"),
                    Some(format!("it goes from {first} to {last}")),
                );
            }
            _ => {}
        }
    }

    /// Looks at a key that a map is asked for.
    pub(super) fn check_key(&mut self, map: &Node, key: &str, range: Range<usize>) {
        let Node::Variable(variable) = map else { return };
        if variable.domain == Domain::LowerCaseKeys && key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let hint = format!("did you mean {}?", quoted(&key.to_ascii_lowercase()));
            self.fault(range, format!("the keys of `{}` are in lower case", variable.name), Some(hint));
        }
    }
}
