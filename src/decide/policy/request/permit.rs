//! What a request may do by its head, and what is left to ask once it is known what the request carries.
//!
//! Rules on `ai`, `mcp` and `dlp` travel in here with everything that they were judged by, so that they cannot be asked
//! about another request. Until they are answered nothing can be recorded as allowed, and nothing sent: that takes a
//! `Clearance`. Read next: `../clearance.rs`.

use super::Judge;
use crate::decide::policy::clearance::Clearance;
use crate::decide::policy::passage::Passage;
use crate::model::condition::{Content, Uses};
use crate::model::types::Denial;

/// Proof that policy lets a request go as far as its head tells. Made by `PolicySet::request` alone.
#[derive(Debug)]
#[must_use]
pub struct Permit<'a> {
    state: State<'a>,
}

#[derive(Debug)]
enum State<'a> {
    /// No rule asks for more.
    Answered(Clearance),
    Pending(Box<Pending<'a>>),
}

/// What is needed to ask again.
#[derive(Debug)]
struct Pending<'a> {
    judge: Judge<'a>,
    passage: &'a Passage,
    asks: Uses,
    so_far: Result<Clearance, Denial>,
}

impl<'a> Permit<'a> {
    /// What comes of a request by its head; `asks` is what its rules ask of what it carries. A refusal may be so far only where a
    /// rule that asks may let through.
    pub(super) fn new(
        judge: Judge<'a>,
        passage: &'a Passage,
        (so_far, asks): (Result<Clearance, Denial>, Uses),
    ) -> Result<Self, Denial> {
        let state = match so_far {
            Ok(clearance) if asks.is_empty() => State::Answered(clearance),
            Err(denial) if asks.is_empty() => return Err(denial),
            so_far => State::Pending(Box::new(Pending { judge, passage, asks, so_far })),
        };
        Ok(Self { state })
    }

    /// What its rules ask of what the request carries: nothing, where nobody has to read it on their account.
    pub fn asks(&self) -> Uses {
        match &self.state {
            State::Answered(_) => Uses::default(),
            State::Pending(pending) => pending.asks,
        }
    }

    /// Asks the rules that waited. All rules hold together, those that were answered by the head among them, in the order in
    /// which they hold for everything else.
    ///
    /// # Errors
    /// The [`Denial`] that the agent gets; `policy.unevaluable` where a rule asks for what nobody has looked for.
    pub fn settle(self, content: &Content) -> Result<Clearance, Denial> {
        match self.state {
            State::Answered(clearance) => Ok(clearance),
            State::Pending(pending) => {
                let Pending { judge, passage, .. } = *pending;
                Judge { content: Some(content), ..judge }.ruled(passage)?.0
            }
        }
    }

    /// What would come of it, did no rule hold that waits: for those who explain.
    pub(in crate::decide::policy) fn so_far(self) -> Result<Clearance, Denial> {
        match self.state {
            State::Answered(clearance) => Ok(clearance),
            State::Pending(pending) => pending.so_far,
        }
    }
}
