//! Accounts as the road knows them: whoever asks at once, whatever becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::model::types::{
    AgentProfile, BudgetMode, Hold, Limit, Period, PolicyRef, RequestId, Subject, Timestamp, Uncounted, Unit,
    Window,
};

/// 20:48 UTC.
const NOW: Timestamp = Timestamp(1_795_898_880_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn id(number: u128) -> RequestId {
    RequestId(uuid::Uuid::from_u128(number))
}

fn alice() -> AgentProfile {
    AgentProfile {
        name: "alice".into(),
        team: Some("red".into()),
        project: None,
        environment: None,
        labels: BTreeMap::new(),
    }
}

fn day() -> Window {
    Window::Calendar(Period::Day, TimeZone::UTC)
}

fn hold(name: &str, mode: BudgetMode, limits: &[(Unit, u64, Window)]) -> Hold {
    let limit =
        |(unit, max, window): &(Unit, u64, Window)| Limit { unit: *unit, max: *max, window: window.clone() };
    Hold {
        policy: PolicyRef::new("BudgetPolicy", name),
        subject: Subject::Named("Team/red".into()),
        limits: limits.iter().map(limit).collect(),
        mode,
    }
}

fn tokens(max: u64) -> Vec<Hold> {
    vec![hold("day", BudgetMode::HardStop, &[(Unit::Tokens, max, day())])]
}

fn wants(tokens: Wanted) -> Demand {
    Demand { tokens, requests: 1, ..Demand::default() }
}

fn ask(accounts: &Accounts, holds: &[Hold], demand: Demand, now: Timestamp) -> Result<Reservation, Refused> {
    let agent = alice();
    accounts.reserve(holds, &Asker { agent: &agent, execution: id(7) }, &demand, now)
}

fn short(refused: Refused) -> Shortage {
    match refused {
        Refused::Short(short) => *short,
        other => panic!("{other:?}"),
    }
}

fn used(accounts: &Accounts, policy: &str, limit: &Limit, now: Timestamp) -> Vec<(String, i64, u64)> {
    let of = accounts.of(policy).into_iter().filter(|one| one.unit == limit.unit);
    let figures = |one: Arc<Account>| {
        let figures = accounts.figures(&one, limit, now);
        (one.subject.to_string(), figures.used, figures.reserved)
    };
    of.map(figures).collect()
}

#[test]
fn what_asks_at_once_from_many_threads_never_passes_a_budget_that_has_room_for_one() {
    let accounts = Accounts::new(Terms::default());
    let holds = tokens(700);
    let granted: usize = thread::scope(|scope| {
        let ask_all = || {
            let mut kept = Vec::new();
            for _ in 0..250 {
                if let Ok(mut reservation) = ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW) {
                    reservation.recorded();
                    kept.push(reservation);
                }
            }
            kept.len()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask_all)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(granted, 1);
}

#[test]
fn a_thousand_streams_that_may_begin_with_less_share_what_is_left_and_no_more() {
    let accounts = Accounts::new(Terms::default());
    let holds = tokens(10_000);
    let stream = wants(Wanted::AtMost { least: 100, most: 4096 });
    let kept = thread::scope(|scope| {
        let many =
            || -> Vec<_> { (0..250).filter_map(|_| ask(&accounts, &holds, stream, NOW).ok()).collect() };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(many)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut rooms: Vec<_> = kept.iter().map(|one| one.room(Unit::Tokens).unwrap()).collect();
    rooms.sort_unstable();
    assert_eq!(rooms, [1808, 4096, 4096]);
}

#[test]
fn all_limits_of_all_holds_get_it_or_none_does() {
    let accounts = Accounts::new(Terms::default());
    let mut holds = tokens(1000);
    let month = (Unit::Requests, 1, Window::Calendar(Period::Month, TimeZone::UTC));
    holds.push(hold("month", BudgetMode::HardStop, &[month]));
    let first = ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW).unwrap();
    let written: Vec<_> = first.charges().iter().map(Charge::to_string).collect();
    assert_eq!(written, ["BudgetPolicy/day tokens Team/red 400", "BudgetPolicy/month requests Team/red 1"]);
    let refused = short(ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW).unwrap_err());
    assert_eq!((&*refused.account.policy, refused.limit.unit), ("BudgetPolicy/month", Unit::Requests));
    let limit = &holds[0].limits[0];
    assert_eq!(used(&accounts, "BudgetPolicy/day", limit, NOW), [("Team/red".into(), 400, 400)]);
}

#[test]
fn what_is_recorded_stays_charged_and_what_is_not_is_given_back() {
    let accounts = Accounts::new(Terms::default());
    let holds = tokens(1000);
    let limit = &holds[0].limits[0];
    drop(ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW).unwrap());
    assert_eq!(used(&accounts, "BudgetPolicy/day", limit, NOW), [("Team/red".into(), 0, 0)]);
    let mut recorded = ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW).unwrap();
    recorded.recorded();
    drop(recorded);
    assert_eq!(used(&accounts, "BudgetPolicy/day", limit, NOW), [("Team/red".into(), 400, 0)]);
}

