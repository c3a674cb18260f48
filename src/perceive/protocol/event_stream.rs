//! AWS event streams as they pass (`application/vnd.amazon.eventstream`), in pieces of any size and in bounded memory.
//!
//! A message is a prelude (length of the message, length of its headers, CRC-32 of both), headers, a payload, and a CRC-32
//! of it all (smithy, "Amazon Event Stream Specification"). Payloads are handed on as they come; that one was damaged is
//! known at its end. Read next: `ai/answer.rs`, whose Bedrock streams these are.

use crate::model::types::limits::{EVENT_STREAM_HEADER_BYTES, EVENT_STREAM_MESSAGE_BYTES};

/// Bytes of the prelude with its checksum, of a checksum, and of a message without headers and payload.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
const LEAST: u32 = 16;
/// The type of a header whose value is a text.
const TEXT: u8 = 7;

/// Whoever wants to know.
pub trait Messages {
    /// A message begins.
    fn begin(&mut self, kind: &Kind);
    /// The next piece of its payload.
    fn payload(&mut self, piece: &[u8]);
    /// It is over, and whole.
    fn over(&mut self);
}

/// What a message says of itself in its headers. Empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kind {
    /// `:message-type`: `event`, `exception` or `error`.
    pub message: String,
    /// `:event-type`, or `:exception-type` of an exception.
    pub event: String,
}

/// Why bytes are no event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A length is impossible, or beyond the bounds.
    #[error("a length that no message has")]
    Length,
    /// A checksum is not the one of what it stands behind.
    #[error("a checksum that does not fit")]
    Checksum,
    /// The headers do not parse.
    #[error("headers that do not parse")]
    Headers,
    /// The stream has ended within a message.
    #[error("the end of the stream within a message")]
    Cut,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Prelude,
    Headers { length: usize, payload: usize },
    Payload { left: usize },
    Checksum,
}

/// Reads one stream.
#[derive(Debug, Clone)]
pub struct Stream {
    state: State,
    /// The prelude, the headers or the checksum so far.
    held: Vec<u8>,
    checksum: crc32fast::Hasher,
}

impl Default for Stream {
    fn default() -> Self {
        Self { state: State::Prelude, held: Vec::new(), checksum: crc32fast::Hasher::new() }
    }
}

impl Stream {
    /// Reads on. After an error nothing more may be fed.
    pub fn feed(&mut self, bytes: &[u8], messages: &mut impl Messages) -> Result<(), Broken> {
        let mut rest = bytes;
        // Headers and a payload may be empty, and then take no byte to be over.
        while !rest.is_empty() {
            match self.state {
                State::Prelude => {
                    if self.hold(&mut rest, PRELUDE) {
                        self.prelude(messages)?;
                    }
                }
                State::Headers { length, payload } => {
                    if self.hold(&mut rest, length) {
                        self.headers(payload, messages)?;
                    }
                }
                State::Payload { left } => {
                    let (piece, behind) = rest.split_at(left.min(rest.len()));
                    self.checksum.update(piece);
                    messages.payload(piece);
                    rest = behind;
                    self.payload_left(left - piece.len());
                }
                State::Checksum => {
                    if self.hold(&mut rest, CHECKSUM) {
                        if self.number(0) != std::mem::take(&mut self.checksum).finalize() {
                            return Err(Broken::Checksum);
                        }
                        messages.over();
                        self.held.clear();
                        self.state = State::Prelude;
                    }
                }
            }
        }
        Ok(())
    }

    /// The stream is over.
    pub fn finish(&self) -> Result<(), Broken> {
        let at_rest = matches!(self.state, State::Prelude) && self.held.is_empty();
        if at_rest { Ok(()) } else { Err(Broken::Cut) }
    }

    /// Takes bytes until so many are held; whether they are.
    fn hold(&mut self, rest: &mut &[u8], wanted: usize) -> bool {
        let (piece, behind) = rest.split_at((wanted - self.held.len()).min(rest.len()));
        self.held.extend_from_slice(piece);
        *rest = behind;
        self.held.len() == wanted
    }

