//! Patterns and words of documents: what only the operator knows must not leave.
//!
//! A pattern becomes an automaton of bounded size, or is refused with what mends it; nothing here goes back over a text. Words
//! match where no letter or digit stands beside them. Letters are those of ASCII unless a pattern asks for others (`(?u:...)`).

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use regex_automata::Input;
use regex_automata::dfa::{dense, regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use super::detector::Found;
use super::examples::is_example;
use crate::model::types::limits::{
    CUSTOM_AUTOMATON_BYTES, CUSTOM_PATTERN_BYTES, CUSTOM_PATTERNS, CUSTOM_WORD_BYTES, CUSTOM_WORDS,
};
use crate::model::types::{FindingClass, FindingClasses};

/// One pattern, or one list of words, of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomPattern {
    /// Its name in records.
    pub name: Arc<str>,
    /// What kind of thing it finds.
    pub class: FindingClass,
    /// How sure a match is, from 0.0 to 1.0.
    pub confidence: f32,
    /// What it looks for.
    pub form: CustomForm,
    /// Whether capital and small letters differ.
    pub case_sensitive: bool,
}

/// What a pattern of a document looks for.
#[derive(Debug, Clone, PartialEq)]
pub enum CustomForm {
    /// Whatever an expression matches.
    Regex(String),
    /// One of these words.
    Words(Vec<String>),
}

/// Why a pattern cannot be used: whose, and of what kind. Messages end with how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: {why}")]
pub struct CustomMistake {
    /// The name of the pattern.
    pub name: Arc<str>,
    /// What is wrong with it, and how to mend it.
    pub why: String,
}

/// Looks for what documents name.
#[derive(Debug, Default)]
pub struct Custom {
    patterns: Vec<(Label, regex::Regex)>,
    /// For words in which case matters, and for those in which it does not.
    words: Vec<(AhoCorasick, Vec<Label>)>,
}

#[derive(Debug, Clone)]
struct Label {
    name: Arc<str>,
    class: FindingClass,
    confidence: f32,
}

impl Custom {
    /// Compiles patterns and lists of words.
    pub fn new(patterns: &[CustomPattern]) -> Result<Self, CustomMistake> {
        let mut custom = Self::default();
        let mut words: [(Vec<&str>, Vec<Label>); 2] = Default::default();
        for (number, pattern) in patterns.iter().enumerate() {
            let mistake = |why: String| CustomMistake { name: pattern.name.clone(), why };
            if number >= CUSTOM_PATTERNS {
                return Err(mistake(format!(
                    "more than {CUSTOM_PATTERNS} patterns\n  hint: join some of them with `|`"
                )));
            }
            let label =
                Label { name: pattern.name.clone(), class: pattern.class, confidence: pattern.confidence };
            match &pattern.form {
                CustomForm::Regex(text) => {
                    custom.patterns.push((label, compiled(text, pattern.case_sensitive).map_err(mistake)?));
                }
                CustomForm::Words(list) => {
                    let (all, labels) = &mut words[usize::from(pattern.case_sensitive)];
                    for word in list {
                        check_word(word).map_err(mistake)?;
                        all.push(word);
                        labels.push(label.clone());
                    }
                    if all.len() > CUSTOM_WORDS {
                        return Err(mistake(format!(
                            "more than {CUSTOM_WORDS} words\n  hint: leave out those that another contains"
                        )));
                    }
                }
            }
        }
        for (case_sensitive, (words, labels)) in [false, true].into_iter().zip(words) {
            if !words.is_empty() {
                let automaton = AhoCorasick::builder()
                    .ascii_case_insensitive(!case_sensitive)
                    .build(words)
                    .expect("invariant: bounded words make an automaton");
                custom.words.push((automaton, labels));
            }
        }
        Ok(custom)
    }

    /// Adds what stands in a text, of these classes, in no order.
    pub fn find(&self, text: &[u8], wanted: FindingClasses, found: &mut Vec<Found>) {
        for (label, pattern) in self.patterns.iter().filter(|(label, _)| wanted.has(label.class)) {
            // An automaton of bytes without quit bytes finds or does not; it has no other way to end.
            let mut input = Input::new(text);
            while let Ok(Some(match_)) = pattern.try_search(&input) {
                found.push(label.found(text, match_.range()));
                input.set_start(match_.end());
            }
        }
        for (words, labels) in &self.words {
            for match_ in words.find_overlapping_iter(text) {
                let label = &labels[match_.pattern().as_usize()];
                if wanted.has(label.class) && is_word(text, match_.start(), match_.end()) {
                    found.push(label.found(text, match_.range()));
                }
            }
        }
    }
}

impl Label {
    fn found(&self, text: &[u8], range: std::ops::Range<usize>) -> Found {
        let is_example = is_example(&text[range.clone()]) && self.class != FindingClass::Custom;
        Found {
            range,
            detector: self.name.clone().into(),
            class: self.class,
            confidence: self.confidence,
            is_example,
        }
    }
}

