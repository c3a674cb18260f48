//! TLS records up to the end of the ClientHello (RFC 8446, section 5.1).
//!
//! Puts the handshake message together from as many records as the client likes, looking at each byte once however
//! slowly they come. Never looks behind the ClientHello: early data and what else follows is not ours.

use super::client_hello;
use super::{Hello, Sniff};
use crate::model::types::limits::HELLO_BYTES;

/// Content type of a handshake record.
pub(super) const HANDSHAKE: u8 = 22;
/// Content type of an alert record.
pub(super) const ALERT: u8 = 21;
/// Content type of a change-cipher-spec record.
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;

/// Bytes of a record's header.
const RECORD_HEADER: usize = 5;
/// Bytes of a handshake message's header.
const MESSAGE_HEADER: usize = 4;
/// Most bytes in one plain record.
const RECORD_MAX: usize = 1 << 14;
/// Handshake type of a ClientHello.
const CLIENT_HELLO: u8 = 1;

/// How far the records have been read.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Where the next unread byte is.
    at: usize,
    /// Bytes left in the record that `at` is in.
    left: usize,
    /// The handshake message so far.
    message: Vec<u8>,
}

impl Records {
    /// Reads on from where the call before stopped.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Sniff {
        loop {
            if self.left == 0 {
                let Some(header) = bytes.get(self.at..self.at + RECORD_HEADER) else {
                    return self.partial_header(bytes);
                };
                self.left = match payload(header) {
                    Ok(length) => length,
                    Err(why) => return Sniff::Malformed(why),
                };
                self.at += RECORD_HEADER;
            }
            let have = bytes.len().saturating_sub(self.at).min(self.left);
            if have == 0 {
                return Sniff::NeedMore;
            }
            self.message.extend_from_slice(&bytes[self.at..self.at + have]);
            self.at += have;
            self.left -= have;
            match self.message() {
                Ok(None) => {}
                Ok(Some(body)) => {
                    return match client_hello::parse(body) {
                        Ok(hello) => Sniff::Is(Hello::Tls(hello)),
                        Err(why) => Sniff::Malformed(why),
                    };
                }
                Err(why) => return Sniff::Malformed(why),
            }
        }
    }

    /// A header that is not whole yet may already be wrong in its first byte.
    fn partial_header(&self, bytes: &[u8]) -> Sniff {
        match bytes.get(self.at) {
            Some(&kind) if kind != HANDSHAKE => Sniff::Malformed(INTERLEAVED),
            _ => Sniff::NeedMore,
        }
    }

    /// The body of the ClientHello, once it is whole.
    fn message(&self) -> Result<Option<&[u8]>, &'static str> {
        let have = self.message.len();
        match self.message.first() {
            Some(&CLIENT_HELLO) => {}
            _ => return Err("the first TLS message is not a ClientHello"),
        }
        let Some(&[_, high, middle, low]) = self.message.first_chunk::<MESSAGE_HEADER>() else {
            return Ok(None);
        };
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if length > HELLO_BYTES - MESSAGE_HEADER - RECORD_HEADER {
            return Err("the ClientHello is longer than 64 KiB");
        }
        let end = MESSAGE_HEADER + length;
        // RFC 8446, section 5.1: a key change may follow a ClientHello, so it ends where its record ends.
        if have + self.left > end {
            return Err("something follows the ClientHello in its record");
        }
        Ok((have == end).then(|| &self.message[MESSAGE_HEADER..]))
    }
}

const INTERLEAVED: &str = "another TLS record stands inside the ClientHello";

/// The length of a record's payload. Legacy versions are ignored, as RFC 8446, section 5.1, wants it; the same
/// section forbids other records inside a handshake message, and handshake records without content.
fn payload(header: &[u8]) -> Result<usize, &'static str> {
    let &[kind, _, _, high, low] = header else { return Err("a TLS record has no header") };
    if kind != HANDSHAKE {
        return Err(INTERLEAVED);
    }
    match usize::from(high) << 8 | usize::from(low) {
        0 => Err("a TLS handshake record is empty"),
        length if length > RECORD_MAX => Err("a TLS record is longer than 16 KiB"),
        length => Ok(length),
    }
}
