//! From text to a syntax tree whose every node knows its place, within bounds.
//!
//! The grammar is that of the crate `cel`; macros are left as the calls that they are written as, so that messages can
//! point at what people wrote. Read next: `check.rs`.

use std::ops::Range;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo, operators};
use cel::{Env, ParseError};

use super::Fault;
use super::mistakes;
use crate::model::types::limits::{CONDITION_BYTES, CONDITION_DEPTH, CONDITION_NODES};

/// A text that is an expression of CEL.
pub struct Parsed<'t> {
    /// The tree.
    pub root: IdedExpr,
    text: &'t str,
    info: SourceInfo,
}

impl<'t> Parsed<'t> {
    /// Parses a text.
    ///
    /// # Errors
    /// The first place where it is not CEL: what follows such a place are its consequences. Or the bound it exceeds.
    pub fn read(text: &'t str) -> Result<Self, Fault> {
        if text.len() > CONDITION_BYTES {
            let message =
                format!("the condition has {} bytes; at most {CONDITION_BYTES} are read", text.len());
            return Err(Fault::new(0..text.len(), message).hint("make several rules of it"));
        }
        if text.trim().is_empty() {
            return Err(Fault::new(0..0, "the condition is empty")
                .hint("leave `when` out, and the rule always holds"));
        }
        let depth = u16::try_from(CONDITION_DEPTH).unwrap_or(u16::MAX);
        let parser = Env::default().with_optional_support(false).parser().max_recursion_depth(depth);
        let (root, info) = match parser.parse_with_source_info(text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let first: Option<&ParseError> = errors.errors.first();
                return Err(mistakes::of_syntax(text, first));
            }
        };
        let parsed = Self { root, text, info };
        let mut nodes = 0;
        parsed.measure(&parsed.root, CONDITION_DEPTH, &mut nodes)?;
        Ok(parsed)
    }

    fn measure(&self, node: &IdedExpr, depth: usize, nodes: &mut usize) -> Result<(), Fault> {
        *nodes += 1;
        if *nodes > CONDITION_NODES {
            let message =
                format!("the condition has more than {CONDITION_NODES} names, values and operators");
            return Err(Fault::new(0..self.text.len(), message).hint("make several rules of it"));
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(mistakes::too_deep(self.token(node.id)));
        };
        children(node).into_iter().try_for_each(|child| self.measure(child, depth, nodes))
    }

    /// Where the parts stand that `&&` joins at the top, in order; the whole, where it joins nothing.
    pub fn conjuncts(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.collect_conjuncts(&self.root, &mut found);
        found
    }

    fn collect_conjuncts(&self, node: &IdedExpr, found: &mut Vec<Range<usize>>) {
        match &node.expr {
            Expr::Call(call) if call.func_name == operators::LOGICAL_AND => {
                call.args.iter().for_each(|part| self.collect_conjuncts(part, found));
            }
            _ => found.push(self.range(node)),
        }
    }

    /// The text of a stretch.
    pub fn slice(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    /// Where the token of a node stands: of a name or value the whole, of an operator itself, of a call its parenthesis.
    pub fn token(&self, id: u64) -> Range<usize> {
        let Some((first, last)) = self.info.offset_for(id) else { return 0..0 };
        // The parser counts bytes here, and characters in its complaints.
        let start = self.text.floor_char_boundary(first as usize);
        start..self.text.ceil_char_boundary(last as usize + 1).max(start)
    }

    /// Where a node stands, all of it.
    pub fn range(&self, node: &IdedExpr) -> Range<usize> {
        let mut range = self.token(node.id);
        for child in children(node) {
            let inner = self.range(child);
            range = range.start.min(inner.start)..range.end.max(inner.end);
        }
        match &node.expr {
            Expr::Select(_) => range.end = range.end.max(self.field(node).end),
            Expr::Call(call) if self.slice(self.token(node.id)).starts_with('(') => {
                range.start = range.start.min(self.name_of_call(node.id, &call.func_name).start);
                range.end = self.closed(range.end, ')');
            }
            Expr::Call(_) if self.slice(self.token(node.id)).starts_with('[') => {
                range.end = self.closed(range.end, ']')
            }
            Expr::List(_) => range.end = self.closed(range.end, ']'),
            Expr::Map(_) => range.end = self.closed(range.end, '}'),
            _ => {}
        }
        range
    }

    /// Where the name of a field stands, behind its dot.
    pub fn field(&self, node: &IdedExpr) -> Range<usize> {
        let dot = self.token(node.id);
        let Expr::Select(select) = &node.expr else { return dot };
        let rest = self.slice(dot.end..self.text.len());
        let start = dot.end + (rest.len() - rest.trim_start().len());
        let end = start + select.field.len();
        if self.slice(start..end) == select.field { start..end } else { dot }
    }

    /// Where the name of a function stands, before its parenthesis.
    pub fn name_of_call(&self, id: u64, name: &str) -> Range<usize> {
        let parenthesis = self.token(id);
        let end = self.slice(0..parenthesis.start).trim_end().len();
        let Some(start) = end.checked_sub(name.len()) else { return parenthesis };
        if self.slice(start..end) == name { start..end } else { parenthesis }
    }

    /// The end of a stretch with the bracket that closes it.
    fn closed(&self, end: usize, bracket: char) -> usize {
        let rest = self.slice(end..self.text.len());
        let trimmed = rest.trim_start();
        if trimmed.starts_with(bracket) { end + (rest.len() - trimmed.len()) + 1 } else { end }
    }
}

/// The nodes right below a node.
fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_nodes(&entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| entry_nodes(&entry.expr)).collect(),
        Expr::Unspecified | Expr::Comprehension(_) | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entry_nodes(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}
