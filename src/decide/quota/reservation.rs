//! What was charged for something that is about to begin, until it is known what it used.
//!
//! One that is on record stays charged whatever becomes of it, unless it is settled; one that could not be recorded is given
//! back when it is dropped. So nothing that may have been used is ever refunded for want of news.

use std::sync::Arc;

use super::books::Books;
use super::charge::{Account, Change, Charge, MOST, settle, signed};
use super::demand::{Spent, Wanted};
use super::plan::{self, Plan};
use super::refused::{Refused, Shortage};
use super::windows::minute_of;
use crate::model::types::limits::CHARGES_BYTES;
use crate::model::types::{BudgetMode, Hold, Limit, PolicyRef, RequestId, Timestamp, Unit};

/// See the module. Made by `Accounts::reserve` alone.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    books: Arc<Books>,
    holds: Box<[Hold]>,
    execution: RequestId,
    at: Timestamp,
    lines: Vec<Line>,
    granted: Vec<(Unit, u64)>,
    /// What goes though a limit is passed, or though it cannot be counted.
    notes: Vec<Refused>,
    /// How many of them are on record.
    told: usize,
    recorded: bool,
}

/// What is charged to one account, by minutes.
#[derive(Debug)]
struct Line {
    account: Arc<Account>,
    parts: Vec<(i64, i64)>,
}

/// What was charged besides, for the record.
#[derive(Debug)]
#[must_use]
pub struct More {
    /// How much there is, at most what was wanted.
    pub granted: u64,
    /// What has to be recorded before it is used.
    pub charges: Vec<Charge>,
    /// In the time of accounts.
    pub at: Timestamp,
}

impl Reservation {
    pub(super) fn new(
        books: Arc<Books>,
        holds: &[Hold],
        execution: RequestId,
        (plan, at): (Plan, Timestamp),
    ) -> Self {
        let Plan { charges, granted, alerts, uncounted } = plan;
        let line = |(account, amount): (Arc<Account>, u64)| {
            let amount = signed(amount);
            let parts = if amount > 0 { vec![(minute_of(at), amount)] } else { Vec::new() };
            Line { account, parts }
        };
        let lines = charges.into_iter().map(line).collect();
        let notes = alerts.into_iter().chain(uncounted).collect();
        Self { books, holds: holds.into(), execution, at, lines, granted, notes, told: 0, recorded: false }
    }

    /// The execution that is charged.
    pub fn execution(&self) -> RequestId {
        self.execution
    }

    /// When it was charged, in the time of accounts.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// How much of a unit the least of its hard limits has granted by now; none where no hard limit holds.
    pub fn room(&self, unit: Unit) -> Option<u64> {
        self.granted.iter().find(|(of, _)| *of == unit).map(|(_, room)| *room)
    }

    /// How much of a unit is charged by now, to the account that has least; none where nobody counts it.
    pub fn charged(&self, unit: Unit) -> Option<u64> {
        let counted = self.lines.iter().filter(|line| line.account.unit == unit);
        counted.map(|line| u64::try_from(line.sum()).unwrap_or(0)).min()
    }

    /// What goes though a limit is passed, or though nobody counts it: whose word it was, and what the record says.
    pub fn alert(&self) -> Option<(PolicyRef, String)> {
        let policy = self.notes.iter().find_map(Refused::policy)?;
        let said: Vec<String> = self.notes.iter().map(Refused::evidence).collect();
        Some((policy, said.join("; ")))
    }

    /// The same, where something came to it since it went on record.
    pub fn late_alert(&self) -> Option<(PolicyRef, String)> {
        (self.notes.len() > self.told).then(|| self.alert()).flatten()
    }

    /// What is charged by now, for the record.
    pub fn charges(&self) -> Vec<Charge> {
        let lines = self.lines.iter().filter(|line| !line.parts.is_empty());
        lines.map(|line| charge(&line.account, line.sum())).collect()
    }

    /// Whether a record could not name all that it may be charged to.
    pub(super) fn is_too_long(&self) -> bool {
        // The largest amount, a blank, two quotes, and a comma.
        let rest = MOST.to_string().len() + 4;
        let written = |byte: u8| if byte < 0x20 || matches!(byte, b'"' | b'\\') { 6 } else { 1 };
        let length = |line: &Line| line.account.to_string().bytes().map(written).sum::<usize>() + rest;
        self.lines.iter().map(length).sum::<usize>() + 2 > CHARGES_BYTES
    }

    /// Charges more of a unit while it runs. Bytes in one direction are charged apart from bytes in both.
    ///
    /// # Errors
    /// Where there is too little left.
    pub fn more(&mut self, unit: Unit, wanted: Wanted, now: Timestamp) -> Result<More, Refused> {
        let now = now.max(self.at);
        let plan = self.books.charge((&self.holds, self.execution), &[(&[unit], wanted)], now)?;
        let mut charges = Vec::with_capacity(plan.charges.len());
        for (account, amount) in plan.charges {
            let amount = signed(amount);
            if amount > 0 {
                self.line(&account).add(minute_of(now), amount);
                charges.push(charge(&account, amount));
            }
        }
        plan.alerts.into_iter().chain(plan.uncounted).for_each(|one| self.note(one));
        for (unit, amount) in plan.granted {
            match self.granted.iter_mut().find(|(of, _)| *of == unit) {
                Some((_, room)) => *room = room.saturating_add(amount),
                None => self.granted.push((unit, amount)),
            }
        }
        let granted = charges.iter().map(|one| amount_of(one).unsigned_abs()).min().unwrap_or(wanted.most());
        Ok(More { granted, charges, at: now })
    }

