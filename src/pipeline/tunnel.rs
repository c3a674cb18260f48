//! What follows a switch of protocols (RFC 9110, section 7.8), WebSocket above all: bytes both ways until one side
//! ends, nothing moves for too long, what is in force allows it no longer, or the daemon drains.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional_with_sizes};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::anew::Again;
use super::going::Going;
use super::shift::Cut;
use super::site::Site;
use super::watch::Busy;
use crate::act::credentials::{Covering, Echo};
use crate::act::upstream::relay::SPENT;
use crate::act::upstream::{Closing, ENDED, LAPSED, Lane, LiveTempo, LookedMessages};
use crate::model::types::limits::{FLOW_IDLE_TIME, TLS_HANDSHAKE_TIME, TUNNEL_END_TIME};
use crate::model::types::{Denial, Direction};

/// Bytes on the way in one direction.
const BUFFER: usize = 16 * 1024;

/// One side of a tunnel, counted: on HTTP/2 the workload's connection carries others beside it. Many peers close TLS
/// without saying so: what they speak has an end of its own (WebSocket's close frame), so that is an end like any other.
struct Side<'m, S> {
    inner: S,
    read: u64,
    written: u64,
    moved: &'m Moved,
    lane: Lane,
    /// What looks into what comes from it.
    looked: Option<LookedMessages>,
    /// What of that may go on and has not gone.
    ready: Vec<u8>,
    ended: bool,
    /// Covers what repeats a credential that was given.
    covered: Option<Covered>,
    /// Covers what repeats any other, of what may go on.
    shield: Option<Covering>,
}

/// What comes from an upstream that was given a credential.
struct Covered {
    covering: Covering,
    /// What may go on and has not yet.
    ready: Bytes,
    over: bool,
}

impl Covered {
    fn new(echo: Arc<Echo>) -> Self {
        Self { covering: Covering::new(echo), ready: Bytes::new(), over: false }
    }
}

/// What looks into the messages of a tunnel, each way; nothing where nobody asks.
#[derive(Debug, Default)]
pub struct Looks {
    up: Option<LookedMessages>,
    down: Option<LookedMessages>,
    /// What its server may not repeat.
    echo: Option<Arc<Echo>>,
    /// What nobody may repeat.
    vault: Option<Arc<Echo>>,
}

impl Looks {
    /// What policies ask for of the request that has opened it.
    pub fn of(site: &Rc<Site>, going: &Going) -> Self {
        let most = site.road.shared.finder.hold;
        let messages = |way| {
            let passing = going.passing(site, way, &HeaderMap::new())?;
            let passing = if way == Direction::Up { going.asking(site, passing) } else { passing };
            Some(LookedMessages::new(passing, going.findings.told.clone(), most))
        };
        Self { up: messages(Direction::Up), down: messages(Direction::Down), echo: None, vault: None }
    }

    /// The same, repeating neither what its server was given nor what is in the vault.
    pub fn repeating(self, echo: Option<Arc<Echo>>, vault: Option<Arc<Echo>>) -> Self {
        Self { echo, vault, ..self }
    }
}

/// The frame that ends a WebSocket because of what was found in it (RFC 6455, sections 5.5.1 and 7.4.1).
fn close_frame(denial: &Denial) -> Vec<u8> {
    const POLICY: u16 = 1008;
    let code = denial.reason.code().as_bytes();
    let length = u8::try_from(2 + code.len()).unwrap_or(2);
    [&[0x88, length][..], &POLICY.to_be_bytes(), &code[..usize::from(length) - 2]].concat()
}

/// What both sides tell the clock.
struct Moved {
    at: Cell<Instant>,
    /// One side has ended.
    ended: Cell<bool>,
}

/// What ends a tunnel from outside.
pub struct Ends<J> {
    /// The daemon ends, and waits no longer.
    pub cut: Cut,
    /// Other documents are in force, or other things stand for a time.
    pub policy: watch::Receiver<()>,
    /// Whether it may go on, by what is in force now, and until when that is known; where it may, it sets the tempo.
    pub judge: J,
    /// How fast its bytes may move.
    pub tempo: LiveTempo,
}

