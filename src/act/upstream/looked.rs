//! A body that is looked into while it passes: its coding is undone, messages of gRPC are taken one by one, and what may go on
//! goes on (`decide/dlp/passing.rs`).
//!
//! Where something may be stopped, what goes on of a coded body goes on without its coding: nobody could tell which of the coded
//! bytes a finding is. Where nothing may, it goes on as it came and a copy is read. Read next: `body.rs`, `sieved.rs`.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::body::BodyError;
use super::calls::Calls;
use super::held::Unheld;
use super::sieved::Coming;
use crate::decide::dlp::{Form, Passing, Told, Unread, forget_sums};
use crate::model::types::Denial;
use crate::perceive::protocol::decoding::Decoder;
use crate::perceive::protocol::websocket::{Messages, Shown, Unreadable};

/// What looks into one body.
#[derive(Debug)]
pub struct Looked {
    passing: Passing,
    told: Rc<Told>,
    written: Written,
    /// Whether its head names a coding.
    is_coded: bool,
}

/// How a body is written.
#[derive(Debug)]
enum Written {
    /// In this coding.
    Coded(Box<Decoder>),
    /// In one that is not known: nothing is read of it.
    Unknown,
    /// In messages of gRPC.
    Messages(Calls),
}

impl Looked {
    /// What looks into a body with these fields, and tells whoever closes its record.
    ///
    /// # Errors
    /// It cannot be read, and must not pass unread.
    pub fn new(passing: Passing, headers: &HeaderMap, told: Rc<Told>) -> Result<Self, Box<Denial>> {
        let values = |name: &str| -> String {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.collect::<Vec<_>>().join(",")
        };
        // Text of gRPC-Web is base64, and read as such.
        let is_grpc = headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            value.starts_with(b"application/grpc") && !value.starts_with(b"application/grpc-web-text")
        });
        let coding = values("content-encoding");
        let written = match Decoder::new(&coding) {
            _ if is_grpc && coding.is_empty() => {
                Written::Messages(Calls::new(values("grpc-encoding"), passing.most()))
            }
            Some(decoder) => Written::Coded(Box::new(decoder)),
            None => Written::Unknown,
        };
        let mut looked = Self { passing, told, written, is_coded: !coding.is_empty() };
        if matches!(looked.written, Written::Unknown) {
            looked.passing.unread(Unread::Coding, &looked.told)?;
        }
        Ok(looked)
    }

    /// Makes the fields of a head tell the truth of what goes on behind it: a coding that is undone for this is not there any
    /// more, and nobody can sum up what is not known yet.
    pub fn prepare(&self, headers: &mut HeaderMap) {
        let is_undone = self.is_undone() && headers.remove(header::CONTENT_ENCODING).is_some();
        if is_undone {
            headers.remove(header::CONTENT_LENGTH);
        }
        if is_undone || self.passing.changes() {
            forget_sums(headers);
        }
    }

    /// Whether what goes on has another coding than what came.
    fn is_undone(&self) -> bool {
        self.is_coded && self.passing.stops() && matches!(self.written, Written::Coded(_))
    }

    /// The next bytes; what may go on is added.
    pub(super) fn feed(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        if self.passing.stops() && !matches!(self.written, Written::Unknown) {
            return self.read(bytes, on);
        }
        on.extend_from_slice(bytes);
        self.read(bytes, &mut Vec::new())
    }

    fn read(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        let Self { passing, told, written, .. } = self;
        match written {
            Written::Unknown => Ok(()),
            Written::Coded(decoder) => {
                let mut outcome = Ok(());
                let fed = decoder.feed(bytes, |plain| {
                    if outcome.is_ok() {
                        outcome = passing.feed(plain, on, told);
                    }
                });
                outcome?;
                if fed.is_err() {
                    // What has come of it is no whole message any more, whatever policies say.
                    passing.unread(Unread::Coding, told)?;
                }
                Ok(())
            }
            Written::Messages(calls) => calls.feed(bytes, on, &mut (passing, &**told)),
        }
    }

    /// The body is over.
    pub(super) fn finish(&mut self, on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        if let Written::Messages(calls) = &mut self.written {
            calls.finish(on, &mut (&mut self.passing, &*self.told))?;
        }
        self.passing.finish(on, &self.told)
    }

    /// What stands behind it, as it may go on.
    pub(super) fn trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Box<Denial>> {
        if self.passing.changes() || self.is_undone() {
            forget_sums(trailers);
        }
        self.passing.fields(trailers, |name| Form::Trailer(name), &self.told)
    }
}

