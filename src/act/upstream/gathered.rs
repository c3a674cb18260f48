//! The small writes of one turn as one: HTTP/2 hands over every frame by itself, and each write through TLS is a
//! record and a system call of its own.
//!
//! A flush that HTTP/2 asks for is put off to the end of its turn, when [`Turns`] makes up for it. Holds
//! at most one TLS record's worth, and nothing on a connection that is idle. Never delays bytes beyond the turn in
//! which they were written, unless the peer takes no more.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that wait for the end of a turn: what fits into one TLS record (RFC 8446, section 5.1).
const ROOM: usize = 16 * 1024;

/// A stream whose small writes wait for its [`Outlet`].
#[derive(Debug)]
pub struct Gathered<S>(Rc<RefCell<Inner<S>>>);

/// Where the bytes of a [`Gathered`] stream go out.
#[derive(Debug)]
pub struct Outlet<S>(Rc<RefCell<Inner<S>>>);

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    waiting: Vec<u8>,
    /// How many of the waiting bytes are written.
    written: usize,
    unflushed: bool,
    /// Why they cannot be written; told to whoever writes next.
    failure: Option<io::Error>,
}

/// Divides a stream into what is written to and where that goes out.
pub fn gather<S>(stream: S) -> (Gathered<S>, Outlet<S>) {
    let inner = Inner { stream, waiting: Vec::new(), written: 0, unflushed: false, failure: None };
    let inner = Rc::new(RefCell::new(inner));
    (Gathered(inner.clone()), Outlet(inner))
}

/// A connection that writes to a [`Gathered`] stream: what it wrote goes out at the end of each of its turns.
#[derive(Debug)]
pub struct Turns<C, S> {
    /// The connection itself.
    pub connection: C,
    /// Where its bytes go out.
    pub outlet: Outlet<S>,
}

impl<C, S> Future for Turns<C, S>
where
    C: Future + Unpin,
    S: AsyncWrite + Unpin,
{
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.connection).poll(cx);
        let mut inner = this.outlet.0.borrow_mut();
        if let Poll::Ready(Err(error)) = inner.poll_out(cx) {
            inner.failure = Some(error);
            cx.waker().wake_by_ref();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            let rest = &self.waiting[self.written..];
            let length = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += length;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            (self.unflushed, self.written, self.waiting) = (false, 0, Vec::new());
        }
        Poll::Ready(Ok(()))
    }

    /// Makes room for `length` bytes; false where they are so many that they need not wait for others.
    fn poll_room(&mut self, length: usize, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        if self.waiting.len() + length > ROOM {
            ready!(self.poll_out(cx))?;
        }
        self.unflushed = true;
        if length >= ROOM {
            return Poll::Ready(Ok(false));
        }
        if self.waiting.capacity() == 0 {
            self.waiting.reserve_exact(ROOM);
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        if !ready!(inner.poll_room(bytes.len(), cx))? {
            return Pin::new(&mut inner.stream).poll_write(cx, bytes);
        }
        inner.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if !ready!(inner.poll_room(length, cx))? {
            return Pin::new(&mut inner.stream).poll_write_vectored(cx, slices);
        }
        for slice in slices {
            inner.waiting.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let failure = self.0.borrow_mut().failure.take();
        Poll::Ready(failure.map_or(Ok(()), Err))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_out(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Keeps every write by itself; takes none when it is full.
    #[derive(Default)]
    struct Wire {
        writes: Vec<Vec<u8>>,
        full: bool,
        broken: bool,
        shut: bool,
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.broken {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if self.full {
                return Poll::Pending;
            }
            self.writes.push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.shut = true;
            Poll::Ready(Ok(()))
        }
    }

    impl<S: AsyncWrite + Unpin> Outlet<S> {
        fn with<R>(&self, look: impl FnOnce(&mut S) -> R) -> R {
            look(&mut self.0.borrow_mut().stream)
        }
    }

    fn wire() -> (Gathered<Wire>, Outlet<Wire>) {
        gather(Wire::default())
    }

    fn shared(outlet: &Outlet<Wire>) -> Outlet<Wire> {
        Outlet(outlet.0.clone())
    }

    #[test]
    fn what_is_written_in_one_turn_leaves_in_one_write_and_leaves_no_buffer() {
        let (mut stream, outlet) = wire();
        let connection = pin!(async {
            for bytes in [&b"head"[..], b"body", b"head"] {
                stream.write_all(bytes).await.unwrap();
                stream.flush().await.unwrap();
            }
            poll_fn(|_| Poll::<()>::Pending).await;
        });
        let mut turns = Turns { connection, outlet: shared(&outlet) };
        assert!((&mut turns).now_or_never().is_none());
        assert_eq!(outlet.with(|wire| wire.writes.clone()), [b"headbodyhead"]);
        assert_eq!(outlet.0.borrow().waiting.capacity(), 0);
    }

    #[test]
    fn a_large_write_goes_through_at_once_behind_what_waits() {
        let (mut stream, outlet) = wire();
        let large = vec![b'x'; ROOM];
        stream.write_all(b"head").now_or_never().unwrap().unwrap();
        assert!(outlet.with(|wire| wire.writes.is_empty()));
        stream.write_all(&large).now_or_never().unwrap().unwrap();
        assert_eq!(outlet.with(|wire| wire.writes.clone()), [b"head".to_vec(), large]);
    }

    #[test]
    fn a_peer_that_takes_nothing_holds_the_writer_back_and_nothing_is_lost() {
        let (mut stream, outlet) = wire();
        outlet.with(|wire| wire.full = true);
        let piece = [b'x'; 1000];
        let mut taken = 0;
        while stream.write_all(&piece).now_or_never().is_some() {
            taken += piece.len();
        }
        assert_eq!(taken, ROOM / piece.len() * piece.len());
        outlet.with(|wire| wire.full = false);
        let idle = pin!(poll_fn(|_| Poll::<()>::Pending));
        assert!(Turns { connection: idle, outlet: shared(&outlet) }.now_or_never().is_none());
        assert_eq!(outlet.with(|wire| wire.writes.concat().len()), taken);
    }

    #[test]
    fn whoever_writes_next_hears_that_the_wire_broke() {
        let (mut stream, outlet) = wire();
        outlet.with(|wire| wire.broken = true);
        stream.write_all(b"head").now_or_never().unwrap().unwrap();
        let idle = pin!(poll_fn(|_| Poll::<()>::Pending));
        assert!(Turns { connection: idle, outlet }.now_or_never().is_none());
        let heard = stream.flush().now_or_never().unwrap().unwrap_err();
        assert_eq!(heard.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn shutdown_lets_out_what_waits_first() {
        let (mut stream, outlet) = wire();
        stream.write_all(b"goodbye").now_or_never().unwrap().unwrap();
        stream.shutdown().now_or_never().unwrap().unwrap();
        assert_eq!(outlet.with(|wire| (wire.writes.clone(), wire.shut)), (vec![b"goodbye".to_vec()], true));
    }

    #[tokio::test]
    async fn a_slow_peer_gets_every_byte_in_order() {
        let (near, mut far) = tokio::io::duplex(100);
        let (mut stream, outlet) = gather(near);
        let sent: Vec<u8> = (0..50_000_u32).map(|number| (number % 251) as u8).collect();
        let pieces = sent.clone();
        let connection = Box::pin(async move {
            for piece in pieces.chunks(777) {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        let (_, read) = tokio::join!(Turns { connection, outlet }, far.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent);
    }
}
