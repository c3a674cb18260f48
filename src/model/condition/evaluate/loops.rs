//! Loops: `exists`, `all`, `exists_one`, `filter` and `map`.
//!
//! `exists` and `all` are `||` and `&&` over all rounds: a round without a value matters only if no other decides.

use super::super::functions::Quantifier;
use super::super::node::{Loop, Node};
use super::super::value::{List, Value};
use super::{Fail, Outcome, Run};

impl<'a> Run<'a> {
    pub(super) fn looped(&mut self, of_loop: &'a Loop) -> Outcome<'a> {
        let items = match self.value(&of_loop.over)? {
            Value::List(list) => list,
            Value::Map(map) => {
                let (keys, looked_at) = map.keys();
                self.spend(looked_at)?;
                List::Made(keys.into_iter().map(Value::Text).collect())
            }
            _ => return Err(Fail::mistyped()),
        };
        match of_loop.quantifier {
            Quantifier::Exists => self.any(&items, &of_loop.body, true).map(Value::Bool),
            Quantifier::All => self.any(&items, &of_loop.body, false).map(|found| Value::Bool(!found)),
            Quantifier::ExistsOne => {
                let mut count = 0;
                for item in items.iter() {
                    count += usize::from(self.round(&item, |run| run.truth(&of_loop.body))?);
                }
                Ok(Value::Bool(count == 1))
            }
            Quantifier::Filter => {
                let mut kept = Vec::new();
                for item in items.iter() {
                    if self.round(&item, |run| run.truth(&of_loop.body))? {
                        kept.push(item);
                    }
                }
                Ok(Value::List(List::Made(kept.into())))
            }
            Quantifier::Map => {
                let mut made = Vec::new();
                for item in items.iter() {
                    made.extend(self.round(&item, |run| run.made(of_loop))?);
                }
                Ok(Value::List(List::Made(made.into())))
            }
        }
    }

    /// Whether the body is `decisive` for any item; a round without a value hides that none is.
    fn any(&mut self, items: &List<'a>, body: &'a Node, decisive: bool) -> Result<bool, Fail> {
        let mut without: Option<Fail> = None;
        for item in items.iter() {
            match self.round(&item, |run| run.truth(body)) {
                Ok(truth) if truth == decisive => return Ok(true),
                Ok(_) => {}
                Err(Fail::Exhausted) => return Err(Fail::Exhausted),
                Err(fail) => {
                    without = Some(match without {
                        Some(first) => first.or(fail, decisive),
                        None => fail,
                    });
                }
            }
        }
        without.map_or(Ok(false), Err)
    }

    /// What `map` makes of one item, if that counts.
    fn made(&mut self, of_loop: &'a Loop) -> Result<Option<Value<'a>>, Fail> {
        let counts = match &of_loop.only {
            Some(only) => self.truth(only)?,
            None => true,
        };
        if counts { self.value(&of_loop.body).map(Some) } else { Ok(None) }
    }

    fn round<T>(
        &mut self,
        item: &Value<'a>,
        body: impl FnOnce(&mut Self) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        self.locals.push(item.clone());
        let outcome = body(self);
        self.locals.pop();
        outcome
    }
}
