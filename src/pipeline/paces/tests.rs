//! Rates and paces for subjects, with holds made by hand.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::*;

fn asker(agent: &Arc<str>, source: [u8; 4]) -> Asker<'_> {
    Asker { agent, source: source.into(), execution: None }
}

fn rate(name: &str, subject: Subject, requests: u32) -> RateHold {
    let requests = NonZeroU32::new(requests).unwrap();
    let policy = PolicyRef::new("RateLimitPolicy", name);
    RateHold { policy, subject, requests, window: Duration::from_secs(3600), burst: requests }
}

fn rates(all: Vec<RateHold>) -> Holds {
    Holds { rates: all, ..Holds::default() }
}

fn bounds(holds: &Holds) -> Bounds<'_> {
    Bounds { rules: None, holds: Some(holds) }
}

#[test]
fn a_request_past_a_rate_is_refused_with_its_policy_and_when_the_next_may_be_sent() {
    let (paces, alice) = (Paces::default(), Arc::from("alice"));
    let holds = rates(vec![
        rate("wide", Subject::Named("Agent/alice".into()), 3600),
        rate("narrow", Subject::Named("EgressHTTPRoute/models".into()), 2),
    ]);
    let ask = || paces.charge(asker(&alice, [10, 77, 0, 2]), bounds(&holds));
    assert_eq!((ask(), ask()), (Ok(Duration::ZERO), Ok(Duration::ZERO)));
    let denial = ask().unwrap_err();
    assert_eq!((denial.reason, denial.status()), (Reason::QuotaRequests, 429));
    assert_eq!(denial.policy, Some(PolicyRef::new("RateLimitPolicy", "narrow")));
    assert_eq!(denial.sequel, Some(Sequel::Retry(1800)));
    let said = "Agent alice sends more requests than a policy lets it. The next may be sent in 1800 s.";
    assert_eq!(denial.detail, said);
    let seen = "2 requests of EgressHTTPRoute/models in 3600s, 2 at once";
    assert_eq!(denial.evidence.as_deref(), Some(seen));
}

#[test]
fn an_execution_is_what_an_agent_does_from_one_address_unless_it_is_known() {
    let (paces, alice, bob): (_, Arc<str>, Arc<str>) = (Paces::default(), "alice".into(), "bob".into());
    let holds = rates(vec![rate("each", Subject::Execution, 1)]);
    let here = asker(&alice, [10, 77, 0, 2]);
    let known = Asker { execution: Some(RequestId(uuid::Uuid::from_u128(1))), ..here };
    for asker in [here, asker(&alice, [10, 77, 0, 4]), asker(&bob, [10, 77, 0, 2]), known] {
        assert!(paces.count(asker, bounds(&holds)).is_ok());
        assert!(paces.count(asker, bounds(&holds)).is_err());
    }
}

#[test]
fn what_a_rate_refuses_takes_nothing_of_a_throttle() {
    let (paces, alice) = (Paces::default(), Arc::from("alice"));
    let pace = Arc::new(Pace::new(1));
    pace.reserve(1, Duration::ZERO, Duration::ZERO).unwrap();
    give_back(std::slice::from_ref(&pace));
    assert!(pace.is_at_rest(Duration::ZERO));
    let holds = rates(vec![rate("one", Subject::Named("Agent/alice".into()), 1)]);
    assert!(paces.charge(asker(&alice, [10, 77, 0, 2]), bounds(&holds)).is_ok());
    assert!(paces.charge(asker(&alice, [10, 77, 0, 2]), bounds(&holds)).is_err());
}

#[test]
fn paces_of_a_subject_are_shared_renewed_with_other_figures_and_forgotten_at_rest() {
    let (paces, alice) = (Paces::default(), Arc::from("alice"));
    let key =
        |number: usize| (PolicyRef::new("BandwidthPolicy", "b"), Whose::Named(number.to_string().into()));
    let up = |rate| Figures { up: Some(rate), ..Figures::default() };
    let one = paces.set(key(0), up(1024)).up.unwrap();
    assert!(Arc::ptr_eq(&one, &paces.set(key(0), up(1024)).up.unwrap()));
    assert_eq!(one.turn(), paces.set(key(0), up(1024)).up.unwrap().turn());
    assert!(!Arc::ptr_eq(&one, &paces.set(key(0), up(1 << 20)).up.unwrap()));
    let held = paces.set(key(1), up(1024)).up.unwrap();
    for number in 2..3 * PACES_KEPT {
        let _ = paces.set(key(number), up(1024));
    }
    assert!(paces.kept.lock().unwrap().paces.len() <= PACES_KEPT);
    assert!(Arc::ptr_eq(&held, &paces.set(key(1), up(1024)).up.unwrap()), "it is in use");
    assert!(paces.count(asker(&alice, [10, 77, 0, 2]), bounds(&Holds::default())).is_ok());
}
