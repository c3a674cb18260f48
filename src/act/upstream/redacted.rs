//! An answer to a request that carried a credential: what repeats it is covered, in the body and behind it.
//!
//! A body that is coded all the same is decoded first, so that nothing passes unseen; one in a coding that is not known
//! goes no further. Holds back no more than may be the beginning of a credential. Read next: `act/credentials/echo.rs`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use super::body::BodyError;
use crate::act::credentials::{Covering, Echo};
use crate::model::types::{Denial, Reason};
use crate::perceive::protocol::decoding::Decoder;

/// Covers what the head of an answer repeats.
pub fn cover_head(echo: &Echo, head: &mut response::Parts) {
    echo.cover_fields(&mut head.headers);
    let phrase = head.extensions.get::<ReasonPhrase>();
    if phrase.is_some_and(|phrase| echo.repeats(phrase.as_bytes())) {
        head.extensions.remove::<ReasonPhrase>();
    }
}

/// How a body is coded.
#[derive(Debug)]
pub(super) enum Coding {
    /// Not at all.
    Identity,
    /// In a way that is undone.
    Known(Box<Decoder>),
    /// In a way that is not known.
    Unknown,
}

/// How the body behind these fields is coded; where that is undone they say no more that it is.
pub(super) fn coding(headers: &mut HeaderMap, status: StatusCode) -> Coding {
    let values = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?"));
    let coded = values.collect::<Vec<_>>().join(",");
    if coded.is_empty() || coded.eq_ignore_ascii_case("identity") {
        return Coding::Identity;
    }
    match Decoder::new(&coded) {
        // A part of a coded body cannot be undone by itself.
        Some(decoder) if status != StatusCode::PARTIAL_CONTENT => {
            headers.remove(header::CONTENT_ENCODING);
            headers.remove(header::CONTENT_LENGTH);
            Coding::Known(Box::new(decoder))
        }
        _ => Coding::Unknown,
    }
}

/// The body of an answer as it comes.
#[derive(Debug)]
pub(super) enum Answer {
    /// Of a request without a credential.
    Plain(Incoming),
    /// Of one that carried a credential.
    Covered(Box<Covered>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Covered {
    inner: Incoming,
    coding: Coding,
    covering: Covering,
    echo: Arc<Echo>,
    /// What stands behind the body, once that is over.
    trailers: Option<HeaderMap>,
    over: bool,
}

impl Answer {
    /// Repeating no credential.
    pub(super) fn covered(inner: Incoming, echo: &Arc<Echo>, coding: Coding) -> Self {
        let (covering, echo) = (Covering::new(echo.clone()), echo.clone());
        Self::Covered(Box::new(Covered { inner, coding, covering, echo, trailers: None, over: false }))
    }
}

impl Covered {
    /// What of these bytes goes on.
    fn feed(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        match &mut self.coding {
            Coding::Identity => Ok(self.covering.feed(data)),
            Coding::Known(decoder) => {
                let mut plain = Vec::new();
                let decoded = decoder.feed(&data, |bytes| plain.extend_from_slice(bytes));
                decoded.map_err(|_| unfit())?;
                Ok(self.covering.feed(plain.into()))
            }
            Coding::Unknown => Err(unfit()),
        }
    }
}

fn unfit() -> BodyError {
    let detail =
        "The destination's answer is coded so that it cannot be searched for the credential that was sent.";
    let denial = Denial::built_in(Reason::UpstreamMalformed, detail);
    BodyError::Unfit(Box::new(denial.seen("credential: the answer's coding cannot be undone")))
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let covered = match self.get_mut() {
            Self::Plain(body) => return Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Covered(covered) => covered,
        };
        while !covered.over {
            let rest = match ready!(Pin::new(&mut covered.inner).poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => covered.feed(data)?,
                    Err(frame) => {
                        covered.trailers = frame.into_trailers().ok();
                        covered.over = true;
                        covered.covering.finish()
                    }
                },
                None => {
                    covered.over = true;
                    covered.covering.finish()
                }
            };
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(rest))));
            }
        }
        let Some(mut trailers) = covered.trailers.take() else { return Poll::Ready(None) };
        covered.echo.cover_fields(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            // Something may still be held back.
            Self::Covered(covered) => {
                covered.over && covered.trailers.is_none()
                    || covered.covering.is_empty() && covered.inner.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Covered(covered) => match (covered.inner.size_hint().exact(), &covered.coding) {
                (Some(left), Coding::Identity) => SizeHint::with_exact(left + covered.covering.held() as u64),
                _ => SizeHint::default(),
            },
        }
    }
}