#[test]
fn what_is_settled_costs_what_it_used_in_the_minute_in_which_it_began() {
    let accounts = Accounts::new(Terms::default());
    let holds =
        vec![hold("rolling", BudgetMode::HardStop, &[(Unit::Tokens, 1000, Window::Rolling(Period::Hour))])];
    let limit = &holds[0].limits[0];
    let mut reservation = ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW).unwrap();
    reservation.recorded();
    let charges = reservation.settle(&Spent { tokens: Some(150), ..Spent::default() });
    assert_eq!(charges[0].to_string(), "BudgetPolicy/rolling tokens Team/red 150");
    assert_eq!(used(&accounts, "BudgetPolicy/rolling", limit, later(3659)), [("Team/red".into(), 150, 0)]);
    assert_eq!(used(&accounts, "BudgetPolicy/rolling", limit, later(3660)), [("Team/red".into(), 0, 0)]);
    let mut unknown = ask(&accounts, &holds, wants(Wanted::Exactly(400)), later(10)).unwrap();
    let charges = unknown.settle(&Spent::default());
    assert_eq!(charges[0].to_string(), "BudgetPolicy/rolling tokens Team/red 400");
    let mut more = ask(&accounts, &holds, wants(Wanted::Exactly(400)), later(20)).unwrap();
    let _ = more.settle(&Spent { tokens: Some(900), ..Spent::default() });
    let refused = short(ask(&accounts, &holds, wants(Wanted::Exactly(1)), later(20)).unwrap_err());
    assert_eq!((refused.used, refused.reserved), (1450, 0), "what was used is charged, past the limit too");
    // All of it was charged in one minute, and it leaves when an hour has passed for all of that.
    assert_eq!(refused.after, Some(Duration::from_secs(3640)));
    assert!(ask(&accounts, &holds, wants(Wanted::Exactly(1)), later(3659)).is_err());
    assert!(ask(&accounts, &holds, wants(Wanted::Exactly(1)), later(3660)).is_ok());
}

#[test]
fn a_refusal_says_when_there_is_room_again() {
    let accounts = Accounts::new(Terms::default());
    let holds = tokens(2000);
    let mut reservation = ask(&accounts, &holds, wants(Wanted::Exactly(1950)), NOW).unwrap();
    reservation.recorded();
    let refused = ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW).unwrap_err();
    let until_midnight = Duration::from_secs(3 * 3600 + 12 * 60);
    assert_eq!(short(refused.clone()).after, Some(until_midnight));
    assert_eq!(refused.wait(), None, "a hard limit does not wait");
    assert!(ask(&accounts, &holds, wants(Wanted::Exactly(400)), NOW.plus(until_midnight)).is_ok());
    let never = short(ask(&accounts, &holds, wants(Wanted::Exactly(2001)), NOW).unwrap_err());
    assert_eq!(never.after, None);
}

