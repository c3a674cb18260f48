//! What was undone in a text, and the windows around it in which it is read anew.
//!
//! A reading does not copy a whole text to change a few bytes of it: only what stands near a change can be found there and
//! not before. So each change gets a window, wide enough for the words that make a finding likely and for the token that it
//! stands in; windows that meet are one. All windows together are never longer than the text with its changes. Read next:
//! `../descent.rs`.

use std::ops::Range;

use super::map::{Mapped, extend};
use crate::model::types::limits::{DLP_CONTEXT_BYTES, DLP_TOKEN_BYTES};

/// Changes of a text, in its order.
#[derive(Debug, Default)]
pub struct Patches {
    list: Vec<Patch>,
    bytes: Vec<u8>,
}

/// One change, or several like each other in a row.
#[derive(Debug, Clone)]
struct Patch {
    /// What is replaced.
    range: Range<u32>,
    /// By which of `bytes`.
    text: Range<u32>,
    /// Whether each byte of that stands for as many of the others.
    is_even: bool,
}

impl Patch {
    fn put(&self, bytes: &[u8], mapped: &mut Mapped) {
        let text = &bytes[long(&self.text)];
        let range = self.range();
        if self.is_even {
            let width = if text.len() == 1 { range.len() } else { range.len() / text.len() };
            mapped.put_each(range.start, text, width);
        } else {
            mapped.put(range, text);
        }
    }

    fn range(&self) -> Range<usize> {
        long(&self.range)
    }

    /// Makes the next one part of this one, where it is alike.
    fn takes(&mut self, range: &Range<usize>, text: &[u8]) -> bool {
        let is_alike = self.is_even
            && text.len() == 1
            && self.range.end as usize == range.start
            && self.range.len() == range.len() * long(&self.text).len();
        if is_alike {
            self.range.end = range.end as u32;
            self.text.end += 1;
        }
        is_alike
    }
}

impl Patches {
    /// No changes.
    pub const fn new() -> Self {
        Self { list: Vec::new(), bytes: Vec::new() }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Bytes that stand for others.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where the last change ends.
    pub fn end(&self) -> usize {
        self.list.last().map_or(0, |patch| patch.range().end)
    }

    /// Says that a text stands for these bytes, which are behind all changes so far.
    pub fn push(&mut self, range: Range<usize>, text: &[u8]) {
        let at = self.bytes.len();
        extend(&mut self.bytes, text);
        if !self.list.last_mut().is_some_and(|last| last.takes(&range, text)) {
            let is_even = text.len() == 1;
            let text = at as u32..self.bytes.len() as u32;
            self.list.push(Patch { range: range.start as u32..range.end as u32, text, is_even });
        }
    }

    /// The whole text with all changes.
    pub fn apply(&self, source: &[u8]) -> Mapped {
        let mut mapped = Mapped::with_capacity(source.len() + self.bytes.len());
        let mut at = 0;
        for patch in &self.list {
            let range = patch.range();
            mapped.copy(source, at..range.start);
            patch.put(&self.bytes, &mut mapped);
            at = range.end;
        }
        mapped.copy(source, at..source.len());
        mapped
    }

    /// The windows around the changes.
    pub fn windows<'a>(&'a self, source: &'a [u8]) -> Windows<'a> {
        Windows { patches: self, source, next: 0, end: 0 }
    }
}

/// A range of a reading, as everybody else has them.
fn long(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Part of a text with its changes.
#[derive(Debug, Default)]
pub struct Window {
    /// The text, with its map to the whole one.
    pub mapped: Mapped,
    /// What is new in it; where something was only taken out, an empty range.
    pub fresh: Vec<Range<usize>>,
    /// Whether its beginning is not that of the whole text.
    pub is_cut_before: bool,
    /// Whether its end is not that of the whole text.
    pub is_cut_behind: bool,
}

/// The windows of a text, in its order.
#[derive(Debug)]
pub struct Windows<'a> {
    patches: &'a Patches,
    source: &'a [u8],
    next: usize,
    end: usize,
}

impl Windows<'_> {
    /// Makes the next window of this one, whose memory is used again. Whether there is one.
    pub fn next(&mut self, window: &mut Window) -> bool {
        let Some(first) = self.patches.list.get(self.next) else { return false };
        let start = before(self.source, first.range().start).max(self.end);
        window.mapped.clear();
        window.fresh.clear();
        window.is_cut_before = start > 0;
        let (mut at, mut end) = (start, start);
        while let Some(patch) = self.patches.list.get(self.next) {
            let range = patch.range();
            // What stands between two windows belongs to both: one that is near enough to need it is the same.
            if !window.fresh.is_empty() && range.start > end + DLP_CONTEXT_BYTES {
                break;
            }
            window.mapped.copy(self.source, at..range.start);
            let fresh = window.mapped.text.len();
            patch.put(&self.patches.bytes, &mut window.mapped);
            let fresh = fresh..window.mapped.text.len();
            match window.fresh.last_mut() {
                Some(last) if last.end == fresh.start => last.end = fresh.end,
                _ => window.fresh.push(fresh),
            }
            at = range.end;
            if end < at + DLP_CONTEXT_BYTES {
                end = behind(self.source, at);
            }
            self.next += 1;
        }
        window.mapped.copy(self.source, at..end);
        window.is_cut_behind = end < self.source.len();
        self.end = end;
        true
    }
}

/// Where a window begins that has to show what stands in front of this place.
fn before(text: &[u8], at: usize) -> usize {
    let near = at.saturating_sub(DLP_CONTEXT_BYTES);
    let least = near.saturating_sub(DLP_TOKEN_BYTES);
    text[least..near].iter().rposition(|byte| is_gap(*byte)).map_or(least, |gap| least + gap + 1)
}

/// Where one ends that has to show what stands behind it.
fn behind(text: &[u8], at: usize) -> usize {
    let near = (at + DLP_CONTEXT_BYTES).min(text.len());
    let most = (near + DLP_TOKEN_BYTES).min(text.len());
    text[near..most].iter().position(|byte| is_gap(*byte)).map_or(most, |gap| near + gap)
}

/// Whether a byte stands between words rather than in one.
fn is_gap(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(patches: &Patches, text: &[u8]) -> Vec<Window> {
        let mut windows = patches.windows(text);
        let next = || {
            let mut window = Window::default();
            windows.next(&mut window).then_some(window)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn changes_far_apart_are_read_apart_and_near_ones_together() {
        let text = "word ".repeat(1000).into_bytes();
        let mut patches = Patches::default();
        for at in [10, 20, 3000] {
            patches.push(at..at + 1, b"X");
        }
        let windows = all(&patches, &text);
        let sizes: Vec<(usize, bool, bool)> =
            windows.iter().map(|w| (w.fresh.len(), w.is_cut_before, w.is_cut_behind)).collect();
        assert_eq!(sizes, [(2, false, true), (1, true, true)]);
        assert!(windows.iter().all(|window| window.mapped.text.len() < 3 * DLP_CONTEXT_BYTES));
        let fresh = windows[1].fresh[0].clone();
        assert_eq!(windows[1].mapped.map.source(fresh), 3000..3001);
    }

    #[test]
    fn windows_together_are_no_longer_than_the_text() {
        let text = vec![b'x'; 100_000];
        let mut patches = Patches::default();
        for at in (0..text.len()).step_by(500) {
            patches.push(at..at + 1, b"y");
        }
        let total: usize = all(&patches, &text).iter().map(|window| window.mapped.text.len()).sum();
        assert!(total <= text.len(), "{total}");
    }
}