    /// The number at this place of what is held.
    fn number(&self, at: usize) -> u32 {
        self.held[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    fn prelude(&mut self, messages: &mut impl Messages) -> Result<(), Broken> {
        if crc32fast::hash(&self.held[..PRELUDE - CHECKSUM]) != self.number(8) {
            return Err(Broken::Checksum);
        }
        let (total, headers) = (self.number(0), self.number(4));
        let payload = total.checked_sub(LEAST).and_then(|inner| inner.checked_sub(headers));
        let bounded = total <= EVENT_STREAM_MESSAGE_BYTES && headers <= EVENT_STREAM_HEADER_BYTES;
        let Some(payload) = payload.filter(|_| bounded) else { return Err(Broken::Length) };
        self.checksum.update(&self.held);
        self.held.clear();
        self.state = State::Headers { length: headers as usize, payload: payload as usize };
        if headers == 0 {
            self.headers(payload as usize, messages)?;
        }
        Ok(())
    }

    fn headers(&mut self, payload: usize, messages: &mut impl Messages) -> Result<(), Broken> {
        self.checksum.update(&self.held);
        messages.begin(&kind(&self.held).ok_or(Broken::Headers)?);
        self.held.clear();
        self.payload_left(payload);
        Ok(())
    }

    fn payload_left(&mut self, left: usize) {
        self.state = if left == 0 { State::Checksum } else { State::Payload { left } };
    }
}

/// Reads headers: each a length and a name, a type, and a value that is as long as its type says.
fn kind(mut rest: &[u8]) -> Option<Kind> {
    let mut kind = Kind::default();
    while !rest.is_empty() {
        let name = take(&mut rest, 1).and_then(|length| take(&mut rest, length[0].into()))?;
        let value = match take(&mut rest, 1)?[0] {
            0 | 1 => &[][..],
            2 => take(&mut rest, 1)?,
            3 => take(&mut rest, 2)?,
            4 => take(&mut rest, 4)?,
            5 | 8 => take(&mut rest, 8)?,
            6 | 7 => {
                let length = take(&mut rest, 2)?;
                take(&mut rest, u16::from_be_bytes([length[0], length[1]]).into())?
            }
            9 => take(&mut rest, 16)?,
            _ => return None,
        };
        let place = match name {
            b":message-type" => &mut kind.message,
            b":event-type" | b":exception-type" => &mut kind.event,
            _ => continue,
        };
        *place = str::from_utf8(value).ok()?.to_owned();
    }
    Some(kind)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

/// A message with these headers, each a text of less than 64 KiB with a name of less than 256 bytes.
pub fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, value) in headers {
        fields.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        fields.extend(name.bytes());
        fields.push(TEXT);
        fields.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        fields.extend(value.bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = Vec::new();
    bytes.extend(length(LEAST as usize + fields.len() + payload.len()));
    bytes.extend(length(fields.len()));
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(fields);
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages with their payloads.
    type Whole = Vec<(Kind, Vec<u8>)>;

    #[derive(Default)]
    struct Seen {
        open: Option<(Kind, Vec<u8>)>,
        whole: Whole,
    }

    impl Messages for Seen {
        fn begin(&mut self, kind: &Kind) {
            self.open = Some((kind.clone(), Vec::new()));
        }

        fn payload(&mut self, piece: &[u8]) {
            self.open.as_mut().unwrap().1.extend(piece);
        }

        fn over(&mut self) {
            self.whole.extend(self.open.take());
        }
    }

    fn read(bytes: &[u8], size: usize) -> (Whole, Result<(), Broken>) {
        let (mut stream, mut seen) = (Stream::default(), Seen::default());
        let fed = bytes.chunks(size).try_for_each(|piece| stream.feed(piece, &mut seen));
        (seen.whole, fed.and_then(|()| stream.finish()))
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let event = [(":event-type", "chunk"), (":content-type", "json"), (":message-type", "event")];
        let exception = [(":message-type", "exception"), (":exception-type", "throttlingException")];
        let bytes =
            [message(&event, b"{}"), message(&[], b""), message(&exception, b"{\"message\":\"slow\"}")]
                .concat();
        let kind = |message: &str, event: &str| Kind { message: message.into(), event: event.into() };
        let expected = vec![
            (kind("event", "chunk"), b"{}".to_vec()),
            (Kind::default(), Vec::new()),
            (kind("exception", "throttlingException"), b"{\"message\":\"slow\"}".to_vec()),
        ];
        for size in 1..=bytes.len() {
            assert_eq!(read(&bytes, size), (expected.clone(), Ok(())), "in pieces of {size}");
        }
    }

    #[test]
    fn a_byte_that_was_changed_is_noticed_wherever_it_is() {
        let bytes = message(&[(":event-type", "chunk")], b"{\"a\":1}");
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let (whole, outcome) = read(&bytes, 5);
            assert!(whole.is_empty() && outcome.is_err(), "byte {at}: {outcome:?}");
        }
        assert_eq!(read(&bytes[..bytes.len() - 1], 7).1, Err(Broken::Cut));
    }

    #[test]
    fn a_length_beyond_the_bounds_is_refused_before_anything_is_held() {
        for (total, headers) in
            [(15_u32, 0_u32), (u32::MAX, 0), (20, 5), (EVENT_STREAM_MESSAGE_BYTES + 1, 0), (1 << 20, 1 << 18)]
        {
            let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            assert_eq!(read(&bytes, 12).1, Err(Broken::Length), "{total} {headers}");
        }
    }
}