#[test]
fn modes_differ_in_what_may_begin() {
    let answers = |mode, wanted| {
        let accounts = Accounts::new(Terms::default());
        let holds = [hold("day", mode, &[(Unit::Tokens, 1000, day())])];
        let mut kept = Vec::new();
        let mut answers = Vec::new();
        for _ in 0..3 {
            match ask(&accounts, &holds, wants(wanted), NOW) {
                Ok(mut one) => {
                    one.recorded();
                    answers.push((one.room(Unit::Tokens), one.alert().is_some()));
                    kept.push(one);
                }
                Err(_) => break,
            }
        }
        answers
    };
    let exactly = Wanted::Exactly(600);
    assert_eq!(answers(BudgetMode::HardStop, exactly), [(Some(600), false)]);
    assert_eq!(answers(BudgetMode::SoftStop, exactly), [(None, false), (None, false)]);
    assert_eq!(answers(BudgetMode::Throttle, exactly), [(None, false)]);
    assert_eq!(answers(BudgetMode::AlertOnly, exactly), [(None, false), (None, true), (None, true)]);
    let stream = Wanted::AtMost { least: 10, most: 600 };
    assert_eq!(answers(BudgetMode::HardStop, stream), [(Some(600), false), (Some(400), false)]);
    // More than there ever is: a hard limit refuses, a throttle lets it begin where nothing else is.
    assert_eq!(answers(BudgetMode::HardStop, Wanted::Exactly(1001)), []);
    assert_eq!(answers(BudgetMode::Throttle, Wanted::Exactly(1001)), [(None, false)]);
}

#[test]
fn what_cannot_be_counted_is_refused_unless_that_is_allowed() {
    let holds = tokens(1000);
    let accounts = Accounts::new(Terms::default());
    let refused = ask(&accounts, &holds, wants(Wanted::Unknown), NOW).unwrap_err();
    let denial = refused.denial("alice", NOW);
    assert_eq!(denial.reason.code(), "quota.unavailable");
    let accounts = Accounts::new(Terms { uncounted: Uncounted::Allow, ..Terms::default() });
    let reservation = ask(&accounts, &holds, wants(Wanted::Unknown), NOW).unwrap();
    let (policy, said) = reservation.alert().unwrap();
    assert_eq!((&*policy.0, &*said), ("BudgetPolicy/day", "tokens cannot be counted, for BudgetPolicy/day"));
    let only_requests = [hold("day", BudgetMode::HardStop, &[(Unit::Requests, 5, day())])];
    let accounts = Accounts::new(Terms::default());
    assert!(ask(&accounts, &only_requests, wants(Wanted::Unknown), NOW).is_ok(), "nobody counts its tokens");
}

#[test]
fn executions_of_one_subject_are_counted_apart() {
    let accounts = Accounts::new(Terms::default());
    let mut holds = vec![hold("run", BudgetMode::HardStop, &[(Unit::Requests, 1, Window::Execution)])];
    let agent = alice();
    let demand = Demand { requests: 1, ..Demand::default() };
    let ask = |holds: &[Hold], execution, now| {
        let mut one =
            accounts.reserve(holds, &Asker { agent: &agent, execution: id(execution) }, &demand, now)?;
        one.recorded();
        Ok::<_, Refused>(one.charges()[0].to_string())
    };
    let named = format!("BudgetPolicy/run requests Team/red/Execution/{} 1", id(1));
    assert_eq!(ask(&holds, 1, NOW).unwrap(), named);
    assert!(ask(&holds, 2, NOW).is_ok());
    let refused = short(ask(&holds, 1, later(86_400 * 2)).unwrap_err());
    assert_eq!(
        refused.after,
        Some(Duration::from_secs(3600)),
        "once it has paused for so long it is another one"
    );
    (holds[0].subject, holds[0].policy) = (Subject::Execution, PolicyRef::new("BudgetPolicy", "each"));
    assert_eq!(ask(&holds, 1, NOW).unwrap(), format!("BudgetPolicy/each requests Execution/{} 1", id(1)));
}

