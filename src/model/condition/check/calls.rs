//! Calls: functions of the catalogue, loops, and what is no function.

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::super::catalogue;
use super::super::functions::{Does, FUNCTIONS, Form, Function, LOOPS, Loop, Quantifier};
use super::super::node::{self, Node};
use super::super::pattern::{Pattern, PatternError};
use super::super::types::Type;
use super::super::value::Literal;
use super::{Checker, Local, Typed};
use crate::model::types::limits::{CONDITION_AUTOMATON_BYTES, CONDITION_LOOPS, POLICY_AUTOMATA_BYTES};
use crate::model::types::wording::{did_you_mean, one_of, quoted};

impl Checker<'_> {
    pub(super) fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Typed {
        if call.target.is_none() {
            if let Some(typed) = self.operator(node, call) {
                return typed;
            }
            if call.func_name == "has" {
                return self.has(node, call);
            }
        }
        if let (Some(target), Some(of_loop)) =
            (&call.target, LOOPS.iter().find(|one| one.name == call.func_name))
        {
            return self.looped(node, (target, call), of_loop);
        }
        let known: Vec<&Function> = FUNCTIONS.iter().filter(|one| one.name == call.func_name).collect();
        if known.is_empty() {
            return self.unknown(node, call);
        }
        let method = call.target.is_some();
        if !known.iter().any(|one| one.form == Form::Both || (one.form == Form::Method) == method) {
            let written = if method {
                format!("{}(value)", call.func_name)
            } else {
                format!("value.{}(...)", call.func_name)
            };
            let message = format!("{} is not written like this", quoted(&call.func_name));
            return self.wrong(self.parsed.range(node), message, Some(format!("write `{written}`")));
        }
        self.function(node, call, &known)
    }

    fn function(&mut self, node: &IdedExpr, call: &CallExpr, known: &[&Function]) -> Typed {
        let name = &call.func_name;
        let all: Vec<&IdedExpr> = call.target.iter().map(|target| &**target).chain(&call.args).collect();
        let wanted = 1 + usize::from(known[0].takes_text);
        let values: Vec<Typed> = all.iter().map(|one| self.expression(one)).collect();
        if all.len() != wanted {
            let beside = usize::from(call.target.is_some());
            let (wanted, there) = (wanted - beside, all.len() - beside);
            let plural = if wanted == 1 { "argument" } else { "arguments" };
            let message = format!("{} takes {wanted} {plural}, and here are {there}", quoted(name));
            return self.wrong(self.parsed.range(node), message, None);
        }
        let mut values = values.into_iter();
        let of = values.next().unwrap_or_else(Typed::wrong);
        let Some(function) = known.iter().find(|one| one.of.fits(&of.of)) else {
            let takes = one_of(known.iter().map(|one| one.of.as_str()));
            let message =
                format!("{} is for {takes}, and {} is {:#}", quoted(name), self.shown(all[0]), of.of);
            return self.wrong(self.parsed.range(all[0]), message, None);
        };
        let returns = function.returns.type_of();
        let Some(text) = values.next() else {
            return Typed::new(Node::Call(function.does, Box::new(of.node)), returns);
        };
        if !text.of.fits(&Type::Text) {
            let message =
                format!("{} takes a string, and {} is {:#}", quoted(name), self.shown(all[1]), text.of);
            return self.wrong(self.parsed.range(all[1]), message, None);
        }
        if function.does == Does::Matches {
            return self.matches(of, text, all[1]);
        }
        self.check_part(&of.node, function.does, &text.node, self.parsed.range(all[1]));
        Typed::new(Node::CallWith(function.does, Box::new([of.node, text.node])), returns)
    }

    fn matches(&mut self, of: Typed, pattern: Typed, place: &IdedExpr) -> Typed {
        let range = self.parsed.range(place);
        let Node::Literal(Literal::Text(text)) = &pattern.node else {
            let message = format!("the pattern {} is not a text in quotes", self.shown(place));
            let hint = "patterns are compiled when the rule is loaded; compare values by `==` or `contains`";
            return self.wrong(range, message, Some(hint.into()));
        };
        let bound = CONDITION_AUTOMATON_BYTES.min(*self.budget);
        let compiled = Pattern::compile(text, bound);
        let grown = compiled.as_ref().map_or(bound, Pattern::bytes);
        *self.budget = self.budget.saturating_sub(grown);
        match compiled {
            Ok(pattern) => Typed::new(Node::Matches(Box::new(of.node), pattern), Type::Bool),
            Err(PatternError::Syntax(why)) => {
                self.wrong(range, format!("{} is not a pattern: {why}", quoted(text)), None)
            }
            Err(PatternError::TooLarge) if bound < CONDITION_AUTOMATON_BYTES => {
                let mebibytes = POLICY_AUTOMATA_BYTES / (1024 * 1024);
                let message = format!(
                    "with the pattern {} all patterns of the set grow beyond {mebibytes} MiB when they are compiled",
                    quoted(text)
                );
                let hint = "use `startsWith`, `endsWith`, `contains` or `in` where they say the same";
                self.wrong(range, message, Some(hint.into()))
            }
            Err(PatternError::TooLarge) => {
                let kibibytes = CONDITION_AUTOMATON_BYTES / 1024;
                let message =
                    format!("the pattern {} grows beyond {kibibytes} KiB when it is compiled", quoted(text));
                let hint = "shorten its repetitions, such as `{1,100}`, or the alternatives in front of them";
                self.wrong(range, message, Some(hint.into()))
            }
        }
    }

    fn looped(&mut self, node: &IdedExpr, (target, call): (&IdedExpr, &CallExpr), of_loop: &Loop) -> Typed {
        let over = self.expression(target);
        let item = match &over.of {
            Type::List(of) => (**of).clone(),
            Type::Map(_) => Type::Text,
            Type::Any => Type::Any,
            of => {
                let message = format!(
                    "`{}` goes through a list or a map, and {} is {of:#}",
                    of_loop.name,
                    self.shown(target)
                );
                return self.wrong(self.parsed.range(target), message, None);
            }
        };
        let (name, only, body) = match call.args.as_slice() {
            [name, body] => (name, None, body),
            [name, only, body] if of_loop.quantifier == Quantifier::Map => (name, Some(only), body),
            arguments => {
                let message = format!(
                    "`{}` takes a name and a condition, and here are {} arguments",
                    of_loop.name,
                    arguments.len()
                );
                return self.wrong(
                    self.parsed.range(node),
                    message,
                    Some(format!("as in `{}`", of_loop.written)),
                );
            }
        };
        let Some(name) = self.local_name(name, of_loop) else { return Typed::wrong() };
        if self.locals.len() >= CONDITION_LOOPS {
            let message = format!("more than {CONDITION_LOOPS} loops are inside each other here");
            return self.wrong(self.parsed.range(node), message, None);
        }
        self.locals.push(Local { name, of: item.clone() });
        let only = only.map(|only| self.round_condition(only, of_loop.name));
        let (body, of) = if of_loop.quantifier == Quantifier::Map {
            let body = self.expression(body);
            (body.node, Type::List(Box::new(body.of)))
        } else {
            let filtered = of_loop.quantifier == Quantifier::Filter;
            let of = if filtered { Type::List(Box::new(item)) } else { Type::Bool };
            (self.round_condition(body, of_loop.name), of)
        };
        self.locals.pop();
        Typed::new(
            Node::Loop(Box::new(node::Loop { quantifier: of_loop.quantifier, over: over.node, only, body })),
            of,
        )
    }

    /// The name that a loop gives to what it is at.
    fn local_name(&mut self, node: &IdedExpr, of_loop: &Loop) -> Option<String> {
        let range = self.parsed.range(node);
        let Expr::Ident(name) = &node.expr else {
            let message = format!("{} is not a name for what the loop is at", self.shown(node));
            self.fault(range, message, Some(format!("as in `{}`", of_loop.written)));
            return None;
        };
        let taken = catalogue::roots().any(|root| root == name)
            || self.locals.iter().any(|local| local.name == *name);
        if taken {
            self.fault(
                range,
                format!("{} is a name already", quoted(name)),
                Some("choose another one".into()),
            );
            return None;
        }
        Some(name.clone())
    }

    fn round_condition(&mut self, node: &IdedExpr, name: &str) -> Node {
        let typed = self.expression(node);
        if !typed.of.fits(&Type::Bool) {
            let message = format!("`{name}` needs a condition, and {} is {:#}", self.shown(node), typed.of);
            self.fault(self.parsed.range(node), message, None);
        }
        typed.node
    }

    /// A function that there is not. Its arguments are looked at all the same.
    fn unknown(&mut self, node: &IdedExpr, call: &CallExpr) -> Typed {
        let rooted = call.target.as_ref().and_then(|target| self.root(target));
        if let (Some(target), None) = (&call.target, rooted) {
            self.expression(target);
        }
        for argument in &call.args {
            self.expression(argument);
        }
        let names =
            || FUNCTIONS.iter().map(|one| one.name).chain(LOOPS.iter().map(|one| one.name)).chain(["has"]);
        let hint = match call.func_name.as_str() {
            "timestamp" | "duration" | "now" | "getHours" | "getFullYear" => {
                Some("`time` has the moment: `time.hour`, `time.weekday`, `time.unix` and so on".to_owned())
            }
            "lower" | "toLowerCase" | "lowercase" => Some("did you mean `lowerAscii`?".to_owned()),
            "upper" | "toUpperCase" | "uppercase" => Some("did you mean `upperAscii`?".to_owned()),
            name => did_you_mean(name, names()),
        };
        let hint = hint.unwrap_or_else(|| {
            let mut all: Vec<&str> = names().collect();
            all.dedup();
            format!("there are {}", one_of(all))
        });
        let range = self.parsed.name_of_call(node.id, &call.func_name);
        self.wrong(range, format!("there is no function {}", quoted(&call.func_name)), Some(hint))
    }
}
