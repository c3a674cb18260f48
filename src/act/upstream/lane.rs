//! One direction of what moves at a tempo: it rests between its turns, is counted, and ends where nothing more may move.
//!
//! Whoever moves bytes asks how many may go at once, moves them, says so, and waits until the lane is ready again. Frames of
//! bodies pass a [`Gate`], which hands on what is larger than a turn in pieces. Read next: `tempo.rs`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::tempo::LiveTempo;
pub(super) use super::tempo::Spent;
use crate::decide::quota::Share;
use crate::model::types::{Denial, Direction};
use crate::platform::sys::splice::Pacing;

/// See the module.
#[derive(Debug)]
pub struct Lane {
    tempo: LiveTempo,
    direction: Direction,
    /// The changes of the tempo that its share knows of.
    changes: u32,
    share: Share,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Lane {
    /// Begins with a rest for what others have moved.
    pub fn new(tempo: LiveTempo, direction: Direction) -> Self {
        let (changes, share) = (tempo.changes(), tempo.share(direction));
        let mut lane = Self { tempo, direction, changes, share, rest: None };
        lane.lie_down();
        lane
    }

    /// Bytes that may move at once, at least one.
    pub fn turn(&self) -> usize {
        let turn = self.share.turn().min(self.tempo.ahead(self.direction)).max(1);
        usize::try_from(turn).unwrap_or(usize::MAX)
    }

    /// Bytes have moved.
    pub fn moved(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.tempo.moved(self.direction, bytes as u64);
        if !self.share.is_free() {
            self.share.moved(bytes as u64, self.tempo.now());
            self.lie_down();
        }
    }

    /// Ready when more may move.
    ///
    /// # Errors
    /// Where no more may, ever.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Spent>> {
        ready!(self.rested(cx))?;
        Poll::Ready(self.paid())
    }

    /// Ready when what others move has had its turn.
    fn rested(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Spent>> {
        if self.tempo.is_spent() {
            return Poll::Ready(Err(Spent));
        }
        self.follow();
        if let Some(rest) = &mut self.rest {
            if rest.as_mut().poll(cx).is_pending() {
                self.tempo.wake(cx);
                return Poll::Pending;
            }
            self.rest = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Makes sure that a byte is paid for.
    fn paid(&self) -> Result<(), Spent> {
        self.tempo.room(self.direction, 1).map(|_| ())
    }

    /// Whether a datagram may go now; then it is paid for. One that may not is not waited for.
    pub(super) fn takes(&mut self, bytes: usize) -> bool {
        self.follow();
        let is_rested = self.share.rest(self.tempo.now()).is_zero();
        let takes = is_rested && self.tempo.room(self.direction, bytes as u64).is_ok();
        if takes {
            self.moved(bytes);
            self.rest = None;
        }
        takes
    }

    /// Whether no more may move, ever.
    pub(super) fn is_spent(&self) -> bool {
        self.tempo.is_spent()
    }

    /// Goes by the tempo of the moment.
    fn follow(&mut self) {
        if self.changes != self.tempo.changes() {
            (self.changes, self.share) = (self.tempo.changes(), self.tempo.share(self.direction));
            self.lie_down();
        }
    }

    fn lie_down(&mut self) {
        let rest = self.share.rest(self.tempo.now());
        self.rest = (!rest.is_zero()).then(|| Box::pin(sleep(rest)));
    }
}

impl Pacing for Lane {
    fn turn(&self) -> usize {
        Self::turn(self)
    }

    fn moved(&mut self, bytes: usize) {
        Self::moved(self, bytes);
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.poll(cx).map(|ready| ready.is_ok())
    }
}

/// Lets the frames of a body pass at a tempo.
#[derive(Debug)]
pub(super) struct Gate {
    tempo: LiveTempo,
    direction: Direction,
    /// Once somebody has asked for a frame that something binds or counts.
    lane: Option<Lane>,
    /// What is left of a frame that is larger than a turn.
    held: Option<Bytes>,
}

impl Gate {
    /// A gate, open as long as nothing binds.
    pub(super) fn of(tempo: LiveTempo, direction: Direction) -> Self {
        Self { tempo, direction, lane: None, held: None }
    }

    /// Another one at the same tempo.
    pub(super) fn again(&self) -> Self {
        Self::of(self.tempo.clone(), self.direction)
    }

    /// The next frame, once those before it have had their time.
    ///
    /// # Errors
    /// Those of the body, and [`Spent`].
    pub(super) fn poll<E: From<Spent>>(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if self.lane.is_none() && self.tempo.is_free(self.direction) {
            return next(cx);
        }
        let lane = self.lane.get_or_insert_with(|| Lane::new(self.tempo.clone(), self.direction));
        if let Err(spent) = ready!(lane.rested(cx)) {
            return Poll::Ready(Some(Err(spent.into())));
        }
        let mut data = match self.held.take() {
            Some(held) => held,
            None => match ready!(next(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other),
            },
        };
        // Of a body that is over nothing has to be paid for.
        if let Err(spent) = if data.is_empty() { Ok(()) } else { lane.paid() } {
            return Poll::Ready(Some(Err(spent.into())));
        }
        let piece = data.split_to(data.len().min(lane.turn()));
        self.held = Some(data).filter(|data| !data.is_empty());
        lane.moved(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// Whether it holds nothing that has still to pass.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// What is still to come, where so much is to come of the body.
    pub(super) fn hint(&self, mut body: SizeHint) -> SizeHint {
        if let Some(held) = &self.held {
            let held = held.len() as u64;
            if let Some(upper) = body.upper() {
                body.set_upper(upper + held);
            }
            body.set_lower(body.lower() + held);
        }
        body
    }

    /// Why nothing more may pass, where that is so.
    pub(super) fn spent(&self) -> Option<Denial> {
        self.tempo.spent()
    }
}

#[cfg(test)]
mod tests;
