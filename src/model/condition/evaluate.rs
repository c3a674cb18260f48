//! Judging a checked condition against facts.
//!
//! Only what is asked for is read, and mostly borrowed. Every step is paid for out of `CONDITION_WORK`, so that no request
//! makes a condition expensive. Nothing here can panic, and no type can be wrong: `check.rs` made the expression. Read
//! next: `evaluate/loops.rs`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

mod functions;
mod loops;

use super::Unevaluable;
use super::catalogue::Variable;
use super::content::{Content, Sought};
use super::facts::{Destination, Facts};
use super::node::{Comparison, Node, Operator};
use super::uses::Part;
use super::value::{Found, List, Literal, Map, Value};
use crate::model::types::limits::CONDITION_WORK;
use crate::model::types::wording::quoted;
use crate::model::types::{AgentProfile, Timestamp};

/// Why an expression has no value.
enum Fail {
    /// Something is not known yet.
    NotYet(Part),
    /// The request has no such part.
    Without(Part),
    /// It has none on these facts.
    Failed(String),
    /// The work is used up. Nothing that surrounds it can have a value either.
    Exhausted,
}

type Outcome<'a> = Result<Value<'a>, Fail>;

/// One judging.
struct Run<'a> {
    facts: Facts<'a>,
    work: u32,
    locals: Vec<Value<'a>>,
}

/// Whether a condition holds.
///
/// # Errors
/// Where it has no answer.
pub fn holds(node: &Node, facts: &Facts<'_>) -> Result<bool, Unevaluable> {
    let mut run = Run { facts: *facts, work: CONDITION_WORK, locals: Vec::new() };
    run.truth(node).map_err(|fail| match fail {
        Fail::NotYet(part) => Unevaluable::NotYet(part),
        Fail::Without(part) => Unevaluable::Without(part),
        Fail::Failed(why) => Unevaluable::Failed(why),
        Fail::Exhausted => {
            Unevaluable::Failed(format!("it takes more than {CONDITION_WORK} steps on what was sent"))
        }
    })
}

