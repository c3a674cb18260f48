//! One head of an answer, line by line: everything about it that decides where the answer ends.
//!
//! Reads each byte once however slowly they come; holds offsets and no bytes. A head is valid as a whole or refused.

use crate::model::types::limits::{FIELD_LINE_BYTES, HEAD_BYTES, HEAD_FIELDS};
use crate::perceive::framing::line::{self, Bound};
use crate::perceive::framing::refusal::Refusal;

/// A valid head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Valid {
    /// Bytes of the head.
    pub(super) length: usize,
    pub(super) status: u16,
    pub(super) chunked: bool,
    pub(super) content_length: Option<u64>,
}

/// A head that is being read. All offsets count from its first byte.
#[derive(Debug, Default)]
pub(super) struct Head {
    line_start: usize,
    scanned: usize,
    fields: usize,
    /// The status, and whether it came in HTTP/1.0.
    status: Option<(u16, bool)>,
    chunked: bool,
    length: Option<u64>,
}

impl Head {
    /// Reads on. `bytes` begins with the head's first byte each time. Nothing while the head is not whole.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Valid>, Refusal> {
        loop {
            let (start, bound) = (self.line_start, self.bound());
            // Another protocol is refused at its first bytes: it may never send a line feed.
            if self.status.is_none() && !VERSION.starts_with(&bytes[..bytes.len().min(VERSION.len())]) {
                return Err(Refusal::StatusLine);
            }
            let Some(line) = line::next_line(bytes, start, &mut self.scanned, bound)? else {
                return Ok(None);
            };
            self.line_start = self.scanned;
            match self.status {
                None => self.status = Some(status_line(line)?),
                Some((status, old)) if line.is_empty() => return self.finish(status, old).map(Some),
                Some(_) => self.field(line)?,
            }
        }
    }

    /// Where the line that begins at `line_start` must end.
    fn bound(&self) -> Bound {
        let end = self.line_start + FIELD_LINE_BYTES;
        if end <= HEAD_BYTES {
            Bound { end, refusal: Refusal::LineTooLong }
        } else {
            Bound { end: HEAD_BYTES, refusal: Refusal::HeadTooLarge }
        }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let (name, value) = line::field(line)?;
        self.fields += 1;
        if self.fields > HEAD_FIELDS {
            return Err(Refusal::TooManyFields);
        }
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = line::content_length(value)?;
                if self.length.replace(length).is_some() {
                    return Err(Refusal::ContentLengthRepeated);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let known = value.eq_ignore_ascii_case(b"chunked");
                if !known || std::mem::replace(&mut self.chunked, true) {
                    return Err(Refusal::TransferEncoding);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What only the whole head can tell.
    fn finish(&self, status: u16, old: bool) -> Result<Valid, Refusal> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::BothLengths),
            (true, None) if old => Err(Refusal::TransferEncodingOld),
            (chunked, content_length) => Ok(Valid { length: self.scanned, status, chunked, content_length }),
        }
    }
}

/// How every status line begins.
const VERSION: &[u8] = b"HTTP/1.";

/// `HTTP/1.x SP 3DIGIT [ SP reason ]` (RFC 9112, section 4). Servers leave out the last space too, and no reader takes
/// that for anything else.
fn status_line(line: &[u8]) -> Result<(u16, bool), Refusal> {
    if line::has_control(line) {
        return Err(Refusal::Control);
    }
    let Some([minor @ (b'0' | b'1'), b' ', rest @ ..]) = line.strip_prefix(VERSION) else {
        return Err(Refusal::StatusLine);
    };
    let ([a, b, c] | [a, b, c, b' ', ..]) = rest else { return Err(Refusal::StatusLine) };
    if !(a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit()) || *a == b'0' {
        return Err(Refusal::Status);
    }
    let status = [a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
    Ok((status, *minor == b'0'))
}
