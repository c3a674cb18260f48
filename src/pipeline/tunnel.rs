//! What follows a switch of protocols (RFC 9110, section 7.8), WebSocket above all: bytes both ways until one side
//! ends, nothing moves for too long, or the daemon drains.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::guarded::Busy;
use crate::act::upstream::Closing;
use crate::model::types::limits::{FLOW_IDLE_TIME, TLS_HANDSHAKE_TIME};

/// Bytes on the way in one direction.
const BUFFER: usize = 16 * 1024;

/// The workload's side, counted: on HTTP/2 its connection carries others beside it.
struct Counted<'m, S> {
    inner: S,
    moved: &'m Moved,
}

struct Moved {
    from_workload: Cell<u64>,
    to_workload: Cell<u64>,
    at: Cell<Instant>,
}

/// Relays an upgraded connection and closes its record. The workload's connection is busy as long as it lasts.
pub async fn run(
    (workload, upstream): (OnUpgrade, OnUpgrade),
    closing: Closing,
    busy: Busy,
    mut drain: watch::Receiver<bool>,
) {
    let both = timeout(TLS_HANDSHAKE_TIME, async { tokio::try_join!(workload, upstream) }).await;
    let Ok(Ok((workload, upstream))) = both else { return closing.finish(0, 0, Some("client-closed")) };
    let moved =
        Moved { from_workload: Cell::new(0), to_workload: Cell::new(0), at: Cell::new(Instant::now()) };
    let mut workload = Counted { inner: TokioIo::new(workload), moved: &moved };
    let mut upstream = TokioIo::new(upstream);
    let end = tokio::select! {
        ended = copy_bidirectional_with_sizes(&mut workload, &mut upstream, BUFFER, BUFFER) => {
            ended.err().map(|_| "reset")
        }
        () = idle(&moved) => Some("idle"),
        _ = drain.wait_for(|drains| *drains) => Some("shutdown"),
    };
    closing.finish(moved.from_workload.get(), moved.to_workload.get(), end);
    drop(busy);
}

/// Returns once nothing has moved for `FLOW_IDLE_TIME`.
async fn idle(moved: &Moved) {
    while moved.at.get().elapsed() < FLOW_IDLE_TIME {
        sleep_until(moved.at.get() + FLOW_IDLE_TIME).await;
    }
}

impl Moved {
    fn count(&self, counter: &Cell<u64>, bytes: usize) {
        counter.set(counter.get() + bytes as u64);
        self.at.set(Instant::now());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.moved.count(&self.moved.from_workload, buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.moved.count(&self.moved.to_workload, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
