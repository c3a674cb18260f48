//! DNS messages over TCP: each behind its length in two bytes (RFC 1035, section 4.2.2; RFC 7766).
//!
//! Reading may be interrupted at any point and taken up again, so that a connection can be read while answers to
//! earlier queries on it are still on their way. At most 512 bytes are buffered beyond the
//! message that is being read.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::model::types::limits::{DNS_MESSAGE_BYTES, DNS_TCP_IDLE_TIME};

use super::wire::HEADER;

/// Bytes of the length prefix.
const PREFIX: usize = 2;

/// The messages that arrive on one connection.
#[derive(Debug)]
pub struct Frames<R> {
    stream: R,
    buffer: Vec<u8>,
    idle: Duration,
    /// Bytes of the message returned last, which the next read drops.
    taken: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads from `stream`.
    pub fn new(stream: R) -> Self {
        Self::patient(stream, DNS_TCP_IDLE_TIME)
    }

    /// The same with another time that the peer may be silent.
    pub(super) fn patient(stream: R, idle: Duration) -> Self {
        Self { stream, buffer: Vec::new(), idle, taken: 0 }
    }

    /// The next message without its prefix; `None` once the peer has closed between two messages.
    ///
    /// Fails with `TimedOut` after [`DNS_TCP_IDLE_TIME`], if it was not told otherwise, without a whole message, with `UnexpectedEof` when the peer
    /// closes inside one, and with `InvalidData` for one shorter than a header. Safe to cancel.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let length = match timeout(self.idle, self.fill()).await {
            Ok(Ok(Some(length))) => length,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        self.taken = PREFIX + length;
        Ok(Some(&self.buffer[PREFIX..self.taken]))
    }

    /// Whether a message has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.buffer.len() > self.taken
    }

    /// Reads until a whole message stands in the buffer; its length, or `None` at an orderly end.
    async fn fill(&mut self) -> io::Result<Option<usize>> {
        loop {
            let mut wanted = PREFIX;
            if let Some(prefix) = self.buffer.first_chunk::<PREFIX>() {
                let length = usize::from(u16::from_be_bytes(*prefix));
                if length < HEADER {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "shorter than a DNS header"));
                }
                wanted = PREFIX + length;
                if self.buffer.len() >= wanted {
                    return Ok(Some(length));
                }
            }
            // The rest of this message, and a little of those behind it.
            let room = (wanted - self.buffer.len()).max(512);
            self.buffer.reserve(room);
            let read = (&mut self.stream).take(room as u64).read_buf(&mut self.buffer).await?;
            match (read, self.buffer.is_empty()) {
                (0, true) => return Ok(None),
                (0, false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// The stream, when no more messages are wanted.
    pub fn into_inner(self) -> R {
        self.stream
    }
}

/// Writes one message with its prefix, in one piece (RFC 7766, section 8). Fails with `InvalidInput` for more than
/// [`DNS_MESSAGE_BYTES`].
pub async fn write_message<W: AsyncWrite + Unpin>(stream: &mut W, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len())
        .ok()
        .filter(|length| usize::from(*length) <= DNS_MESSAGE_BYTES)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "longer than a DNS message can be"))?;
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn framed(messages: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            out.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
            out.extend_from_slice(message);
        }
        out
    }

    #[tokio::test]
    async fn pipelined_messages_are_read_one_by_one() {
        let (first, second) = ([1u8; 600], [2u8; 12]);
        let bytes = framed(&[&first, &second, &[3; 65_535]]);
        let mut frames = Frames::new(bytes.as_slice());
        assert_eq!(frames.next().await.unwrap(), Some(first.as_slice()));
        assert_eq!(frames.next().await.unwrap(), Some(second.as_slice()));
        assert_eq!(frames.next().await.unwrap().map(<[u8]>::len), Some(65_535));
        assert_eq!(frames.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_read_that_was_cancelled_loses_nothing() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut frames = Frames::new(server);
        let bytes = framed(&[&[7; 20], &[8; 30]]);
        for byte in &bytes[..51] {
            client.write_all(&[*byte]).await.unwrap();
            tokio::select! {
                biased;
                message = frames.next() => assert!([20, 30].contains(&message.unwrap().unwrap().len())),
                () = std::future::ready(()) => {}
            }
        }
        client.write_all(&bytes[51..]).await.unwrap();
        assert_eq!(frames.next().await.unwrap(), Some([8; 30].as_slice()));
    }

    #[tokio::test]
    async fn a_message_shorter_than_a_header_or_cut_short_is_an_error() {
        let mut frames = Frames::new([0u8, 11, 1, 2, 3].as_slice());
        assert_eq!(frames.next().await.unwrap_err().kind(), ErrorKind::InvalidData);
        let mut frames = Frames::new([0u8, 12, 1, 2, 3].as_slice());
        assert_eq!(frames.next().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        let mut frames = Frames::new([0u8].as_slice());
        assert_eq!(frames.next().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn an_idle_connection_ends_after_its_bound() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(&[0, 40, 1]).await.unwrap();
        let mut frames = Frames { idle: Duration::from_millis(20), ..Frames::new(server) };
        assert_eq!(frames.next().await.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_is_written_can_be_read_back() {
        let mut out = Vec::new();
        write_message(&mut out, &[9; 300]).await.unwrap();
        assert_eq!(Frames::new(out.as_slice()).next().await.unwrap(), Some([9; 300].as_slice()));
        let error = write_message(&mut out, &[0; 65_536]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