/// What an expression without variables comes to, made into something that outlives it.
///
/// # Errors
/// Why it has no value.
pub fn constant<T>(node: &Node, make: impl FnOnce(&Value<'_>) -> T) -> Result<T, String> {
    let agent = AgentProfile {
        name: "".into(),
        team: None,
        project: None,
        environment: None,
        labels: BTreeMap::new(),
    };
    let facts = Facts {
        agent: &agent,
        destination: Destination::default(),
        request: None,
        content: None,
        usage: None,
        at: Timestamp::default(),
    };
    let mut run = Run { facts, work: CONDITION_WORK, locals: Vec::new() };
    match run.value(node) {
        Ok(value) => Ok(make(&value)),
        Err(Fail::Failed(why)) => Err(why),
        Err(Fail::NotYet(_) | Fail::Without(_) | Fail::Exhausted) => {
            Err(format!("it takes more than {CONDITION_WORK} steps"))
        }
    }
}

impl Fail {
    fn because(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// What the checker rules out.
    fn mistyped() -> Self {
        debug_assert!(false, "the checker let a type through that does not fit");
        Self::because("a value has a type that does not fit")
    }

    /// Of the reasons of both sides of `&&` (`decisive` is false) or `||` the one that counts, else the first: that all is
    /// used up, that more may be known later, that it fails. What is about a call that there is not can make no `&&` true,
    /// whatever the other side lacks, and tells nothing of the other side of an `||`.
    fn or(self, other: Self, decisive: bool) -> Self {
        let rank = |fail: &Self| match fail {
            Self::Exhausted => 0,
            Self::Without(_) if !decisive => 1,
            Self::NotYet(_) => 2,
            Self::Failed(_) => 3,
            Self::Without(_) => 4,
        };
        if rank(&other) < rank(&self) { other } else { self }
    }
}

impl<'a> Run<'a> {
    fn spend(&mut self, steps: usize) -> Result<(), Fail> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let left = self.work.checked_sub(steps);
        self.work = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Fail::Exhausted)
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, Fail> {
        match self.value(node)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Fail::mistyped()),
        }
    }

    fn text(&mut self, node: &'a Node) -> Result<Cow<'a, str>, Fail> {
        match self.value(node)? {
            Value::Text(text) => Ok(text),
            _ => Err(Fail::mistyped()),
        }
    }

    fn value(&mut self, node: &'a Node) -> Outcome<'a> {
        self.spend(1)?;
        match node {
            Node::Literal(literal) => Ok(literal.value()),
            Node::Variable(variable) => {
                self.known(variable.part)?;
                (variable.read)(&self.facts).ok_or_else(|| lacking(variable))
            }
            Node::Present(variable) => match self.known(variable.part) {
                Ok(()) => Ok(Value::Bool((variable.read)(&self.facts).is_some())),
                Err(Fail::Without(_)) => Ok(Value::Bool(false)),
                Err(fail) => Err(fail),
            },
            Node::Field(field, of) => match self.value(of)? {
                Value::Finding(finding) => Ok((field.read)(finding)),
                _ => Err(Fail::mistyped()),
            },
            Node::Local(place) => self.locals.get(*place).cloned().ok_or_else(Fail::mistyped),
            Node::Not(inner) => Ok(Value::Bool(!self.truth(inner)?)),
            Node::And(both) => self.joined(both, false).map(Value::Bool),
            Node::Or(both) => self.joined(both, true).map(Value::Bool),
            Node::Choose(three) => {
                let [condition, yes, no] = &**three;
                if self.truth(condition)? { self.value(yes) } else { self.value(no) }
            }
            Node::Negate(inner) => match self.value(inner)? {
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(overflow),
                Value::Double(number) => Ok(Value::Double(-number)),
                _ => Err(Fail::mistyped()),
            },
            Node::Compare(comparison, both) => self.compare(*comparison, both).map(Value::Bool),
            Node::Compute(operator, both) => self.compute(*operator, both),
            Node::InTexts(item, texts) => {
                let item = self.text(item)?;
                self.spend(item.len())?;
                Ok(Value::Bool(texts.binary_search_by(|text| (**text).cmp(&*item)).is_ok()))
            }
            Node::In(both) => self.member(both).map(Value::Bool),
            Node::Index(both) => self.index(both),
            Node::List(items) => {
                let items: Result<Vec<_>, Fail> = items.iter().map(|item| self.value(item)).collect();
                Ok(Value::List(List::Made(items?.into())))
            }
            Node::Map(entries) => {
                let entries: Result<Vec<_>, Fail> =
                    entries.iter().map(|(key, value)| Ok((&**key, self.value(value)?))).collect();
                Ok(Value::Map(Map::Made(entries?.into())))
            }
            Node::Call(does, of) => self.call(*does, of),
            Node::CallWith(does, both) => self.call_with(*does, both).map(Value::Bool),
            Node::Matches(of, pattern) => {
                let text = self.text(of)?;
                self.spend(text.len())?;
                Ok(Value::Bool(pattern.is_in(&text)))
            }
            Node::Loop(of_loop) => self.looped(of_loop),
        }
    }

    /// Whether a part of the world is known at this place of the road.
    fn known(&self, part: Part) -> Result<(), Fail> {
        let Facts { destination, request, content, usage, .. } = &self.facts;
        let there = match part {
            Part::DestinationAddress => destination.address.is_some(),
            Part::DestinationPort => destination.port.is_some(),
            Part::Request => request.is_some(),
            Part::Ai | Part::Mcp | Part::Dlp => match content {
                Some(content) => return carries(content, part),
                None => false,
            },
            // It is counted all the time: where nobody tells it, nobody will.
            Part::Usage if usage.is_none() => {
                return Err(Fail::because("nobody tells what the agent has used"));
            }
            Part::Usage | Part::Agent | Part::DestinationHost | Part::Time => true,
        };
        if there { Ok(()) } else { Err(Fail::NotYet(part)) }
    }

    /// `&&` and `||`: one side that is decisive decides, even where the other has no value (CEL, "Logical Operators").
    fn joined(&mut self, [left, right]: &'a [Node; 2], decisive: bool) -> Result<bool, Fail> {
        let left = match self.truth(left) {
            Ok(truth) if truth == decisive => return Ok(decisive),
            Err(Fail::Exhausted) => return Err(Fail::Exhausted),
            left => left,
        };
        match (left, self.truth(right)) {
            (_, Ok(truth)) if truth == decisive => Ok(decisive),
            (Err(left), Err(right)) => Err(left.or(right, decisive)),
            (Ok(_), right) => right,
            (left, Ok(_)) => left,
        }
    }

    fn compare(&mut self, comparison: Comparison, [a, b]: &'a [Node; 2]) -> Result<bool, Fail> {
        let (a, b) = (self.value(a)?, self.value(b)?);
        self.spend(a.weight().max(b.weight()))?;
        let order = |wanted: fn(Ordering) -> bool| a.order(&b).is_some_and(wanted);
        Ok(match comparison {
            Comparison::Equal => a.equals(&b),
            Comparison::NotEqual => !a.equals(&b),
            Comparison::Less => order(Ordering::is_lt),
            Comparison::LessOrEqual => order(Ordering::is_le),
            Comparison::Greater => order(Ordering::is_gt),
            Comparison::GreaterOrEqual => order(Ordering::is_ge),
        })
    }

    fn compute(&mut self, operator: Operator, [a, b]: &'a [Node; 2]) -> Outcome<'a> {
        match (self.value(a)?, self.value(b)?) {
            (Value::Int(a), Value::Int(b)) => integer(operator, a, b).map(Value::Int),
            (Value::Double(a), Value::Double(b)) => Ok(Value::Double(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
                Operator::Remainder => return Err(Fail::mistyped()),
            })),
            (Value::Text(a), Value::Text(b)) if operator == Operator::Add => {
                self.spend(a.len() + b.len())?;
                Ok(Value::Text(a + b))
            }
            _ => Err(Fail::mistyped()),
        }
    }

    fn member(&mut self, [item, whole]: &'a [Node; 2]) -> Result<bool, Fail> {
        let item = self.value(item)?;
        match (&item, self.value(whole)?) {
            (_, Value::List(list)) => {
                for other in list.iter() {
                    self.spend(other.weight())?;
                    if item.equals(&other) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Value::Text(key), Value::Map(map)) => {
                let (found, looked_at) = map.get(key);
                self.spend(looked_at)?;
                Ok(!matches!(found, Found::Nothing))
            }
            _ => Err(Fail::mistyped()),
        }
    }

    fn index(&mut self, [whole, key_node]: &'a [Node; 2]) -> Outcome<'a> {
        let name = match whole {
            Node::Variable(variable) => variable.name,
            _ => "the map",
        };
        match (self.value(whole)?, self.value(key_node)?) {
            (Value::List(list), Value::Int(place)) => {
                let found = usize::try_from(place).ok().and_then(|place| list.get(place));
                found.ok_or_else(|| {
                    Fail::because(format!(
                        "a list of {} has no entry at the place that is asked for",
                        list.len()
                    ))
                })
            }
            (Value::Map(map), Value::Text(key)) => {
                let (found, looked_at) = map.get(&key);
                self.spend(looked_at)?;
                // A key that was computed may hold what an agent sent, even a secret: it is not told.
                let at = match key_node {
                    Node::Literal(Literal::Text(written)) => quoted(written),
                    _ => "the key that is asked for".to_owned(),
                };
                match found {
                    Found::One(value) => Ok(value),
                    Found::Nothing => Err(Fail::because(format!("{name} has no value at {at}"))),
                    Found::Several => Err(Fail::because(format!("{name} has several values at {at}"))),
                    Found::NotText => Err(Fail::because(format!("{name} has no UTF-8 text at {at}"))),
                }
            }
            _ => Err(Fail::mistyped()),
        }
    }
}

/// Whether a request that was read has this part, and somebody has looked for it.
fn carries(content: &Content, part: Part) -> Result<(), Fail> {
    fn outcome<T>(sought: &Sought<T>) -> Option<bool> {
        match sought {
            Sought::Unknown => None,
            Sought::Absent => Some(false),
            Sought::Found(_) => Some(true),
        }
    }
    let has = match part {
        Part::Ai => outcome(&content.ai),
        Part::Mcp => outcome(&content.mcp),
        _ => content.findings.as_ref().map(|_| true),
    };
    match has {
        Some(true) => Ok(()),
        Some(false) => Err(Fail::Without(part)),
        None => Err(Fail::because(format!("nobody has looked for `{}` in what was sent", part.as_str()))),
    }
}

/// A variable has no value. A message to a server that calls no tool is none of the calls that a condition on tools is about.
fn lacking(variable: &Variable) -> Fail {
    match variable.part {
        Part::Mcp => Fail::Without(Part::Mcp),
        _ => Fail::Failed(format!("`{0}` has no value here; ask `has({0})` first", variable.name)),
    }
}

fn overflow() -> Fail {
    Fail::because("a number does not fit into 64 bits")
}

fn integer(operator: Operator, a: i64, b: i64) -> Result<i64, Fail> {
    let value = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return Err(Fail::because("it divides by zero")),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => a.checked_rem(b),
    };
    value.ok_or_else(overflow)
}
