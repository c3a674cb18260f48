//! The registry on a real file: what is written is there after a new start, and what is not ours is refused.

use super::*;
use crate::model::types::{ApprovedHost, ApprovedTool, Cause, Grant, PolicyRef};

fn approval(name: &str, at: i64) -> Approval {
    let hosts = ["paste.example:443", "*.cdn.example"].map(|text| ApprovedHost::parse(text).unwrap());
    Approval {
        name: name.into(),
        grant: Grant {
            agent: "alice".into(),
            hosts: hosts.into(),
            tools: vec![ApprovedTool::parse("github/search").unwrap()],
            reason: "INC-1: debug".into(),
            ticket: Some("INC-1".into()),
        },
        request_id: None,
        made_by: "root".into(),
        made_at: Timestamp(at),
        until: Timestamp(at + 10),
        ended: None,
    }
}

fn quarantine(id: &str) -> Quarantine {
    let policy = Some(PolicyRef::new("EgressPolicy", "loud"));
    Quarantine {
        id: id.into(),
        agent: "alice".into(),
        cause: Cause { policy, rule: Some("big".into()), reason: "too much".into() },
        made_by: "EgressPolicy/loud".into(),
        made_at: Timestamp(5),
        until: None,
        ended: None,
    }
}

#[tokio::test]
async fn what_is_written_is_there_after_a_new_start_and_ends_once() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    registry.add_approval(&approval("a", 1)).await.unwrap();
    registry.add_quarantine(&quarantine("q")).await.unwrap();
    registry.add_quarantine(&quarantine("q")).await.unwrap();
    let sighting = Sighting { name: "a".into(), digest: "d".into(), seen_at: Timestamp(7), ended_at: None };
    registry.add_sighting(&sighting).await.unwrap();
    registry.add_sighting(&Sighting { seen_at: Timestamp(9), ..sighting.clone() }).await.unwrap();
    drop(registry);

    let registry = Registry::open(folder.path()).await.unwrap();
    assert_eq!(registry.approvals().await.unwrap(), [approval("a", 1)]);
    assert_eq!(registry.quarantines().await.unwrap(), [quarantine("q")]);
    assert_eq!(registry.sightings().await.unwrap(), [sighting]);
    let by = |by: &str| Ended { at: Timestamp(9), by: by.into() };
    registry.end_approval("a", &by("root")).await.unwrap();
    registry.end_approval("a", &by("expiry")).await.unwrap();
    registry.end_quarantine("q", &by("ann")).await.unwrap();
    assert!(registry.approvals().await.unwrap().is_empty());
    assert!(registry.quarantines().await.unwrap().is_empty());
    let all = registry.approvals_of_all_times().await.unwrap();
    assert_eq!(all, [Approval { ended: Some(by("root")), ..approval("a", 1) }]);
}

#[tokio::test]
async fn an_approval_from_before_there_were_tools_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    // The layout of the first version, with a row that it wrote.
    for statement in [
        "ALTER TABLE approvals DROP COLUMN tools",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
        "INSERT INTO approvals (name, agent, hosts, reason, ticket, made_by, made_at, until_at) VALUES \
         ('a', 'alice', 'paste.example:443 *.cdn.example', 'INC-1: debug', 'INC-1', 'root', 1, 11)",
    ] {
        sqlx::query(statement).execute(&registry.pool).await.unwrap();
    }
    drop(registry);

    let registry = Registry::open(folder.path()).await.unwrap();
    let old = approval("a", 1);
    let old = Approval { grant: Grant { tools: vec![], ..old.grant }, ..old };
    assert_eq!(registry.approvals().await.unwrap(), std::slice::from_ref(&old));
    registry.add_approval(&approval("b", 2)).await.unwrap();
    assert_eq!(registry.approvals().await.unwrap(), [old, approval("b", 2)], "new ones have theirs");
}

#[tokio::test]
async fn two_approvals_never_have_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    registry.add_approval(&approval("a", 1)).await.unwrap();
    registry.end_approval("a", &Ended { at: Timestamp(2), by: "root".into() }).await.unwrap();
    assert!(matches!(registry.add_approval(&approval("a", 3)).await, Err(Error::Database { .. })));
}

#[tokio::test]
async fn nobody_else_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    registry.look(Timestamp(1)).await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap().flatten() {
        let mode = entry.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_registry_that_is_gone_is_missed_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    registry.check().unwrap();
    for name in [DATABASE, "registry.db-wal", "registry.db-shm"] {
        let _ = fs::remove_file(folder.path().join(name));
    }
    assert!(matches!(registry.add_approval(&approval("a", 1)).await, Err(Error::Replaced { .. })));
    assert!(matches!(registry.look(Timestamp(1)).await, Err(Error::Replaced { .. })));
    drop(registry);
    let gone = Registry::open(folder.path()).await.unwrap_err();
    assert!(matches!(gone, Error::Gone { .. }));
    assert!(gone.to_string().contains("registry.mark"), "{gone}");
    fs::write(folder.path().join(DATABASE), "").unwrap();
    assert!(matches!(Registry::open(folder.path()).await, Err(Error::Gone { .. })), "emptied is gone");
    fs::remove_file(folder.path().join(MARK)).unwrap();
    assert!(Registry::open(folder.path()).await.unwrap().approvals().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_registry_or_a_newer_one_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(DATABASE), "nonsense".repeat(1000)).unwrap();
    assert!(matches!(Registry::open(folder.path()).await, Err(Error::Database { .. })));

    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let newer = sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'newer', TRUE, $1, 0)",
    );
    newer.bind(b"x".as_slice()).execute(&registry.pool).await.unwrap();
    drop(registry);
    assert!(matches!(Registry::open(folder.path()).await, Err(Error::Layout { .. })));
}

