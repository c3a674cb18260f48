//! A message that is looked into while it passes: bytes go on once they can no longer be part of a finding.
//!
//! Where nothing may be stopped they go on at once, and what is found goes on record. Where something may, a finding ends the
//! message before it leaves, or other characters of the same length stand in its place, so that what its head says of its length
//! stays true. Holds no more than the longest thing that is looked for. Read next: `window.rs`, `inspected.rs`.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use super::form::Form;
use super::inspect::{Findings, Inspector, Match};
use super::inspected::{Changeable, Judgement};
use super::plan::Inspection;
use super::redact::redact;
use super::window::Window;
use super::words::Unread;
use crate::model::types::{Denial, Direction, PolicyRef, Sightings};

/// What is told of a message while it passes: to whoever closes its record.
#[derive(Debug, Default)]
pub struct Told {
    /// All that was found in it.
    pub found: RefCell<Sightings>,
    /// Why it goes no further, once it does not.
    pub broken: OnceCell<Denial>,
    /// The policy that raises an alert, once one does.
    pub alert: OnceCell<PolicyRef>,
    /// Whether something else speaks in its record: then an alert does not.
    pub is_spoken_for: bool,
}

impl Told {
    /// The policy whose alert speaks in the record, where one does.
    pub fn alert(&self) -> Option<PolicyRef> {
        self.alert.get().filter(|_| !self.is_spoken_for).cloned()
    }
}

/// See the module.
pub struct Passing {
    window: Option<Window>,
    inspector: Inspector,
    judgement: Judgement,
    agent: Arc<str>,
    /// Whether anything may be stopped or changed.
    stops: bool,
    /// Bytes that have come and not gone on, and how many have gone on before them.
    held: Vec<u8>,
    gone: usize,
}

/// Whose message it is and which way it goes.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What policies say of it.
    pub plan: Arc<Inspection>,
    /// Which way it goes.
    pub way: Direction,
    /// Whose it is.
    pub agent: Arc<str>,
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passing")
    }
}

impl Passing {
    /// A message in this form.
    pub fn new(bound: &Bound, inspector: Inspector, form: Form<'_>) -> Self {
        Self {
            window: Some(Window::new(inspector.clone(), form)),
            stops: bound.plan.stops(bound.way) || (bound.way == Direction::Down && inspector.knows_any()),
            inspector,
            judgement: Judgement::new(Some(bound.plan.clone()), bound.way),
            agent: bound.agent.clone(),
            held: Vec::new(),
            gone: 0,
        }
    }

    /// Whether it holds anything back.
    pub fn stops(&self) -> bool {
        self.stops
    }

    /// The next bytes; what may go on is added.
    ///
    /// # Errors
    /// Why nothing more goes on.
    pub fn feed(&mut self, bytes: &[u8], on: &mut Vec<u8>, told: &Told) -> Result<(), Box<Denial>> {
        let Some(window) = &mut self.window else { return Ok(()) };
        if self.stops {
            self.held.extend_from_slice(bytes);
        }
        let step = window.feed(bytes);
        self.found(Findings { matches: step.matches, unreadable: None }, told)?;
        self.let_go(step.may_go, on);
        Ok(())
    }

    /// The message is over.
    ///
    /// # Errors
    /// As [`Passing::feed`].
    pub fn finish(&mut self, on: &mut Vec<u8>, told: &Told) -> Result<(), Box<Denial>> {
        let Some(window) = self.window.take() else { return Ok(()) };
        self.found(window.finish(), told)?;
        self.let_go(self.held.len(), on);
        Ok(())
    }

    /// A part of it that has come whole: a message inside it, or a field. Answers with it as it may go on.
    ///
    /// # Errors
    /// As [`Passing::feed`].
    pub fn whole(
        &mut self,
        bytes: &[u8],
        form: Form<'_>,
        told: &Told,
    ) -> Result<Option<Vec<u8>>, Box<Denial>> {
        let found = self.inspector.inspect(bytes, form);
        let found = match form {
            Form::Field(_) => Findings { unreadable: None, ..found },
            _ => found,
        };
        let redacted = self.judgement.add(&found, Changeable::Yes);
        self.check(told)?;
        Ok((!redacted.is_empty()).then(|| redact(bytes, form, &redacted)))
    }

    /// It cannot be read from here on.
    ///
    /// # Errors
    /// As [`Passing::feed`].
    pub fn unread(&mut self, why: Unread, told: &Told) -> Result<(), Box<Denial>> {
        self.judgement.unread(why);
        self.check(told)
    }

    fn found(&mut self, found: Findings, told: &Told) -> Result<(), Box<Denial>> {
        if found.matches.is_empty() && found.unreadable.is_none() {
            return Ok(());
        }
        let redacted = self.judgement.add(&found, Changeable::Yes);
        redacted.iter().for_each(|one| self.mask(one));
        self.check(told)
    }

    fn check(&mut self, told: &Told) -> Result<(), Box<Denial>> {
        self.judgement.tell(&mut told.found.borrow_mut());
        if let Some(policy) = self.judgement.alert() {
            // The first one speaks.
            let _ = told.alert.set(policy.clone());
        }
        self.judgement.check_passing(&self.agent).map_err(|denial| {
            // The first reason counts.
            let _ = told.broken.set(denial.clone());
            Box::new(denial)
        })
    }

    fn mask(&mut self, found: &Match) {
        let place = |at: usize| at.saturating_sub(self.gone).min(self.held.len());
        let range = place(found.range.start)..place(found.range.end);
        mask(&mut self.held[range]);
    }

    fn let_go(&mut self, count: usize, on: &mut Vec<u8>) {
        let count = count.min(self.held.len());
        on.extend(self.held.drain(..count));
        self.gone += count;
    }
}

/// Other characters of the same length, which leave escapes, quotes and separators as they are.
fn mask(bytes: &mut [u8]) {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => return,
            [b'\\', b'u', digits @ ..] => {
                let (digits, behind) = digits.split_at_mut(digits.len().min(4));
                // U+0030, a digit.
                digits.iter_mut().zip(*b"0030").for_each(|(digit, other)| *digit = other);
                behind
            }
            [b'\\', _, behind @ ..] => behind,
            [b'%', high, low, behind @ ..] => {
                (*high, *low) = (b'3', b'0');
                behind
            }
            [byte, behind @ ..] => {
                match *byte {
                    b'0'..=b'9' => *byte = b'1',
                    b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => *byte = b'x',
                    _ => {}
                }
                behind
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_what_a_text_is_written_in() {
        for (text, masked) in [
            ("4111 1111-22", "1111 1111-11"),
            ("a\\u00e9\\nb", "x\\u0030\\nx"),
            ("%41b", "%30x"),
            ("geheim: ü", "xxxxxx: xx"),
            ("\\u00", "\\u00"),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            mask(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), masked, "{text}");
        }
    }
}
