//! A message that is looked into while it passes: bytes go on once they can no longer be part of a finding.
//!
//! Where nothing may be stopped they go on at once, and what is found goes on record. Where something may, a finding ends the
//! message before it leaves, or other characters of the same length stand in its place, so that what its head says of its length
//! stays true. Holds no more than the longest thing that is looked for. Read next: `window.rs`, `inspected.rs`.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, header};

use super::fields::{Names, is_framing, redacted};
use super::form::Form;
use super::inspect::{Findings, Inspector, Match};
use super::inspected::{Changeable, Judgement};
use super::parted::Reader;
use super::plan::Inspection;
use super::redact::redact;
use super::words::{self, Unread};
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
    /// Asks the rules that ask for findings.
    rules: Option<ByRules>,
    /// What reads it, once its first bytes have come.
    reader: Option<Reader>,
    kind: Option<Box<str>>,
    is_over: bool,
    /// Messages inside it that have come whole.
    messages: usize,
    inspector: Inspector,
    judgement: Judgement,
    agent: Arc<str>,
    most: u64,
    /// Whether anything may be stopped or changed, and whether anything may be changed.
    stops: bool,
    changes: bool,
    /// Bytes that have come and not gone on, and how many have gone on before them.
    held: Vec<u8>,
    gone: usize,
}

/// Asks rules about what was found last, and says why it may not go on.
pub type ByRules = Box<dyn FnMut(&[Match]) -> Result<(), Denial>>;

/// Whose message it is and which way it goes.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What policies say of it.
    pub plan: Arc<Inspection>,
    /// Which way it goes.
    pub way: Direction,
    /// Whose it is.
    pub agent: Arc<str>,
    /// Bytes of a message inside it that are held.
    pub most: u64,
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passing")
    }
}

impl Passing {
    /// A message of this content type.
    pub fn new(bound: &Bound, inspector: Inspector, kind: Option<&str>) -> Self {
        let of_vault = bound.way == Direction::Down && inspector.knows_any();
        Self {
            rules: None,
            reader: None,
            kind: kind.map(Into::into),
            is_over: false,
            messages: 0,
            stops: bound.plan.stops(bound.way) || of_vault,
            changes: bound.plan.changes(bound.way) || of_vault,
            inspector,
            judgement: Judgement::new(Some(bound.plan.clone()), bound.way),
            agent: bound.agent.clone(),
            most: bound.most,
            held: Vec::new(),
            gone: 0,
        }
    }

    /// The same where rules ask for what is found, too: nothing goes on before they were asked.
    pub fn asking(self, rules: ByRules) -> Self {
        Self { rules: Some(rules), stops: true, ..self }
    }

    /// Whether it holds anything back.
    pub fn stops(&self) -> bool {
        self.stops
    }

    /// Bytes of a message inside it that are held until it was looked at.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Whether other characters may stand in it than came.
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// The next bytes; what may go on is added.
    ///
    /// # Errors
    /// Why nothing more goes on.
    pub fn feed(&mut self, bytes: &[u8], on: &mut Vec<u8>, told: &Told) -> Result<(), Box<Denial>> {
        if self.is_over {
            return Ok(());
        }
        if self.stops {
            self.held.extend_from_slice(bytes);
        }
        let reader = match self.reader.take() {
            None if bytes.is_empty() => return Ok(()),
            None => Reader::new(&self.inspector, self.kind.as_deref(), bytes),
            Some(reader) => reader,
        };
        let step = self.reader.insert(reader).feed(bytes);
        self.found(Findings { matches: step.matches, unreadable: step.unreadable }, told)?;
        self.let_go(step.may_go, on);
        Ok(())
    }

    /// The message is over.
    ///
    /// # Errors
    /// As [`Passing::feed`].
    pub fn finish(&mut self, on: &mut Vec<u8>, told: &Told) -> Result<(), Box<Denial>> {
        self.is_over = true;
        self.close(on, told)
    }