#[tokio::test]
async fn a_row_that_cannot_be_ours_is_an_error_and_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    registry.add_approval(&approval("a", 1)).await.unwrap();
    sqlx::query("UPDATE approvals SET hosts = '*'").execute(&registry.pool).await.unwrap();
    let error = registry.approvals().await.unwrap_err();
    assert!(error.to_string().contains("approval `a`"), "{error}");
}

#[tokio::test]
async fn what_stood_at_a_moment_is_what_had_begun_then_and_had_not_ended() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let by = |at: i64| Ended { at: Timestamp(at), by: "root".into() };
    // Made at 1, 3 and 20; the first would end at 11 and is revoked at 5.
    for (name, at) in [("revoked", 1), ("expires", 3), ("later", 20)] {
        registry.add_approval(&approval(name, at)).await.unwrap();
    }
    registry.end_approval("revoked", &by(5)).await.unwrap();
    registry.add_quarantine(&quarantine("q")).await.unwrap();
    registry.end_quarantine("q", &by(9)).await.unwrap();
    for (at, approvals, quarantines) in [
        (0, &[][..], 0),
        (1, &["revoked"][..], 0),
        (4, &["expires", "revoked"][..], 0),
        (5, &["expires"][..], 1),
        (9, &["expires"][..], 0),
        (13, &[][..], 0),
        (20, &["later"][..], 0),
    ] {
        let past = registry.past(Timestamp(at)).await.unwrap();
        let names: Vec<&str> = past.approvals.iter().map(|one| &*one.name).collect();
        assert_eq!((&names[..], past.quarantines.len()), (approvals, quarantines), "at {at}");
        assert_eq!(past.whole_since, None, "nothing was forgotten");
    }
}

#[tokio::test]
async fn of_what_has_ended_the_last_are_remembered_and_it_is_known_since_when() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let many = sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         INSERT INTO quarantines (id, agent, reason, made_by, made_at, ended_at, ended_by) \
         SELECT 'q' || i, 'alice', 'loud', 'root', $1 - i, 100000 + i, 'root' FROM n",
    );
    let bound = i64::try_from(crate::model::types::limits::REGISTRY_HISTORY).unwrap();
    many.bind(bound + 5).execute(&registry.pool).await.unwrap();
    registry.add_quarantine(&quarantine("new")).await.unwrap();
    let left = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM quarantines WHERE ended_at IS NOT NULL");
    assert_eq!(left.fetch_one(&registry.pool).await.unwrap(), bound);
    let past = registry.past(Timestamp(100_000)).await.unwrap();
    assert_eq!(past.whole_since, Some(Timestamp(100_006)), "those that ended first are gone");
    assert_eq!(registry.quarantines().await.unwrap(), [quarantine("new")], "what stands stays");
}

fn stored(name: &str, key: &str, version: u64) -> StoredSecret {
    StoredSecret {
        name: name.into(),
        key: key.into(),
        version,
        sealed: SealedValue {
            master: "0011223344556677".into(),
            wrapped_key: format!("wrapped {name} {key} {version}").into(),
            value: vec![0, 159, 146, 150, u8::try_from(version).unwrap()],
        },
        set_by: "ann".into(),
        set_at: Timestamp(7),
    }
}

#[tokio::test]
async fn secrets_are_there_after_a_new_start_and_are_removed_by_key_or_whole() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let all = [stored("aws", "id", 1), stored("aws", "secret", 1), stored("openai", "value", 1)];
    registry.put_secrets(&all).await.unwrap();
    registry.put_secrets(&[stored("openai", "value", 2)]).await.unwrap();
    drop(registry);

    let registry = Registry::open(folder.path()).await.unwrap();
    let [id, secret, _] = all;
    assert_eq!(registry.secrets().await.unwrap(), [id.clone(), secret.clone(), stored("openai", "value", 2)]);
    assert_eq!(registry.remove_secret("aws", Some("id")).await.unwrap(), 1);
    assert_eq!(registry.remove_secret("aws", Some("id")).await.unwrap(), 0);
    assert_eq!(registry.secrets().await.unwrap(), [secret, stored("openai", "value", 2)]);
    registry.put_secrets(&[id]).await.unwrap();
    assert_eq!(registry.remove_secret("aws", None).await.unwrap(), 2);
    assert_eq!(registry.secrets().await.unwrap(), [stored("openai", "value", 2)]);
}

#[tokio::test]
async fn several_secrets_are_written_all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON secrets WHEN NEW.name = 'c' \
                  BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    sqlx::query(refuse).execute(&registry.pool).await.unwrap();
    let all = [stored("a", "value", 1), stored("b", "value", 1), stored("c", "value", 1)];
    let error = registry.put_secrets(&all).await.unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(registry.secrets().await.unwrap(), []);
}

#[tokio::test]
async fn an_old_value_is_overwritten_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let holds = |text: &str| {
        let mut files = fs::read_dir(folder.path()).unwrap().flatten();
        files.any(|entry| {
            let bytes = fs::read(entry.path()).unwrap();
            bytes.windows(text.len()).any(|part| part == text.as_bytes())
        })
    };
    registry.put_secrets(&[stored("openai", "value", 1)]).await.unwrap();
    assert!(holds("wrapped openai value 1"), "the test can see it");
    registry.put_secrets(&[stored("openai", "value", 2)]).await.unwrap();
    assert!(!holds("wrapped openai value 1"));
    registry.remove_secret("openai", None).await.unwrap();
    assert!(!holds("wrapped openai value 2"));
}
