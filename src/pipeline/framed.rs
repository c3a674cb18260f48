//! A workload's stream of HTTP/2 on its way into hyper: its frames are counted, and what is begun must be finished.
//!
//! Behind a flood hyper gets frames of our own that make it say ENHANCE_YOUR_CALM, and then the end. No byte is held:
//! they are read straight into hyper's buffer. Whoever serves the connection asks [`Framed::broken`] why it ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::watch::Watch;
use crate::model::types::limits::HEAD_TIME;
use crate::perceive::framing::frames::Frames;

/// Frames that are read before whoever takes their content has its turn. hyper reads for as long as there is something to
/// read, and takes thousands of small messages that nobody has taken yet for an attack.
const FRAMES_A_TURN: u64 = 512;

/// Types of frames (RFC 9113, section 6).
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// What hyper gets behind a flood: a header block in more pieces than it takes.
const STAND_IN: [u8; 9 * 16] = {
    let (mut frames, mut at) = ([0; 9 * 16], 0);
    while at < frames.len() {
        frames[at + 3] = if at == 0 { HEADERS } else { CONTINUATION };
        frames[at + 8] = 1;
        at += 9;
    }
    frames
};

/// Why we have ended a connection before hyper found anything wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Too many frames that bring nothing; the kind of the last.
    Flood(&'static str),
    /// The preface, a header block or a control frame was not finished in `HEAD_TIME`.
    Slow,
}

/// The stream.
#[derive(Debug)]
pub struct Framed<S> {
    inner: S,
    watch: Arc<Watch>,
    frames: Frames,
    /// Streams that were opened by what hyper has dealt with.
    opened: u64,
    /// Frames that had passed when others had their turn last.
    rested: u64,
    /// Runs while something is unfinished.
    clock: Option<Pin<Box<Sleep>>>,
    broken: Option<Broken>,
    /// Bytes of the stand-in already handed on.
    stood_in: usize,
}

impl<S> Framed<S> {
    /// Counts the frames of `inner`, and its bytes into `watch`.
    pub fn new(inner: S, watch: Arc<Watch>) -> Self {
        let frames = Frames::of_workload();
        Self { inner, watch, frames, opened: 0, rested: 0, clock: None, broken: None, stood_in: 0 }
    }

    /// Why we have ended the connection.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// Streams that have come to an end without a request that was handed on: malformed, too large, one too many, or
    /// reset by the workload at once. To be asked when hyper has done all it can.
    pub fn unheard(&self) -> u64 {
        self.opened.saturating_sub(self.watch.begun())
    }

    /// The stand-in, and then the end of input.
    fn stand_in(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = &STAND_IN[self.stood_in..];
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        self.stood_in += length;
        Poll::Ready(Ok(()))
    }

    /// What has begun has `HEAD_TIME` from its last frame header on.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.frames.unfinished() {
            self.clock = None;
            return Poll::Pending;
        }
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(HEAD_TIME)));
        ready!(clock.as_mut().poll(cx));
        self.broken = Some(Broken::Slow);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn wrote(&mut self, bytes: usize) {
        self.watch.sent_more(bytes);
        self.frames.sent(bytes);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.broken.is_some() {
            return this.stand_in(buf);
        }
        if this.frames.seen().saturating_sub(this.rested) >= FRAMES_A_TURN {
            this.rested = this.frames.seen();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Whoever reads on has dealt with every whole frame it was given before.
        this.opened = this.frames.opened();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(read) => read?,
            Poll::Pending => return this.poll_clock(cx),
        }
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let (now, seen) = (this.watch.received_more(fresh.len()), this.frames.seen());
        let pass = this.frames.received(fresh, now);
        if this.frames.seen() > seen {
            this.clock = None;
        }
        buf.set_filled(before + pass);
        this.broken = this.frames.flood().map(Broken::Flood);
        if pass == 0 { this.stand_in(buf) } else { Poll::Ready(Ok(())) }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.wrote(written);
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
        this.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
