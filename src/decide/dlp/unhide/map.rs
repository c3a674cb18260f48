//! From a text that was made of another back to the bytes it was made of.
//!
//! Each reading of a message (strings unescaped, base64 decoded, letters folded) is a text with a `Map`: pieces that were
//! copied, and pieces that stand for something else. A `Chain` of maps leads from the innermost reading to the message as it
//! came, so a finding on any of them names bytes that were really sent. Nothing here knows what the texts mean. Read next:
//! `patches.rs`.

use std::ops::Range;

use smallvec::SmallVec;

/// One piece of a text, up to where the next begins. There may be one for every byte, so it is small: no reading is longer
/// than `u32` counts, because messages are bounded.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Where it begins in the text.
    at: u32,
    /// Where it comes from.
    from: u32,
    made: Made,
}

/// How a piece was made: of how many bytes, with [`WHOLE`] where it stands for them as a whole and not each of its bytes for
/// as many (one where it was copied).
type Made = u32;

/// The bit that says so.
const WHOLE: Made = 1 << 31;

impl Piece {
    /// Where the bytes begin that this place in it stands for, and where they end.
    fn source(self, at: usize) -> Range<usize> {
        let width = (self.made & !WHOLE) as usize;
        let inner = if self.made & WHOLE == 0 { (at - self.at as usize) * width } else { 0 };
        let start = self.from as usize + inner;
        start..start + width
    }
}

/// A number of bytes of a reading.
fn short(bytes: usize) -> u32 {
    bytes as u32
}

/// Where each piece of a text comes from.
#[derive(Debug, Default)]
pub struct Map {
    pieces: Vec<Piece>,
}

impl Map {
    /// Where bytes of the text come from: all of what their pieces stand for.
    pub fn source(&self, range: Range<usize>) -> Range<usize> {
        let start = self.piece(range.start).map_or(range.start, |piece| piece.source(range.start).start);
        let last = range.end.max(range.start + 1) - 1;
        let end = self.piece(last).map_or(range.end, |piece| match piece.source(last) {
            source if range.is_empty() && piece.made & WHOLE == 0 => source.start,
            source => source.end,
        });
        start..end.max(start)
    }

    /// The piece that holds a place in the text.
    fn piece(&self, at: usize) -> Option<&Piece> {
        let next = self.pieces.partition_point(|piece| piece.at as usize <= at);
        self.pieces.get(next.checked_sub(1)?)
    }
}

/// A text that is made of pieces of another.
#[derive(Debug, Default)]
pub struct Mapped {
    /// The text.
    pub text: Vec<u8>,
    /// Where it comes from.
    pub map: Map,
}

impl Mapped {
    /// An empty one, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), map: Map::default() }
    }

    /// Adds these bytes of the source as they are.
    pub fn copy(&mut self, source: &[u8], range: Range<usize>) {
        self.add(range.start, &source[range], 1);
    }

    /// Adds a text that stands for these bytes of the source as a whole.
    pub fn put(&mut self, range: Range<usize>, text: &[u8]) {
        self.add(range.start, text, WHOLE | short(range.len()));
    }

    /// Adds a text of which each byte stands for so many of the source, from there on.
    pub fn put_each(&mut self, from: usize, text: &[u8], width: usize) {
        self.add(from, text, short(width));
    }

    fn add(&mut self, from: usize, text: &[u8], made: Made) {
        if !text.is_empty() {
            self.map.pieces.push(Piece { at: short(self.text.len()), from: short(from), made });
            extend(&mut self.text, text);
        }
    }

    /// Forgets all of it, and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.map.pieces.clear();
    }
}

/// Adds bytes, which are few most of the time.
pub fn extend(text: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() > 4 {
        text.extend_from_slice(bytes);
    } else {
        bytes.iter().for_each(|byte| text.push(*byte));
    }
}

/// Where something stands in each of several readings, which have numbers.
pub type Way = SmallVec<[(usize, Range<usize>); 4]>;

/// The readings between a text and the message as it came, innermost first.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    map: Option<&'a Map>,
    /// The number of the reading, by which it is told from others of the same bytes.
    number: usize,
    offset: usize,
    outer: Option<&'a Chain<'a>>,
}

impl<'a> Chain<'a> {
    /// Of a text that stands in the message, from there on.
    pub fn at(offset: usize) -> Self {
        Self { map: None, number: 0, offset, outer: None }
    }

    /// Of a text that was made of this one, as the reading of this number.
    pub fn through(&'a self, map: &'a Map, number: usize) -> Self {
        Self { map: Some(map), number, offset: 0, outer: Some(self) }
    }

    /// Of a part of this text, from there on.
    pub fn from(&'a self, offset: usize) -> Self {
        Self { map: None, number: 0, offset, outer: Some(self) }
    }

    /// Where bytes of the text stand in each reading on the way, the message itself first.
    pub fn way(&self, range: Range<usize>) -> Way {
        let (mut way, mut range, mut chain) = (Way::new(), range, self);
        loop {
            if let Some(map) = chain.map {
                way.push((chain.number, range.clone()));
                range = map.source(range);
            }
            range = range.start + chain.offset..range.end + chain.offset;
            match chain.outer {
                Some(outer) => chain = outer,
                None => break,
            }
        }
        way.push((0, range));
        way.reverse();
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_traced_through_two_readings_to_what_was_sent() {
        // `ab%43d` is read as `abCd`, and `C` there stands for `xyz`.
        let mut first = Mapped::default();
        first.copy(b"ab%43d", 0..2);
        first.put(2..5, b"C");
        first.copy(b"ab%43d", 5..6);
        let mut second = Mapped::default();
        second.copy(&first.text, 0..2);
        second.put(2..3, b"xyz");
        second.copy(&first.text, 3..4);
        assert_eq!(second.text, b"abxyzd");
        let outer = Chain::at(10);
        let middle = outer.through(&first.map, 1);
        let inner = middle.through(&second.map, 2);
        assert_eq!(inner.way(3..4)[0].1, 12..15, "any byte of what stands for three stands for them all");
        assert_eq!(inner.way(1..6)[0].1, 11..16);
        assert_eq!(inner.way(3..4)[..], [(0, 12..15), (1, 2..3), (2, 3..4)]);
        assert_eq!(inner.way(5..6)[0].1, 15..16);
    }
}
