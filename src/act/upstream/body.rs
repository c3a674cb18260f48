//! Bodies in passing: counted, never held. The end of a reply's body is the end of the exchange, and closes its record.

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::faults;
use super::lane::{Gate, Spent};
use super::pool::Lease;
use super::reading::Reading;
use super::relay::SPENT;
use super::tempo::LiveTempo;
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::model::types::{Denial, Direction};

/// The word of records for what ended because what had let it through stands no longer.
pub const LAPSED: &str = "lapsed";

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Whoever sends it broke it off, or it is malformed.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// No more of it may move.
    #[error(transparent)]
    Spent(#[from] Spent),
}

/// A request body on its way out.
#[derive(Debug)]
pub struct RequestBody {
    /// Nothing where it is empty.
    inner: Option<Incoming>,
    sent: Rc<Cell<u64>>,
    trailers: Trailers,
    gate: Option<Gate>,
    reading: Reading,
}

/// How trailers are made fit to be forwarded.
#[derive(Debug, Clone)]
pub struct Trailers {
    /// What takes out those that may not go, these names among them.
    pub strip: fn(&mut HeaderMap, &[HeaderName]),
    /// Names that rules set or remove.
    pub withheld: Vec<HeaderName>,
}

impl RequestBody {
    /// Counts what passes into `sent`, and has its trailers made fit to be forwarded.
    pub fn new(inner: Incoming, sent: Rc<Cell<u64>>, trailers: Trailers) -> Self {
        let inner = Some(inner).filter(|inner| !inner.is_end_stream());
        Self { inner, sent, trailers, gate: None, reading: Reading::default() }
    }

    /// The same body, at a tempo.
    pub fn paced(self, tempo: LiveTempo) -> Self {
        Self { gate: Some(Gate::of(tempo, Direction::Up)), ..self }
    }

    /// The same body, read as it passes.
    pub fn read_by(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// No body.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        let trailers = Trailers { strip: |_, _| (), withheld: Vec::new() };
        Self { inner: None, sent: Rc::default(), trailers, gate: None, reading: Reading::default() }
    }

    /// The same body again, where it is empty: any other may have been read.
    pub(super) fn again(&self) -> Option<Self> {
        let Self { inner, sent, trailers, reading, .. } = self;
        inner.is_none().then(|| Self {
            inner: None,
            sent: sent.clone(),
            trailers: trailers.clone(),
            gate: None,
            reading: reading.clone(),
        })
    }

    /// Where the bytes that have passed are counted.
    pub(super) fn sent(&self) -> Rc<Cell<u64>> {
        self.sent.clone()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let mut polled = poll_counted(inner, cx, &this.sent, &mut this.gate);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            this.reading.asked(frame);
            if let Some(trailers) = frame.trailers_mut() {
                (this.trailers.strip)(trailers, &this.trailers.withheld);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|inner| is_over(inner, self.gate.as_ref()))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), |inner| hint(inner, self.gate.as_ref()))
    }
}

/// The next frame, at its time, with its bytes added to the counter.
fn poll_counted(
    body: &mut Incoming,
    cx: &mut Context<'_>,
    counter: &Cell<u64>,
    gate: &mut Option<Gate>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    let polled = match gate {
        Some(gate) => gate.poll(cx, |cx| Pin::new(body).poll_frame(cx).map_err(BodyError::from)),
        None => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
    };
    if let Poll::Ready(Some(Ok(frame))) = &polled {
        let length = frame.data_ref().map_or(0, Bytes::len);
        counter.set(counter.get() + length as u64);
    }
    polled
}

/// Whether a body has passed its gate to the end.
fn is_over(body: &Incoming, gate: Option<&Gate>) -> bool {
    body.is_end_stream() && gate.is_none_or(Gate::is_empty)
}

/// What is still to come of a body, behind its gate.
fn hint(body: &Incoming, gate: Option<&Gate>) -> SizeHint {
    gate.map_or_else(|| body.size_hint(), |gate| gate.hint(body.size_hint()))
}

