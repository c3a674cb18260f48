//! An answer's body on its way to the workload: counted, at its tempo, read as it passes. Its end is the end of the exchange,
//! and closes its record. Never holds an event back. Read next: `ended.rs`, for answers that have to end early.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::body::{BodyError, hint, poll_counted};
use super::closing::{Closing, ENDED, LAPSED};
use super::ended::{Ender, Passing};
use super::faults;
use super::lane::Gate;
use super::looked::Looked;
use super::pool::Lease;
use super::redacted::{Answer, Coding};
use super::relay::SPENT;
use super::shielded::Shielded;
use super::sieved::{Coming, Sieving};
use super::tempo::LiveTempo;
use crate::act::credentials::Echo;
use crate::model::types::{Denial, Direction, Reason};

/// A reply's body on its way to the workload.
///
/// hyper drops a body when it has sent enough of it, or when the workload is gone: there is no later moment at which
/// the record could be closed, so `Drop` does it.
#[derive(Debug)]
pub struct ReplyBody {
    /// Nothing once it was ended early: the upstream hears that nobody listens any more.
    inner: Option<Coming>,
    received: Cell<u64>,
    expected: Option<u64>,
    ended: bool,
    closing: Option<Closing>,
    lease: Option<Lease>,
    gate: Option<Gate>,
    ender: Option<Box<Ender>>,
    /// Whether it was read before any of it goes on.
    is_read: bool,
}

impl ReplyBody {
    /// Relays `inner`.
    pub(super) fn new(inner: Incoming, lease: Lease) -> Self {
        let expected = inner.size_hint().exact();
        let (received, lease, inner) =
            (Cell::new(0), Some(lease), Some(Coming::Passing(Answer::Plain(inner))));
        let (closing, gate, ender) = (None, None, None);
        Self { inner, received, expected, ended: false, closing, lease, gate, ender, is_read: false }
    }

    /// The same body, repeating no credential.
    pub(super) fn covered(mut self, echo: &Arc<Echo>, coding: Coding) -> Self {
        if let Some(Coming::Passing(Answer::Plain(inner))) = self.inner.take() {
            let covered = Answer::covered(inner, echo, coding);
            self.expected = covered.size_hint().exact();
            self.inner = Some(Coming::Passing(covered));
        }
        self
    }

    /// The same body with what may go on of it. One that is no stream has come when this returns.
    ///
    /// # Errors
    /// Why it may not, `upstream.failed` where it breaks off before.
    pub async fn sieved(mut self, sieving: Sieving) -> Result<Self, Denial> {
        if let Some(Coming::Passing(inner)) = self.inner.take() {
            self.is_read = sieving.reads();
            let coming = match Coming::sieved(inner, sieving).await {
                Ok(coming) => coming,
                Err(error) => {
                    let denial = self.instead(error);
                    // Something of the answer may still be on the way there.
                    self.lease = None;
                    return Err(denial);
                }
            };
            self.expected = coming.size_hint().exact();
            self.inner = Some(coming);
        }
        Ok(self)
    }

    /// The same body, as far as what is found in it may go on; where it is held whole, it has come when this returns.
    ///
    /// # Errors
    /// Why it may not, `upstream.failed` where it breaks off before.
    pub async fn looked(mut self, looked: Looked, is_whole: bool) -> Result<Self, Denial> {
        let Some(inner) = self.inner.take() else { return Ok(self) };
        match inner.looked(looked, is_whole).await {
            Ok(coming) => {
                if is_whole {
                    self.expected = coming.size_hint().exact();
                }
                self.inner = Some(coming);
                Ok(self)
            }
            Err(error) => {
                let denial = self.instead(error);
                // Something of the answer may still be on the way there.
                self.lease = None;
                Err(denial)
            }
        }
    }

    /// The same body, repeating no secret of the vault; the fields of its head say how it is coded.
    pub fn shielded(mut self, echo: Option<Arc<Echo>>, headers: &HeaderMap) -> Self {
        if let (Some(inner), Some(echo)) = (self.inner.take_if(|_| echo.is_some()), echo) {
            self.inner = Some(Coming::Shielded(Box::new(Shielded::new(inner, echo, headers))));
        }
        self
    }

    /// The same body, at a tempo.
    pub fn paced(mut self, tempo: LiveTempo) -> Self {
        self.gate = Some(Gate::of(tempo, Direction::Down));
        self
    }

    /// The same body, which may have to end before its upstream ends it. Its head must not say how long it is.
    pub fn ended_by(mut self, ender: Option<Ender>) -> Self {
        self.ender = ender.map(Box::new);
        self
    }

    /// Hands over the record that the end of this body closes; `bodiless` says that no body follows whatever the head
    /// announces (HEAD, 204, 304).
    pub fn closing(mut self, closing: Closing, bodiless: bool) -> Self {
        self.closing = Some(closing);
        self.ended |= bodiless;
        self
    }

