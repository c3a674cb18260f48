//! What is charged survives every end of the process: nothing is lost and nothing is invented.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::decide::ledger::entry::Entry;
use crate::decide::ledger::query::Filter;
use crate::decide::ledger::record::{Decision, Outcome};
use crate::decide::ledger::{Ledger, LedgerConfig, OnUnavailable};
use crate::decide::quota::{
    Accounts, Asker, Change, Charge, Demand, Refused, Reservation, Spent, Terms, Wanted,
};
use crate::model::types::{
    BudgetMode, Hold, Limit, Period, PolicyRef, Reason, Subject, Timestamp, Unit, Window,
};

use super::{AT, config, id, opening, policy, start};

const MAX: u64 = 1000;

fn hold(mode: BudgetMode) -> Hold {
    let window = Window::Calendar(Period::Day, TimeZone::UTC);
    Hold {
        policy: PolicyRef::new("BudgetPolicy", "day"),
        subject: Subject::Named("Team/red".into()),
        limits: [Limit { unit: Unit::Tokens, max: MAX, window }].into(),
        mode,
    }
}

fn reserve(accounts: &Accounts, tokens: u64, now: Timestamp) -> Result<Reservation, Refused> {
    let demand = Demand { tokens: Wanted::Exactly(tokens), requests: 1, ..Demand::default() };
    let agent = opening(0).subject.agent.unwrap();
    let asker = Asker { agent: &agent, execution: id(77) };
    accounts.reserve(&[hold(BudgetMode::HardStop)], &asker, &demand, now)
}

async fn open(ledger: &Ledger, number: u128, reservation: Reservation) -> Entry {
    let by = (Some(&policy()), Some("rules[0]"));
    ledger.open(&opening(number), Decision::Allow, by, Some(reservation)).await.unwrap()
}

fn used(accounts: &Accounts, now: Timestamp) -> (i64, u64) {
    let hold = hold(BudgetMode::HardStop);
    let of = accounts.of("BudgetPolicy/day");
    of.first().map_or((0, 0), |account| {
        let figures = accounts.figures(account, &hold.limits[0], now);
        (figures.used, figures.reserved)
    })
}

/// The accounts of a ledger that has just started.
fn recalled(ledger: &Ledger) -> Accounts {
    Accounts::restore(Terms::default(), ledger.take_past(), AT)
}

/// What a machine would find in this folder if the process were killed now.
pub(super) fn killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("journal")).unwrap();
    for name in fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().file_name()) {
        fs::copy(dir.join("journal").join(&name), copy.path().join("journal").join(&name)).unwrap();
    }
    copy
}

#[tokio::test]
async fn decision_and_charge_are_one_record_and_the_outcome_says_what_was_used() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    let entry = open(&ledger, 1, reserve(&accounts, 400, AT).unwrap()).await;
    ledger.barrier().await.unwrap();
    let row = &ledger.reader().unwrap().search(&Filter::default()).unwrap()[0];
    assert_eq!(row.get("charges"), Some(&vec!["BudgetPolicy/day tokens Team/red 400"].into()));
    assert_eq!(row.text("charged_at"), Some(&*AT.to_string()));
    assert_eq!(row.text("execution_id"), Some(&*id(77).to_string()));
    assert_eq!(used(&accounts, AT), (400, 400));
    entry.close(Outcome {
        spent: Some(Spent { tokens: Some(150), ..Spent::default() }),
        ..Outcome::default()
    });
    ledger.barrier().await.unwrap();
    let row = &ledger.reader().unwrap().search(&Filter::default()).unwrap()[0];
    assert_eq!(row.get("charges"), Some(&vec!["BudgetPolicy/day tokens Team/red 150"].into()));
    assert_eq!(row.text("execution_id"), Some(&*id(77).to_string()));
    assert_eq!(used(&accounts, AT), (150, 0));
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_no_charge_and_invents_none() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    // From now on nothing is written but what the road writes.
    ledger.stop();
    // Each moment: what is on disk then, and what counts.
    let mut moments = vec![(killed(dir.path()), 0)];
    let first = open(&ledger, 1, reserve(&accounts, 400, AT).unwrap()).await;
    moments.push((killed(dir.path()), 400));
    let second = open(&ledger, 2, reserve(&accounts, 100, AT).unwrap()).await;
    moments.push((killed(dir.path()), 500));
    assert_eq!(second.charge_more(Unit::Tokens, Wanted::Exactly(50), AT), Ok(50));
    moments.push((killed(dir.path()), 550));
    first
        .close(Outcome { spent: Some(Spent { tokens: Some(10), ..Spent::default() }), ..Outcome::default() });
    // The outcome waits for company: a kill now leaves the reservation charged.
    moments.push((killed(dir.path()), 550));
    let third = open(&ledger, 3, reserve(&accounts, 1, AT).unwrap()).await;
    moments.push((killed(dir.path()), 161));
    drop(third);
    drop(second);
    moments.push((killed(dir.path()), 161));
    drop(ledger);
    for (place, (copy, expected)) in moments.iter().enumerate() {
        for _ in 0..2 {
            let ledger = start(copy.path());
            assert_eq!(used(&recalled(&ledger), AT).0, *expected, "moment {place}");
        }
    }
    let ledger = start(dir.path());
    assert_eq!(used(&recalled(&ledger), AT), (161, 0), "from the database");
}

