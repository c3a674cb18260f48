//! A request's body on its way out: counted, at its tempo, read as it passes. Never held here: what was held before comes
//! from `held.rs`. Read next: `reply.rs`, for the way back.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::held::{Held, Unheld};
use super::lane::{Gate, Spent};
use super::looked::{Looked, LookedBody};
use super::reading::Reading;
use super::tempo::LiveTempo;
use crate::model::types::{Denial, Direction};

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Whoever sends it broke it off, or it is malformed.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// No more of it may move.
    #[error(transparent)]
    Spent(#[from] Spent),
    /// It may have no more, and cannot be ended in order.
    #[error("the answer was broken off")]
    BrokenOff,
    /// What it is may not go on.
    #[error("what comes of the answer may not go on")]
    Unfit(Box<Denial>),
}

/// A request body on its way out.
#[derive(Debug)]
pub struct RequestBody {
    inner: Source,
    sent: Rc<Cell<u64>>,
    trailers: Trailers,
    gate: Option<Gate>,
    reading: Reading,
}

/// Where the bytes of a request come from.
#[derive(Debug)]
enum Source {
    /// It has none.
    Empty,
    /// The workload, as they come.
    Passing(Incoming),
    /// They have come.
    Held(Unheld),
    /// The workload, as far as they may go.
    Looked(Box<LookedBody>),
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Passing(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Held(body) => Poll::Ready(body.frame().map(Ok)),
            Self::Looked(body) => body.poll_frame(cx),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Passing(body) => body.is_end_stream(),
            Self::Held(body) => body.is_over(),
            Self::Looked(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Passing(body) => body.size_hint(),
            Self::Held(body) => body.size_hint(),
            Self::Looked(_) => SizeHint::default(),
        }
    }

    /// The same from its beginning, where that is still there.
    fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Passing(_) | Self::Looked(_) => None,
            Self::Held(body) => Some(Self::Held(body.again())),
        }
    }
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
        let inner = if inner.is_end_stream() { Source::Empty } else { Source::Passing(inner) };
        Self { inner, sent, trailers, gate: None, reading: Reading::default() }
    }

    /// The same of a body that was held.
    pub fn held(body: Held, sent: Rc<Cell<u64>>, trailers: Trailers) -> Self {
        let inner = Source::Held(Unheld::new(body));
        Self { inner, sent, trailers, gate: None, reading: Reading::default() }
    }

    /// The same of a body that is looked into as it passes, of which this has come.
    pub fn looked(
        (first, rest): (Option<Held>, Incoming),
        looked: Looked,
        sent: Rc<Cell<u64>>,
        trailers: Trailers,
    ) -> Self {
        let inner = Source::Looked(Box::new(LookedBody::new(first.map(Unheld::new), rest, looked)));
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
        let inner = Source::Empty;
        Self { inner, sent: Rc::default(), trailers, gate: None, reading: Reading::default() }
    }

    /// The same body again, where it is empty or held: any other may have been read.
    pub(super) fn again(&self) -> Option<Self> {
        let Self { inner, sent, trailers, gate, reading } = self;
        inner.again().map(|inner| Self {
            inner,
            sent: sent.clone(),
            trailers: trailers.clone(),
            gate: gate.as_ref().map(Gate::again),
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
        let mut polled = poll_counted(|cx| this.inner.poll_frame(cx), cx, &this.sent, &mut this.gate);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            this.reading.asked(frame);
            if let Some(trailers) = frame.trailers_mut() {
                (this.trailers.strip)(trailers, &this.trailers.withheld);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_over() && self.gate.as_ref().is_none_or(Gate::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        hint(self.inner.size_hint(), self.gate.as_ref())
    }
}

/// What is still to come of a body, behind its gate.
pub(super) fn hint(inner: SizeHint, gate: Option<&Gate>) -> SizeHint {
    match gate {
        Some(gate) => gate.hint(inner),
        None => inner,
    }
}

/// The next frame, at its time, with its bytes added to the counter.
pub(super) fn poll_counted(
    next: impl FnOnce(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>>,
    cx: &mut Context<'_>,
    counter: &Cell<u64>,
    gate: &mut Option<Gate>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    let polled = match gate {
        Some(gate) => gate.poll(cx, next),
        None => next(cx),
    };
    if let Poll::Ready(Some(Ok(frame))) = &polled {
        let length = frame.data_ref().map_or(0, Bytes::len);
        counter.set(counter.get() + length as u64);
    }
    polled
}
