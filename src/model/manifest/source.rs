//! One file as text: checked once for its encoding, with an index of its lines.
//!
//! It never reads from disk: whoever calls has the bytes. What is no printable UTF-8 is refused here, so that later
//! stages may quote any part of a file on a terminal. Read next: `tree.rs`.

use std::fmt;
use std::sync::Arc;

use crate::model::types::limits;

/// A file as the caller found it.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path as messages show it.
    pub path: Arc<str>,
    /// Its content.
    pub bytes: Arc<[u8]>,
}

impl SourceFile {
    /// A file with this path and content.
    pub fn new(path: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { path: path.into(), bytes: bytes.into() }
    }
}

/// A stretch of a text, in bytes from its start; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last one.
    pub end: usize,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path of the file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a file is not text that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotText {
    /// The first byte that is wrong.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: &'static str,
}

/// A file that is known to be printable text.
#[derive(Debug)]
pub struct Source<'f> {
    path: Arc<str>,
    text: &'f str,
    line_starts: Vec<usize>,
    /// Characters before each [`STRIDE`]th byte, so that a place in a long line is found without reading it.
    characters: Vec<usize>,
}

/// Bytes between two counts of characters.
const STRIDE: usize = 1024;

impl<'f> Source<'f> {
    /// Takes UTF-8 with or without a byte order mark, of at most [`limits::POLICY_FILE_BYTES`].
    ///
    /// # Errors
    /// Names the first byte or character that no policy file may have.
    pub fn read(file: &'f SourceFile) -> Result<Self, Box<NotText>> {
        let at_start = |message: String, hint: &'static str| {
            let place = Place { file: file.path.clone(), line: 1, column: 1 };
            Box::new(NotText { place, message, hint })
        };
        if file.bytes.len() as u64 > limits::POLICY_FILE_BYTES {
            let message = format!("the file has more than {} bytes", limits::POLICY_FILE_BYTES);
            return Err(at_start(message, "split it into several files"));
        }
        if is_wide(&file.bytes) {
            return Err(at_start("the file is UTF-16 or UTF-32 text".into(), "save it as UTF-8"));
        }
        let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.bytes);
        let (text, fault) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
                (valid, Some(format!("byte 0x{byte:02x} is not valid UTF-8")))
            }
        };
        let (line_starts, characters) = (line_starts(text), characters(text));
        let source = Self { path: file.path.clone(), text, line_starts, characters };
        if let Some((offset, character)) = text.char_indices().find(|(_, c)| is_unprintable(*c)) {
            let message = format!("control character U+{:04X} in the text", u32::from(character));
            let hint = match character {
                '\0' => "a file with zero bytes is no text; was it saved by another program?",
                '\u{2028}' | '\u{2029}' => {
                    "break the line with the return key: only some programs show this as a line's end"
                }
                _ => "remove it; in a quoted string it can be written as an escape such as `\\t`",
            };
            return Err(Box::new(NotText { place: source.place(offset), message, hint }));
        }
        match fault {
            Some(message) => {
                let place = source.place(text.len());
                Err(Box::new(NotText { place, message, hint: "save the file as UTF-8" }))
            }
            None => Ok(source),
        }
    }

    /// The path as messages show it.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// The whole text, without a byte order mark.
    pub fn text(&self) -> &'f str {
        self.text
    }

    /// Line and column, both from 1, the column in characters.
    pub fn place(&self, offset: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let column = 1 + self.characters_before(offset) - self.characters_before(self.line_starts[line - 1]);
        Place { file: self.path.clone(), line, column }
    }

    /// Characters that begin before a byte and are not the one it belongs to.
    fn characters_before(&self, offset: usize) -> usize {
        let offset = self.text.floor_char_boundary(offset);
        let stride = offset / STRIDE;
        let counted = self.characters.get(stride).copied().unwrap_or_default();
        counted + self.text.as_bytes()[stride * STRIDE..offset].iter().filter(|byte| begins(**byte)).count()
    }

    /// The line a byte stands in, without its break, and where it starts.
    pub fn line_at(&self, offset: usize) -> (usize, &'f str) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts[line - 1];
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        (start, self.text[start..end].trim_end_matches(['\n', '\r']))
    }

    /// The text of a span; empty if it does not lie on character boundaries.
    pub fn slice(&self, span: Span) -> &'f str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

