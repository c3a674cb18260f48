//! The ledger as its callers know it: open, close, refuse, restart, search, follow.

use std::time::Duration;

use crate::decide::ledger::entry::Entry;
use crate::decide::ledger::query::{Filter, IdPrefix, Row};
use crate::decide::ledger::record::{Decision, Kind, Outcome};
use crate::decide::ledger::{Durability, Error, Ledger, LedgerConfig, OnUnavailable};
use crate::model::types::{Denial, Reason, Timestamp};
use crate::platform::sys::clock;

use super::{AT, config, id, opening, policy, start};

async fn open(ledger: &Ledger, number: u128) -> Entry {
    ledger.open(&opening(number), Decision::Allow, (Some(&policy()), Some("rules[0]")), None).await.unwrap()
}

async fn search(ledger: &Ledger, filter: Filter) -> Vec<Row> {
    ledger.barrier().await.unwrap();
    ledger.reader().unwrap().search(&filter).unwrap()
}

fn ids(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.text("request_id").unwrap().to_owned()).collect()
}

fn named(numbers: &[u128]) -> Vec<String> {
    numbers.iter().map(|number| id(*number).to_string()).collect()
}

#[test]
fn an_entry_may_cross_threads_and_the_ledger_may_be_shared() {
    fn send<T: Send>() {}
    fn shared<T: Send + Sync + Clone>() {}
    send::<Entry>();
    shared::<Ledger>();
}

#[tokio::test]
async fn decision_and_outcome_are_one_row_in_the_order_of_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let entry = open(&ledger, 1).await;
    assert_eq!(entry.request_id(), id(1));
    let pending = search(&ledger, Filter::default()).await;
    assert_eq!(pending[0].text("phase"), Some("decision"));

    entry.close(Outcome { status: Some(200), bytes_in: 5, ..Outcome::default() });
    let rows = search(&ledger, Filter::default()).await;
    assert_eq!(rows.len(), 1);
    let text = serde_json::to_string(&rows[0]).unwrap();
    assert!(text.starts_with(r#"{"v":1,"timestamp":"2026-05-28T20:26:40.123456Z","request_id":"#), "{text}");
    let expected =
        r#""policy_digest":"sha256:9f2c","enforcement_mode":"enforce","bytes_out":0,"bytes_in":5,"#;
    assert!(text.contains(expected), "{text}");
    assert_eq!(rows[0].text("policy_id"), Some("EgressHTTPRoute/model"));
    assert_eq!(rows[0].get("status"), Some(&200.into()));
}

#[tokio::test]
async fn a_late_denial_overrides_the_decision() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let denial = Denial::built_in(Reason::TlsUntrustedUpstream, "No.").seen("certificate expired");
    open(&ledger, 1).await.close(Outcome { denial: Some(denial), ..Outcome::default() });
    open(&ledger, 2).await.close(Outcome::default());
    let denied = Filter { decision: Some(Decision::Deny), ..Filter::default() };
    let rows = search(&ledger, denied).await;
    assert_eq!(ids(&rows), named(&[1]));
    assert_eq!(rows[0].text("reason"), Some("tls.untrusted-upstream"));
    assert_eq!(rows[0].text("evidence"), Some("certificate expired"));
    assert_eq!(rows[0].get("policy_id"), None, "the route that allowed it did not deny it");
    let allowed = Filter { decision: Some(Decision::Allow), ..Filter::default() };
    assert_eq!(ids(&search(&ledger, allowed).await), named(&[2]));
}

#[tokio::test]
async fn search_finds_by_every_field_and_keeps_the_newest_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    for number in 1..=3 {
        open(&ledger, number).await.close(Outcome::default());
    }
    let mut refused = opening(4);
    (refused.kind, refused.at) = (Kind::Connection, AT.plus(Duration::from_secs(600)));
    refused.subject.agent = None;
    ledger.refuse(&refused, &Denial::built_in(Reason::IdentityUnknown, "Who?"));
    let by = |filter: Filter| search(&ledger, filter);
    let none = Filter::default;
    assert_eq!(ids(&by(none()).await), named(&[1, 2, 3, 4]));
    assert_eq!(ids(&by(Filter { limit: Some(2), ..none() }).await), named(&[3, 4]));
    assert_eq!(ids(&by(Filter { agent: Some("alice".into()), ..none() }).await), named(&[1, 2, 3]));
    assert_eq!(ids(&by(Filter { kind: Some(Kind::Connection), ..none() }).await), named(&[4]));
    assert_eq!(ids(&by(Filter { reason: Some("identity.unknown".into()), ..none() }).await), named(&[4]));
    assert_eq!(by(Filter { host: Some("api.model.example".into()), ..none() }).await.len(), 4);
    assert_eq!(by(Filter { host: Some("model.example".into()), ..none() }).await.len(), 0);
    let later = Some(AT.plus(Duration::from_micros(1)));
    assert_eq!(ids(&by(Filter { since: later, ..none() }).await), named(&[4]));
    assert_eq!(ids(&by(Filter { until: later, ..none() }).await), named(&[1, 2, 3]));
    assert_eq!(by(Filter { since: Some(Timestamp(i64::MAX)), ..none() }).await.len(), 0);
    let short = IdPrefix::parse(&id(1).short());
    assert_eq!(by(Filter { request_id: short, ..none() }).await.len(), 4);
    let whole = IdPrefix::parse(&id(2).to_string());
    assert_eq!(ids(&by(Filter { request_id: whole, ..none() }).await), named(&[2]));
    for text in ["", "-", "0199c0dg", "' OR 1=1"] {
        assert_eq!(IdPrefix::parse(text), None, "{text}");
    }
}

