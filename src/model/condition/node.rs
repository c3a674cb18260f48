//! A condition as it is evaluated: names resolved to variables, types fitting, patterns compiled.
//!
//! Made by `check.rs` only, which is why `evaluate.rs` may take fitting types for granted.

use super::catalogue::{Field, Variable};
use super::functions::{Does, Quantifier};
use super::pattern::Pattern;
use super::uses::Part;
use super::value::Literal;

/// An expression.
#[derive(Debug)]
pub enum Node {
    /// What stands in the condition.
    Literal(Literal),
    /// What the facts say.
    Variable(&'static Variable),
    /// Whether the facts say anything: `has()` of an optional variable.
    Present(&'static Variable),
    /// `a.b` where `a` is what a list of the facts holds.
    Field(&'static Field, Box<Self>),
    /// What a loop is at, counted from the outermost.
    Local(usize),
    /// `!a`
    Not(Box<Self>),
    /// `a && b`
    And(Box<[Self; 2]>),
    /// `a || b`
    Or(Box<[Self; 2]>),
    /// `a ? b : c`
    Choose(Box<[Self; 3]>),
    /// `-a`
    Negate(Box<Self>),
    /// `a < b` and the like.
    Compare(Comparison, Box<[Self; 2]>),
    /// `a + b` and the like.
    Compute(Operator, Box<[Self; 2]>),
    /// `a in [...]` where the list is of texts, in order.
    InTexts(Box<Self>, Box<[Box<str>]>),
    /// `a in b`, and `has(b.a)` where `b` is a map.
    In(Box<[Self; 2]>),
    /// `a[b]`, and `a.b` where `a` is a map.
    Index(Box<[Self; 2]>),
    /// `[a, b]`
    List(Box<[Self]>),
    /// `{"a": b}`
    Map(Box<[(Box<str>, Self)]>),
    /// A function of one value.
    Call(Does, Box<Self>),
    /// A function of a text and another one.
    CallWith(Does, Box<[Self; 2]>),
    /// `a.matches("pattern")`
    Matches(Box<Self>, Pattern),
    /// A loop.
    Loop(Box<Loop>),
}

impl Node {
    /// The parts that `&&` joins at the top, in order.
    pub fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::And(both) => both.iter().flat_map(Self::conjuncts).collect(),
            other => vec![other],
        }
    }

    /// The only hosts for which it can be true, where it says so.
    pub fn hosts(&self) -> Option<Vec<&str>> {
        match self {
            Self::And(both) => both.iter().filter_map(Self::hosts).min_by_key(Vec::len),
            Self::Or(both) => {
                let [one, other] = both.each_ref().map(Self::hosts);
                Some([one?, other?].concat())
            }
            Self::Compare(Comparison::Equal, both) => match &**both {
                [host, Self::Literal(Literal::Text(text))] | [Self::Literal(Literal::Text(text)), host]
                    if host.is_host() =>
                {
                    Some(vec![&**text])
                }
                _ => None,
            },
            Self::InTexts(host, texts) if host.is_host() => Some(texts.iter().map(|text| &**text).collect()),
            Self::Literal(Literal::Bool(false)) => Some(Vec::new()),
            _ => None,
        }
    }

    fn is_host(&self) -> bool {
        matches!(self, Self::Variable(variable) if variable.part == Part::DestinationHost)
    }
}

/// A loop over a list, or over the keys of a map.
#[derive(Debug)]
pub struct Loop {
    /// What becomes of its rounds.
    pub quantifier: Quantifier,
    /// Over what.
    pub over: Node,
    /// Which rounds count: the condition of `map` with three arguments.
    pub only: Option<Node>,
    /// What each round computes.
    pub body: Node,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How two values are computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