/// Relays an upgraded connection and closes its record. The workload's connection is busy as long as it lasts.
pub async fn run<J: Fn() -> Result<Again, Denial>>(
    (workload, upstream): (OnUpgrade, OnUpgrade),
    looks: Looks,
    (closing, busy): (Closing, Busy),
    ends: Ends<J>,
) {
    let Ends { mut cut, policy, judge, tempo } = ends;
    let both = timeout(TLS_HANDSHAKE_TIME, async { tokio::try_join!(workload, upstream) }).await;
    let Ok(Ok((workload, upstream))) = both else { return closing.finish(0, 0, Some("client-closed")) };
    let moved = Moved { at: Cell::new(Instant::now()), ended: Cell::new(false) };
    let side = |inner, direction, looked, (covered, shield)| {
        let lane = Lane::new(tempo.clone(), direction);
        let (inner, ready, ended) = (TokioIo::new(inner), Vec::new(), false);
        Side { inner, read: 0, written: 0, moved: &moved, lane, looked, ready, ended, covered, shield }
    };
    let told = closing.told.clone();
    let covers = (looks.echo.map(Covered::new), looks.vault.map(Covering::new));
    let mut workload = side(workload, Direction::Up, looks.up, (None, None));
    let mut upstream = side(upstream, Direction::Down, looks.down, covers);
    let end = tokio::select! {
        biased;
        // First: what carries it may be cut at the same moment, and that is not why it ends.
        _ = cut.wait_for(|cut| *cut) => Some("shutdown"),
        ended = copy_bidirectional_with_sizes(&mut workload, &mut upstream, BUFFER, BUFFER) => {
            ended.err().map(|_| "reset")
        }
        () = idle(&moved) => Some("idle"),
        denial = refused(policy, judge) => {
            closing.end(workload.read, workload.written, (LAPSED, denial));
            return drop(busy);
        }
    };
    if let Some(denial) = told.broken.get() {
        // Whoever writes to a workload that takes nothing waits no longer than for anything else.
        let farewell = close_frame(denial);
        let _ = timeout(TUNNEL_END_TIME, async {
            workload.inner.write_all(&farewell).await?;
            workload.inner.shutdown().await
        })
        .await;
        closing.end(workload.read, workload.written, (ENDED, denial.clone()));
        return drop(busy);
    }
    match tempo.spent().filter(|_| end == Some("reset")) {
        Some(denial) => closing.end(workload.read, workload.written, (SPENT, denial)),
        None => closing.finish(workload.read, workload.written, end),
    }
    drop(busy);
}

/// Returns once it may go on no longer.
async fn refused(mut policy: watch::Receiver<()>, judge: impl Fn() -> Result<Again, Denial>) -> Denial {
    loop {
        match judge() {
            Ok(again) => again.due(&mut policy).await,
            Err(denial) => return denial,
        }
    }
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

impl<S: AsyncRead + Unpin> Side<'_, S> {
    /// Reads on, with what repeats a credential covered.
    fn poll_covered(&mut self, cx: &mut Context<'_>, part: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(covered) = &mut self.covered else { return Pin::new(&mut self.inner).poll_read(cx, part) };
        while covered.ready.is_empty() && !covered.over {
            let mut bytes = [0; 8 * 1024];
            let mut fresh = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut fresh))?;
            covered.over = fresh.filled().is_empty();
            covered.ready = match covered.over {
                true => covered.covering.finish(),
                false => covered.covering.feed(Bytes::copy_from_slice(fresh.filled())),
            };
        }
        let length = covered.ready.len().min(part.remaining());
        part.put_slice(&covered.ready.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.looked.is_some() || self.shield.is_some() {
            return self.poll_looked(cx, buf);
        }
        ready!(self.lane.poll(cx)).map_err(io::Error::other)?;
        let turn = self.lane.turn().min(buf.remaining());
        let length = {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(turn));
            match ready!(self.poll_covered(cx, &mut part)) {
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Poll::Ready(Err(error)),
                _ => {}
            }
            part.filled().len()
        };
        buf.advance(length);
        if length == 0 {
            self.moved.ended.set(true);
        }
        self.read += length as u64;
        self.lane.moved(length);
        self.moved.at.set(Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Side<'_, S> {
    /// What of its messages may go on.
    fn poll_looked(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.lane.poll(cx)).map_err(io::Error::other)?;
        while self.ready.is_empty() && !self.ended {
            let mut bytes = [0; BUFFER];
            let mut part = ReadBuf::new(&mut bytes);
            match ready!(self.poll_covered(cx, &mut part)) {
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Poll::Ready(Err(error)),
                _ => {}
            }
            let Self { looked, shield, ready, ended, moved, .. } = self;
            moved.at.set(Instant::now());
            *ended = part.filled().is_empty();
            match looked {
                // What has come of a message that has no end goes no further.
                Some(_) if *ended => {}
                Some(looked) => looked.feed(part.filled(), ready).map_err(|_| io::Error::other("found"))?,
                None => ready.extend_from_slice(part.filled()),
            }
            if let Some(shield) = shield {
                *ready = shield.feed(std::mem::take(ready).into()).into();
                if *ended {
                    ready.extend(shield.finish());
                }
            }
            if *ended {
                moved.ended.set(true);
            }
        }
        let length = self.ready.len().min(buf.remaining()).min(self.lane.turn());
        buf.put_slice(&self.ready[..length]);
        self.ready.drain(..length);
        self.read += length as u64;
        self.lane.moved(length);
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
