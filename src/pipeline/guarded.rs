//! A workload's stream of HTTP/1 on its way into hyper: counted, and seen by the byte guard first.
//!
//! hyper repairs messages that must be refused, so it sees only what the guard has passed. A refused head never
//! reaches it: in its place hyper gets one small request of our own, so that the answer to it (a 400) leaves in turn,
//! after the answers to the requests before it. Whoever serves requests asks [`Watch::refusal`] before anything else.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::patience::Patience;
use crate::model::types::limits::HEAD_TIME;
use crate::perceive::request::guard::{Advance, Guard, Refusal, State};

/// Bytes read from the workload at once while a head is being collected.
const READ: usize = 8 * 1024;

/// What hyper gets instead of a refused message.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n";

/// What a stream tells those who serve it. Shared with the stream, which may move into an upgraded connection.
#[derive(Debug)]
pub struct Watch {
    born: Instant,
    /// Milliseconds since `born` at which bytes last moved.
    moved: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    /// Requests handed to be answered so far, and those not answered to the end yet.
    begun: AtomicU64,
    busy: AtomicU64,
    /// Only for HTTP/1.
    guarding: Option<Mutex<Guarding>>,
}

#[derive(Debug, Default)]
struct Guarding {
    guard: Guard,
    refused: Option<Refused>,
    /// Whoever waits for a pause to end.
    waiting: Option<Waker>,
}

/// A refused message.
#[derive(Debug, Clone, Copy)]
struct Refused {
    /// Its number on the connection, from 0.
    number: u64,
    /// Whether its head had passed and its body was refused.
    in_body: bool,
    why: Refusal,
}

/// A request that is being answered; over when dropped.
#[derive(Debug)]
pub struct Busy(Arc<Watch>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watch {
    /// Nothing has happened yet.
    pub fn new(http1: bool) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            moved: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            guarding: http1.then(Mutex::default),
        })
    }

    fn guarding(&self) -> Option<MutexGuard<'_, Guarding>> {
        self.guarding.as_ref().map(|guarding| guarding.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request begins to be answered; its number on the connection, from 0.
    pub fn next_request(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    /// Requests handed to be answered so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Counts a request as being answered until the returned value is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Whether any request is being answered.
    pub fn busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// Why request `number` was refused before hyper saw it: what is being answered is our stand-in.
    pub fn refusal(&self, number: u64) -> Option<Refusal> {
        let refused = self.guarding()?.refused?;
        (refused.number == number && !refused.in_body).then_some(refused.why)
    }

    /// Why the rest of request `number` was refused after its head had passed.
    pub fn refusal_in_body(&self, number: u64) -> Option<Refusal> {
        let refused = self.guarding()?.refused?;
        (refused.number == number && refused.in_body).then_some(refused.why)
    }

    /// A request has its final answer. With 101 what follows is not HTTP; false where nobody asked for that.
    pub fn answered(&self, switches: bool) -> bool {
        let Some(mut guarding) = self.guarding() else { return !switches };
        let done = if switches {
            guarding.guard.become_opaque()
        } else {
            guarding.guard.answered();
            true
        };
        if let Some(waker) = guarding.waiting.take() {
            waker.wake();
        }
        done
    }

    /// How long no byte has moved.
    pub fn still(&self) -> Duration {
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.born.elapsed().saturating_sub(moved)
    }

    /// Bytes from the workload.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes to the workload.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Counts bytes from the workload, and says how long the stream has been there.
    pub fn received_more(&self, bytes: usize) -> Duration {
        self.count(&self.received, bytes)
    }

    /// Counts bytes to the workload.
    pub fn sent_more(&self, bytes: usize) {
        self.count(&self.sent, bytes);
    }

    fn count(&self, counter: &AtomicU64, bytes: usize) -> Duration {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = self.born.elapsed();
        self.moved.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        now
    }

    /// Shows bytes to the guard and keeps what it refuses.
    fn examine(&self, bytes: &[u8]) -> Option<Advance> {
        let mut guarding = self.guarding()?;
        let advance = guarding.guard.advance(bytes);
        if let State::Refused(why) = advance.state
            && guarding.refused.is_none()
        {
            let in_body = guarding.guard.refused_in_body();
            let number = guarding.guard.requests() - u64::from(in_body);
            guarding.refused = Some(Refused { number, in_body, why });
        }
        Some(advance)
    }

    fn refuse_slow(&self, in_body: bool, why: Refusal) {
        if let Some(mut guarding) = self.guarding() {
            let number = guarding.guard.requests() - u64::from(in_body);
            guarding.refused = Some(Refused { number, in_body, why });
        }
    }

    fn wait(&self, waker: &Waker) {
        if let Some(mut guarding) = self.guarding() {
            guarding.waiting = Some(waker.clone());
        }
    }
}

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
        }
    }

    /// Hands on what may be.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.cleared.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.cleared -= length;
        if self.held.is_empty() {
            // An idle connection keeps no buffer.
            self.held = Vec::new();
        }
    }

    /// Shows everything held to the guard.
    fn examine_held(&mut self) {
        if let Some(advance) = self.watch.examine(&self.held) {
            self.held.drain(..advance.skip);
            self.cleared = advance.pass;
            self.state = advance.state;
            self.clock = self.clock.take().filter(|_| advance.state == State::Head && advance.pass == 0);
        }
    }

    /// A refused head is replaced by the stand-in, then by the end; a refused body is an error of the body.
    fn refused(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.watch.guarding().and_then(|guarding| guarding.refused).is_some_and(|refused| refused.in_body)
        {
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

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads behind what is held.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let begin = self.held.len();
        self.held.resize(begin + READ, 0);
        let mut more = ReadBuf::new(&mut self.held[begin..]);
        let polled = Pin::new(&mut self.inner).poll_read(cx, &mut more);
        let length = more.filled().len();
        self.held.truncate(begin + length);
        if length > 0 {
            self.watch.count(&self.watch.received, length);
        }
        ready!(polled)?;
        Poll::Ready(Ok(length))
    }

    /// Reads straight into the caller's buffer; what may not pass is taken out of it again.
    fn poll_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<Through>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() {
            return Poll::Ready(Ok(Through::Handed));
        }
        self.watch.count(&self.watch.received, fresh.len());
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
        self.watch.refuse_slow(false, Refusal::HeadTooSlow);
        (self.state, self.held) = (State::Refused(Refusal::HeadTooSlow), Vec::new());
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
        let answered = || self.watch.guarding().is_none_or(|guarding| guarding.guard.is_answered());
        ready!(self.patience.poll_end(cx, self.watch.received(), answered));
        self.watch.refuse_slow(true, Refusal::BodyTooSlow);
        self.state = State::Refused(Refusal::BodyTooSlow);
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Refused(_) => return this.refused(buf),
                State::Ended => return Poll::Ready(Ok(())),
                State::Paused => {
                    this.watch.wait(cx.waker());
                    this.examine_held();
                    if this.state == State::Paused {
                        return Poll::Pending;
                    }
                    continue;
                }
                _ => {}
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
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => this.examine_held(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => ready!(this.poll_clock(cx)),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.watch.count(&this.watch.sent, written);
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
        this.watch.count(&this.watch.sent, written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
