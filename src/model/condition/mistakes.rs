//! What the parser of the crate `cel` has to say, in the words of this house.
//!
//! Its messages list what the grammar would have liked; people need to hear what is there and what was probably meant.
//! Only wording: nothing here decides whether a text is an expression.

use std::ops::Range;

use cel::ParseError;

use super::Fault;
use crate::model::types::limits::CONDITION_DEPTH;
use crate::model::types::wording::quoted;

/// Words of other languages and what CEL writes for them.
const TRANSLATIONS: &[(&str, &str)] = &[
    ("and", "&&"),
    ("AND", "&&"),
    ("&", "&&"),
    ("or", "||"),
    ("OR", "||"),
    ("|", "||"),
    ("not", "!"),
    ("NOT", "!"),
    ("=", "=="),
    ("=>", ">="),
    ("=~", "matches()"),
    ("~", "matches()"),
    ("<>", "!="),
    ("is", "=="),
    ("like", "matches()"),
];

/// A text that is not CEL, from the first complaint of the parser.
pub fn of_syntax(text: &str, error: Option<&ParseError>) -> Fault {
    let Some(error) = error else {
        return Fault::new(0..text.len(), "this is not an expression of CEL");
    };
    let start = place(text, error.pos);
    if error.msg.contains("Recursion limit") {
        return too_deep(start..start);
    }
    let rest = text.get(start..).unwrap_or_default();
    if rest.trim().is_empty() {
        let end = text.trim_end().len();
        let fault = Fault::new(end..end, "the condition ends where a value is expected");
        return match unclosed(text) {
            Some(bracket) => {
                Fault::new(end..end, format!("the condition ends before a `{bracket}` is closed"))
            }
            None => fault,
        };
    }
    let word = word(rest);
    let range = start..start + word.len();
    if rest.starts_with(['"', '\'']) && error.msg.contains("token recognition") {
        let hint = "close it with the quote it began with; a backslash in it is written `\\\\`, or the text as `r\"...\"`";
        return Fault::new(start..text.len(), "this text is not closed, or has an unknown escape").hint(hint);
    }
    if error.msg.contains("invalid int literal") || error.msg.contains("invalid uint literal") {
        return Fault::new(range, format!("{} is not a number of 64 bits", quoted(word)));
    }
    if error.msg.contains("invalid string literal") || error.msg.contains("invalid bytes literal") {
        return Fault::new(range, "this text has an escape that stands for no character");
    }
    if error.msg.contains("unsupported syntax") {
        return Fault::new(range, format!("{} is not a part of conditions", quoted(word)));
    }
    let fault = Fault::new(range, format!("{} is not expected here", quoted(word)));
    match TRANSLATIONS.iter().find(|(foreign, _)| *foreign == word) {
        Some((_, ours)) => fault.hint(format!("did you mean `{ours}`?")),
        None => fault,
    }
}

/// An expression that is nested too deep at this place.
pub fn too_deep(range: Range<usize>) -> Fault {
    let message = format!("the condition is nested deeper than {CONDITION_DEPTH} levels here");
    Fault::new(range, message).hint("make several rules of it")
}

/// The byte at line and column, both from 1, columns in characters.
fn place(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[before..];
    before + rest.char_indices().nth(column).map_or(rest.len(), |(place, _)| place)
}

/// The first word of a text, or its first run of signs; at least one character of one that is not empty.
fn word(text: &str) -> &str {
    let named = |c: char| c.is_alphanumeric() || c == '_';
    let sign = |c: char| "&|=<>!~?".contains(c);
    let first = text.chars().next().unwrap_or(' ');
    let end = match first {
        c if named(c) => text.find(|c| !named(c)),
        c if sign(c) => text.find(|c| !sign(c)),
        c => Some(c.len_utf8()),
    };
    &text[..end.unwrap_or(text.len())]
}

/// The innermost bracket that nothing closes, quotes not counted for what they hold.
fn unclosed(text: &str) -> Option<char> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    for character in text.chars() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(begun), c) if c == begun => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => open.push(character),
            (None, ')' | ']' | '}') => drop(open.pop()),
            (None, _) => {}
        }
    }
    open.pop()
}
