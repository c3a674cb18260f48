//! A workload's stream of HTTP/1 on its way into hyper: counted, and seen by the byte guard first.
//!
//! hyper repairs messages that must be refused, so it sees only what the guard has passed. A refused head never
//! reaches it: in its place hyper gets one small request of our own, so that the answer to it (a 400) leaves in turn,
//! after the answers to the requests before it. Whoever serves requests asks [`Watch::refusal`] before anything else.
//! While an answer is owed, nothing behind its request is handed on, and a workload that leaves is noticed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::departure::{Departure, Linger, Wire};
use super::patience::Patience;
use super::watch::Watch;
use crate::model::types::limits::HEAD_TIME;
use crate::perceive::request::guard::{Refusal, State};

/// Bytes read from the workload at once while a head is being collected.
const READ: usize = 8 * 1024;

/// What hyper gets instead of a refused message.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n";

/// The stream.
#[derive(Debug)]
pub struct Guarded<S> {
    inner: S,
    watch: Arc<Watch>,
    /// Bytes received and not handed on; the first `cleared` of them may be.
    held: Vec<u8>,
    cleared: usize,
    state: State,
    /// Bytes of the stand-in already handed on, once there is one.
    stand_in: Option<usize>,
    /// Runs while a head is incomplete.
    clock: Option<Pin<Box<Sleep>>>,
    /// With a body that is waited for.
    patience: Patience,
    /// An answer is owed: a request was handed on, and its answer is not out to the last byte.
    owing: bool,
    /// Some of what is held was not shown to the guard.
    unseen: bool,
    /// The workload has ended its side while an answer was owed.
    departure: Option<Box<Departure>>,
    /// Both sides are over but for what the workload still sends.
    linger: Option<Box<Linger>>,
}

/// What became of bytes that were read straight into the caller's buffer.
enum Through {
    /// They are the caller's; none at all are the end of input.
    Handed,
    /// They were taken out again, to be looked at.
    Withheld,
}

impl<S> Guarded<S> {
    /// Guards `inner`, and tells `watch`.
    pub fn new(inner: S, watch: Arc<Watch>) -> Self {
        Self {
            inner,
            watch,
            held: Vec::new(),
            cleared: 0,
            state: State::Idle,
            stand_in: None,
            clock: None,
            patience: Patience::default(),
            owing: false,
            unseen: false,
            departure: None,
            linger: None,
        }
    }

    /// Hands on what may be.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.cleared.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.cleared -= length;
        // The guard takes one part of what it is shown at a time, and may let more of the rest pass.
        self.unseen = self.cleared == 0 && !self.held.is_empty();
        if self.held.is_empty() {
            // An idle connection keeps no buffer.
            self.held = Vec::new();
        }
    }

    /// Shows everything held to the guard.
    fn examine_held(&mut self) {
        self.unseen = false;
        if let Some(advance) = self.watch.examine(&self.held) {
            self.held.drain(..advance.skip);
            self.cleared = advance.pass;
            self.state = advance.state;
            self.clock = self.clock.take().filter(|_| advance.state == State::Head && advance.pass == 0);
        }
    }

    /// Ends the connection for a reason that is not in its bytes.
    fn refuse(&mut self, why: Refusal) {
        self.watch.refuse(self.state, why);
        self.state = State::Refused(why);
        self.held = Vec::new();
    }

    fn refused_in_body(&self) -> bool {
        self.watch.refused_in_body()
    }

    /// A refused head is replaced by the stand-in, then by the end; a refused body is an error of the body.
    fn refused(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.refused_in_body() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the guard refused the body",
            )));
        }
        let given = self.stand_in.get_or_insert(0);
        let rest = &STAND_IN[*given..];
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        *given += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Wire + Unpin> Guarded<S> {
    /// Reads behind what is held.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let begin = self.held.len();
        self.held.resize(begin + READ, 0);
        let mut more = ReadBuf::new(&mut self.held[begin..]);
        let polled = Pin::new(&mut self.inner).poll_read(cx, &mut more);
        let length = more.filled().len();
        self.held.truncate(begin + length);
        if length > 0 {
            self.watch.received_more(length);
        }
        ready!(polled)?;
        Poll::Ready(Ok(length))
    }

    /// Reads straight into the caller's buffer; what may not pass is taken out of it again.
    fn poll_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<Through>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        let fresh = &buf.filled()[before..];
        if self.state == State::Body && (read.is_err() || fresh.is_empty()) {
            self.refuse(Refusal::Incomplete);
            return Poll::Ready(Ok(Through::Withheld));
        }
        read?;
        if fresh.is_empty() {
            return Poll::Ready(Ok(Through::Handed));
        }
        self.watch.received_more(fresh.len());
        let Some(advance) = self.watch.examine(fresh) else { return Poll::Ready(Ok(Through::Handed)) };
        self.state = advance.state;
        if advance.skip == 0 && advance.pass == fresh.len() {
            return Poll::Ready(Ok(Through::Handed));
        }
        self.held = fresh[advance.skip..].to_vec();
        self.cleared = advance.pass;
        buf.set_filled(before);
        Poll::Ready(Ok(Through::Withheld))
    }

    /// A head that does not get finished is refused.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state != State::Head {
            self.clock = None;
            return Poll::Pending;
        }
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(HEAD_TIME)));
        ready!(clock.as_mut().poll(cx));
        self.refuse(Refusal::HeadTooSlow);
        Poll::Ready(())
    }
}

impl<S> Guarded<S> {
    /// A body that does not go on is refused.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state != State::Body {
            self.patience.rest();
            return Poll::Pending;
        }
        let answered = || self.watch.guard_is_answered();
        ready!(self.patience.poll_end(cx, self.watch.received(), answered));
        self.refuse(Refusal::BodyTooSlow);
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Wire + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            if this.state == State::Paused {
                this.examine_held();
                if this.state != State::Paused {
                    continue;
                }
            }
            if this.is_held() {
                return this.poll_held(cx, buf);
            }
            match this.state {
                State::Refused(_) => return this.refused(buf),
                State::Ended => return Poll::Ready(Ok(())),
                _ => {}
            }
            if this.unseen {
                this.examine_held();
                continue;
            }
            if this.held.is_empty() {
                match this.poll_through(cx, buf)? {
                    Poll::Ready(Through::Handed) => return Poll::Ready(Ok(())),
                    Poll::Ready(Through::Withheld) => {}
                    Poll::Pending => ready!(this.poll_patience(cx)),
                }
                continue;
            }
            match this.poll_more(cx) {
                Poll::Ready(Ok(0)) => this.refuse(Refusal::Incomplete),
                Poll::Ready(Ok(_)) => this.examine_held(),
                Poll::Ready(Err(_)) if this.state == State::Body => this.refuse(Refusal::Incomplete),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => ready!(this.poll_clock(cx)),
            }
        }
    }
}

mod owed;
#[cfg(test)]
mod tests;
