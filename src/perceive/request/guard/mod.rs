//! The byte guard in front of the HTTP library: a pure state machine over what a workload sends on an HTTP/1
//! connection.
//!
//! HTTP libraries repair what must be refused; so the library sees only what the guard has passed. Heads are withheld
//! until they are whole and valid, bodies pass as they come, chunked framing is checked in place. It changes no byte,
//! keeps no byte, and after a refusal passes nothing more, ever. Read next: `head`, `framing`.

mod head;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod properties;

pub use crate::perceive::framing::chunked::HEAD_ONLY;
pub use crate::perceive::framing::refusal::Refusal;

use crate::perceive::framing::chunked::Chunked;
use head::{Body, Head, Valid};

/// What may be done with the bytes that were shown to [`Guard::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Advance {
    /// Leading bytes to throw away: the one empty line that may stand in front of a request (RFC 9112, section
    /// 2.2), or what follows the last request of a connection.
    pub skip: usize,
    /// Bytes behind those that may be handed on now.
    pub pass: usize,
    /// Where the connection stands behind the bytes that may pass.
    pub state: State,
}

/// Where an HTTP/1 connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Between requests, with nothing of the next one: the keep-alive time runs.
    Idle,
    /// Inside a head: the head time runs. An end of input here is a broken request.
    Head,
    /// Inside a body. An end of input here is a broken request.
    Body,
    /// A request to leave HTTP/1 has passed: what follows waits for [`Guard::answered`] or [`Guard::become_opaque`].
    Paused,
    /// No longer HTTP/1: everything passes.
    Opaque,
    /// The last request has passed: what follows is thrown away.
    Ended,
    /// Nothing passes any more.
    Refused(Refusal),
}

/// The guard of one connection. All its memory is a few words; the caller holds the bytes.
#[derive(Debug, Default)]
pub struct Guard {
    phase: Phase,
    /// The request that is passing, or passed last, is the last one.
    last: bool,
    /// The request that is passing asks to leave HTTP/1.
    upgrade: bool,
    /// The one empty line in front of a request has been seen.
    blank: bool,
    /// Requests whose head has passed.
    requests: u64,
    /// Requests that have their final answer.
    answers: u64,
    /// What was refused is the body of a request whose head had passed.
    broken_body: bool,
}

#[derive(Debug)]
enum Phase {
    Head(Head),
    Length(u64),
    Chunked(Chunked),
    Paused,
    Opaque,
    Ended,
    Refused(Refusal),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Guard {
    /// Looks at all bytes that were received and neither passed nor skipped: those withheld before, then new ones.
    ///
    /// The verdict does not depend on how the bytes are cut into calls, and neither do the bytes that pass, with one
    /// exception: of a request that is refused in the call in which it began, nothing passes. Call again with the
    /// rest until `skip` and `pass` are both 0.
    pub fn advance(&mut self, input: &[u8]) -> Advance {
        let skip = self.skip(input);
        let bytes = &input[skip..];
        let (mut pass, mut begun) = (0, None);
        loop {
            let (at, requests) = (pass, self.requests);
            let taken = self.step(&bytes[at..]);
            pass += taken;
            if self.requests > requests {
                begun = Some(at);
            }
            match self.phase {
                Phase::Refused(_) => {
                    if let Some(at) = begun {
                        // Its head is withdrawn: nobody has seen this request.
                        pass = at;
                        self.requests -= 1;
                        self.broken_body = false;
                    }
                    break;
                }
                Phase::Length(_) | Phase::Chunked(_) => {}
                _ => begun = None,
            }
            if taken == 0 || pass == bytes.len() {
                break;
            }
        }
        Advance { skip, pass, state: self.state(bytes.len() > pass) }
    }

    /// One request has its final answer, any but a 101. Call it once for each, in order: a pause ends when every
    /// request that passed is answered.
    pub fn answered(&mut self) {
        self.answers = self.requests.min(self.answers + 1);
        if matches!(self.phase, Phase::Paused) && self.answers == self.requests {
            self.next_message();
        }
    }

    /// The answer 101 was sent for the request that paused the connection: from now on everything passes. False, and
    /// without effect, where the connection is not paused: then no request asked for it and the caller must close.
    #[must_use]
    pub fn become_opaque(&mut self) -> bool {
        let paused = matches!(self.phase, Phase::Paused);
        if paused {
            self.phase = Phase::Opaque;
        }
        paused
    }

    /// Whether what was refused is the body of the request whose head passed last.
    pub fn refused_in_body(&self) -> bool {
        self.broken_body
    }

    /// Whether every request whose head has passed has its final answer.
    pub fn is_answered(&self) -> bool {
        self.answers >= self.requests
    }

    /// How many request heads have passed.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Leading bytes to throw away.
    fn skip(&mut self, input: &[u8]) -> usize {
        match &self.phase {
            Phase::Ended => input.len(),
            Phase::Head(head) if head.is_new() && input.starts_with(b"\r\n") => {
                if std::mem::replace(&mut self.blank, true) {
                    self.phase = Phase::Refused(Refusal::EmptyLines);
                    return 0;
                }
                // A second one is refused at once, not with the next call.
                2 + self.skip(&input[2..])
            }
            _ => 0,
        }
    }

    /// Takes as many bytes as one part of a message has; 0 where none may pass.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match &mut self.phase {
            // An empty line in front of a request is skipped by the next call, when it stands first.
            Phase::Head(head) if head.is_new() && matches!(bytes, [] | [b'\r'] | [b'\r', b'\n', ..]) => 0,
            Phase::Head(head) => match head.read(bytes) {
                Ok(None) => 0,
                Ok(Some(valid)) => self.begin(valid),
                Err(refusal) => {
                    self.phase = Phase::Refused(refusal);
                    0
                }
            },
            Phase::Length(left) => {
                let have = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(*left);
                *left -= have;
                if *left == 0 {
                    self.end_message();
                }
                usize::try_from(have).unwrap_or(bytes.len())
            }
            Phase::Chunked(chunked) => {
                let (progress, refusal) = chunked.read(bytes);
                if let Some(refusal) = refusal {
                    self.phase = Phase::Refused(refusal);
                    self.broken_body = true;
                } else if progress.end {
                    self.end_message();
                }
                progress.pass
            }
            Phase::Opaque => bytes.len(),
            Phase::Paused | Phase::Ended | Phase::Refused(_) => 0,
        }
    }

    /// A head has passed.
    fn begin(&mut self, valid: Valid) -> usize {
        self.requests += 1;
        self.last = valid.last;
        self.upgrade = valid.upgrade;
        match valid.body {
            Body::Length(0) => self.end_message(),
            Body::Length(length) => self.phase = Phase::Length(length),
            Body::Chunked => self.phase = Phase::Chunked(Chunked::default()),
        }
        valid.length
    }

    fn end_message(&mut self) {
        if self.upgrade && self.answers < self.requests {
            self.phase = Phase::Paused;
        } else {
            self.next_message();
        }
    }

    fn next_message(&mut self) {
        self.blank = false;
        self.upgrade = false;
        self.phase = if self.last { Phase::Ended } else { Phase::default() };
    }

    fn state(&self, withheld: bool) -> State {
        match &self.phase {
            Phase::Head(head) if head.is_new() && !withheld => State::Idle,
            Phase::Head(_) => State::Head,
            Phase::Length(_) | Phase::Chunked(_) => State::Body,
            Phase::Paused => State::Paused,
            Phase::Opaque => State::Opaque,
            Phase::Ended => State::Ended,
            Phase::Refused(refusal) => State::Refused(*refusal),
        }
    }
}
