//! An answer that may list tools: what of it goes on. A stream passes event by event, any other answer is held until it is whole.
//!
//! What cannot be read goes on no further: in the place of a held answer stands a refusal, and a stream breaks off. Read next:
//! `perceive/protocol/mcp/sieve.rs`, `reply.rs`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::body::BodyError;
use crate::perceive::protocol::mcp::{Broken, Sieve};

/// Where the bytes of an answer come from.
#[derive(Debug)]
pub(super) enum Coming {
    /// The upstream, as they come.
    Passing(Incoming),
    /// The upstream, as far as they may be shown.
    Sieved(Box<Sieved>),
    /// They have come: what may be shown, and what stands behind it.
    Held(Option<Bytes>, Option<HeaderMap>),
}

/// A stream that may list tools.
#[derive(Debug)]
pub(super) struct Sieved {
    inner: Incoming,
    /// Nothing once it is over.
    sieve: Option<Sieve>,
    trailers: Option<HeaderMap>,
}

impl Coming {
    /// What of an answer goes on: of a stream as it comes, of any other once it has come.
    ///
    /// # Errors
    /// It cannot be shown, or breaks off.
    pub(super) async fn sieved(mut inner: Incoming, mut sieve: Sieve) -> Result<Self, BodyError> {
        if sieve.is_stream() {
            return Ok(Self::Sieved(Box::new(Sieved { inner, sieve: Some(sieve), trailers: None })));
        }
        let (mut on, mut trailers) = (Vec::new(), None);
        while let Some(frame) = inner.frame().await {
            match frame?.into_data() {
                Ok(data) => sieve.feed(&data, &mut on)?,
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        sieve.finish(&mut on)?;
        Ok(Self::Held((!on.is_empty()).then(|| on.into()), trailers))
    }

    /// The next frame.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Passing(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Sieved(body) => body.poll_frame(cx),
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
            Self::Sieved(body) => body.sieve.is_none() && body.trailers.is_none(),
            Self::Held(bytes, trailers) => bytes.is_none() && trailers.is_none(),
        }
    }

    /// How much is to come, as far as that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passing(body) => body.size_hint(),
            Self::Sieved(_) => SizeHint::default(),
            Self::Held(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

impl Sieved {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut on = Vec::new();
        while let Some(sieve) = &mut self.sieve {
            let fed = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => sieve.feed(&data, &mut on),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.over(&mut on)
                    }
                },
                None => self.over(&mut on),
            };
            if let Err(broken) = fed {
                self.sieve = None;
                return Poll::Ready(Some(Err(broken.into())));
            }
            if !on.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(on.into()))));
            }
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn over(&mut self, on: &mut Vec<u8>) -> Result<(), Broken> {
        self.sieve.take().map_or(Ok(()), |sieve| sieve.finish(on))
    }
}
