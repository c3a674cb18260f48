//! Places inside a text: where a part of a value stands in its file, for mistakes in languages of their own.
//!
//! Read next: `egress_policy.rs`, whose conditions are such a language.

use super::fields::Item;
use super::source::Span;

impl Item<'_> {
    /// Where bytes of a text stand, where it is written on one line without escapes; else the whole value's place.
    pub fn part(&self, bytes: std::ops::Range<usize>) -> Span {
        let (Some(text), written) = (self.node().text(), self.scope.slice(self.node().span)) else {
            return self.span();
        };
        let quote = written.chars().next().filter(|first| matches!(first, '\'' | '"'));
        let lead = quote.map_or(0, char::len_utf8);
        let inner = written.get(lead..written.len().saturating_sub(lead)).unwrap_or_default();
        // A single-quoted text writes its quotes twice (YAML 1.2.2, section 7.3.2).
        let doubled = quote == Some('\'') && inner.replace("''", "'") == text;
        if inner != text && !doubled {
            return self.span();
        }
        let begin = self.node().span.start + lead;
        let at = |offset: usize| {
            let before = text.get(..offset.min(text.len())).unwrap_or(text);
            begin + before.len() + if doubled { before.matches('\'').count() } else { 0 }
        };
        Span { start: at(bytes.start), end: at(bytes.end) }
    }
}
