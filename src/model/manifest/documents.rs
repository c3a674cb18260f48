//! Files of documents of one kind, which no set of policies has: each document in turn, and every mistake in all of them.
//!
//! Whoever reads documents says what is wrong with one at its place, and here all of that becomes one report. Never says what a
//! document means. Read next: `fields.rs`.

use std::cell::RefCell;
use std::sync::Arc;

use super::fields::Item;
use super::report::{Diagnostic, Mistakes, Report};
use super::scope::Scope;
use super::source::{Source, SourceFile};
use super::tree;
use crate::model::types::limits::POLICY_NODES;

/// Shows each document of these files, with the path of its file.
///
/// # Errors
/// A report of every mistake in every file, ordered by place.
pub fn each(files: &[SourceFile], mut read: impl FnMut(&Item<'_>, &Arc<str>)) -> Result<(), Report> {
    let mistakes = RefCell::new(Mistakes::default());
    let mut budget = POLICY_NODES;
    for file in files {
        let source = match Source::read(file) {
            Ok(source) => source,
            Err(fault) => {
                mistakes.borrow_mut().add(|| Diagnostic::from(*fault));
                continue;
            }
        };
        let (documents, faults) = tree::parse(&source, &mut budget);
        mistakes.borrow_mut().take_over(faults);
        let scope = Scope::new(&source, &mistakes);
        documents.iter().for_each(|node| read(&Item::document(scope, node), &file.path));
    }
    mistakes.into_inner().into_report(files.len()).map_or(Ok(()), Err)
}
