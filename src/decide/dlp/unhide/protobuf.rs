//! Strings out of messages of protocol buffers, without their schema, and messages out of gRPC's frames.
//!
//! A field with a length is a string, a message or bytes, and only the schema says which. So it is taken for each that it can
//! be: text where it is UTF-8, and what is in it where it reads as a message to its end. What is no message has its stretches
//! of text read (protobuf.dev, "Encoding"; gRPC, "PROTOCOL-HTTP2"). Read next: `../descent.rs`.

use std::ops::Range;

use super::content::is_text;
use crate::model::types::limits::{DLP_FIELDS, DLP_MESSAGE_DEPTH};

/// One message of a stream of gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is packed.
    pub is_packed: bool,
    /// Where its message stands.
    pub message: Range<usize>,
}

/// Whole frames from the beginning on, and what is left behind them.
pub fn frames(bytes: &[u8]) -> (Vec<Frame>, Range<usize>) {
    let mut list = Vec::new();
    let mut at = 0;
    while let Some([flag @ 0..=1, a, b, c, d]) = bytes[at..].first_chunk::<5>().copied() {
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(end) = (at + 5).checked_add(len).filter(|end| *end <= bytes.len()) else { break };
        list.push(Frame { is_packed: flag == 1, message: at + 5..end });
        at = end;
    }
    (list, at..bytes.len())
}

/// Where the strings of a message stand; nothing where it is none.
pub fn strings(message: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut fields = DLP_FIELDS;
    walk(message, 0, DLP_MESSAGE_DEPTH, &mut fields, &mut found).then_some(found)
}

/// Adds the strings of a message that begins there. Whether it is one.
fn walk(
    message: &[u8],
    base: usize,
    depth: usize,
    fields: &mut usize,
    found: &mut Vec<Range<usize>>,
) -> bool {
    let known = found.len();
    let mut at = 0;
    while at < message.len() {
        let Some((range, end)) = field(message, at).filter(|_| *fields > 0) else {
            found.truncate(known);
            return false;
        };
        *fields -= 1;
        at = end;
        let Some(range) = range else { continue };
        let inner = &message[range.clone()];
        let is_nested =
            depth > 0 && inner.len() > 2 && walk(inner, base + range.start, depth - 1, fields, found);
        // Bytes that are neither are read all the same, for what text is in them.
        if !is_nested || is_text(inner) {
            found.push(base + range.start..base + range.end);
        }
    }
    true
}

/// The bytes of a field with a length, or nothing for one without; and where the field ends.
fn field(message: &[u8], at: usize) -> Option<(Option<Range<usize>>, usize)> {
    let (tag, at) = varint(message, at)?;
    if tag >> 3 == 0 || tag > u64::from(u32::MAX) {
        return None;
    }
    let end = match tag & 7 {
        0 => varint(message, at)?.1,
        1 => at + 8,
        2 => {
            let (len, at) = varint(message, at)?;
            let end = at.checked_add(usize::try_from(len).ok()?)?;
            return (end <= message.len()).then_some((Some(at..end), end));
        }
        // Groups are fields between two marks.
        3 | 4 => at,
        5 => at + 4,
        _ => return None,
    };
    (end <= message.len()).then_some((None, end))
}

/// A number of seven bits a byte, and where it ends.
fn varint(message: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (nth, byte) in message.get(at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * nth as u32);
        if byte & 0x80 == 0 {
            return Some((value, at + nth + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_in_messages_within_messages() {
        // 1: "hello", 2: {1: "swordfish", 3: 7}, 4: eight bytes.
        let message = b"\x0a\x05hello\x12\x0d\x0a\x09swordfish\x18\x07\x21\0\0\0\0\0\0\0\0";
        let texts: Vec<&[u8]> = strings(message).unwrap().into_iter().map(|range| &message[range]).collect();
        assert_eq!(texts, [&b"hello"[..], b"swordfish"]);
        assert_eq!(strings(b"\x0a\x7fhello"), None, "a length past the end");
        assert_eq!(strings(b"plain text is no message"), None);
    }

    #[test]
    fn frames_are_cut_at_their_lengths() {
        let bytes = b"\0\0\0\0\x02ab\x01\0\0\0\x01c\0\0\0\0\x09d";
        let (list, rest) = frames(bytes);
        let whole: Vec<(bool, &[u8])> =
            list.iter().map(|frame| (frame.is_packed, &bytes[frame.message.clone()])).collect();
        assert_eq!(whole, [(false, &b"ab"[..]), (true, b"c")]);
        assert_eq!(rest, 13..19);
    }
}
