//! What is written to an HTTP/2 peer, gathered: the library asks for each frame to be written by itself, and each such
//! write would be a TLS record and a system call of its own.
//!
//! Bytes wait here until whoever drives the connection has let it do all it can, and then leave together
//! ([`Gathered::settle`]). They never wait for time to pass or for more to come. An idle connection holds nothing.

use std::cell::{Ref, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may wait: what a TLS record can hold (RFC 8446, section 5.1).
const WAITING: usize = 16 * 1024;
/// What is as large as this is not copied: it is worth a write of its own.
const DIRECT: usize = 8 * 1024;
/// Room for a few small frames at once.
const FIRST: usize = 4 * 1024;

/// The stream, shared by the library and whoever drives it.
#[derive(Debug)]
pub struct Gathered<S>(Rc<RefCell<Inner<S>>>);

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    waiting: Vec<u8>,
    /// How much of it has left.
    left: usize,
    /// Whether the stream itself may hold back what it was given.
    unflushed: bool,
    /// Why nothing leaves any more; told to whoever writes next.
    failure: Option<io::Error>,
}

impl<S> Clone for Gathered<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Nothing waits yet.
    pub fn new(stream: S) -> Self {
        let inner = Inner { stream, waiting: Vec::new(), left: 0, unflushed: false, failure: None };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// The stream itself. To be let go of before the library is polled.
    pub fn stream(&self) -> Ref<'_, S> {
        Ref::map(self.0.borrow(), |inner| &inner.stream)
    }

    /// Writes what waits. To be called whenever the library has been polled, with the same context: what cannot leave
    /// now wakes it again. Where the stream has failed the library is woken, and told when it next writes.
    pub fn settle(&self, cx: &mut Context<'_>) {
        let mut inner = self.0.borrow_mut();
        if let Poll::Ready(Err(error)) = inner.poll_out(cx) {
            inner.failure = Some(error);
            cx.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left < self.waiting.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting[self.left..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.left += written,
            }
        }
        if self.unflushed {
            // TLS takes plain text for which the socket has no room yet.
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            (self.unflushed, self.left, self.waiting) = (false, 0, Vec::new());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if length >= DIRECT || self.waiting.len() + length > WAITING {
            ready!(self.poll_out(cx))?;
        }
        self.unflushed = true;
        if length >= DIRECT {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        }
        if self.waiting.is_empty() {
            self.waiting.reserve(FIRST.max(length));
        }
        bufs.iter().for_each(|buf| self.waiting.extend_from_slice(buf));
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_take(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_take(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Done by [`Gathered::settle`], after this poll.
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

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    async fn settled(stream: &Gathered<tokio::io::DuplexStream>) {
        poll_fn(|cx| {
            stream.settle(cx);
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn small_writes_leave_together_and_only_when_settled() {
        let (near, mut far) = duplex(64 * 1024);
        let mut stream = Gathered::new(near);
        for _ in 0..3 {
            stream.write_all(b"answer").await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut all = [0; 64];
        assert!(futures_util::FutureExt::now_or_never(far.read(&mut all)).is_none(), "nothing has left");
        settled(&stream).await;
        assert_eq!(far.read(&mut all).await.unwrap(), 18);
        assert!(stream.0.borrow().waiting.capacity() == 0, "an idle connection keeps no buffer");
    }

    #[tokio::test]
    async fn no_byte_is_lost_or_moved_whatever_the_sizes_and_however_slow_the_reader() {
        let (near, mut far) = duplex(1000);
        let mut stream = Gathered::new(near);
        let sizes = [1, 100, 8191, 8192, 20_000, 9, 16_384, 16_385, 3, 8000, 8000, 8000];
        let sent: Vec<u8> =
            sizes.iter().enumerate().flat_map(|(at, size)| vec![u8::try_from(at).unwrap(); *size]).collect();
        let writing = async {
            for (at, size) in sizes.iter().enumerate() {
                stream.write_all(&vec![u8::try_from(at).unwrap(); *size]).await.unwrap();
                settled(&stream).await;
                assert!(stream.0.borrow().waiting.len() <= WAITING);
            }
            stream.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(writing, far.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent);
    }

    /// As TLS does: takes what it is given, and gives it to the wire when it is flushed.
    #[derive(Default)]
    struct Withholding {
        taken: usize,
        flushed: usize,
        full: bool,
        broken: bool,
    }

    impl AsyncWrite for Withholding {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if self.broken {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            self.taken += buf.len();
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.full {
                return Poll::Pending;
            }
            self.flushed = self.taken;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_the_stream_withholds_is_flushed_however_large_the_last_write_was() {
        for length in [100, DIRECT, 3 * WAITING] {
            let mut stream = Gathered::new(Withholding { full: true, ..Withholding::default() });
            let written = futures_util::FutureExt::now_or_never(stream.write(&vec![0; length]));
            assert_eq!(written.unwrap().unwrap(), length);
            let cx = &mut Context::from_waker(std::task::Waker::noop());
            stream.settle(cx);
            stream.0.borrow_mut().stream.full = false;
            stream.settle(cx);
            assert_eq!(stream.stream().flushed, length);
        }
    }

    #[test]
    fn whoever_writes_next_hears_that_the_stream_broke() {
        let mut stream = Gathered::new(Withholding { broken: true, ..Withholding::default() });
        let written = futures_util::FutureExt::now_or_never(stream.write(b"frame"));
        assert_eq!(written.unwrap().unwrap(), 5);
        stream.settle(&mut Context::from_waker(std::task::Waker::noop()));
        let heard = futures_util::FutureExt::now_or_never(stream.flush()).unwrap().unwrap_err();
        assert_eq!(heard.kind(), io::ErrorKind::BrokenPipe);
    }
}