    /// What has come of it is whole, and what comes next is read by itself.
    ///
    /// # Errors
    /// As [`Passing::feed`].
    pub fn close(&mut self, on: &mut Vec<u8>, told: &Told) -> Result<(), Box<Denial>> {
        let Some(reader) = self.reader.take() else { return Ok(()) };
        self.found(reader.finish(), told)?;
        self.let_go(self.held.len(), on);
        self.gone = 0;
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
        let mut found = self.inspector.inspect(bytes, form);
        if form == Form::Grpc {
            let place = format!("body/{}", self.messages);
            found.matches.iter_mut().for_each(|one| one.location = place.clone().into());
            self.messages += 1;
        }
        let found = match form {
            // What fields and controls are made of is no format of files.
            Form::Control | Form::Field(_) | Form::Trailer(_) => Findings { unreadable: None, ..found },
            _ => found,
        };
        let redacted = self.judgement.add(&found, Changeable::Yes);
        self.ask(&found.matches, told)?;
        Ok((!redacted.is_empty()).then(|| redact(bytes, form, &redacted)))
    }

    /// Fields of its head, or behind it, as they may go on; `form` says which. All of them are looked at before it says why they
    /// do not.
    ///
    /// # Errors
    /// As [`Passing::feed`].
    pub fn fields(
        &mut self,
        headers: &mut HeaderMap,
        form: fn(&str) -> Form<'_>,
        told: &Told,
    ) -> Result<(), Box<Denial>> {
        let names = Names::of(headers);
        let mut found = names.inspect(&self.inspector);
        let mut gone = names.with(&self.judgement.add(&found, Changeable::Yes));
        let list: Vec<HeaderName> = headers.keys().cloned().collect();
        for name in list {
            let header::Entry::Occupied(mut entry) = headers.entry(&name) else { continue };
            for value in entry.iter_mut().filter(|value| !is_framing(name.as_str(), value.as_bytes())) {
                let form = form(name.as_str());
                let here = self.inspector.inspect(value.as_bytes(), form);
                // What fields are made of is no format of files.
                let here = Findings { unreadable: None, ..here };
                let changed = self.judgement.add(&here, Changeable::Yes);
                match redacted(form, value, &changed).filter(|_| !changed.is_empty()) {
                    Some(other) => *value = other,
                    None if changed.is_empty() => {}
                    None => gone.push(name.clone()),
                }
                found.matches.extend(here.matches);
            }
        }
        gone.iter().for_each(|name| drop(headers.remove(name)));
        self.ask(&found.matches, told)
    }

    /// It cannot be read from here on.
    ///
    /// # Errors
    /// As [`Passing::feed`].
    pub fn unread(&mut self, why: Unread, told: &Told) -> Result<(), Box<Denial>> {
        self.judgement.unread(why);
        self.check(told)?;
        match self.rules {
            // What nobody can read no rule can have asked about.
            Some(_) => Err(broken(words::unasked(&self.agent, why), told)),
            None => Ok(()),
        }
    }

    fn found(&mut self, found: Findings, told: &Told) -> Result<(), Box<Denial>> {
        if found.matches.is_empty() && found.unreadable.is_none() {
            return Ok(());
        }
        let redacted = self.judgement.add(&found, Changeable::Yes);
        redacted.iter().for_each(|one| self.mask(one));
        self.ask(&found.matches, told)
    }

    /// Asks rules, and then policies, about what was found.
    fn ask(&mut self, found: &[Match], told: &Told) -> Result<(), Box<Denial>> {
        self.judgement.tell(&mut told.found.borrow_mut());
        if let Some(rules) = self.rules.as_mut().filter(|_| !found.is_empty()) {
            rules(found).map_err(|denial| broken(denial, told))?;
        }
        self.check(told)
    }

    fn check(&mut self, told: &Told) -> Result<(), Box<Denial>> {
        self.judgement.tell(&mut told.found.borrow_mut());
        if let Some(policy) = self.judgement.alert() {
            // The first one speaks.
            let _ = told.alert.set(policy.clone());
        }
        self.judgement.check_passing(&self.agent).map_err(|denial| broken(denial, told))
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

/// It goes no further.
fn broken(denial: Denial, told: &Told) -> Box<Denial> {
    // The first reason counts.
    let _ = told.broken.set(denial.clone());
    Box::new(denial)
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
