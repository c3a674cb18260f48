//! An upstream's stream on its way into hyper's HTTP/2 client: its frames are counted.
//!
//! Behind a flood nothing passes any more, and the connection ends with an error. Bytes go straight into hyper's
//! buffer; none is held or changed. [`Joint`] tells whoever waits for answers on it why there are none.

use std::cell::{Cell, OnceCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::perceive::framing::frames::Frames;

/// What the requests on one HTTP/2 connection share.
#[derive(Default)]
pub(super) struct Joint {
    /// Requests that are not answered to the end.
    pub(super) in_flight: Cell<usize>,
    /// The kind of frame of which there were too many.
    pub(super) flood: Cell<Option<&'static str>>,
    allowed: OnceCell<Box<dyn Fn() -> usize>>,
}

impl Joint {
    /// From now on `allowed` is asked how many requests the upstream takes at once.
    pub(super) fn ask(&self, allowed: impl Fn() -> usize + 'static) {
        // There is one connection, and it is asked for once.
        let _ = self.allowed.set(Box::new(allowed));
    }

    /// How many requests the upstream takes at once (RFC 9113, section 5.1.2).
    pub(super) fn allowed(&self) -> usize {
        self.allowed.get().map_or(0, |allowed| allowed())
    }
}

impl std::fmt::Debug for Joint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Joint")
    }
}

/// The stream.
#[derive(Debug)]
pub(super) struct Counted<S> {
    inner: S,
    frames: Frames,
    born: Instant,
    joint: Rc<Joint>,
}

impl<S> Counted<S> {
    /// Counts the frames that come from `inner`.
    pub(super) fn new(inner: S, joint: Rc<Joint>) -> Self {
        Self { inner, frames: Frames::of_upstream(), born: Instant::now(), joint }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.joint.flood.get().is_none() {
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let fresh = &buf.filled()[before..];
            let (length, pass) = (fresh.len(), this.frames.received(fresh, this.born.elapsed()));
            buf.set_filled(before + pass);
            this.joint.flood.set(this.frames.flood());
            if pass > 0 || length == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too many frames")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.frames.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs))?;
        this.frames.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
