//! The byte guard in front of the HTTP library's client: a pure state machine over what an upstream sends on an HTTP/1
//! connection.
//!
//! An answer passes where every reader agrees on where it ends and whose it is, and not otherwise: heads are withheld
//! until they are whole and valid, bodies pass as they come, nothing passes that no request asked for. It changes no
//! byte, keeps no byte, and after a refusal passes nothing more, ever. Read next: `head`, `framing`.

mod head;
#[cfg(test)]
mod tests;

pub use crate::perceive::framing::refusal::Refusal;

use crate::model::types::limits::INTERIM_ANSWERS;
use crate::perceive::framing::chunked::Chunked;
use head::{Head, Valid};

/// What a request says about its answer (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing in particular.
    Plainly,
    /// It is HEAD: the answer has no body, whatever it announces.
    Head,
    /// It asks to leave HTTP/1: the answer may be 101.
    Upgrade,
}

/// What may be done with the bytes that were shown to [`Guard::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Advance {
    /// Leading bytes that may be handed on now.
    pub pass: usize,
    /// Where the connection stands behind them.
    pub state: State,
}

/// Where an upstream connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In front of an answer, asked for or not.
    Idle,
    /// Inside a head: the head time runs.
    Head,
    /// Inside a body.
    Body,
    /// No longer HTTP/1: everything passes.
    Opaque,
    /// Nothing passes any more.
    Refused(Refusal),
}

/// The guard of one connection. All its memory is a few words; the caller holds the bytes.
#[derive(Debug, Default)]
pub struct Guard {
    phase: Phase,
    /// The request whose answer is passing or awaited.
    asked: Option<Asked>,
    /// Interim answers to it so far.
    interim: u32,
}

#[derive(Debug)]
enum Phase {
    Head(Head),
    Length(u64),
    Chunked(Chunked),
    /// The body ends with the connection.
    UntilClose,
    Opaque,
    Refused(Refusal),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Guard {
    /// A request begins to go out; its answer may come from now on. One at a time.
    pub fn ask(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    /// Looks at all bytes that were received and have not passed: those withheld before, then new ones.
    ///
    /// The verdict does not depend on how the bytes are cut into calls, and neither do the bytes that pass, with one
    /// exception: of an answer that is refused in the call in which it began, nothing passes. Call again with the rest
    /// until `pass` is 0.
    pub fn advance(&mut self, input: &[u8]) -> Advance {
        let (mut pass, mut begun) = (0, None);
        loop {
            let at = pass;
            let was_head = matches!(self.phase, Phase::Head(_));
            pass += self.step(&input[at..]);
            match self.phase {
                Phase::Refused(_) => {
                    // Its head is withdrawn: nobody has seen this answer.
                    pass = begun.unwrap_or(pass);
                    break;
                }
                Phase::Length(_) | Phase::Chunked(_) if was_head => begun = Some(at),
                Phase::Length(_) | Phase::Chunked(_) => {}
                _ => begun = None,
            }
            if pass == at || pass == input.len() {
                break;
            }
        }
        Advance { pass, state: self.state(input.len() > pass) }
    }

    /// Takes as many bytes as one part of an answer has; 0 where none may pass.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match &mut self.phase {
            Phase::Head(_) if bytes.is_empty() => 0,
            Phase::Head(head) => match (self.asked, head.read(bytes)) {
                (None, _) => self.refuse(Refusal::Unasked),
                (_, Err(refusal)) => self.refuse(refusal),
                (_, Ok(None)) => 0,
                (Some(asked), Ok(Some(valid))) => self.begin(valid, asked),
            },
            Phase::Length(left) => {
                let have = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(*left);
                *left -= have;
                if *left == 0 {
                    self.end_answer();
                }
                usize::try_from(have).unwrap_or(bytes.len())
            }
            Phase::Chunked(chunked) => {
                let (progress, refusal) = chunked.read(bytes);
                if let Some(refusal) = refusal {
                    self.phase = Phase::Refused(refusal);
                } else if progress.end {
                    self.end_answer();
                }
                progress.pass
            }
            Phase::UntilClose | Phase::Opaque => bytes.len(),
            Phase::Refused(_) => 0,
        }
    }

    /// A valid head is here: what follows it (RFC 9112, section 6.3).
    fn begin(&mut self, valid: Valid, asked: Asked) -> usize {
        let Valid { length, status, chunked, content_length } = valid;
        let announces = chunked || content_length.is_some_and(|length| length > 0);
        match status {
            100..200 | 204 if announces => return self.refuse(Refusal::BodyForbidden),
            101 if asked == Asked::Upgrade => self.phase = Phase::Opaque,
            101 => return self.refuse(Refusal::SwitchUnasked),
            100..200 => {
                self.interim += 1;
                if self.interim > INTERIM_ANSWERS {
                    return self.refuse(Refusal::InterimAnswers);
                }
                self.phase = Phase::default();
            }
            204 | 304 => self.end_answer(),
            _ if asked == Asked::Head => self.end_answer(),
            _ if chunked => self.phase = Phase::Chunked(Chunked::default()),
            _ => match content_length {
                Some(0) => self.end_answer(),
                Some(length) => self.phase = Phase::Length(length),
                None => self.phase = Phase::UntilClose,
            },
        }
        length
    }

    fn end_answer(&mut self) {
        *self = Self::default();
    }

    fn refuse(&mut self, refusal: Refusal) -> usize {
        self.phase = Phase::Refused(refusal);
        0
    }

    fn state(&self, withheld: bool) -> State {
        match &self.phase {
            Phase::Head(_) if withheld => State::Head,
            Phase::Head(_) => State::Idle,
            Phase::Length(_) | Phase::Chunked(_) | Phase::UntilClose => State::Body,
            Phase::Opaque => State::Opaque,
            Phase::Refused(refusal) => State::Refused(*refusal),
        }
    }
}
