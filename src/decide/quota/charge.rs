//! Whom something is charged to, and how records write that down: `POLICY UNIT SUBJECT AMOUNT`.
//!
//! Text in both directions and nothing else; what is written can be read back. A subject may have spaces in it, the others
//! have none.

use std::fmt;
use std::sync::Arc;

use crate::model::types::{PolicyRef, RequestId, Unit};

/// The most that one charge has, in any unit: many of them together still are a number.
pub const MOST: u64 = 1 << 50;

/// One account: whose usage is counted together, by whose word, in what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The document: `BudgetPolicy/red-team-day`.
    pub policy: Arc<str>,
    /// What is counted.
    pub unit: Unit,
    /// Whose usage: `Team/red`, `Execution/ID`, `Team/red/Execution/ID`.
    pub subject: Arc<str>,
}

/// What stands before the id of an execution.
const EXECUTION: &str = "Execution/";

impl Account {
    /// The account of a hold's subject, or of one execution of it.
    pub fn new(
        policy: &PolicyRef,
        unit: Unit,
        subject: Option<&Arc<str>>,
        execution: Option<RequestId>,
    ) -> Self {
        let subject = match (subject, execution) {
            (Some(subject), None) => subject.clone(),
            (Some(subject), Some(id)) => format!("{subject}/{EXECUTION}{id}").into(),
            (None, Some(id)) => format!("{EXECUTION}{id}").into(),
            (None, None) => EXECUTION.into(),
        };
        Self { policy: policy.0.clone(), unit, subject }
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let (policy, unit, subject) = (words.next()?, Unit::parse(words.next()?)?, words.next()?);
        let whole = !policy.is_empty() && !subject.is_empty();
        whole.then(|| Self { policy: policy.into(), unit, subject: subject.into() })
    }

    /// The execution it is of, if it is one's.
    pub fn execution(&self) -> Option<RequestId> {
        let (before, id) = self.subject.rsplit_once(EXECUTION)?;
        let begins = before.is_empty() || before.ends_with('/');
        RequestId::parse(id).filter(|_| begins)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.policy, self.unit.as_str(), self.subject)
    }
}

/// What happens to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// So much is used up; less than nothing is what an operator grants.
    Amount(i64),
    /// Everything that was used up counts no more.
    Reset,
}

/// One account and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Whom it is charged to.
    pub account: Arc<Account>,
    /// How much.
    pub change: Change,
}

/// How records write a reset.
const RESET: &str = "reset";

impl Charge {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (account, change) = split(text)?;
        Some(Self { account: Arc::new(Account::parse(account)?), change })
    }
}

/// The account as it is written, and what happens to it.
pub fn split(text: &str) -> Option<(&str, Change)> {
    let (account, word) = text.rsplit_once(' ')?;
    let change = match word {
        RESET => Change::Reset,
        amount => Change::Amount(amount.parse().ok()?),
    };
    Some((account, change))
}

impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.change {
            Change::Amount(amount) => write!(f, "{} {amount}", self.account),
            Change::Reset => write!(f, "{} {RESET}", self.account),
        }
    }
}

/// An amount as it is added and subtracted.
pub fn signed(amount: u64) -> i64 {
    i64::try_from(amount.min(MOST)).unwrap_or(0)
}

/// Makes the parts of one charge, each of a minute, come to `total`: what is too much goes from the last one backwards, what is
/// missing is added to the last. Memory and database settle by this alone, so they agree. `first` is for what has no part.
pub fn settle(parts: &mut Vec<(i64, i64)>, total: i64, first: i64) {
    let sum: i64 = parts.iter().map(|(_, amount)| amount).sum();
    let mut excess = sum - total;
    if excess < 0 {
        match parts.last_mut() {
            Some((_, amount)) => *amount -= excess,
            None => parts.push((first, total)),
        }
        return;
    }
    for (_, amount) in parts.iter_mut().rev() {
        let taken = excess.min(*amount).max(0);
        *amount -= taken;
        excess -= taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let id = RequestId(uuid::Uuid::from_u128(7));
        let policy = PolicyRef::new("BudgetPolicy", "red-team-day");
        let team: Arc<str> = "Team/the red ones".into();
        for (subject, execution) in [(Some(&team), None), (None, Some(id)), (Some(&team), Some(id))] {
            let account = Arc::new(Account::new(&policy, Unit::BytesUp, subject, execution));
            assert_eq!(account.execution(), execution);
            for change in [Change::Amount(0), Change::Amount(-5), Change::Amount(1 << 50), Change::Reset] {
                let charge = Charge { account: account.clone(), change };
                assert_eq!(Charge::parse(&charge.to_string()), Some(charge));
            }
        }
        let account = Account::new(&policy, Unit::Tokens, Some(&"Team/red".into()), None);
        assert_eq!(account.to_string(), "BudgetPolicy/red-team-day tokens Team/red");
        for text in ["", "a", "a tokens", "a nonsense b 1", "a tokens b", "a tokens b x", " tokens b 1"] {
            assert_eq!(Charge::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_charge_of_several_minutes_is_settled_from_its_end() {
        let settled = |total| {
            let mut parts = vec![(1, 10), (2, 5)];
            settle(&mut parts, total, 9);
            parts
        };
        assert_eq!(settled(15), [(1, 10), (2, 5)]);
        assert_eq!(settled(12), [(1, 10), (2, 2)]);
        assert_eq!(settled(4), [(1, 4), (2, 0)]);
        assert_eq!(settled(0), [(1, 0), (2, 0)]);
        assert_eq!(settled(40), [(1, 10), (2, 30)]);
        let mut none = Vec::new();
        settle(&mut none, 3, 9);
        assert_eq!(none, [(9, 3)]);
    }
}
