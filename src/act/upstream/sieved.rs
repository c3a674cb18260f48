//! An answer that is looked at before it goes on: lists of tools are made shorter, and what a model says is judged by its
//! provider's annotations. A stream passes event by event, any other answer is held until it is whole.
//!
//! What may not go on goes on no further: in the place of a held answer stands a refusal, and a stream ends. Read next:
//! `perceive/protocol/mcp/sieve.rs`, `perceive/protocol/ai/screen.rs`, `reply.rs`.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;

use super::body::BodyError;
use super::looked::{Looked, LookedBody};
use super::reading::Reading;
use super::redacted::Answer;
use super::shielded::Shielded;
use crate::model::types::{Denial, Reason};
use crate::perceive::protocol::ai::{Screen, Violation};
use crate::perceive::protocol::mcp::{Broken, Sieve};

/// What looks at an answer before it goes on.
#[derive(Debug)]
pub struct Sieving {
    tools: Option<Sieve>,
    safe: Option<Safe>,
}

/// Judges what a model says.
pub struct Safe {
    /// By what its provider says of it.
    pub screen: Screen,
    /// What reads the answer, which is paid for whether it goes on or not.
    pub reading: Reading,
    /// The words for what may not go on.
    pub wording: Box<dyn Fn(Violation) -> Denial>,
}

impl std::fmt::Debug for Safe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Safe")
    }
}

impl Sieving {
    /// By either; nothing where neither looks.
    pub fn of(tools: Option<Sieve>, safe: Option<Safe>) -> Option<Self> {
        (tools.is_some() || safe.is_some()).then_some(Self { tools, safe })
    }

    /// The refusal of an answer that may list tools and cannot be shown.
    pub fn unseen(broken: Broken) -> Denial {
        let detail = format!("The destination's answer cannot be shown: {broken}.");
        Denial::built_in(Reason::UpstreamMalformed, detail).seen("tools: an answer that cannot be read")
    }

    /// Whether it shows the answer to whoever reads it as a call.
    pub(super) fn reads(&self) -> bool {
        self.safe.is_some()
    }

    fn is_stream(&self) -> bool {
        self.tools.as_ref().is_none_or(Sieve::is_stream)
            && self.safe.as_ref().is_none_or(|safe| safe.screen.is_stream())
    }

    fn feed(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        let Some(safe) = &mut self.safe else { return Self::show(&mut self.tools, bytes, on) };
        safe.reading.answered(bytes);
        let mut judged = Vec::new();
        let fed = safe.screen.feed(bytes, &mut judged);
        Self::show(&mut self.tools, &judged, on)?;
        fed.map_err(|violation| Box::new((safe.wording)(violation)))
    }

    fn show(tools: &mut Option<Sieve>, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        match tools {
            Some(sieve) => sieve.feed(bytes, on).map_err(|broken| Box::new(Self::unseen(broken))),
            None => {
                on.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn finish(mut self, on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        if let Some(Safe { screen, wording, .. }) = self.safe.take() {
            let mut judged = Vec::new();
            screen.finish(&mut judged).map_err(|violation| Box::new(wording(violation)))?;
            Self::show(&mut self.tools, &judged, on)?;
        }
        match self.tools {
            Some(sieve) => sieve.finish(on).map_err(|broken| Box::new(Self::unseen(broken))),
            None => Ok(()),
        }
    }
}

/// Where the bytes of an answer come from.
#[derive(Debug)]
pub(super) enum Coming {
    /// The upstream, as they come.
    Passing(Answer),
    /// The upstream, as far as they may be shown.
    Sieved(Box<Sieved>),
    /// They have come: what may be shown, and what stands behind it.
    Held(Option<Bytes>, Option<HeaderMap>),
    /// Any of these, as far as what is found in it may go on.
    Looked(Box<LookedBody>),
    /// Any of these, repeating no secret of the vault.
    Shielded(Box<Shielded>),
}

/// A stream that is looked at.
#[derive(Debug)]
pub(super) struct Sieved {
    inner: Answer,
    /// Nothing once it is over.
    sieving: Option<Sieving>,
    /// Why nothing more goes on, until that is told.
    unfit: Option<Box<Denial>>,
    trailers: Option<HeaderMap>,
}

impl Coming {
    /// What of an answer goes on: of a stream as it comes, of any other once it has come.
    ///
    /// # Errors
    /// It may not, or breaks off.
    pub(super) async fn sieved(mut inner: Answer, mut sieving: Sieving) -> Result<Self, BodyError> {
        if sieving.is_stream() {
            let sieved = Sieved { inner, sieving: Some(sieving), unfit: None, trailers: None };
            return Ok(Self::Sieved(Box::new(sieved)));
        }
        let (mut on, mut trailers) = (Vec::new(), None);
        while let Some(frame) = inner.frame().await {
            match frame?.into_data() {
                Ok(data) => sieving.feed(&data, &mut on).map_err(BodyError::Unfit)?,
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        sieving.finish(&mut on).map_err(BodyError::Unfit)?;
        Ok(Self::Held((!on.is_empty()).then(|| on.into()), trailers))
    }

    /// What of it goes on, by what is found in it: as it comes, or once it has come.
    ///
    /// # Errors
    /// It may not, or breaks off.
    pub(super) async fn looked(self, looked: Looked, is_whole: bool) -> Result<Self, BodyError> {
        let mut body = LookedBody::of_answer(self, looked);
        if !is_whole {
            return Ok(Self::Looked(Box::new(body)));
        }
        let (mut on, mut trailers) = (Vec::new(), None);
        while let Some(frame) = poll_fn(|cx| body.poll_frame(cx)).await {
            match frame?.into_data() {
                Ok(data) => on.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        Ok(Self::Held((!on.is_empty()).then(|| on.into()), trailers))
    }

    /// The next frame.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Passing(body) => Pin::new(body).poll_frame(cx),
            Self::Sieved(body) => body.poll_frame(cx),
            Self::Looked(body) => body.poll_frame(cx),
            Self::Shielded(body) => body.poll_frame(cx),
            Self::Held(bytes, trailers) => {
                let data = bytes.take().map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
        }
    }

    /// Whether nothing more is to come.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Passing(body) => body.is_end_stream(),
            Self::Sieved(body) => body.sieving.is_none() && body.unfit.is_none() && body.trailers.is_none(),
            Self::Held(bytes, trailers) => bytes.is_none() && trailers.is_none(),
            Self::Looked(body) => body.is_over(),
            Self::Shielded(body) => body.is_over(),
        }
    }

    /// How much is to come, as far as that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passing(body) => body.size_hint(),
            Self::Sieved(_) | Self::Looked(_) => SizeHint::default(),
            Self::Shielded(body) => body.size_hint(),
            Self::Held(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

impl Sieved {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut on = Vec::new();
        while let Some(sieving) = &mut self.sieving {
            let fed = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => sieving.feed(&data, &mut on),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.over(&mut on)
                    }
                },
                None => self.over(&mut on),
            };
            if let Err(unfit) = fed {
                (self.sieving, self.unfit, self.trailers) = (None, Some(unfit), None);
            }
            if !on.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(on.into()))));
            }
        }
        if let Some(unfit) = self.unfit.take() {
            return Poll::Ready(Some(Err(BodyError::Unfit(unfit))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn over(&mut self, on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        self.sieving.take().map_or(Ok(()), |sieving| sieving.finish(on))
    }
}
