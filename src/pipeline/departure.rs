//! How a workload leaves an HTTP/1 connection, and how the gateway leaves it.
//!
//! An end of input says only that no request will follow: some clients end their side and still want the answer, and
//! a process that was killed looks the same at first. So one byte of the answer is sent ahead of it, the `H` with
//! which every answer begins: whoever still listens gets it anyway, and whoever is gone answers with a reset. In the
//! other direction the gateway reads on for a while before it closes, so that a workload which is still sending gets
//! its answer. Never decides what becomes of a request.

use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::peeked::Peeked;
use crate::model::types::limits::{LINGER_BYTES, LINGER_TIME};

/// The first byte of every answer: that of `HTTP/1.1` and `HTTP/1.0`.
const PROBE: u8 = b'H';
/// Bytes read at once while lingering, and how often in one turn.
const SCRAP: usize = 16 * 1024;
const SCRAPS: usize = 16;

/// A stream that is a TCP connection in the end.
pub trait Wire {
    /// The connection itself; nothing where it is none.
    fn tcp(&self) -> Option<&TcpStream>;
}

impl Wire for Peeked {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self.stream())
    }
}

impl<S: Wire> Wire for TlsStream<S> {
    fn tcp(&self) -> Option<&TcpStream> {
        self.get_ref().0.tcp()
    }
}

impl<S: Wire> Wire for Box<S> {
    fn tcp(&self) -> Option<&TcpStream> {
        (**self).tcp()
    }
}

/// A workload that has ended its side while it is owed an answer.
pub struct Departure {
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
    probe: Probe,
}

#[derive(Clone, Copy, PartialEq)]
enum Probe {
    /// Nothing was sent ahead.
    None,
    /// It was sent and is to be left out of the answer.
    Ahead,
    /// It was left out.
    Done,
}

impl Departure {
    /// Watches for a reset. The connection itself cannot tell any more: it can be read at all times.
    ///
    /// # Errors
    /// Where the system has no file left for a second handle: then the workload counts as gone.
    pub fn watch(tcp: Option<&TcpStream>) -> io::Result<Self> {
        let gone: Pin<Box<dyn Future<Output = ()> + Send>> = match tcp {
            Some(tcp) => {
                let second = std::net::TcpStream::from(tcp.as_fd().try_clone_to_owned()?);
                let second = TcpStream::from_std(second)?;
                Box::pin(async move { drop(second.ready(Interest::ERROR).await) })
            }
            None => Box::pin(std::future::pending()),
        };
        Ok(Self { gone, probe: Probe::None })
    }

    /// Sends one byte ahead, once. Only before the first byte of an answer.
    pub fn probe<S: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> io::Result<()> {
        if self.probe == Probe::None
            && let Poll::Ready(sent) = Pin::new(&mut *stream).poll_write(cx, &[PROBE])
        {
            sent?;
            self.probe = Probe::Ahead;
            // What does not fit now leaves with the next byte.
            let _ = Pin::new(stream).poll_flush(cx)?;
        }
        Ok(())
    }

    /// Ready with an error once the workload is gone.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gone.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    /// How many bytes of the beginning of an answer were sent already.
    pub fn ahead(&self, answer: &[u8]) -> io::Result<usize> {
        match (self.probe, answer.first()) {
            (Probe::Ahead, Some(&PROBE)) => Ok(1),
            (Probe::Ahead, _) => Err(io::Error::other("an answer that does not begin like HTTP/1")),
            _ => Ok(0),
        }
    }

    /// Some of the answer was written.
    pub fn wrote(&mut self) {
        if self.probe == Probe::Ahead {
            self.probe = Probe::Done;
        }
    }
}

impl std::fmt::Debug for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Departure")
    }
}

/// Reads what nobody wants any more, `LINGER_BYTES` and `LINGER_TIME` at most.
#[derive(Debug)]
pub struct Linger {
    left: u64,
    clock: Pin<Box<Sleep>>,
}

impl Default for Linger {
    fn default() -> Self {
        Self { left: LINGER_BYTES, clock: Box::pin(sleep(LINGER_TIME)) }
    }
}

impl Linger {
    /// Ready when the workload has ended its side, or a bound is reached.
    pub fn poll(&mut self, cx: &mut Context<'_>, tcp: &TcpStream) -> Poll<io::Result<()>> {
        if self.clock.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut scrap = [0; SCRAP];
        for _ in 0..SCRAPS {
            ready!(tcp.poll_read_ready(cx))?;
            match tcp.try_read(&mut scrap) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(length) => self.left = self.left.saturating_sub(length as u64),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It is gone, and heard what it heard.
                Err(_) => return Poll::Ready(Ok(())),
            }
            if self.left == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
