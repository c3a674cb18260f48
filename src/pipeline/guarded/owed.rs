//! What a guarded stream does while its workload is owed an answer, and when the answers are out: nothing behind a request
//! is handed on before its answer is, a workload that leaves is noticed, and one that still sends is listened to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Guarded, READ};
use crate::perceive::request::guard::State;
use crate::pipeline::departure::{Departure, Wire};
use crate::platform::sys::socket;

impl<S: AsyncRead + AsyncWrite + Wire + Unpin> Guarded<S> {
    /// Whether what comes next belongs to no request that was handed on, while an answer to one is owed.
    pub(super) fn is_held(&mut self) -> bool {
        let between = match self.state {
            State::Idle | State::Head | State::Paused | State::Ended => true,
            State::Refused(_) => !self.refused_in_body(),
            State::Body | State::Opaque => false,
        };
        self.owing |= between && (self.watch.awaits_answer() || self.watch.busy());
        between && self.owing
    }

    /// Keeps what comes while an answer is owed, up to a bound, and watches for the workload's end. Ready only where
    /// it is gone.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.departure.is_none() && self.held.len() < READ {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
            let fresh = &buf.filled()[before..];
            if fresh.is_empty() {
                self.departure = Some(Box::new(Departure::watch(self.inner.tcp())?));
                break;
            }
            self.watch.received_more(fresh.len());
            self.held.extend_from_slice(fresh);
            self.unseen = true;
            buf.set_filled(before);
        }
        let Some(departure) = &mut self.departure else { return Poll::Pending };
        if self.watch.awaits_answer() {
            departure.probe(cx, &mut self.inner)?;
        }
        departure.poll_gone(cx)
    }
}

impl<S: Wire> Guarded<S> {
    /// Nothing goes on where what stood for a time has ended, and the workload sees that by a reset.
    fn check_cut(&self) -> io::Result<()> {
        if !self.watch.is_cut() {
            return Ok(());
        }
        if let Some(tcp) = self.inner.tcp() {
            // A socket that is already gone needs no reset.
            let _ = socket::reset_on_close(tcp);
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl<S: AsyncWrite + Wire + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_cut()?;
        // The byte that was sent ahead of the answer is not sent again.
        let ahead = match &mut this.departure {
            Some(departure) if !buf.is_empty() => departure.ahead(buf)?,
            _ => 0,
        };
        let written = if ahead < buf.len() || ahead == 0 {
            ready!(Pin::new(&mut this.inner).poll_write(cx, &buf[ahead..]))?
        } else {
            0
        };
        if let Some(departure) = &mut this.departure {
            departure.wrote();
        }
        this.watch.sent_more(ahead + written);
        Poll::Ready(Ok(ahead + written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_cut()?;
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        if this.owing && !this.watch.awaits_answer() && !this.watch.busy() {
            this.owing = false;
            if !this.held.is_empty() || this.departure.is_some() {
                // hyper was told to wait, and no byte will wake it.
                cx.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Where the workload is still sending, what it sends is read and dropped for a while: closing a socket with unread
    /// bytes resets it, and would destroy the answer on its way (RFC 9112, section 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            let sending = matches!(this.state, State::Body | State::Refused(_)) || !this.held.is_empty();
            if !sending || this.departure.is_some() {
                return Poll::Ready(Ok(()));
            }
            this.watch.linger();
        }
        let linger = this.linger.get_or_insert_default();
        this.inner.tcp().map_or(Poll::Ready(Ok(())), |tcp| linger.poll(cx, tcp))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.departure.is_some() {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs))?;
        this.watch.sent_more(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
