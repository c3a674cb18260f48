//! What closes the record of an exchange, once its answer has passed or has come to another end.

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::reading::Reading;
use crate::decide::dlp::Told;
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::model::types::Denial;

/// The word of records for what ended because what had let it through stands no longer.
pub const LAPSED: &str = "lapsed";
/// The word of records for an answer that was ended because it may have no more.
pub const ENDED: &str = "ended";

/// What is needed to close the record of an exchange.
#[derive(Debug)]
pub struct Closing {
    /// The open record.
    pub entry: Entry,
    /// Status sent to the workload.
    pub status: u16,
    /// When the request was first seen.
    pub started: Instant,
    /// The gateway's own share before the request was sent on.
    pub added: Duration,
    /// Bytes of the request body that went out.
    pub sent: Rc<Cell<u64>>,
    /// The address really dialled, where it is not the one asked for.
    pub dialled: Option<SocketAddr>,
    /// Why the connection was cut, once it is.
    pub cut: Rc<OnceCell<Denial>>,
    /// What reads its bodies.
    pub reading: Reading,
    /// What was seen before it was answered.
    pub evidence: Option<String>,
    /// Which credentials went into it.
    pub credential: Option<String>,
    /// What was found in it as it passed.
    pub told: Rc<Told>,
}

impl Closing {
    /// Closes the record of an exchange whose body has passed.
    pub(super) fn close(self, received: u64, end: Option<&'static str>, denial: Option<Denial>) {
        let sent = self.sent.get();
        self.finished((sent, received), end, denial);
    }

    /// Closes the record with the bytes that passed each way.
    pub fn finish(self, sent: u64, received: u64, end: Option<&'static str>) {
        self.finished((sent, received), end, None);
    }

    /// Closes the record of something that may go on no longer, with the word for that and the reason.
    pub fn end(self, sent: u64, received: u64, (end, denial): (&'static str, Denial)) {
        self.finished((sent, received), Some(end), Some(denial));
    }

    fn finished(self, (sent, received): (u64, u64), end: Option<&'static str>, denial: Option<Denial>) {
        let outcome = Outcome {
            status: Some(self.status),
            bytes_out: sent,
            bytes_in: received,
            latency: self.started.elapsed(),
            added_latency: Some(self.added),
            dialled: self.dialled,
            denial,
            end,
            evidence: self.evidence,
            credential: self.credential,
            findings: self.told.found.take(),
            alert: self.told.alert(),
            ..Outcome::default()
        };
        self.entry.close(outcome.of_call(self.reading.finish(end.is_none())));
    }

    /// Closes the record with a refusal that came after the decision.
    pub fn refuse(self, denial: Denial) {
        let outcome = Outcome {
            status: Some(denial.status()),
            bytes_out: self.sent.get(),
            latency: self.started.elapsed(),
            dialled: self.dialled,
            denial: Some(denial),
            evidence: self.evidence,
            credential: self.credential,
            findings: self.told.found.take(),
            alert: self.told.alert(),
            ..Outcome::default()
        };
        self.entry.close(outcome.of_call(self.reading.finish(false)));
    }
}