/// What is needed to close the record of an exchange.
#[derive(Debug)]
pub struct Closing {
    /// The open record.
    pub entry: Entry,
    /// Status sent to the workload.
    pub status: u16,
    /// When the request was first seen.
    pub started: Instant,
    /// The gateway's own share before the request was sent on.
    pub added: Duration,
    /// Bytes of the request body that went out.
    pub sent: Rc<Cell<u64>>,
    /// The address really dialled, where it is not the one asked for.
    pub dialled: Option<SocketAddr>,
    /// Why the connection was cut, once it is.
    pub cut: Rc<OnceCell<Denial>>,
    /// What reads its bodies.
    pub reading: Reading,
}

impl Closing {
    /// Closes the record of an exchange whose body has passed.
    fn close(self, received: u64, end: Option<&'static str>, denial: Option<Denial>) {
        let sent = self.sent.get();
        self.finished((sent, received), end, denial);
    }

    /// Closes the record with the bytes that passed each way.
    pub fn finish(self, sent: u64, received: u64, end: Option<&'static str>) {
        self.finished((sent, received), end, None);
    }

    /// Closes the record of something that may go on no longer, with the word for that and the reason.
    pub fn end(self, sent: u64, received: u64, (end, denial): (&'static str, Denial)) {
        self.finished((sent, received), Some(end), Some(denial));
    }

    fn finished(self, (sent, received): (u64, u64), end: Option<&'static str>, denial: Option<Denial>) {
        self.entry.close(Outcome {
            status: Some(self.status),
            bytes_out: sent,
            bytes_in: received,
            latency: self.started.elapsed(),
            added_latency: Some(self.added),
            dialled: self.dialled,
            denial,
            end,
            model_call: self.reading.finish(end.is_none()),
            ..Outcome::default()
        });
    }

    /// Closes the record with a refusal that came after the decision.
    pub fn refuse(self, denial: Denial) {
        self.entry.close(Outcome {
            status: Some(denial.status()),
            bytes_out: self.sent.get(),
            latency: self.started.elapsed(),
            dialled: self.dialled,
            denial: Some(denial),
            model_call: self.reading.finish(false),
            ..Outcome::default()
        });
    }
}

/// A reply's body on its way to the workload.
///
/// hyper drops a body when it has sent enough of it, or when the workload is gone: there is no later moment at which
/// the record could be closed, so `Drop` does it.
#[derive(Debug)]
pub struct ReplyBody {
    inner: Incoming,
    received: Cell<u64>,
    expected: Option<u64>,
    ended: bool,
    closing: Option<Closing>,
    lease: Option<Lease>,
    gate: Option<Gate>,
}

impl ReplyBody {
    /// Relays `inner`; `bodiless` says that no body follows whatever the head announces (HEAD, 204, 304).
    pub(super) fn new(inner: Incoming, lease: Lease) -> Self {
        let expected = inner.size_hint().exact();
        let (received, lease) = (Cell::new(0), Some(lease));
        Self { inner, received, expected, ended: false, closing: None, lease, gate: None }
    }

    /// The same body, at a tempo.
    pub fn paced(mut self, tempo: LiveTempo) -> Self {
        self.gate = Some(Gate::of(tempo, Direction::Down));
        self
    }

    /// Hands over the record that the end of this body closes.
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

    fn is_over(&self) -> bool {
        is_over(&self.inner, self.gate.as_ref())
    }

    /// A body that was broken off is on record with what was wrong with it.
    fn fail(&mut self, error: &BodyError) {
        // Where the request may go on no longer, its answer breaks off too.
        if let Some(spent) = self.gate.as_ref().and_then(Gate::spent) {
            return self.end(Some(SPENT), Some(spent));
        }
        let BodyError::Http(error) = error else { return self.end(Some(SPENT), None) };
        let refused = self.lease.as_ref().and_then(Lease::refused);
        let denial = refused.or_else(|| faults::violation(error)).or_else(|| faults::silence(error));
        self.end(Some("upstream-failed"), denial);
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
        let mut polled = poll_counted(&mut this.inner, cx, &this.received, &mut this.gate);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            if let Some(closing) = &this.closing {
                closing.reading.answered(frame);
            }
            if let Some(trailers) = frame.trailers_mut() {
                // As in the head: it would lead around the gateway.
                trailers.remove(header::ALT_SVC);
            }
        }
        match &polled {
            Poll::Ready(None) => this.end(None, None),
            Poll::Ready(Some(Err(error))) => this.fail(error),
            // Nothing follows trailers, and whoever sends them on does not ask for it.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || this.is_over() => this.end(None, None),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        hint(&self.inner, self.gate.as_ref())
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
