//! What follows a switch of protocols (RFC 9110, section 7.8), WebSocket above all: bytes both ways until one side
//! ends, nothing moves for too long, or the daemon drains.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::guarded::Watch;
use crate::act::upstream::Closing;
use crate::model::types::limits::{FLOW_IDLE_TIME, TLS_HANDSHAKE_TIME, TUNNEL_END_TIME};

/// Bytes on the way in one direction.
const BUFFER: usize = 16 * 1024;

/// Relays an upgraded connection and closes its record.
pub async fn run(
    workload: OnUpgrade,
    upstream: OnUpgrade,
    closing: Closing,
    watch: Arc<Watch>,
    mut drain: watch::Receiver<bool>,
) {
    let both = timeout(TLS_HANDSHAKE_TIME, async { tokio::try_join!(workload, upstream) }).await;
    let Ok(Ok((workload, upstream))) = both else { return closing.finish(0, 0, Some("client-closed")) };
    let (out, back) = (watch.received(), watch.sent());
    let ended = Rc::new(Cell::new(false));
    let mut workload = Side { inner: TokioIo::new(workload), ended: ended.clone() };
    let mut upstream = Side { inner: TokioIo::new(upstream), ended: ended.clone() };
    let end = tokio::select! {
        ended = copy_bidirectional_with_sizes(&mut workload, &mut upstream, BUFFER, BUFFER) => {
            ended.err().map(|_| "reset")
        }
        () = idle(&watch, &ended) => Some("idle"),
        _ = drain.wait_for(|drains| *drains) => Some("shutdown"),
    };
    closing.finish(watch.received() - out, watch.sent() - back, end);
}

/// Returns once nothing has moved for `FLOW_IDLE_TIME`, or for `TUNNEL_END_TIME` where one side has ended.
async fn idle(watch: &Watch, ended: &Cell<bool>) {
    loop {
        let bound = if ended.get() { TUNNEL_END_TIME } else { FLOW_IDLE_TIME };
        let still = watch.still();
        if still >= bound {
            return;
        }
        // A side may end meanwhile, and shorten the bound.
        sleep((bound - still).min(TUNNEL_END_TIME)).await;
    }
}

/// One side of a tunnel. Many peers close TLS without saying so: what they speak has an end of its own (WebSocket's
/// close frame), so that is an end like any other.
struct Side<S> {
    inner: S,
    ended: Rc<Cell<bool>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match ready!(Pin::new(&mut self.inner).poll_read(cx, buf)) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Poll::Ready(Err(error)),
            _ => {}
        }
        if buf.filled().len() == before {
            self.ended.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Side<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