    /// Gives back what could not be recorded.
    pub fn undo(&mut self, more: More) {
        let minute = minute_of(more.at);
        for one in &more.charges {
            let amount = amount_of(one);
            self.line(&one.account).add(minute, -amount);
            let back = (&one.account, vec![(minute, -amount)], amount.unsigned_abs());
            self.books.settle(std::iter::once(back));
            for (_, room) in self.granted.iter_mut().filter(|(unit, _)| *unit == one.account.unit) {
                *room = room.saturating_sub(amount.unsigned_abs());
            }
        }
    }

    /// Says that it is on record: from now on it stays charged.
    pub fn recorded(&mut self) {
        self.recorded = true;
        self.told = self.notes.len();
    }

    /// Charges what was really used, and answers with that, for the record. What nobody knows stays as it was. What passes a limit
    /// only now is noted.
    pub fn settle(&mut self, spent: &Spent) -> Vec<Charge> {
        let first = minute_of(self.at);
        let mut changes = Vec::with_capacity(self.lines.len());
        let (mut charges, mut grown) = (Vec::with_capacity(self.lines.len()), Vec::new());
        for Line { account, parts } in std::mem::take(&mut self.lines) {
            let before: i64 = parts.iter().map(|(_, amount)| amount).sum();
            let total = spent.of(account.unit).map_or(before, signed);
            let mut settled = parts.clone();
            settle(&mut settled, total, first);
            if before != 0 || total != 0 {
                charges.push(charge(&account, total));
            }
            if total > before {
                grown.push((account.clone(), total));
            }
            let mut differences = settled;
            for (place, (_, amount)) in differences.iter_mut().enumerate() {
                *amount -= parts.get(place).map_or(0, |(_, before)| *before);
            }
            changes.push((account, differences, before.unsigned_abs()));
        }
        self.books.settle(changes.iter().map(|(account, parts, back)| (account, parts.clone(), *back)));
        grown.into_iter().for_each(|(account, total)| self.look_again(&account, total.unsigned_abs()));
        charges
    }

    /// Notes the limits that only say when they are passed, where more was used than reserved.
    fn look_again(&mut self, account: &Arc<Account>, total: u64) {
        let alerting = self.holds.iter().filter(|hold| hold.mode == BudgetMode::AlertOnly);
        let limits = alerting.flat_map(|hold| hold.limits.iter().map(move |limit| (hold, limit)));
        let of_account =
            |(hold, limit): &(&Hold, &Limit)| plan::account(hold, limit, self.execution) == **account;
        let passed = |(hold, limit): (&Hold, &Limit)| {
            let figures = self.books.figures(account, limit, self.at);
            let used = u64::try_from(figures.used).unwrap_or(0);
            (used > limit.max).then(|| {
                Refused::Short(Box::new(Shortage {
                    account: account.clone(),
                    limit: limit.clone(),
                    mode: hold.mode,
                    used: used.saturating_sub(total),
                    reserved: figures.reserved,
                    wanted: total,
                    at: self.at,
                    after: None,
                }))
            })
        };
        let passed: Vec<Refused> = limits.filter(of_account).filter_map(passed).collect();
        passed.into_iter().for_each(|one| self.note(one));
    }

    /// Notes what goes all the same, once for each limit.
    fn note(&mut self, one: Refused) {
        let limit = |of: &Refused| match of {
            Refused::Short(short) => Some((short.account.clone(), short.limit.clone())),
            _ => None,
        };
        if !self
            .notes
            .iter()
            .any(|known| *known == one || limit(known).is_some_and(|of| Some(of) == limit(&one)))
        {
            self.notes.push(one);
        }
    }

    fn line(&mut self, account: &Arc<Account>) -> &mut Line {
        let place = match self.lines.iter().position(|line| line.account == *account) {
            Some(place) => place,
            None => {
                self.lines.push(Line { account: account.clone(), parts: Vec::new() });
                self.lines.len() - 1
            }
        };
        &mut self.lines[place]
    }
}

impl Line {
    fn sum(&self) -> i64 {
        self.parts.iter().map(|(_, amount)| amount).sum()
    }

    fn add(&mut self, minute: i64, amount: i64) {
        match self.parts.iter_mut().rev().find(|(at, _)| *at == minute) {
            Some((_, sum)) => *sum += amount,
            None => self.parts.push((minute, amount)),
        }
    }
}

fn charge(account: &Arc<Account>, amount: i64) -> Charge {
    Charge { account: account.clone(), change: Change::Amount(amount) }
}

fn amount_of(charge: &Charge) -> i64 {
    match charge.change {
        Change::Amount(amount) => amount,
        Change::Reset => 0,
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let keeps = self.recorded;
        let lines = std::mem::take(&mut self.lines);
        let changes = lines.iter().map(|line| {
            let back =
                if keeps { Vec::new() } else { line.parts.iter().map(|(at, sum)| (*at, -sum)).collect() };
            (&line.account, back, line.sum().unsigned_abs())
        });
        if !lines.is_empty() {
            self.books.settle(changes);
        }
    }
}
