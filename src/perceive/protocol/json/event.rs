//! What a scanner tells whoever wants to know, and why a text is not JSON.
//!
//! Values alone: they borrow from the bytes at hand and keep nothing. Read next: `scan.rs`.

use super::words::Word;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An object begins.
    Object,
    /// An array begins.
    Array,
    /// An object or an array ends.
    End,
    /// The next piece of a string.
    Text(&'a str),
    /// The string is over.
    TextEnd,
    /// A number, as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Flag(bool),
    /// `null`.
    Null,
    /// The object has named this word before, or names it in other letters (`Model`), which is then no word: two
    /// readers may each believe another one.
    Again,
}

/// Whoever wants to know.
pub trait Visitor {
    /// Told what stands at a path, in the order of the document.
    fn visit(&mut self, path: &[Word], event: Event<'_>);

    /// Told before an object or an array begins or ends: how many bytes stand before its bracket.
    #[inline]
    fn bracket_at(&mut self, _at: u64) {}

    /// Whether the text or the number at this path is of interest; what is not is checked and not told.
    fn wants(&self, _path: &[Word]) -> bool {
        true
    }
}

/// Why a text is not JSON, or not JSON that everybody reads the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// How many bytes stand before the place; before the string, or the piece of one, that a fault is in.
    pub at: u64,
    /// What is wrong there.
    pub what: &'static str,
}
