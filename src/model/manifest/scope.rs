//! One file being judged: where its mistakes go, and how many there are already.
//!
//! It decides nothing; readers note what is wrong and go on. Read next: `fields.rs`.

use std::cell::RefCell;

use super::report::{Diagnostic, Mistakes};
use super::source::{Place, Source, Span};
use crate::model::types::limits;

/// One file being judged and where its mistakes go.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'s> {
    source: &'s Source<'s>,
    mistakes: &'s RefCell<Mistakes>,
}

impl<'s> Scope<'s> {
    /// Mistakes in `source` go to `mistakes`.
    pub fn new(source: &'s Source<'s>, mistakes: &'s RefCell<Mistakes>) -> Self {
        Self { source, mistakes }
    }

    /// Notes a mistake, with advice where there is any.
    pub fn mistake(self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.mistakes.borrow_mut().add(|| {
            let mut diagnostic = Diagnostic::at(self.source, span, message);
            diagnostic.hint = hint;
            diagnostic
        });
    }

    /// What is right there, and may not be what was meant; for the caller to hand on.
    pub fn warning(self, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
        Diagnostic::at(self.source, span, message).hint(hint).as_warning()
    }

    /// Notes a mistake without showing its line, which may hold what nobody may see.
    pub fn mistake_unshown(self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.source.place(span.start);
        self.mistakes.borrow_mut().add(|| Diagnostic::bare(place, message).hint(hint));
    }

    /// Whether further mistakes are only counted, so that no advice need be sought.
    pub fn is_full(self) -> bool {
        self.mistakes() >= limits::POLICY_MISTAKES
    }

    /// How many mistakes there are in all files so far.
    pub fn mistakes(self) -> usize {
        self.mistakes.borrow().count()
    }

    /// Where a byte stands.
    pub fn place(self, span: Span) -> Place {
        self.source.place(span.start)
    }

    /// The text from a byte on.
    pub fn rest(self, offset: usize) -> &'s str {
        self.source.text().get(offset..).unwrap_or_default()
    }

    /// The text of a stretch.
    pub fn slice(self, span: Span) -> &'s str {
        self.source.slice(span)
    }
}