#[tokio::test]
async fn what_could_not_be_recorded_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    let running = open(&ledger, 1, reserve(&accounts, 100, AT).unwrap()).await;
    let segment = fs::File::open(dir.path().join("journal/00000000000000000001.journal")).unwrap();
    let good = ledger.0.recorder.journal.replace_active(segment);
    let by = (Some(&policy()), None);
    let reservation = reserve(&accounts, 400, AT).unwrap();
    let denial = ledger.open(&opening(2), Decision::Allow, by, Some(reservation)).await.unwrap_err();
    assert_eq!(denial.reason, Reason::AuditUnavailable);
    assert_eq!(used(&accounts, AT), (100, 100));
    let more = running.charge_more(Unit::Tokens, Wanted::Exactly(50), AT).unwrap_err();
    assert_eq!(more.denial("alice", AT).reason, Reason::AuditUnavailable);
    assert_eq!(used(&accounts, AT), (100, 100));
    ledger.0.recorder.journal.replace_active(good.try_clone().unwrap());
    assert_eq!(running.charge_more(Unit::Tokens, Wanted::Exactly(50), AT), Ok(50));
    drop(running);
    drop(ledger);
    assert_eq!(used(&recalled(&start(dir.path())), AT), (150, 0));
}

#[tokio::test]
async fn an_outage_that_is_allowed_still_counts() {
    let dir = tempfile::tempdir().unwrap();
    let settings = LedgerConfig { on_unavailable: OnUnavailable::Allow, ..config(dir.path()) };
    let ledger = Ledger::start(&settings).unwrap();
    let accounts = recalled(&ledger);
    let segment = fs::File::open(dir.path().join("journal/00000000000000000001.journal")).unwrap();
    ledger.0.recorder.journal.replace_active(segment);
    let entry = open(&ledger, 1, reserve(&accounts, 100, AT).unwrap()).await;
    assert_eq!(entry.charge_more(Unit::Tokens, Wanted::Exactly(50), AT), Ok(50));
    drop(entry);
    assert_eq!(used(&accounts, AT), (150, 0));
}

#[tokio::test]
async fn progress_is_no_row_of_its_own_and_is_followed_as_one_thing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    let entry = open(&ledger, 1, reserve(&accounts, 100, AT).unwrap()).await;
    for _ in 0..3 {
        entry.charge_more(Unit::Tokens, Wanted::Exactly(10), AT).unwrap();
    }
    ledger.barrier().await.unwrap();
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.search(&Filter::default()).unwrap().len(), 1);
    let (rows, cursor) = reader.tail(0, &Filter::default()).unwrap();
    assert!(rows.is_empty());
    entry.close(Outcome {
        spent: Some(Spent { tokens: Some(125), ..Spent::default() }),
        ..Outcome::default()
    });
    ledger.barrier().await.unwrap();
    assert_eq!(reader.tail(cursor, &Filter::default()).unwrap().0.len(), 1);
    let rows = reader.search(&Filter::default()).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get("charges"), Some(&vec!["BudgetPolicy/day tokens Team/red 125"].into()));
}

#[tokio::test]
async fn what_passes_a_limit_that_only_alerts_is_on_record_as_an_alert() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    let agent = opening(0).subject.agent.unwrap();
    let demand = Demand { tokens: Wanted::Exactly(MAX + 1), ..Demand::default() };
    let asker = Asker { agent: &agent, execution: id(77) };
    let reservation = accounts.reserve(&[hold(BudgetMode::AlertOnly)], &asker, &demand, AT).unwrap();
    drop(open(&ledger, 1, reservation).await);
    ledger.barrier().await.unwrap();
    let row = &ledger.reader().unwrap().search(&Filter::default()).unwrap()[0];
    assert_eq!((row.text("decision"), row.text("policy_id")), (Some("alert"), Some("BudgetPolicy/day")));
    let seen = row.text("evidence").unwrap();
    assert!(
        seen.starts_with("Team/red: 0 of 1,000 tokens used in day, 0 of them reserved, 1,001 wanted"),
        "{seen}"
    );
}

#[tokio::test]
async fn what_an_operator_grants_and_resets_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for (round, change) in [Change::Amount(-300), Change::Reset, Change::Amount(-5)].into_iter().enumerate() {
        let ledger = start(dir.path());
        let accounts = recalled(&ledger);
        assert_eq!(used(&accounts, AT).0, expected);
        let reservation = reserve(&accounts, 400, AT).unwrap();
        drop(open(&ledger, round as u128 + 1, reservation).await);
        let account = accounts.of("BudgetPolicy/day")[0].clone();
        let charges = vec![Charge { account, change }];
        ledger.charge(("quota-granted", "by root".into()), charges.clone(), AT).unwrap();
        accounts.apply(&charges, AT).unwrap();
        expected = used(&accounts, AT).0;
    }
    assert_eq!(expected, 395);
    assert_eq!(used(&recalled(&start(dir.path())), AT).0, expected);
}