/// Where each line begins; `\n`, `\r\n` and a lone `\r` end a line (YAML 1.2.2, section 5.4).
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let breaks = bytes.iter().enumerate().filter(|(index, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    });
    std::iter::once(0).chain(breaks.map(|(index, _)| index + 1)).collect()
}

/// Whether a character begins with this byte of valid UTF-8 (RFC 3629, section 3).
fn begins(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

/// Characters that begin before each [`STRIDE`]th byte.
fn characters(text: &str) -> Vec<usize> {
    let chunks = text.as_bytes().chunks(STRIDE);
    let counts = chunks.map(|chunk| chunk.iter().filter(|byte| begins(**byte)).count());
    let sums = counts.scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    std::iter::once(0).chain(sums).collect()
}

/// UTF-16 and UTF-32 (YAML 1.2.2, section 5.2): a byte order mark, or a zero byte beside the first character, which is
/// ASCII in any document.
fn is_wide(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

/// What YAML calls non-printable (YAML 1.2.2, section 5.1), and the marks that make text look other than it is
/// (Unicode bidirectional controls, line and paragraph separators, a byte order mark inside).
fn is_unprintable(character: char) -> bool {
    let hides = matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    hides || (character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        let file = SourceFile::new("a.yaml", bytes);
        let fault = Source::read(&file).expect_err("refused");
        format!("{}:{} {} ({})", fault.place.line, fault.place.column, fault.message, fault.hint)
    }

    #[test]
    fn what_is_not_printable_utf8_is_refused_where_it_stands() {
        for wide in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0p\0", b"\0a\0p", b"\0\0\xfe\xff", b"a\0\0\0"] {
            assert_eq!(fault(wide), "1:1 the file is UTF-16 or UTF-32 text (save it as UTF-8)");
        }
        assert!(
            fault(b"a: b\0").starts_with("1:5 control character U+0000 in the text (a file with zero bytes")
        );
        assert!(
            fault("# a\u{2028}b: c".as_bytes())
                .starts_with("1:4 control character U+2028 in the text (break the line")
        );
        assert_eq!(fault(b"a: b\nc: \xff"), "2:4 byte 0xff is not valid UTF-8 (save the file as UTF-8)");
        assert!(fault(b"a: \x07").starts_with("1:4 control character U+0007 in the text"));
        assert!(fault("a: b \u{202e}c".as_bytes()).starts_with("1:6 control character U+202E"));
        assert!(
            fault(&vec![b'a'; 10 * 1024 * 1024])
                .starts_with("1:1 the file has more than 4194304 bytes (split it")
        );
    }

    #[test]
    fn columns_of_a_long_line_are_counted_in_characters() {
        let text = format!("x\n{}", "äb\u{1f600}".repeat(1500));
        let file = SourceFile::new("a.yaml", text.as_bytes());
        let source = Source::read(&file).unwrap();
        for (count, (offset, _)) in text[2..].char_indices().enumerate() {
            let place = source.place(2 + offset);
            assert_eq!((place.line, place.column), (2, 1 + count), "{offset}");
        }
        assert_eq!(source.place(text.len()).column, 4501);
    }

    #[test]
    fn a_byte_order_mark_in_front_and_every_kind_of_line_break_are_understood() {
        let file = SourceFile::new("a.yaml", "\u{feff}é: b\r\nc: d\re: f\n".as_bytes());
        let source = Source::read(&file).unwrap();
        let place = |needle: &str| {
            let place = source.place(source.text().find(needle).unwrap());
            (place.line, place.column)
        };
        assert_eq!((place("b"), place("d"), place("f")), ((1, 4), (2, 4), (3, 4)));
        assert_eq!(source.line_at(source.text().find('d').unwrap()).1, "c: d");
    }
}
