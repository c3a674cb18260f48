//! A workload's connection whose first bytes were looked at: they are read again by whoever serves it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::model::manifest::resources::ENCRYPTED_DNS_PORT;
use crate::model::types::limits::{HELLO_BYTES, HELLO_SILENCE, HELLO_TIME};
use crate::perceive::hello::{Hello, Sniff, Sniffer};

/// Where the client always speaks first: HTTP, and HTTP over TLS.
const WEB_PORTS: [u16; 2] = [80, 443];

/// Bytes asked for at once while looking: most hellos arrive in one segment.
const FIRST_READ: usize = 2048;

/// A stream and the bytes of it that were already read.
#[derive(Debug)]
pub struct Peeked {
    stream: TcpStream,
    ahead: Vec<u8>,
    given: usize,
}

/// What came of looking at the first bytes.
#[derive(Debug)]
pub enum Look {
    /// They say what the connection is.
    Saw(Hello),
    /// They are not what they claim to be, or never became complete.
    Malformed(&'static str),
    /// The workload closed before it said anything, or failed.
    Gone,
}

impl Peeked {
    /// Nothing was looked at yet.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new(), given: 0 }
    }

    /// Reads until the first bytes say what the connection is. Bounded in bytes (`HELLO_BYTES`) and time: a client
    /// that says nothing for `HELLO_SILENCE` waits for the server; one that began has `HELLO_TIME` to finish. On the
    /// ports of the web nobody waits for the server, but a busy client may well be slow: there it has `HELLO_TIME` too. On
    /// the port of encrypted DNS nothing is let through, and nobody is waited for.
    pub async fn look(&mut self, port: u16) -> Look {
        let begun = Instant::now();
        let mut sniffer = Sniffer::default();
        loop {
            let may_wait = self.ahead.is_empty() && !WEB_PORTS.contains(&port);
            let patience = if may_wait || port == ENCRYPTED_DNS_PORT { HELLO_SILENCE } else { HELLO_TIME };
            self.ahead.reserve(FIRST_READ);
            match timeout_at(begun + patience, self.stream.read_buf(&mut self.ahead)).await {
                Err(_) if self.ahead.is_empty() => return Look::Saw(Hello::Silent),
                Err(_) => return Look::Malformed("the first message was not finished in time"),
                Ok(Err(_)) => return Look::Gone,
                Ok(Ok(0)) if self.ahead.is_empty() => return Look::Gone,
                Ok(Ok(0)) => match sniffer.end(&self.ahead) {
                    Sniff::Is(hello) => return Look::Saw(hello),
                    Sniff::Malformed(why) => return Look::Malformed(why),
                    Sniff::NeedMore => return Look::Gone,
                },
                Ok(Ok(_)) => {}
            }
            match sniffer.look(&self.ahead) {
                Sniff::Is(hello) => return Look::Saw(hello),
                Sniff::Malformed(why) => return Look::Malformed(why),
                Sniff::NeedMore if self.ahead.len() >= HELLO_BYTES => {
                    return Look::Malformed("the first message is longer than 64 KiB");
                }
                Sniff::NeedMore => {}
            }
        }
    }

    /// The bytes looked at.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead[self.given..]
    }

    /// The stream itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Peeked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given == self.ahead.len() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let this = &mut *self;
        let left = &this.ahead[this.given..];
        let length = left.len().min(buf.remaining());
        buf.put_slice(&left[..length]);
        this.given += length;
        if this.given == this.ahead.len() {
            // A connection may idle for long: it does not keep its hello.
            this.ahead = Vec::new();
            this.given = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peeked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::sleep;

    use super::*;

    const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

    async fn pair() -> (TcpStream, Peeked) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, Peeked::new(listener.accept().await.unwrap().0))
    }

    /// What is seen of a client that says these bytes, one a second, and how many seconds that took.
    async fn dribbled(bytes: &[u8], port: u16) -> (Look, u64) {
        let (mut client, mut peeked) = pair().await;
        let begun = Instant::now();
        let dribble = async {
            for byte in bytes {
                client.write_all(&[*byte]).await.unwrap();
                sleep(SECOND).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            look = peeked.look(port) => (look, begun.elapsed().as_secs()),
            () = dribble => unreachable!("it never ends"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_message_that_is_dribbled_is_given_up_at_its_bound() {
        let hello = [&[22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3][..], &[7; 200]].concat();
        for bytes in [&b"GET / HTTP/1.1\r\nHost: a.example\r\nX: aaaaaaaa"[..], &hello, b"PRI * HTTP/2.0\r\n"]
        {
            for port in [80, 443, 5432] {
                let (look, seconds) = dribbled(bytes, port).await;
                assert!(matches!(look, Look::Malformed(why) if why.contains("in time")), "{look:?}");
                assert_eq!(seconds, HELLO_TIME.as_secs());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_waited_for_longer_where_nobody_waits_for_the_server() {
        for (port, bound) in [(80, HELLO_TIME), (443, HELLO_TIME), (22, HELLO_SILENCE)] {
            let (_client, mut peeked) = pair().await;
            let begun = Instant::now();
            assert!(matches!(peeked.look(port).await, Look::Saw(Hello::Silent)));
            assert!(begun.elapsed() >= bound && begun.elapsed() < bound + SECOND, "{:?}", begun.elapsed());
        }
    }
}
