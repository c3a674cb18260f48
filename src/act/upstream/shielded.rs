//! An answer that repeats no secret of the vault, whoever has asked: what does is covered, in the body and behind it.
//!
//! A coded body goes on as it came, and a copy of it is read: where that repeats a secret, nothing more goes on. One in a coding
//! that is not known goes on unread; what a request has carried itself is `redacted.rs`'s, which lets none of that pass. Holds
//! back no more than may be the beginning of a secret. Read next: `act/credentials/echo.rs`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};

use super::body::BodyError;
use super::sieved::Coming;
use crate::act::credentials::{Covering, Echo};
use crate::model::types::limits::SHIELDED_BYTES;
use crate::model::types::{Denial, Reason};
use crate::perceive::protocol::decoding::Decoder;

/// See the module.
#[derive(Debug)]
pub(super) struct Shielded {
    inner: Coming,
    echo: Arc<Echo>,
    covering: Covering,
    written: Written,
    /// What stands behind the body, once that is over.
    trailers: Option<HeaderMap>,
    /// Why nothing more goes on, until that is told.
    unfit: Option<BodyError>,
    over: bool,
}

/// How a body is written.
#[derive(Debug)]
enum Written {
    /// As it is.
    Plain,
    /// In this coding: what has come of it waits until it is known not to end inside a secret.
    Coded(Box<Decoder>, Waiting),
    /// In one that is not known, or that it is not in.
    Unknown,
}

/// Coded bytes that wait.
#[derive(Debug, Default)]
struct Waiting {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Shielded {
    /// Of a body behind these fields.
    pub(super) fn new(inner: Coming, echo: Arc<Echo>, headers: &HeaderMap) -> Self {
        let values =
            headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?"));
        let coded = values.collect::<Vec<_>>().join(",");
        let written = match Decoder::new(&coded) {
            _ if coded.is_empty() || coded.eq_ignore_ascii_case("identity") => Written::Plain,
            Some(decoder) => Written::Coded(Box::new(decoder), Waiting::default()),
            None => Written::Unknown,
        };
        let covering = Covering::new(echo.clone());
        Self { inner, echo, covering, written, trailers: None, unfit: None, over: false }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(piece) = self.ready() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if let Some(unfit) = self.unfit.take() {
                return Poll::Ready(Some(Err(unfit)));
            }
            if self.over {
                let trailers = self.trailers.take();
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let rest = match ready!(self.inner.poll_frame(cx)) {
                // What was held back belongs in front of the failure.
                Some(Err(error)) => {
                    self.unfit = Some(error);
                    self.end(None)
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.feed(data),
                    Err(frame) => self.end(frame.into_trailers().ok()),
                },
                None => self.end(None),
            };
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(rest))));
            }
        }
    }

    /// What of a coded body waits no longer.
    fn ready(&mut self) -> Option<Bytes> {
        let Written::Coded(_, waiting) = &mut self.written else { return None };
        if !(self.over || self.covering.is_empty() || waiting.bytes > SHIELDED_BYTES) {
            return None;
        }
        let piece = waiting.pieces.pop_front()?;
        waiting.bytes -= piece.len();
        Some(piece)
    }

    /// The next bytes: what of a body as it is goes on.
    fn feed(&mut self, data: Bytes) -> Bytes {
        let Self { covering, written, .. } = self;
        match written {
            Written::Plain => covering.feed(data),
            Written::Unknown => data,
            Written::Coded(decoder, waiting) => {
                let decoded = decoder.feed(&data, |plain| drop(covering.feed(Bytes::copy_from_slice(plain))));
                waiting.bytes += data.len();
                waiting.pieces.push_back(data);
                if covering.has_found() {
                    self.stop();
                } else if decoded.is_err() {
                    return self.unread();
                }
                Bytes::new()
            }
        }
    }

    /// It is not in the coding that its head names: what has come of it goes on, and the rest as it comes.
    fn unread(&mut self) -> Bytes {
        let Written::Coded(_, waiting) = std::mem::replace(&mut self.written, Written::Unknown) else {
            return Bytes::new();
        };
        waiting.pieces.into_iter().collect::<Vec<_>>().concat().into()
    }

    /// Nothing more goes on.
    fn stop(&mut self) {
        let detail = "The destination's answer repeats a secret of the gateway, in a content coding. It was broken off.";
        let denial = Denial::built_in(Reason::DlpBlocked, detail).seen("vault: the answer repeats a value");
        (self.written, self.over) = (Written::Unknown, true);
        (self.unfit, self.trailers) = (Some(BodyError::Unfit(Box::new(denial))), None);
    }

    /// The body is over: what is left of one as it is.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Bytes {
        self.over = true;
        self.trailers = trailers;
        self.trailers.iter_mut().for_each(|trailers| self.echo.cover_fields(trailers));
        let rest = self.covering.finish();
        match &self.written {
            Written::Plain => rest,
            Written::Coded(..) if self.covering.has_found() => {
                self.stop();
                Bytes::new()
            }
            Written::Coded(..) | Written::Unknown => Bytes::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let waits = match &self.written {
            Written::Coded(_, waiting) => !waiting.pieces.is_empty(),
            Written::Plain => !self.covering.is_empty(),
            Written::Unknown => false,
        };
        !waits && self.unfit.is_none() && self.trailers.is_none() && (self.over || self.inner.is_over())
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let waits = match &self.written {
            Written::Coded(_, waiting) => waiting.bytes,
            Written::Plain => self.covering.held(),
            Written::Unknown => 0,
        };
        let left = if self.over { Some(0) } else { self.inner.size_hint().exact() };
        left.map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + waits as u64))
    }
}
