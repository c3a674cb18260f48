//! Whether there is room for what is wanted, in every account that holds for it.
//!
//! All limits are looked at before anything is charged, so that it is charged to all accounts or to none. The caller holds
//! the lock of the accounts. Read next: `accounts.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::charge::{Account, signed};
use super::demand::Wanted;
use super::refused::{Refused, Shortage};
use super::tally::Tally;
use super::windows::{end, first_minute, leaves};
use crate::model::types::{BudgetMode, Hold, Limit, RequestId, Subject, Timestamp, Uncounted, Unit, Window};

/// The accounts by their names.
pub(super) type Tallies = HashMap<Arc<Account>, Tally, foldhash::fast::RandomState>;

/// What is asked for.
pub(super) struct Question<'a> {
    pub holds: &'a [Hold],
    pub execution: RequestId,
    pub at: Timestamp,
    /// How long an execution may pause.
    pub idle: Duration,
    pub uncounted: Uncounted,
}

/// What is charged where there is room.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Each account once.
    pub charges: Vec<(Arc<Account>, u64)>,
    /// How much hard limits leave, for each unit that has one.
    pub granted: Vec<(Unit, u64)>,
    /// What goes all the same, and whose word it passes.
    pub alerts: Vec<Refused>,
    /// What nobody counts, and goes all the same.
    pub uncounted: Vec<Refused>,
}

impl Plan {
    /// How much hard limits leave of a unit.
    pub fn room(&self, unit: Unit) -> Option<u64> {
        self.granted.iter().find(|(of, _)| *of == unit).map(|(_, room)| *room)
    }
}

/// The account that a limit of a hold counts in.
pub(super) fn account(hold: &Hold, limit: &Limit, execution: RequestId) -> Account {
    let of_execution = hold.subject == Subject::Execution || limit.window == Window::Execution;
    let named = match &hold.subject {
        Subject::Named(name) => Some(name),
        Subject::Execution => None,
    };
    Account::new(&hold.policy, limit.unit, named, of_execution.then_some(execution))
}

/// Looks for room. `units` are those that are wanted together, in the same amount: all of them get what the least of them has.
pub(super) fn plan(
    tallies: &Tallies,
    question: &Question<'_>,
    wants: &[(&[Unit], Wanted)],
) -> Result<Plan, Refused> {
    let mut plan = Plan::default();
    let mut refused: Option<Refused> = None;
    for (units, wanted) in wants {
        let limits = || {
            let limits =
                question.holds.iter().flat_map(|hold| hold.limits.iter().map(move |one| (hold, one)));
            limits.filter(|(_, limit)| units.contains(&limit.unit))
        };
        let mut looks = Vec::new();
        for (hold, limit) in limits() {
            let name = account(hold, limit, question.execution);
            let Some(look) = Look::at(tallies, question, (hold, limit, name), *wanted) else {
                let one = Refused::Uncounted { policy: hold.policy.clone(), unit: limit.unit };
                match (hold.mode, question.uncounted) {
                    // Where nothing is bound nobody minds.
                    (BudgetMode::AlertOnly, _) if limit.max == u64::MAX => {}
                    (BudgetMode::AlertOnly, _) | (_, Uncounted::Allow) => plan.uncounted.push(one),
                    (_, Uncounted::Deny) => return Err(one),
                }
                let name = Arc::new(account(hold, limit, question.execution));
                plan.add(tallies, name, 0);
                continue;
            };
            looks.push(look);
        }
        settle_on(&mut plan, tallies, &looks, &mut refused);
    }
    match refused {
        Some(refused) => Err(refused),
        None => Ok(plan),
    }
}