#[test]
fn bytes_are_charged_while_they_pass_and_count_in_both_directions_together() {
    let accounts = Accounts::new(Terms::default());
    let holds = [hold("b", BudgetMode::HardStop, &[(Unit::Bytes, 1000, day()), (Unit::BytesUp, 600, day())])];
    let mut flow = ask(&accounts, &holds, Demand::default(), NOW).unwrap();
    assert_eq!(flow.charges(), []);
    let some = Wanted::AtMost { least: 1, most: 500 };
    assert_eq!((flow.charged(Unit::BytesUp), flow.charged(Unit::BytesDown)), (Some(0), None));
    assert_eq!(flow.more(Unit::BytesUp, some, NOW).unwrap().granted, 500);
    assert_eq!(flow.more(Unit::BytesUp, some, later(120)).unwrap().granted, 100);
    assert_eq!(short(flow.more(Unit::BytesUp, some, NOW).unwrap_err()).limit.unit, Unit::BytesUp);
    assert_eq!(flow.more(Unit::Bytes, some, NOW).unwrap().granted, 500);
    let more = flow.more(Unit::Bytes, some, later(120)).unwrap();
    assert_eq!((more.granted, flow.charged(Unit::Bytes)), (500, Some(1000)));
    flow.undo(more);
    assert_eq!(flow.more(Unit::Bytes, some, later(120)).unwrap().granted, 500);
    assert_eq!((flow.room(Unit::Bytes), flow.room(Unit::BytesUp)), (Some(1000), Some(600)));
    assert!(ask(&accounts, &holds, Demand::default(), NOW).is_err(), "nothing begins where no byte is left");
    let spent = Spent { bytes_up: Some(450), bytes_down: Some(300), ..Spent::default() };
    let settled: Vec<_> = flow.settle(&spent).iter().map(Charge::to_string).collect();
    assert_eq!(settled, ["BudgetPolicy/b bytes Team/red 750", "BudgetPolicy/b bytes-up Team/red 450"]);
    assert_eq!(used(&accounts, "BudgetPolicy/b", &holds[0].limits[0], NOW), [("Team/red".into(), 750, 0)]);
}

#[test]
fn a_limit_that_only_says_so_is_noted_once_when_it_is_passed_underway_or_at_the_end() {
    let accounts = Accounts::new(Terms::default());
    let bytes = [hold("soft", BudgetMode::AlertOnly, &[(Unit::Bytes, 100, day())])];
    let mut flow = ask(&accounts, &bytes, Demand::default(), NOW).unwrap();
    flow.recorded();
    for (amount, late) in [(100, None), (30, Some("100 of 100")), (30, Some("100 of 100"))] {
        assert_eq!(flow.more(Unit::Bytes, Wanted::Exactly(amount), NOW).unwrap().granted, amount);
        let told = flow.late_alert();
        assert_eq!(told.is_some(), late.is_some(), "{told:?}");
        if let (Some((policy, seen)), Some(late)) = (told, late) {
            assert_eq!(&*policy.0, "BudgetPolicy/soft");
            assert!(seen.starts_with(&format!("Team/red: {late} bytes used in day")), "{seen}");
            assert!(!seen.contains(';'), "{seen}");
        }
    }
    let _ = flow.settle(&Spent { bytes_up: Some(160), bytes_down: Some(0), ..Spent::default() });
    let tokens = [hold("t", BudgetMode::AlertOnly, &[(Unit::Tokens, 100, day())])];
    let mut call = ask(&accounts, &tokens, wants(Wanted::Exactly(90)), NOW).unwrap();
    call.recorded();
    let mut within = ask(&accounts, &tokens, wants(Wanted::Exactly(0)), NOW).unwrap();
    let _ = call.settle(&Spent { tokens: Some(101), ..Spent::default() });
    let (_, seen) = call.late_alert().expect("it used more than it had reserved");
    assert!(
        seen.starts_with("Team/red: 0 of 100 tokens used in day, 0 of them reserved, 101 wanted"),
        "{seen}"
    );
    let _ = within.settle(&Spent::NOTHING);
    assert_eq!(within.late_alert(), None, "it used nothing itself");
}

