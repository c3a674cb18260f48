//! Content in base64 that passes in pieces: decoded as it comes, and what is found in it named by the letters that were sent.
//!
//! Reads as loosely as mail does: what is no letter of base64 is passed over. Keeps the letters of what is in view, and no more.
//! Read next: `parted.rs`.

use std::collections::VecDeque;
use std::ops::Range;

use super::form::Form;
use super::inspect::{Findings, Inspector};
use super::unhide::SIX;
use super::window::Window;
use crate::model::types::limits::DLP_VIEW_BYTES;

/// Content in base64 (RFC 2045, section 6.8: what is no letter of it is passed over), and what it stands for.
#[derive(Debug)]
pub(super) struct Coded {
    /// What reads that; nothing before its first byte has come.
    reader: Option<Window>,
    inspector: Inspector,
    kind: Option<Box<str>>,
    bits: u32,
    held: u32,
    /// Where the letter stands in the content whose bits are held.
    from: usize,
    /// The letters of each byte, those that have gone among them as far as they are in view.
    letters: VecDeque<Range<usize>>,
    first: usize,
    gone: usize,
}

impl Coded {
    pub(super) fn new(inspector: &Inspector, kind: Option<&str>) -> Self {
        Self {
            reader: None,
            inspector: inspector.clone(),
            kind: kind.map(Into::into),
            bits: 0,
            held: 0,
            from: 0,
            letters: VecDeque::new(),
            first: 0,
            gone: 0,
        }
    }

    /// The next letters, which begin there in the content.
    pub(super) fn feed(&mut self, text: &[u8], at: usize) -> Findings {
        let mut plain = Vec::with_capacity(text.len() / 4 * 3 + 3);
        for (nth, byte) in text.iter().enumerate() {
            self.letter(*byte, at + nth, &mut plain);
        }
        if plain.is_empty() {
            return Findings::default();
        }
        let (inspector, kind) = (&self.inspector, self.kind.as_deref());
        let begin = || Window::new(inspector.clone(), Form::of_content_type(kind, &plain));
        let reader = self.reader.get_or_insert_with(begin);
        let step = reader.feed(&plain);
        self.gone += step.may_go;
        let found = self.sent(Findings { matches: step.matches, unreadable: step.unreadable });
        let behind = self.gone.saturating_sub(self.first + 4 * DLP_VIEW_BYTES);
        self.letters.drain(..behind);
        self.first += behind;
        found
    }

    pub(super) fn finish(mut self) -> Findings {
        let found = self.reader.take().map(Window::finish).unwrap_or_default();
        self.sent(found)
    }

    fn letter(&mut self, byte: u8, at: usize, plain: &mut Vec<u8>) {
        let value = SIX[usize::from(byte)];
        if value >= 64 {
            if byte == b'=' {
                (self.bits, self.held) = (0, 0);
            }
            return;
        }
        if self.held == 0 {
            self.from = at;
        }
        (self.bits, self.held) = (self.bits << 6 | u32::from(value), self.held + 6);
        if self.held >= 8 {
            self.held -= 8;
            plain.push((self.bits >> self.held) as u8);
            self.bits &= (1 << self.held) - 1;
            self.letters.push_back(self.from..at + 1);
            self.from = at;
        }
    }

    /// Where the first letter stands of what may not go yet.
    pub(super) fn open(&self) -> Option<usize> {
        let byte = self.letters.get(self.gone - self.first).map(|letters| letters.start);
        byte.or((self.held > 0).then_some(self.from))
    }

    /// The same findings in the letters that were sent.
    fn sent(&self, mut found: Findings) -> Findings {
        let letters = |at: usize| {
            let nth = at.saturating_sub(self.first).min(self.letters.len().saturating_sub(1));
            self.letters.get(nth).cloned().unwrap_or_default()
        };
        for one in &mut found.matches {
            let last = one.range.end.max(one.range.start + 1) - 1;
            one.range = letters(one.range.start).start..letters(last).end;
        }
        found
    }
}
