//! What stands, at which moment: documents and commands, their ends, and what is written of it.

mod at_work;

use std::sync::Arc;

use super::state::*;
use super::*;
use crate::decide::policy::Standing;
use crate::model::manifest::{Resources, SourceFile, load};
use crate::model::types::{ApprovedHost, Cause, Grant, PolicyRef};
use crate::platform::registry::{Approval, Ended, Past, Quarantine, Sighting};

const SET: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {sources: {addresses: [10.77.0.2/32]}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec: {listeners: [{name: raw, protocol: TCP}]}
---
apiVersion: kars.azure.com/v1alpha1
kind: EgressApproval
metadata: {name: debug}
spec: {sandbox: alice, hosts: [{host: paste.example, port: 443}], reason: INC-1, ttl: PT2H}
";
const HOUR: i64 = 3_600_000_000;
const MOST: Duration = Duration::from_secs(86_400);

fn set(text: &str) -> Resources {
    load(&[SourceFile::new("a.yaml", text.as_bytes())]).expect("a valid set")
}

fn approval(name: &str, until: i64) -> Approval {
    let hosts = vec![ApprovedHost::parse("other.example").unwrap()];
    Approval {
        name: name.into(),
        grant: Grant { agent: "alice".into(), hosts, tools: Vec::new(), reason: "x".into(), ticket: None },
        request_id: None,
        made_by: "root".into(),
        made_at: Timestamp(0),
        until: Timestamp(until),
        ended: None,
    }
}

fn quarantine(id: &str, until: Option<i64>) -> Quarantine {
    Quarantine {
        id: id.into(),
        agent: "alice".into(),
        cause: Cause { policy: None, rule: None, reason: "loud".into() },
        made_by: "root".into(),
        made_at: Timestamp(0),
        until: until.map(Timestamp),
        ended: None,
    }
}

/// As if everything could be written down.
fn write_all(state: &mut State) -> Vec<Change> {
    let mut written = Vec::new();
    while let Some(change) = state.unwritten.front().cloned() {
        state.written(&change);
        written.push(change);
    }
    written
}

#[test]
fn a_documents_time_begins_when_its_first_sight_is_written_down_and_no_reload_begins_it_anew() {
    let (resources, mut state) = (set(SET), State::default());
    let until = |state: &State, resources: &Resources| {
        let filed: Vec<_> = state.filed(resources, MOST).map(|one| one.until).collect();
        filed[0]
    };
    state.see(&resources, Timestamp(HOUR));
    assert_eq!(until(&state, &resources), None, "not before it is remembered");
    assert_eq!(state.standing(&resources, Timestamp(HOUR), MOST), Standing::new());
    write_all(&mut state);
    assert_eq!(until(&state, &resources), Some(Timestamp(3 * HOUR)));
    assert_ne!(state.standing(&resources, Timestamp(HOUR), MOST), Standing::new());
    state.see(&resources, Timestamp(2 * HOUR));
    assert!(state.unwritten.is_empty(), "seen already");
    // Another label is the same approval; another reason is another one.
    let labelled = set(&SET.replace("{name: debug}", "{name: debug, labels: {a: b}}"));
    assert_eq!(until(&state, &labelled), Some(Timestamp(3 * HOUR)));
    let other = set(&SET.replace("INC-1", "INC-2"));
    assert_eq!(until(&state, &other), None);
    let short = state.filed(&resources, Duration::from_secs(60)).next().and_then(|one| one.until);
    assert_eq!(short, Some(Timestamp(HOUR + 60_000_000)), "settings bound it");
}

#[test]
fn what_is_over_ends_once_and_each_end_is_told_and_written() {
    let (resources, mut state) = (set(SET), State::default());
    state.see(&resources, Timestamp(0));
    write_all(&mut state);
    state.approvals.insert("made".into(), approval("made", HOUR));
    state.shut_out(quarantine("q", Some(HOUR)));
    state.shut_out(quarantine("for-ever", None));
    write_all(&mut state);
    assert_eq!(state.next_end(&resources, MOST), Some(Timestamp(HOUR)));
    assert_eq!(state.expire(&resources, Timestamp(HOUR - 1), MOST), []);
    let told: Vec<_> = state
        .expire(&resources, Timestamp(2 * HOUR), MOST)
        .into_iter()
        .map(|event| (event.what, event.object))
        .collect();
    let expected =
        [("approval-expired", "made"), ("approval-expired", "debug"), ("quarantine-ended", "alice")];
    assert_eq!(told, expected.map(|(what, object)| (what, object.to_owned())));
    let by = |at| Ended { at: Timestamp(at), by: EXPIRY.to_owned() };
    let seen = Sighting {
        name: "debug".into(),
        digest: resources.approvals["debug"].digest.clone(),
        seen_at: Timestamp(0),
        ended_at: None,
    };
    let expected = [
        Change::EndApproval("made".into(), by(HOUR)),
        Change::EndSighting(seen, Timestamp(2 * HOUR)),
        Change::EndQuarantine("q".into(), by(HOUR)),
    ];
    assert_eq!(write_all(&mut state), expected);
    assert_eq!(state.expire(&resources, Timestamp(3 * HOUR), MOST), []);
    assert_eq!(state.next_end(&resources, MOST), None);
    let standing = state.standing(&resources, Timestamp(3 * HOUR), MOST);
    assert!(standing.quarantined("alice", Timestamp(3 * HOUR)).is_some(), "one has no end");
}

#[test]
fn what_was_over_once_is_over_under_any_clock_and_any_setting() {
    let (resources, mut state) = (set(SET), State::default());
    state.see(&resources, Timestamp(0));
    write_all(&mut state);
    let hour = Duration::from_secs(3600);
    assert_eq!(state.expire(&resources, Timestamp(HOUR), hour).len(), 1);
    for (at, most) in [(HOUR - 1, hour), (HOUR, MOST)] {
        assert_eq!(state.standing(&resources, Timestamp(at), most), Standing::new(), "{at} {most:?}");
        assert_eq!(state.count("alice", &resources, Timestamp(at), most), 0);
    }
}

#[test]
fn nothing_counts_while_the_clock_stands_before_its_beginning() {
    let (resources, mut state) = (set(SET), State::default());
    state.see(&resources, Timestamp(10 * HOUR));
    write_all(&mut state);
    let made = Approval { made_at: Timestamp(10 * HOUR), ..approval("made", 12 * HOUR) };
    state.approvals.insert("made".into(), made);
    for (at, expected) in [(10 * HOUR - 1, 0), (10 * HOUR, 2), (12 * HOUR - 1, 2), (12 * HOUR, 0)] {
        let at = Timestamp(at);
        assert_eq!(state.count("alice", &resources, at, MOST), expected, "{at}");
        let stands = state.standing(&resources, at, MOST) != Standing::new();
        assert_eq!(stands, expected > 0, "{at}");
    }
    assert!(state.next_end(&resources, MOST).is_some(), "its beginning is looked for");
}

#[test]
fn a_name_that_the_registry_has_is_not_opened_by_a_file_too() {
    let (resources, mut state) = (set(SET), State::default());
    state.approvals.insert("debug".into(), approval("debug", HOUR));
    assert_eq!(state.filed(&resources, MOST).count(), 0);
}

#[test]
fn of_two_quarantines_the_longer_holds_whichever_came_first() {
    for ends in [[Some(HOUR), None], [None, Some(HOUR)], [Some(HOUR), Some(2 * HOUR)]] {
        let mut state = State::default();
        ends.into_iter().zip(["a", "b"]).for_each(|(until, id)| drop(state.shut_out(quarantine(id, until))));
        let at = Timestamp(HOUR);
        assert!(state.quarantine_of("alice", at).is_some(), "{ends:?}");
        let standing = state.standing(&Resources::default(), at, MOST);
        assert!(standing.quarantined("alice", at).is_some(), "{ends:?}");
    }
}

#[test]
fn what_a_rule_imposed_names_its_document() {
    let cause = Cause {
        policy: Some(PolicyRef::new("EgressPolicy", "loud")),
        rule: Some("big".into()),
        reason: "too much".into(),
    };
    let until = Some(Timestamp(HOUR));
    let quarantine = crate::decide::policy::Quarantine { until, cause };
    let imposed = crate::pipeline::Imposed { agent: Arc::from("alice"), quarantine };
    let mut state = State::default();
    let event = state.impose(&imposed, Timestamp(0));
    assert_eq!((event.what, &*event.object), ("agent-quarantined", "alice"));
    assert_eq!(state.quarantines[0].made_by, "EgressPolicy/loud");
    assert_eq!(state.unwritten.len(), 1);
}

#[test]
fn what_stood_then_is_what_the_registry_says_and_the_documents_that_had_been_seen() {
    let (resources, mut state) = (set(SET), State::default());
    state.see(&resources, Timestamp(HOUR));
    write_all(&mut state);
    state.approvals.insert("later".into(), approval("later", 9 * HOUR));
    let past = |since| Past {
        approvals: vec![approval("made", 2 * HOUR)],
        quarantines: vec![quarantine("q", None)],
        whole_since: since,
    };
    let standing = |at: i64| {
        let at = Timestamp(at);
        state.then(past(None), at).standing(&resources, at, MOST)
    };
    let mut expected = Standing::new();
    expected.approve(
        &"alice".into(),
        "made",
        &[ApprovedHost::parse("other.example").unwrap()],
        Timestamp(2 * HOUR),
    );
    let cause = Cause { policy: None, rule: None, reason: "loud".into() };
    expected.quarantine(&"alice".into(), crate::decide::policy::Quarantine { until: None, cause });
    assert_eq!(
        standing(HOUR - 1),
        expected,
        "the document had not been seen, and what stands now is not looked at"
    );
    let hosts = [ApprovedHost::parse("paste.example:443").unwrap()];
    expected.approve(&"alice".into(), "debug", &hosts, Timestamp(3 * HOUR));
    assert_eq!(standing(HOUR), expected);

    let gaps = |state: &State, since| {
        let past = past(since);
        then::gaps(state, &resources, "alice", (&past, Timestamp(HOUR)))
    };
    assert_eq!(gaps(&state, None), Vec::<String>::new());
    assert_eq!(gaps(&state, Some(Timestamp(HOUR))), Vec::<String>::new());
    let told = gaps(&State::default(), Some(Timestamp(HOUR + 1)));
    assert!(told[0].ends_with("not all are remembered: one may have stood then"), "{told:?}");
    assert!(told[1].starts_with("when EgressApproval/debug was first seen is not remembered"), "{told:?}");
    assert!(then::gaps(&State::default(), &resources, "bob", (&past(None), Timestamp(0))).is_empty());
}

fn of_agent(agent: usize, until: Option<i64>) -> Quarantine {
    let (id, agent) = (format!("{agent}-{until:?}"), format!("agent-{agent}").into());
    Quarantine { id, agent, ..quarantine("", until) }
}

#[test]
fn no_quarantine_is_lost_while_nothing_can_be_written() {
    let mut state = State::default();
    (0..8300).for_each(|agent| drop(state.shut_out(of_agent(agent, Some(HOUR)))));
    assert_eq!(write_all(&mut state).len(), 8300);
}

#[test]
fn of_what_is_still_to_be_written_of_an_agent_the_longest_is_enough() {
    let (resources, mut state) = (set(SET), State::default());
    for round in 0..100 {
        (0..50).for_each(|agent| drop(state.shut_out(of_agent(agent, Some(2 * HOUR + round)))));
        (0..50).for_each(|agent| drop(state.shut_out(of_agent(agent, Some(HOUR / 2)))));
        // Over again at once, and never written.
        (50..60).for_each(|agent| drop(state.shut_out(of_agent(agent, Some(round)))));
        state.expire(&resources, Timestamp(round), MOST);
    }
    state.shut_out(of_agent(7, None));
    // The first may be written just now, and stays.
    assert_eq!(state.unwritten.len(), 51);
    let written = write_all(&mut state);
    let longest = |agent: usize, until: Option<i64>| {
        let is = |change: &&Change| **change == Change::Quarantine(of_agent(agent, until));
        written.iter().filter(is).count()
    };
    assert_eq!(
        (longest(0, Some(2 * HOUR + 99)), longest(49, Some(2 * HOUR + 99)), longest(7, None)),
        (1, 1, 1)
    );
}
