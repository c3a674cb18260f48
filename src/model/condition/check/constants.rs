//! Constants: what is computed from nothing but what stands in the condition is computed when it is loaded.
//!
//! What has no value there, such as `[1][5]`, has none on any facts, and a rule with it would refuse everything.

use cel::common::ast::IdedExpr;

use super::super::evaluate;
use super::super::node::Node;
use super::super::value::Literal;
use super::{Checker, Typed};

impl Checker<'_> {
    /// An expression of constants as what it comes to; any other as it is.
    pub(super) fn settled(&mut self, place: &IdedExpr, typed: Typed) -> Typed {
        let computed =
            matches!(typed.node, Node::Negate(_) | Node::Compute(..) | Node::Index(_) | Node::Call(..));
        if !computed || !is_constant(&typed.node) {
            return typed;
        }
        match evaluate::constant(&typed.node, Literal::of) {
            Ok(Some(literal)) => Typed::literal(literal, typed.of),
            Ok(None) => typed,
            Err(why) => {
                let range = self.parsed.range(place);
                self.wrong(range, format!("this never has a value: {why}"), None)
            }
        }
    }
}

/// Whether it is made of literals alone. Loops and decisions stay as they are: they have their answers on the road.
fn is_constant(node: &Node) -> bool {
    match node {
        Node::Literal(_) => true,
        Node::List(items) => items.iter().all(is_constant),
        Node::Map(entries) => entries.iter().all(|(_, value)| is_constant(value)),
        Node::Negate(inner) | Node::Call(_, inner) => is_constant(inner),
        Node::Compute(_, both) | Node::Index(both) => both.iter().all(is_constant),
        _ => false,
    }
}