#[tokio::test]
async fn following_shows_each_thing_once_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let slow = open(&ledger, 1).await;
    open(&ledger, 2).await.close(Outcome::default());
    ledger.refuse(&opening(3), &Denial::built_in(Reason::PolicyNoRoute, "No."));
    ledger.barrier().await.unwrap();
    let reader = ledger.reader().unwrap();
    let (rows, cursor) = reader.tail(0, &Filter::default()).unwrap();
    assert_eq!(ids(&rows), named(&[2, 3]));
    let (rows, first) = reader.tail(0, &Filter { limit: Some(1), ..Filter::default() }).unwrap();
    assert_eq!(ids(&rows), named(&[2]));
    assert_eq!(ids(&reader.tail(first, &Filter::default()).unwrap().0), named(&[3]));
    slow.close(Outcome::default());
    ledger.barrier().await.unwrap();
    let (rows, cursor) = reader.tail(cursor, &Filter::default()).unwrap();
    assert_eq!(ids(&rows), named(&[1]));
    assert_eq!(reader.tail(cursor, &Filter::default()).unwrap(), (vec![], cursor));
}

#[tokio::test]
async fn a_restart_closes_what_was_left_open_as_interrupted_and_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    std::mem::forget(open(&ledger, 1).await);
    open(&ledger, 2).await.close(Outcome { status: Some(200), ..Outcome::default() });
    let last = search(&ledger, Filter::default()).await[1].seq;
    // In the database, and in the journal alone.
    ledger.stop();
    std::mem::forget(open(&ledger, 3).await);
    drop(ledger);

    for _ in 0..2 {
        let ledger = start(dir.path());
        let rows = search(&ledger, Filter::default()).await;
        assert_eq!(ids(&rows), named(&[1, 2, 3]));
        let ends: Vec<_> = rows.iter().map(|row| row.text("end")).collect();
        assert_eq!(ends, [Some("interrupted"), None, Some("interrupted")]);
        assert!(rows[2].seq > last);
        assert_eq!(ledger.reader().unwrap().stats(clock::now()).unwrap().records, 6);
    }
}

#[tokio::test]
async fn an_entry_whose_task_is_cancelled_is_closed_as_abandoned() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    drop(open(&ledger, 1).await);
    assert_eq!(search(&ledger, Filter::default()).await[0].text("end"), Some("abandoned"));
}

#[tokio::test]
async fn a_torn_record_is_told_as_a_system_record() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    ledger.stop();
    open(&ledger, 1).await.close(Outcome::default());
    drop(ledger);
    let segment = dir.path().join("journal/00000000000000000001.journal");
    let file = std::fs::File::options().write(true).open(segment).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let ledger = start(dir.path());
    let rows = search(&ledger, Filter::default()).await;
    assert_eq!(rows[0].text("end"), Some("interrupted"), "its outcome was torn");
    assert_eq!(rows[1].text("action"), Some("journal-torn"));
    assert_eq!(rows[1].text("object"), Some("00000000000000000001.journal"));
}

#[tokio::test]
async fn a_decision_is_in_the_journal_before_anything_can_follow_from_it() {
    const TOGETHER: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..TOGETHER {
        let (ledger, segment) = (ledger.clone(), dir.path().join("journal/00000000000000000001.journal"));
        tasks.spawn(async move {
            let entry = open(&ledger, number as u128).await;
            let journal = std::fs::read(segment).unwrap();
            let recorded = journal.windows(18).filter(|bytes| *bytes == b"\"phase\":\"decision\"");
            (recorded.count(), entry)
        });
    }
    for (recorded, _entry) in tasks.join_all().await {
        assert_eq!(recorded, TOGETHER, "one write for all that were ready, and before any of them went on");
    }
}