/// Why a message does not go on.
enum Stopped {
    Denied(Box<Denial>),
    Unread(Unread),
}

/// One direction of a WebSocket, of which each message is looked into.
#[derive(Debug)]
pub struct LookedMessages {
    passing: Passing,
    told: Rc<Told>,
    messages: Messages,
}

impl LookedMessages {
    /// Of messages that are no longer than this.
    pub fn new(passing: Passing, told: Rc<Told>, most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { passing, told, messages: Messages::new(most) }
    }

    /// The next bytes; what may go on is added.
    ///
    /// # Errors
    /// Why nothing more goes on.
    pub fn feed(&mut self, bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        let Self { passing, told, messages } = self;
        let (stops, mut aside) = (passing.stops(), Vec::new());
        if !stops {
            on.extend_from_slice(bytes);
        }
        let into = if stops { on } else { &mut aside };
        let fed = messages.feed(bytes, into, |shown| {
            let (text, form) = match shown {
                Shown::Message(text) => (text, Form::of_content_type(None, text)),
                Shown::Control(text) => (text, Form::Control),
            };
            passing.whole(text, form, told).map_err(Stopped::Denied)
        });
        match fed {
            Ok(()) => Ok(()),
            Err(Stopped::Denied(denial)) => Err(denial),
            Err(Stopped::Unread(why)) => passing.unread(why, told),
        }
    }
}

impl From<Unreadable> for Stopped {
    fn from(why: Unreadable) -> Self {
        Self::Unread(match why {
            Unreadable::Coded => Unread::Coding,
            Unreadable::TooLong => Unread::Endless,
        })
    }
}

/// Where the rest of a body comes from.
#[derive(Debug)]
enum Rest {
    /// The workload.
    Passing(Incoming),
    /// The upstream, as far as others let it go on.
    Coming(Coming),
}

impl Rest {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Passing(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Coming(body) => body.poll_frame(cx),
        }
    }
}

/// A body that is looked into: what has come of it, and the rest as it comes.
#[derive(Debug)]
pub(super) struct LookedBody {
    first: Option<Unheld>,
    rest: Rest,
    looked: Looked,
    /// Why nothing more goes on, until that is told.
    unfit: Option<Box<Denial>>,
    is_over: bool,
    trailers: Option<HeaderMap>,
}

impl LookedBody {
    pub(super) fn new(first: Option<Unheld>, rest: Incoming, looked: Looked) -> Self {
        let rest = Rest::Passing(rest);
        Self { first, rest, looked, unfit: None, is_over: false, trailers: None }
    }

    /// An answer's.
    pub(super) fn of_answer(rest: Coming, looked: Looked) -> Self {
        let rest = Rest::Coming(rest);
        Self { first: None, rest, looked, unfit: None, is_over: false, trailers: None }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut on = Vec::new();
        while !self.is_over {
            let next = match self.first.as_mut().and_then(Unheld::frame) {
                Some(frame) => Some(Ok(frame)),
                None => ready!(self.rest.poll_frame(cx)),
            };
            let fed = match next {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.looked.feed(&data, &mut on),
                    Err(frame) => self.behind(frame.into_trailers().ok(), &mut on),
                },
                None => self.behind(None, &mut on),
            };
            if let Err(unfit) = fed {
                (self.is_over, self.unfit, self.trailers) = (true, Some(unfit), None);
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

    /// It is over, with these trailers.
    fn behind(&mut self, trailers: Option<HeaderMap>, on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        self.is_over = true;
        self.looked.finish(on)?;
        if let Some(mut trailers) = trailers {
            self.looked.trailers(&mut trailers)?;
            self.trailers = Some(trailers);
        }
        Ok(())
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over && self.trailers.is_none() && self.unfit.is_none()
    }
}
