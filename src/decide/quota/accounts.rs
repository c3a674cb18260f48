//! All accounts, shared by every thread of the road. Whoever has no holds never comes here.
//!
//! What is wanted is charged before it goes, to every account that holds for it or to none; a hundred that ask at once share
//! what is left and no more. Read next: `books.rs`, and `reservation.rs` for what becomes of a charge.

use std::net::IpAddr;
use std::sync::Arc;

use super::books::{Books, Figures, Terms};
use super::charge::{Account, Charge};
use super::demand::{Asker, Demand, Wanted};
use super::executions::Execution;
use super::refused::Refused;
use super::reservation::Reservation;
use crate::model::types::{Hold, Limit, RequestId, Timestamp, Unit};

/// See the module; clones are the same ones.
#[derive(Debug, Clone)]
pub struct Accounts(Arc<Books>);

/// What an earlier run has left in the ledger.
#[derive(Debug, Default, Clone)]
pub struct Past {
    /// What was charged: the account as it is written, the minute since the Unix epoch, the amount.
    pub spendings: Vec<(String, i64, i64)>,
    /// Executions that may go on.
    pub executions: Vec<Execution>,
    /// When something was last charged.
    pub last: Option<Timestamp>,
}

impl Accounts {
    /// Without any charge.
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(Books::new(terms)))
    }

    /// With what an earlier run has charged. `now` is the time of accounts.
    pub fn restore(terms: Terms, past: Past, now: Timestamp) -> Self {
        let books = Books::new(terms);
        books.executions.restore(past.executions);
        books.restore(past.spendings, now);
        Self(Arc::new(books))
    }

    /// The execution of this source address at this moment. `fresh` makes the id of a new one.
    pub fn execution(
        &self,
        agent: &Arc<str>,
        source: IpAddr,
        now: Timestamp,
        fresh: impl FnOnce() -> RequestId,
    ) -> RequestId {
        self.0.executions.of(agent, source, now, fresh)
    }

    /// The execution that this source address goes on with, which this does not prolong. `now` is asked where there are any.
    pub fn going_on(
        &self,
        agent: &Arc<str>,
        source: IpAddr,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<RequestId> {
        self.0.executions.going_on(agent, source, now)
    }

    /// Charges what is wanted to every account that holds, or to none. `now` is the time of accounts.
    ///
    /// # Errors
    /// Where a limit leaves too little, or cannot count it.
    pub fn reserve(
        &self,
        holds: &[Hold],
        asker: &Asker<'_>,
        demand: &Demand,
        now: Timestamp,
    ) -> Result<Reservation, Refused> {
        let units = Unit::ALL.map(|unit| [unit]);
        let wants: Vec<(&[Unit], Wanted)> =
            units.iter().map(|unit| (&unit[..], demand.of(unit[0]))).collect();
        let plan = self.0.charge((holds, asker.execution), &wants, now)?;
        let reservation = Reservation::new(self.0.clone(), holds, asker.execution, (plan, now));
        if reservation.is_too_long() { Err(Refused::TooMany) } else { Ok(reservation) }
    }

    /// Does what an operator asked for and what is on record by now.
    ///
    /// # Errors
    /// Where there are as many accounts as can be kept.
    pub fn apply(&self, charges: &[Charge], now: Timestamp) -> Result<(), Refused> {
        self.0.apply(charges, now)
    }

    /// The accounts of a document's word, in order.
    pub fn of(&self, policy: &str) -> Vec<Arc<Account>> {
        self.0.of(policy)
    }

    /// How a limit stands in an account.
    pub fn figures(&self, account: &Account, limit: &Limit, now: Timestamp) -> Figures {
        self.0.figures(account, limit, now)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
