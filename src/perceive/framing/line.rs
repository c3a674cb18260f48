//! Lines and fields, as heads, chunk sizes and trailers share them.
//!
//! Strict about what RFC 9112 lets recipients repair: every line ends with CR LF, holds no other control character,
//! and a name stands directly in front of its colon.

use memchr::memchr;

use super::refusal::Refusal;

/// Digits of the largest Content-Length; longer ones overflow in some reader or other.
const LENGTH_DIGITS: usize = 18;

/// `tchar` (RFC 9110, section 5.6.2), as a table.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&'
            | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

/// Whether a byte may stand in a token.
pub fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// A bound on where a line may end, and what to say past it.
#[derive(Clone, Copy)]
pub struct Bound {
    /// Most bytes from the beginning of the buffer to the end of the line, line break included.
    pub end: usize,
    /// The refusal past it.
    pub refusal: Refusal,
}

/// Reads one line that begins at `start`; `scanned` says how far a line feed has been looked for already, and is
/// moved on. The line comes without its break; nothing while it is not whole.
///
/// # Errors
/// The bound's refusal, or a bare line feed.
pub fn next_line<'a>(
    bytes: &'a [u8],
    start: usize,
    scanned: &mut usize,
    bound: Bound,
) -> Result<Option<&'a [u8]>, Refusal> {
    let from = (*scanned).max(start);
    let found = bytes.get(from..).and_then(|rest| memchr(b'\n', rest)).map(|offset| from + offset);
    // What a whole line would be refused for, its beginning is refused for: the verdict is the same however the
    // bytes arrive.
    if found.map_or(bytes.len(), |end| end + 1) > bound.end {
        return Err(bound.refusal);
    }
    let Some(end) = found else {
        *scanned = bytes.len();
        return Ok(None);
    };
    *scanned = end + 1;
    match bytes[start..end].split_last() {
        Some((b'\r', line)) => Ok(Some(line)),
        _ => Err(Refusal::BareLineFeed),
    }
}

/// One field: its name as sent, and its value without the optional whitespace around it (RFC 9112, section 5).
///
/// # Errors
/// A folded line, a control character, or no name in front of a colon.
pub fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::Folded);
    }
    let colon = line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len());
    if colon == 0 || line.get(colon) != Some(&b':') {
        return Err(if has_control(line) { Refusal::Control } else { Refusal::FieldName });
    }
    let value = &line[colon + 1..];
    if has_control(value) {
        return Err(Refusal::Control);
    }
    Ok((&line[..colon], trim(value)))
}

/// The value of a `Content-Length`: plain digits, no sign, no list, no overflow (RFC 9110, section 8.6).
///
/// # Errors
/// Anything else.
pub fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || value.len() > LENGTH_DIGITS || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLength);
    }
    Ok(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Whether a control character other than the tab is there (RFC 9110, section 5.5).
pub fn has_control(value: &[u8]) -> bool {
    // No early exit, so that the compiler makes vectors of it.
    value.iter().fold(false, |seen, &byte| seen | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f))
}

/// Without optional whitespace, which is space and tab alone.
pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
