//! What follows a switch of protocols (RFC 9110, section 7.8), WebSocket above all: bytes both ways until one side
//! ends, nothing moves for too long, or the daemon drains. Nobody asks for it again, so it is judged anew when other documents
//! are in force, or when its agent is put away.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::request;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::case::Case;
use super::site::Site;
use super::watch::Busy;
use crate::act::upstream::{Closing, Rests, Tempo};
use crate::model::types::Denial;
use crate::model::types::limits::{FLOW_IDLE_TIME, TLS_HANDSHAKE_TIME, TUNNEL_END_TIME};
use crate::perceive::request::Request;

/// Bytes on the way in one direction.
const BUFFER: usize = 16 * 1024;

/// One side of a tunnel, counted: on HTTP/2 the workload's connection carries others beside it. Many peers close TLS
/// without saying so: what they speak has an end of its own (WebSocket's close frame), so that is an end like any other.
struct Side<'m, S> {
    inner: S,
    read: u64,
    written: u64,
    moved: &'m Moved,
    rests: Rests,
}

/// What both sides tell the clock.
struct Moved {
    at: Cell<Instant>,
    /// One side has ended.
    ended: Cell<bool>,
}

/// By what a tunnel lives: the request that asked for it.
pub struct Lease {
    site: Rc<Site>,
    asked: Option<request::Parts>,
    /// Since before the request was judged.
    policy: watch::Receiver<()>,
}

impl Lease {
    /// Begins to hear of what changes.
    pub fn begin(site: &Rc<Site>) -> Self {
        Self { site: site.clone(), asked: None, policy: site.road.shared.watch() }
    }

    /// Keeps the head that was judged.
    pub fn asked(&mut self, head: &request::Parts) {
        self.asked = Some(head.clone());
    }

    /// Why the tunnel may live no longer, once that is so.
    async fn over(&mut self) -> Denial {
        loop {
            if self.policy.changed().await.is_err() {
                // The daemon ends, and `drain` tells of it.
                return std::future::pending().await;
            }
            let case = Case::begin(&self.site);
            let Some(head) = &self.asked else { continue };
            let judged = Request::read(&self.site.agreed, head).and_then(|request| case.judge(&request));
            if let Err(denial) = judged {
                return denial;
            }
        }
    }
}

/// Relays an upgraded connection and closes its record. The workload's connection is busy as long as it lasts.
pub async fn run(
    (workload, upstream): (OnUpgrade, OnUpgrade),
    closing: Closing,
    busy: Busy,
    (tempo, mut lease): (Tempo, Lease),
) {
    let both = timeout(TLS_HANDSHAKE_TIME, async { tokio::try_join!(workload, upstream) }).await;
    let Ok(Ok((workload, upstream))) = both else { return closing.finish((0, 0), Some("client-closed"), None) };
    let mut drain = lease.site.road.drain.clone();
    let mut denial = None;
    let moved = Moved { at: Cell::new(Instant::now()), ended: Cell::new(false) };
    let side = |inner| {
        let rests = Rests::new(tempo.clone());
        Side { inner: TokioIo::new(inner), read: 0, written: 0, moved: &moved, rests }
    };
    let (mut workload, mut upstream) = (side(workload), side(upstream));
    let end = tokio::select! {
        ended = copy_bidirectional_with_sizes(&mut workload, &mut upstream, BUFFER, BUFFER) => {
            ended.err().map(|_| "reset")
        }
        () = idle(&moved) => Some("idle"),
        _ = drain.wait_for(|drains| *drains) => Some("shutdown"),
        refused = lease.over() => {
            denial = Some(refused);
            None
        }
    };
    closing.finish((workload.read, workload.written), end, denial);
    drop(busy);
}

/// Returns once nothing has moved for `FLOW_IDLE_TIME`, or for `TUNNEL_END_TIME` where one side has ended.
async fn idle(moved: &Moved) {
    loop {
        let bound = if moved.ended.get() { TUNNEL_END_TIME } else { FLOW_IDLE_TIME };
        let until = moved.at.get() + bound;
        if Instant::now() >= until {
            return;
        }
        // A side may end meanwhile, and shorten the bound.
        sleep_until(until.min(Instant::now() + TUNNEL_END_TIME)).await;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.rests.poll(cx));
        let before = buf.filled().len();
        match ready!(Pin::new(&mut self.inner).poll_read(cx, buf)) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Poll::Ready(Err(error)),
            _ => {}
        }
        let length = buf.filled().len() - before;
        if length == 0 {
            self.moved.ended.set(true);
        }
        self.read += length as u64;
        self.rests.after(length);
        self.moved.at.set(Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Side<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.written += written as u64;
        self.moved.at.set(Instant::now());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