#[test]
fn what_is_granted_and_reset_has_effect_at_once() {
    let accounts = Accounts::new(Terms::default());
    let holds = tokens(1000);
    let mut first = ask(&accounts, &holds, wants(Wanted::Exactly(1000)), NOW).unwrap();
    first.recorded();
    let of_team =
        Charge { account: accounts.of("BudgetPolicy/day")[0].clone(), change: Change::Amount(-300) };
    accounts.apply(std::slice::from_ref(&of_team), later(60)).unwrap();
    assert!(ask(&accounts, &holds, wants(Wanted::Exactly(301)), later(60)).is_err());
    assert!(ask(&accounts, &holds, wants(Wanted::Exactly(300)), later(60)).is_ok());
    let reset = Charge { change: Change::Reset, ..of_team };
    accounts.apply(&[reset], later(120)).unwrap();
    assert!(
        ask(&accounts, &holds, wants(Wanted::Exactly(1)), later(120)).is_err(),
        "what is underway goes on counting"
    );
    let _ = first.settle(&Spent { tokens: Some(100), ..Spent::default() });
    assert_eq!(
        used(&accounts, "BudgetPolicy/day", &holds[0].limits[0], later(180)),
        [("Team/red".into(), 100, 0)]
    );
}

#[test]
fn a_changed_maximum_or_window_keeps_what_was_used() {
    let accounts = Accounts::new(Terms::default());
    let mut one = ask(&accounts, &tokens(1000), wants(Wanted::Exactly(900)), NOW).unwrap();
    one.recorded();
    let other = [hold("day", BudgetMode::HardStop, &[(Unit::Tokens, 950, Window::Rolling(Period::Week))])];
    assert!(ask(&accounts, &other, wants(Wanted::Exactly(51)), later(60)).is_err());
    assert!(ask(&accounts, &other, wants(Wanted::Exactly(50)), later(60)).is_ok());
}

#[test]
fn an_account_that_counts_is_never_forgotten_to_make_room() {
    use crate::model::types::limits::ACCOUNTS_KEPT;
    let accounts = Accounts::new(Terms::default());
    let of = |number: usize| {
        let mut one = hold("day", BudgetMode::HardStop, &[(Unit::Requests, 1, day())]);
        one.subject = Subject::Named(format!("Agent/a{number}").into());
        [one]
    };
    let once = |number, now| {
        let asked = ask(&accounts, &of(number), wants(Wanted::default()), now);
        asked.map(|mut one| one.recorded())
    };
    for number in 0..ACCOUNTS_KEPT {
        once(number, NOW).unwrap();
    }
    assert_eq!(once(ACCOUNTS_KEPT, NOW), Err(Refused::Overfull));
    assert!(matches!(once(0, NOW), Err(Refused::Short(_))), "what is known is counted as before");
    assert_eq!(once(ACCOUNTS_KEPT, later(33 * 86_400)), Ok(()), "after a month nothing of it counts");
}

#[test]
fn what_a_record_could_not_name_is_refused() {
    let accounts = Accounts::new(Terms::default());
    let holds: Vec<Hold> = (0..200)
        .map(|number| {
            hold(
                &format!("a-budget-with-a-long-name-{number}"),
                BudgetMode::HardStop,
                &[(Unit::Requests, 9, day())],
            )
        })
        .collect();
    assert_eq!(ask(&accounts, &holds, wants(Wanted::default()), NOW).unwrap_err(), Refused::TooMany);
    assert!(
        accounts
            .of("BudgetPolicy/a-budget-with-a-long-name-0")
            .iter()
            .all(|one| { accounts.figures(one, &holds[0].limits[0], NOW).used == 0 })
    );
    assert!(ask(&accounts, &holds[..30], wants(Wanted::default()), NOW).is_ok());
}

