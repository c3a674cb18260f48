//! Conditions of rules, in the Common Expression Language (CEL): parsed, checked and compiled when documents are
//! loaded, then judged against the facts of one look-up, connection or request.
//!
//! A condition that was checked cannot meet a wrong type, and its cost is bounded. Nothing here reads a clock or a
//! socket, and nothing decides: a condition that cannot be judged says so. Read next: `catalogue.rs`, what a condition
//! may name; `docs/conditions.md` is for those who write them.

use std::ops::Range;
use std::sync::Arc;

pub mod uses;
pub mod content;
pub mod facts;
pub mod types;
mod value;
pub mod catalogue;
pub mod functions;
mod pattern;
mod node;
mod evaluate;
mod mistakes;
mod syntax;
mod check;

#[cfg(test)]
mod tests;

pub use content::{AiCall, Content, Finding, McpCall, Sought, Usage};
pub use facts::{Destination, Facts, RequestFacts};
pub use uses::{Part, Uses};

use crate::model::types::limits::POLICY_AUTOMATA_BYTES;
use node::Node;
use syntax::Parsed;

/// A condition that was found right: every name declared, every type fitting, its cost bounded.
#[derive(Debug, Clone)]
pub struct Condition {
    text: Arc<str>,
    node: Arc<Node>,
    /// Where the parts stand that `&&` joins at the top.
    parts: Arc<[Range<usize>]>,
    uses: Uses,
}

/// One thing that is wrong with the text of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, in bytes of the text; never outside it, and on the borders of characters.
    pub range: Range<usize>,
    /// What is wrong, with values in backticks.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Why a condition has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unevaluable {
    /// It asks for what is not known yet: of a request where there is a connection only, of what a request carries
    /// while its head alone was read. The same condition may have an answer later on the road.
    #[error("`{}` is not known here", .0.as_str())]
    NotYet(Part),
    /// It is about something that this request has not: the call of a model, or of a tool.
    #[error("it has no `{}`", .0.as_str())]
    Without(Part),
    /// It fails on these facts, whenever it is asked: the reason in words, for the record.
    #[error("{0}")]
    Failed(String),
}

impl Fault {
    fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Condition {
    /// Parses and checks a condition that stands alone.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the text.
    pub fn check(text: &str) -> Result<Self, Vec<Fault>> {
        Self::check_within(text, &mut POLICY_AUTOMATA_BYTES.clone())
    }

    /// The same for one of many: `budget` is how many more bytes the automata of the whole set may have; it starts at
    /// [`POLICY_AUTOMATA_BYTES`].
    ///
    /// # Errors
    /// As for one alone; and where its patterns outgrow the budget.
    pub fn check_within(text: &str, budget: &mut usize) -> Result<Self, Vec<Fault>> {
        let parsed = Parsed::read(text).map_err(|fault| vec![fault])?;
        let (node, uses) = check::check(&parsed, budget)?;
        Ok(Self { text: text.into(), node: Arc::new(node), parts: parsed.conjuncts().into(), uses })
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The only hosts for which it can hold, where it says so: by `destination.host ==` or `in`, joined to the rest by `&&`.
    pub fn hosts(&self) -> Option<Vec<&str>> {
        self.node.hosts()
    }

    /// What it names.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// Whether it holds for these facts. Only what it names is looked at.
    ///
    /// `false && unknown` is false and `true || unknown` is true (CEL, "Logical Operators"), so a condition on a host
    /// and a method can be false before there is a method. What is about the call of a model has no answer where there is no such
    /// call, `&&` with it neither.
    ///
    /// # Errors
    /// Where it has no answer: the caller refuses, or asks again when more is known.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, Unevaluable> {
        evaluate::holds(&self.node, facts)
    }

    /// The same for each part that `&&` joins at the top, by itself and as it was written: for people who ask why a
    /// condition does not hold.
    pub fn parts(&self, facts: &Facts<'_>) -> Vec<(&str, Result<bool, Unevaluable>)> {
        let judged = self.node.conjuncts().into_iter().map(|part| evaluate::holds(part, facts));
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.parts.iter().map(text).zip(judged).collect()
    }
}
