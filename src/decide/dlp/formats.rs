//! The formats of a catalogue as automata, each asked only where one of its anchors stands.
//!
//! An automaton reads forward from a known place and never beyond what its format allows, so a place costs no more than the
//! longest match. Formats are ours and are checked by tests; those of documents are compiled in `custom.rs`.

use std::ops::Range;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::detector::{Check, Detector, Found};
use super::examples::{contains_word, is_example};
use super::secrets::pairs;

/// Bytes that are looked at on each side of a match for words of its context.
const CONTEXT_BYTES: usize = 64;
/// Bytes of what a word may have before its anchor.
const LEAD_BYTES: usize = 96;

/// One format, compiled.
#[derive(Debug)]
pub struct Format {
    /// Whose it is.
    pub detector: &'static Detector,
    automaton: dense::DFA<Vec<u32>>,
    /// Finds the group that must not leave, in what the automaton matched.
    group: Option<PikeVM>,
    /// Whether every match begins with its anchor, as its examples do.
    leads: bool,
    /// Whether dashes are among its letters.
    dashes: bool,
}

impl Format {
    /// Compiles the format of a detector. Every entry of the catalogue compiles, which a test shows.
    pub fn new(detector: &'static Detector) -> Self {
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        // What has no word of its own is asked about whole values.
        let whole = format!(r"(?:{})\z", detector.format);
        let format = if detector.anchors.is_empty() { &whole } else { detector.format };
        let automaton = dense::Builder::new()
            .configure(dense::Config::new().start_kind(StartKind::Anchored))
            .syntax(syntax)
            .thompson(thompson::Config::new().utf8(false))
            .build(format)
            .expect("invariant: formats of the catalogue compile");
        let group = detector.format.replace("(?", "").contains('(').then(|| {
            PikeVM::builder()
                .syntax(syntax)
                .thompson(thompson::Config::new().utf8(false))
                .build(detector.format)
                .expect("invariant: formats of the catalogue compile")
        });
        let begins = |value: &str, anchor: &str| {
            value.get(..anchor.len()).is_some_and(|start| start.eq_ignore_ascii_case(anchor))
        };
        let leads =
            detector.examples.iter().any(|value| detector.anchors.iter().any(|anchor| begins(value, anchor)));
        let dashes = detector.format.contains("_-]");
        Self { detector, automaton, group, leads, dashes }
    }

    /// Where a match ends that begins exactly here.
    pub fn ends(&self, text: &[u8], start: usize) -> Option<usize> {
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let end = self.automaton.try_search_fwd(&input).ok().flatten()?.offset();
        (end > start).then_some(end)
    }

    /// Whether a whole value is written like this.
    pub fn is(&self, value: &[u8]) -> bool {
        self.ends(value, 0) == Some(value.len())
    }

    /// Where what this anchor stands in ends, and what is found in it.
    pub fn at(&self, text: &[u8], anchor: usize, anchor_bytes: usize) -> Option<(usize, Option<Found>)> {
        let start = if self.leads { anchor } else { beginning_of_word(text, anchor)? };
        let apart = stands_apart(text, start);
        let signed = text[anchor..anchor + anchor_bytes].iter().any(|byte| !byte.is_ascii_alphanumeric());
        if !apart && !signed {
            return None;
        }
        let end = self.ends(text, start)?;
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || self.dashes && matches!(byte, b'-' | b'_');
        if text.get(end).is_some_and(goes_on) && goes_on(&text[end - 1]) {
            return Some((end, None));
        }
        let range = self.group(text, start..end);
        let value = &text[range.clone()];
        let mut confidence = self.confidence(text, &(start..end), value);
        if !apart {
            confidence = confidence.min(0.7);
        }
        let varying =
            if self.leads { &text[(anchor + anchor_bytes).min(end)..end] } else { &text[start..end] };
        // What has lower case and no digit is more likely made of words.
        if matches!(self.detector.check, Check::None)
            && varying.iter().any(u8::is_ascii_lowercase)
            && !varying.iter().any(u8::is_ascii_digit)
            && is_like_words(varying)
        {
            confidence *= 0.5;
        }
        let (detector, class) = (self.detector.name.into(), self.detector.class);
        let found = Found {
            range,
            detector,
            class,
            confidence,
            is_example: is_example(value) || is_example(varying),
        };
        Some((end, Some(found)))
    }

    fn group(&self, text: &[u8], whole: Range<usize>) -> Range<usize> {
        let Some(vm) = &self.group else { return whole };
        let mut slots = [None; 4];
        let input = Input::new(text).range(whole.clone()).anchored(Anchored::Yes);
        vm.search_slots(&mut vm.create_cache(), &input, &mut slots);
        match (slots[2], slots[3]) {
            (Some(start), Some(end)) => start.get()..end.get(),
            _ => whole,
        }
    }

    fn confidence(&self, text: &[u8], whole: &Range<usize>, value: &[u8]) -> f32 {
        let sure = self.detector.confidence;
        if let Check::Sum(sum) = self.detector.check
            && !sum(value)
        {
            return sure.wrong_sum;
        }
        let around = whole.start.saturating_sub(CONTEXT_BYTES)..(whole.end + CONTEXT_BYTES).min(text.len());
        let around = &text[around];
        match self.detector.context.iter().any(|word| contains_word(around, word)) {
            true => sure.in_context,
            false => sure.bare,
        }
    }
}

/// Whether its letters stand beside one another as in words.
fn is_like_words(text: &[u8]) -> bool {
    let (all, odd) = pairs(text);
    odd * 5 < all
}

/// Whether nothing that could belong to it stands before this place; the letter of an escape (`\n`) does not.
pub fn stands_apart(text: &[u8], start: usize) -> bool {
    match text[..start] {
        [.., b'\\', b'n' | b't' | b'r'] => true,
        [.., before] => !before.is_ascii_alphanumeric(),
        [] => true,
    }
}

/// Where the word begins in which something stands, unless that is longer than any format.
fn beginning_of_word(text: &[u8], at: usize) -> Option<usize> {
    let belongs = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let before = text[at.saturating_sub(LEAD_BYTES)..at].iter().rev().take_while(belongs).count();
    (before < LEAD_BYTES).then_some(at - before)
}