#[tokio::test]
async fn a_decision_whose_task_is_cancelled_while_it_is_recorded_is_closed_as_abandoned() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    assert!(futures_util::FutureExt::now_or_never(open(&ledger, 1)).is_none());
    assert_eq!(search(&ledger, Filter::default()).await[0].text("end"), Some("abandoned"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_of_four_threads_are_all_there_and_each_thread_keeps_its_order() {
    const EACH: u128 = 2000;
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(&LedgerConfig { journal_bytes: 64 << 20, ..config(dir.path()) }).unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|thread| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    open(&ledger, thread * EACH + number).await.close(Outcome::default());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rows = search(&ledger, Filter::default()).await;
    assert_eq!(rows.len() as u128, 4 * EACH);
    for thread in 0..4 {
        let range = named(&(thread * EACH..(thread + 1) * EACH).collect::<Vec<_>>());
        let mine: Vec<_> =
            ids(&rows).into_iter().filter(|id| range[0] <= *id && *id <= range[range.len() - 1]).collect();
        assert_eq!(mine, range);
    }
    assert_eq!(ledger.reader().unwrap().last().unwrap() as u128, 8 * EACH);
    assert_eq!(ledger.health().backlog_bytes, 0);
}

#[tokio::test]
async fn with_power_durability_many_decisions_wait_for_the_disk_together() {
    let dir = tempfile::tempdir().unwrap();
    let ledger =
        Ledger::start(&LedgerConfig { durability: Durability::Power, ..config(dir.path()) }).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let ledger = ledger.clone();
        tasks.spawn(async move { open(&ledger, number).await.close(Outcome::default()) });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(search(&ledger, Filter::default()).await.len(), 64);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_until_the_disk_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let segment = dir.path().join("journal/00000000000000000001.journal");
    let closes_late = open(&ledger, 1).await;
    let journal = &ledger.0.recorder.journal;
    let good = journal.replace_active(std::fs::File::open(segment).unwrap());
    let denial = ledger.open(&opening(2), Decision::Allow, (Some(&policy()), None), None).await.unwrap_err();
    assert_eq!(denial.reason, Reason::AuditUnavailable);
    assert_eq!(ledger.event(&opening(3), &Outcome::default()).unwrap_err().reason, Reason::AuditUnavailable);
    ledger.refuse(&opening(4), &denial);
    closes_late.close(Outcome::default());
    let health = ledger.health();
    assert!(health.journal_failure.is_some());
    assert_eq!((health.refused, health.lost), (2, 1), "outcomes wait for the disk");

    journal.replace_active(good.try_clone().unwrap());
    open(&ledger, 5).await.close(Outcome::default());
    assert_eq!(ledger.health().journal_failure, None);
    let rows = search(&ledger, Filter::default()).await;
    assert_eq!(ids(&rows), named(&[1, 2, 5]));
    let decisions: Vec<_> = rows.iter().map(|row| row.text("decision")).collect();
    assert_eq!(decisions, [Some("allow"), Some("deny"), Some("allow")]);
    assert_eq!(rows[1].text("reason"), Some("audit.unavailable"));
}

#[tokio::test]
async fn an_outage_that_is_allowed_leaves_no_record_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let settings = LedgerConfig { on_unavailable: OnUnavailable::Allow, ..config(dir.path()) };
    let ledger = Ledger::start(&settings).unwrap();
    let segment = dir.path().join("journal/00000000000000000001.journal");
    ledger.0.recorder.journal.replace_active(std::fs::File::open(segment).unwrap());
    open(&ledger, 1).await.close(Outcome::default());
    let health = ledger.health();
    assert_eq!((health.refused, health.lost), (1, 0));
}

#[tokio::test]
async fn two_daemons_never_share_a_journal_and_a_newer_layout_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    assert!(matches!(Ledger::start(&config(dir.path())), Err(Error::InUse { .. })));
    drop(ledger);
    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    db.pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(Ledger::start(&config(dir.path())), Err(Error::Newer { found: 3, .. })));
}

#[tokio::test]
async fn a_refusal_has_the_status_of_its_protocol_and_the_last_hour_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = start(dir.path());
    let denial = Denial::built_in(Reason::PolicyNoRoute, "No.");
    for (number, kind, protocol) in
        [(1, Kind::Connection, "tcp"), (2, Kind::Connection, "tls-terminate"), (3, Kind::Dns, "dns")]
    {
        let mut refused = opening(number);
        (refused.kind, refused.asked.protocol) = (kind, Some(protocol));
        ledger.refuse(&refused, &denial);
    }
    let rows = search(&ledger, Filter::default()).await;
    let status: Vec<_> =
        rows.iter().map(|row| row.get("status").and_then(|status| status.as_u64())).collect();
    assert_eq!(status, [None, Some(403), Some(3)]);
    let reader = ledger.reader().unwrap();
    let stats = reader.stats(AT.plus(Duration::from_secs(3000))).unwrap();
    assert_eq!((stats.records, stats.oldest), (3, Some(AT)));
    let counted: Vec<_> =
        stats.last_hour.iter().map(|c| (c.kind.as_str(), c.reason.as_deref(), c.count)).collect();
    assert_eq!(counted, [("connection", Some("policy.no-route"), 2), ("dns", Some("policy.no-route"), 1)]);
    assert_eq!(reader.stats(AT.plus(Duration::from_secs(3700))).unwrap().last_hour, []);
}
