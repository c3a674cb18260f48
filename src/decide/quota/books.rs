//! The accounts behind one lock, held for a few look-ups: whether there is room and the charge are one step.
//!
//! An account whose usage still counts is never forgotten: when there are as many as can be kept, what would need another is
//! refused. Read next: `reservation.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::charge::{Account, Change, Charge, MOST, signed};
use super::demand::Wanted;
use super::executions::Executions;
use super::plan::{self, Plan, Question, Tallies};
use super::refused::Refused;
use super::windows::{end, first_minute, leaves, minute_of};
use crate::model::types::limits::{ACCOUNTS_KEPT, EXECUTION_IDLE};
use crate::model::types::{Hold, Limit, RequestId, Timestamp, Uncounted, Unit, Window};

/// How amounts are counted.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// `quota.onUnavailable`.
    pub uncounted: Uncounted,
    /// `quota.executionIdle`.
    pub idle: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { uncounted: Uncounted::Deny, idle: EXECUTION_IDLE }
    }
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// What counts in its window, with what is reserved. Below zero where more was granted than used.
    pub used: i64,
    /// How much of it is reserved by what is underway.
    pub reserved: u64,
    /// When all of it counts anew; of a rolling window, when the first part of it does. None where nothing is used, and for
    /// executions.
    pub returns: Option<Timestamp>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Books {
    terms: Terms,
    pub executions: Executions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tallies: Tallies,
    /// How many there may be before those that are over are looked for again.
    sweep_at: usize,
}

impl Books {
    pub fn new(terms: Terms) -> Self {
        Self { terms, executions: Executions::new(terms.idle), state: Mutex::default() }
    }

    /// Puts down what an earlier run has charged: account, minute, amount.
    pub fn restore(&self, mut spendings: Vec<(String, i64, i64)>, now: Timestamp) {
        spendings.sort_unstable();
        let mut state = self.state();
        for (name, minute, amount) in spendings {
            match Account::parse(&name) {
                Some(account) => state.tallies.entry(Arc::new(account)).or_default().add(minute, amount),
                None => tracing::warn!(account = name, "what was charged to this account cannot be read"),
            }
        }
        self.sweep(&mut state, now);
    }

    /// Looks for room, and charges.
    pub fn charge(
        &self,
        (holds, execution): (&[Hold], RequestId),
        wants: &[(&[Unit], Wanted)],
        now: Timestamp,
    ) -> Result<Plan, Refused> {
        let Terms { uncounted, idle } = self.terms;
        let question = Question { holds, execution, at: now, idle, uncounted };
        let mut state = self.state();
        let plan = plan::plan(&state.tallies, &question, wants)?;
        let fresh = plan.charges.iter().filter(|(name, _)| !state.tallies.contains_key(name)).count();
        if state.tallies.len() + fresh > state.sweep_at {
            self.sweep(&mut state, now);
        }
        if state.tallies.len() + fresh > ACCOUNTS_KEPT {
            return Err(Refused::Overfull);
        }
        for (name, amount) in &plan.charges {
            let tally = state.tallies.entry(name.clone()).or_default();
            tally.add(minute_of(now), signed(*amount));
            tally.reserved = tally.reserved.saturating_add((*amount).min(MOST));
        }
        Ok(plan)
    }

    /// Puts down what became of a reservation: for each account what is to be added to which minute, and how much of it is
    /// reserved no longer.
    pub fn settle<'a>(&self, changes: impl Iterator<Item = (&'a Arc<Account>, Vec<(i64, i64)>, u64)>) {
        let mut state = self.state();
        for (name, parts, reserved) in changes {
            let tally = state.tallies.entry(name.clone()).or_default();
            for (minute, amount) in parts {
                tally.add(minute, amount);
            }
            tally.reserved = tally.reserved.saturating_sub(reserved);
        }
    }

    /// Does what an operator asked for and what is on record by now.
    ///
    /// # Errors
    /// Where there are as many accounts as can be kept.
    pub fn apply(&self, charges: &[Charge], now: Timestamp) -> Result<(), Refused> {
        let mut state = self.state();
        for Charge { account, change } in charges {
            if state.tallies.len() >= ACCOUNTS_KEPT && !state.tallies.contains_key(account) {
                return Err(Refused::Overfull);
            }
            let tally = state.tallies.entry(account.clone()).or_default();
            match change {
                Change::Amount(amount) => tally.add(minute_of(now), *amount),
                Change::Reset => tally.reset(minute_of(now)),
            }
        }
        Ok(())
    }

    /// The accounts of a document's word, in order.
    pub fn of(&self, policy: &str) -> Vec<Arc<Account>> {
        let state = self.state();
        let mut found: Vec<_> = state.tallies.keys().filter(|one| *one.policy == *policy).cloned().collect();
        found.sort();
        found
    }

    /// How a limit stands in an account.
    pub fn figures(&self, account: &Account, limit: &Limit, now: Timestamp) -> Figures {
        let state = self.state();
        let Some(tally) = state.tallies.get(account) else {
            return Figures { used: 0, reserved: 0, returns: None };
        };
        let first = first_minute(&limit.window, now);
        let used = tally.since(first);
        let returns = match &limit.window {
            _ if used == 0 => None,
            Window::Execution => None,
            Window::Calendar(..) => end(&limit.window, now),
            Window::Rolling(period) => tally.until(first, used - 1).map(|minute| leaves(*period, minute)),
        };
        Figures { used, reserved: tally.reserved, returns }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.state().tallies.len()
    }

    /// Forgets what counts no more: what is too old for any window, and executions that are over.
    fn sweep(&self, state: &mut State, now: Timestamp) {
        let running = self.executions.running(now);
        let minute = minute_of(now);
        state.tallies.retain(|account, tally| {
            let goes_on = account.execution().is_none_or(|id| running.contains(&id));
            tally.reserved > 0 || (goes_on && !tally.is_over(minute))
        });
        state.sweep_at = (2 * state.tallies.len()).clamp(1024.min(ACCOUNTS_KEPT), ACCOUNTS_KEPT);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Tallies are changed one by one, each by arithmetic that cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
