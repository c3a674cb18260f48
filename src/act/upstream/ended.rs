//! An answer that may have to end before its model ends it: what passes of it, and how it ends then.
//!
//! Whoever counts is asked after each frame, by what the answer has used so far. Once it says so, the events that are whole
//! pass, then the ending in the provider's own grammar; where there is none, the answer is broken off. Never holds an event
//! back. Read next: `body.rs`, then `perceive/protocol/ai/ending.rs`.

use bytes::Bytes;

use crate::decide::quota::{Refused as Exhausted, Wanted};
use crate::model::types::limits::ENDING_EVENT_BYTES;
use crate::model::types::{Denial, Timestamp, Unit};
use crate::perceive::protocol::ai::{Ending, Usage};

/// Charges more while something runs; how much there is of it ([`Entry::charge_more`](crate::decide::ledger::Entry)).
pub type Charge<'a> = dyn FnMut(Unit, Wanted, Timestamp) -> Result<u64, Exhausted> + 'a;
/// Says why an answer may go on no longer, by what it has used so far; it may charge more.
pub type Judge = Box<dyn FnMut(&Usage, &mut Charge<'_>) -> Option<Denial>>;
/// The bytes that end an answer for that reason.
pub type Wording = Box<dyn Fn(&Ending, &Denial) -> Vec<u8>>;

/// See the module.
pub struct Ender {
    /// Nothing where it can only be broken off.
    ending: Option<Ending>,
    judge: Judge,
    wording: Wording,
    /// Why it is to end, once it is, and bytes that have passed since.
    stopped: Option<(Denial, usize)>,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// It passes.
    On(Bytes),
    /// These bytes pass, and are the last.
    Last(Bytes, Denial),
    /// Nothing more passes, and the answer must not look whole.
    BrokenOff(Denial),
}

impl std::fmt::Debug for Ender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ender")
    }
}

impl Ender {
    /// Of an answer that can be ended like this.
    pub fn new(ending: Option<Ending>, judge: Judge, wording: Wording) -> Self {
        Self { ending, judge, wording, stopped: None }
    }

    /// The bytes that end it where it stands; nothing where it cannot be ended there.
    pub(super) fn last(&self, denial: &Denial) -> Option<Bytes> {
        let ending = self.ending.as_ref().filter(|ending| ending.is_between())?;
        Some((self.wording)(ending, denial).into())
    }

    /// The next bytes of the answer, with what it has used by their end, and what charges more of it.
    pub(super) fn frame(&mut self, data: Bytes, usage: Option<&Usage>, charge: &mut Charge<'_>) -> Passing {
        if self.stopped.is_none() {
            self.stopped = usage.and_then(|usage| (self.judge)(usage, charge)).map(|denial| (denial, 0));
        }
        let Some((denial, passed)) = &mut self.stopped else {
            if let Some(ending) = &mut self.ending {
                ending.feed(&data);
            }
            return Passing::On(data);
        };
        let Some(ending) = &mut self.ending else { return Passing::BrokenOff(denial.clone()) };
        let last = |ending: &Ending, whole: &[u8]| {
            let bytes = [whole, &(self.wording)(ending, denial)].concat();
            Passing::Last(bytes.into(), denial.clone())
        };
        let before = ending.clone();
        if let Some(end) = ending.feed(&data) {
            let mut there = before;
            there.feed(&data[..end]);
            return last(&there, &data[..end]);
        }
        if before.is_between() {
            return last(&before, b"");
        }
        *passed += data.len();
        if *passed > ENDING_EVENT_BYTES { Passing::BrokenOff(denial.clone()) } else { Passing::On(data) }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::model::types::{Provider, Reason};
    use crate::perceive::protocol::ai::Endpoint;

    fn denial() -> Denial {
        Denial::built_in(Reason::QuotaRequests, "used up")
    }

    /// An ender that stops once so much is used, of a stream of events.
    fn ender(most: u64, coding: Option<&'static str>) -> Ender {
        let endpoint = Endpoint::read(Provider::OpenAi, &Method::POST, "/v1/chat/completions");
        let mut fields = http::HeaderMap::new();
        fields.insert("content-type", "text/event-stream".parse().unwrap());
        if let Some(coding) = coding {
            fields.insert("content-encoding", coding.parse().unwrap());
        }
        let judge = move |usage: &Usage, _: &mut Charge<'_>| (usage.billed().total() > most).then(denial);
        Ender::new(Ending::of(&endpoint, &fields), Box::new(judge), Box::new(|_, _| b"END".to_vec()))
    }

    fn frame(ender: &mut Ender, data: &'static str, used: u64) -> Passing {
        ender
            .frame(Bytes::from_static(data.as_bytes()), Some(&Usage::estimate(0, used)), &mut |_, _, _| Ok(0))
    }

    fn on(data: &'static str) -> Passing {
        Passing::On(Bytes::from_static(data.as_bytes()))
    }

    fn last(data: &'static str) -> Passing {
        Passing::Last(Bytes::from_static(data.as_bytes()), denial())
    }

    #[test]
    fn whole_events_pass_and_then_the_ending() {
        let mut ender = ender(5, None);
        assert_eq!(frame(&mut ender, "data: a\n\n", 5), on("data: a\n\n"));
        assert_eq!(frame(&mut ender, "data: b\n\ndata: c\n\ndata", 6), last("data: b\n\ndata: c\n\nEND"));
    }

    #[test]
    fn an_event_that_has_begun_ends_first() {
        let mut ender = ender(5, None);
        assert_eq!(frame(&mut ender, "data: a\n\ndata", 0), on("data: a\n\ndata"));
        assert_eq!(frame(&mut ender, ": b", 6), on(": b"));
        assert_eq!(frame(&mut ender, "c\n", 6), on("c\n"));
        assert_eq!(frame(&mut ender, "\ndata: d", 6), last("\nEND"));
    }

    #[test]
    fn an_event_that_has_not_begun_does_not_begin() {
        let mut ender = ender(5, None);
        assert_eq!(frame(&mut ender, "data: a", 6), last("END"));
    }

    #[test]
    fn an_event_without_an_end_and_a_coded_stream_are_broken_off() {
        let mut endless = ender(5, None);
        assert_eq!(frame(&mut endless, "data: a", 0), on("data: a"));
        let long = Bytes::from(vec![b'a'; ENDING_EVENT_BYTES]);
        let used = Usage::estimate(0, 6);
        assert_eq!(endless.frame(long.clone(), Some(&used), &mut |_, _, _| Ok(0)), Passing::On(long));
        assert_eq!(frame(&mut endless, "a", 6), Passing::BrokenOff(denial()));
        let mut coded = ender(5, Some("gzip"));
        assert_eq!(frame(&mut coded, "..", 5), on(".."));
        assert_eq!(frame(&mut coded, "..", 6), Passing::BrokenOff(denial()));
    }
}