fn compiled(text: &str, case_sensitive: bool) -> Result<regex::Regex, String> {
    if text.len() > CUSTOM_PATTERN_BYTES {
        return Err(format!(
            "a pattern of {} bytes, more than {CUSTOM_PATTERN_BYTES}\n  hint: make it several patterns, or a list of words",
            text.len()
        ));
    }
    let automaton = regex::Builder::new()
        .syntax(syntax::Config::new().unicode(false).utf8(false).case_insensitive(!case_sensitive))
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(CUSTOM_AUTOMATON_BYTES)))
        .dense(
            dense::Config::new()
                .dfa_size_limit(Some(CUSTOM_AUTOMATON_BYTES))
                .determinize_size_limit(Some(2 * CUSTOM_AUTOMATON_BYTES)),
        )
        .build(text)
        .map_err(|error| why(&error))?;
    match automaton.try_search(&Input::new(b"")) {
        Ok(None) => Ok(automaton),
        _ => Err(format!(
            "`{text}` matches where nothing stands\n  hint: ask for at least one character, as in `+` instead of `*`"
        )),
    }
}

/// What the compiler says, in one line, with what mends it.
fn why(error: &regex_automata::dfa::dense::BuildError) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(deeper) = source {
        said = deeper.to_string();
        source = deeper.source();
    }
    // The parser draws the place in several lines; the last says what is wrong.
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let last = last.strip_prefix("error: ").unwrap_or(last);
    match error.is_size_limit_exceeded() || said.contains("limit") {
        true => format!(
            "its automaton needs more than {CUSTOM_AUTOMATON_BYTES} bytes\n  hint: use smaller bounds than `{{m,n}}` now has, and letters of ASCII"
        ),
        false => format!(
            "no pattern: {last}\n  hint: the syntax is that of Rust's `regex`, without look-around and back-references"
        ),
    }
}

fn check_word(word: &str) -> Result<(), String> {
    match word.len() {
        0 => Err("an empty word\n  hint: leave it out".to_owned()),
        length if length > CUSTOM_WORD_BYTES => Err(format!(
            "a word of {length} bytes, more than {CUSTOM_WORD_BYTES}\n  hint: its beginning will do"
        )),
        _ if word.trim() != word => {
            Err(format!("`{word}` begins or ends with a space\n  hint: leave the space out"))
        }
        _ => Ok(()),
    }
}

/// Whether no letter or digit stands beside it. Bytes of other alphabets are taken for letters.
fn is_word(text: &[u8], start: usize, end: usize) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let beside = |inner: usize, outer: Option<&u8>| letter(&text[inner]) && outer.is_some_and(letter);
    !beside(start, start.checked_sub(1).map(|before| &text[before])) && !beside(end - 1, text.get(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(form: CustomForm) -> CustomPattern {
        CustomPattern {
            name: "project".into(),
            class: FindingClass::Custom,
            confidence: 0.9,
            form,
            case_sensitive: false,
        }
    }

    fn found(form: CustomForm, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Custom::new(&[pattern(form)]).expect("a pattern").find(
            text.as_bytes(),
            FindingClasses::all(),
            &mut found,
        );
        found.into_iter().map(|found| text[found.range].to_owned()).collect()
    }

    fn words(words: &[&str]) -> CustomForm {
        CustomForm::Words(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_pattern_is_found_wherever_it_matches() {
        let ticket = CustomForm::Regex(r"\bACME-[0-9]{3,6}\b".into());
        assert_eq!(found(ticket, "see acme-1234, ACME-99 and (ACME-777)"), ["acme-1234", "ACME-777"]);
    }

    #[test]
    fn words_match_as_wholes() {
        assert_eq!(
            found(words(&["Blue Heron", "heron"]), "blue heron, heronry, HERON."),
            ["blue heron", "heron", "HERON"]
        );
        assert_eq!(found(words(&["c++", "naïve"]), "c++ naïve naïver"), ["c++", "naïve"]);
    }

    #[test]
    fn a_mistake_says_whose_it_is_and_how_to_mend_it() {
        let why = |form| Custom::new(&[pattern(form)]).expect_err("a mistake").to_string();
        for (form, said) in [
            (CustomForm::Regex("a(".into()), "unclosed group"),
            (CustomForm::Regex("a*".into()), "matches where nothing stands"),
            (CustomForm::Regex("(?u:\\w{400}\\w{400})".into()), "its automaton needs more than"),
            (CustomForm::Regex("(a)\\1".into()), "backreferences"),
            (CustomForm::Regex("x".repeat(5000)), "a pattern of 5000 bytes"),
            (words(&[""]), "an empty word"),
            (words(&[" x"]), "begins or ends with a space"),
        ] {
            let why = why(form);
            assert!(why.starts_with("`project`: ") && why.contains(said) && why.contains("hint:"), "{why}");
        }
    }
}
