//! Patterns of `matches`: turned into a whole automaton when they are loaded.
//!
//! On the road each byte of a text costs one look into a table, whatever the text. The price is paid at load, and a
//! pattern whose automaton would be too large is refused there.

use std::fmt;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

use crate::model::types::limits::CONDITION_DEPTH;

/// A pattern that was found right and small enough.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    automaton: Box<dense::DFA<Vec<u32>>>,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// It is no pattern; why, in the words of its parser.
    Syntax(String),
    /// Its automaton would be too large.
    TooLarge,
}

impl Pattern {
    /// Compiles RE2 syntax, in which `\d`, `\w`, `\s` and `\b` know ASCII only.
    ///
    /// # Errors
    /// Where it is no pattern, or one whose automaton outgrows `bound` bytes.
    pub fn compile(text: &str, bound: usize) -> Result<Self, PatternError> {
        let ascii = in_ascii(text);
        let nesting = u32::try_from(CONDITION_DEPTH).unwrap_or(u32::MAX);
        let syntax = syntax::Config::new().nest_limit(nesting).utf8(false);
        if let Err(error) = syntax::parse_with(&ascii, &syntax) {
            // The parser draws the pattern and the place, as it was rewritten; the last line says what is wrong.
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            return Err(PatternError::Syntax(last.to_owned()));
        }
        let bound = Some(bound);
        let whether = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(bound)
            .determinize_size_limit(bound);
        let automaton = dense::Builder::new()
            .configure(whether)
            .syntax(syntax)
            .thompson(thompson::Config::new().nfa_size_limit(bound).utf8(false))
            .build(&ascii)
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Self { text: text.into(), automaton: Box::new(automaton) })
    }

    /// Bytes of its automaton.
    pub fn bytes(&self) -> usize {
        self.automaton.memory_usage()
    }

    /// Whether it is found anywhere in the text.
    pub fn is_in(&self, text: &str) -> bool {
        let found = self.automaton.try_search_fwd(&Input::new(text).earliest(true));
        found
            .expect("invariant: an automaton without bytes to quit at, asked for any place, always answers")
            .is_some()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

/// The same pattern with the classes of RE2 spelt out, for a parser to which they mean all of Unicode.
fn in_ascii(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        match escaped {
            None => out.push(character),
            Some('d') => out.push_str("[[:digit:]]"),
            Some('D') => out.push_str("[[:^digit:]]"),
            Some('w') => out.push_str("[[:word:]]"),
            Some('W') => out.push_str("[[:^word:]]"),
            Some('s') => out.push_str(r"[\t\n\f\r\x20]"),
            Some('S') => out.push_str(r"[^\t\n\f\r\x20]"),
            Some('b') => out.push_str(r"(?-u:\b)"),
            Some('B') => out.push_str(r"(?-u:\B)"),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}
