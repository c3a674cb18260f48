//! A body that is looked into while it passes: its coding is undone, messages of gRPC are taken one by one, and what may go on
//! goes on (`decide/dlp/passing.rs`).
//!
//! Where something may be stopped, what goes on of a coded body goes on without its coding: nobody could tell which of the coded
//! bytes a finding is. Where nothing may, it goes on as it came and a copy is read. Read next: `body.rs`, `sieved.rs`.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::body::BodyError;
use super::held::Unheld;
use super::sieved::Coming;
use crate::decide::dlp::{Form, Passing, Told, Unread};
use crate::model::types::Denial;
use crate::model::types::limits::HELD_BODY_BYTES;
use crate::perceive::protocol::decoding::Decoder;
use crate::perceive::protocol::websocket::{Messages, Unreadable};

/// Bytes in front of a message of gRPC: whether it is coded, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// What looks into one body.
#[derive(Debug)]
pub struct Looked {
    passing: Passing,
    told: Rc<Told>,
    written: Written,
}

/// How a body is written.
#[derive(Debug)]
enum Written {
    /// In this coding.
    Coded(Box<Decoder>),
    /// In one that is not known: nothing is read of it.
    Unknown,
    /// In messages of gRPC, coded like this where they are.
    Messages { coding: String, held: Vec<u8>, left: usize },
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
        let is_grpc = headers
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let written = match Decoder::new(&values("content-encoding")) {
            _ if is_grpc => Written::Messages { coding: values("grpc-encoding"), held: Vec::new(), left: 0 },
            Some(decoder) => Written::Coded(Box::new(decoder)),
            None => Written::Unknown,
        };
        let mut looked = Self { passing, told, written };
        if matches!(looked.written, Written::Unknown) {
            looked.passing.unread(Unread::Coding, &looked.told)?;
        }
        Ok(looked)
    }

    /// Whether what goes on has another coding than what came.
    pub fn is_undone(&self) -> bool {
        self.passing.stops() && matches!(self.written, Written::Coded(_))
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
        let Self { passing, told, written } = self;
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
            Written::Messages { coding, held, left } => {
                messages((coding, held, left), bytes, on, |plain| passing.whole(plain, Form::Grpc, told))
                    .or_else(|unread| match unread {
                        Stopped::Denied(denial) => Err(denial),
                        Stopped::Unread(why) => passing.unread(why, told),
                    })
            }
        }
    }

    /// The body is over.
    pub(super) fn finish(&mut self, on: &mut Vec<u8>) -> Result<(), Box<Denial>> {
        if let Written::Messages { held, .. } = &mut self.written {
            on.append(held);
        }
        self.passing.finish(on, &self.told)
    }

    /// What stands behind it, as it may go on.
    pub(super) fn trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Box<Denial>> {
        let names: Vec<HeaderName> = trailers.keys().cloned().collect();
        for name in names {
            let http::header::Entry::Occupied(mut entry) = trailers.entry(&name) else { continue };
            for value in entry.iter_mut() {
                let other = self.passing.whole(value.as_bytes(), Form::Field(name.as_str()), &self.told)?;
                if let Some(other) = other.and_then(|other| HeaderValue::from_bytes(&other).ok()) {
                    *value = other;
                }
            }
        }
        Ok(())
    }
}

/// Why a message does not go on.
enum Stopped {
    Denied(Box<Denial>),
    Unread(Unread),
}

/// Takes messages of gRPC out of what has come: each goes on once it was looked at.
fn messages(
    (coding, held, left): (&str, &mut Vec<u8>, &mut usize),
    bytes: &[u8],
    on: &mut Vec<u8>,
    mut look: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, Box<Denial>>,
) -> Result<(), Stopped> {
    // The rest of one that is not read.
    let now = (*left).min(bytes.len());
    on.extend_from_slice(&bytes[..now]);
    *left -= now;
    held.extend_from_slice(&bytes[now..]);
    while let Some((prefix, _)) = held.split_at_checked(PREFIX) {
        let is_coded = prefix[0] != 0;
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if length as u64 > HELD_BODY_BYTES {
            *left = (PREFIX + length).saturating_sub(held.len());
            on.append(held);
            return Err(Stopped::Unread(Unread::Endless));
        }
        if held.len() < PREFIX + length {
            return Ok(());
        }
        let message: Vec<u8> = held.drain(..PREFIX + length).collect();
        let plain = if is_coded { undone(coding, &message[PREFIX..]) } else { Some(message.clone()) };
        let Some(plain) = plain else {
            on.extend(message);
            return Err(Stopped::Unread(Unread::Coding));
        };
        match look(&plain).map_err(Stopped::Denied)? {
            Some(other) => on.extend(other),
            None => on.extend(message),
        }
    }
    Ok(())
}

/// A coded message without its coding.
fn undone(coding: &str, message: &[u8]) -> Option<Vec<u8>> {
    let mut plain = vec![0; PREFIX];
    let mut decoder = Decoder::new(coding)?;
    decoder.feed(message, |bytes| plain.extend_from_slice(bytes)).ok()?;
    let length = u32::try_from(plain.len() - PREFIX).ok()?;
    plain[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    Some(plain)
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
        let fed = messages.feed(bytes, into, |text| {
            passing.whole(text, Form::of_content_type(None, text), told).map_err(Stopped::Denied)
        });
        match fed {
            Ok(()) => Ok(()),
            Err(Stopped::Denied(denial)) => Err(denial),
            Err(Stopped::Unread(why)) => passing.unread(why, told),
        }
    }

    /// The direction has ended.
    pub fn finish(&mut self, on: &mut Vec<u8>) {
        if self.passing.stops() {
            self.messages.finish(on);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flag: u8, text: &[u8]) -> Vec<u8> {
        [&[flag][..], &(text.len() as u32).to_be_bytes(), text].concat()
    }

    #[test]
    fn messages_go_on_one_by_one_however_they_come() {
        let both = [message(0, b"one"), message(0, b""), message(0, b"three")].concat();
        for size in 1..both.len() {
            let (mut held, mut left, mut on, mut seen) = (Vec::new(), 0, Vec::new(), Vec::new());
            for piece in both.chunks(size) {
                let looked = messages(("", &mut held, &mut left), piece, &mut on, |plain| {
                    seen.push(plain[PREFIX..].to_vec());
                    Ok(None)
                });
                assert!(looked.is_ok());
            }
            assert_eq!((on, held.len()), (both.clone(), 0));
            assert_eq!(seen, [&b"one"[..], b"", b"three"]);
        }
    }

    #[test]
    fn a_coded_message_is_read_without_its_coding_and_goes_on_as_it_came() {
        let coded = zstd::encode_all(&b"hello"[..], 1).unwrap();
        let whole = message(1, &coded);
        let (mut held, mut left, mut on, mut seen) = (Vec::new(), 0, Vec::new(), Vec::new());
        let looked = messages(("zstd", &mut held, &mut left), &whole, &mut on, |plain| {
            seen = plain.to_vec();
            Ok(None)
        });
        assert!(looked.is_ok());
        assert_eq!((on, seen), (whole.clone(), message(0, b"hello")));
        let unknown = messages(("lzma", &mut Vec::new(), &mut 0), &whole, &mut Vec::new(), |_| Ok(None));
        assert!(matches!(unknown, Err(Stopped::Unread(Unread::Coding))));
    }
}
