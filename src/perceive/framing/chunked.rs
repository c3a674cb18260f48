//! A chunked body in place (RFC 9112, section 7.1): sizes, extensions, line breaks and trailers are checked, data
//! passes untouched.
//!
//! A size line or trailer line is withheld until it is whole and valid, so the HTTP library behind never sees the
//! beginning of a bad one.

use super::line::{self, Bound};
use super::refusal::Refusal;
use crate::model::types::limits::{CHUNK_EXTENSION_BYTES, CHUNK_LINE_BYTES, HEAD_FIELDS};
use crate::model::types::path::hex;

/// Hexadecimal digits of the largest chunk size; more would overflow in some reader or other.
const SIZE_DIGITS: usize = 15;

/// Fields that say where a message ends, whom it is for, who sends it or how it is read: never in a trailer
/// (RFC 9110, section 6.5.1).
pub const HEAD_ONLY: [&[u8]; 16] = [
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"host",
    b"max-forwards",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// A chunked body that is being read.
#[derive(Debug, Default)]
pub struct Chunked {
    step: Step,
    /// How far the line that is withheld has been searched for its end.
    scanned: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailer_fields: usize,
}

#[derive(Debug, Default, Clone, Copy)]
enum Step {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer,
}

/// What one look at the bytes gave.
pub struct Progress {
    /// Leading bytes that may pass.
    pub pass: usize,
    /// Whether the body ends behind them.
    pub end: bool,
}

impl Chunked {
    /// Reads on. `bytes` begins with the first byte that has not passed yet. On a refusal the bytes that may still
    /// pass are those in front of the faulty line.
    pub fn read(&mut self, bytes: &[u8]) -> (Progress, Option<Refusal>) {
        let mut pass = 0;
        loop {
            let rest = &bytes[pass..];
            match self.step(rest) {
                Ok(Some(taken)) => {
                    pass += taken.pass;
                    if taken.end {
                        return (Progress { pass, end: true }, None);
                    }
                }
                Ok(None) => return (Progress { pass, end: false }, None),
                Err(refusal) => return (Progress { pass, end: false }, Some(refusal)),
            }
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Option<Progress>, Refusal> {
        match self.step {
            Step::Size => self.size(bytes),
            Step::Data(left) => {
                let have = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
                if have == 0 {
                    return Ok(None);
                }
                self.step = if have == left { Step::DataEnd } else { Step::Data(left - have) };
                Ok(Some(Progress { pass: usize::try_from(have).unwrap_or(bytes.len()), end: false }))
            }
            Step::DataEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    self.step = Step::Size;
                    Ok(Some(Progress { pass: 2, end: false }))
                }
                [] | [b'\r'] => Ok(None),
                _ => Err(Refusal::ChunkEnd),
            },
            Step::Trailer => self.trailer(bytes),
        }
    }

    fn size(&mut self, bytes: &[u8]) -> Result<Option<Progress>, Refusal> {
        let bound = Bound { end: CHUNK_LINE_BYTES, refusal: Refusal::LineTooLong };
        let Some(line) = line::next_line(bytes, 0, &mut self.scanned, bound)? else { return Ok(None) };
        let digits = line.iter().position(|byte| hex(*byte).is_none()).unwrap_or(line.len());
        if digits == 0 || digits > SIZE_DIGITS || !matches!(line.get(digits), None | Some(b';')) {
            return Err(Refusal::ChunkSize);
        }
        let size =
            line[..digits].iter().filter_map(|byte| hex(*byte)).fold(0, |sum, d| sum << 4 | u64::from(d));
        let extensions = &line[digits..];
        self.extension_bytes += extensions.len();
        if self.extension_bytes > CHUNK_EXTENSION_BYTES || !are_extensions(extensions) {
            return Err(Refusal::ChunkExtension);
        }
        self.step = if size == 0 { Step::Trailer } else { Step::Data(size) };
        Ok(Some(Progress { pass: std::mem::take(&mut self.scanned), end: false }))
    }

    fn trailer(&mut self, bytes: &[u8]) -> Result<Option<Progress>, Refusal> {
        let bound = Bound { end: CHUNK_LINE_BYTES - self.trailer_bytes, refusal: Refusal::TrailerTooLarge };
        let Some(line) = line::next_line(bytes, 0, &mut self.scanned, bound)? else { return Ok(None) };
        let pass = std::mem::take(&mut self.scanned);
        if line.is_empty() {
            return Ok(Some(Progress { pass, end: true }));
        }
        let (name, _) = line::field(line)?;
        if HEAD_ONLY.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return Err(Refusal::TrailerField);
        }
        self.trailer_bytes += pass;
        self.trailer_fields += 1;
        if self.trailer_fields > HEAD_FIELDS {
            return Err(Refusal::TooManyFields);
        }
        Ok(Some(Progress { pass, end: false }))
    }
}

/// `*( ";" name [ "=" ( token / quoted-string ) ] )` (RFC 9112, section 7.1.1), without the whitespace that the
/// grammar calls bad.
fn are_extensions(mut rest: &[u8]) -> bool {
    while let [b';', tail @ ..] = rest {
        let Some(after) = after_token(tail) else { return false };
        rest = match after {
            [b'=', b'"', quoted @ ..] => match after_quoted(quoted) {
                Some(after) => after,
                None => return false,
            },
            [b'=', value @ ..] => match after_token(value) {
                Some(after) => after,
                None => return false,
            },
            _ => after,
        };
    }
    rest.is_empty()
}

fn after_token(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.iter().position(|byte| !line::is_token(*byte)).unwrap_or(bytes.len());
    if length == 0 { None } else { Some(&bytes[length..]) }
}

/// What stands behind the closing quote (RFC 9110, section 5.6.4).
fn after_quoted(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        bytes = match bytes {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'\t' | b' '..=b'~', rest @ ..] => rest,
            [b'\t' | b' '..=b'[' | b']'..=b'~', rest @ ..] => rest,
            _ => return None,
        };
    }
}