#[test]
fn what_an_agent_uses_is_counted_without_a_limit_and_without_a_word() {
    let accounts = Accounts::new(Terms::default());
    let holds = [usage::hold("alice")];
    let unknown = Demand { nanodollars: Wanted::Unknown, bytes_up: 7, ..wants(Wanted::Exactly(400)) };
    let mut reservation = ask(&accounts, &holds, unknown, NOW).unwrap();
    assert!(reservation.alert().is_none() && reservation.room(Unit::Tokens).is_none());
    let _ = reservation.settle(&Spent {
        tokens: Some(150),
        nanodollars: Some(2_500_000_000),
        ..Spent::default()
    });
    let today = accounts.usage_today("alice", later(3600));
    assert_eq!((today.requests_today, today.tokens_today, today.bytes_today), (1, 150, 7));
    assert!((today.cost_usd_today - 2.5).abs() < 1e-9);
    assert_eq!(accounts.usage_today("alice", later(4 * 3600)).tokens_today, 0, "midnight has passed");
    assert_eq!(accounts.usage_today("bob", NOW).requests_today, 0);
}

/// What happens to a reservation.
#[derive(Debug, Clone)]
enum Step {
    Reserve { most: u64, records: bool },
    Settle { which: usize, part: u64 },
    Drop { which: usize },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..600_u64, any::<bool>()).prop_map(|(most, records)| Step::Reserve { most, records }),
        (any::<usize>(), 0..=100_u64).prop_map(|(which, part)| Step::Settle { which, part }),
        any::<usize>().prop_map(|which| Step::Drop { which }),
        (0..7200_u64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

proptest! {
    /// Whatever is reserved, settled and dropped in whatever order, a hard limit holds in every window that ends now, and what is
    /// charged is what a list of charges says.
    #[test]
    fn no_order_of_events_passes_a_hard_limit(steps in prop::collection::vec(step(), 0..80)) {
        const MAX: u64 = 1000;
        let rolls = Window::Rolling(Period::Hour);
        let holds = [hold("h", BudgetMode::HardStop, &[(Unit::Tokens, MAX, rolls.clone())])];
        let accounts = Accounts::new(Terms::default());
        let (mut now, mut open, mut model) = (NOW, Vec::new(), Vec::<(i64, u64)>::new());
        for step in steps {
            match step {
                Step::Reserve { most, records } => {
                    let asked = ask(&accounts, &holds, wants(Wanted::AtMost { least: 1, most }), now);
                    let Ok(mut one) = asked else { continue };
                    let granted = one.room(Unit::Tokens).unwrap();
                    prop_assert!(granted <= most);
                    if records {
                        one.recorded();
                    }
                    model.push((minute_of(now), granted));
                    open.push((one, granted, model.len() - 1, records));
                }
                Step::Settle { which, part } if !open.is_empty() => {
                    let (mut one, granted, place, _) = open.swap_remove(which % open.len());
                    let spent = granted * part / 100;
                    let _ = one.settle(&Spent { tokens: Some(spent), ..Spent::default() });
                    model[place].1 = spent;
                }
                Step::Drop { which } if !open.is_empty() => {
                    let (one, _, place, records) = open.swap_remove(which % open.len());
                    drop(one);
                    if !records {
                        model[place].1 = 0;
                    }
                }
                Step::Settle { .. } | Step::Drop { .. } => {}
                Step::Pass { seconds } => now = now.plus(Duration::from_secs(seconds)),
            }
            let counts = model.iter().filter(|(minute, _)| *minute >= minute_of(now) - 60);
            let expected: u64 = counts.map(|(_, amount)| amount).sum();
            let found = used(&accounts, "BudgetPolicy/h", &holds[0].limits[0], now);
            prop_assert!(expected <= MAX);
            prop_assert_eq!(found.first().map_or(0, |one| one.1), i64::try_from(expected).unwrap());
        }
    }
}
