//! Bytes are charged, on record, before they move: a process that ends at any moment forgets none.

use jiff::tz::TimeZone;

use crate::decide::ledger::Ledger;
use crate::decide::ledger::entry::Entry;
use crate::decide::ledger::query::Filter;
use crate::decide::ledger::record::{Decision, Outcome};
use crate::decide::quota::{Accounts, Asker, Demand, Refused, Terms};
use crate::model::types::{BudgetMode, Direction, Hold, Limit, Period, PolicyRef, Subject, Unit, Window};

use super::charges::killed;
use super::{AT, id, opening, policy, start};

fn hold(mode: BudgetMode, limits: &[(Unit, u64)]) -> Hold {
    let window = Window::Calendar(Period::Day, TimeZone::UTC);
    let limit = |(unit, max): &(Unit, u64)| Limit { unit: *unit, max: *max, window: window.clone() };
    Hold {
        policy: PolicyRef::new("BandwidthPolicy", "day"),
        subject: Subject::Named("Agent/alice".into()),
        limits: limits.iter().map(limit).collect(),
        mode,
    }
}

/// A flow under these limits.
async fn flow(ledger: &Ledger, accounts: &Accounts, hold: &Hold) -> Result<Entry, Refused> {
    let agent = opening(0).subject.agent.unwrap();
    let asker = Asker { agent: &agent, execution: id(77) };
    let demand = Demand { requests: 1, ..Demand::default() };
    let reservation = accounts.reserve(std::slice::from_ref(hold), &asker, &demand, AT)?;
    let by = (Some(&policy()), None);
    Ok(ledger.open(&opening(1), Decision::Allow, by, Some(reservation)).await.unwrap())
}

fn used(accounts: &Accounts, hold: &Hold) -> Vec<(i64, u64)> {
    let accounts_of = accounts.of(&hold.policy.0);
    let figures = hold.limits.iter().map(|limit| {
        let account = accounts_of.iter().find(|account| account.unit == limit.unit);
        let figures = account.map(|account| accounts.figures(account, limit, AT));
        figures.map_or((0, 0), |figures| (figures.used, figures.reserved))
    });
    figures.collect()
}

fn recalled(ledger: &Ledger) -> Accounts {
    Accounts::restore(Terms::default(), ledger.take_past(), AT)
}

#[tokio::test]
async fn bytes_move_to_the_last_one_and_none_of_them_before_it_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    ledger.stop();
    let hold = hold(BudgetMode::HardStop, &[(Unit::BytesDown, 100_000), (Unit::Bytes, 150_000)]);
    let entry = flow(&ledger, &accounts, &hold).await.unwrap();
    let meter = entry.byte_meter().unwrap();
    assert_eq!(meter.ahead(Direction::Down), 0, "nothing is charged before somebody wants it");
    let (mut down, mut moments) = (0, Vec::new());
    while let Ok(room) = meter.room(Direction::Down, 1, AT) {
        moments.push((killed(dir.path()), down + room));
        meter.moved(Direction::Down, room);
        down += room;
    }
    assert_eq!(down, 100_000);
    assert!(moments.len() < 10, "{} records", moments.len());
    let up = meter.room(Direction::Up, 50_000, AT).unwrap();
    assert_eq!(up, 50_000);
    meter.moved(Direction::Up, up);
    assert!(matches!(meter.room(Direction::Up, 1, AT), Err(Refused::Short(_))));
    entry.close(Outcome::default());
    assert_eq!(used(&accounts, &hold), [(100_000, 0), (150_000, 0)]);
    drop((ledger, meter));
    for (copy, moved) in moments {
        let accounts = recalled(&start(copy.path()));
        let charged = used(&accounts, &hold);
        assert!(charged.iter().all(|(used, _)| *used >= moved as i64), "{charged:?} of {moved}");
    }
}

#[tokio::test]
async fn what_was_charged_ahead_and_never_moved_is_given_back_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    let hold = hold(BudgetMode::HardStop, &[(Unit::BytesUp, 10_000)]);
    let entry = flow(&ledger, &accounts, &hold).await.unwrap();
    let meter = entry.byte_meter().unwrap();
    assert_eq!(meter.room(Direction::Down, 1 << 40, AT), Ok(u64::MAX), "nobody counts these");
    assert!(meter.room(Direction::Up, 1, AT).unwrap() > 7);
    meter.moved(Direction::Up, 7);
    entry.close(Outcome::default());
    assert_eq!(used(&accounts, &hold), [(7, 0)]);
    meter.moved(Direction::Up, 1);
    assert_eq!(meter.room(Direction::Up, 5, AT), Ok(u64::MAX), "its record is closed");
    ledger.barrier().await.unwrap();
    let row = &ledger.reader().unwrap().search(&Filter::default()).unwrap()[0];
    assert_eq!(row.get("charges"), Some(&vec!["BandwidthPolicy/day bytes-up Agent/alice 7"].into()));
}

#[tokio::test]
async fn a_limit_that_waits_for_room_lets_all_of_it_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    let hold = hold(BudgetMode::Throttle, &[(Unit::Bytes, 9_999)]);
    let entry = flow(&ledger, &accounts, &hold).await.unwrap();
    let (meter, mut moved) = (entry.byte_meter().unwrap(), 0);
    while let Ok(room) = meter.room(Direction::Down, 1, AT) {
        meter.moved(Direction::Down, room);
        moved += room;
    }
    assert_eq!(moved, 9_999);
    assert!(flow(&ledger, &accounts, &hold).await.is_err(), "nothing begins where no byte is left");
    drop(entry);
}

#[tokio::test]
async fn where_nobody_counts_bytes_nothing_is_metered() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let hold = hold(BudgetMode::HardStop, &[(Unit::Requests, 5)]);
    let entry = flow(&ledger, &recalled(&ledger), &hold).await.unwrap();
    assert!(entry.byte_meter().is_none());
    drop(entry);
}

#[tokio::test]
async fn a_limit_that_is_passed_while_bytes_move_stands_on_the_record_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let hold = hold(BudgetMode::AlertOnly, &[(Unit::Bytes, 10_000)]);
    let entry = flow(&ledger, &recalled(&ledger), &hold).await.unwrap();
    let meter = entry.byte_meter().unwrap();
    meter.moved(Direction::Down, meter.room(Direction::Down, 20_000, AT).unwrap());
    entry.close(Outcome { evidence: Some("it ended".into()), ..Outcome::default() });
    ledger.barrier().await.unwrap();
    let row = &ledger.reader().unwrap().search(&Filter::default()).unwrap()[0];
    assert_eq!((row.text("decision"), row.text("policy_id")), (Some("alert"), Some("BandwidthPolicy/day")));
    assert_eq!(row.text("rule"), None, "the rule of the decision is another document's");
    let seen = row.text("evidence").unwrap();
    assert!(seen.starts_with("it ended; Agent/alice: 0 of 10,000 bytes used in day"), "{seen}");
}