    /// Ends the exchange: gives the upstream connection back and closes the record, once.
    fn end(&mut self, end: Option<&'static str>, denial: Option<Denial>) {
        if end.is_none()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
        if let Some(closing) = self.closing.take() {
            closing.close(self.received.get(), end, denial);
        }
    }

    /// Whether all of it has passed.
    fn is_over(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|inner| inner.is_over() && self.gate.as_ref().is_none_or(Gate::is_empty))
    }

    /// A body that was broken off is on record with what was wrong with it.
    fn fail(&mut self, error: &BodyError) {
        // Where the request may go on no longer, its answer breaks off too.
        let broken = self.closing.as_ref().and_then(|closing| closing.told.broken.get().cloned());
        if let Some(broken) = broken {
            return self.end(Some(ENDED), Some(broken));
        }
        if let Some(spent) = self.gate.as_ref().and_then(Gate::spent) {
            return self.end(Some(SPENT), Some(spent));
        }
        match error {
            BodyError::Http(error) => self.end(Some("upstream-failed"), self.fault(error)),
            BodyError::Unfit(denial) => self.stop((**denial).clone()),
            BodyError::Spent(_) | BodyError::BrokenOff => self.end(Some(SPENT), None),
        }
    }

    /// What was wrong with what the upstream sent, where it is known.
    fn fault(&self, error: &hyper::Error) -> Option<Denial> {
        let refused = self.lease.as_ref().and_then(Lease::refused);
        refused.or_else(|| faults::violation(error)).or_else(|| faults::silence(error))
    }

    /// The refusal in the place of an answer that was held and cannot go on.
    fn instead(&self, error: BodyError) -> Denial {
        let known = match &error {
            BodyError::Unfit(denial) => return (**denial).clone(),
            BodyError::Http(error) => self.fault(error),
            BodyError::Spent(_) | BodyError::BrokenOff => None,
        };
        let detail = "The destination broke off its answer.";
        known.unwrap_or_else(|| Denial::built_in(Reason::UpstreamFailed, detail).seen(error.to_string()))
    }

    /// Nothing more is taken from the upstream.
    fn stop(&mut self, denial: Denial) {
        self.end(Some(ENDED), Some(denial));
        (self.inner, self.lease) = (None, None);
    }

    /// What of a frame passes.
    fn pass(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let Some(closing) = &mut self.closing else { return Ok(frame) };
        if let Some(data) = frame.data_ref().filter(|_| !self.is_read) {
            closing.reading.answered(data);
        }
        let Some(ender) = &mut self.ender else { return Ok(frame) };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Ok(trailers),
        };
        let usage = closing.reading.usage_so_far();
        let mut charge = |unit, wanted, now| closing.entry.charge_more(unit, wanted, now);
        match ender.frame(data, usage.as_ref(), &mut charge) {
            Passing::On(data) => Ok(Frame::data(data)),
            Passing::Last(data, denial) => {
                self.stop(denial);
                Ok(Frame::data(data))
            }
            Passing::BrokenOff(denial) => {
                self.stop(denial);
                Err(BodyError::BrokenOff)
            }
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let next = |cx: &mut Context<'_>| inner.poll_frame(cx);
        let Poll::Ready(polled) = poll_counted(next, cx, &this.received, &mut this.gate) else {
            return Poll::Pending;
        };
        let mut frame = match polled {
            None => {
                this.end(None, None);
                return Poll::Ready(None);
            }
            Some(Err(error)) => {
                let last = match (&error, &this.ender) {
                    (BodyError::Unfit(denial), Some(ender)) => ender.last(denial),
                    _ => None,
                };
                this.fail(&error);
                if let Some(last) = last {
                    return Poll::Ready(Some(Ok(Frame::data(last))));
                }
                return Poll::Ready(Some(Err(error)));
            }
            Some(Ok(frame)) => frame,
        };
        let is_last = frame.is_trailers();
        if let Some(trailers) = frame.trailers_mut() {
            // As in the head: it would lead around the gateway.
            trailers.remove(header::ALT_SVC);
        }
        let passed = this.pass(frame);
        // Nothing follows trailers, and whoever sends them on does not ask for it.
        if is_last || this.inner.is_some() && this.is_over() {
            this.end(None, None);
        }
        Poll::Ready(Some(passed))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) if self.ender.is_none() => hint(inner.size_hint(), self.gate.as_ref()),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        let whole = self.ended || self.is_over() || self.expected == Some(self.received.get());
        match self.closing.as_ref().and_then(|closing| closing.cut.get().cloned()) {
            _ if whole => self.end(None, None),
            Some(cut) => self.end(Some(LAPSED), Some(cut)),
            None => self.end(Some("client-closed"), None),
        }
    }
}
