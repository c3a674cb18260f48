//! Places inside a text: where a part of a value stands in its file, for mistakes in languages of their own.
//!
//! A text and what it was written as have the same characters in the same order, but for blanks, line breaks, doubled
//! quotes and escapes (YAML 1.2.2, chapters 7 and 8). So both are walked through side by side, whatever the style. Read
//! next: `egress_policy.rs`, whose conditions are such a language.

use std::ops::Range;

use super::fields::Item;
use super::source::Span;

/// What may stand between the words of a text in another number than in the text.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

impl Item<'_> {
    /// Where bytes of a text stand, on however many lines it is written; the place of its key, where that cannot be told.
    pub fn part(&self, bytes: Range<usize>) -> Span {
        let begin = self.node().span.start;
        let (Some(text), written) = (self.node().text(), self.scope.rest(begin)) else {
            return self.span();
        };
        // A plain text and one in a block may begin with a quote too: it is tried as one of them first.
        let found =
            [None, Some('\''), Some('"')].into_iter().find_map(|quote| stretch(text, written, quote, &bytes));
        found.map_or_else(
            || self.key_span(),
            |range| Span { start: begin + range.start, end: begin + range.end },
        )
    }
}

/// Where bytes of the text stand in what was written in this way; nothing, if it was written in another.
fn stretch(text: &str, written: &str, quote: Option<char>, bytes: &Range<usize>) -> Option<Range<usize>> {
    let lead = quote.map_or(0, char::len_utf8);
    if quote.is_some_and(|quote| !written.starts_with(quote)) {
        return None;
    }
    let mut walk = Walk { written, at: lead, quote };
    let mut found = lead..lead;
    for (offset, character) in text.char_indices() {
        let place = walk.step(character)?;
        if offset <= bytes.start {
            found = place.clone();
        }
        if offset < bytes.end {
            found.end = place.end;
        }
        // What is missing at the end of the text stands behind its last character.
        if bytes.start >= text.len() {
            found.start = found.end;
        }
    }
    Some(found)
}

/// A place in what was written, which goes on with each character of the text.
struct Walk<'t> {
    written: &'t str,
    at: usize,
    quote: Option<char>,
}

impl Walk<'_> {
    fn rest(&self) -> &str {
        self.written.get(self.at..).unwrap_or_default()
    }

    /// Where the next character stands; nothing, where another does.
    fn step(&mut self, character: char) -> Option<Range<usize>> {
        let blank = BLANKS.contains(&character);
        if !blank {
            self.skip_blanks();
        }
        self.skip_joined_lines();
        let rest = self.rest();
        let length = match (self.quote, rest.chars().next()) {
            (Some('"'), Some('\\')) => escape(rest),
            (Some('\''), Some('\'')) if character == '\'' && rest.starts_with("''") => 2,
            (_, Some(other)) if blank && BLANKS.contains(&other) => other.len_utf8(),
            (_, Some(other)) if other == character && self.quote != Some(character) => other.len_utf8(),
            // The break at the end of a block, where the file ends without one.
            _ if blank => 0,
            _ => return None,
        };
        let start = self.at;
        self.at += length;
        Some(start..self.at)
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(BLANKS).len();
    }

    /// A backslash at the end of a line in double quotes joins it with the next (YAML 1.2.2, section 7.3.1).
    fn skip_joined_lines(&mut self) {
        while self.quote == Some('"') && (self.rest().starts_with("\\\n") || self.rest().starts_with("\\\r"))
        {
            self.at += 1;
            self.skip_blanks();
        }
    }
}

/// Bytes of the escape that a text in double quotes goes on with (YAML 1.2.2, section 5.7).
fn escape(rest: &str) -> usize {
    let mut characters = rest.chars().skip(1);
    match characters.next() {
        Some('x') => 4,
        Some('u') => 6,
        Some('U') => 10,
        other => 1 + other.map_or(0, char::len_utf8),
    }
}