#[tokio::test]
async fn a_ledger_of_the_first_layout_is_taken_over_with_its_records() {
    let dir = tempfile::tempdir().unwrap();
    drop(start(dir.path()));
    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    db.execute_batch(
        "DROP TABLE spendings; DROP TABLE reservations; DROP TABLE executions; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(db);
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    drop(open(&ledger, 1, reserve(&accounts, 400, AT).unwrap()).await);
    drop(ledger);
    assert_eq!(used(&recalled(&start(dir.path())), AT), (400, 0));
}

#[tokio::test]
async fn a_restart_knows_the_execution_and_the_moment_of_the_last_charge() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    let at = AT.plus(Duration::from_secs(120));
    drop(open(&ledger, 1, reserve(&accounts, 400, at).unwrap()).await);
    drop(ledger);
    let past = start(dir.path()).take_past();
    assert_eq!(past.last, Some(at));
    let accounts = Accounts::restore(Terms::default(), past, at);
    let source = opening(0).subject.source.unwrap();
    assert_eq!(accounts.execution(&"alice".into(), source, at, || id(5)), id(77));
}

#[tokio::test]
async fn what_is_too_old_for_any_window_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let accounts = recalled(&ledger);
    drop(open(&ledger, 1, reserve(&accounts, 400, AT).unwrap()).await);
    ledger.barrier().await.unwrap();
    let later = AT.plus(Duration::from_secs(33 * 86_400));
    drop(open(&ledger, 2, reserve(&accounts, 5, later).unwrap()).await);
    drop(ledger);
    let past = start(dir.path()).take_past();
    assert_eq!(past.spendings.len(), 1);
    assert_eq!(past.spendings[0].2, 5);
}

/// What happens to the ledger.
#[derive(Debug, Clone)]
enum Step {
    Open { tokens: u64 },
    More { which: usize, tokens: u64 },
    Close { which: usize, part: u64 },
    Drop { which: usize },
    Fill,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..300_u64).prop_map(|tokens| Step::Open { tokens }),
        1 => (any::<usize>(), 1..100_u64).prop_map(|(which, tokens)| Step::More { which, tokens }),
        2 => (any::<usize>(), 0..=100_u64).prop_map(|(which, part)| Step::Close { which, part }),
        1 => any::<usize>().prop_map(|which| Step::Drop { which }),
        1 => Just(Step::Fill),
        1 => Just(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A restart ends what runs, and whatever order all comes in the accounts say what a list of amounts says. Outcomes that a
    /// kill finds in memory alone are lost with it: their reservations stay charged.
    #[test]
    fn no_order_of_events_loses_or_invents_a_charge(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut ledger = start(dir.path());
            let mut accounts = recalled(&ledger);
            let (mut running, mut settled, mut number) = (Vec::<(Entry, u64)>::new(), 0, 0);
            for step in steps {
                match step {
                    Step::Open { tokens } => {
                        let Ok(reservation) = reserve(&accounts, tokens, AT) else { continue };
                        number += 1;
                        running.push((open(&ledger, number, reservation).await, tokens));
                    }
                    Step::More { which, tokens } if !running.is_empty() => {
                        let which = which % running.len();
                        let (entry, sum) = &mut running[which];
                        if entry.charge_more(Unit::Tokens, Wanted::Exactly(tokens), AT).is_ok() {
                            *sum += tokens;
                        }
                    }
                    Step::Close { which, part } if !running.is_empty() => {
                        let (entry, sum) = running.swap_remove(which % running.len());
                        let tokens = Some(sum * part / 100);
                        entry.close(Outcome { spent: Some(Spent { tokens, ..Spent::default() }), ..Outcome::default() });
                        settled += sum * part / 100;
                    }
                    Step::Drop { which } if !running.is_empty() => {
                        settled += running.swap_remove(which % running.len()).1;
                    }
                    Step::More { .. } | Step::Close { .. } | Step::Drop { .. } => {}
                    Step::Fill => ledger.barrier().await.unwrap(),
                    Step::Kill => {
                        for (entry, sum) in running.drain(..) {
                            std::mem::forget(entry);
                            settled += sum;
                        }
                        drop(ledger);
                        ledger = start(dir.path());
                        accounts = recalled(&ledger);
                    }
                }
                let expected = settled + running.iter().map(|(_, sum)| sum).sum::<u64>();
                prop_assert!(expected <= MAX);
                prop_assert_eq!(used(&accounts, AT).0, i64::try_from(expected).unwrap());
            }
            Ok(())
        })?;
    }
}
