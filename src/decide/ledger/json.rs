//! The few words of JSON that records need, written straight into a buffer.
//!
//! Strings are escaped as RFC 8785 (section 3.2.2.2) says, at most a given number of bytes, never half a character and
//! never half an escape. Never allocates beyond the buffer's growth, never reads JSON.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::types::{RequestId, Timestamp};

/// One JSON object under construction at the end of a buffer.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    cut: bool,
    /// Whether nothing stands in it yet.
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins with the version of the layout.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"v\":1");
        Self { out, cut: false, empty: false }
    }

    /// Ends the object, marked if a string in it was cut.
    pub fn finish(self) {
        if self.cut {
            self.out.extend_from_slice(b",\"truncated\":true");
        }
        self.out.push(b'}');
    }

    /// A moment, RFC 3339 with microseconds.
    pub fn time(&mut self, name: &'static str, at: Timestamp) {
        self.key(name);
        self.out.push(b'"');
        at.write_rfc3339(self.out);
        self.out.push(b'"');
    }

    fn key(&mut self, name: &'static str) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A string from outside; an empty one has no value.
    pub fn text(&mut self, name: &'static str, value: &str, bound: usize) {
        if value.is_empty() {
            return;
        }
        self.key(name);
        self.out.push(b'"');
        self.cut |= escape(self.out, value, bound);
        self.out.push(b'"');
    }

    /// A word of our own, which needs no escaping.
    pub fn word(&mut self, name: &'static str, value: &'static str) {
        self.key(name);
        self.out.push(b'"');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }

    /// Strings from outside, with quotes and commas at most so many bytes; what there is no room for is left out. An empty
    /// list has no value.
    pub fn texts(&mut self, name: &'static str, values: &[Box<str>], bound: usize) {
        if values.is_empty() {
            return;
        }
        self.key(name);
        self.out.push(b'[');
        let end = self.out.len() + bound;
        for (place, value) in values.iter().enumerate() {
            // Two quotes, and the comma or the bracket.
            let Some(room) = end.checked_sub(self.out.len() + 4).filter(|room| *room > 0) else {
                self.cut = true;
                break;
            };
            if place > 0 {
                self.out.push(b',');
            }
            self.out.push(b'"');
            self.cut |= escape(self.out, value, room);
            self.out.push(b'"');
        }
        self.out.push(b']');
    }

    /// Objects, with brackets and commas at most so many bytes. Answers with how many there was room for; an empty list has no
    /// value.
    pub fn objects<T>(
        &mut self,
        name: &'static str,
        values: &[T],
        bound: usize,
        write: impl Fn(&mut Object<'_>, &T),
    ) -> usize {
        if values.is_empty() {
            return 0;
        }
        self.key(name);
        self.out.push(b'[');
        let end = self.out.len() + bound;
        let mut told = 0;
        for value in values {
            let before = self.out.len();
            if told > 0 {
                self.out.push(b',');
            }
            self.out.push(b'{');
            let mut inner = Object { out: self.out, cut: false, empty: true };
            write(&mut inner, value);
            let cut = inner.cut;
            self.out.push(b'}');
            if self.out.len() >= end {
                self.out.truncate(before);
                break;
            }
            self.cut |= cut;
            told += 1;
        }
        self.out.push(b']');
        told
    }

    /// Something that is so. What is not so has no value.
    pub fn yes(&mut self, name: &'static str) {
        self.key(name);
        self.out.extend_from_slice(b"true");
    }

    /// An id, hyphenated and in lower case.
    pub fn id(&mut self, name: &'static str, id: RequestId) {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        self.key(name);
        self.out.push(b'"');
        self.out.extend_from_slice(id.0.hyphenated().encode_lower(&mut text).as_bytes());
        self.out.push(b'"');
    }

    /// An IP address in its usual form (RFC 5952).
    pub fn address(&mut self, name: &'static str, address: IpAddr) {
        self.key(name);
        self.out.push(b'"');
        match address {
            IpAddr::V4(v4) => {
                for (place, octet) in v4.octets().into_iter().enumerate() {
                    if place > 0 {
                        self.out.push(b'.');
                    }
                    decimal(self.out, u64::from(octet));
                }
            }
            // Writing into a Vec cannot fail.
            IpAddr::V6(v6) => drop(write!(self.out, "{v6}")),
        }
        self.out.push(b'"');
    }

    /// A whole number.
    pub fn number(&mut self, name: &'static str, value: u64) {
        self.key(name);
        decimal(self.out, value);
    }

    /// A number of thousand-millionths as a decimal number, without zeros at its end.
    pub fn nanos(&mut self, name: &'static str, value: u64) {
        const WHOLE: u64 = 1_000_000_000;
        self.number(name, value / WHOLE);
        let mut fraction = value % WHOLE;
        if fraction > 0 {
            self.out.push(b'.');
        }
        let mut place = WHOLE / 10;
        while fraction > 0 {
            self.out.push(digit(fraction / place));
            fraction %= place;
            place /= 10;
        }
    }

    /// A share of one in hundredths, as a decimal number.
    pub fn hundredths(&mut self, name: &'static str, share: f32) {
        let hundredths = (share.clamp(0.0, 1.0) * 100.0).round() as u64;
        self.nanos(name, hundredths * 10_000_000);
    }

    /// Milliseconds with exactly three decimals.
    pub fn millis(&mut self, name: &'static str, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.number(name, micros / 1000);
        let fraction = micros % 1000;
        self.out.push(b'.');
        for divisor in [100, 10, 1] {
            self.out.push(digit(fraction / divisor));
        }
    }
}

fn digit(value: u64) -> u8 {
    b"0123456789"[usize::try_from(value % 10).unwrap_or(0)]
}

fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [0; 20];
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = digit(value);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[start..]);
}

/// Appends `text` escaped, at most `bound` bytes of it, never half a character or half an escape. True if it was cut.
fn escape(out: &mut Vec<u8>, text: &str, bound: usize) -> bool {
    let end = out.len() + bound;
    let mut rest = text;
    loop {
        let plain = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        let run = &rest[..plain.unwrap_or(rest.len())];
        let room = end - out.len();
        if run.len() > room {
            out.extend_from_slice(&run.as_bytes()[..run.floor_char_boundary(room)]);
            return true;
        }
        out.extend_from_slice(run.as_bytes());
        let Some(place) = plain else { return false };
        let (escaped, length) = escape_of(rest.as_bytes()[place]);
        if out.len() + length > end {
            return true;
        }
        out.extend_from_slice(&escaped[..length]);
        rest = &rest[place + 1..];
    }
}

/// The escape of one ASCII byte, and its length.
fn escape_of(byte: u8) -> ([u8; 6], usize) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 0xf)];
            return ([b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)], 6);
        }
    };
    ([b'\\', short, 0, 0, 0, 0], 2)
}
