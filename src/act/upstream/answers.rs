//! An upstream's stream on its way into hyper's HTTP/1 client: seen by the byte guard first.
//!
//! hyper repairs answers that must be refused and waits long for what never ends, so it sees only what the guard has
//! passed; a refused answer reaches it as an error of the stream. Bytes go straight into hyper's buffer: only what has
//! to be withheld is ever held here. [`Asker`] is the other end: it tells the guard what each request asks for, and
//! whoever waits for the answer why there is none.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::body::RequestBody;
use crate::model::types::limits::HEAD_TIME;
use crate::perceive::response::{Asked, Guard, Refusal, State};

/// Bytes read at once behind those that are withheld.
const READ: usize = 8 * 1024;

/// What the two ends of a connection share.
#[derive(Debug, Default)]
struct Asking {
    /// What the request asks for that is about to go out, as one of the codes below.
    armed: AtomicU8,
    /// Why nothing passes any more.
    refused: OnceLock<Refusal>,
}

/// No request is about to go out.
const NOTHING: u8 = 0;
/// Codes for `armed`.
const CODES: [(u8, Asked); 3] = [(1, Asked::Plainly), (2, Asked::Head), (3, Asked::Upgrade)];

/// Guards the answers on a connection; the second half belongs to whoever sends requests on it.
pub(super) fn guarded<S>(inner: S) -> (Answers<S>, impl FnOnce(http1::SendRequest<RequestBody>) -> Asker) {
    let asking = Arc::new(Asking::default());
    let answers = Answers {
        inner,
        asking: asking.clone(),
        guard: Guard::default(),
        state: State::Idle,
        held: Vec::new(),
        cleared: 0,
        clock: None,
    };
    (answers, |sender| Asker { sender, asking })
}

/// Sends requests on a guarded connection.
#[derive(Debug)]
pub(super) struct Asker {
    sender: http1::SendRequest<RequestBody>,
    asking: Arc<Asking>,
}

impl Asker {
    /// Sends one request, and says what its answer may be.
    pub(super) fn try_send_request(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<> {
        let asked = if request.method() == Method::HEAD {
            Asked::Head
        } else if request.headers().contains_key(header::UPGRADE) {
            Asked::Upgrade
        } else {
            Asked::Plainly
        };
        let code = CODES.iter().find(|(_, known)| *known == asked).map_or(NOTHING, |(code, _)| *code);
        self.asking.armed.store(code, Ordering::Relaxed);
        self.sender.try_send_request(request)
    }

    /// Whether it can take a request now.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready() && self.refused().is_none()
    }

    /// Whether it will never take another.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.refused().is_some()
    }

    /// Why the guard has refused what came, if it has.
    pub(super) fn refused(&self) -> Option<Refusal> {
        self.asking.refused.get().copied()
    }
}

/// The stream.
#[derive(Debug)]
pub(super) struct Answers<S> {
    inner: S,
    asking: Arc<Asking>,
    guard: Guard,
    state: State,
    /// Bytes received and not handed on; the first `cleared` of them may be.
    held: Vec<u8>,
    cleared: usize,
    /// Runs while a head is incomplete.
    clock: Option<Pin<Box<Sleep>>>,
}

impl<S> Answers<S> {
    /// Hands on what may be.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.cleared.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.cleared -= length;
        if self.held.is_empty() {
            // A connection that waits keeps no buffer.
            self.held = Vec::new();
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.state = State::Refused(refusal);
        // The first one counts.
        let _ = self.asking.refused.set(refusal);
    }

    /// Shows bytes to the guard; answers how many may pass.
    fn examine(&mut self, bytes: &[u8]) -> usize {
        let advance = self.guard.advance(bytes);
        match advance.state {
            State::Refused(refusal) => self.refuse(refusal),
            state => self.state = state,
        }
        advance.pass
    }
}

impl<S: AsyncRead + Unpin> Answers<S> {
    /// Reads straight into the caller's buffer; what may not pass is taken out of it again. Whether anything is left
    /// in it, or the end of input was read.
    fn poll_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let fresh = &buf.filled()[before..];
        let pass = self.examine(fresh);
        if pass == fresh.len() {
            return Poll::Ready(Ok(true));
        }
        self.held = fresh[pass..].to_vec();
        buf.set_filled(before + pass);
        Poll::Ready(Ok(pass > 0))
    }

    /// Reads behind what is held.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let begin = self.held.len();
        self.held.resize(begin + READ, 0);
        let mut more = ReadBuf::new(&mut self.held[begin..]);
        let polled = Pin::new(&mut self.inner).poll_read(cx, &mut more);
        let length = more.filled().len();
        self.held.truncate(begin + length);
        ready!(polled)?;
        if length > 0 {
            let held = std::mem::take(&mut self.held);
            self.cleared = self.examine(&held);
            self.held = held;
        }
        Poll::Ready(Ok(length))
    }

    /// A head that does not get finished is refused.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state != State::Head {
            return Poll::Pending;
        }
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(HEAD_TIME)));
        ready!(clock.as_mut().poll(cx));
        self.refuse(Refusal::HeadTooSlow);
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answers<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            if let State::Refused(refusal) = this.state {
                this.held = Vec::new();
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal.sentence())));
            }
            if this.held.is_empty() {
                this.clock = None;
                if ready!(this.poll_through(cx, buf))? {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            match this.poll_more(cx) {
                // The end of input inside what is withheld: the library behind misses the rest.
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => ready!(this.poll_clock(cx)),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Answers<S> {
    /// Whatever is written now is a request, or the rest of one.
    fn writes(&mut self) {
        if self.asking.armed.load(Ordering::Relaxed) != NOTHING {
            let armed = self.asking.armed.swap(NOTHING, Ordering::Relaxed);
            if let Some((_, asked)) = CODES.iter().find(|(code, _)| *code == armed) {
                self.guard.ask(*asked);
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Answers<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.writes();
        Pin::new(&mut this.inner).poll_write(cx, buf)
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
        this.writes();
        Pin::new(&mut this.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