/// Finds the amount that all limits of these units leave, and plans to charge it.
fn settle_on(plan: &mut Plan, tallies: &Tallies, looks: &[Look<'_>], refused: &mut Option<Refused>) {
    let hard = looks.iter().filter(|look| look.hold.mode == BudgetMode::HardStop);
    let room = hard.map(|look| look.room()).min();
    let most = looks.iter().map(|look| look.most).max().unwrap_or(0);
    let granted = room.map_or(most, |room| most.min(u64::try_from(room).unwrap_or(0)));
    for look in looks {
        let short = look.shortage();
        if look.hold.mode == BudgetMode::AlertOnly {
            plan.alerts.extend(short);
        } else if let Some(short) = short {
            let worse = refused.take().map_or(short.clone(), |before| before.worse(short));
            *refused = Some(worse);
        }
        if look.hold.mode == BudgetMode::HardStop && plan.room(look.limit.unit).is_none() {
            plan.granted.push((look.limit.unit, granted));
        }
        plan.add(tallies, look.name.clone(), granted);
    }
}

impl Plan {
    /// Charges an account, once however many limits count in it.
    fn add(&mut self, tallies: &Tallies, name: Arc<Account>, amount: u64) {
        if self.charges.iter().all(|(planned, _)| *planned != name) {
            // The name that is there already, so that it is kept once.
            let name = tallies.get_key_value(&*name).map_or(name, |(known, _)| known.clone());
            self.charges.push((name, amount));
        }
    }
}

/// One limit, and how it stands.
struct Look<'a> {
    hold: &'a Hold,
    limit: &'a Limit,
    name: Arc<Account>,
    question: &'a Question<'a>,
    tally: Option<&'a Tally>,
    /// What counts in its window.
    used: i64,
    least: u64,
    most: u64,
}

impl<'a> Look<'a> {
    /// Nothing where nobody can say how much is wanted.
    fn at(
        tallies: &'a Tallies,
        question: &'a Question<'a>,
        (hold, limit, name): (&'a Hold, &'a Limit, Account),
        wanted: Wanted,
    ) -> Option<Self> {
        let (least, most) = match wanted {
            Wanted::Exactly(amount) => (amount, amount),
            Wanted::AtMost { least, most } => (least.min(most), most),
            Wanted::Unknown => return None,
        };
        let tally = tallies.get(&name);
        let used = tally.map_or(0, |tally| tally.since(first_minute(&limit.window, question.at)));
        Some(Self { hold, limit, name: Arc::new(name), question, tally, used, least, most })
    }

    /// What is left.
    fn room(&self) -> i64 {
        i64::try_from(self.limit.max).unwrap_or(i64::MAX).saturating_sub(self.used)
    }

    /// What has to be left.
    fn needed(&self) -> i64 {
        // Of bytes nobody knows at the beginning how many will follow: it begins while there is room for one.
        let is_bytes = matches!(self.limit.unit, Unit::Bytes | Unit::BytesUp | Unit::BytesDown);
        let begins = u64::from(self.most > 0 || is_bytes);
        signed(match self.hold.mode {
            BudgetMode::HardStop => self.least.max(begins),
            BudgetMode::SoftStop => begins,
            BudgetMode::Throttle => self.most.min(self.limit.max).max(begins),
            BudgetMode::AlertOnly => self.most,
        })
    }

    /// What is missing, if anything is.
    fn shortage(&self) -> Option<Refused> {
        let needed = self.needed();
        if needed == 0 || needed <= self.room() {
            return None;
        }
        let reserved = self.tally.map_or(0, |tally| tally.reserved);
        Some(Refused::Short(Box::new(Shortage {
            account: self.name.clone(),
            limit: self.limit.clone(),
            mode: self.hold.mode,
            used: u64::try_from(self.used).unwrap_or(0),
            reserved: reserved.min(u64::try_from(self.used).unwrap_or(0)),
            wanted: u64::try_from(needed).unwrap_or(0),
            at: self.question.at,
            after: self.after(needed),
        })))
    }

    /// How long until there is room, if time alone brings it.
    fn after(&self, needed: i64) -> Option<Duration> {
        let max = i64::try_from(self.limit.max).unwrap_or(i64::MAX);
        let allowed = max.saturating_sub(needed);
        if allowed < 0 {
            return None;
        }
        let at = self.question.at;
        let back = match &self.limit.window {
            Window::Execution => return Some(self.question.idle),
            Window::Rolling(period) => {
                let first = first_minute(&self.limit.window, at);
                leaves(*period, self.tally?.until(first, allowed)?)
            }
            Window::Calendar(..) => end(&self.limit.window, at)?,
        };
        Some(back.since(at))
    }
}
