//! Messages of gRPC, taken out of a body as it passes (gRPC over HTTP/2, "Length-Prefixed-Message"): each goes on once it was
//! looked at, and none waits for the next.
//!
//! A message that is longer than what is held is looked at as it passes; one that is coded as well cannot be, and counts as not
//! read. What is no such message is read as what it is, whatever its type says: no byte goes on unseen because a length was
//! wrong. Holds one message, to a bound. Read next: `looked.rs`.

use crate::decide::dlp::{Form, Passing, Told, Unread};
use crate::model::types::Denial;
use crate::perceive::protocol::decoding::Decoder;

/// Bytes in front of a message: whether it is coded, and its length.
const PREFIX: usize = 5;
/// The bit of a message that is coded.
const CODED: u8 = 1;
/// The bit of trailers that stand in the body (gRPC-Web, "Protocol differences").
const TRAILERS: u8 = 0x80;

/// Who looks at messages.
pub(super) trait Looks {
    /// At a whole one, with its prefix; what goes on in its place, where something does.
    fn whole(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, Box<Denial>>;

    /// At the next bytes of something longer; what may go on is added.
    fn part(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>>;

    /// The longer one is over.
    fn end(&mut self, on: &mut Vec<u8>) -> Result<(), Box<Denial>>;

    /// It cannot be read.
    fn unread(&mut self, why: Unread) -> Result<(), Box<Denial>>;
}

impl Looks for (&mut Passing, &Told) {
    fn whole(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, Box<Denial>> {
        self.0.whole(message, Form::Grpc, self.1)
    }

    fn part(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        self.0.feed(bytes, on, self.1)
    }

    fn end(&mut self, on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        self.0.close(on, self.1)
    }

    fn unread(&mut self, why: Unread) -> Result<(), Box<Denial>> {
        self.0.unread(why, self.1)
    }
}

/// The messages of one body.
#[derive(Debug)]
pub(super) struct Calls {
    coding: String,
    most: u64,
    /// What has come and is no whole message yet.
    held: Vec<u8>,
    left: Left,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Left {
    /// A message.
    Message,
    /// So much of one that is looked at as it passes.
    Read(usize),
    /// So much of one that is not.
    Unread(usize),
    /// No message any more.
    Other,
}

impl Calls {
    /// Of which those that are coded are coded like this, and none is held that is longer than so many bytes.
    pub(super) fn new(coding: String, most: u64) -> Self {
        Self { coding, most, held: Vec::new(), left: Left::Message }
    }

    /// The next bytes; what may go on is added.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        on: &mut Vec<u8>,
        looks: &mut impl Looks,
    ) -> Result<(), Box<Denial>> {
        while !bytes.is_empty() {
            match self.left {
                Left::Other => return looks.part(bytes, on),
                Left::Message => {
                    self.held.extend_from_slice(bytes);
                    bytes = &[];
                    while self.message(on, looks)? {}
                }
                Left::Read(left) => {
                    let (now, rest) = bytes.split_at(left.min(bytes.len()));
                    bytes = rest;
                    self.left = Left::Read(left - now.len());
                    looks.part(now, on)?;
                    if left == now.len() {
                        self.left = Left::Message;
                        looks.end(on)?;
                    }
                }
                Left::Unread(left) => {
                    let (now, rest) = bytes.split_at(left.min(bytes.len()));
                    bytes = rest;
                    on.extend_from_slice(now);
                    self.left =
                        if left == now.len() { Left::Message } else { Left::Unread(left - now.len()) };
                }
            }
        }
        Ok(())
    }

    /// Takes the next message out of what has come. Whether there may be another.
    fn message(&mut self, on: &mut Vec<u8>, looks: &mut impl Looks) -> Result<bool, Box<Denial>> {
        let Some([flag, length @ ..]) = self.held.first_chunk::<PREFIX>().copied() else { return Ok(false) };
        let (is_coded, length) = (flag & CODED != 0, u32::from_be_bytes(length) as usize);
        if flag & !(CODED | TRAILERS) != 0 {
            self.left = Left::Other;
            return self.rest(0, on, looks);
        }
        if self.held.len() >= PREFIX + length {
            let message: Vec<u8> = self.held.drain(..PREFIX + length).collect();
            self.whole(message, is_coded, on, looks)?;
            return Ok(true);
        }
        if length as u64 <= self.most {
            return Ok(false);
        }
        on.extend_from_slice(&self.held[..PREFIX]);
        self.left = if is_coded { Left::Unread(length) } else { Left::Read(length) };
        if is_coded {
            looks.unread(Unread::Endless)?;
        }
        self.rest(PREFIX, on, looks)
    }

    /// Reads what has come from there on in another way.
    fn rest(&mut self, from: usize, on: &mut Vec<u8>, looks: &mut impl Looks) -> Result<bool, Box<Denial>> {
        let held = std::mem::take(&mut self.held);
        self.feed(&held[from..], on, looks)?;
        Ok(false)
    }

    fn whole(
        &mut self,
        message: Vec<u8>,
        is_coded: bool,
        on: &mut Vec<u8>,
        looks: &mut impl Looks,
    ) -> Result<(), Box<Denial>> {
        let plain = if is_coded { undone(&self.coding, &message[PREFIX..]) } else { None };
        let other = match &plain {
            Some(plain) => looks.whole(plain)?,
            None if is_coded => {
                looks.unread(Unread::Coding)?;
                None
            }
            None => looks.whole(&message)?,
        };
        on.extend(other.unwrap_or(message));
        Ok(())
    }

    /// The body is over: what is left of it is no whole message, and is read all the same.
    pub(super) fn finish(&mut self, on: &mut Vec<u8>, looks: &mut impl Looks) -> Result<(), Box<Denial>> {
        if !self.held.is_empty() {
            self.left = Left::Other;
            self.rest(0, on, looks)?;
        }
        looks.end(on)
    }
}

/// A coded message without its coding.
fn undone(coding: &str, message: &[u8]) -> Option<Vec<u8>> {
    let mut plain = vec![0; PREFIX];
    let mut decoder = Decoder::new(coding)?;
    decoder.feed(message, |bytes| plain.extend_from_slice(bytes)).ok()?;
    let length = u32::try_from(plain.len() - PREFIX).ok()?;
    plain[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was shown: whole messages, and parts of longer things.
    #[derive(Default)]
    struct Seen {
        whole: Vec<Vec<u8>>,
        parts: Vec<u8>,
        unread: Vec<Unread>,
    }

    impl Looks for Seen {
        fn whole(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, Box<Denial>> {
            self.whole.push(message[PREFIX..].to_vec());
            Ok(None)
        }

        fn part(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
            self.parts.extend_from_slice(bytes);
            on.extend_from_slice(bytes);
            Ok(())
        }

        fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Box<Denial>> {
            Ok(())
        }

        fn unread(&mut self, why: Unread) -> Result<(), Box<Denial>> {
            self.unread.push(why);
            Ok(())
        }
    }

    fn message(flag: u8, text: &[u8]) -> Vec<u8> {
        [&[flag][..], &(text.len() as u32).to_be_bytes(), text].concat()
    }

    /// What is seen of a body in pieces of this size, all of which goes on as it came.
    fn seen(coding: &str, body: &[u8], size: usize) -> Seen {
        let (mut calls, mut on, mut seen) = (Calls::new(coding.to_owned(), 10), Vec::new(), Seen::default());
        for piece in body.chunks(size) {
            calls.feed(piece, &mut on, &mut seen).unwrap();
        }
        calls.finish(&mut on, &mut seen).unwrap();
        assert_eq!(on, body, "in pieces of {size}");
        seen
    }

    #[test]
    fn messages_go_on_one_by_one_however_they_come_and_longer_ones_as_they_pass() {
        let all =
            [message(0, b"one"), message(0, b""), message(0, b"longer than ten"), message(TRAILERS, b"a: b")];
        let body = all.concat();
        for size in 1..body.len() {
            let Seen { mut whole, mut parts, unread } = seen("", &body, size);
            if whole.len() == 4 {
                // It came in one piece, so nothing of it had to wait.
                parts = whole.remove(2);
            }
            assert_eq!(whole, [&b"one"[..], b"", b"a: b"], "in pieces of {size}");
            assert_eq!((parts, unread), (b"longer than ten".to_vec(), Vec::new()));
        }
    }

    #[test]
    fn a_coded_message_is_read_without_its_coding_and_goes_on_as_it_came() {
        let mut coder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut coder, b"hello hello hello hello").unwrap();
        let coded = coder.finish().unwrap();
        assert!(coded.len() <= 10);
        let whole = message(CODED, &coded);
        for size in 1..whole.len() {
            assert_eq!(seen("deflate", &whole, size).whole, [b"hello hello hello hello"]);
        }
        assert_eq!(seen("lzma", &whole, 3).unread, [Unread::Coding]);
        assert_eq!(seen("deflate", &message(CODED, &[0; 11]), 3).unread, [Unread::Endless]);
    }

    #[test]
    fn what_is_no_message_is_read_all_the_same() {
        for (body, what) in [
            (&b"{\"note\": \"under a wrong type\"}"[..], "another type"),
            (b"\0\0\0\0\x09short", "an end before its time"),
            (b"\0\0", "a piece of a prefix"),
        ] {
            for size in 1..=body.len() {
                let seen = seen("", body, size);
                assert_eq!((seen.parts, seen.whole.len()), (body.to_vec(), 0), "{what} in pieces of {size}");
            }
        }
        let mixed = [message(0, b"one"), b"\x20 and more".to_vec()].concat();
        assert_eq!(seen("", &mixed, 4).parts, b"\x20 and more");
    }
}
